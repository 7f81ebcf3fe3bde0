"""The first look: a logistic regression that finds the truth again, and says the same in a kernel as in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.match.sight import Linear
from rialto.spine.learn import Examples


def examples(rows: int, seed: int = 0) -> Examples:
    """Answers whose log-odds are 1 - .01 x drive + .5 x heading; one drive in ten is unknown."""
    chance = np.random.default_rng(seed)
    drive, heading = chance.uniform(0.0, 400.0, rows), chance.uniform(-1.0, 1.0, rows)
    label = (chance.random(rows) < 1.0 / (1.0 + np.exp(-(1.0 - 0.01 * drive + 0.5 * heading)))).astype(float)
    table = np.stack([np.where(chance.random(rows) < 0.1, np.nan, drive), heading], axis=1).astype(np.float32)
    at, ones = np.arange(rows), np.ones(rows)
    return Examples(table, ("drive", "heading"), label, at, at, at * 0, at * 0, ones, ones)


def test_it_finds_the_weights_that_made_the_answers() -> None:
    found = Linear.fit(examples(40_000))
    assert found.weight == pytest.approx([-0.01, 0.5], rel=0.12)
    assert found.bias == pytest.approx(1.0 - 0.01 * 200.0, abs=0.08)


def test_kernel_and_numpy_agree_and_what_is_missing_counts_as_the_mean() -> None:
    table = examples(20_000, seed=1)
    sight = Linear.fit(table)
    columns = dict(zip(table.names, table.features.T))
    np.testing.assert_allclose(sight.odds(columns), sight.odds_plain(columns), rtol=1e-9, atol=1e-9)
    assert sight.odds({"drive": np.array([np.nan]), "heading": np.array([np.nan])}).tolist() == [sight.bias]


def test_it_is_kept_as_text_and_read_back() -> None:
    sight = Linear.fit(examples(500))
    again = Linear.of_json(sight.to_json())
    assert (again.names, again.bias, again.weight.tolist()) == (sight.names, sight.bias, sight.weight.tolist())
    with pytest.raises(BadInput, match="wanted what to_json wrote"):
        Linear.of_json('{"names": ["a"]}')
    with pytest.raises(BadInput, match="finite one of each"):
        Linear(("a",), np.zeros(1), np.array([np.nan]), 0.0)


def test_answers_that_are_all_alike_teach_no_more_than_the_rate() -> None:
    table = examples(300)
    at, ones = np.arange(300), np.ones(300)
    same = Linear.fit(Examples(table.features * 0 + 1, table.names, table.label, at, at, at, at, ones, ones))
    assert same.weight == pytest.approx([0.0, 0.0], abs=1e-6)
    assert same.bias == pytest.approx(np.log(table.label.mean() / (1 - table.label.mean())), abs=0.01)
