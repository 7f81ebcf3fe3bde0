"""Every phrase that the catalogue knows a meaning of: brands, kinds of things, values of attributes, by the words of a query."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from rialto.find.catalogue import Catalogue
from rialto.find.query.nouns import Nouns
from rialto.find.query.roles import KINDS, key, keys, name_words, role_names, roles
from rialto.find.records import join_path

__all__ = ["Entry", "Gazetteer", "Match", "parts_of_value"]

Phrase = tuple[str, ...]

_LONGEST = 4  # words of a phrase
_MOST = 400_000  # phrases
_CUT = re.compile(r"\s*[,;|/]\s*|\\n|\n")
_LEVEL = re.compile(r"\s*(?:&|,|/|\band\b|\bund\b|\bet\b)\s*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One meaning of a phrase: its kind (a place in `KINDS`), what the catalogue calls it, the products that have it, and its attribute."""

    kind: int
    value: str
    count: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """Words `start` up to, not with, `stop` are a known phrase."""

    start: int
    stop: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Gazetteer:
    """Phrase -> its meanings, the commonest of each kind, the commonest first."""

    entries: Mapping[Phrase, tuple[Entry, ...]]
    products: int = 1
    _cache: dict[str, int] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, catalogue: Catalogue, nouns: Nouns, type_of_noun: Mapping[str, str]) -> Gazetteer:
        """Collect a catalogue's phrases.

        Args:
            type_of_noun: Noun phrase as titles write it -> product type.

        Cost:
            Linear in the distinct values.
        """
        found: dict[tuple[Phrase, int], Counter[tuple[str, str]]] = {}
        for text, kind, value, name, count in (*_brands(catalogue), *_types(catalogue, nouns, type_of_noun), *_values(catalogue)):
            words = keys(text)
            if 0 < len(words) <= _LONGEST and len(found) < _MOST:
                found.setdefault((words, KINDS.index(kind)), Counter())[(value, name)] += int(count)
        grouped: dict[Phrase, list[Entry]] = {}
        for (words, kind), values in found.items():
            (value, name), _ = min(values.items(), key=lambda v: (-v[1], v[0]))
            grouped.setdefault(words, []).append(Entry(kind, value, float(values.total()), name))
        return cls({w: _ordered(e) for w, e in grouped.items()}, len(catalogue))

    def with_learned(self, learned: Iterable[tuple[str, Entry]]) -> Gazetteer:
        """With meanings that clicks taught; they go before what the catalogue says of the same kind."""
        entries = dict(self.entries)
        for text, entry in learned:
            words = keys(text)
            if 0 < len(words) <= _LONGEST:
                entries[words] = _ordered([entry, *(e for e in entries.get(words, ()) if e.kind != entry.kind)])
        return Gazetteer(entries, self.products)

    @cached_property
    def starts(self) -> Mapping[str, int]:
        """First word -> words of the longest phrase that starts with it."""
        out: dict[str, int] = {}
        for phrase in self.entries:
            out[phrase[0]] = max(out.get(phrase[0], 0), len(phrase))
        return out

    def matches(self, words: Sequence[str]) -> list[Match]:
        """All known phrases among a query's words; O(words)."""
        bare = [key(w) for w in words]
        out: list[Match] = []
        for i, first in enumerate(bare):
            for n in range(1, min(self.starts.get(first, 0), len(bare) - i) + 1):
                found = self.entries.get(tuple(bare[i : i + n]))
                if found:
                    out.append(Match(i, i + n, found))
        return out

    def value(self, words: Sequence[str], kind: str) -> str:
        """What the catalogue calls these words as a `kind`; the words themselves where it has no name for them."""
        number = KINDS.index(kind)
        for entry in self.entries.get(tuple(key(w) for w in words), ()):
            if entry.kind == number:
                return entry.value
        return " ".join(words)


def parts_of_value(text: str) -> list[str]:
    """The single values that a cell lists.

    Example:
        >>> parts_of_value("Aluminium,Steel")
        ['Aluminium', 'Steel']
    """
    return [p for p in _CUT.split(text) if p]


def _ordered(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda e: (-e.count, e.kind, e.value)))


_Named = tuple[str, str, str, str, float]
"""Text, kind, value, attribute, products."""


def _brands(catalogue: Catalogue) -> Iterator[_Named]:
    for brand, count in Counter(map(str, catalogue.text("brand").tolist())).items():
        if brand:
            yield brand, "brand", brand, "brand", float(count)


def _types(catalogue: Catalogue, nouns: Nouns, type_of_noun: Mapping[str, str]) -> Iterator[_Named]:
    codes, paths = catalogue.paths
    counts = np.bincount(codes[codes >= 0], minlength=len(paths)) if len(catalogue) else np.zeros(0)
    for path, count in zip(paths, counts.tolist()):
        for depth in range(1, len(path) + 1):
            for text in {path[depth - 1], *_LEVEL.split(path[depth - 1])}:
                yield text, "type", join_path(path[:depth]), "category", float(count)
    for phrase, (_, count) in nouns.of_class.items():
        spelled = nouns.spelled[phrase]
        yield spelled, "type", type_of_noun.get(spelled, spelled), "category", float(count)


def _values(catalogue: Catalogue) -> Iterator[_Named]:
    labels, role = catalogue.labels, roles(catalogue)
    counts = np.bincount(labels.pair, minlength=len(labels.pair_name)).tolist()
    plain, models = role_names("joining"), _many_models(catalogue)
    for name, text, count in zip(labels.pair_name.tolist(), labels.pair_text.tolist(), counts):
        attribute, kind = labels.names[name], role[name]
        if text in ("yes", "no"):
            if text == "yes":
                yield " ".join(name_words(attribute)), "attribute", attribute.replace("_", " "), attribute, float(count)
            continue
        kind = "model" if kind == "model" else "type" if kind == "type" else kind
        if kind == "model" and not models:
            continue
        for part in parts_of_value(text) if len(text) <= 200 else ():
            words = keys(part)
            if words and not (kind == "attribute" and all(w in plain or not any(c.isalpha() for c in w) for w in words)):
                yield part, kind, part, attribute, float(count)


def _many_models(catalogue: Catalogue) -> bool:
    """Model numbers are kept as phrases up to a size; above it their shape tells them."""
    return len(catalogue) <= _MOST // 2
