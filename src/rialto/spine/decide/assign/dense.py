"""A window where a request may take a good share of all drivers: a full table, solved by rows without a heap.

Measured on two shared cores, orders x drivers in the plane, each with the nearest so many drivers (ms by searches over the sparse graph,
then by the table, its building included): all of 20 x 20 .07, .03; of 200 x 200 8, 2; of 50 x 20,000 29, 22; of 500 x 5,000 130, 50; of
1,000 x 1,000 230, 90; of 2,000 x 500 100, 30. A quarter of them: 3.4, 1.6; 6, 7; 60, 17; 100, 120; 50, 8 from 200 x 200 on. At a tenth
1,000 x 1,000 are alike, 50 x 20,000 take the searches half the time, 500 x 5,000 three times as long: the line is drawn at a quarter.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.spine.decide.assign.rows import Bools, Floats, Ints

__all__ = ["crowded", "grid", "picked", "tabled"]

Slots = NDArray[np.int32]

_SHARE = 0.25
"""Share of all pairs from which the table is faster."""

_FEW = 2_500
"""Cells up to which either takes some 0.1 ms, and the table would load SciPy, which takes a third of a second."""

_CELLS = 25_000_000
"""Cells of the largest table: 200 MB."""

_QUICK = 100_000
"""Cells of the largest table where the answer may be near the least only, and bids by steps are soon done."""


def crowded(pairs: int, requests: int, drivers: int, *, exact: bool) -> bool:
    """Whether so many pairs of so many requests and drivers had better be put in a table.

    Example:
        >>> crowded(9_000, 100, 100, exact=True), crowded(9_000, 1_000, 1_000, exact=True), crowded(90, 10, 10, exact=True)
        (True, False, False)
    """
    cells = requests * drivers
    return _FEW < cells <= (_CELLS if exact else _QUICK) and pairs > _SHARE * cells


def tabled(request: Ints, slot: Slots, rank: Ints, cost: Floats, wait: Floats, use: Bools) -> tuple[Ints, float]:
    """Rows of the pairs that cost least in all, rising, and what they cost, those who wait included.

    A request that is given a driver it may not take, or that costs more, waits instead: so each can be given one, and where drivers are
    the fewer, what they save is added up rather than what they cost.

    Args:
        request, slot, cost, use: Of each pair: its request, its driver's slot, its cost, and whether it may be taken, shape (pairs,).
        rank: Place of each slot's driver in the order of ids, shape (slots,).
        wait: Cost of leaving each request out, shape (requests,).

    Source:
        Crouse (2016), "On implementing 2D rectangular assignment algorithms", IEEE T-AES 52(4), as SciPy's `linear_sum_assignment`.
    """
    from scipy.optimize import linear_sum_assignment  # a third of a second to load, which most windows never need

    saving = len(wait) > len(rank)
    table = grid(request, slot, rank, cost, wait, use, wait if saving else np.zeros(len(wait)))
    asker, taken = linear_sum_assignment(table)
    driver = np.full(len(wait), -1, dtype=np.int64)
    driver[asker] = taken
    return picked(request, slot, rank, cost, wait, use, driver)


@njit(cache=True, nogil=True)
def grid(request: Ints, slot: Slots, rank: Ints, cost: Floats, wait: Floats, use: Bools, less: Floats) -> Floats:
    """Cost of each request and driver less the request's `less`, where waiting is dearer; else its wait, less the same."""
    table = np.empty((wait.size, rank.size))
    for i in range(wait.size):
        table[i, :] = wait[i] - less[i]
    for p in range(request.size):
        if use[p]:
            i, j = request[p], rank[slot[p]]
            table[i, j] = min(table[i, j], cost[p] - less[i])
    return table


@njit(cache=True, nogil=True)
def picked(
    request: Ints, slot: Slots, rank: Ints, cost: Floats, wait: Floats, use: Bools, driver: Ints
) -> tuple[Ints, float]:  # fmt: skip
    """Rows of the pairs whose request was given that `driver` (requests,), the cheapest if it comes twice, and what all cost."""
    best = np.full(wait.size, -1, np.int64)
    paid: float = 0.0
    for p in range(request.size):
        i = request[p]
        if use[p] and driver[i] == rank[slot[p]] and (best[i] < 0 or cost[p] < cost[best[i]]):
            best[i] = p
    for i in range(wait.size):
        paid += float(wait[i] if best[i] < 0 else cost[best[i]])
    return np.sort(best[best >= 0]), paid
