"""Regions: every place has one shard, the halo is the distance to its cells, strips share the load."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.match.regions import Regions, strips

GRID = Regions(-1000.0, 500.0, 400.0, 3, np.array([0, 0, 1, 2, 1, 1]))
COORDINATES = st.floats(-4000.0, 4000.0)


def away(x: float, y: float, shard: int) -> float:
    """Metres from a place to the nearest cell of a shard, cell by cell."""
    found = np.inf
    for cell in np.flatnonzero(GRID.owner == shard).tolist():
        west, south = GRID.west_m + cell % 3 * 400.0, GRID.south_m + cell // 3 * 400.0
        found = min(found, float(np.hypot(max(west - x, x - west - 400.0, 0.0), max(south - y, y - south - 400.0, 0.0))))
    return found


@given(st.lists(st.tuples(st.floats(-1000.0, 199.0), st.floats(500.0, 1299.0)), min_size=1, max_size=20), st.floats(0.0, 1500.0))
def test_a_shard_sees_what_is_within_the_halo_of_its_cells(places: list[tuple[float, float]], halo_m: float) -> None:
    x, y = np.array(places).T
    near = GRID.near(x, y, halo_m=halo_m)
    for row, (a, b) in enumerate(places):
        for shard in range(3):
            if abs(away(a, b, shard) - halo_m) > 1e-6:
                assert near[row, shard] == (away(a, b, shard) <= halo_m)


@given(COORDINATES, COORDINATES)
def test_every_place_has_one_shard_which_sees_it(x: float, y: float) -> None:
    at = np.array([x]), np.array([y])
    assert GRID.near(*at, halo_m=0.0)[0, GRID.of(*at)[0]]


@given(st.lists(st.floats(0.0, 20_000.0), min_size=60, max_size=200), st.integers(1, 5))
def test_strips_own_whole_columns_in_order_and_leave_no_shard_empty(x: list[float], shards: int) -> None:
    spread = np.concatenate([np.array(x), [0.0, 20_000.0]])
    cut = strips(spread, np.zeros(len(spread)), shards=shards)
    assert cut.shards == shards and (np.diff(cut.owner) >= 0).all() and len(np.unique(cut.owner)) == shards


def test_strips_share_the_load() -> None:
    x = np.random.default_rng(1).normal(0.0, 3000.0, 20_000)
    cut = strips(x, np.zeros(len(x)), shards=4, cell_m=250.0)
    share = np.bincount(cut.of(x, np.zeros(len(x)))) / len(x)
    assert share.min() > 0.2 and share.max() < 0.3


def test_cells_that_make_no_grid_and_places_that_are_none_are_refused() -> None:
    with pytest.raises(BadInput, match="whole rows"):
        Regions(0.0, 0.0, 100.0, 2, np.zeros(3, dtype=np.int64))
    with pytest.raises(BadInput, match="not finite"):
        GRID.of(np.array([np.nan]), np.zeros(1))
    with pytest.raises(BadInput, match="narrower cells"):
        strips(np.zeros(3), np.zeros(3), shards=2)
    with pytest.raises(BadInput, match="wanted places"):
        strips(np.zeros(0), np.zeros(0), shards=1)
