"""Which documents hold a term, in columns: BM25F of what a query matches, without looking at what it does not match."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.local.walk import walk

__all__ = ["Postings", "inverted", "inverted_plain"]

_WINDOW = 32_768  # documents whose sums are kept at a time: 256 kB
_KINDS_LEAST = 1 << 12  # room for kinds of entries to begin with; a power of two


class Postings:
    """A forward index turned over, as it was at one moment; documents that changed since then are passed over.

    Entries of one kind (field, times, length of the field) add the same to a document's weighted frequency, and there are a few
    thousand kinds: an entry is a document and the number of its kind.

    Args:
        keys, counts, start, size: The forward index: entry (term * fields + field) and times, rising within a document.
        lengths: Terms in each field, shape (documents, fields).
        terms: Terms of the vocabulary.

    Memory: 6 bytes for each distinct (document, field, term), 8 where there are more than 65,536 kinds.

    Cost: two passes over the entries, about 30 ms for 20,000 products of a hundred words.
    """

    def __init__(
        self, keys: NDArray[np.int32], counts: NDArray[np.uint16], start: NDArray[np.int64], size: NDArray[np.int32],
        lengths: NDArray[np.int32], terms: int,
    ) -> None:  # fmt: skip
        self._first, self._slots, self._code, self._kinds = inverted(keys, counts, start, size, lengths, terms)
        self._stale = np.zeros(len(start), np.bool_)
        self._slope, self._gain = b"", np.zeros(0)
        window = min(_WINDOW, max(1, len(start)))
        self._total, self._found = np.zeros(window), np.empty(window + 1, np.int32)
        self.stale = 0

    def pass_over(self, slots: NDArray[np.int64]) -> None:
        """Take no notice of what these documents held; they are counted in `stale`."""
        self.stale += len(slots)
        self._stale[slots[slots < len(self._stale)]] = True

    def entries(self, terms: NDArray[np.int32]) -> int:
        """Entries that a search for `terms` reads."""
        there = terms[terms < len(self._first) - 1]
        return int((self._first[there + 1] - self._first[there]).sum())

    def score(
        self, terms: NDArray[np.int32], idf: NDArray[np.float64], weight: NDArray[np.float64], b: NDArray[np.float64],
        slope: NDArray[np.float64], k1: float, limit: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
        """Slots that hold any of `terms`, in no order, and their BM25F; not to be called from two threads at once.

        Those that are not among the best `limit` may be left out, never one that ties with the last of these.
        """
        here = terms < len(self._first) - 1
        return walk(self._first, self._slots, self._code, self._gains(weight, b, slope), self._stale, terms[here],
                    idf[here] * (k1 + 1.0), k1, limit, self._total, self._found)  # fmt: skip

    def _gains(self, weight: NDArray[np.float64], b: NDArray[np.float64], slope: NDArray[np.float64]) -> NDArray[np.float64]:
        """What an entry of each kind adds to a weighted frequency, shape (kinds,)."""
        if slope.tobytes() != self._slope:
            field, times, length = self._kinds.T
            self._gain = weight[field] * times / (1.0 - b[field] + slope[field] * length)
            self._slope = slope.tobytes()
        return self._gain


def inverted(
    keys: NDArray[np.int32], counts: NDArray[np.uint16], start: NDArray[np.int64], size: NDArray[np.int32],
    lengths: NDArray[np.int32], terms: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any], NDArray[np.int64]]:  # fmt: skip
    """Turn documents with their terms into terms with their documents, by counting.

    Args:
        keys, counts: Entries: term * fields + field, rising within a document, and how often it stands there.
        start, size: Document s has the entries `start[s]:start[s]+size[s]`.
        lengths: Terms in each field, shape (documents, fields).
        terms: Terms of the vocabulary.

    Returns:
        first, shape (terms + 1,): term t stands in the entries `first[t]:first[t+1]`; of each entry document and code, documents
        rising, fields rising within one; and the kinds that codes are rows of, shape (kinds, 3): field, times, the field's length.
    """
    first, table, kinds = _counted(keys, counts, start, size, lengths, terms, _KINDS_LEAST)
    code = np.empty(first[terms], np.uint16 if len(kinds) <= 65_536 else np.uint32)
    slots = np.empty(first[terms], np.int32)
    _filled(keys, counts, start, size, lengths, first[:-1].copy(), table, kinds, slots, code)
    return first, slots, code, np.stack([kinds >> 48, (kinds >> 32) & 0xFFFF, kinds & 0xFFFFFFFF], axis=1)


@njit(cache=True, nogil=True)
def _counted(
    keys: NDArray[np.int32], counts: NDArray[np.uint16], start: NDArray[np.int64], size: NDArray[np.int32],
    lengths: NDArray[np.int32], terms: int, room: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:  # fmt: skip
    """`first` of `inverted`; the kinds in the order of meeting, each packed into one number; and a hash table of their codes."""
    fields, known = lengths.shape[1], 0
    first = np.zeros(terms + 1, np.int64)
    table, kinds = np.full(room, -1, np.int32), np.empty(room, np.int64)
    for s in range(len(start)):
        for at in range(start[s], start[s] + size[s]):
            term = keys[at] // fields
            first[term + 1] += 1
            f = keys[at] - term * fields
            kind = (np.int64(f) << 48) | (np.int64(counts[at]) << 32) | np.int64(lengths[s, f])
            place = _place(kind, table, kinds)
            if table[place] >= 0:
                continue
            table[place], kinds[known] = known, kind
            known += 1
            if 2 * known > len(table):
                table, more = np.full(2 * len(table), -1, np.int32), np.empty(2 * len(table), np.int64)
                more[:known] = kinds[:known]
                kinds = more
                for k in range(known):
                    table[_place(kinds[k], table, kinds)] = k
    for t in range(terms):
        first[t + 1] += first[t]
    return first, table, kinds[:known].copy()


@njit(cache=True, nogil=True)
def _place(kind: Any, table: NDArray[np.int32], kinds: NDArray[np.int64]) -> Any:
    """Where a kind stands in the table, or the free place that it may take."""
    hashed = np.uint64(kind) * np.uint64(0x9E3779B97F4A7C15)
    mask = len(table) - 1
    place = np.int64(hashed >> np.uint64(40)) & mask
    while table[place] >= 0 and kinds[table[place]] != kind:
        place = (place + 1) & mask
    return place


@njit(cache=True, nogil=True)
def _filled(
    keys: NDArray[np.int32], counts: NDArray[np.uint16], start: NDArray[np.int64], size: NDArray[np.int32],
    lengths: NDArray[np.int32], free: NDArray[np.int64], table: NDArray[np.int32], kinds: NDArray[np.int64],
    slots: NDArray[np.int32], code: NDArray[Any],
) -> None:  # fmt: skip
    fields = lengths.shape[1]
    for s in range(len(start)):
        for at in range(start[s], start[s] + size[s]):
            term = keys[at] // fields
            f = keys[at] - term * fields
            kind = (np.int64(f) << 48) | (np.int64(counts[at]) << 32) | np.int64(lengths[s, f])
            to = free[term]
            slots[to], code[to] = s, table[_place(kind, table, kinds)]
            free[term] = to + 1


def inverted_plain(
    keys: NDArray[np.int32], counts: NDArray[np.uint16], start: NDArray[np.int64], size: NDArray[np.int32],
    lengths: NDArray[np.int32], terms: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any], NDArray[np.int64]]:  # fmt: skip
    """`inverted` in plain numpy, for its test."""
    fields, owner = lengths.shape[1], np.repeat(np.arange(len(start)), size)
    ends = np.cumsum(size, dtype=np.int64)
    at = np.arange(len(owner)) + np.repeat(start - (ends - size), size)
    entries = np.stack([keys[at] % fields, counts[at], lengths[owner, keys[at] % fields]], axis=1).astype(np.int64)
    kinds, met, code = np.unique(entries, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(kinds), np.int64)
    rank[np.argsort(met)] = np.arange(len(kinds))
    order = np.argsort(keys[at] // fields, kind="stable")
    first = np.searchsorted(keys[at][order] // fields, np.arange(terms + 1)).astype(np.int64)
    small = np.uint16 if len(kinds) <= 65_536 else np.uint32
    return first, owner[order].astype(np.int32), rank[code.reshape(-1)][order].astype(small), kinds[np.argsort(met)]
