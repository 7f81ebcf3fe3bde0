"""How orders get to couriers: nearest first, least cost one by one, or a rolling plan with bundles; and what each costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.match.bundles import bundle_costs, bundle_size, bundles
from rialto.match.routes import Plan, Routes, Stops, Terms, best_insertion, candidates, improve, insert, remove, travel_s
from rialto.records import Requests
from rialto.spine.decide.assign import cheapest
from rialto.spine.params import Param, overrides_of

__all__ = ["POLICIES", "Floor", "Weights", "matched", "nearest", "rolling", "weights"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LATE = Param(
    "match.courier.late", 0.5, low=0.0, high=100.0, unit="s/s",
    doc="Cost of a second past the target, on top of the second itself.",
)  # fmt: skip
TARGET_S = Param(
    "match.courier.target_s", 2400.0, low=0.0, high=86_400.0, unit="s",
    doc="Click-to-door time that customers are promised.",
)  # fmt: skip
FRESH = Param(
    "match.courier.fresh", 0.0, low=0.0, high=100.0, unit="s/s",
    doc="Cost of a second that a ready meal waits at the restaurant, on top of the second until the door.",
)  # fmt: skip
TRAVEL = Param(
    "match.courier.travel", 0.05, low=0.0, high=100.0, unit="s/s",
    doc="Cost of a second of driving.",
)  # fmt: skip
BUSY = Param(
    "match.courier.busy", 0.1, low=0.0, high=100.0, unit="s/s",
    doc="Cost of a courier's second while nobody waits.",
)  # fmt: skip
PRESSED = Param(
    "match.courier.pressed", 0.2, low=0.0, high=100.0, unit="s/s",
    doc="What it grows by for each open order a courier.",
)  # fmt: skip
BUSIEST = Param(
    "match.courier.busiest", 3.0, low=0.0, high=100.0, unit="s/s",
    doc="Most that a courier's second costs.",
)  # fmt: skip
TAIL = Param(
    "match.courier.tail", 0.3, low=0.0, high=100.0, unit="s/s",
    doc="Cost of a second of way from the last drop-off to where meals are to be had.",
)  # fmt: skip
OVERTIME = Param(
    "match.courier.overtime", 1.0, low=0.0, high=1000.0, unit="s/s",
    doc="Cost of a second worked after the shift.",
)  # fmt: skip
MISSED_S = Param(
    "match.courier.missed_s", 1e6, low=1.0, high=1e12, unit="s",
    doc="Cost of an order that nobody takes.",
)  # fmt: skip
CAPACITY = Param(
    "match.courier.capacity", 6, low=1, high=100, unit="orders",
    doc="Orders that a courier may have on board.",
)  # fmt: skip
NEAR = Param(
    "match.courier.near", 16, low=1, high=1000, unit="couriers",
    doc="Couriers that each order is tried with.",
)  # fmt: skip
ROUNDS = Param(
    "match.courier.rounds", 3, low=0, high=10_000, unit="rounds/order",
    doc="Search rounds a window for each open order.",
)  # fmt: skip
MOST_ROUNDS = Param(
    "match.courier.most_rounds", 200, low=0, high=1_000_000, unit="rounds",
    doc="Search rounds a window at most: the budget.",
)  # fmt: skip
WINDOW_S = Param(
    "match.courier.window_s", 30.0, low=1.0, high=3600.0, unit="s",
    doc="Seconds from one decision to the next.",
)  # fmt: skip
BUNDLE = Param(
    "match.courier.bundle", 3, low=1, high=10, unit="orders",
    doc="Most new orders that are given to a courier at once; the search may add to them.",
)  # fmt: skip
NEAR_S = Param(
    "match.courier.near_s", 60.0, low=0.0, high=3600.0, unit="s", doc="Way between the restaurants of one bundle, at most."
)
APART_S = Param(
    "match.courier.apart_s", 300.0, low=0.0, high=86_400.0, unit="s",
    doc="Between the ready times of one bundle, and way between its doors, at most.",
)  # fmt: skip
DEPTH = Param(
    "match.courier.depth", 4, low=1, high=100, unit="orders/courier",
    doc="Open orders a courier that are planned ahead at most; further ones wait until there is room.",
)  # fmt: skip
DIVERT = Param(
    "match.courier.divert", False, doc="A courier on his way to a restaurant, with nothing on board, may be sent elsewhere."
)

_ALL = {
    "depth": DEPTH, "divert": DIVERT,
    "bundle": BUNDLE, "near_s": NEAR_S, "apart_s": APART_S,
    "late": LATE, "target_s": TARGET_S, "fresh": FRESH, "travel": TRAVEL, "busy": BUSY, "pressed": PRESSED, "busiest": BUSIEST,
    "tail": TAIL, "overtime": OVERTIME, "missed_s": MISSED_S, "capacity": CAPACITY, "near": NEAR, "rounds": ROUNDS,
    "most_rounds": MOST_ROUNDS, "window_s": WINDOW_S,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Weights:
    """The params `match.courier.*` as they hold for a whole day; a field is the param of its name."""

    late: float
    target_s: float
    fresh: float
    travel: float
    busy: float
    pressed: float
    busiest: float
    tail: float
    overtime: float
    missed_s: float
    capacity: int
    bundle: int
    near_s: float
    apart_s: float
    near: int
    rounds: int
    most_rounds: int
    window_s: float
    depth: int
    divert: bool


def weights(overrides: Mapping[str, float] | None = None) -> Weights:
    """The weights under `overrides` (param name -> value); `BadSettings` where one is unknown or out of range.

    Example:
        >>> weights({"match.courier.window_s": 60.0}).window_s
        60.0
    """
    asked = Requests.of({"day": np.zeros(1)}, overrides=overrides_of(dict(overrides or {}), 1))
    return Weights(**{name: param.one(asked) for name, param in _ALL.items()})


@dataclass(slots=True)
class Floor:
    """The day as the dispatcher sees it at one moment: known orders, the plan, and whose each order is.

    Args:
        stops, terms, routes: The plan.
        route_of: Courier of each order, or -1, shape (orders,).
        weights: What costs what.
        open: Known orders that nobody has left for, shape (open,).
        on_shift: Shape (couriers,).
        now_s: The moment, s.
        seed: Seed of this moment's chance.
    """

    stops: Stops
    terms: Terms
    routes: Routes
    route_of: Ints
    weights: Weights
    open: Ints
    on_shift: NDArray[np.bool_]
    now_s: float = 0.0
    seed: int = 0

    @property
    def plan(self) -> Plan:
        """What the kernels take."""
        return Plan.of(self.stops, self.terms, self.routes)

    @property
    def idle(self) -> Ints:
        """Couriers on shift who have nothing to do."""
        return np.flatnonzero(self.on_shift & (self.routes.length == 0) & (self.routes.free_s <= self.now_s))


Policy = Callable[[Floor], None]
"""Changes the plan of a Floor's open orders in place."""


