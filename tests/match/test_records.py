"""Tables refuse bad rows by number; the plane is there and back again; blocked pairs are exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput, BadRow
from rialto.match.blocked import Blocked
from rialto.match.records import CAPACITY, EARTH_RADIUS_M, Drivers, Orders, Plane

ZERO = {"lat": np.zeros(1), "lon": np.zeros(1), "placed_s": np.zeros(1)}


def test_order_twice_is_refused_with_its_row() -> None:
    with pytest.raises(BadRow, match="row 2, field 'ids': got 5"):
        Orders.of(np.array([4, 5, 5]), lat=np.zeros(3), lon=np.zeros(3), placed_s=np.zeros(3))


def test_order_without_a_place_is_refused_with_its_row() -> None:
    with pytest.raises(BadRow, match="row 2, field 'lat': got nan"):
        Orders.of(np.array([4, 5]), lat=np.array([1.0, np.nan]), lon=np.zeros(2), placed_s=np.zeros(2))


@pytest.mark.parametrize(("field", "value"), [("lat", 913.4), ("lon", -180.5), ("drop_lat", np.inf), ("drop_lon", 200.0)])
def test_order_that_is_nowhere_on_earth_is_refused_with_its_row(field: str, value: float) -> None:
    places = {name: np.array([1.0, 2.0]) for name in ("lat", "lon", "drop_lat", "drop_lon")}
    places[field][1] = value
    with pytest.raises(BadRow, match=f"row 2, field '{field}': got .*wanted degrees in"):
        Orders.of(np.array([4, 5]), placed_s=np.zeros(2), **places)


def test_the_good_orders_of_a_batch_go_in_and_the_others_are_named() -> None:
    columns = {
        "ids": np.arange(6),
        "lat": np.array([1.0, 91.0, np.nan, 4.0, 5.0, 6.0]),
        "lon": np.array([1.0, 999.0, 3.0, 4.0, 5.0, 180.0]),
        "placed_s": np.array([0.0, 0.0, 0.0, np.inf, 0.0, 0.0]),
        "drop_lat": np.array([np.nan, 1.0, 1.0, 1.0, -np.inf, 1.0]),
        "seats": np.ones(6),
    }
    good, bad = Orders.sifted(columns)
    assert good.ids.tolist() == [0, 5] and good.seats.tolist() == [1.0, 1.0]
    assert [(b.row, b.field) for b in bad] == [(2, "lat"), (3, "lat"), (4, "placed_s"), (5, "drop_lat")]
    once, again = Orders.sifted({**{k: np.zeros(2) for k in ("lat", "lon", "placed_s")}, "ids": np.array([7, 7])})
    assert once.ids.tolist() == [7] and [b.row for b in again] == [2]
    with pytest.raises(BadInput, match="no column 'lon'"):
        Orders.sifted({"ids": np.arange(2), "lat": np.zeros(2), "placed_s": np.zeros(2)})
    with pytest.raises(BadInput, match="column 'lon' has shape"):
        Orders.sifted({"ids": np.arange(2), "lat": np.zeros(2), "lon": np.zeros(3), "placed_s": np.zeros(2)})


@given(st.floats(-88.0, 88.0), st.floats(0.0, 360.0), st.floats(0.2, 1.0))
def test_a_plane_is_true_as_far_as_it_says(lat: float, towards: float, share: float) -> None:
    plane = Plane(lat, 10.0)
    far_m = share * min(plane.true_m(), 200_000.0)
    there_lat, there_lon = plane.latlon(far_m * np.sin(np.radians(towards)), far_m * np.cos(np.radians(towards)))
    x_m, y_m = plane.xy(np.array([there_lat, there_lat]), np.array([there_lon, there_lon + 0.01]))
    flat_m, north = np.hypot(*np.diff([x_m, y_m]).ravel()), np.radians(there_lat)
    true_m = 2.0 * EARTH_RADIUS_M * np.arcsin(np.cos(north) * np.sin(np.radians(0.005)))
    assert flat_m == pytest.approx(true_m, rel=0.055)


def test_column_of_another_length_is_refused() -> None:
    with pytest.raises(BadInput, match="'flags' has shape"):
        Drivers.of(np.array([1, 2]), flags=np.zeros(1, dtype=np.uint64))


def test_ids_that_are_no_whole_numbers_are_refused() -> None:
    with pytest.raises(BadInput, match=r"ids are float64, the first .*1\.5"):
        Drivers.of(np.array([1.5]))


def test_unknown_expiry_is_refused_because_it_would_never_come() -> None:
    with pytest.raises(BadRow, match="expire_s"):
        Orders.of(np.array([1]), lat=np.zeros(1), lon=np.zeros(1), placed_s=np.zeros(1), expire_s=np.array([np.nan]))


def test_negative_driver_is_refused() -> None:
    with pytest.raises(BadRow, match="0 or more"):
        Drivers.of(np.array([3, -1]))


def test_plane_at_the_pole_is_refused() -> None:
    with pytest.raises(BadInput, match="latitude"):
        Plane(90.0, 0.0)


@given(st.floats(-80, 80), st.floats(-180, 180), st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
def test_plane_is_there_and_back_again_over_the_date_line_too(lat: float, lon: float, north: float, east: float) -> None:
    plane = Plane(lat, lon)
    there_lat, there_lon = np.array([lat + north]), np.array([(lon + east + 540.0) % 360.0 - 180.0])
    back_lat, back_lon = plane.latlon(*plane.xy(there_lat, there_lon))
    assert back_lat == pytest.approx(there_lat, abs=1e-9)
    assert (back_lon - there_lon + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=1e-9)


pairs = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), max_size=20)


@given(pairs, pairs)
def test_blocked_pairs_are_exactly_those_given(blocked: list[tuple[int, int]], asked: list[tuple[int, int]]) -> None:
    table = Blocked(*np.array(blocked, dtype=np.int64).reshape(-1, 2).T)
    left, right = np.array(asked, dtype=np.int64).reshape(-1, 2).T
    assert table.has(left, right).tolist() == [p in set(blocked) for p in asked]
    lists = table.of(left)
    assert [lists.of(q).ids.tolist() for q in range(len(left))] == [sorted({r for a, r in blocked if a == q}) for q in left]


def test_columns_that_an_older_table_lacks_hold_what_changes_nothing() -> None:
    old = {name: values for name, values in Orders.of(np.array([1]), **ZERO).columns().items() if name not in CAPACITY}
    assert Orders(**old).weight_kg.tolist() == [0.0]
    assert Drivers.of(np.array([1])).seats.tolist() == [np.inf]


def test_a_misspelt_capacity_a_negative_break_and_a_load_that_is_no_number_are_named() -> None:
    with pytest.raises(BadInput, match="no column 'weight'; known: weight_kg"):
        Orders.of(np.array([1]), **ZERO, weight=np.zeros(1))
    with pytest.raises(BadRow, match="break_end_s"):
        Drivers.of(np.array([1]), break_start_s=np.array([5.0]), break_end_s=np.array([4.0]))
    with pytest.raises(BadRow, match="row 1, field 'seats'"):
        Orders.of(np.array([1]), **ZERO, seats=np.array([np.nan]))
