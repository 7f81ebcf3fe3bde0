"""Which documents hold a term, in columns: BM25F of everything that a query matches, without looking at what it does not match."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Postings", "best_first", "best_first_plain", "inverted", "inverted_plain", "walk"]


class Postings:
    """A forward index turned over, as it was at one moment; documents that changed since then are passed over.

    Args:
        keys, counts, start, size: The forward index: entry (term * fields + field) and times, rising within a document.
        lengths: Terms in each field, shape (documents, fields).
        terms: Terms of the vocabulary.

    Memory: 12 bytes for each distinct (document, field, term).

    Cost: two passes over the entries, about 30 ms for 20,000 products of a hundred words.
    """

    def __init__(
        self, keys: NDArray[np.int32], counts: NDArray[np.uint16], start: NDArray[np.int64], size: NDArray[np.int32],
        lengths: NDArray[np.int32], terms: int,
    ) -> None:  # fmt: skip
        self._first, self._slots, self._field, self._counts, self._length = inverted(keys, counts, start, size, lengths, terms)
        self._stale = np.zeros(len(start), np.bool_)
        self._total, self._found = np.zeros(len(start)), np.empty(len(start), np.int64)
        self.stale = 0

    def pass_over(self, slots: NDArray[np.int64]) -> None:
        """Take no notice of what these documents held; they are counted in `stale`."""
        held = slots[slots < len(self._stale)]
        self.stale += len(slots)
        self._stale[held] = True

    def entries(self, terms: NDArray[np.int32]) -> int:
        """Entries that a search for `terms` reads."""
        there = terms[terms < len(self._first) - 1]
        return int((self._first[there + 1] - self._first[there]).sum())

    def score(
        self, terms: NDArray[np.int32], idf: NDArray[np.float64], weight: NDArray[np.float64], b: NDArray[np.float64],
        slope: NDArray[np.float64], k1: float,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
        """Slots that hold any of `terms`, in no order, and their BM25F; not to be called from two threads at once."""
        size = walk(self._first, self._slots, self._field, self._counts, self._length, self._stale, terms, idf, weight, b, slope,
                    k1, self._total, self._found)  # fmt: skip
        slots = self._found[:size].copy()
        scores = self._total[slots]
        self._total[slots] = 0.0
        return slots, scores


@njit(cache=True, nogil=True)
def inverted(
    keys: NDArray[np.int32], counts: NDArray[np.uint16], start: NDArray[np.int64], size: NDArray[np.int32],
    lengths: NDArray[np.int32], terms: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.int32]]:  # fmt: skip
    """Turn documents with their terms into terms with their documents, by counting.

    Args:
        keys, counts: Entries: term * fields + field, rising within a document, and how often it stands there.
        start, size: Document s has the entries `start[s]:start[s]+size[s]`.
        lengths: Terms in each field, shape (documents, fields).
        terms: Terms of the vocabulary.

    Returns:
        first, shape (terms + 1,): term t stands in the entries `first[t]:first[t+1]`; and of each entry document, field, times and
        the field's length, documents rising, fields rising within one.
    """
    fields = lengths.shape[1]
    first = np.zeros(terms + 1, np.int64)
    for s in range(len(start)):
        for at in range(start[s], start[s] + size[s]):
            first[keys[at] // fields + 1] += 1
    for t in range(terms):
        first[t + 1] += first[t]
    free = first.copy()
    slots, field = np.empty(first[terms], np.int32), np.empty(first[terms], np.uint16)
    times, length = np.empty(first[terms], np.uint16), np.empty(first[terms], np.int32)
    for s in range(len(start)):
        for at in range(start[s], start[s] + size[s]):
            term = keys[at] // fields
            to = free[term]
            f = keys[at] - term * fields
            slots[to], field[to], times[to], length[to] = s, f, counts[at], lengths[s, f]
            free[term] = to + 1
    return first, slots, field, times, length


def inverted_plain(
    keys: NDArray[np.int32], counts: NDArray[np.uint16], start: NDArray[np.int64], size: NDArray[np.int32],
    lengths: NDArray[np.int32], terms: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint16], NDArray[np.uint16], NDArray[np.int32]]:  # fmt: skip
    """`inverted` in plain numpy, for its test."""
    fields, owner = lengths.shape[1], np.repeat(np.arange(len(start)), size)
    ends = np.cumsum(size, dtype=np.int64)
    at = np.arange(len(owner)) + np.repeat(start - (ends - size), size)
    order = np.argsort(keys[at] // fields, kind="stable")
    first = np.searchsorted(keys[at][order] // fields, np.arange(terms + 1)).astype(np.int64)
    field = (keys[at] % fields)[order].astype(np.uint16)
    return first, owner[order].astype(np.int32), field, counts[at][order], lengths[owner[order], field]


@njit(cache=True, nogil=True)
def walk(
    first: NDArray[np.int64], slots: NDArray[np.int32], field: NDArray[np.uint16], counts: NDArray[np.uint16],
    length: NDArray[np.int32], stale: NDArray[np.bool_], terms: NDArray[np.int32], idf: NDArray[np.float64],
    weight: NDArray[np.float64], b: NDArray[np.float64], slope: NDArray[np.float64], k1: float, total: NDArray[np.float64],
    found: NDArray[np.int64],
) -> int:  # fmt: skip
    """Add up BM25F term by term: the same additions in the same order as `rialto.local.bm25f.score`, so the same bits.

    Args:
        first, slots, field, counts, length: As `inverted` answers.
        stale: Documents to pass over, shape (documents,).
        terms, idf: The query's, each once; `slope` = b / average length.
        total: Zeros, shape (documents,); holds the scores afterwards.
        found: Room, shape (documents,); holds the documents that have a score.

    Returns:
        How many were found.

    Cost: one step for each document and field that holds a term.
    """
    size = 0
    for t in range(len(terms)):
        if terms[t] + 1 >= len(first):
            continue
        at, stop = first[terms[t]], first[terms[t] + 1]
        while at < stop:
            slot, frequency = slots[at], 0.0
            while at < stop and slots[at] == slot:
                f = field[at]
                frequency += weight[f] * counts[at] / (1.0 - b[f] + slope[f] * length[at])
                at += 1
            if stale[slot] or frequency == 0.0:
                continue
            if total[slot] == 0.0:
                found[size] = slot
                size += 1
            total[slot] += idf[t] * (k1 + 1.0) * frequency / (k1 + frequency)
    return size


def best_first(ids: NDArray[np.int64], scores: NDArray[np.float64], limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The `limit` best, score falling, then id rising.

    Example:
        >>> [a.tolist() for a in best_first(np.array([4, 3, 9, 1]), np.array([1.0, 1.0, 2.0, 0.5]), 3)]
        [[9, 3, 4], [2.0, 1.0, 1.0]]
    """
    if len(scores) > limit:
        kept = np.flatnonzero(scores >= np.partition(scores, len(scores) - limit)[len(scores) - limit])
        ids, scores = ids[kept], scores[kept]
    order = np.argsort(scores)[::-1]  # quicker than a stable sort by two keys; what ties is put in order afterwards
    ids, scores = ids[order], scores[order]
    _settle(ids, scores)
    return ids[:limit], scores[:limit]


def best_first_plain(
    ids: NDArray[np.int64], scores: NDArray[np.float64], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`best_first` by a sort of everything, for its test."""
    order = np.lexsort((ids, -scores))[:limit]
    return ids[order], scores[order]


@njit(cache=True, nogil=True)
def _settle(ids: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
    """Sort the ids of each run of equal scores, in place: by insertion, over gaps first where a run is long (Shell's sort)."""
    start = 0
    for at in range(1, len(ids) + 1):
        if at < len(ids) and scores[at] == scores[start]:
            continue
        gap = 1
        while 9 * gap < at - start:
            gap = 3 * gap + 1
        while gap > 0:
            for i in range(start + gap, at):
                number, j = ids[i], i
                while j >= start + gap and ids[j - gap] > number:
                    ids[j] = ids[j - gap]
                    j -= gap
                ids[j] = number
            gap //= 3
        start = at
