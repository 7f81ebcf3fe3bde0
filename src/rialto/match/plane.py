"""The flat map that degrees are laid on around one place, and how far it is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput

__all__ = ["EARTH_RADIUS_M", "Plane", "east_north_m"]

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG R1)."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A flat map around one place, in metres east (x) and north (y): equirectangular.

    Within 1 % up to 50 km from its middle as far as 50 degrees from the equator, and less far nearer the poles: `true_m` says it.

    Example:
        >>> plane = Plane(52.0, 13.0)
        >>> x_m, y_m = plane.xy(np.array([52.01]), np.array([13.0]))
        >>> round(x_m.item()), round(y_m.item())
        (0, 1112)
        >>> lat, lon = plane.latlon(x_m, y_m)
        >>> round(lat.item(), 6), round(lon.item(), 6)
        (52.01, 13.0)
    """

    lat: float
    lon: float

    def __post_init__(self) -> None:
        if not (abs(self.lat) < 89.0 and abs(self.lon) <= 180.0):
            raise BadInput(
                f"the middle of the plane is ({self.lat}, {self.lon}); wanted latitude in -89..89, longitude in -180..180."
            )

    @property
    def metres_a_degree(self) -> tuple[float, float]:
        """Metres that a degree of longitude, and one of latitude, is long here."""
        north = np.pi / 180.0 * EARTH_RADIUS_M
        return north * float(np.cos(np.radians(self.lat))), north

    def true_m(self, share: float = 0.05) -> float:
        """How far from the middle the map goes wrong by `share` of a distance: there a degree of longitude is so much shorter, or longer.

        Example:
            >>> [round(Plane(lat, 0.0).true_m() / 1000.0) for lat in (0.0, 52.5, 60.0, 80.0)]
            [2023, 241, 182, 56]
        """
        middle = np.radians(abs(self.lat))
        poleward = float(np.arccos((1.0 - share) * np.cos(middle)) - middle)
        ahead = (1.0 + share) * np.cos(middle)
        back = float(middle - np.arccos(ahead)) if ahead <= 1.0 else poleward  # else it is nowhere that much longer
        return EARTH_RADIUS_M * min(poleward, back)

    def xy(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Metres east and north, shape (points,) each, of degrees (points,); over the date line the short way."""
        east, north = self.metres_a_degree
        around = (np.asarray(lon, dtype=np.float64) - self.lon + 540.0) % 360.0 - 180.0
        return around * east, (np.asarray(lat, dtype=np.float64) - self.lat) * north

    def latlon(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Degrees, shape (points,) each, of metres (points,)."""
        east, north = self.metres_a_degree
        return self.lat + np.asarray(y_m) / north, (self.lon + np.asarray(x_m) / east + 540.0) % 360.0 - 180.0


def east_north_m(
    start: tuple[NDArray[np.float64], NDArray[np.float64]], goal: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Metres east and north from places to others, each (latitude, longitude), shape (rows,), the short way round: for short ways, no map.

    Example:
        >>> one = np.ones(1)
        >>> [float(m.round()[0]) for m in east_north_m((0 * one, 179.99 * one), (0 * one, -179.99 * one))]
        [2224.0, 0.0]
    """
    east = (goal[1] - start[1] + 180.0) % 360.0 - 180.0
    return 111_195.0 * east * np.cos(np.radians((start[0] + goal[0]) / 2.0)), 111_195.0 * (goal[0] - start[0])
