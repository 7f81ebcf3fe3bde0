"""Behaviour from the log: rates free of the place, nothing from the future, a leg, features and judgments that the truth agrees with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.behaviour import BEHAVIOUR, Behaviour, behaviour_features, behaviour_leg, implicit, judgment_rows, key_of
from rialto.find.behaviour.prior import Prior
from rialto.find.behaviour.served import USUAL_POWER
from rialto.find.pipeline import Search
from rialto.find.records import Selections
from rialto.local.events import LocalEvents
from rialto.records import Candidates, Context, Decisions, Requests
from rialto.spine.log import DecisionLog, Feedback
from rialto.spine.pipeline import Outcome, Recorded
from rialto.worlds.shop import Shop
from rialto.worlds.shoppers import Shoppers

DAY = 86_400.0
PLACES = 10


def outcome(request: int, text: str, products: Sequence[int], time_s: float, versions: dict[str, str] | None = None) -> Outcome:
    """A list that was served."""
    size = len(products)
    ids, offsets = np.array(products, dtype=np.int64), np.array([0, size])
    asked = Requests.of({"text": np.array([text], dtype=object)}, ids=np.array([request]), time_s=time_s)
    chosen = Decisions(asked.ids, offsets, ids, np.arange(size), -np.arange(size, dtype=np.float64), np.ones(size))
    seen = Candidates(offsets, ids)
    record = Recorded("find", asked, seen, chosen, 0, versions or {}, ())
    return Outcome(record, seen, trace=None)  # type: ignore[arg-type]  # nobody reads it


def clicked(request: int, product: int, time_s: float, kind: str = "click") -> Feedback:
    return Feedback(kind, request, product, 1.0, time_s)


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    return DecisionLog(LocalEvents(tmp_path / "events", sync=False))


@pytest.fixture(scope="module")
def street(search: Search, world: Shop, tmp_path_factory: pytest.TempPathFactory) -> DecisionLog:
    """1,500 searches of simulated shoppers over a week, every other list with a pair exchanged."""
    log = DecisionLog(LocalEvents(tmp_path_factory.mktemp("events"), sync=False))
    crowd = Shoppers(world, seed=1)
    visits = crowd.visits(1500, seed=2)
    row_of = {p["id"]: row for row, p in enumerate(world.products)}
    rows = np.array([row_of[i] for i in search.catalogue.ids.tolist()])
    for start in range(0, 1500, 250):
        part = slice(start, start + 250)
        texts = [str(world.queries.text[q]) for q in visits.query[part]]
        served = search.search(
            texts, ids=np.arange(part.start, part.stop, dtype=np.uint64), time_s=start * 400.0, seed=5,
            params={"find.decide.swap": 0.5, "find.decide.size": PLACES, "find.retrieve.lexical": 60, "find.retrieve.vector": 20},
        )  # fmt: skip
        shown = np.full((250, PLACES), -1, dtype=np.int64)
        for b in range(250):
            chosen = search.catalogue.rows(served.decisions.of(b))
            shown[b, : len(chosen)] = rows[chosen]
        did = crowd.browse(visits.query[part], shown, seed=start, shopper=visits.shopper[part])
        log.write([served])
        for kind, happened in (("click", did.clicks), ("cart", did.carts), ("purchase", did.purchases)):
            log.write_feedback(
                [
                    Feedback(kind, start + int(b), int(served.decisions.of(int(b))[p]), 1.0, start * 400.0 + 30.0)
                    for b, p in zip(*np.nonzero(happened))
                ]
            )
    return log


def test_a_click_far_down_says_more_than_one_at_the_top(log: DecisionLog) -> None:
    for n in range(30):
        log.write([outcome(n, "lamp", [1, 2, 3, 4], 100.0 * n)])
        log.write_feedback([clicked(n, 1, 100.0 * n + 1), clicked(n, 4, 100.0 * n + 2)] if n < 10 else [])
    known = Behaviour.of(log, power=1.0).recall("Lamps")
    assert known is not None and known.ids.tolist() == [1, 2, 3, 4]
    assert known.lift[3] > known.lift[0] > 1.0 > known.lift[1] > known.lift[2] - 1.0
    assert known.share.sum() == pytest.approx(1.0)


def test_nothing_later_than_the_moment_is_known(log: DecisionLog) -> None:
    log.write([outcome(1, "lamp", [7, 8], 100.0)])
    log.write_feedback([clicked(1, 7, 150.0)])
    before = Behaviour.of(log, until_s=200.0)
    log.write([outcome(2, "lamp", [9], 200.0), outcome(3, "desk", [5], 300.0)])
    log.write_feedback([clicked(1, 8, 200.0), clicked(2, 9, 210.0)])
    again = Behaviour.of(log, until_s=200.0)
    assert again.save() == before.save() and again.keys == ("lamp",)
    later = Behaviour.of(log, until_s=400.0)
    assert later.keys == ("lamp", "desk") and later.ids.tolist() == [5, 7, 8, 9]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.floats(0.0, 5 * DAY), min_size=1, max_size=3).map(sorted))
def test_bit_by_bit_is_the_same_as_all_at_once(street: DecisionLog, cuts: list[float]) -> None:
    step = Behaviour.none(power=0.5)
    for moment in [*cuts, 8 * DAY]:
        step = step.with_more(street, until_s=moment)
    whole = Behaviour.of(street, until_s=8 * DAY, power=0.5)
    assert step.keys == whole.keys and np.array_equal(step.pair_product, whole.pair_product)
    assert np.allclose(step.pair, whole.pair) and np.allclose(step.product, whole.product)
    assert np.array_equal(step.last_s, whole.last_s, equal_nan=True)


def test_the_same_log_again_adds_nothing(street: DecisionLog) -> None:
    once = Behaviour.of(street)
    assert once.with_more(street).save() == once.save()


def test_a_repeated_click_and_a_click_on_what_was_not_served_count_nothing(log: DecisionLog) -> None:
    log.write([outcome(1, "lamp", [7, 8], 100.0)])
    once = [clicked(1, 7, 150.0)]
    log.write_feedback([*once, clicked(1, 7, 151.0), clicked(1, 99, 150.0), clicked(5, 7, 150.0), clicked(1, 8, 100.0 + 2 * DAY)])
    log.write_feedback([clicked(1, 8, 50.0), clicked(1, 7, 160.0, "favourite")])
    b = Behaviour.of(log, half_life_s=1e12)
    assert b.pair[:, 1].round(6).tolist() == [1.0, 0.0]


def test_what_is_bought_was_clicked(log: DecisionLog) -> None:
    log.write([outcome(1, "lamp", [7], 100.0)])
    log.write_feedback([clicked(1, 7, 150.0, "purchase"), clicked(1, 7, 151.0)])
    assert Behaviour.of(log, half_life_s=1e12).pair[0, 1:].round(6).tolist() == [1.0, 1.0, 1.0]


def test_counts_halve_with_time(log: DecisionLog) -> None:
    log.write([outcome(1, "lamp", [7], 0.0)])
    log.write_feedback([clicked(1, 7, 0.0)])
    b = Behaviour.of(log, until_s=10.0, half_life_s=10.0)
    assert b.pair[0].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert b.with_more(log, until_s=20.0).pair[0].tolist() == [0.25, 0.25, 0.0, 0.0]


def test_memory_is_bounded_and_the_best_known_stays(street: DecisionLog) -> None:
    whole, few = Behaviour.of(street), Behaviour.of(street, most=100)
    assert len(few.pair) == 100 < len(whole.pair)
    assert few.pair[:, 0].min() + 10 * few.pair[:, 1].min() > 0 and len(few.keys) < len(whole.keys)
    assert len(few.offsets) == len(few.keys) + 1 and set(few.keys) < set(whole.keys)


def test_only_one_shops_decisions_are_read(log: DecisionLog) -> None:
    log.write([outcome(1, "lamp", [7], 0.0, {"find.ranker-a": ""}), outcome(2, "desk", [7], 0.0, {"find.ranker-b": ""})])
    assert Behaviour.of(log, having="find.ranker-b").keys == ("desk",)


def test_it_is_saved_and_loaded(street: DecisionLog) -> None:
    b = Behaviour.of(street)
    again = Behaviour.load(b.save())
    assert again.version == b.version and again.save() == b.save() and again.texts == b.texts
    none = Behaviour.none()
    assert Behaviour.load(none.save()).keys == ()


@pytest.mark.parametrize("body", [b"", b"junk", Behaviour.none().save()[:-40]])
def test_what_is_not_behaviour_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput, match="not saved behaviour"):
        Behaviour.load(body)


def test_time_does_not_run_back(street: DecisionLog) -> None:
    with pytest.raises(BadInput, match="not before it"):
        Behaviour.of(street, until_s=DAY).with_more(street, until_s=0.0)


def test_an_empty_log_knows_nothing(log: DecisionLog) -> None:
    b = Behaviour.of(log)
    assert b.recall("lamp") is None and b.recall("") is None and len(implicit(b)) == 0
    assert np.isfinite(Behaviour.of(log, until_s=5.0).usual.strength)


def test_places_are_looked_at_as_the_world_says(street: DecisionLog) -> None:
    power = Behaviour.of(street).power
    assert 0.25 < power < 1.0 and power != USUAL_POWER


def test_a_query_like_another_learns_from_it(log: DecisionLog) -> None:
    for n in range(20):
        log.write([outcome(n, "oak desk lamp", [1, 2], 10.0 * n), outcome(100 + n, "wool socks", [3, 4], 10.0 * n)])
        log.write_feedback([clicked(n, 2, 10.0 * n + 1), clicked(100 + n, 3, 10.0 * n + 1)])
    known = Behaviour.of(log).recall("desk lamp")
    assert known is not None and known.ids.tolist() == [1, 2]
    assert known.similar[1] > 1.0 > known.similar[0] and np.isnan(known.lift).all()
    assert Behaviour.of(log).recall("garden hose") is None


def test_the_leg_finds_what_was_clicked_and_filters_stay_exact(search: Search, street: DecisionLog) -> None:
    b = Behaviour.of(street)
    leg = behaviour_leg(b, search.catalogue)
    text = b.texts[int(np.argmax(np.diff(b.offsets)))]
    asked, _ = search.requests([text, "zzzz qqqq", ""])
    found = leg.fetch(asked, Context())
    assert found.counts[0] > 0 and found.counts[1:].tolist() == [0, 0]
    assert found.column("rank_behaviour")[:2].tolist() == [1.0, 2.0] and found.column("clicks_leg").max() <= 1.0
    assert leg.idle is not None and leg.idle(search.requests(["zzzz qqqq", ""])[0]) and not leg.idle(asked)
    fitted = search.fitted(behaviour=b)
    brand = str(search.catalogue.text("brand")[search.catalogue.rows(found.ids[:1])[0]])
    only = fitted.search([text], selections=[Selections(values={"brand": (brand,)})]).decisions.ids
    assert len(only) and set(search.catalogue.text("brand")[search.catalogue.rows(only)].tolist()) == {brand}


def test_a_product_that_is_gone_is_not_found(search: Search, log: DecisionLog) -> None:
    log.write([outcome(1, "lamp", [10**9, 3], 0.0)])
    log.write_feedback([clicked(1, 10**9, 1.0), clicked(1, 3, 1.0)])
    found = behaviour_leg(Behaviour.of(log), search.catalogue).fetch(search.requests(["lamp"])[0], Context())
    assert 10**9 not in found.ids.tolist()


def test_columns_are_there_with_and_without_behaviour(search: Search, street: DecisionLog) -> None:
    b = Behaviour.of(street)
    bare, fitted = search.search([b.texts[0]]), search.fitted(behaviour=b).search([b.texts[0]])
    assert set(BEHAVIOUR) <= set(search.inputs) == set(search.fitted(behaviour=b).inputs)
    for name in BEHAVIOUR:
        assert bare.ranked.column(name).dtype == np.float32 and np.isnan(bare.ranked.column(name)).all()
    assert np.isfinite(fitted.ranked.column("clicks_lift")).any() and np.isfinite(fitted.ranked.column("product_coec")).any()


def test_features_of_a_batch_are_those_of_each_request(search: Search, street: DecisionLog) -> None:
    b = Behaviour.of(street)
    step, texts = behaviour_features(b), ["", *b.texts[:5], "zzzz"]
    asked, _ = search.requests(texts)
    rows = Candidates(np.arange(len(texts) + 1) * 40, np.tile(search.catalogue.numbers[:40], len(texts)))
    whole = step.compute(asked, rows, Context())
    for q in range(len(texts)):
        one = step.compute(asked.take(slice(q, q + 1)), Candidates(np.array([0, 40]), rows.ids[:40]), Context())
        for name in BEHAVIOUR:
            assert np.array_equal(whole[name][40 * q : 40 * q + 40], one[name], equal_nan=True)


def test_the_log_keeps_features_as_they_were_served(search: Search, street: DecisionLog, tmp_path: Path) -> None:
    early = Behaviour.of(street, until_s=2 * DAY)
    text = early.texts[0]
    served = search.fitted(behaviour=early).search([text], ids=np.array([5], dtype=np.uint64), time_s=3 * DAY)
    log = DecisionLog(LocalEvents(tmp_path / "e", sync=False))
    log.write([served])
    kept = next(iter(log.read())).known()
    now = search.fitted(behaviour=Behaviour.of(street)).search([text]).ranked
    at = kept.rows_of(Candidates(served.ranked.offsets, served.ranked.ids))
    assert np.array_equal(kept.column("product_clicks")[at], served.ranked.column("product_clicks"), equal_nan=True)
    assert not np.array_equal(np.sort(kept.column("product_clicks")), np.sort(now.column("product_clicks")), equal_nan=True)


def test_implicit_grades_follow_the_truth(search: Search, street: DecisionLog, world: Shop) -> None:
    judged = implicit(Behaviour.of(street), fewest=2)
    query = {key_of(str(t)): q for q, t in enumerate(world.queries.text)}
    row = {p["id"]: r for r, p in enumerate(world.products)}
    found: dict[int, list[float]] = {0: [], 1: [], 2: [], 3: []}
    for text, product, grade in judgment_rows(judged, search.catalogue):
        if key_of(text) in query:
            found[grade].append(float(world.grades[query[key_of(text)], row[product]]))
    poor, good = np.mean(found[0] + found[1]), np.mean(found[2] + found[3])
    assert len(found[2] + found[3]) > 20 and good > poor + 0.8
    assert len(implicit(Behaviour.of(street), level=0.95)) <= len(judged)


@pytest.mark.parametrize("level", [0.0, 1.0, float("nan")])
def test_a_level_that_is_none_is_refused(level: float) -> None:
    with pytest.raises(BadInput, match="between 0 and 1"):
        implicit(Behaviour.none(), level=level)


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 500)), min_size=1, max_size=30))
def test_a_smoothed_rate_lies_between_the_prior_and_what_was_seen(counts: list[tuple[float, float]]) -> None:
    hits, trials = (np.array(c) for c in zip(*counts))
    prior = Prior.of(hits, trials)
    rate, seen = prior.rate(hits, trials), hits / trials
    assert np.isfinite(rate).all()
    assert ((rate >= np.minimum(prior.mean, seen) - 1e-9) & (rate <= np.maximum(prior.mean, seen) + 1e-9)).all()


@given(st.text(max_size=60))
def test_any_text_has_a_key_whatever_the_order_of_its_words(text: str) -> None:
    key = key_of(text)
    assert "\n" not in key and len(key.split(" ")) <= 16 and key == key_of(" ".join(reversed(text.split())))
