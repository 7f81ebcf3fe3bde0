"""Bids that settle the easy ones, or all of them nearly right by a small step, and the dual that bounds every matching.

Each good has a price `-v`, never below zero; an edge costs its bidder `cost - v`. A good once taken stays taken and its price never
falls, so a good nobody took is free of charge: with every bidder on its cheapest edge, that is the proof of optimality.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from rialto.spine.decide.assign.rows import Floats, Graph, Ints

__all__ = ["State", "bid", "dual", "total"]


class State(NamedTuple):
    """Prices and partners: `v` (goods,) at most 0; `holder` (goods,) bidder, -1 = nobody; `edge` (bidders,), -1 = waits."""

    v: Floats
    holder: Ints
    edge: Ints

    @staticmethod
    def fresh(graph: Graph) -> State:
        """Nobody holds anything, and nothing has a price."""
        nobody, nothing = np.full(graph.goods, -1, dtype=np.int64), np.full(len(graph.wait), -1, dtype=np.int64)
        return State(np.zeros(graph.goods), nobody, nothing)


@njit(cache=True, nogil=True)
def bid(graph: Graph, state: State, most: int, step: float) -> Ints:
    """Each bidder takes its cheapest good at the price where its next best is as good; who loses one bids again. The unsettled remain.

    Args:
        graph: Who may take what.
        state: Nobody holds anything; goods may have prices.
        most: Bids before those who have nothing yet remain.
        step: What a bid raises a price by on top of that. At 0 each bidder holds its cheapest or remains. Above 0, a bidder holds what
            is dearer than its cheapest by one step at most: from prices of nothing, all of them together cost more than the least by a
            step for each that holds something, at most.

    Source:
        Bertsekas (1988), "The auction algorithm: a distributed relaxation method for the assignment problem", Annals of Operations
        Research 14; from prices of zero, with more goods than bidders: Bertsekas, Castanon (1992), Computational Optimization and
        Applications 1.
    """
    start, good, cost, wait = graph.start, graph.good, graph.cost, graph.wait
    v, holder, edge = state
    left, many = np.empty(wait.size, np.int64), 0
    for first in range(wait.size):
        i = first
        while i >= 0:
            best, second, at = wait[i], np.inf, -1
            for e in range(start[i], start[i + 1]):
                x = cost[e]
                if x >= second:  # prices only add, and later edges cost more
                    break
                x -= v[good[e]]
                if x < best:
                    second, best, at = best, x, e
                elif x < second:
                    second = x
            if at < 0:
                break  # it waits, for good: prices only rise
            was, rise = holder[good[at]], second - best + step
            most -= 1
            if most < 0 or (was >= 0 and rise <= 0.0):
                left[many] = i
                many += 1
                break
            v[good[at]] -= rise
            holder[good[at]], edge[i] = i, at
            i = was
            if i >= 0:
                edge[i] = -1
    return left[:many]


@njit(cache=True, nogil=True)
def total(graph: Graph, edge: Ints) -> float:
    """What a matching costs, those who wait included."""
    out = 0.0
    for i in range(edge.size):
        out += float(graph.wait[i] if edge[i] < 0 else graph.cost[edge[i]])
    return out


@njit(cache=True, nogil=True)
def dual(graph: Graph, v: Floats) -> float:
    """What no matching can cost less than: each bidder's cheapest at these prices, less what the goods would fetch."""
    out = 0.0
    for j in range(v.size):
        out += v[j]
    for i in range(graph.wait.size):
        best = graph.wait[i]
        for e in range(graph.start[i], graph.start[i + 1]):
            if graph.cost[e] >= best:
                break
            best = min(best, graph.cost[e] - v[graph.good[e]])
        out += best
    return out
