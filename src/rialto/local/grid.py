"""The grid of moving points: where in memory they lie, so that those near a place are a few runs of it.

The plane is divided twice, so that crowded and empty places cost alike: into tiles of equal size, and each tile, over the box that its
points fill, into cells by their number. Points lie in memory by tile, row and cell: the cells of one row that a circle touches are one
run of memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.local.kernels import inner, kernel

__all__ = ["FARTHEST_M", "Grid", "Points", "build", "by_tile", "cell_of", "step", "tile_of"]

FARTHEST_M = 1e8
"""Largest coordinate: two and a half times round the Earth. Rounding there is 1.5e-8 m, which the search's slack covers."""

_THIN_M = 1e-9  # what is thinner has no extent: nothing is divided by it
_TILE_POINTS = 64
_ROW_POINTS = 2.0
_CELL_SHAPE = 2.0
_SAMPLE = 2048


class Points(NamedTuple):
    """Points in memory order: `x`, `y` (metres; `x` = NaN marks a place that was left), `time` (s), `flags`, `id`, row `key`."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    time: NDArray[np.float64]
    flags: NDArray[np.uint64]
    id: NDArray[np.int64]
    key: NDArray[np.int64]


class Grid(NamedTuple):
    """Where in memory each cell's points lie.

    Args:
        plane: `(x0, y0, tiles per metre in x, in y)`; what lies outside belongs to the nearest border tile.
        size: `(tiles in x, tiles in y)`, int64.
        box: Box that each tile's points fill, shape (tiles, 4): x0, y0, x1, y1; x0 > x1 where it has none.
        scale: Cells per metre in a tile, shape (tiles, 2).
        shape: Columns and rows of cells in a tile, shape (tiles, 2), int64.
        first: First cell of a tile, shape (tiles,), int64; cells of a tile go row by row.
        start: Cell c owns points `start[c]:start[c+1]`, shape (cells + 1,), int64.
    """

    plane: NDArray[np.float64]
    size: NDArray[np.int64]
    box: NDArray[np.float64]
    scale: NDArray[np.float64]
    shape: NDArray[np.int64]
    first: NDArray[np.int64]
    start: NDArray[np.int64]


@inner
def step(value: float, origin: float, scale: float, count: int) -> int:
    """Number of the interval that `value` lies in, never falling as `value` rises; the first and the last reach to infinity.

    `scale` must be finite, so that no product is NaN.
    """
    return int(min(max((value - origin) * scale, 0.0), count - 1.0))


@inner
def tile_of(grid: Grid, x: float, y: float) -> int:
    across = step(x, grid.plane[0], grid.plane[2], grid.size[0])
    return step(y, grid.plane[1], grid.plane[3], grid.size[1]) * grid.size[0] + across


@kernel
def cell_of(grid: Grid, x: float, y: float) -> int:
    """The cell that holds this place, or -1 where it lies in no tile's box."""
    t = tile_of(grid, x, y)
    box, scale, shape = grid.box, grid.scale, grid.shape
    if not (box[t, 0] <= x <= box[t, 2] and box[t, 1] <= y <= box[t, 3]):
        return -1
    column = step(x, box[t, 0], scale[t, 0], shape[t, 0])
    return grid.first[t] + step(y, box[t, 1], scale[t, 1], shape[t, 1]) * shape[t, 0] + column


@kernel
def _per_metre(count: int, length: float) -> float:
    return count / length if length > _THIN_M else 0.0


