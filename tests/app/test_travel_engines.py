"""Travel engines by URL: a road graph, learned factors, OSRM; and a window that goes on where the engine is away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rialto.app.engines import Engines
from rialto.config import Settings
from rialto.errors import BadInput, BadSettings, EngineBusy, NothingHere
from rialto.local.travel import GreatCircle
from rialto.local.travel_areas import AreaCircle

START, GOAL = np.array([[40.70, -74.0]]), np.array([[40.70, -73.998]])


def roads(folder: Path) -> Path:
    """A street of three corners, one way."""
    folder.mkdir()
    (folder / "nodes.csv").write_text("osm_id,lat,lon\n1,40.7,-74.0\n2,40.7,-73.999\n3,40.7,-73.998\n")
    (folder / "edges.csv").write_text("from,to,length_m,speed_limit_kmh\n1,2,84.3,36\n2,3,84.3,36\n")
    return folder


def test_a_road_graph_by_url_is_prepared_once_and_takes_its_options(tmp_path: Path) -> None:
    url = f"roads://{roads(tmp_path / 'town')}?factor=2&reach_m=500"
    travel = Engines(Settings(home=tmp_path, travel=url)).travel()
    assert travel.seconds(START, GOAL, at_s=np.zeros(1))[0] == pytest.approx(2 * 16.86, abs=0.01)
    assert travel.seconds(GOAL, START, at_s=np.zeros(1)).tolist() == [np.inf]
    assert len(list((tmp_path / "roads").glob("roads-*.npz"))) == 1


def test_learned_factors_by_url(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    start, goal = START + chance.uniform(0.0, 0.05, (2, 500, 2))
    took = GreatCircle(speed_mps=8.0, factor=2.0).seconds(start, goal, at_s=np.zeros(500))
    (tmp_path / "areas.npz").write_bytes(AreaCircle.learn(start, goal, took, np.zeros(500)).save())
    travel = Engines(Settings(home=tmp_path, travel=f"areas://{tmp_path}/areas.npz")).travel()
    assert travel.seconds(start, goal, at_s=np.zeros(500)) == pytest.approx(took, rel=0.01)


def test_osrm_by_url_is_not_asked_before_a_trip_is(tmp_path: Path) -> None:
    engines = Engines(Settings(home=tmp_path, travel="osrm://127.0.0.1:1/driving?timeout_s=0.5"))
    with pytest.raises(EngineBusy, match=r"127\.0\.0\.1:1"):
        engines.travel().seconds(START, GOAL, at_s=np.zeros(1))
    engines.close()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("roads://", BadSettings),
        ("roads:///town?reach=5", BadSettings),
        ("roads:///town?reach_m=wide", BadSettings),
        ("roads:///nowhere/at/all", NothingHere),
        ("areas:///nowhere/at/all", NothingHere),
        ("osrm://x/driving?timeout=5", BadInput),
    ],
)
def test_a_url_that_leads_nowhere_is_told(tmp_path: Path, url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Engines(Settings(home=tmp_path, travel=url)).travel()
