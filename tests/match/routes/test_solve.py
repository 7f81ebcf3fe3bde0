"""Full re-solves and live insertion, held against plain loops; the readers of Li and Lim's format; real instances where they are."""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, BadRow
from rialto.match.routes.chance import seeded
from rialto.match.routes.check import distance, faults
from rialto.match.routes.effort import Effort
from rialto.match.routes.li_lim import Instance, parse_instance, read_instance, read_known
from rialto.match.routes.live import Live, one_by_one
from rialto.match.routes.pool import choose, note, pool_of
from rialto.match.routes.practice import made_up, made_up_text
from rialto.match.routes.records import Routes, Stops, Terms
from rialto.match.routes.search_sheet import checked, insert_one
from rialto.match.routes.sheet import ANY, CHEAPEST, FIRST, Sheet, lay, least_detour, place, refresh
from rialto.match.routes.solve import Solved, solve

INF = float("inf")
DATA = Path(os.environ.get("RIALTO_DATA", "../shared/data")) / "pickup_delivery"

TWO = """2 10 1
0 0 0 0 0 100 0 0 0
1 3 0 4 0 50 1 0 2
2 3 4 -4 0 60 1 1 0
3 0 3 8 0 50 1 0 4
4 4 3 -8 0 60 1 3 0
"""


def solved(instance: Instance, rounds: int, seed: int = 0) -> tuple[list[list[int]], Solved]:
    routes = instance.fleet()
    found = solve(instance.stops, instance.terms, routes, effort=Effort.rounds(rounds), seed=seed)
    return [routes.of_row(r) for r in range(len(routes))], found


def plainly_least(instance: Instance, route: list[int], order: int) -> float:
    """What `order` adds to a route at least, by trying every place and judging the whole route by `faults`."""
    p, d = 2 * order, 2 * order + 1
    best = INF
    for i in range(len(route) + 1):
        for j in range(i, len(route) + 1):
            tried = [*route[:i], p, *route[i:j], d, *route[j:]]
            if not [f for f in faults(instance, [tried]) if "wanted" in f and "each once" not in f]:
                best = min(best, distance(instance, [tried]))
    return best - distance(instance, [route])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_place_is_what_trying_every_place_finds(seed: int) -> None:
    made = made_up(seed, orders=7)
    routes = made.fleet()
    solve(made.stops, made.terms, routes, effort=Effort.rounds(50), seed=seed, orders=np.arange(6))
    table, pairs = checked(made.stops, made.terms, routes)
    sheet = lay(made.stops.block, table, routes.stops, routes.whole, routes.real, pairs, least_detour(table))
    for r in range(len(routes)):
        found, i, j = place(sheet, r, 6, seeded(0), CHEAPEST)
        row = routes.of_row(r)
        assert found == pytest.approx(plainly_least(made, row, 6), abs=1e-6)
        drawn, a, b = place(sheet, r, 6, seeded(seed), ANY)
        assert np.isfinite(drawn) == np.isfinite(found) == np.isfinite(place(sheet, r, 6, seeded(0), FIRST)[0])
        if np.isfinite(found):
            for at, to, more in ((i, j, found), (a, b, drawn)):
                tried = [*row[:at], 12, *row[at : to - 1], 13, *row[to - 1 :]]
                assert distance(made, [tried]) - distance(made, [row]) == pytest.approx(more, abs=1e-6)


def sheet_of(made: Instance, rows: list[list[int]]) -> tuple[Sheet, Routes]:
    """A sheet of an instance's fleet with these rows."""
    fleet = made.fleet()
    for r, row in enumerate(rows):
        fleet.stops[r, : len(row)], fleet.whole[r, 0] = row, len(row)
    table, pairs = checked(made.stops, made.terms, fleet)
    return lay(made.stops.block, table, fleet.stops, fleet.whole, fleet.real, pairs, least_detour(table)), fleet


def test_shorter_plan_is_put_together_from_routes_of_two_others() -> None:
    far: list[str] = []
    for k, x in enumerate((10, 12, -10, -12)):
        far += [f"{2 * k + 1} {x} 0 1 0 900 0 0 {2 * k + 2}", f"{2 * k + 2} {x} 5 -1 0 900 0 {2 * k + 1} 0"]
    made = parse_instance("\n".join(["4 10 1", "0 0 0 0 0 900 0 0 0", *far]) + "\n", "made")
    good, bad = [[0, 1, 2, 3], [4, 5, 6, 7]], [[0, 1, 4, 5], [2, 3, 6, 7]]
    sheet, _ = sheet_of(made, good)
    pool = pool_of()
    for r in range(2):
        note(pool, sheet, r)
    now, _ = sheet_of(made, bad)
    found = choose(pool, now, np.array([0, 1]), seconds=None)
    assert sorted(row.tolist() for row in found) == good
    assert choose(pool, sheet, np.array([0, 1]), seconds=None) == []
    now.whole[0, 1] = 1
    assert choose(pool, now, np.array([0, 1]), seconds=None) == []


