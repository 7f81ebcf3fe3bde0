"""Whoever may take an order is found, nobody else, and as many as there are: shifts, breaks, loads, zones, pairs and age inside the search."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.geo import GridGeo
from rialto.match.blocked import Blocked
from rialto.match.records import CAPACITY, FREE, Drivers, Orders, Pings, Plane
from rialto.match.retrieve import FRESH_S, RADIUS_M, SPEED_MPS, nearest
from rialto.match.track import Track
from rialto.match.zones import Zones
from rialto.records import Candidates, Context, Requests

PLANE = Plane(0.0, 179.95)  # the date line runs through it


def tracked(
    place: NDArray[np.float64], drivers: Drivers, *, now_s: float = 0.0, inside: Zones | None = None
) -> tuple[Track, GridGeo]:
    geo = GridGeo()
    track = Track(geo, PLANE, inside=inside)
    track.enrol(drivers)
    lat, lon = PLANE.latlon(place[:, 0], place[:, 1])
    assert track.take(Pings.of(drivers.ids, lat=lat, lon=lon, time_s=np.full(len(place), now_s)), now_s=now_s) == (
        {"taken": len(place)} if len(place) else {}
    )
    return track, geo


def line(*x_m: float) -> NDArray[np.float64]:
    return np.array([[x, 0.0] for x in x_m]).reshape(-1, 2)


def ask(x_m: float = 0.0, *, drop_m: float = np.nan, **columns: float) -> Orders:
    lat, lon = PLANE.latlon(np.array([x_m, x_m + drop_m]), np.zeros(2))
    more = {name: np.array([value]) for name, value in columns.items()}
    return Orders.of(
        np.array([7]), lat=lat[:1], lon=lon[:1], placed_s=np.zeros(1), drop_lat=lat[1:] + drop_m * 0, drop_lon=lon[1:], **more
    )


def found(
    track: Track, geo: GridGeo, orders: Orders, *, at_s: float = 0.0, k: int = 8, zones: Zones | None = None,
    barred: Mapping[str, Blocked] | None = None,
) -> Candidates:  # fmt: skip
    plain = orders.requests(PLANE, at_s=at_s)
    requests = Requests(plain.ids, plain.time_s, plain.columns, {"match.retrieve.k": np.full(len(orders), k)})
    pairs = {name: (lambda blocked=blocked: blocked) for name, blocked in (barred or {}).items()}
    return nearest(geo, track, zones=zones, barred=pairs).fetch(requests, Context())


def test_the_nearest_who_has_room_comes_not_the_nearest() -> None:
    drivers = Drivers.of(np.arange(3), weight_kg=np.array([5.0, 50.0, 50.0]), seats=np.array([4.0, 1.0, 4.0]))
    track, geo = tracked(line(10, 20, 30), drivers)
    assert found(track, geo, ask(weight_kg=6.0, seats=2.0), k=1).ids.tolist() == [2]
    track.carry(np.array([2]), np.array([[45.0, 0.0, 0.0]]))
    assert found(track, geo, ask(weight_kg=6.0, seats=2.0)).ids.tolist() == []
    assert found(track, geo, ask(weight_kg=5.0)).ids.tolist() == [0, 1, 2]


def test_a_shift_must_last_until_the_drop_even_at_full_speed() -> None:
    speed = float(SPEED_MPS.default)
    drivers = Drivers.of(np.arange(2), shift_end_s=np.array([100.0, 101.0]))
    track, geo = tracked(line(0, 0), drivers)
    assert found(track, geo, ask(drop_m=100.5 * speed)).ids.tolist() == [1]
    assert found(track, geo, ask(x_m=50.5 * speed, drop_m=50.0 * speed)).ids.tolist() == [1]


def test_shifts_and_breaks_begin_and_end_by_the_clock_of_the_search() -> None:
    drivers = Drivers.of(
        np.array([1]), shift_start_s=np.array([10.0]), break_start_s=np.array([20.0]), break_end_s=np.array([30.0]),
        shift_end_s=np.array([40.0]),
    )  # fmt: skip
    track, geo = tracked(line(0), drivers)
    there = [t for t in (5.0, 10.0, 19.0, 20.0, 29.0, 30.0, 39.0, 40.0) if len(found(track, geo, ask(), at_s=t))]
    assert there == [10.0, 19.0, 30.0, 39.0]
    assert len(found(track, geo, ask(), at_s=15.0)) == 1  # a clock that goes back


def test_a_trip_into_the_break_is_not_begun() -> None:
    track, geo = tracked(line(0), Drivers.of(np.array([1]), break_start_s=np.array([20.0]), break_end_s=np.array([30.0])))
    assert len(found(track, geo, ask(drop_m=float(SPEED_MPS.default) * 21.0))) == 0
    assert len(found(track, geo, ask(drop_m=float(SPEED_MPS.default) * 19.0))) == 1


def test_barred_pairs_cost_no_place_among_the_k() -> None:
    track, geo = tracked(line(1, 2, 3, 4), Drivers.of(np.arange(4)))
    barred = {"customer": Blocked(np.array([-1]), np.array([0])), "order": Blocked(np.array([7, 8]), np.array([2, 1]))}
    assert found(track, geo, ask(), k=2, barred=barred).ids.tolist() == [1, 3]


def test_zones_ask_for_drivers_who_may_work_there_and_areas_for_those_who_stand_there() -> None:
    def square(at: float) -> NDArray[np.float64]:
        return np.array([[at, -9.0], [at + 10.0, -9.0], [at + 10.0, 9.0], [at, 9.0]])

    centre, airport = Zones([square(-5.0)], [4]), Zones([square(100.0)], [9])
    drivers = Drivers.of(np.arange(3), flags=np.array([0, 16, 0], dtype=np.uint64))
    track, geo = tracked(line(0, 50, 105), drivers, inside=airport)
    assert found(track, geo, ask(), zones=centre).ids.tolist() == [1]
    assert found(track, geo, ask(x_m=20.0), zones=centre).ids.tolist() == [0, 1, 2]
    assert found(track, geo, ask(need=512)).ids.tolist() == [2]
    with pytest.raises(BadInput, match="area"):
        track.enrol(Drivers.of(np.array([5]), flags=np.array([512], dtype=np.uint64)))


def test_the_age_is_of_the_position_that_was_found() -> None:
    track, geo = tracked(line(0), Drivers.of(np.array([1])), now_s=10.0)
    assert found(track, geo, ask(), at_s=25.0).column("age_s").tolist() == [15.0]
    assert len(found(track, geo, ask(), at_s=10.5 + float(FRESH_S.default))) == 0


def test_no_drivers_and_no_orders_are_no_error() -> None:
    track, geo = tracked(line(), Drivers.of(np.zeros(0, dtype=np.int64)))
    assert len(found(track, geo, ask())) == 0
    assert found(track, geo, Orders.none()).requests == 0


numbers = st.integers(0, 3).map(float)
place = st.sampled_from([0.0, 3.0, 500.0, 5000.0]) | st.floats(-9e3, 9e3)
driver = st.tuples(place, st.integers(0, 3), numbers, numbers, st.sampled_from([50.0, 200.0, np.inf]), st.booleans())
order = st.tuples(st.floats(-9e3, 9e3), st.integers(0, 3), numbers, numbers, st.sampled_from([0.0, 600.0, 2000.0]))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(driver, max_size=30),
    st.lists(order, min_size=1, max_size=6),
    st.sets(st.tuples(st.integers(0, 5), st.integers(0, 29))),
)
def test_exactly_the_eligible_come_back(
    drivers: list[tuple[float, ...]], orders: list[tuple[float, ...]], pairs: set[tuple[int, int]]
) -> None:
    d = np.array([r[:5] for r in drivers], dtype=np.float64).reshape(-1, 5)
    o = np.array(orders, dtype=np.float64).reshape(-1, 5)
    ids, busy = np.arange(len(d)), np.array([r[5] for r in drivers], dtype=np.bool_)
    fleet = Drivers.of(ids, flags=d[:, 1].astype(np.uint64), weight_kg=d[:, 2], seats=d[:, 3], shift_end_s=d[:, 4])
    track, geo = tracked(np.stack([d[:, 0], np.zeros(len(d))], axis=1), fleet)
    track.hold(ids[busy])
    lat, lon = PLANE.latlon(o[:, 0], np.zeros(len(o)))
    _, drop_lon = PLANE.latlon(o[:, 0] + o[:, 4], np.zeros(len(o)))
    asked = Orders.of(
        np.arange(len(o)), lat=lat, lon=lon, placed_s=np.zeros(len(o)), need=o[:, 1].astype(np.uint64), customer=np.arange(len(o)),
        drop_lat=lat, drop_lon=drop_lon, weight_kg=o[:, 2], seats=o[:, 3],
    )  # fmt: skip
    barred = Blocked(*np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T)
    got = found(track, geo, asked, k=3, barred={"customer": barred})
    x, _ = track.place(ids)
    for q in range(len(o)):
        away = np.abs(x - PLANE.xy(lat, lon)[0][q])
        fits = ~busy & ((d[:, 1].astype(int) & int(o[q, 1])) == int(o[q, 1])) & (away <= float(RADIUS_M.default))
        fits &= (d[:, 2] >= o[q, 2]) & (d[:, 3] >= o[q, 3]) & ((away + o[q, 4]) / float(SPEED_MPS.default) <= d[:, 4])
        fits &= ~barred.has(np.full(len(ids), q), ids)
        rows = np.flatnonzero(fits)
        assert got.of(q).ids.tolist() == rows[np.lexsort((rows, away[rows]))][:3].tolist()


def test_names_of_capacity_are_columns_of_drivers_and_orders() -> None:
    assert all(name in Drivers.of(np.array([1])).columns() and name in Orders.none().columns() for name in CAPACITY)
    assert int(FREE) == 1 << 63
