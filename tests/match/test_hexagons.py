"""H3 cells: poles, date line and pentagons are places like others; regions of cells behave as regions of squares do."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput, BadRow, EngineMissing
from rialto.match.hexagons import (
    NOWHERE,
    HexRegions,
    cells_of,
    counted,
    cut,
    middles,
    named,
    outline,
    read_regions,
    told,
    write_regions,
)
from rialto.match.records import Plane

h3 = pytest.importorskip("h3", reason="h3 is not installed: pip install 'rialto[h3]'")


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(0, 15))
def test_the_middle_of_a_places_cell_lies_in_that_cell(lat: float, lon: float, resolution: int) -> None:
    cell = cells_of(np.array([lat]), np.array([lon]), resolution)
    assert cells_of(*middles(cell), resolution) == cell and named(told(cell)) == cell


@pytest.mark.parametrize("lat", [90.0, -90.0])
def test_a_pole_is_one_cell_whatever_the_longitude(lat: float) -> None:
    lon = np.linspace(-180.0, 180.0, 37)
    assert len(np.unique(cells_of(np.full(37, lat), lon, 9))) == 1


def test_the_date_line_is_no_border() -> None:
    lat = np.full(4, -16.8)
    assert len(np.unique(cells_of(lat, np.array([180.0, -180.0, 540.0, 180.0 - 1e-9]), 9))) == 1
    line = Plane(-16.8, 179.99)
    here = cut(line, np.full(4, -16.8), np.array([179.95, 179.96, -179.95, -179.94]), shards=2, resolution=8)
    x_m, y_m = line.xy(np.full(2, -16.8), np.array([179.955, -179.945]))
    assert here.of(x_m, y_m).tolist() == [0, 1]
    assert here.near(x_m, y_m, halo_m=100.0).tolist() == [[True, False], [False, True]]


def test_a_pentagon_is_a_cell_of_five_corners_and_a_region_as_others() -> None:
    (pentagon,) = (cell for cell in named(sorted(h3.get_pentagons(7))) if told(np.array([cell])) == ["870800000ffffff"])
    lat, lon = middles(np.array([pentagon]))
    corners = outline(int(pentagon))
    assert h3.is_pentagon(told(np.array([pentagon]))[0]) and len(corners) in (5, 10)
    plane = Plane(float(lat[0]), float(lon[0]))
    beside = named(sorted(set(h3.grid_disk("870800000ffffff", 1)) - {"870800000ffffff"}))
    assert len(beside) == 5
    regions = HexRegions(plane, np.append(beside, pentagon), np.array([1] * 5 + [0]))
    assert regions.of(np.zeros(1), np.zeros(1)).tolist() == [0]
    x_m, y_m = plane.xy(*middles(beside))
    assert regions.of(x_m, y_m).tolist() == [1] * 5
    assert regions.near(np.zeros(1), np.zeros(1), halo_m=3000.0).tolist() == [[True, True]]


def test_a_place_beyond_all_cells_belongs_to_the_nearest() -> None:
    plane = Plane(52.5, 13.4)
    halves = cut(plane, np.full(4, 52.5), np.array([13.30, 13.31, 13.50, 13.51]), shards=2, resolution=8)
    assert halves.of(np.array([-90_000.0, 90_000.0]), np.array([5_000.0, -5_000.0])).tolist() == [0, 1]
    with pytest.raises(BadInput, match="not finite"):
        halves.of(np.array([np.nan]), np.zeros(1))


@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_every_place_has_one_shard_that_is_near_it_and_shares_are_about_equal(seed: int, shards: int) -> None:
    chance, plane = np.random.default_rng(seed), Plane(40.7, -74.0)
    lat, lon = plane.latlon(*chance.normal(0.0, 4000.0, (2, 300)))
    regions = cut(plane, lat, lon, shards=shards, resolution=8)
    x_m, y_m = plane.xy(lat, lon)
    own = regions.of(x_m, y_m)
    assert regions.shards == shards and regions.near(x_m, y_m, halo_m=0.0)[np.arange(300), own].all()
    assert np.bincount(own, minlength=shards).min() >= 300 / shards / 2.5


def test_a_halo_reaches_at_least_as_far_as_it_says() -> None:
    chance, plane = np.random.default_rng(1), Plane(40.7, -74.0)
    lat, lon = plane.latlon(*chance.uniform(-3000.0, 3000.0, (2, 400)))
    regions = cut(plane, lat, lon, shards=3, resolution=9)
    x_m, y_m = plane.xy(lat, lon)
    own, near = regions.of(x_m, y_m), regions.near(x_m, y_m, halo_m=700.0)
    apart_m = np.hypot(x_m[:, None] - x_m, y_m[:, None] - y_m)
    for shard in range(3):
        assert near[(apart_m[:, own == shard] <= 695.0).any(axis=1), shard].all()


def test_regions_come_back_from_their_file_and_wrong_rows_are_named(tmp_path: Path) -> None:
    plane, file = Plane(52.5, 13.4), tmp_path / "regions.csv"
    halves = cut(plane, np.full(4, 52.5), np.array([13.30, 13.31, 13.50, 13.51]), shards=2, resolution=8)
    write_regions(file, halves)
    again = read_regions(file, plane)
    assert (again.cells.tolist(), again.owner.tolist()) == (halves.cells.tolist(), halves.owner.tolist())
    cell = told(halves.cells)[0]
    for text, error, match in (
        ("x", BadInput, "wanted the head"), ("cell,shard\n", BadInput, "no cells"), ("cell,shard\nzz,0", BadRow, "H3 cell"),
        (f"cell,shard\n{cell},a", BadRow, "row 2"), (f"cell,shard\n{cell},1", BadInput, "a cell each"),
        (f"cell,shard\n{cell},0\n{cell},0", BadInput, "each once"), ("cell,shard\nffffffffffffffffffff,0", BadRow, "H3 cell"),
    ):  # fmt: skip
        file.write_text(text)
        with pytest.raises(error, match=match):
            read_regions(file, plane)
    with pytest.raises(BadInput, match="cannot be read"):
        read_regions(tmp_path / "none.csv", plane)


def test_without_h3_the_answer_is_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h3.api.basic_int", None)
    with pytest.raises(EngineMissing, match=r"rialto\[h3\]"):
        cells_of(np.zeros(1), np.zeros(1), 8)


def test_what_is_nowhere_is_not_counted_and_wrong_questions_are_refused() -> None:
    cells = cells_of(np.array([52.5, np.nan, 52.5]), np.array([13.4, 13.4, 13.4]), 9)
    found = counted(cells, cents=np.array([3.0, 100.0, 4.0]))
    assert cells[1] == NOWHERE and found.columns["count"].tolist() == [2.0] and found.columns["cents"].tolist() == [7.0]
    with pytest.raises(BadInput, match="0 to 15"):
        cells_of(np.zeros(1), np.zeros(1), 16)
    with pytest.raises(BadInput, match="beyond a pole"):
        cells_of(np.array([91.0]), np.zeros(1), 3)
