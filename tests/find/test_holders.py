"""Words held by term against the same words read product by product, also after products came and went."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find.holders import Holders, held_shares, turned, turned_plain
from rialto.find.kernels import shares_plain
from rialto.find.splice import spliced

FIELDS, WORDS = 6, 9


def table(rng: np.random.Generator, products: int) -> tuple[np.ndarray, np.ndarray]:
    counts = rng.integers(0, 7, products * FIELDS)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), rng.integers(0, WORDS, counts.sum()).astype(np.int32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_terms_are_turned_over_as_plain_numpy_does(seed: int) -> None:
    offsets, terms = table(np.random.default_rng(seed), 5)
    for fast, plain in zip(turned(offsets, terms, WORDS, FIELDS), turned_plain(offsets, terms, WORDS, FIELDS)):
        assert fast.dtype == plain.dtype and fast.tolist() == plain.tolist()


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_shares_are_those_of_plain_numpy(seed: int, change: bool, rising: bool) -> None:
    rng = np.random.default_rng(seed)
    offsets, terms = table(rng, 40)
    holders = Holders.of(offsets, terms, WORDS, FIELDS)
    if change:
        kept, fresh = np.sort(rng.choice(40, 30, replace=False)), table(rng, 5)
        moved = holders.moved(kept, 5)
        assert moved is not None
        holders, (offsets, terms) = moved, spliced(offsets, terms, kept, *fresh, width=FIELDS)
    asked = [rng.permutation(np.arange(-1, WORDS + 2))[: rng.integers(0, 5)].astype(np.int32) for _ in range(3)]
    starts = np.concatenate([[0], np.cumsum([len(a) for a in asked])]).astype(np.int64)
    flat = np.concatenate(asked)
    candidates = np.array([0, 10, 10, 32])
    rows = rng.integers(0, 35, 32)
    rows = np.concatenate([np.sort(rows[:10]), np.sort(rows[10:])]) if rising else rows
    owner = np.repeat(np.arange(3), np.diff(candidates))
    rest = (
        starts, flat, rng.uniform(0.1, 5.0, len(flat)), offsets, terms, rng.uniform(1.0, 8.0, FIELDS),
        rng.uniform(0.2, 3.0, FIELDS), rng.uniform(0.0, 1.0, FIELDS), 0.9,
    )  # fmt: skip
    fast, plain = held_shares(candidates, rows, *rest, holders), shares_plain(rows, owner, *rest)
    np.testing.assert_allclose(fast.T, plain, rtol=1e-6)


def test_a_word_of_many_products_is_found_by_bisection() -> None:
    offsets = np.arange(0, 1001 * FIELDS).astype(np.int64)[: 1000 * FIELDS + 1]
    terms = np.zeros(1000 * FIELDS, dtype=np.int32)
    terms[::2] = 1
    holders = Holders.of(offsets, terms, 2, FIELDS)
    candidates, rows, owner = np.array([0, 4]), np.array([3, 999, 0, 500]), np.zeros(4, dtype=np.int64)
    ones = np.ones(FIELDS)
    rest = (np.array([0, 1]), np.array([1], dtype=np.int32), np.array([2.0]), offsets, terms, ones, ones, 0.5 * ones, 1.2)
    fast, plain = held_shares(candidates, rows, *rest, holders), shares_plain(rows, owner, *rest)
    np.testing.assert_allclose(fast.T, plain, rtol=1e-6)


def test_after_many_changes_it_is_made_anew() -> None:
    holders = Holders.of(*table(np.random.default_rng(0), 3), WORDS, FIELDS)
    assert holders.moved(np.array([0, 2]), 10) is not None
    assert holders.moved(np.array([0, 2]), 400) is None
