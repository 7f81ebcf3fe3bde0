"""The peer of `bench_match_search`: a numba grid and nothing else, no eligibility, no ids but rows, no updates; points sorted by cell.

The k nearest by rings of cells around the query's own, until no nearer point can lie outside the rings; queries sorted by cell, so that
neighbours find their points in the cache; two threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.threads import spread

__all__ = ["Bare", "build", "nearest"]


class Bare(NamedTuple):
    """Points by cell: `x`, `y`, `row` (points,); cell c owns `start[c]:start[c+1]`; `frame` is x0, y0, side; `shape` columns, rows."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    row: NDArray[np.int64]
    start: NDArray[np.int64]
    frame: NDArray[np.float64]
    shape: NDArray[np.int64]


def build(place: NDArray[np.float64], per_cell: float = 2.0) -> Bare:
    """Sort points (points, 2) by cell, `per_cell` in each if they were spread evenly."""
    low, high = place.min(axis=0), place.max(axis=0)
    side = float(np.sqrt(np.prod(high - low) * per_cell / len(place)))
    shape = (np.floor((high - low) / side) + 1).astype(np.int64)
    cell = _cells(place[:, 0].copy(), place[:, 1].copy(), low[0], low[1], side, shape)
    order = np.argsort(cell, kind="stable")
    start = np.searchsorted(cell[order], np.arange(shape[0] * shape[1] + 1))
    return Bare(place[order, 0].copy(), place[order, 1].copy(), order, start, np.array([*low, side]), shape)


def nearest(grid: Bare, x: NDArray[np.float64], y: NDArray[np.float64], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows and distances of the k nearest, shape (queries, k)."""
    ids, far = np.empty((len(x), k), dtype=np.int64), np.empty((len(x), k))
    cell = _cells(x, y, grid.frame[0], grid.frame[1], grid.frame[2], grid.shape)
    order = _sorted(cell, len(grid.start))

    def part(first: int, last: int) -> None:
        _search(grid, x, y, order, first, last, k, ids, far)

    spread(part, len(x), grain=512)
    return ids, far


_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True}


@nb.njit(**_OPTIONS)
def _cells(x: Any, y: Any, x0: float, y0: float, side: float, shape: Any) -> Any:
    out = np.empty(x.size, dtype=np.int64)
    for i in range(x.size):
        u = min(max(int((x[i] - x0) / side), 0), shape[0] - 1)
        v = min(max(int((y[i] - y0) / side), 0), shape[1] - 1)
        out[i] = v * shape[0] + u
    return out


@nb.njit(**_OPTIONS)
def _sorted(cell: Any, cells: int) -> Any:
    """Order of queries by cell: a counting sort."""
    start, order = np.zeros(cells + 1, dtype=np.int64), np.empty(cell.size, dtype=np.int64)
    for c in cell:
        start[c + 1] += 1
    for c in range(cells):
        start[c + 1] += start[c]
    for i in range(cell.size):
        order[start[cell[i]]] = i
        start[cell[i]] += 1
    return order


@nb.njit(**_OPTIONS)
def _search(grid: Any, x: Any, y: Any, order: Any, first: int, last: int, k: int, ids: Any, far: Any) -> None:
    px, py, start = grid.x, grid.y, grid.start
    x0, y0, side = grid.frame[0], grid.frame[1], grid.frame[2]
    across, down = grid.shape[0], grid.shape[1]
    for i in range(first, last):
        q = order[i]
        qx, qy = x[q], y[q]
        u = min(max(int((qx - x0) / side), 0), across - 1)
        v = min(max(int((qy - y0) / side), 0), down - 1)
        found, ring = 0, 0
        while True:
            for row in range(max(v - ring, 0), min(v + ring, down - 1) + 1):
                whole = row == v - ring or row == v + ring
                step = 1 if whole or ring == 0 else 2 * ring
                for column in range(u - ring, u + ring + 1, step):
                    if column < 0 or column >= across:
                        continue
                    c = row * across + column
                    for p in range(start[c], start[c + 1]):
                        dx, dy = px[p] - qx, py[p] - qy
                        d = dx * dx + dy * dy
                        if found == k and d >= far[q, k - 1]:
                            continue
                        j = found if found < k else k - 1
                        while j > 0 and far[q, j - 1] > d:
                            far[q, j], ids[q, j] = far[q, j - 1], ids[q, j - 1]
                            j -= 1
                        far[q, j], ids[q, j] = d, p
                        if found < k:
                            found += 1
            inside = min(qx - x0 - (u - ring) * side, (u + ring + 1) * side - (qx - x0))
            inside = min(inside, min(qy - y0 - (v - ring) * side, (v + ring + 1) * side - (qy - y0)))
            done = found == k and inside > 0.0 and far[q, k - 1] <= inside * inside
            if done or (ring >= across and ring >= down):
                break
            ring += 1
        for j in range(found):
            far[q, j] = np.sqrt(far[q, j])
            ids[q, j] = grid.row[ids[q, j]]
