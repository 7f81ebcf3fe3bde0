"""BM25F's parameters found on judged queries: one at a time, what raises nDCG, drawn back towards the defaults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import NormalDist

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.features import Knowledge, asked_terms
from rialto.find.weights import DEFAULT, Weights
from rialto.records import Candidates, Requests
from rialto.spine.rank import best

__all__ = ["Counted", "counted", "gained", "gains", "strengths", "surely_best", "tuned"]

_STEPS = (0.0, 0.25, 0.5, 0.8, 1.25, 2.0, 4.0)
_LENGTHS = (0.0, 0.15, 0.3, 0.5, 0.75, 1.0)
_SATURATIONS = (0.3, 0.6, 0.9, 1.2, 1.6, 2.4, 4.0)
_PULL = 0.3  # nDCG x queries that a boost has to bring for each doubling away from its default
_LEAST = 0.1  # nDCG x queries that any change has to bring
_ROUNDS = 3
_PLACES = 10
_CHANCE = 0.05  # that the usual is given up for nothing, over all the others together


class Counted:
    """How often each candidate holds each word of its query, field by field: what BM25F reads, whatever its parameters.

    Args:
        candidates: The candidates, with their requests' offsets.
        words: Candidate's words: entries `offsets[i]:offsets[i+1]` belong to row i, shape (rows + 1,).
        frequency: Shape (entries, fields), float32: occurrences.
        idf: Shape (entries,).
        lengths: Length of each candidate's fields over the mean, shape (rows, fields), float32.
        bound: Sum of idf of each candidate's query, shape (rows,).
    """

    def __init__(
        self, candidates: Candidates, words: NDArray[np.int64], frequency: NDArray[np.float32], idf: NDArray[np.float64],
        lengths: NDArray[np.float32], bound: NDArray[np.float64],
    ) -> None:  # fmt: skip
        self.candidates, self.words, self.frequency, self.idf = candidates, words, frequency, idf
        self.lengths, self.bound = lengths, bound

    def of(self, requests: NDArray[np.bool_]) -> Counted:
        """Those of the requests where `requests` (requests,) is true, which are counted anew from 0."""
        rows = np.flatnonzero(requests[self.candidates.owner])
        counts = self.candidates.counts[requests]
        fewer = self.candidates.at(rows, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
        sizes = np.diff(self.words)
        entries = np.flatnonzero(np.repeat(requests[self.candidates.owner], sizes))
        words = np.concatenate([[0], np.cumsum(sizes[rows])]).astype(np.int64)
        return Counted(fewer, words, self.frequency[entries], self.idf[entries], self.lengths[rows], self.bound[rows])


def counted(knowledge: Knowledge, requests: Requests, candidates: Candidates) -> Counted:
    """Count the words of each candidate's query in it; memory 24 bytes a candidate and word."""
    asked, t = asked_terms(knowledge, requests, candidates), knowledge.terms
    fields = len(t.mean_length)
    per_row = np.diff(asked.starts)[asked.owner]
    words = np.concatenate([[0], np.cumsum(per_row)]).astype(np.int64)
    frequency = np.zeros((int(words[-1]), fields), dtype=np.float32)
    _count(asked.rows, asked.owner, asked.starts, asked.terms, t.offsets, t.terms, fields, words, frequency)
    idf = np.concatenate(
        [np.zeros(0), *(asked.idf[a:b] for a, b in zip(asked.starts[asked.owner], asked.starts[asked.owner + 1]))]
    )
    base = asked.rows[:, np.newaxis] * fields + np.arange(fields)
    lengths = ((t.offsets[base + 1] - t.offsets[base]) / t.mean_length).astype(np.float32)
    bound = np.array([asked.idf[a:b].sum() for a, b in zip(asked.starts, asked.starts[1:])])[asked.owner]
    return Counted(candidates, words, frequency, idf, lengths, bound)


@nb.njit(cache=True, nogil=True)
def _count(
    rows: NDArray[np.int64], owner: NDArray[np.int64], starts: NDArray[np.int64], asked: NDArray[np.int32],
    offsets: NDArray[np.int64], terms: NDArray[np.int32], fields: int, words: NDArray[np.int64], out: NDArray[np.float32],
) -> None:  # fmt: skip
    for i in range(len(rows)):
        q0, q1 = starts[owner[i]], starts[owner[i] + 1]
        for f in range(fields):
            for at in range(offsets[rows[i] * fields + f], offsets[rows[i] * fields + f + 1]):
                for t in range(q0, q1):
                    if asked[t] == terms[at]:
                        out[words[i] + t - q0, f] += 1.0
                        break


def strengths(counted: Counted, weights: Weights) -> NDArray[np.float64]:
    """BM25F of each candidate under `weights` as a share of the most that its query could give, shape (rows,)."""
    c = counted
    return _strengths(c.words, c.frequency, c.idf, c.lengths, c.bound, weights.boost, weights.b, weights.k1)


