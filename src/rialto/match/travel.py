"""How long until the driver is there: seconds from the TravelTimes engine, corrected by what trips of that hour really took."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.ports import TravelTimes

__all__ = ["HourFactors", "Travel", "hour_of"]

HOURS = 24


def hour_of(at_s: NDArray[np.float64], *, offset_s: float = 0.0) -> NDArray[np.float64]:
    """Hour of the local day, shape as `at_s`, in [0, 24); `offset_s` is the local time's lead over UTC."""
    return np.asarray((np.asarray(at_s) + offset_s) / 3600.0 % 24.0)


@dataclass(frozen=True, slots=True)
class HourFactors:
    """What to multiply an engine's seconds by, in each hour of the local day.

    Args:
        factor: Shape (24,), > 0.
        offset_s: Local time's lead over UTC, s.

    Raises:
        BadInput: not 24 finite factors above 0.
    """

    factor: NDArray[np.float64] = field(default_factory=lambda: np.ones(HOURS))
    offset_s: float = 0.0

    def __post_init__(self) -> None:
        if np.shape(self.factor) != (HOURS,) or not np.all(np.isfinite(self.factor) & (self.factor > 0.0)):
            raise BadInput(f"factors are {np.asarray(self.factor).tolist()}; wanted 24 finite numbers above 0, one an hour.")

    @property
    def any(self) -> bool:
        """Whether anything is corrected."""
        return bool((self.factor != 1.0).any())

    @classmethod
    def learn(
        cls,
        predicted_s: NDArray[np.float64],
        observed_s: NDArray[np.float64],
        at_s: NDArray[np.float64],
        *,
        offset_s: float = 0.0,
        prior_trips: float = 20.0,
    ) -> HourFactors:
        """Learn the factors from trips: observed over predicted seconds of each hour, drawn to the whole day's by `prior_trips`.

        Args:
            predicted_s: The engine's seconds, shape (trips,); trips of 0 s are left out.
            observed_s: What they took, shape (trips,).
            at_s: When they began, shape (trips,), seconds UTC.
            offset_s: Local time's lead over UTC, s.
            prior_trips: Trips of the day's mean length that each hour is given beforehand.

        Cost:
            O(trips).

        Example:
            >>> f = HourFactors.learn(np.full(900, 100.0), np.repeat([100.0, 150.0], [600, 300]), np.repeat([0.0, 3600.0], [600, 300]))
            >>> [round(x, 2) for x in f.factor[:3].tolist()]
            [1.01, 1.48, 1.17]
        """
        used = (predicted_s > 0.0) & np.isfinite(predicted_s) & np.isfinite(observed_s) & (observed_s >= 0.0)
        predicted, observed = predicted_s[used], observed_s[used]
        if not len(predicted):
            return cls(offset_s=offset_s)
        whole = max(float(observed.sum() / predicted.sum()), 1e-3)
        hour = hour_of(at_s[used], offset_s=offset_s).astype(np.int64)
        prior = prior_trips * float(predicted.mean())
        ahead = np.bincount(hour, predicted, HOURS) + prior
        return cls((np.bincount(hour, observed, HOURS) + prior * whole) / ahead, offset_s)


@dataclass(frozen=True, slots=True)
class Travel:
    """Pickup seconds: an engine, and the correction by hour that was learned from its errors."""

    times: TravelTimes
    factors: HourFactors = field(default_factory=HourFactors)

    def seconds(self, start: NDArray[np.float64], goal: NDArray[np.float64], *, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Corrected seconds for each trip, shape (trips,), from `start` (trips, 2) to `goal` (trips, 2), degrees, at `at_s` (trips,).

        Raises:
            EngineBusy: the engine did not answer in time.
        """
        seconds = self.times.seconds(start, goal, at_s=at_s)
        if not self.factors.any:
            return seconds
        hour = hour_of(at_s, offset_s=self.factors.offset_s).astype(np.int64)
        return seconds * self.factors.factor[hour]
