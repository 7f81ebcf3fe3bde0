"""The lines of one facet: values by count or in their natural order, category paths opened where they lead, ranges with their ends."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rialto.find.facets.bins import edges, histogram
from rialto.find.facets.counted import Counts
from rialto.find.facets.tally import gather, within
from rialto.find.records import Facet, FacetValue, join_path, split_path

__all__ = ["numbered", "pathed", "valued"]

_CATEGORIES = 30  # below one category


def valued(counts: Counts, facet: int, most: int) -> Facet:
    """The facet of values: the `most` frequent and those selected, in natural order where the values have one."""
    t = counts.table
    codes, count = counts.of(facet)
    name, at = t.names[facet], (-count).argsort(kind="stable")  # codes rise
    chosen = counts.selections.values.get(name, ())
    ticked = {t.code_of.get((facet, v), -1) for v in chosen}
    at = at[[i for i, code in enumerate(codes[at].tolist()) if i < most or code in ticked]] if ticked else at[:most]
    if t.natural[facet]:
        at = at[t.places[codes[at]].argsort(kind="stable")]
    pairs = zip(codes[at].tolist(), count[at].tolist())
    lines = [FacetValue(said := t.value[code], said, n, code in ticked) for code, n in pairs]
    if chosen:
        shown = {x.value for x in lines if x.selected}
        lines += [FacetValue(v, v, 0, True) for v in chosen if v not in shown]
    return Facet(name, t.labels[facet], "values", tuple(lines), counts.known_of(facet), len(codes) - len(at))


def pathed(counts: Counts, facet: int = 1) -> Facet:
    """Categories: the widest, and what is below each selected one; a lone category opens by itself."""
    t = counts.table
    codes, count = counts.of(facet)
    parent = t.parent[codes]
    chosen = counts.selections.values.get(t.names[facet], ())
    ticked = {t.code_of.get((facet, join_path(split_path(v))), -1): v for v in chosen}
    opened = {-1} | {a for c in ticked if c >= 0 for a in _upward(t.parent, c)}
    waiting = sorted(opened)
    while waiting:
        below = codes[parent == waiting.pop()]
        if len(below) == 1 and int(below[0]) not in opened:
            opened.add(int(below[0]))
            waiting.append(int(below[0]))
    lines: list[FacetValue] = []
    more = 0
    children: dict[int, list[tuple[int, int]]] = {}
    for above in opened:
        own = (parent == above).nonzero()[0]
        own = own[(-count[own]).argsort(kind="stable")]  # codes rise
        pairs = enumerate(zip(codes[own].tolist(), count[own].tolist()))
        children[above] = [(code, n) for i, (code, n) in pairs if i < _CATEGORIES or code in ticked or code in opened]
        more += len(own) - len(children[above])
    stack = children.get(-1, [])[::-1]
    while stack:
        code, n = stack.pop()
        lines.append(FacetValue(t.value[code], split_path(t.value[code])[-1], n, code in ticked))
        stack += children.get(code, [])[::-1]
    shown = {x.value for x in lines}
    for v in chosen:
        path = split_path(v)
        if path and join_path(path) not in shown:
            lines.append(FacetValue(join_path(path), path[-1], 0, selected=True))
    return Facet(t.names[facet], t.labels[facet], "path", tuple(lines), counts.known_of(facet), more)


def _upward(parent: NDArray[np.int32], code: int) -> list[int]:
    out = list[int]()
    while code >= 0:
        out.append(code)
        code = int(parent[code])
    return out


def numbered(counts: Counts, facet: int) -> Facet | None:
    """The facet of numbers with ranges and histogram; None where it has one value and nothing of it is selected."""
    t = counts.table
    groups, values = gather(counts.at, counts.miss, facet, t.group, t.number_offsets, t.number_name, t.number_value, facet)
    name, ordered = t.names[facet], np.sort(values)
    chosen = counts.selections.ranges.get(name, (None, None))
    money, step = name.endswith("_cents"), t.steps(facet)
    ends = edges(ordered, step, money=money) if len(ordered) else []
    wanted = (-math.inf if chosen[0] is None else chosen[0], math.inf if chosen[1] is None else chosen[1])
    own = chosen != (None, None)
    if own and wanted not in ends:
        ends.append(wanted)
    if not ends:
        return None
    low, high = np.array([a for a, _ in ends]), np.array([b for _, b in ends])
    counted = within(groups, values, low, high).tolist()
    lines = tuple(
        _range(e, n, selected=own and e == wanted, money=money) for e, n in zip(ends, counted) if n or (own and e == wanted)
    )
    if len(lines) < 2 and not own:
        return None
    bars = histogram(groups, values, ordered, step) if len(ordered) else ()
    low_high = (float(ordered[0]), float(ordered[-1])) if len(ordered) else (None, None)
    return Facet(name, t.labels[facet], "ranges", lines, counts.known_of(facet), 0, bars, *low_high)


def _range(ends: tuple[float, float], count: int, *, selected: bool, money: bool) -> FacetValue:
    value, label, low, high = _said(ends, money=money)
    return FacetValue(value, label, count, selected, low, high)


@lru_cache(maxsize=8192)  # pages of one shop show the same ranges again and again
def _said(ends: tuple[float, float], *, money: bool) -> tuple[str, str, float | None, float | None]:
    """What a range is selected by, how it reads, and its ends, None = open."""
    low, high = (None if math.isinf(e) else e for e in ends)
    written = ["" if e is None else repr(e).removesuffix(".0") for e in (low, high)]
    said = ["" if e is None else f"{e / 100:.2f}" for e in (low, high)] if money else written
    label = f"{said[0]} to {said[1]}" if all(said) else f"from {said[0]}" if said[0] else f"up to {said[1]}"
    return "..".join(written), said[0] if low == high else label, low, high
