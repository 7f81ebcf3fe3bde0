"""Selections, price bounds and stock as masks over candidates: one exact meaning for filters, legs and facet counts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.records import Selections, join_path, split_path
from rialto.ports import Clause
from rialto.records import Candidates, Context, Requests
from rialto.spine.retrieve import Filter

__all__ = ["below", "bounds_of", "clauses", "entries_of", "facet_mask", "filters", "hard_mask", "selections_of"]

_LAST = chr(0x10FFFF)  # sorts behind every name of a level
_FIELDS = {"brand": "brand", "category": "category"}


@lru_cache(maxsize=4096)
def selections_of(text: str) -> Selections:
    """The selections that a request's `selections` column holds; parsed once a text."""
    return Selections.of_json(text)


def bounds_of(requests: Requests, at: int) -> tuple[float, float]:
    """Price bounds in cents that the query's text named, NaN = none."""
    return float(requests.column("price_low")[at]), float(requests.column("price_high")[at])


def _between(values: NDArray[np.float64], low: float | None, high: float | None) -> NDArray[np.bool_]:
    """True where a value is known and lies within, both ends in."""
    keep = ~np.isnan(values)
    if low is not None and low == low:
        keep &= values >= low
    if high is not None and high == high:
        keep &= values <= high
    return keep


def hard_mask(
    catalogue: Catalogue, rows: NDArray[np.int64], *, in_stock: bool, bounds: tuple[float, float]
) -> dict[str, NDArray[np.bool_]]:
    """What a request asks beyond its facets: reason -> rows that stay, shape (rows,) each. Unknown stock counts as there."""
    masks: dict[str, NDArray[np.bool_]] = {}
    if in_stock:
        masks["out_of_stock"] = ~(catalogue.value("stock")[rows] <= 0)
    if any(b == b for b in bounds):
        masks["price"] = _between(catalogue.value("price_cents")[rows], *bounds)
    return masks


def facet_mask(catalogue: Catalogue, rows: NDArray[np.int64], facet: str, selections: Selections) -> NDArray[np.bool_]:
    """Rows that one facet's selection keeps, shape (rows,): any of its values, and within its range where it has one."""
    keep = np.ones(len(rows), dtype=np.bool_)
    values = selections.values.get(facet, ())
    if values:
        keep &= _held(catalogue, rows, facet, values)
    low, high = selections.ranges.get(facet, (None, None))
    if low is not None or high is not None:
        keep &= _measured(catalogue, rows, facet, low, high)
    return keep


def _held(catalogue: Catalogue, rows: NDArray[np.int64], facet: str, values: tuple[str, ...]) -> NDArray[np.bool_]:
    if facet == "brand":
        of_row, codes = catalogue.brands
        return _among(of_row[rows], [codes[v] for v in values if v in codes])
    if facet == "category":
        of_row, paths = catalogue.paths
        keep, code = np.zeros(len(rows), dtype=np.bool_), of_row[rows]
        for low, high in dict.fromkeys(below(paths, split_path(v)) for v in values):
            keep |= (code >= low) & (code < high)
        return keep
    labels = catalogue.labels
    pairs = [labels.pair_of[facet, v] for v in values if (facet, v) in labels.pair_of]
    entries, counts = entries_of(labels.offsets, rows)
    return _any(_among(labels.pair[entries], pairs), counts)


def _among(codes: NDArray[np.int32], wanted: list[int]) -> NDArray[np.bool_]:
    """True where a code is wanted; a few are compared one by one, which is quicker than sorting."""
    if len(wanted) > 8:
        return np.isin(codes, np.array(wanted, dtype=np.int32))
    keep = np.zeros(len(codes), dtype=np.bool_)
    for code in wanted:
        keep |= codes == code
    return keep


def below(paths: list[tuple[str, ...]], wanted: tuple[str, ...]) -> tuple[int, int]:
    """The codes of `wanted` and of what lies below it; (0, 0) for no path at all."""
    return (bisect_left(paths, wanted), bisect_left(paths, (*wanted, _LAST))) if wanted else (0, 0)


def _measured(
    catalogue: Catalogue, rows: NDArray[np.int64], facet: str, low: float | None, high: float | None
) -> NDArray[np.bool_]:
    if facet in ("price_cents", "rating"):
        return _between(catalogue.value(facet)[rows], low, high)
    measures = catalogue.measures
    name = measures.names.index(facet) if facet in measures.names else -1
    entries, counts = entries_of(measures.offsets, rows)
    return _any((measures.name[entries] == name) & _between(measures.value[entries], low, high), counts)


