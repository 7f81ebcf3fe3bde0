"""The road graph: its tables are checked, its labels and kernels are exact, and it passes the exam of TravelTimes."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from rialto.errors import BadInput, BadRow, EngineBusy, NothingHere
from rialto.local.roads import Roads, read_roads
from rialto.local.roads_contract import simplified
from rialto.local.roads_labels import FAR_MS, labels_of, table_plain
from rialto.local.roads_pairs import distinct, pairs_plain
from rialto.local.roads_snap import Ground, snap_plain
from rialto.local.roads_store import keep, kept
from rialto.local.roads_times import RoadTimes, open_roads
from rialto.testing.travel import TravelTimesExam

MANHATTAN = Path(os.environ.get("RIALTO_DATA", "../shared/data")) / "manhattan"
ORIGIN = np.array([40.70, -74.00])
STEP = 0.001


def grid(side: int = 9, *, seed: int = 1, closed: float = 0.15) -> Roads:
    """A town of side x side corners about 100 m apart, some of its streets one-way, their speeds drawn."""
    chance = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(side * side), side)
    lat, lon = ORIGIN[0] + STEP * row, ORIGIN[1] + STEP * column
    ends = [(n, n + 1) for n in range(side * side) if n % side < side - 1] + [(n, n + side) for n in range(side * side - side)]
    both = [(a, b) for a, b in ends if chance.random() > closed]
    tail, head = np.array(ends + [(b, a) for a, b in both]).T
    length_m = np.where(np.abs(tail - head) == 1, 84.3, 111.2)
    return Roads(lat, lon, tail, head, length_m, chance.choice([5.0, 8.0, 14.0], len(tail)))


def node_seconds(roads: Roads, starts: np.ndarray | None = None) -> np.ndarray:
    """Milliseconds from nodes to all nodes by scipy's Dijkstra."""
    tail, head, ms = simplified(len(roads.lat), roads.tail, roads.head, roads.ms)
    graph = csr_matrix((ms.astype(float), (tail, head)), shape=(len(roads.lat),) * 2)
    return dijkstra(graph, indices=starts)


def engine(roads: Roads, **options: object) -> RoadTimes:
    reach_m = float(options.pop("reach_m", 1000.0))  # type: ignore[arg-type]
    labels = labels_of(len(roads.lat), roads.tail, roads.head, roads.ms)
    return RoadTimes(labels, Ground.of(roads, reach_m=reach_m), **options)  # type: ignore[arg-type]


def write(folder: Path, roads: Roads) -> Path:
    """The graph as the two tables."""
    nodes = "".join(f"{7 + 3 * i},{a!r},{b!r}\n" for i, (a, b) in enumerate(zip(roads.lat.tolist(), roads.lon.tolist())))
    rows = zip(roads.tail.tolist(), roads.head.tolist(), roads.length_m.tolist(), roads.speed_mps.tolist())
    edges = "".join(f"{7 + 3 * a},{7 + 3 * b},{m!r},{3.6 * v!r}\n" for a, b, m, v in rows)
    (folder / "nodes.csv").write_text("osm_id,lat,lon\n" + nodes)
    (folder / "edges.csv").write_text("from,to,length_m,speed_limit_kmh\n" + edges)
    return folder


class TestRoadTimes(TravelTimesExam):
    places = ORIGIN + STEP * np.array([[0.2, 0.1], [7.5, 7.9], [3.3, 6.0], [5.0, 1.5], [5.0, 1.6]])

    def open(self) -> RoadTimes:
        return engine(grid(closed=0.0))


