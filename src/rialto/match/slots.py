"""From numbers to rows by hashing, for columns of millions: a driver's slot, a customer's list."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["Slots"]


class Slots:
    """From an id to its slot, its row in `ids` (unique): by a table where ids lie close together, else by hashing.

    Cost:
        Some 2 ns an id that is in the table, 20 to 30 ns by hashing.

    Example:
        >>> Slots(np.array([4, 9])).find(np.array([9, 5])).tolist()
        [1, -1]
    """

    def __init__(self, ids: NDArray[np.int64]) -> None:
        low, high = (int(ids.min()), int(ids.max())) if len(ids) else (0, 0)
        close = high - low < 4 * len(ids) + 1024
        rows = high - low + 1 if close else 1 << max(int(2 * len(ids)).bit_length(), 4)
        self._ids, self._slots = np.zeros(0 if close else rows, dtype=np.int64), np.full(rows, -1, dtype=np.int32)
        self._low = low
        if close:
            self._slots[ids - low] = np.arange(len(ids), dtype=np.int32)
        else:
            _enter(ids, self._ids, self._slots)

    def find(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Slot of each id, shape (ids,); -1 = unknown."""
        return _find(np.ascontiguousarray(ids), self._low, self._ids, self._slots)


@nb.njit(cache=True, nogil=True)
def _row(id_: int, held: NDArray[np.int64], slots: NDArray[np.int32]) -> int:
    mask = held.size - 1
    mixed = np.uint64(id_) * np.uint64(0x9E3779B97F4A7C15)
    row = np.int64(mixed >> np.uint64(32)) & mask
    while slots[row] >= 0 and held[row] != id_:
        row = (row + 1) & mask
    return int(row)


@nb.njit(cache=True, nogil=True)
def _enter(ids: NDArray[np.int64], held: NDArray[np.int64], slots: NDArray[np.int32]) -> None:
    for s in range(ids.size):
        row = _row(ids[s], held, slots)
        held[row], slots[row] = ids[s], s


@nb.njit(cache=True, nogil=True)
def _find(ids: NDArray[np.int64], low: int, held: NDArray[np.int64], slots: NDArray[np.int32]) -> NDArray[np.int64]:
    out = np.empty(ids.size, dtype=np.int64)
    if held.size == 0:
        first, last = low, low + (slots.size - 1)
        for i in range(ids.size):
            known = (ids[i] >= first) & (ids[i] <= last)  # their difference may overflow
            out[i] = slots[ids[i] - first] if known else -1
        return out
    for i in range(ids.size):
        out[i] = slots[_row(ids[i], held, slots)]
    return out
