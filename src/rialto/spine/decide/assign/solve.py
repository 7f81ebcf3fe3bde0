"""A window's matching: checked, put in order of ids, split by who is scarce, solved, and bounded by its own dual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.spine.decide.assign.asks import auction
from rialto.spine.decide.assign.bids import State, bid, dual, total
from rialto.spine.decide.assign.dense import crowded, tabled
from rialto.spine.decide.assign.graph import bidders, slots, worth
from rialto.spine.decide.assign.greedy import propose
from rialto.spine.decide.assign.mend import choose, sell
from rialto.spine.decide.assign.paths import ANY, search
from rialto.spine.decide.assign.rows import Bools, Floats, Graph, Ints, build, by_good

__all__ = ["Matching", "cheapest", "first_come", "match"]

_BIDS, _STEPPED = 3, 10
"""Bids a bidder, exact or by steps, before searches or asks begin: more help little where a place is disputed."""

_MOST = 1e12
"""Greatest cost: beyond, a double tells apart no two costs that differ by less than 1e-4, and the least total is anybody's guess."""

_LOOKS, _STEP = 2, 0.002
"""Goods a bidder that exact searches may look at before they begin anew from an auction's prices; its last step, of a usual cost."""

_DISPUTED = 16
"""Where bids leave more than one in so many, it pays to see in which components drivers are the fewer."""

_LEAST = 64
"""Requests in a component from which it pays to let the drivers bid, where they are the fewer."""


@dataclass(frozen=True, slots=True)
class Matching:
    """A matching and what it is worth.

    Args:
        rows: Rows of the chosen pairs, rising, shape (chosen,).
        solver: `exact`; `dense`, as exact, on a full table; `bids`, where they went by steps; `greedy`, where that was better still.
        total: Its cost, that of the requests left waiting included.
        gap: How much dearer than the least it is at most, in the unit of the cost, by its own dual: some 1e-12 of the total where it is
            exact; 0 on a full table.
    """

    rows: Ints
    solver: str
    total: float
    gap: float


def cheapest(owner: Ints, ids: Ints, cost: Floats, unmatched: Floats, request_ids: NDArray[np.uint64]) -> Ints:
    """Choose pairs of least total cost, each request and each candidate at most once.

    Args:
        owner: Request of each pair, shape (pairs,).
        ids: Candidate of each pair, shape (pairs,); no pair twice.
        cost: Shape (pairs,); +inf forbids. A pair that costs as much as waiting is not taken.
        unmatched: Cost of leaving each request out, shape (requests,); finite.
        request_ids: Shape (requests,); they break ties, so that the batch's order does not.

    Returns:
        Rows of the chosen pairs, rising.

    Raises:
        BadInput: shapes differ, an owner is no request, a cost is NaN or below -1e12, or waiting costs more than 1e12 either way.

    Cost:
        About 1 us a request where drivers abound or lack; ten to thirty times that where a large city has just as many of both.

        Who solves what, by shape: a window with a quarter of all pairs or more goes to a full table (measured in `dense`), unless it is
        so small that nothing matters. Else bids by the requests settle nearly all where drivers abound, and searches the few others.
        Where more than one request in 16 is left, each connected component goes by itself: from 64 requests on, where it has fewer
        drivers than requests, the drivers bid (20,000 requests, 10,000 drivers, 20 nearest: 80 ms all told, against 2,200 ms to search
        alone with the requests bidding); else the requests do. Components need no other solver: a search never leaves its own, so small
        ones cost what they are. Where searches have to look at more than two goods a bidder, which is where there are about as many of
        both, they begin anew from prices that bids and asks have made nearly right (`auction`, `mend`): 20,000 requests and drivers, 16
        or 20 nearest, take 220 to 700 ms so, and 300 to 3,600 from the prices of bids alone.

    Source:
        Jonker, Volgenant (1987), "A shortest augmenting path algorithm for dense and sparse linear assignment problems",
        Computing 38: its row reduction, and shortest augmenting paths by a heap over the sparse graph.

    Example:
        >>> rows = cheapest(np.array([0, 0, 1]), np.array([7, 8, 7]), np.array([10.0, 30.0, 20.0]),
        ...                 np.array([600.0, 600.0]), np.array([1, 2], dtype=np.uint64))
        >>> rows.tolist()
        [1, 2]
    """
    return match(owner, ids, cost, unmatched, request_ids).rows


