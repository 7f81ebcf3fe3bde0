"""A made-up day is written as files that the simulator takes, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from rialto.cli import app
from rialto.match.days import read_courier_day


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