def entries_of(offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Entries of compressed sparse `rows` behind one another, shape (entries,), and how many each row has, shape (rows,)."""
    counts = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(offsets[rows] - (ends - counts), counts), counts


def _any(hit: NDArray[np.bool_], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows with at least one entry that is a hit, shape of `counts`."""
    running, ends = np.concatenate([[0], np.cumsum(hit)]), np.cumsum(counts)
    return running[ends] > running[ends - counts]


def clauses(catalogue: Catalogue, requests: Requests, at: int, *, facets: bool) -> tuple[Clause, ...]:
    """A request's demands as clauses for a text index: stock and price bounds, and with `facets` the selections it can hold.

    Selections of attributes that are numbers are not in the index; the filters after retrieval hold them.
    """
    chosen = selections_of(str(requests.column("selections")[at]))
    low, high = bounds_of(requests, at)
    out: list[Clause] = []
    if chosen.in_stock:
        out.append(Clause("sold_out", values=("no",)))
    if low == low or high == high:
        out.append(Clause("price_cents", low=low if low == low else None, high=high if high == high else None))
    if not facets:
        return tuple(out)
    for name, values in sorted(chosen.values.items()):
        if values and name in _FIELDS:
            out.append(Clause(_FIELDS[name], values=tuple(join_path(split_path(v)) if name == "category" else v for v in values)))
        elif values:
            out.append(Clause("attribute", values=tuple(f"{name}={v}" for v in values)))
    for name in ("price_cents", "rating"):
        lo, hi = chosen.ranges.get(name, (None, None))
        if lo is not None or hi is not None:
            out.append(Clause(name, low=lo, high=hi))
    return tuple(out)


def filters(catalogue: Catalogue) -> list[Filter]:
    """The reasons to remove a candidate, each exact: withdrawn, out_of_stock, price, and what was selected."""

    def withdrawn(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        return catalogue.rows(candidates.ids) >= 0

    def hard(reason: str) -> Filter:
        def mask(requests: Requests, at: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
            stocked = selections_of(str(requests.column("selections")[at])).in_stock
            masks = hard_mask(catalogue, rows, in_stock=stocked, bounds=bounds_of(requests, at))
            return masks.get(reason, np.ones(len(rows), dtype=np.bool_))

        return Filter(reason, _by_request(catalogue, mask), idle=_asks_nothing)

    def selected(reason: str, wanted: Callable[[str], bool]) -> Filter:
        def mask(requests: Requests, at: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
            chosen = selections_of(str(requests.column("selections")[at]))
            masks = [facet_mask(catalogue, rows, f, chosen) for f in chosen.facets if wanted(f)]
            return np.logical_and.reduce(masks) if masks else np.ones(len(rows), dtype=np.bool_)

        return Filter(reason, _by_request(catalogue, mask), idle=_asks_nothing)

    named = ("brand", "category", "price_cents")
    return [
        Filter("withdrawn", withdrawn),
        hard("out_of_stock"),
        hard("price"),
        *(selected(f"selected_{name}", lambda f, n=name: f == n) for name in named),
        selected("selected_attribute", lambda f: f not in named),
    ]


_Mask = Callable[[Requests, int, NDArray[np.int64]], NDArray[np.bool_]]


def _by_request(catalogue: Catalogue, mask: _Mask) -> Callable[[Requests, Candidates, Context], NDArray[np.bool_]]:
    """A filter's `keep` from the mask of one request's catalogue rows; requests that ask for nothing cost nothing."""

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        out = np.ones(len(candidates), dtype=np.bool_)
        for at in np.flatnonzero(_asks(requests) & (candidates.counts > 0)).tolist():
            part = slice(int(candidates.offsets[at]), int(candidates.offsets[at + 1]))
            out[part] = mask(requests, at, np.maximum(catalogue.rows(candidates.ids[part]), 0))
        return out

    return keep


def _asks(requests: Requests) -> NDArray[np.bool_]:
    """True for requests that select something or name a price, shape (requests,)."""
    bounded = ~np.isnan(requests.column("price_low")) | ~np.isnan(requests.column("price_high"))
    return np.asarray((requests.column("selections") != "") | bounded)


def _asks_nothing(requests: Requests) -> bool:
    if len(requests) > 1:
        return not _asks(requests).any()
    return all(s == "" and low != low and high != high for s, low, high in zip(*_columns(requests)))


def _columns(requests: Requests) -> tuple[list[str], list[float], list[float]]:
    selections, low, high = (requests.column(n).tolist() for n in ("selections", "price_low", "price_high"))
    return selections, low, high