def match(
    owner: Ints,
    ids: Ints,
    cost: Floats,
    unmatched: Floats,
    request_ids: NDArray[np.uint64],
    *,
    within: float = 0.0,
) -> Matching:
    """`cheapest`, with its worth; or near the least, sooner.

    Args:
        owner, ids, cost, unmatched, request_ids: as `cheapest`.
        within: How much dearer than the least the matching may be, as a share of what all requests would cost if each had its cheapest
            pair (in absolute value, where costs are below zero), 0 or more: 0.02 comes out some 0.0001 to 0.001 dearer, drivers plenty,
            scarce or just as many as orders. `gap` tells what it is at most.

    Returns:
        The matching; with `within`, it never costs more than the greedy one.

    Raises:
        BadInput: as `cheapest`, or `within` is below 0.

    Source:
        Bertsekas (1988), "The auction algorithm", for `within`.

    Example:
        >>> m = match(np.array([0, 0, 1]), np.array([7, 8, 7]), np.array([10.0, 30.0, 20.0]),
        ...           np.array([600.0, 600.0]), np.array([1, 2], dtype=np.uint64))
        >>> m.rows.tolist(), m.solver, m.total, m.gap
        ([1, 2], 'exact', 50.0, 0.0)
    """
    if not 0.0 <= within < np.inf:
        raise BadInput(f"within is {within}; wanted a share from 0 up.")
    window = _Window.of(owner, ids, cost, unmatched, request_ids)
    if crowded(int(np.count_nonzero(window.use)), len(unmatched), len(window.names), exact=not within):
        rows, paid = tabled(window.request, window.slot, window.rank, window.cost, window.wait, window.use)
        return Matching(rows, "dense", paid, 0.0)
    abound = len(window.names) >= len(unmatched)
    whole = window.asking() if abound or within else None
    if whole is not None and not within and (found := _easy(whole)) is not None:
        paid = total(whole, found.edge)
        return Matching(_rows(whole, found.edge), "exact", paid, max(paid - dual(whole, found.v), 0.0))
    turned = bidders(window.request, window.slot, window.use, len(unmatched), len(window.names), _LEAST)
    split = bool(turned.any())
    step = within * _usual(whole) if whole is not None else 0.0
    rows, paid, least = _solved(window.asking(~turned) if split else whole or window.asking(), step)
    if split:
        found, saved, least_ = _solved(window.offering(turned), step)
        waits = float(window.wait[turned].sum())  # drivers bid to spare a request its wait
        rows, paid, least = np.concatenate([rows, found]), paid + waits + saved, least + waits + least_
    if step:
        whole = whole or window.asking()
        edge = propose(whole)
        plain = total(whole, edge)
        if plain < paid:
            return Matching(_rows(whole, edge), "greedy", plain, max(plain - least, 0.0))
    return Matching(np.sort(rows), "bids" if step else "exact", paid, max(paid - least, 0.0))


def first_come(owner: Ints, ids: Ints, cost: Floats, unmatched: Floats, request_ids: NDArray[np.uint64]) -> Ints:
    """The greedy peer of `cheapest`, with the same arguments, refusals and answer: pairs in order of cost, request id and id."""
    window = _Window.of(owner, ids, cost, unmatched, request_ids)
    graph = window.asking()
    return _rows(graph, propose(graph))


