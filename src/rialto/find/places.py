"""Where products stand: rows of their numbers, and the best row of each group of variants; each beside a plain numpy twin."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["best_of_groups", "best_of_groups_plain", "looked_up", "looked_up_plain"]


@nb.njit(cache=True, nogil=True)
def looked_up(table: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """`table` at each of `numbers`, shape (numbers,); -1 for a number that is not a place in it."""
    out = np.empty(len(numbers), dtype=np.int64)
    for i in range(len(numbers)):
        out[i] = table[numbers[i]] if 0 <= numbers[i] < len(table) else -1
    return out


def looked_up_plain(table: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """`looked_up` in plain numpy, for its test and for arrays of other shapes."""
    inside = (numbers >= 0) & (numbers < len(table))
    return np.where(inside, table[np.where(inside, numbers, 0)], -1) if len(table) else np.full_like(numbers, -1)


@nb.njit(cache=True, nogil=True)
def best_of_groups(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.float64], groups: NDArray[np.int64],
    place: NDArray[np.int64],
) -> NDArray[np.bool_]:  # fmt: skip
    """True for the best row of each group within its request: by pinned place, by score, then by id.

    Args:
        offsets, ids: Candidates, shape (requests + 1,) and (rows,).
        scores: Shape (rows,), no NaN.
        groups: Group of each row, shape (rows,).
        place: Key of its pinned place, 0 = none, shape (rows,); a lower one stands first.

    Returns:
        Shape (rows,).

    Cost:
        O(rows): a table of groups a request.
    """
    out = np.zeros(len(ids), dtype=np.bool_)
    for q in range(len(offsets) - 1):
        low, high = offsets[q], offsets[q + 1]
        size = 8
        while size < 2 * (high - low):
            size *= 2
        held = np.full(size, -1, dtype=np.int64)
        for row in range(low, high):
            at = np.int64((np.uint64(groups[row]) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & (size - 1)
            while held[at] >= 0 and groups[held[at]] != groups[row]:
                at = (at + 1) & (size - 1)
            other = held[at]
            if other < 0 or _ahead(row, other, ids, scores, place):
                held[at] = row
        for at in range(size):
            if held[at] >= 0:
                out[held[at]] = True
    return out


@nb.njit(cache=True, nogil=True, inline="always")
def _ahead(a: int, b: int, ids: NDArray[np.int64], scores: NDArray[np.float64], place: NDArray[np.int64]) -> bool:
    if place[a] != place[b]:
        return place[a] > 0 and (place[b] == 0 or place[a] < place[b])
    return scores[a] > scores[b] or (scores[a] == scores[b] and ids[a] < ids[b])


def best_of_groups_plain(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.float64], groups: NDArray[np.int64],
    place: NDArray[np.int64],
) -> NDArray[np.bool_]:  # fmt: skip
    """`best_of_groups` by a sort, for its test."""
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((ids, -scores, np.where(place > 0, place, np.iinfo(np.int64).max), groups, owner))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (owner[order][1:] != owner[order][:-1]) | (groups[order][1:] != groups[order][:-1])
    out = np.zeros(len(order), dtype=np.bool_)
    out[order[first]] = True
    return out
