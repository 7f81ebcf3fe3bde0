"""An experiment on a fleet: blocks of time under champion and challenger in turns, told from the logs alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rialto.app.engines import Engines
from rialto.app.experiments import plan_of, read_plan
from rialto.app.fleet_logs import FleetLogs
from rialto.app.sharded_fleet import ShardedFleet, open_fleet
from rialto.app.termed_fleet import TermedFleet
from rialto.cli import app
from rialto.config import Fleet, Settings
from rialto.errors import BadSettings
from rialto.match.offers import Message, Messages
from rialto.match.records import Drivers, Orders, Pings
from rialto.spine.log import DecisionLog

NOW_S = 1_800_000_000.0
PLAN = """
name = "dear pick-ups wait"
block_s = 120
washout_s = 0
tail_s = 0
[challenger]
overrides = {"match.decide.unmatched_s" = 1}
"""


def opened(home: Path, shards: str, now_s: list[float], plan: Path | None) -> TermedFleet | ShardedFleet:
    place = Fleet(on=True, lat=52.5, lon=13.4, window_s=0.0, experiment=str(plan or ""))
    return open_fleet(Engines(Settings(home=home, shards=shards, fleet=place)), clock=lambda: now_s[0])


def work(fleet: TermedFleet | ShardedFleet, now_s: list[float], first: int, count: int) -> None:
    """An order every 20 seconds beside three drivers, each taken at once where it is offered, else after a minute given up."""
    for order in range(first, first + count):
        now_s[0] += 20.0
        lat, lon = fleet.plane.latlon(np.array([300.0, 400.0, 500.0, 0.0]), np.zeros(4))
        fleet.pings(Pings.of(np.array([1, 2, 3]), lat=lat[:3], lon=lon[:3], time_s=np.full(3, now_s[0])))
        fleet.place(Orders.of(np.array([order]), lat=lat[3:], lon=lon[3:], placed_s=now_s[:1]))
        decided = fleet.window()
        for number, driver in zip(decided.orders.tolist(), decided.drivers.tolist()):
            for kind in ("accepted", "picked_up", "delivered"):
                fleet.tell(Messages.of([Message(f"{kind}{number}", kind, number, driver)]))
        if order >= first + 3:
            fleet.tell(Messages.of([Message(f"c{order}", "cancelled", order - 3)]))


@pytest.mark.parametrize("shards", ["none://", "process://2"])
def test_blocks_run_under_both_arms_and_the_logs_tell_which_was_better(tmp_path: Path, shards: str) -> None:
    file, now_s = tmp_path / "plan.toml", [NOW_S - 1200.0]
    file.write_text(PLAN)
    fleet = opened(tmp_path, shards, now_s, None)
    fleet.enrol(Drivers.of(np.array([1, 2, 3])))
    work(fleet, now_s, 1000, 6)
    fleet.stop()
    now_s[0] = NOW_S
    fleet = opened(tmp_path, shards, now_s, file)
    work(fleet, now_s, 0, 120)
    fleet.stop()
    plan = read_plan(file)
    arms = set[tuple[int, float]]()
    with FleetLogs.of_fleet(
        Engines(Settings(home=tmp_path, shards=shards, fleet=Fleet(on=True, lat=52.5, lon=13.4)))
    ).opened() as logs:
        for log in logs.decisions:
            for record in DecisionLog(log).read(pipeline="match"):
                if "arm" in record.requests.columns:
                    dear = record.requests.overrides.get("match.decide.unmatched_s", np.zeros(1))[0]
                    arms.add((int(record.requests.column("arm")[0]), float(dear)))
                    at_s = record.requests.time_s[:1]
                    assert plan.arms(at_s, np.zeros(1, dtype=np.int64))[0] == record.requests.column("arm")[0]
    assert arms == {(0, 0.0), (1, 1.0)}, "each window says its arm, and was decided by it"
    settings = tmp_path / "settings.toml"
    settings.write_text(f"home = {str(tmp_path)!r}\nshards = {shards!r}\n")
    words = ["match", "experiment", "--plan", str(file), "--fleet", "52.5,13.4", "--settings", str(settings)]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert 100 <= found["orders"] <= 120 and found["left_out"] >= 6, "what ran before the experiment is left out"
    matched = found["effects"]["matched"]
    assert matched["champion"] == pytest.approx(1.0, abs=0.1) and matched["challenger"] < 0.5 and not found["passed"]
    file.write_text(PLAN.replace("dear", "cheap"))
    done = CliRunner().invoke(app, words)
    assert "the same name and block_s" in str(done.exception)


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("[challenger]", "[challenger]\nversion = 'gone'", "gone"),
        ("match.decide.unmatched_s", "match.decide.unmatched", "there is no param"),
        ('overrides = {"match.decide.unmatched_s" = 1}', "", "both arms decide alike"),
        ("tail_s = 0", "tail_s = 120", "to leave some of a block"),
        ('name = "dear pick-ups wait"', "", "name: Field required"),
        ("tail_s = 0", "tail = 0", "tail: Extra inputs"),
        ("[challenger]", "[challenger", "plan.toml"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused_before_the_fleet_begins(tmp_path: Path, old: str, new: str, wrong: str) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(PLAN.replace(old, new))
    with pytest.raises(BadSettings, match=wrong):
        plan_of(Engines(Settings(home=tmp_path, fleet=Fleet(on=True, experiment=str(file)))))


def test_no_plan_is_no_experiment(tmp_path: Path) -> None:
    assert plan_of(Engines(Settings(home=tmp_path))) is None
    with pytest.raises(BadSettings, match="cannot be read"):
        read_plan(tmp_path / "nowhere.toml")
    done = CliRunner().invoke(app, ["match", "experiment", "--fleet", "52.5,13.4"])
    assert "no plan" in str(done.exception)
