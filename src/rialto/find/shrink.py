"""A learned order drawn back to the one before it, as far as queries that it did not learn from say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.tune import gains, surely_best
from rialto.records import Candidates
from rialto.spine.learn import Examples, Fit, Score

__all__ = ["LAST_SHARE", "SHARE", "held_out", "share_of", "shrunk"]

SHARE = "share"
"""Name of a ranker's share among its card's params; a card without it ranks alone."""

LAST_SHARE = "last_share"
"""The same of the last ranker."""

_SHARES = (0.0, 0.25, 0.75, 1.0)
_HALF = 0.5


def share_of(
    candidates: Candidates, before: NDArray[np.float64], apart: NDArray[np.float64], grades: NDArray[np.float64],
    ideal: NDArray[np.float64],
) -> float:  # fmt: skip
    """The share of a learned order: a half, unless another is worth more by nDCG@10 than chance explains.

    Args:
        candidates: Of judged queries.
        before: The order before, as scores, shape (rows,).
        apart: Each query's scores by a ranker that did not learn from it, as `held_out` makes them, shape (rows,).
        grades: Shape (rows,), 0 where nobody judged.
        ideal: Best DCG@10 of each query, shape (queries,).
    """

    def worth(share: float) -> NDArray[np.float64]:
        return gains(candidates, shrunk(candidates, before, apart, share), grades, ideal)

    best = surely_best(worth(_HALF), [worth(s) for s in _SHARES])
    return _SHARES[best] if best >= 0 else _HALF


def held_out(examples: Examples, part: NDArray[np.int64], fit: Fit, score: Score, seed: int) -> NDArray[np.float64]:
    """Scores of examples by rankers that learned from the other parts alone, shape (rows,); 0 where there is no other part.

    Cost:
        A training for each part.
    """
    out = np.zeros(len(examples))
    for p in np.unique(part).tolist():
        if (part != p).any():
            out[part == p] = score(fit(examples.take(part != p), seed), examples.features[part == p])
    return out


def shrunk(candidates: Candidates, before: NDArray[np.float64], after: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """A score between two, each in its spreads over the request's candidates, shape (rows,).

    A ranker taught by few queries may order worse than what it was to improve on; the mean of both orders seldom does, as their
    mistakes are not the same.

    Args:
        candidates: Whose offsets say which rows are one request's.
        before, after: Finite, shape (rows,).
        share: Of `after`, 0..1; at 1 `after` is returned as it is.

    Raises:
        BadInput: the share is out of range.

    Example:
        >>> two = Candidates(np.array([0, 2]), np.array([7, 8]))
        >>> shrunk(two, np.array([0.0, 1.0]), np.array([30.0, 10.0]), 0.75).tolist()
        [0.5, -0.5]
    """
    if not 0.0 <= share <= 1.0:
        raise BadInput(f"the share of a ranker is {share}; wanted 0..1.")
    if share == 1.0:
        return after
    return (1.0 - share) * _spread(candidates, before) + share * _spread(candidates, after)


def _spread(candidates: Candidates, values: NDArray[np.float64]) -> NDArray[np.float64]:
    owner, sizes = candidates.owner, np.maximum(candidates.counts, 1)
    away = values - (np.bincount(owner, weights=values, minlength=candidates.requests) / sizes)[owner]
    wide = np.sqrt(np.bincount(owner, weights=away * away, minlength=candidates.requests) / sizes)
    return away / np.maximum(wide, 1e-9)[owner]
