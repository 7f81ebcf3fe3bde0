"""Two looks at a pair: every driver by the linear model, the cheapest few by the trees, which have the last word on those."""

from __future__ import annotations

import numpy as np
import pytest

from rialto.local.models import LocalModels
from rialto.local.trees import fit
from rialto.match.decide import UNMATCHED_S, card, likely, phases
from rialto.match.features import NAMES
from rialto.match.sight import SIGHT, Linear
from rialto.ports import ModelCard
from rialto.records import Candidates, Context, Requests
from rialto.spine.decide.assign import assign
from rialto.spine.learn import Examples
from rialto.spine.pipeline import Pipeline
from rialto.spine.retrieve import Source


def window(rows: int, seed: int = 0) -> Candidates:
    """One order, with drivers whose features are drawn."""
    chance = np.random.default_rng(seed)
    columns = {name: chance.random(rows).astype(np.float32) for name in NAMES}
    columns |= {"pickup_s": (chance.random(rows) * 300).astype(np.float32), "waited_s": np.zeros(rows, dtype=np.float32)}
    return Candidates(np.array([0, rows]), np.arange(rows), columns)


def taught(*, sight: bool) -> tuple[LocalModels, str]:
    """An acceptance model that knows a kink in the idle time, which no linear model can."""
    pytest.importorskip("catboost")
    c = window(6000, seed=1)
    table = np.stack([c.column(n) for n in NAMES], axis=1)
    label = (np.abs(c.column("idle_s") - 0.5) < 0.25).astype(float)
    at, ones = np.arange(len(c)), np.ones(len(c))
    body = fit(table, label, at, loss="Logloss", trees=40, depth=4, seed=0, names=NAMES).to_bytes()
    examples = Examples(table, NAMES, label, at, at, at * 0, at * 0, ones, ones)
    models, plain = LocalModels(), card()
    params = {SIGHT: Linear.fit(examples).to_json()} if sight else {}
    version = models.put(ModelCard(plain.name, "trees", NAMES, params=params), body)
    models.promote(plain.name, version)
    return models, version


def ran(models: LocalModels, version: str, candidates: Candidates, **overrides: float) -> Candidates:
    steps = Pipeline(
        "demo",
        [Source("all", lambda r, c: candidates)],
        [],
        [likely(models, version)],
        phases(models, version),
        assign(UNMATCHED_S),
    )
    changed = {name.replace("__", "."): np.array([value]) for name, value in overrides.items()}
    asked = Requests.of({"order": np.array([1])}, ids=np.array([1]))
    return steps.run(Requests(asked.ids, asked.time_s, asked.columns, changed)).ranked


def test_without_a_model_the_prior_says_how_likely_a_yes_is() -> None:
    ranked = ran(LocalModels(), "", window(5))
    assert ranked.column("likely").tolist() == [np.float32(0.8)] * 5
    assert ranked.column("score") == pytest.approx(-(ranked.column("pickup_s") + 0.2 * 300.0), rel=1e-6)


def test_trees_look_at_the_cheapest_three_and_the_others_keep_their_first_cost() -> None:
    models, version = taught(sight=True)
    ranked = ran(models, version, window(12), match__decide__least=0.0)
    looked = ~np.isnan(ranked.column("acceptance"))
    first = ranked.column("score:sight")
    assert sorted(np.flatnonzero(looked).tolist()) == sorted(np.argsort(-first)[:3].tolist())
    assert ranked.column("score")[~looked].tolist() == first[~looked].tolist()
    told = ranked.column("acceptance")[looked].astype(float)
    assert ranked.column("score")[looked] == pytest.approx(-(ranked.column("pickup_s")[looked] + (1 - told) * 300.0), rel=1e-5)
    idle = ranked.column("idle_s")[looked]
    assert ((told > 0.5) == (np.abs(idle - 0.5) < 0.25)).all()


def test_how_many_the_trees_look_at_is_a_param_and_a_card_without_a_linear_part_has_them_look_at_all() -> None:
    models, version = taught(sight=True)
    assert int((~np.isnan(ran(models, version, window(12), match__rank__trees_depth=7).column("acceptance"))).sum()) == 7
    models, version = taught(sight=False)
    ranked = ran(models, version, window(12))
    assert not np.isnan(ranked.column("acceptance")).any()
    assert ranked.column("likely").tolist() == [np.float32(0.8)] * 12


def test_an_offer_that_would_hardly_be_accepted_is_not_made() -> None:
    c = window(3).with_columns({"acceptance": np.array([0.01, 0.5, 0.9], dtype=np.float32)})
    models, version = taught(sight=True)
    scored = phases(models, version)[1].score(Requests.of({"order": np.array([1])}, ids=np.array([1])), c, Context())
    assert np.isinf(scored).tolist() == [True, False, False]
