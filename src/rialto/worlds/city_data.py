"""What the made-up city is made from, as read from `data/city.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.worlds.shop_data import read

__all__ = ["FLAGS", "VEHICLES", "CityData", "city_data"]


@dataclass(frozen=True, slots=True)
class CityData:
    """The city's constants; the fields are explained in `data/city.toml`. Vehicles, shifts and kinds of merchant as columns."""

    centre: tuple[float, float]
    radius_m: float
    spots: int
    merchants: int
    road_factor: float
    centre_slowness: float
    trip_noise: float
    traffic: NDArray[np.float64]
    flags: Mapping[str, int]
    vehicles: Mapping[str, NDArray[Any]]
    skills: Mapping[str, float]
    shifts: Mapping[str, NDArray[np.float64]]
    kinds: tuple[dict[str, Any], ...]
    pay: Mapping[str, Any]
    acceptance: Mapping[str, float]


@cache
def city_data() -> CityData:
    """The constants; read once."""
    raw = read("city.toml")
    flags = {str(k): int(v) for k, v in raw["flags"].items()}
    vehicles = _columns(raw["vehicle"], ("share", "speed_mps", "congestion", "capacity_l"))
    carries = np.array([sum(flags[size] for size in v["carries"]) for v in raw["vehicle"]], dtype=np.uint64)
    names = np.array([v["name"] for v in raw["vehicle"]], dtype=object)
    return CityData(
        (raw["centre"][0], raw["centre"][1]), raw["radius_m"], raw["spots"], raw["merchants"], raw["road_factor"],
        raw["centre_slowness"], raw["trip_noise"], np.array(raw["traffic"]), flags, {**vehicles, "carries": carries, "name": names},
        raw["skills"], _columns(raw["shift"], ("share", "start", "end")), tuple(raw["kind"]), raw["pay"], raw["acceptance"],
    )  # fmt: skip


def _columns(rows: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}


FLAGS: Mapping[str, int] = city_data().flags
"""Name -> bit. `small`, `medium`, `large`: what the vehicle carries; the others are skills. Eligible: (flags & need) == need."""

VEHICLES: tuple[str, ...] = tuple(city_data().vehicles["name"])
"""Names of the vehicles; a driver's `vehicle` is an index into them."""