@nb.njit(cache=True, nogil=True)
def _frame(points: Points, used: int, live: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The plane's division into tiles, over the middle 98 % of a sample, so that one lost point does not make all tiles huge."""
    xs, ys = np.empty(_SAMPLE), np.empty(_SAMPLE)
    stride, taken, at = max(live // _SAMPLE, 1), 0, 0
    for i in range(used):
        if not np.isnan(points.x[i]):
            if at % stride == 0 and taken < _SAMPLE:
                xs[taken], ys[taken] = points.x[i], points.y[i]
                taken += 1
            at += 1
    xs, ys = np.sort(xs[:taken]), np.sort(ys[:taken])
    cut = taken // 100
    width, height = xs[taken - 1 - cut] - xs[cut], ys[taken - 1 - cut] - ys[cut]
    tiles = max(live / _TILE_POINTS, 1.0)
    across = 1.0
    if width > _THIN_M:
        across = tiles if height <= _THIN_M else min(max(np.sqrt(tiles * width / height), 1.0), tiles)
    size = np.array([max(int(across), 1), max(int(tiles / across), 1) if height > _THIN_M else 1])
    plane = np.array([xs[cut], ys[cut], 0.0, 0.0])
    plane[2], plane[3] = _per_metre(size[0], width), _per_metre(size[1], height)
    return plane, size


@kernel
def _divide(box: NDArray[np.float64], t: int, count: int) -> tuple[float, float, int, int]:
    """Cells per metre, columns and rows of a tile whose `count` points fill `box`."""
    width, height = box[t, 2] - box[t, 0], box[t, 3] - box[t, 1]
    if width > _THIN_M and height > _THIN_M:
        side = np.sqrt(width * height * _ROW_POINTS / count)
        rows = min(max(int(height / side + 0.5), 1), count)
        columns = min(max(int(width / side * _CELL_SHAPE + 0.5), 1), count)
    else:
        rows, columns = (count if height > _THIN_M else 1), (count if width > _THIN_M else 1)
    return _per_metre(columns, width), _per_metre(rows, height), columns, rows


def build(old: Points, used: int, live: int, new: Points) -> Grid:
    """Copy the `live` points among the first `used` of `old` to `new`, by tile, row and cell; `live` must be at least 1."""
    plane, size = _frame(old, used, live)
    tiles = int(size[0] * size[1])
    box = np.empty((tiles, 4))
    box[:, :2], box[:, 2:] = np.inf, -np.inf
    counts, none = np.zeros(tiles, dtype=np.int64), np.zeros(0, dtype=np.int64)
    grid = Grid(
        plane, size, box, np.zeros((tiles, 2)), np.zeros((tiles, 2), dtype=np.int64), np.zeros(tiles, dtype=np.int64), none
    )
    cells = _count(grid, old, used, counts)
    start, cell = np.zeros(cells + 2, dtype=np.int64), np.empty(used, dtype=np.int64)
    _place(grid, old, used, cell, start, new)
    return grid._replace(start=start[: cells + 1])


@kernel
def _count(grid: Grid, points: Points, used: int, counts: NDArray[np.int64]) -> int:
    """Fill in every tile's box, cells per metre, columns, rows and first cell; returns the number of cells."""
    box, scale, shape = grid.box, grid.scale, grid.shape
    for i in range(used):
        x, y = points.x[i], points.y[i]
        if not np.isnan(x):
            t = tile_of(grid, x, y)
            counts[t] += 1
            box[t, 0], box[t, 1] = min(box[t, 0], x), min(box[t, 1], y)
            box[t, 2], box[t, 3] = max(box[t, 2], x), max(box[t, 3], y)
    cells = 0
    for t in range(counts.size):
        grid.first[t] = cells
        if counts[t]:
            scale[t, 0], scale[t, 1], shape[t, 0], shape[t, 1] = _divide(box, t, counts[t])
            cells += shape[t, 0] * shape[t, 1]
    return cells


@kernel
def _place(grid: Grid, old: Points, used: int, cell: NDArray[np.int64], start: NDArray[np.int64], new: Points) -> None:
    """Counting sort of points by cell; `start` (cells + 2,) must be zero and ends as the cells' bounds."""
    for i in range(used):
        if not np.isnan(old.x[i]):
            cell[i] = cell_of(grid, old.x[i], old.y[i])
            start[cell[i] + 2] += 1
    for c in range(2, start.size):
        start[c] += start[c - 1]
    for i in range(used):
        if not np.isnan(old.x[i]):
            p = start[cell[i] + 1]
            start[cell[i] + 1] = p + 1
            new.x[p], new.y[p], new.time[p] = old.x[i], old.y[i], old.time[i]
            new.flags[p], new.id[p], new.key[p] = old.flags[i], old.id[i], old.key[i]


def by_tile(grid: Grid, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order of queries (queries,) by tile, so that neighbours are searched one after another and find their points in the cache."""
    start, tile = np.zeros(len(grid.first) + 1, dtype=np.int64), np.empty(len(x), dtype=np.int64)
    order = np.empty(len(x), dtype=np.int64)
    _order(grid, x, y, start, tile, order)
    return order


@kernel
def _order(
    grid: Grid, x: NDArray[np.float64], y: NDArray[np.float64],
    start: NDArray[np.int64], tile: NDArray[np.int64], order: NDArray[np.int64],
) -> None:  # fmt: skip
    for i in range(x.size):
        tile[i] = tile_of(grid, x[i], y[i])
        start[tile[i] + 1] += 1
    for t in range(1, start.size):
        start[t] += start[t - 1]
    for i in range(x.size):
        order[start[tile[i]]] = i
        start[tile[i]] += 1