def test_pool_forgets_the_oldest_routes_and_never_mixes_them_up() -> None:
    made = made_up(3, orders=5)
    sheet, _ = sheet_of(made, [])
    pool = pool_of()._replace(stops=np.zeros(7, dtype=np.int32))
    for order in (0, 1, 2, 3):
        sheet.stops[0, :2], sheet.whole[0, 0] = [2 * order, 2 * order + 1], 2
        refresh(sheet, 0)
        note(pool, sheet, 0)
    assert pool.noted.tolist() == [4, 7 + 2] and pool.stops[:2].tolist() == [6, 7]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 14), st.integers(0, 400))
def test_every_plan_is_allowed_and_never_worse_than_inserting_one_by_one(seed: int, orders: int, rounds: int) -> None:
    made = made_up(seed, orders=orders)
    plan, found = solved(made, rounds, seed)
    assert faults(made, plan) == [] and len(found.left_out) == 0
    assert found.vehicles == sum(1 for route in plan if route)
    assert found.travel_s == pytest.approx(distance(made, plan))
    first = (found.first_left_out, found.first_vehicles, found.first_travel_s)
    assert (0, found.vehicles, found.travel_s) <= (first[0], first[1], first[2] + 1e-9)


def test_same_seed_and_rounds_give_the_same_plan() -> None:
    made = made_up(5, orders=20)
    assert solved(made, 500, 3)[0] == solved(made, 500, 3)[0]
    assert len({str(solved(made, 60, seed)[0]) for seed in range(4)}) > 1


def test_search_uses_fewer_vehicles_than_inserting_does() -> None:
    found = [solved(made_up(seed, orders=25), 1_500)[1] for seed in range(4)]
    assert sum(f.vehicles for f in found) < sum(f.first_vehicles for f in found)


def test_two_orders_are_driven_by_one_vehicle_in_the_shortest_way() -> None:
    two = parse_instance(TWO, "two")
    plan, found = solved(two, 50)
    allowed = [list(tried) for tried in permutations(range(4)) if not faults(two, [tried])]
    assert found.vehicles == 1 and faults(two, plan) == []
    assert distance(two, plan) == pytest.approx(min(distance(two, [tried]) for tried in allowed))


def test_order_that_no_vehicle_can_take_is_left_out_and_told() -> None:
    stops = Stops.of(
        orders=2, x=np.array([1.0, 2.0, 90.0, 91.0, 0.0]), y=np.zeros(5), latest_s=np.array([50.0, 50, 20, 200, 500])
    )
    routes = Routes.of(np.array([4]), np.zeros(1), home=np.array([4]))
    assert solve(stops, Terms.of(), routes, effort=Effort.rounds(50)).left_out.tolist() == [1]
    assert routes.of_row(0) == [0, 1]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_frozen_stops_and_their_orders_stay(seed: int, frozen: int) -> None:
    made = made_up(seed, orders=12)
    routes = made.fleet()
    solve(made.stops, made.terms, routes, effort=Effort.rounds(50), seed=seed)
    routes.whole[:, 1] = np.minimum(frozen, routes.length)
    before = [routes.of_row(r) for r in range(len(routes))]
    solve(made.stops, made.terms, routes, effort=Effort.rounds(300), seed=seed + 1)
    for r, row in enumerate(before):
        assert routes.of_row(r)[: min(frozen, len(row))] == row[:frozen]
        assert {s // 2 for s in row[:frozen]} <= {s // 2 for s in routes.of_row(r)}
    assert faults(made, [routes.of_row(r) for r in range(len(routes))]) == []


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40))
def test_live_insertion_gives_an_allowed_plan(seed: int, rounds: int) -> None:
    made = made_up(seed, orders=12)
    plan = one_by_one(made, rounds=rounds, seed=seed)
    assert faults(made, plan) == []


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_what_is_begun_while_orders_come_is_never_changed(seed: int) -> None:
    made = made_up(seed, orders=14)
    live = Live(made.stops, made.terms, made.fleet(), seed=seed)
    opens, closes = made.stops.column("earliest_s"), made.stops.column("latest_s")
    table, _ = checked(made.stops, made.terms, made.fleet())
    # known when a vehicle that leaves the depot then is still in time at both stops
    told = [
        float(
            min(
                opens[2 * o],
                closes[2 * o] - table[-1, 2 * o],
                closes[2 * o + 1] - table[-1, 2 * o] - 10 - table[2 * o, 2 * o + 1],
            )
        )
        for o in range(14)
    ]
    begun: list[list[int]] = [[] for _ in range(made.vehicles)]
    for order in sorted(range(14), key=told.__getitem__):
        live.advance(max(0.0, told[order]))
        assert all(now[: len(was)] == was for was, now in zip(begun, live.done, strict=True))
        begun = live.done
        assert live.add(order, Effort.rounds(30))
        assert all(now[: len(was)] == was for was, now in zip(begun, live.plan, strict=True))
    assert faults(made, live.plan) == []
    assert live.travel_s == pytest.approx(distance(made, live.plan))
    assert live.vehicles == sum(1 for route in live.plan if route)
    live.advance(1e9)
    assert sum(len(done) for done in live.done) == 28 and live.travel_s == pytest.approx(distance(made, live.plan))


