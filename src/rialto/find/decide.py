"""The slate of a search: best first, one product a group of variants, a known small chance of one swap; and how a shopper sorts it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.records import Candidates, Context, Decisions, Requests
from rialto.spine.decide import Decider
from rialto.spine.decide.slate import slate
from rialto.spine.params import Param
from rialto.spine.rank import Phase, previous_score

__all__ = ["SIZE", "SORTS", "decider", "sort_phase"]

SIZE = Param(
    "find.decide.size", 24, low=0, high=10_000, unit="results", doc="Results of a request, all its pages up to this one."
)
SWAP = Param(
    "find.decide.swap", 0.0, low=0, high=0.9, unit="share", doc="Share of requests in which one adjacent pair is exchanged."
)
COLLAPSE = Param("find.decide.collapse", True, doc="Show one product of each group of variants, the best.")

SORTS = {"relevance": ("", 1.0), "price_up": ("price_cents", -1.0), "price_down": ("price_cents", 1.0),
         "newest": ("released_day", 1.0), "rating": ("rating", 1.0)}  # fmt: skip
"""How results may be sorted: name -> catalogue column ("" = as ranked) and direction; what is not known comes last."""


def decider(catalogue: Catalogue) -> Decider:
    """Choose the best of each group of variants, then the best `find.decide.size` of those; the rest stays unchosen."""
    inner = slate(SIZE, SWAP)

    def decide(requests: Requests, candidates: Candidates, context: Context) -> Decisions:
        kept = np.flatnonzero(_best_of_groups(catalogue, candidates) | ~COLLAPSE.of(requests)[candidates.owner])
        fewer = candidates.at(kept, np.searchsorted(kept, candidates.offsets).astype(np.int64))
        made = inner.decide(requests, fewer, context)
        return replace(made, rows=kept[made.rows])

    return Decider("slate", decide)


def _best_of_groups(catalogue: Catalogue, candidates: Candidates) -> NDArray[np.bool_]:
    """True for the best row of each group within its request, by score, then by id; shape (rows,)."""
    groups = catalogue.group_code[np.maximum(catalogue.rows(candidates.ids), 0)]
    order = np.lexsort((candidates.ids, -candidates.column("score"), groups, candidates.owner))
    first = np.ones(len(order), dtype=np.bool_)
    owner, group = candidates.owner[order], groups[order]
    first[1:] = (owner[1:] != owner[:-1]) | (group[1:] != group[:-1])
    out = np.zeros(len(order), dtype=np.bool_)
    out[order[first]] = True
    return out


def sort_phase(catalogue: Catalogue) -> Phase:
    """The last phase: keeps the ranking, or orders what the ranker kept by price, day or rating where a request says so."""

    def score(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
        out = previous_score(requests, candidates)
        asked = requests.column("sort")
        for name in np.unique(asked.astype(str)).tolist():
            column, sign = _known(name)
            if column:
                rows = np.flatnonzero((asked == name)[candidates.owner])
                out = out.copy()
                out[rows] = sign * catalogue.value(column)[np.maximum(catalogue.rows(candidates.ids[rows]), 0)]
        return out

    return Phase("sort", score)


def _known(name: str) -> tuple[str, float]:
    if name not in SORTS:
        raise BadInput(f"there is no sort {name!r}; known: {', '.join(SORTS)}.")
    return SORTS[name]
