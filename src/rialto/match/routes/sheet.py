"""A plan laid out for hard limits: how early and how late each stop can be, so that an insertion is judged without driving the rest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.kernels import kernel
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

__all__ = ["ANY", "CHEAPEST", "FIRST", "Sheet", "best_place", "lay", "least_detour", "place", "put", "refresh", "take"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CACHED = 256
"""Insertions that are remembered for each order, a power of two."""
CHEAPEST, ANY, FIRST = range(3)
"""What `place` is to find."""


class Sheet(NamedTuple):
    """Rows are the routes, and one more to try things in.

    Args:
        seconds: Travel, shape (stops, stops), which is the cost too. `window`: `Stops.block`. `detour`: see `least_detour`.
        stops, whole, real: As `Routes` has them, with the row to try things in.
        leave, aboard: When and with what a row leaves its start and each stop, shape (rows, most + 1).
        by: The latest arrival at each stop, and at the end, that keeps the rest in time, shape (rows, most + 1).
        leg: Travel to each stop, and home, shape (rows, most + 1). `low`: room for `place`. `back`: `seconds` the other way round.
        length, mark: Travel of a row, with its way home; a number that stands for what it holds.
        kind, route_of: Rows of one kind are alike when empty; row of each order, or -1.
        known, worth, where: The insertions remembered, three views of one array (orders, CACHED, 4), which one look into memory
            reads: mark of the row, what it adds, and the places.
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
    leg: Floats
    low: Floats
    back: Floats
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


@kernel
def refresh(s: Sheet, r: int) -> None:
    """Work out a row anew after its stops have changed. O(its stops)."""
    size, at, home = s.whole[r, LENGTH], s.whole[r, START], s.whole[r, HOME]
    free, load, length, mark = s.real[r, FREE], s.real[r, ABOARD], 0.0, s.kind[r]
    s.leave[r, 0], s.aboard[r, 0] = free, load
    for k in range(size):
        to = s.stops[r, k]
        leg = s.seconds[at, to]
        s.leg[r, k] = leg
        length += leg
        free = max(free + leg, s.window[to, EARLIEST]) + s.window[to, SERVICE]
        load += s.window[to, LOAD]
        s.leave[r, k + 1], s.aboard[r, k + 1] = free, load
        mark = (mark ^ np.uint64(to + 1)) * np.uint64(0x9E3779B97F4A7C15)
        mark ^= mark >> np.uint64(29)
        at = to
    s.leg[r, size] = s.seconds[at, home] if home >= 0 else 0.0
    s.length[r], s.mark[r] = length + s.leg[r, size], mark
    late = s.real[r, END_BY] + TIGHT
    s.by[r, size] = late
    for k in range(size - 1, -1, -1):
        to = s.stops[r, k]
        late -= s.leg[r, k + 1]
        if s.window[to, LOAD] > 0.0:
            late = min(late, s.real[r, PICKUP_BY] + TIGHT)
        late = min(late - s.window[to, SERVICE], s.window[to, LATEST] + TIGHT)
        s.by[r, k] = late


