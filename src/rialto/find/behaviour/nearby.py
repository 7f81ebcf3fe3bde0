"""Queries like the one asked: shared words, each by how telling it is, among the queries that led to clicks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Nearby"]

_POSTINGS = 500  # queries looked at for one word, the most clicked first
_MOST = 10  # queries that are like one
_LEAST = 0.4  # similarity below which a query is another one


@dataclass(frozen=True)
class Nearby:
    """An inverted index of queries.

    Args:
        postings: Word -> numbers of the queries that hold it, the most clicked first, shape (at most 500,).
        idf: Word -> how telling it is.
        length: Length of each query's vector of idf, shape (queries,).

    Example:
        >>> near = Nearby.of(["lamp red", "lamp", "desk"], np.array([5.0, 3.0, 9.0]))
        >>> [(n, round(s, 2)) for n, s in near.like("blue lamp", but=-1)]
        [(1, 0.43)]
    """

    postings: dict[str, NDArray[np.int64]]
    idf: dict[str, float]
    length: NDArray[np.float64]

    @classmethod
    def of(cls, keys: Sequence[str], clicks: NDArray[np.float64]) -> Nearby:
        """Index the queries that led to clicks; `keys` are their words joined by spaces, each once."""
        held: dict[str, list[int]] = {}
        size = int((clicks > 0).sum())
        order: list[int] = np.argsort(-clicks, kind="stable")[:size].tolist()
        for number in order:
            for word in keys[number].split():
                held.setdefault(word, []).append(number)
        idf = {word: float(np.log1p((size - len(n) + 0.5) / (len(n) + 0.5))) for word, n in held.items()}
        length = np.zeros(len(keys))
        for word, numbers in held.items():
            length[numbers] += idf[word] ** 2
        return cls({w: np.array(n[:_POSTINGS], dtype=np.int64) for w, n in held.items()}, idf, np.sqrt(length))

    def like(self, key: str, *, but: int) -> list[tuple[int, float]]:
        """The queries most like `key`, with their similarity 0..1, best first; `but` is left out. A word nobody used counts most."""
        words = key.split()
        if not any(w in self.postings for w in words):
            return []
        strange = max(self.idf.values())
        own = float(np.sqrt(sum(self.idf.get(w, strange) ** 2 for w in words)))
        shared: dict[int, float] = {}
        for word in words:
            weight = self.idf.get(word, 0.0) ** 2
            for number in self.postings.get(word, np.zeros(0, dtype=np.int64)).tolist():
                shared[number] = shared.get(number, 0.0) + weight
        found = [(n, s / (own * float(self.length[n]))) for n, s in shared.items() if n != but]
        return sorted(((n, s) for n, s in found if s >= _LEAST), key=lambda f: (-f[1], f[0]))[:_MOST]
