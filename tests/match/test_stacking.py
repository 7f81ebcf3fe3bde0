"""Drivers who have an order and take another: what their plan becomes, what never happens, and what a broadcast is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from rialto.errors import EngineBusy
from rialto.local.events import LocalEvents
from rialto.local.geo import GridGeo
from rialto.local.models import LocalModels
from rialto.local.travel import GreatCircle
from rialto.match.offers import Message
from rialto.match.pipeline import Dispatch, build
from rialto.match.records import FREE, Drivers, Orders, Pings, Plane
from rialto.match.track import Track
from rialto.match.travel import Travel
from rialto.spine.log import DecisionLog

System = Callable[..., Dispatch]
PLANE = Plane(52.0, 13.0)
TWO = {"match.stack.most": 2.0}


def trips(ids: list[int], ends: list[tuple[float, float]], *, at_s: float = 0.0, **more: list[float]) -> Orders:
    """Orders from metres east of the middle to metres east."""
    (lat, lon), (drop_lat, drop_lon) = (PLANE.latlon(np.array([e[k] for e in ends]), np.zeros(len(ends))) for k in (0, 1))
    columns = {name: np.array(values) for name, values in more.items()}
    return Orders.of(
        np.array(ids), lat=lat, lon=lon, placed_s=np.full(len(ids), at_s), drop_lat=drop_lat, drop_lon=drop_lon,
        customer=np.array(ids), **columns,
    )  # fmt: skip


def asked(dispatch: Dispatch, orders: Orders, at_s: float, **overrides: float) -> dict[int, int]:
    """Who is asked for what, with up to two orders a driver unless overridden."""
    outcome = dispatch.window(orders, at_s=at_s, overrides=TWO | {n.replace("__", "."): v for n, v in overrides.items()})
    assert not outcome.trace.balance().any()
    return dict(
        zip(np.repeat(outcome.requests.column("order"), outcome.decisions.counts).tolist(), outcome.decisions.ids.tolist())
    )


def says(dispatch: Dispatch, kind: str, order: int, driver: int, at_s: float) -> bool:
    return dispatch.tell([Message(f"{kind}:{order}:{driver}:{at_s}", kind, order, driver)], at_s=at_s)[0].done


def busy(dispatch: Dispatch, ends: tuple[float, float] = (0.0, 5000.0), **more: list[float]) -> None:
    """Driver 1 has accepted order 7, which is picked up and dropped at `ends`."""
    assert asked(dispatch, trips([7], [ends], **more), 0.0) == {7: 1}
    assert says(dispatch, "accepted", 7, 1, 1.0)


def plan(dispatch: Dispatch, driver: int = 1, at_s: float = 10.0) -> list[tuple[int, str]]:
    return [(stop.order, stop.kind) for stop in dispatch.route(driver, at_s=at_s)]


def test_a_driver_with_an_order_gets_none_unless_he_may_have_two(system: System) -> None:
    dispatch = system({1: 100.0})
    busy(dispatch)
    assert asked(dispatch, trips([8], [(50.0, 4900.0)], at_s=2.0), 2.0, match__stack__most=1.0) == {}
    assert asked(dispatch, Orders.none(), 4.0) == {8: 1}


def test_an_order_on_the_way_goes_to_the_driver_who_passes_rather_than_to_a_nearer_free_one(system: System) -> None:
    dispatch = system({1: 100.0, 2: -900.0})
    busy(dispatch)
    assert asked(dispatch, trips([8], [(-100.0, 4900.0)], at_s=2.0), 2.0) == {8: 1}
    assert says(dispatch, "accepted", 8, 1, 3.0)
    assert plan(dispatch) == [(7, "pickup"), (8, "pickup"), (8, "dropoff"), (7, "dropoff")]


def test_an_order_the_other_way_goes_to_the_free_driver(system: System) -> None:
    dispatch = system({1: 100.0, 2: -900.0})
    busy(dispatch)
    assert asked(dispatch, trips([8], [(-300.0, -4900.0)], at_s=2.0), 2.0) == {8: 2}


def test_nobody_is_asked_twice_at_once_or_beyond_his_places(system: System) -> None:
    dispatch = system({1: 100.0})
    busy(dispatch)
    assert asked(dispatch, trips([8, 9], [(50.0, 4900.0), (60.0, 4900.0)], at_s=2.0), 2.0) in ({8: 1}, {9: 1})
    assert asked(dispatch, Orders.none(), 4.0) == {}  # he has not answered yet
    order = next(o for o in (8, 9) if dispatch.offers.state(o).state == "offered")
    assert says(dispatch, "accepted", order, 1, 5.0)
    assert asked(dispatch, Orders.none(), 6.0) == {}  # he has two
    assert asked(dispatch, Orders.none(), 8.0, match__stack__most=3.0) == {17 - order: 1}


def test_the_route_tells_when_he_will_be_where_and_waits_for_what_is_not_ready(system: System) -> None:
    dispatch = system({1: 100.0})
    busy(dispatch, ready_s=[61.0])
    first, second = dispatch.route(1, at_s=1.0)
    assert (first.kind, first.state, round(first.eta_s)) == ("pickup", "assigned", 11)  # 100 m at 10 m/s
    assert (second.kind, round(second.eta_s)) == ("dropoff", 561)
    assert (round(second.lon, 4), round(second.lat, 4)) == (13.073, 52.0)
    assert dispatch.route(1, at_s=1.0) == [first, second]


def test_stops_that_are_made_or_given_up_are_gone_from_the_route(system: System) -> None:
    dispatch = system({1: 100.0})
    busy(dispatch)
    asked(dispatch, trips([8], [(50.0, 4900.0)], at_s=2.0), 2.0)
    says(dispatch, "accepted", 8, 1, 3.0)
    says(dispatch, "picked_up", 7, 1, 4.0)
    assert plan(dispatch) == [(8, "pickup"), (8, "dropoff"), (7, "dropoff")]
    says(dispatch, "cancelled", 8, -1, 5.0)
    assert plan(dispatch) == [(7, "dropoff")]
    assert not dispatch.track.fleet.flags & FREE  # he is held until the other is delivered
    says(dispatch, "delivered", 7, 1, 6.0)
    assert plan(dispatch) == [] and (dispatch.track.fleet.flags & FREE).all()


def test_declined_and_expired_second_orders_leave_the_first_as_it_was(system: System, pings: Callable[..., Pings]) -> None:
    dispatch = system({1: 100.0})
    busy(dispatch)
    asked(dispatch, trips([8, 9], [(50.0, 4900.0), (5100.0, 5200.0)], at_s=2.0), 2.0)
    says(dispatch, "declined", 8, 1, 3.0)
    assert plan(dispatch) == [(7, "pickup"), (7, "dropoff")]
    assert asked(dispatch, Orders.none(), 4.0) == {9: 1}
    dispatch.pings(pings({1: 100.0}, 25.0), now_s=25.0)
    asked(dispatch, Orders.none(), 25.0)
    assert dispatch.offers.state(9).state == "waiting" and dispatch.offers.state(7).state == "assigned"
    assert dispatch.offers.holding()[1].tolist() == [7]


def test_a_recovered_system_knows_every_order_of_a_driver_and_goes_on(system: System, pings: Callable[..., Pings]) -> None:
    first = system({1: 100.0})
    busy(first)
    asked(first, trips([8], [(50.0, 4900.0)], at_s=2.0), 2.0)
    says(first, "accepted", 8, 1, 3.0)
    second = system({1: 100.0})
    assert asked(second, trips([9], [(60.0, 4950.0)], at_s=4.0), 4.0) == {}
    assert plan(second) == [(7, "pickup"), (8, "pickup"), (8, "dropoff"), (7, "dropoff")]
    assert asked(second, Orders.none(), 6.0, match__stack__most=3.0) == {9: 1}


def seated(dispatch: Dispatch, seats: float) -> Dispatch:
    """The system with driver 1 in the middle, who has so many seats."""
    dispatch.enrol(Drivers.of(np.array([1]), seats=np.array([seats])))
    dispatch.pings(Pings.of(np.array([1]), lat=np.array([52.0]), lon=np.array([13.0]), time_s=np.zeros(1)), now_s=0.0)
    return dispatch


def test_loads_are_heeded_at_every_stop_and_after_a_restart(system: System) -> None:
    dispatch = seated(system(), 2.0)
    busy(dispatch, seats=[2.0])
    asked(dispatch, trips([8], [(50.0, 4900.0)], at_s=2.0, seats=[1.0]), 2.0)
    one_by_one = [(7, "pickup"), (7, "dropoff"), (8, "pickup"), (8, "dropoff")]
    assert plan(dispatch) == one_by_one
    says(dispatch, "accepted", 8, 1, 3.0)
    again = seated(system(), 2.0)
    asked(again, Orders.none(), 4.0)
    assert plan(again) == one_by_one


def test_what_is_said_to_be_on_board_takes_room_besides_the_orders(system: System) -> None:
    dispatch = seated(system(), 3.0)
    busy(dispatch, seats=[1.0])
    says(dispatch, "picked_up", 7, 1, 1.5)
    dispatch.track.carry(np.array([1]), np.array([[0.0, 0.0, 1.0]]))
    asked(dispatch, trips([8], [(50.0, 4900.0)], at_s=2.0, seats=[2.0]), 2.0)
    assert plan(dispatch) == [(7, "dropoff"), (8, "pickup"), (8, "dropoff")]


def test_nobody_who_left_rests_or_must_go_home_is_stacked(system: System) -> None:
    dispatch = system({1: 100.0}, shift_end_s=[700.0])
    busy(dispatch)  # done at 511 s
    assert asked(dispatch, trips([8], [(4000.0, 2000.0)], at_s=2.0), 2.0) == {}
    assert asked(dispatch, trips([9], [(100.0, 4900.0)], at_s=4.0), 4.0) == {9: 1}
    says(dispatch, "declined", 9, 1, 5.0)
    dispatch.tell([Message("bye", "left", -1, 1)], at_s=6.0)
    assert asked(dispatch, trips([10], [(100.0, 4900.0)], at_s=7.0), 7.0) == {}


def test_a_ride_is_not_made_longer_than_allowed(system: System) -> None:
    dispatch = system({1: 100.0})
    busy(dispatch)
    far = trips([8], [(-2000.0, 4900.0)], at_s=2.0)
    assert asked(dispatch, far, 2.0, match__stack__detour_s=100.0) == {8: 1}
    assert plan(dispatch) == [(7, "pickup"), (7, "dropoff"), (8, "pickup"), (8, "dropoff")]


def test_a_late_door_outweighs_a_short_detour(system: System) -> None:
    dispatch = system({1: 100.0, 2: -3000.0})
    busy(dispatch, due_s=[515.0])  # 10 s to the pickup, 500 s to the door
    near = trips([8], [(-100.0, 4900.0)], at_s=2.0)  # 20 s on top for order 7
    assert asked(dispatch, near, 2.0, match__decide__late=100.0) == {8: 2}


def test_without_travel_times_nobody_is_stacked_and_free_drivers_are_found_all_the_same(system: System) -> None:
    class Moody:
        """Travel times that stop answering."""

        broken = False

        def seconds(
            self, start: NDArray[np.float64], goal: NDArray[np.float64], *, at_s: NDArray[np.float64]
        ) -> NDArray[np.float64]:
            if self.broken:
                raise EngineBusy("the road server is away.")
            return GreatCircle(speed_mps=10.0, factor=1.0).seconds(start, goal, at_s=at_s)

    times = Moody()
    dispatch = system({1: 100.0, 2: -900.0}, times=times)
    busy(dispatch)
    times.broken = True
    outcome = dispatch.window(trips([8], [(-100.0, 4900.0)], at_s=2.0), at_s=2.0, overrides=TWO)
    assert set(outcome.trace.fallbacks) == {"travel", "stack"} and outcome.decisions.ids.tolist() == [2]


def test_windows_with_stacked_drivers_replay_bit_for_bit(system: System, tmp_path: Path) -> None:
    dispatch = system({1: 100.0, 2: -900.0})
    busy(dispatch)
    asked(dispatch, trips([8], [(-100.0, 4900.0)], at_s=2.0), 2.0)
    logged = list(DecisionLog(LocalEvents(tmp_path / "decisions")).read())
    assert len(logged) == 2 and "stack_s" in logged[1].seen.columns
    assert all(r.decisions.same(dispatch.pipeline().replay(r)) for r in logged)


def test_with_one_order_a_driver_windows_are_as_they_were(system: System, tmp_path: Path) -> None:
    dispatch = system({1: 100.0, 2: -900.0})
    outcome = dispatch.window(trips([7, 8], [(0.0, 5000.0), (9.0, 4000.0)]), at_s=0.0)
    assert not {"held", "stack_s"} & set(outcome.ranked.columns)
    assert "held" not in outcome.ranked.columns and dispatch.track.amounts == frozenset()


# broadcast


def test_a_broadcast_order_goes_to_the_first_who_accepts_and_the_others_are_free(system: System) -> None:
    dispatch = system({1: 100.0, 2: 200.0, 3: 300.0, 4: 400.0})
    dispatch.window(trips([7], [(0.0, 5000.0)]), at_s=0.0, overrides={"match.offers.broadcast": 2.0})
    assert dispatch.offers.holding()[0].tolist() == [1, 2, 3]
    assert says(dispatch, "accepted", 7, 3, 1.0) and not says(dispatch, "accepted", 7, 1, 2.0)
    free = dispatch.track.fleet.ids[(dispatch.track.fleet.flags & FREE) > 0]
    assert free.tolist() == [1, 2, 4] and dispatch.offers.state(7).driver == 3


def test_rivals_are_nobodys_choice_and_each_is_asked_for_one_order(system: System) -> None:
    dispatch = system({1: 100.0, 2: 200.0, 3: 300.0, 4: 400.0})
    dispatch.window(trips([7, 8], [(0.0, 5000.0), (500.0, 900.0)]), at_s=0.0, overrides={"match.offers.broadcast": 5.0})
    drivers, orders, _ = dispatch.offers.holding()
    assert sorted(drivers.tolist()) == [1, 2, 3, 4] and sorted(orders.tolist()) == [7, 7, 8, 8]


def test_an_exclusive_order_is_offered_to_one(system: System) -> None:
    dispatch = system({1: 100.0, 2: 200.0})
    dispatch.window(trips([7], [(0.0, 5000.0)]), at_s=0.0)
    assert dispatch.offers.holding()[0].tolist() == [1]


def test_declining_a_broadcast_leaves_it_with_the_others(system: System) -> None:
    dispatch = system({1: 100.0, 2: 200.0})
    dispatch.window(trips([7], [(0.0, 5000.0)]), at_s=0.0, overrides={"match.offers.broadcast": 1.0})
    assert says(dispatch, "declined", 7, 1, 1.0) and dispatch.offers.state(7).state == "offered"
    assert says(dispatch, "accepted", 7, 2, 2.0)


# whatever happens


class Streets(RuleBasedStateMachine):
    """A fleet of four with two seats each, which carries up to three orders of one or two seats, and restarts now and then."""

    MOST, SEATS = 3, 2.0

    def __init__(self) -> None:
        super().__init__()
        self.now_s, self.next = 0.0, 0
        self.seats: dict[int, float] = {}
        self.made: list[LocalEvents] = []

    @initialize(folder=st.just(None))
    def begin(self, folder: None) -> None:
        import tempfile

        self.folder = Path(tempfile.mkdtemp())
        self.open()

    def open(self) -> None:
        while self.made:
            self.made.pop().close()
        self.made = [LocalEvents(self.folder / name, sync=False) for name in ("offers", "decisions")]
        geo = GridGeo()
        self.dispatch = build(
            geo=geo, travel=Travel(GreatCircle(speed_mps=10.0, factor=1.0)), models=LocalModels(self.folder / "models"),
            track=Track(geo, PLANE), offers=self.made[0], decisions=self.made[1],
        )  # fmt: skip
        self.dispatch.enrol(Drivers.of(np.arange(4), seats=np.full(4, self.SEATS)), at_s=self.now_s)

    def teardown(self) -> None:
        import shutil

        for log in self.made:
            log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @rule(places=st.lists(st.integers(-30, 30), min_size=0, max_size=4), seed=st.integers(0, 9), wide=st.sampled_from([0, 0, 2]))
    def window(self, places: list[int], seed: int, wide: int) -> None:
        self.now_s += 7.0
        rng = np.random.default_rng(seed)
        lat, lon = PLANE.latlon(rng.uniform(-3000, 3000, 4), np.zeros(4))
        self.dispatch.pings(Pings.of(np.arange(4), lat=lat, lon=lon, time_s=np.full(4, self.now_s)), now_s=self.now_s)
        ids = list(range(self.next, self.next + len(places)))
        self.next += len(places)
        seats = rng.integers(1, 3, len(ids)).astype(float)
        self.seats |= dict(zip(ids, seats.tolist()))
        orders = trips(ids, [(100.0 * p, 100.0 * p + float(rng.uniform(-3000, 3000))) for p in places], at_s=self.now_s)
        orders = Orders(**{**orders.columns(), "seats": seats})
        changed = {"match.stack.most": float(self.MOST), "match.offers.broadcast": float(wide)}
        self.dispatch.window(orders, at_s=self.now_s, overrides=changed)

    @precondition(lambda self: self.next > 0)
    @rule(
        order=st.integers(0, 40),
        driver=st.integers(0, 3),
        kind=st.sampled_from(["declined", "released", "cancelled", "accepted"]),
    )
    def message(self, order: int, driver: int, kind: str) -> None:
        self.now_s += 1.0
        says(self.dispatch, kind, order % self.next, driver, self.now_s)

    @rule()
    def everybody_accepts(self) -> None:
        self.now_s += 1.0
        for driver, order, _ in zip(*(c.tolist() for c in self.dispatch.offers.holding())):
            says(self.dispatch, "accepted", order, driver, self.now_s)

    @rule(driver=st.integers(0, 3), stops=st.integers(1, 3))
    def drive(self, driver: int, stops: int) -> None:
        """Make the next stops of the route, as far as its orders are accepted."""
        for _ in range(stops):
            self.now_s += 1.0
            route = self.dispatch.route(driver, at_s=self.now_s)
            if not route or route[0].state == "offered":
                return
            assert says(
                self.dispatch, "picked_up" if route[0].kind == "pickup" else "delivered", route[0].order, driver, self.now_s
            )

    @rule()
    def crash(self) -> None:
        self.open()

    @invariant()
    def nobody_has_more_than_his_places_and_no_order_is_with_two(self) -> None:
        if not hasattr(self, "dispatch"):
            return
        standing = self.dispatch.offers.standing()
        _, counts = np.unique(standing["driver"], return_counts=True)
        assert not (counts > self.MOST).any()
        taken = standing["ids"][standing["state"] >= 2]
        assert len(np.unique(taken)) == len(taken)
        held = np.unique(standing["driver"])
        assert not (self.dispatch.track.fleet.flags[np.isin(self.dispatch.track.fleet.ids, held)] & FREE).any()

    @invariant()
    def no_plan_overflows(self) -> None:
        if not hasattr(self, "dispatch"):
            return
        for driver in range(4):
            route = self.dispatch.route(driver, at_s=self.now_s)
            aboard = {s.order for s in route if s.state == "picked_up"}
            load = sum(self.seats[order] for order in aboard)
            assert load <= self.SEATS
            for k, stop in enumerate(route):
                load += self.seats[stop.order] * (1 if stop.kind == "pickup" else -1)
                assert load <= self.SEATS, route
                assert stop.kind == "dropoff" or (stop.order, "dropoff") in [(s.order, s.kind) for s in route[k + 1 :]]


TestStreets = Streets.TestCase
TestStreets.settings = settings(max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
