"""Each loop of the facets against its plain numpy twin on random tables."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find.facets.tally import gather, gather_plain, spread, spread_plain, tally, tally_plain, within, within_plain

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=80, deadline=None)
@given(SEEDS)
def test_tally_counts_like_plain_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    products, facets = 12, 4
    facet = np.sort(rng.integers(0, facets, 9)).astype(np.int32)
    facet[-1] = facets - 1
    held = [np.unique(rng.integers(0, 9, rng.integers(0, 6))) for _ in range(products)]
    offsets = np.concatenate([[0], np.cumsum([len(h) for h in held])]).astype(np.int64)
    stop = np.maximum(offsets[1:] - rng.integers(0, 2, products), offsets[:-1])
    code = np.concatenate(held).astype(np.int32)
    group = np.sort(rng.integers(0, 6, products)).astype(np.int64)
    seen, counts = np.full(9, -1, dtype=np.int64), np.zeros(9, dtype=np.int64)
    of_facet, touched, near = (
        np.full((4, facets), -1, dtype=np.int64),
        np.zeros(9, dtype=np.int32),
        np.zeros(facets, dtype=np.int32),
    )
    base = 0
    for _ in range(3):  # the scratch is used again without being cleared
        at = np.sort(rng.permutation(products)[: rng.integers(0, products + 1)]).astype(np.int64)
        miss = rng.integers(-2, facets, len(at)).astype(np.int32)
        types = rng.permutation(9)[: rng.integers(0, 3)].astype(np.int32)
        types = types[facet[types] <= 1]
        n, m, found, among = tally(
            at, miss, group, offsets, stop, code, facet, types, seen, counts,
            of_facet[0], of_facet[1], of_facet[2], of_facet[3], touched, near, base,
        )  # fmt: skip
        base += len(at) + 1
        want, known, typed, all_found, all_among = tally_plain(at, miss, group, offsets, stop, code, facet, types)
        got = np.zeros(9, dtype=np.int64)
        got[touched[:n]] = counts[touched[:n]]
        np.testing.assert_array_equal(got, want)
        got_known, got_typed = np.zeros(facets, dtype=np.int64), np.zeros(facets, dtype=np.int64)
        got_known[near[:m]], got_typed[near[:m]] = of_facet[1][near[:m]], of_facet[3][near[:m]]
        np.testing.assert_array_equal(got_known, known)
        np.testing.assert_array_equal(got_typed, typed)
        assert (found, among) == (all_found, all_among)


@settings(max_examples=80, deadline=None)
@given(SEEDS)
def test_numbers_are_gathered_and_counted_like_plain_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    products = 10
    counts = rng.integers(0, 4, products)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    name, value = rng.integers(5, 8, offsets[-1]).astype(np.int32), rng.integers(-3, 6, offsets[-1]).astype(np.float64)
    group = np.sort(rng.integers(0, 5, products)).astype(np.int64)
    at = np.sort(rng.permutation(products)[: rng.integers(0, 11)]).astype(np.int64)
    miss = rng.choice(np.array([-2, -1, 6, 7], dtype=np.int32), len(at))
    got, want = (f(at, miss, 6, group, offsets, name, value, 6) for f in (gather, gather_plain))
    np.testing.assert_array_equal(got[0], want[0])
    np.testing.assert_array_equal(got[1], want[1])
    low, high = np.array([-np.inf, 0.0, 2.0]), np.array([0.0, 2.0, np.inf])
    np.testing.assert_array_equal(within(*got, low, high), within_plain(*got, low, high))


@settings(max_examples=80, deadline=None)
@given(SEEDS)
def test_spread_is_that_of_plain_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    facet = np.sort(rng.integers(0, 5, 20)).astype(np.int32)
    codes = np.sort(rng.permutation(20)[: rng.integers(0, 21)]).astype(np.int32)
    count = rng.integers(0, 30, len(codes)).astype(np.int64)
    for got, want in zip(spread(codes, count, facet, 5, 3), spread_plain(codes, count, facet, 5, 3)):
        np.testing.assert_allclose(got, want, atol=1e-12)
