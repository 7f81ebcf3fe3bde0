"""`rialto match areas`, `regions` and `simulate --shards`: what is printed adds up, and what is wrong is a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rialto.cli import app
from rialto.errors import BadSettings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIALTO_HOME", str(tmp_path / "home"))


def printed(*words: str) -> str:
    done = CliRunner().invoke(app, ["match", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_areas_and_regions_of_a_made_up_city_count_the_same_orders(tmp_path: Path) -> None:
    pytest.importorskip("h3", reason="h3 is not installed: pip install 'rialto[h3]'")
    cells = json.loads(printed("areas", "--minutes", "25", "--resolution", "8", "--json"))
    told = printed("regions", str(tmp_path / "r.csv"), "--minutes", "25", "--shards", "2")
    counts = [int(n) for n in told.partition("shard: ")[2].split("\n")[0].split(",")]
    assert sum(c["orders"] for c in cells) == sum(counts) > 0 and len(counts) == 2 and min(counts) > 0
    assert (tmp_path / "r.csv").read_text().startswith("cell,shard\n8")
    shards = f"process://2?regions={tmp_path / 'r.csv'}"
    rows = json.loads(printed("simulate", "--drivers", "60", "--minutes", "1", "--shards", shards, "--json"))
    assert [r["policy"] for r in rows] == ["nearest first", "least cost", "least cost, 2 shards"]
    assert rows[2]["orders"] == rows[1]["orders"] and rows[2]["windows"] == 30


def test_a_wrong_number_of_shards_and_a_folder_that_is_not_there_are_told() -> None:
    with pytest.raises(BadSettings, match="no engine answers"):
        printed("simulate", "--minutes", "1", "--shards", "thread://2")
    with pytest.raises(LookupError, match="there is no folder"):
        printed("areas", "--offers", "nowhere")
