"""Bettering a plan: take a few related orders out, put them back where regret says, keep it where the plan costs less."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.match.routes.chance import draw
from rialto.match.routes.insertion import best_insertion, insert, remove
from rialto.match.routes.records import EARLIEST, Plan
from rialto.match.routes.walk import route_cost, travel_s

__all__ = ["improve"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_OUT = 4
"""Most orders that are taken out at once."""


class Room(NamedTuple):
    """Room to work in: the orders taken out, the routes touched and what they were, one row's forward pass, and the draws.

    `out` holds rows of the open orders; `before_of` the routes that they came from; `touch` and `saved` the routes as they were.
    """

    out: Ints
    before_of: Ints
    touch: Ints
    saved: Ints
    saved_length: Ints
    was: Floats
    rng: NDArray[np.uint64]


@njit(cache=True, nogil=True)
def _choose(plan: Plan, open_orders: Ints, route_of: Ints, room: Room) -> int:
    """Draw an order and a few related to it (near its pickup or drop-off, ready about then, on its route); returns how many."""
    size = len(open_orders)
    wanted = 1 + draw(room.rng, min(MOST_OUT, size))
    seed = draw(room.rng, size)
    door = draw(room.rng, 2)
    related = np.empty(size)
    a, own = 2 * open_orders[seed], route_of[open_orders[seed]]
    for o in range(size):
        b = 2 * open_orders[o]
        way = travel_s(plan.block, plan.seconds, plan.rates, a + door, b + door)
        apart = way + 0.3 * abs(plan.block[a, EARLIEST] - plan.block[b, EARLIEST])
        same = own >= 0 and route_of[open_orders[o]] == own
        related[o] = (0.3 if same else 1.0) * apart * (0.5 + draw(room.rng, 1000) / 1000.0)
    related[seed] = -1.0
    for count in range(wanted):
        room.out[count] = np.argmin(related)
        related[room.out[count]] = np.inf
    return wanted


@njit(cache=True, nogil=True)
def _save(plan: Plan, r: int, room: Room, touched: int) -> int:
    """Keep route `r` as it is, once, so that it can be put back; returns how many are kept."""
    for t in range(touched):
        if room.touch[t] == r:
            return touched
    room.touch[touched] = r
    room.saved[touched] = plan.stops[r]
    room.saved_length[touched] = plan.whole[r, 0]
    return touched + 1


@njit(cache=True, nogil=True)
def _try(plan: Plan, r: int, order: int, room: Room) -> tuple[float, int, int]:
    return best_insertion(plan.block, plan.seconds, plan.rates, plan.stops, plan.whole, plan.real, r, order, room.was)


@njit(cache=True, nogil=True)
def _next(found: Floats, waiting: NDArray[np.bool_], missed: Floats, by_regret: bool) -> tuple[int, int]:
    """Which order is put back next, and where: the one that would lose most by its second best, or the cheapest; -1 = left out."""
    pick, pick_w, most = -1, -1, -np.inf
    for a in range(len(found)):
        if not waiting[a]:
            continue
        first, second, at = missed[a], missed[a], -1
        for w in range(found.shape[1]):
            if found[a, w] < first:
                first, second, at = found[a, w], first, w
            elif found[a, w] < second:
                second = found[a, w]
        worth = second - first if by_regret else -first
        if worth > most or pick < 0:
            pick, pick_w, most = a, at, worth
    return pick, pick_w


@njit(cache=True, nogil=True)
def _put_back(
    plan: Plan, orders: Ints, near: Ints, missed: Floats, route_of: Ints, by_regret: bool, room: Room, touched: int
) -> tuple[float, int]:
    """Insert `orders` one by one into the routes `near` each; returns what that costs, and how many routes are kept in `room`."""
    count, width = near.shape
    found = np.empty((count, width))
    at = np.empty((count, width, 2), dtype=np.int64)
    waiting = np.ones(count, dtype=np.bool_)
    for a in range(count):
        for w in range(width):
            found[a, w], at[a, w, 0], at[a, w, 1] = _try(plan, near[a, w], orders[a], room)
    cost = 0.0
    for _ in range(count):
        pick, w = _next(found, waiting, missed, by_regret)
        waiting[pick] = False
        if w < 0:
            cost += missed[pick]
            route_of[orders[pick]] = -1
            continue
        r = int(near[pick, w])
        cost += found[pick, w]
        touched = _save(plan, r, room, touched)
        insert(plan.stops, plan.whole, r, orders[pick], at[pick, w, 0], at[pick, w, 1])
        route_of[orders[pick]] = r
        for a in range(count):
            for v in range(width):
                if waiting[a] and near[a, v] == r:
                    found[a, v], at[a, v, 0], at[a, v, 1] = _try(plan, r, orders[a], room)
    return cost, touched


@njit(cache=True, nogil=True)
def _cost(plan: Plan, r: int) -> float:
    return route_cost(plan.block, plan.seconds, plan.rates, plan.stops, plan.whole, plan.real, r)


@njit(cache=True, nogil=True)
def _take_out(plan: Plan, orders: Ints, missed: Floats, route_of: Ints, room: Room) -> tuple[float, int]:
    """Take `orders` out of their routes; returns by how much that lowers the cost, and how many routes are kept in `room`."""
    touched, cost = 0, 0.0
    for a in range(len(orders)):
        r = int(route_of[orders[a]])
        room.before_of[a] = r
        if r < 0:
            cost += missed[a]
            continue
        kept = touched
        touched = _save(plan, r, room, touched)
        if touched > kept:
            cost += _cost(plan, r)
        remove(plan.stops, plan.whole, r, int(orders[a]))
    for t in range(touched):
        cost -= _cost(plan, room.touch[t])
    return cost, touched


@njit(cache=True, nogil=True)
def _round(plan: Plan, open_orders: Ints, near: Ints, missed: Floats, route_of: Ints, room: Room) -> float:
    """One round of ruin and recreate, undone where it does not pay; returns the change of cost."""
    count = _choose(plan, open_orders, route_of, room)
    rows = room.out[:count].copy()
    orders, routes, dear = open_orders[rows], near[rows], missed[rows]
    saved, touched = _take_out(plan, orders, dear, route_of, room)
    cost, touched = _put_back(plan, orders, routes, dear, route_of, draw(room.rng, 2) == 0, room, touched)
    if cost < saved - 1e-7:
        return cost - saved
    for t in range(touched):
        plan.stops[room.touch[t]] = room.saved[t]
        plan.whole[room.touch[t], 0] = room.saved_length[t]
    for a in range(count):
        route_of[orders[a]] = room.before_of[a]
    return 0.0


@njit(cache=True, nogil=True)
def improve(plan: Plan, open_orders: Ints, near: Ints, missed: Floats, route_of: Ints, rounds: int, seed: int) -> float:
    """Better the plan in place; orders that no route has are tried first, all together.

    Args:
        plan: The plan; frozen stops stay as they are.
        open_orders: Orders whose pickup and drop-off may still be moved, shape (open,).
        near: Routes to try for each, shape (open, width), as `candidates` gives.
        missed: Cost of leaving each out, shape (open,).
        route_of: Route of every order, or -1, shape (orders,); kept up to date.
        rounds: Rounds of ruin and recreate: the budget.
        seed: Seed of chance.

    Returns:
        The change of cost, <= 0 but for rounding: a plan is never made dearer.

    Source:
        Shaw (1998), "Using constraint programming and local search methods to solve vehicle routing problems", CP; Ropke, Pisinger
        (2006), "An adaptive large neighborhood search heuristic for the pickup and delivery problem with time windows",
        Transportation Science 40(4).
    """
    size, most = len(open_orders), plan.stops.shape[1]
    if size == 0 or near.shape[1] == 0:
        return 0.0
    keep = max(2 * MOST_OUT, size)
    room = Room(
        np.empty(MOST_OUT, dtype=np.int64), np.empty(MOST_OUT, dtype=np.int64), np.empty(keep, dtype=np.int64),
        np.empty((keep, most), dtype=np.int64), np.empty(keep, dtype=np.int64), np.empty((3, most + 1)),
        np.array([np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x2545F4914F6CDD1D)]),
    )  # fmt: skip
    loose = np.array([o for o in range(size) if route_of[open_orders[o]] < 0], dtype=np.int64)
    gained = -missed[loose].sum()
    cost, _ = _put_back(plan, open_orders[loose], near[loose], missed[loose], route_of, True, room, 0)
    gained += cost
    for _ in range(rounds):
        gained += _round(plan, open_orders, near, missed, route_of, room)
    return gained
