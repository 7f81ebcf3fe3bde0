"""The hot loop of great circles: checked and measured in one pass over the trips, beside its plain numpy version."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.threads import spread

__all__ = ["EARTH_RADIUS_M", "arcs_m", "arcs_m_plain"]

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the Earth; source: Moritz (2000), "Geodetic Reference System 1980"."""

_GRAIN = 8192  # trips worth a call
_HALF = math.pi / 360.0  # radians of half a degree
_SHORT = 0.02  # radians of half an arc up to which the series below are exact

Floats = NDArray[np.float64]


def arcs_m(start: Floats, goal: Floats) -> Floats:
    """Metres over the sphere, shape (trips,); NaN where either end is no place on Earth.

    Args:
        start, goal: Latitude and longitude in degrees, shape (trips, 2), contiguous.

    Cost:
        About 5 ns a trip on one thread for ends within two degrees, else 50; trips are divided over the processors.

    Source:
        Sinnott (1984), "Virtues of the haversine"; cos a cos b = cos^2 of the mean - sin^2 of half the difference leaves one cosine,
        and over short arcs power series are exact to the last bits: they have no branch, so several trips go into one instruction.
    """
    out = np.empty(len(start))
    spread(lambda low, high: _fill(low, high, start, goal, out), len(start), grain=_GRAIN)
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _fill(low: int, high: int, start: Floats, goal: Floats, out: Floats) -> None:
    a, b, far = start[low:high], goal[low:high], out[low:high]
    for i in range(far.size):
        lat, lon, other_lat, other_lon = a[i, 0], a[i, 1], b[i, 0], b[i, 1]
        half_lat, half_lon = (other_lat - lat) * _HALF, (other_lon - lon) * _HALF
        near = (abs(half_lat) <= _SHORT) & (abs(half_lon) <= _SHORT)
        there = (abs(lat) <= 90.0) & (abs(other_lat) <= 90.0) & (abs(lon) <= 180.0) & (abs(other_lon) <= 180.0)
        far[i] = _short(half_lat, half_lon, (lat + other_lat) * _HALF) if near & there else -1.0
    for i in range(far.size):
        if far[i] < 0.0:
            far[i] = _long(a[i, 0], a[i, 1], b[i, 0], b[i, 1])


@nb.njit(cache=True, nogil=True, inline="always")
def _short(half_lat: float, half_lon: float, middle: float) -> float:
    """Metres between ends that lie twice `half_lat` and `half_lon` apart, around latitude `middle`, all in radians."""
    n, e, m = half_lat * half_lat, half_lon * half_lon, middle * middle
    north2, east2 = n * _sine2(n), e * _sine2(e)
    tail = 1.0 - m * (1 / 182) * (1.0 - m * (1 / 240) * (1.0 - m * (1 / 306) * (1.0 - m * (1 / 380))))
    tail = 1.0 - m * (1 / 30) * (1.0 - m * (1 / 56) * (1.0 - m * (1 / 90) * (1.0 - m * (1 / 132) * tail)))
    cosine = 1.0 - m * 0.5 * (1.0 - m * (1 / 12) * tail)
    chord2 = north2 + max(cosine * cosine - north2, 0.0) * east2
    curve = 1.0 + chord2 * (1 / 6 + chord2 * (3 / 40 + chord2 * (15 / 336 + chord2 * (105 / 3456 + chord2 * (945 / 42240)))))
    return 2.0 * EARTH_RADIUS_M * math.sqrt(chord2) * curve


@nb.njit(cache=True, nogil=True, inline="always")
def _sine2(x2: float) -> float:
    """(sin x / x) squared, of x squared."""
    sine = 1.0 - x2 * (1 / 6) * (1.0 - x2 * (1 / 20) * (1.0 - x2 * (1 / 42)))
    return sine * sine


@nb.njit(cache=True, nogil=True)
def _long(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    if not (abs(lat) <= 90.0 and abs(other_lat) <= 90.0 and abs(lon) <= 180.0 and abs(other_lon) <= 180.0):
        return np.nan
    a, b = math.radians(lat), math.radians(other_lat)
    north, east = math.sin((b - a) / 2.0), math.sin(math.radians(other_lon - lon) / 2.0)
    chord2 = north * north + math.cos(a) * math.cos(b) * east * east
    return 2.0 * EARTH_RADIUS_M * math.asin(math.sqrt(min(chord2, 1.0)))


def arcs_m_plain(start: Floats, goal: Floats) -> Floats:
    """`arcs_m` in plain numpy, for its test."""
    a, b = np.radians(start), np.radians(goal)
    bounds = np.array([90.0, 180.0])
    there = ((np.abs(start) <= bounds) & (np.abs(goal) <= bounds)).all(axis=1)
    half = np.sin((b - a) / 2.0) ** 2
    chord2 = half[:, 0] + np.cos(a[:, 0]) * np.cos(b[:, 0]) * half[:, 1]
    return np.where(there, 2.0 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(chord2, 1.0))), np.nan)
