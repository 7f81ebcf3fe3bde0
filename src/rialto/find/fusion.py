"""The first score, learned for each query: how much words and how much meaning count depends on what was asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Candidates

__all__ = ["PARTS", "QUERY", "Fusion", "blend", "parts", "query_features"]

PARTS = ("bm25f_share", "cover_any", "cover_title", "cosine")
"""Columns of a candidate that the fusion weighs."""

QUERY = ("one", "words", "top_share", "top_cover", "top_cosine", "spread_cosine")
"""What the weights depend on; each lies in about -1..1."""

_OTHER = 0.3  # what a synonym is worth next to the word itself, where some product holds all of the query's words
_UNMATCHED = 0.85  # and where none does
_PULL = 120.0  # nats that a weight costs, times its squared distance from the fixed blend


@dataclass(frozen=True)
class Fusion:
    """A candidate's score is the sum of its parts, each times a weight that is linear in what is so of the query.

    Args:
        weights: Shape (parts, query features); with the first column alone it is one fixed blend.

    Example:
        >>> f = Fusion.fixed()
        >>> Fusion.of_json(f.to_json()).weights.tolist() == f.weights.tolist()
        True
    """

    weights: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.weights.shape != (len(PARTS), len(QUERY)) or not np.isfinite(self.weights).all():
            raise BadInput(
                f"fusion weights have shape {self.weights.shape}; wanted finite numbers, ({len(PARTS)}, {len(QUERY)})."
            )

    @classmethod
    def fixed(cls, cosine: float = 0.1) -> Fusion:
        """BM25F's share plus `cosine` times the cosine, whatever the query: what serves where nothing was learned."""
        weights = np.zeros((len(PARTS), len(QUERY)))
        weights[:, 0] = (1.0, 0.0, 0.0, cosine)
        return cls(weights)

    def score(self, candidates: Candidates) -> NDArray[np.float64]:
        """First score of each candidate, shape (rows,); what is missing counts nothing."""
        share, cover, title, cosine, words = (candidates.column(name) for name in (*PARTS, "query_terms"))
        other = candidates.columns.get("other_share", share)  # the share itself adds nothing to it
        if any(c.dtype != np.float32 for c in (share, cover, title, cosine, words, other)):
            return self.score_plain(candidates)
        return blend(candidates.offsets, share, cover, title, cosine, words, other, np.ascontiguousarray(self.weights))

    def score_plain(self, candidates: Candidates) -> NDArray[np.float64]:
        """`score` in plain numpy, for its test and for columns of other types."""
        of_query = query_features(candidates) @ self.weights.T
        return np.asarray((parts(candidates) * of_query[candidates.owner]).sum(axis=1))

    @classmethod
    def fit(
        cls, candidates: Candidates, grades: NDArray[np.float64], *, rounds: int = 60
    ) -> Fusion:  # fmt: skip
        """Learn the weights listwise: each query's scores, through a softmax, come near its grades' gains.

        Nothing is chosen by nDCG@10 on the same queries: of few queries it says too little to tell one blend from another, and
        what it chose was worse on others than the fixed blend. Whether to serve what is learned here is for `taught` to find out.

        Args:
            candidates: Candidates of judged queries with the columns `PARTS` and `query_terms`.
            grades: Shape (rows,), 0 where nobody judged; queries without a grade above 0 play no part.
            rounds: Most steps of the optimiser.

        Cost:
            About 2 s for 100 queries of 1,000 candidates.

        Source:
            Cao et al. (2007), "Learning to rank: from pairwise approach to listwise approach", ICML (ListNet).
        """
        gains = np.power(2.0, grades) - 1.0
        total = np.bincount(candidates.owner, weights=gains, minlength=candidates.requests)
        used = total[candidates.owner] > 0
        if not used.any():
            return cls.fixed()
        rows = candidates.keep(used)
        gain, owner = gains[used], rows.owner
        goal, x = gain / total[owner], parts(rows)
        z = query_features(rows)[owner]
        filled = np.flatnonzero(rows.counts)
        pull = _PULL / len(filled)
        starts, prior = rows.offsets[:-1][filled], cls.fixed().weights

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            scale, w = np.exp(flat[0]), flat[1:].reshape(prior.shape)
            bare = (x * (z @ w.T)).sum(axis=1)
            score = scale * bare
            top = np.zeros(rows.requests)
            top[filled] = np.maximum.reduceat(score, starts)
            e = np.exp(score - top[owner])
            sums = np.bincount(owner, weights=e, minlength=rows.requests)
            share = e / sums[owner]
            cross = -(goal * (score - top[owner] - np.log(sums[owner]))).sum() / len(filled)
            back = (share - goal) / len(filled)
            slope = scale * (x * back[:, np.newaxis]).T @ z + 2 * pull * (w - prior)
            return cross + pull * float(((w - prior) ** 2).sum()), np.concatenate([[float((back * score).sum())], slope.ravel()])

        begin = np.concatenate([[np.log(10.0)], prior.ravel()])
        from scipy.optimize import minimize  # 12 MB that whoever only serves need not hold

        found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": rounds})
        return cls(np.asarray(found.x[1:]).reshape(prior.shape))

    def to_json(self) -> str:
        """One line, with the names of rows and columns."""
        return json.dumps({"parts": PARTS, "query": QUERY, "weights": self.weights.tolist()})

    @classmethod
    def of_json(cls, text: str) -> Fusion:
        """What `to_json` wrote; `BadInput` where it is of other parts."""
        try:
            data = json.loads(text)
            if tuple(data["parts"]) != PARTS or tuple(data["query"]) != QUERY:
                raise BadInput(f"the fusion was learned on {data['parts']} and {data['query']}; learn it again.")
            return cls(np.array(data["weights"], dtype=np.float64))
        except (ValueError, KeyError, TypeError) as e:
            raise BadInput(f"fusion weights are {text[:80]!r}: {e!r}; wanted what to_json wrote.") from None


