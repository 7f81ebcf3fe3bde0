"""The loop on the made-up shop: shoppers click, the ranker learns, the gate lets a real gain through and refuses a worse model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.clicks import Clicks, from_clicks, ranker
from rialto.find.pipeline import RANKER, Search, build
from rialto.local.events import LocalEvents
from rialto.local.models import LocalModels
from rialto.local.trees import Trees
from rialto.local.trees import fit as grow
from rialto.spine.learn import Examples, Gate, Score, improve
from rialto.spine.log import DecisionLog, Feedback
from rialto.spine.params import Value
from rialto.worlds.shop import Shop
from rialto.worlds.shoppers import Shoppers

SESSIONS, PLACES = 1600, 20
SHELF = {"find.retrieve.vector": 0, "find.retrieve.lexical": 30, "find.decide.collapse": False, "find.decide.size": PLACES}
"""The shop that is served: thirty lexical matches, and before it learns anything the newest come first."""
NEWEST = {**SHELF, "find.decide.swap": 0.5}  # sorted by age


def fit(examples: Examples, seed: int) -> bytes:
    return grow(
        examples.features, examples.label, examples.group, trees=40, depth=4, learning_rate=0.1, seed=seed, names=examples.names
    ).to_bytes()


def worse(examples: Examples, seed: int) -> bytes:
    return fit(replace(examples, label=examples.label.max() - examples.label), seed)


def scorer(models: LocalModels) -> Score:
    def score(model: bytes | str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        return models.score(model, inputs) if isinstance(model, str) else Trees.from_bytes(model).score(inputs)

    return score


def true_ndcg(search: Search, world: Shop, params: dict[str, Value], sort: str = "relevance") -> float:
    outcome = search.search([str(t) for t in world.queries.text], params=params, sort=sort)
    discount = 1.0 / np.log2(np.arange(2, PLACES + 2))
    found = []
    for q in range(len(world.queries)):
        gains = 2.0 ** world.grades[q, outcome.decisions.of(q)] - 1
        best = np.sort(2.0 ** world.grades[q].astype(float) - 1)[::-1][:PLACES]
        found.append(gains @ discount[: len(gains)] / (best @ discount))
    return float(np.mean(found))


@pytest.fixture(scope="module")
def log(search: Search, world: Shop, tmp_path_factory: pytest.TempPathFactory) -> DecisionLog:
    """Searches served with the newest first, and what shoppers did."""
    log = DecisionLog(LocalEvents(tmp_path_factory.mktemp("events"), sync=False))
    crowd = Shoppers(world, seed=1)
    visits = crowd.visits(SESSIONS, seed=2)
    for start in range(0, SESSIONS, 200):
        part = slice(start, start + 200)
        texts = [str(world.queries.text[q]) for q in visits.query[part]]
        outcome = search.search(
            texts,
            ids=np.arange(part.start, part.stop, dtype=np.uint64),
            params=NEWEST,
            sort="newest",
            time_s=float(start),
            seed=5,
        )
        shown = np.full((len(texts), PLACES), -1, dtype=np.int64)
        for b in range(len(texts)):
            shown[b, : outcome.decisions.counts[b]] = outcome.decisions.of(b)
        did = crowd.browse(visits.query[part], shown, seed=start, shopper=visits.shopper[part])
        log.write([outcome])
        for kind, happened in (("click", did.clicks), ("cart", did.carts), ("purchase", did.purchases)):
            log.write_feedback(
                [Feedback(kind, start + int(b), int(shown[b, p]), 1.0, start + 60.0) for b, p in zip(*np.nonzero(happened))]
            )
    return log


@pytest.fixture(scope="module")
def clicks(log: DecisionLog) -> Clicks:
    return from_clicks(log, within_s=3600.0)


def test_every_outcome_and_every_served_row_is_accounted_for(clicks: Clicks) -> None:
    report = clicks.report
    assert report.joined == report.outcomes > 500
    assert len(clicks.examples) == report.rows and 0.9 * SESSIONS < report.decisions <= SESSIONS
    assert (clicks.examples.weights == 1.0).all() and clicks.examples.label.max() > 3.0


def test_lower_places_are_found_to_be_looked_at_less(clicks: Clicks, world: Shop) -> None:
    truth = Shoppers(world, seed=1).examination(PLACES)
    found = clicks.seen.probability[: clicks.seen.known]
    assert len(found) >= 3 and found[1:].max() < 0.9
    assert np.allclose(found[:3], truth[:3] / truth[0], atol=0.3)


def test_the_gate_passes_a_real_gain_and_the_truth_agrees(search: Search, clicks: Clicks, world: Shop) -> None:
    models = LocalModels()
    report = improve(clicks.examples, models, ranker(fit, scorer(models), Gate(least=50)), seed=1)
    assert report.verdict.passed, report.verdict.reason
    learned = build(
        search.catalogue,
        text=search._text,
        vectors=search._vectors,
        encode=search._encode,
        models=models,
        units=search.knowledge.units,
    )
    assert learned.pipeline.versions[RANKER] == report.version
    assert true_ndcg(learned, world, SHELF) > true_ndcg(search, world, NEWEST, "newest") + 0.05
    refused = improve(clicks.examples, models, ranker(worse, scorer(models), Gate(least=50)), seed=1)
    assert not refused.verdict.passed and "not surely above 0" in refused.verdict.reason
    assert models.live(RANKER) is not None and models.live(RANKER)[0] == report.version  # type: ignore[index]


def test_an_empty_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="serve some first"):
        from_clicks(DecisionLog(LocalEvents(tmp_path / "e", sync=False)))
