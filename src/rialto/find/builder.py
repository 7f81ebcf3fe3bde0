"""Rows to columns: numbers given once for good, attributes typed by all of their values, the last of two rows with one id wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rialto.find.catalogue import NUMBERS, TEXTS, Catalogue, Labels, Measures
from rialto.find.quantities import dimension, named_in
from rialto.find.values import as_boolean, as_number

__all__ = ["Builder"]

Row = tuple[dict[str, str], dict[str, float], list[tuple[str, str, Any]]]


class Builder:
    """Collects checked rows and makes the Catalogue; products of `before` that do not come again leave, and keep their numbers."""

    def __init__(self, before: Catalogue | None = None) -> None:
        self._before = before
        self._rows: dict[str, Row] = {}
        self.repeated: list[str] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, id: str, texts: dict[str, str], values: dict[str, float], attributes: list[tuple[str, str, Any]]) -> None:
        """Add a product; attributes are (name, kind, value) with kind `t`, `n`, `b`, `?` for text not yet typed, or `q` for a number and its unit."""
        if id in self._rows:
            self.repeated.append(id)
            del self._rows[id]
        self._rows[id] = (texts, values, attributes)

    def row(self, id: str) -> Row | None:
        """The row of a product as it was added; None where none was."""
        return self._rows.get(id)

    def put_back(self, id: str, row: Row | None) -> None:
        """Undo an `add`: the row that the product had before, or none."""
        del self._rows[id]
        if row is not None:
            self._rows[id] = row
            self.repeated.remove(id)

    def finish(self) -> Catalogue:
        """The catalogue, in the order of the rows."""
        numbers, retired = self._numbered()
        rows = list(self._rows.values())
        texts = {k: _objects(r[0][k] for r in rows) for k in TEXTS}
        values = {k: np.array([r[1].get(k, np.nan) for r in rows], dtype=np.float64) for k in NUMBERS}
        kinds, units = self._kinds(), self._units()
        typed = [[x for a in r[2] for x in ((_measured(a, units),) if a[1] == "q" else _typed(a, kinds))] for r in rows]
        return Catalogue(_objects(self._rows), numbers, texts, values, _labels(typed), _measures(typed), retired)

    def _numbered(self) -> tuple[np.ndarray[Any, np.dtype[np.int64]], dict[str, int]]:
        old = self._before
        held: dict[str, int] = dict(old.retired) | dict(zip(old.ids.tolist(), old.numbers.tolist())) if old is not None else {}
        start = old.next_number if old is not None else 0
        fresh = (i for i in self._rows if i not in held)
        held |= {i: start + n for n, i in enumerate(list(fresh))}
        numbers = np.array([held[i] for i in self._rows], dtype=np.int64)
        return numbers, {i: n for i, n in held.items() if i not in self._rows}

    def _kinds(self) -> dict[str, str]:
        """Kind of each attribute whose rows left it open: numbers or yes/no where all its values are, else text."""
        seen: dict[str, set[str]] = {}
        for _, _, attributes in self._rows.values():
            for name, kind, value in attributes:
                if kind == "?":
                    seen.setdefault(name, set()).update(_parts(value))
        return {name: _kind(values) for name, values in seen.items()}

    def _units(self) -> dict[tuple[str, str], str]:
        """The commonest unit of each attribute that is written with units of one dimension: all its numbers are told in it."""
        seen: dict[tuple[str, str], Counter[str]] = {}
        for _, _, attributes in self._rows.values():
            for name, kind, value in attributes:
                if kind == "q":
                    seen.setdefault((name, dimension(value[1])[0]), Counter())[value[1]] += 1
        return {key: counts.most_common(1)[0][0] for key, counts in seen.items()}


def _measured(attribute: tuple[str, str, Any], units: Mapping[tuple[str, str], str]) -> tuple[str, float]:
    """A number with its unit as the number it is in the attribute's commonest unit, under a name that ends in it."""
    name, (number, unit) = attribute[0], attribute[2]
    base, factor = dimension(unit)
    usual = units[name, base]
    return named_in(name, usual), number if unit == usual else float(f"{number * factor / dimension(usual)[1]:.12g}")


def _kind(values: set[str]) -> str:
    for kind, read in (("b", as_boolean), ("n", as_number)):
        try:
            for v in values:
                read(v)
        except ValueError:
            continue
        return kind
    return "t"


def _parts(text: str) -> list[str]:
    """The values of a text that divides them by "|"; itself where it is only blanks and bars."""
    if "|" not in text:
        return [text]
    return [p for p in (x.strip() for x in text.split("|")) if p] or [text]


def _typed(attribute: tuple[str, str, Any], kinds: Mapping[str, str]) -> Iterable[tuple[str, str | float]]:
    """One attribute as (name, text) or (name, number) entries; yes/no becomes the text yes or no."""
    name, kind = attribute[:2]
    value: Any = attribute[2]
    if kind == "?":
        kind, texts = kinds[name], _parts(value)
        if kind == "n":
            return tuple((name, as_number(t)) for t in texts)
        value = as_boolean(texts[0]) if kind == "b" else tuple(filter(None, (t.strip(" |") for t in texts)))
    if kind == "b":
        return ((name, "yes" if value else "no"),)
    return ((name, float(value)),) if kind == "n" else tuple((name, text) for text in dict.fromkeys(value))


def _labels(typed: list[list[tuple[str, str | float]]]) -> Labels:
    names: dict[str, int] = {}
    pairs: dict[tuple[int, str], int] = {}
    entry: list[int] = []
    offsets = np.zeros(len(typed) + 1, dtype=np.int64)
    for row, attributes in enumerate(typed):
        for name, value in attributes:
            if isinstance(value, str) and value:
                entry.append(pairs.setdefault((names.setdefault(name, len(names)), value), len(pairs)))
        offsets[row + 1] = len(entry)
    name_of = np.array([n for n, _ in pairs], dtype=np.int32)
    return Labels(offsets, np.array(entry, dtype=np.int32), name_of, _objects(v for _, v in pairs), tuple(names))


def _measures(typed: list[list[tuple[str, str | float]]]) -> Measures:
    names: dict[str, int] = {}
    name_of: list[int] = []
    values: list[float] = []
    offsets = np.zeros(len(typed) + 1, dtype=np.int64)
    for row, attributes in enumerate(typed):
        for name, value in attributes:
            if isinstance(value, float):
                name_of.append(names.setdefault(name, len(names)))
                values.append(value)
        offsets[row + 1] = len(values)
    return Measures(offsets, np.array(name_of, dtype=np.int32), np.array(values, dtype=np.float64), tuple(names))


def _objects(values: Iterable[str]) -> np.ndarray[Any, np.dtype[Any]]:
    items = list(values)
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out
