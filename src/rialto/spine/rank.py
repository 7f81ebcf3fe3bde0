"""The Scorer contract: phases from cheap to dear, each cut to the best few; the order is total, so a replay repeats it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Context, Requests
from rialto.spine.features import Features
from rialto.spine.params import Param
from rialto.threads import spread
from rialto.ties import best_rows

__all__ = ["BEHIND", "Phase", "behind", "best", "best_plain", "previous_score", "sink"]

_SORTED = 64  # rows of a request, in the mean, from which on a sort is quicker than a heap

_ONE_BY_ONE = 64  # requests that are sorted one by one

_GRAIN = 1024  # requests worth a call

BEHIND = 1e6
"""How far behind those that a phase with a depth orders, the others stand."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One scorer and how many it lets through.

    Args:
        name: What the trace calls it, and what `cut` counts under.
        score: Scores rows from the request and the candidate alone, shape (rows,) float64, higher is better.
        keep: Candidates of each request that go on; None = all.
        depth: Candidates of each request that it orders, the best by the score so far; the others keep their order behind them.
            None = all.
        mixed: The others keep their scores as they are, among those that it orders: for scores in a unit of their own, such as
            seconds.
        features: Groups of columns made for those that it orders and for no others, before it scores them; NaN for the rest.
        otherwise: Declared fallback; None = its failure fails the run. `previous_score` keeps the phase before's order.
        budget_s: Most seconds it may take, within the run's deadline.
    """

    name: str
    score: Callable[[Requests, Candidates, Context], NDArray[np.float64]]
    keep: Param | None = None
    otherwise: Callable[[Requests, Candidates], NDArray[np.float64]] | None = None
    budget_s: float = float("inf")
    depth: Param | None = None
    features: Sequence[Features] = ()
    mixed: bool = False


def behind(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores in the same order, behind any that a phase with a depth gives to those that it orders."""
    return np.asarray(score - BEHIND)


def previous_score(requests: Requests, candidates: Candidates) -> NDArray[np.float64]:
    """The fallback that leaves the last phase's scores as they are; zeros before the first."""
    score = candidates.columns.get("score")
    return np.zeros(len(candidates)) if score is None else score


def sink(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """`scores` with NaN and both infinities as -inf, so that they sort last.

    Example:
        >>> sink(np.array([1.0, np.nan, np.inf])).tolist()
        [1.0, -inf, -inf]
    """
    finite = np.isfinite(scores)
    return scores if finite.all() else np.where(finite, scores, -np.inf)


@nb.njit(cache=True, nogil=True, inline="always")
def _ahead(scores: NDArray[np.float64], ids: NDArray[np.int64], a: int, b: int) -> bool:
    return scores[a] > scores[b] or (scores[a] == scores[b] and ids[a] < ids[b])


@nb.njit(cache=True, nogil=True)
def _sift(scores: NDArray[np.float64], ids: NDArray[np.int64], heap: NDArray[np.int64], root: int, size: int) -> None:
    """Restore the heap, whose root is the worst kept row, below `root`."""
    at = root
    while True:
        child = 2 * at + 1
        if child >= size:
            return
        if child + 1 < size and _ahead(scores, ids, heap[child], heap[child + 1]):
            child += 1
        if _ahead(scores, ids, heap[child], heap[at]):
            return
        heap[at], heap[child] = heap[child], heap[at]
        at = child


def best(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.float64], keep: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the best rows of each request, best first: score falling, then id rising; NaN must have been sunk.

    Args:
        offsets: Shape (requests + 1,).
        ids: Shape (rows,).
        scores: Shape (rows,), no NaN.
        keep: Rows wanted of each request, shape (requests,), >= 0.

    Returns:
        The chosen rows, shape (chosen,), and their offsets, shape (requests + 1,).

    Cost:
        O(rows log keep): a bounded heap a request, insertion for few rows; requests with many go through a sort in vectors.

    Example:
        >>> rows, offsets = best(np.array([0, 3]), np.array([5, 4, 9]), np.array([1.0, 1.0, 2.0]), np.array([2]))
        >>> rows.tolist(), offsets.tolist()
        ([2, 1], [0, 2])
    """
    if len(keep) <= _ONE_BY_ONE and len(ids) > _SORTED * len(keep) and (keep > 16).all():
        return _each_best(offsets, ids, scores, keep)
    return _best(offsets, ids, scores, keep)


def _each_best(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.float64], keep: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best rows of requests with many rows, one by one."""
    parts, ends = list[NDArray[np.int64]](), [0]
    for low, high, most in zip(offsets.tolist(), offsets[1:].tolist(), keep.tolist()):
        parts.append(low + best_rows(ids[low:high], scores[low:high])[:most])
        ends.append(ends[-1] + len(parts[-1]))
    return np.concatenate(parts), np.array(ends, dtype=np.int64)


def _best(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.float64], keep: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    out = np.zeros(len(offsets), dtype=np.int64)
    np.cumsum(np.minimum(np.maximum(keep, 0), offsets[1:] - offsets[:-1]), out=out[1:])
    rows = np.empty(out[-1], dtype=np.int64)
    spread(lambda low, high: _picked(low, high, offsets, ids, scores, out, rows), len(keep), grain=_GRAIN)
    return rows, out


@nb.njit(cache=True, nogil=True)
def _picked(
    low: int, high: int, offsets: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.float64], out: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> None:  # fmt: skip
    for b in range(low, high):
        if out[b + 1] > out[b]:
            _pick(offsets[b], offsets[b + 1], ids, scores, rows[out[b] : out[b + 1]])


@nb.njit(cache=True, nogil=True)
def _pick(start: int, stop: int, ids: NDArray[np.int64], scores: NDArray[np.float64], into: NDArray[np.int64]) -> None:
    size = len(into)
    if size <= 16:  # insertion: the few rows stay in registers and cache
        held = 0
        for row in range(start, stop):
            if held == size and not _ahead(scores, ids, row, into[size - 1]):
                continue
            at = held if held < size else size - 1
            while at > 0 and _ahead(scores, ids, row, into[at - 1]):
                into[at] = into[at - 1]
                at -= 1
            into[at] = row
            held = min(held + 1, size)
        return
    for i in range(size):
        into[i] = start + i
    for root in range(size // 2 - 1, -1, -1):
        _sift(scores, ids, into, root, size)
    for row in range(start + size, stop):
        if _ahead(scores, ids, row, into[0]):
            into[0] = row
            _sift(scores, ids, into, 0, size)
    for last in range(size - 1, 0, -1):
        into[0], into[last] = into[last], into[0]
        _sift(scores, ids, into, 0, last)


def best_plain(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.float64], keep: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`best` in plain numpy, for its test."""
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((ids, -scores, owner))
    place = np.arange(len(order)) - offsets[owner[order]]
    rows = order[place < np.maximum(keep, 0)[owner[order]]]
    return rows, np.concatenate([[0], np.cumsum(np.minimum(np.maximum(keep, 0), np.diff(offsets)))])
