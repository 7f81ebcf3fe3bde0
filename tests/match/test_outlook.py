"""The outlook: weights change who is chosen, by cancellation, lateness, pay and where the driver ends up; without weights it costs nothing."""

from __future__ import annotations

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.local.geo import GridGeo
from rialto.match.outlook import NAMES, Ahead, outlook, worth_s
from rialto.match.patience import PERIOD_S, Patience
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.track import Track
from rialto.match.value import Values
from rialto.records import Candidates, Context, Requests

PLANE = Plane(52.0, 13.0)


def city(paid: dict[int, float] | None = None) -> Track:
    """Three drivers on a line, at 0, 1 and 2 km east."""
    track = Track(GridGeo(), PLANE)
    track.enrol(Drivers.of(np.arange(3)), at_s=0.0)
    lat, lon = PLANE.latlon(np.array([0.0, 1000.0, 2000.0]), np.zeros(3))
    track.pings(Pings.of(np.arange(3), lat=lat, lon=lon, time_s=np.zeros(3)), now_s=0.0)
    for driver, cents in (paid or {}).items():
        track.earn(np.array([driver]), np.array([cents]))
    return track


def asked(*, due_s: float = np.inf, **weights: float) -> Requests:
    """One order at the middle driver's door, to be brought 1 km further east."""
    lat, lon = PLANE.latlon(np.array([1000.0]), np.zeros(1))
    drop_lat, drop_lon = PLANE.latlon(np.array([2000.0]), np.zeros(1))
    orders = Orders.of(
        np.array([1]), lat=lat, lon=lon, placed_s=np.zeros(1), drop_lat=drop_lat, drop_lon=drop_lon, due_s=np.array([due_s])
    )
    plain = orders.requests(PLANE, at_s=100.0)
    return Requests(plain.ids, plain.time_s, plain.columns, {f"match.decide.{n}": np.array([v]) for n, v in weights.items()})


def pairs() -> Candidates:
    near = np.array([1000.0, 0.0, 1000.0], dtype=np.float32)
    trip = np.full(3, 1000.0, dtype=np.float32)
    return Candidates(np.array([0, 3]), np.arange(3), {"distance_m": near, "pickup_s": near / 10.0, "trip_m": trip})


def looked(track: Track, requests: Requests, ahead: Ahead | None = None) -> tuple[Candidates, np.ndarray | None]:
    c = pairs()
    c = c.with_columns(outlook(track, ahead).compute(requests, c, Context()))
    return c, worth_s(requests, c)


def test_without_weights_nothing_is_computed_and_nothing_is_worth_anything() -> None:
    c, worth = looked(city(), asked())
    assert worth is None
    assert all(np.isnan(c.column(n)).all() for n in NAMES)


def test_a_long_way_to_the_customer_costs_by_how_likely_he_gives_up() -> None:
    c, worth = looked(city(), asked(cancel_s=1000.0, patience_s=100.0))
    assert c.column("cancel") == pytest.approx([1 - np.exp(-1), 0.0, 1 - np.exp(-1)], abs=1e-6)
    assert worth is not None and worth == pytest.approx(-1000.0 * c.column("cancel"), rel=1e-5)


def test_seconds_late_at_the_door_cost_what_was_declared() -> None:
    c, worth = looked(city(), asked(due_s=220.0, late=2.0))
    assert c.column("late_s") == pytest.approx(
        [80.0, 0.0, 80.0], abs=1.0
    )  # 100 s there and 100 s on, at 10 m/s; 71 s at the door
    assert worth is not None and worth == pytest.approx([-160.0, 0.0, -160.0], abs=2.0)


def test_who_earned_least_has_a_head_start() -> None:
    c, worth = looked(city({0: 3000.0, 1: 1500.0}), asked(fair_s=60.0))
    assert c.column("underpaid") == pytest.approx([-1.0, 0.0, 1.0])
    assert worth is not None and worth == pytest.approx([-60.0, 0.0, 60.0])


def test_a_driver_is_sent_to_where_he_is_worth_more() -> None:
    values = Values(np.array([[0.0, 1.0, 4.0], [0.0, 1.0, 4.0], [0.0, 0.0, 0.0]]), gamma=1.0)
    ahead = Ahead(values, west_m=-500.0, south_m=-500.0, cell_m=1000.0, columns=3, slot_s=43_200.0)
    c, worth = looked(city(), asked(ahead_s=10.0), ahead)
    assert c.column("ahead").tolist() == [4.0, 3.0, 0.0]
    assert worth is not None and worth.tolist() == [40.0, 30.0, 0.0]


def test_a_grid_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="whole rows"):
        Ahead(Values.none(2, 5), west_m=0.0, south_m=0.0, cell_m=100.0, columns=3, slot_s=60.0)


def test_what_an_order_pays_on_top_costs_what_was_declared() -> None:
    plain = asked(cents_s=2.0)
    paying = Requests(plain.ids, plain.time_s, {**plain.columns, "incentive_cents": np.array([150.0])}, plain.overrides)
    assert worth_s(plain, pairs()) is None
    worth = worth_s(paying, pairs())
    assert worth is not None and worth.tolist() == [-300.0] * 3
    assert worth_s(Requests(plain.ids, plain.time_s, paying.columns, {}), pairs()) is None, "nothing is declared"


def test_a_learned_hazard_goes_before_the_formula() -> None:
    always = Patience("v", lambda x: np.full(len(x), np.log(np.expm1(PERIOD_S / 100.0))), 1.0, 0.0)  # once in 100 s
    c = pairs().with_columns(
        outlook(city(), patience=lambda: always).compute(asked(cancel_s=1000.0, patience_s=9.0), pairs(), Context())
    )
    assert c.column("cancel") == pytest.approx([1 - np.exp(-1), 0.0, 1 - np.exp(-1)], abs=1e-6)


def test_the_customer_waits_for_the_kitchen_as_well() -> None:
    plain = asked(cancel_s=1000.0, patience_s=100.0, late=1.0, due_s=220.0)
    late = Requests(plain.ids, plain.time_s, {**plain.columns, "ready_s": np.array([150.0])}, plain.overrides)
    c = pairs().with_columns(outlook(city()).compute(late, pairs(), Context()))
    assert c.column("cancel") == pytest.approx([1 - np.exp(-1), 1 - np.exp(-0.5), 1 - np.exp(-1)], abs=1e-6)
    assert c.column("late_s")[1] == pytest.approx(1.0, abs=1.0), "50 s until it is ready, then 71 s to the door"
