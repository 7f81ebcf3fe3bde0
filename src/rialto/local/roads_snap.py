"""Places put on the road: the nearest point of the nearest stretch, found over a grid of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.roads import Roads
from rialto.local.roads_contract import simplified
from rialto.local.travel import EARTH_RADIUS_M
from rialto.threads import spread

__all__ = ["Ground", "Segments", "Snapped", "snap_plain"]


class Segments(NamedTuple):
    """Stretches of road on a plane; both directions of a street are one.

    Args:
        a, b: Nodes at the ends, shape (segments,), int64.
        there_ms, back_ms: From a to b and from b to a, shape (segments,), int64; -1 = not that way.
        ax_m, ay_m, bx_m, by_m: The ends on the plane, shape (segments,).
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    there_ms: NDArray[np.int64]
    back_ms: NDArray[np.int64]
    ax_m: NDArray[np.float64]
    ay_m: NDArray[np.float64]
    bx_m: NDArray[np.float64]
    by_m: NDArray[np.float64]


class Snapped(NamedTuple):
    """Where places are on the road: `segment` (places,) int64, -1 = none in reach; `part` (places,) of the way from a to b; `off_m`
    (places,), how far from the road."""

    segment: NDArray[np.int64]
    part: NDArray[np.float64]
    off_m: NDArray[np.float64]


class _Grid(NamedTuple):
    x0_m: float
    y0_m: float
    cell_m: float
    columns: int
    rows: int
    start: NDArray[np.int64]
    segments: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ground:
    """The roads of an area on a plane around its middle (right to 0.6 % within 30 km of it), for putting places on.

    Args:
        segments: The stretches.
        middle: Latitude and longitude of the plane's zero, degrees.
        reach_m: A place farther than this from every road is on none.
        grid: Which stretches touch each cell.
    """

    segments: Segments
    middle: tuple[float, float]
    reach_m: float
    grid: _Grid

    @classmethod
    def of(cls, roads: Roads, *, reach_m: float = 1000.0) -> Ground:
        """Lay out `roads`; `BadInput` where `reach_m` is not finite and above 0, or the roads lie more than 20 degrees apart."""
        if not (np.isfinite(reach_m) and reach_m > 0.0):
            raise BadInput(f"reach_m is {reach_m}; wanted metres above 0.")
        east = (roads.lon - roads.lon[0] + 180.0) % 360.0 - 180.0
        spans = float(np.ptp(roads.lat)), float(np.ptp(east))
        if max(spans) > 20.0:
            raise BadInput(f"the roads span {spans[0]:.1f} x {spans[1]:.1f} degrees; wanted 20 at most. Is a node misplaced?")
        middle = (float(roads.lat.mean()), float((roads.lon[0] + east.mean() + 180.0) % 360.0 - 180.0))
        segments = _segments(roads, middle)
        return cls(segments, middle, float(reach_m), _laid_out(segments, reach_m))

    def snap(self, places: NDArray[np.float64]) -> Snapped:
        """Put places (places, 2) in degrees on the road; about 1 us each, ties go to the first stretch."""
        x_m, y_m = _xy(places[:, 0], places[:, 1], self.middle)
        size = len(places)
        out = Snapped(np.empty(size, dtype=np.int64), np.empty(size), np.empty(size))

        def part(first: int, last: int) -> None:
            _snap(x_m[first:last], y_m[first:last], self.segments, self.grid, self.reach_m, *(c[first:last] for c in out))

        spread(part, size, grain=2048)
        return out


