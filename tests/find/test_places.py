"""Rows of numbers and the best of each group: loops against plain numpy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find.places import best_of_groups, best_of_groups_plain, looked_up, looked_up_plain


@settings(deadline=None)
@given(st.lists(st.integers(-3, 20), max_size=20), st.integers(0, 12))
def test_a_number_outside_of_the_table_has_no_row(numbers: list[int], size: int) -> None:
    table, asked = np.arange(size)[::-1].copy(), np.array(numbers, dtype=np.int64)
    assert looked_up(table, asked).tolist() == looked_up_plain(table, asked).tolist()


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=4), st.integers(1, 9), st.booleans(), st.integers(0, 2**32 - 1))
def test_the_best_of_each_group_is_that_of_a_sort(counts: list[int], groups: int, pinned: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    size = int(offsets[-1])
    place = rng.integers(0, 4, size) * pinned
    given_ = (offsets, rng.permutation(size), rng.choice([-np.inf, 0.0, 1.0, 2.0], size), rng.integers(0, groups, size), place)
    assert best_of_groups(*given_).tolist() == best_of_groups_plain(*given_).tolist()
