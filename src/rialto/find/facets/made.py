"""The facets of a page: chosen and ordered by what was found and what was asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.facets.counted import Counts, count
from rialto.find.facets.lines import numbered, pathed, valued
from rialto.find.facets.table import FacetTable
from rialto.find.facets.tally import spread
from rialto.find.query import Understood
from rialto.find.records import Facet, Selections
from rialto.find.terms import analyse

__all__ = ["facets", "made"]

_COVERAGE = 0.1  # share of the products found that must know an attribute for it to be shown
_FIRST = ("category", "price_cents", "brand")
_NAMES = 0.7  # different values over products that know one, from which on they name products
_NUMBER_EVENNESS = 0.5  # numbers always divide evenly; that says little


def facets(
    table: FacetTable,
    catalogue: Catalogue,
    rows: NDArray[np.int64],
    selections: Selections,
    *,
    understood: Understood | None = None,
    most: int = 10,
    values: int = 12,
) -> tuple[Facet, ...]:
    """Choose and count the facets of what was found.

    A facet's counts hold every other facet's selection but not its own, so that each count is what ticking the value would show.

    Args:
        rows: Catalogue rows found, before selections, each once, shape (rows,).
        selections: What is ticked; facets with a selection always come back.
        understood: The query: facets that its likely types know, and those that it names, come sooner.
        most: Facets at most, apart from those selected.
        values: Values a facet at most, apart from those selected.

    Returns:
        Category, price and brand first, then attributes: by how many of the products know them, how evenly they divide them, how
        much of them the lines shown can hold, how often titles say them, and what was asked.

    Cost:
        One pass over the rows' values: under half a millisecond for 1,000 products.
    """
    types = [path for path, _ in understood.types] if understood else []
    return made(count(table, catalogue, rows, selections, types=types), understood=understood, most=most, values=values)


def made(counts: Counts, *, understood: Understood | None = None, most: int = 10, values: int = 12) -> tuple[Facet, ...]:
    """The facets of a count; arguments as in `facets`."""
    t = counts.table
    selected = {t.number_of[f] for f in counts.selections.facets if f in t.number_of}
    first = [t.number_of[f] for f in _FIRST]
    worth, different = _worth(counts, understood, values)
    good = np.flatnonzero(worth)
    order = good[np.argsort(-worth[good], kind="stable")].tolist()
    shown = list[Facet]()
    for f in dict.fromkeys([*first, *sorted(selected), *order]):
        if f not in selected and len(shown) >= most:
            break
        if f in selected or f >= t.numbers or different[f] >= 2:
            one = numbered(counts, f) if f >= t.numbers else pathed(counts) if f == 1 else valued(counts, f, values)
            if one is not None:
                shown.append(one)
    return tuple(shown)


def _worth(counts: Counts, understood: Understood | None, values: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How useful each facet is, 0 = not shown, and its values, shape (facets,) each."""
    t = counts.table
    different, even, top = spread(counts.codes, counts.count, t.facet, len(t.names), values)
    even[t.numbers :], top[t.numbers :] = _NUMBER_EVENNESS, 1.0
    known = np.zeros(len(t.names))
    known[counts.facets] = counts.known / max(counts.found, 1)
    likely = min(sum(p for _, p in understood.types), 1.0) if understood and counts.among else 0.0
    coverage = np.minimum(known, 1.0)
    if likely:
        typed = np.zeros(len(t.names))
        typed[counts.facets] = np.minimum(counts.typed / counts.among, 1.0)
        coverage = (1.0 - likely / 2.0) * coverage + likely / 2.0 * typed
    worth = coverage * (0.2 + even) * (0.3 + 0.7 * top) * (0.3 + t.titled)
    names = (different > values) & (different > _NAMES * known * counts.found)  # nearly a value a product
    shown = t.usable & ~names & (known >= _COVERAGE) & ((different >= 2) | (np.arange(len(worth)) >= t.numbers))
    worth[sorted(set(_named(t, understood)))] *= 2.0
    return np.where(shown, worth, 0.0), different


def _named(table: FacetTable, understood: Understood | None) -> Sequence[int]:
    """Facets that the query names, by a tag of that kind or by their own words."""
    if understood is None or not understood.text:
        return ()
    kinds = {t.kind for t in understood.tags} | {q.name for q in understood.quantities if q.name}
    said = set(analyse(understood.text)) | {w for k in kinds for w in analyse(k.replace("_", " "))}
    return [f for word in said for f in table.by_word.get(word, ())]
