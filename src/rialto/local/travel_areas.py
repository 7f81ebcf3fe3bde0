"""TravelTimes from the great circle with a factor by hour and area, learned from trips: what one pass over the pairs can tell.

    seconds = distance / speed x factor[hour, cell of the way's middle]

The factor of an hour and cell is drawn to (factor of the hour x how the cell compares), and that to the factor of all trips, each by
as much as the trips there are few. Where no trips were, the hour's factor stands.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, NothingHere
from rialto.local.travel import EARTH_RADIUS_M, HOURS, great_circle_m, hours_of, places_of, weighted_median
from rialto.threads import spread

__all__ = ["AreaCircle", "Areas", "open_areas", "seconds_plain"]

_NEAR_DEG = 0.9
"""Farthest apart, in degrees of latitude or longitude, that a way is measured on a plane; farther ones on the sphere."""

_NEAR_POLE_DEG = 75.0
_MOST_CELLS = 1 << 16
_TURNS = 8
_WILD = 4.0
"""A trip that took longer than so many times its hour's factor, or less than one by it, counts as one that did not."""


@dataclass(frozen=True, slots=True)
class Areas:
    """Factors by hour and cell.

    Args:
        origin: Latitude and longitude of the south-west corner, degrees.
        step: Degrees of latitude and longitude that a cell is high and wide.
        factor: Shape (24, rows, columns), float32, > 0.
        hourly: Outside the cells, shape (24,), > 0.

    Raises:
        BadInput: other shapes, or a factor that is not finite and above 0.
    """

    origin: tuple[float, float]
    step: tuple[float, float]
    factor: NDArray[np.float32]
    hourly: NDArray[np.float64]

    def __post_init__(self) -> None:
        good = all(bool((np.isfinite(f) & (f > 0.0)).all()) for f in (self.factor, self.hourly, np.array(self.step)))
        good = good and bool(np.isfinite(self.origin).all())
        if self.factor.ndim != 3 or len(self.factor) != HOURS or self.hourly.shape != (HOURS,) or not good:
            raise BadInput(
                f"factors of shapes {self.factor.shape} and {self.hourly.shape}; wanted (24, rows, columns) and (24,), finite and above 0."
            )


