"""The behaviour leg: products that shoppers clicked for this query, or for one like it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.find.behaviour.store import Behaviour
from rialto.find.catalogue import Catalogue
from rialto.find.records import BROWSE
from rialto.records import Candidates, Context, Requests
from rialto.spine.params import Param
from rialto.spine.retrieve import Source, empty

__all__ = ["BEHAVIOUR_K", "CLICKS", "behaviour_leg", "clicks_bonus"]

BEHAVIOUR_K = Param("find.retrieve.behaviour", 100, low=0, high=10_000, unit="candidates", doc="Candidates of the behaviour leg.")
BONUS = Param(
    "find.rank.clicks", 0.3, low=0, high=10, unit="score", doc="Weight in the first score of what was clicked for a query."
)
CLICKS = ("clicks_leg", "rank_behaviour")
"""Columns of the leg."""


def behaviour_leg(behaviour: Behaviour, catalogue: Catalogue) -> Source:
    """The leg: columns `clicks_leg` (0..1, how much more than usual it is clicked for this very query) and `rank_behaviour`.

    It knows no filter: all filters look at its candidates as at any other's, and selections narrow them and never add to them.

    Cost:
        A dictionary look-up for a query that nobody asked; about 0.1 ms the first time for one that was, then some 10 us.
    """

    def idle(requests: Requests) -> bool:
        texts = requests.column("text").tolist()
        return all(text == BROWSE or behaviour.recall(str(text)) is None for text in texts)

    def fetch(requests: Requests, context: Context) -> Candidates:
        most = BEHAVIOUR_K.of(requests)
        found = [_best(behaviour, catalogue, str(t), int(most[b])) for b, t in enumerate(requests.column("text").tolist())]
        counts = [len(ids) for ids, _ in found]
        ranks = np.concatenate([np.zeros(0), *(np.arange(1.0, n + 1.0) for n in counts)])
        ids, scores = np.concatenate([np.zeros(0, dtype=np.int64), *(i for i, _ in found)]), [s for _, s in found]
        columns = (np.concatenate([np.zeros(0), *scores]), ranks)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Candidates(offsets, ids, {name: values.astype(np.float32) for name, values in zip(CLICKS, columns)})

    return Source("behaviour", fetch, otherwise=empty, idle=idle)


def clicks_bonus(requests: Requests, candidates: Candidates) -> NDArray[np.float64] | float:
    """What the leg adds to the first score, shape (rows,); 0.0 where it found nothing."""
    found = candidates.columns.get(CLICKS[0])
    if found is None:
        return 0.0
    return np.nan_to_num(found.astype(np.float64), nan=0.0) * BONUS.of(requests).astype(np.float64)[candidates.owner]


def _best(behaviour: Behaviour, catalogue: Catalogue, text: str, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    known = behaviour.recall(text) if text != BROWSE else None
    if known is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    # What other queries' shoppers clicked is worth looking at and no more: the word that differs may be the one that matters.
    own, others = ((lift - 1.0) / (lift + 1.0) for lift in (np.nan_to_num(known.lift, nan=1.0), known.similar))
    rows = np.flatnonzero(((own > 0.0) | (np.isnan(known.lift) & (others > 0.0))) & (catalogue.rows(known.ids) >= 0))
    rows = rows[np.lexsort((known.ids[rows], -np.nan_to_num(others[rows]), -own[rows]))][:most]
    return known.ids[rows], own[rows]
