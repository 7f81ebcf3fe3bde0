"""Driving a route: from stop to stop, when each service ends, what it costs, and whether a limit breaks."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.match.routes.records import (
    ABOARD,
    BUSY,
    CAPACITY,
    DUE,
    EARLIEST,
    END_BY,
    FREE,
    HOME,
    LATE,
    LATEST,
    LENGTH,
    LOAD,
    OFF,
    OVER,
    PICKUP_BY,
    PLACE,
    RATE,
    SERVICE,
    SHARED,
    SPEED,
    START,
    TAIL,
    TRAVEL,
    X,
    Y,
    Z,
)

__all__ = ["route_cost", "step", "tail_cost", "travel_s"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TIGHT = 1e-6
"""Seconds or units by which a limit may be passed: the rounding of sums."""


@njit(cache=True, nogil=True)
def travel_s(block: Floats, seconds: Floats, rates: Floats, a: int, b: int) -> float:
    """Seconds from stop `a` to stop `b`."""
    if seconds.shape[0] > 0:
        return seconds[a, b]
    dx, dy, dz = block[a, X] - block[b, X], block[a, Y] - block[b, Y], block[a, Z] - block[b, Z]
    return np.sqrt(dx * dx + dy * dy + dz * dz) / rates[SPEED]


@njit(cache=True, nogil=True)
def step(
    block: Floats, seconds: Floats, rates: Floats, capacity: float, by_s: float, at: int, free_s: float, aboard: float, to: int
) -> tuple[float, float, float]:
    """Drive from stop `at`, free at `free_s` with `aboard`, to stop `to` and serve it; a pickup must end by `by_s`.

    Returns:
        When it ends, what is aboard then, and what it cost; the cost is inf where a limit breaks.
    """
    drive = travel_s(block, seconds, rates, at, to)
    service = block[to, SERVICE]
    arrive = free_s + drive
    if rates[SHARED] > 0.0 and block[to, PLACE] >= 0.0 and block[to, PLACE] == block[at, PLACE]:
        end = max(arrive, block[to, EARLIEST] + service)
        busy = end - free_s
    else:
        end = max(arrive, block[to, EARLIEST]) + service
        # Without goods on board a wait binds nobody: the vehicle may still be sent elsewhere.
        busy = end - free_s if aboard > TIGHT else drive + service
    load = aboard + block[to, LOAD]
    late = end - service > block[to, LATEST] + TIGHT or (block[to, LOAD] > 0.0 and end > by_s + TIGHT)
    if late or load > capacity + TIGHT:
        return end, load, np.inf
    cost = rates[TRAVEL] * drive + rates[BUSY] * busy + block[to, RATE] * (end - block[to, EARLIEST])
    if end > block[to, DUE]:
        cost += block[to, LATE] * (end - block[to, DUE])
    return end, load, cost


@njit(cache=True, nogil=True)
def tail_cost(
    block: Floats, seconds: Floats, rates: Floats, home: int, end_by_s: float, off_s: float, last: int, end_s: float
) -> float:
    """What it costs a route to end at stop `last` at `end_s`: the way home or the stop's tail, and overtime; inf = too late."""
    cost = block[last, TAIL]
    if home >= 0:
        way = travel_s(block, seconds, rates, last, home)
        end_s += way
        cost = (rates[TRAVEL] + rates[BUSY]) * way
    if end_s > end_by_s + TIGHT:
        return np.inf
    return cost + rates[OVER] * (end_s - off_s) if end_s > off_s else cost


@njit(cache=True, nogil=True)
def route_cost(block: Floats, seconds: Floats, rates: Floats, stops: Ints, whole: Ints, real: Floats, r: int) -> float:
    """What route `r` costs as it stands: 0 where it is empty, inf where it breaks a limit. O(its stops)."""
    size = whole[r, LENGTH]
    if size == 0:
        return 0.0
    at, free_s, aboard, cost = whole[r, START], real[r, FREE], real[r, ABOARD], 0.0
    for k in range(size):
        to = stops[r, k]
        free_s, aboard, more = step(block, seconds, rates, real[r, CAPACITY], real[r, PICKUP_BY], at, free_s, aboard, to)
        cost += more
        at = to
    return cost + tail_cost(block, seconds, rates, whole[r, HOME], real[r, END_BY], real[r, OFF], at, free_s)