@nb.njit(cache=True, nogil=True)
def _strengths(
    words: NDArray[np.int64], frequency: NDArray[np.float32], idf: NDArray[np.float64], lengths: NDArray[np.float32],
    bound: NDArray[np.float64], boost: NDArray[np.float64], b: NDArray[np.float64], k1: float,
) -> NDArray[np.float64]:  # fmt: skip
    out = np.zeros(len(words) - 1)
    for i in range(len(out)):
        for e in range(words[i], words[i + 1]):
            held = 0.0
            for f in range(len(boost)):
                if frequency[e, f] > 0.0:
                    held += boost[f] * frequency[e, f] / (1.0 - b[f] + b[f] * lengths[i, f])
            if held > 0.0:
                out[i] += idf[e] * held / (k1 + held)
        if bound[i] > 0.0:
            out[i] /= bound[i]
    return out


def tuned(counted: Counted, grades: NDArray[np.float64], ideal: NDArray[np.float64], *, start: Weights = DEFAULT) -> Weights:
    """Find BM25F's parameters by coordinate ascent on nDCG@10 (exponential gain).

    Each boost, each b and k1 in turn takes the best of a few values, three times over. A boost pays for its distance from the
    default, so that a field that the judged queries say little of keeps it; few queries move little.

    Args:
        counted: Candidates of the judged queries.
        grades: Grade of each candidate, shape (rows,), 0 where nobody judged it.
        ideal: Best DCG@10 of each query, shape (queries,), over all that was judged; queries with 0 play no part.
        start: Where to begin, and what boosts are drawn back to.

    Raises:
        BadInput: grades or ideal have another length.

    Cost:
        About 300 scorings of all candidates: 2 s for 100 queries of 400 candidates.
    """
    if len(grades) != len(counted.candidates) or len(ideal) != counted.candidates.requests:
        raise BadInput(
            f"{len(grades)} grades and {len(ideal)} ideals came; wanted {len(counted.candidates)} and {counted.candidates.requests}."
        )

    queries = max(int((ideal > 0).sum()), 1)
    pull, least = _PULL / queries, _LEAST / queries

    def worth(w: Weights) -> float:
        moved = np.abs(np.log2(np.maximum(w.boost, 0.05) / np.maximum(start.boost, 0.05)))
        return gained(counted.candidates, strengths(counted, w), grades, ideal) - pull * float(moved.sum())

    at, height = start, worth(start)
    for _ in range(_ROUNDS):
        before = height
        for f in np.argsort(-start.boost).tolist():
            at, height = _climb(
                at, height, [_with(at, f, boost=float(at.boost[f] or start.boost[f]) * s) for s in _STEPS], worth, least
            )
            at, height = _climb(at, height, [_with(at, f, b=b) for b in _LENGTHS], worth, least)
        at, height = _climb(at, height, [replace(at, k1=k) for k in _SATURATIONS], worth, least)
        if height - before < least:
            break
    return at


def _climb(
    at: Weights, height: float, others: list[Weights], worth: Callable[[Weights], float], least: float
) -> tuple[Weights, float]:
    found = [(worth(other), n) for n, other in enumerate(others)]
    most, which = max(found)
    return (others[which], most) if most > height + least else (at, height)


def _with(at: Weights, field: int, *, boost: float | None = None, b: float | None = None) -> Weights:
    boosts, lengths = at.boost.copy(), at.b.copy()
    if boost is not None:
        boosts[field] = boost
        if not boosts.any():
            return at
    if b is not None:
        lengths[field] = b
    return Weights(boosts, lengths, at.k1)


def gained(candidates: Candidates, scores: NDArray[np.float64], grades: NDArray[np.float64], ideal: NDArray[np.float64]) -> float:
    """Mean of `gains`; 0 where no query has anything to find."""
    each = gains(candidates, scores, grades, ideal)
    return float(each.mean()) if len(each) else 0.0


def gains(
    candidates: Candidates, scores: NDArray[np.float64], grades: NDArray[np.float64], ideal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """nDCG@10 (exponential gain) of candidates ranked by `scores` (rows,), for each query whose `ideal` (queries,) is above 0."""
    rows, offsets = best(candidates.offsets, candidates.ids, scores, np.full(candidates.requests, _PLACES))
    owner = np.repeat(np.arange(candidates.requests), np.diff(offsets))
    gain = (2.0 ** grades[rows] - 1.0) / np.log2(np.arange(len(rows)) - offsets[owner] + 2.0)
    used = ideal > 0
    return np.asarray(np.bincount(owner, weights=gain, minlength=len(ideal))[used] / ideal[used])


def surely_best(usual: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> int:
    """Which of `others` is worth most and surely more than `usual`; -1 where chance explains every difference.

    Few queries cannot tell one choice from another, and what looks best on them is worth less on others than the usual; of many
    queries the best is taken.

    Args:
        usual: What each query gains by the usual choice, shape (queries,).
        others: The same by each other one.

    Example:
        >>> usual = np.array([0.5, 0.4, 0.6, 0.5])
        >>> surely_best(usual, [usual + 0.1, usual + [0.9, -0.4, 0.3, -0.3]])
        0
    """
    chosen, most, errors = -1, 0.0, NormalDist().inv_cdf(1.0 - _CHANCE / 2.0 / max(len(others), 1))
    for at, values in enumerate(others):
        more = values - usual
        if len(more) > 1 and more.mean() > max(most, errors * more.std(ddof=1) / np.sqrt(len(more))):
            chosen, most = at, float(more.mean())
    return chosen
