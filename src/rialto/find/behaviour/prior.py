"""Rates with a prior that is learned from all of them, so that one lucky click is not a rate of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Prior"]

_WEAKEST, _STRONGEST = 0.5, 100.0  # a prior's strength, in trials


@dataclass(frozen=True, slots=True)
class Prior:
    """What a rate is believed to be before anything is seen: its mean, and how many trials that belief is worth."""

    mean: float
    strength: float

    @classmethod
    def of(cls, hits: NDArray[np.float64], trials: NDArray[np.float64]) -> Prior:
        """Learn it from many counts: a trial hits or not, and rates vary by a gamma law, by its moments.

        Args:
            hits: Shape (counts,), not negative; need not be whole.
            trials: Shape (counts,), not negative.

        Source:
            Robbins (1956), "An empirical Bayes approach to statistics"; Marshall (1991), "Mapping disease and mortality rates using
            empirical Bayes estimators", JRSS C 40(2), for the moments.

        Example:
            >>> alike = Prior.of(np.array([10.0, 10.0]), np.array([100.0, 100.0]))
            >>> apart = Prior.of(np.array([0.0, 40.0]), np.array([100.0, 100.0]))
            >>> alike.mean, alike.strength > apart.strength
            (0.1, True)
        """
        every = float(trials.sum())
        if every <= 0.0 or hits.sum() <= 0.0:
            return cls(0.0, 1.0)
        mean = float(hits.sum()) / every
        spread = float((trials * (hits / np.maximum(trials, 1e-12) - mean) ** 2).sum()) / every
        within = mean * (1.0 - min(mean, 1.0)) * len(trials[trials > 0]) / every  # what chance alone would spread them by
        variance = max(spread - within, 0.0)
        strength = mean / variance if variance > 0.0 else _STRONGEST
        return cls(mean, float(np.clip(strength, _WEAKEST, _STRONGEST)))

    def rate(self, hits: NDArray[np.float64], trials: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rate believed after `hits` of `trials`, same shape.

        Example:
            >>> Prior(0.1, 10.0).rate(np.array([0.0, 1.0]), np.array([0.0, 1.0])).round(3).tolist()
            [0.1, 0.182]
        """
        return (hits + self.mean * self.strength) / (trials + self.strength)
