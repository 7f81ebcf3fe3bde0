"""Shortest augmenting paths for those whom bids leave over."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.spine.decide.assign.bids import State
from rialto.spine.decide.assign.rows import Floats, Graph, Ints

__all__ = ["ANY", "Search", "nearest", "push", "search"]

ANY = 1 << 62
"""As many goods as there may be."""


class Search(NamedTuple):
    """Room for one shortest-path search: by good its distance, its mark, and the edge and bidder it is reached by; a heap; what is settled."""

    dist: Floats
    mark: Ints
    edge: Ints
    bidder: Ints
    key: Floats
    node: NDArray[np.int32]
    settled: Ints


@njit(cache=True, nogil=True)
def search(graph: Graph, state: State, left: Ints, most: int) -> bool:
    """Find each of the bidders `left` its place, one after the other, by a search each: whether all were made.

    None is begun once the searches before it have looked at `most` goods.
    """
    goods, room = graph.goods, graph.cost.size + 1
    by_good = np.empty(goods), np.full(goods, -1, np.int64), np.empty(goods, np.int64), np.empty(goods, np.int64)
    space = Search(*by_good, np.empty(room), np.empty(room, np.int32), np.empty(goods, np.int64))
    looked = 0
    for turn in range(left.size):
        if looked >= most:
            return False
        looked += _augment(graph, state, space, left[turn], 2 * turn)
    return True


@njit(cache=True, nogil=True)
def _augment(graph: Graph, state: State, search: Search, bidder: int, mark: int) -> int:
    """Give `bidder` its place by the shortest alternating path to a free good or to a bidder that had better wait.

    How many goods it looked at.
    """
    v, holder, edge = state
    best, end, waiter = graph.wait[bidder], -1, bidder  # `end`: the free good the path ends at; -1 = `waiter` waits
    size = settled = 0
    i, base = bidder, 0.0
    while True:
        size, best, end = _look(graph, state, search, i, base, best, end, mark, size)
        j, size = nearest(search, size, best, mark)
        if j < 0:
            break
        search.mark[j], search.settled[settled] = mark + 1, j
        settled += 1
        i = holder[j]
        base = search.dist[j] - (graph.cost[edge[i]] - v[j])
        if base + graph.wait[i] < best:
            best, end, waiter = base + graph.wait[i], -1, i
    for s in range(settled):
        v[search.settled[s]] += min(search.dist[search.settled[s]] - best, 0.0)
    if end < 0:
        if waiter == bidder:
            return settled
        end = int(graph.good[edge[waiter]])
        edge[waiter] = -1
    while True:
        i = search.bidder[end]
        last = edge[i]
        edge[i], holder[end] = search.edge[end], i
        if i == bidder:
            return settled
        end = int(graph.good[last])


@njit(cache=True, nogil=True)
def _look(
    graph: Graph, state: State, search: Search, i: int, base: float, best: float, end: int, mark: int, size: int
) -> tuple[int, float, int]:
    """Reach the goods of bidder `i`, itself `base` away: free ones end the path, held ones wait their turn in the heap."""
    for e in range(graph.start[i], graph.start[i + 1]):
        x = base + graph.cost[e]
        if x >= best:
            break
        j = int(graph.good[e])
        x -= state.v[j]
        if x < best and (search.mark[j] < mark or (search.mark[j] == mark and x < search.dist[j])):
            search.mark[j], search.dist[j], search.edge[j], search.bidder[j] = mark, x, e, i
            if state.holder[j] < 0:
                best, end = x, j
            else:
                push(search, size, x, j)
                size += 1
    return size, best, end


@njit(cache=True, nogil=True)
def push(search: Search, q: int, x: float, j: int) -> None:
    key, node = search.key, search.node
    while q > 0:
        up = (q - 1) >> 1
        if key[up] <= x:
            break
        key[q], node[q] = key[up], node[up]
        q = up
    key[q], node[q] = x, j


@njit(cache=True, nogil=True)
def nearest(search: Search, size: int, best: float, mark: int) -> tuple[int, int]:
    """Take the nearest good off the heap that is not settled; -1 where none lies before `best`."""
    key, node = search.key, search.node
    while size > 0 and key[0] < best:
        j = int(node[0])
        size -= 1
        x, y, q = key[size], node[size], 0
        while True:
            k = 2 * q + 1
            if k >= size:
                break
            if k + 1 < size and key[k + 1] < key[k]:
                k += 1
            if key[k] >= x:
                break
            key[q], node[q] = key[k], node[k]
            q = k
        key[q], node[q] = x, y
        if search.mark[j] == mark:
            return j, size
    return -1, size
