"""A logged day decided again: the same policy repeats itself bit for bit, another is told by its differences, and no more is claimed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rialto.errors import BadInput, NothingHere
from rialto.local.events import LocalEvents
from rialto.local.models import LocalModels
from rialto.local.trees import Trees
from rialto.match import decide
from rialto.match.features import NAMES
from rialto.match.pipeline import Dispatch
from rialto.match.records import Orders, Pings
from rialto.match.simulate import Policy
from rialto.match.whatif import LOGGED, what_if
from rialto.spine.log import DecisionLog

System = Callable[..., Dispatch]
LEAST_COST = Policy("least cost", version="")


@pytest.fixture
def logged(system: System, place: Callable[..., Orders], tmp_path: Path) -> DecisionLog:
    """Two orders and two drivers, where the nearest driver of the first order is the only good one for the second."""
    dispatch = system({1: 0.0, 2: -1200.0})
    for window in range(4):
        at_s = 10.0 + 400.0 * window
        dispatch.window(place([2 * window, 2 * window + 1], [100.0, 200.0], at_s=at_s), at_s=at_s)
        lat, lon = dispatch.track.plane.latlon(np.array([0.0, -1200.0]), np.zeros(2))
        dispatch.pings(Pings.of(np.array([1, 2]), lat=lat, lon=lon, time_s=np.full(2, at_s + 399.0)), now_s=at_s + 399.0)
    return DecisionLog(LocalEvents(tmp_path / "decisions"))


def stump(models: LocalModels, low: float, high: float) -> str:
    """Accepts by pickup time: log-odds `low` above 50 s, `high` below."""
    at = NAMES.index("pickup_s")
    trees = Trees(np.array([[at]]), np.array([[50.0]]), np.array([[high, low]]), names=NAMES)
    return models.put(decide.card(), trees.to_bytes())


def test_the_logged_policy_repeats_itself_bit_for_bit_and_differs_in_nothing(logged: DecisionLog) -> None:
    found = what_if(logged, LocalModels(None), [LEAST_COST])
    assert (found.windows, found.same, found.differing, found.thinned) == (4, 4, (), 0)
    assert found.changed == {"least cost": 0.0}
    assert all(d["least cost"].value == 0.0 for d in found.differences.values())
    assert found.means[LOGGED] == found.means["least cost"]


def test_a_dear_wait_is_told_by_the_share_left_waiting(logged: DecisionLog) -> None:
    picky = Policy("picky", version="", overrides={"match.decide.unmatched_s": 100.0})
    found = what_if(logged, LocalModels(None), [picky])
    more = found.differences["waiting"]["picky"]
    assert more.value > 0.0 and more.count == 4
    assert found.means["picky"]["drive_s"] < found.means[LOGGED]["drive_s"]
    assert found.changed["picky"] > 0.0


def test_another_model_decides_and_one_referee_judges_all(logged: DecisionLog) -> None:
    models = LocalModels(None)
    shy = stump(models, low=-9.0, high=3.0)
    found = what_if(logged, models, [LEAST_COST, Policy("shy", version=shy)], referee=shy)
    assert found.means["shy"]["waiting"] > found.means["least cost"]["waiting"], "who would hardly accept is not asked"
    assert 0.0 < found.means["shy"]["accepted"] <= 1.0


def test_a_window_that_does_not_repeat_itself_is_named(system: System, place: Callable[..., Orders], tmp_path: Path) -> None:
    dispatch = system({1: 0.0})
    models = LocalModels(tmp_path / "models")
    models.promote(decide.ACCEPTANCE, stump(models, low=1.0, high=2.0))
    record = dispatch.window(place([1], [100.0], at_s=10.0), at_s=10.0).record
    assert what_if(DecisionLog(LocalEvents(tmp_path / "decisions")), models, [LEAST_COST]).same == 1
    other = DecisionLog(LocalEvents(tmp_path / "other", sync=False))
    other.write_records([replace(record, decisions=replace(record.decisions, scores=record.decisions.scores + 1.0))])
    found = what_if(other, models, [LEAST_COST])
    assert (found.same, found.differing) == (0, (10.0,))


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ([], "one or more"),
        ([LEAST_COST, LEAST_COST], "a name of its own"),
        ([Policy(LOGGED)], "none 'as logged'"),
        ([Policy("a", version="", overrides={"match.retrieve.k": 3})], "Ask a simulation"),
        ([Policy("a", version="", overrides={"match.decide.ahead_s": 3.0})], "'ahead' is empty"),
    ],
)
def test_what_no_log_can_answer_is_refused(logged: DecisionLog, policies: list[Policy], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        what_if(logged, LocalModels(None), policies)


def test_a_policy_whose_model_is_not_there_is_refused(logged: DecisionLog) -> None:
    with pytest.raises(NothingHere):
        what_if(logged, LocalModels(None), [Policy("a", version="0" * 16)])


def test_an_empty_log_says_nothing(tmp_path: Path) -> None:
    found = what_if(DecisionLog(LocalEvents(tmp_path / "none")), LocalModels(None), [LEAST_COST])
    assert (found.windows, found.means, found.differences["waiting"]) == (0, {}, {})
