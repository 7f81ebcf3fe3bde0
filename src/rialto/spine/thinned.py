"""A record made small: of each request the chosen candidates and their best rivals alone, enough to learn from and too little to replay."""

from __future__ import annotations

from dataclasses import replace

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates
from rialto.spine.pipeline import Outcome, Recorded
from rialto.spine.rank import best

__all__ = ["thinned"]


def thinned(outcome: Outcome, *, most: int = 2) -> Recorded:
    """The outcome's record with what was chosen and the `most` best by the last score of each request, with every column they had.

    A large window's record holds every candidate's every feature, so that it can be decided again bit for bit; writing that takes
    longer than deciding. What learns reads the chosen, and what explains their rivals.

    Args:
        outcome: As `Pipeline.run` answered it.
        most: Candidates of each request that are kept besides the chosen, 0 or more.

    Example:
        >>> from rialto.records import Requests
        >>> from rialto.spine.decide.slate import slate
        >>> from rialto.spine.params import Param
        >>> from rialto.spine.pipeline import Pipeline
        >>> from rialto.spine.rank import Phase
        >>> from rialto.spine.retrieve import Source
        >>> size = Param("doctest.thinned.size", 1, low=0, high=9, unit="results", doc="Results.")
        >>> swap = Param("doctest.thinned.swap", 0.0, low=0, high=0.9, unit="share", doc="Swaps.")
        >>> numbers = Source("numbers", lambda r, c: Candidates(np.array([0, 4]), np.arange(4)))
        >>> high = Phase("high", lambda r, c, x: c.ids.astype(float))
        >>> out = Pipeline("demo", [numbers], [], [], [high], slate(size, swap)).run(Requests.of({"q": np.array(["?"])}))
        >>> small = thinned(out)
        >>> small.seen.ids.tolist(), small.decisions.rows.tolist(), small.whole
        ([2, 3], [1], False)
    """
    ranked, chosen = outcome.ranked, outcome.decisions
    near, _ = best(ranked.offsets, ranked.ids, ranked.column("score"), np.full(ranked.requests, most, dtype=np.int64))
    stays = np.zeros(len(ranked), dtype=np.bool_)
    stays[near] = True
    stays[chosen.rows] = True
    place, offsets = _places(ranked.offsets, stays)
    known = {name: values for name, values in ranked.columns.items() if not name.startswith("score")}
    seen = Candidates(ranked.offsets, ranked.ids, known).at(np.flatnonzero(stays), offsets)
    decisions = replace(chosen, rows=place[chosen.rows])
    return replace(outcome.record, seen=seen, decisions=decisions, late=(), whole=False)


@nb.njit(cache=True, nogil=True)
def _places(offsets: NDArray[np.int64], stays: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each row that stays comes to lie, shape (rows,), and how many each request has left, as offsets."""
    place, left = np.empty(len(stays), dtype=np.int64), np.zeros(len(offsets), dtype=np.int64)
    count = 0
    for q in range(len(offsets) - 1):
        for i in range(offsets[q], offsets[q + 1]):
            place[i] = count
            count += stays[i]
        left[q + 1] = count
    return place, left
