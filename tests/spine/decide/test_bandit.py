"""The bandit: arms are drawn with the probability in the log, which is that of being the best."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.records import Candidates, Context, Requests
from rialto.spine.decide.bandit import probability_best, probability_best_plain, thompson
from rialto.spine.params import Param

FLOOR = Param("test.floor", 0.1, low=0.0, high=1.0, unit="share", doc="Even exploration.")


@given(st.lists(st.integers(0, 7), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_kernel_equals_its_plain_version(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    mean, sd = rng.normal(size=offsets[-1]), rng.random(offsets[-1])
    mean[rng.random(len(mean)) < 0.1] = np.nan
    assert np.allclose(probability_best(offsets, mean, sd), probability_best_plain(offsets, mean, sd), atol=1e-12)


def test_probability_is_that_of_drawing_the_best_from_the_posteriors() -> None:
    mean, sd = np.array([0.0, 0.3, -0.2]), np.array([0.5, 0.2, 0.9])
    wins = np.argmax(np.random.default_rng(0).normal(mean, sd, (200_000, 3)), axis=1)
    p = probability_best(np.array([0, 3]), mean, sd)
    assert np.allclose(p, np.bincount(wins) / len(wins), atol=0.005)


def drawn(requests: int, order: list[int]) -> tuple[np.ndarray, np.ndarray]:
    mean, sd = np.array([0.1, 0.2, 0.15])[order], np.array([0.05, 0.05, 0.1])[order]
    c = Candidates(
        np.arange(requests + 1) * 3,
        np.tile(np.arange(3)[order], requests),
        {"mean": np.tile(mean, requests), "sd": np.tile(sd, requests), "score": np.tile(mean, requests)},
    )
    d = thompson(FLOOR).decide(Requests.of({"n": np.zeros(requests)}), c, Context(seed=5))
    return d.ids, d.propensity


def test_arms_are_drawn_as_often_as_their_propensity_says() -> None:
    ids, propensity = drawn(30_000, [0, 1, 2])
    for arm in range(3):
        assert abs((ids == arm).mean() - propensity[ids == arm][0]) < 0.01
    assert propensity.min() >= 0.1 / 3


def test_the_order_of_arms_is_no_matter() -> None:
    assert drawn(500, [0, 1, 2])[0].tolist() == drawn(500, [2, 0, 1])[0].tolist()


def test_a_request_without_arms_gets_none() -> None:
    c = Candidates(np.array([0, 0, 1]), np.array([4]), {k: np.zeros(1) for k in ("mean", "sd", "score")})
    d = thompson(FLOOR).decide(Requests.of({"n": np.zeros(2)}), c, Context())
    assert (d.counts.tolist(), d.ids.tolist(), d.propensity.tolist()) == ([0, 1], [4], [1.0])


def test_an_arm_with_a_broken_posterior_is_left_to_the_floor() -> None:
    p = probability_best(np.array([0, 2]), np.array([np.nan, 0.0]), np.array([1.0, 1.0]))
    assert p.tolist() == [0.0, 1.0]
