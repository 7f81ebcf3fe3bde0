"""A switchback's interval holds as often as it says, whatever resembles what; its log tells what became of orders; the gate takes no maybe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.events import LocalEvents
from rialto.match.decide import greedy
from rialto.match.offers import Message, Offers
from rialto.match.records import Orders
from rialto.match.simulate import Policy
from rialto.match.switchback import Plan, asked_logged, judge, trial
from rialto.spine.experiment import difference, switchback, switchback_effect

CHAMPION, CHALLENGER = Policy("champion"), Policy("challenger", greedy)
BLOCK_S = 1800.0


def market(
    seed: int, *, effect: float = 0.0, carried_s: float = 0.0, regions: int = 3, blocks: int = 48
) -> tuple[NDArray[np.float64], ...]:
    """Response, time, region and arm of orders in regions whose level wanders from minute to minute; an effect reaches into the next block."""
    chance = np.random.default_rng(seed)
    minutes = int(blocks * BLOCK_S / 60.0)
    rows: list[NDArray[np.float64]] = []
    for region in range(regions):
        level = np.zeros(minutes)
        for m in range(1, minutes):
            level[m] = 0.98 * level[m - 1] + chance.normal(
                0.0, 6.0
            )  # remembers most of an hour: blocks resemble their neighbours
        level += 40.0 * np.sin(np.arange(minutes) * 2.0 * np.pi / 1440.0)
        placed = np.sort(chance.uniform(0.0, blocks * BLOCK_S, blocks * 30))
        where = np.full(len(placed), region)
        arm = switchback(placed, where, block_s=BLOCK_S, salt=f"s{seed}")
        before = switchback(np.maximum(placed - BLOCK_S, 0.0), where, block_s=BLOCK_S, salt=f"s{seed}")
        felt = np.where(placed % BLOCK_S < carried_s, before, arm)
        response = 200.0 + level[(placed // 60.0).astype(int)] + effect * felt + chance.normal(0.0, 60.0, len(placed))
        rows.append(np.stack([response, placed, where, arm]))
    return tuple(np.concatenate(rows, axis=1))


def covered(truth: float, *, washout_s: float, carried_s: float, runs: int = 300) -> tuple[float, float, float]:
    """How often the switchback's interval holds the truth, how often one over orders would, and the mean error."""
    hits = naive = error = 0.0
    for seed in range(runs):
        y, t, r, arm = market(seed, effect=truth, carried_s=carried_s)
        arm = arm.astype(np.int64)
        found = switchback_effect(y, t, r, arm, block_s=BLOCK_S, washout_s=washout_s)
        over_orders = difference(y, arm)
        hits += found.low <= truth <= found.high
        naive += over_orders.low <= truth <= over_orders.high
        error += found.value - truth
    return hits / runs, naive / runs, error / runs


def test_the_interval_over_blocks_holds_as_often_as_it_says_and_one_over_orders_does_not() -> None:
    blocks, orders, error = covered(0.0, washout_s=0.0, carried_s=0.0)
    assert 0.92 <= blocks <= 0.98
    assert orders < 0.75
    assert abs(error) < 2.0


def test_what_is_carried_over_draws_the_effect_to_nothing_unless_it_is_washed_out() -> None:
    whole, _, shrunk = covered(-20.0, washout_s=0.0, carried_s=600.0, runs=150)
    washed, _, error = covered(-20.0, washout_s=600.0, carried_s=600.0, runs=150)
    assert shrunk > 4.0 and abs(error) < 2.0
    assert 0.91 <= washed <= 0.99 and washed > whole


@pytest.fixture
def log(tmp_path: Path) -> LocalEvents:
    return LocalEvents(tmp_path / "offers", sync=False)


def placed(ids: list[int], at_s: list[float]) -> Orders:
    return Orders.of(np.array(ids), lat=np.full(len(ids), 52.0), lon=np.full(len(ids), 13.0), placed_s=np.array(at_s))


