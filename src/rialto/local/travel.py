"""TravelTimes by great circle with a learned factor by hour of day, and the local plane that the grid of drivers lies in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.sphere import EARTH_RADIUS_M, arcs_m

__all__ = [
    "EARTH_RADIUS_M",
    "HOURS",
    "GreatCircle",
    "factors_of",
    "great_circle_m",
    "hours_of",
    "places_of",
    "to_plane",
    "weighted_median",
]

HOURS = 24


def great_circle_m(start: NDArray[np.float64], goal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shortest distance over the sphere.

    Args:
        start: Latitude and longitude in degrees, shape (trips, 2).
        goal: As `start`.

    Returns:
        Metres, shape (trips,); exact zero from a place to itself; at most 0.6 % off the ellipsoid's.

    Raises:
        BadInput: another shape, a value that is not finite, or a latitude beyond 90 or longitude beyond 180 degrees.

    Source:
        Sinnott (1984), "Virtues of the haversine", Sky and Telescope 68(2).

    Example:
        >>> great_circle_m(np.array([[0.0, 0.0]]), np.array([[0.0, 1.0]])).round(1).tolist()
        [111195.1]
    """
    a, b = (np.ascontiguousarray(ends, dtype=np.float64) for ends in (start, goal))
    if a.shape == b.shape and a.ndim == 2 and a.shape[1] == 2:
        far = arcs_m(a, b)
        if not np.isnan(far).any():
            return far
    a, b = places_of("start", start), places_of("goal", goal)
    raise BadInput(f"start has {len(a)} places and goal {len(b)}; wanted as many of each, one a trip.")


