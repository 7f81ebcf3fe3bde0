"""The matching kernels say what numpy and SciPy say, and their prices prove it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rialto.spine.decide.assign import plain
from rialto.spine.decide.assign.asks import ask, auction
from rialto.spine.decide.assign.bids import State, bid, dual, total
from rialto.spine.decide.assign.dense import grid, picked, tabled
from rialto.spine.decide.assign.graph import bidders, slots, worth
from rialto.spine.decide.assign.greedy import propose
from rialto.spine.decide.assign.mend import choose, sell
from rialto.spine.decide.assign.paths import ANY, search
from rialto.spine.decide.assign.rows import Graph, build, by_good


class Pairs(NamedTuple):
    request: NDArray[np.int64]
    ids: NDArray[np.int64]
    cost: NDArray[np.float64]
    wait: NDArray[np.float64]
    use: NDArray[np.bool_]


@st.composite
def pairs(draw: st.DrawFn) -> Pairs:
    """Any number from none on, with ties, in any order, and a request that may take many more than there are requests."""
    requests, drivers = draw(st.integers(1, 40)), draw(st.integers(1, 120))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    request, driver = np.nonzero(chance.random((requests, drivers)) < draw(st.sampled_from([0.0, 0.02, 0.1, 0.9])))
    order = chance.permutation(len(request))
    ids = driver * 3 - 7 if draw(st.booleans()) else chance.choice(2**62, drivers, replace=False)[driver] * 2 - 2**62
    cost = chance.integers(-3, 12, len(request)).astype(np.float64) if draw(st.booleans()) else chance.normal(size=len(request))
    wait = chance.uniform(0.0, 15.0, requests)
    return Pairs(request[order], ids[order], cost[order], wait, (cost[order] < wait[request[order]]))


def graph_of(p: Pairs) -> Graph:
    slot, names = slots(p.ids, p.use)
    return build(p.request, slot, p.ids, p.cost, p.wait, p.use, len(names))


def fits(g: Graph, state: State) -> bool:
    """Whether who holds what agrees from both sides, and what nobody holds is free of charge."""
    held = np.flatnonzero(state.holder >= 0)
    bidder = np.flatnonzero(state.edge >= 0)
    back = {int(g.good[state.edge[i]]): int(i) for i in bidder}
    return back == {int(j): int(state.holder[j]) for j in held} and bool((state.v[state.holder < 0] == 0).all())


@settings(deadline=None)
@given(pairs())
def test_pairs_worth_their_cost_and_slots_are_what_numpy_finds(p: Pairs) -> None:
    for cost in (p.cost, np.where(p.cost > 5.0, np.nan, p.cost), np.where(p.cost > 1.0, np.inf, p.cost)):
        good, bad = worth(p.request, cost, p.wait, -2.5)
        also, row = plain.worth_plain(p.request, cost, p.wait, -2.5)
        assert (good.tolist(), bad) == (also.tolist(), row)
    slot, names = slots(p.ids, p.use)
    as_slot, as_names = plain.slots_plain(p.ids, p.use)
    assert (slot.tolist(), names.tolist()) == (as_slot.tolist(), as_names.tolist())


@settings(deadline=None)
@given(pairs(), st.integers(1, 20))
def test_components_short_of_drivers_are_those_that_scipy_finds(p: Pairs, least: int) -> None:
    slot, names = slots(p.ids, p.use)
    asked = (p.request, slot, p.use, len(p.wait), len(names), least)
    assert bidders(*asked).tolist() == plain.bidders_plain(*asked).tolist()


@settings(deadline=None)
@given(pairs())
def test_the_graph_is_what_one_sort_gives(p: Pairs) -> None:
    slot, names = slots(p.ids, p.use)
    asked = (p.request, slot, p.ids, p.cost, p.wait, p.use, len(names))
    g, slow = build(*asked), plain.build_plain(*asked)
    for kernel, numpy in (*zip(g, slow), *zip(by_good(g), plain.by_good_plain(slow))):
        assert np.array_equal(kernel, numpy)


@settings(deadline=None)
@given(pairs())
def test_proposals_end_where_taking_the_cheapest_pair_first_does(p: Pairs) -> None:
    g = graph_of(p)
    assert propose(g).tolist() == plain.propose_plain(g).tolist()


@settings(deadline=None)
@given(pairs())
def test_searches_find_the_least_and_their_prices_prove_it(p: Pairs) -> None:
    g = graph_of(p)
    least = plain.least_plain(p.request, p.ids, p.cost, p.wait)
    for bids in (0, 3 * len(p.wait)):
        state = State.fresh(g)
        assert search(g, state, bid(g, state, bids, 0.0), ANY)
        assert fits(g, state)
        assert np.isclose(total(g, state.edge), least)
        assert np.isclose(dual(g, state.v), least)
        assert np.isclose(total(g, state.edge), plain.total_plain(g, state.edge))
        assert np.isclose(dual(g, state.v), plain.dual_plain(g, state.v))


@settings(deadline=None)
@given(pairs(), st.sampled_from([0.0, 0.01, 1.0]), st.sampled_from([0, 1, 3, 150]))
def test_bids_are_those_of_the_plain_loop_whatever_their_number(p: Pairs, step: float, each: int) -> None:
    g = graph_of(p)
    state, slow = State.fresh(g), State.fresh(g)
    left, also = bid(g, state, each * len(g.wait), step), bid.py_func(g, slow, each * len(g.wait), step)
    assert left.tolist() == also.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(state, slow))
    assert fits(g, state)


@settings(deadline=None)
@given(pairs(), st.sampled_from([0.0, 0.01, 1.0]))
def test_who_is_done_bidding_is_a_step_from_its_best_at_most(p: Pairs, step: float) -> None:
    g = graph_of(p)
    state = State.fresh(g)
    left = bid(g, state, 3 * len(g.wait), step)
    for i in np.setdiff1d(np.arange(len(g.wait)), left):
        row = slice(g.start[i], g.start[i + 1])
        best = min([g.wait[i], *(g.cost[row] - state.v[g.good[row]])])
        pays = g.wait[i] if state.edge[i] < 0 else g.cost[state.edge[i]] - state.v[g.good[state.edge[i]]]
        assert pays <= best + step + 1e-9


@settings(deadline=None)
@given(pairs(), st.sampled_from([0.01, 1.0]), st.sampled_from([0, 2, 200]))
def test_asks_are_those_of_the_plain_loop_whatever_their_number(p: Pairs, step: float, each: int) -> None:
    g = graph_of(p)
    state, slow = State.fresh(g), State.fresh(g)
    for one in (state, slow):
        bid(g, one, 200 * len(g.wait), 9.0 * step)
        one.holder[:], one.edge[:] = -1, -1
        bid(g, one, 200 * len(g.wait), step)
    ask(g, state, by_good(g), each * len(g.wait), step)
    ask.py_func(g, slow, plain.by_good_plain(g), each * len(g.wait), step)
    assert all(np.array_equal(a, b) for a, b in zip(state, slow))


@settings(deadline=None)
@given(pairs(), st.sampled_from([0.001, 0.1, 5.0]))
def test_an_auction_ends_a_step_a_holder_above_the_least_at_most_and_any_prices_bound_it(p: Pairs, step: float) -> None:
    g = graph_of(p)
    state, least = auction(g, by_good(g), step), plain.least_plain(p.request, p.ids, p.cost, p.wait)
    assert fits(g, state)
    assert (state.v <= 0.0).all()
    assert dual(g, state.v) <= least + 1e-9
    assert least - 1e-9 <= total(g, state.edge) <= least + step * int((state.edge >= 0).sum()) + 1e-9


@settings(deadline=None)
@given(pairs())
def test_the_table_and_what_is_picked_from_it_are_what_numpy_says(p: Pairs) -> None:
    slot, names = slots(p.ids, p.use)
    rank = np.argsort(np.argsort(names))
    for less in (np.zeros(len(p.wait)), p.wait):
        asked = (p.request, slot, rank, p.cost, p.wait, p.use, less)
        assert np.array_equal(grid(*asked), plain.grid_plain(*asked))
    driver = np.arange(len(p.wait)) % max(len(names), 1)
    given_ = (p.request, slot, rank, p.cost, p.wait, p.use, driver)
    (rows, paid), (as_rows, as_paid) = picked(*given_), plain.picked_plain(*given_)
    assert rows.tolist() == as_rows.tolist()
    assert np.isclose(paid, as_paid)
    rows, paid = tabled(*given_[:6])
    assert np.isclose(paid, plain.least_plain(p.request, p.ids, p.cost, p.wait))
    assert len(np.unique(p.request[rows])) == len(np.unique(p.ids[rows])) == len(rows)


@settings(deadline=None)
@given(pairs(), st.sampled_from([0.01, 0.5, 5.0]))
def test_prices_that_are_nearly_right_are_mended_to_the_least_total(p: Pairs, step: float) -> None:
    g = graph_of(p)
    state = State.fresh(g)
    bid(g, state, 150 * len(g.wait), step)
    assert search(g, state, choose(g, state), ANY)
    sell(g, state, by_good(g))
    assert fits(g, state)
    slack = 1e-9 * max(1.0, float(np.abs(p.cost).sum()))
    assert abs(total(g, state.edge) - plain.least_plain(p.request, p.ids, p.cost, p.wait)) <= slack
    assert abs(total(g, state.edge) - dual(g, state.v)) <= slack
