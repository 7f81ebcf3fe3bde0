"""The last phase learned: trees over what the ranker read, its own score and the cross-encoder's columns, for the best few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.cross import CROSS, CROSS_DEPTH, UNREAD, cross_features
from rialto.find.judgments import Judged
from rialto.find.pipeline import Search
from rialto.find.shrink import held_out, share_of, shrunk
from rialto.find.train import examples_of, near
from rialto.records import Candidates, Context, Requests
from rialto.spine.evaluate import best_dcg
from rialto.spine.features import matrix
from rialto.spine.learn import Fit, Score
from rialto.spine.rank import best

__all__ = ["RANKED", "Rankers", "last_inputs", "last_scores", "rankers"]

RANKED = "score:trees"
_PARTS = 3  # the ranker's score of a query comes from a ranker that did not learn from it

Split = Callable[[tuple[str, ...], int, int], NDArray[np.int64]]
"""(texts, parts, seed) -> part of each query; queries of the same words in one."""


def last_inputs(search: Search) -> tuple[str, ...]:
    """Columns that the last ranker of a search reads."""
    return (*search.inputs, RANKED, *CROSS[:-1])


@dataclass(frozen=True, slots=True)
class Rankers:
    """What judged queries teach behind a fusion: the ranker and, where a cross-encoder reads, the last ranker.

    Args:
        model, last: Their bodies; `last` is None without a cross-encoder.
        share, last_share: What each counts next to the order before it.
        names, last_names: Columns that they read.
    """

    model: bytes
    share: float
    names: tuple[str, ...]
    last: bytes | None = None
    last_share: float = 1.0
    last_names: tuple[str, ...] = ()


def rankers(
    search: Search, judged: Judged, *, fit: Fit, score: Score, split: Split, seed: int, names: Sequence[str] | None = None
) -> Rankers:
    """Train both rankers, and find out on queries that they did not learn from how much each is to count.

    The last ranker learns from the order of a ranker that does not know the answers; trained on one that knows them, it would
    trust that order too much.

    Cost:
        A search for each query, four trainings of each ranker, and the cross-encoder's reading of `find.cross.depth` products a query.
    """
    read, ideal = tuple(names or search.inputs), best_dcg(judged.judgments)
    part = split(judged.texts, _PARTS, seed)
    outcome = search.search(judged.texts, params=UNREAD)
    rows = near(outcome.ranked)
    examples, before = examples_of(rows, judged.judgments, names=read), rows.column("score:fusion").astype(np.float64)
    apart = held_out(examples, part[examples.group], fit, score, seed)
    share = share_of(rows, before, apart, examples.label, ideal)
    made = Rankers(fit(examples, seed), share, read)
    if search.fittings.cross is None:
        return made
    ranked = shrunk(rows, before, apart, share)
    few = _read(search, outcome.requests, rows.with_columns({"score": ranked, RANKED: ranked}))
    examples = examples_of(few, judged.judgments, names=last_inputs(search))
    apart = held_out(examples, part[examples.group], fit, score, seed)
    last_share = share_of(few, few.column(RANKED).astype(np.float64), apart, examples.label, ideal)
    return replace(made, last=fit(examples, seed), last_share=last_share, last_names=examples.names)


def last_scores(
    search: Search,
    requests: Requests,
    candidates: Candidates,
    ranked: NDArray[np.float64],
    model: bytes | str,
    score: Score,
    share: float,
) -> tuple[Candidates, NDArray[np.float64]]:
    """The best few candidates by `ranked` (rows,), and the last ranker's scores of them, drawn back to `ranked`; `share` as for `shrunk`."""
    few = _read(search, requests, candidates.with_columns({"score": ranked, RANKED: ranked}))
    return few, shrunk(few, few.column(RANKED).astype(np.float64), score(model, matrix(few, last_inputs(search))), share)


def _read(search: Search, requests: Requests, candidates: Candidates) -> Candidates:
    read = search.fittings.cross
    if read is None:
        raise BadInput("the search has no cross-encoder; fit one with Search.fitted(cross=...).")
    depth = np.full(len(requests), int(CROSS_DEPTH.default))  # the search itself was told to read nothing
    rows, offsets = best(candidates.offsets, candidates.ids, candidates.column("score"), depth)
    few = candidates.at(rows, offsets)
    return few.with_columns(cross_features(search.catalogue, read).compute(requests, few, Context()))
