"""Readiness decides: a driver is not sent to stand at a kitchen, an order is held while that is cheaper, and what is known of it survives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadRow, EngineBusy
from rialto.local.events import LocalEvents
from rialto.local.models import LocalModels
from rialto.match.kitchens import Kitchens
from rialto.match.offers import Message, Offers
from rialto.match.offers.entries import Entry, decode, encode
from rialto.match.pipeline import Dispatch
from rialto.match.prep import MODEL, NAMES, Kitchen, train
from rialto.match.ready import at_pickup
from rialto.match.records import Orders, Plane
from rialto.match.trips import prep_logged
from rialto.records import Candidates, Requests
from rialto.spine.learn import Examples, Gate

System, Place = Callable[..., Dispatch], Callable[..., Orders]


def mean_of_merchants(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log of what to multiply a merchant's usual time by: an hour's habit that trees would find, told by hand."""
    return np.where(x[:, NAMES.index("under_way")] > 0.5, np.log(2.0), 0.0)


def taught(models: LocalModels) -> None:
    """Merchant 5 takes 600 s, and twice that while an order of his is under way."""
    rows = 4000
    chance = np.random.default_rng(3)
    busy = (chance.random(rows) < 0.5).astype(np.float64)
    orders = Kitchen(np.full(rows, 5), np.arange(rows, dtype=np.float64), np.zeros(rows), np.zeros(rows), busy)
    took_s = 600.0 * 2.0**busy * chance.uniform(0.98, 1.02, rows)

    def fit(examples: Examples, seed: int) -> bytes:
        from rialto.local.trees import fit as grow

        return grow(
            examples.features, examples.label, examples.group, loss="RMSE", trees=60, depth=2, seed=seed, names=NAMES
        ).to_bytes()

    def score(model: bytes | str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        from rialto.local.trees import Trees

        return models.score(model, inputs) if isinstance(model, str) else Trees.from_bytes(model).score(inputs)

    assert train(orders, took_s, models, fit=fit, score=score, gate=Gate(least=200)).version


def offered(dispatch: Dispatch, orders: Orders, at_s: float, **overrides: float) -> dict[int, int]:
    """Order -> driver of a window's decisions."""
    said = {f"match.decide.{name}": value for name, value in overrides.items()}
    out = dispatch.window(orders, at_s=at_s, overrides=said)
    rows = np.repeat(np.arange(len(out.requests)), out.decisions.counts)
    return dict(zip(out.requests.column("order")[rows].tolist(), out.decisions.ids.tolist()))


def test_an_order_that_is_ready_in_twenty_minutes_is_not_offered_to_the_nearest_driver_now(system: System, place: Place) -> None:
    dispatch = system({1: 100.0, 2: 3000.0})  # 10 s and 300 s of drive
    order = replace(place([7], [0.0]), ready_s=np.array([1200.0]))
    assert offered(dispatch, order, 1.0) == {}
    told = dispatch.why(7)
    assert told.held and "ready in 1199 s" in told.text() and told.ready_in_s == 1199.0


def test_it_is_offered_when_the_nearest_driver_would_stand_no_longer_than_holding_is_worth(
    system: System, place: Place, pings: Callable[..., object]
) -> None:
    dispatch = system({1: 100.0})
    order = replace(place([7], [0.0]), ready_s=np.array([1200.0]))
    assert offered(dispatch, order, 1.0) == {}
    for at_s, drivers in ((585.0, {}), (595.0, {7: 1})):  # 1200 - 10 of drive - 300 at half a second each
        dispatch.pings(pings({1: 100.0}, at_s), now_s=at_s)  # type: ignore[arg-type]
        assert offered(dispatch, Orders.none(), at_s) == drivers


def test_an_order_whose_customer_is_about_to_give_up_is_held_no_more(system: System, place: Place) -> None:
    dispatch = system({1: 100.0})
    order = replace(place([7], [0.0]), ready_s=np.array([1200.0]), expire_s=np.array([100.0]))
    assert offered(dispatch, order, 1.0) == {7: 1}


def test_where_standing_is_dearer_than_driving_who_is_there_just_in_time_goes(system: System, place: Place) -> None:
    dispatch = system({1: 100.0, 2: 3000.0})
    order = replace(place([7], [0.0]), ready_s=np.array([301.0]))
    assert offered(dispatch, order, 1.0, hold_s=86_400.0, idle_wait=1.5) == {7: 2}


def test_a_driver_goes_to_the_order_that_is_ready_before_one_that_is_not(system: System, place: Place) -> None:
    dispatch = system({1: 100.0})
    orders = replace(place([7, 8], [0.0, 200.0]), ready_s=np.array([280.0, np.nan]))
    assert offered(dispatch, orders, 1.0) == {8: 1}


@pytest.mark.parametrize("depth", [1, 2, 1000])
def test_what_the_first_phase_held_stays_held_in_the_next_whatever_it_sees(depth: int) -> None:
    counts = np.array([0, 3])
    requests = Requests.of({"ready_s": np.array([1000.0])}, time_s=0.0)
    drive_s = np.array([10.0, 400.0, 800.0])
    every = Candidates(counts, np.arange(3), {"likely": np.full(3, 0.8)})
    cost_s, held = at_pickup(requests, every, drive_s, least=np.array([0.05]))
    assert held is not None and held.all() and cost_s.tolist() == [505.0, 700.0, 900.0]
    rows = np.arange(min(depth, 3))[::-1]
    seen = every.with_columns({"score:sight": np.full(3, -np.inf)}).at(np.sort(rows + 3 - len(rows)), np.array([0, len(rows)]))
    _, later = at_pickup(requests, seen, drive_s[-len(rows) :], least=np.array([0.05]))
    assert later is not None and later.all(), "the nearest driver is not among them, and yet they wait for him"


def test_a_merchants_word_changes_the_next_window_and_survives_a_crash(system: System, place: Place, tmp_path: Path) -> None:
    dispatch = system({1: 100.0})
    offered(dispatch, replace(place([7, 8], [0.0, 5e4]), ready_s=np.array([1200.0, 50.0]), merchant=np.array([5, 6])), 1.0)
    assert dispatch.offers.ready(np.array([7, 99]), np.array([5, 5]), np.array([2.0, 3.0]), at_s=2.0).tolist() == [True, False]
    for offers in (dispatch.offers, Offers(LocalEvents(tmp_path / "offers", sync=False))):
        known = offers.orders(np.array([7, 8]))
        assert (known.ready_s.tolist(), known.merchant.tolist()) == ([2.0, 50.0], [5, 6])
    assert offered(dispatch, Orders.none(), 3.0) == {7: 1}
    again = system({1: 100.0})
    again.offers.snapshot(at_s=4.0)
    assert Offers(LocalEvents(tmp_path / "offers", sync=False)).orders(np.array([7])).ready_s.tolist() == [2.0]


def test_a_log_that_is_older_than_the_columns_is_read(tmp_path: Path, place: Place) -> None:
    log = LocalEvents(tmp_path / "offers", sync=False)
    Offers(log).place(place([7], [0.0]), at_s=1.0, key="a")
    (_, event), *_ = log.read(0, 1)
    entry = decode(event)
    assert not {"merchant", "ready_s", "incentive_cents"} & set(entry.columns), "what nobody gave is not logged: as older logs"
    assert encode(Entry(entry.kind, entry.at_s, entry.columns, entry.facts)).body == event.body
    found = Offers(log).orders(np.array([7]))
    assert found.merchant.tolist() == [-1] and np.isnan(found.ready_s).all() and found.incentive_cents.tolist() == [0.0]
    Offers(log).place(replace(place([8], [0.0]), merchant=np.array([3])), at_s=2.0, key="b")
    both = Offers(log).orders(np.array([7, 8]))
    assert both.merchant.tolist() == [-1, 3]
    log.close()


def test_windows_without_readiness_carry_none_of_it(place: Place) -> None:
    asked = place([1, 2], [0.0, 1.0]).requests(Plane(52.0, 13.0), at_s=1.0)
    assert not {"merchant", "ready_s", "incentive_cents"} & set(asked.columns)
    one = replace(place([1, 2], [0.0, 1.0]), ready_s=np.array([np.nan, 5.0])).requests(Plane(52.0, 13.0), at_s=1.0)
    assert "ready_s" in one.columns


def test_a_time_without_end_is_refused(place: Place) -> None:
    with pytest.raises(BadRow, match="ready_s"):
        replace(place([1], [0.0]), ready_s=np.array([np.inf]))


def test_the_live_model_says_when_a_merchants_order_is_ready_and_a_merchants_word_goes_before_it(
    system: System, place: Place, tmp_path: Path
) -> None:
    pytest.importorskip("catboost", reason="training needs catboost: pip install 'rialto[trees]'")
    dispatch = system({1: 100.0, 2: -100.0, 3: 90.0, 4: -90.0})
    orders = replace(place([7, 8, 9], [0.0, 0.0, 0.0]), merchant=np.array([5, 5, -1]), placed_s=np.array([0.0, 0.5, 0.0]))
    taught(LocalModels(tmp_path / "models"))
    assert set(offered(dispatch, orders, 1.0)) == {9}, "the other two are not ready for ten and twenty minutes"
    told = [dispatch.why(i).ready_in_s for i in (7, 8)]
    assert told == pytest.approx([599.0, 1199.5], abs=30.0), "the second came while the first was under way"
    dispatch.offers.ready(np.array([7]), np.array([5]), np.array([1.5]), at_s=2.0)
    assert set(offered(dispatch, Orders.none(), 2.0)) == {7}


def test_a_window_is_replayed_as_it_was_decided_with_what_was_foretold_then(system: System, place: Place) -> None:
    dispatch = system({1: 100.0, 2: 3000.0})
    out = dispatch.window(replace(place([7], [0.0]), ready_s=np.array([320.0])), at_s=1.0)
    assert dispatch.pipeline().replay(out.record).same(out.decisions)


class Broken:
    """A registry whose model is away."""

    def __init__(self, models: LocalModels) -> None:
        self.live = models.live

    def score(self, version: str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        raise EngineBusy(f"{version} of {MODEL} is away")


def test_a_model_that_is_away_leaves_orders_ready_and_says_so(tmp_path: Path, place: Place) -> None:
    pytest.importorskip("catboost", reason="training needs catboost: pip install 'rialto[trees]'")
    models, log = LocalModels(tmp_path / "models"), LocalEvents(tmp_path / "offers", sync=False)
    taught(models)
    orders, offers = replace(place([7], [0.0]), merchant=np.array([5])), Offers(log)
    offers.place(orders, at_s=0.0)
    away = Kitchens(Broken(models), offers)  # type: ignore[arg-type]
    assert np.isnan(away.filled(orders).ready_s).all() and "is away" in away.failed
    there = Kitchens(models, offers)
    assert there.filled(orders).ready_s == pytest.approx([600.0], abs=20.0) and there.failed == ""
    assert there.ready_s(orders) == pytest.approx(there.filled(orders).ready_s)
    log.close()


def test_a_promise_decides_and_teaches_nothing(tmp_path: Path, place: Place) -> None:
    log = LocalEvents(tmp_path / "offers", sync=False)
    offers = Offers(log)
    offers.place(replace(place([1, 2], [0.0, 0.0]), merchant=np.array([5, 5])), at_s=0.0)
    offers.ready(np.array([1, 2]), np.array([5, 5]), np.array([2000.0, 2000.0]), at_s=10.0)
    assert offers.orders(np.array([1])).ready_s.tolist() == [2000.0]
    offers.ready(np.array([1]), np.array([5]), np.array([1800.0]), at_s=1850.0)
    for order in (1, 2):
        offers.offer(np.array([order]), np.array([3]), key=f"o{order}", at_s=10.0, until_s=40.0)
        for at_s, kind in ((11.0, "accepted"), (2100.0, "picked_up"), (2500.0, "delivered")):
            assert offers.tell([Message(f"{kind}{order}", kind, order, 3)], at_s=at_s)[0].done
    found = prep_logged(log)
    assert (found.ready_s.tolist(), found.untold, found.orders.merchant.tolist()) == ([1800.0], 1, [5])
    log.close()
