"""`rialto match simulate --orders --couriers`: a day goes in as two files, figures and rows come out, checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ORDERS = "order_id,placed_s,ready_s,pickup_x_m,pickup_y_m,dropoff_x_m,dropoff_y_m\na,0,600,1000,0,2000,0\nb,0,600,1000,0,2050,0\n"
COURIERS = "courier_id,on_s,off_s,x_m,y_m\nc,0,9999,0,0\n"


def simulate(folder: Path, *words: str, orders: str = ORDERS) -> subprocess.CompletedProcess[str]:
    (folder / "orders.csv").write_text(orders)
    (folder / "couriers.csv").write_text(COURIERS)
    day = ["--orders", str(folder / "orders.csv"), "--couriers", str(folder / "couriers.csv")]
    env = os.environ | {"RIALTO_HOME": str(folder / "home"), "NO_COLOR": "1", "COLUMNS": "160"}
    command = [sys.executable, "-m", "rialto", "match", "simulate", *day, *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)


def test_day_gives_figures_and_rows(tmp_path: Path) -> None:
    done = simulate(tmp_path, "--json", "--out", str(tmp_path / "rows.csv"), "--pickup-s", "60", "--dropoff-s", "30")
    figures = json.loads(done.stdout)
    assert (figures["checked"], figures["orders"], figures["undelivered"]) == (True, 2, 0)
    assert figures["ready_to_door_s"]["mean"] == (290 + 330) / 2 and figures["ready_to_pickup_s"]["p90"] == 60.0
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert len(lines) == 3 and lines[1].startswith("a,c,0.000,600.000")


def test_wrong_row_is_named_or_put_aside(tmp_path: Path) -> None:
    wrong = ORDERS + "z,900,600,0,0,0,0\n"
    done = simulate(tmp_path, orders=wrong)
    assert (done.returncode, done.stdout) == (2, "") and "row 4, field 'orders.csv: ready_s'" in done.stderr
    done = simulate(tmp_path, "--rejects", str(tmp_path / "rejects.csv"), orders=wrong)
    assert "1 rows left out" in done.stdout and "Checked" in done.stdout
    assert (tmp_path / "rejects.csv").read_text().splitlines()[1].startswith("orders.csv,4,ready_s,600,")


@pytest.mark.parametrize(
    ("words", "told"), [(["--speed-mps", "0"], "speed_mps is 0.0"), (["--policy", "best"], "no policy 'best'")]
)
def test_option_that_makes_no_sense_is_a_sentence(words: list[str], told: str, tmp_path: Path) -> None:
    done = simulate(tmp_path, *words)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_one_file_alone_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rialto", "match", "simulate", "--orders", str(tmp_path / "x.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"RIALTO_HOME": str(tmp_path)})
    assert done.returncode == 2 and "both --orders FILE and --couriers FILE" in done.stderr
