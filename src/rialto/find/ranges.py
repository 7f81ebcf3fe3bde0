"""Facets of numbers: ranges of about equal size over what was found, whose ends are values that products have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.records import Facet, FacetValue, Selections
from rialto.find.select import entries_of

__all__ = ["ranges", "spoken"]

_BINS = 5
_MOST = 6  # attributes, besides price and rating
_COVERAGE = 0.15  # share of the products found that must know an attribute for it to become a facet
_BUILT_IN = {"price_cents": "Price", "rating": "Rating"}

Ints, Floats = NDArray[np.int64], NDArray[np.float64]


def ranges(catalogue: Catalogue, base: Ints, own: Mapping[str, Ints], selections: Selections) -> Iterator[Facet]:
    """Facets of price, rating and the attributes that are numbers and known to most of the products found.

    Args:
        base: Catalogue rows that all selections leave, in order of their group.
        own: Of each facet with a selection, the rows that the other facets' selections leave.
        selections: What is ticked.
    """
    for name, label in _BUILT_IN.items():
        rows = own.get(name, base)
        yield from _facet(name, label, catalogue.group_code[rows], catalogue.value(name)[rows], selections)
    measures = catalogue.measures
    entries, counts = entries_of(measures.offsets, base)
    groups, names, values = np.repeat(catalogue.group_code[base], counts), measures.name[entries], measures.value[entries]
    known = np.bincount(names, minlength=len(measures.names))
    common = [n for n in np.argsort(-known, kind="stable")[:_MOST].tolist() if known[n] >= max(_COVERAGE * len(base), 2)]
    for n in dict.fromkeys([*common, *(measures.names.index(f) for f in own if f in measures.names)]):
        name = measures.names[n]
        if name in _BUILT_IN or name in catalogue.labels.names:
            continue  # one facet a name: the built-in one, or the one of its values
        if name in own:
            mine, held = entries_of(measures.offsets, own[name])
            of_name = measures.name[mine] == n
            owner = np.repeat(catalogue.group_code[own[name]], held)[of_name]
            yield from _facet(name, spoken(name), owner, measures.value[mine][of_name], selections)
        else:
            yield from _facet(name, spoken(name), groups[names == n], values[names == n], selections)


def spoken(name: str) -> str:
    """An attribute's name as people read it.

    Example:
        >>> spoken("screen_size_in")
        'Screen size in'
    """
    return name.replace("_", " ").strip().capitalize()


def _facet(name: str, label: str, groups: Ints, values: Floats, selections: Selections) -> Iterator[Facet]:
    """The facet of entries (group, value), shape (entries,) each, if it has two values or is selected."""
    known = ~np.isnan(values)
    groups, values = groups[known], values[known]
    chosen = selections.ranges.get(name, (None, None))
    money = name == "price_cents"
    lines = list(_binned(groups, values, chosen, money=money))
    if chosen != (None, None) and not any(v.selected for v in lines):
        low, high = chosen
        inside = (values >= (-np.inf if low is None else low)) & (values <= (np.inf if high is None else high))
        lines.append(_line(low, high, len(np.unique(groups[inside])), selected=True, money=money))
    if lines:
        yield Facet(name, label, "ranges", tuple(lines))


def _binned(groups: Ints, values: Floats, chosen: tuple[float | None, float | None], *, money: bool) -> Iterator[FacetValue]:
    """Ranges of about equal size, each from its least value to its greatest, so that both ends belong to it exactly."""
    ordered = np.sort(values)
    if not len(ordered) or ordered[0] == ordered[-1]:
        return
    cuts = np.unique(ordered[np.arange(1, _BINS) * (len(ordered) - 1) // _BINS])
    place = np.searchsorted(cuts, values, side="left")
    for n in range(len(cuts) + 1):
        mine = place == n
        if mine.any():
            low, high = float(values[mine].min()), float(values[mine].max())
            yield _line(low, high, len(np.unique(groups[mine])), selected=chosen == (low, high), money=money)


def _line(low: float | None, high: float | None, count: int, *, selected: bool, money: bool) -> FacetValue:
    written = ["" if e is None else repr(e).removesuffix(".0") for e in (low, high)]
    ends = ["" if e is None else f"{e / 100:.2f}" for e in (low, high)] if money else written
    label = f"{ends[0]} to {ends[1]}" if all(ends) else f"from {ends[0]}" if ends[0] else f"up to {ends[1]}"
    return FacetValue("..".join(written), ends[0] if low == high else label, count, selected, low, high)
