"""The slate: best first, and a swap whose logged chance is the one it happened with."""

import numpy as np

from rialto.records import Candidates, Context, Requests
from rialto.spine.decide.slate import slate
from rialto.spine.params import Param

SIZE = Param("test.slate.size", 3, low=0, high=9, unit="results", doc="Results.")
SWAP = Param("test.slate.swap", 0.0, low=0.0, high=0.9, unit="share", doc="Swaps.")


def served(requests: int, swap: float) -> tuple[list[tuple[int, ...]], np.ndarray]:
    asked = Requests.of({"n": np.zeros(requests)}, overrides={"test.slate.swap": np.full(requests, swap)})
    offsets = np.arange(requests + 1) * 4
    c = Candidates(offsets, np.tile(np.arange(4), requests), {"score": np.tile([4.0, 3.0, 2.0, 1.0], requests)})
    d = slate(SIZE, SWAP).decide(asked, c, Context(seed=3))
    return [tuple(d.of(b).tolist()) for b in range(requests)], d.propensity.reshape(requests, 3)


def test_without_swaps_the_list_is_best_first_and_certain() -> None:
    lists, propensity = served(2, 0.0)
    assert lists == [(0, 1, 2)] * 2
    assert propensity.tolist() == [[1.0] * 3] * 2


def test_each_list_is_served_as_often_as_its_propensity_says() -> None:
    lists, propensity = served(20_000, 0.4)
    for wanted, chance in (((0, 1, 2), 0.6), ((1, 0, 2), 0.2), ((0, 2, 1), 0.2)):
        rows = [b for b, x in enumerate(lists) if x == wanted]
        assert abs(len(rows) / 20_000 - chance) < 0.015
        assert np.allclose(propensity[rows], chance)


def test_a_list_of_one_is_never_swapped() -> None:
    asked = Requests.of({"n": np.zeros(1)}, overrides={"test.slate.swap": np.array([0.9])})
    c = Candidates(np.array([0, 1]), np.array([8]), {"score": np.array([1.0])})
    d = slate(SIZE, SWAP).decide(asked, c, Context(seed=3))
    assert (d.ids.tolist(), d.propensity.tolist()) == ([8], [1.0])
