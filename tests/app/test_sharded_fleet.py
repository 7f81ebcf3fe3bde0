"""A fleet over shards: it answers as one process does, and a worker that dies costs no order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rialto.app.engines import Engines
from rialto.app.fleet_logs import FleetLogs
from rialto.app.logged_day import LoggedDays
from rialto.app.logged_why import LoggedWhy
from rialto.app.scenes import STATES
from rialto.app.sharded_fleet import ShardedFleet, open_fleet
from rialto.app.sharding import held_to, sharding
from rialto.config import Fleet as Chosen
from rialto.config import Settings
from rialto.errors import BadSettings, NothingHere
from rialto.match.hexagons import cut, write_regions
from rialto.match.offers import Message, Messages
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.regions import strips
from rialto.spine.log import DecisionLog

NOW_S = 1_800_000_000.0


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., ShardedFleet]]:
    """Opens the fleet of one folder."""
    made: list[ShardedFleet] = []

    def open_(*, now_s: list[float] | None = None, shards: str = "process://2") -> ShardedFleet:
        now = now_s or [NOW_S]
        chosen = Settings(home=tmp_path, shards=shards, fleet=Chosen(on=True, lat=52.5, lon=13.4, window_s=0.0))
        fleet = open_fleet(Engines(chosen), clock=lambda: now[0])
        assert isinstance(fleet, ShardedFleet)
        made.append(fleet)
        return fleet

    yield open_
    for fleet in made:
        fleet.stop()


def places(fleet: ShardedFleet, x_m: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return fleet.plane.latlon(np.array(x_m), np.zeros(len(x_m)))


def seen(fleet: ShardedFleet, x_m: dict[int, float], *, time_s: float = NOW_S) -> dict[str, int]:
    lat, lon = places(fleet, list(x_m.values()))
    return fleet.pings(Pings.of(np.array(list(x_m)), lat=lat, lon=lon, time_s=np.full(len(x_m), time_s))).counts


def placed(fleet: ShardedFleet, x_m: dict[int, float]) -> list[bool]:
    lat, lon = places(fleet, list(x_m.values()))
    return fleet.place(Orders.of(np.array(list(x_m)), lat=lat, lon=lon, placed_s=np.full(len(x_m), NOW_S))).tolist()


def test_the_life_of_orders_on_both_sides_and_after_a_worker_died_and_after_a_restart(
    opened: Callable[..., ShardedFleet],
) -> None:
    now_s = [NOW_S]
    fleet = opened(now_s=now_s)
    fleet.enrol(Drivers.of(np.array([1, 2, 3])))
    assert seen(fleet, {1: -2000.0, 2: 2000.0, 3: 3000.0, 9: 0.0}) == {"taken": 3, "unknown_driver": 1}
    assert placed(fleet, {7: -1900.0, 8: 2100.0}) == [True, True] and placed(fleet, {7: -1900.0}) == [False]
    windows = [fleet.window() for _ in range(2)]  # nobody knew where drivers were when they were enrolled: one changes over first
    assert {o: d for w in windows for o, d in zip(w.orders.tolist(), w.drivers.tolist())} == {7: 1, 8: 2}
    assert windows[0].waiting == 2
    assert {o for d in fleet.since(0.0) for o in d.orders.tolist()} == {7, 8}
    why = fleet.why(8)
    assert why.chosen is not None and (why.chosen.driver, why.rivals[0].driver) == (2, 3)
    assert [(o, held.state) for o, held in fleet.standing(2)] == [(8, "offered")]
    now_s[0] += 1.0
    scene = fleet.scene()
    assert sorted(scene.drivers["order"].tolist()) == [-1, 7, 8] and scene.silent == 0
    os.kill(fleet.links[1].pid, signal.SIGKILL)
    assert fleet.tell(Messages.of([Message("y8", "accepted", 8, 2), Message("n7", "declined", 7, 1)])).reasons.tolist() == [0, 0]
    assert fleet.tell(Messages.of([Message("c8", "cancelled", 8)])).driver.tolist() == [2], "who had it is told"
    assert (fleet.held(8).state, fleet.held(7).state) == ("cancelled", "waiting")
    assert fleet.tell(Messages.of([Message("l", "left", -1, 3)])).done.all()
    os.kill(fleet.links[1].pid, signal.SIGKILL)
    assert fleet.window().drivers.tolist() == [], "the new worker is told who left"
    now_s[0] += 1.0
    scene = fleet.scene()
    assert dict(zip(scene.drivers["id"].tolist(), scene.drivers["state"].tolist()))[3] == STATES.index("away")
    with pytest.raises(NothingHere):
        fleet.held(99)
    with pytest.raises(NothingHere):
        fleet.why(99)
    fleet.stop()
    again = opened(now_s=[NOW_S + 5.0])
    assert (again.held(8).state, again.held(7).state) == ("cancelled", "waiting")
    assert again.scene().silent == 3
    again.stop()
    with pytest.raises(BadSettings, match="of 2 shards"):
        opened(shards="process://3")


def test_the_shards_decisions_are_logged_and_read_together(opened: Callable[..., ShardedFleet], tmp_path: Path) -> None:
    now_s = [NOW_S]
    fleet = opened(now_s=now_s)
    fleet.enrol(Drivers.of(np.array([1, 2])))
    seen(fleet, {1: -2000.0, 2: 2000.0})
    placed(fleet, {7: -1900.0, 8: 2100.0})
    for _ in range(2):  # one may change over first
        fleet.window()
    live = {order: fleet.why(order) for order in (7, 8)}
    os.kill(fleet.links[1].pid, signal.SIGKILL)
    placed(fleet, {9: 2200.0})
    later = fleet.window()
    fleet.stop()
    engines = Engines(Settings(home=tmp_path, shards="process://2", fleet=Chosen(on=True, lat=52.5, lon=13.4)))
    with FleetLogs.of_fleet(engines).opened() as logs:
        assert [len(list(DecisionLog(log).read(pipeline="match"))) > 0 for log in logs.decisions] == [True, True]
        reasons = LoggedWhy(logs.decisions, engines.models())
        for order, driver in ((7, 1), (8, 2)):
            told = reasons.why(order)
            assert told.chosen is not None and (told.chosen.driver, told.at_s) == (driver, live[order].at_s)
        assert reasons.why(9).at_s == later.at_s, "the worker that took over writes on"
    day = LoggedDays.of_fleet(engines)
    assert day.why(7, NOW_S + 60.0).chosen is not None
    day.close()


def test_positions_wait_for_no_window_and_are_there_in_the_next_one(opened: Callable[..., ShardedFleet]) -> None:
    fleet = opened()
    fleet.enrol(Drivers.of(np.array([1, 2])))
    placed(fleet, {7: -1900.0, 8: 2100.0})
    with fleet._lock:  # pyright: ignore[reportPrivateUsage] (the shards decide)
        assert seen(fleet, {1: -2000.0}) == {"taken": 1} and seen(fleet, {2: 2000.0, 1: -1999.0}) == {"taken": 1, "repeated": 1}
    windows = [fleet.window() for _ in range(2)]  # one may change over first
    assert {o: d for w in windows for o, d in zip(w.orders.tolist(), w.drivers.tolist())} == {7: 1, 8: 2}


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("process://", "names ''"), ("process://0", "names '0'"), ("process://x", "names 'x'"), ("process://2?halo=3", "known: "),
        ("process://2?halo_m=-1", "0 or more"), ("process://2?halo_m=nan", "0 or more"), ("ray://2?cpus=x", "a number"),
        ("process://2?address=auto", "known: "),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_before_anything_starts(url: str, wrong: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=wrong):
        sharding(Settings(home=tmp_path, shards=url))


def test_regions_come_from_a_file_of_h3_cells(tmp_path: Path) -> None:
    pytest.importorskip("h3", reason="h3 is not installed: pip install 'rialto[h3]'")
    plane, file = Plane(52.5, 13.4), tmp_path / "regions.csv"
    lon = np.array([13.30, 13.31, 13.50, 13.51])
    write_regions(file, cut(plane, np.full(4, 52.5), lon, shards=2, resolution=8))
    found = sharding(Settings(home=tmp_path, shards=f"process://2?regions={file}"))
    assert found is not None
    regions = found.regions(plane, 6000.0)
    assert regions.of(*plane.xy(np.full(4, 52.5), lon)).tolist() == [0, 0, 1, 1]
    kept = tmp_path / "kept" / "shards.json"
    assert held_to(kept, regions, plane) is regions and held_to(kept, regions, plane) is regions
    with pytest.raises(BadSettings, match="of 2 shards"):
        held_to(kept, strips(np.array([-1e3, 1e3]), np.zeros(2), shards=2), plane)
    for url, wrong in ((f"process://3?regions={file}", "wanted 3"), (f"process://2?regions={tmp_path}/none", "cannot be read")):
        other = sharding(Settings(home=tmp_path, shards=url))
        assert other is not None
        with pytest.raises(BadSettings, match=wrong):
            other.regions(plane, 6000.0)
