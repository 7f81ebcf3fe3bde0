"""Assign: at most one candidate a request and one request a candidate, at least total cost; a request waits rather than overpay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Context, Decisions, Requests
from rialto.spine.decide import Decider, chosen
from rialto.spine.decide.assign.solve import Matching, cheapest, first_come, match
from rialto.spine.params import Param

__all__ = ["EXACT_UP_TO", "WITHIN", "Matching", "assign", "cheapest", "first_come", "match", "nearest_first"]

EXACT_UP_TO = Param(
    "match.assign.exact_up_to", 20_000, low=0, high=1e9, unit="orders", doc="Orders in a window up to which it is solved exactly."
)
WITHIN = Param(
    "match.assign.within", 0.02, low=1e-4, high=1.0, unit="share", doc="How far above the least total a larger window's may be."
)


def assign(unmatched: Param) -> Decider:
    """Choose the matching with the greatest total score, where a request that waits scores minus `unmatched`.

    The score of a pair is minus its cost; a pair of score -inf is forbidden. The answer does not depend on the order of requests
    or candidates: both are put in the order of their ids first. Propensities are 1: the policy is not random. Windows of more than
    `EXACT_UP_TO` requests are solved within `WITHIN` of the least.

    Args:
        unmatched: Param, the cost of leaving one request waiting, in the unit of the score.
    """

    def choose(owner: NDArray[np.int64], c: Candidates, waits: NDArray[np.float64], requests: Requests) -> NDArray[np.int64]:
        cost = -c.column("score")
        if len(requests) <= EXACT_UP_TO.one(requests):
            return cheapest(owner, c.ids, cost, waits, requests.ids)
        return match(owner, c.ids, cost, waits, requests.ids, within=float(WITHIN.one(requests))).rows

    return _decider("assign", unmatched, choose)


def nearest_first(unmatched: Param) -> Decider:
    """The greedy peer: pairs in order of score, best first, each request and candidate once; what most dispatchers start with."""

    def choose(owner: NDArray[np.int64], c: Candidates, waits: NDArray[np.float64], requests: Requests) -> NDArray[np.int64]:
        return first_come(owner, c.ids, -c.column("score"), waits, requests.ids)

    return _decider("nearest_first", unmatched, choose)


_Choose = Callable[[NDArray[np.int64], Candidates, NDArray[np.float64], Requests], NDArray[np.int64]]


def _decider(name: str, unmatched: Param, choose: _Choose) -> Decider:
    def decide(requests: Requests, candidates: Candidates, context: Context) -> Decisions:
        owner = candidates.owner
        rows = choose(owner, candidates, unmatched.of(requests).astype(np.float64), requests)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner[rows], minlength=len(requests)))]).astype(np.int64)
        return chosen(requests, candidates, rows, offsets, np.ones(len(rows)))

    return Decider(name, decide)