def _give(floor: Floor, order: int, courier: int) -> None:
    insert(floor.routes.stops, floor.routes.whole, courier, order, 0, 1)
    floor.route_of[order] = courier


def nearest(floor: Floor) -> None:
    """The simplest peer: each order, the oldest first, at once and for good to the nearest idle courier."""
    room = np.empty((3, floor.routes.stops.shape[1] + 1))
    for order in floor.open[floor.route_of[floor.open] < 0].tolist():
        idle = floor.idle
        way = np.array([travel_s(*floor.plan[:3], int(floor.routes.start[c]), 2 * order) for c in idle])
        for k in np.argsort(way, kind="stable").tolist():
            if np.isfinite(best_insertion(*floor.plan, int(idle[k]), order, room)[0]):
                _give(floor, order, int(idle[k]))
                break


def matched(floor: Floor) -> None:
    """The plain peer: least total cost of open orders and idle couriers, one each, anew in each window until the courier leaves."""
    for order in floor.open[floor.route_of[floor.open] >= 0].tolist():
        remove(floor.routes.stops, floor.routes.whole, int(floor.route_of[order]), order)
        floor.route_of[order] = -1
    idle, room = floor.idle, np.empty((3, floor.routes.stops.shape[1] + 1))
    cost = np.array([[best_insertion(*floor.plan, int(c), int(o), room)[0] for c in idle] for o in floor.open])
    owner, ids = np.repeat(np.arange(len(floor.open)), len(idle)), np.tile(idle, len(floor.open))
    # where couriers lack, the oldest go first: dear as they are by now, they would otherwise be left out again and again
    missed = floor.weights.missed_s + 100.0 * (floor.now_s - floor.stops.column("earliest_s")[2 * floor.open])
    for row in cheapest(owner, ids, cost.reshape(-1), missed, floor.open.astype(np.uint64)).tolist():
        _give(floor, int(floor.open[owner[row]]), int(ids[row]))


