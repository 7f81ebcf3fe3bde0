"""A made-up day is written as files that the simulator takes, the same for the same seed; a logged day is told and shown on the map."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from rialto.app.engines import Engines
from rialto.app.termed_fleet import TermedFleet
from rialto.cli import app
from rialto.config import Fleet, Settings
from rialto.match.days import read_courier_day
from rialto.match.records import Drivers, Orders, Pings


def written(folder: Path, *args: str) -> str:
    done = CliRunner().invoke(app, ["match", "day", str(folder), *args])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_files_are_a_day_that_can_be_run(tmp_path: Path) -> None:
    told = written(tmp_path / "day", "--orders", "40", "--seed", "3")
    made = read_courier_day(tmp_path / "day" / "orders.csv", tmp_path / "day" / "couriers.csv")
    assert len(made.order_ids) == 40 and len(made.courier_ids) > 3 and not made.rejected
    assert "40 orders" in told and "match simulate --orders" in told


def test_equal_seeds_write_equal_files_and_others_do_not(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        written(tmp_path / name, "--orders", "30", "--seed", seed)
    a, b, c = ((tmp_path / name / "orders.csv").read_bytes() for name in "abc")
    assert a == b != c


def test_a_heavier_load_has_fewer_couriers(tmp_path: Path) -> None:
    for name, load in (("light", "1"), ("heavy", "4")):
        written(tmp_path / name, "--orders", "80", "--load", load)
    light, heavy = ((tmp_path / name / "couriers.csv").read_text().count("\n") for name in ("light", "heavy"))
    assert heavy < light


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The folder of a fleet's logs: one order was offered."""
    chosen = Settings(home=tmp_path, fleet=Fleet(on=True, lat=52.5, lon=13.4, window_s=0.0))
    fleet = TermedFleet(Engines(chosen), clock=lambda: 1_800_000_000.0)
    one, lat, lon, at_s = np.array([1]), np.array([52.5]), np.array([13.4]), np.array([1_800_000_000.0])
    fleet.enrol(Drivers.of(one))
    fleet.pings(Pings.of(one, lat=lat, lon=lon, time_s=at_s))
    fleet.place(Orders.of(one, lat=lat, lon=lon, placed_s=at_s))
    fleet.window()
    fleet.stop()
    return tmp_path / "fleet"


def test_logged_days_are_told_and_what_is_no_log_is_refused(logs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["match", "replay", "--offers", str(logs / "offers"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == [
        {"day": "2027-01-15", "orders": 1, "delivered": 0, "cancelled": 0, "drivers": 1, "from": "08:00:00", "to": "08:00:00"}
    ]
    for words, wrong in ((["--offers", str(tmp_path / "none")], "there is no folder"), ([], "nothing to replay")):
        done = subprocess.run(
            [sys.executable, "-m", "rialto", "match", "replay", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2 and wrong in done.stderr


def test_an_order_is_explained_from_a_fleet_s_log(logs: Path) -> None:
    def told(*words: str) -> str:
        done = CliRunner().invoke(app, ["match", "explain", *words])
        assert done.exit_code == 0, done.output
        return done.output

    folder = ["--decisions", str(logs / "decisions")]
    assert "Order 1 at 1800000000 s" in told(*folder, "--order", "1") and "Offered to driver 1" in told(*folder)
    found = json.loads(told("--fleet", "52.5,13.4", "--order", "1", "--json", "--settings", str(_settings(logs))))
    assert (found["order"], found["chosen"]["driver"], found["at_s"]) == (1, 1, 1_800_000_000.0)
    for words, wrong in (
        ([*folder, "--order", "2"], "order 2 is in none of the 1 windows"),
        ([*folder, "--at", "2027-01-15T07:59:59"], "no order was offered to anybody in the 0 windows"),
        ([*folder, "--at", "noon"], "--at is 'noon'"),
        (["--decisions", str(logs / "none")], "there is no folder"),
        (["--fleet", "on"], "fleet.on = false"),
    ):
        done = CliRunner().invoke(app, ["match", "explain", *words])
        assert done.exit_code != 0 and wrong in str(done.exception), (words, done.exception)


def _settings(logs: Path) -> Path:
    file = logs.parent / "settings.toml"
    file.write_text(f"home = {str(logs.parent)!r}\n")
    return file


def test_the_map_of_logged_days_is_served_until_it_is_ended(logs: Path) -> None:
    words = ["--offers", str(logs / "offers"), "--decisions", str(logs / "decisions")]
    env = os.environ | {"RIALTO_HOME": str(logs.parent / "home"), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "rialto", "match", "replay", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as running:
        assert running.stdout is not None
        address = next(found[0] for line in running.stdout if (found := re.search(r"http://[^ ;]+", line)))
        try:
            with httpx.Client(timeout=60.0) as http:  # it listens before it tells where
                page = http.get(address)
                told = http.get(f"{address.partition('/city')[0]}/api/match/why/1?day=2027-01-15").json()
            assert page.status_code == 200 and "2027-01-15, as it was logged" in page.text
            assert told["chosen"]["driver"] == 1
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(timeout=60.0)
