"""A window: the right driver, every removal with its reason, nothing lost, replayed bit for bit, recovered from the log."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rialto.app.turns import Turns
from rialto.errors import BadInput, EngineBusy, EngineLost, NothingHere
from rialto.local.events import LocalEvents
from rialto.local.geo import GridGeo
from rialto.local.models import LocalModels
from rialto.local.travel import GreatCircle
from rialto.match import decide
from rialto.match.blocked import Blocked
from rialto.match.offers import Message
from rialto.match.pipeline import Dispatch, build
from rialto.match.records import FREE, Drivers, Orders, Pings, Plane, request_ids
from rialto.match.track import Limits, Track
from rialto.match.travel import Travel
from rialto.ports import Hits
from rialto.records import Candidates, Context, Decisions, Requests
from rialto.spine.decide import Decider
from rialto.spine.log import DecisionLog

PLANE = Plane(52.0, 13.0)
System = Callable[..., Dispatch]
Place = Callable[..., Orders]


def offered(dispatch: Dispatch, orders: Orders, at_s: float = 0.0) -> dict[int, int]:
    outcome = dispatch.window(orders, at_s=at_s)
    assert not outcome.trace.balance().any()
    owner = np.repeat(outcome.requests.column("order"), outcome.decisions.counts)
    return dict(zip(owner.tolist(), outcome.decisions.ids.tolist()))


def test_order_goes_to_the_nearest_driver(system: System, place: Place) -> None:
    assert offered(system({1: 500.0, 2: 90.0}), place([7], [0.0])) == {7: 2}


def test_window_gives_up_a_near_pair_for_the_least_total(system: System, place: Place) -> None:
    two = place([7, 8], [0.0, 300.0])
    dispatch = system({1: 140.0, 2: -200.0})
    assert offered(dispatch, two) == {7: 2, 8: 1}


def test_greedy_peer_takes_the_cheapest_pair_first(system: System, place: Place) -> None:
    dispatch = system({1: 140.0, 2: -200.0})
    outcome = dispatch.window(place([7, 8], [0.0, 300.0]), at_s=0.0, decider=decide.greedy)
    assert outcome.decisions.ids.tolist() == [1, 2]


def test_eligibility_is_inside_the_search(system: System, place: Place) -> None:
    dispatch = system({i: float(i) for i in range(1, 40)} | {99: 900.0}, flags=[0] * 39 + [6])
    assert offered(dispatch, place([7], [0.0], need=[2])) == {7: 99}


@pytest.mark.parametrize(
    "setup",
    [
        {"blocked": Blocked(np.array([7]), np.array([1]))},
        {"shift_end_s": [5.0, np.inf]},
    ],
)
def test_driver_who_may_not_take_an_order_takes_no_other_drivers_place(
    system: System, place: Place, setup: dict[str, object]
) -> None:
    dispatch = system({1: 100.0, 2: 200.0}, **setup)
    outcome = dispatch.window(place([7], [0.0]), at_s=0.0, overrides={"match.retrieve.k": 1})
    assert outcome.decisions.ids.tolist() == [2]


def test_driver_too_far_in_seconds_is_removed(system: System, place: Place) -> None:
    outcome = system({1: 6000.0}).window(place([7], [0.0]), at_s=0.0, overrides={"match.filter.reach_s": 60.0})
    assert outcome.trace.removed["too_far"].tolist() == [1]


def test_declined_order_goes_to_somebody_else(system: System, place: Place) -> None:
    dispatch = system({1: 100.0, 2: 900.0})
    assert offered(dispatch, place([7], [0.0])) == {7: 1}
    dispatch.tell([Message("no", "declined", 7, 1)], at_s=1.0)
    assert offered(dispatch, Orders.none(), 2.0) == {7: 2}


def test_unanswered_offer_expires_and_its_driver_is_free_for_others(
    system: System, place: Place, pings: Callable[..., Pings]
) -> None:
    dispatch = system({1: 100.0})
    offered(dispatch, place([7], [0.0]))
    assert offered(dispatch, place([8], [0.0], at_s=5.0), 5.0) == {}
    dispatch.pings(pings({1: 100.0}, 30.0), now_s=30.0)
    assert offered(dispatch, Orders.none(), 30.0) == {8: 1}


def test_driver_who_left_takes_no_other_drivers_place_until_he_comes(
    system: System, place: Place, pings: Callable[..., Pings]
) -> None:
    dispatch = system({1: 100.0, 2: 900.0})
    said = [Message("l", "left", -1, 1), Message("unknown", "left", -1, 99)]
    assert all(answer.done for answer in dispatch.tell(said, at_s=0.0))
    assert dispatch.snapshot().drivers["state"].tolist() == ["away", "free"]
    dispatch.pings(pings({1: 100.0}, 1.0), now_s=1.0)
    one = {"match.retrieve.k": 1.0}
    assert dispatch.window(place([7], [0.0]), at_s=1.0, overrides=one).decisions.ids.tolist() == [2]
    dispatch.tell([Message("c", "came", -1, 1)], at_s=2.0)
    dispatch.tell([Message("l", "left", -1, 1)], at_s=2.0)  # sent again by the net: it was said before he came
    assert dispatch.window(place([8], [0.0]), at_s=3.0, overrides=one).decisions.ids.tolist() == [1]


def test_driver_who_left_is_away_after_a_restart_and_after_his_last_delivery(
    system: System, place: Place, pings: Callable[..., Pings]
) -> None:
    dispatch = system({1: 100.0, 2: 900.0})
    offered(dispatch, place([7], [0.0]))
    dispatch.tell([Message(k, k, 7, 1) for k in ("accepted", "picked_up")] + [Message("l", "left", -1, 1)], at_s=1.0)
    dispatch.tell([Message("d", "delivered", 7, 1)], at_s=2.0)
    assert offered(dispatch, place([8], [0.0]), 3.0) == {8: 2}
    again = system({1: 100.0, 2: 900.0, 3: 950.0})
    assert offered(again, place([9], [0.0]), 4.0) == {9: 3}


def test_one_driver_for_everything_is_asked_again_for_what_he_let_pass_but_not_for_what_he_declined(
    system: System, place: Place, pings: Callable[..., Pings]
) -> None:
    dispatch = system({1: 100.0})
    assert offered(dispatch, place([7], [0.0])) == {7: 1}
    asked = {}
    for at_s in range(2, 102, 2):
        dispatch.pings(pings({1: 100.0}, float(at_s)), now_s=float(at_s))
        if made := offered(dispatch, Orders.none(), float(at_s)):
            asked[at_s] = made
    assert asked == {82: {7: 1}}, "the offer ended in the window at 22 s, and bars the pair for 60 s"
    dispatch.tell([Message("no", "declined", 7, 1)], at_s=101.0)
    dispatch.pings(pings({1: 100.0}, 300.0), now_s=300.0)
    assert offered(dispatch, Orders.none(), 300.0) == {}


class Moving(GridGeo):
    """Says that a driver moved to another place while it searches."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], object] = dict

    def nearest(self, *args: Any, **kwargs: Any) -> Hits:
        hits = super().nearest(*args, **kwargs)
        self.then()
        return hits