@nb.njit(cache=True, nogil=True)
def blend(
    offsets: NDArray[np.int64], share: NDArray[np.float32], cover: NDArray[np.float32], title: NDArray[np.float32],
    cosine: NDArray[np.float32], words: NDArray[np.float32], other: NDArray[np.float32], weights: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """First score of each candidate, shape (rows,): what `Fusion.score_plain` adds up from `parts` and `query_features`.

    Args:
        offsets: Candidates, shape (requests + 1,).
        share, cover, title, cosine, words: The columns `PARTS` and `query_terms`, shape (rows,), NaN = missing.
        other: Share of another writing's words, shape (rows,), NaN = none.
        weights: As `Fusion` has them.
    """
    out = np.empty(len(share))
    z, w = np.empty(weights.shape[1]), np.empty(weights.shape[0])
    for q in range(len(offsets) - 1):
        low, high = offsets[q], offsets[q + 1]
        if low == high:
            continue
        top_share, top_cover, top_cosine, total = _known(share[low]), _known(cover[low]), _known(cosine[low]), 0.0
        for i in range(low, high):
            top_share, top_cover = max(top_share, _known(share[i])), max(top_cover, _known(cover[i]))
            top_cosine = max(top_cosine, _known(cosine[i]))
            total += _known(cosine[i])
        z[0], z[1] = 1.0, min(max((np.float64(words[low]) - 3.0) / 3.0, -1.0), 1.0)
        z[2], z[3], z[4] = 2.0 * top_share - 1.0, 2.0 * top_cover - 1.0, 2.0 * top_cosine - 1.0
        z[5] = min(max(3.0 * (top_cosine - total / (high - low)) - 1.0, -1.0), 1.0)
        for p in range(len(w)):
            w[p] = 0.0
            for f in range(len(z)):
                w[p] += z[f] * weights[p, f]
        worth = _UNMATCHED if top_cover < 0.999 else _OTHER
        for i in range(low, high):
            best = _known(share[i])
            if other[i] == other[i]:
                best = max(best, worth * np.float64(other[i]))
            out[i] = best * w[0] + _known(cover[i]) * w[1] + _known(title[i]) * w[2] + _known(cosine[i]) * w[3]
    return out


@nb.njit(cache=True, nogil=True, inline="always")
def _known(value: Any) -> float:
    return np.float64(value) if value == value else 0.0


def parts(candidates: Candidates) -> NDArray[np.float64]:
    """The columns `PARTS`, shape (rows, parts); missing is 0. Words of another writing of the query count less than its own."""
    table = np.nan_to_num(np.stack([candidates.column(name).astype(np.float64) for name in PARTS], axis=1), nan=0.0)
    other = candidates.columns.get("other_share")
    if other is not None and not np.isnan(other).all():
        table[:, 0] = np.fmax(table[:, 0], _worth(candidates, table[:, 1]) * other)
    return table


def _worth(candidates: Candidates, cover: NDArray[np.float64]) -> NDArray[np.float64]:
    """What another writing's words count beside the query's own, shape (rows,): little, and much where no product holds all of its words."""
    filled = np.flatnonzero(candidates.counts)
    top = np.zeros(candidates.requests)
    top[filled] = np.maximum.reduceat(cover, candidates.offsets[:-1][filled])
    return np.where(top < 0.999, _UNMATCHED, _OTHER)[candidates.owner]


def query_features(candidates: Candidates) -> NDArray[np.float64]:
    """What is so of each query, read off its candidates, shape (requests, query features)."""
    counts = candidates.counts
    filled = np.flatnonzero(counts)
    starts = candidates.offsets[:-1][filled]
    out = np.zeros((candidates.requests, len(QUERY)))
    out[:, 0] = 1.0
    if not len(filled):
        return out
    share, cover, cosine = (
        np.nan_to_num(candidates.column(n).astype(np.float64), nan=0.0) for n in ("bm25f_share", "cover_any", "cosine")
    )
    top = [np.maximum.reduceat(v, starts) for v in (share, cover, cosine)]
    mean = np.add.reduceat(cosine, starts) / counts[filled]
    words = candidates.column("query_terms").astype(np.float64)[starts]
    out[filled, 1] = np.clip((words - 3.0) / 3.0, -1.0, 1.0)
    out[filled, 2] = 2.0 * top[0] - 1.0
    out[filled, 3] = 2.0 * top[1] - 1.0
    out[filled, 4] = 2.0 * top[2] - 1.0
    out[filled, 5] = np.clip(3.0 * (top[2] - mean) - 1.0, -1.0, 1.0)
    return out
