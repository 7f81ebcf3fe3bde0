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

from rialto.kernels import inner, kernel

__all__ = ["FARTHEST_M", "Grid", "Points", "admit", "bound", "build", "by_tile", "cell_of", "cover", "step", "tile_of"]

FARTHEST_M = 1e8
"""Largest coordinate: two and a half times round the Earth. Rounding there is 1.5e-8 m, which the search's slack covers."""

_THIN_M = 1e-9  # what is thinner has no extent: nothing is divided by it
_TILE_POINTS = 64
_ROW_POINTS = 2.0
_CELL_SHAPE = 2.0
_SAMPLE = 2048


_NO_AMOUNTS = np.zeros((0, 0))


class Points(NamedTuple):
    """Points in memory order: `x`, `y` (metres; `x` = NaN marks a place that was left), `time` (s), `flags`, `id`, row `key`.

    `amounts` (points, kinds) is what each has of what queries may ask for.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    time: NDArray[np.float64]
    flags: NDArray[np.uint64]
    id: NDArray[np.int64]
    key: NDArray[np.int64]
    amounts: NDArray[np.float64] = _NO_AMOUNTS


class Grid(NamedTuple):
    """Where in memory each cell's points lie.

    Args:
        plane: `(x0, y0, tiles per metre in x, in y)`; what lies outside belongs to the nearest border tile.
        size: `(tiles in x, tiles in y)`, int64.
        box: Box that holds each tile's points, shape (tiles, 4): x0, y0, x1, y1; x0 > x1 where it has none. It only grows.
        origin: Corner that a tile's cells are counted from, shape (tiles, 2); what lies before it or beyond belongs to border cells.
        area: Square metres that a tile's cells cover, shape (tiles,).
        scale: Cells per metre in a tile, shape (tiles, 2).
        shape: Columns and rows of cells in a tile, shape (tiles, 2), int64.
        first: First cell of a tile, shape (tiles,), int64; cells of a tile go row by row.
        start: Cell c owns points `start[c]:start[c+1]`, shape (cells + 1,), int64.
        bits: Bits that any point of a tile holds, shape (tiles + 1,), uint64; the last is of all points, loose ones too.
        most: The largest amounts in a tile, shape (tiles + 1, kinds), likewise. Both may be more than there is, as points go.
    """

    plane: NDArray[np.float64]
    size: NDArray[np.int64]
    box: NDArray[np.float64]
    origin: NDArray[np.float64]
    area: NDArray[np.float64]
    scale: NDArray[np.float64]
    shape: NDArray[np.int64]
    first: NDArray[np.int64]
    start: NDArray[np.int64]
    bits: NDArray[np.uint64]
    most: NDArray[np.float64]


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


@inner
def cell_of(grid: Grid, x: float, y: float) -> int:
    """The cell that holds this place, or -1 where there is no cell at all; `cover` must follow where a point is to be found there."""
    t = tile_of(grid, x, y)
    origin, scale, shape = grid.origin, grid.scale, grid.shape
    if shape[t, 0] == 0:
        return -1
    column = step(x, origin[t, 0], scale[t, 0], shape[t, 0])
    return grid.first[t] + step(y, origin[t, 1], scale[t, 1], shape[t, 1]) * shape[t, 0] + column


@inner
def cover(grid: Grid, t: int, x: float, y: float) -> None:
    """Let the box of tile `t` cover a place."""
    box = grid.box
    box[t, 0], box[t, 1] = min(box[t, 0], x), min(box[t, 1], y)
    box[t, 2], box[t, 3] = max(box[t, 2], x), max(box[t, 3], y)


@kernel
def _per_metre(count: int, length: float) -> float:
    return count / length if length > _THIN_M else 0.0


@nb.njit(cache=True, nogil=True)
def _frame(points: Points, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The plane's division into tiles, over the middle 98 % of a sample, so that one lost point does not make all tiles huge."""
    live = rows.size
    stride = max(live // _SAMPLE, 1)
    taken = min(-(-live // stride), _SAMPLE)
    xs, ys = np.empty(taken), np.empty(taken)
    for i in range(taken):
        xs[i], ys[i] = points.x[rows[i * stride]], points.y[rows[i * stride]]
    xs, ys = np.sort(xs), np.sort(ys)
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


def build(old: Points, rows: NDArray[np.int64], columns: NDArray[np.int64], new: Points) -> Grid:
    """Copy the points at `rows`, at least one, of `old` to `new`, by tile, row and cell, with `columns` of their amounts."""
    plane, size = _frame(old, rows)
    tiles = int(size[0] * size[1])
    box = np.empty((tiles, 4))
    box[:, :2], box[:, 2:] = np.inf, -np.inf
    counts, none = np.zeros(tiles, dtype=np.int64), np.zeros(0, dtype=np.int64)
    grid = Grid(
        plane, size, box, np.zeros((tiles, 2)), np.zeros(tiles), np.zeros((tiles, 2)),
        np.ones((tiles, 2), dtype=np.int64), np.zeros(tiles, dtype=np.int64), none,
        np.zeros(tiles + 1, dtype=np.uint64), np.full((tiles + 1, len(columns)), -np.inf),
    )  # fmt: skip
    cells = _count(grid, old, rows, counts)
    start, cell = np.zeros(cells + 2, dtype=np.int64), np.empty(len(rows), dtype=np.int64)
    _place(grid, old, rows, columns, cell, start, new)
    bound(grid, start, new)
    return grid._replace(start=start[: cells + 1])


@kernel
def _count(grid: Grid, points: Points, rows: NDArray[np.int64], counts: NDArray[np.int64]) -> int:
    """Fill in every tile's box, cells per metre, columns, rows and first cell; returns the number of cells."""
    box, scale, shape = grid.box, grid.scale, grid.shape
    for r in range(rows.size):
        x, y = float(points.x[rows[r]]), float(points.y[rows[r]])
        t = tile_of(grid, x, y)
        counts[t] += 1
        cover(grid, t, x, y)
    cells = 0
    for t in range(counts.size):
        grid.first[t] = cells
        if counts[t]:
            scale[t, 0], scale[t, 1], shape[t, 0], shape[t, 1] = _divide(box, t, counts[t])
            grid.origin[t, 0], grid.origin[t, 1] = box[t, 0], box[t, 1]
            grid.area[t] = (box[t, 2] - box[t, 0]) * (box[t, 3] - box[t, 1])
        cells += shape[t, 0] * shape[t, 1]
    return cells


@kernel
def _place(
    grid: Grid, old: Points, rows: NDArray[np.int64], columns: NDArray[np.int64],
    cell: NDArray[np.int64], start: NDArray[np.int64], new: Points,
) -> None:  # fmt: skip
    """Counting sort of points by cell; `start` (cells + 2,) must be zero and ends as the cells' bounds."""
    for r in range(rows.size):
        cell[r] = cell_of(grid, float(old.x[rows[r]]), float(old.y[rows[r]]))
        start[cell[r] + 2] += 1
    for c in range(2, start.size):
        start[c] += start[c - 1]
    for r in range(rows.size):
        i, p = rows[r], start[cell[r] + 1]
        start[cell[r] + 1] = p + 1
        new.x[p], new.y[p], new.time[p] = old.x[i], old.y[i], old.time[i]
        new.flags[p], new.id[p], new.key[p] = old.flags[i], old.id[i], old.key[i]
        for j in range(columns.size):
            new.amounts[p, j] = old.amounts[i, columns[j]]


@inner
def admit(grid: Grid, t: int, flags: int, amounts: NDArray[np.float64]) -> None:
    """Let the bounds of tile `t` cover a point of these flags and amounts."""
    grid.bits[t] |= np.uint64(flags)
    for j in range(amounts.size):
        grid.most[t, j] = max(grid.most[t, j], amounts[j])


@kernel
def bound(grid: Grid, start: NDArray[np.int64], points: Points) -> None:
    """Fill in what the points of each tile, and of all, hold at most."""
    for t in range(grid.first.size):
        cells = grid.shape[t, 0] * grid.shape[t, 1]
        for p in range(start[grid.first[t]], start[grid.first[t] + cells]):
            grid.bits[t] |= points.flags[p]
            for j in range(grid.most.shape[1]):
                grid.most[t, j] = max(grid.most[t, j], points.amounts[p, j])
        admit(grid, grid.first.size, grid.bits[t], grid.most[t])


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
