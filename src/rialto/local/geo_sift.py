"""Some of the points in the order they lie in: copied cell by cell, the loose ones into their cells, without placing anything anew."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.local.grid import Grid, Points, cell_of, cover, tile_of
from rialto.local.kernels import kernel

__all__ = ["Order", "by_cell", "sift", "sift_plain"]


class Order(NamedTuple):
    """All live points by cell: their places in memory `row` (points,), and the cells' bounds in it, `start` (cells + 1,)."""

    row: NDArray[np.int64]
    start: NDArray[np.int64]


def by_cell(points: Points, grid: Grid, sorted_: int, used: int) -> Order:
    """The order in which all points would lie, were the loose ones among places `sorted_..used` put into their cells; there must be cells.

    The boxes of the loose ones' tiles grow to cover them.
    """
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


@kernel
def sift(
    points: Points, order: Order, need: np.uint64, fresh: float, columns: NDArray[np.int64], low: NDArray[np.float64],
    row: NDArray[np.int64], new: Points, start: NDArray[np.int64],
) -> int:  # fmt: skip
    """Copy the eligible points to `new` in their order; returns how many there are.

    Eligible: all bits of `need`, a time from `fresh` on, and of each of `columns` an amount of at least `low` (columns,).

    Args:
        row: Scratch, shape (points + 1,).
        new: Room for all points, with an amount for each of `columns`.
        start: Bounds of the cells in `new`, shape (cells + 1,); written.
    """
    m, c = 0, 0
    for i in range(order.row.size):
        while order.start[c] <= i:
            start[c] = m
            c += 1
        p = order.row[i]
        fits = ((points.flags[p] & need) == need) & (points.time[p] >= fresh) & (not np.isnan(points.x[p]))
        for j in range(columns.size):
            fits &= points.amounts[p, columns[j]] >= low[j]
        row[m] = p
        m += fits
    start[c:] = m
    for i in range(m):
        p = row[i]
        new.x[i], new.y[i], new.time[i] = points.x[p], points.y[p], points.time[p]
        new.flags[i], new.id[i] = points.flags[p], points.id[p]
    for j in range(columns.size):
        for i in range(m):
            new.amounts[i, j] = points.amounts[row[i], columns[j]]
    return m


def sift_plain(
    points: Points, used: int, need: np.uint64, fresh: float, columns: NDArray[np.int64], low: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Ids of the points that `sift` copies, rising, by numpy alone."""
    fits = ((points.flags[:used] & need) == need) & (points.time[:used] >= fresh) & ~np.isnan(points.x[:used])
    return np.sort(points.id[:used][fits & (points.amounts[:used][:, columns] >= low).all(axis=1)])