@kernel
def place(s: Sheet, r: int, order: int, rng: NDArray[np.uint64], wanted: int) -> tuple[float, int, int]:
    """Where `order` goes in row `r` behind its frozen stops: where it adds least (`CHEAPEST`), drawn evenly (`ANY`), or the `FIRST` found.

    Returns:
        What it adds (inf: nowhere), the position that the pickup takes, and the position that the drop-off takes once the pickup is in.

    Cost:
        O(stops^2) at worst, each pair of places in constant time; about O(stops) for `CHEAPEST`, as a place whose pickup and least
        drop-off add no less than the best so far is passed over.

    Source:
        Savelsbergh (1992), "The vehicle routing problem with time windows: minimizing route duration", ORSA J. Computing 4(2):
        a stop's latest arrival stands for all that follows it.
    """
    size, home, tt = s.whole[r, LENGTH], s.whole[r, HOME], s.seconds
    if size + 2 > s.stops.shape[1]:
        return np.inf, -1, -1
    pickup, drop = 2 * order, 2 * order + 1
    load, room = s.window[pickup, LOAD], s.real[r, CAPACITY] + TIGHT
    opens, serve = s.window[pickup, EARLIEST], s.window[pickup, SERVICE]
    opens_d, serve_d, late_d = s.window[drop, EARLIEST], s.window[drop, SERVICE], s.window[drop, LATEST] + TIGHT
    late = min(s.window[pickup, LATEST], s.real[r, PICKUP_BY] - serve) + TIGHT
    sure, least = s.detour[pickup] >= -TIGHT * TIGHT, np.inf
    for k in range(size, s.whole[r, FROZEN], -1):
        at = s.stops[r, k - 1]
        more = s.back[drop, at]
        arrive = s.leave[r, k] + more
        end = max(arrive, opens_d) + serve_d
        to = s.stops[r, k] if k < size else home
        if to >= 0:
            more += tt[drop, to] - s.leg[r, k]
            end += tt[drop, to]
        # a pickup in front makes the vehicle no earlier where the triangle holds: what is too late without it stays too late
        if more < least and not (sure and (arrive > late_d + TIGHT or end > s.by[r, k] + TIGHT)):
            least = more
        s.low[k] = least
    best, best_i, best_j, seen = np.inf, -1, -1, 0
    for i in range(s.whole[r, FROZEN], size + 1):
        if s.leave[r, i] > late:
            break
        there = s.back[pickup, s.whole[r, START] if i == 0 else s.stops[r, i - 1]]
        arrive = s.leave[r, i] + there
        if arrive > late or s.aboard[r, i] + load > room:
            continue
        to = s.stops[r, i] if i < size else home
        bent = there + (tt[pickup, to] - s.leg[r, i] if to >= 0 else 0.0)
        if wanted == CHEAPEST and bent + s.detour[drop] >= best:
            continue
        free = max(arrive, opens) + serve
        # the drop-off right behind the pickup
        arrive = free + tt[pickup, drop]
        if arrive <= late_d:
            end, more = max(arrive, opens_d) + serve_d, there + tt[pickup, drop]
            if to >= 0:
                end += tt[drop, to]
                more += tt[drop, to] - s.leg[r, i]
            if end <= s.by[r, i]:
                seen += 1
                if (unit(rng) * seen < 1.0) if wanted == ANY else (more < best):
                    best, best_i, best_j = more, i, i + 1
        if i == size:
            break
        free += tt[pickup, to]
        for k in range(i, size):  # past stop k, then the drop-off in front of the next one, or at the end
            if free > s.by[r, k] or s.aboard[r, k + 1] + load > room:
                break
            if s.low[k + 1] == np.inf or (wanted == CHEAPEST and bent + s.low[k + 1] >= best):
                break
            at = s.stops[r, k]
            free = max(free, s.window[at, EARLIEST]) + s.window[at, SERVICE]
            if free > late_d:
                break
            arrive = free + s.back[drop, at]
            if arrive <= late_d:
                end, more = max(arrive, opens_d) + serve_d, s.back[drop, at]
                to = s.stops[r, k + 1] if k + 1 < size else home
                if to >= 0:
                    end += tt[drop, to]
                    more += tt[drop, to] - s.leg[r, k + 1]
                if end <= s.by[r, k + 1]:
                    seen += 1
                    if (unit(rng) * seen < 1.0) if wanted == ANY else (bent + more < best):
                        best, best_i, best_j = bent + more, i, k + 2
            free += s.leg[r, k + 1]
        if seen > 0 and wanted == FIRST:
            break
    return best, best_i, best_j


@kernel
def best_place(s: Sheet, r: int, order: int, rng: NDArray[np.uint64]) -> tuple[float, int]:
    """`place` at least cost, remembered by what the row holds; the two positions are packed as i x (most + 2) + j."""
    slot = np.int64((s.mark[r] >> np.uint64(40)) & np.uint64(CACHED - 1))
    if s.known[order, slot, 0] == s.mark[r]:
        return s.worth[order, slot, 1], s.where[order, slot, 2]
    more, i, j = place(s, r, order, rng, CHEAPEST)
    s.known[order, slot, 0], s.worth[order, slot, 1] = s.mark[r], more
    s.where[order, slot, 2] = i * (s.stops.shape[1] + 2) + j
    return more, s.where[order, slot, 2]


@kernel
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


@kernel
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
    memory = np.zeros((orders, CACHED, 4))
    rows = len(stops) + 1
    alike = np.unique(np.column_stack([whole[:, START], whole[:, HOME], real]), axis=0, return_inverse=True)[1].reshape(-1)
    sheet = Sheet(
        seconds, block, detour,
        np.vstack([stops, np.full((1, most), -1, dtype=np.int64)]),
        np.vstack([whole, np.zeros((1, whole.shape[1]), dtype=np.int64)]), np.vstack([real, np.zeros((1, real.shape[1]))]),
        np.zeros((rows, most + 1)), np.zeros((rows, most + 1)), np.zeros((rows, most + 1)), np.zeros((rows, most + 1)),
        np.zeros(most + 2), np.ascontiguousarray(seconds.T), np.zeros(rows),
        np.zeros(rows, dtype=np.uint64), np.concatenate([alike, one]).astype(np.uint64) * np.uint64(2654435761) + np.uint64(97),
        np.full(orders, -1, dtype=np.int64),
        memory.view(np.uint64), memory, memory.view(np.int64),
    )  # fmt: skip
    for r in range(len(stops)):
        refresh(sheet, r)
        for stop in stops[r, : whole[r, LENGTH]].tolist():
            sheet.route_of[stop // 2] = r
    return sheet