class AreaCircle:
    """TravelTimes: distance / speed x the factor of the hour and of the cell in which the way's middle lies.

    Distances within 0.9 degrees are measured on a plane that touches the way's middle latitude, at most 1e-4 off the sphere's up to
    75 degrees of latitude; longer ones on the sphere.

    Args:
        areas: Factors; `AreaCircle.learn` makes them.
        speed_mps: The speed that factors are relative to.
        utc_offset_s: Added to `at_s` (UTC) before its hour is taken.

    Raises:
        BadInput: a speed that is not finite and above 0.

    Cost:
        About 0.03 us a pair and core.

    Example:
        >>> ones = Areas((0.0, 0.0), (0.01, 0.01), np.full((24, 1, 1), 2.0, dtype=np.float32), np.ones(24))
        >>> start, goal = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[0.0, 0.005], [1.0, 1.005]])
        >>> AreaCircle(ones, speed_mps=10.0).seconds(start, goal, at_s=np.zeros(2)).round(1).tolist()
        [111.2, 55.6]
    """

    def __init__(self, areas: Areas, *, speed_mps: float = 8.0, utc_offset_s: float = 0.0) -> None:
        if not (np.isfinite(speed_mps) and speed_mps > 0.0 and np.isfinite(utc_offset_s)):
            raise BadInput(
                f"speed_mps is {speed_mps} and utc_offset_s {utc_offset_s}; wanted a speed above 0 and a finite offset."
            )
        self.areas, self.speed_mps, self.utc_offset_s = areas, float(speed_mps), float(utc_offset_s)

    def seconds(self, start: NDArray[np.float64], goal: NDArray[np.float64], *, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds for each trip, shape (trips,); see `TravelTimes.seconds`.

        Raises:
            BadInput: what is no place, other shapes, or `at_s` that is not finite.
        """
        a, b, when = (np.ascontiguousarray(x, dtype=np.float64) for x in (start, goal, at_s))
        if a.ndim != 2 or a.shape[1] != 2 or a.shape != b.shape or when.shape != (len(a),):
            return _refuse(a, b, when, self.utc_offset_s)
        out = np.empty(len(a))
        areas, wrong = self.areas, np.zeros(1, dtype=np.int64)
        corner = (*areas.origin, *areas.step, self.speed_mps, self.utc_offset_s)

        def part(first: int, last: int) -> None:
            if _seconds(a, b, when, first, last, corner, areas.factor, areas.hourly, out):
                wrong[0] = 1

        spread(part, len(a), grain=8192)
        return _refuse(a, b, when, self.utc_offset_s) if wrong[0] else out

    @classmethod
    def learn(
        cls,
        start: NDArray[np.float64],
        goal: NDArray[np.float64],
        seconds: NDArray[np.float64],
        at_s: NDArray[np.float64],
        *,
        speed_mps: float = 8.0,
        cell_m: float = 1000.0,
        prior_trips: float = 20.0,
        utc_offset_s: float = 0.0,
    ) -> AreaCircle:
        """Learn the factors from trips.

        Args:
            start, goal: Shape (trips, 2), degrees; trips to where they began teach nothing and are left out.
            seconds: How long each took, shape (trips,), above 0.
            at_s: When each began, shape (trips,), seconds UTC.
            speed_mps: Of the engine.
            cell_m: Side of a cell; more where the trips' area would make more than 65,536 cells.
            prior_trips: Trips of mean length that an hour, a cell, and an hour in a cell are given beforehand.
            utc_offset_s: The city's lead over UTC.

        Raises:
            BadInput: as `seconds`; a duration that is not finite and above 0; no trip that leaves its place.

        Cost:
            O(trips + 24 x cells).
        """
        far = great_circle_m(start, goal)
        hour = hours_of(at_s, len(far), utc_offset_s=utc_offset_s)
        took = np.asarray(seconds, dtype=np.float64)
        if took.shape != far.shape or not (np.isfinite(took).all() and (took > 0.0).all()):
            raise BadInput(f"seconds has shape {took.shape}; wanted {far.shape}, one duration above 0 for each trip.")
        used = far > 0.0
        if not (used.any() and np.isfinite(cell_m) and cell_m > 0.0 and prior_trips >= 0.0):
            raise BadInput(
                f"{int(used.sum())} trips leave their place, cell_m {cell_m}, prior_trips {prior_trips}; wanted 1, above 0, 0 or more."
            )
        free, took, hour = far[used] / speed_mps, took[used], hour[used]
        took = _tamed(free, took, hour)
        lat, lon = _middles(places_of("start", start)[used], places_of("goal", goal)[used])
        origin, step, cells = _grid(lat, lon, cell_m)
        row, column = (np.floor((v - o) / s).astype(np.int64) for v, o, s in zip((lat, lon), origin, step))
        inside = (row >= 0) & (row < cells[0]) & (column >= 0) & (column < cells[1])
        hourly, factor = _shrunk(
            free, took, hour, np.where(inside, row * cells[1] + column, -1), cells[0] * cells[1], prior_trips
        )
        areas = Areas(origin, step, factor.reshape(HOURS, *cells).astype(np.float32), hourly)
        return cls(areas, speed_mps=speed_mps, utc_offset_s=utc_offset_s)

    def save(self) -> bytes:
        """As bytes, for `load`."""
        out, areas = io.BytesIO(), self.areas
        corner = np.array([*areas.origin, *areas.step, self.speed_mps, self.utc_offset_s])
        np.savez_compressed(out, corner=corner, factor=areas.factor, hourly=areas.hourly)
        return out.getvalue()

    @classmethod
    def load(cls, body: bytes) -> AreaCircle:
        """What `save` wrote; `BadInput` where it is damaged."""
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as table:
                corner, factor, hourly = (table[name] for name in ("corner", "factor", "hourly"))
                lat, lon, high, wide, speed_mps, offset_s = corner.astype(np.float64).tolist()
                areas = Areas((lat, lon), (high, wide), factor.astype(np.float32), hourly.astype(np.float64))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as e:
            raise BadInput(f"these {len(body)} bytes hold no factors by area ({type(e).__name__}: {e}).") from None
        return cls(areas, speed_mps=speed_mps, utc_offset_s=offset_s)


def open_areas(file: Path) -> AreaCircle:
    """The engine that `AreaCircle.save` wrote to a file; `NothingHere` where there is none, `BadInput` where it is damaged."""
    if not file.is_file():
        raise NothingHere(f"{str(file)!r} is not there; write what `AreaCircle.learn(...).save()` returns to it.")
    return AreaCircle.load(file.read_bytes())


def _refuse(a: NDArray[np.float64], b: NDArray[np.float64], at_s: NDArray[np.float64], offset_s: float) -> NDArray[np.float64]:
    """Say what is wrong, in the words of the other engines."""
    hours_of(at_s, len(great_circle_m(a, b)), utc_offset_s=offset_s)
    raise BadInput(f"start has shape {a.shape}, goal {b.shape}; wanted (trips, 2) of each.")


def _middles(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitude and longitude half way, the short way around; near the date line the longitude goes on past 180."""
    east = b[:, 1] - a[:, 1]
    east -= np.where(np.abs(east) > 180.0, np.copysign(360.0, east), 0.0)
    return (a[:, 0] + b[:, 0]) / 2.0, a[:, 1] + east / 2.0


def _tamed(free: NDArray[np.float64], took: NDArray[np.float64], hour: NDArray[np.int64]) -> NDArray[np.float64]:
    usual = np.full(HOURS, weighted_median(took / free, free))
    for h in np.unique(hour).tolist():
        here = hour == h
        if here.sum() >= 10:
            usual[h] = weighted_median(took[here] / free[here], free[here])
    return np.clip(took, free * usual[hour] / _WILD, free * usual[hour] * _WILD)


def _grid(
    lat: NDArray[np.float64], lon: NDArray[np.float64], cell_m: float
) -> tuple[tuple[float, float], tuple[float, float], tuple[int, int]]:
    """Corner, step and numbers of cells over all but the outermost half percent of middles on each side."""
    low_lat, high_lat = np.quantile(lat, [0.005, 0.995]).tolist()
    low_lon, high_lon = np.quantile(lon, [0.005, 0.995]).tolist()
    north = np.pi / 180.0 * EARTH_RADIUS_M
    east = north * max(float(np.cos(np.radians((low_lat + high_lat) / 2.0))), 0.01)
    spans = (high_lat - low_lat) * north, (high_lon - low_lon) * east
    side = max(cell_m, float(np.sqrt(spans[0] * spans[1] / _MOST_CELLS)), max(spans) / _MOST_CELLS * 8.0)
    cells = int(spans[0] / side) + 1, int(spans[1] / side) + 1
    return (low_lat, low_lon), (side / north, side / east), cells


def _shrunk(
    free: NDArray[np.float64],
    took: NDArray[np.float64],
    hour: NDArray[np.int64],
    cell: NDArray[np.int64],
    cells: int,
    prior: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factors of hours (24,) and of hours and cells (24, cells): ratios of sums, each drawn to the coarser one by `prior` mean trips.

    Hours and cells are told apart by turns, as in iterative proportional fitting: an hour whose trips were all in slow cells is not
    taken for a slow hour.
    """
    ahead, whole = prior * float(free.mean()), float(took.sum() / free.sum())
    at = np.where(cell >= 0, cell, cells)  # what lies outside is one more cell
    hours, compared = np.full(HOURS, whole), np.ones(cells + 1)
    for _ in range(_TURNS):
        hours = _ratio(np.bincount(hour, took, HOURS), np.bincount(hour, free * compared[at], HOURS), ahead, whole)
        each = np.bincount(at, free * hours[hour], cells + 1)
        compared = _ratio(np.bincount(at, took, cells + 1), each, ahead * whole, 1.0)
    hourly = hours * float(took.sum() / (free * hours[hour]).sum())
    usual = hours[:, np.newaxis] * compared[np.newaxis, :cells]
    both = (hour * cells + cell)[cell >= 0]
    sums = [np.bincount(both, v[cell >= 0], HOURS * cells).reshape(HOURS, cells) for v in (took, free)]
    return hourly, _ratio(sums[0], sums[1], ahead, usual)


def _ratio(over: NDArray[Any], under: NDArray[Any], ahead: float, usual: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """`over` / `under`, drawn to `usual` as if so much had been seen `ahead`; `usual` where there is neither."""
    weight = under + ahead
    drawn = (over + ahead * usual) / np.where(weight > 0.0, weight, 1.0)
    return np.where((weight > 0.0) & (drawn > 0.0), drawn, usual)


@nb.njit(cache=True, nogil=True)
def _seconds(a: Any, b: Any, at_s: Any, first: int, last: int, corner: Any, factor: Any, hourly: Any, out: Any) -> bool:
    """Fill `out[first:last]`; answers True, and stops, where something is no place or no time."""
    lat0, lon0, step_lat, step_lon, speed_mps, offset_s = corner
    rad = np.pi / 180.0
    rows, columns = factor.shape[1], factor.shape[2]
    for i in range(first, last):
        lat, lon, to_lat, to_lon, when = a[i, 0], a[i, 1], b[i, 0], b[i, 1], at_s[i]
        if not (abs(lat) <= 90.0 and abs(to_lat) <= 90.0 and abs(lon) <= 180.0 and abs(to_lon) <= 180.0 and abs(when) < 1e15):
            return True
        north, east = to_lat - lat, to_lon - lon
        if abs(east) > 180.0:
            east -= 360.0 if east > 0.0 else -360.0
        middle = (lat + to_lat) / 2.0
        if abs(north) <= _NEAR_DEG and abs(east) <= _NEAR_DEG and abs(middle) <= _NEAR_POLE_DEG:
            x = east * np.cos(middle * rad)
            far = EARTH_RADIUS_M * rad * np.sqrt(north * north + x * x)
        else:
            half = np.sin(north * rad * 0.5) ** 2
            half += np.cos(lat * rad) * np.cos(to_lat * rad) * np.sin(east * rad * 0.5) ** 2
            far = 2.0 * EARTH_RADIUS_M * np.arcsin(np.sqrt(min(half, 1.0)))
        hour = np.int64(np.floor((when + offset_s) / 3600.0) % 24.0)
        over = lon + 0.5 * east - lon0
        over -= 360.0 * np.floor((over + 180.0) / 360.0)
        row, column = np.int64(np.floor((middle - lat0) / step_lat)), np.int64(np.floor(over / step_lon))
        here = hourly[hour]
        if row >= 0 and row < rows and column >= 0 and column < columns:
            here = np.float64(factor[hour, row, column])
        out[i] = far * here / speed_mps
    return False


def seconds_plain(
    travel: AreaCircle, start: NDArray[np.float64], goal: NDArray[np.float64], at_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """`AreaCircle.seconds` in plain numpy, on the sphere throughout: the version that the kernel is compared with."""
    areas = travel.areas
    far = great_circle_m(start, goal)
    hour = hours_of(at_s, len(far), utc_offset_s=travel.utc_offset_s)
    lat, lon = _middles(start, goal)
    over = lon - areas.origin[1]
    over -= 360.0 * np.floor((over + 180.0) / 360.0)
    row = np.floor((lat - areas.origin[0]) / areas.step[0]).astype(np.int64)
    column = np.floor(over / areas.step[1]).astype(np.int64)
    inside = (row >= 0) & (row < areas.factor.shape[1]) & (column >= 0) & (column < areas.factor.shape[2])
    found = areas.factor[hour, np.where(inside, row, 0), np.where(inside, column, 0)]
    return far * np.where(inside, found, areas.hourly[hour]) / travel.speed_mps
