"""The best place of a pickup and its drop-off in a route, exactly, without trying the parts of the route that stay as they were."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.match.routes.records import ABOARD, CAPACITY, END_BY, FREE, FROZEN, HOME, LENGTH, OFF, PICKUP_BY, START
from rialto.match.routes.walk import step, tail_cost

__all__ = ["best_insertion", "insert", "remove"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit(cache=True, nogil=True)
def best_insertion(
    block: Floats, seconds: Floats, rates: Floats, stops: Ints, whole: Ints, real: Floats, r: int, order: int, was: Floats
) -> tuple[float, int, int]:
    """Find where `order` is inserted into route `r` at least cost, behind its frozen stops.

    Args:
        block: `Stops.block`.
        seconds, rates: Of `Terms`.
        stops, whole, real: Of `Routes`.
        r: Route; its present stops keep their order.
        order: Its pickup is stop 2 x order, its drop-off stop 2 x order + 1.
        was: Room to work in, shape (3, most + 1).

    Returns:
        The cost that it adds (inf: none is feasible), the position that the pickup takes, and the position that the drop-off takes
        once the pickup is in.

    Cost:
        O(stops^3) at worst; most tries end where the route is back in step with what it was, or dearer than the best so far.
    """
    size = whole[r, LENGTH]
    if size + 2 > stops.shape[1]:
        return np.inf, -1, -1
    capacity, by_s, start, home = real[r, CAPACITY], real[r, PICKUP_BY], whole[r, START], whole[r, HOME]
    end_by_s, off_s = real[r, END_BY], real[r, OFF]
    # was: when, with what and at what cost so far the route as it is leaves its start and each stop
    was[0, 0], was[1, 0], was[2, 0] = real[r, FREE], real[r, ABOARD], 0.0
    at = start
    for k in range(size):
        to = stops[r, k]
        was[0, k + 1], was[1, k + 1], more = step(block, seconds, rates, capacity, by_s, at, was[0, k], was[1, k], to)
        was[2, k + 1] = was[2, k] + more
        at = to
    all_s = was[2, size]
    if size > 0:
        all_s += tail_cost(block, seconds, rates, home, end_by_s, off_s, at, was[0, size])
    if not np.isfinite(all_s):
        return np.inf, -1, -1
    pickup, drop = 2 * order, 2 * order + 1
    best, best_i, best_j = np.inf, -1, -1
    for i in range(whole[r, FROZEN], size + 1):
        if was[2, i] >= best:
            break
        at = start if i == 0 else stops[r, i - 1]
        end_s, aboard, more = step(block, seconds, rates, capacity, by_s, at, was[0, i], was[1, i], pickup)
        cost, at = was[2, i] + more, pickup
        for j in range(i, size + 1):
            if cost >= best:
                break
            free_s, left, more = step(block, seconds, rates, capacity, by_s, at, end_s, aboard, drop)
            found, last, m = cost + more, drop, j
            while m < size and found < best:
                to = stops[r, m]
                free_s, left, more = step(block, seconds, rates, capacity, by_s, last, free_s, left, to)
                found += more
                last = to
                m += 1
                if free_s == was[0, m]:  # back in step: what follows costs what it did
                    found += all_s - was[2, m]
                    m = size + 1
            if m == size and found < best:
                found += tail_cost(block, seconds, rates, home, end_by_s, off_s, last, free_s)
            if found < best:
                best, best_i, best_j = found, i, j + 1
            if j < size:
                to = stops[r, j]
                end_s, aboard, more = step(block, seconds, rates, capacity, by_s, at, end_s, aboard, to)
                cost += more
                at = to
    return best - all_s, best_i, best_j


@njit(cache=True, nogil=True)
def insert(stops: Ints, whole: Ints, r: int, order: int, i: int, j: int) -> None:
    """Put `order` into route `r`: its pickup at position `i`, then its drop-off at position `j` > `i`."""
    for half in range(2):
        at = i if half == 0 else j
        for k in range(whole[r, LENGTH], at, -1):
            stops[r, k] = stops[r, k - 1]
        stops[r, at] = 2 * order + half
        whole[r, LENGTH] += 1


@njit(cache=True, nogil=True)
def remove(stops: Ints, whole: Ints, r: int, order: int) -> None:
    """Take both stops of `order` out of route `r`."""
    kept = 0
    for k in range(whole[r, LENGTH]):
        if stops[r, k] // 2 != order:
            stops[r, kept] = stops[r, k]
            kept += 1
    whole[r, LENGTH] = kept
