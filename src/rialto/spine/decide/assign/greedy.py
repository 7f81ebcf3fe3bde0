"""The cheapest pair first, without putting all pairs in order: each bidder asks down its list, each good keeps the best that asked."""

from __future__ import annotations

import numpy as np
from numba import njit

from rialto.spine.decide.assign.rows import Graph, Ints

__all__ = ["propose"]


@njit(cache=True, nogil=True)
def propose(graph: Graph) -> Ints:
    """Edge of each bidder, shape (bidders,), -1 = waits, as if pairs were taken in order of cost, bidder and name.

    Both sides of a pair rank it by one and the same order, so there is just one stable matching: the greedy one.

    Cost:
        Each edge is looked at once at most.

    Source:
        Gale, Shapley (1962), "College admissions and the stability of marriage", American Mathematical Monthly 69(1).
    """
    edge, holder = np.full(graph.wait.size, -1, np.int64), np.full(graph.goods, -1, np.int64)
    at = graph.start[:-1].copy()
    for first in range(graph.wait.size):
        i = first
        while i >= 0 and at[i] < graph.start[i + 1]:
            e = at[i]
            at[i] += 1
            was = holder[graph.good[e]]
            if was >= 0 and (graph.cost[edge[was]], was) < (graph.cost[e], i):
                continue
            holder[graph.good[e]], edge[i] = i, e
            i = was
            if i >= 0:
                edge[i] = -1
    return edge
