"""The first score: the loop against plain numpy, for fixed and learned weights."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find.fusion import PARTS, QUERY, Fusion
from rialto.records import Candidates


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=4), st.booleans(), st.booleans(), st.integers(0, 2**32 - 1))
def test_the_first_score_is_that_of_plain_numpy(counts: list[int], learned: bool, other: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    size = int(offsets[-1])
    columns = {n: rng.choice([np.nan, 0.1, 0.4, 0.9, 1.0], size).astype(np.float32) for n in PARTS}
    words = np.repeat(rng.integers(0, 9, len(counts)), counts)
    columns["query_terms"] = words.astype(np.float32)
    if other:
        columns["other_share"] = rng.choice([np.nan, 0.2, 1.0], size).astype(np.float32)
    candidates = Candidates(offsets, np.arange(size), columns)
    fusion = Fusion(rng.normal(size=(len(PARTS), len(QUERY)))) if learned else Fusion.fixed()
    np.testing.assert_allclose(fusion.score(candidates), fusion.score_plain(candidates), rtol=1e-12, atol=1e-12)


def _judged(seed: int, queries: int) -> tuple[Candidates, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Queries of 20 candidates whose words tell the grade and whose cosine is chance."""
    rng = np.random.default_rng(seed)
    size = queries * 20
    share = rng.random(size).astype(np.float32)
    columns = {"bm25f_share": share, "cover_any": share, "cover_title": share, "cosine": rng.random(size).astype(np.float32)}
    columns["query_terms"] = np.full(size, 2, dtype=np.float32)
    return Candidates(np.arange(queries + 1, dtype=np.int64) * 20, np.arange(size), columns), (share > 0.7).astype(np.float64)


def test_few_judged_queries_leave_the_fixed_blend_nearly_as_it_is_and_many_move_it() -> None:
    fixed = Fusion.fixed().weights
    few, many = (np.abs(Fusion.fit(*_judged(0, n)).weights - fixed).max() for n in (3, 400))
    assert 4 * few < many


def test_without_a_grade_above_nothing_the_fusion_stays_fixed() -> None:
    candidates, grades = _judged(0, 2)
    np.testing.assert_array_equal(Fusion.fit(candidates, np.zeros_like(grades)).weights, Fusion.fixed().weights)