def rolling(floor: Floor) -> None:
    """Ours: open orders in one plan over all couriers, bettered in each window; what nobody has left for may still change."""
    w = floor.weights
    orders = _in_view(floor)
    pressure = len(floor.open) / max(int(floor.on_shift.sum()), 1)
    plan = Plan.of(floor.stops, floor.terms.at_busy_rate(min(w.busiest, w.busy + w.pressed * pressure)), floor.routes)
    near = candidates(plan, orders, w.near)
    _bundle(floor, plan, orders, near)
    # a round costs about the cube of a route's stops: fewer of them keep the budget where couriers are flooded
    longest = float(np.quantile(floor.routes.length, 0.9))
    rounds = int(min(w.rounds * len(orders), w.most_rounds) * min(1.0, (8.0 / max(longest, 1.0)) ** 3))
    improve(plan, orders, near, np.full(len(orders), w.missed_s), floor.route_of, rounds, floor.seed)


def _in_view(floor: Floor) -> Ints:
    """Open orders that are planned now: those in the plan, and of the others the soonest ready, as many as couriers can have."""
    planned = floor.route_of[floor.open] >= 0
    others = floor.open[~planned]
    ready = floor.stops.column("earliest_s")[2 * others]
    room = floor.weights.depth * max(int(floor.on_shift.sum()), 1) - int(planned.sum())
    return np.concatenate([floor.open[planned], others[np.lexsort((others, ready))[: max(room, 0)]]])


def _bundle(floor: Floor, plan: Plan, view: Ints, near: Ints) -> None:
    """Give new orders to couriers in bundles, each courier at most one, at least total cost; who is left waits for the search."""
    new = np.flatnonzero(floor.route_of[view] < 0)
    if not len(new) or not near.shape[1]:
        return
    w, orders = floor.weights, view[new]
    size = bundle_size(len(floor.open), int(floor.on_shift.sum()), most=w.bundle)
    of = bundles(plan, orders, size, w.near_s, w.apart_s)
    first = np.unique(of, return_index=True)[1]
    cost = bundle_costs(plan, orders, of, near[new[first]])
    owner, ids = np.repeat(np.arange(len(first)), near.shape[1]), near[new[first]].reshape(-1)
    missed = w.missed_s * np.bincount(of).astype(np.float64)
    was = np.empty((3, floor.routes.stops.shape[1] + 1))
    for row in cheapest(owner, ids, cost.reshape(-1), missed, orders[first].astype(np.uint64)).tolist():
        for order in orders[of == owner[row]].tolist():
            _, i, j = best_insertion(*plan, int(ids[row]), order, was)
            insert(floor.routes.stops, floor.routes.whole, int(ids[row]), order, i, j)
            floor.route_of[order] = ids[row]


POLICIES: Mapping[str, Policy] = {"nearest": nearest, "matched": matched, "rolling": rolling}
"""Name -> policy."""
