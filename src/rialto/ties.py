"""Rows in a total order: the best score first, and of equal ones the least id, so that a replay repeats it."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["best_rows"]


def best_rows(ids: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """All rows, score falling, then id rising.

    Args:
        ids, scores: Shape (rows,).

    Returns:
        Shape (rows,).

    Cost:
        A sort of the scores alone, which numpy does in vector instructions; what ties is put in order afterwards.

    Example:
        >>> best_rows(np.array([4, 3, 9, 1]), np.array([1.0, 1.0, 2.0, 0.5])).tolist()
        [2, 1, 0, 3]
    """
    rows = np.argsort(scores)[::-1]
    _settle(rows, ids, scores)
    return rows


@nb.njit(cache=True, nogil=True)
def _settle(rows: NDArray[np.int64], ids: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
    """Put the rows of each run of equal scores in the order of their ids, in place: insertion, over gaps first (Shell's sort)."""
    start = 0
    for at in range(1, len(rows) + 1):
        if at < len(rows) and scores[rows[at]] == scores[rows[start]]:
            continue
        gap = 1
        while 9 * gap < at - start:
            gap = 3 * gap + 1
        while gap > 0:
            for i in range(start + gap, at):
                row, j = rows[i], i
                while j >= start + gap and ids[rows[j - gap]] > ids[row]:
                    rows[j] = rows[j - gap]
                    j -= gap
                rows[j] = row
            gap //= 3
        start = at
