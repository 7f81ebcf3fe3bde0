"""Assignment: one to one, least cost, an order waits rather than overpay."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.records import Candidates, Context, Requests
from rialto.spine.decide.assign import assign, cheapest, nearest_first
from rialto.spine.params import Param

WAIT = Param("test.unmatched", 600.0, low=0.0, high=10_000.0, unit="s", doc="Cost of waiting.")

tables = st.lists(st.lists(st.integers(0, 99), min_size=3, max_size=3), min_size=1, max_size=4)


def pairs(table: list[list[int]], unmatched: float) -> tuple[list[tuple[int, int]], float]:
    owner = np.repeat(np.arange(len(table)), 3)
    ids = np.tile([10, 11, 12], len(table))
    cost = np.array(table, dtype=float).ravel()
    rows = cheapest(owner, ids, cost, np.full(len(table), unmatched), np.arange(len(table), dtype=np.uint64))
    chosen = [(int(owner[r]), int(ids[r])) for r in rows]
    return chosen, float(cost[rows].sum() + unmatched * (len(table) - len(rows)))


def least(table: list[list[int]], unmatched: float) -> float:
    def total(choice: tuple[int, ...]) -> float:
        taken = [c for c in choice if c < 3]
        if len(set(taken)) < len(taken):
            return np.inf
        return sum(unmatched if c == 3 else table[b][c] for b, c in enumerate(choice))

    return min(total(c) for c in product(range(4), repeat=len(table)))


@given(tables, st.integers(0, 120))
@settings(deadline=None)
def test_the_total_is_the_least_of_all_matchings(table: list[list[int]], unmatched: int) -> None:
    chosen, total = pairs(table, float(unmatched))
    assert total == least(table, float(unmatched))
    assert len({d for _, d in chosen}) == len({o for o, _ in chosen}) == len(chosen)


def test_order_waits_rather_than_overpay() -> None:
    assert pairs([[700, 900, 800]], 600.0) == ([], 600.0)


def test_a_forbidden_pair_is_never_chosen() -> None:
    rows = cheapest(np.array([0]), np.array([4]), np.array([np.inf]), np.array([600.0]), np.array([1], dtype=np.uint64))
    assert rows.tolist() == []


def scored(costs: list[float]) -> tuple[Requests, Candidates]:
    asked = Requests.of({"n": np.zeros(2)}, ids=np.array([21, 20]))
    return asked, Candidates(np.array([0, 2, 4]), np.array([5, 6, 5, 6]), {"score": -np.array(costs)})


def test_assignment_beats_taking_the_nearest_first() -> None:
    asked, c = scored([10.0, 20.0, 30.0, 500.0])
    best, greedy = (d.decide(asked, c, Context()) for d in (assign(WAIT), nearest_first(WAIT)))
    assert best.ids.tolist() == [6, 5]
    assert greedy.ids.tolist() == [5, 6]
    assert best.scores.sum() == -50.0 > greedy.scores.sum() == -510.0


def test_ties_are_broken_by_id_whatever_the_order_of_the_batch() -> None:
    asked, c = scored([10.0, 10.0, 10.0, 10.0])
    d = assign(WAIT).decide(asked, c, Context())
    back = assign(WAIT).decide(asked.take(np.array([1, 0])), c, Context())
    assert dict(zip(d.request_ids.tolist(), d.ids.tolist())) == dict(zip(back.request_ids.tolist(), back.ids.tolist()))


def test_nobody_to_choose_from_leaves_all_waiting() -> None:
    asked = Requests.of({"n": np.zeros(2)})
    none = Candidates.none(2).with_columns({"score": np.zeros(0)})
    for decider in (assign(WAIT), nearest_first(WAIT)):
        assert decider.decide(asked, none, Context()).counts.tolist() == [0, 0]
