"""The loop on the made-up shop: rounds of serving and learning, behaviour on from the second; the gates; interleaving."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rialto.app.behaving import behaviour_of, kept_behaviour
from rialto.app.interleaving import mixed, preferred
from rialto.app.lesson import Street
from rialto.app.rounds import condensed, learn
from rialto.errors import BadInput
from rialto.find.behaviour import Behaviour, implicit
from rialto.find.ingest import read_catalogue
from rialto.find.pipeline import Search, build
from rialto.find.retrieve import TEXT_FIELDS
from rialto.local.events import LocalEvents
from rialto.local.files import FileBlobs
from rialto.local.models import LocalModels
from rialto.local.text import TantivyText
from rialto.local.trees import fit as grow
from rialto.spine.evaluate import paired
from rialto.spine.learn import Examples, Gate
from rialto.spine.log import DecisionLog
from rialto.worlds.shop import Shop, make_shop

VISITS = 3000


def fit(examples: Examples, seed: int) -> bytes:
    return grow(
        examples.features, examples.label, examples.group, trees=40, depth=4, learning_rate=0.1, seed=seed, names=examples.names
    ).to_bytes()


@pytest.fixture(scope="module")
def world() -> Shop:
    return make_shop(seed=3, products=900)


@pytest.fixture(scope="module")
def bare(world: Shop, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Words alone, no vectors."""
    folder = tmp_path_factory.mktemp("shop")
    world.write(folder)
    made = build(read_catalogue(str(folder / "catalogue.jsonl")).catalogue, text=TantivyText(TEXT_FIELDS), models=LocalModels())
    made.index()
    return made


@pytest.fixture(scope="module")
def street(bare: Search, world: Shop) -> Street:
    return Street.of(bare, world, visits=VISITS, seed=1)


@pytest.fixture(scope="module")
def log(bare: Search, street: Street, tmp_path_factory: pytest.TempPathFactory) -> DecisionLog:
    log = DecisionLog(LocalEvents(tmp_path_factory.mktemp("events"), sync=False))
    street.browse(bare, log, 0, VISITS, lambda done, total: None)
    return log


def test_behaviour_alone_serves_asked_queries_better_and_leaves_the_others_alone(
    bare: Search, street: Street, log: DecisionLog
) -> None:
    known = bare.fitted(behaviour=Behaviour.of(log))
    asked = paired(street.truth(bare, street.heads), street.truth(known, street.heads), seed=1)
    fresh = paired(street.truth(bare, street.held), street.truth(known, street.held), seed=1)
    assert asked.low > 0.0
    assert fresh.low > -0.01


def test_a_round_promotes_what_gains_and_says_so_by_class(bare: Search, street: Street, log: DecisionLog) -> None:
    models = LocalModels()
    made = learn(bare, log, models, seed=1, gate=Gate(least=50), fit=fit)
    assert made.report.version and models.live(bare.ranker) is not None
    assert set(made.report.verdict.by_class) <= {"one word", "two words", "three words and more"}
    assert made.report.verdict.by_class and (made.wider is None or made.wider.high >= 0.0)
    version, card = models.live(bare.ranker) or ("", None)
    assert card is not None and card.inputs == bare.inputs
    new = bare.with_ranker(models, version, card)
    assert paired(street.truth(bare, street.held), street.truth(new, street.held), seed=1).value > 0.0


def test_a_model_that_fails_the_gate_leaves_what_is_live(bare: Search, log: DecisionLog) -> None:
    def worse(examples: Examples, seed: int) -> bytes:
        return fit(replace(examples, label=examples.label.max() - examples.label), seed)

    models = LocalModels()
    made = learn(bare, log, models, seed=1, gate=Gate(least=50), fit=worse)
    assert not made.report.version and models.live(bare.ranker) is None and "not surely above 0" in made.reason


def test_judged_lists_leave_out_what_nobody_judged(bare: Search, log: DecisionLog) -> None:
    judged = implicit(Behaviour.of(log))
    found = condensed(bare, judged)
    assert found.shape == (len(judged),) and 0.5 < np.nanmean(found) <= 1.0


def test_interleaving_prefers_the_better_search(bare: Search, street: Street, world: Shop) -> None:
    texts = [str(world.queries.text[q]) for q in street.came.query[:1200]]
    ids, shoppers = np.arange(1200, dtype=np.uint64), street.came.shopper[:1200]

    def shown(live: Search, new: Search, params: dict[str, str]) -> float:
        pages = mixed(live, new, texts, ids=ids, seed=3, params=params)
        slate = np.full((1200, 10), -1, dtype=np.int64)
        for b, page in enumerate(pages):
            slate[b, : len(page.ids)] = street.rows[live.catalogue.rows(page.ids)]
        did = street.shoppers.browse(street.came.query[:1200], slate, seed=9, shopper=shoppers)
        found = preferred(pages, [did.clicks[b, : len(p.ids)] for b, p in enumerate(pages)], shopper=shoppers, seed=1)
        return found.value if found.p < 0.05 else 0.0

    poor = bare.tuned(
        bare.weights, replace(bare.fusion, weights=-bare.fusion.weights)
    )  # the least like what was asked comes first
    assert shown(poor, bare, {}) > 0.1
    assert shown(bare, poor, {}) < -0.1
    assert shown(bare, bare, {}) == 0.0


def test_interleaving_wants_an_id_for_each_query(bare: Search) -> None:
    with pytest.raises(BadInput, match="an id for each query"):
        mixed(bare, bare, ["lamp"], ids=np.arange(2, dtype=np.uint64))


def test_behaviour_is_kept_and_brought_up_to_date(bare: Search, log: DecisionLog, tmp_path: Path) -> None:
    blobs = FileBlobs(str(tmp_path))
    assert len(kept_behaviour(blobs, bare.ranker).ids) == 0
    early = behaviour_of(blobs, log, bare.ranker, until_s=86_400.0)
    now = behaviour_of(blobs, log, bare.ranker)
    assert 0 < len(early.keys) < len(now.keys) and kept_behaviour(blobs, bare.ranker).version == now.version
    assert len(behaviour_of(blobs, log, "find.ranker-another").ids) == 0
    blobs.put(f"behaviour/{bare.ranker}.npz", b"cut short")
    assert len(kept_behaviour(blobs, bare.ranker).ids) == 0
