"""The kernel that scores oblivious trees, and the plain version that its test compares it with.

A block of rows goes through three loops, each over rows innermost so that it becomes vector instructions:

    values -> bins       how many of the feature's borders lie below the value, one byte
    bins   -> leaves     depth comparisons of bytes (64 rows an instruction with AVX-512, 32 with AVX2), one byte
    leaves -> scores     one table look-up a row and tree, added in float64: this is what limits the kernel

Source:
    Lou, Obukhov (2017), "BDT: gradient boosted decision tables", KDD; Prokhorenkova et al. (2018), "CatBoost", NeurIPS, for the
    oblivious trees. No addition runs across rows, so a row's score is the same bits alone or in any batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "Program", "compile_trees", "score_kernel", "score_plain"]

BLOCK = 256
"""Rows worked on at once: 24 features x 256 rows x 5 bytes stay in a 48 KB first-level cache."""

LANES = 64
"""Bytes in the widest vector; a last block is filled up to a multiple of it with rows whose scores nobody reads."""

STEP = 4
"""Trees added at once; a program is padded to a multiple of it with trees that add nothing."""

MOST_BORDERS = 255
"""Borders that one byte can count; a feature with more becomes several columns."""


class Program(NamedTuple):
    """Trees as the kernel reads them.

    Args:
        feature: Input that each column counts borders of, shape (columns,), int64.
        nan_high: Whether NaN lies above every border, shape (columns,), bool; else below.
        start: Column c owns `borders[start[c]:start[c+1]]`, shape (columns + 1,), int64.
        borders: Rising within a column, float32.
        column: Column of each split, shape (trees, depth), int64.
        cut: A split's bit is 1 where the bin exceeds this, shape (trees, depth), uint8.
        leaf: Shape (trees, 2**depth), float64; bit d of the index is split d.
    """

    feature: NDArray[np.int64]
    nan_high: NDArray[np.bool_]
    start: NDArray[np.int64]
    borders: NDArray[np.float32]
    column: NDArray[np.int64]
    cut: NDArray[np.uint8]
    leaf: NDArray[np.float64]


def compile_trees(
    feature: NDArray[np.int32], threshold: NDArray[np.float32], leaf: NDArray[np.float64], nan_high: NDArray[np.bool_]
) -> Program:
    """Arrange splits (trees, depth) and leaves (trees, 2**depth) for the kernel; only borders that a split uses are kept."""
    trees, depth = feature.shape
    column = np.zeros((-(-trees // STEP) * STEP, depth), dtype=np.int64)
    cut = np.full(column.shape, MOST_BORDERS, dtype=np.uint8)
    owners: list[int] = []
    pieces: list[NDArray[np.float32]] = []
    for f in np.unique(feature).tolist():
        here = feature == f
        borders = np.unique(threshold[here])
        place = np.searchsorted(borders, threshold[here])
        column[:trees][here] = len(owners) + place // MOST_BORDERS
        cut[:trees][here] = place % MOST_BORDERS
        for at in range(0, len(borders), MOST_BORDERS):
            owners.append(f)
            pieces.append(borders[at : at + MOST_BORDERS])
    padded = np.zeros((len(column), leaf.shape[1]))
    padded[:trees] = leaf
    start = np.concatenate(([0], np.cumsum([len(p) for p in pieces]))).astype(np.int64)
    borders = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)
    owner = np.array(owners, dtype=np.int64)
    return Program(owner, nan_high[owner], start, borders, column, cut, padded)


@nb.njit(cache=True, nogil=True)
def score_kernel(
    inputs: NDArray[np.float32], program: Program, scale: float, bias: float, first: int, last: int, out: NDArray[np.float64]
) -> None:
    """Write `scale` x (sum of leaves) + `bias` of rows `first..last` of `inputs` (rows, features, C order) to `out` (rows,)."""
    feature, nan_high, start, borders, column, cut, leaf = program
    values = np.zeros((feature.size, BLOCK), np.float32)
    bins = np.empty((max(feature.size, 1), BLOCK), np.uint8)
    index = np.empty((STEP, BLOCK), np.uint8)
    total = np.empty(BLOCK, np.float64)
    for at in range(first, last, BLOCK):
        rows = min(BLOCK, last - at)
        wide = -(-rows // LANES) * LANES
        for i in range(rows):
            for c in range(feature.size):
                values[c, i] = inputs[at + i, feature[c]]
        for c in range(feature.size):
            if nan_high[c]:
                _raise_nan(values[c], rows)
            _count_borders(values[c], borders[start[c] : start[c + 1]], wide, bins[c])
        for i in range(wide):
            total[i] = 0.0
        for t in range(0, len(column), STEP):
            for u in range(STEP):
                _find_leaf(bins, column[t + u], cut[t + u], wide, index[u])
            _add_leaves(leaf[t : t + STEP], index, wide, total)
        for i in range(rows):
            out[at + i] = total[i] * scale + bias


@nb.njit(cache=True, nogil=True, inline="always")
def _raise_nan(values: NDArray[np.float32], rows: int) -> None:
    for i in range(rows):
        if values[i] != values[i]:
            values[i] = np.inf


@nb.njit(cache=True, nogil=True, inline="always")
def _count_borders(values: NDArray[np.float32], borders: NDArray[np.float32], rows: int, bins: NDArray[np.uint8]) -> None:
    for i in range(rows):
        bins[i] = 0
    for k in range(borders.size):
        border = borders[k]
        for i in range(rows):
            bins[i] += np.uint8(values[i] > border)


@nb.njit(cache=True, nogil=True, inline="always")
def _find_leaf(
    bins: NDArray[np.uint8], column: NDArray[np.int64], cut: NDArray[np.uint8], rows: int, index: NDArray[np.uint8]
) -> None:
    for i in range(rows):
        index[i] = 0
    for d in range(column.size):
        row, above, bit = bins[column[d]], cut[d], np.uint8(1 << d)
        for i in range(rows):
            index[i] |= bit if row[i] > above else np.uint8(0)


@nb.njit(cache=True, nogil=True, inline="always")
def _add_leaves(leaf: NDArray[np.float64], index: NDArray[np.uint8], rows: int, total: NDArray[np.float64]) -> None:
    """Four trees at once, so that the running total is read and written a quarter as often."""
    leaf0, leaf1, leaf2, leaf3 = leaf[0], leaf[1], leaf[2], leaf[3]
    index0, index1, index2, index3 = index[0], index[1], index[2], index[3]
    for i in range(rows):
        total[i] += (leaf0[index0[i]] + leaf1[index1[i]]) + (leaf2[index2[i]] + leaf3[index3[i]])


def score_plain(
    inputs: NDArray[np.float32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    leaf: NDArray[np.float64],
    nan_high: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Sum the leaves of every tree, shape (rows,): the definition, a tree at a time, without scale and bias."""
    values = np.where(np.isnan(inputs) & nan_high, np.float32(np.inf), inputs)
    total = np.zeros(len(inputs))
    for splits, borders, leaves in zip(feature, threshold, leaf):
        bits = values[:, splits] > borders
        total += leaves[bits @ (1 << np.arange(len(splits)))]
    return total