def test_a_window_sees_each_driver_in_one_place_however_he_moves_meanwhile(place: Place, pings: Callable[..., Pings]) -> None:
    geo = Moving()
    track = Track(geo, PLANE, limits=Limits(speed_mps=1e4))
    travel = Travel(GreatCircle(speed_mps=10.0, factor=1.0))
    with TemporaryDirectory() as folder:
        log = LocalEvents(Path(folder), sync=False)
        dispatch = build(geo=geo, travel=travel, models=LocalModels(None), track=track, offers=log)
        dispatch.enrol(Drivers.of(np.array([1, 2])))
        dispatch.pings(pings({1: 100.0, 2: 500.0}, 0.0), now_s=0.0)
        geo.then = lambda: track.take(pings({1: 3000.0}, 1.0), now_s=1.0)
        outcome = dispatch.window(place([7], [0.0]), at_s=1.0)
        log.close()
    seen = outcome.ranked
    distance_m, pickup_s, age_s = (seen.column(name) for name in ("distance_m", "pickup_s", "age_s"))
    assert distance_m == pytest.approx(pickup_s * 10.0, rel=1e-3) and outcome.decisions.ids.tolist() == [2]
    assert dict(zip(seen.ids.tolist(), age_s.tolist())) == {1: 0.0, 2: 1.0}


def test_same_window_again_makes_no_second_offer(system: System, place: Place) -> None:
    dispatch = system({1: 100.0, 2: 200.0})
    offered(dispatch, place([7], [0.0]))
    dispatch.window(place([7, 8], [0.0, 0.0]), at_s=0.0)
    assert dispatch.offers.held() == {1: 7}


def test_stale_position_finds_nobody(system: System, place: Place) -> None:
    assert offered(system({1: 100.0}), place([7], [0.0], at_s=61.0), 61.0) == {}


def test_order_that_nobody_took_in_time_is_given_up(system: System, place: Place) -> None:
    orders = place([7], [0.0])
    short = Orders(**{**orders.columns(), "expire_s": np.array([3.0])})
    dispatch = system()
    offered(dispatch, short)
    assert len(dispatch.window(Orders.none(), at_s=4.0).requests) == 0
    assert dispatch.offers.state(7).state == "cancelled"


