"""Training examples for the ranker: from judgments, and from clicks with position bias undone; the learner behind the gate is the spine's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rialto.find.cross import UNREAD
from rialto.find.features import FEATURES
from rialto.find.judgments import Judged
from rialto.find.pipeline import Search
from rialto.records import Candidates
from rialto.spine.evaluate import Judgments
from rialto.spine.features import matrix
from rialto.spine.learn import Examples

__all__ = ["INPUTS", "examples_of", "from_judgments", "grades_of", "near"]

INPUTS = FEATURES
"""Features that a ranker is trained on."""


def from_judgments(search: Search, judged: Judged, *, names: Sequence[str] | None = None) -> Examples:
    """Examples from judged queries: every candidate that the trees would order, with its grade, 0 where nobody judged it.

    Those candidates are all that the trees will ever order. Trained on judged products alone they have never met the rest, and
    put it anywhere.

    Cost:
        A search for each query.
    """
    outcome = search.search(judged.texts, params=UNREAD)
    return examples_of(near(outcome.ranked), judged.judgments, names=names or search.inputs)


def near(candidates: Candidates) -> Candidates:
    """The candidates that the trees order, those that have their features, with the fusion score as their score."""
    scored = candidates.with_columns({"score": candidates.column("score:fusion")})
    return scored.keep(~np.isnan(candidates.column("title_length")))


def examples_of(candidates: Candidates, judgments: Judgments, *, names: Sequence[str] = INPUTS) -> Examples:
    """Candidates of judged queries, of the same queries in the same order, as examples."""
    size = len(candidates)
    scores = candidates.column("score:fusion")
    order = np.lexsort((candidates.ids, -scores, candidates.owner))
    rank = np.empty(size, dtype=np.int64)
    rank[order] = np.arange(size) - candidates.offsets[candidates.owner]
    ones = np.ones(size)
    return Examples(
        matrix(candidates, names), tuple(names), grades_of(candidates, judgments), candidates.owner, candidates.ids,
        rank, rank, ones, ones,
    )  # fmt: skip


def grades_of(candidates: Candidates, judgments: Judgments) -> NDArray[np.float64]:
    """Grade of each candidate, shape (rows,); 0 where nobody judged it."""
    grades = np.zeros(len(candidates))
    for q in range(candidates.requests):
        part = slice(int(candidates.offsets[q]), int(candidates.offsets[q + 1]))
        known = slice(int(judgments.offsets[q]), int(judgments.offsets[q + 1]))
        order = np.argsort(judgments.ids[known])
        ids = judgments.ids[known][order]
        if len(ids):
            at = np.minimum(np.searchsorted(ids, candidates.ids[part]), len(ids) - 1)
            grades[part] = np.where(ids[at] == candidates.ids[part], judgments.grades[known][order][at], 0.0)
    return grades
