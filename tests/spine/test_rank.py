"""The cut: best first, total order, kernel equal to its plain version."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.spine.rank import best, best_plain, sink


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 70), min_size=0, max_size=6) | st.lists(st.integers(60, 300), min_size=1, max_size=4),
    st.integers(0, 80),
    st.integers(0, 2**32 - 1),
)
def test_best_equals_its_plain_version(counts: list[int], keep: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    ids = rng.permutation(int(offsets[-1]))
    scores = sink(rng.choice([0.0, 1.0, 2.0, np.nan, np.inf], len(ids)))
    wanted = np.full(len(counts), keep)
    kernel, plain = best(offsets, ids, scores, wanted), best_plain(offsets, ids, scores, wanted)
    assert kernel[0].tolist() == plain[0].tolist()
    assert kernel[1].tolist() == plain[1].tolist()


def test_each_request_has_its_own_cut() -> None:
    rows, offsets = best(np.array([0, 2, 4]), np.arange(4), np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 2]))
    assert (rows.tolist(), offsets.tolist()) == ([1, 3, 2], [0, 1, 3])
