"""Drives and preparation are learned on any engine, are right on average, and their intervals hold on what was held out."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.app.learning import fitter, scorer
from rialto.errors import BadInput, BadRow
from rialto.local.models import LocalModels
from rialto.local.travel import GreatCircle
from rialto.match import eta, prep
from rialto.match.durations import Band, live, parts
from rialto.match.eta import Corrected, Trips, corrected
from rialto.match.prep import Kitchen, Usual, live_prep, under_way
from rialto.testing.travel import TravelTimesExam
from rialto.worlds import city_truth
from rialto.worlds.city import make_city

DAY_S = 86_400.0
ENGINE = GreatCircle(speed_mps=8.0, factor=1.3)


@cache
def orders(seed: int = 3, days: int = 2) -> dict[str, np.ndarray]:
    return dict(make_city(seed=3, drivers=300).orders(seed * 7 * DAY_S, (seed * 7 + days) * DAY_S))


@cache
def trips(seed: int = 3) -> Trips:
    """What drives from pickup to drop took in the made-up city, each by a vehicle of its own."""
    city, found = make_city(seed=3, drivers=300), orders(seed)
    ends = [np.stack((found[f"{w}_lat"], found[f"{w}_lon"]), axis=1) for w in ("pickup", "dropoff")]
    metres = [found[f"{w}_{axis}_m"] for w in ("pickup", "dropoff") for axis in ("x", "y")]
    vehicle = city.drivers["vehicle"][found["id"] % 300]
    expected = city.travel_seconds(*metres, at_s=found["time_s"], vehicle=vehicle)
    took = expected * city_truth.drive_noise(city.data, 1, found["id"], "test")
    moved = (ends[0] != ends[1]).any(axis=1)
    return Trips(ends[0][moved], ends[1][moved], found["time_s"][moved], took[moved])


def kitchen(found: dict[str, np.ndarray]) -> Kitchen:
    busy = under_way(found["merchant"], found["time_s"])
    return Kitchen(found["merchant"], found["time_s"], found["basket_cents"].astype(float), found["volume_l"], busy)


@cache
def taught() -> tuple[LocalModels, eta.Learned, prep.Learned]:
    """Both models, learned from two days."""
    models = LocalModels(None)
    tools = {"fit": fitter("RMSE", trees=120, depth=6), "score": scorer(models)}
    drives = eta.train(trips(), ENGINE, models, **tools)
    week = orders(2, 7)
    return models, drives, prep.train(kitchen(week), week["prep_s"], models, **tools)


class TestCorrected(TravelTimesExam):
    def open(self) -> Corrected:
        travel = corrected(ENGINE, taught()[0])
        assert isinstance(travel, Corrected)
        return travel


def test_the_correction_errs_less_than_the_engine_on_days_it_never_saw() -> None:
    models, learned, _ = taught()
    assert learned.verdict.passed
    new = trips(4)
    travel = corrected(ENGINE, models)
    plain, better = (np.abs(e.seconds(new.start, new.goal, at_s=new.at_s) - new.seconds).mean() for e in (ENGINE, travel))
    assert better < 0.85 * plain
    assert travel.seconds(new.start, new.goal, at_s=new.at_s).mean() == pytest.approx(new.seconds.mean(), rel=0.03)


def test_the_interval_of_drives_holds_as_often_as_it_says_for_short_and_long_ones() -> None:
    models, learned, _ = taught()
    assert 0.88 < learned.coverage < 0.92
    new = trips(4)
    spans = Corrected(ENGINE, live(models, eta.MODEL)).spans(new.start, new.goal, at_s=new.at_s)
    inside = (spans.low_s <= new.seconds) & (new.seconds <= spans.high_s)
    assert 0.88 < inside.mean() < 0.92
    for third in np.array_split(np.argsort(spans.seconds), 3):
        assert 0.86 < inside[third].mean() < 0.94
    assert ((spans.low_s < spans.seconds) & (spans.seconds < spans.high_s)).all()


def test_preparation_is_learned_beyond_what_a_merchant_usually_takes() -> None:
    models, _, learned = taught()
    assert learned.verdict.passed
    assert learned.error_s < learned.before_s
    new = orders(4)
    spans = live_prep(models).spans(kitchen(new))
    everybody = np.abs(np.median(orders()["prep_s"]) - new["prep_s"]).mean()
    assert np.abs(spans.seconds - new["prep_s"]).mean() < 0.8 * everybody
    assert 0.87 < ((spans.low_s <= new["prep_s"]) & (new["prep_s"] <= spans.high_s)).mean() < 0.93


def test_what_the_engine_cannot_tell_stays_untold() -> None:
    class Untold:
        def seconds(self, start: np.ndarray, goal: np.ndarray, *, at_s: np.ndarray) -> np.ndarray:
            return np.array([np.inf, np.nan, 0.0, 100.0])

    travel = corrected(Untold(), taught()[0])
    place = np.tile([[40.75, -73.98]], (4, 1))
    spans = travel.spans(place, place + 0.01, at_s=np.zeros(4))
    assert spans.seconds[:3] == pytest.approx([np.inf, np.nan, 0.0], nan_ok=True)
    assert spans.low_s[:3] == pytest.approx([np.inf, np.nan, 0.0], nan_ok=True)
    assert 0.0 < spans.low_s[3] < spans.seconds[3] < spans.high_s[3]


def test_nothing_learned_is_the_engine_alone_and_no_better_model_is_not_promoted() -> None:
    models = LocalModels(None)
    assert corrected(ENGINE, models) is ENGINE
    assert live_prep(models) is None
    some = trips()
    exact = Trips(
        some.start[:3000],
        some.goal[:3000],
        some.at_s[:3000],
        ENGINE.seconds(some.start[:3000], some.goal[:3000], at_s=some.at_s[:3000]),
    )
    tools = {"fit": fitter("RMSE", trees=5), "score": scorer(models)}
    learned = eta.train(exact, ENGINE, models, **tools)
    assert (learned.verdict.passed, learned.version, models.live(eta.MODEL)) == (False, "", None)
    few = Trips(*(c[:200] for c in (some.start, some.goal, some.at_s, some.seconds)))
    assert "too little data" in eta.train(few, ENGINE, models, **tools).verdict.reason


def test_a_second_round_is_compared_with_the_live_model() -> None:
    models = LocalModels(None)
    tools = {"score": scorer(models)}
    assert eta.train(trips(), ENGINE, models, fit=fitter("RMSE", trees=100), **tools).verdict.passed
    version = models.live(eta.MODEL)[0]
    again = eta.train(trips(4), ENGINE, models, fit=fitter("RMSE", trees=2, depth=1), **tools)
    assert not again.verdict.passed
    assert models.live(eta.MODEL)[0] == version


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([0.5, 0.8, 0.95]), st.integers(1, 5))
def test_a_band_covers_what_is_like_what_it_saw(seed: int, level: float, bands: int) -> None:
    chance = np.random.default_rng(seed)
    answered, spread = chance.uniform(60.0, 3000.0, 12_000), chance.uniform(0.05, 0.6)
    observed = answered * chance.lognormal(0.0, spread * np.where(answered > 600.0, 0.5, 1.0))
    band = Band.learn(answered[:6000], observed[:6000], level=level, bands=bands)
    low_s, high_s = band.around(answered[6000:])
    assert ((low_s <= observed[6000:]) & (observed[6000:] <= high_s)).mean() == pytest.approx(level, abs=0.035)


def test_a_band_of_too_few_says_that_it_does_not_know() -> None:
    band = Band.learn(np.full(5, 60.0), np.full(5, 70.0), level=0.9)
    assert [float(end[0]) for end in band.around(np.array([60.0]))] == [0.0, np.inf]
    assert len(Band.learn(np.full(500, 60.0), np.full(500, 70.0)).low) >= 1, "answers that are all alike are one band"
    with pytest.raises(BadInput, match="level"):
        Band.learn(np.ones(5), np.ones(5), level=1.0)


def test_parts_are_drawn_the_same_again() -> None:
    part = parts(10_000, seed=1)
    assert np.bincount(part) / 10_000 == pytest.approx([0.6, 0.2, 0.2], abs=0.02)
    assert part.tolist() == parts(10_000, seed=1).tolist()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 4000)), max_size=30))
def test_orders_under_way_are_those_of_the_merchant_in_the_window(rows: list[tuple[int, int]]) -> None:
    merchant, placed = np.array([m for m, _ in rows], dtype=np.int64), np.array([t for _, t in rows], dtype=float)
    found = under_way(merchant, placed)
    for i in range(len(rows)):
        same = (merchant == merchant[i]) & (placed >= placed[i] - 900.0)
        before = (placed < placed[i]) | ((placed == placed[i]) & (np.arange(len(rows)) < i))
        assert found[i] == (same & before).sum()


def test_a_new_merchant_takes_what_everybody_takes_and_the_own_order_is_left_out() -> None:
    usual = Usual.learn(np.array([1, 1, 2]), np.array([100.0, 100.0, 800.0]), prior=1.0)
    again = Usual.from_text(usual.to_text())
    assert again.seconds(np.array([9]))[0][0] == pytest.approx(200.0)
    assert again.seconds(np.array([2]))[0][0] == pytest.approx(400.0)
    without, seen = again.seconds(np.array([2]), without_s=np.array([800.0]))
    assert (without[0], seen[0]) == (pytest.approx(200.0), 0.0)
    assert Usual.learn(np.zeros(0, dtype=np.int64), np.zeros(0)).seconds(np.array([3]))[0].tolist() == [1.0]
    with pytest.raises(BadInput, match="train again"):
        Usual.from_text("{}")


def test_wrong_rows_are_named() -> None:
    place, one = np.zeros((2, 2)), np.ones(2)
    with pytest.raises(BadRow, match="row 2, field 'seconds'"):
        Trips(place, place, one, np.array([1.0, np.nan]))
    with pytest.raises(BadRow, match="row 1, field 'goal'"):
        Trips(place, place + 100.0, one, one)
    with pytest.raises(BadInput, match="twice"):
        Trips(place, place, np.ones(3), one)
    with pytest.raises(BadRow, match="placed_s"):
        Kitchen(np.zeros(1, dtype=np.int64), np.array([np.inf]), *(np.ones(1),) * 3)
    orders_ = Kitchen(np.zeros(2, dtype=np.int64), *(np.ones(2),) * 4)
    with pytest.raises(BadRow, match="row 2, field 'ready_s'"):
        prep.train(orders_, np.array([1.0, -1.0]), LocalModels(None), fit=fitter("RMSE"), score=scorer(LocalModels(None)))
