"""Where a new order bends a plan least: the kernel against its plain version and the routes' own insertion, and what it may never do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.match.detours import ABOARD, NO_STOP, PICKUP, Found, Legs, Plans, detours, detours_plain
from rialto.match.routes import Plan, Routes, Stops, Terms, best_insertion


def drawn(rng: np.random.Generator, pairs: int) -> tuple[Plans, Legs]:
    """Random plans of up to three orders, some on board, and as many pairs, on whole seconds so that sums are exact."""
    plans, most = 4, 6
    mate = np.full((plans, most), NO_STOP)
    size = np.zeros(plans, dtype=np.int64)
    load = np.zeros((plans, most, 3))
    aboard = np.zeros((plans, 3))
    for p in range(plans):
        stops: list[tuple[int, bool]] = []
        for order in range(rng.integers(1, 4)):
            on_board = bool(rng.random() < 0.4)
            drop = int(rng.integers(0, len(stops) + 1))
            stops.insert(drop, (order, True))
            if not on_board:
                stops.insert(int(rng.integers(0, drop + 1)), (order, False))
        loads = rng.integers(0, 4, (3, 3)).astype(float)
        for k, (order, dropped) in enumerate(stops):
            mate[p, k] = PICKUP if not dropped else stops.index((order, False)) if (order, False) in stops else ABOARD
            load[p, k] = loads[order] * (-1 if dropped else 1)
            if mate[p, k] == ABOARD:
                aboard[p] += loads[order]
        size[p] = len(stops)

    def seconds(*shape: int) -> np.ndarray:
        return rng.integers(1, 400, shape).astype(float)

    maybe = lambda values, other: np.where(rng.random(values.shape) < 0.5, values, other)  # noqa: E731
    made = Plans(
        size, np.minimum(size, rng.integers(0, 2, plans)), seconds(plans, most + 1, most), mate, load,
        maybe(seconds(plans, most), -np.inf), maybe(2 * seconds(plans, most), np.inf), seconds(plans, most), aboard,
        rng.integers(3, 12, (plans, 3)).astype(float), maybe(6 * seconds(plans), np.inf),
    )  # fmt: skip
    legs = Legs(
        rng.integers(0, plans, pairs), seconds(pairs, most + 1), seconds(pairs, most), seconds(pairs, most), seconds(pairs, most),
        seconds(pairs), rng.integers(0, 4, (pairs, 3)).astype(float), maybe(seconds(pairs), -np.inf), maybe(3 * seconds(pairs), np.inf),
        maybe(4 * seconds(pairs), np.inf), rng.choice([0.0, 0.5, 1.0], pairs), rng.choice([0.0, 2.0], pairs),
    )  # fmt: skip
    return made, legs


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_kernel_finds_what_the_plain_version_finds(seed: int) -> None:
    plans, legs = drawn(np.random.default_rng(seed), 12)
    one, other = detours(plans, legs), detours_plain(plans, legs)
    for fast, plain in zip(one, other):
        assert fast.tolist() == plain.tolist()


def test_random_plans_have_places_and_have_none() -> None:
    found = detours(*drawn(np.random.default_rng(1), 400))
    assert 0.1 < np.isfinite(found.cost_s).mean() < 0.9


def plan_of(points: list[float], mate: list[int], *, room: float = 9.0, direct_s: float = np.inf) -> Plans:
    """One driver at the first of `points` on a line, 1 m/s, whose stops are the others; each order is one seat."""
    at = np.array(points)
    leg = np.abs(at[:, np.newaxis] - at[1:])[np.newaxis]
    size = len(mate)
    load = np.zeros((1, size, 3))
    load[0, :, 2] = [1.0 if m == PICKUP else -1.0 for m in mate]
    aboard = np.array([[0.0, 0.0, float(mate.count(ABOARD))]])
    endless = np.full((1, size), np.inf)
    return Plans(
        np.array([size]), np.array([1]), leg, np.array([mate]), load, -endless, endless, np.full((1, size), direct_s), aboard,
        np.full((1, 3), room), np.array([np.inf]),
    )  # fmt: skip


def legs_to(points: list[float], pickup: float, drop: float, *, detour_s: float = np.inf, wait: float = 0.0) -> Legs:
    at = np.array(points)
    one = np.ones(1)
    return Legs(
        np.array([0]), np.abs(at - pickup)[np.newaxis], np.abs(at[1:] - pickup)[np.newaxis], np.abs(at[1:] - drop)[np.newaxis],
        np.abs(at[1:] - drop)[np.newaxis], np.array([abs(pickup - drop)]), np.array([[0.0, 0.0, 1.0]]), -np.inf * one, np.inf * one,
        detour_s * one, wait * one, 0.0 * one,
    )  # fmt: skip


def only(found: Found) -> tuple[float, float, float, int, int]:
    return tuple(column[0].item() for column in found)


def test_an_order_on_the_way_costs_less_than_nothing_beside_its_trip() -> None:
    points = [0.0, 100.0, 1000.0]
    found = only(detours(plan_of(points, [PICKUP, 0]), legs_to(points, 100.0, 900.0)))
    assert found == (-800.0, 100.0, 900.0, 1, 1)  # no second more is driven


def test_an_order_of_a_driver_with_nothing_yet_to_do_costs_the_drive_to_its_pickup() -> None:
    plans = plan_of([40.0, 0.0], [PICKUP])._replace(size=np.array([0]), frozen=np.array([0]))
    for wait in (0.0, 0.3, 1.0):
        assert only(detours(plans, legs_to([40.0, 0.0], 100.0, 900.0, wait=wait)))[0] == pytest.approx(60.0)


def test_the_stop_under_way_stays_first() -> None:
    points = [0.0, 500.0, 1000.0]
    found = only(detours(plan_of(points, [PICKUP, 0]), legs_to(points, 10.0, 1000.0)))
    assert found[3] >= 1


def test_a_load_that_has_no_room_beside_the_others_waits_until_there_is() -> None:
    points = [0.0, 100.0, 1000.0]
    full = only(detours(plan_of(points, [PICKUP, 0], room=1.0), legs_to(points, 100.0, 900.0)))
    assert full[3:] == (2, 2) and full[0] == 900.0  # behind the drop-off: back to 100, which is 900 s


def test_a_ride_is_not_drawn_out_beyond_its_bound() -> None:
    points = [0.0, 1000.0]  # one order on board, 1000 s to go without a detour
    plans = plan_of(points, [ABOARD], direct_s=1000.0)._replace(frozen=np.array([0]))
    near = only(detours(plans, legs_to(points, 400.0, 600.0, detour_s=0.0)))
    assert near[3:] == (0, 0) and near[0] == -200.0
    beside = legs_to(points, -50.0, 950.0, detour_s=99.0)
    assert only(detours(plans, beside))[3:] == (1, 1)
    assert only(detours(plans, beside._replace(detour_s=np.array([101.0]))))[3:] == (0, 0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_where_driving_alone_counts_it_is_the_insertion_of_routes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = rng.integers(0, 500, (6, 2)).astype(
        float
    )  # pickup, drop-off of the order that is planned, of the new one, the driver, spare
    stops = Stops.of(orders=2, x=at[:, 0], y=at[:, 1])
    routes = Routes.of(np.array([4]), np.zeros(1), limits={"capacity": np.array([float(rng.integers(1, 3))])})
    routes.stops[0, :2], routes.whole[0, 0] = [0, 1], 2
    more, _, _ = best_insertion(*Plan.of(stops, Terms.of(), routes), 0, 1, np.empty((3, 65)))
    far = np.hypot(*(at[:, np.newaxis] - at[np.newaxis]).transpose(2, 0, 1))
    own = [4, 0, 1]
    plans = plan_of([0.0, 0.0, 0.0], [PICKUP, 0], room=routes.real[0, 2])._replace(
        leg=far[np.ix_(own, [0, 1])][np.newaxis], frozen=np.array([0])
    )
    legs = legs_to([0.0, 0.0, 0.0], 0.0, 0.0)._replace(
        to_pickup=far[own, 2][np.newaxis], from_pickup=far[2, [0, 1]][np.newaxis], to_drop=far[[0, 1], 3][np.newaxis],
        from_drop=far[3, [0, 1]][np.newaxis], trip_s=far[2:3, 3],
    )  # fmt: skip
    found = only(detours(plans, legs))
    assert found[0] + far[2, 3] == pytest.approx(more)
