"""What drivers are worth where, from the log of offers: moves are what drivers did, a better place is found, and scarce ones serve more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.local.events import LocalEvents
from rialto.local.geo import GridGeo
from rialto.local.models import LocalModels
from rialto.local.travel import GreatCircle
from rialto.match.ahead import Follower, Rounds, dump, grid, learn, learn_from, load, worth_telling
from rialto.match.jobs import JobLog, Jobs, jobs_logged
from rialto.match.offers import Message, Offers
from rialto.match.outlook import Ahead
from rialto.match.pipeline import Dispatch, build
from rialto.match.records import Orders, Plane
from rialto.match.simulate import Policy, compare, simulate
from rialto.match.track import Track
from rialto.match.travel import Travel
from rialto.match.value import Moves
from rialto.worlds.city import make_city
from rialto.worlds.city_sim import CitySim

PLANE = Plane(52.0, 13.0)


@pytest.fixture
def log(tmp_path: Path) -> LocalEvents:
    return LocalEvents(tmp_path / "offers", sync=False)


def order(number: int, from_m: float, to_m: float, at_s: float) -> Orders:
    lat, lon = PLANE.latlon(np.array([from_m, to_m]), np.zeros(2))
    return Orders.of(
        np.array([number]), lat=lat[:1], lon=lon[:1], drop_lat=lat[1:], drop_lon=lon[1:], placed_s=np.array([at_s]),
        value_cents=np.array([700]),
    )  # fmt: skip


def ride(offers: Offers, number: int, driver: int, way_m: tuple[float, float], times_s: tuple[float, float]) -> None:
    """An order accepted and picked up at the first of `times_s`, delivered at the second."""
    begun_s, done_s = times_s
    offers.place(order(number, *way_m, begun_s - 5.0), at_s=begun_s - 5.0)
    offers.offer(np.array([number]), np.array([driver]), key=f"o{number}", at_s=begun_s - 2.0, until_s=begun_s + 30.0)
    for kind, at_s in (("accepted", begun_s), ("picked_up", begun_s), ("delivered", done_s)):
        assert offers.tell([Message(f"{kind}{number}", kind, number, driver)], at_s=at_s)[0].done


def test_jobs_are_what_was_delivered_and_what_is_new_comes_once(log: LocalEvents) -> None:
    offers, source = Offers(log), JobLog(log)
    ride(offers, 1, 7, (0.0, 900.0), (100.0, 400.0))
    first = source.more()
    assert (first.order.tolist(), first.driver.tolist(), first.value_cents.tolist()) == ([1], [7], [700.0])
    assert (first.placed_s[0], first.accepted_s[0], first.picked_s[0], first.delivered_s[0]) == (95.0, 100.0, 100.0, 400.0)
    offers.place(order(2, 0.0, 1.0, 500.0), at_s=500.0)
    offers.tell([Message("c", "cancelled", 2)], at_s=600.0)
    assert len(source.more()) == 0 and source.gone == [(2, 500.0, 600.0)] and source.end_s == 600.0
    ride(offers, 3, 7, (0.0, 900.0), (700.0, 900.0))
    assert source.more().order.tolist() == [3] and jobs_logged(log).order.tolist() == [1, 3]


def test_a_job_given_back_counts_for_who_finished_it(log: LocalEvents) -> None:
    offers = Offers(log)
    offers.place(order(1, 0.0, 900.0, 0.0), at_s=0.0)
    for driver, at_s in ((7, 10.0), (8, 100.0)):
        offers.offer(np.array([1]), np.array([driver]), key=f"o{driver}", at_s=at_s, until_s=at_s + 30.0)
        offers.tell([Message(f"a{driver}", "accepted", 1, driver)], at_s=at_s + 5.0)
        if driver == 7:
            offers.tell([Message("r", "released", 1, 7)], at_s=50.0)
    offers.tell([Message("p", "picked_up", 1, 8), Message("d", "delivered", 1, 8)], at_s=300.0)
    done = jobs_logged(log)
    assert (done.driver.tolist(), done.accepted_s.tolist()) == ([8], [105.0])


def cells(columns: int = 3) -> Ahead:
    return grid(np.array([0.0, 1000.0 * columns]), np.zeros(2), cell_m=1000.0, slot_s=600.0)


def rows_of(m: Moves) -> list[tuple[float, ...]]:
    return list(zip(m.slot.tolist(), m.cell.tolist(), m.reward.tolist(), m.to_slot.tolist(), m.to_cell.tolist()))


def test_a_driver_moves_by_his_jobs_and_by_the_slots_he_waited_between_them(log: LocalEvents) -> None:
    offers = Offers(log)
    ride(offers, 1, 7, (100.0, 2500.0), (100.0, 700.0))  # slot 0 to slot 1, cell 0 to cell 2
    ride(offers, 2, 7, (2400.0, 100.0), (2000.0, 2100.0))  # waits slots 1 and 2 in cell 2, then works within slot 3
    m = Rounds(cells(), PLANE).moves(jobs_logged(log))
    assert rows_of(m) == [(0, 0, 1.0, 1, 2), (1, 2, 0.0, 2, 2), (2, 2, 0.0, 3, 2), (3, 2, 1.0, 4, 0)]


def test_moves_are_the_same_whether_the_log_is_read_at_once_or_as_it_grows(log: LocalEvents) -> None:
    offers, source, growing = Offers(log), JobLog(log), Rounds(cells(), PLANE)
    parts: list[Moves] = []
    for n in range(6):
        ride(offers, n, n % 2, (500.0 * n % 2900.0, 700.0 * n % 2900.0), (1000.0 * n + 100.0, 1000.0 * n + 900.0))
        parts.append(growing.moves(source.more()))
    whole = Rounds(cells(), PLANE).moves(jobs_logged(log))
    assert sorted(row for part in parts for row in rows_of(part)) == sorted(rows_of(whole))


def test_a_day_between_two_jobs_is_no_wait_and_an_unknown_drop_no_place(log: LocalEvents) -> None:
    offers = Offers(log)
    ride(offers, 1, 7, (100.0, 2500.0), (100.0, 700.0))
    ride(offers, 2, 7, (100.0, 2500.0), (86_500.0, 87_000.0))
    jobs = jobs_logged(log)
    m = Rounds(cells(), PLANE).moves(jobs)
    assert len(m) == 2 + 6, "an hour's six slots are believed"
    blind = Jobs(**{**{n: getattr(jobs, n) for n in Jobs.__slots__}, "drop_lat": np.full(2, np.nan)})
    assert len(Rounds(cells(), PLANE).moves(blind)) == 0
    assert len(Rounds(cells(), PLANE, "cents").moves(jobs)) == 8


def busy_east(offers: Offers, *, drivers: int = 80, seed: int = 0) -> None:
    """Who is brought east finds the next order at once; who is brought west waits most of an hour."""
    chance = np.random.default_rng(seed)
    rides: list[tuple[float, int, tuple[float, float], float]] = []
    for driver in range(drivers):
        at_s, place = float(chance.uniform(0.0, 600.0)), 100.0
        while at_s < 14_000.0:
            goal = 2900.0 if chance.random() < 0.5 else 100.0
            rides.append((at_s, driver, (place, goal), at_s + 300.0))
            at_s, place = at_s + 310.0 + (0.0 if goal > 1000.0 else 2400.0), goal
    for number, (at_s, driver, way, done_s) in enumerate(sorted(rides)):
        ride(offers, number, driver, way, (at_s, done_s))


def test_the_better_place_is_worth_more_in_batch_and_online_and_the_gate_lets_it_pass(log: LocalEvents) -> None:
    busy_east(Offers(log))
    ahead = learn_from(log, PLANE, cell_m=1000.0)
    assert ahead is not None
    assert ahead.values.table[3:12, 2].mean() > ahead.values.table[3:12, 0].mean() + 0.3
    followed = Follower(cells(), PLANE, log, rate=0.1)
    assert followed.catch_up() > 500 and followed.catch_up() == 0
    assert followed.ahead.values.table[3:12, 2].mean() > followed.ahead.values.table[3:12, 0].mean()
    verdict = worth_telling(log, PLANE, cell_m=1000.0)
    assert verdict.passed and verdict.low > 0.0


def test_a_log_without_deliveries_teaches_nothing(log: LocalEvents) -> None:
    Offers(log).place(order(1, 0.0, 900.0, 0.0), at_s=0.0)
    assert learn_from(log, PLANE) is None
    assert not worth_telling(log, PLANE).passed


def test_few_moves_make_no_place_better_than_another(log: LocalEvents) -> None:
    offers = Offers(log)
    ride(offers, 1, 7, (100.0, 2500.0), (100.0, 700.0))
    v = learn(cells(), Rounds(cells(), PLANE).moves(jobs_logged(log)), weight=20.0).values.table
    assert v[0] == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 cut short", b"\x80\x04K\x01.", dump(cells())[:-40]])
def test_values_that_are_damaged_are_refused(body: bytes) -> None:
    with pytest.raises(BadInput, match="learn them again"):
        load(body)


def test_a_grid_of_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="finite places"):
        grid(np.array([np.nan]), np.zeros(1))
    with pytest.raises(BadInput, match="do not divide a day"):
        grid(np.zeros(1), np.zeros(1), slot_s=1000.0)
    with pytest.raises(BadInput, match="rate is 0"):
        Follower(cells(), PLANE, None, rate=0.0)  # type: ignore[arg-type]


def test_values_serve_more_orders_where_drivers_are_scarce(tmp_path: Path) -> None:
    city, made = make_city(seed=5, drivers=150, orders_per_hour=350.0), [0]
    plane = Plane(*city.centre)

    def system(ahead: Ahead | None = None) -> tuple[Dispatch, LocalEvents]:
        made[0] += 1
        offers, geo = LocalEvents(tmp_path / f"o{made[0]}", sync=False), GridGeo()
        travel = Travel(GreatCircle(speed_mps=6.0, factor=1.35))
        return build(
            geo=geo, travel=travel, models=LocalModels(None), track=Track(geo, plane), offers=offers, ahead=ahead
        ), offers

    def running(day: int, hours: float) -> CitySim:
        start_s = day * 86_400.0 + 12 * 3600.0
        return CitySim(city, start_s=start_s, end_s=start_s + 3600.0 * hours, seed=day, window_s=30.0)

    teacher, offers = system()
    simulate(running(0, 3.0), teacher, policy=Policy("teacher", version=""))
    ahead = learn_from(offers, plane, cell_m=2500.0)
    policies = [Policy("without", version="", overrides={"match.decide.ahead_s": 0.0}),
                Policy("with", version="", overrides={"match.decide.ahead_s": 600.0})]  # fmt: skip
    found = compare(lambda seed: running(seed, 1.5), lambda: system(ahead)[0], policies, seeds=[1, 2, 3])
    gain = found.differences["matched"]["with"]
    assert gain.low > 0.0 and gain.value < 0.15
