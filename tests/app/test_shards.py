"""Shards in real processes: one killed under load is taken over from its log, and no acknowledged order is lost or with two drivers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Timer

import numpy as np
import pytest

from rialto.adapters.ray import RayHosts
from rialto.app.hosts import Hosts, ProcessHosts
from rialto.app.shards import opened_shards
from rialto.config import Settings
from rialto.errors import BadInput, EngineBusy
from rialto.local.events import LocalEvents
from rialto.match.offers import Message, Offers
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.regions import Regions
from rialto.match.shard import Parcel, present

PLANE = Plane(52.0, 13.0)
HALVES = Regions(-10_000.0, -5000.0, 10_000.0, 2, np.array([0, 1]))


def orders(ids: list[int], x_m: list[float], at_s: float) -> Orders:
    lat, lon = PLANE.latlon(np.array(x_m), np.zeros(len(x_m)))
    return Orders.of(np.array(ids), lat=lat, lon=lon, placed_s=np.full(len(ids), at_s))


def seen(x_m: list[float], at_s: float) -> Pings:
    lat, lon = PLANE.latlon(np.array(x_m), np.zeros(len(x_m)))
    return Pings.of(np.arange(len(x_m)), lat=lat, lon=lon, time_s=np.full(len(x_m), at_s))


@pytest.fixture(params=["process", "process, standby", "ray, standby"])
def cluster(request: pytest.FixtureRequest) -> Iterator[tuple[Hosts, bool]]:
    """Where workers run, and whether each shard has a standby."""
    name, _, standby = str(request.param).partition(", ")
    if name == "ray" and find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'rialto[ray]'")
    hosts: Hosts = ProcessHosts() if name == "process" else RayHosts(cpus=2)
    yield hosts, bool(standby)
    hosts.close()


def test_a_shard_killed_under_load_is_taken_over_and_no_acknowledged_order_is_lost_or_doubled(
    tmp_path: Path, cluster: tuple[Hosts, bool]
) -> None:
    chance = np.random.default_rng(3)
    where = chance.uniform(-3000.0, 3000.0, 80).tolist()
    acknowledged: dict[int, float] = {}
    accepted: dict[int, int] = {}
    hosts, standby = cluster
    chosen = Settings(home=tmp_path / "home")
    with opened_shards(tmp_path / "logs", HALVES, PLANE, settings=chosen, hosts=hosts, sync=False, standby=standby) as (
        front,
        links,
    ):
        start = seen(where, 0.0)
        front.enrol(Drivers.of(np.arange(80)), start.lat, start.lon, at_s=0.0)
        first, followers = [link.pid for link in links], [link.standby_pid for link in links]
        after_kill = 0
        for step in range(1, 200):
            at_s = 5.0 * step
            if step == 4:
                Timer(0.02, os.kill, (first[1], signal.SIGKILL)).start()
            front.pings(seen(where, at_s), now_s=at_s)
            x_m = chance.uniform(-3000.0, 3000.0, 5).tolist()
            ids = [step * 10 + n for n in range(5)]
            assert front.place(orders(ids, x_m, at_s), at_s=at_s, key=f"batch {step}").all()
            acknowledged.update(zip(ids, x_m))
            made = front.window(at_s=at_s)
            pairs = list(zip(made.order.tolist(), made.driver.tolist()))
            assert front.tell([Message(f"yes {o}", "accepted", o, d) for o, d in pairs], at_s=at_s + 1.0) == [0] * len(pairs)
            for o, d in pairs:
                assert o not in accepted, "no order is with two drivers"
                accepted[o] = d
                reached = [Message(f"{kind} {o}", kind, o, d) for kind in ("picked_up", "delivered")]
                assert front.tell(reached, at_s=at_s + 2.0) == [0, 0]
            after_kill += links[1].generation == 2 and any(acknowledged[o] > 0.0 for o, _ in pairs)
            if after_kill >= 4:
                break
        assert after_kill >= 4, "the new worker of the eastern shard makes offers"
        assert links[0].pid == first[0] and links[1].pid != first[1]
        assert not standby or links[1].pid == followers[1] != links[1].standby_pid > 0, "the standby leads, and another follows"
        links[0].send(Parcel("nonsense"))
        with pytest.raises(BadInput, match="shard 0"):
            links[0].answer()
    logs = [LocalEvents(tmp_path / "logs" / f"shard-{n}") for n in range(2)]
    states = [Offers(log).states() for log in logs]
    here = [{d for d, there in present(log).items() if there} for log in logs]
    for log in logs:
        log.close()
    assert not states[0].keys() & states[1].keys()
    assert states[0].keys() | states[1].keys() == acknowledged.keys(), "every acknowledged order is in one log"
    assert {o for s in states for o, held in s.items() if held.state == "delivered"} == accepted.keys()
    assert not here[0] & here[1] and len(here[0] | here[1]) == 80


def test_a_shard_that_somebody_leads_is_told_as_busy_and_goes_on(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path / "home")
    with opened_shards(tmp_path / "logs", HALVES, PLANE, settings=chosen, sync=False) as (front, _):
        start = seen([-100.0, 100.0], 0.0)
        front.enrol(Drivers.of(np.arange(2)), start.lat, start.lon, at_s=0.0)
        with (
            opened_shards(tmp_path / "logs", HALVES, PLANE, settings=chosen, sync=False) as (other, _),
            pytest.raises(EngineBusy),
        ):
            other.enrol(Drivers.of(np.arange(2)), start.lat, start.lon, at_s=0.0)
        assert front.place(orders([1, 2], [-50.0, 50.0], 1.0), at_s=1.0, key="k").all()
