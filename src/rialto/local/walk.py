"""The best of what a query matches: BM25F a window of documents at a time, so that their sums stay in the fastest memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.ties import best_rows

__all__ = ["best", "best_first", "best_first_plain", "walk", "walk_plain"]

_BINS = 4096
_SLACK = 1e-9  # a bin's edge is rounded: far less than this part of it


@njit(cache=True, nogil=True)
def walk(
    first: NDArray[np.int64], slots: NDArray[np.int32], code: NDArray[Any], gain: NDArray[np.float64], stale: NDArray[np.bool_],
    terms: NDArray[np.int32], worth: NDArray[np.float64], k1: float, limit: int, total: NDArray[np.float64],
    found: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """Add up BM25F term by term: the same additions in the same order as `rialto.local.bm25f.score`, so the same bits.

    Documents that are not among the best `limit` may be left out, never one that ties with the last of these: what `limit`
    documents have reached by the end of a window is asked of the next. It is told from a histogram, so it is a little less.

    Args:
        first, slots, code: As `rialto.local.postings.inverted` answers.
        gain: What an entry of each kind adds to a weighted frequency, shape (kinds,).
        stale: Documents to pass over, shape (documents,).
        terms, worth: The query's, each once; `worth` is idf * (k1 + 1), which no document's score for a term is above.
        limit: Documents that are wanted, 1 or more.
        total, found: Zeros, shape (window,), and zeros again afterwards; room, shape (window + 1,).

    Returns:
        Documents that hold any of `terms`, in no order, and their scores.

    Cost: one step for each document and field that holds a term, some nanoseconds whatever the number of documents.
    """
    at, stop = first[terms], first[terms + 1]
    size, edge, held, least = 0, 0, 0, 0.0
    bins, scale = np.zeros(_BINS + 2, np.int64), _BINS / max(worth.sum(), 1e-300)
    room = min((stop - at).sum(), 2 * limit + len(total))
    out, scores = np.empty(room, np.int64), np.empty(room)
    while True:
        low = _next(slots, at, stop)
        if low < 0:
            return out[:size], scores[:size]
        met = 0
        for t in range(len(terms)):
            at[t], met = _add(slots, code, gain, at[t], stop[t], worth[t], k1, low, total, found, met)
        if size + met > len(out):
            out, scores = _larger(out, size + met), _larger(scores, size + met)
        for i in found[:met]:
            score, total[i] = total[i], 0.0
            if score < least or stale[low + i]:
                continue
            out[size], scores[size] = low + i, score
            size += 1
            bin_ = int(score * scale)
            bins[bin_] += 1
            held += bin_ >= edge
            while held - bins[edge] >= limit:
                held -= bins[edge]
                edge += 1
        least = edge / scale * (1.0 - _SLACK)


@njit(cache=True, nogil=True)
def _next(slots: NDArray[np.int32], at: NDArray[np.int64], stop: NDArray[np.int64]) -> Any:
    """The first document that is ahead; -1 where there is none."""
    low = -1
    for t in range(len(at)):
        if at[t] < stop[t] and (low < 0 or slots[at[t]] < low):
            low = np.int64(slots[at[t]])
    return low


@njit(cache=True, nogil=True, error_model="numpy")
def _add(
    slots: NDArray[np.int32], code: NDArray[Any], gain: NDArray[np.float64], begin: Any, end: Any, worth: float, k1: float,
    low: Any, total: NDArray[np.float64], found: NDArray[np.int32], met: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Add one term to the documents of the window from `low` on; where its entries go on, and how many documents were met.

    Places are counted without a sign, which spares a look at each for whether it counts from the end.
    """
    high, at, stop, size = low + len(total), np.uint64(begin), np.uint64(end), np.uint64(met)
    while at < stop and slots[at] < high:
        slot, frequency = slots[at], 0.0
        while at < stop and slots[at] == slot:
            frequency += gain[code[at]]
            at += np.uint64(1)
        i = np.uint64(slot - low)
        have = total[i]
        found[size] = i
        size += np.uint64(have == 0.0)
        total[i] = have + worth * frequency / (k1 + frequency)
    return np.int64(at), np.int64(size)


@njit(cache=True, nogil=True)
def _larger(array: NDArray[Any], size: int) -> NDArray[Any]:
    larger = np.empty(2 * size, array.dtype)
    larger[: len(array)] = array
    return larger


def walk_plain(
    first: NDArray[np.int64], slots: NDArray[np.int32], code: NDArray[Any], gain: NDArray[np.float64], stale: NDArray[np.bool_],
    terms: NDArray[np.int32], worth: NDArray[np.float64], k1: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """All that `walk` may answer, in plain numpy, for its test: every document that holds any of `terms`, rising."""
    total = np.zeros(len(stale))
    for t, most in zip(terms.tolist(), worth.tolist()):
        own = slice(first[t], first[t + 1])
        frequency = np.bincount(slots[own], gain[code[own]], minlength=len(stale))
        total += most * frequency / (k1 + np.where(frequency > 0, frequency, 1.0))
    held = np.flatnonzero((total > 0) & ~stale)
    return held, total[held]


def best_first(ids: NDArray[np.int64], scores: NDArray[np.float64], limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The `limit` best, score falling, then id rising.

    Example:
        >>> [a.tolist() for a in best_first(np.array([4, 3, 9, 1]), np.array([1.0, 1.0, 2.0, 0.5]), 3)]
        [[9, 3, 4], [2.0, 1.0, 1.0]]
    """
    if len(scores) > limit:
        kept = np.flatnonzero(scores >= np.partition(scores, len(scores) - limit)[len(scores) - limit])
        ids, scores = ids[kept], scores[kept]
    rows = best_rows(ids, scores)[:limit]
    return ids[rows], scores[rows]


def best(ids: NDArray[np.int64], scores: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """The ids that `best_first` answers, in no order, which spares putting them in one.

    Example:
        >>> sorted(best(np.array([4, 3, 9, 1]), np.array([1.0, 1.0, 2.0, 0.5]), 2).tolist())
        [3, 9]
    """
    if len(scores) <= limit:
        return ids
    last = np.partition(scores, len(scores) - limit)[len(scores) - limit]
    above, tied = ids[scores > last], ids[scores == last]
    return np.concatenate([above, np.partition(tied, limit - len(above) - 1)[: limit - len(above)]])


def best_first_plain(
    ids: NDArray[np.int64], scores: NDArray[np.float64], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`best_first` by a sort of everything, for its test."""
    order = np.lexsort((ids, -scores))[:limit]
    return ids[order], scores[order]
