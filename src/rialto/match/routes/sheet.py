"""A plan laid out for hard limits: how early and how late each stop can be, so that an insertion is judged without driving the rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.match.routes.chance import unit
from rialto.match.routes.records import (
    ABOARD,
    CAPACITY,
    EARLIEST,
    END_BY,
    FREE,
    FROZEN,
    HOME,
    LATEST,
    LENGTH,
    LOAD,
    PICKUP_BY,
    SERVICE,
    START,
)
from rialto.match.routes.walk import TIGHT

__all__ = ["Sheet", "best_place", "lay", "least_detour", "place", "put", "refresh", "take"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CACHED = 2048
"""Insertions that are remembered for each order."""


class Sheet(NamedTuple):
    """Rows are the routes, and one more to try things in.

    Args:
        seconds: Travel, shape (stops, stops), which is the cost too. `window`: `Stops.block`. `detour`: see `least_detour`.
        stops, whole, real: As `Routes` has them, with the row to try things in.
        leave, aboard: When and with what a row leaves its start and each stop, shape (rows, most + 1).
        by: The latest arrival at each stop, and at the end, that keeps the rest in time, shape (rows, most + 1).
        length, mark: Travel of a row, with its way home; a number that stands for what it holds.
        kind, route_of: Rows of one kind are alike when empty; row of each order, or -1.
        known, worth, where: The insertions remembered: mark of the row, what it adds, and the places.
    """

    seconds: Floats
    window: Floats
    detour: Floats
    stops: Ints
    whole: Ints
    real: Floats
    leave: Floats
    aboard: Floats
    by: Floats
    length: Floats
    mark: NDArray[np.uint64]
    kind: NDArray[np.uint64]
    route_of: Ints
    known: NDArray[np.uint64]
    worth: Floats
    where: Ints


@njit(cache=True, nogil=True)
def least_detour(seconds: Floats) -> Floats:
    """The least that a visit to each stop adds between any two others, shape (stops,): >= 0 where the triangle holds. O(stops^3)."""
    size = len(seconds)
    least = np.full(size, np.inf)
    for b in range(size):
        for a in range(size):
            to = seconds[a, b]
            for c in range(size):
                if a != b and b != c:
                    least[b] = min(least[b], to + seconds[b, c] - seconds[a, c])
    return least


@njit(cache=True, nogil=True)
def refresh(s: Sheet, r: int) -> None:
    """Work out a row anew after its stops have changed. O(its stops)."""
    size, at, home = s.whole[r, LENGTH], s.whole[r, START], s.whole[r, HOME]
    free, load, length, mark = s.real[r, FREE], s.real[r, ABOARD], 0.0, s.kind[r]
    s.leave[r, 0], s.aboard[r, 0] = free, load
    for k in range(size):
        to = s.stops[r, k]
        length += s.seconds[at, to]
        free = max(free + s.seconds[at, to], s.window[to, EARLIEST]) + s.window[to, SERVICE]
        load += s.window[to, LOAD]
        s.leave[r, k + 1], s.aboard[r, k + 1] = free, load
        mark = (mark ^ np.uint64(to + 1)) * np.uint64(0x9E3779B97F4A7C15)
        mark ^= mark >> np.uint64(29)
        at = to
    if home >= 0:
        length += s.seconds[at, home]
    s.length[r], s.mark[r] = length, mark
    late, after = s.real[r, END_BY] + TIGHT, home
    s.by[r, size] = late
    for k in range(size - 1, -1, -1):
        to = s.stops[r, k]
        if after >= 0:
            late -= s.seconds[to, after]
        if s.window[to, LOAD] > 0.0:
            late = min(late, s.real[r, PICKUP_BY] + TIGHT)
        late = min(late - s.window[to, SERVICE], s.window[to, LATEST] + TIGHT)
        s.by[r, k] = late
        after = to


@njit(cache=True, nogil=True)
def _drop_between(s: Sheet, free: float, at: int, to: int, drop: int) -> tuple[float, float]:
    """What a drop-off adds to the way from `at`, free at `free`, to `to` (-1: the end), and when the vehicle is there; inf = too late."""
    arrive = free + s.seconds[at, drop]
    if arrive > s.window[drop, LATEST] + TIGHT:
        return np.inf, np.inf
    more, end = s.seconds[at, drop], max(arrive, s.window[drop, EARLIEST]) + s.window[drop, SERVICE]
    if to >= 0:
        more += s.seconds[drop, to] - s.seconds[at, to]
        end += s.seconds[drop, to]
    return more, end


@njit(cache=True, nogil=True)
def place(s: Sheet, r: int, order: int, rng: NDArray[np.uint64], any_place: bool) -> tuple[float, int, int]:
    """Where `order` adds least to row `r` behind its frozen stops; with `any_place`, a feasible place drawn evenly.

    Returns:
        What it adds (inf: nowhere), the position that the pickup takes, and the position that the drop-off takes once the pickup is in.

    Cost:
        O(stops^2), each pair of places in constant time.

    Source:
        Savelsbergh (1992), "The vehicle routing problem with time windows: minimizing route duration", ORSA J. Computing 4(2):
        a stop's latest arrival stands for all that follows it.
    """
    size, home, tt = s.whole[r, LENGTH], s.whole[r, HOME], s.seconds
    if size + 2 > s.stops.shape[1]:
        return np.inf, -1, -1
    pickup, drop = 2 * order, 2 * order + 1
    load, room = s.window[pickup, LOAD], s.real[r, CAPACITY] + TIGHT
    opens, serve, late_d = s.window[pickup, EARLIEST], s.window[pickup, SERVICE], s.window[drop, LATEST] + TIGHT
    late = min(s.window[pickup, LATEST], s.real[r, PICKUP_BY] - serve) + TIGHT
    best, best_i, best_j, seen = np.inf, -1, -1, 0
    for i in range(s.whole[r, FROZEN], size + 1):
        at = s.whole[r, START] if i == 0 else s.stops[r, i - 1]
        arrive = s.leave[r, i] + tt[at, pickup]
        if s.leave[r, i] > late:
            break
        if arrive > late or s.aboard[r, i] + load > room:
            continue
        to = s.stops[r, i] if i < size else home
        bent = tt[at, pickup] + (tt[pickup, to] - tt[at, to] if to >= 0 else 0.0)
        if not any_place and bent + s.detour[drop] >= best:
            continue
        at, free = pickup, max(arrive, opens) + serve
        for k in range(i, size + 1):  # the drop-off goes in front of the stop k, or to the end
            if free > late_d:
                break
            more, end = _drop_between(s, free, at, to, drop)
            if more < np.inf and end <= s.by[r, k]:
                seen += 1
                if (unit(rng) * seen < 1.0) if any_place else (bent + more < best):
                    best, best_i, best_j = bent + more, i, k + 1
            if k == size:
                break
            free += tt[at, to]
            if free > s.by[r, k] or s.aboard[r, k + 1] + load > room:
                break
            free = max(free, s.window[to, EARLIEST]) + s.window[to, SERVICE]
            at, to = to, (s.stops[r, k + 1] if k + 1 < size else home)
    return best, best_i, best_j


@njit(cache=True, nogil=True)
def best_place(s: Sheet, r: int, order: int, rng: NDArray[np.uint64]) -> tuple[float, int]:
    """`place` at least cost, remembered by what the row holds; the two positions are packed as i x (most + 2) + j."""
    slot = int(s.mark[r] >> np.uint64(40)) % CACHED
    if s.known[order, slot] == s.mark[r]:
        return s.worth[order, slot], s.where[order, slot]
    more, i, j = place(s, r, order, rng, False)
    s.known[order, slot], s.worth[order, slot], s.where[order, slot] = s.mark[r], more, i * (s.stops.shape[1] + 2) + j
    return more, s.where[order, slot]


@njit(cache=True, nogil=True)
def put(s: Sheet, r: int, order: int, i: int, j: int) -> None:
    """Put `order` into row `r`: its pickup at position `i`, then its drop-off at position `j` > `i`."""
    size = s.whole[r, LENGTH]
    for k in range(size + 1, j, -1):
        s.stops[r, k] = s.stops[r, k - 2]
    s.stops[r, j] = 2 * order + 1
    for k in range(j - 1, i, -1):
        s.stops[r, k] = s.stops[r, k - 1]
    s.stops[r, i] = 2 * order
    s.whole[r, LENGTH] = size + 2
    s.route_of[order] = r
    refresh(s, r)


@njit(cache=True, nogil=True)
def take(s: Sheet, r: int, order: int) -> None:
    """Take both stops of `order` out of row `r`; the row is not worked out anew."""
    kept = 0
    for k in range(s.whole[r, LENGTH]):
        if s.stops[r, k] // 2 != order:
            s.stops[r, kept] = s.stops[r, k]
            kept += 1
    s.whole[r, LENGTH] = kept
    s.route_of[order] = -1


def lay(block: Floats, seconds: Floats, stops: Ints, whole: Ints, real: Floats, orders: int, detour: Floats) -> Sheet:
    """A sheet of a copy of the plan, all rows worked out; `orders` = how many pairs lead the stops."""
    most = stops.shape[1]
    one = np.zeros(1, dtype=np.int64)
    rows = len(stops) + 1
    alike = np.unique(np.column_stack([whole[:, START], whole[:, HOME], real]), axis=0, return_inverse=True)[1].reshape(-1)
    sheet = Sheet(
        seconds, block, detour,
        np.vstack([stops, np.full((1, most), -1, dtype=np.int64)]),
        np.vstack([whole, np.zeros((1, whole.shape[1]), dtype=np.int64)]), np.vstack([real, np.zeros((1, real.shape[1]))]),
        np.zeros((rows, most + 1)), np.zeros((rows, most + 1)), np.zeros((rows, most + 1)), np.zeros(rows),
        np.zeros(rows, dtype=np.uint64), np.concatenate([alike, one]).astype(np.uint64) * np.uint64(2654435761) + np.uint64(97),
        np.full(orders, -1, dtype=np.int64),
        np.zeros((orders, CACHED), dtype=np.uint64), np.zeros((orders, CACHED)), np.zeros((orders, CACHED), dtype=np.int64),
    )  # fmt: skip
    for r in range(len(stops)):
        refresh(sheet, r)
        for stop in stops[r, : whole[r, LENGTH]].tolist():
            sheet.route_of[stop // 2] = r
    return sheet
