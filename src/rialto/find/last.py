"""The last phase learned: trees over what the ranker read, its own score and the cross-encoder's columns, for the best few."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.cross import CROSS, CROSS_DEPTH, UNREAD, cross_features
from rialto.find.judgments import Judged
from rialto.find.pipeline import Search
from rialto.find.train import examples_of, near
from rialto.records import Candidates, Context, Requests
from rialto.spine.features import matrix
from rialto.spine.learn import Examples, Fit, Score
from rialto.spine.rank import best

__all__ = ["RANKED", "last_examples", "last_inputs", "last_scores"]

RANKED = "score:trees"
_PARTS = 3  # the ranker's score of a query comes from a ranker that did not learn from it

Split = Callable[[tuple[str, ...], int, int], NDArray[np.int64]]
"""(texts, parts, seed) -> part of each query; queries of the same words in one."""


def last_inputs(search: Search) -> tuple[str, ...]:
    """Columns that the last ranker of a search reads."""
    return (*search.inputs, RANKED, *CROSS[:-1])


def last_examples(search: Search, judged: Judged, *, fit: Fit, score: Score, split: Split, seed: int) -> Examples:
    """Examples for the last ranker: the best few of each judged query, as a ranker orders them that did not learn from it.

    Trained on the order of a ranker that knows the answers it would trust that order too much.

    Cost:
        Three trainings of the ranker, and the cross-encoder's reading of `find.cross.depth` products for each query.
    """
    outcome = search.search(judged.texts, params=UNREAD)
    rows = near(outcome.ranked)
    examples = examples_of(rows, judged.judgments, names=search.inputs)
    part = split(judged.texts, _PARTS, seed)[examples.group]
    ranked = np.zeros(len(examples))
    for p in np.unique(part).tolist():
        if (part != p).any():
            ranked[part == p] = score(fit(examples.take(part != p), seed), examples.features[part == p])
    few = _read(search, outcome.requests, rows.with_columns({"score": ranked, RANKED: ranked}))
    return examples_of(few, judged.judgments, names=last_inputs(search))


def last_scores(
    search: Search, requests: Requests, candidates: Candidates, ranked: NDArray[np.float64], model: bytes | str, score: Score
) -> tuple[Candidates, NDArray[np.float64]]:
    """The best few candidates by `ranked` (rows,), and the last ranker's scores of them."""
    few = _read(search, requests, candidates.with_columns({"score": ranked, RANKED: ranked}))
    return few, score(model, matrix(few, last_inputs(search)))


def _read(search: Search, requests: Requests, candidates: Candidates) -> Candidates:
    read = search.fittings.cross
    if read is None:
        raise BadInput("the search has no cross-encoder; fit one with Search.fitted(cross=...).")
    depth = np.full(len(requests), int(CROSS_DEPTH.default))  # the search itself was told to read nothing
    rows, offsets = best(candidates.offsets, candidates.ids, candidates.column("score"), depth)
    few = candidates.at(rows, offsets)
    return few.with_columns(cross_features(search.catalogue, read).compute(requests, few, Context()))
