"""Some of the points in the order they lie in: copied cell by cell, the loose ones into their cells, without placing anything anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.kernels import kernel
from rialto.local.grid import Grid, Points, cell_of, cover, tile_of

__all__ = ["Chosen", "Order", "Spread", "by_cell", "sift", "sift_plain"]

_RANGES = 8
"""Ranges of cells that a sift is divided into, for the threads that share it."""

Spread = Callable[[Callable[[int, int], None], int, int], None]
"""Calls work(first, last) on ranges that cover so many rows, no fewer than so many in each; see `rialto.threads.spread`."""


class Order(NamedTuple):
    """All live points by cell: their places in memory `row` (points,), and the cells' bounds in it, `start` (cells + 1,)."""

    row: NDArray[np.int64]
    start: NDArray[np.int64]


def by_cell(points: Points, grid: Grid, sorted_: int, used: int) -> Order:
    """The order in which all points would lie, were the loose ones among places `sorted_..used` put into their cells; there must be cells.

    The boxes of the loose ones' tiles grow to cover them.
    """
    if used == sorted_:
        return Order(np.arange(sorted_), grid.start)
    cell = np.empty(used - sorted_, dtype=np.int64)
    _cells(points, grid, sorted_, cell)
    order = np.argsort(cell, kind="stable")
    live = order[np.searchsorted(cell[order], 0) :]
    into = cell[live]
    row = np.insert(np.arange(sorted_), grid.start[into + 1], live + sorted_)
    before = np.cumsum(np.bincount(into + 1, minlength=len(grid.start)))
    return Order(row, grid.start + before)


@kernel
def _cells(points: Points, grid: Grid, first: int, cell: NDArray[np.int64]) -> None:
    for i in range(cell.size):
        x, y = points.x[first + i], points.y[first + i]
        cell[i] = -1
        if not np.isnan(x):
            cell[i] = cell_of(grid, x, y)
            cover(grid, tile_of(grid, x, y), x, y)


class Chosen(NamedTuple):
    """Who is eligible: all bits of `need`, a time from `fresh` on, and of each of `columns` an amount of at least `low` (columns,)."""

    need: np.uint64
    fresh: float
    columns: NDArray[np.int64]
    low: NDArray[np.float64]


def sift(points: Points, order: Order, chosen: Chosen, new: Points, start: NDArray[np.int64], spread: Spread) -> int:
    """Copy the eligible points to `new` in their order; returns how many there are.

    Args:
        points, order: Points and the order that they lie in.
        chosen: Who is eligible.
        new: Room for all points, with an amount for each of `chosen.columns`.
        start: Bounds of the cells in `new`, shape (cells + 1,); written.
        spread: Divides the ranges of cells over threads.
    """
    cells, size = len(order.start) - 1, len(order.row)
    bounds: list[int] = np.linspace(0, cells, _RANGES + 1).astype(np.int64).tolist()
    edges: list[int] = order.start[bounds].tolist()
    row, place = np.empty(size + 1, dtype=np.int64), np.empty(size + 1, dtype=np.int32)
    count = np.zeros(_RANGES + 1, dtype=np.int64)

    def pick(first: int, last: int) -> None:
        for r in range(first, last):
            count[r + 1] = _pick(points, order, chosen, edges[r], edges[r + 1], row, place)

    spread(pick, _RANGES, 1)
    to: list[int] = np.cumsum(count).tolist()

    def carry(first: int, last: int) -> None:
        for r in range(first, last):
            low, high = bounds[r], bounds[r + 1]
            _carry(points, chosen.columns, row[edges[r] :], to[r], to[r + 1], new)
            _bounds(order.start, low, high, place, to[r], to[r + 1], start)

    spread(carry, _RANGES, 1)
    start[cells] = to[-1]
    return to[-1]


@kernel
def _pick(
    points: Points, order: Order, chosen: Chosen, first: int, last: int, row: NDArray[np.int64], place: NDArray[np.int32]
) -> int:
    """Write the places of the eligible among `order.row[first:last]` to `row` from `first` on, and how many lie before each to `place`.

    Without a branch, as nobody can guess who is eligible; amounts are looked at for those alone whom the rest lets pass.
    """
    columns, low, need = chosen.columns, chosen.low, chosen.need
    flags, time, x = points.flags, points.time, points.x
    m = first
    for i in range(first, last):
        p = order.row[i]
        fits = ((flags[p] & need) == need) & (time[p] >= chosen.fresh) & (x[p] == x[p])
        row[m], place[i] = i, fits
        m += fits
    end, m = m, first
    for s in range(first, end):
        i = row[s]
        p, fits = order.row[i], True
        for j in range(columns.size):
            fits &= points.amounts[p, columns[j]] >= low[j]
        row[m], place[i] = p, fits
        m += fits
    before = np.int32(0)
    for i in range(first, last):
        here = place[i]
        place[i] = before
        before += here
    return int(m - first)


@kernel
def _carry(points: Points, columns: NDArray[np.int64], row: NDArray[np.int64], low: int, high: int, new: Points) -> None:
    """Copy the points at `row` to places `low..high` of `new`."""
    for i in range(low, high):
        p = row[i - low]
        new.x[i], new.y[i], new.time[i] = points.x[p], points.y[p], points.time[p]
        new.flags[i], new.id[i] = points.flags[p], points.id[p]
        for j in range(columns.size):
            new.amounts[i, j] = points.amounts[p, columns[j]]


@kernel
def _bounds(
    old: NDArray[np.int64], low: int, high: int, place: NDArray[np.int32], first: int, after: int, start: NDArray[np.int64]
) -> None:
    """Where each of the cells `low..high`, which begin at `old` among all points, begins among the eligible, which are `first..after`."""
    for c in range(low, high):
        start[c] = after if old[c] == old[high] else first + place[old[c]]


def sift_plain(
    points: Points, used: int, need: np.uint64, fresh: float, columns: NDArray[np.int64], low: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Ids of the points that `sift` copies, rising, by numpy alone."""
    fits = ((points.flags[:used] & need) == need) & (points.time[:used] >= fresh) & ~np.isnan(points.x[:used])
    return np.sort(points.id[:used][fits & (points.amounts[:used][:, columns] >= low).all(axis=1)])
