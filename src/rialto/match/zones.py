"""Areas on the plane, each with a bit: which of them hold a place, exactly, at the cost of a table look-up for nearly all places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput

__all__ = ["Zones"]

_FAR_M = 1e8
"""Twice round the Earth and more: whoever has a corner there has not put it in metres."""

_ACROSS = 256
"""Cells of the table across the areas, and down: a cell that no edge crosses knows its answer."""


class _Table(NamedTuple):
    """`sure`, `maybe`: bits of the areas that hold the cell, and whose edge crosses it, shape (cells,); `frame` x0, y0, cells a metre."""

    frame: NDArray[np.float64]
    sure: NDArray[np.uint64]
    maybe: NDArray[np.uint64]


class Zones:
    """Polygons on the plane, each with an eligibility bit.

    An order's `need` gets the bits of the zones that it is picked up in: only drivers who may work there have them. A driver gets the
    bits of the areas that it stands in: an order may ask for a driver in the airport's queue.

    Args:
        corners: Each polygon's corners in metres on the plane, shape (corners, 2), in either sense, not closed; it may be concave, and
            where it crosses itself what is inside an even number of times is outside.
        bits: Each polygon's bit, 0..62, shape (polygons,); polygons of one bit are one zone of several parts.

    Raises:
        BadInput: a polygon has fewer than three corners, one that is not finite or over 1e8 m off, or a bit is out of range.

    Cost:
        Some 5 ns a place; where an edge crosses its cell (4 % of them for ten zones), a step for each edge of that polygon.

    Source:
        Even-odd rule by crossings of a ray: Hormann, Agathos (2001), "The point in polygon problem for arbitrary polygons". A place
        on an edge belongs to one side of it, always the same.

    Example:
        >>> square = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
        >>> Zones([square], [3]).of(np.array([50.0, 150.0]), np.array([50.0, 50.0])).tolist()
        [8, 0]
    """

    def __init__(self, corners: Sequence[NDArray[np.float64]], bits: Sequence[int]) -> None:
        if len(corners) != len(bits):
            raise BadInput(f"{len(corners)} polygons came with {len(bits)} bits; wanted one for each.")
        for i, (polygon, bit) in enumerate(zip(corners, bits)):
            shape = np.shape(polygon)
            if len(shape) != 2 or shape[0] < 3 or shape[1] != 2 or not np.isfinite(polygon).all():
                raise BadInput(
                    f"polygon {i} has shape {shape}; wanted (corners, 2), three corners or more, all finite, in metres."
                )
            if np.abs(polygon).max() > _FAR_M:
                far = float(np.abs(polygon).max())
                raise BadInput(
                    f"polygon {i} has a corner at {far:g} m; wanted metres on the plane, within {_FAR_M:g} either way."
                )
            if not 0 <= bit <= 62:
                raise BadInput(f"polygon {i} has bit {bit}; wanted 0 to 62.")
        rings = [np.asarray(polygon, dtype=np.float64) for polygon in corners]
        self._edges = np.concatenate([np.hstack([r, np.roll(r, -1, axis=0)]) for r in rings]) if rings else np.zeros((0, 4))
        self._start = np.concatenate(([0], np.cumsum([len(r) for r in rings]))).astype(np.int64)
        self._bits = np.left_shift(np.uint64(1), np.array(bits, dtype=np.uint64))
        self.bits = np.bitwise_or.reduce(self._bits, initial=np.uint64(0))
        self._table = self._tabled()

    def of(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.uint64]:
        """Bits of the zones that hold each place, shape (places,); none for a place that is not finite."""
        x, y = np.ascontiguousarray(x_m, dtype=np.float64), np.ascontiguousarray(y_m, dtype=np.float64)
        if len(x) != len(y):
            raise BadInput(f"x_m has {len(x)} rows and y_m {len(y)}; wanted the same number.")
        return _bits_of(x, y, self._table, self._edges, self._start, self._bits)

    def of_plain(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.uint64]:
        """`of`, by numpy alone: every edge of every polygon, for its test."""
        out = np.zeros(len(x_m), dtype=np.uint64)
        for z, bit in enumerate(self._bits):
            x0, y0, x1, y1 = self._edges[self._start[z] : self._start[z + 1]].T[:, :, np.newaxis]
            spans = (y0 > y_m) != (y1 > y_m)
            up = (x1 - x0) * np.where(spans, y_m - y0, 0.0)  # an edge that does not span the place has no crossing to compute
            crosses = spans & (x_m < np.divide(up, y1 - y0, out=np.zeros_like(up), where=spans) + x0)
            out[crosses.sum(axis=0) % 2 == 1] |= bit
        return out

    def _tabled(self) -> _Table:
        """Cells that no edge comes near answer for all their places as for their middle."""
        if not len(self._edges):
            return _Table(np.array([0.0, 0.0, 0.0]), np.zeros(_ACROSS**2, np.uint64), np.zeros(_ACROSS**2, np.uint64))
        low, high = self._edges[:, :2].min(axis=0), self._edges[:, :2].max(axis=0)
        side = max(float((high - low).max()), 1e-3) / (_ACROSS - 2)
        frame = np.array([low[0] - side, low[1] - side, 1.0 / side])
        table = _Table(frame, np.zeros(_ACROSS**2, np.uint64), np.zeros(_ACROSS**2, np.uint64))
        _cross(table, self._edges, self._start, self._bits)
        at = np.arange(_ACROSS**2)
        x, y = (
            np.asarray(frame[i] + (cells + 0.5) * side, dtype=np.float64) for i, cells in enumerate((at % _ACROSS, at // _ACROSS))
        )
        table.sure[:] = _exact(x, y, ~table.maybe, self._edges, self._start, self._bits)
        return table


@nb.njit(cache=True, nogil=True)
def _cross(table: _Table, edges: NDArray[np.float64], start: NDArray[np.int64], bits: NDArray[np.uint64]) -> None:
    """Mark the cells that each edge comes near: the edge in pieces of half a cell, each with the cells around it."""
    x0, y0, scale = table.frame
    for z in range(bits.size):
        for e in range(start[z], start[z + 1]):
            length = np.hypot(edges[e, 2] - edges[e, 0], edges[e, 3] - edges[e, 1])
            pieces = int(2.0 * length * scale) + 1
            for i in range(pieces + 1):
                x = edges[e, 0] + (edges[e, 2] - edges[e, 0]) * i / pieces
                y = edges[e, 1] + (edges[e, 3] - edges[e, 1]) * i / pieces
                u, v = int((x - x0) * scale), int((y - y0) * scale)
                for row in range(max(v - 1, 0), min(v + 1, _ACROSS - 1) + 1):
                    for column in range(max(u - 1, 0), min(u + 1, _ACROSS - 1) + 1):
                        table.maybe[row * _ACROSS + column] |= bits[z]


@nb.njit(cache=True, nogil=True)
def _odd(x: float, y: float, edges: NDArray[np.float64], first: int, last: int) -> bool:
    odd = False
    for e in range(first, last):
        x0, y0, x1, y1 = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            odd = not odd
    return odd


@nb.njit(cache=True, nogil=True)
def _exact(
    x: NDArray[np.float64], y: NDArray[np.float64], asked: NDArray[np.uint64],
    edges: NDArray[np.float64], start: NDArray[np.int64], bits: NDArray[np.uint64],
) -> NDArray[np.uint64]:  # fmt: skip
    """Bits of the polygons among `asked` (places,) that hold each place. A cell is only sure of those that do not cross it."""
    out = np.zeros(x.size, dtype=np.uint64)
    for i in range(x.size):
        for z in range(bits.size):
            if asked[i] & bits[z] and _odd(x[i], y[i], edges, start[z], start[z + 1]):
                out[i] |= bits[z]
    return out


@nb.njit(cache=True, nogil=True)
def _bits_of(
    x: NDArray[np.float64], y: NDArray[np.float64], table: _Table,
    edges: NDArray[np.float64], start: NDArray[np.int64], bits: NDArray[np.uint64],
) -> NDArray[np.uint64]:  # fmt: skip
    out = np.zeros(x.size, dtype=np.uint64)
    for i in range(x.size):
        u, v = (x[i] - table.frame[0]) * table.frame[2], (y[i] - table.frame[1]) * table.frame[2]
        if not (0.0 <= u < _ACROSS and 0.0 <= v < _ACROSS):
            continue
        cell = int(v) * _ACROSS + int(u)
        out[i] = table.sure[cell]
        maybe = table.maybe[cell]
        if maybe:
            for z in range(bits.size):
                if maybe & bits[z] and _odd(x[i], y[i], edges, start[z], start[z + 1]):
                    out[i] |= bits[z]
    return out
