"""GreatCircle passes the exam of TravelTimes, learns hours from drives, and the plane agrees with the sphere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.local.travel import GreatCircle, great_circle_m, to_plane
from rialto.testing.travel import TravelTimesExam

LAT, LON = st.floats(-90.0, 90.0), st.floats(-180.0, 180.0)


class TestGreatCircle(TravelTimesExam):
    def open(self):
        return GreatCircle(speed_mps=9.0)


@given(LAT, LON, LAT, LON)
def test_distance_is_symmetric_and_within_half_the_earth(lat_a, lon_a, lat_b, lon_b):
    a, b = np.array([[lat_a, lon_a]]), np.array([[lat_b, lon_b]])
    there, back = great_circle_m(a, b)[0], great_circle_m(b, a)[0]
    assert there == pytest.approx(back, abs=1e-6)
    assert 0.0 <= there <= 20_015_200.0


def test_a_degree_along_the_equator_and_the_way_to_the_other_side():
    start, goal = np.zeros((2, 2)), np.array([[0.0, 1.0], [0.0, 180.0]])
    assert great_circle_m(start, goal).round().tolist() == [111_195.0, 20_015_114.0]


@given(st.floats(-60.0, 60.0), LON, st.floats(-30e3, 30e3), st.floats(-30e3, 30e3))
def test_the_plane_keeps_distances_within_a_city(lat, lon, north, east):
    other_lat = lat + north / 111_195.0
    other_lon = (lon + east / (111_195.0 * np.cos(np.radians(lat))) + 180.0) % 360.0 - 180.0
    x, y = to_plane(np.array([other_lat]), np.array([other_lon]), origin=(lat, lon))
    sphere = great_circle_m(np.array([[lat, lon]]), np.array([[other_lat, other_lon]]))[0]
    assert np.hypot(x[0], y[0]) == pytest.approx(sphere, rel=0.006, abs=1e-3)


def test_the_plane_crosses_the_180th_meridian_the_short_way():
    x, _ = to_plane(np.array([0.0]), np.array([-179.9]), origin=(0.0, 179.9))
    assert x[0] == pytest.approx(22_239.0, abs=1.0)


def test_fit_finds_the_factor_of_each_hour_in_spite_of_wild_drives():
    chance = np.random.default_rng(0)
    truth = np.where((np.arange(24) >= 7) & (np.arange(24) <= 9), 2.5, 1.4)
    start = np.array([40.75, -73.98]) + chance.normal(size=(6000, 2)) * 0.02
    goal = start + chance.normal(size=(6000, 2)) * 0.02
    at_s = chance.uniform(0.0, 86_400.0 * 5, 6000)
    took = GreatCircle(speed_mps=8.0, factor=truth).seconds(start, goal, at_s=at_s) * chance.lognormal(0.0, 0.2, 6000)
    took[:300] *= 40.0
    learned = GreatCircle(speed_mps=8.0).fit(start, goal, took, at_s).factor
    assert np.abs(learned / truth - 1.0).max() < 0.15


def test_an_hour_without_drives_has_the_factor_of_all():
    free = GreatCircle(speed_mps=10.0, factor=1.0)
    start, goal = np.zeros((1, 2)), np.array([[0.0, 0.01]])
    took = 2.0 * free.seconds(start, goal, at_s=np.zeros(1))
    assert free.fit(start, goal, took, np.zeros(1)).factor == pytest.approx(np.full(24, 2.0))


def test_the_hour_is_the_citys():
    factor = np.where(np.arange(24) == 8, 3.0, 1.0)
    start, goal, at_s = np.zeros((1, 2)), np.array([[0.0, 0.01]]), np.array([13 * 3600.0])
    utc = GreatCircle(factor=factor).seconds(start, goal, at_s=at_s)
    city = GreatCircle(factor=factor, utc_offset_s=-5 * 3600.0).seconds(start, goal, at_s=at_s)
    assert city[0] == pytest.approx(3.0 * utc[0])


@pytest.mark.parametrize("wrong", [{"speed_mps": 0.0}, {"speed_mps": np.nan}, {"factor": -1.0}, {"factor": np.ones(23)}])
def test_settings_that_give_no_time_are_refused(wrong):
    with pytest.raises(BadInput, match="wanted"):
        GreatCircle(**wrong)


def test_fit_refuses_what_teaches_nothing():
    travel, place = GreatCircle(), np.zeros((2, 2))
    with pytest.raises(BadInput, match="leaves its place"):
        travel.fit(place, place, np.ones(2), np.zeros(2))
    for wrong in (0.0, -1.0, np.nan):
        with pytest.raises(BadInput, match="duration above 0"):
            travel.fit(place, place + 0.01, np.array([1.0, wrong]), np.zeros(2))
    with pytest.raises(BadInput, match="pole"):
        to_plane(np.zeros(1), np.zeros(1), origin=(90.0, 0.0))
