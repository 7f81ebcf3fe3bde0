"""What a search found, for totals and facets: the candidates that belong, or on a page without words what lies on the shelves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.asking import lines_of
from rialto.find.belong import REASON
from rialto.find.catalogue import Catalogue
from rialto.find.demanded import demanded
from rialto.find.facets import Counts, count, made
from rialto.find.query import Understood
from rialto.find.records import BROWSE, Facet, Selections
from rialto.find.retrieve import LEXICAL_K, MATCH_SHARE
from rialto.find.select import bounds_of, clauses, hard_mask, selections_of
from rialto.ports import TextIndex, TextQuery
from rialto.records import Candidates, Context, Requests
from rialto.spine.params import Param
from rialto.spine.pipeline import Outcome
from rialto.spine.run import spread

if TYPE_CHECKING:
    from rialto.find.pipeline import Search

__all__ = ["Counting", "counted", "counts_all", "facets_of", "stopped"]

DEEP = Param(
    "find.facets.all",
    True,
    doc="Count all that matches, also beyond the lexical leg's limit, where its engine is in this process.",
)
_READ = ("cosine_leg", "rank_browse", "pinned")
_SELECTED = "selected_"  # filters of this name drop what facets count nevertheless
_OWN = ("withdrawn", "out_of_stock", "price")


@runtime_checkable
class Counting(Protocol):
    """A text index that need not put in order what is only counted, nor find it twice."""

    def every(self, queries: Sequence[TextQuery], *, limit: int) -> NDArray[np.int64]:
        """The ids that `search` finds for each query, behind one another, in no order."""
        ...

    def holding(self, texts: Sequence[str], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of `ids` holds a word of one of `texts`, shape of `ids`."""
        ...


def counted(search: Search, outcome: Outcome, understood: Understood, request: int = 0) -> Counts:
    """Count what one search of a batch found.

    With words: the candidates of all legs that every filter but the selections' keeps; where the lexical leg stopped at its limit, all
    that it matches instead, so that ticking a value shows as many as its count said. Without: everything that those filters keep,
    read off the shelves, whatever the legs' limits are.

    Raises:
        BadInput: the outcome holds no candidates, as one that was loaded from a log.
    """
    asked = outcome.requests
    chosen = selections_of(str(asked.column("selections")[request]))
    types = [path for path, _ in understood.types]
    if str(asked.column("text")[request]) == BROWSE:
        return _browsed(search, asked.take(slice(request, request + 1)), chosen, types)
    merged = outcome.merged
    if merged is None:
        raise BadInput("the outcome holds no candidates; wanted one that Pipeline.run answered.")
    if stopped(outcome, request) and counts_all(search, asked, request):
        rows = _every(search, merged.of(request), asked.take(slice(request, request + 1)))
        return count(search.facet_table, search.catalogue, rows, chosen, types=types)
    own = slice(int(merged.offsets[request]), int(merged.offsets[request + 1]))
    masks = [m[own] for name, m in outcome.kept.items() if not name.startswith(_SELECTED)]
    ids = merged.ids[own]
    rows = search.catalogue.rows(ids[np.logical_and.reduce(masks)] if masks else ids)
    return count(search.facet_table, search.catalogue, rows[rows >= 0], chosen, types=types)


def _browsed(search: Search, asked: Requests, chosen: Selections, types: list[str]) -> Counts:
    table, catalogue, shelves = search.facet_table, search.catalogue, search.shelves
    bounds = bounds_of(asked, 0)
    others = _others(search, asked)
    plain = others is None and not chosen.in_stock and all(b != b for b in bounds)
    if plain and len(chosen.facets) <= 1:
        # The whole catalogue is counted once; one facet's selection leaves that count of its own values as it is.
        whole = _whole(search)
        one = table.number_of[chosen.facets[0]] if chosen.facets else -1
        if not chosen.facets:
            return whole
        if one < table.numbers:
            rows = shelves.rows(chosen)
            return count(table, catalogue, np.zeros(0, dtype=np.int64) if rows is None else rows, chosen).joined(whole, one)
    rows = _within(search, chosen)
    masks = list(hard_mask(catalogue, rows, in_stock=chosen.in_stock, bounds=bounds).values())
    masks += [] if others is None else [others[rows]]
    return count(table, catalogue, rows[np.logical_and.reduce(masks)] if masks else rows, chosen, types=types)


def _whole(search: Search) -> Counts:
    held = search.facet_table.held
    if "whole" not in held:
        held["whole"] = count(search.facet_table, search.catalogue, np.arange(len(search.catalogue)), Selections())
    return held["whole"]


def _within(search: Search, chosen: Selections) -> NDArray[np.int64]:
    """Rows that at most one facet's selection drops: all that any count on the page reads."""
    parts = [search.shelves.rows(_without(chosen, f)) for f in chosen.facets]
    whole = [p for p in parts if p is not None]
    if not parts or len(whole) < len(parts):
        return np.arange(len(search.catalogue))
    return np.unique(np.concatenate(whole))


