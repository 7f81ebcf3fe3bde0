"""Drawing a learned order back: what it takes from either order, and that useless learning is given up."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.shrink import held_out, share_of, shrunk
from rialto.find.tune import surely_best
from rialto.records import Candidates
from rialto.spine.learn import Examples

_QUERIES, _EACH = 40, 12


def _candidates() -> Candidates:
    offsets = np.arange(_QUERIES + 1, dtype=np.int64) * _EACH
    return Candidates(offsets, np.arange(_QUERIES * _EACH, dtype=np.int64))


def _grades(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    grades = (rng.random(_QUERIES * _EACH) < 0.3).astype(np.float64)
    ideal = np.array([(np.sort(g)[::-1][:10] / np.log2(np.arange(10) + 2)).sum() for g in grades.reshape(_QUERIES, _EACH)])
    return grades, ideal


def test_a_learned_order_that_is_noise_gets_no_share_and_a_perfect_one_leads() -> None:
    rng = np.random.default_rng(0)
    grades, ideal = _grades(rng)
    noise, good = rng.random(len(grades)), grades + 0.7 * rng.random(len(grades))
    assert share_of(_candidates(), good, noise, grades, ideal) <= 0.25
    assert share_of(_candidates(), noise, good, grades, ideal) >= 0.75


def test_orders_that_are_alike_share_by_halves() -> None:
    rng = np.random.default_rng(1)
    grades, ideal = _grades(rng)
    same = rng.random(len(grades))
    assert share_of(_candidates(), same, same, grades, ideal) == 0.5


def test_a_request_is_drawn_back_as_it_would_be_alone() -> None:
    rng, both = np.random.default_rng(2), Candidates(np.array([0, 3, 3, 5]), np.arange(5))
    before, after = rng.random(5), rng.random(5)
    alone = shrunk(Candidates(np.array([0, 3]), np.arange(3)), before[:3], after[:3], 0.25)
    np.testing.assert_array_equal(shrunk(both, before, after, 0.25)[:3], alone)
    np.testing.assert_array_equal(shrunk(both, before, after, 1.0), after)
    np.testing.assert_array_equal(np.argsort(shrunk(both, before, after, 0.0)[:3]), np.argsort(before[:3]))


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(BadInput, match=r"wanted 0\.\.1"):
        shrunk(_candidates(), np.zeros(480), np.zeros(480), 1.5)


def test_no_query_is_scored_by_a_ranker_that_learned_from_it() -> None:
    rows = np.arange(6)
    group, ones = rows // 2, np.ones(6)
    examples = Examples(rows[:, np.newaxis].astype(np.float32), ("row",), ones, group, rows, rows % 2, rows % 2, ones, ones)
    learned: dict[bytes, set[int]] = {}

    def fit(some: Examples, seed: int) -> bytes:
        body = bytes([len(learned)])
        learned[body] = set(some.group.tolist())
        return body

    def score(model: bytes | str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        assert isinstance(model, bytes)
        assert not learned[model] & {int(r) // 2 for r in inputs[:, 0]}
        return np.ones(len(inputs))

    assert held_out(examples, np.array([0, 0, 1, 1, 2, 2]), fit, score, 0).tolist() == [1.0] * 6
    assert held_out(examples, np.zeros(6, dtype=np.int64), fit, score, 0).tolist() == [0.0] * 6


def test_what_looks_best_by_chance_is_not_chosen_and_what_is_surely_better_is() -> None:
    rng = np.random.default_rng(3)
    usual = rng.random(80)
    noise = [usual + rng.normal(0.0, 0.2, 80) - 0.02 for _ in range(5)]
    assert surely_best(usual, noise) == -1
    assert surely_best(usual, [*noise, usual + rng.normal(0.1, 0.2, 80), usual - 0.1]) == 5
    assert surely_best(usual[:1], [usual[:1] + 1.0]) == -1
