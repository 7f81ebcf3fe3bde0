"""Words of the catalogue by field, as columns: what the ranking features count in; one analysis for products and queries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from unicodedata import combining, normalize

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.holders import Holders

__all__ = ["FIELDS", "Terms", "analyse", "fold", "stem"]

FIELDS = ("title", "names", "brand", "category", "description", "attributes")
"""Fields of a product that features tell apart, in the order of every array's field axis."""

_TOKEN = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
_JOINED = re.compile(r"[^\W_]+(?:[-/.][^\W_]+)+")
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")
_MOST = 512  # terms of one field that are kept
_ASKED = 64  # queries whose words are kept as numbers: the steps of one run ask again


def fold(text: str) -> str:
    """Lower case, compatible forms made one (NFKC), accents off.

    Example:
        >>> fold("Café ２４″ Ｗi-Fi")
        'cafe 24" wi-fi'
    """
    if text.isascii():
        return text.lower()
    wide = normalize("NFKD", normalize("NFKC", text).replace("′′", '"').casefold())
    return normalize("NFC", "".join(c for c in wide if not combining(c)))


def stem(word: str) -> str:
    """One form for singular and plural of an English word; words with digits stay.

    Source:
        Harman (1991), "How effective is suffixing?", JASIS 42(1), the S stemmer, with -ches/-shes/-xes/-sses.

    Example:
        >>> [stem(w) for w in ("batteries", "watches", "laptops", "glass", "bus", "ps4s")]
        ['battery', 'watch', 'laptop', 'glass', 'bus', 'ps4s']
    """
    if len(word) <= 3 or not word.endswith("s") or not word.isalpha():
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    return word if word.endswith(("ss", "us", "is")) else word[:-1]


def analyse(text: str) -> list[str]:
    """The terms of a text in order; a joined word gives its parts, and its whole behind them (`wi-fi`: wi, fi, wifi).

    Example:
        >>> analyse("HP's dv7-1211ea Notebooks 15.6")
        ['hp', 'dv7', '1211ea', 'notebook', '15.6', 'dv71211ea']
    """
    folded = fold(text)
    if "'" in folded or "’" in folded:
        folded = _POSSESSIVE.sub("", folded)
    terms = [stem(t) for t in _TOKEN.findall(folded)]
    if "-" in folded or "/" in folded:
        wholes = (re.sub(r"[-/.]", "", j) for j in _JOINED.findall(folded) if "-" in j or "/" in j)
        terms += [stem(w) for w in wholes if len(w) <= 30]
    return terms


@dataclass(frozen=True)
class Terms:
    """A forward index: the terms of each product's fields, in order.

    Args:
        vocabulary: Term -> its number.
        offsets: Shape (products x fields + 1,), int64; field `f` of row `i` holds `terms[offsets[i*F+f]:offsets[i*F+f+1]]`.
        terms: Shape (entries,), int32.
        frequency: Products that hold each term in any field, shape (vocabulary,), int32.
        mean_length: Mean terms of each field, shape (fields,), float64, at least 1.
    """

    vocabulary: dict[str, int]
    offsets: NDArray[np.int64]
    terms: NDArray[np.int32]
    frequency: NDArray[np.int32]
    mean_length: NDArray[np.float64]
    _holders: list[Holders] = field(default_factory=list, repr=False, compare=False)
    _asked: dict[tuple[str, ...], tuple[NDArray[np.int32], NDArray[np.float64]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def holders(self) -> Holders:
        """The same by term; made when first asked for, 5 bytes a term of a product."""
        if not self._holders:
            self._holders.append(Holders.of(self.offsets, self.terms, len(self.vocabulary), len(FIELDS)))
        return self._holders[0]

    def asked(self, words: tuple[str, ...]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Numbers and idf of a query's words; those of the latest few queries are kept."""
        held = self._asked.get(words)
        if held is None:
            numbers = self.numbers(words)
            held = numbers, self.idf(numbers)
            if len(self._asked) >= _ASKED:
                self._asked.clear()
            self._asked[words] = held
        return held

    def held_as(self, before: Terms, kept: NDArray[np.int64], fresh: int) -> Terms:
        """The same terms, with what `before` had made by term: its rows `kept` moved up, and `fresh` rows came behind them."""
        self._holders[:] = [m for h in before._holders if (m := h.moved(kept, fresh)) is not None]
        return self

    @property
    def products(self) -> int:
        """Products indexed."""
        return (len(self.offsets) - 1) // len(FIELDS)

    @classmethod
    def of(cls, catalogue: Catalogue) -> Terms:
        """Index a catalogue; about 10,000 products of 150 terms a second."""
        vocabulary: dict[str, int] = {}
        columns = [_numbered(column, vocabulary) for column in _columns(catalogue)]
        counts = np.stack([c for c, _ in columns], axis=1).reshape(-1)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        terms = np.empty(offsets[-1], dtype=np.int32)
        for f, (count, values) in enumerate(columns):
            starts = offsets[f :: len(FIELDS)][: len(catalogue)]
            terms[_ranges(starts, count)] = values
        owner = np.repeat(np.arange(len(counts)) // len(FIELDS), counts)
        distinct = np.unique(owner * max(len(vocabulary), 1) + terms)
        frequency = np.bincount(distinct % max(len(vocabulary), 1), minlength=len(vocabulary)).astype(np.int32)
        mean = counts.reshape(-1, len(FIELDS)).sum(axis=0) / max(len(catalogue), 1)
        return cls(vocabulary, offsets, terms, frequency, np.maximum(mean, 1.0))

    def numbers(self, words: Sequence[str]) -> NDArray[np.int32]:
        """Numbers of `words`, shape (words,); -1 for a word that no product holds."""
        return np.array([self.vocabulary.get(w, -1) for w in words], dtype=np.int32)

    def idf(self, numbers: NDArray[np.int32]) -> NDArray[np.float64]:
        """How telling each term is, shape of `numbers`: log(1 + (N - n + 1/2) / (n + 1/2)); an unknown word is the most telling."""
        n = np.where(numbers < 0, 0, self.frequency[numbers]) if len(self.frequency) else np.zeros(len(numbers))
        return np.log1p((self.products - n + 0.5) / (n + 0.5))


def _columns(catalogue: Catalogue) -> Iterable[Iterable[str]]:
    labels = catalogue.labels
    spoken = [" ".join((n.replace("_", " "), t)) if t == "yes" else t if t != "no" else "" for n, t in _pairs(catalogue)]
    for name in FIELDS[:-1]:
        yield catalogue.text(name)
    yield (" \n ".join(spoken[p] for p in labels.pair[a:b]) for a, b in zip(labels.offsets[:-1], labels.offsets[1:]))


def _pairs(catalogue: Catalogue) -> Iterable[tuple[str, str]]:
    labels = catalogue.labels
    return ((labels.names[n], str(t)) for n, t in zip(labels.pair_name, labels.pair_text))


def _numbered(texts: Iterable[str], vocabulary: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    counts: list[int] = []
    numbers: list[int] = []
    for text in texts:
        found = [vocabulary.setdefault(t, len(vocabulary)) for t in analyse(text)[:_MOST]] if text else []
        counts.append(len(found))
        numbers += found
    return np.array(counts, dtype=np.int64), np.array(numbers, dtype=np.int32)


def _ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
