"""Matching measures: share of orders matched and time to an answer, with intervals over windows, because orders share drivers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.spine.evaluate.intervals import Interval, bootstrap

__all__ = ["Matching", "matching"]


@dataclass(frozen=True, slots=True)
class Matching:
    """How a matcher did: share of orders matched, and mean seconds to an answer with the unmatched at their full patience."""

    share: Interval
    response_s: Interval
    matched: int
    orders: int


def matching(
    matched: NDArray[np.bool_],
    response_s: NDArray[np.float64],
    patience_s: NDArray[np.float64],
    *,
    window: NDArray[np.int64],
    seed: int = 0,
    level: float = 0.95,
) -> Matching:
    """Measure a matcher over windows of time.

    Args:
        matched: Shape (orders,).
        response_s: Seconds from order to match, shape (orders,); read only where matched.
        patience_s: Seconds that each order would wait, shape (orders,); the response of an order that was not matched.
        window: Which window (or day, or seed) each order belongs to, shape (orders,). Windows are the units of the interval, so
            they must be long enough to hardly touch one another.
        seed: Seed of the bootstrap.
        level: Confidence.

    Returns:
        Both measures as ratios of sums over windows, each order counting once.

    Raises:
        BadInput: lengths differ, or a negative or non-finite time is to be read.

    Cost:
        O(orders + 2000 x windows).

    Source:
        Cameron, Gelbach, Miller (2008), "Bootstrap-based improvements for inference with clustered errors", REStat 90(3).

    Example:
        >>> m = matching(np.array([True, False]), np.array([60.0, np.nan]), np.array([300.0, 240.0]), window=np.array([0, 1]))
        >>> m.share.value, m.response_s.value
        (0.5, 150.0)
    """
    lengths = {len(matched), len(response_s), len(patience_s), len(window)}
    if len(lengths) != 1:
        raise BadInput(f"the columns have {sorted(lengths)} rows; wanted one a order in each.")
    seconds = np.where(matched, response_s, patience_s).astype(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(seconds) & (seconds >= 0.0)))
    if len(wrong):
        raise BadInput(f"order {wrong[0]} took {seconds[wrong[0]]} s; wanted a finite time of at least 0 s.")
    names, code = np.unique(window, return_inverse=True)
    sums = [np.bincount(code, weights=w, minlength=len(names)) for w in (matched.astype(np.float64), seconds, np.ones(len(code)))]
    met, took, orders = sums
    share = bootstrap(np.stack([met, orders], axis=1), seed=seed, of=_ratio, level=level)
    response = bootstrap(np.stack([took, orders], axis=1), seed=seed, of=_ratio, level=level)
    return Matching(share, response, int(matched.sum()), len(matched))


def _ratio(means: NDArray[np.float64]) -> NDArray[np.float64]:
    return means[:, 0] / means[:, 1]
