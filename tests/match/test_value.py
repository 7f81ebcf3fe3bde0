"""Values of drivers by time and cell: both kernels as their plain twins, fixed points, and what a grid city's days teach."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.match.value import Moves, Values, backward, backward_plain, follow, follow_plain, learned

SLOTS, CELLS = 6, 4


@st.composite
def moves(draw: st.DrawFn) -> Moves:
    size = draw(st.integers(0, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    slot = rng.integers(0, SLOTS, size)
    cells = rng.integers(0, CELLS, (2, size))
    return Moves(slot, cells[0], rng.normal(size=size), slot + rng.integers(1, 4, size), cells[1])


@settings(max_examples=40, deadline=None)
@given(moves(), st.floats(0.1, 1.0), st.sampled_from([0.0, 3.0]))
def test_learning_backwards_is_as_its_plain_twin(m: Moves, gamma: float, weight: float) -> None:
    order = np.argsort(-m.slot, kind="stable")
    rows = (m.slot[order], m.cell[order], m.reward[order], np.minimum(m.to_slot, SLOTS)[order], m.to_cell[order])
    fast, plain = np.ones((2, SLOTS + 1, CELLS))
    backward(fast, *rows, (m.to_slot - m.slot)[order], gamma, weight)
    backward_plain(plain, *rows, (m.to_slot - m.slot)[order], gamma, weight)
    np.testing.assert_allclose(fast, plain)


@settings(max_examples=40, deadline=None)
@given(moves(), st.floats(0.1, 1.0))
def test_learning_as_they_come_is_as_its_plain_twin(m: Moves, gamma: float) -> None:
    fast, plain = np.ones((2, SLOTS + 1, CELLS))
    for way, table in ((follow, fast), (follow_plain, plain)):
        way(table, m.slot, m.cell, m.reward, m.to_slot, m.to_cell, gamma, 0.1)
    np.testing.assert_allclose(fast, plain)


def test_the_order_of_moves_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    slot = rng.integers(0, SLOTS, 200)
    m = Moves(slot, rng.integers(0, CELLS, 200), rng.random(200), slot + 1, rng.integers(0, CELLS, 200))
    mixed = rng.permutation(200)
    other = Moves(m.slot[mixed], m.cell[mixed], m.reward[mixed], m.to_slot[mixed], m.to_cell[mixed])
    a, b = (learned(x, slots=SLOTS, cells=CELLS).table for x in (m, other))
    np.testing.assert_allclose(a, b)


def test_many_single_steps_come_to_what_one_pass_learns() -> None:
    rng = np.random.default_rng(2)
    slot = rng.integers(0, SLOTS, 20_000)
    m = Moves(slot, rng.integers(0, CELLS, 20_000), slot.astype(np.float64), slot + 1, rng.integers(0, CELLS, 20_000))
    online = Values.none(SLOTS, CELLS).after(m, rate=0.05).after(m, rate=0.01)
    np.testing.assert_allclose(online.table, learned(m, slots=SLOTS, cells=CELLS).table, rtol=0.05, atol=0.05)


def test_few_moves_stay_near_the_prior() -> None:
    one = Moves(np.array([0]), np.array([0]), np.array([10.0]), np.array([1]), np.array([0]))
    prior = Values.none(1, 2)
    assert learned(one, slots=1, cells=2, prior=prior, weight=9.0).table[0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("slot", "cell", "reward", "to_slot"),
    [(0, 0, 1.0, 0), (-1, 0, 1.0, 1), (0, 9, 1.0, 1), (0, 0, np.nan, 1), (SLOTS, 0, 1.0, SLOTS + 1)],
)
def test_moves_that_cannot_be_are_told(slot: int, cell: int, reward: float, to_slot: int) -> None:
    with pytest.raises(BadInput, match="move"):
        learned(
            Moves(np.array([slot]), np.array([cell]), np.array([reward]), np.array([to_slot]), np.array([0])),
            slots=SLOTS,
            cells=CELLS,
        )