class Broken:
    """Travel times that never answer."""

    def seconds(self, start: NDArray[np.float64], goal: NDArray[np.float64], *, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        raise EngineBusy("the road server is away.")


def test_travel_engine_away_falls_back_to_straight_lines_and_says_so(system: System, place: Place) -> None:
    dispatch = system({1: 500.0, 2: 90.0}, times=Broken())
    outcome = dispatch.window(place([7], [0.0]), at_s=0.0)
    assert outcome.trace.fallbacks == ("travel",) and outcome.decisions.ids.tolist() == [2]
    assert outcome.decisions.same(dispatch.pipeline().replay(outcome.record))


def test_a_system_that_runs_for_long_forgets_orders_that_ended(system: System, place: Place) -> None:
    dispatch = system({1: 100.0})
    dispatch.window(place([7], [0.0]), at_s=10.0)
    dispatch.tell([Message(f"{kind}", kind, 7, 1) for kind in ("accepted", "picked_up", "delivered")], at_s=20.0)
    dispatch.window(place([8], [0.0], at_s=3000.0), at_s=3000.0, overrides={"match.offers.forget_s": 3600.0})
    assert dispatch.offers.state(7).state == "delivered"
    dispatch.window(Orders.none(), at_s=7300.0, overrides={"match.offers.forget_s": 3600.0})
    assert (dispatch.offers.state(7).state, dispatch.offers.state(8).state) == ("unknown", "waiting")


def test_order_is_not_offered_to_a_driver_who_has_no_way_to_it(system: System, place: Place) -> None:
    class Island:
        """Nobody reaches anybody who starts west of the middle."""

        def seconds(
            self, start: NDArray[np.float64], goal: NDArray[np.float64], *, at_s: NDArray[np.float64]
        ) -> NDArray[np.float64]:
            return np.where(start[:, 1] < goal[:, 1], np.inf, 500.0)

    dispatch = system({1: -90.0, 2: 900.0}, times=Island())
    assert offered(dispatch, place([7], [0.0])) == {7: 2}


def test_logged_windows_replay_bit_for_bit(system: System, place: Place, tmp_path: Path) -> None:
    dispatch = system({i: 97.0 * i for i in range(12)})
    rng = np.random.default_rng(1)
    for at_s in (0.0, 2.0, 4.0):
        dispatch.window(place([int(at_s) * 10 + i for i in range(4)], rng.uniform(0, 1000, 4).tolist(), at_s=at_s), at_s=at_s)
    logged = list(DecisionLog(LocalEvents(tmp_path / "decisions")).read())
    assert len(logged) == 3
    assert all(r.decisions.same(dispatch.pipeline().replay(r)) for r in logged)


def test_recovered_system_holds_the_same_drivers_and_decides_the_rest(
    system: System, place: Place, pings: Callable[..., Pings]
) -> None:
    first = system({1: 100.0, 2: 200.0})
    first.window(place([7], [0.0]), at_s=0.0)
    second = system({1: 100.0, 2: 200.0})
    assert second.offers.held() == {1: 7}
    assert offered(second, place([8], [0.0], at_s=2.0), 2.0) == {8: 2}


def test_messages_get_through_while_a_window_is_decided_and_the_law_settles_what_they_changed(
    system: System, place: Place
) -> None:
    dispatch, turns = system({1: 100.0, 2: 250.0, 3: 290.0}), Turns()
    dispatch.window(place([6], [0.0]), at_s=0.0)

    def meanwhile() -> list[bool]:
        with turns.together():
            told = [Message("c", "cancelled", 7), Message("l", "left", -1, 2), Message("a", "accepted", 6, 1)]
            return [a.done for a in dispatch.tell(told, at_s=3.0)]

    def interrupted() -> Decider:
        inner = decide.assignment()

        def choose(requests: Requests, candidates: Candidates, context: Context) -> Decisions:
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(meanwhile).result(timeout=30.0) == [True, True, True]
            return inner.decide(requests, candidates, context)

        return Decider("interrupted", choose)

    outcome = dispatch.window(place([7, 8], [200.0, 300.0], at_s=2.0), at_s=2.0, decider=interrupted, turn=turns.alone)
    assert sorted(outcome.decisions.ids.tolist()) == [2, 3]  # as it looked when the window began
    assert {i: dispatch.offers.state(i).state for i in (6, 7, 8)} == {6: "assigned", 7: "cancelled", 8: "offered"}
    assert dispatch.offers.held() == {1: 6, 3: 8}
    assert {i for i, f in zip(dispatch.track.fleet.ids.tolist(), dispatch.track.fleet.flags & FREE) if f} == {2}


def test_a_record_that_cannot_be_kept_is_told_and_the_offers_stand(
    place: Place, pings: Callable[..., Pings], tmp_path: Path
) -> None:
    geo, offers, closed = GridGeo(), LocalEvents(tmp_path / "o"), LocalEvents(tmp_path / "d")
    track = Track(geo, Plane(52.0, 13.0))
    dispatch = build(geo=geo, travel=Travel(GreatCircle()), models=LocalModels(), track=track, offers=offers, decisions=closed)
    dispatch.enrol(Drivers.of(np.array([1])))
    dispatch.pings(pings({1: 100.0}, 0.0), now_s=0.0)
    closed.close()
    with pytest.raises(EngineLost, match="closed"):
        dispatch.window(place([7], [0.0]), at_s=0.0)
    assert dispatch.offers.held() == {1: 7}
    offers.close()


def test_why_names_the_runner_up_and_what_would_have_changed_the_choice(system: System, place: Place) -> None:
    dispatch = system({1: 100.0, 2: 400.0})
    dispatch.window(place([7], [0.0]), at_s=0.0)
    why = dispatch.why(7)
    assert why.chosen is not None and (why.chosen.driver, why.rivals[0].driver, why.instead) == (1, 2, 2)
    assert why.margin_s == pytest.approx(30.0, abs=0.1)
    assert "Had the choice cost 30 s more, driver 2 would have been asked." in why.text()


def test_why_of_a_waiting_order_says_that_it_waits(system: System, place: Place) -> None:
    dispatch = system()
    dispatch.window(place([7], [0.0]), at_s=0.0)
    assert "It waits: no driver was eligible." in dispatch.why(7).text()
    with pytest.raises(NothingHere, match="order 8"):
        dispatch.why(8)


def test_why_tells_of_the_last_window_up_to_a_moment(system: System, place: Place) -> None:
    dispatch = system()
    dispatch.window(place([7], [0.0]), at_s=1.0)
    dispatch.window(Orders.none(), at_s=3.0)
    assert (dispatch.why(7).at_s, dispatch.why(7, 2.0).at_s) == (3.0, 1.0)
    with pytest.raises(NothingHere, match=r"up to 0.5 s"):
        dispatch.why(7, 0.5)


def test_snapshot_shows_drivers_orders_and_offers(system: System, place: Place) -> None:
    dispatch = system({1: 100.0, 2: 200.0})
    dispatch.window(place([7, 8, 9], [0.0, 0.0, 0.0]), at_s=0.0)
    driver, order = next(iter(dispatch.offers.held().items()))  # three orders in one place: any two of them
    dispatch.tell([Message("yes", "accepted", order, driver)], at_s=1.0)
    shown = dispatch.snapshot()
    assert sorted(shown.drivers["state"].tolist()) == ["assigned", "offered"]
    assert shown.drivers["lat"].round(6).tolist() == [52.0, 52.0]
    assert len(shown.orders) == 1 and len(shown.recent) == 2


def test_requests_of_two_moments_in_one_window_are_refused(system: System, place: Place) -> None:
    dispatch = system({1: 1.0})
    requests = place([7, 8], [0.0, 0.0]).requests(dispatch.track.plane, at_s=0.0)
    mixed = type(requests)(requests.ids, np.array([0.0, 1.0]), requests.columns)
    with pytest.raises(BadInput, match="different times"):
        dispatch.pipeline().run(mixed)


numbers = st.lists(st.integers(-60, 60), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=numbers, drivers=numbers, chance=st.randoms(use_true_random=False))
def test_candidates_and_scores_do_not_depend_on_the_batch(
    system: System, place: Place, orders: list[int], drivers: list[int], chance: object
) -> None:
    dispatch = system({i: 50.0 * x for i, x in enumerate(drivers)})
    batch = place(list(range(len(orders))), [50.0 * x for x in orders])
    requests = batch.requests(dispatch.track.plane, at_s=0.0)
    whole = dispatch.pipeline().run(requests)
    assert not whole.trace.balance().any()
    assert len(set(whole.decisions.ids.tolist())) == len(whole.decisions.ids)
    order = np.array(list(range(len(orders))))
    chance.shuffle(order)  # type: ignore[attr-defined]
    mixed = dispatch.pipeline().run(requests.take(order))
    for row, at in enumerate(order.tolist()):
        alone = dispatch.pipeline().run(requests.take(np.array([at])))
        for other, place_in in ((mixed, row), (alone, 0)):
            assert whole.ranked.of(at).ids.tolist() == other.ranked.of(place_in).ids.tolist()
            assert whole.ranked.of(at).column("score").tolist() == other.ranked.of(place_in).column("score").tolist()
        assert whole.decisions.of(at).tolist() == mixed.decisions.of(row).tolist()


def test_hundred_thousand_orders_have_requests_of_their_own() -> None:
    ids = request_ids(np.arange(100_000), 12.0)
    assert len(np.unique(np.concatenate([ids, request_ids(np.arange(100_000), 14.0)]))) == 200_000
