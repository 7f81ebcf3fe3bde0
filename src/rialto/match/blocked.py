"""Pairs that must not meet: a customer or an order, and a driver."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.slots import Slots
from rialto.records import Candidates

__all__ = ["Blocked"]


class Blocked:
    """Pairs that must not meet, (customer, driver) or (order, driver); exact, looked up in columns.

    Cost:
        O(log pairs) a row looked up; adding sorts again.

    Example:
        >>> blocked = Blocked(np.array([7, 7]), np.array([1, 3]))
        >>> blocked.has(np.array([7, 7, 8]), np.array([3, 2, 3])).tolist()
        [True, False, False]
    """

    def __init__(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
        if len(left) != len(right):
            raise BadInput(f"blocked pairs have {len(left)} left and {len(right)} right members; wanted the same number.")
        self._left, a = np.unique(left, return_inverse=True)
        self._right, b = np.unique(right, return_inverse=True)
        self._codes = np.unique(a * max(len(self._right), 1) + b)
        self._rows = Slots(self._left)
        width = max(len(self._right), 1)
        self._start = np.searchsorted(self._codes, np.arange(len(self._left) + 1) * width)
        self._members = self._right[self._codes % width]

    def __len__(self) -> int:
        return len(self._codes)

    def has(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where (left, right) is a blocked pair, shape (rows,)."""
        if not len(self._codes):
            return np.zeros(len(left), dtype=np.bool_)
        a, known_left = _place(self._left, left)
        b, known_right = _place(self._right, right)
        _, found = _place(self._codes, a * len(self._right) + b)
        return found & known_left & known_right

    def of(self, left: NDArray[np.int64]) -> Candidates:
        """The right members that must not meet each of `left` (rows,), rising: a row of candidates for each.

        Example:
            >>> Blocked(np.array([7, 7]), np.array([3, 1])).of(np.array([8, 7])).of(1).ids.tolist()
            [1, 3]
        """
        at = self._rows.find(np.asarray(left, dtype=np.int64))
        offsets = np.zeros(len(left) + 1, dtype=np.int64)
        return Candidates(offsets, _gather(at, self._start, self._members, offsets))


@nb.njit(cache=True, nogil=True)
def _gather(
    at: NDArray[np.int64], start: NDArray[np.int64], members: NDArray[np.int64], offsets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The members of each list `at` (rows,), -1 for none, one list behind the other; their bounds go into `offsets`."""
    for i in range(at.size):
        offsets[i + 1] = offsets[i] + (start[at[i] + 1] - start[at[i]] if at[i] >= 0 else 0)
    out = np.empty(offsets[at.size], dtype=np.int64)
    for i in range(at.size):
        for j in range(offsets[i + 1] - offsets[i]):
            out[offsets[i] + j] = members[start[at[i]] + j]
    return out


def _place(ordered: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return at, ordered[at] == values