def _without(chosen: Selections, facet: str) -> Selections:
    values = {k: v for k, v in chosen.values.items() if k != facet}
    return Selections(values, {k: v for k, v in chosen.ranges.items() if k != facet})


def _others(search: Search, requests: Requests) -> NDArray[np.bool_] | None:
    """What filters besides the search's own keep of the catalogue, such as hiding rules; None = everything."""
    names = [f for f in search.pipeline.filters if f.name not in _OWN and not f.name.startswith(_SELECTED)]
    numbers = search.catalogue.numbers
    every = Candidates(np.array([0, len(numbers)], dtype=np.int64), numbers)
    masks = [f.keep(requests, every, Context()) for f in names]
    dropping = [m for m in masks if not m.all()]
    return np.logical_and.reduce(dropping) if dropping else None


def facets_of(search: Search, counts: Counts, understood: Understood) -> tuple[Facet, ...]:
    """The facets of a page; those of the whole catalogue are made once."""
    held = search.facet_table.shown
    if counts is not search.facet_table.held.get("whole"):
        return made(counts, understood=understood)
    if not held:
        held.append(made(counts))
    return held[0]


def counts_all(search: Search, requests: Requests, request: int) -> bool:
    """Whether facets count what lies beyond the lexical leg's limit, too: where its engine is in this process, and it is wanted."""
    return bool(DEEP.of(requests)[request]) and search.words is not None


def _every(search: Search, found: Candidates, asked: Requests) -> NDArray[np.int64]:
    """Rows of all that one request matches and every filter but the selections' keeps, rising; `found` are the candidates of its legs.

    Of what the legs did not find, only that is looked at which may belong, where this can be told from the words alone; where it
    cannot, the best hundred thousand that match.
    """
    assert search.words is not None
    catalogue, legs = search.catalogue, search.catalogue.rows(found.ids)
    few = _demanded(search, legs, asked)
    if few is not None:
        rows = np.unique(np.concatenate([legs[legs >= 0], few]))
    else:
        held = np.zeros(len(catalogue), dtype=np.bool_)
        for rows in (legs, catalogue.rows(_matching(search.words, catalogue, asked))):
            held[rows[rows >= 0]] = True
        rows = np.flatnonzero(held)
    here = np.flatnonzero(legs >= 0)
    at = np.searchsorted(rows, legs[here])
    read = {n: spread(found.columns[n][here], at, len(rows)) for n in _READ if n in found.columns}  # filters read no other column
    every = Candidates(np.array([0, len(rows)]), catalogue.numbers[rows], read)
    # Rows of the catalogue are not withdrawn.
    filters = [f for f in search.pipeline.filters if f.name != "withdrawn" and not f.name.startswith(_SELECTED)]
    masks = [f.keep(asked, every, Context()) for f in filters if not (f.idle and f.idle(asked))]
    return rows[np.logical_and.reduce(masks)] if masks else rows


def _demanded(search: Search, legs: NDArray[np.int64], asked: Requests) -> NDArray[np.int64] | None:
    """Rows besides those of the `legs` that one request matches, without most that would not belong; None where all are to be read."""
    words, catalogue = search.words, search.catalogue
    if not isinstance(words, Counting) or MATCH_SHARE.of(asked)[0] > 0 or all(f.name != REASON for f in search.pipeline.filters):
        return None
    told = demanded(search.knowledge, asked)
    if told is None:
        return None
    rows, cover = told
    held = words.holding([str(asked.column("text")[0]), *lines_of(asked, "alternatives")[0]], catalogue.numbers[rows])
    stocked = selections_of(str(asked.column("selections")[0])).in_stock
    for mask in hard_mask(catalogue, rows, in_stock=stocked, bounds=bounds_of(asked, 0)).values():
        held &= mask
    held |= np.isin(rows, legs)
    # What belongs is measured by the best that is counted: it has to be the best of all.
    return rows[held] if cover[held].max(initial=0.0) == cover.max(initial=0.0) else None


def _matching(words: TextIndex, catalogue: Catalogue, asked: Requests) -> NDArray[np.int64]:
    """Numbers of all that one request's words and their other writings match under stock and price bounds, some of them twice."""
    share, bounds = float(MATCH_SHARE.of(asked)[0]), clauses(catalogue, asked, 0, facets=False)
    texts = [str(asked.column("text")[0]), *lines_of(asked, "alternatives")[0]]
    queries, most = [TextQuery(text, bounds, share) for text in texts], int(LEXICAL_K.high)
    return words.every(queries, limit=most) if isinstance(words, Counting) else words.search(queries, limit=most).ids


def stopped(outcome: Outcome, request: int = 0) -> bool:
    """True where the lexical leg stopped at its limit for a request of the batch, so that there may be more than was counted."""
    merged = outcome.merged
    ranks = None if merged is None else merged.columns.get("rank_lexical")
    if merged is None or ranks is None:
        return False
    own = ranks[int(merged.offsets[request]) : int(merged.offsets[request + 1])]
    return int((~np.isnan(own)).sum()) >= int(LEXICAL_K.of(outcome.requests)[request])
