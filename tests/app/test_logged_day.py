"""A logged day as the map shows it: states, ways and reasons are those that the fleet told while it went on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rialto.app.engines import Engines
from rialto.app.logged_day import LoggedDays
from rialto.app.scenes import STATES
from rialto.app.termed_fleet import TermedFleet
from rialto.config import Fleet as Chosen
from rialto.config import Settings
from rialto.errors import BadInput, NothingHere
from rialto.match.offers import Message, Messages
from rialto.match.records import Drivers, Orders, Pings

NOW_S = 1_800_000_000.0
DAY = "2027-01-15"


def told(fleet: TermedFleet, kind: str, order: int, driver: int) -> None:
    assert fleet.tell(Messages.of([Message(f"{kind}{order}", kind, order, driver)])).done.all()


@pytest.fixture
def day(tmp_path: Path) -> tuple[Engines, dict[str, object]]:
    """Order 7 goes 1 km north to a door 2 km north, taken at 10 s, picked up at 100 s, delivered at 300 s; order 8 waits from 0 s on."""
    now = [NOW_S]
    engines = Engines(Settings(home=tmp_path, fleet=Chosen(on=True, lat=52.5, lon=13.4, window_s=0.0)))
    fleet = TermedFleet(engines, clock=lambda: now[0])
    fleet.enrol(Drivers.of(np.array([1, 2, 3])))
    lat = 52.5 + np.array([0.0, 0.002, 0.02])
    fleet.pings(Pings.of(np.array([1, 2, 3]), lat=lat, lon=np.full(3, 13.4), time_s=np.full(3, NOW_S)))
    need = np.array([0, 1], dtype=np.uint64)
    places = 52.5 + np.array([1.0, 0.0]) / 111.195
    fleet.place(
        Orders.of(
            np.array([7, 8]), lat=places, lon=np.full(2, 13.4), placed_s=np.full(2, NOW_S), need=need, drop_lat=places + 1.0 / 111.195,
            drop_lon=np.full(2, 13.4),
        )
    )  # fmt: skip
    now[0] = NOW_S + 5.0
    fleet.window()
    live = {"why": fleet.why(7), "driver": fleet.held(7).driver, "waits": fleet.why(8)}
    for at_s, kind in ((10.0, "accepted"), (100.0, "picked_up"), (300.0, "delivered")):
        now[0] = NOW_S + at_s
        told(fleet, kind, 7, int(live["driver"]))
    fleet.stop()
    return engines, live


def test_the_day_is_as_it_was(day: tuple[Engines, dict[str, object]]) -> None:
    engines, live = day
    driver = live["driver"]
    days = LoggedDays.of_fleet(engines)
    assert days.names() == [DAY]
    one = days.day(DAY)
    moments = one.moments()
    assert (moments[0].at_s, moments[-1].at_s) == (NOW_S, NOW_S + 300.0)
    assert (moments[0].waiting, moments[0].busy, moments[-1].waiting, moments[-1].busy, moments[-1].free) == (2, 0, 1, 0, 1)
    for at_s, state in ((5.0, "offered"), (50.0, "assigned"), (200.0, "picked_up"), (300.0, "free")):
        scene = one.scene(NOW_S + at_s)
        d = {name: column.tolist() for name, column in scene.drivers.items()}
        assert (d["id"], STATES[d["state"][0]], d["order"]) == ([driver], state, [7 if state != "free" else -1])
        assert scene.orders["id"].tolist() == [8] and scene.orders["waits_s"][0] == at_s
        assert [(f.order, f.driver) for f in scene.offers] == [(7, driver)]
    assert one.told() == (DAY, 2, 1, 0, 1, "08:00:00", "08:05:00")
    half = one.scene(NOW_S + 200.0)
    assert half.drivers["lat"][0] == pytest.approx(52.5 + 1.5 / 111.195, abs=1e-5), "half of the way from the pick-up to the door"
    assert half.drivers["goal_lat"][0] == pytest.approx(52.5 + 2.0 / 111.195, abs=1e-5) and np.isnan(half.drivers["age_s"][0])


def test_the_reasons_are_those_of_the_time(day: tuple[Engines, dict[str, object]]) -> None:
    engines, live = day
    one = LoggedDays.of_fleet(engines).day(DAY)
    for order, name in ((7, "why"), (8, "waits")):
        then, now = live[name], one.why(order)
        assert (now.chosen, now.rivals, now.margin_s, now.instead, now.at_s) == (
            then.chosen, then.rivals, then.margin_s, then.instead, then.at_s,  # pyright: ignore
        )  # fmt: skip
    with pytest.raises(NothingHere):
        one.why(7, at_s=NOW_S + 1.0)
    with pytest.raises(NothingHere):
        one.why(99)


def test_what_is_not_there_is_told(day: tuple[Engines, dict[str, object]], tmp_path: Path) -> None:
    engines, _ = day
    days = LoggedDays.of_fleet(engines)
    with pytest.raises(NothingHere, match="days in the logs: 2027-01-15"):
        days.day("2027-01-16")
    for name in ("yesterday", "2027-13-01", ""):
        with pytest.raises(BadInput, match="YYYY-MM-DD"):
            days.day(name)
    alone = LoggedDays.of_folders(engines, [tmp_path / "fleet" / "offers"]).day(DAY)
    with pytest.raises(NothingHere, match="no log of decisions"):
        alone.why(7)
    with pytest.raises(NothingHere, match="no folder"):
        LoggedDays.of_folders(engines, [tmp_path / "nowhere"])
    assert LoggedDays.of_fleet(Engines(Settings(home=tmp_path))).names() == []
