"""How sure a time is: intervals beside the chosen and his rivals, the chance of being late, and arrivals that callers are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rialto.local.travel import GreatCircle
from rialto.match.durations import Band, Duration
from rialto.match.eta import NAMES, Corrected
from rialto.match.offers import Message
from rialto.match.pipeline import Dispatch
from rialto.match.records import Orders
from rialto.match.shard import Parcel, why_of
from rialto.match.sure import TOLD, around, lateness, told_of
from rialto.ports import ModelCard, TravelTimes

System, Place = Callable[..., Dispatch], Callable[..., Orders]

BAND = Band(0.8, np.zeros(0), np.array([0.5]), np.array([2.0]))


def corrected() -> TravelTimes:
    """Ten metres a second, with a learned interval of half to twice the time in 80 of 100 drives."""
    card = ModelCard("match.travel", "trees", NAMES)

    def nothing(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.zeros(len(inputs))

    return Corrected(GreatCircle(speed_mps=10.0, factor=1.0), Duration("v", card, nothing, 1.0, BAND))


def test_the_chosen_and_every_rival_is_told_with_age_interval_and_level(system: System, place: Place) -> None:
    dispatch = system({1: 1000.0, 2: 3000.0}, times=corrected())
    out = dispatch.window(replace(place([7], [0.0]), due_s=np.array([151.0])), at_s=1.0)
    told = dispatch.why(7)
    assert told.chosen is not None and told.level == 0.8
    for r, drive_s in ((told.chosen, 100.0), (told.rivals[0], 300.0)):
        assert (r.age_s, r.pickup_s, r.pickup_low_s, r.pickup_high_s) == pytest.approx(
            (1.0, drive_s, drive_s / 2, drive_s * 2), rel=1e-3
        )
    assert "50 to 200 s in 80%, position 1 s old" in told.text()
    assert told.chosen.late is None, "nobody knows when the door is reached, where it is not known"
    sure = told_of(out, dispatch.band)
    assert tuple(sure) == TOLD and sure["pickup_high_s"] == pytest.approx([200.0], rel=1e-3) and sure["level"].tolist() == [0.8]


def test_without_a_learned_interval_none_is_made_up(system: System, place: Place) -> None:
    dispatch = system({1: 1000.0})
    out = dispatch.window(place([7], [0.0]), at_s=1.0)
    chosen = dispatch.why(7).chosen
    assert chosen is not None and chosen.pickup_low_s is None and chosen.age_s == 1.0 and " in nan" not in dispatch.why(7).text()
    assert np.isnan(told_of(out, None)["level"]).all()


def test_reasons_come_whole_over_a_parcel(system: System, place: Place) -> None:
    from dataclasses import asdict

    dispatch = system({1: 1000.0, 2: 3000.0}, times=corrected())
    dispatch.window(place([7], [0.0]), at_s=1.0)
    told = dispatch.why(7)
    back = why_of(Parcel.of_bytes(Parcel("why", 1.0, facts=asdict(told)).to_bytes()).facts)
    assert back.text() == told.text() and back.chosen is not None and back.chosen.pickup_high_s == told.chosen.pickup_high_s  # type: ignore[union-attr]


def dropped(orders: Orders, x_m: float) -> Orders:
    from rialto.match.records import Plane

    lat, lon = Plane(52.0, 13.0).latlon(np.full(len(orders), x_m), np.zeros(len(orders)))
    return replace(orders, drop_lat=lat, drop_lon=lon)


def test_the_chance_of_being_late_is_weighed_not_the_point(system: System, place: Place) -> None:
    """300 s there and on; promised in 400 s: on the point nobody is late, and one in six or so is."""
    dispatch = system({1: 1000.0}, times=corrected())
    order = replace(dropped(place([7], [0.0]), -2000.0), due_s=np.array([401.0]))
    out = dispatch.window(order, at_s=1.0, overrides={"match.decide.late_door_s": 1000.0, "match.decide.late": 1.0})
    late, late_s = (float(out.ranked.column(n)[0]) for n in ("late", "late_s"))
    assert late == pytest.approx(0.335, abs=0.01), "300 s of spread in 80 of 100 are 234 s of deviation above"
    assert 40.0 < late_s < 60.0
    assert -out.ranked.column("score")[0] == pytest.approx(100.0 + 0.2 * 300.0 - 0.2 * 1.0 + 1000.0 * late + late_s, rel=1e-3)
    chosen = dispatch.why(7).chosen
    assert chosen is not None and chosen.late == pytest.approx(late, abs=1e-3) and "late with 33%" in dispatch.why(7).text()


@given(st.floats(1.0, 5000.0), st.floats(-5000.0, 20_000.0), st.floats(0.05, 0.99), st.floats(1.01, 20.0))
def test_lateness_is_a_probability_and_no_less_than_the_point(moving_s: float, left_s: float, low: float, high: float) -> None:
    band = Band(0.9, np.zeros(0), np.array([low]), np.array([high]))
    took = np.array([moving_s])
    chance, late_s = lateness(band, took, took, np.array([left_s]))
    sooner, less_s = lateness(band, took, took, np.array([left_s + 10.0]))
    assert 0.0 <= chance[0] <= 1.0 and late_s[0] >= max(moving_s - left_s, 0.0) - (1.0 - low) * moving_s - 1e-6
    assert sooner[0] <= chance[0] + 1e-12 and less_s[0] <= late_s[0] + 1e-9


def test_lateness_agrees_with_drawn_times() -> None:
    chance = np.random.default_rng(0).standard_normal(400_000)
    for left_s in (250.0, 300.0, 500.0):
        band = Band(0.8, np.zeros(0), np.array([0.5]), np.array([2.0]))
        at = np.array([300.0])
        late, late_s = lateness(band, at, at, np.array([left_s]))
        drawn = 300.0 + np.where(chance < 0.0, 150.0, 300.0) / 1.2815515655 * chance
        assert late[0] == pytest.approx((drawn > left_s).mean(), abs=0.004)
        assert late_s[0] == pytest.approx(np.maximum(drawn - left_s, 0.0).mean(), abs=0.6)


def test_a_band_that_does_not_know_leaves_the_point() -> None:
    open_ended = Band(0.9, np.zeros(0), np.array([0.0]), np.array([np.inf]))
    at = np.array([100.0, 100.0, 100.0])
    late, late_s = lateness(open_ended, at, at, np.array([60.0, 200.0, np.nan]))
    assert late.tolist()[:2] == [1.0, 0.0] and late_s.tolist()[:2] == [40.0, 0.0] and np.isnan([late[2], late_s[2]]).all()
    assert np.isnan(around(None, at)).all()


def assigned(dispatch: Dispatch, orders: Orders, at_s: float = 1.0) -> None:
    dispatch.window(orders, at_s=at_s, overrides={"match.decide.hold_s": 86_400.0})
    for order, driver in [(o, d) for d, o in dispatch.offers.held().items()]:
        assert dispatch.tell([Message(f"yes{order}", "accepted", order, driver)], at_s=at_s + 1.0)[0].done


def test_an_order_with_a_driver_has_arrivals_and_one_without_has_none(system: System, place: Place) -> None:
    dispatch = system({1: 1000.0}, times=corrected())
    orders = dropped(place([7, 8], [0.0, 0.0]), -2000.0)
    assert dispatch.arrival(7, now_s=1.0) is None
    assigned(dispatch, orders)
    held = dispatch.offers.held()[1]
    assert dispatch.arrival(15 - held, now_s=10.0) is None and dispatch.arrival(99, now_s=10.0) is None
    found = dispatch.arrival(held, now_s=10.0)
    assert found is not None and (found.age_s, found.level) == (10.0, 0.8)
    assert (found.pickup_low_s, found.pickup_eta_s, found.pickup_high_s) == pytest.approx((60.0, 110.0, 210.0), abs=0.5)
    assert (found.door_low_s, found.door_eta_s, found.door_high_s) == pytest.approx((160.0, 310.0, 610.0), abs=0.5)
    dispatch.tell([Message("up", "picked_up", held, 1)], at_s=20.0)
    aboard = dispatch.arrival(held, now_s=20.0)
    assert aboard is not None and np.isnan(aboard.pickup_eta_s)
    assert aboard.door_eta_s == pytest.approx(20.0 + 300.0, abs=0.5), "from where he was seen last, 3 km from the door"


def test_an_arrival_waits_for_the_kitchen_and_says_nothing_of_a_door_nobody_named(system: System, place: Place) -> None:
    dispatch = system({1: 1000.0})
    assigned(dispatch, replace(place([7], [0.0]), ready_s=np.array([500.0])))
    found = dispatch.arrival(7, now_s=10.0)
    assert found is not None and found.pickup_eta_s == pytest.approx(500.0) and np.isnan(found.door_eta_s)
    assert np.isnan(found.pickup_low_s) and np.isnan(found.level)


def test_a_driver_who_is_seen_no_more_has_no_arrival(system: System, place: Place, tmp_path: Path) -> None:
    dispatch = system({1: 1000.0})
    assigned(dispatch, place([7], [0.0]))
    dispatch.track.leave(np.array([1]))
    assert dispatch.arrival(7, now_s=10.0) is None
    assert system().arrival(7, now_s=10.0) is None, "nor has one who is not enrolled"


def test_of_several_orders_each_is_reached_by_the_stops_before_it(system: System, place: Place) -> None:
    dispatch = system({1: 1000.0}, times=corrected())
    for number, at_s in ((7, 1.0), (8, 3.0)):
        orders = dropped(place([number], [0.0]), -2000.0 - number)
        dispatch.window(orders, at_s=at_s, overrides={"match.stack.most": 2, "match.stack.detour_s": 3600.0})
        assert dispatch.tell([Message(f"yes{number}", "accepted", number, 1)], at_s=at_s + 1.0)[0].done
    stops = {(s.order, s.kind): s.eta_s for s in dispatch.route(1, at_s=10.0)}
    for order in (7, 8):
        found = dispatch.arrival(order, now_s=10.0)
        assert found is not None and (found.pickup_eta_s, found.door_eta_s) == (stops[order, "pickup"], stops[order, "dropoff"])
        assert found.door_low_s < found.door_eta_s < found.door_high_s and found.pickup_eta_s < found.door_eta_s
