"""The made-up city in motion: windows of time in which a policy offers orders to drivers, who answer, drive, deliver and go home."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Columns
from rialto.worlds import city_truth as truth
from rialto.worlds.city import City
from rialto.worlds.city_fleet import TO_DROPOFF, TO_PICKUP, WAITING, Fleet
from rialto.worlds.city_plans import Plans, Routes

__all__ = ["CitySim", "SimReport", "SimState"]

WAIT, TAKEN, DELIVERED, CANCELLED, FUTURE = 0, 1, 2, 3, 4
_ANSWERS: tuple[str, ...] = (
    "order",
    "driver",
    "accepted",
    "probability",
    "pickup_s",
    "value_cents",
    "trip_m",
    "homeward",
    "again",
    "at_s",
)

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SimState:
    """What a policy may see at the start of a window.

    Args:
        time_s: Now.
        drivers: Free drivers on shift, and with them those with a place left where drivers may have several orders; columns
            (drivers,): id, lat, lon, x_m, y_m, flags, vehicle, free_since_s, earned_cents, shift_end_s (of the day).
        orders: Waiting orders, columns (waiting,): those of `City.orders` plus `offers`, how often each was declined.
        answers: The offers of the window before, columns (pairs,): order, driver, accepted, probability (the truth), pickup_s
            (expected), value_cents, trip_m, homeward, again (this driver had declined this order before), at_s.
    """

    time_s: float
    drivers: Columns
    orders: Columns
    answers: Columns


@dataclass(frozen=True, slots=True)
class SimReport:
    """What came of a run so far: arrived = waiting + moving + delivered + cancelled.

    Args:
        arrived, waiting, moving, delivered, cancelled: Orders.
        offers, accepted: Offers made and taken.
        wait_s_mean: From the order to the yes, of orders that were taken.
        pickup_s_mean: From the yes to the pick-up, of orders that were picked up.
        delivery_s_mean: From the order to the door, of orders delivered.
        earned_cents: Of all drivers.
        earned_gini: Inequality of earnings an hour among drivers who worked, 0 = equal.
        busy_share: Share of working time with an order.
    """

    arrived: int
    waiting: int
    moving: int
    delivered: int
    cancelled: int
    offers: int
    accepted: int
    wait_s_mean: float
    pickup_s_mean: float
    delivery_s_mean: float
    earned_cents: int
    earned_gini: float
    busy_share: float


class CitySim:
    """A run of a city between two moments.

    Args:
        city: The city.
        start_s: When it starts; drivers on shift are free where they wander.
        end_s: No order comes after it; `done` is true once time has reached it.
        seed: Of answers and drives. Luck belongs to (seed, order, driver, attempt): two policies meet the same luck.
        window_s: How long a step takes.
        most: Orders that a driver may have at once. One who has some makes the stops of the route that came with his last yes, and
            answers another offer as one with so many seconds to go to its pickup as that route takes, without traffic of chance.

    Raises:
        BadInput: times, window or `most` are out of range.

    Cost:
        A step is O(drivers + waiting orders), about 0.2 ms for 2000 drivers.

    Example:
        >>> from rialto.worlds.city import make_city
        >>> sim = CitySim(make_city(drivers=20), start_s=43200.0, end_s=43260.0)
        >>> while not sim.done:
        ...     state = sim.state()
        ...     pairs = min(len(state.orders["id"]), len(state.drivers["id"]))
        ...     state = sim.step(order=state.orders["id"][:pairs], driver=state.drivers["id"][:pairs])
        >>> r = sim.report()
        >>> r.arrived == r.waiting + r.moving + r.delivered + r.cancelled
        True
    """

    def __init__(self, city: City, *, start_s: float, end_s: float, seed: int = 0, window_s: float = 2.0, most: int = 1) -> None:
        if not 0.0 <= start_s < end_s or window_s <= 0.0 or most < 1:
            raise BadInput(
                f"start_s {start_s}, end_s {end_s}, window_s {window_s}, most {most}; "
                "wanted 0 <= start < end, a window above 0, and 1 order or more."
            )
        self.city, self.seed, self.window_s = city, seed, window_s
        self.time_s, self.end_s = float(start_s), float(end_s)
        self._orders = city.orders(start_s, end_s)
        count = len(self._orders["id"])
        self._status = np.full(count, FUTURE, dtype=np.int8)
        self._refused: set[tuple[int, int]] = set()
        self._declined = np.zeros(count, dtype=np.int64)
        self._times = {name: np.full(count, np.nan) for name in ("accepted_s", "picked_s", "delivered_s")}
        self._driver = np.full(count, -1, dtype=np.int64)
        self._arrived = 0
        self._waiting: Ids = np.zeros(0, dtype=np.int64)
        self._fleet = Fleet(city, start_s, seed)
        self._most, self._plans = most, Plans(city)
        self._answers: list[dict[str, NDArray[Any]]] = []
        self._last = _no_answers()
        self._arrivals()

    @property
    def done(self) -> bool:
        """True once time has reached the end."""
        return self.time_s >= self.end_s

    def state(self) -> SimState:
        """What a policy may see now."""
        orders = {name: column[self._waiting] for name, column in self._orders.items()}
        orders["offers"] = self._declined[self._waiting]
        return SimState(self.time_s, self._fleet.shown(self._open(), self.time_s), orders, self._last)

    def _open(self) -> NDArray[np.bool_]:
        """Which drivers may be offered an order now."""
        ready = self._fleet.ready(self.time_s)
        return ready if self._most == 1 else ready | self._fleet.roomy(self.time_s, self._plans.held, self._most)

    def step(self, *, order: Ids, driver: Ids, routes: Routes | None = None) -> SimState:
        """Offer `order[i]` to `driver[i]` now, let a window pass, and answer with what is then to be seen.

        Args:
            order: Ids of waiting orders, shape (pairs,), each at most once.
            driver: Ids of `state().drivers`, shape (pairs,), each at most once.
            routes: Driver -> the stops that he makes from now on if he says yes, in order: the order's id, and whether it is dropped off.
                A driver with orders who has none here makes the new stops last.

        Raises:
            BadInput: shapes differ, an id comes twice, an order does not wait, a driver is not there to be asked, or a route has other
                stops than his orders and the new one ask for, or does not begin with the stop under way; nothing has changed then.
        """
        rows = self._check(np.asarray(order, dtype=np.int64), np.asarray(driver, dtype=np.int64))
        plans = self._plans.offered(rows, np.asarray(driver, dtype=np.int64), self._orders["id"], routes or {})
        self._last = self._offer(rows, np.asarray(driver, dtype=np.int64), plans)
        self.time_s += self.window_s
        self._move()
        self._arrivals()
        return self.state()

    def log(self) -> Columns:
        """All answers so far, columns as in `SimState.answers`."""
        parts = self._answers or [_no_answers()]
        return {name: np.concatenate([part[name] for part in parts]) for name in _ANSWERS}

    def trips(self) -> Columns:
        """Orders that were taken, columns (taken,): order, driver, merchant, accepted_s, ready_s, picked_s, delivered_s (NaN where not yet)."""
        rows = np.flatnonzero(self._driver >= 0)
        times = {name: column[rows] for name, column in self._times.items()}
        ready_s = self._orders["time_s"][rows] + self._orders["prep_s"][rows]
        made = {"merchant": self._orders["merchant"][rows], "ready_s": np.where(ready_s <= self.time_s, ready_s, np.nan)}
        return {"order": self._orders["id"][rows], "driver": self._driver[rows], **made, **times}

    def report(self) -> SimReport:
        """What came of it so far."""
        counts = np.bincount(self._status, minlength=5)
        log, placed, times = self.log(), self._orders["time_s"], self._times
        earned, worked_s, busy_s = self._fleet.earned_cents, self._fleet.worked_s, self._fleet.busy_s
        at_work = worked_s > 0.0
        return SimReport(
            self._arrived, int(counts[WAIT]), int(counts[TAKEN]), int(counts[DELIVERED]), int(counts[CANCELLED]),
            len(log["order"]), int(log["accepted"].sum()),
            _mean(times["accepted_s"] - placed), _mean(times["picked_s"] - times["accepted_s"]), _mean(times["delivered_s"] - placed),
            int(earned.sum()), _gini(earned[at_work] / np.maximum(worked_s[at_work], 1.0)),
            float(busy_s.sum() / max(worked_s.sum(), 1.0)),
        )  # fmt: skip

    def _check(self, order: Ids, driver: Ids) -> Ids:
        if order.ndim != 1 or order.shape != driver.shape:
            raise BadInput(f"order has shape {order.shape}, driver {driver.shape}; wanted two of one shape (pairs,).")
        for name, ids in (("order", order), ("driver", driver)):
            if len(np.unique(ids)) != len(ids):
                raise BadInput(
                    f"an id comes twice in {name}; wanted each at most once, since a driver answers one offer at a time."
                )
        rows = np.searchsorted(self._orders["id"], order)
        known = rows < len(self._status)
        known[known] = (self._orders["id"][rows[known]] == order[known]) & (self._status[rows[known]] == WAIT)
        if not known.all():
            raise BadInput(f"order {order[~known][0]} does not wait; offer only `state().orders`.")
        unfree = (driver < 0) | (driver >= len(self._fleet.status))
        unfree[~unfree] = ~self._open()[driver[~unfree]]
        if unfree.any():
            raise BadInput(f"driver {driver[unfree][0]} is not free; offer only to `state().drivers`.")
        return rows

    def _offer(self, rows: Ids, driver: Ids, plans: list[list[int]]) -> dict[str, NDArray[Any]]:
        if len(rows) == 0:
            return _no_answers()
        o = {name: column[rows] for name, column in self._orders.items()}
        x_m, y_m = self._fleet.places(self.time_s, driver)
        vehicle = self.city.drivers["vehicle"][driver]
        pickup = self.city.travel_seconds(x_m, y_m, o["pickup_x_m"], o["pickup_y_m"], at_s=self.time_s, vehicle=vehicle)
        for at in np.flatnonzero(self._plans.held[driver] > 0).tolist():
            pickup[at] = self._plans.until(plans[at], 2 * rows[at], (x_m[at], y_m[at]), self._orders, self.time_s, vehicle[at])
        homeward = self.city.homeward(driver, x_m, y_m, o["dropoff_x_m"], o["dropoff_y_m"])
        pairs = list(zip(rows.tolist(), driver.tolist(), strict=True))
        again = np.array([pair in self._refused for pair in pairs], dtype=bool)
        probability = self.city.acceptance_probability(
            driver,
            pickup_s=pickup,
            value_cents=o["value_cents"],
            trip_m=o["trip_m"],
            at_s=self.time_s,
            homeward=homeward,
            again=again,
        )
        able = (self.city.drivers["flags"][driver] & o["need"]) == o["need"]
        probability = np.where(able, probability, 0.0)  # who cannot carry it says no
        yes = self.city.answer(o["id"], driver, probability=probability, seed=self.seed, attempt=self._declined[rows])
        self._refused.update(pair for pair, taken in zip(pairs, yes.tolist(), strict=True) if not taken)
        self._declined[rows[~yes]] += 1
        self._fleet.decline(driver[~yes], self.time_s)
        new = yes & (self._plans.held[driver] == 0)
        self._plans.take(driver[yes], [plan for plan, taken in zip(plans, yes.tolist(), strict=True) if taken])
        self._take(rows[yes], driver[yes])
        self._set_out(rows[new], driver[new], pickup[new])
        columns = (
            o["id"], driver, yes, probability, pickup, o["value_cents"], o["trip_m"], homeward, again, np.full(len(rows), self.time_s)
        )  # fmt: skip
        answers: dict[str, NDArray[Any]] = dict(zip(_ANSWERS, columns, strict=True))
        self._answers.append(answers)
        return answers

    def _take(self, rows: Ids, driver: Ids) -> None:
        self._status[rows] = TAKEN
        self._driver[rows] = driver
        self._times["accepted_s"][rows] = self.time_s
        self._waiting = self._waiting[self._status[self._waiting] == WAIT]

    def _set_out(self, rows: Ids, driver: Ids, expected_s: Floats) -> None:
        """Free drivers leave for their pickup."""
        goal = self._ends(rows, "pickup")
        noise = truth.drive_noise(self.city.data, self.seed, self._orders["id"][rows], "to pickup")
        self._fleet.send(driver, TO_PICKUP, rows, goal, self.time_s, self.time_s + expected_s * noise)

    def _ends(self, rows: Ids, which: str) -> Floats:
        return np.stack((self._orders[f"{which}_x_m"][rows], self._orders[f"{which}_y_m"][rows]), axis=1)

    def _move(self) -> None:
        fleet = self._fleet
        fleet.account(self.window_s)
        while self._arrive():  # from a drop-off the way may go on to the next stop within the window
            pass
        fleet.shifts(self.time_s)
        fleet.drift(self.time_s)

    def _arrive(self) -> bool:
        """Whoever is where he went does what he came for, and goes on; False where nobody is."""
        fleet = self._fleet
        arrived = fleet.arrived(TO_PICKUP, self.time_s)
        rows, ready = fleet.order[arrived], fleet.leg_end_s[arrived]
        ready = np.maximum(ready, self._orders["time_s"][rows] + self._orders["prep_s"][rows])
        fleet.send(arrived, WAITING, rows, self._ends(rows, "pickup"), self.time_s, ready)
        left = fleet.arrived(WAITING, self.time_s)
        self._depart(left)
        there = fleet.arrived(TO_DROPOFF, self.time_s)
        self._deliver(there)
        return len(left) + len(there) > 0

    def _depart(self, driver: Ids) -> None:
        if len(driver) == 0:
            return
        rows, left_s = self._fleet.order[driver], self._fleet.leg_end_s[driver]
        self._times["picked_s"][rows] = left_s
        self._go_on(driver, self._ends(rows, "pickup"), left_s)

    def _go_on(self, driver: Ids, start: Floats, left_s: Floats) -> None:
        """Drivers leave a stop for the next one of their plan."""
        rows, drops = self._plans.next(driver)
        goal = np.where(drops[:, np.newaxis], self._ends(rows, "dropoff"), self._ends(rows, "pickup"))
        vehicle = self.city.drivers["vehicle"][driver]
        expected = truth.travel_seconds(self.city.data, start, goal, at_s=left_s, vehicle=vehicle)
        ids = self._orders["id"][rows]
        noise = np.where(
            drops, *(truth.drive_noise(self.city.data, self.seed, ids, f"to {end}") for end in ("dropoff", "pickup"))
        )
        status = np.where(drops, TO_DROPOFF, TO_PICKUP).astype(np.int8)
        self._fleet.send(driver, status, rows, goal, left_s, left_s + expected * noise)

    def _deliver(self, driver: Ids) -> None:
        if len(driver) == 0:
            return
        fleet, rows = self._fleet, self._fleet.order[driver]
        self._times["delivered_s"][rows] = fleet.leg_end_s[driver]
        self._status[rows] = DELIVERED
        fleet.earned_cents[driver] += self._orders["value_cents"][rows]
        goes_on = self._plans.delivered(driver)
        done, more = driver[~goes_on], driver[goes_on]
        fleet.release(done, fleet.leg_end_s[done])
        if len(more):
            fleet.start[more] = fleet.goal[more]
            self._go_on(more, self._ends(rows[goes_on], "dropoff"), fleet.leg_end_s[more])

    def _arrivals(self) -> None:
        until = min(self.time_s, self.end_s)
        new = int(np.searchsorted(self._orders["time_s"], until, side="right"))
        self._status[self._arrived : new] = WAIT
        waiting = np.concatenate((self._waiting, np.arange(self._arrived, new)))
        self._arrived = new
        out = self.time_s - self._orders["time_s"][waiting] > self._orders["patience_s"][waiting]
        self._status[waiting[out]] = CANCELLED
        self._waiting = waiting[~out]


def _no_answers() -> dict[str, NDArray[Any]]:
    kinds = (np.int64, np.int64, np.bool_, np.float64, np.float64, np.int64, np.float64, np.float64, np.bool_, np.float64)
    return {name: np.zeros(0, dtype=kind) for name, kind in zip(_ANSWERS, kinds, strict=True)}


def _mean(values: Floats) -> float:
    """Mean of what is not NaN; NaN where there is nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _gini(values: Floats) -> float:
    """Gini's index of inequality, 0 to 1; 0 where nobody earned."""
    if values.sum() <= 0.0:
        return 0.0
    ranked = np.sort(values)
    place = np.arange(1, len(ranked) + 1)
    return float(2.0 * (place * ranked).sum() / (len(ranked) * ranked.sum()) - (len(ranked) + 1) / len(ranked))
