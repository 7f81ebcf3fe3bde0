"""Which products a text finds, the most popular first: what stands behind product hits, category scopes and what a phrase can answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.terms import fold, stem

__all__ = ["Stock"]

_WORD = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
_LOOKS = 4000  # products looked at for one text


@dataclass(frozen=True)
class Stock:
    """Products by their words; within a word, the most popular first, so that the first few found are the best.

    Args:
        words: Stem -> its number.
        offsets: Shape (words + 1,), int64; word w is in `place[offsets[w]:offsets[w+1]]`.
        place: Places in `row`, rising within a word, shape (entries,), int32.
        row: Catalogue rows, the most popular first, shape (products,), int64.
        offered: Whether each place may be shown, shape (products,), bool.
        popularity: Of each row, shape (products,), float64, 0 or more.
        path: Category of each row as a number, shape (products,), int32; -1 = none.
        paths: The categories.
    """

    words: dict[str, int]
    offsets: NDArray[np.int64]
    place: NDArray[np.int32]
    row: NDArray[np.int64]
    offered: NDArray[np.bool_]
    popularity: NDArray[np.float64]
    path: NDArray[np.int32]
    paths: tuple[str, ...]

    @classmethod
    def of(cls, catalogue: Catalogue, kept: NDArray[np.bool_]) -> Stock:
        """Index titles, brands, categories and attribute values.

        Args:
            catalogue: The products.
            kept: Which of them may be shown, shape (products,).

        Cost:
            About 25 µs and 150 bytes a product.
        """
        popularity = np.nan_to_num(np.maximum(catalogue.value("rating_count"), 0.0), nan=0.0, posinf=0.0)
        row = np.lexsort((np.arange(len(catalogue)), -popularity))
        place_of = np.empty(len(catalogue), dtype=np.int64)
        place_of[row] = np.arange(len(catalogue))
        words: dict[str, int] = {}
        seen: dict[str, int] = {}
        parts = [_column(catalogue.text(n).tolist(), words, seen) for n in ("title", "brand", "category")]
        parts.append(_values(catalogue, words, seen))
        owner, word = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
        keys = np.unique(word * max(len(catalogue), 1) + place_of[owner])
        word, place = np.divmod(keys, max(len(catalogue), 1))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(word, minlength=len(words)))]).astype(np.int64)
        codes: dict[str, int] = {}
        path = np.array(
            [codes.setdefault(p, len(codes)) if p else -1 for p in catalogue.text("category").tolist()], dtype=np.int32
        )
        return cls(words, offsets, place.astype(np.int32), row, kept[row], popularity, path, tuple(codes))

    def numbers(self, text: str) -> NDArray[np.int64]:
        """The words of a text, shape (words,), without those that no product holds; empty where it has none."""
        found = {self.words.get(stem(w), -1) for w in _WORD.findall(fold(text))} - {-1}
        return np.array(sorted(found, key=lambda w: (self.offsets[w + 1] - self.offsets[w], w)), dtype=np.int64)

    def known(self, text: str) -> tuple[int, int]:
        """Words of a text that a product holds, and words in all."""
        asked = [stem(w) for w in _WORD.findall(fold(text))]
        return sum(w in self.words for w in asked), len(asked)

    def best(self, text: str, most: int) -> NDArray[np.int64]:
        """Rows of the most popular products that hold every known word of a text, shape (found,); none where half the words are unknown.

        Cost:
            Looks at 4,000 products of the rarest word at most, by bisection in the others: what is further down is not found.
        """
        known, asked = self.known(text)
        if known == 0 or 2 * known < asked or most < 1:
            return np.zeros(0, dtype=np.int64)
        return self.row[_all(self.numbers(text), self.offsets, self.place, self.offered, most, _LOOKS)]


@nb.njit(cache=True, nogil=True)
def _all(
    words: NDArray[np.int64],
    offsets: NDArray[np.int64],
    place: NDArray[np.int32],
    offered: NDArray[np.bool_],
    most: int,
    looks: int,
) -> NDArray[np.int64]:
    out, found = np.empty(most, dtype=np.int64), 0
    first = words[0]
    lows = offsets[words].copy()
    for at in range(offsets[first], min(offsets[first + 1], offsets[first] + looks)):
        p, met = place[at], offered[place[at]]
        for w in range(1, len(words)):
            if not met:
                break
            lo, hi = lows[w], offsets[words[w] + 1]
            while lo < hi:
                mid = (lo + hi) // 2
                if place[mid] < p:
                    lo = mid + 1
                else:
                    hi = mid
            lows[w] = lo
            met = lo < offsets[words[w] + 1] and place[lo] == p
        if met:
            out[found] = p
            found += 1
            if found == most:
                break
    return out[:found].copy()


def _column(texts: list[str], words: dict[str, int], seen: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Owner and word of every word of a column; equal texts are read once."""
    read: dict[str, list[int]] = {}
    rows = [read[t] if t in read else read.setdefault(t, _numbered(t, words, seen)) for t in texts]
    owner = np.repeat(np.arange(len(texts)), np.fromiter(map(len, rows), dtype=np.int64, count=len(rows)))
    return owner, np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=len(owner))


def _numbered(text: str, words: dict[str, int], seen: dict[str, int]) -> list[int]:
    out: list[int] = []
    for word in _WORD.findall(fold(text))[:64]:
        number = seen.get(word)
        if number is None:
            number = seen[word] = words.setdefault(stem(word), len(words))
        out.append(number)
    return out


def _values(catalogue: Catalogue, words: dict[str, int], seen: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Owner and word of the words of attribute values, and of the names of those that are yes."""
    labels = catalogue.labels
    says = [
        labels.names[n] if t == "yes" else "" if t == "no" else str(t)
        for n, t in zip(labels.pair_name.tolist(), labels.pair_text)
    ]
    of_pair = [_numbered(s.replace("_", " "), words, seen)[:8] for s in says]
    sizes = np.array([len(w) for w in of_pair], dtype=np.int64)
    flat = np.array([w for ws in of_pair for w in ws], dtype=np.int64)
    if not len(flat):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    starts, counts = (np.cumsum(sizes) - sizes)[labels.pair], sizes[labels.pair]
    owner = np.repeat(np.repeat(np.arange(len(catalogue)), np.diff(labels.offsets)), counts)
    ends = np.cumsum(counts)
    at = np.arange(len(owner)) - np.repeat(ends - counts, counts) + np.repeat(starts, counts)
    return owner, flat[at]
