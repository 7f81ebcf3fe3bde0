"""Which routes are worth trying for an order: those that could be at its pickup soonest."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.match.routes.records import ABOARD, EARLIEST, FREE, FROZEN, LENGTH, PICKUP_BY, SERVICE, START, Plan
from rialto.match.routes.walk import step, travel_s

__all__ = ["candidates"]

Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def candidates(plan: Plan, open_orders: Ints, most: int) -> Ints:
    """The routes worth trying for each order: those that could be at its pickup soonest, near ones first.

    Args:
        plan: The plan.
        open_orders: Orders, shape (open,).
        most: Routes an order.

    Returns:
        Routes, best first, shape (open, min(most, routes)); equal ones in order of their number.

    Cost:
        O(open x stops planned).
    """
    block, seconds, rates, stops, whole, real = plan
    size = len(whole)
    width = min(most, size)
    found = np.empty((len(open_orders), width), dtype=np.int64)
    ends = np.empty(stops.shape)
    for r in range(size):
        at, free_s, aboard = whole[r, START], real[r, FREE], real[r, ABOARD]
        for k in range(whole[r, LENGTH]):
            free_s, aboard, _ = step(block, seconds, rates, np.inf, np.inf, at, free_s, aboard, stops[r, k])
            ends[r, k] = free_s
            at = stops[r, k]
    score = np.empty(size)
    for o in range(len(open_orders)):
        pickup = 2 * open_orders[o]
        ready = block[pickup, EARLIEST]
        for r in range(size):
            score[r] = np.inf
            for k in range(whole[r, FROZEN] - 1, whole[r, LENGTH]):
                at = whole[r, START] if k < 0 else stops[r, k]
                free_s = real[r, FREE] if k < 0 else ends[r, k]
                drive = travel_s(block, seconds, rates, at, pickup)
                end_s = free_s + drive + block[pickup, SERVICE]
                if end_s <= real[r, PICKUP_BY]:
                    score[r] = min(score[r], max(ready, free_s + drive) + 0.5 * drive)
        found[o] = np.argsort(score, kind="mergesort")[:width]
    return found
