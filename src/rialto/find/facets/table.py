"""What facets count in: brand, category levels, labels and numbers of every product as codes, the variants of a model side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue, held_pairs
from rialto.find.facets.natural import keys
from rialto.find.facets.spoken import labels_of
from rialto.find.records import Facet, join_path
from rialto.find.select import entries_of
from rialto.find.terms import analyse, fold

__all__ = ["FacetTable"]

_BUILT_IN = ("brand", "category")
_NUMBERS = ("price_cents", "rating")
_UNIQUE = 0.5  # different values over products that know one, from which on an attribute names products and does not divide them
_FEW = 20  # different values that no attribute is too many with
_LONG = 40  # mean characters of a value, from which on it is a sentence
_TITLES = 60  # products looked at to see whether titles say an attribute's values
_NEARLY_ALL = 0.99
_NAMELIKE = re.compile(r"(?i)^(?:[a-z][a-z+.-]*://|www\.)|^\d{8,14}$|\.(?:jpe?g|png|gif|webp|html?|pdf)$")


@dataclass(frozen=True)
class Scratch:
    """Arrays that one thread counts in; stamps rise with every count, so that nothing is cleared."""

    seen: NDArray[np.int64]
    count: NDArray[np.int64]
    touched: NDArray[np.int32]
    of_facet: NDArray[np.int64]  # shape (4, facets): seen, known, seen within types, known within types
    near: NDArray[np.int32]
    base: list[int]


@dataclass(frozen=True)
class FacetTable:
    """Codes of every product, in one table that one pass counts. A product's place in it is its position, by group.

    Args:
        position: Of each catalogue row, shape (products,); `row` the other way round; `group` of each position, never falling.
        offsets, code: Position i holds `code[offsets[i]:offsets[i+1]]`, rising; those up to `stop[i]` are of facets that may be shown.
        facet: Facet of each code, shape (codes,): rows of `names`; 0 = brand, 1 = category, labels, then numbers, one code each.
        value: Value of each code, as selections write it.
        start: Codes of facet f are `start[f]` up to `start[f + 1]`.
        parent: Category above each category code, shape (codes,); -1 = none.
        names, labels: Of each facet: as selections write it, and as people read it.
        numbers: The first facet of numbers.
        usable: Facets that may be shown unasked, shape (facets,): values divide products, they do not name them.
        titled: How often titles say a facet's values, shape (facets,), 0 to 1.
        number_offsets, number_name, number_value: Numbers by position; `number_name` is the facet.
    """

    position: NDArray[np.int64]
    row: NDArray[np.int64]
    group: NDArray[np.int64]
    offsets: NDArray[np.int64]
    stop: NDArray[np.int64]
    code: NDArray[np.int32]
    facet: NDArray[np.int32]
    value: tuple[str, ...]
    start: NDArray[np.int64]
    parent: NDArray[np.int32]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    numbers: int
    usable: NDArray[np.bool_]
    titled: NDArray[np.float64]
    number_offsets: NDArray[np.int64]
    number_name: NDArray[np.int32]
    number_value: NDArray[np.float64]

    @classmethod
    def of(cls, catalogue: Catalogue) -> FacetTable:
        """Make the table; about 100,000 products a second. An attribute called like a built-in facet is left to that."""
        row = np.argsort(catalogue.group_code, kind="stable")
        position = np.empty(len(row), dtype=np.int64)
        position[row] = np.arange(len(row))
        made = _Coded.of(catalogue)
        facets = np.repeat(np.arange(len(made.names)), made.sizes).astype(np.int32)
        known = _numbers(catalogue, made)
        usable, titled = made.usable(facets), made.titled(catalogue, facets, known)
        offsets, stop, code = _sorted(position[made.owner], made.code, ~usable[facets], len(catalogue))
        order = np.argsort(position[known[0]], kind="stable")
        counts = np.bincount(position[known[0]], minlength=len(catalogue))
        return cls(
            position, row, catalogue.group_code[row], offsets, stop, code, facets, tuple(made.values), _ends(made.sizes), made.parent,
            tuple(made.names), tuple(labels_of(made.names)), made.numbers, usable, titled,
            _ends(counts), known[1][order], known[2][order],
        )  # fmt: skip

    @cached_property
    def number_of(self) -> Mapping[str, int]:
        """Name of a facet -> its number; an attribute that is both text and number is the one of its text."""
        return {name: at for at, name in reversed(list(enumerate(self.names)))}

    @cached_property
    def code_of(self) -> Mapping[tuple[int, str], int]:
        """(facet, value) -> code."""
        return {(f, v): at for at, (f, v) in enumerate(zip(self.facet.tolist(), self.value))}

    @cached_property
    def by_word(self) -> Mapping[str, list[int]]:
        """Word of a facet's label, as `rialto.find.terms` reads it -> facets."""
        out: dict[str, list[int]] = {}
        for f, label in enumerate(self.labels):
            for word in set(analyse(label)):
                out.setdefault(word, []).append(f)
        return out

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """Where a value stands in its facet's natural order, shape (codes,), NaN = it has no place."""
        out = np.full(len(self.value), np.nan)
        for f in range(2, self.numbers):
            part = slice(int(self.start[f]), int(self.start[f + 1]))
            found = keys(self.value[part])
            if found is not None:
                out[part] = found
        return out

    @cached_property
    def natural(self) -> NDArray[np.bool_]:
        """Which facets' values have a natural order, shape (facets,)."""
        out = np.zeros(len(self.names), dtype=np.bool_)
        out[self.facet[~np.isnan(self.places)]] = True
        return out

    @cached_property
    def folded(self) -> dict[int, list[str]]:
        """Facet -> its values folded, for search inside it; filled as facets are searched."""
        return {}

    @cached_property
    def held(self) -> dict[str, Any]:
        """Counts that every page may share, by name."""
        return {}

    @cached_property
    def shown(self) -> list[tuple[Facet, ...]]:
        """The facets of the whole catalogue, once they were made."""
        return []

    def steps(self, facet: int) -> float:
        """The least step of nearly all values of a facet of numbers, 1 for whole ones; 0 where it is finer than 1/10,000."""
        held = self._steps.get(facet)
        if held is None:
            held = self._steps[facet] = _step(self.number_value[self.number_name == facet])
        return held

    @cached_property
    def _steps(self) -> dict[int, float]:
        return {}

    @cached_property
    def _own(self) -> local:
        return local()

    def scratch(self) -> Scratch:
        """The calling thread's arrays to count in."""
        held: Scratch | None = getattr(self._own, "scratch", None)
        if held is None:
            codes, facets = len(self.value), len(self.names)
            held = self._own.scratch = Scratch(
                np.full(codes, -1, dtype=np.int64), np.zeros(codes, dtype=np.int64), np.zeros(codes, dtype=np.int32),
                np.full((4, facets), -1, dtype=np.int64), np.zeros(facets, dtype=np.int32), [0],
            )  # fmt: skip
        return held


