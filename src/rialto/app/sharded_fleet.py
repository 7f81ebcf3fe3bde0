"""A fleet beside the service whose city is shared by several workers: what `Fleet` does, over shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from itertools import count
from threading import Lock
from time import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.enrolled import Enrolled
from rialto.app.experiments import plan_of, policy_at
from rialto.app.fleet_logs import shards_logs
from rialto.app.fleet_windows import FleetWindows, known_order, plane_of
from rialto.app.pay import paid_in_shifts
from rialto.app.scenes import STATES, Scene
from rialto.app.seen import order_columns, small
from rialto.app.sharding import Sharding, held_to, sharding
from rialto.app.shards import ShardLink, opened_shards
from rialto.app.termed_fleet import TermedFleet
from rialto.app.terms import Terms, Zone, log_beside
from rialto.app.wired import limits_of
from rialto.match.arrival import Arrival
from rialto.match.decide import greedy
from rialto.match.ledger import STATES as ORDER_STATES
from rialto.match.ledger import Held
from rialto.match.offers import Answers, Messages
from rialto.match.records import Drivers, Orders, Pings
from rialto.match.route import Stop
from rialto.match.shards import Front, How, Windowed
from rialto.match.track import Judged, Track
from rialto.match.why import Why
from rialto.records import Columns

__all__ = ["ShardWindow", "ShardedFleet", "open_fleet"]

_KEPT_ROWS = 200_000
_TAKEN = 0  # of a ping's reasons: it was believed


@dataclass(frozen=True, slots=True)
class ShardWindow:
    """One window of all shards; fields as those of `Fleet`'s `Decided`, whose reasons lie with the shards."""

    at_s: float
    waiting: int
    orders: NDArray[np.int64]
    drivers: NDArray[np.int64]
    pickup_s: NDArray[np.float64]
    likely: NDArray[np.float64]
    sure: Columns
    fallbacks: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Offers made."""
        return len(self.orders)

    @classmethod
    def of(cls, found: Windowed, at_s: float) -> ShardWindow:
        """What a window came to."""
        made = found.made
        return cls(at_s, found.waiting, found.order, found.driver, made["pickup_s"], made["likely"], made, tuple(found.fallbacks))


def open_fleet(engines: Engines, *, clock: Callable[[], float] = time) -> TermedFleet | ShardedFleet:
    """The fleet that the settings name, in this process or over shards."""
    shared = sharding(engines.settings)
    return TermedFleet(engines, clock=clock) if shared is None else ShardedFleet(engines, shared, clock=clock)


class ShardedFleet(FleetWindows[ShardWindow]):
    """A fleet over shards, safe to call from several threads; calls take turns, but positions, which wait for no window.

    Each shard's log holds its orders, offers and answers before they are acknowledged; the front holds only what the logs say, and
    positions, which phones send again.

    Args:
        engines: Where engines come from; its settings' `fleet` has the plane's middle and the seconds between windows.
        shared: How the city is cut.
        clock: Seconds since 1970, UTC.

    Raises:
        EngineBusy: Another process dispatches this fleet.
        BadSettings: The logs are of another number of shards, or orders may be farther away than the flat map is true.
    """

    def __init__(self, engines: Engines, shared: Sharding, *, clock: Callable[[], float] = time) -> None:
        home = engines.settings.home / "fleet"
        plane = plane_of(engines.settings)
        self._geo, self._ends = engines.geo(), ExitStack()
        super().__init__(
            engines.settings, Track(self._geo, plane, limits=limits_of(engines.settings)), clock=clock, most_rows=_KEPT_ROWS
        )
        self._plan = plan_of(engines)
        regions = held_to(home / "shards.json", shared.regions(plane, self.radius_m), plane)
        hosts = shared.hosts()
        self._ends.callback(hosts.close)
        try:
            logs, decisions = shards_logs(engines.settings)
            opened = opened_shards(
                logs, regions, plane, settings=engines.settings, hosts=hosts, halo_m=shared.halo_m, decisions=decisions,
                standby=shared.standby,
            )  # fmt: skip
            self._front, self._links = self._ends.enter_context(opened)
            logs_beside = {name: log_beside(engines, name) for name in ("drivers", "terms")}
            for log in logs_beside.values():
                self._ends.callback(log.close)
            self._enrolled, self.terms = Enrolled(logs_beside["drivers"]), Terms(logs_beside["terms"], plane)
            self._lock, self._came = Lock(), Lock()
            self._kept: list[Pings] = []
            fleet = self._enrolled.everyone()
            self._fleet(fleet)
            paid = paid_in_shifts(self.terms, self._enrolled, fleet, now_s=clock())
            self._front.say("resume", {"driver": paid.drivers, "cents": paid.cents, "since_s": paid.since_s}, at_s=clock())
            self._front.say("block", dict(zip(("customer", "driver"), self.terms.pairs)), at_s=clock())
        except BaseException:
            self._ends.close()
            raise
        self._goals: dict[int, tuple[float, float, float, float]] = {}
        self._calls = count()

    @property
    def links(self) -> Sequence[ShardLink]:
        """The shards' workers."""
        return self._links

    @property
    def front(self) -> Front:
        """What stands before the shards."""
        return self._front

    def stop(self) -> None:
        """End the thread, after the window under way, and the workers; a second call does nothing."""
        if self._end():
            with self._lock:
                self._ends.close()
                self._geo.close()

    def enrol(self, drivers: Drivers) -> None:
        """Add drivers or renew known ones; durable when it returns."""
        with self._lock:
            self._fleet(drivers)
            self._enrolled.keep(drivers, at_s=self._clock())

    def _fleet(self, drivers: Drivers) -> None:
        if not len(drivers):
            return
        now_s = self._clock()
        self._track.enrol(drivers, at_s=now_s)
        x_m, y_m = self._track.place(drivers.ids)
        lat, lon = self.plane.latlon(np.where(np.isfinite(x_m), x_m, 0.0), np.where(np.isfinite(y_m), y_m, 0.0))
        self._front.enrol(drivers, lat, lon, at_s=now_s)
        self._laden(now_s)

    def _laden(self, now_s: float) -> None:
        drivers, load = self.terms.loads
        known = self.known(drivers)
        self._front.say("carry", {"driver": drivers[known], "load": load[known]}, at_s=now_s)

    def block(self, customer: NDArray[np.int64], driver: NDArray[np.int64], barred: NDArray[np.bool_]) -> int:
        """Bar pairs from the next window on, or let them meet again; returns how many are barred now. Durable."""
        with self._lock:
            count = self.terms.block(customer, driver, barred, at_s=self._clock())
            self._front.say("block", dict(zip(("customer", "driver"), self.terms.pairs)), at_s=self._clock())
        return count

    def carry(self, drivers: NDArray[np.int64], load: NDArray[np.float64]) -> None:
        """Say what drivers have on board, shape (drivers, 3). Durable."""
        with self._lock:
            self._track.carry(drivers, load)
            self.terms.carry(drivers, load, at_s=self._clock())
            self._laden(self._clock())

    def earn(self, keys: Sequence[str], drivers: NDArray[np.int64], cents: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say what drivers were paid, each by its key once; true where it is new. It counts as in one process."""
        with self._lock:
            new = self.terms.earn(keys, drivers, cents, at_s=self._clock())
            self._front.say("earn", {"driver": drivers[new], "cents": cents[new]}, at_s=self._clock())
        return new

    def told_ready(
        self, orders: NDArray[np.int64], merchants: NDArray[np.int64], ready_s: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Note when orders were ready, as their merchants tell; true where the order is known. Durable."""
        with self._lock:
            return self._front.ready(orders, merchants, ready_s, at_s=self._clock())

    def draw(self, zones: Sequence[Zone]) -> None:
        """Have these zones, for orders placed from now on. Durable."""
        with self._lock:
            self.terms.draw(zones, at_s=self._clock())

    def pings(self, pings: Pings) -> Judged:
        """Take positions; says what became of each. What is believed goes on to the shards that have to know, before their next window.

        It waits for nobody: while the shards decide, positions are kept for them.
        """
        with self._came:  # shards are told of positions in the order in which they were judged
            judged = self._track.pings(pings, now_s=self._clock())
            taken = judged.reasons == _TAKEN
            if taken.any():
                self._kept.append(pings.take(np.flatnonzero(taken)))
        if self._lock.acquire(blocking=False):
            try:
                self._send_on()
            finally:
                self._lock.release()
        return judged

    def _send_on(self) -> None:
        """Send the kept positions on; whoever calls it holds the lock of the shards."""
        with self._came:
            kept, self._kept = self._kept, []
        if kept:
            self._front.pings(reduce(Pings.join, kept), now_s=self._clock())

    def place(self, orders: Orders) -> NDArray[np.bool_]:
        """Take orders in, shape (orders,): true where they are new. Durable when it returns."""
        with self._lock:
            new = self._front.place(
                self.terms.needed(orders), at_s=self._clock(), key=f"placed:{self._front.name}:{next(self._calls)}"
            )
        return self._placed(new)

    def tell(self, messages: Messages) -> Answers:
        """Act on drivers' and customers' messages, and answer each; durable when it returns."""
        with self._lock:
            return self._front.tell_all(messages, at_s=self._clock())

    def window(self) -> ShardWindow:
        """Decide a window now, in all shards: what waits is offered to who is free."""
        with self._lock:
            self._send_on()
            at_s = self._moment()
            policy, arm = policy_at(self._plan, at_s)
            how = How(policy.decider is greedy, policy.version, policy.overrides, arm)
            found = self._front.window(at_s=at_s, seed=self._seed, how=how, deadline_s=self._deadline_s())
            decided = ShardWindow.of(found, at_s)
            self._remember(found.made)
            self._keep(decided)
        self._picture(at_s)
        return decided

    def _remember(self, made: Columns) -> None:
        ends = zip(*(made[name].tolist() for name in ("lat", "lon", "drop_lat", "drop_lon")))
        new = self._goals | dict(zip(made["order"].tolist(), ends))
        self._goals = dict(list(new.items())[-_KEPT_ROWS:])

    def held(self, order: int) -> Held:
        """How an order stands; `NothingHere` where it is unknown."""
        with self._lock:
            held = self._front.states(np.array([order]))[0]
        return known_order(order, held)

    def arrival(self, order: int) -> Arrival | None:
        """When an order that a driver has is reached, as its shard tells; see `Dispatch.arrival`."""
        with self._lock:
            return self._front.arrival(order, now_s=self._clock())

    def standing(self, driver: int) -> list[tuple[int, Held]]:
        """The orders that were offered to a driver or are with him; `NothingHere` where he is not enrolled."""
        self._must_know(driver)
        with self._lock:
            return self._front.standing(driver)

    def route(self, driver: int) -> list[Stop]:
        """The stops that a driver has yet to make, in order; `NothingHere` where he is not enrolled."""
        self._must_know(driver)
        with self._lock:
            return self._front.route(driver, at_s=self._clock())

    def why(self, order: int, *, at_s: float | None = None) -> Why:
        """Why an order was decided as it was in its last window, or the last one up to `at_s`; its shard is asked."""
        with self._lock:
            return self._front.why(order, at_s=at_s)

    def _seen(self, now_s: float) -> Scene:
        with self._lock:
            everybody, gone = self._front.everybody(), self._front.away
        track, fleet = self._track, self._track.fleet
        x_m, y_m = track.place(fleet.ids)
        seen = np.isfinite(x_m) & np.isfinite(y_m)
        ids = fleet.ids[seen]
        lat, lon = track.plane.latlon(x_m[seen], y_m[seen])
        off = (now_s < fleet.shift_start_s) | (now_s >= fleet.shift_end_s)
        off |= (now_s >= fleet.break_start_s) & (now_s < fleet.break_end_s)
        off |= np.isin(fleet.ids, gone)
        state = np.where(off[seen], STATES.index("away"), 0).astype(np.uint8)
        order, goal = np.full(len(ids), -1, dtype=np.int64), np.full((len(ids), 2), np.nan)
        at = np.searchsorted(ids, everybody["of"])
        for row, driver, held, told in zip(*(c.tolist() for c in (at, everybody["of"], everybody["order"], everybody["state"]))):
            name = ORDER_STATES[told] if told < len(ORDER_STATES) else ""
            if row < len(ids) and ids[row] == driver and name in STATES:
                ends = self._goals.get(held, (np.nan,) * 4)
                state[row], order[row] = STATES.index(name), held
                goal[row] = ends[2:] if name == "picked_up" else ends[:2]
        drivers: dict[str, NDArray[Any]] = {
            "id": ids, "lat": lat, "lon": lon, "age_s": track.age_s(ids, now_s=now_s), "state": state, "order": order,
            "goal_lat": goal[:, 0], "goal_lon": goal[:, 1],
        }  # fmt: skip
        waiting = Orders.of(everybody["waiting_ids"], **{n: everybody[f"waiting_{n}"] for n in ("lat", "lon", "placed_s")})
        return Scene(now_s, small(drivers), order_columns(waiting, now_s), self._latest(), int((~seen).sum()))
