"""Compressed sparse rows with some rows taken out and others put behind: copied in long runs, not entry by entry."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ends_of", "entries_at", "joined", "spliced"]

Ints = NDArray[np.int64]


def ends_of(counts: NDArray[Any]) -> Ints:
    """Offsets of rows with `counts` entries each, shape (rows + 1,).

    Example:
        >>> ends_of(np.array([2, 0, 1])).tolist()
        [0, 2, 2, 3]
    """
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def joined(column: NDArray[Any], kept: Ints, fresh: NDArray[Any]) -> NDArray[Any]:
    """The rows `kept` of a column, rising, and `fresh` behind them; of the column's type."""
    out = np.empty((len(kept) + len(fresh), *column.shape[1:]), dtype=column.dtype)
    at = 0
    for start, stop in _runs(kept):
        out[at : at + stop - start] = column[start:stop]
        at += stop - start
    out[at:] = fresh
    return out


def spliced(
    offsets: Ints, values: NDArray[Any], kept: Ints, fresh_offsets: Ints, fresh: NDArray[Any], *, width: int = 1
) -> tuple[Ints, NDArray[Any]]:
    """Compressed sparse rows of the rows `kept`, rising, and of the fresh ones behind them.

    Args:
        offsets, values: Row i holds `values[offsets[i * width]:offsets[(i + 1) * width]]`.
        kept: Rows that stay, shape (kept,), rising.
        fresh_offsets, fresh: The same of the rows that come.
        width: Offsets a row, where rows have fields.

    Returns:
        Offsets and values of what came of it.

    Cost:
        A copy of the values, at the speed of memory; one step of Python for each run of kept rows.

    Example:
        >>> o, v = spliced(np.array([0, 2, 3, 5]), np.array([1, 2, 3, 4, 5]), np.array([0, 2]), np.array([0, 1]), np.array([9]))
        >>> o.tolist(), v.tolist()
        ([0, 2, 4, 5], [1, 2, 4, 5, 9])
    """
    counts = np.diff(offsets).reshape(-1, width)
    made = ends_of(np.concatenate([joined(counts, kept, np.zeros((0, width), np.int64)).reshape(-1), np.diff(fresh_offsets)]))
    out = np.empty(int(made[-1]), dtype=values.dtype)
    at = 0
    for start, stop in _runs(kept):
        a, b = int(offsets[start * width]), int(offsets[stop * width])
        out[at : at + b - a] = values[a:b]
        at += b - a
    out[at:] = fresh
    return made, out


def entries_at(offsets: Ints, rows: Ints, *, width: int = 1) -> tuple[Ints, Ints]:
    """Where the entries of `rows` stand, shape (entries,), and how many each has, shape (rows,)."""
    counts = offsets[(rows + 1) * width] - offsets[rows * width]
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(offsets[rows * width] - (ends - counts), counts), counts


def _runs(kept: Ints) -> list[tuple[int, int]]:
    """Rising rows as runs (first, one past the last)."""
    if not len(kept):
        return []
    breaks = np.flatnonzero(np.diff(kept) != 1)
    firsts, lasts = kept[np.concatenate([[0], breaks + 1])], kept[np.concatenate([breaks, [len(kept) - 1]])]
    return list(zip(firsts.tolist(), (lasts + 1).tolist()))
