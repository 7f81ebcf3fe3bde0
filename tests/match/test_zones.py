"""A place has the bits of the zones that hold it, whatever their shape, as looking at every edge says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.zones import Zones

SQUARE = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
place = st.integers(-20, 20).map(float) | st.floats(-30, 30)
polygons = st.lists(st.tuples(place, place), min_size=3, max_size=8)


@settings(deadline=None)
@given(st.lists(polygons, min_size=1, max_size=4), st.lists(st.tuples(place, place), min_size=1, max_size=40))
def test_the_table_says_what_every_edge_says(corners: list[list[tuple[float, float]]], asked: list[tuple[float, float]]) -> None:
    zones = Zones([np.array(c) for c in corners], [i % 3 for i in range(len(corners))])
    x, y = np.array(asked).T
    assert zones.of(x, y).tolist() == zones.of_plain(x, y).tolist()


def test_a_hollow_shape_does_not_hold_its_hollow() -> None:
    horseshoe = np.array([[0, 0], [90, 0], [90, 90], [60, 90], [60, 30], [30, 30], [30, 90], [0, 90]], dtype=np.float64)
    assert Zones([horseshoe], [0]).of(np.array([45.0, 15.0, 45.0]), np.array([60.0, 60.0, 15.0])).tolist() == [0, 1, 1]


def test_zones_side_by_side_leave_no_gap_and_do_not_overlap() -> None:
    zones = Zones([SQUARE, SQUARE + np.array([100.0, 0.0])], [0, 1])
    x = np.array([99.999, 100.0, 100.001])
    assert zones.of(x, np.full(3, 50.0)).tolist() == [1, 2, 2]


def test_an_edge_as_good_as_level_is_no_trouble_to_either() -> None:
    sliver = np.array([[0.0, 0.0], [30.0, 5e-324], [30.0, 0.0]])
    x, y = np.array([0.0, 15.0, 0.0]), np.array([1.0, 0.0, 1e300])
    assert Zones([sliver], [0]).of(x, y).tolist() == Zones([sliver], [0]).of_plain(x, y).tolist()


def test_places_that_are_nowhere_have_no_bits() -> None:
    nowhere = np.array([np.nan, np.inf, -np.inf, 1e300])
    assert Zones([SQUARE], [5]).of(nowhere, nowhere).tolist() == [0, 0, 0, 0]
    assert Zones([], []).of(np.zeros(1), np.zeros(1)).tolist() == [0]


@pytest.mark.parametrize(
    ("corners", "bit", "said"),
    [
        (SQUARE[:2], 0, "three corners"),
        (SQUARE * np.nan, 0, "finite"),
        (SQUARE * 1e300, 0, "1e\\+302 m"),
        (SQUARE, 63, "0 to 62"),
        (SQUARE[:, 0], 0, "corners, 2"),
    ],
)
def test_a_wrong_polygon_is_named(corners: NDArray[np.float64], bit: int, said: str) -> None:
    with pytest.raises(BadInput, match=f"polygon 1 .*{said}"):
        Zones([SQUARE, corners], [0, bit])
