"""Reports by H3 cell add up to the log they are made from."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.local.travel import GreatCircle
from rialto.match.areas import areas, write_areas
from rialto.match.jobs import Jobs

pytest.importorskip("h3", reason="h3 is not installed: pip install 'rialto[h3]'")


def jobs(lat: list[float], *, drop: float = 52.51) -> Jobs:
    size = len(lat)
    zeros, lon = np.zeros(size), np.full(size, 13.4)
    return Jobs(
        np.arange(size), np.arange(size), zeros, zeros + 30.0, zeros + 130.0, zeros + 330.0, np.array(lat), lon,
        np.full(size, drop), lon, np.full(size, 500.0),
    )  # fmt: skip


def test_a_cell_tells_its_orders_waits_drives_and_pay() -> None:
    found = areas(jobs([52.5, 52.5, 52.6]), GreatCircle(speed_mps=10.0, factor=1.0), resolution=8)
    assert found.orders.tolist() == [2, 1] and len(found) == 2
    assert (found.response_s.tolist(), found.pickup_s.tolist(), found.drive_s.tolist()) == ([30.0] * 2, [100.0] * 2, [200.0] * 2)
    assert found.factor[0] == pytest.approx(200.0 / 111.2, rel=1e-3)
    assert found.pay_hour_cents.tolist() == [6000.0, 6000.0]


def test_a_door_that_is_not_known_gives_no_factor() -> None:
    found = areas(jobs([52.5], drop=float("nan")), GreatCircle(speed_mps=10.0, factor=1.0), resolution=8)
    assert found.orders.tolist() == [1] and np.isnan(found.factor[0]) and np.isnan(found.drive_s[0])


def test_no_jobs_give_no_cells_and_files_are_written_or_refused(tmp_path: Path) -> None:
    travel = GreatCircle(speed_mps=10.0, factor=1.0)
    assert len(areas(jobs([]), travel, resolution=8)) == 0
    write_areas(tmp_path / "a.csv", areas(jobs([52.5]), travel, resolution=8))
    (row,) = csv.DictReader((tmp_path / "a.csv").read_text().splitlines())
    assert row["orders"] == "1" and float(row["pay_hour_cents"]) == 6000.0
    with pytest.raises(BadInput, match="cannot be written"):
        write_areas(tmp_path / "none" / "a.csv", areas(jobs([52.5]), travel, resolution=8))