def serve(offers: Offers, order: int, at_s: float, *, until: str = "accepted") -> None:
    offers.offer(np.array([order]), np.array([order]), key=f"o{order}", at_s=at_s, until_s=at_s + 30.0)
    kinds = ("accepted", "picked_up", "delivered")
    for n, kind in enumerate(kinds[: kinds.index(until) + 1]):
        offers.tell([Message(f"{kind}{order}", kind, order, order)], at_s=at_s + 100.0 * n)


def test_the_log_tells_what_became_of_every_order_that_came_to_an_end(log: LocalEvents) -> None:
    offers = Offers(log)
    offers.place(placed([1, 2, 3, 4], [0.0, 5.0, 10.0, 15.0]), at_s=15.0)
    serve(offers, 1, 40.0, until="delivered")
    serve(offers, 2, 50.0)
    offers.tell([Message("c3", "cancelled", 3)], at_s=90.0)
    found = asked_logged(log)
    assert found.placed_s.tolist() == [0.0, 10.0, 5.0], "delivered, given up, under way; the fourth still waits"
    assert found.response_s.tolist() == [40.0, 80.0, 45.0]
    assert found.matched.tolist() == [True, False, True]
    assert found.door_s[0] == 240.0 and np.isnan(found.door_s[1:]).all()


def test_a_challenger_that_serves_sooner_in_every_block_passes_and_its_twin_does_not(tmp_path: Path) -> None:
    plan = Plan("sooner", CHAMPION, CHALLENGER, block_s=1000.0, washout_s=200.0, tail_s=100.0)
    logs: dict[int, LocalEvents] = {}
    twins: dict[int, LocalEvents] = {}
    for region in range(2):
        for held, gain_s, name in ((logs, 60.0, "one"), (twins, 0.0, "twin")):
            held[region] = LocalEvents(tmp_path / f"{name}{region}", sync=False)
            offers = Offers(held[region])
            chance = np.random.default_rng(region + 10)
            times = np.sort(chance.uniform(0.0, 20_000.0, 200))
            offers.place(placed(list(range(200)), times.tolist()), at_s=0.0)
            arm = plan.arms(times, np.full(200, region))
            waits = chance.uniform(80.0, 120.0, 200) - gain_s * arm
            for i in np.argsort(times + waits).tolist():
                serve(offers, i, float(times[i] + waits[i]), until="delivered")
    found = trial(plan, logs)
    assert found.verdict.passed and -65.0 < found.effects["response_s"].value < -55.0
    assert found.orders + found.left_out == 400 and 80 < found.left_out < 160
    assert found.effects["matched"].value == 0.0
    assert sum(found.effects["response_s"].units) == 40 == sum(found.blocks.counts)
    same = trial(plan, twins)
    assert not same.verdict.passed and "not surely less" in same.verdict.reason


def test_a_policy_is_drawn_by_block_as_the_analysis_draws_it() -> None:
    plan = Plan("x", CHAMPION, CHALLENGER)
    times = np.arange(0.0, 80_000.0, 700.0)
    decides = plan.policy(3)
    arms = plan.arms(times, np.full(len(times), 3))
    assert [decides(float(t)).name for t in times] == [("champion", "challenger")[a] for a in arms]
    assert 0 < arms.mean() < 1


def test_fewer_matched_orders_stop_a_challenger_that_is_sooner() -> None:
    arm, calm = np.repeat([0, 1], 20), np.tile([90.0, 110.0], 20)
    effects = {"response_s": difference(calm - 50.0 * arm, arm), "matched": difference(np.tile([0.8, 0.9], 20) - 0.3 * arm, arm)}
    assert "surely fewer are matched" in judge(effects).reason


@pytest.mark.parametrize("bad", [{"washout_s": 3600.0}, {"block_s": 0.0}, {"tail_s": -1.0}, {"block_s": float("nan")}])
def test_a_plan_that_leaves_nothing_of_a_block_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="to leave some of a block"):
        Plan("x", CHAMPION, CHALLENGER, **bad)
    with pytest.raises(BadInput, match="wanted two names"):
        Plan("x", CHAMPION, CHAMPION)
