"""What judged queries teach a search before any ranker: the weights of its fields, and how words and meaning are fused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rialto.find.fusion import Fusion
from rialto.find.judgments import Judged
from rialto.find.pipeline import Search
from rialto.find.train import grades_of
from rialto.find.tune import counted, gains, strengths, surely_best, tuned
from rialto.records import Candidates
from rialto.spine.evaluate import best_dcg

__all__ = ["joined", "taught"]

_PARTS = 4
_COSINES = (0.0, 0.05, 0.2, 0.4, 0.8)  # what meaning may count next to words, beside the usual
_QUERIES = 500  # of more, these many are enough to tune a score or so of numbers


def taught(search: Search, judged: Judged, seen: Candidates) -> Search:
    """Tune a search on judged queries.

    Args:
        search: As it serves now; it stays as it is.
        judged: The queries.
        seen: Candidates of the same queries, as `search` found them; where there are more than 500, the first 500 are used.

    Returns:
        A search over the same engines with BM25F weights and a fusion that raise nDCG@10 on these queries, drawn towards the defaults.

    Cost:
        About 10 s for 100 queries; memory 200 bytes a candidate.
    """
    some = np.arange(len(judged)) < _QUERIES
    few, rows = judged.take(np.flatnonzero(some)), _of(seen, some)
    grades = grades_of(rows, few.judgments)
    requests, _ = search.requests(few.texts)
    words = counted(search.knowledge, requests, rows)
    ideal = best_dcg(few.judgments)
    weights = tuned(words, grades, ideal, start=search.weights)
    strong = rows.with_columns({"bm25f_share": strengths(words, weights).astype(np.float32)})
    return search.tuned(weights, _fused(strong, grades, ideal))


def _fused(rows: Candidates, grades: NDArray[np.float64], ideal: NDArray[np.float64]) -> Fusion:
    """The usual blend, unless another, or weights learned for each query, surely order queries better that they were not learned from."""

    def worth(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return gains(rows, scores, grades, ideal)

    part, apart = np.arange(rows.requests) % _PARTS, np.zeros(len(rows))
    for p in range(_PARTS):
        others, own = part != p, (part == p)[rows.owner]
        apart[own] = Fusion.fit(_of(rows, others), grades[others[rows.owner]]).score(rows)[own]
    blends = [Fusion.fixed(cosine) for cosine in _COSINES]
    best = surely_best(worth(Fusion.fixed().score(rows)), [worth(scores) for scores in (apart, *(b.score(rows) for b in blends))])
    return Fusion.fixed() if best < 0 else Fusion.fit(rows, grades) if best == 0 else blends[best - 1]


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Batches behind one another; they have the same columns, as one pipeline made them."""
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([p.counts for p in parts]))]).astype(np.int64)
    columns = {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns}
    return Candidates(offsets, np.concatenate([p.ids for p in parts]), columns)


def _of(candidates: Candidates, requests: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Candidates:
    rows = np.flatnonzero(requests[candidates.owner])
    return candidates.at(rows, np.concatenate([[0], np.cumsum(candidates.counts[requests])]).astype(np.int64))
