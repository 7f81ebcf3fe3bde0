"""Position pings of the made-up city, with the noise and the faults of real telephones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput

__all__ = ["LATE", "REPEATED", "JUMP", "Faults", "pings"]

LATE, REPEATED, JUMP = 1, 2, 3
"""Values of the column `fault`; 0 is a sound ping."""

_EVERY_S = 4.0
_LATE_S = 60.0

Floats = NDArray[np.float64]
Wander = Callable[[NDArray[np.int64], Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of pings, in [0, 1], that are `late`, `repeated` or a `jumps` of kilometres."""

    late: float
    repeated: float
    jumps: float

    def __post_init__(self) -> None:
        for name in ("late", "repeated", "jumps"):
            value = float(getattr(self, name))
            if not 0.0 <= value <= 1.0:
                raise BadInput(f"{name} is {value}; wanted a share of the pings, 0 to 1.")


def pings(wander: Wander, driver: NDArray[np.int64], at_s: float, *, seed: int, faults: Faults) -> dict[str, NDArray[Any]]:
    """Pings in order of arrival, columns as `City.pings` says but in metres (`x_m`, `y_m`)."""
    rng = np.random.default_rng((seed, 12, int(at_s * 1000.0)))
    count = len(driver)
    time = np.maximum(0.0, at_s - _EVERY_S * rng.random(count))
    chances = rng.random((count, 3))
    late = chances[:, 0] < faults.late
    time = np.where(late, np.maximum(0.0, time - _LATE_S * rng.random(count)), time)
    place, speed = wander(driver, time)
    accuracy = np.clip(rng.lognormal(2.0, 0.5, count), 3.0, 120.0)
    # Accuracy is the radius that holds 68 % of fixes (Android's Location.getAccuracy); a Rayleigh radius of that quantile.
    place = place + rng.normal(0.0, 1.0, (count, 2)) * (accuracy / np.sqrt(-2.0 * np.log(0.32)))[:, np.newaxis]
    jump = chances[:, 1] < faults.jumps
    place = place + _leap(rng, count) * jump[:, np.newaxis]
    columns = {
        "driver": driver, "x_m": place[:, 0], "y_m": place[:, 1], "accuracy_m": accuracy,
        "heading": np.degrees(np.arctan2(speed[:, 0], speed[:, 1])) % 360.0, "time_s": time,
        "fault": np.where(jump, JUMP, np.where(late, LATE, 0)).astype(np.int8),
    }  # fmt: skip
    return _arrive(columns, chances[:, 2] < faults.repeated, rng)


def _leap(rng: np.random.Generator, count: int) -> Floats:
    radius, angle = rng.uniform(5_000.0, 50_000.0, count), rng.uniform(0.0, 2.0 * np.pi, count)
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)


def _arrive(columns: dict[str, NDArray[Any]], twice: NDArray[np.bool_], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Repeated pings added, and all in order of arrival: by time, but a late one when it got through."""
    again = {name: column[twice] for name, column in columns.items()}
    again["fault"] = np.full(len(again["driver"]), REPEATED, dtype=np.int8)
    whole = {name: np.concatenate((columns[name], again[name])) for name in columns}
    arrival = whole["time_s"] + np.where(whole["fault"] == LATE, _LATE_S * rng.random(len(whole["time_s"])), 0.0)
    order = np.argsort(arrival, kind="stable")
    return {name: column[order] for name, column in whole.items()}
