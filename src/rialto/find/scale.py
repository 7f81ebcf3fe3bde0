"""Scores on one scale: trees, fusions and cross-encoders count in units of their own; here a request's scores become comparable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["discounted", "falling", "relative"]

_WIDEST = 10.0  # a gap counts as at most so many usual gaps


def relative(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """How relevant the ranker takes each candidate of one request to be, from 1 (the best) to 0 (the last given).

    Only the gaps between neighbours count, each next to the median gap and as at most ten of it, so neither the unit nor the zero
    of the scores matters, nor how far behind a phase put what it did not look at.

    Args:
        scores: Falling, shape (candidates,); what is not finite counts as tied with the last finite one.

    Returns:
        Shape (candidates,), not rising. Candidates that all tie are all 1.

    Example:
        >>> relative(np.array([9.0, 8.0, 7.0, 5.0])).tolist()
        [1.0, 0.75, 0.5, 0.0]
        >>> relative(np.array([5.0, 5.0])).tolist(), relative(np.array([2.0])).tolist()
        ([1.0, 1.0], [1.0])
    """
    known = np.where(np.isfinite(scores), scores, np.min(scores, initial=np.inf, where=np.isfinite(scores)))
    if len(known) < 2 or not np.isfinite(known).all():
        return np.ones(len(scores))
    gaps = np.maximum(known[:-1] - known[1:], 0.0)
    if not gaps.any():
        return np.ones(len(scores))
    steps = np.cumsum(np.minimum(gaps, _WIDEST * np.median(gaps[gaps > 0.0])))
    return np.concatenate([[1.0], 1.0 - steps / steps[-1]])


def discounted(relevance: NDArray[np.float64]) -> float:
    """Discounted gain of a list: each place counts one over the logarithm of its number plus one.

    Source:
        Järvelin, Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4).

    Example:
        >>> discounted(np.array([1.0, 0.0, 1.0]))
        1.5
    """
    return float((relevance / np.log2(np.arange(len(relevance)) + 2.0)).sum())


def falling(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """`scores` in falling order, each below the one before it by as little as may be, and all finite.

    So a new order can be given the old scores: whoever sorts by them gets that order, whatever the ids.

    Example:
        >>> made = falling(np.array([1.0, 1.0, -np.inf]))
        >>> bool((np.diff(made) < 0).all()), bool(np.isfinite(made).all()), float(made[0])
        (True, True, 1.0)
    """
    out = np.sort(scores)[::-1].astype(np.float64)
    finite = int(np.isfinite(out).sum())
    out[finite:] = (out[finite - 1] if finite else 0.0) - np.arange(1.0, len(out) - finite + 1.0)
    tied = np.flatnonzero(out[1:] >= out[:-1])
    for at in range(int(tied[0]) + 1 if len(tied) else len(out), len(out)):
        out[at] = min(out[at], np.nextafter(out[at - 1], -np.inf))
    return out