def _xy(
    lat: NDArray[np.float64], lon: NDArray[np.float64], middle: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    north = np.pi / 180.0 * EARTH_RADIUS_M
    east = ((lon - middle[1] + 180.0) % 360.0 - 180.0) * north * np.cos(np.radians(middle[0]))
    return east, (lat - middle[0]) * north


def _segments(roads: Roads, middle: tuple[float, float]) -> Segments:
    nodes = len(roads.lat)
    tail, head, ms = simplified(nodes, roads.tail, roads.head, roads.ms)
    key, twin_key = tail * nodes + head, head * nodes + tail  # `simplified` sorts by key
    at = np.minimum(np.searchsorted(key, twin_key), max(len(key) - 1, 0))
    twin = np.where(key[at] == twin_key, at, -1)
    if not len(tail):
        raise BadInput("every edge begins where it ends; wanted a road from one node to another.")
    kept = (twin < 0) | (tail < head)
    back = np.where(twin >= 0, ms[np.maximum(twin, 0)], -1)
    x_m, y_m = _xy(roads.lat, roads.lon, middle)
    a, b = tail[kept], head[kept]
    return Segments(a, b, ms[kept], back[kept], x_m[a], y_m[a], x_m[b], y_m[b])


def _laid_out(s: Segments, reach_m: float) -> _Grid:
    low = min(s.ax_m.min(), s.bx_m.min()) - reach_m, min(s.ay_m.min(), s.by_m.min()) - reach_m
    high = max(s.ax_m.max(), s.bx_m.max()) + reach_m, max(s.ay_m.max(), s.by_m.max()) + reach_m
    # A cell holds a few stretches, and cells are no more than a few times the stretches.
    cell_m = max(float(np.sqrt((high[0] - low[0]) * (high[1] - low[1]) / (4.0 * len(s.a)))), 50.0)
    columns, rows = int((high[0] - low[0]) / cell_m) + 1, int((high[1] - low[1]) / cell_m) + 1
    start = np.zeros(columns * rows + 1, dtype=np.int64)
    _touch(s, low[0], low[1], cell_m, columns, start, np.zeros(0, dtype=np.int64))
    start = np.cumsum(start)
    listed = np.empty(int(start[-1]), dtype=np.int64)
    _touch(s, low[0], low[1], cell_m, columns, start[:-1].copy(), listed)
    return _Grid(float(low[0]), float(low[1]), cell_m, columns, rows, start, listed)


@nb.njit(cache=True)
def _touch(s: Any, x0_m: float, y0_m: float, cell_m: float, columns: int, at: Any, listed: Any) -> None:
    """Count (into `at[cell + 1]`, where `listed` is empty) or list the stretches whose box touches each cell."""
    for i in range(len(s.a)):
        c0, c1 = int((min(s.ax_m[i], s.bx_m[i]) - x0_m) / cell_m), int((max(s.ax_m[i], s.bx_m[i]) - x0_m) / cell_m)
        r0, r1 = int((min(s.ay_m[i], s.by_m[i]) - y0_m) / cell_m), int((max(s.ay_m[i], s.by_m[i]) - y0_m) / cell_m)
        for row in range(r0, r1 + 1):
            for column in range(c0, c1 + 1):
                cell = row * columns + column
                if len(listed):
                    listed[at[cell]] = i
                    at[cell] += 1
                else:
                    at[cell + 1] += 1


@nb.njit(cache=True, nogil=True)
def _foot(s: Any, i: int, x_m: float, y_m: float) -> tuple[float, float]:
    """Squared distance to a stretch, and the nearest point's part of the way from a to b."""
    dx, dy = s.bx_m[i] - s.ax_m[i], s.by_m[i] - s.ay_m[i]
    long2 = dx * dx + dy * dy
    part = 0.0
    if long2 > 0.0:
        part = min(max(((x_m - s.ax_m[i]) * dx + (y_m - s.ay_m[i]) * dy) / long2, 0.0), 1.0)
    ex, ey = s.ax_m[i] + part * dx - x_m, s.ay_m[i] + part * dy - y_m
    return ex * ex + ey * ey, part


@nb.njit(cache=True, nogil=True)
def _snap(x_m: Any, y_m: Any, s: Any, grid: Any, reach_m: float, segment: Any, parts: Any, off_m: Any) -> None:
    """Rings of cells around each place, until none farther out can hold a nearer stretch."""
    rings = int(reach_m / grid.cell_m) + 1
    for p in range(len(x_m)):
        x, y = x_m[p], y_m[p]
        column, row = int(np.floor((x - grid.x0_m) / grid.cell_m)), int(np.floor((y - grid.y0_m) / grid.cell_m))
        best, best_part, best_at = reach_m * reach_m, 0.0, -1
        left, low = x - grid.x0_m - column * grid.cell_m, y - grid.y0_m - row * grid.cell_m
        inner = max(min(min(left, grid.cell_m - left), min(low, grid.cell_m - low)), 0.0)  # from its own cell's nearest side
        for ring in range(rings + 1):
            clear = (ring - 1) * grid.cell_m + inner
            if ring > 0 and clear * clear > best:
                break
            for r in range(max(row - ring, 0), min(row + ring, grid.rows - 1) + 1):
                step = 1 if abs(r - row) == ring else max(2 * ring, 1)
                for c in range(column - ring, column + ring + 1, step):
                    if c < 0 or c >= grid.columns:
                        continue
                    cell = r * grid.columns + c
                    for at in range(grid.start[cell], grid.start[cell + 1]):
                        i = grid.segments[at]
                        far2, part = _foot(s, i, x, y)
                        if far2 < best or (far2 == best and (best_at < 0 or i < best_at)):
                            best, best_part, best_at = far2, part, i
        segment[p], parts[p], off_m[p] = best_at, best_part, np.sqrt(best)


def snap_plain(ground: Ground, places: NDArray[np.float64]) -> Snapped:
    """`Ground.snap` in plain numpy, every stretch looked at for every place: the version that the kernel is compared with."""
    s = ground.segments
    x_m, y_m = (c[:, np.newaxis] for c in _xy(places[:, 0], places[:, 1], ground.middle))
    dx, dy = s.bx_m - s.ax_m, s.by_m - s.ay_m
    long2 = np.where((dx == 0.0) & (dy == 0.0), 1.0, dx * dx + dy * dy)
    part = np.clip(((x_m - s.ax_m) * dx + (y_m - s.ay_m) * dy) / long2, 0.0, 1.0)
    far2 = (s.ax_m + part * dx - x_m) ** 2 + (s.ay_m + part * dy - y_m) ** 2
    at = far2.argmin(axis=1)
    row = np.arange(len(places))
    near = far2[row, at] <= ground.reach_m**2
    return Snapped(np.where(near, at, -1), part[row, at], np.sqrt(far2[row, at]))
