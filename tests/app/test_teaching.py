"""One round of learning from a town's logs: each model has its own verdict, and what was learned serves the next town."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rialto.app.city import Town, open_town, run_town
from rialto.app.engines import Engines
from rialto.app.learning import keep_ahead, kept_ahead
from rialto.app.teaching import teach_all
from rialto.app.wired import wired
from rialto.cli import app
from rialto.config import load
from rialto.errors import BadInput
from rialto.local.events import LocalEvents
from rialto.match.ahead import grid
from rialto.match.answers import answered_logged
from rialto.match.decide import ACCEPTANCE
from rialto.match.eta import MODEL as TRAVEL
from rialto.match.features import NAMES
from rialto.match.prep import MODEL as PREP
from rialto.match.records import Plane
from rialto.match.simulate import Policy
from rialto.spine.log import DecisionLog
from rialto.worlds.city import make_city

HERE = Plane(52.0, 13.0)


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    opened = Engines(load(environment={"RIALTO_HOME": str(tmp_path)}))
    yield opened
    opened.close()


def test_a_short_log_teaches_what_it_has_enough_of_and_says_so_of_the_rest(engines: Engines) -> None:
    pytest.importorskip("catboost")
    with open_town(engines, make_city(seed=2, drivers=120)) as town:
        run_town(town, seconds=1800.0, seed=2, policy=Policy("least cost", version=""))
        found = teach_all(town, engines, seed=2)
    assert "too little data" in found.travel.verdict.reason and "too little data" in found.prep.verdict.reason
    assert found.cells == 0 or found.ahead.passed
    assert engines.models().live(TRAVEL) is None and engines.models().live(PREP) is None
    assert found.acceptance.report.trained_on > 0


def test_a_challenger_is_kept_beside_the_live_model_and_not_in_its_place(engines: Engines) -> None:
    pytest.importorskip("catboost")
    with open_town(engines, make_city(seed=2, drivers=300)) as town:
        run_town(town, seconds=2400.0, seed=2, policy=Policy("least cost", version=""))
        found = teach_all(town, engines, seed=2, shelve=True)
    version = found.acceptance.report.version
    assert version and engines.models().live(ACCEPTANCE) is None
    assert engines.models().score(version, np.zeros((1, len(NAMES)), dtype=np.float32)).shape == (1,)


def test_logs_in_folders_teach_what_the_running_system_would_have_learned(engines: Engines, tmp_path: Path) -> None:
    pytest.importorskip("catboost")
    city = make_city(seed=2, drivers=120)
    for part, seed in enumerate((2, 3)):  # two shards, as if their orders lay apart
        logs = [LocalEvents(tmp_path / name / str(part), sync=False) for name in ("offers", "decisions")]
        dispatch = wired(engines, engines.geo(), Plane(*city.centre), offers=logs[0], decisions=logs[1])
        run_town(
            Town(city, dispatch, DecisionLog(logs[1]), logs[0]),
            seconds=1500.0,
            seed=seed,
            policy=Policy("least cost", version=""),
        )
        assert answered_logged(logs[0]) == dispatch.offers.answered()
        dispatch.offers.forget(before_s=1e9, at_s=1e9)
        assert len(answered_logged(logs[0])) > len(dispatch.offers.answered()), (
            "the log still knows what the system has forgotten"
        )
        for log in logs:
            log.close()
    folders = [word for name in ("offers", "decisions") for n in "01" for word in (f"--{name}", str(tmp_path / name / n))]
    settings = tmp_path / "settings.toml"
    settings.write_text(f"home = {str(tmp_path / 'home')!r}\n")
    done = CliRunner().invoke(app, ["match", "train", *folders, "--json", "--settings", str(settings)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    both = [len(answered_logged(LocalEvents(tmp_path / "offers" / n))) for n in "01"]
    assert 0.5 * sum(both) < found["trained_on"] + found["judged_on"] <= sum(both)
    assert found["patience"]["orders"] > 50 and "too little data" in found["travel"]["reason"]
    done = CliRunner().invoke(app, ["match", "train", *folders[:2], "--settings", str(settings)])
    assert "belong together" in str(done.exception)


def test_values_are_kept_for_their_own_plane_and_damage_is_told(engines: Engines) -> None:
    blobs = engines.blobs()
    assert kept_ahead(blobs, HERE) is None
    keep_ahead(blobs, HERE, grid(np.array([0.0, 5000.0]), np.zeros(2)))
    found = kept_ahead(blobs, HERE)
    assert found is not None and found.columns == 4
    assert kept_ahead(blobs, Plane(48.0, 2.0)) is None, "cells of another city mean other places"
    (name,) = blobs.names("match/ahead")
    blobs.put(name, b"broken")
    with pytest.raises(BadInput, match="learn them again"):
        kept_ahead(blobs, HERE)
