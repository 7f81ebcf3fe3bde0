"""Pairs that must not meet: a customer or an order, and a driver."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput

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


def _place(ordered: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return at, ordered[at] == values
