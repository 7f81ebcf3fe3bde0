"""Courier days under each policy: small ones as a person reckons them, random ones held against the independent check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, BadSettings
from rialto.match.bundles import bundle_size, bundles
from rialto.match.courier_check import broken_rules, check_couriers
from rialto.match.courier_policy import POLICIES
from rialto.match.courier_rows import OrderRows, order_rows, report_couriers, write_rejects, write_rows
from rialto.match.courier_sim import Rules, run_couriers
from rialto.match.days import CourierDay, day_of
from rialto.match.routes import Plan, Routes, Stops, Terms
from rialto.worlds.courier_day import make_courier_day

RULES = Rules(speed_mps=5.0, pickup_s=60.0, dropoff_s=30.0)


def small(orders: list[tuple[float, float, float, float]], couriers: list[tuple[float, float, float]]) -> CourierDay:
    """A day on a line: orders (placed, ready, pickup x, drop x), couriers (on, off, x)."""
    o, c = np.array(orders, dtype=float).reshape(-1, 4), np.array(couriers, dtype=float).reshape(-1, 3)
    nought = np.zeros(len(o))
    columns = {
        "order_id": np.array([f"o{k}" for k in range(len(o))]),
        "placed_s": o[:, 0],
        "ready_s": o[:, 1],
        "pickup_x_m": o[:, 2],
        "pickup_y_m": nought,
        "dropoff_x_m": o[:, 3],
        "dropoff_y_m": nought,
    }
    crew = {
        "courier_id": np.array([f"c{k}" for k in range(len(c))]),
        "on_s": c[:, 0],
        "off_s": c[:, 1],
        "x_m": c[:, 2],
        "y_m": np.zeros(len(c)),
    }
    return day_of(columns, crew)


def rows_of(day: CourierDay, *, policy: str = "rolling", rules: Rules = RULES, **overrides: float) -> OrderRows:
    run = run_couriers(day, rules, policy=policy, overrides={f"match.courier.{k}": v for k, v in overrides.items()})
    rows = order_rows(day, run)
    check_couriers(day, rules, rows)
    return rows


@pytest.mark.parametrize("policy", POLICIES)
def test_one_order_is_there_when_it_can_be(policy: str) -> None:
    rows = rows_of(small([(0, 600, 1000, 2000)], [(0, 9999, 0)]), policy=policy)
    assert (rows.left_s[0], rows.arrived_s[0], rows.picked_s[0], rows.delivered_s[0]) == (400.0, 600.0, 660.0, 660 + 200 + 30)


def test_nobody_leaves_for_an_order_before_it_is_known() -> None:
    rows = rows_of(small([(100, 100, 1000, 2000)], [(0, 9999, 0)]))
    assert rows.assigned_s[0] == rows.left_s[0] == 120.0  # the first window at or after 100 s
    assert rows.picked_s[0] == 120 + 200 + 60


def test_orders_of_one_house_ride_together_when_couriers_lack() -> None:
    rows = rows_of(small([(0, 300, 1000, 2000), (0, 300, 1000, 2050)], [(0, 9999, 0)]))
    assert rows.bundle.tolist() == [0, 0] and rows.bundle_size.tolist() == [2, 2]
    assert rows.picked_s.tolist() == [360.0, 360.0]  # one service for both
    assert sorted(rows.delivered_s.tolist()) == [590.0, 630.0]


def test_one_courier_each_where_there_are_enough() -> None:
    rows = rows_of(small([(0, 300, 1000, 2000), (0, 300, 1000, 0)], [(0, 9999, 0), (0, 9999, 900)]))
    assert sorted(rows.courier.tolist()) == [0, 1]


@pytest.mark.parametrize("policy", POLICIES)
def test_order_that_no_shift_can_pick_up_stays_and_is_told(policy: str) -> None:
    day = small([(0, 300, 1000, 2000), (5000, 5300, 0, 100)], [(0, 1000, 0)])
    rows = rows_of(day, policy=policy)
    assert rows.courier.tolist() == [0, -1] and np.isnan(rows.delivered_s[1])
    report = report_couriers(day, RULES, run_couriers(day, RULES, policy=policy), rows)
    assert (report.undelivered, report.click_to_door.mean.value) == (1, rows.delivered_s[0])


def test_courier_finishes_after_his_shift_unless_shifts_are_strict() -> None:
    day = small([(0, 300, 0, 5000)], [(0, 400, 0)])
    assert rows_of(day).delivered_s[0] == 360 + 1000 + 30
    assert rows_of(day, rules=replace(RULES, strict_shifts=True)).courier[0] == -1


def test_courier_whose_shift_is_yet_to_begin_is_planned_with_but_stays_at_home() -> None:
    rows = rows_of(small([(0, 300, 0, 500)], [(1000, 5000, 0)]))
    assert rows.left_s[0] == 1000.0 and rows.assigned_s[0] == 1000.0


def test_equal_runs_are_equal_and_other_seeds_may_differ() -> None:
    day = day_of(*make_courier_day(seed=4, orders=60, restaurants=8))
    one, two = (order_rows(day, run_couriers(day, RULES, seed=3)) for _ in range(2))
    assert all(np.array_equal(getattr(one, n), getattr(two, n), equal_nan=True) for n in ("courier", "picked_s", "delivered_s"))


def test_what_is_placed_later_changes_nothing_before() -> None:
    day = day_of(*make_courier_day(seed=4, orders=80, restaurants=8))
    half = float(np.median(day.placed_s))
    early = day.placed_s <= half
    cut = replace(
        day,
        order_ids=day.order_ids[early],
        placed_s=day.placed_s[early],
        ready_s=day.ready_s[early],
        pickup_m=day.pickup_m[early],
        dropoff_m=day.dropoff_m[early],
    )
    whole, part = order_rows(day, run_couriers(day, RULES)), order_rows(cut, run_couriers(cut, RULES))
    sure = part.picked_s < half
    assert sure.sum() > 10 and np.array_equal(whole.picked_s[early][sure], part.picked_s[sure])


times, where = st.integers(0, 3000), st.integers(0, 3000)
order = st.tuples(times, st.integers(0, 1200), st.sampled_from([0, 0, 700, 2000]), where)
courier = st.tuples(times, st.integers(60, 4000), where)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(order, min_size=1, max_size=12),
    st.lists(courier, min_size=1, max_size=4),
    st.sampled_from(sorted(POLICIES)),
    st.booleans(),
    st.sampled_from([0.0, 60.0]),
)
def test_every_run_keeps_the_rules(
    orders: list[tuple[int, int, int, int]], couriers: list[tuple[int, int, int]], policy: str, strict: bool, service_s: float
) -> None:
    day = small([(p, p + w, a, b) for p, w, a, b in orders], [(on, on + length, x) for on, length, x in couriers])
    rules = Rules(5.0, service_s, service_s, strict_shifts=strict)
    rows_of(day, policy=policy, rules=rules, capacity=2)
    if policy == "rolling":
        rows_of(day, rules=rules, divert=True)


def test_courier_under_way_is_sent_elsewhere_only_where_the_setting_allows_it() -> None:
    day = small([(0, 0, 10_000, 10_100), (300, 300, 1600, 1500)], [(0, 99_999, 0)])
    assert rows_of(day).picked_s.tolist() == [2060.0, pytest.approx(2060 + 20 + 30 + 1700 + 60)]
    assert rows_of(day, divert=True).picked_s[1] == 300 + 20 + 60


def test_ours_is_sooner_than_both_peers_and_loses_no_order() -> None:
    day = day_of(*make_courier_day(seed=8, orders=120, restaurants=25, orders_a_courier_hour=2.5))
    rules = Rules()
    found = {}
    for policy in POLICIES:
        run = run_couriers(day, rules, policy=policy)
        found[policy] = report_couriers(day, rules, run, order_rows(day, run))
    mean = {name: r.click_to_door.mean.value for name, r in found.items()}
    assert mean["rolling"] < 0.8 * min(mean["matched"], mean["nearest"]) and found["rolling"].undelivered == 0
    assert found["rolling"].ready_to_door.mean.value >= found["rolling"].least_ready_to_door_s


@pytest.mark.parametrize(
    ("column", "order", "value", "says"),
    [
        ("picked_s", 0, 100.0, "ready at"),
        ("delivered_s", 0, 700.0, "he can by"),
        ("assigned_s", 0, -5.0, "assigned at"),
        ("delivered_s", 0, 10.0, "before it is picked up"),
        ("courier", 0, 1, "he can by"),
        ("courier", 0, 7, "no such courier"),
        ("courier", 0, -1, "no courier, but times"),
        ("delivered_s", 0, np.nan, "lacks a time"),
        ("picked_s", 1, 99_000.0, "his shift ends"),
    ],
)
def test_check_finds_what_breaks_a_rule(column: str, order: int, value: float, says: str) -> None:
    day = small([(0, 600, 1000, 2000), (0, 5000, 1000, 5000)], [(0, 9999, 0), (0, 9999, 90_000)])
    rows = rows_of(day)
    changed = getattr(rows, column).copy()
    changed[order] = value
    broken = broken_rules(day, RULES, replace(rows, **{column: changed}))
    assert any(says in sentence for sentence in broken)
    with pytest.raises(BadInput, match="breaks the rules"):
        check_couriers(day, RULES, replace(rows, **{column: changed}))


def test_check_finds_too_many_on_board() -> None:
    rows = rows_of(small([(0, 300, 1000, 2000), (0, 300, 1000, 2050)], [(0, 9999, 0)]))
    assert (
        "carries 2"
        in broken_rules(small([(0, 300, 1000, 2000), (0, 300, 1000, 2050)], [(0, 9999, 0)]), RULES, replace(rows, capacity=1))[0]
    )


def test_bundles_hold_what_is_near_in_place_and_time() -> None:
    x = np.array([0.0, 100, 0, 120, 900, 100, 0, 5000, 0.0])
    ready = np.repeat([0.0, 60.0, 0.0, 30.0], 2)
    stops = Stops.of(orders=4, x=x, y=np.zeros(9), earliest_s=np.append(ready, 0.0))
    plan = Plan.of(stops, Terms.of(), Routes.of(np.array([8]), np.zeros(1)))
    assert bundles(plan, np.arange(4), 3, 60.0, 300.0).tolist() == [0, 0, 1, 2]
    assert bundles(plan, np.arange(4), 1, 60.0, 300.0).tolist() == [0, 3, 1, 2]
    assert [bundle_size(n, 4, most=3) for n in (0, 4, 5, 99)] == [1, 1, 2, 3]


@pytest.mark.parametrize(
    "rules", [{"speed_mps": 0.0}, {"speed_mps": float("nan")}, {"pickup_s": -1.0}, {"dropoff_s": float("inf")}]
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(rules))):
        Rules(**rules)  # type: ignore[arg-type]


def test_unknown_policy_and_param_are_refused() -> None:
    day = small([(0, 1, 0, 1)], [(0, 9, 0)])
    with pytest.raises(BadInput, match="no policy 'best'"):
        run_couriers(day, RULES, policy="best")
    with pytest.raises(BadSettings, match=r"match\.courier\.window_s"):
        run_couriers(day, RULES, overrides={"match.courier.window": 3.0})


def test_rows_are_written_one_an_order(tmp_path: Path) -> None:
    day = small([(0, 600, 1000, 2000), (9990, 9995, 0, 1)], [(0, 9000, 0)])
    write_rows(tmp_path / "rows.csv", day, rows_of(day))
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert lines[0].startswith("order_id,courier_id,placed_s,ready_s,assigned_s")
    assert (
        lines[1] == "o0,c0,0.000,600.000,0.000,400.000,600.000,660.000,890.000,0,1" and lines[2] == "o1,,9990.000,9995.000,,,,,,,"
    )
    write_rejects(tmp_path / "rejects.csv", ())
    assert (tmp_path / "rejects.csv").read_text() == "file,line,field,value,wanted\n"
