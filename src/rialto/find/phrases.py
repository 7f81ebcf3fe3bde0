"""Brands and attribute values that a query names, found by looking up its runs of words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue, Labels, held_pairs
from rialto.find.terms import analyse

__all__ = ["Phrases", "Said", "brand_words"]

_WORDS = 4  # longest run of words that is looked up
_PHRASES = 32  # phrases of one query that count


@dataclass(frozen=True, slots=True)
class Said:
    """The attribute values that queries name: query q names rows `offsets[q]:offsets[q+1]` of pair, name and phrase (int32 each)."""

    offsets: NDArray[np.int64]
    pair: NDArray[np.int32]
    name: NDArray[np.int32]
    phrase: NDArray[np.int32]


@dataclass(frozen=True)
class Phrases:
    """The catalogue's values and brands by their words.

    Args:
        values: Words of a value -> its pairs, rows of the labels' pairs.
        pair_name: Attribute of each pair, shape (pairs,).
        brands: Words of a brand -> its code.
        brand_code: Brand of each product, shape (products,), int64; -1 = none.
    """

    values: Mapping[tuple[str, ...], tuple[int, ...]]
    pair_name: NDArray[np.int32]
    brands: Mapping[tuple[str, ...], int]
    brand_code: NDArray[np.int64]

    @classmethod
    def of(cls, catalogue: Catalogue) -> Phrases:
        """Index a catalogue's values; yes/no attributes are named by their own name (`waterproof`)."""
        labels = catalogue.labels
        values: dict[tuple[str, ...], list[int]] = {}
        # A value that its last product lost stands in the labels still: nobody means it.
        for pair in np.flatnonzero(held_pairs(labels)).tolist():
            if words := cls.words(labels, pair):
                values.setdefault(words, []).append(pair)
        brands: dict[tuple[str, ...], int] = {}
        names = catalogue.text("brand").tolist()
        code = np.array([brands.setdefault(w, len(brands)) if (w := brand_words(n)) else -1 for n in names], dtype=np.int64)
        return cls({w: tuple(p) for w, p in values.items()}, labels.pair_name, brands, code)

    @staticmethod
    def words(labels: Labels, pair: int) -> tuple[str, ...]:
        """The words that name a value; () where none do."""
        name, text = labels.names[int(labels.pair_name[pair])], str(labels.pair_text[pair])
        words = brand_words(name.replace("_", " ") if text == "yes" else "" if text == "no" else text)
        return words if len(words) <= _WORDS else ()

    def said(self, texts: Sequence[str]) -> Said:
        """The values that each query names; the same phrase may be a value of several attributes."""
        found = [list(self._values_in(t)) for t in texts]
        offsets = np.array([0, *accumulate(map(len, found))], dtype=np.int64)
        pair = np.array([p for f in found for p, _ in f], dtype=np.int32)
        return Said(offsets, pair, self.pair_name[pair], np.array([n for f in found for _, n in f], dtype=np.int32))

    def _values_in(self, text: str) -> Iterator[tuple[int, int]]:
        phrase = 0
        for run in _runs(text):
            for pair in self.values.get(run, ()):
                yield pair, phrase
            phrase += run in self.values
            if phrase == _PHRASES:
                return

    def brand_named(self, texts: Sequence[str], rows: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.float32]:
        """1 where the query names the candidate's brand, 0 where it names others only, NaN where it names none; shape (rows,)."""
        out = np.full(len(rows), np.nan, dtype=np.float32)
        for at, text in enumerate(texts):
            named = {self.brands[run] for run in _runs(text) if run in self.brands}
            if named:
                mine = np.flatnonzero(owner == at)
                code = self.brand_code[rows[mine]]
                out[mine] = np.logical_or.reduce([code == n for n in named])
        return out


def brand_words(text: str) -> tuple[str, ...]:
    """The words that a brand, or another name, is found by."""
    return tuple(analyse(text)) if text else ()


@lru_cache(maxsize=10_000)
def _runs(text: str) -> tuple[tuple[str, ...], ...]:
    words = analyse(text)[:_PHRASES]
    return tuple(dict.fromkeys(tuple(words[i : i + n]) for n in range(_WORDS, 0, -1) for i in range(len(words) - n + 1)))