def to_plane(
    lat: NDArray[np.float64], lon: NDArray[np.float64], *, origin: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project degrees to metres east and north of `origin`, on a plane that touches the sphere's parallel there.

    Args:
        lat: Degrees, shape (places,).
        lon: Degrees, shape (places,); across the 180th meridian the shorter way is taken.
        origin: Latitude and longitude of the plane's zero; choose the middle of the city.

    Returns:
        `x_m` and `y_m`, shape (places,) each. Distances from the origin are right to 0.6 % within 30 km up to 60 degrees of
            latitude; better nearer to it and to the equator.

    Raises:
        BadInput: as `great_circle_m`, or `origin` lies at a pole.

    Example:
        >>> x, y = to_plane(np.array([40.76]), np.array([-73.98]), origin=(40.75, -73.98))
        >>> x.tolist(), y.round().tolist()
        ([0.0], [1112.0])
    """
    places = places_of("lat and lon", np.stack((np.asarray(lat, dtype=np.float64), np.asarray(lon, dtype=np.float64)), axis=-1))
    lat0, lon0 = places_of("origin", np.array([origin], dtype=np.float64))[0].tolist()
    if abs(lat0) > 89.0:
        raise BadInput(
            f"origin has latitude {lat0}; wanted one within 89 degrees of the equator, as the plane shrinks at a pole."
        )
    east = (places[:, 1] - lon0 + 180.0) % 360.0 - 180.0
    x_m = EARTH_RADIUS_M * np.cos(np.radians(lat0)) * np.radians(east)
    return x_m, EARTH_RADIUS_M * np.radians(places[:, 0] - lat0)


class GreatCircle:
    """TravelTimes from the great circle: distance x factor of the hour / speed.

    Args:
        speed_mps: Speed along the road, metres a second.
        factor: How much longer the drive is than the great circle: one number, or one for each hour of the day, shape (24,).
        utc_offset_s: Added to `at_s` (UTC) before its hour is taken; the city's offset.

    Raises:
        BadInput: a speed or factor that is not finite and above zero, or another number of factors.

    Cost:
        About 0.1 us a trip, numpy alone.

    Example:
        >>> travel = GreatCircle(speed_mps=10.0, factor=1.5)
        >>> trip = np.array([[0.0, 0.0]]), np.array([[0.0, 0.01]])
        >>> travel.seconds(*trip, at_s=np.zeros(1)).round().tolist()
        [167.0]
    """

    def __init__(self, *, speed_mps: float = 8.0, factor: float | NDArray[np.float64] = 1.3, utc_offset_s: float = 0.0) -> None:
        if not (np.isfinite(speed_mps) and speed_mps > 0.0 and np.isfinite(utc_offset_s)):
            raise BadInput(
                f"speed_mps is {speed_mps} and utc_offset_s {utc_offset_s}; wanted a speed above 0 and a finite offset."
            )
        self.speed_mps = float(speed_mps)
        self.factor = factors_of(factor)
        self.utc_offset_s = float(utc_offset_s)

    def seconds(self, start: NDArray[np.float64], goal: NDArray[np.float64], *, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds for each trip, shape (trips,); see `TravelTimes.seconds`.

        Raises:
            BadInput: as `great_circle_m`, or `at_s` has another length or is not finite.
        """
        far = great_circle_m(start, goal)
        return far * self.factor[hours_of(at_s, len(far), utc_offset_s=self.utc_offset_s)] / self.speed_mps

    def fit(
        self, start: NDArray[np.float64], goal: NDArray[np.float64], seconds: NDArray[np.float64], at_s: NDArray[np.float64]
    ) -> GreatCircle:
        """Learn the factor of each hour from drives, by least absolute deviations: a few wild drives do not move it.

        Args:
            start: Shape (trips, 2), degrees.
            goal: Shape (trips, 2), degrees; trips to where they began teach nothing and are left out.
            seconds: How long each took, shape (trips,), above 0.
            at_s: When each began, shape (trips,), seconds since 1970 in UTC.

        Returns:
            Another `GreatCircle` of the same speed; an hour without trips has the factor of all trips together.

        Raises:
            BadInput: as `seconds`; a duration that is not finite and above 0; no trip that leaves its place.

        Source:
            The factor that minimises sum |seconds - factor x free| is the median of seconds / free weighted by free: Boscovich's
            method; Bloomfield, Steiger (1983), "Least absolute deviations", section 1.2.

        Example:
            >>> start, goal = np.zeros((3, 2)), np.array([[0.0, 0.01], [0.0, 0.02], [0.0, 0.02]])
            >>> free = GreatCircle(speed_mps=10.0, factor=1.0)
            >>> took = free.seconds(start, goal, at_s=np.zeros(3)) * np.array([1.5, 1.5, 9.0])
            >>> free.fit(start, goal, took, np.zeros(3)).factor[0].round(3).item()
            1.5
        """
        far = great_circle_m(start, goal)
        hours = hours_of(at_s, len(far), utc_offset_s=self.utc_offset_s)
        took = np.asarray(seconds, dtype=np.float64)
        if took.shape != far.shape or not (np.isfinite(took).all() and (took > 0.0).all()):
            raise BadInput(f"seconds has shape {took.shape}; wanted {far.shape}, one duration above 0 for each trip.")
        moved = far > 0.0
        if not moved.any():
            raise BadInput(f"none of {len(far)} trips leaves its place; wanted at least one to learn a factor from.")
        free, took, hours = far[moved] / self.speed_mps, took[moved], hours[moved]
        factor = np.full(HOURS, weighted_median(took / free, free))
        for hour in np.unique(hours).tolist():
            here = hours == hour
            factor[hour] = weighted_median(took[here] / free[here], free[here])
        return GreatCircle(speed_mps=self.speed_mps, factor=factor, utc_offset_s=self.utc_offset_s)


def factors_of(factor: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """One factor, or one for each hour of the day, as shape (24,); `BadInput` where one is not finite and above 0."""
    factors = np.asarray(factor, dtype=np.float64)
    if factors.shape not in ((), (HOURS,)) or not (np.isfinite(factors).all() and (factors > 0.0).all()):
        raise BadInput(f"factor is {factor!r}; wanted one number above 0, or {HOURS}, one for each hour.")
    return np.broadcast_to(factors, (HOURS,)).copy()


def hours_of(at_s: NDArray[np.float64], trips: int, *, utc_offset_s: float) -> NDArray[np.int64]:
    """Hour of the city's day, 0 to 23, of each trip, shape (trips,); `BadInput` where `at_s` is not as many finite seconds."""
    when = np.asarray(at_s, dtype=np.float64)
    if when.shape != (trips,) or not np.isfinite(when).all():
        raise BadInput(f"at_s has shape {when.shape}; wanted ({trips},) finite seconds, one for each trip.")
    if trips and when.min() == when.max():  # a window's trips begin at one moment
        return np.full(trips, int((when[0] + utc_offset_s) // 3600.0 % HOURS), dtype=np.int64)
    return ((when + utc_offset_s) // 3600.0 % HOURS).astype(np.int64)


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The value at which half of the weight is reached, of (values,) with their weights (values,)."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2.0)])


def places_of(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    """`values` as (places, 2) latitude and longitude; `BadInput` for another shape or what is no place on Earth."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise BadInput(f"{name} has shape {array.shape}; wanted (places, 2): latitude and longitude in degrees.")
    wrong = ~(np.abs(array) <= np.array([90.0, 180.0])).all(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise BadInput(
            f"{name}[{row}] is {array[row].tolist()}; wanted a latitude within 90 and a longitude within 180 degrees. Are they swapped?"
        )
    return array