def test_an_order_is_added_once() -> None:
    made = made_up(1)
    live = Live(made.stops, made.terms, made.fleet())
    live.add(0, Effort.rounds(0))
    for order in (0, -1, 8):
        with pytest.raises(BadInput, match="wanted"):
            live.add(order, Effort.rounds(0))


def test_insertion_takes_the_first_of_equal_rows() -> None:
    made = parse_instance(TWO, "two")
    table, pairs = checked(made.stops, made.terms, made.fleet())
    fleet = made.fleet()
    sheet = lay(made.stops.block, table, fleet.stops, fleet.whole, fleet.real, pairs, least_detour(table))
    assert insert_one(sheet, np.array([0, 1]), 0, seeded(0)) and sheet.route_of.tolist() == [0, -1]


def test_check_names_each_fault() -> None:
    two = parse_instance(TWO, "two")
    for plan, fault in (
        ([[0, 1]], "each once"), ([[1, 0, 2, 3]], "dropped before"), ([[0, 2, 1, 3]], "aboard"), ([[0, 1], [2], [3]], "at most"),
        ([[0, 3, 2, 1]], "not dropped"),
    ):  # fmt: skip
        assert any(fault in f for f in faults(two, plan)), fault
    late = parse_instance(TWO.replace("0 0 0 0 0 100", "0 0 0 0 0 13"), "late")
    assert any("is back at" in f for f in faults(late, [[0, 1, 2, 3]]))


def test_instance_is_read_as_it_stands() -> None:
    two = parse_instance(TWO, "two")
    assert (two.vehicles, two.capacity, two.orders, two.end_s, two.task.tolist()) == (2, 10.0, 2, 100.0, [1, 2, 3, 4, 0])
    assert two.stops.column("load").tolist() == [4.0, -4.0, 8.0, -8.0, 0.0]
    assert made_up_text(3).count("\n") == 1 + 1 + 16


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("1 3 0 4 0 50 1 0 2", "1 3 0 x 0 50 1 0 2", "demand"), ("1 3 0 4 0 50 1 0 2", "1 3 0 4 0 50", "service"),
        ("1 3 0 4 0 50 1 0 2", "1 3 0 4 0 50 1 0 9", "delivery"), ("1 3 0 4 0 50 1 0 2", "1 3 0 4 0 50 1 0 4", "delivery"),
        ("1 3 0 4 0 50 1 0 2", "1 3 0 5 0 50 1 0 2", "demand"), ("1 3 0 4 0 50 1 0 2", "1 3 0 4 60 50 1 0 2", "latest"),
        ("1 3 0 4 0 50 1 0 2", "1 3 inf 4 0 50 1 0 2", "y"), ("2 10 1", "0 10 1", "vehicles"), ("2 10 1", "2", "capacity"),
    ],
)  # fmt: skip
def test_wrong_line_is_named(old: str, new: str, field: str) -> None:
    with pytest.raises(BadRow) as told:
        parse_instance(TWO.replace(old, new), "two")
    assert told.value.field == field


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "known.json").write_text('{"a": {"best_known_cost": 1}}')
    for read, name in ((read_instance, "none.txt"), (read_instance, "empty.txt"), (read_known, "known.json"), (read_known, "x")):
        with pytest.raises(BadInput, match="wanted"):
            read(tmp_path / name)


def test_costs_other_than_travel_are_refused() -> None:
    made = made_up(1)
    with pytest.raises(BadInput, match="other than travel"):
        solve(made.stops, Terms.of(busy_rate=1.0), made.fleet(), effort=Effort.rounds(1))
    with pytest.raises(BadInput, match="belong together"):
        solve(made.stops, Terms.of(seconds=np.zeros((3, 3))), made.fleet(), effort=Effort.rounds(1))
    with pytest.raises(BadInput, match="wanted 0 to 7"):
        solve(made.stops, made.terms, made.fleet(), effort=Effort.rounds(1), orders=np.array([8]))
    with pytest.raises(BadInput, match="0 or more"):
        Effort.rounds(-1)


@pytest.mark.skipif(
    not DATA.is_dir(), reason="Li and Lim's instances are not here; set RIALTO_DATA to the folder that holds pickup_delivery."
)
@pytest.mark.parametrize("name", ["lc101", "lr101", "lrc201"])
def test_real_instances_are_within_two_percent_of_the_best_known(name: str) -> None:
    real, known = read_instance(DATA / "li_lim_100" / f"{name}.txt"), read_known(DATA / "best_known.json")[name]
    plan, found = solved(real, 6_000)
    assert faults(real, plan) == []
    assert found.vehicles <= known.vehicles and found.travel_s <= 1.02 * known.distance
