"""The graph of a window: pairs by bidder, each bidder's cheapest first, ties by name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Bools", "Floats", "Graph", "Ints", "build"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_RUN = 32
"""Pairs that are put in order by insertion; longer rows by merging such runs."""


class Graph(NamedTuple):
    """Bidders and the goods that they may take, by bidder in compressed sparse rows, each row cheapest first, ties by name.

    Args:
        start: Bidder i owns edges `start[i]:start[i+1]`, shape (bidders + 1,).
        good: Good of each edge, shape (edges,).
        cost: Cost of each edge, shape (edges,), rising within a row, below the bidder's `wait`.
        wait: Cost of leaving each bidder out, shape (bidders,).
        source: Row of the pair that each edge is, shape (edges,).
        goods: How many goods there are.
    """

    start: Ints
    good: NDArray[np.int32]
    cost: Floats
    wait: Floats
    source: Ints
    goods: int


@njit(cache=True, nogil=True)
def build(bidder: Ints, good: NDArray[np.int32], name: Ints, cost: Floats, wait: Floats, use: Bools, goods: int) -> Graph:
    """The graph of the pairs in use: `bidder`, `good`, the good's `name` (which breaks ties) and `cost`, shape (pairs,) each.

    A row longer than there are bidders keeps its cheapest, one for each bidder (and their ties): the others cannot take more.
    """
    start = np.zeros(wait.size + 1, np.int64)
    for p in range(bidder.size):
        start[bidder[p] + 1] += use[p]
    longest = start.max()
    start = np.cumsum(start)
    source, at = np.empty(start[-1], np.int64), start.copy()
    for p in range(bidder.size):
        if use[p]:
            source[at[bidder[p]]] = p
            at[bidder[p]] += 1
    paid, room, kept = np.empty(start[-1]), np.empty(longest, np.int64), 0
    for i in range(wait.size):
        low, high = start[i], start[i + 1]
        start[i] = kept
        if high - low > wait.size:
            high = _cheapest(source, low, high, cost, wait.size)
        if high - low > _RUN:
            _sort(source[low:high], cost, name, room)
        kept = _insert(source, paid, low, high, kept, cost, name)
    start[wait.size] = kept
    taken = np.empty(kept, np.int32)
    for e in range(kept):
        taken[e] = good[source[e]]
    return Graph(start, taken, paid[:kept], wait, source[:kept], goods)


@njit(cache=True, nogil=True)
def _insert(source: Ints, paid: Floats, low: int, high: int, kept: int, cost: Floats, name: Ints) -> int:
    """Put pairs `source[low:high]` in order from `kept` on, with their costs; where the next row begins."""
    end = kept
    for q in range(low, high):
        p = source[q]
        x, z = cost[p], end
        while z > kept and (paid[z - 1] > x or (paid[z - 1] == x and name[source[z - 1]] > name[p])):
            paid[z], source[z] = paid[z - 1], source[z - 1]
            z -= 1
        paid[z], source[z] = x, p
        end += 1
    return end


@njit(cache=True, nogil=True)
def _cheapest(source: Ints, low: int, high: int, cost: Floats, most: int) -> int:
    bar = np.partition(cost[source[low:high]], most - 1)[most - 1]
    end = low
    for q in range(low, high):
        if cost[source[q]] <= bar:
            source[end] = source[q]
            end += 1
    return end


@njit(cache=True, nogil=True)
def _before(a: int, b: int, cost: Floats, name: Ints) -> bool:
    return cost[a] < cost[b] or (cost[a] == cost[b] and name[a] < name[b])


@njit(cache=True, nogil=True)
def _sort(source: Ints, cost: Floats, name: Ints, room: Ints) -> None:
    """Order pairs by cost, then name: runs by insertion, then merged."""
    n = source.size
    for low in range(0, n, _RUN):
        for p in range(low + 1, min(low + _RUN, n)):
            x, q = source[p], p
            while q > low and _before(x, source[q - 1], cost, name):
                source[q] = source[q - 1]
                q -= 1
            source[q] = x
    width = _RUN
    while width < n:
        for low in range(0, n - width, 2 * width):
            _merge(source[low : min(low + 2 * width, n)], width, cost, name, room)
        width *= 2


@njit(cache=True, nogil=True)
def _merge(source: Ints, middle: int, cost: Floats, name: Ints, room: Ints) -> None:
    room[:middle] = source[:middle]
    a, b, n = 0, middle, source.size
    for q in range(n):
        if a == middle:
            return
        if b < n and _before(source[b], room[a], cost, name):
            source[q] = source[b]
            b += 1
        else:
            source[q] = room[a]
            a += 1
