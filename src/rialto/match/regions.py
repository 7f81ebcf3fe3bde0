"""A city cut into shards by cells: whose a place is, and who else must know what happens there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput

__all__ = ["Regions", "strips"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Regions:
    """Square cells over the plane, each owned by one shard; what lies beyond the grid belongs to the nearest cell on its edge.

    Args:
        west_m, south_m: The grid's corner.
        cell_m: Width of a cell.
        columns: Cells from west to east.
        owner: Shard of each cell, eastwards first, shape (cells,), from 0.

    Raises:
        BadInput: cells that do not fill whole rows, or a width that is not above zero.
    """

    west_m: float
    south_m: float
    cell_m: float
    columns: int
    owner: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not self.cell_m > 0.0 or self.columns < 1 or not len(self.owner) or len(self.owner) % self.columns:
            raise BadInput(
                f"{len(self.owner)} cells of {self.cell_m} m in rows of {self.columns}; wanted whole rows, and a width above 0."
            )

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return int(self.owner.max()) + 1

    def of(self, x_m: Floats, y_m: Floats) -> NDArray[np.int64]:
        """Shard of each place, shape (places,)."""
        column, row = self._cell(x_m, y_m)
        return self.owner[row * self.columns + column]

    def near(self, x_m: Floats, y_m: Floats, *, halo_m: float) -> NDArray[np.bool_]:
        """Whether each place is a shard's own or within `halo_m` of one of its cells, shape (places, shards).

        Cost:
            A pass over the places for each cell that the halo can reach.
        """
        column, row = self._cell(x_m, y_m)
        rows, reach = len(self.owner) // self.columns, int(np.ceil(halo_m / self.cell_m))
        out = np.zeros((len(x_m), self.shards), dtype=np.bool_)
        place = np.arange(len(x_m))
        for up in range(-reach, reach + 1):
            for right in range(-reach, reach + 1):
                c, r = column + right, row + up
                there = (c >= 0) & (c < self.columns) & (r >= 0) & (r < rows)
                west, south = self.west_m + c * self.cell_m, self.south_m + r * self.cell_m
                aside = np.hypot(_beyond(x_m, west, self.cell_m), _beyond(y_m, south, self.cell_m))
                there &= (aside <= halo_m) | ((up == 0) & (right == 0))
                out[place[there], self.owner[(r * self.columns + c)[there]]] = True
        return out

    def _cell(self, x_m: Floats, y_m: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if not (np.isfinite(x_m).all() and np.isfinite(y_m).all()):
            raise BadInput("a place is not finite; wanted metres on the plane.")
        rows = len(self.owner) // self.columns
        column = np.clip(np.floor((x_m - self.west_m) / self.cell_m), 0, self.columns - 1).astype(np.int64)
        return column, np.clip(np.floor((y_m - self.south_m) / self.cell_m), 0, rows - 1).astype(np.int64)


def _beyond(at: Floats, start: Any, width: float) -> Floats:
    """How far a coordinate lies outside of [start, start + width]."""
    return np.asarray(np.maximum(np.maximum(start - at, at - start - width), 0.0), dtype=np.float64)


def strips(x_m: Floats, y_m: Floats, *, shards: int, cell_m: float = 1000.0) -> Regions:
    """Cut a city into strips from west to east, with as equal shares as whole columns of cells allow of the places given.

    Args:
        x_m, y_m: Where orders were, shape (places,), metres on the plane.
        shards: How many; no more than there are columns of cells.
        cell_m: Width of a cell.

    Raises:
        BadInput: no places, or more shards than columns.

    Example:
        >>> halves = strips(np.array([0.0, 500.0, 2500.0, 3900.0]), np.zeros(4), shards=2)
        >>> halves.of(np.array([100.0, 3000.0]), np.zeros(2)).tolist()
        [0, 1]
        >>> halves.near(np.array([900.0, 1900.0]), np.zeros(2), halo_m=500.0).tolist()
        [[True, True], [False, True]]
    """
    if not len(x_m) or shards < 1 or not cell_m > 0.0:
        raise BadInput(f"{len(x_m)} places for {shards} shards of cells of {cell_m} m; wanted places, and numbers above 0.")
    west, south = float(x_m.min()), float(y_m.min())
    columns, rows = (max(int(np.floor((float(c.max()) - low) / cell_m)) + 1, 1) for c, low in ((x_m, west), (y_m, south)))
    if columns < shards:
        raise BadInput(
            f"{shards} shards of a city {columns} cells wide; wanted a cell for each. Take narrower cells or fewer shards."
        )
    column = np.minimum(((x_m - west) / cell_m).astype(np.int64), columns - 1)
    share = np.cumsum(np.bincount(column, minlength=columns)) / len(x_m)
    owner = np.zeros(columns, dtype=np.int64)
    for shard in range(1, shards):
        first = int(np.searchsorted(share, shard / shards - 1e-9)) + 1
        owner[min(max(first, int(np.searchsorted(owner, shard - 1)) + 1), columns - shards + shard) :] = shard
    return Regions(west, south, cell_m, columns, np.tile(owner, rows))
