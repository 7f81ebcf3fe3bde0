"""`rialto match routes`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rialto.cli.match_routes import routes
from rialto.errors import BadInput, NothingHere
from rialto.match.routes.practice import made_up_text

app = typer.Typer()
app.command()(routes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "made.txt"
    path.write_text(made_up_text(4, orders=6))
    return path


def test_plan_is_printed_beside_live_insertion_and_the_best_known(file: Path) -> None:
    known = file.with_name("known.json")
    known.write_text('{"MADE": {"solved_with_vehicles": 1, "best_known_cost": 10.0}}')
    done = CliRunner().invoke(app, [str(file), "--rounds", "100", "--live-ms", "1", "--known", str(known), "--json"])
    told = json.loads(done.stdout)
    assert [p["plan"] for p in told["plans"]] == ["inserted once each", "live, 1 ms an order", "planned anew", "best known"]
    assert sorted(t for route in told["routes"] for t in route) == list(range(1, 13))
    assert "planned anew" in CliRunner().invoke(app, [str(file), "--rounds", "10"]).stdout


def test_wrong_file_and_unknown_name_are_refused(file: Path) -> None:
    assert isinstance(CliRunner().invoke(app, [str(file.with_name("no.txt"))]).exception, BadInput)
    known = file.with_name("known.json")
    known.write_text("{}")
    assert isinstance(CliRunner().invoke(app, [str(file), "--known", str(known)]).exception, NothingHere)
