"""A made-up city under the policy: everything adds up, luck is common, and learned acceptance helps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.local.events import LocalEvents
from rialto.local.geo import GridGeo
from rialto.local.models import LocalModels
from rialto.local.travel import GreatCircle
from rialto.local.trees import Trees, fit
from rialto.match import decide
from rialto.match.features import NAMES
from rialto.match.pipeline import Dispatch, build
from rialto.match.records import Plane
from rialto.match.simulate import Policy, compare, simulate
from rialto.match.track import Track
from rialto.match.train import examples_of, train
from rialto.match.travel import Travel
from rialto.spine.learn import Examples
from rialto.spine.log import DecisionLog
from rialto.worlds.city import City, make_city
from rialto.worlds.city_sim import CitySim

NOON_S = 12 * 3600.0


@pytest.fixture(scope="module")
def city() -> City:
    return make_city(seed=3, drivers=150)


@pytest.fixture
def dispatch(city: City, tmp_path: Path) -> Callable[[], Dispatch]:
    """Fresh systems that share their models and decision log, and nothing else."""
    made: list[int] = []

    def make() -> Dispatch:
        made.append(1)
        geo = GridGeo()
        return build(
            geo=geo,
            travel=Travel(GreatCircle(speed_mps=6.0, factor=1.35)),
            models=LocalModels(tmp_path / "models"),
            track=Track(geo, Plane(*city.centre)),
            offers=LocalEvents(tmp_path / f"offers{len(made)}", sync=False),
            decisions=LocalEvents(tmp_path / f"decisions{len(made)}", sync=False),
        )

    return make


def running(city: City, *, hours: float = 0.5, window_s: float = 20.0, day: int = 0) -> Callable[[int], CitySim]:
    start_s = day * 86_400.0 + NOON_S
    return lambda seed: CitySim(city, start_s=start_s, end_s=start_s + 3600.0 * hours, seed=seed, window_s=window_s)


def test_run_agrees_with_the_citys_own_books(city: City, dispatch: Callable[[], Dispatch]) -> None:
    sim, system = running(city)(1), dispatch()
    told: list[float] = []
    report = simulate(sim, system, progress=lambda seconds, accepted: told.append(seconds))
    truth = sim.report()
    assert (report.offers, report.orders) == (truth.offers, truth.arrived - truth.waiting)
    assert round(report.accepted.value * report.offers) == truth.accepted
    assert round(report.matched.value * report.orders) == truth.accepted == len(sim.trips()["order"])
    assert report.fallbacks == {} and set(report.pings) == {"taken"}
    states = [h.state for h in system.offers.states().values()]
    assert states.count("offered") == 0
    assert states.count("delivered") == int((sim.trips()["delivered_s"] <= sim.time_s - 20.0).sum())
    assert report.blocks[:, 0].sum() == report.orders and report.blocks[:, 3].sum() == report.offers
    assert told == sorted(told) and len(told) == 30


def test_same_seed_gives_the_same_run(city: City, dispatch: Callable[[], Dispatch]) -> None:
    one, other = (simulate(running(city, hours=0.2)(4), dispatch()) for _ in range(2))
    assert np.array_equal(one.blocks, other.blocks)


def test_city_that_is_over_is_refused(city: City, dispatch: Callable[[], Dispatch]) -> None:
    sim = running(city, hours=0.01)(1)
    while not sim.done:
        sim.step(order=np.zeros(0, dtype=np.int64), driver=np.zeros(0, dtype=np.int64))
    with pytest.raises(BadInput, match="over already"):
        simulate(sim, dispatch())


def test_city_without_orders_is_reported_without_figures(dispatch: Callable[[], Dispatch]) -> None:
    empty = make_city(seed=1, drivers=5, orders_per_hour=0.0)
    report = simulate(running(empty, hours=0.02)(1), dispatch())
    assert (report.orders, report.offers) == (0, 0) and np.isnan(report.matched.value)
    with pytest.raises(BadInput, match="seconds is 0"):
        simulate(running(empty)(1), dispatch(), seconds=0.0)


def test_comparing_one_policy_is_refused(city: City, dispatch: Callable[[], Dispatch]) -> None:
    with pytest.raises(BadInput, match="two or more"):
        compare(running(city), dispatch, [Policy("a"), Policy("a")], seeds=[1])


def fitted(examples: Examples, seed: int) -> bytes:
    return fit(examples.features, examples.label, loss="Logloss", trees=40, depth=4, seed=seed, names=NAMES).to_bytes()


def test_learned_acceptance_is_promoted_and_raises_the_accepted_share_without_losing_orders(
    city: City, dispatch: Callable[[], Dispatch], tmp_path: Path
) -> None:
    teacher = dispatch()
    simulate(running(city, hours=4.0, window_s=30.0)(9), teacher, policy=Policy("none", version=""))
    models = LocalModels(tmp_path / "models")
    decisions = DecisionLog(LocalEvents(tmp_path / "decisions1"))

    def score(model: bytes | str, rows: np.ndarray) -> np.ndarray:
        return Trees.from_bytes(model).score(rows) if isinstance(model, bytes) else models.score(model, rows)

    trained = train(decisions, teacher.offers.answered(), models, fit=fitted, score=score)
    assert trained.joined.outcomes == trained.joined.joined == len(teacher.offers.answered())
    assert trained.report.verdict.passed and trained.report.verdict.low > 0.0

    policies = [Policy("greedy", decide.greedy, version=""), Policy("learned")]
    found = compare(running(city, hours=1.5, window_s=30.0, day=1), dispatch, policies, seeds=[1, 2])
    gain = {measure: by_policy["learned"] for measure, by_policy in found.differences.items()}
    assert 0.0 < gain["accepted"].value < 0.2
    assert gain["response_s"].low < 0.0
    assert gain["matched"].value > -0.03


def test_offers_that_were_never_made_are_no_examples(city: City, dispatch: Callable[[], Dispatch], tmp_path: Path) -> None:
    system = dispatch()
    simulate(running(city, hours=0.3)(2), system)
    answered = system.offers.answered()
    examples, report = examples_of(DecisionLog(LocalEvents(tmp_path / "decisions1")), answered[: len(answered) // 2])
    assert len(examples) == len(answered) // 2 < report.rows


def test_two_orders_a_driver_serve_more_of_a_crowded_city_and_take_longer_to_the_door(
    dispatch: Callable[[], Dispatch],
) -> None:
    crowded = make_city(seed=2, drivers=60, orders_per_hour=65.0)
    found = {}
    for most in (1, 2):
        start_s = NOON_S
        sim = CitySim(crowded, start_s=start_s, end_s=start_s + 5400.0, seed=5, window_s=20.0, most=most)
        system = dispatch()
        simulate(sim, system, policy=Policy(f"{most}", version="", overrides={"match.stack.most": float(most)}))
        drivers, counts = np.unique(system.offers.holding()[0], return_counts=True)
        assert counts.max() == most and len(drivers)
        found[most] = sim.report()
    assert found[2].accepted > found[1].accepted
    assert found[2].delivery_s_mean > found[1].delivery_s_mean


def test_a_policy_that_broadcasts_is_refused_as_the_city_answers_one_driver_an_order(
    city: City, dispatch: Callable[[], Dispatch]
) -> None:
    with pytest.raises(BadInput, match="leave it at 0"):
        simulate(running(city)(1), dispatch(), policy=Policy("wide", overrides={"match.offers.broadcast": 2.0}))
