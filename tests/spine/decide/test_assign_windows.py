"""Whatever the window: least cost, one to one, no worse than greedy, the same for any order of the batch, and bad input named."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from rialto.errors import BadInput
from rialto.records import Candidates, Context, Requests
from rialto.spine.decide.assign import Matching, assign, cheapest, first_come, match
from rialto.spine.decide.assign.plain import least_plain
from rialto.spine.params import Param

WAIT = Param("test.windows.unmatched", 600.0, low=0.0, high=1e9, unit="s", doc="Cost of waiting.")


class Window(NamedTuple):
    owner: NDArray[np.int64]
    ids: NDArray[np.int64]
    cost: NDArray[np.float64]
    unmatched: NDArray[np.float64]
    request_ids: NDArray[np.uint64]


@st.composite
def windows(draw: st.DrawFn, most: int = 30, kinds: tuple[str, ...] = ("whole", "real", "below zero", "forbidden")) -> Window:
    """Sparse or crowded, scarce or plentiful, with ties (costs in whole numbers), negative costs, forbidden pairs and far ids."""
    requests, drivers = draw(st.integers(0, most)), draw(st.integers(0, most))
    share, kind = draw(st.sampled_from([0.05, 0.2, 0.5, 1.0])), draw(st.sampled_from(kinds))
    far = draw(st.booleans())
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    owner, driver = np.nonzero(chance.random((requests, drivers)) < share)
    names = chance.choice(np.iinfo(np.int64).max, drivers, replace=False) - 2**62 if far else np.arange(drivers)
    cost = chance.integers(0, 9, len(owner)).astype(np.float64) if kind == "whole" else chance.uniform(0.0, 900.0, len(owner))
    if kind == "below zero":
        cost -= 700.0
    if kind == "forbidden":
        cost[chance.random(len(owner)) < 0.3] = np.inf
    unmatched = chance.choice([5.0, 600.0, -10.0, 1e6], requests) if draw(st.booleans()) else np.full(requests, 500.0)
    return Window(owner, names[driver], cost, unmatched, chance.permutation(requests).astype(np.uint64))


def one_to_one(w: Window, rows: NDArray[np.int64]) -> bool:
    owner, ids = w.owner[rows], w.ids[rows]
    worth = bool((w.cost[rows] < w.unmatched[owner]).all())
    return worth and len(np.unique(owner)) == len(rows) == len(np.unique(ids)) and bool((np.diff(rows) > 0).all())


def total(w: Window, rows: NDArray[np.int64]) -> float:
    return float(w.cost[rows].sum() + np.delete(w.unmatched, w.owner[rows]).sum())


def rounding(w: Window) -> float:
    """What rounding may do to a sum of a window's costs."""
    return 1e-9 * (1.0 + float(np.abs(w.unmatched).sum()))


def near(x: float, w: Window) -> object:
    """`x`, give or take what rounding may do."""
    return pytest.approx(x, rel=1e-9, abs=rounding(w))


def chosen(w: Window, rows: NDArray[np.int64]) -> set[tuple[int, int]]:
    return {(int(w.request_ids[o]), int(d)) for o, d in zip(w.owner[rows], w.ids[rows])}


def shuffled(w: Window, seed: int) -> Window:
    """The same window with its requests, and each one's pairs, in another order."""
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(w.unmatched))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    row = np.lexsort((chance.random(len(w.owner)), place[w.owner]))
    return Window(place[w.owner][row], w.ids[row], w.cost[row], w.unmatched[order], w.request_ids[order])


def near_least(w: Window) -> list[Matching]:
    return [match(*w, within=0.02), match(*w, within=0.3)]


@settings(deadline=None)
@given(windows())
def test_the_matching_is_one_to_one_at_the_least_cost(w: Window) -> None:
    m = match(*w)
    assert one_to_one(w, m.rows)
    assert m.total == near(total(w, m.rows), w)
    assert m.total == near(least_plain(*w[:4]), w)
    assert m.gap == near(0.0, w)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 25), st.integers(0, 25), st.integers(0, 2**32 - 1))
def test_where_all_may_be_served_it_costs_what_a_dense_solver_says(requests: int, more: int, seed: int) -> None:
    table = np.random.default_rng(seed).uniform(-100.0, 900.0, (requests, requests + more))
    owner, ids = np.repeat(np.arange(requests), requests + more), np.tile(np.arange(requests + more), requests)
    w = Window(owner, ids, table.ravel(), np.full(requests, 1e6), np.arange(requests, dtype=np.uint64))
    assert match(*w).total == near(table[linear_sum_assignment(table)].sum(), w)