@pytest.mark.skipif(not MANHATTAN.is_dir(), reason=f"{MANHATTAN} is not there")
class TestManhattan(TravelTimesExam):
    places = np.array([[40.722, -73.995], [40.75, -73.98], [40.758, -73.985], [40.731, -73.999]])

    def open(self) -> RoadTimes:
        return open_roads(MANHATTAN)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Any directed graph of a few nodes: loops, twins, parts apart, arcs of no time."""
    nodes = draw(st.integers(1, 12))
    ends = st.integers(0, nodes - 1)
    arcs = draw(st.lists(st.tuples(ends, ends, st.integers(1, 50)), min_size=1, max_size=40))
    tail, head, ms = np.array(arcs, dtype=np.int64).T
    return nodes, tail.copy(), head.copy(), ms.copy()


@settings(deadline=None, max_examples=150)
@given(graphs())
def test_labels_know_every_shortest_way_of_any_graph(graph: tuple[int, np.ndarray, np.ndarray, np.ndarray]) -> None:
    nodes, tail, head, ms = graph
    a, b, least = simplified(nodes, tail, head, ms)
    wanted = dijkstra(csr_matrix((least.astype(float), (a, b)), shape=(nodes, nodes)))
    found = table_plain(labels_of(nodes, tail, head, ms), np.arange(nodes), np.arange(nodes))
    assert np.where(found >= FAR_MS, np.inf, found).tolist() == wanted.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_drives_between_any_two_places_are_as_long_as_dijkstra_says(seed: int) -> None:
    roads = grid(12, seed=seed, closed=0.5)
    travel = engine(roads)
    chance = np.random.default_rng(seed)
    places = ORIGIN + STEP * chance.uniform(0.0, 11.0, (60, 2))
    a, b = chance.integers(0, 60, (2, 3000))
    start, start_of = distinct(places[a])
    goal, goal_of = distinct(places[b])
    s, g = travel.ground.snap(places[a][start]), travel.ground.snap(places[b][goal])
    wanted = pairs_plain(node_seconds(roads), travel.ground.segments, s, g, (start_of, goal_of)) / 1000.0
    off_s = (s.off_m[start_of] + g.off_m[goal_of]) / 5.0
    found = travel.seconds(places[a], places[b], at_s=np.zeros(3000))
    assert found.tolist() == pytest.approx(np.where(a == b, 0.0, wanted + off_s).tolist(), rel=1e-12)
    assert np.isinf(found).any() == np.isinf(wanted).any()


@pytest.mark.skipif(not MANHATTAN.is_dir(), reason=f"{MANHATTAN} is not there")
def test_labels_of_a_real_town_are_exact_and_drives_too() -> None:
    roads = read_roads(MANHATTAN)
    travel = engine(roads)
    chance = np.random.default_rng(3)
    starts, goals = chance.choice(len(roads.lat), (2, 60), replace=False)
    every = node_seconds(roads, starts)
    assert table_plain(travel.labels, starts, goals).tolist() == every[:, goals].astype(int).tolist()
    at = np.stack((roads.lat, roads.lon), axis=1)
    found = travel.seconds(np.repeat(at[starts], 60, axis=0), np.tile(at[goals], (60, 1)), at_s=np.zeros(3600))
    assert found.reshape(60, 60) == pytest.approx(every[:, goals] / 1000.0, abs=0.01), "a node lies on its own road"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-3.0, 12.0), st.floats(-3.0, 12.0)), min_size=1, max_size=20), st.sampled_from([30.0, 200.0]))
def test_the_grid_of_stretches_finds_the_nearest_one(at: list[tuple[float, float]], reach_m: float) -> None:
    ground = Ground.of(grid(closed=0.3), reach_m=reach_m)
    places = ORIGIN + STEP * np.array(at)
    found, wanted = ground.snap(places), snap_plain(ground, places)
    near = wanted.segment >= 0
    assert ((found.segment >= 0) == near).all()
    assert found.off_m[near] == pytest.approx(wanted.off_m[near], abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, -5.5, 40.7]), st.sampled_from([0.0, 2.0, -74.0])), max_size=40))
def test_distinct_places_are_numbered_in_order_of_appearance(at: list[tuple[float, float]]) -> None:
    first, of = distinct(np.array(at, dtype=np.float64).reshape(-1, 2))
    numbers = {place: n for n, place in enumerate(dict.fromkeys(at))}
    assert of.tolist() == [numbers[place] for place in at]
    assert [at[row] for row in first] == list(numbers)


def test_a_one_way_street_is_driven_one_way_and_both_ways_along_itself() -> None:
    roads = Roads(np.zeros(2), np.array([0.0, 0.01]), np.array([0]), np.array([1]), np.array([1112.0]), np.array([10.0]))
    travel = engine(roads)
    third, half = np.array([[0.0, 0.01 / 4]]), np.array([[0.0, 0.005]])
    assert travel.seconds(third, half, at_s=np.zeros(1))[0] == pytest.approx(111.2 / 4, abs=0.01)
    assert travel.seconds(half, third, at_s=np.zeros(1)).tolist() == [np.inf], "there is no way back"


def test_a_place_far_from_every_road_is_not_told_but_no_way_from_itself() -> None:
    travel = engine(grid(), reach_m=200.0)
    away, here = ORIGIN - 1.0, ORIGIN + STEP
    found = travel.seconds(np.array([away, away, here]), np.array([here, away, away]), at_s=np.zeros(3))
    assert np.isnan(found).tolist() == [True, False, True]
    assert found[1] == 0.0


def test_the_factor_of_the_hour_is_driven_on_the_road_and_learned_from_drives() -> None:
    roads = grid(closed=0.0)
    truth = np.where(np.arange(24) == 8, 3.0, 1.5)
    chance = np.random.default_rng(0)
    start, goal = ORIGIN + STEP * chance.uniform(0.0, 8.0, (2, 4000, 2))
    at_s = chance.uniform(0.0, 86_400.0, 4000)
    took = engine(roads, factor=truth).seconds(start, goal, at_s=at_s)
    took[took <= 0.0] = 1.0
    took[:200] *= 20.0
    assert engine(roads).fit(start, goal, took, at_s) == pytest.approx(truth, rel=0.05)
    with pytest.raises(BadInput, match="duration above 0"):
        engine(roads).fit(start, goal, -took, at_s)
    with pytest.raises(BadInput, match="at least one"):
        engine(roads).fit(start[:1], start[:1], np.ones(1), np.zeros(1))


def test_a_call_that_needs_more_than_its_budget_is_refused_with_what_to_do() -> None:
    moments = iter(np.arange(0.0, 1000.0, 0.3))
    travel = engine(grid(), budget_s=0.5, clock=lambda: float(next(moments)))
    start, goal = ORIGIN + STEP * np.random.default_rng(0).uniform(0.0, 8.0, (2, 5000, 2))
    with pytest.raises(EngineBusy, match="budget_s"):
        travel.seconds(start, goal, at_s=np.zeros(5000))


def test_what_was_prepared_is_taken_again_and_what_is_damaged_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, shelf = write(tmp_path, grid()), tmp_path / "kept"
    ends = ORIGIN + STEP * np.array([[0.5, 0.5], [6.0, 7.0]])
    first = open_roads(folder, keep_in=shelf).seconds(ends[:1], ends[1:], at_s=np.zeros(1))
    (file,) = shelf.iterdir()
    written = file.stat().st_mtime_ns
    assert open_roads(folder, keep_in=shelf).seconds(ends[:1], ends[1:], at_s=np.zeros(1)).tolist() == first.tolist()
    assert file.stat().st_mtime_ns == written
    file.write_bytes(file.read_bytes()[:200])
    with caplog.at_level(logging.WARNING, logger="rialto"):
        again = open_roads(folder, keep_in=shelf).seconds(ends[:1], ends[1:], at_s=np.zeros(1))
    assert again.tolist() == first.tolist()
    assert "prepared again" in caplog.text
    write(tmp_path, grid(seed=2))
    open_roads(folder, keep_in=shelf)
    assert len(list(shelf.iterdir())) == 2, "another graph has labels of its own"


def test_labels_of_another_graph_or_none_are_not_taken(tmp_path: Path) -> None:
    roads = grid()
    labels = labels_of(len(roads.lat), roads.tail, roads.head, roads.ms)
    keep(tmp_path / "x.npz", labels)
    assert kept(tmp_path / "none.npz", 81) is None
    assert kept(tmp_path / "x.npz", 81) is not None
    with pytest.raises(BadInput, match="80 nodes"):
        kept(tmp_path / "x.npz", 80)
    (tmp_path / "x.npz").write_bytes(b"what is this")
    with pytest.raises(BadInput, match="no labels"):
        kept(tmp_path / "x.npz", 81)


def test_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    roads = grid()
    again = read_roads(write(tmp_path, roads))
    assert sorted(zip(again.lat, again.lon)) == sorted(zip(roads.lat, roads.lon))
    assert sorted(again.ms.tolist()) == sorted(roads.ms.tolist())
    assert again.hash() == read_roads(tmp_path).hash() != roads.hash()


@pytest.mark.parametrize(
    ("nodes", "edges", "row", "field"),
    [
        ("1,91,0\n2,0,0\n", "1,2,9,30\n", 1, "lat"),
        ("1,0,0\n1,0,1\n", "1,1,9,30\n", 2, "osm_id"),
        ("1,0,0\nx,0,1\n", "1,1,9,30\n", 2, "osm_id"),
        ("1,0,0\n2,0,nan\n", "1,2,9,30\n", 2, "lon"),
        ("1,0,0\n2,0,1\n", "1,3,9,30\n", 1, "to"),
        ("1,0,0\n2,0,1\n", "1,2,-9,30\n", 1, "length_m"),
        ("1,0,0\n2,0,1\n", "1,2,9,30\n2,1,9,0\n", 2, "speed_limit_kmh"),
        ("1,0,0\n2,0\n", "1,2,9,30\n", 2, "lon"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, nodes: str, edges: str, row: int, field: str) -> None:
    (tmp_path / "nodes.csv").write_text("osm_id,lat,lon\n" + nodes)
    (tmp_path / "edges.csv").write_text("from,to,length_m,speed_limit_kmh\n" + edges)
    with pytest.raises(BadRow) as e:
        read_roads(tmp_path)
    assert (e.value.row, e.value.field) == (row, field)


def test_tables_that_are_missing_or_no_tables_are_told(tmp_path: Path) -> None:
    with pytest.raises(NothingHere, match=r"nodes\.csv"):
        read_roads(tmp_path)
    (tmp_path / "nodes.csv").write_text("id,lat,lon\n1,0,0\n")
    (tmp_path / "edges.csv").write_text("from,to,length_m,speed_limit_kmh\n")
    with pytest.raises(BadInput, match="no column 'osm_id'"):
        read_roads(tmp_path)
    (tmp_path / "nodes.csv").write_bytes(b"osm_id,lat,lon\n\xff\xfe,0,0\n")
    with pytest.raises(BadInput, match="UTF-8"):
        read_roads(tmp_path)
    (tmp_path / "nodes.csv").write_text("osm_id,lat,lon\n1,0,0\n")
    with pytest.raises(BadInput, match="0 edges"):
        read_roads(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"off_road_mps": 0.0}, {"budget_s": 0.0}, {"factor": -1.0}, {"utc_offset_s": np.nan}, {"reach_m": 0.0}]
)
def test_settings_that_give_no_time_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="wanted"):
        engine(grid(3), **wrong)


def test_a_graph_that_cannot_be_is_refused() -> None:
    one = np.ones(1)
    with pytest.raises(BadInput, match="ends at node 5"):
        Roads(np.zeros(2), np.zeros(2), np.array([0]), np.array([5]), one, one)
    with pytest.raises(BadInput, match="not finite"):
        Roads(np.zeros(2), np.zeros(2), np.array([0]), np.array([1]), one * np.nan, one)
    with pytest.raises(BadInput, match="a day"):
        Roads(np.zeros(2), np.zeros(2), np.array([0]), np.array([1]), one * 1e6, one)
    with pytest.raises(BadInput, match="misplaced"):
        Ground.of(Roads(np.array([0.0, 50.0]), np.zeros(2), np.array([0]), np.array([1]), one, one))
