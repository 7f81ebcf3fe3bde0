"""GeoIndex in this process: moving points on a two-level grid, exact nearest eligible ones, constant-time moves."""

from __future__ import annotations

from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.geo_search import EVERYWHERE2, SCRATCH, Ask, search
from rialto.local.grid import FARTHEST_M, Grid, Points, build, by_tile
from rialto.local.point_table import Table, move, pick, refill, remove
from rialto.local.threads import spread
from rialto.ports import Hits, Positioned

__all__ = ["GridGeo"]

_REBUILD_PER_POINT = 16
"""Looks at loose points that cost as much as placing one point anew; searches never pay more than twice the best schedule."""

_PICK_PER_POINT = 30
"""Looks that copying and placing one point of a smaller grid costs."""

_FEW_NEEDS = 8
_ONE_BATCH = 512
_FEW_HOLES = 128


class _Layout(NamedTuple):
    """Points in memory: the first `sorted` lie by cell, those up to `used` are loose."""

    points: Points
    grid: Grid
    sorted: int
    used: int


class GridGeo:
    """Moving points in metres on a plane; safe to call from several threads.

    Memory holds the points by cell. A point that moves within its cell is changed where it lies; one that leaves it is kept among the
    loose points, which every search looks at, until so many looks were spent on them that placing all points anew is cheaper. Where few
    points are eligible for many queries of a batch, those few get a grid of their own.

    Args:
        threads: Most threads that a batch of queries is divided among; 0 = as many as there are processors.

    Cost:
        A move takes constant time, about 0.1 to 0.2 us. A query takes the time of the points in a circle about 1.6 times as large as
        that of the answer; about 0.35 to 0.4 us at k = 8 on one thread, in a batch, whether points are spread evenly or crowded.
        Memory: 48 bytes a place and 16 a row of the table, about 160 bytes a point.

    Source:
        Bentley, Weide, Yao (1980), "Optimal expected-time algorithms for closest point problems", ACM TOMS 6(4), for cells with a
        constant expected number of points; the two levels make that hold where density varies.

    Example:
        >>> geo = GridGeo()
        >>> here = Positioned(np.array([7, 9]), np.array([0.0, 30.0]), np.array([0.0, 40.0]), np.array([1.0, 1.0]))
        >>> geo.move(here).tolist()
        [True, True]
        >>> hits = geo.nearest(np.array([0.0]), np.array([0.0]), k=2)
        >>> hits.ids.tolist(), hits.scores.tolist()
        ([7, 9], [0.0, 50.0])
    """

    def __init__(self, *, threads: int = 0) -> None:
        if threads < 0:
            raise BadInput(f"threads is {threads}; wanted 0 (as many as there are processors) or more.")
        self._threads = threads
        self._lock = Lock()
        self._clear()

    def __len__(self) -> int:
        """How many points are held."""
        return self._live

    def move(self, points: Positioned) -> NDArray[np.bool_]:
        """Insert or move points; see `GeoIndex.move`.

        Raises:
            BadInput: columns differ in length, or a coordinate or time is not finite, or a coordinate exceeds 1e8 m; nothing was moved.
        """
        new = _checked(points)
        taken = np.empty(len(new.id), dtype=np.bool_)
        with self._lock:
            self._make_room(len(new.id))
            lay = self._lay
            used, fresh, rows = move(self._table, lay.points, lay.grid, new, lay.sorted, lay.used, taken)
            self._lay = lay._replace(used=used)
            self._live += fresh
            self._rows += rows
        return taken

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove points; unknown ids are no error."""
        wanted = _whole("ids", ids)
        with self._lock:
            self._live -= remove(self._table, self._lay.points, wanted)

    def nearest(
        self,
        x_m: NDArray[np.float64],
        y_m: NDArray[np.float64],
        *,
        k: int,
        need: NDArray[np.uint64] | None = None,
        radius_m: float = np.inf,
        fresh_after_s: float = -np.inf,
    ) -> Hits:
        """The k nearest eligible points to each query; see `GeoIndex.nearest`. A batch sees one moment: moves wait for it.

        Raises:
            BadInput: a coordinate is not finite or exceeds 1e8 m, k < 1, a radius below 0, NaN anywhere, or columns differ in length.
        """
        x, y = _place("x_m", x_m), _place("y_m", y_m)
        bits = np.zeros(len(x), dtype=np.uint64) if need is None else _whole("need", need).astype(np.uint64)
        _same_length(len(x), y_m=y, need=bits)
        if k < 1 or not radius_m >= 0.0 or np.isnan(fresh_after_s):
            raise BadInput(
                f"k is {k}, radius_m {radius_m}, fresh_after_s {fresh_after_s}; wanted k from 1, a radius from 0, and a number."
            )
        radius2, fresh = min(float(radius_m) ** 2, EVERYWHERE2), float(fresh_after_s)
        with self._lock:
            self._settle_where_cheaper(len(x))
            width = min(k, max(self._live, 1))
            ids, far = np.empty((len(x), width), dtype=np.int64), np.empty((len(x), width))
            count = np.zeros(len(x), dtype=np.int64)
            rest = np.arange(len(x))
            for bit in _distinct(bits) if self._live else ():
                rows = np.flatnonzero(bits == bit)
                lay = self._smaller(bit, fresh, len(rows), width)
                if lay is not None:
                    rest = rest[bits[rest] != bit]
                    plain = Ask(x, y, bits, rows, radius2, fresh, True)
                    self._answer(lay, plain, ids, far, count)
            anyone = not bits.any() and fresh == -np.inf
            self._answer(self._lay, Ask(x, y, bits, rest, radius2, fresh, anyone), ids, far, count)
        return _hits(ids, far, count)

    def close(self) -> None:
        """Let go of all points; the index is empty afterwards."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._table, self._live, self._rows, self._debt = Table.of(0), 0, 0, 0
        self._lay = _Layout(_room(0), _nowhere(), 0, 0)

    def _make_room(self, arrivals: int) -> None:
        """Room in memory and in the table for `arrivals` more points."""
        if self._lay.used + arrivals > len(self._lay.points.id):
            self._settle(arrivals)
        if 2 * (self._rows + arrivals) > len(self._table.id):
            self._table = Table.of(2 * (self._live + arrivals))
            self._rows = refill(self._table, self._lay.points, self._lay.used)

    def _settle_where_cheaper(self, queries: int) -> None:
        loose, holes = self._lay.used - self._lay.sorted, self._lay.used - self._live
        self._debt += loose * queries
        dear = loose > 0 and self._debt > _REBUILD_PER_POINT * self._live
        if dear or holes > self._live + _FEW_HOLES:
            self._settle(0)

    def _settle(self, arrivals: int) -> None:
        """Place all points by cell, with room for as many again to become loose."""
        self._debt = 0
        new = _room(2 * (self._live + arrivals))
        grid = build(self._lay.points, self._lay.used, self._live, new) if self._live else _nowhere()
        self._table.place[new.key[: self._live]] = np.arange(self._live)
        self._lay = _Layout(new, grid, self._live, self._live)

    def _smaller(self, need: np.uint64, fresh: float, queries: int, k: int) -> _Layout | None:
        """A grid of the eligible alone, where the time that it saves exceeds the time to make it; judged by a sample."""
        points, used = self._lay.points, self._lay.used
        sample = slice(0, used, max(used // 1024, 1))
        fits = ((points.flags[sample] & need) == need) & (points.time[sample] >= fresh) & ~np.isnan(points.x[sample])
        share = max(float(fits.mean()), 1.0 / used)
        if queries * min(used, 3 * k / share) < 2 * (used + _PICK_PER_POINT * share * used + queries * 3 * k):
            return None
        few = _room(used)
        kept = pick(points, used, np.uint64(need), fresh, few)
        if not kept:
            return _Layout(few, _nowhere(), 0, 0)
        placed = _room(kept)
        return _Layout(placed, build(few, kept, kept, placed), kept, kept)

    def _answer(self, lay: _Layout, ask: Ask, ids: NDArray[np.int64], far: NDArray[np.float64], count: NDArray[np.int64]) -> None:
        order = ask.order
        sorted_ask = ask._replace(order=order[by_tile(lay.grid, ask.x[order], ask.y[order])])

        def part(first: int, last: int) -> None:
            size = 4 * ids.shape[1] + SCRATCH
            near, at = np.empty(size), np.empty(size, dtype=np.int64)
            search(lay.points, lay.grid, lay.sorted, lay.used, sorted_ask, first, last, ids, far, count, near, at)

        spread(part, len(order), grain=_ONE_BATCH, threads=self._threads)


def _room(places: int) -> Points:
    x, y, time = (np.empty(places) for _ in range(3))
    ids, key = (np.empty(places, dtype=np.int64) for _ in range(2))
    return Points(x, y, time, np.empty(places, dtype=np.uint64), ids, key)


def _nowhere() -> Grid:
    """The grid of no points: one tile, whose box is empty."""
    box = np.array([[np.inf, np.inf, -np.inf, -np.inf]])
    whole = np.zeros(1, dtype=np.int64)
    return Grid(np.zeros(4), np.ones(2, dtype=np.int64), box, np.zeros((1, 2)), np.zeros((1, 2), dtype=np.int64), whole, whole)


def _distinct(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The distinct needs of a batch large enough to group; none where there are many."""
    if len(bits) < _ONE_BATCH:
        return bits[:0]
    found = np.unique(bits)
    return found if len(found) <= _FEW_NEEDS else found[:0]


def _hits(ids: NDArray[np.int64], far: NDArray[np.float64], count: NDArray[np.int64]) -> Hits:
    offsets = np.concatenate(([0], np.cumsum(count)))
    if offsets[-1] == ids.size:
        return Hits(offsets, ids.reshape(-1), far.reshape(-1))
    there = np.arange(ids.shape[1]) < count[:, np.newaxis]
    return Hits(offsets, ids[there], far[there])


def _checked(points: Positioned) -> Points:
    ids = _whole("ids", points.ids)
    x, y = _place("x_m", points.x_m), _place("y_m", points.y_m)
    time = _finite("time_s", points.time_s, np.inf)
    flags = _whole("flags", points.flags).astype(np.uint64) if len(points.flags) else np.zeros(len(ids), dtype=np.uint64)
    _same_length(len(ids), x_m=x, y_m=y, time_s=time, flags=flags)
    return Points(x, y, time, flags, ids, ids)


def _whole(name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise BadInput(f"{name} has shape {array.shape} and type {array.dtype}; wanted one dimension of whole numbers.")
    return np.require(array.astype(np.int64, copy=False), requirements=["C", "W"])


def _place(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    return _finite(name, values, FARTHEST_M)


def _finite(name: str, values: NDArray[Any], most: float) -> NDArray[np.float64]:
    array = np.require(values, np.float64, ["C", "W"])
    if array.ndim != 1:
        raise BadInput(f"{name} has shape {array.shape}; wanted one dimension.")
    wrong = ~(np.isfinite(array) & (np.abs(array) <= most))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise BadInput(
            f"{name}[{row}] is {array[row]:g}; wanted a finite number" + (f" within {most:g} m." if most < np.inf else ".")
        )
    return array


def _same_length(size: int, **columns: NDArray[Any]) -> None:
    for name, column in columns.items():
        if len(column) != size:
            raise BadInput(f"{name} has {len(column)} rows; wanted {size}, one for each point or query.")
