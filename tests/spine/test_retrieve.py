"""Legs merged, doubles dropped, removals counted: kernels equal their plain versions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.records import Candidates
from rialto.spine.retrieve import has_doubles, merge, strike, strike_plain

lists = st.lists(st.lists(st.integers(0, 40), max_size=24), min_size=1, max_size=8)
one = st.lists(st.integers(0, 200), min_size=15, max_size=60).map(lambda r: [r])


def csr(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    return offsets, np.array([i for r in rows for i in r], dtype=np.int64)


@given(lists, st.randoms(use_true_random=False))
def test_strike_counts_like_its_plain_version(rows: list[list[int]], random: object) -> None:
    offsets, ids = csr(rows)
    first, mask = ids % 3 != 0, ids % 2 == 0
    one, two = first.copy(), first.copy()
    assert strike(offsets, one, mask).tolist() == strike_plain(offsets, two, mask).tolist()
    assert one.tolist() == two.tolist() == (first & mask).tolist()


@given(lists)
def test_doubles_are_found_exactly(rows: list[list[int]]) -> None:
    assert has_doubles(*csr(rows)) == any(len(set(r)) != len(r) for r in rows)


@given(lists | one, lists | one)
def test_merge_is_the_union_of_each_request(left: list[list[int]], right: list[list[int]]) -> None:
    size = min(len(left), len(right))
    (lo, li), (ro, ri) = csr(left[:size]), csr(right[:size])
    both = merge([Candidates(lo, li, {"a": li * 1.0}), Candidates(ro, ri, {"b": ri * 1.0})])
    for b in range(size):
        ids = both.of(b).ids.tolist()
        assert ids == sorted(set(left[b]) | set(right[b]))
        assert np.isnan(both.of(b).column("a")).tolist() == [i not in left[b] for i in ids]
        assert np.isnan(both.of(b).column("b")).tolist() == [i not in right[b] for i in ids]


@given(lists, lists, st.sampled_from([7, 2**40, 2**57]))
def test_ids_of_any_size_are_merged_alike(left: list[list[int]], right: list[list[int]], far: int) -> None:
    size = min(len(left), len(right))
    (lo, li), (ro, ri) = csr(left[:size]), csr(right[:size])
    near, wide = (
        merge([Candidates(lo, li * by, {"a": np.arange(len(li))}), Candidates(ro, ri * by, {"a": np.arange(len(ri))})])
        for by in (1, far)
    )
    assert wide.ids.tolist() == (near.ids * far).tolist() and wide.offsets.tolist() == near.offsets.tolist()
    assert wide.column("a").tolist() == near.column("a").tolist()


def test_of_two_rows_with_one_id_the_first_speaks() -> None:
    twice = Candidates(np.array([0, 3]), np.array([5, 2, 5]), {"a": np.array([1.0, 2.0, 3.0])})
    assert merge([twice]).column("a").tolist() == [2.0, 1.0]


def test_what_a_leg_does_not_know_is_missing_and_not_zero() -> None:
    a = Candidates(np.array([0, 1]), np.array([1]), {"n": np.array([4]), "t": np.array(["long text"]), "b": np.array([True])})
    merged = merge([Candidates(np.array([0, 1]), np.array([2]), {"t": np.array(["x"])}), a])
    assert merged.column("n").tolist() == [4, -1]
    assert merged.column("t").tolist() == ["long text", "x"]
    assert merged.column("b").tolist() == [True, False]


def test_legs_over_different_requests_are_refused() -> None:
    with pytest.raises(BadInput, match="same number"):
        merge([Candidates.none(1), Candidates.none(2)])
