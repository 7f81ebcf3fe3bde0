"""Exact places from prices that are nearly right, where a place is disputed all over a city: each search then ends near where it began.

An auction makes the prices. Then everybody takes his cheapest good if it is free, a search from each who found it taken finds him
another, and a search from each good that has a price and that nobody took lowers the price until somebody takes it or it is nothing.
In the end every bidder holds what is cheapest to it and what has a price is held: the least total, as its dual proves.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rialto.spine.decide.assign.bids import State
from rialto.spine.decide.assign.paths import Search, nearest, push
from rialto.spine.decide.assign.rows import Goods, Graph, Ints

__all__ = ["choose", "sell"]


@njit(cache=True, nogil=True)
def choose(graph: Graph, state: State) -> Ints:
    """At the prices as they are, each bidder takes its cheapest good, first come first served; those who found it taken remain."""
    v, holder, edge = state
    holder[:], edge[:] = -1, -1
    left, many = np.empty(graph.wait.size, np.int64), 0
    for i in range(graph.wait.size):
        best, at = graph.wait[i], -1
        for e in range(graph.start[i], graph.start[i + 1]):
            if graph.cost[e] >= best:
                break
            x = graph.cost[e] - v[graph.good[e]]
            if x < best:
                best, at = x, e
        if at < 0:
            continue
        if holder[graph.good[at]] < 0:
            holder[graph.good[at]], edge[i] = i, at
        else:
            left[many] = i
            many += 1
    return left[:many]


@njit(cache=True, nogil=True)
def sell(graph: Graph, state: State, by: Goods) -> None:
    """Lower the prices of goods that nobody holds, until each is held or free of charge; every bidder keeps to its cheapest.

    From each such good the shortest path of bidders who would change places: to one who waits, or to a good whose price is gone first.
    """
    goods, room = graph.goods, graph.cost.size + graph.goods + 1
    by_good = np.empty(goods), np.full(goods, -1, np.int64), np.empty(goods, np.int64), np.empty(goods, np.int64)
    space = Search(*by_good, np.empty(room), np.empty(room, np.int32), np.empty(goods, np.int64))
    turn = 0
    for e in range(graph.good.size):  # goods in the order that bidders name them, which no numbering of goods changes
        j = int(graph.good[e])
        if state.holder[j] < 0 and state.v[j] < 0.0:
            _place(graph, state, space, j, 2 * turn, by)
            turn += 1


@njit(cache=True, nogil=True)
def _place(graph: Graph, state: State, search: Search, first: int, mark: int, by: Goods) -> None:
    """Find good `first` a holder, or leave it or another one free of charge; `search.bidder` is who comes from each good reached."""
    v, holder, edge = state
    best, end, taker, through = (
        -v[first],
        first,
        -1,
        -1,
    )  # `taker` takes `end` by edge `through`; -1 = `end` stays free, of charge too
    size, settled, g, base = 0, 0, first, 0.0
    search.mark[first], search.dist[first] = mark, 0.0
    while True:
        search.mark[g], search.settled[settled] = mark + 1, g
        settled += 1
        for q in range(by.start[g], by.start[g + 1]):
            i, e = by.bidder[q], by.edge[q]
            if i == holder[g]:
                continue
            held = edge[i]
            k = int(graph.good[held]) if held >= 0 else -1
            u = graph.cost[held] - v[k] if held >= 0 else graph.wait[i]
            x = base + max(graph.cost[e] - v[g] - u, 0.0)
            if x >= best:
                continue
            if k < 0:
                best, end, taker, through = x, g, i, e
            elif search.mark[k] < mark or (search.mark[k] == mark and x < search.dist[k]):
                search.mark[k], search.dist[k], search.edge[k], search.bidder[k] = mark, x, e, i
                if x - v[k] < best:
                    best, end, taker, through = x - v[k], k, -1, -1
                push(search, size, x, k)
                size += 1
        j, size = nearest(search, size, best, mark)
        if j < 0:
            break
        g, base = j, search.dist[j]
    for s in range(settled):
        v[search.settled[s]] += best - search.dist[search.settled[s]]
    if taker < 0:
        v[end] = 0.0
    _move(graph, state, search, first, end, taker, through)


@njit(cache=True, nogil=True)
def _move(graph: Graph, state: State, search: Search, first: int, end: int, taker: int, through: int) -> None:
    """Let everybody along the path from `end` back to `first` change places, `taker` come first, or nobody."""
    holder, edge = state.holder, state.edge
    at = end
    while True:
        leaves = holder[at]
        holder[at] = taker
        if taker >= 0:
            edge[taker] = through
        if at == first:
            return
        taker, through = leaves, search.edge[at]
        at = int(graph.good[through])