@settings(deadline=None, max_examples=25)
@given(windows(most=150))
def test_windows_in_which_drivers_bid_for_requests_cost_the_least_too(w: Window) -> None:
    m = match(*w)
    assert one_to_one(w, m.rows)
    assert m.total == near(least_plain(*w[:4]), w)


@settings(deadline=None)
@given(windows(most=90))
def test_near_the_least_is_one_to_one_no_worse_than_greedy_and_its_gap_is_no_lie(w: Window) -> None:
    least, greedy = least_plain(*w[:4]), total(w, first_come(*w))
    for m in near_least(w):
        assert one_to_one(w, m.rows)
        assert m.total == near(total(w, m.rows), w)
        assert m.total <= greedy + rounding(w)
        assert least - rounding(w) <= m.total <= least + m.gap + rounding(w)


def plane(orders: int, drivers: int, k: int, wait_m: float = 6_000.0) -> Window:
    """Orders and drivers in a square of one order per 200 m x 200 m, each order with its nearest drivers."""
    chance = np.random.default_rng(5)
    side_m = 200.0 * np.sqrt(orders)
    tree = KDTree(chance.uniform(0.0, side_m, (drivers, 2)))
    far, near_ = tree.query(chance.uniform(0.0, side_m, (orders, 2)), k)
    asked = np.arange(orders, dtype=np.uint64)
    return Window(np.repeat(asked.astype(np.int64), k), near_.ravel(), far.ravel(), np.full(orders, wait_m), asked)


@pytest.mark.parametrize(("drivers", "dearer", "proved"), [(4500, 0.0005, 0.02), (1500, 0.0005, 0.02), (3000, 0.002, 0.02)])
@pytest.mark.parametrize("k", [8, 20])
def test_a_city_is_solved_as_near_the_least_as_the_docstring_says(drivers: int, dearer: float, proved: float, k: int) -> None:
    w = plane(3000, drivers, k)
    least, m = match(*w), match(*w, within=0.02)
    assert least.total == near(least_plain(*w[:4]), w)
    assert least.gap == near(0.0, w)
    assert m.solver == "bids"
    assert m.total - least.total <= dearer * least.total
    assert m.gap <= proved * least.total


def test_a_city_with_as_many_drivers_as_orders_is_solved_exactly_and_alike_in_any_order() -> None:
    w = plane(3000, 3000, 20)
    w = w._replace(cost=np.rint(w.cost / 50.0))  # many costs alike
    m, other = match(*w), shuffled(w, 4)
    assert (m.solver, m.total) == ("exact", near(least_plain(*w[:4]), w))
    assert m.gap == near(0.0, w)
    assert chosen(w, m.rows) == chosen(other, match(*other).rows)


@pytest.mark.parametrize("scale", [0.0, 1e-300, 1e-9])
def test_a_city_in_which_the_nearest_drivers_stand_at_the_door_is_solved(scale: float) -> None:
    w = plane(2000, 2000, 20)
    first = np.arange(0, len(w.cost), 20)
    cost = w.cost.copy()
    cost[first] = cost[first] * scale
    w = w._replace(cost=cost)
    m = match(*w)
    assert (m.solver, m.total) == ("exact", near(least_plain(*w[:4]), w))
    assert m.gap == near(0.0, w)
    assert match(*w, within=0.02).total == pytest.approx(m.total, rel=0.01)


@settings(deadline=None)
@given(windows(most=80), st.integers(0, 99))
def test_the_choice_is_the_same_whatever_the_order_of_the_batch(w: Window, seed: int) -> None:
    other = shuffled(w, seed)
    assert chosen(w, match(*w).rows) == chosen(other, match(*other).rows)
    assert chosen(w, first_come(*w)) == chosen(other, first_come(*other))
    for one, two in zip(near_least(w), near_least(other)):
        assert chosen(w, one.rows) == chosen(other, two.rows)


