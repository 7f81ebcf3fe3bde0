"""Shards over one city: a driver is in one log at a time, with all his orders; borders are no walls; what a crash cut in two is mended."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rialto.errors import BadInput, NothingHere
from rialto.local.events import LocalEvents
from rialto.local.geo import GridGeo
from rialto.local.models import LocalModels
from rialto.local.travel import GreatCircle
from rialto.match.ledger import KEY_USED, NO_DRIVER
from rialto.match.offers import Message, Messages
from rialto.match.pipeline import build
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.regions import Regions
from rialto.match.shard import Parcel, Shard, present
from rialto.match.shards import Front, How
from rialto.match.track import Track
from rialto.match.travel import Travel

PLANE = Plane(52.0, 13.0)
HALVES = Regions(-10_000.0, -5000.0, 10_000.0, 2, np.array([0, 1]))
"""West of 0 m is shard 0's, east of it shard 1's."""


class Here:
    """A link to a shard in this process; what travels, travels as bytes. `cut` loses the answer to one kind of parcel."""

    def __init__(self, folder: Path) -> None:
        self.log, geo = LocalEvents(folder, sync=False), GridGeo()
        travel = Travel(GreatCircle(speed_mps=10.0, factor=1.0))
        self.dispatch = build(geo=geo, travel=travel, models=LocalModels(None), track=Track(geo, PLANE), offers=self.log)
        self.shard, self.answers, self.cut = Shard(self.dispatch, self.log), deque[bytes](), ""

    def send(self, parcel: Parcel) -> None:
        answer = self.shard.handle(Parcel.of_bytes(parcel.to_bytes()))
        if self.cut == parcel.kind:
            raise ConnectionError(f"the front died after {parcel.kind}")
        self.answers.append(answer.to_bytes())

    def answer(self) -> Parcel:
        return Parcel.of_bytes(self.answers.popleft())


@pytest.fixture
def links(tmp_path: Path) -> Iterator[list[Here]]:
    made = [Here(tmp_path / str(n)) for n in range(2)]
    yield made
    for link in made:
        link.log.close()


def pings(places: dict[int, float], at_s: float) -> Pings:
    lat, lon = PLANE.latlon(np.array(list(places.values())), np.zeros(len(places)))
    return Pings.of(np.array(list(places)), lat=lat, lon=lon, time_s=np.full(len(places), at_s))


def opened(links: list[Here], places: dict[int, float], *, at_s: float = 0.0, halo_m: float = 1500.0) -> Front:
    front = Front(links, HALVES, PLANE, halo_m=halo_m)
    seen = pings(places, at_s)
    front.enrol(Drivers.of(np.array(list(places))), seen.lat, seen.lon, at_s=at_s)
    front.pings(seen, now_s=at_s)
    return front


def order(number: int, x_m: float, at_s: float) -> Orders:
    lat, lon = PLANE.latlon(np.array([x_m]), np.zeros(1))
    return Orders.of(np.array([number]), lat=lat, lon=lon, placed_s=np.array([at_s]))


def alone(links: list[Here]) -> None:
    """No driver and no order is in two logs."""
    here = [{d for d, there in present(link.log).items() if there} for link in links]
    assert not here[0] & here[1]
    held = [link.dispatch.offers.holding() for link in links]
    assert not set(held[0][0].tolist()) & set(held[1][0].tolist())
    assert not set(links[0].dispatch.offers.states()) & set(links[1].dispatch.offers.states())


def test_an_order_is_decided_by_the_shard_of_its_door(links: list[Here]) -> None:
    front = opened(links, {1: -3000.0, 2: 3000.0})
    assert front.place(order(10, 2900.0, 1.0), at_s=1.0, key="a").tolist() == [True]
    assert front.place(order(10, 2900.0, 1.0), at_s=1.0, key="a").tolist() == [True], "a repeat is answered the same"
    made = front.window(at_s=2.0)
    assert (made.order.tolist(), made.driver.tolist()) == ([10], [2])
    assert 10 in links[1].dispatch.offers.states() and 10 not in links[0].dispatch.offers.states()


def test_a_border_order_gets_the_neighbours_driver_in_the_next_window_and_from_one_log_alone(links: list[Here]) -> None:
    front = opened(links, {1: -300.0})
    front.place(order(10, 200.0, 1.0), at_s=1.0, key="a")
    first = front.window(at_s=2.0)
    assert len(first.order) == 0 and first.moved == 1 and front.owner == {1: 1}
    alone(links)
    second = front.window(at_s=4.0)
    assert (second.order.tolist(), second.driver.tolist()) == ([10], [1])
    alone(links)
    assert links[0].dispatch.offers.offer(np.array([10]), np.array([1]), key="x", at_s=5.0, until_s=9.0).tolist() == [-1]


def test_a_driver_whom_an_order_holds_is_not_lent(links: list[Here]) -> None:
    front = opened(links, {1: -300.0})
    front.place(order(10, -200.0, 1.0), at_s=1.0, key="a")
    assert front.window(at_s=2.0).driver.tolist() == [1]
    front.place(order(11, 200.0, 3.0), at_s=3.0, key="b")
    lent = links[0].shard.handle(Parcel("lend", 3.0, {"driver": np.array([1])}, {"key": "k"}))
    assert lent.columns["free"].tolist() == [False]
    front.pings(pings({1: 5000.0}, 3.5), now_s=3.5)
    assert front.window(at_s=4.0).moved == 0 and front.owner == {1: 0}, "he is far across, and still holds an order of the west"
    answers = [front.tell([Message(f"{k}10", k, 10, 1)], at_s=5.0)[0] for k in ("accepted", "picked_up", "delivered")]
    assert answers == [0, 0, 0]
    assert front.pings(pings({1: 5000.0}, 6.0), now_s=6.0) == 1 and front.owner == {1: 1}
    assert front.window(at_s=7.0).driver.tolist() == [1]
    alone(links)


def test_a_driver_changes_over_past_the_halo_and_not_at_the_line(links: list[Here]) -> None:
    front = opened(links, {1: -300.0})
    assert front.pings(pings({1: 300.0}, 60.0), now_s=60.0) == 0 and front.owner == {1: 0}
    assert front.pings(pings({1: 2000.0}, 120.0), now_s=120.0) == 1 and front.owner == {1: 1}
    alone(links)


def test_a_front_that_dies_between_both_steps_leaves_a_driver_whom_the_next_one_finds(links: list[Here]) -> None:
    front = opened(links, {1: -300.0, 2: -4000.0})
    front.place(order(10, 200.0, 1.0), at_s=1.0, key="a")
    links[1].cut = "adopt"
    links[1].shard._acts["adopt"] = lambda p: Parcel("adopted")  # pyright: ignore[reportPrivateUsage] (it died before it acted)
    with pytest.raises(ConnectionError):
        front.window(at_s=2.0)
    assert not any(present(link.log).get(1, False) for link in links), "in nobody's log, so nobody offers him anything"
    again = [Shard(link.dispatch, link.log) for link in links]
    for link, shard in zip(links, again):
        link.shard, link.cut = shard, ""
        link.answers.clear()
    second = opened(links, {1: -300.0, 2: -4000.0}, at_s=10.0)
    assert second.owner == {1: 0, 2: 0}
    assert second.window(at_s=11.0).moved == 1 and second.window(at_s=13.0).driver.tolist() == [1]
    assert second.tell([Message("y", "accepted", 10, 1)], at_s=14.0) == [0], "the new front knows whose the order is"
    alone(links)


def test_a_busy_city_never_has_a_driver_or_an_order_in_two_logs(links: list[Here]) -> None:
    chance = np.random.default_rng(7)
    places = {d: float(x) for d, x in enumerate(chance.uniform(-4000.0, 4000.0, 30))}
    front = opened(links, places)
    taken: dict[int, int] = {}
    moved = 0
    for step in range(1, 60):
        at_s = 10.0 * step
        places = {d: float(np.clip(x + chance.normal(0.0, 400.0), -6000.0, 6000.0)) for d, x in places.items()}
        moved += front.pings(pings(places, at_s), now_s=at_s)
        for n in range(3):
            front.place(order(1000 + 3 * step + n, float(chance.uniform(-3000.0, 3000.0)), at_s), at_s=at_s, key=f"{step}.{n}")
        made = front.window(at_s=at_s)
        moved += made.moved
        for o, d in zip(made.order.tolist(), made.driver.tolist()):
            kind = "accepted" if chance.random() < 0.8 else "declined"
            assert front.tell([Message(f"{kind}{o}.{at_s}", kind, o, d)], at_s=at_s + 1.0) == [0]
            if kind == "accepted":
                assert o not in taken
                taken[o] = d
        for o, d in list(taken.items()):
            if d >= 0 and chance.random() < 0.2:
                assert front.tell([Message(f"{k}{o}", k, o, d) for k in ("picked_up", "delivered")], at_s=at_s + 2.0) == [0, 0]
                taken[o] = -1
        alone(links)
    here = {d: s for s, link in enumerate(links) for d, there in present(link.log).items() if there}
    assert front.owner == here and len(here) == 30
    assert moved > 20 and len(taken) > 100


def test_a_driver_who_left_is_found_on_neither_side_of_the_border_until_he_comes(links: list[Here]) -> None:
    front = opened(links, {1: -300.0, 2: 2500.0, 3: -3000.0})
    front.place(order(10, -200.0, 1.0), at_s=1.0, key="a")
    assert front.window(at_s=2.0).driver.tolist() == [1]
    answers = front.tell_all(Messages.of([Message("l", "left", -1, 1), Message("x", "left", -1, 99)]), at_s=3.0)
    assert answers.reasons.tolist() == [0, NO_DRIVER] and answers.order.tolist() == [10], "what he was asked for waits again"
    assert front.states(np.array([10]))[0].state == "waiting"
    front.place(order(11, 200.0, 3.0), at_s=3.0, key="b")
    assert front.pings(pings({1: 2600.0}, 60.0), now_s=60.0) == 0 and front.owner[1] == 0, "he stays with his shard"
    for at_s in (61.0, 63.0):
        front.pings(pings({1: 100.0, 2: 2500.0, 3: -3000.0}, at_s), now_s=at_s)
        made = front.window(at_s=at_s)
        assert 1 not in made.driver.tolist() and made.moved == 0
    assert front.states(np.array([10, 11]))[1].driver == 2
    second = front_after_a_crash(links, {1: -300.0, 2: 2500.0, 3: -3000.0})
    second.place(order(12, -200.0, 70.0), at_s=70.0, key="c")
    second.pings(pings({1: -100.0}, 70.0), now_s=70.0)
    assert len(second.window(at_s=71.0).order) == 0, "and after a restart of everything"
    said = [Message("c", "came", -1, 1), Message("c", "came", -1, 1), Message("c", "left", -1, 1)]
    assert [second.tell(said, at_s=72.0) for _ in range(2)] == [[0, 0, KEY_USED]] * 2
    second.pings(pings({1: -100.0}, 73.0), now_s=73.0)
    assert second.window(at_s=74.0).driver.tolist() == [1]
    alone(links)


def front_after_a_crash(links: list[Here], places: dict[int, float]) -> Front:
    for link in links:
        geo = GridGeo()
        travel = Travel(GreatCircle(speed_mps=10.0, factor=1.0))
        link.dispatch = build(geo=geo, travel=travel, models=LocalModels(None), track=Track(geo, PLANE), offers=link.log)
        link.shard = Shard(link.dispatch, link.log)
        link.answers.clear()
    return opened(links, places, at_s=64.0)


def test_a_repeat_of_what_a_driver_said_before_he_changed_sides_does_nothing(links: list[Here]) -> None:
    front = opened(links, {1: -300.0})
    assert front.tell([Message("l", "left", -1, 1), Message("c", "came", -1, 1)], at_s=2.0) == [0, 0]
    assert front.pings(pings({1: 2000.0}, 60.0), now_s=60.0) == 1 and front.owner == {1: 1}
    assert front.tell([Message("l", "left", -1, 1)], at_s=61.0) == [0]
    front.place(order(10, 2100.0, 61.0), at_s=61.0, key="a")
    assert front.window(at_s=62.0).driver.tolist() == [1]


def test_a_front_forgets_orders_that_its_shards_forgot(links: list[Here]) -> None:
    front = opened(links, {1: -300.0})
    front.place(order(10, -200.0, 1.0), at_s=1.0, key="a")
    front.window(at_s=2.0)
    front.tell([Message("c", "cancelled", 10)], at_s=3.0)
    week = How(overrides={"match.offers.forget_s": 3600.0})
    front.place(order(11, -200.0, 7000.0), at_s=7000.0, key="b")
    front.window(at_s=7300.0, how=week)
    with pytest.raises(NothingHere, match="order 10 is unknown"):
        front.why(10)
    assert front.why(11).order == 11 and front.states(np.array([10]))[0].state == "unknown"


def test_what_shards_do_not_take_is_refused(links: list[Here]) -> None:
    front = opened(links, {1: 0.0})
    with pytest.raises(BadInput, match="links for 2 shards"):
        Front(links[:1], HALVES, PLANE)
    with pytest.raises(BadInput, match="known: enrol"):
        links[0].shard.handle(Parcel("nonsense"))
    assert front.window(at_s=1.0).moved == 0, "the front goes on"


TWO = How(overrides={"match.stack.most": 2.0})


def trip(number: int, from_m: float, to_m: float, at_s: float) -> Orders:
    """An order from metres east of the middle to metres east."""
    (lat, lon), (drop_lat, drop_lon) = (PLANE.latlon(np.array([x]), np.zeros(1)) for x in (from_m, to_m))
    return Orders.of(
        np.array([number]), lat=lat, lon=lon, placed_s=np.array([at_s]), drop_lat=drop_lat, drop_lon=drop_lon,
        customer=np.array([number]),
    )  # fmt: skip


def asked(front: Front, at_s: float) -> dict[int, int]:
    made = front.window(at_s=at_s, how=TWO)
    return dict(zip(made.order.tolist(), made.driver.tolist()))


def says(front: Front, kind: str, order: int, driver: int, at_s: float) -> int:
    return front.tell([Message(f"{kind}:{order}:{driver}:{at_s}", kind, order, driver)], at_s=at_s)[0]


def plan(front: Front, driver: int, at_s: float) -> list[tuple[int, str]]:
    return [(stop.order, stop.kind) for stop in front.route(driver, at_s=at_s)]


def carrying(links: list[Here]) -> Front:
    """Driver 1, at 4 km west, has accepted order 7, which goes from there to 1 km west."""
    front = opened(links, {1: -4000.0})
    front.place(trip(7, -3900.0, -1000.0, 1.0), at_s=1.0, key="a")
    assert asked(front, 2.0) == {7: 1}
    assert says(front, "accepted", 7, 1, 3.0) == 0
    return front


def test_a_driver_takes_a_second_order_of_his_shard_on_the_way(links: list[Here]) -> None:
    front = carrying(links)
    front.place(trip(8, -3800.0, -1100.0, 4.0), at_s=4.0, key="b")
    assert asked(front, 5.0) == {8: 1}
    assert says(front, "accepted", 8, 1, 6.0) == 0
    assert plan(front, 1, 7.0) == [(7, "pickup"), (8, "pickup"), (8, "dropoff"), (7, "dropoff")]
    front.place(trip(9, -3700.0, -1200.0, 8.0), at_s=8.0, key="c")
    assert asked(front, 9.0) == {}, "he has two"
    alone(links)


def test_a_neighbours_order_is_no_second_one_until_his_plan_is_done(links: list[Here]) -> None:
    front = carrying(links)
    assert says(front, "picked_up", 7, 1, 100.0) == 0
    front.pings(pings({1: -200.0}, 101.0), now_s=101.0)
    front.place(trip(8, 100.0, 3000.0, 102.0), at_s=102.0, key="b")  # 300 m ahead of him, across the border
    assert [asked(front, at_s) for at_s in (103.0, 105.0, 107.0)] == [{}, {}, {}]
    assert front.owner == {1: 0} and plan(front, 1, 108.0) == [(7, "dropoff")]
    alone(links)
    assert says(front, "delivered", 7, 1, 109.0) == 0
    front.pings(pings({1: -200.0}, 109.5), now_s=109.5)
    assert (asked(front, 110.0), asked(front, 112.0)) == ({}, {8: 1})  # one window in which he changes over
    assert front.owner == {1: 1}
    alone(links)


def test_a_plan_of_two_is_there_after_the_shard_and_the_front_began_anew(links: list[Here], tmp_path: Path) -> None:
    front = carrying(links)
    front.place(trip(8, -3800.0, -1100.0, 4.0), at_s=4.0, key="b")
    assert asked(front, 5.0) == {8: 1} and says(front, "accepted", 8, 1, 6.0) == 0
    before = plan(front, 1, 7.0)
    for n, link in enumerate(links):
        link.log.close()
        links[n] = Here(tmp_path / str(n))
    again = opened(links, {1: -4000.0}, at_s=8.0)
    again.place(trip(9, -3700.0, -1200.0, 9.0), at_s=9.0, key="c")
    assert asked(again, 10.0) == {}, "he has two"
    assert plan(again, 1, 10.0) == before and len(before) == 4
    lent = links[0].shard.handle(Parcel("lend", 10.0, {"driver": np.array([1])}, {"key": "k"}))
    assert lent.columns["free"].tolist() == [False]
    assert says(again, "delivered", 8, 1, 11.0) != 0, "it was not picked up"
    assert [says(again, k, o, 1, 12.0) for k, o in (("picked_up", 7), ("picked_up", 8), ("delivered", 8))] == [0, 0, 0]
    assert plan(again, 1, 13.0) == [(7, "dropoff")] and asked(again, 14.0) == {9: 1}


def held_by(links: list[Here]) -> Counter[int]:
    """Orders with a driver, or offered to him, over all logs."""
    return Counter(d for link in links for d in link.dispatch.offers.holding()[0].tolist())


def test_a_busy_city_of_stacked_drivers_never_has_one_in_two_logs_or_beyond_his_places(links: list[Here]) -> None:
    chance = np.random.default_rng(3)
    places = {d: float(x) for d, x in enumerate(chance.uniform(-4000.0, 4000.0, 16))}
    front = opened(links, places)
    taken: dict[int, int] = {}
    twice = moved = 0
    for step in range(1, 60):
        at_s = 10.0 * step
        places = {d: float(np.clip(x + chance.normal(0.0, 300.0), -6000.0, 6000.0)) for d, x in places.items()}
        moved += front.pings(pings(places, at_s), now_s=at_s)
        for n in range(3):
            start, end = chance.uniform(-3000.0, 3000.0, 2)
            front.place(trip(1000 + 3 * step + n, float(start), float(end), at_s), at_s=at_s, key=f"{step}.{n}")
        made = front.window(at_s=at_s, how=TWO)
        moved += made.moved
        holds = held_by(links)
        assert max(holds.values(), default=0) <= 2
        twice += sum(n == 2 for n in holds.values())
        for o, d in zip(made.order.tolist(), made.driver.tolist()):
            kind = "accepted" if chance.random() < 0.8 else "declined"
            assert says(front, kind, o, d, at_s + 1.0) == 0
            if kind == "accepted":
                assert o not in taken
                taken[o] = d
        for o, d in list(taken.items()):
            if d >= 0 and chance.random() < 0.2:
                assert [says(front, k, o, d, at_s + 2.0) for k in ("picked_up", "delivered")] == [0, 0]
                taken[o] = -1
        alone(links)
    assert moved > 10 and twice > 50 and len(taken) > 100
