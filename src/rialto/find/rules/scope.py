"""The products that a rule's selection holds, as rows of the catalogue; columns are coded once, whatever the number of rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.records import split_path
from rialto.find.rules.matching import below, terms_of
from rialto.find.rules.rule import Scope
from rialto.find.select import entries_of
from rialto.find.terms import analyse

__all__ = ["Scopes"]


class Scopes:
    """Finds the rows of selections in one catalogue.

    Args:
        catalogue: The products.

    Cost:
        Each column that some rule names is coded once, about 50 ms for 500,000 products; then a rule costs a pass of one comparison.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._found: dict[Scope, NDArray[np.int64]] = {}

    def rows(self, scope: Scope) -> NDArray[np.int64]:
        """Rows of the products in `scope`, rising; all of them for an empty one. Found once a scope."""
        if scope not in self._found:
            self._found[scope] = self._rows(scope)
        return self._found[scope]

    def _rows(self, scope: Scope) -> NDArray[np.int64]:
        c, masks = self._catalogue, list[NDArray[np.bool_]]()
        if scope.brands:
            masks.append(_coded(self._brands, lambda b: b in scope.brands))
        if scope.categories:
            masks.append(_coded(self._paths, lambda p: any(below(split_path(p), w) for w in scope.categories)))
        masks.extend(self._attribute(name, values) for name, values in scope.attributes)
        price = c.value("price_cents")
        if scope.price_low_cents is not None:
            masks.append(price >= scope.price_low_cents)
        if scope.price_high_cents is not None:
            masks.append(price <= scope.price_high_cents)
        if scope.ids:
            rows = np.unique(np.array([c.row_of_id[i] for i in scope.ids if i in c.row_of_id], dtype=np.int64))
        else:
            rows = np.arange(len(c)) if not masks else np.flatnonzero(np.logical_and.reduce(masks))
            masks = []
        for mask in masks:
            rows = rows[mask[rows]]
        return self._titled(rows, scope.words) if scope.words else rows

    @cached_property
    def _brands(self) -> tuple[NDArray[np.int32], list[str]]:
        return _codes(self._catalogue.text("brand"))

    @cached_property
    def _paths(self) -> tuple[NDArray[np.int32], list[str]]:
        return _codes(self._catalogue.text("category"))

    @cached_property
    def _titles(self) -> Any:
        return pa.array(self._catalogue.text("title"), type=pa.string())

    def _attribute(self, name: str, values: Sequence[str]) -> NDArray[np.bool_]:
        labels, size = self._catalogue.labels, len(self._catalogue)
        pairs = [labels.pair_of[name, v] for v in values if (name, v) in labels.pair_of]
        held = np.zeros(len(labels.pair_name) + 1, dtype=np.bool_)
        held[pairs] = True
        entries, counts = entries_of(labels.offsets, np.arange(size))
        out = np.zeros(size, dtype=np.bool_)
        out[np.repeat(np.arange(size), counts)[held[labels.pair[entries]]]] = True
        return out

    def _titled(self, rows: NDArray[np.int64], words: str) -> NDArray[np.int64]:
        """Rows whose title holds all words; a plain search for a part of each leaves few titles to be analysed."""
        wanted = terms_of(words)
        if not wanted:
            return rows[:0]
        titles = self._titles
        for word in wanted:
            if word.isascii() and len(rows):
                part = word.rstrip("y") or word  # "battery" is the term of "batteries"
                taken = titles.take(pa.array(rows))
                near = _matched("match_substring", taken, pc.MatchSubstringOptions(part, ignore_case=True))
                near |= _matched("match_substring_regex", taken, pc.MatchSubstringOptions("[-/]"))  # "wi-fi" has the term "wifi"
                near |= ~_matched("string_is_ascii", taken, None)
                rows = rows[near]
        texts = self._catalogue.text("title")[rows].tolist()
        return rows[np.array([wanted <= set(analyse(str(t))) for t in texts], dtype=np.bool_)]


def _matched(function: str, texts: Any, options: Any) -> NDArray[np.bool_]:
    return pc.call_function(function, [texts], options).to_numpy(zero_copy_only=False)


def _codes(values: NDArray[Any]) -> tuple[NDArray[np.int32], list[str]]:
    made = pa.array(values, type=pa.string()).dictionary_encode()
    return made.indices.to_numpy(zero_copy_only=False).astype(np.int32), made.dictionary.to_pylist()


def _coded(column: tuple[NDArray[np.int32], list[str]], wanted: Callable[[str], bool]) -> NDArray[np.bool_]:
    codes, values = column
    return np.array([wanted(v) for v in values], dtype=np.bool_)[codes] if values else np.zeros(len(codes), dtype=np.bool_)
