"""Assign: at most one candidate a request and one request a candidate, at least total cost; a request waits rather than overpay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from rialto.records import Candidates, Context, Decisions, Requests
from rialto.spine.decide import Decider, chosen
from rialto.spine.params import Param

__all__ = ["assign", "cheapest", "nearest_first"]


def assign(unmatched: Param) -> Decider:
    """Choose the matching with the greatest total score, where a request that waits scores minus `unmatched`.

    The score of a pair is minus its cost; a pair of score -inf is forbidden. The answer does not depend on the order of requests
    or candidates: both are put in the order of their ids first. Propensities are 1: the policy is not random.

    Args:
        unmatched: Param, the cost of leaving one request waiting, in the unit of the score.
    """

    def decide(requests: Requests, candidates: Candidates, context: Context) -> Decisions:
        rows = cheapest(
            candidates.owner, candidates.ids, -candidates.column("score"), unmatched.of(requests).astype(np.float64), requests.ids
        )
        offsets = np.searchsorted(candidates.owner[rows], np.arange(len(requests) + 1)).astype(np.int64)
        return chosen(requests, candidates, rows, offsets, np.ones(len(rows)))

    return Decider("assign", decide)


def cheapest(
    owner: NDArray[np.int64],
    ids: NDArray[np.int64],
    cost: NDArray[np.float64],
    unmatched: NDArray[np.float64],
    request_ids: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """Choose pairs of least total cost, each request and each candidate at most once.

    Args:
        owner: Request of each pair, shape (pairs,).
        ids: Candidate of each pair, shape (pairs,); no pair twice.
        cost: Shape (pairs,); +inf forbids.
        unmatched: Cost of leaving each request out, shape (requests,).
        request_ids: Shape (requests,); they break ties, so that the batch's order does not.

    Returns:
        Rows of the chosen pairs, rising.

    Cost:
        Shortest augmenting paths over the sparse graph: near linear in pairs on windows of local choices.

    Source:
        Jonker, Volgenant (1987), "A shortest augmenting path algorithm for dense and sparse linear assignment problems",
        Computing 38; the solver is SciPy's `min_weight_full_bipartite_matching`.

    Example:
        >>> rows = cheapest(np.array([0, 0, 1]), np.array([7, 8, 7]), np.array([10.0, 30.0, 20.0]),
        ...                 np.array([600.0, 600.0]), np.array([1, 2], dtype=np.uint64))
        >>> rows.tolist()
        [1, 2]
    """
    worth = np.flatnonzero(np.isfinite(cost) & (cost < unmatched[owner]))
    if len(worth) == 0:
        return worth
    asking, order_of = np.unique(request_ids[owner[worth]], return_inverse=True)
    offered, driver_of = np.unique(ids[worth], return_inverse=True)
    waits = np.zeros(len(asking))
    waits[order_of] = unmatched[owner[worth]]
    # Each request gets a place of its own to wait at, so that a full matching always exists. The solver wants weights above zero.
    low = min(float(cost[worth].min()), float(waits.min())) - 1.0
    left = np.concatenate([order_of, np.arange(len(asking))])
    right = np.concatenate([driver_of, len(offered) + np.arange(len(asking))])
    weight = np.concatenate([cost[worth], waits]) - low
    pair = np.concatenate([worth, np.full(len(asking), -1)])
    shape = (len(asking), len(offered) + len(asking))
    graph = csr_array((weight, (left, right)), shape=shape)
    taken_by, takes = min_weight_full_bipartite_matching(graph)
    lookup = csr_array((pair + 2, (left, right)), shape=shape)  # +2: a stored zero would vanish
    rows = np.asarray(lookup[taken_by, takes]).ravel() - 2
    return np.sort(rows[rows >= 0]).astype(np.int64)


def nearest_first(unmatched: Param) -> Decider:
    """The greedy peer: pairs in order of score, best first, each request and candidate once; what most dispatchers start with."""

    def decide(requests: Requests, candidates: Candidates, context: Context) -> Decisions:
        score, owner = candidates.column("score"), candidates.owner
        order = np.lexsort((candidates.ids, requests.ids[owner], -score))
        order = order[(score > -unmatched.of(requests)[owner])[order]]
        rows = _greedy(order, owner, np.unique(candidates.ids, return_inverse=True)[1], len(requests))
        offsets = np.searchsorted(owner[rows], np.arange(len(requests) + 1)).astype(np.int64)
        return chosen(requests, candidates, rows, offsets, np.ones(len(rows)))

    return Decider("nearest_first", decide)


def _greedy(order: NDArray[np.int64], owner: NDArray[np.int64], slot: NDArray[np.int64], requests: int) -> NDArray[np.int64]:
    served, taken = np.zeros(requests, dtype=np.bool_), np.zeros(len(slot), dtype=np.bool_)
    rows: list[int] = []
    for row in order:
        if not served[owner[row]] and not taken[slot[row]]:
            served[owner[row]] = taken[slot[row]] = True
            rows.append(int(row))
    return np.sort(np.array(rows, dtype=np.int64))
