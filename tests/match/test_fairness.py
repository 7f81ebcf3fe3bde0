"""The fairness report: Gini by its definition, equal pay has no gap, unequal pay shows one, bad input is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.match.fairness import fairness, gini


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30))
def test_gini_is_half_the_relative_mean_difference(values: list[float]) -> None:
    v = np.array(values)
    mean = v.mean()
    plain = np.abs(v[:, None] - v).mean() / (2.0 * mean) if mean > 0 else 0.0
    assert gini(v) == pytest.approx(plain, abs=1e-9)


def test_groups_that_earn_alike_show_no_gap_and_others_do() -> None:
    rng = np.random.default_rng(4)
    names = np.repeat(["bike", "car"], 300)
    pay = rng.gamma(20.0, 100.0, 600)
    alike = fairness(pay, np.full(600, 3600.0), group=names)
    assert alike.gap["bike"].low < 0.0 < alike.gap["bike"].high
    unlike = fairness(pay * np.repeat([0.8, 1.0], 300), np.full(600, 3600.0), group=names)
    assert unlike.gap["bike"].high < 0.0 and -0.25 < unlike.gap["bike"].value < -0.15
    assert unlike.gini.low <= unlike.gini.value <= unlike.gini.high


def test_who_was_hardly_on_is_left_out_and_who_had_nothing_is_counted() -> None:
    told = fairness(np.array([100.0, 0.0, 50.0]), np.array([7200.0, 7200.0, 60.0]))
    assert (told.drivers, told.idle, told.an_hour.value, told.low_share.value) == (2, 0.5, 25.0, 0.0)


def test_nobody_on_shift_is_no_error() -> None:
    assert fairness(np.zeros(0), np.zeros(0)).drivers == 0


@pytest.mark.parametrize("earned", [[-1.0, 2.0], [np.nan, 1.0], [1.0]])
def test_bad_earnings_are_told(earned: list[float]) -> None:
    with pytest.raises(BadInput):
        fairness(np.array(earned), np.array([3600.0, 3600.0]))
