"""What a query found, as shoppers mean it: the candidates whose match is good enough next to the best one's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rialto.find.asking import otherwise
from rialto.find.features import Knowledge, asked_shares, asked_terms
from rialto.find.records import BROWSE
from rialto.records import Candidates, Context, Requests
from rialto.spine.params import Param
from rialto.spine.retrieve import Filter

__all__ = ["BELONGS", "REASON", "WORDS", "belonging", "good_enough", "known_share"]

REASON = "does_not_belong"

BELONGS = Param("find.facets.belongs", False, doc="Leave out what matches too little next to the best found; pages do.")
WORDS = Param(
    "find.facets.belongs_words",
    0.8,
    low=0,
    high=1,
    unit="share",
    doc="Matched idf over the best candidate's, from which on one belongs.",
)
MEANING = Param(
    "find.facets.belongs_cosine",
    0.85,
    low=0,
    high=1,
    unit="share",
    doc="Cosine over the best candidate's, from which on one belongs.",
)


def belonging(requests: Requests, candidates: Candidates, cover: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Say which candidates are found, as a shopper would count them.

    A leg answers with its best thousand however far they are from what was asked. A candidate belongs where one of these holds:

    - the share of the query's idf that it matches is `find.facets.belongs_words` of the best candidate's share squared: where some
      product holds all words, nearly all of the telling ones; the less the best one holds, the less is known of which word matters,
      and the less is asked ("red shoes" in a shop without red shoes finds shoes, not only red things);
    - its cosine to the query is `find.facets.belongs_cosine` of the best candidate's;
    - it was browsed to, or pinned: then nothing was to be matched.

    The best are those of the whole request, whatever is selected, so that a selection never brings in what did not belong.

    Args:
        requests: The params, one value a request.
        candidates: Of all legs, with their columns; NaN = another leg found it. `cosine_leg`, `rank_browse` and `pinned` are read.
        cover: Share of the query's idf that a candidate matches in any field, shape (rows,).

    Returns:
        Shape (rows,).
    """
    owner, offsets = candidates.owner, candidates.offsets
    keep = _near_best(offsets, cover, WORDS.of(requests).astype(np.float64)[owner], owner, power=2.0)
    if "cosine_leg" in candidates.columns:
        cosine = np.nan_to_num(candidates.column("cosine_leg"), nan=0.0)
        keep |= _near_best(offsets, cosine, MEANING.of(requests).astype(np.float64)[owner], owner, power=1.0)
    for leg in ("rank_browse", "pinned"):
        if leg in candidates.columns:
            keep |= ~np.isnan(candidates.column(leg))
    return keep


def _near_best(
    offsets: NDArray[np.int64], values: NDArray[np.float32], share: NDArray[np.float64], owner: NDArray[np.int64], *, power: float
) -> NDArray[np.bool_]:
    best = np.zeros(len(offsets) - 1, dtype=np.float64)
    filled = np.flatnonzero(np.diff(offsets))
    if len(filled):
        best[filled] = np.maximum.reduceat(values, offsets[filled])
    return (values > 0.0) & (values >= share * best[owner] ** power - 1e-6)


def good_enough(knowledge: Knowledge) -> Filter:
    """The filter of what does not belong; it acts where `find.facets.belongs` is on, and costs nothing elsewhere."""

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        acts = BELONGS.of(requests) & (requests.column("text") != BROWSE)
        if not acts.any() or not len(candidates):
            return np.ones(len(candidates), dtype=np.bool_)
        cover = _cover(knowledge, requests, candidates)
        for other in otherwise(requests):  # a synonym's product matches as much as one of the word itself
            cover = np.maximum(cover, _cover(knowledge, other, candidates))
        return belonging(requests, candidates, cover) | ~acts.astype(np.bool_)[candidates.owner]

    return Filter(REASON, keep, idle=lambda requests: not BELONGS.of(requests).any())


def _cover(knowledge: Knowledge, requests: Requests, candidates: Candidates) -> NDArray[np.float32]:
    """Share of the idf of the query's words that this shop has, matched by each candidate in any field, shape (rows,).

    A word that no product holds, "xl" where sizes are numbers, says nothing of which product is meant: were it counted, the best
    would hold too little for anything to be asked of the others.
    """
    asked = asked_terms(knowledge, requests, candidates)
    cover = np.nan_to_num(asked_shares(knowledge, asked)["cover_any"], nan=0.0)
    known = [known_share(asked.terms[a:b], asked.idf[a:b]) for a, b in pairwise(asked.starts.tolist())]
    return cover / np.array(known, dtype=np.float32)[asked.owner]


def known_share(terms: NDArray[np.int32], idf: NDArray[np.float64]) -> float:
    """Share of a query's idf in words that some product holds; 1 where there are none."""
    held = terms >= 0
    return float(idf[held].sum() / idf.sum()) if held.any() else 1.0
