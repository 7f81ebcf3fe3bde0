"""Each numba loop against its plain numpy twin on random tables."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find.kernels import (
    MATCH,
    cosine,
    cosine_plain,
    match,
    match_plain,
    of_query,
    of_query_plain,
    valued,
    valued_plain,
)
from rialto.find.standing import alike, alike_plain, standing, standing_plain
from rialto.find.terms import FIELDS


def csr(rng: np.random.Generator, rows: int, most: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    counts = rng.integers(0, most + 1, rows)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), rng.integers(0, top, counts.sum()).astype(np.int32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_match_equals_plain_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    products, queries = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    offsets, terms = csr(rng, products * len(FIELDS), 6, 9)
    asked = [rng.permutation(np.arange(-1, 9))[: rng.integers(0, 5)].astype(np.int32) for _ in range(queries)]
    starts = np.concatenate([[0], np.cumsum([len(a) for a in asked])]).astype(np.int64)
    flat = np.concatenate([np.zeros(0, dtype=np.int32), *asked]).astype(np.int32)
    rows, owner = rng.integers(0, products, 8), np.sort(rng.integers(0, queries, 8))
    rest = (
        flat, rng.uniform(0.1, 5.0, len(flat)), offsets, terms, rng.uniform(1.0, 8.0, len(FIELDS)),
        rng.uniform(0.2, 3.0, len(FIELDS)), rng.uniform(0.0, 1.0, len(FIELDS)), 0.9,
    )  # fmt: skip
    fast, plain = match(rows, owner, starts, *rest), match_plain(rows, owner, starts, *rest)
    for at, name in enumerate(MATCH):
        np.testing.assert_allclose(fast[:, at], plain[:, at], rtol=1e-5, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_so_of_a_query_equals_plain_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 4, 3))]).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, 3, 3))]).astype(np.int64)
    some = np.array([np.nan, 0.0, 1.0, 0.5], dtype=np.float32)
    columns = rng.choice(some, int(offsets[-1])), rng.choice(some, int(offsets[-1]))
    rest = offsets, starts, rng.uniform(0.1, 5.0, int(starts[-1])), *columns
    assert np.array_equal(of_query(*rest), of_query_plain(*rest), equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 13))
def test_cosine_equals_plain_numpy_and_a_row_alone_is_the_same_bits(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    units, queries = rng.normal(size=(5, size)).astype(np.float32), rng.normal(size=(3, size)).astype(np.float32)
    units[0] = 0.0
    rows, owner = rng.integers(0, 5, 9), rng.integers(0, 3, 9)
    fast = cosine(rows, owner, queries, units)
    np.testing.assert_allclose(fast, cosine_plain(rows, owner, queries, units), rtol=1e-4, atol=1e-5)
    alone = np.concatenate([cosine(rows[i : i + 1], owner[i : i + 1], queries, units) for i in range(9)])
    assert np.array_equal(fast.view(np.uint32), alone.view(np.uint32))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_valued_equals_plain_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets, pair = csr(rng, 6, 5, 10)
    pair_name = rng.integers(0, 4, 10).astype(np.int32)
    said_offsets, said_pair = csr(rng, 3, 4, 10)
    phrase = rng.integers(0, 3, len(said_pair)).astype(np.int32)
    rows, owner = rng.integers(0, 6, 12), rng.integers(0, 3, 12)
    given_ = (rows, owner, said_offsets, said_pair, pair_name[said_pair], phrase, offsets, pair, pair_name)
    np.testing.assert_array_equal(valued(*given_), valued_plain(*given_))


def segments(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    counts = rng.integers(0, 7, 3)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), rng.permutation(50)[: counts.sum()].astype(np.int64)


def holed(rng: np.random.Generator, size: int) -> np.ndarray:
    """Few different values, so that ties come, and some NaN."""
    values = rng.integers(-1, 4, size).astype(np.float32)
    return np.where(rng.uniform(size=size) < 0.2, np.nan, values).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_standing_equals_plain_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets, ids = segments(rng)
    given_ = (offsets, ids, *(holed(rng, len(ids)) for _ in range(3)))
    np.testing.assert_allclose(standing(*given_), standing_plain(*given_), rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_alike_equals_plain_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets, ids = segments(rng)
    names = [np.unique(rng.integers(0, 7, rng.integers(0, 5))).astype(np.int32) for _ in range(6)]
    starts = np.concatenate([[0], np.cumsum([len(n) for n in names])]).astype(np.int64)
    units = rng.normal(size=(6, 3)).astype(np.float32) if rng.uniform() < 0.7 else np.zeros((0, 0), dtype=np.float32)
    given_ = (
        offsets, ids, rng.integers(0, 6, len(ids)), rng.integers(0, 4, len(ids)) * 0.5, rng.integers(0, 5, 3), holed(rng, 6),
        rng.integers(-1, 3, 6), starts, np.concatenate(names), rng.uniform(0.1, 3.0, 7), units,
    )  # fmt: skip
    np.testing.assert_allclose(alike(*given_), alike_plain(*given_), rtol=1e-4, atol=1e-5)
