"""The wired search: nothing vanishes, a batch answers as its requests do one by one, a logged answer is decided again bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.features import FEATURES
from rialto.find.page import answer
from rialto.find.pipeline import RANKER, Search, build
from rialto.find.records import Selections
from rialto.find.retrieve import TEXT_FIELDS
from rialto.local.encoder import StaticEncoder
from rialto.local.events import LocalEvents
from rialto.local.models import LocalModels
from rialto.local.text import TantivyText
from rialto.local.trees import Trees
from rialto.local.vectors import FlatVectors
from rialto.ports import Hits, ModelCard, TextQuery
from rialto.records import Candidates, Context, Requests
from rialto.spine.log import DecisionLog
from rialto.spine.retrieve import Source
from rialto.worlds.shop import Shop

SELECTED = [
    Selections(), Selections(in_stock=True), Selections(values={"colour": ("red", "blue")}), Selections(values={"category": ("Shoes",)}),
    Selections(ranges={"price_cents": (1000.0, 5000.0)}), Selections(values={"brand": ("Hallbyen",)}, ranges={"rating": (4.0, None)}),
]  # fmt: skip
batches = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, len(SELECTED) - 1), st.sampled_from(["", " under $40", " red"])),
    min_size=1,
    max_size=6,
)
slow = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def asked(world: Shop, batch: list[tuple[int, int, str]]) -> tuple[list[str], list[Selections]]:
    texts = [str(world.queries.text[n % len(world.queries)]) if n % 7 else "" for n, _, _ in batch]
    return [t + more for t, (_, _, more) in zip(texts, batch)], [SELECTED[s] for _, s, _ in batch]


@slow
@given(batches)
def test_every_candidate_is_chosen_removed_with_a_reason_cut_or_left(
    search: Search, world: Shop, batch: list[tuple[int, int, str]]
) -> None:
    texts, selections = asked(world, batch)
    trace = search.search(texts, selections=selections).trace
    assert trace.balance().tolist() == [0] * len(texts)
    assert trace.fallbacks == ()


@slow
@given(batches, st.randoms(use_true_random=False))
def test_a_request_is_answered_the_same_alone_in_any_order_and_company(
    search: Search, world: Shop, batch: list[tuple[int, int, str]], random: object
) -> None:
    texts, selections = asked(world, batch)
    ids = np.arange(7, 7 + len(texts), dtype=np.uint64)
    order = np.argsort([random.random() for _ in texts])  # type: ignore[attr-defined]
    params = {"find.decide.swap": 0.5}
    whole = search.search(texts, selections=selections, ids=ids, params=params).decisions
    mixed = search.search(
        [texts[i] for i in order], selections=[selections[i] for i in order], ids=ids[order], params=params
    ).decisions
    for place, i in enumerate(order.tolist()):
        alone = search.search([texts[i]], selections=[selections[i]], ids=ids[i : i + 1], params=params).decisions
        rows, mine = slice(*whole.offsets[i : i + 2]), slice(*mixed.offsets[place : place + 2])
        for name in ("ids", "scores", "propensity"):
            want = getattr(whole, name)[rows].tolist()
            assert want == getattr(mixed, name)[mine].tolist() == getattr(alone, name).tolist(), name


@slow
@given(batches)
def test_what_was_selected_holds_for_every_result(search: Search, world: Shop, batch: list[tuple[int, int, str]]) -> None:
    texts, selections = asked(world, batch)
    outcome, c = search.search(texts, selections=selections), search.catalogue
    for b, (text, s) in enumerate(zip(texts, selections)):
        for p in (c.product(int(n)) for n in outcome.decisions.of(b)):
            assert not s.in_stock or (p.stock or 0) > 0
            assert all(p.attributes.get("colour") in v for k, v in s.values.items() if k == "colour")
            assert all(p.category[0] in v for k, v in s.values.items() if k == "category")
            assert all(p.brand in v for k, v in s.values.items() if k == "brand")
            low, high = s.ranges.get("price_cents", (None, None))
            high = min(high or 1e9, 4000) if text.endswith("under $40") else high
            assert (low or 0) <= (p.price_cents or 0) <= (high or 1e9)


def test_a_logged_answer_is_decided_again_bit_for_bit(
    catalogue: Catalogue, search: Search, texts: list[str], tmp_path: Path
) -> None:
    searched = with_ranker(search)
    log = DecisionLog(LocalEvents(tmp_path / "events", sync=False))
    outcome = searched.search(texts, params={"find.decide.swap": 0.5}, seed=4)
    log.write([outcome])
    (record,) = log.read(pipeline="find")
    assert searched.pipeline.replay(record).same(outcome.decisions)
    with pytest.raises(BadInput, match="Load those versions"):
        search.pipeline.replay(record)


def with_ranker(search: Search, column: str = "price_log") -> Search:
    """The same engines under a ranker that prefers what is dear."""
    models = LocalModels()
    at = FEATURES.index(column)
    edges = np.linspace(6.0, 11.0, 40, dtype=np.float32)
    trees = Trees(np.full((40, 1), at), edges[:, np.newaxis], np.tile([0.0, 1.0], (40, 1)), names=FEATURES)
    models.promote(RANKER, models.put(ModelCard(RANKER, "trees", FEATURES), trees.to_bytes()))
    return build(
        search.catalogue,
        text=search._text,
        vectors=search._vectors,
        encode=search._encode,
        models=models,
        units=search.knowledge.units,
    )


def test_a_promoted_ranker_is_served_after_refresh_and_stands_in_the_versions(search: Search) -> None:
    ranked = with_ranker(search)
    prices = [ranked.catalogue.product(int(n)).price_cents or 0 for n in ranked.search(["lamp"]).decisions.ids]
    steps = np.digitize(np.log1p(prices), np.linspace(6.0, 11.0, 40)).tolist()
    assert steps == sorted(steps, reverse=True) and steps[0] > steps[-1]
    assert ranked.pipeline.versions[RANKER] != ""
    assert search.pipeline.versions[RANKER] == ""


def test_a_ranker_that_reads_unknown_features_is_refused(search: Search) -> None:
    models = LocalModels()
    trees = Trees(np.array([[0]]), np.array([[1.0]]), np.array([[0.0, 1.0]]), names=("colour_of_sky",))
    models.promote(RANKER, models.put(ModelCard(RANKER, "trees", ("colour_of_sky",)), trees.to_bytes()))
    with pytest.raises(BadInput, match="colour_of_sky"):
        build(search.catalogue, text=search._text, models=models)


def test_a_leg_that_fails_degrades_the_answer_and_says_so(search: Search) -> None:
    def broken(requests: Requests, context: Context) -> Candidates:
        raise RuntimeError("engine down")

    sources = [Source(s.name, broken, otherwise=s.otherwise) if s.name == "vector" else s for s in search.pipeline.sources]
    from dataclasses import replace

    outcome = replace(search.pipeline, sources=sources).run(search.requests(["red lamp"])[0])
    assert outcome.trace.fallbacks == ("vector",)
    assert outcome.decisions.counts[0] > 0


@pytest.mark.parametrize("hanging", ["lexical", "vector"])
def test_a_server_that_hangs_is_not_waited_for_and_the_other_leg_is_ranked(
    catalogue: Catalogue, encoder: StaticEncoder, hanging: str
) -> None:
    over = Event()

    class Text(TantivyText):
        def search(self, queries: Sequence[TextQuery], *, limit: int) -> Hits:
            if hanging == "lexical":
                over.wait(60.0)
            return super().search(queries, limit=limit)

    class Vectors(FlatVectors):
        def search(self, queries: Any, *, limit: int, allowed: Any = None) -> Hits:
            if hanging == "vector":
                over.wait(60.0)
            return super().search(queries, limit=limit, allowed=allowed)

    both = ("lexical", "vector")
    made = build(catalogue, text=Text(TEXT_FIELDS), vectors=Vectors(32), encode=encoder.encode, models=LocalModels(), aside=both)
    made.index()
    made.search(["red lamp"], deadline_s=2.0)  # the first run compiles kernels
    page, outcome = answer(made, "red lamp", deadline_s=2.0)
    over.set()
    assert page.fallbacks == (hanging,) and page.results
    assert next(s.seconds for s in outcome.trace.steps if s.name == hanging) < 1.9
    made.close()


def test_without_an_encoder_the_lexical_leg_answers_alone(catalogue: Catalogue) -> None:
    alone = build(catalogue, text=TantivyText(TEXT_FIELDS))
    assert alone.index() is None
    outcome = alone.search(["lamp", "zzzz qqqq"])
    assert outcome.decisions.counts[0] > 0 and outcome.decisions.counts[1] == 0
    with pytest.raises(BadInput, match="both an index and an encoder"):
        build(catalogue, text=TantivyText(TEXT_FIELDS), vectors=FlatVectors(4))


STRANGE = ["", " ", "\x00", '((( "AND" OR *:* title:x', "a" * 5000, "é" * 600, "🦊", "-1", "under $5", "' OR 1=1 --", "\ud800"]


@pytest.mark.parametrize("text", STRANGE)
def test_any_text_is_answered(search: Search, text: str) -> None:
    assert search.search([text]).trace.balance().tolist() == [0]


def test_a_single_string_is_not_taken_for_a_batch_of_letters(search: Search) -> None:
    with pytest.raises(BadInput, match="wanted a list of queries"):
        search.search("lamp")


def test_an_empty_batch_is_answered(search: Search) -> None:
    assert len(search.search([]).decisions) == 0


def test_features_are_the_declared_columns_in_float32(search: Search, texts: list[str]) -> None:
    known = search.search(texts).record.known()
    assert set(FEATURES) <= set(known.columns)
    assert {known.column(f).dtype for f in FEATURES} == {np.dtype(np.float32)}
    assert not any(np.isinf(known.column(f)).any() for f in FEATURES)


def test_late_features_are_made_for_the_best_alone(search: Search, texts: list[str]) -> None:
    record = search.search(texts, params={"find.rank.trees_depth": 7}).record
    assert (record.late[0].counts == np.minimum(7, record.seen.counts)).all()
    assert (~np.isnan(record.known().column("title_length"))).sum() == len(record.late[0])


def test_the_first_result_of_a_model_number_is_that_model(search: Search, world: Shop) -> None:
    rows = np.flatnonzero(world.queries.kind == "model")
    outcome = search.search([str(t) for t in world.queries.text[rows]])
    first = [int(outcome.decisions.of(b)[0]) for b in range(len(rows))]
    assert np.mean([world.grades[q, p] == 3 for q, p in zip(rows, first)]) > 0.9
