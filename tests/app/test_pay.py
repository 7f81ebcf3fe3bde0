"""What drivers were told to be paid counts: over a restart, in the shift under way, and in the report of how evenly they earned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rialto.app.engines import Engines
from rialto.app.sharded_fleet import ShardedFleet, open_fleet
from rialto.app.termed_fleet import TermedFleet
from rialto.cli import app
from rialto.config import Fleet, Settings
from rialto.match.offers import Message, Messages
from rialto.match.records import Drivers, Orders, Pings
from rialto.spine.params import settle

NOW_S = 1_800_000_000.0
HOUR_S = 3600.0
Opens = Callable[[list[float]], TermedFleet | ShardedFleet]


@pytest.fixture(params=["none://", "process://2"], ids=["one process", "two shards"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opens]:
    """Opens the fleet of one folder with a clock; windows weigh pay."""
    made: list[TermedFleet | ShardedFleet] = []

    def open_(now_s: list[float]) -> TermedFleet | ShardedFleet:
        chosen = Settings(
            home=tmp_path, shards=str(request.param), fleet=Fleet(on=True, lat=52.5, lon=13.4, window_s=0.0),
            params={"match.decide.fair_s": 3600.0},
        )  # fmt: skip
        made.append(open_fleet(Engines(chosen), clock=lambda: now_s[0]))
        return made[-1]

    yield open_
    for fleet in made:
        fleet.stop()
    settle({})  # what settings say of params holds for the process


def enrolled(fleet: TermedFleet | ShardedFleet, start_s: float) -> None:
    """Drivers 1 and 2 work for eight hours; driver 3 has no shift, and driver 2 another bit."""
    start, end = np.array([start_s, start_s, -np.inf]), np.array([start_s + 8 * HOUR_S] * 2 + [np.inf])
    flags = np.array([1, 2, 1], dtype=np.uint64)
    fleet.enrol(Drivers.of(np.array([1, 2, 3]), shift_start_s=start, shift_end_s=end, flags=flags))


def seen(fleet: TermedFleet | ShardedFleet, at_s: float) -> None:
    lat, lon = fleet.plane.latlon(np.array([100.0, 150.0]), np.zeros(2))
    fleet.pings(Pings.of(np.array([1, 2]), lat=lat, lon=lon, time_s=np.full(2, at_s)))


def asked(fleet: TermedFleet | ShardedFleet, order: int, at_s: float) -> int:
    """Who is offered an order next to both drivers."""
    seen(fleet, at_s)
    lat, lon = fleet.plane.latlon(np.array([50.0]), np.zeros(1))
    fleet.place(Orders.of(np.array([order]), lat=lat, lon=lon, placed_s=np.array([at_s]), value_cents=np.array([700])))
    for _ in range(3):  # a driver may change his shard first
        fleet.window()
    return fleet.held(order).driver


def test_pay_of_the_shift_under_way_counts_after_a_restart(opened: Opens) -> None:
    now_s = [NOW_S]
    fleet = opened(now_s)
    enrolled(fleet, NOW_S)
    now_s[0] += HOUR_S
    fleet.earn(["a", "b"], np.array([1, 2]), np.array([4000, 100]))
    fleet.stop()
    now_s[0] += 60.0
    again = opened(now_s)
    assert asked(again, 7, now_s[0]) == 2, "the nearer driver was paid more"
    again.tell(Messages.of([Message("c", "cancelled", 7)]))
    now_s[0] += 24 * HOUR_S
    enrolled(again, now_s[0])
    again.earn(["c"], np.array([2]), np.array([50]))
    assert asked(again, 8, now_s[0]) == 1, "another shift begins without the pay of the one before"


def test_fairness_goes_by_pay_shifts_and_bits_that_the_logs_tell(opened: Opens, tmp_path: Path) -> None:
    now_s = [NOW_S]
    fleet = opened(now_s)
    enrolled(fleet, NOW_S - HOUR_S)
    driver = asked(fleet, 7, NOW_S)
    for kind, later_s in (("accepted", 10.0), ("picked_up", HOUR_S), ("delivered", 2 * HOUR_S - 10.0)):
        now_s[0] += later_s
        assert fleet.tell(Messages.of([Message(kind, kind, 7, driver)])).done.all()
    sharded = isinstance(fleet, ShardedFleet)
    fleet.stop()
    shards = tmp_path / "fleet" / "shards"
    folders = [str(shards / f"shard-{n}") for n in range(2)] if sharded else [str(tmp_path / "fleet" / "offers")]

    def told() -> dict[str, object]:
        done = CliRunner().invoke(app, ["match", "fairness", *(w for f in folders for w in ("--offers", f)), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    first = told()
    assert (first["pay"], first["shifts"], first["drivers"]) == ("orders", 2, 2)
    assert first["cents_an_hour"]["value"] == pytest.approx(700.0 / 3.0 / 2.0), "3 hours of the shift since they were enrolled"  # pyright: ignore
    again = opened(now_s)
    again.earn(["a", "b"], np.array([1, 2]), np.array([3000, 6000]))
    again.stop()
    second = told()
    assert (second["pay"], second["idle"]) == ("earnings", 0.0)
    assert second["cents_an_hour"]["value"] == pytest.approx(1500.0)  # pyright: ignore
    assert set(second["gap"]) == {"bits 0", "bits 1"}  # pyright: ignore
