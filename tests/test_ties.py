"""Rows in a total order, against a sort by both keys."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rialto.ties import best_rows


@given(st.lists(st.tuples(st.integers(0, 1 << 40), st.sampled_from([-2.0, -0.5, 0.0, 0.5, 1.0, 7.25])), max_size=200))
def test_rows_come_as_a_sort_by_both_keys_orders_them(pairs: list[tuple[int, float]]) -> None:
    ids = np.array([i for i, _ in pairs], dtype=np.int64)
    scores = np.array([s for _, s in pairs], dtype=np.float64)
    rows = best_rows(ids, scores)
    assert sorted(rows.tolist()) == list(range(len(pairs)))
    order = np.lexsort((ids, -scores))
    np.testing.assert_array_equal(scores[rows], scores[order])
    np.testing.assert_array_equal(ids[rows], ids[order])


def test_a_long_run_of_ties_is_put_in_order() -> None:
    ids = np.random.default_rng(0).permutation(50_000)
    assert best_rows(ids, np.zeros(50_000)).tolist() == np.argsort(ids).tolist()


def test_what_is_not_finite_stands_where_numbers_would() -> None:
    scores = np.array([0.0, np.inf, -np.inf, np.inf, 0.0])
    assert best_rows(np.array([5, 4, 3, 2, 1]), scores).tolist() == [3, 1, 4, 0, 2]
