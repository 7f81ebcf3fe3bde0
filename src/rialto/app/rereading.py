"""The reader of queries taught by what shoppers asked and clicked, and kept unless whole lists of held-out queries surely lose by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rialto.app.fitting import keep_reader, made_reader
from rialto.app.past import Past
from rialto.app.rounds import condensed
from rialto.find.behaviour import Behaviour, implicit, key_of
from rialto.find.pipeline import Search
from rialto.records import hash64
from rialto.spine.evaluate import Difference, paired

__all__ = ["Reread", "learn_reader"]

_WATCHED = 5  # of one query in so many the clicks teach nothing, and judge
_SURE = 8  # judged ones of those, below which they say nothing


@dataclass(frozen=True, slots=True)
class Reread:
    """What came of it.

    Args:
        kept: Whether the new reader is kept.
        queries, clicked: Queries that it was taught from, and how many of them with clicks.
        difference: nDCG@10 of whole lists, new minus served, on held-out queries by what shoppers did; None where they were too few.
    """

    kept: bool
    queries: int
    clicked: int
    difference: Difference | None


def learn_reader(search: Search, folder: Path, past: Past, behaviour: Behaviour, *, seed: int = 0) -> Reread:
    """Train the reader of queries again, from past queries and clicks too, and keep it in the folder of the index.

    Where there are few judged queries to look at, it is kept: it learned more than the one before.

    Args:
        search: As it serves now.
        folder: Of its index; whoever opens it from here on reads queries with what was kept.
        past: What was asked and clicked.
        behaviour: What shoppers did, to judge by.
        seed: Of the training and the interval.

    Cost:
        As `rialto.app.fitting.made_reader`, and two searches for each held-out query.
    """
    clicks = {q: c for q, c in past.clicks.items() if not _watched(q)}
    reader = made_reader(search.catalogue, Past(past.queries, clicks), seed=seed)
    judged = implicit(behaviour)
    judged = judged.take(np.flatnonzero(np.array([_watched(t) for t in judged.texts], dtype=np.bool_) & judged.spread))
    difference = None
    if len(judged) >= _SURE:
        difference = paired(condensed(search, judged), condensed(search.fitted(reader=reader), judged), seed=seed)
    kept = difference is None or difference.high >= 0.0
    if kept:
        keep_reader(reader, folder)
    return Reread(kept, len(past.often), len(clicks), difference)


def _watched(text: str) -> bool:
    return hash64(key_of(text)) % _WATCHED == 0