@dataclass(frozen=True, slots=True)
class _Window:
    """Pairs by place of the request in order of ids and slot of the driver, and which of them are worth their cost."""

    request: Ints
    slot: NDArray[np.int32]
    ids: Ints
    cost: Floats
    wait: Floats
    use: Bools
    names: Ints

    @staticmethod
    def of(owner: Ints, ids: Ints, cost: Floats, unmatched: Floats, request_ids: NDArray[np.uint64]) -> _Window:
        _check(owner, ids, cost, unmatched, request_ids)
        owner, ids = np.ascontiguousarray(owner, dtype=np.int64), np.ascontiguousarray(ids, dtype=np.int64)
        cost, wait = np.ascontiguousarray(cost, dtype=np.float64), np.ascontiguousarray(unmatched, dtype=np.float64)
        use, bad = worth(owner, cost, wait, -_MOST)
        if bad >= 0:
            raise BadInput(f"row {bad} of cost is {cost[bad]}; wanted {-_MOST:g} or more, +inf for a pair that is forbidden.")
        slot, names = slots(ids, use)
        if np.any(request_ids[1:] < request_ids[:-1]):
            order = np.argsort(request_ids)
            place = np.empty(len(order), dtype=np.int64)
            place[order] = np.arange(len(order))
            owner, wait = place[owner], wait[order]
        return _Window(owner, slot, ids, cost, wait, use, names)

    def asking(self, who: Bools | None = None) -> Graph:
        """Requests bid for drivers: those that are `who`, or all; the others wait for nothing."""
        use, wait = (self.use, self.wait) if who is None else (self.use & who[self.request], np.where(who, self.wait, 0.0))
        return build(self.request, self.slot, self.ids, self.cost, wait, use, len(self.names))

    def offering(self, who: Bools) -> Graph:
        """Drivers bid for the requests that are `who`, in order of their ids; what they save a request is what they are paid."""
        saving, use = self.cost - self.wait[self.request], self.use & who[self.request]
        bidder, good = self.rank[self.slot], self.request.astype(np.int32)
        return build(bidder, good, self.request, saving, np.zeros(len(self.names)), use, len(self.wait))

    @property
    def rank(self) -> Ints:
        """Place of each slot's driver in the order of ids, shape (slots,)."""
        place = np.empty(len(self.names), dtype=np.int64)
        place[np.argsort(self.names)] = np.arange(len(self.names))
        return place


def _easy(graph: Graph) -> State | None:
    """The state after bids and the few searches they leave, exact; None where they leave many, as places are disputed."""
    many = len(graph.wait)
    state = State.fresh(graph)
    left = bid(graph, state, _BIDS * many, 0.0)
    if len(left) * _DISPUTED > many:
        return None
    return _searched(graph, state, left, 0.0)


def _searched(graph: Graph, state: State, left: Ints, step: float) -> State:
    """The state, exact or to a step, where bids left `left`: by searches, or where they have to look too far, by an auction's prices."""
    if not len(left) or search(graph, state, left, _LOOKS * len(graph.wait)):
        return state
    by = by_good(graph)
    state = auction(graph, by, step or _STEP * _usual(graph))
    if not step:
        search(graph, state, choose(graph, state), ANY)
        sell(graph, state, by)
    return state


def _usual(graph: Graph) -> float:
    """Mean over the bidders that may take something of their cheapest, in absolute value."""
    first = graph.start[:-1][graph.start[:-1] < graph.start[1:]]
    return float(np.abs(graph.cost[first]).mean()) if len(first) else 0.0


def _solved(graph: Graph, step: float) -> tuple[Ints, float, float]:
    """Chosen rows, their cost, and the least that any can cost."""
    state = State.fresh(graph)
    left = bid(graph, state, (_STEPPED if step else _BIDS) * len(graph.wait), step)
    state = _searched(graph, state, left, step)
    return _rows(graph, state.edge), total(graph, state.edge), dual(graph, state.v)


def _rows(graph: Graph, edge: Ints) -> Ints:
    return np.sort(graph.source[edge[edge >= 0]])


def _check(owner: Ints, ids: Ints, cost: Floats, unmatched: Floats, request_ids: NDArray[np.uint64]) -> None:
    if owner.ndim != 1 or not owner.shape == ids.shape == cost.shape or unmatched.shape != (len(request_ids),):
        shapes = ", ".join(str(a.shape) for a in (owner, ids, cost, unmatched, request_ids))
        raise BadInput(
            f"owner, ids, cost, unmatched and request_ids have shapes {shapes}; wanted (pairs,) three times and (requests,) twice."
        )
    if len(owner) and not 0 <= owner.min() <= owner.max() < len(unmatched):
        raise BadInput(f"owner runs from {owner.min()} to {owner.max()}; wanted requests, 0 to {len(unmatched) - 1}.")
    if not (np.abs(unmatched) <= _MOST).all():
        row = int(np.flatnonzero(~(np.abs(unmatched) <= _MOST))[0])
        raise BadInput(
            f"row {row} of unmatched is {unmatched[row]}; wanted a cost within {_MOST:g}: for `at any price` pass 1e9, say."
        )
