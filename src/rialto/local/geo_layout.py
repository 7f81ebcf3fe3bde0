"""Points in memory for a search, and the smaller layouts that a batch of queries is worth: those whom many of its queries may get.

A search looks at every point inside a circle, so each point that no query of a kind may get costs all of them time. Where a batch is
large enough, the queries are divided by those of their needs that exclude the most points, and each part gets a grid of the points that
have what its queries have in common.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.kernels import kernel
from rialto.local.geo_search import Ask
from rialto.local.geo_sift import Chosen, Order, Spread, sift
from rialto.local.grid import Grid, Points, bound

__all__ = ["Layout", "Part", "alike", "copied", "divide", "nowhere", "room", "smaller"]

_LOOKS_PER_PICK, _LOOKS_PER_PLACE = 1.0, 12.0
"""Looks at a point that judging one for a smaller grid costs, and that placing one there costs."""

_MOST_PARTS = 4
_POINTS_SEEN, _QUERIES_SEEN = 512, 128
_ALL = np.uint64(2**64 - 1)
_BITS = np.left_shift(np.uint64(1), np.arange(64, dtype=np.uint64))


class Layout(NamedTuple):
    """Points in memory: the first `sorted` lie by cell, those up to `used` are loose."""

    points: Points
    grid: Grid
    sorted: int
    used: int


class Part(NamedTuple):
    """Queries `rows` of a batch, what they all need, bits and amounts (kinds,), and what any of them needs."""

    rows: NDArray[np.int64]
    need: np.uint64
    low: NDArray[np.float64]
    any_need: np.uint64
    high: NDArray[np.float64]


def room(places: int, kinds: int) -> Points:
    """Memory for `places` points with `kinds` amounts each."""
    x, y, time = (np.empty(places) for _ in range(3))
    ids, key = (np.empty(places, dtype=np.int64) for _ in range(2))
    return Points(x, y, time, np.empty(places, dtype=np.uint64), ids, key, np.empty((places, kinds)))


def copied(points: Points, amounts: NDArray[np.float64]) -> Points:
    """The same points in memory of their own, with `amounts`."""
    x, y, time, flags, ids, key, _ = points
    return Points(x.copy(), y.copy(), time.copy(), flags.copy(), ids.copy(), key.copy(), amounts)


def nowhere(kinds: int) -> Grid:
    """The grid of no points: one tile, whose box is empty."""
    box = np.array([[np.inf, np.inf, -np.inf, -np.inf]])
    whole, bits = np.zeros(1, dtype=np.int64), np.zeros(2, dtype=np.uint64)
    shape, most = np.zeros((1, 2), dtype=np.int64), np.full((2, kinds), -np.inf)
    origin, area = np.zeros((1, 2)), np.zeros(1)
    return Grid(np.zeros(4), np.ones(2, dtype=np.int64), box, origin, area, np.zeros((1, 2)), shape, whole, whole, bits, most)


def smaller(lay: Layout, order: Order, ask: Ask, part: Part, placed: Points, spread: Spread) -> Layout:
    """A layout, in the memory `placed`, of those whom a query of `part` may get, with the amounts that `ask` asks for and no others."""
    kinds, grid = len(ask.columns), lay.grid
    start = np.empty(len(grid.start), dtype=np.int64)
    kept = sift(lay.points, order, Chosen(np.uint64(part.need), ask.fresh, ask.columns, part.low), placed, start, spread)
    bits, most = np.zeros(len(grid.bits), dtype=np.uint64), np.full((len(grid.bits), kinds), -np.inf)
    own = grid._replace(start=start, bits=bits, most=most)
    bound(own, start, placed)
    return Layout(placed, own, kept, kept)


def divide(lay: Layout, ask: Ask, k: int) -> tuple[list[Part], NDArray[np.int64]]:
    """Parts of the batch that are worth a layout of their own, judged by a sample, and the queries left over."""
    queries = len(ask.x)
    seen = slice(0, queries, max(queries // _QUERIES_SEEN, 1))
    needs, least = ask.need[seen], ask.least[seen]
    flags, amounts, live = _sample(lay, ask)
    size = max(len(flags), 1)
    fits = (flags & needs[:, np.newaxis]) == needs[:, np.newaxis]
    for j in range(len(ask.columns)):
        fits &= amounts[:, j] >= least[:, j, np.newaxis]
    looks = np.minimum(3 * k / np.maximum(fits.sum(axis=1) / size, 1.0 / size), lay.used)  # for each query where all lie together
    mask = _mask(needs, flags)
    rest, parts = ask.order, list[Part]()
    for key in np.unique(needs & mask):
        like = needs & mask == key
        low = least[like].min(axis=0)
        kept = float((((flags & key) == key) & (amounts >= low).all(axis=1)).sum()) / size * live
        if queries * float(looks[like].sum()) / len(needs) * (1.0 - kept) > lay.used * (
            _LOOKS_PER_PICK + _LOOKS_PER_PLACE * kept
        ):
            own = (ask.need[rest] & mask) == key
            rows, rest = rest[own], rest[~own]
            parts.append(alike(ask, rows))
    return parts, rest


def alike(ask: Ask, rows: NDArray[np.int64]) -> Part:
    """The queries at `rows` as a part, with what they have in common."""
    kinds = ask.least.shape[1]
    low, high, bits = np.full(kinds, np.inf), np.full(kinds, -np.inf), np.array([_ALL, 0], dtype=np.uint64)
    _span(ask, rows, low, high, bits)
    return Part(rows, bits[0], low, bits[1], high)


@kernel
def _span(
    ask: Ask, rows: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64], bits: NDArray[np.uint64]
) -> None:
    """What all queries at `rows` need and what any needs, into `low` and `high` (kinds,) and `bits` (2,)."""
    for r in range(rows.size):
        q = rows[r]
        bits[0] &= ask.need[q]
        bits[1] |= ask.need[q]
        for j in range(low.size):
            low[j], high[j] = min(low[j], ask.least[q, j]), max(high[j], ask.least[q, j])


def _sample(lay: Layout, ask: Ask) -> tuple[NDArray[np.uint64], NDArray[np.float64], float]:
    """Flags and the amounts asked for of a few live and fresh points, and their share of the places."""
    few = slice(0, lay.used, max(lay.used // _POINTS_SEEN, 1))
    there = ~np.isnan(lay.points.x[few]) & (lay.points.time[few] >= ask.fresh)
    return lay.points.flags[few][there], lay.points.amounts[few][there][:, ask.columns], float(there.mean())


def _mask(needs: NDArray[np.uint64], flags: NDArray[np.uint64]) -> np.uint64:
    """The bits to divide a batch by: those that exclude most points from most queries, as long as the parts are few."""
    asked = (needs[:, np.newaxis] & _BITS) > 0
    held = ((flags[:, np.newaxis] & _BITS) > 0).sum(axis=0) / max(len(flags), 1)
    excluded = asked.mean(axis=0) * (1.0 - held)
    mask = np.uint64(0)
    for bit in np.argsort(-excluded):
        if excluded[bit] > 0.0 and len(np.unique(needs & (mask | _BITS[bit]))) <= _MOST_PARTS:
            mask = np.uint64(mask | _BITS[bit])
    return mask
