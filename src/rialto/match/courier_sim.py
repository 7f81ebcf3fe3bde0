"""A courier day run under a policy, window by window: orders become known, the policy plans, couriers drive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, known
from rialto.match.courier_drive import Log, drive, fleet, no_log, recall, rest
from rialto.match.courier_policy import POLICIES, Floor, Weights, weights
from rialto.match.days import CourierDay
from rialto.match.routes import Stops, Terms

__all__ = ["CourierRun", "Rules", "run_couriers"]

TAIL_OF = 200
"""Latest known orders whose restaurants say where meals are to be had."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a day.

    Args:
        speed_mps: Couriers go straight at this speed, m/s, > 0.
        pickup_s: Service at a restaurant, s: it begins when the courier is there and the meal is ready. Orders of one house that
            are picked up behind one another take it once, from when the last of them is ready.
        dropoff_s: Service at each door, s.
        strict_shifts: True: every drop-off ends before `off_s`. False: every pickup does, and the courier finishes what he has.

    Raises:
        BadInput: a number is not finite, the speed is not above 0, or a time is negative.
    """

    speed_mps: float = 5.0
    pickup_s: float = 240.0
    dropoff_s: float = 240.0
    strict_shifts: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.speed_mps) and self.speed_mps > 0.0):
            raise BadInput(f"speed_mps is {self.speed_mps}; wanted metres a second, above 0.")
        for name in ("pickup_s", "dropoff_s"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) >= 0.0):
                raise BadInput(f"{name} is {getattr(self, name)}; wanted seconds, 0 or more.")


@dataclass(frozen=True, slots=True)
class CourierRun:
    """What became of a day.

    Args:
        policy: Its name.
        courier: Courier of each order, or -1, shape (orders,).
        assigned_s: Since when that courier was to have it, shape (orders,), NaN where nobody did.
        log: Every stop driven, in order of departure for each courier.
        capacity: Most orders that a courier might have on board.
    """

    policy: str
    courier: NDArray[np.int64]
    assigned_s: NDArray[np.float64]
    log: Log
    capacity: int


def run_couriers(
    day: CourierDay,
    rules: Rules,
    *,
    policy: str = "rolling",
    overrides: Mapping[str, float] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> CourierRun:
    """Run a day; equal arguments give equal runs.

    Args:
        day: Orders and couriers. An order is known from the first window at or after its `placed_s` on, its ready time with it;
            shifts are known beforehand.
        rules: Movement and service.
        policy: A name of `POLICIES`.
        overrides: Param name (`match.courier.*`) -> value.
        seed: Seed of the search's chance.
        progress: Told how many orders are known, of how many.

    Raises:
        BadInput: there is no such policy.
        BadSettings: an override is unknown or out of range.

    Cost:
        Windows x (open orders x couriers near them); a window without open orders costs nothing.
    """
    if policy not in POLICIES:
        raise BadInput(f"there is no policy {policy!r}; known: {known(policy, POLICIES)}.")
    w = weights(overrides)
    stops, routes = fleet(
        day, pickup_s=rules.pickup_s, dropoff_s=rules.dropoff_s, capacity=w.capacity, strict=rules.strict_shifts
    )
    _price(stops, day, w)
    n, log = day.orders, no_log(day.orders)
    terms = Terms.of(speed_mps=rules.speed_mps, shared=True, travel_rate=w.travel, busy_rate=w.busy, over_rate=w.overtime)
    none = np.zeros(0, dtype=np.int64)
    floor = Floor(stops, terms, routes, np.full(n, -1, dtype=np.int64), w, none, np.zeros(day.couriers, dtype=np.bool_))
    by_time = np.lexsort((day.order_ids, day.placed_s))
    placed = day.placed_s[by_time]
    assigned, before = np.full(n, np.nan), floor.route_of.copy()
    come, window, last_off = 0, 0, float(day.off_s.max())
    while True:
        if not len(floor.open):
            if come == n:
                break
            window = max(window, int(np.ceil(placed[come] / w.window_s)))
        floor.now_s = now_s = window * w.window_s
        drive(floor.plan, now_s, log)
        if w.divert:
            recall(floor.plan, now_s, log)
        rest(floor.plan, now_s)
        floor.open = _untouched(by_time[:come], log)
        if now_s > last_off:
            break
        upto = int(np.searchsorted(placed, now_s, side="right"))
        new = by_time[come:upto]
        come = upto
        floor.open = np.concatenate([floor.open, new])
        _tails(floor, rules.speed_mps, by_time[max(0, come - TAIL_OF) : come], new)
        floor.on_shift = (day.on_s <= now_s) & (now_s < day.off_s)
        floor.seed = (seed * 1_000_003 + window) & 0x7FFFFFFF
        if len(floor.open):
            POLICIES[policy](floor)
        moved = np.flatnonzero(floor.route_of != before)
        assigned[moved] = now_s
        before[moved] = floor.route_of[moved]
        window += 1
        if progress is not None:
            progress(come, n)
    drive(floor.plan, np.inf, log)
    return _ended(policy, day, floor, log, assigned)


def _ended(policy: str, day: CourierDay, floor: Floor, log: Log, assigned: NDArray[np.float64]) -> CourierRun:
    rows = int(log.size[0])
    courier = np.full(day.orders, -1, dtype=np.int64)
    courier[log.stop[:rows] // 2] = log.courier[:rows]
    since = np.where(courier >= 0, np.maximum(assigned, day.on_s[courier]), np.nan)
    kept = Log(
        log.courier[:rows],
        log.stop[:rows],
        log.left_s[:rows],
        log.arrived_s[:rows],
        log.done_s[:rows],
        log.from_m[:rows],
        log.size,
    )
    return CourierRun(policy, courier, since, kept, floor.weights.capacity)


def _price(stops: Stops, day: CourierDay, w: Weights) -> None:
    """Set what a second costs at each stop."""
    ends = 2 * day.orders
    stops.column("rate")[0:ends:2], stops.column("rate")[1:ends:2] = w.fresh, 1.0
    stops.column("due_s")[1:ends:2], stops.column("late_rate")[1:ends:2] = day.placed_s + w.target_s, w.late


def _untouched(known_orders: NDArray[np.int64], log: Log) -> NDArray[np.int64]:
    """The known orders whose pickup nobody has left for."""
    gone = log.stop[: int(log.size[0])]
    return known_orders[~np.isin(2 * known_orders, gone)]


def _tails(floor: Floor, speed_mps: float, known_orders: NDArray[np.int64], new: NDArray[np.int64]) -> None:
    """What it costs to end at the door of each new order: the way to the nearer quarter of the known orders' restaurants."""
    x, y, z, tail = (floor.stops.column(name) for name in ("x", "y", "z", "tail"))
    for order in new.tolist():
        at, to = 2 * order + 1, 2 * known_orders
        away = np.sqrt((x[to] - x[at]) ** 2 + (y[to] - y[at]) ** 2 + (z[to] - z[at]) ** 2)
        tail[at] = floor.weights.tail * float(np.quantile(away, 0.25)) / speed_mps
