"""Customers who give up: read from the log of offers, learned behind a gate, and believed instead of the formula where it passed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.app.learning import fitter, scorer
from rialto.errors import BadInput
from rialto.local.events import LocalEvents
from rialto.local.models import LocalModels
from rialto.match.offers import Message, Offers
from rialto.match.patience import MODEL, NAMES, PERIOD_S, following, live_patience, train
from rialto.match.records import Orders, Plane
from rialto.match.waits import Waits, waits_logged
from rialto.ports import ModelCard
from rialto.records import Requests
from rialto.spine.learn import Examples

PLANE = Plane(52.0, 13.0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEvents]:
    events = LocalEvents(tmp_path / "offers", sync=False)
    yield events
    events.close()


def placed(ids: list[int], *, at_s: float = 0.0, expire_s: float = np.inf, value_cents: int = 0) -> Orders:
    size = len(ids)
    lat, lon = np.full(size, 52.0), np.full(size, 13.0)
    return Orders.of(
        np.array(ids), lat=lat, lon=lon, placed_s=np.full(size, at_s), expire_s=np.full(size, expire_s),
        value_cents=np.full(size, value_cents), drop_lat=lat + 0.01, drop_lon=lon,
    )  # fmt: skip


def tell(offers: Offers, kind: str, order: int, driver: int, at_s: float) -> None:
    assert offers.tell([Message(f"{kind}:{order}:{at_s}", kind, order, driver)], at_s=at_s)[0].done


def offer(offers: Offers, order: int, driver: int, at_s: float) -> None:
    offers.offer(np.array([order]), np.array([driver]), key=f"{order}{at_s}", at_s=at_s, until_s=at_s + 30.0)
    tell(offers, "accepted", order, driver, at_s)


def spells(waits: Waits) -> list[tuple[int, float, float, bool, bool]]:
    columns = (waits.order, waits.from_s, waits.to_s, waits.driver, waits.cancelled)
    return list(zip(*(c.tolist() for c in columns)))


def test_a_wait_is_cut_where_a_driver_takes_the_order_and_where_he_gives_it_back(log: LocalEvents) -> None:
    offers = Offers(log)
    offers.place(placed([7]), at_s=0.0)
    offer(offers, 7, 3, 100.0)
    tell(offers, "released", 7, 3, 200.0)
    offer(offers, 7, 4, 250.0)
    tell(offers, "cancelled", 7, -1, 400.0)
    found = waits_logged(log)
    assert spells(found) == [
        (7, 0, 100, False, False),
        (7, 100, 200, True, False),
        (7, 200, 250, False, False),
        (7, 250, 400, True, True),
    ]
    assert found.trip_m == pytest.approx([1112.0] * 4, abs=1.0)


def test_waits_that_end_otherwise_or_have_not_ended_count_as_long_as_they_lasted(log: LocalEvents) -> None:
    offers = Offers(log)
    offers.place(placed([1, 2, 3]), at_s=0.0)
    for order in (1, 2):
        offer(offers, order, order, 10.0)
    tell(offers, "picked_up", 1, 1, 60.0)
    tell(offers, "delivered", 1, 1, 500.0)
    offers.tell([Message("gone", "left", -1, 2)], at_s=600.0)
    assert spells(waits_logged(log)) == [
        (1, 0, 10, False, False), (1, 10, 60, True, False),
        (2, 0, 10, False, False), (2, 10, 600, True, False), (2, 600, 600, False, False),
        (3, 0, 600, False, False),
    ]  # fmt: skip


def test_who_gives_up_at_the_moment_that_he_named_teaches_nothing_new(log: LocalEvents) -> None:
    offers = Offers(log)
    offers.place(placed([1, 2], expire_s=100.0), at_s=0.0)
    tell(offers, "cancelled", 1, -1, 60.0)
    tell(offers, "cancelled", 2, -1, 100.0)
    assert waits_logged(log).cancelled.tolist() == [True, False]


def made(orders: int, *, seed: int, rate_of: dict[bool, float]) -> Waits:
    """Waits of up to 20 minutes with a driver on his way; cheap and dear orders are given up at rates of their own."""
    chance = np.random.default_rng(seed)
    dear = chance.random(orders) < 0.5
    gives_up = chance.exponential(1.0 / np.where(dear, rate_of[True], rate_of[False]))
    comes_s = chance.uniform(120.0, 1200.0, orders)
    placed_s = chance.uniform(0.0, 86_400.0, orders)
    ends = np.minimum(gives_up, comes_s)
    yes = np.ones(orders, dtype=np.bool_)
    cents = np.where(dear, 2000.0, 500.0)
    return Waits(np.arange(orders), placed_s, placed_s, placed_s + ends, yes, gives_up < comes_s, cents, np.full(orders, 1000.0))


def asked(cents: list[int], waited_s: float = 10.0) -> Requests:
    orders = placed(list(range(len(cents))), at_s=43_200.0)
    table = orders.columns() | {"value_cents": np.array(cents)}
    return Orders(**table).requests(PLANE, at_s=43_200.0 + waited_s)


def fit(examples: Examples, seed: int) -> bytes:
    return fitter("Logloss", trees=60, depth=3)(examples, seed)


def test_a_hazard_is_learned_promoted_and_told_by_what_it_depends_on(tmp_path: Path) -> None:
    pytest.importorskip("catboost", reason="training needs catboost: pip install 'rialto[trees]'")
    models = LocalModels(tmp_path / "models")
    truth = {False: 1 / 1500.0, True: 1 / 12_000.0}
    patience = following(models)
    assert patience() is None
    found = train(made(6000, seed=1, rate_of=truth), models, fit=fit, score=scorer(models), patience_s=2700.0)
    assert found.verdict.passed and found.version
    assert found.foretold == pytest.approx(found.seen, abs=0.03)
    live = patience()
    assert live is not None and live.version == found.version
    cheap, dear = live.rate(asked([500, 2000])).tolist()
    assert cheap == pytest.approx(truth[False], rel=0.2) and dear == pytest.approx(truth[True], rel=0.3)
    again = train(made(6000, seed=1, rate_of=truth), models, fit=fit, score=scorer(models), patience_s=2700.0)
    assert not again.verdict.passed, "the same again is no better than what is live"
    assert patience() is live


def test_what_the_formula_tells_as_well_is_not_promoted(tmp_path: Path) -> None:
    pytest.importorskip("catboost", reason="training needs catboost: pip install 'rialto[trees]'")
    models = LocalModels(tmp_path / "models")
    same = {False: 1 / 2700.0, True: 1 / 2700.0}
    found = train(made(3000, seed=2, rate_of=same), models, fit=fit, score=scorer(models), patience_s=2700.0)
    assert not found.verdict.passed and live_patience(models) is None


@pytest.mark.parametrize(("orders", "rates"), [(0, 1e-3), (300, 1e-3), (3000, 1e-9)])
def test_too_little_teaches_nothing_and_says_so(tmp_path: Path, orders: int, rates: float) -> None:
    models = LocalModels(tmp_path / "models")
    waits = made(orders, seed=3, rate_of={False: rates, True: rates})

    def never(examples: Examples, seed: int) -> bytes:
        raise AssertionError("nothing is to be trained")

    found = train(waits, models, fit=never, score=scorer(models), patience_s=2700.0)
    assert not found.verdict.passed and "too little data" in found.verdict.reason and found.orders == orders


def test_a_card_that_is_damaged_is_refused(tmp_path: Path) -> None:
    class Live:
        def __init__(self, card: ModelCard) -> None:
            self.card = card

        def live(self, name: str) -> tuple[str, ModelCard]:
            return "v1", self.card

    for card in (ModelCard(MODEL, "trees", NAMES), ModelCard(MODEL, "trees", ("x",), params={"centre": "1", "offset_s": "0"})):
        with pytest.raises(BadInput, match="rain it again"):
            live_patience(Live(card))  # type: ignore[arg-type]


def test_periods_cover_each_wait_once_and_the_last_one_says_how_it_ended() -> None:
    from rialto.match.patience import _periods  # pyright: ignore[reportPrivateUsage]

    w = made(500, seed=4, rate_of={False: 1e-3, True: 1e-3})
    rows = _periods(w)
    total: NDArray[np.float64] = np.bincount(rows.spell, rows.seconds, len(w))
    assert total == pytest.approx(w.to_s - w.from_s)
    assert rows.over.sum() == w.cancelled.sum() and rows.seconds.max() <= PERIOD_S + 1e-6 and rows.seconds.min() >= 0.0
