"""Search inside one facet, over all of its values; and the check that what is selected can be selected at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from rialto.errors import BadInput, known
from rialto.find.facets.counted import Counts
from rialto.find.facets.table import FacetTable
from rialto.find.records import FacetValue, Selections, split_path
from rialto.find.terms import fold

__all__ = ["check_selections", "facet_values"]

_MOST_VALUES = 10_000


def facet_values(counts: Counts, facet: str, contains: str = "", *, limit: int = 20) -> tuple[FacetValue, ...]:
    """The values of one facet that begin with, hold or nearly are what was typed, the most frequent first.

    Args:
        counts: What was found; counted with the facet's own selection left aside, like every count.
        facet: A facet of values or of categories.
        contains: What was typed, in any case, accents aside; "" = every value.
        limit: Values at most.

    Raises:
        BadInput: there is no such facet, or it is one of numbers; `limit` is below 1.

    Cost:
        One pass over the facet's values that were found, about a microsecond each.
    """
    t, at = counts.table, counts.table.number_of.get(facet)
    if at is None or at >= t.numbers:
        names = t.names[: t.numbers]
        raise BadInput(f"there is no facet of values {facet[:80]!r}; known: {known(facet[:80], names)}.")
    if limit < 1:
        raise BadInput(f"limit is {limit}; wanted 1 or more values.")
    codes, count = counts.of(at)
    order = np.lexsort((codes, -count)).tolist()
    typed, folded = fold(contains).strip(), _folded(t, at)
    first = int(t.start[at])
    ranks = [(_rank(folded[int(codes[i]) - first], typed), n, i) for n, i in enumerate(order)] if typed else []
    chosen = counts.selections.values.get(facet, ())
    hits = [i for r, _, i in sorted(ranks) if r < 3] if typed else order
    if typed and not hits:  # nothing holds it: what is written nearly so
        hits = [i for i in order if _near(folded[int(codes[i]) - first], typed)]
    values = [(t.value[int(codes[i])], int(count[i])) for i in hits[:limit]]
    return tuple(FacetValue(v, split_path(v)[-1] if at == 1 else v, n, v in chosen) for v, n in values)


def _folded(table: FacetTable, facet: int) -> Sequence[str]:
    held = table.folded.get(facet)
    if held is None:
        values = table.value[int(table.start[facet]) : int(table.start[facet + 1])]
        held = table.folded[facet] = [fold(split_path(v)[-1] if facet == 1 else v) for v in values]
    return held


def _rank(value: str, typed: str) -> int:
    """0 = begins with what was typed, 1 = a word of it does, 2 = holds it, 3 = does not."""
    if value.startswith(typed):
        return 0
    at = value.find(typed)
    if at < 0:
        return 3
    while at > 0:
        if not value[at - 1].isalnum():
            return 1
        at = value.find(typed, at + 1)
    return 2


def _near(value: str, typed: str) -> bool:
    """True where some word begins with something one slip away from what was typed; at least four letters."""
    if len(typed) < 4:
        return False
    starts = (w[: len(typed) + more] for w in (value, *value.split()) for more in (-1, 0, 1))
    return any(_one_slip(typed, s) for s in starts)


def _one_slip(a: str, b: str) -> bool:
    """True where one letter added, left out, exchanged or swapped with its neighbour makes b of a, or nothing at all."""
    if abs(len(a) - len(b)) > 1:
        return False
    same = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    x, y = a[same:], b[same:]
    return x[1:] == y[1:] or x[1:] == y or x == y[1:] or (len(x) > 1 and x[:2] == y[:2][::-1] and x[2:] == y[2:])


def check_selections(table: FacetTable, selections: Selections) -> None:
    """Raise `BadInput` where something is selected that the catalogue does not have, and name what it has."""
    text = {*table.names[: table.numbers]}
    numbers = {*table.names[table.numbers :]}
    _check(selections.values, text, numbers, "value")
    _check(selections.ranges, numbers, text, "range")
    for name, values in selections.values.items():
        if len(values) > _MOST_VALUES:
            raise BadInput(f"{len(values)} values of {name[:80]!r} are selected; wanted {_MOST_VALUES} at most.")


def _check(chosen: Iterable[str], names: set[str], others: set[str], what: str) -> None:
    for name in chosen:
        if name in names:
            continue
        if name in others:
            raise BadInput(
                f"{name[:80]!r} is a facet of {'numbers' if what == 'value' else 'values'}; a {what} was selected in it."
            )
        raise BadInput(f"there is no facet {name[:80]!r} to select a {what} in; known: {known(name[:80], names)}.")
