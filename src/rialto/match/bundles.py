"""Bundles: orders of one restaurant, or of near ones, that go to one courier together; their size follows the load."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.match.routes import Plan, best_insertion, insert, travel_s
from rialto.match.routes.records import EARLIEST, LENGTH

__all__ = ["bundle_costs", "bundle_size", "bundles"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def bundle_size(waiting: int, couriers: int, *, most: int) -> int:
    """Orders that a bundle should have, so that there are couriers for all: waiting orders a courier, rounded up, at most `most`.

    Source:
        Reyes, Erera, Savelsbergh, Sahasrabudhe, O'Neil (2018), "The Meal Delivery Routing Problem", section 4: the target bundle size.

    Example:
        >>> bundle_size(3, 10, most=4), bundle_size(25, 10, most=4), bundle_size(5, 0, most=4)
        (1, 3, 4)
    """
    return max(1, min(most, -(-waiting // couriers) if couriers else most))


@njit(cache=True, nogil=True)
def bundles(plan: Plan, orders: Ints, size: int, near_s: float, apart_s: float) -> Ints:
    """Put orders together that are ready about the same time in one house or in near ones, and go to near doors.

    Args:
        plan: The plan, of which the stops are read.
        orders: Shape (orders,).
        size: Most orders a bundle.
        near_s: Seconds of way between restaurants, at most.
        apart_s: Seconds between the ready times, at most, and of way between the doors.

    Returns:
        Bundle of each order, shape (orders,), numbered from 0 by their first order in ready time.

    Cost:
        O(orders^2).
    """
    count = len(orders)
    ready = np.empty(count)
    for k in range(count):
        ready[k] = plan.block[2 * orders[k], EARLIEST]
    of = np.full(count, -1, dtype=np.int64)
    made = 0
    first = np.argsort(ready, kind="mergesort")
    for n in range(count):
        k = int(first[n])
        if of[k] >= 0:
            continue
        of[k] = made
        held, last = 1, k
        while held < size:
            best, best_s = -1, np.inf
            for m in range(count):
                if of[m] >= 0 or abs(ready[m] - ready[k]) > apart_s:
                    continue
                way = travel_s(plan.block, plan.seconds, plan.rates, 2 * orders[k], 2 * orders[m])
                doors = travel_s(plan.block, plan.seconds, plan.rates, 2 * orders[last] + 1, 2 * orders[m] + 1)
                if way <= near_s and doors <= apart_s and way + doors < best_s:
                    best, best_s = m, way + doors
            if best < 0:
                break
            of[best] = made
            held, last = held + 1, best
        made += 1
    return of


@njit(cache=True, nogil=True)
def bundle_costs(plan: Plan, orders: Ints, of: Ints, near: Ints) -> Floats:
    """What each bundle costs each of its couriers, all its orders inserted one by one; the plan is left as it was.

    Args:
        plan: The plan.
        orders: Shape (orders,).
        of: Bundle of each, 0..bundles-1, shape (orders,).
        near: Couriers to try for each bundle, shape (bundles, width).

    Returns:
        Shape (bundles, width); inf where some order cannot be inserted.
    """
    cost = np.zeros(near.shape)
    was = np.empty((3, plan.stops.shape[1] + 1))
    for b in range(near.shape[0]):
        for w in range(near.shape[1]):
            r = near[b, w]
            row, length = plan.stops[r].copy(), plan.whole[r, LENGTH]
            for k in range(len(orders)):
                if of[k] != b or not np.isfinite(cost[b, w]):
                    continue
                more, i, j = best_insertion(
                    plan.block, plan.seconds, plan.rates, plan.stops, plan.whole, plan.real, r, orders[k], was
                )
                cost[b, w] += more
                if i >= 0:
                    insert(plan.stops, plan.whole, r, orders[k], i, j)
            plan.stops[r] = row
            plan.whole[r, LENGTH] = length
    return cost
