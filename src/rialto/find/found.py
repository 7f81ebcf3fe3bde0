"""What a search found, for totals and facets: the candidates that belong, or on a page without words what lies on the shelves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.facets import Counts, count, made
from rialto.find.query import Understood
from rialto.find.records import BROWSE, Facet, Selections
from rialto.find.retrieve import LEXICAL_K
from rialto.find.select import bounds_of, hard_mask, selections_of
from rialto.records import Candidates, Context, Requests
from rialto.spine.pipeline import Outcome

if TYPE_CHECKING:
    from rialto.find.pipeline import Search

__all__ = ["counted", "facets_of", "stopped"]

_SELECTED = "selected_"  # filters of this name drop what facets count nevertheless
_OWN = ("withdrawn", "out_of_stock", "price")


def counted(search: Search, outcome: Outcome, understood: Understood) -> Counts:
    """Count what one search found.

    With words: the candidates of all legs that every filter but the selections' keeps. Without: everything that those filters keep,
    read off the shelves, whatever the legs' limits are.

    Raises:
        BadInput: the outcome holds no candidates, as one that was loaded from a log.
    """
    asked = outcome.requests
    chosen = selections_of(str(asked.column("selections")[0]))
    types = [path for path, _ in understood.types]
    if str(asked.column("text")[0]) == BROWSE:
        return _browsed(search, outcome, chosen, types)
    merged = outcome.merged
    if merged is None:
        raise BadInput("the outcome holds no candidates; wanted one that Pipeline.run answered.")
    masks = [m for name, m in outcome.kept.items() if not name.startswith(_SELECTED)]
    rows = search.catalogue.rows(merged.ids[np.logical_and.reduce(masks)] if masks else merged.ids)
    return count(search.facet_table, search.catalogue, rows[rows >= 0], chosen, types=types)


def _browsed(search: Search, outcome: Outcome, chosen: Selections, types: list[str]) -> Counts:
    table, catalogue, shelves = search.facet_table, search.catalogue, search.shelves
    bounds = bounds_of(outcome.requests, 0)
    others = _others(search, outcome.requests)
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


def stopped(outcome: Outcome) -> bool:
    """True where the lexical leg stopped at its limit, so that there may be more than was counted."""
    columns: Mapping[str, NDArray[np.float32]] = {} if outcome.merged is None else outcome.merged.columns
    ranks = columns.get("rank_lexical")
    return ranks is not None and int((~np.isnan(ranks)).sum()) >= int(LEXICAL_K.of(outcome.requests)[0])
