"""A fleet beside the service: what was acknowledged is there again after a restart, and one process at a time dispatches it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import monotonic

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.fleet import Fleet
from rialto.app.fleet_windows import reach_of
from rialto.app.scenes import STATES, Album, Scene
from rialto.app.turns import Turns
from rialto.config import Fleet as Chosen
from rialto.config import Settings
from rialto.errors import BadSettings, EngineBusy, NothingHere
from rialto.match.offers import Message, Messages
from rialto.match.records import Drivers, Orders, Pings
from rialto.ports import TravelTimes

NOW_S = 1_800_000_000.0


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Fleet]:
    """Opens the fleet of one folder."""

    def open_(*, now_s: float = NOW_S, window_s: float = 0.0) -> Fleet:
        chosen = Settings(home=tmp_path, fleet=Chosen(on=True, lat=52.5, lon=13.4, window_s=window_s))
        return Fleet(Engines(chosen), clock=lambda: now_s)

    return open_


def orders(*ids: int) -> Orders:
    size = len(ids)
    return Orders.of(np.array(ids), lat=np.full(size, 52.5), lon=np.full(size, 13.4), placed_s=np.full(size, NOW_S))


def seen(fleet: Fleet, *ids: int, time_s: float = NOW_S) -> None:
    size = len(ids)
    fleet.pings(Pings.of(np.array(ids), lat=np.full(size, 52.5), lon=np.full(size, 13.4), time_s=np.full(size, time_s)))


def test_drivers_orders_and_answers_are_there_after_a_restart(opened: Callable[..., Fleet]) -> None:
    fleet = opened()
    fleet.enrol(Drivers.of(np.array([1, 2])))
    fleet.enrol(Drivers.of(np.array([2, 3]), flags=np.array([4, 4], dtype=np.uint64)))
    seen(fleet, 1, 2, 3)
    fleet.place(orders(7, 8))
    fleet.window()
    holder = fleet.held(7).driver
    fleet.tell(Messages.of([Message("yes", "accepted", 7, holder)]))
    fleet.stop()
    again = opened(now_s=NOW_S + 5.0)
    assert (again.held(7).state, again.held(7).driver, again.held(8).state) == ("assigned", holder, "offered")
    seen(again, 1, 2, 3, time_s=NOW_S + 5.0)
    again.place(orders(9, 10))
    asked = again.window()
    assert len(asked.drivers) == 1 and holder not in asked.drivers  # two are held, of the log, before they say a word
    again.stop()


def test_a_second_process_is_told_that_the_fleet_is_taken(opened: Callable[..., Fleet]) -> None:
    fleet = opened()
    with pytest.raises(EngineBusy):
        opened()
    fleet.stop()
    opened().stop()


def test_windows_are_decided_by_themselves(opened: Callable[..., Fleet]) -> None:
    fleet = opened(window_s=0.02)
    fleet.enrol(Drivers.of(np.array([1])))
    seen(fleet, 1)
    fleet.place(orders(7))
    fleet.start()
    until, wait = monotonic() + 120.0, Event()  # the first window may compile its kernels
    while fleet.held(7).state == "waiting" and monotonic() < until:
        wait.wait(0.02)
    assert fleet.held(7).state == "offered" and fleet.ready
    fleet.stop()


def test_a_window_can_be_explained_as_of_an_earlier_moment(opened: Callable[..., Fleet]) -> None:
    fleet = opened()
    fleet.place(orders(7))
    first = fleet.window()
    fleet.enrol(Drivers.of(np.array([1])))
    seen(fleet, 1)
    fleet.window()
    assert fleet.why(7).chosen is not None
    assert fleet.why(7, at_s=first.at_s).chosen is None
    with pytest.raises(NothingHere, match="order 8"):
        fleet.why(8)
    with pytest.raises(NothingHere, match="enrolled"):
        fleet.standing(5)
    fleet.stop()


def test_under_many_threads_no_driver_is_held_twice_and_none_is_lost(tmp_path: Path) -> None:
    chosen, gone_s = Settings(home=tmp_path, fleet=Chosen(on=True, lat=52.5, lon=13.4, window_s=0.001)), [0.0]
    fleet = Fleet(Engines(chosen), clock=lambda: NOW_S + gone_s[0])
    fleet.enrol(Drivers.of(np.arange(1, 31)))
    seen(fleet, *range(1, 31))
    fleet.start()

    def customer(first: int) -> None:
        for n in range(first, first + 40, 4):
            fleet.place(orders(*range(n, n + 4)))
            for order in range(n, n + 4):
                held = fleet.held(order)
                kind = ("cancelled", "accepted", "declined", "cancelled")[order % 4]
                driver = held.driver if kind != "cancelled" else -1
                fleet.tell(Messages.of([Message(f"{kind}:{order}", kind, order, driver)]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(customer, range(0, 160, 40)))
    assert fleet.ready
    fleet.stop()
    gone_s[0] = 5.0  # a scene is shown again for half a second
    drivers, held = fleet.scene().drivers, [fleet.held(order) for order in range(160)]
    holding = [h.driver for h in held if h.state in ("offered", "assigned")]
    assert len(set(holding)) == len(holding)
    assert set(drivers["id"][drivers["state"] == STATES.index("free")].tolist()) == set(range(1, 31)) - set(holding)


def test_an_order_that_is_placed_has_a_window_decided_at_once_where_that_is_wanted(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path, fleet=Chosen(on=True, lat=52.5, lon=13.4, window_s=3600.0, at_once=True))
    fleet = Fleet(Engines(chosen), clock=lambda: NOW_S)
    fleet.enrol(Drivers.of(np.array([1])))
    seen(fleet, 1)
    fleet.start()
    fleet.place(orders(7))
    until, wait = monotonic() + 120.0, Event()
    while not fleet.since(0.0) and monotonic() < until:
        wait.wait(0.02)
    assert fleet.held(7).state == "offered" and len(fleet.since(0.0)) == 1
    fleet.stop()


class Late:
    """Travel times that come later than a window of a hundredth of a second may take."""

    def seconds(self, start: NDArray[np.float64], goal: NDArray[np.float64], *, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        Event().wait(0.3)
        return np.full(len(start), 60.0)


class LateEngines(Engines):
    """Engines whose travel times are late."""

    def travel(self) -> TravelTimes:
        return Late()


def test_a_window_that_takes_too_long_goes_on_without_what_is_late_and_says_so(tmp_path: Path) -> None:
    now_s, chosen = [NOW_S], Settings(home=tmp_path, fleet=Chosen(on=True, lat=52.5, lon=13.4, window_s=0.01))
    fleet = Fleet(LateEngines(chosen), clock=lambda: now_s[0])
    fleet.enrol(Drivers.of(np.array([1, 2])))
    seen(fleet, 1, 2)
    for order, without in ((7, ()), (8, ("travel",))):  # the first window may compile what it needs
        fleet.place(orders(order))
        decided = fleet.window()
        assert (decided.orders.tolist(), decided.fallbacks[:1]) == ([order], without)
    now_s[0] += 1.0
    assert fleet.scene().fallbacks[:1] == ("travel",)
    fleet.stop()


def test_orders_may_be_as_far_as_the_flat_map_is_true(tmp_path: Path) -> None:
    def chosen(lat: float, **more: float) -> Settings:
        return Settings(home=tmp_path, fleet=Chosen(on=True, lat=lat, lon=25.0, window_s=0.0, **more))

    assert reach_of(chosen(52.5)) == 200_000.0 and reach_of(chosen(80.0)) == pytest.approx(56_000.0, rel=0.02)
    assert reach_of(chosen(80.0, reach_m=5000.0)) == 5000.0
    with pytest.raises(BadSettings, match=r"fleet.reach_m = 150000: at latitude 70.0 the flat map is true up to 115567 m"):
        Fleet(Engines(chosen(70.0, reach_m=150_000.0)))


def test_windows_that_compared_nobody_do_not_fill_the_memory(tmp_path: Path) -> None:
    now_s = [NOW_S]
    chosen = Settings(home=tmp_path, fleet=Chosen(on=True, lat=52.5, lon=13.4, window_s=0.0))
    fleet = Fleet(Engines(chosen), clock=lambda: now_s[0])
    fleet._most_rows = 1000  # pyright: ignore[reportPrivateUsage] (so that the test is short)
    for _ in range(30):
        now_s[0] += 0.01
        fleet.window()
    assert len(fleet.since(0.0)) == 20
    fleet.stop()


def test_a_driver_who_left_is_away_on_the_map_and_after_a_restart(opened: Callable[..., Fleet]) -> None:
    fleet = opened()
    fleet.enrol(Drivers.of(np.array([1, 2])))
    seen(fleet, 1, 2)
    fleet.tell(Messages.of([Message("l", "left", -1, 1)]))
    assert fleet.scene().drivers["state"].tolist() == [STATES.index("away"), STATES.index("free")]
    fleet.stop()
    again = opened(now_s=NOW_S + 5.0)
    seen(again, 1, 2, time_s=NOW_S + 5.0)
    again.place(orders(7, 8))
    assert again.window().drivers.tolist() == [2]
    again.stop()


def test_an_album_keeps_within_its_bytes_and_its_hour() -> None:
    drivers = {"id": np.zeros(100, dtype=np.int64), "state": np.zeros(100, dtype=np.uint8)}
    nobody = {"id": np.zeros(0, dtype=np.int64)}
    album = Album(span_s=100.0, every_s=10.0, most_bytes=3000)
    with pytest.raises(NothingHere):
        album.at(0.0)
    for at_s in range(0, 200, 5):
        album.put(Scene(float(at_s), drivers, nobody, ()))
    assert [m.at_s for m in album.moments()] == [170.0, 180.0, 190.0]
    assert (album.at(185.0).at_s, album.at(0.0).at_s) == (180.0, 170.0)
    album.put(Scene(3.0, drivers, nobody, ()))
    assert [m.at_s for m in album.moments()] == [3.0]


def test_a_turn_is_given_back_after_a_failure() -> None:
    turns = Turns()
    for side in (turns.alone, turns.together, turns.alone):
        with pytest.raises(ValueError, match="x"), side():
            raise ValueError("x")
