"""Products without a query: what a selection leaves, read off sorted columns, and the first of it by popularity or another order."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.records import Selections, split_path
from rialto.find.select import below, facet_mask, hard_mask

__all__ = ["SORTS", "Shelves"]

SORTS = {"relevance": ("", 1.0), "price_up": ("price_cents", -1.0), "price_down": ("price_cents", 1.0),
         "newest": ("released_day", 1.0), "rating": ("rating", 1.0)}  # fmt: skip
"""How results may be sorted: name -> catalogue column ("" = as ranked) and direction; what is not known comes last."""

_NO_BOUNDS = (float("nan"), float("nan"))


class Shelves:
    """The catalogue sorted by what people select, each order made when first asked for.

    Args:
        catalogue: The products.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._orders: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._columns: dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]] = {}

    def rows(self, selections: Selections, *, bounds: tuple[float, float] = _NO_BOUNDS) -> NDArray[np.int64] | None:
        """Catalogue rows that the selections leave, in no order; None = all of them.

        Cost:
            That of the narrowest facet's rows, and a mask over those for each other facet; the catalogue's size where only stock is
            asked for.
        """
        parts = [self._held(f, selections) for f in selections.facets]
        known = [(len(p), f, p) for f, p in zip(selections.facets, parts)]
        rows: NDArray[np.int64] | None = None
        if known:
            _, first, rows = min(known, key=lambda k: (k[0], k[1]))
            for name in selections.facets:
                if name != first:
                    rows = rows[facet_mask(self._catalogue, rows, name, selections)]
        if not selections.in_stock and all(b != b for b in bounds):
            return rows
        rows = np.arange(len(self._catalogue)) if rows is None else rows
        masks = hard_mask(self._catalogue, rows, in_stock=selections.in_stock, bounds=bounds)
        return rows[np.logical_and.reduce(list(masks.values()))]

    def best(self, rows: NDArray[np.int64] | None, *, sort: str = "relevance", limit: int) -> NDArray[np.int64]:
        """The first `limit` of some rows (None = all), in order; ties by number.

        Raises:
            BadInput: there is no such sort.
        """
        order, place = self._order(sort)
        if rows is None:
            return order[:limit]
        places = place[rows]
        if len(places) > 4 * limit > 0:
            places = np.partition(places, limit - 1)[:limit]
        return order[np.sort(places)[:limit]]

    def _order(self, sort: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if sort not in SORTS:
            raise BadInput(f"there is no sort {sort!r}; known: {', '.join(SORTS)}.")
        if sort not in self._orders:
            column, sign = SORTS[sort]
            values = sign * self._catalogue.value(column) if column else self._popularity
            order = np.lexsort((self._catalogue.numbers, -values))  # NaN sorts last
            place = np.empty(len(order), dtype=np.int64)
            place[order] = np.arange(len(order))
            self._orders[sort] = order, place
        return self._orders[sort]

    @cached_property
    def _popularity(self) -> NDArray[np.float64]:
        c = self._catalogue
        return np.nan_to_num(c.value("rating"), nan=0.0) * np.log1p(np.nan_to_num(c.value("rating_count"), nan=0.0))

    def _held(self, facet: str, selections: Selections) -> NDArray[np.int64]:
        """Rows that one facet's selection leaves, each once."""
        values, (low, high) = selections.values.get(facet, ()), selections.ranges.get(facet, (None, None))
        parts: list[NDArray[np.int64]] = []
        if values:
            spans = [self._span(facet, v) for v in dict.fromkeys(values)]
            parts.append(spans[0] if len(spans) == 1 and facet in ("brand", "category") else _union(spans))
        if (low, high) != (None, None):
            ordered, rows = self._column(facet)
            start = 0 if low is None else int(np.searchsorted(ordered, low))
            stop = len(ordered) if high is None else int(np.searchsorted(ordered, high, side="right"))
            parts.append(_union([rows[start:stop]]))
        return parts[0] if len(parts) == 1 else np.intersect1d(parts[0], parts[1], assume_unique=True)

    def _span(self, facet: str, value: str) -> NDArray[np.int64]:
        c = self._catalogue
        if facet == "brand":
            code = c.brands[1].get(value, -1)
            return _slice(self._by_brand, code, code + 1) if code >= 0 else _NONE
        if facet == "category":
            return _slice(self._by_path, *below(c.paths[1], split_path(value)))
        pair = c.labels.pair_of.get((facet, value), -1)
        return _slice(self._by_pair, pair, pair + 1) if pair >= 0 else _NONE

    @cached_property
    def _by_brand(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return _grouped(self._catalogue.brands[0], np.arange(len(self._catalogue)))

    @cached_property
    def _by_path(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return _grouped(self._catalogue.paths[0], np.arange(len(self._catalogue)))

    @cached_property
    def _by_pair(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        labels = self._catalogue.labels
        return _grouped(labels.pair, np.repeat(np.arange(len(self._catalogue)), np.diff(labels.offsets)))

    def _column(self, facet: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Known values of a number, rising, and the row of each."""
        if facet not in self._columns:
            c = self._catalogue
            if facet in ("price_cents", "rating"):
                values, rows = c.value(facet), np.arange(len(c))
            else:
                m = c.measures
                held = m.name == (m.names.index(facet) if facet in m.names else -1)
                values, rows = m.value[held], np.repeat(np.arange(len(c)), np.diff(m.offsets))[held]
            known = ~np.isnan(values)
            order = np.argsort(values[known], kind="stable")
            self._columns[facet] = values[known][order], rows[known][order]
        return self._columns[facet]


_NONE = np.zeros(0, dtype=np.int64)


def _grouped(codes: NDArray[Any], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows by code: those of code k are `rows[starts[k]:starts[k + 1]]`; codes below 0 are left out."""
    kept = codes >= 0
    codes, rows = codes[kept], rows[kept]
    order = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=1))]).astype(np.int64)
    return starts, rows[order]


def _slice(grouped: tuple[NDArray[np.int64], NDArray[np.int64]], low: int, high: int) -> NDArray[np.int64]:
    starts, rows = grouped
    last = len(starts) - 1
    return rows[starts[min(low, last)] : starts[min(high, last)]]


def _union(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.unique(np.concatenate([_NONE, *parts]))
