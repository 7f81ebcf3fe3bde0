"""The kernels of pairs say what plain numpy says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rialto.match.pairs import COLUMNS, Asks, Fleet, ends, pairs, pairs_plain
from rialto.match.records import Plane


def window(seed: int, orders: int, drivers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Asks, Fleet]:
    """Orders and drivers of which some places, homes, drops and headings are unknown or the same."""
    chance = np.random.default_rng(seed)
    counts = chance.integers(0, 5, orders)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = int(offsets[-1])

    def some(size: int, share: float = 0.2) -> np.ndarray:
        return np.where(chance.random(size) < share, np.nan, chance.normal(size=size) * 3000.0)

    asks = Asks(
        chance.normal(size=orders) * 3000.0, chance.normal(size=orders) * 3000.0, some(orders), some(orders),
        chance.integers(0, 9000, orders).astype(float), chance.random(orders) * 100.0, np.full(orders, 200.0), chance.random(orders) * 6.3,
    )  # fmt: skip
    place = np.stack([chance.normal(size=drivers) * 3000.0, chance.normal(size=drivers) * 3000.0, np.zeros(drivers)], axis=1)
    if orders:
        place[0, :2] = asks.x_m[0], asks.y_m[0]  # a driver at the door
    fleet = Fleet(place, some(drivers) % 360.0, chance.random(drivers) * 200.0, some(drivers), some(drivers))
    slots = chance.integers(0, drivers, rows)
    return offsets, slots, chance.random(rows).astype(np.float32), chance.random(rows).astype(np.float32), asks, fleet


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 30))
def test_the_kernel_makes_the_columns_that_numpy_makes(seed: int, orders: int, drivers: int) -> None:
    args = window(seed, orders, drivers)
    made, plain = pairs(*args), pairs_plain(*args)
    assert made.shape == plain.shape == (len(COLUMNS), len(args[1]))
    fleet, asks, owner = args[5], args[4], np.repeat(np.arange(orders), np.diff(args[0]))
    at_home = np.isfinite(fleet.home_x_m[args[1]]) & np.isfinite(fleet.home_y_m[args[1]]) & np.isfinite(asks.drop_x_m[owner])
    at_home &= np.isfinite(asks.drop_y_m[owner])
    np.testing.assert_array_equal(np.isnan(made[9]), ~at_home)
    np.testing.assert_allclose(made, plain, rtol=1e-4, atol=2e-4)


def test_a_drive_begins_where_the_driver_is_and_ends_at_the_door_even_over_the_date_line() -> None:
    plane = Plane(0.0, 179.99)
    x_m, y_m = plane.xy(np.array([0.0, 0.1]), np.array([179.98, -179.98]))
    place = np.stack([x_m, y_m], axis=1)
    start, goal = ends(np.array([0, 2]), np.array([0, 1]), place, plane, np.array([0.0]), np.array([179.99]))
    np.testing.assert_allclose(start, [[0.0, 179.98], [0.1, -179.98]], atol=1e-9)
    assert goal.tolist() == [[0.0, 179.99], [0.0, 179.99]]


def test_no_orders_make_no_pairs() -> None:
    offsets, slots, near, age, asks, fleet = window(0, 0, 3)
    assert pairs(offsets, slots, near, age, asks, fleet).shape == (len(COLUMNS), 0)
