"""The kernels again, by numpy and SciPy alone and with no thought of speed: what their tests compare them with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching

from rialto.spine.decide.assign.rows import Bools, Floats, Goods, Graph, Ints

__all__ = [
    "bidders_plain",
    "build_plain",
    "by_good_plain",
    "dual_plain",
    "grid_plain",
    "least_plain",
    "picked_plain",
    "propose_plain",
    "slots_plain",
    "total_plain",
    "worth_plain",
]

Slots = NDArray[np.int32]


def worth_plain(owner: Ints, cost: Floats, unmatched: Floats, least: float) -> tuple[Bools, int]:
    """`worth`, by numpy alone."""
    bad = np.flatnonzero(~(cost >= least))
    return cost < unmatched[owner], int(bad[0]) if len(bad) else -1


def slots_plain(ids: Ints, use: Bools) -> tuple[Slots, Ints]:
    """`slots`, by numpy alone."""
    known, first, which = np.unique(ids[use], return_index=True, return_inverse=True)
    order = np.argsort(first)
    slot = np.zeros(len(ids), dtype=np.int32)
    slot[use] = np.argsort(order)[which]
    return slot, known[order]


def bidders_plain(owner: Ints, slot: Slots, use: Bools, requests: int, drivers: int, least: int) -> Bools:
    """`bidders`, by SciPy's connected components."""
    size = requests + drivers
    pairs = csr_array((np.ones(int(use.sum())), (owner[use], requests + slot[use])), shape=(size, size))
    many, part = connected_components(pairs, directed=False)
    asking, offering = (np.bincount(part[side], minlength=many) for side in (slice(requests), slice(requests, size)))
    return ((asking > offering) & (offering > 0) & (asking >= least))[part[:requests]]


def build_plain(bidder: Ints, good: Slots, name: Ints, cost: Floats, wait: Floats, use: Bools, goods: int) -> Graph:
    """`build`, by one sort of all pairs."""
    source = np.flatnonzero(use)
    source = source[np.lexsort((name[source], cost[source], bidder[source]))]
    kept: list[int] = []
    for i in range(len(wait)):
        row = source[bidder[source] == i]
        bar = cost[row[len(wait) - 1]] if len(row) > len(wait) else np.inf
        kept += row[cost[row] <= bar].tolist()
    source = np.array(kept, dtype=np.int64)
    start = np.searchsorted(bidder[source], np.arange(len(wait) + 1)).astype(np.int64)
    return Graph(start, good[source], cost[source], wait, source, goods)


def by_good_plain(graph: Graph) -> Goods:
    """`by_good`, by one stable sort."""
    edge = np.argsort(graph.good, kind="stable")
    bidder = np.repeat(np.arange(len(graph.wait)), np.diff(graph.start))[edge]
    start = np.searchsorted(graph.good[edge], np.arange(graph.goods + 1)).astype(np.int64)
    return Goods(start, bidder, edge)


def propose_plain(graph: Graph) -> Ints:
    """`propose`, by going through all pairs in order of cost, bidder and the good's place in the bidder's row."""
    bidder = np.repeat(np.arange(len(graph.wait)), np.diff(graph.start))
    edge, free = np.full(len(graph.wait), -1, dtype=np.int64), np.ones(graph.goods, dtype=np.bool_)
    for e in np.lexsort((np.arange(len(bidder)), bidder, graph.cost)).tolist():
        if edge[bidder[e]] < 0 and free[graph.good[e]]:
            edge[bidder[e]], free[graph.good[e]] = e, False
    return edge


def total_plain(graph: Graph, edge: Ints) -> float:
    """`total`, by numpy alone."""
    return float(graph.cost[edge[edge >= 0]].sum() + graph.wait[edge < 0].sum())


def dual_plain(graph: Graph, v: Floats) -> float:
    """`dual`, by numpy alone."""
    best = graph.wait.copy()
    np.minimum.at(best, np.repeat(np.arange(len(best)), np.diff(graph.start)), graph.cost - v[graph.good])
    return float(v.sum() + best.sum())


def grid_plain(request: Ints, slot: Slots, rank: Ints, cost: Floats, wait: Floats, use: Bools, less: Floats) -> Floats:
    """`grid`, by numpy alone."""
    table = np.repeat((wait - less)[:, np.newaxis], len(rank), axis=1)
    np.minimum.at(table, (request[use], rank[slot[use]]), (cost - less[request])[use])
    return table


def picked_plain(
    request: Ints, slot: Slots, rank: Ints, cost: Floats, wait: Floats, use: Bools, driver: Ints
) -> tuple[Ints, float]:  # fmt: skip
    """`picked`, pair by pair."""
    best: dict[int, int] = {}
    for p in np.flatnonzero(use).tolist():
        i = int(request[p])
        if driver[i] == rank[slot[p]] and (i not in best or cost[p] < cost[best[i]]):
            best[i] = p
    rows = np.array(sorted(best.values()), dtype=np.int64)
    return rows, float(cost[rows].sum() + np.delete(wait, request[rows]).sum())


def least_plain(owner: Ints, ids: Ints, cost: Floats, unmatched: Floats) -> float:
    """What `cheapest` comes to, by SciPy's sparse matching: each request has a place of its own to wait at, so that a full one exists."""
    use = cost < unmatched[owner]
    driver = np.unique(ids[use], return_inverse=True)[1].reshape(-1)
    many, drivers = len(unmatched), int(driver.max(initial=-1)) + 1
    left, right = np.concatenate([owner[use], np.arange(many)]), np.concatenate([driver, drivers + np.arange(many)])
    paid = np.concatenate([cost[use], unmatched])
    low = paid.min(initial=0.0) - 1.0  # the solver wants weights above zero
    graph = csr_array((paid - low, (left, right)), shape=(many, drivers + many))
    return float(graph[min_weight_full_bipartite_matching(graph)].sum() + many * low) if many else 0.0
