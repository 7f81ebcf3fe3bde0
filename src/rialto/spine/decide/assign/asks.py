"""Asks, the bids of the goods: with bids in turn, by falling steps, nearly the least total also where a place is disputed all over a city.

Bids alone leave goods that somebody bid for, was outbid elsewhere and nobody holds: with a price, which proves nothing. An ask lowers
it until somebody changes over or it is nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from rialto.spine.decide.assign.bids import State, bid
from rialto.spine.decide.assign.rows import Goods, Graph

__all__ = ["ask", "auction"]

_FIRST, _FALL = 0.02, 6.0
"""First step, as a share of the most that anybody would pay, and how many times smaller each is than the one before."""

_FINEST = 1e-9
"""Least step, as such a share: where costs are next to nothing, one of their size would take for ever."""

_MOST = 200
"""Bids, and asks, a bidder at each step: no window should need so many."""


def auction(graph: Graph, by: Goods, step: float) -> State:
    """The state after bids and asks by steps that fall to `step`: who holds something is that far from its cheapest at most.

    Args:
        graph: Who may take what.
        by: The same by good.
        step: The last step; a billionth of the most that anybody would pay, where that is more. All bidders together cost more than
            the least by a step for each that holds something, at most.

    Cost:
        Four or five steps, each 20 to 100 ms where 20,000 bidders and goods have 16 edges each.

    Source:
        Bertsekas, Castanon, Tsaknakis (1993), "Reverse auction and the solution of inequality constrained assignment problems", SIAM
        Journal on Optimization 3.
    """
    state = State.fresh(graph)
    some = graph.start[:-1] < graph.start[1:]
    paid = float((graph.wait[some] - graph.cost[graph.start[:-1][some]]).max(initial=0.0))
    if paid <= 0.0:
        return state
    step = max(step, _FINEST * paid)
    falls = max(0, int(np.ceil(np.log(max(_FIRST * paid / step, 1.0)) / np.log(_FALL))))
    for left in range(falls, -1, -1):
        state.holder[:], state.edge[:] = -1, -1
        now = step * _FALL**left
        bid(graph, state, _MOST * len(graph.wait), now)
        ask(graph, state, by, _MOST * len(graph.wait), now)
    return state


@njit(cache=True, nogil=True)
def ask(graph: Graph, state: State, by: Goods, most: int, step: float) -> None:
    """Each good that has a price and that nobody holds lowers it to where its next best bidder would come: the best one changes over.

    Args:
        graph, by: Who may take what, and the same by good.
        state: Each bidder holds what is dearer than its cheapest by a step at most; so it does afterwards.
        most: Asks before goods remain with a price that nobody pays.
        step: What a bidder must gain by changing over.
    """
    v, holder, edge = state
    pays = np.empty(graph.wait.size)
    for i in range(pays.size):
        pays[i] = graph.wait[i] if edge[i] < 0 else graph.cost[edge[i]] - v[graph.good[edge[i]]]
    for first in range(graph.good.size):  # goods in the order that bidders name them, which no numbering of goods changes
        j = int(graph.good[first])
        while holder[j] < 0 and v[j] < 0.0 and most > 0:
            most -= 1
            best, second, taker, through = 0.0, 0.0, -1, -1
            for q in range(by.start[j], by.start[j + 1]):
                x = pays[by.bidder[q]] - graph.cost[by.edge[q]]
                if x > best:
                    second, best, taker, through = best, x, by.bidder[q], by.edge[q]
                elif x > second:
                    second = x
            if best <= step:
                v[j] = 0.0
                break
            v[j] = -max(second - step, 0.0)
            pays[taker] = graph.cost[through] - v[j]
            last, edge[taker], holder[j] = edge[taker], through, taker
            if last >= 0:
                j = int(graph.good[last])
                holder[j] = -1
