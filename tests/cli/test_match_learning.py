"""`rialto match compare`, `experiment` and `fairness` say what the logs teach, as JSON too, and refuse what compares nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rialto.cli.match_learning import compare, experiment, fairness
from rialto.errors import RialtoError


def rialto(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    every = os.environ | {"RIALTO_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "120"}
    command = [sys.executable, "-m", "rialto", "match", *words]
    return subprocess.run(command, capture_output=True, text=True, env=every, check=False, timeout=120)


def told(*words: str, home: Path) -> Any:
    done = rialto(*words, "--json", home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_challenger_is_compared_with_the_log_window_by_window(tmp_path: Path) -> None:
    found = told("compare", "--set", "match.decide.unmatched_s=200", "--drivers", "60", "--minutes", "8", home=tmp_path)
    assert found["windows"] == found["same"] > 5 and found["differing"] == []
    assert found["means"]["challenger"]["waiting"] >= found["means"]["as logged"]["waiting"]


def test_an_experiment_says_who_wins_and_by_how_many_blocks(tmp_path: Path) -> None:
    words = ["--greedy", "--cities", "2", "--drivers", "40", "--minutes", "120", "--block-min", "20", "--washout-min", "4"]
    found = told("experiment", *words, "--window-s", "30", home=tmp_path)
    assert set(found["effects"]) == {"response_s", "matched", "door_s"}
    assert 8 <= sum(found["effects"]["response_s"]["blocks"]) <= 12
    assert found["orders"] > 20 and isinstance(found["passed"], bool)


def test_fairness_is_told_by_vehicle(tmp_path: Path) -> None:
    found = told("fairness", "--drivers", "60", "--minutes", "60", home=tmp_path)
    assert found["drivers"] > 10 and 0.0 <= found["gini"]["value"] < 1.0
    assert set(found["gap"]) <= {"bike", "car", "van"}


@pytest.mark.parametrize(
    ("command", "words", "reason"),
    [
        (compare, {}, "the challenger is the champion"),
        (compare, {"changed": ["match.decide.waited"]}, "NAME=VALUE"),
        (compare, {"greedy": True, "decisions": Path("nowhere")}, "there is no folder"),
        (compare, {"changed": ["match.retrieve.k=3"], "minutes": 1.0, "drivers": 5}, "Ask a simulation"),
        (experiment, {"greedy": True, "promote": True}, "give the challenger's --version"),
        (experiment, {"greedy": True, "block_min": 5.0, "washout_min": 9.0}, "to leave some of a block"),
        (fairness, {"offers": [Path("nowhere")]}, "there is no folder"),
    ],
)
def test_what_compares_nothing_is_refused_with_what_to_do(
    command: Callable[..., None], words: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIALTO_HOME", str(tmp_path))
    with pytest.raises(RialtoError, match=reason):
        command(**words, as_json=True)


def test_policies_over_several_cities_are_told_by_paired_differences(tmp_path: Path) -> None:
    found = told("simulate", "--seeds", "2", "--drivers", "40", "--minutes", "30", home=tmp_path)
    assert len(found["runs"]) == 4
    assert set(found["differences"]) == {"matched", "response_s", "accepted", "drive_s"}
    least = found["differences"]["drive_s"]["least cost"]
    assert least["low"] <= least["value"] <= least["high"]
    one = rialto("simulate", "--seeds", "2", "--drivers", "20", "--minutes", "16", home=tmp_path)
    assert one.returncode == 0 and "difference to the first" in one.stdout and one.stdout.count("least cost") == 1