@dataclass(frozen=True)
class _Coded:
    """Entries (owner row, code) of every facet, facet by facet; facet f has `sizes[f]` codes."""

    names: list[str]
    sizes: NDArray[np.int64]
    values: list[str]
    parent: NDArray[np.int32]
    owner: NDArray[np.int64]
    code: NDArray[np.int64]
    numbers: int

    @classmethod
    def of(cls, c: Catalogue) -> _Coded:
        brand, brands = c.brands
        known = np.flatnonzero(brand >= 0)
        paths, parents, owners, codes = _levels(c)
        labels, live = c.labels, held_pairs(c.labels) > 0  # a value that its last product lost stands in the labels still
        used = np.bincount(labels.pair_name[live], minlength=len(labels.names)).tolist()
        measured = np.bincount(c.measures.name, minlength=len(c.measures.names)).tolist()
        free = [n for n, name in enumerate(labels.names) if used[n] and name not in (*_BUILT_IN, *_NUMBERS)]
        number_names = [*_NUMBERS, *(m for m, n in zip(c.measures.names, measured) if n and m not in (*_BUILT_IN, *_NUMBERS))]
        first = len(brands) + len(paths)
        rank = np.full(max(len(labels.names), 1), -1, dtype=np.int64)
        rank[free] = np.arange(len(free))
        order = np.argsort(rank[labels.pair_name], kind="stable") if len(labels.pair_name) else np.zeros(0, dtype=np.int64)
        order = order[(rank[labels.pair_name[order]] >= 0) & live[order]]
        code_of_pair = np.full(max(len(labels.pair_name), 1), -1, dtype=np.int64)
        code_of_pair[order] = first + np.arange(len(order))
        of_label = code_of_pair[labels.pair]
        label_owner = np.repeat(np.arange(len(c)), np.diff(labels.offsets))[of_label >= 0]
        sizes = np.concatenate([
            [len(brands), len(paths)], np.bincount(rank[labels.pair_name[order]], minlength=len(free)), np.ones(len(number_names))
        ]).astype(np.int64)  # fmt: skip
        numbers, after = 2 + len(free), first + len(order)
        holders = _numbers_of(c, number_names, 0)
        values = [*brands, *(join_path(p) for p in paths), *labels.pair_text[order].tolist(), *([""] * len(number_names))]
        parent = np.full(len(values), -1, dtype=np.int32)
        parent[len(brands) : first] = np.where(parents >= 0, parents + len(brands), -1)
        return cls(
            [*_BUILT_IN, *(labels.names[n] for n in free), *number_names], sizes, values, parent,
            np.concatenate([known, owners, label_owner, holders[0]]),
            np.concatenate([brand[known].astype(np.int64), codes + len(brands), of_label[of_label >= 0], after + holders[1]]),
            numbers,
        )  # fmt: skip

    def usable(self, facet: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which facets may be shown unasked, shape (facets,)."""
        holders, at = np.bincount(facet[self.code], minlength=len(self.names)), _ends(self.sizes)
        usable = holders > 0
        for f in range(2, self.numbers):
            usable[f] = usable[f] and _divides(self.values[at[f] : at[f + 1]], int(holders[f]))
        for f in range(self.numbers, len(self.names)):
            usable[f] = usable[f] and self.names[f] not in self.names[: self.numbers]  # one facet a name: that of its values
        return usable

    def titled(self, c: Catalogue, facet: NDArray[np.int32], known: _Known) -> NDArray[np.float64]:
        """How often titles say a facet's values, by a few of its products, shape (facets,)."""
        kept = facet[self.code] < self.numbers
        owner, of = np.concatenate([self.owner[kept], known[0]]), np.concatenate([facet[self.code[kept]], known[1]])
        order, ends = np.argsort(of, kind="stable"), _ends(np.bincount(of, minlength=len(self.names)))
        text = (self.code[kept], known[2])
        titles, folded, out = c.text("title"), dict[int, str](), np.zeros(len(self.names))
        for f in range(len(self.names)):
            held = order[ends[f] : ends[f + 1]]
            few = held[:: max(len(held) // _TITLES, 1)][:_TITLES]
            said = 0
            for entry, row in zip(few.tolist(), owner[few].tolist()):
                number = entry - len(text[0])
                value = self.values[text[0][entry]] if number < 0 else f"{text[1][number]:.10g}"
                if row not in folded:
                    folded[row] = fold(str(titles[row]))
                said += len(value) > 1 and fold(value) in folded[row]
            out[f] = said / (len(few) + 4)
        return out


def _divides(values: Sequence[str], holders: int) -> bool:
    """True where an attribute's values divide products: not near-unique, no sentences, no addresses or article numbers."""
    if len(values) >= max(_UNIQUE * holders, 5) and (len(values) > _FEW or len(values) == holders):
        return False
    few = values[:: max(len(values) // 200, 1)]
    return sum(map(len, few)) / len(few) <= _LONG and sum(bool(_NAMELIKE.search(v)) for v in few) <= len(few) / 2


def _levels(c: Catalogue) -> tuple[list[tuple[str, ...]], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every category and those above it, the one above each (-1 = none), and entries (row, category)."""
    of_row, paths = c.paths
    codes: dict[tuple[str, ...], int] = {}
    held = [[codes.setdefault(p[: n + 1], len(codes)) for n in range(len(p))] for p in paths]
    parents = np.array([codes[p[:-1]] if len(p) > 1 else -1 for p in codes], dtype=np.int64)
    offsets = _ends(np.array([len(h) for h in held], dtype=np.int64))
    entries, counts = entries_of(offsets, of_row.astype(np.int64))
    flat = np.array([x for h in held for x in h], dtype=np.int64)
    return list(codes), parents, np.repeat(np.arange(len(c)), counts), flat[entries]


_Known = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]


def _numbers(c: Catalogue, made: _Coded) -> _Known:
    """Entries (row, facet, value) of every number that is known."""
    row, name, value = _numbers_of(c, made.names[made.numbers :], made.numbers)
    return row, name.astype(np.int32), value


def _numbers_of(
    c: Catalogue, names: Sequence[str], first: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    place = {name: at for at, name in enumerate(names)}
    m = c.measures
    rows = [np.flatnonzero(~np.isnan(c.value(n))) for n in _NUMBERS]
    facet = np.array([place.get(n, -1) for n in m.names], dtype=np.int64)[m.name] if len(m.name) else np.zeros(0, dtype=np.int64)
    free = (facet >= len(_NUMBERS)) & ~np.isnan(m.value)
    row = np.concatenate([*rows, np.repeat(np.arange(len(c)), np.diff(m.offsets))[free]])
    value = np.concatenate([*(c.value(n)[r] for n, r in zip(_NUMBERS, rows)), m.value[free]])
    return row, first + np.concatenate([*(np.full(len(r), place[n]) for n, r in zip(_NUMBERS, rows)), facet[free]]), value


def _sorted(
    position: NDArray[np.int64], code: NDArray[np.int64], unusable: NDArray[np.bool_], products: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Entries as compressed rows by position: usable codes first, each part rising."""
    codes = max(len(unusable), 1)
    flat = np.sort((position * 2 + unusable[code]) * codes + code) if len(code) else np.zeros(0, dtype=np.int64)
    rows = flat // codes
    both = np.bincount(rows, minlength=2 * products).reshape(products, 2)
    offsets = _ends(both.sum(axis=1))
    return offsets, offsets[:-1] + both[:, 0], (flat % codes).astype(np.int32)


def _step(values: NDArray[np.float64]) -> float:
    for digits in range(5):
        if len(values) and np.mean(np.abs(values * 10.0**digits - np.round(values * 10.0**digits)) < 1e-6) >= _NEARLY_ALL:
            return 10.0**-digits
    return 0.0


def _ends(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
