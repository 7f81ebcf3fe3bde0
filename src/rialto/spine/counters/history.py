"""The kernels behind counters: each entity's events in order of time, with running totals, in one arena of arrays.

A window's answer is the difference of two running totals, found by search from the newest end. A total depends on the entity's
earlier events alone, in order of time; so it comes out the same, bit for bit, whether events came one by one, in bulk or late.

`table` (entities, 4) int64 holds each entity's region: start, length, room, and whether older events were forgotten.
`arena` (3, places) float64 holds time, value and total of each event; `used` (1,) int64 is the first free place.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["CUMULATE", "DECAY", "LAST", "insert", "read"]

CUMULATE, DECAY, LAST = 0, 1, 2

START, LENGTH, ROOM, FORGOT = 0, 1, 2, 3
TIME, VALUE, TOTAL = 0, 1, 2


@nb.njit(cache=True, nogil=True)
def _end_before(time_s: NDArray[np.float64], start: int, stop: int, t: float, equal: bool) -> int:
    """End of the events before `t` (at `t` too where `equal`), in start..stop; steps back from the newest, doubling."""
    low, high, step = stop, stop, 1
    while low > start and (time_s[low - 1] > t or (time_s[low - 1] == t and not equal)):
        high = low - 1
        low = max(start, low - step)
        step *= 2
    while low < high:
        middle = (low + high) // 2
        if time_s[middle] > t or (time_s[middle] == t and not equal):
            high = middle
        else:
            low = middle + 1
    return low


@nb.njit(cache=True, nogil=True)
def _forget(region: NDArray[np.int64], arena: NDArray[np.float64], keep_s: float) -> None:
    """Drop events older than `keep_s` before the entity's newest, but for the last of them, whose total the windows start from."""
    start, length = region[START], region[LENGTH]
    if length == 0:
        return
    horizon = arena[TIME, start + length - 1] - keep_s
    gone = _end_before(arena[TIME], start, start + length, horizon, False) - start - 1
    if gone > 0:
        arena[:, start : start + length - gone] = arena[:, start + gone : start + length].copy()
        region[LENGTH], region[FORGOT] = length - gone, 1


@nb.njit(cache=True, nogil=True)
def _total(arena: NDArray[np.float64], at: int, first: int, mode: int, half_life_s: float) -> float:
    """Running total after the event at `at`, from the one before it."""
    if mode == LAST or at == first:
        return arena[VALUE, at]
    before = arena[TOTAL, at - 1]
    if mode == DECAY:
        before *= 2.0 ** ((arena[TIME, at - 1] - arena[TIME, at]) / half_life_s)
    return before + arena[VALUE, at]


@nb.njit(cache=True, nogil=True)
def insert(
    table: NDArray[np.int64],
    arena: NDArray[np.float64],
    used: NDArray[np.int64],
    slots: NDArray[np.int64],
    times: NDArray[np.float64],
    values: NDArray[np.float64],
    mode: int,
    half_life_s: float,
    keep_s: float,
    first: int,
) -> tuple[int, int]:
    """Put events (events,) into their entities' histories, from event `first` on; equal times stay in order of arrival.

    Returns:
        The first event not put in, as the arena is full (all were: their number), and how many came too late: older than what
        their entity has forgotten.

    Cost:
        O(1) amortised for an event in order; O(later events of the entity) for a late one.
    """
    late = 0
    for i in range(first, len(slots)):
        region = table[slots[i]]
        if region[LENGTH] == region[ROOM]:
            _forget(region, arena, keep_s)
        if region[LENGTH] == region[ROOM]:
            size = max(4, 2 * region[ROOM])
            if used[0] + size > arena.shape[1]:
                return i, late
            old = region[START]
            arena[:, used[0] : used[0] + region[LENGTH]] = arena[:, old : old + region[LENGTH]]
            region[START], region[ROOM] = used[0], size
            used[0] += size
        start, stop = region[START], region[START] + region[LENGTH]
        place = _end_before(arena[TIME], start, stop, times[i], True)
        if place == start and region[FORGOT] == 1:
            late += 1
            continue
        for at in range(stop, place, -1):
            arena[TIME, at], arena[VALUE, at] = arena[TIME, at - 1], arena[VALUE, at - 1]
        arena[TIME, place], arena[VALUE, place] = times[i], values[i]
        region[LENGTH] += 1
        for at in range(place, stop + 1):
            arena[TOTAL, at] = _total(arena, at, start, mode, half_life_s)
    return len(slots), late


@nb.njit(cache=True, nogil=True)
def read(
    table: NDArray[np.int64],
    arena: NDArray[np.float64],
    slots: NDArray[np.int64],
    times: NDArray[np.float64],
    mode: int,
    span_s: float,
) -> NDArray[np.float64]:
    """Answer for entities (questions,) as of just before `times`, over the `span_s` before; slot -1 is an entity never seen.

    Returns:
        Shape (questions,); 0 where nothing happened, NaN for the last value of nothing, and NaN where the question reaches behind
        what its entity has forgotten.

    Cost:
        O(log of the events in the window) each.
    """
    out = np.zeros(len(slots))
    for i in range(len(slots)):
        start, stop, forgot = 0, 0, False
        if slots[i] >= 0:
            start = table[slots[i], START]
            stop = start + table[slots[i], LENGTH]
            forgot = table[slots[i], FORGOT] == 1
        windowed = mode == CUMULATE and span_s < np.inf
        since = times[i] - span_s if windowed else times[i]
        high = _end_before(arena[TIME], start, stop, times[i], False)
        if forgot and since <= arena[TIME, start]:
            out[i] = np.nan
        elif mode == LAST:
            found = high > start and arena[TIME, high - 1] >= times[i] - span_s
            out[i] = arena[TOTAL, high - 1] if found else np.nan
        elif high > start:
            out[i] = arena[TOTAL, high - 1]
            if mode == DECAY:
                out[i] *= 2.0 ** ((arena[TIME, high - 1] - times[i]) / span_s)
            elif windowed:
                low = _end_before(arena[TIME], start, high, since, False)
                out[i] -= arena[TOTAL, low - 1] if low > start else 0.0
    return out
