"""The graph of a window: pairs by bidder, each bidder's cheapest first, ties by name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.threads import spread

__all__ = ["Bools", "Floats", "Goods", "Graph", "Ints", "build", "by_good"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_RUN = 32
"""Pairs that are put in order by insertion; longer rows by merging such runs."""

_GRAIN = 1024  # rows worth a call


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


class Goods(NamedTuple):
    """The same edges by good in compressed sparse rows, each row by bidder.

    Args:
        start: Good j is in rows `start[j]:start[j+1]`, shape (goods + 1,).
        bidder: Who may take it, shape (edges,).
        edge: By which edge of the graph, shape (edges,).
    """

    start: Ints
    bidder: Ints
    edge: Ints


def build(bidder: Ints, good: NDArray[np.int32], name: Ints, cost: Floats, wait: Floats, use: Bools, goods: int) -> Graph:
    """The graph of the pairs in use: `bidder`, `good`, the good's `name` (which breaks ties) and `cost`, shape (pairs,) each.

    A row longer than there are bidders keeps its cheapest, one for each bidder (and their ties): the others cannot take more.
    """
    start, source = _gathered(bidder, use, wait.size)
    longest = int((start[1:] - start[:-1]).max(initial=0))
    if longest > len(wait):
        start, source = _trimmed(start, source, cost)
    paid, taken = np.empty(len(source)), np.empty(len(source), dtype=np.int32)

    def part(first: int, last: int) -> None:
        _order(first, last, start, source, paid, taken, cost, name, good, longest)

    spread(part, len(wait), grain=_GRAIN)
    return Graph(start, taken, paid, wait, source, goods)


@njit(cache=True, nogil=True)
def by_good(graph: Graph) -> Goods:
    """The graph's edges by good."""
    start = np.zeros(graph.goods + 1, np.int64)
    for e in range(graph.good.size):
        start[graph.good[e] + 1] += 1
    start = np.cumsum(start)
    at, bidder, edge = start.copy(), np.empty(graph.good.size, np.int64), np.empty(graph.good.size, np.int64)
    for i in range(graph.wait.size):
        for e in range(graph.start[i], graph.start[i + 1]):
            q = at[graph.good[e]]
            at[graph.good[e]] = q + 1
            bidder[q], edge[q] = i, e
    return Goods(start, bidder, edge)


@njit(cache=True, nogil=True)
def _gathered(bidder: Ints, use: Bools, bidders: int) -> tuple[Ints, Ints]:
    """Where each bidder's pairs begin, shape (bidders + 1,), and the pairs in use by bidder."""
    start = np.zeros(bidders + 1, np.int64)
    for p in range(bidder.size):
        start[bidder[p] + 1] += use[p]
    start = np.cumsum(start)
    source, at = np.empty(start[-1], np.int64), start.copy()
    for p in range(bidder.size):
        if use[p]:
            source[at[bidder[p]]] = p
            at[bidder[p]] += 1
    return start, source


@njit(cache=True, nogil=True)
def _trimmed(start: Ints, source: Ints, cost: Floats) -> tuple[Ints, Ints]:
    """The same without what rows longer than there are bidders hold beyond their cheapest."""
    left, kept, most = start.copy(), 0, start.size - 1
    for i in range(most):
        low, high = start[i], start[i + 1]
        if high - low > most:
            high = _cheapest(source, low, high, cost, most)
        left[i] = kept
        for q in range(low, high):
            source[kept] = source[q]
            kept += 1
    left[most] = kept
    return left, source[:kept]


@njit(cache=True, nogil=True)
def _order(
    first: int, last: int, start: Ints, source: Ints, paid: Floats, taken: NDArray[np.int32], cost: Floats, name: Ints,
    good: NDArray[np.int32], longest: int,
) -> None:  # fmt: skip
    """Put the rows of bidders `first..last` in order, each cheapest first, with their costs and goods."""
    room = np.empty(longest, np.int64)
    for i in range(first, last):
        low, high = start[i], start[i + 1]
        if high - low > _RUN:
            _sort(source[low:high], cost, name, room)
        _insert(source, paid, low, high, cost, name)
        for e in range(low, high):
            taken[e] = good[source[e]]


@njit(cache=True, nogil=True)
def _insert(source: Ints, paid: Floats, low: int, high: int, cost: Floats, name: Ints) -> None:
    """Put pairs `source[low:high]` in order, with their costs."""
    for q in range(low, high):
        p, z = source[q], q
        x = cost[p]
        while z > low and (paid[z - 1] > x or (paid[z - 1] == x and name[source[z - 1]] > name[p])):
            paid[z], source[z] = paid[z - 1], source[z - 1]
            z -= 1
        paid[z], source[z] = x, p


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