@settings(deadline=None)
@given(windows())
def test_greedy_takes_the_cheapest_pair_that_is_left_again_and_again(w: Window) -> None:
    rows: list[int] = []
    for row in np.lexsort((w.ids, w.request_ids[w.owner], w.cost)).tolist():
        served, taken = w.owner[row] in w.owner[rows], w.ids[row] in w.ids[rows]
        if w.cost[row] < w.unmatched[w.owner[row]] and not served and not taken:
            rows.append(row)
    assert first_come(*w).tolist() == sorted(rows)


def every(requests: int, drivers: int, cost: float) -> Window:
    """Each request may take each driver at this cost."""
    owner, ids = np.repeat(np.arange(requests), drivers), np.tile(np.arange(drivers), requests)
    return Window(owner, ids, np.full(len(owner), cost), np.full(requests, 600.0), np.arange(requests, 0, -1).astype(np.uint64))


@pytest.mark.parametrize("way", [{}, {"within": 0.02}])
def test_one_driver_for_all_orders_goes_to_the_first_id_at_equal_cost(way: dict[str, float]) -> None:
    w = every(500, 1, 10.0)
    m = match(*w, **way)  # pyright: ignore[reportArgumentType]
    assert m.total == 10.0 + 499 * 600.0
    assert len(m.rows) == 1


@pytest.mark.parametrize("w", [every(0, 0, 1.0), every(5, 0, 1.0), every(0, 5, 1.0), every(5, 5, np.inf), every(70, 9, 600.0)])
def test_nobody_to_serve_or_to_send_or_nothing_worth_its_cost_leaves_all_waiting(w: Window) -> None:
    for m in (match(*w), *near_least(w)):
        assert m.rows.tolist() == []
        assert (m.total, m.gap) == (600.0 * len(w.unmatched), 0.0)
    assert first_come(*w).tolist() == []


@pytest.mark.parametrize("size", [3, 80])
@pytest.mark.parametrize("cost", [1e11, -1e12, -1e9])
def test_huge_and_negative_costs_are_added_up_right(cost: float, size: int) -> None:
    w = every(size, size // 2, cost)
    w = w._replace(unmatched=np.full(size, 2e11))
    for m in (match(*w), *near_least(w)):
        assert len(m.rows) == size // 2
        assert m.total == pytest.approx(cost * (size // 2) + 2e11 * (size - size // 2))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cost": np.array([1.0, np.nan])}, "row 1 of cost is nan"),
        ({"cost": np.array([-np.inf, 1.0])}, "row 0 of cost is -inf"),
        ({"cost": np.array([-1e13, 1.0])}, "row 0 of cost is -10000000000000.0"),
        ({"cost": np.ones(3)}, "have shapes"),
        ({"owner": np.array([0, 2])}, "wanted requests, 0 to 1"),
        ({"owner": np.array([-1, 0])}, "owner runs from -1"),
        ({"unmatched": np.array([1.0, np.inf])}, "row 1 of unmatched is inf"),
        ({"unmatched": np.array([np.nan, 1.0])}, "row 0 of unmatched is nan"),
        ({"unmatched": np.ones(3)}, "have shapes"),
    ],
)
def test_what_is_wrong_with_a_window_is_named(change: dict[str, NDArray[np.float64]], said: str) -> None:
    w = every(2, 1, 10.0)._replace(**change)
    for call in (cheapest, first_come, match):
        with pytest.raises(BadInput, match=said):
            call(*w)


@pytest.mark.parametrize("way", [{"within": -0.1}, {"within": np.nan}, {"within": np.inf}])
def test_a_tolerance_that_makes_no_sense_is_refused(way: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=r"within is .*; wanted a share"):
        match(*every(2, 1, 10.0), **way)  # pyright: ignore[reportArgumentType]


def test_the_decider_solves_a_window_over_its_limit_near_the_least() -> None:
    chance = np.random.default_rng(3)
    cost = chance.uniform(10.0, 500.0, 3000)
    ids = np.concatenate([chance.choice(600, 6, replace=False) for _ in range(500)])
    c = Candidates(np.arange(0, 3001, 6), ids, {"score": -cost})

    def paid(**params: float) -> float:
        asked = Requests.of(
            {"n": np.zeros(500)}, overrides={f"match.assign.{name}": np.full(500, x) for name, x in params.items()}
        )
        d = assign(WAIT).decide(asked, c, Context())
        return 600.0 * (500 - len(d.ids)) - float(d.scores.sum())

    least = paid()
    assert least < paid(exact_up_to=100, within=0.3) <= least * 1.3
    assert least <= paid(exact_up_to=100) <= least * 1.02
