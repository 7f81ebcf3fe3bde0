"""Insertions and the search over routes, held against plain Python that tries everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.match.routes import Plan, Routes, Stops, Terms, best_insertion, candidates, improve, insert, remove, route_cost

INF = float("inf")


def plain_cost(stops: Stops, terms: Terms, routes: Routes, r: int, order: list[int]) -> float:
    """What it costs vehicle `r` to serve the stops `order`, told in plain Python from what the docstrings promise; inf = a limit breaks."""
    names = ["x", "y", "earliest_s", "latest_s", "service_s", "load", "place", "rate", "due_s", "late_rate", "tail"]
    s = {name: stops.column(name).tolist() for name in names}
    speed, shared, travel, busy, over = terms.rates.tolist()
    free_s, aboard, capacity, pickup_by, end_by, off = routes.real[r].tolist()
    at, home, cost = int(routes.start[r]), int(routes.whole[r, 3]), 0.0

    def way(a: int, b: int) -> float:
        if len(terms.seconds):
            return float(terms.seconds[a, b])
        return float(np.hypot(s["x"][a] - s["x"][b], s["y"][a] - s["y"][b])) / speed

    for to in order:
        drive, was = way(at, to), free_s
        if shared and s["place"][to] >= 0 and s["place"][to] == s["place"][at]:
            free_s = max(was + drive, s["earliest_s"][to] + s["service_s"][to])
            cost += busy * (free_s - was)
        else:
            free_s = max(was + drive, s["earliest_s"][to]) + s["service_s"][to]
            cost += busy * (free_s - was if aboard > 1e-6 else drive + s["service_s"][to])
        aboard += s["load"][to]
        if free_s - s["service_s"][to] > s["latest_s"][to] + 1e-6 or aboard > capacity + 1e-6:
            return INF
        if s["load"][to] > 0 and free_s > pickup_by + 1e-6:
            return INF
        cost += travel * drive + s["rate"][to] * (free_s - s["earliest_s"][to])
        cost += s["late_rate"][to] * max(0.0, free_s - s["due_s"][to]) if s["due_s"][to] < INF else 0.0
        at = to
    if not order:
        return 0.0
    if home >= 0:
        free_s += way(at, home)
        cost += (travel + busy) * way(at, home)
    else:
        cost += s["tail"][at]
    return INF if free_s > end_by + 1e-6 else cost + over * max(0.0, free_s - off) if off < INF else cost


def plain_insertion(stops: Stops, terms: Terms, routes: Routes, r: int, order: int) -> float:
    """The least cost that `order` adds to route `r`, by trying every place."""
    row, frozen = routes.of_row(r), int(routes.whole[r, 1])
    whole = plain_cost(stops, terms, routes, r, row)
    best = INF
    for i in range(frozen, len(row) + 1):
        for j in range(i, len(row) + 1):
            tried = [*row[:i], 2 * order, *row[i:j], 2 * order + 1, *row[j:]]
            best = min(best, plain_cost(stops, terms, routes, r, tried))
    return best - whole if whole < INF else INF


def problem(
    seed: int, *, orders: int = 6, vehicles: int = 3, hard: bool = False, matrix: bool = False
) -> tuple[Stops, Terms, Routes]:
    """A random problem: soft costs with shared houses, or hard windows, capacity and a depot."""
    rng = np.random.default_rng(seed)
    size = 2 * orders + vehicles
    x, y = rng.uniform(0, 1000, size).round(), rng.uniform(0, 1000, size).round()
    house = rng.integers(0, 3, orders)
    x[0 : 2 * orders : 2], y[0 : 2 * orders : 2] = 300.0 * house, 100.0 * house
    place = np.full(size, -1.0)
    place[0 : 2 * orders : 2] = house
    early = np.zeros(size)
    early[: 2 * orders] = np.repeat(rng.uniform(0, 900, orders).round(), 2)
    columns = {"earliest_s": early, "service_s": np.full(size, 60.0), "place": place}
    if hard:
        columns |= {"latest_s": early + rng.uniform(200, 2000, size).round()}
    else:
        columns |= {
            "rate": rng.choice([0.0, 1.0], size),
            "due_s": early + 500.0,
            "late_rate": np.full(size, 0.5),
            "tail": rng.uniform(0, 50, size),
        }
    stops = Stops.of(orders=orders, x=x, y=y, **columns)
    seconds = None
    if matrix:
        seconds = rng.uniform(10.0, 300.0, (size, size))
        np.fill_diagonal(seconds, 0.0)
    terms = Terms.of(seconds=seconds, speed_mps=5.0, shared=not hard, travel_rate=0.3, busy_rate=0.2, over_rate=1.0)
    start = 2 * orders + np.arange(vehicles)
    limits = {"capacity": rng.integers(1, 4, vehicles).astype(float)}
    limits |= (
        {"end_by_s": np.full(vehicles, 4000.0)}
        if hard
        else {"off_s": np.full(vehicles, 900.0), "pickup_by_s": np.full(vehicles, 1500.0)}
    )
    routes = Routes.of(start, rng.uniform(0, 300, vehicles).round(), most=16, home=start if hard else None, limits=limits)
    return stops, terms, routes


def filled(stops: Stops, terms: Terms, routes: Routes, orders: int) -> list[int]:
    """Insert each order where it is cheapest, in turn; returns the route of each, or -1."""
    plan, was = Plan.of(stops, terms, routes), np.empty((3, routes.stops.shape[1] + 1))
    route_of: list[int] = []
    for order in range(orders):
        tried = [best_insertion(*plan, r, order, was) for r in range(len(routes))]
        r = min(range(len(routes)), key=lambda r: tried[r][0])
        route_of.append(r if np.isfinite(tried[r][0]) else -1)
        if route_of[-1] >= 0:
            insert(routes.stops, routes.whole, r, order, tried[r][1], tried[r][2])
    return route_of


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.booleans())
def test_best_insertion_is_what_trying_every_place_finds(seed: int, hard: bool, matrix: bool) -> None:
    stops, terms, routes = problem(seed, hard=hard, matrix=matrix)
    plan, was = Plan.of(stops, terms, routes), np.empty((3, 17))
    filled(stops, terms, routes, 4)
    routes.whole[0, 1] = min(1, routes.length[0])
    for r in range(len(routes)):
        found, i, j = best_insertion(*plan, r, 5, was)
        wanted = plain_insertion(stops, terms, routes, r, 5)
        assert found == pytest.approx(wanted, abs=1e-6)
        if np.isfinite(found):
            before = plain_cost(stops, terms, routes, r, routes.of_row(r))
            insert(routes.stops, routes.whole, r, 5, i, j)
            assert plain_cost(stops, terms, routes, r, routes.of_row(r)) == pytest.approx(before + found, abs=1e-6)
            assert route_cost(*plan, r) == pytest.approx(before + found, abs=1e-6)
            remove(routes.stops, routes.whole, r, 5)
            assert route_cost(*plan, r) == pytest.approx(before, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_search_never_makes_a_plan_dearer_and_keeps_each_order_whole(seed: int, hard: bool) -> None:
    stops, terms, routes = problem(seed, orders=8, hard=hard)
    plan = Plan.of(stops, terms, routes)
    route_of = np.array(filled(stops, terms, routes, 8))
    missed, orders = np.full(8, 1e5), np.arange(8)

    def total() -> float:
        costs = [plain_cost(stops, terms, routes, r, routes.of_row(r)) for r in range(len(routes))]
        return sum(costs) + 1e5 * int((route_of < 0).sum())

    before = total()
    change = improve(plan, orders, candidates(plan, orders, 3), missed, route_of, 100, seed)
    assert total() == pytest.approx(before + change, abs=1e-5) and change <= 1e-6
    for r in range(len(routes)):
        row = routes.of_row(r)
        assert sorted(row) == sorted(s for o in np.flatnonzero(route_of == r).tolist() for s in (2 * o, 2 * o + 1))
        assert all(row.index(2 * o) < row.index(2 * o + 1) for o in {s // 2 for s in row})


def test_frozen_stops_stay_in_front() -> None:
    stops, terms, routes = problem(3)
    plan = Plan.of(stops, terms, routes)
    insert(routes.stops, routes.whole, 0, 0, 0, 1)
    routes.whole[0, 1] = 2
    improve(
        plan, np.arange(1, 6), candidates(plan, np.arange(1, 6), 3), np.full(6, 1e9), np.array([0, -1, -1, -1, -1, -1]), 50, 1
    )
    assert routes.of_row(0)[:2] == [0, 1]


def test_two_pickups_at_one_house_take_one_service_when_shared() -> None:
    x = np.array([100.0, 300.0, 100.0, 400.0, 0.0])
    stops = Stops.of(
        orders=2,
        x=x,
        y=np.zeros(5),
        service_s=np.array([60.0, 0.0, 60.0, 0.0, 0.0]),
        place=np.array([7.0, -1, 7, -1, -1]),
        rate=np.array([0.0, 1, 0, 1, 0]),
    )
    routes = Routes.of(np.array([4]), np.zeros(1))
    for shared, wanted in ((True, 100 + 60 + 200), (False, 100 + 60 + 60 + 200)):
        routes.stops[0, :4], routes.whole[0, 0] = [0, 2, 1, 3], 4
        terms = Terms.of(shared=shared, travel_rate=0.0)
        assert route_cost(*Plan.of(stops, terms, routes), 0) == pytest.approx(wanted + wanted + 100)


def test_full_vehicle_takes_no_second_order() -> None:
    stops = Stops.of(orders=2, x=np.array([1.0, 9.0, 2.0, 8.0, 0.0]), y=np.zeros(5), latest_s=np.array([1.0, 9.0, 2.0, 8.0, 0.0]))
    routes = Routes.of(np.array([4]), np.zeros(1), limits={"capacity": np.ones(1)})
    plan = Plan.of(stops, Terms.of(), routes)
    insert(routes.stops, routes.whole, 0, 0, 0, 1)
    assert best_insertion(*plan, 0, 1, np.empty((3, 65)))[0] == INF
    routes.real[0, 2] = 2.0
    assert best_insertion(*plan, 0, 1, np.empty((3, 65))) == (0.0, 1, 2)


def test_route_without_room_is_left_as_it_is() -> None:
    stops = Stops.of(orders=2, x=np.zeros(5), y=np.zeros(5))
    routes = Routes.of(np.array([4]), np.zeros(1), most=3)
    insert(routes.stops, routes.whole, 0, 0, 0, 1)
    assert best_insertion(*Plan.of(stops, Terms.of(), routes), 0, 1, np.empty((3, 4))) == (INF, -1, -1)


def test_candidates_are_those_soonest_at_the_pickup() -> None:
    stops = Stops.of(orders=1, x=np.array([0.0, 5.0, 90.0, 10.0, 50.0]), y=np.zeros(5))
    routes = Routes.of(np.array([2, 3, 4]), np.array([0.0, 500.0, 0.0]))
    assert candidates(Plan.of(stops, Terms.of(), routes), np.array([0]), 2).tolist() == [[2, 0]]


@pytest.mark.parametrize(
    "columns",
    [
        {"x": np.zeros(1), "y": np.zeros(1)},
        {"x": np.zeros(3)},
        {"x": np.zeros(3), "y": np.zeros(2)},
        {"x": np.zeros(3), "y": np.array([0.0, np.nan, 0.0])},
        {"x": np.zeros(3), "y": np.zeros(3), "w": np.zeros(3)},
    ],
)
def test_bad_columns_of_stops_are_refused(columns: dict[str, np.ndarray]) -> None:
    with pytest.raises(BadInput):
        Stops.of(orders=1, **columns)


@pytest.mark.parametrize("terms", [{"speed_mps": 0.0}, {"travel_rate": -1.0}, {"busy_rate": INF}])
def test_terms_under_which_cost_could_fall_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="above 0"):
        Terms.of(**terms)


def test_unknown_limit_is_refused() -> None:
    with pytest.raises(BadInput, match="no limit 'speed'"):
        Routes.of(np.zeros(1, dtype=np.int64), np.zeros(1), limits={"speed": np.ones(1)})
