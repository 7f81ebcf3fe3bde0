"""Where each moving point lies: a hash table from id to place in memory, and the kernels that move, remove and pick points.

A place once given is kept until the next rebuild. A point that leaves its cell leaves a hole (`x` = NaN) and goes to the end, among the
loose points, so that a move is constant time whatever the number of points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.kernels import inner, kernel
from rialto.local.grid import Grid, Points, admit, cell_of, cover, tile_of

__all__ = ["FREE", "LEFT", "Table", "live", "move", "refill", "remove"]

FREE, LEFT = -1, -2
"""Row of the table that was never used; row whose point was removed."""


class Table(NamedTuple):
    """Open addressing with linear steps: `id` and `place` (rows,), a power of two of rows, at most half of them used."""

    id: NDArray[np.int64]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, points: int) -> Table:
        """An empty table with room for `points` ids."""
        rows = 1 << max(int(2 * points).bit_length(), 6)
        return cls(np.zeros(rows, dtype=np.int64), np.full(rows, FREE, dtype=np.int64))


@inner
def _row(table: Table, id_: int) -> int:
    """The row that holds `id_`, or the free row where it would go."""
    mask = table.id.size - 1
    mixed = np.uint64(id_) * np.uint64(0x9E3779B97F4A7C15)
    row = np.int64(mixed ^ (mixed >> np.uint64(32))) & mask
    while table.place[row] != FREE and table.id[row] != id_:
        row = (row + 1) & mask
    return int(row)


@kernel
def refill(table: Table, points: Points, used: int) -> int:
    """Enter the live points among the first `used` into an empty table; returns how many there are."""
    live = 0
    for p in range(used):
        if not np.isnan(points.x[p]):
            row = _row(table, points.id[p])
            table.id[row], table.place[row], points.key[p] = points.id[p], p, row
            live += 1
    return live


@inner
def _stays(grid: Grid, place: int, x: float, y: float) -> int:
    """The tile of the cell that owns `place` where it holds (x, y) too, else -1."""
    t = tile_of(grid, x, y)
    cell = cell_of(grid, x, y)
    return t if cell >= 0 and grid.start[cell] <= place < grid.start[cell + 1] else -1


@kernel
def move(
    table: Table, points: Points, grid: Grid, new: Points, sorted_: int, used: int, taken: NDArray[np.bool_]
) -> tuple[int, int, int]:
    """Insert or move `new`, one after another; `taken` (rows,) is false where what is held is younger.

    Returns:
        Places used, points that were not there before, and rows of the table that were free before.
    """
    fresh, rows, everyone = 0, 0, grid.bits.size - 1
    for i in range(new.id.size):
        row = _row(table, new.id[i])
        place = table.place[row]
        if place == FREE:
            rows += 1
        if place < 0:
            fresh += 1
        elif new.time[i] < points.time[place]:
            taken[i] = False
            continue
        taken[i] = True
        t = _stays(grid, place, new.x[i], new.y[i]) if 0 <= place < sorted_ else -1
        if place < 0 or (place < sorted_ and t < 0):
            if place >= 0:
                points.x[place] = np.nan
            place = used
            used += 1
            table.id[row], table.place[row] = new.id[i], place
            points.id[place], points.key[place] = new.id[i], row
        points.x[place], points.y[place] = new.x[i], new.y[i]
        points.time[place], points.flags[place] = new.time[i], new.flags[i]
        for j in range(new.amounts.shape[1]):
            points.amounts[place, j] = new.amounts[i, j]
        admit(grid, everyone, new.flags[i], new.amounts[i])
        if t >= 0:
            admit(grid, t, new.flags[i], new.amounts[i])
            cover(grid, t, new.x[i], new.y[i])
    return used, fresh, rows


@kernel
def remove(table: Table, points: Points, ids: NDArray[np.int64]) -> int:
    """Forget points; returns how many were there."""
    gone = 0
    for i in range(ids.size):
        row = _row(table, ids[i])
        if table.place[row] >= 0:
            points.x[table.place[row]] = np.nan
            table.place[row] = LEFT
            gone += 1
    return gone


@kernel
def live(points: Points, used: int, rows: NDArray[np.int64]) -> int:
    """Write the places among the first `used` that hold a point to the front of `rows`; returns how many there are."""
    kept = 0
    for p in range(used):
        rows[kept] = p
        kept += not np.isnan(points.x[p])
    return kept
