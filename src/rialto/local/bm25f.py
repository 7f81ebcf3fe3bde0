"""A forward index in columns (which terms a document holds, in which field, how often) and BM25F over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.postings import Postings
from rialto.ports import TextField

__all__ = ["ForwardIndex", "score", "score_numpy"]


_READ_MOST = 2_000_000  # entries of postings that a search reads itself, about ten milliseconds; beyond that an engine is asked
_CHANGED_MOST = 256  # documents that changed since the postings were made, and a sixty-fourth of all


class ForwardIndex:
    """Documents by slot, with the statistics of those that live: what BM25F needs, and nothing else.

    A slot is a row number that is used again after its document left, so that memory follows the live documents. Statistics
    are exact after any order of adds and removes: the index is as if built from the live documents alone.

    Args:
        fields: The fields in order, with their weight, `k1` and `b`.

    Memory: 6 bytes for each distinct (document, field, term), about 1 KB for a product with a hundred words.
    """

    def __init__(self, fields: Sequence[TextField]) -> None:
        _check(fields)
        self.vocabulary: dict[str, int] = {}
        self.slot_of: dict[int, int] = {}
        self.weight = np.array([f.boost for f in fields])
        self.b = np.array([f.b for f in fields])
        # BM25F has one saturation, after the fields are summed: the fields' k1 in the proportion of their weights.
        self.k1 = float(np.average([f.k1 for f in fields], weights=self.weight))
        self._fields = len(fields)
        self._free: list[int] = []
        self._used = 0
        self._garbage = 0
        self._keys: NDArray[np.int32] = np.zeros(0, np.int32)  # term * fields + field, rising within a document
        self._counts: NDArray[np.uint16] = np.zeros(0, np.uint16)
        self._start: NDArray[np.int64] = np.zeros(0, np.int64)
        self._size: NDArray[np.int32] = np.zeros(0, np.int32)
        self.ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self._lengths: NDArray[np.int32] = np.zeros((0, len(fields)), np.int32)
        self._total: NDArray[np.int64] = np.zeros(len(fields), np.int64)
        self._df: NDArray[np.int32] = np.zeros(0, np.int32)
        self._postings: Postings | None = None
        self._changed: set[int] = set()

    def __len__(self) -> int:
        return len(self.slot_of)

    def add(self, ids: Sequence[int], terms: Sequence[Sequence[Sequence[str]]], slots: Sequence[int] | None = None) -> list[int]:
        """Add documents that are not there yet, `terms[field][document]`, and return a slot for each.

        `slots` are given when an index is read back whose documents had theirs already.
        """
        numbers = [[self._number(document) for document in column] for column in terms]
        lengths = np.array([[len(d) for d in column] for column in numbers], np.int32).reshape(self._fields, len(ids)).T
        row = np.concatenate([np.repeat(np.arange(len(ids)), lengths[:, f]) for f in range(self._fields)])
        key = np.concatenate([_flat(column) * self._fields + f for f, column in enumerate(numbers)])
        entries, counts = np.unique((row << 32) | key, return_counts=True)
        sizes = np.bincount(entries >> 32, minlength=len(ids)).astype(np.int32)
        taken = list(slots) if slots is not None else self._slots(len(ids))
        if slots is not None:
            self._free = sorted(set(range(max(taken, default=-1) + 1)) - set(taken))
        self._place(np.array(taken, np.int64), np.array(ids, np.int64), sizes, lengths)
        self._append(entries & 0xFFFFFFFF, counts)
        self._count(np.array(taken, np.int64), 1)
        self.slot_of.update(zip(ids, taken))
        self._moved(taken)
        return taken

    def remove(self, ids: Sequence[int]) -> list[int]:
        """Forget documents, and return the slots that they held; unknown ids are skipped."""
        gone = [self.slot_of.pop(i) for i in dict.fromkeys(ids) if i in self.slot_of]
        slots = np.array(gone, np.int64)
        self._count(slots, -1)
        self._garbage += int(self._size[slots].sum())
        self._size[slots] = 0
        self._free += gone
        self._moved(gone)
        if self._garbage > 1_000_000 and 2 * self._garbage > self._used:
            self._compact()
        return gone

    def idf(self, terms: NDArray[np.int32]) -> NDArray[np.float64]:
        """How telling each term is, shape (terms,): log(1 + (N - n + 1/2) / (n + 1/2)), never negative."""
        n = self._df[terms]
        return np.log1p((len(self) - n + 0.5) / (n + 0.5))

    def score(self, terms: NDArray[np.int32], slots: NDArray[np.int64]) -> NDArray[np.float64]:
        """BM25F of the documents at `slots` (documents,) for `terms`, shape (documents,)."""
        out = np.empty(len(slots))
        score(self._keys, self._counts, self._start, self._size, self._lengths, slots, terms, self.idf(terms),
              self.weight, self.b, self._slope(), self.k1, out)  # fmt: skip
        return out

    def matching(self, terms: NDArray[np.int32], limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Slots of the documents that hold any of `terms`, in no order, and their BM25F as `score` gives it.

        Those that are not among the best `limit` may be left out, never one that ties with the last of these. None where that many
        hold them that an engine which passes most of them over is quicker. Not for two threads at once.

        Cost: some nanoseconds for each document and field that holds a term; the first call after many changes reads everything.
        """
        postings = self._inverted()
        if postings.entries(terms) > _READ_MOST:
            return None
        slots, scores = postings.score(terms, self.idf(terms), self.weight, self.b, self._slope(), self.k1, limit)
        if not self._changed:
            return slots, scores
        fresh = np.array(sorted(self._changed), np.int64)
        again = self.score(terms, fresh)
        held = again > 0.0
        return np.concatenate([slots, fresh[held]]), np.concatenate([scores, again[held]])

    def _inverted(self) -> Postings:
        held = self._postings
        if held is None or held.stale > _CHANGED_MOST + len(self) // 64:
            held = Postings(self._keys, self._counts, self._start, self._size, self._lengths, len(self.vocabulary))
            self._postings = held
            self._changed = set()
        return held

    def _moved(self, slots: Sequence[int]) -> None:
        """Documents came to these slots, or left them, after the postings were made."""
        if self._postings is not None:
            self._postings.pass_over(np.array(slots, np.int64))
            self._changed.update(slots)

    def _slope(self) -> NDArray[np.float64]:
        return self.b / np.maximum(self._total / max(1, len(self)), 1e-9)

    def _number(self, document: Sequence[str]) -> list[int]:
        vocabulary = self.vocabulary
        return [vocabulary.setdefault(term, len(vocabulary)) for term in document]

    def _slots(self, wanted: int) -> list[int]:
        again = [self._free.pop() for _ in range(min(wanted, len(self._free)))]
        return again + list(range(len(self) + len(again), len(self) + wanted)) if len(again) < wanted else again

    def _place(
        self, slots: NDArray[np.int64], ids: NDArray[np.int64], sizes: NDArray[np.int32], lengths: NDArray[np.int32]
    ) -> None:
        rows = int(slots.max(initial=-1)) + 1
        self._start, self._size = _room(self._start, rows), _room(self._size, rows)
        self.ids, self._lengths = _room(self.ids, rows), _room(self._lengths, rows)
        self.ids[slots], self._size[slots], self._lengths[slots] = ids, sizes, lengths
        self._start[slots] = self._used + np.cumsum(sizes) - sizes

    def _append(self, keys: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        end = self._used + len(keys)
        self._keys, self._counts = _room(self._keys, end), _room(self._counts, end)
        self._keys[self._used : end], self._counts[self._used : end] = keys, np.minimum(counts, 65_535)
        self._used = end

    def _count(self, slots: NDArray[np.int64], sign: int) -> None:
        """Add the documents at `slots` to the statistics, or take them out."""
        self._df = _room(self._df, len(self.vocabulary))
        rows = _ranges(self._start[slots], self._size[slots])
        terms = self._keys[rows] // self._fields
        owner = np.repeat(np.arange(len(slots)), self._size[slots])
        first = np.ones(len(terms), np.bool_)  # a term that stands in two fields of a document counts once
        first[1:] = (terms[1:] != terms[:-1]) | (owner[1:] != owner[:-1])
        np.add.at(self._df, terms[first], sign)
        self._total += sign * self._lengths[slots].sum(axis=0)

    def _compact(self) -> None:
        slots = np.array(list(self.slot_of.values()), np.int64)
        sizes = self._size[slots]
        rows = _ranges(self._start[slots], sizes)
        self._keys, self._counts = self._keys[rows], self._counts[rows]
        self._start[slots] = np.cumsum(sizes) - sizes
        self._used, self._garbage = len(rows), 0


@njit(cache=True, nogil=True)
def score(
    keys: NDArray[np.int32], counts: NDArray[np.uint16], start: NDArray[np.int64], size: NDArray[np.int32],
    lengths: NDArray[np.int32], slots: NDArray[np.int64], terms: NDArray[np.int32], idf: NDArray[np.float64],
    weight: NDArray[np.float64], b: NDArray[np.float64], slope: NDArray[np.float64], k1: float, out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Write BM25F of each slot into `out` (documents,); arrays as `ForwardIndex` holds them, `slope` = b / average length.

    Cost: a binary search for each document and term.

    Source: Robertson, Zaragoza (2009), "The probabilistic relevance framework: BM25 and beyond", section 3.6.
    """
    fields = len(weight)
    for i in range(len(slots)):
        slot, total = slots[i], 0.0
        begin, end = start[slots[i]], start[slots[i]] + size[slots[i]]
        for t in range(len(terms)):
            low, high, goal = begin, end, terms[t] * fields
            while low < high:
                middle = (low + high) >> 1
                if keys[middle] < goal:
                    low = middle + 1
                else:
                    high = middle
            frequency = 0.0
            while low < end and keys[low] < goal + fields:
                f = keys[low] - goal
                frequency += weight[f] * counts[low] / (1.0 - b[f] + slope[f] * lengths[slot, f])
                low += 1
            if frequency > 0.0:
                total += idf[t] * (k1 + 1.0) * frequency / (k1 + frequency)
        out[i] = total


def score_numpy(
    counts: NDArray[np.float64], lengths: NDArray[np.float64], average: NDArray[np.float64],
    idf: NDArray[np.float64], weight: NDArray[np.float64], b: NDArray[np.float64], k1: float,
) -> NDArray[np.float64]:  # fmt: skip
    """The same as `score` in plain numpy, from dense `counts` (documents, terms, fields) and `lengths` (documents, fields)."""
    norm = 1.0 - b + b * lengths / average
    frequency = (weight * counts / norm[:, np.newaxis, :]).sum(axis=2)
    return np.asarray((idf * (k1 + 1.0) * frequency / (k1 + np.where(frequency > 0, frequency, 1.0))).sum(axis=1))


def _room(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """`array`, or a copy of at least `rows` rows and a quarter to spare, filled up with zeros."""
    if rows <= len(array):
        return array
    larger = np.zeros((rows + rows // 4, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _flat(lists: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    return np.array([n for numbers in lists for n in numbers], np.int64)


def _ranges(start: NDArray[np.int64], size: NDArray[np.int32]) -> NDArray[np.int64]:
    """The rows start..start+size of each document, behind one another."""
    ends = np.cumsum(size, dtype=np.int64)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - (ends - size), size)


def _check(fields: Sequence[TextField]) -> None:
    names = [f.name for f in fields]
    if not names or len(set(names)) < len(names) or "" in names:
        raise BadInput(f"fields are named {names}; wanted at least one, each with its own name that is not empty.")
    ranges: Mapping[str, tuple[float, float]] = {"boost": (1e-6, 1e6), "k1": (0.0, 1e3), "b": (0.0, 1.0)}
    for f in fields:
        for what, (low, high) in ranges.items():
            if not low <= getattr(f, what) <= high:
                raise BadInput(f"field {f.name!r} has {what}={getattr(f, what)}; wanted a number in {low:g}..{high:g}.")
