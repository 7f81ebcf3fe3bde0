"""Tunables: declared once, typed, in range, overridden by name."""

import numpy as np
import pytest

from rialto.errors import BadInput, BadSettings
from rialto.records import Requests
from rialto.spine.params import Param, overrides_of, params, settle, with_settled

SHARE = Param("test.share", 0.5, low=0.0, high=1.0, unit="share", doc="A share.")
NAME = Param("test.mode", "fast", doc="A mode.")


def test_an_override_of_a_name_is_read_through_the_request() -> None:
    r = Requests.of({"n": np.zeros(2)}, overrides=overrides_of({"test.share": 0.25}, 2))
    assert SHARE.of(r).tolist() == [0.25, 0.25]
    assert SHARE.one(r) == 0.25


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(BadSettings) as e:
        overrides_of({"test.shore": 1, "test.share": 7, "test.mode": 3}, 1)
    assert len(e.value.problems) == 3
    assert "known: test.share" in e.value.problems[0]
    assert "in 0..1" in e.value.problems[1]


def test_one_name_is_declared_once() -> None:
    with pytest.raises(BadSettings, match="twice"):
        Param("test.share", 0.1, doc="Another.")
    assert params()["test.share"] == SHARE


def test_a_value_that_differs_within_the_batch_is_refused_where_one_is_needed() -> None:
    r = Requests.of({"n": np.zeros(2)}, overrides={"test.share": np.array([0.1, 0.2])})
    with pytest.raises(BadInput, match="differs"):
        SHARE.one(r)


def test_the_settings_stand_between_the_default_and_an_override() -> None:
    asked = Requests.of({"n": np.zeros(2)}, overrides={"test.mode": np.array(["slow", "slow"])})
    settle({"test.share": 0.75, "test.mode": "even"})
    try:
        assert (SHARE.of(asked).tolist(), NAME.one(asked)) == ([0.75, 0.75], "slow")
        logged = with_settled(asked)
        assert logged.overrides["test.share"].tolist() == [0.75, 0.75]
        assert logged.overrides["test.mode"].tolist() == ["slow", "slow"]
    finally:
        settle({})
    assert SHARE.one(logged) == 0.75
    assert SHARE.one(asked) == 0.5


def test_settings_with_a_problem_set_nothing() -> None:
    with pytest.raises(BadSettings):
        settle({"test.share": 0.9, "test.shore": 1})
    assert SHARE.one(Requests.of({"n": np.zeros(1)})) == 0.5
