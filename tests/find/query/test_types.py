"""Product types and intents: probabilities that add up, codes of products, clicks that teach, and other catalogues."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.ingest import read_catalogue
from rialto.find.query.intent import INTENTS, Intents
from rialto.find.query.measure_tags import calibration, measure_parts, measure_synthesised, rows_of
from rialto.find.query.softmax import train_softmax
from rialto.find.query.training import Trained, train_parts
from rialto.find.query.types import Types
from rialto.find.query.understood import Understood
from rialto.worlds.shop import Shop


@given(st.text(max_size=60))
def test_probabilities_of_types_add_up_to_one(trained: Trained, text: str) -> None:
    p = trained.types.probabilities(text)
    assert p.shape == (len(trained.types.names),)
    assert np.isclose(p.sum(), 1.0, atol=1e-4)
    found = trained.types.predict(text)
    assert len(found) <= 5
    assert list(found) == sorted(found, key=lambda f: -f[1])


def test_a_products_code_is_its_category(trained: Trained, catalogue: Catalogue) -> None:
    codes = trained.types.codes(catalogue)
    assert [trained.types.names[c] for c in codes[:20]] == catalogue.text("category")[:20].tolist()
    assert trained.types.type_of_product(catalogue, 3) == codes[3]


def test_the_noun_of_a_title_says_the_type(trained: Trained) -> None:
    assert trained.types.predict("kettle")[0][0] == "Kitchen/Small appliances/Kettles"
    assert trained.types.predict("zzzqqq") == ()


def test_probabilities_of_types_are_near_how_often_they_are_right(trained: Trained, world: Shop) -> None:
    from rialto.find.query.measure_tags import Truth
    from rialto.worlds.shop_said import said

    assert calibration(trained.types.predict, [Truth(s.text, types=s.types) for s in said(world)]) < 0.15


def test_clicks_teach_words_that_the_catalogue_does_not_use(trained: Trained, catalogue: Catalogue, world: Shop) -> None:
    from rialto.find.query.measure_tags import Truth
    from rialto.worlds.shop_said import said

    clicks = {
        str(text): {int(n): 3.0 for n in catalogue.numbers[np.flatnonzero(world.grades[q] == 3)[:8]]}
        for q, text in enumerate(world.queries.text.tolist())
        if world.queries.kind[q] == "synonym"
    }
    taught = train_parts(catalogue, clicks=clicks, most=4000)
    # other queries with the words of those clicked: "black tennis bat" after "tennis bat"
    asked = [s for s, k in zip(said(world), world.queries.kind) if k == "synonym" and len(s.types) == 1]
    truth = [Truth(f"cheap {s.text}", types=s.types) for s in asked]
    before, after = measure_parts(trained, truth)["type_accuracy"], measure_parts(taught, truth)["type_accuracy"]
    assert after.low > before.high


def test_types_come_from_titles_where_there_are_no_categories(catalogue: Catalogue) -> None:
    bare = Catalogue(
        catalogue.ids, catalogue.numbers, {**catalogue.texts, "category": np.full(len(catalogue), "", dtype=object)},
        catalogue.values, catalogue.labels, catalogue.measures,
    )  # fmt: skip
    types = train_parts(bare, most=2000).types
    assert types.classes.source == "title"
    assert np.mean([types.predict(name)[0][0] == name for name in types.names]) > 0.7
    codes = types.codes(bare)
    assert codes.max() < len(types.names)
    assert (codes >= 0).mean() > 0.5


@pytest.mark.parametrize("count", [0, 1, 3])
def test_tiny_catalogues_train_and_read(catalogue: Catalogue, count: int) -> None:
    trained = train_parts(rows_of(catalogue, np.arange(count)), most=200)
    parts = Trained.load(trained.save(), catalogue).parts()
    for asked in ("red shoes without laces", "", "🎧 تلفاز", "a" * 500):
        parts.fill(parts.cut(Understood(asked, asked), frozenset()))


@pytest.mark.parametrize(("asked", "intent"), [
    ("return policy", "navigation"), ("kettle", "type"), ("red kettle", "attribute"), ("velotar", "browse"), ("vb-7550", "exact"),
    ("", "browse"),
])  # fmt: skip
def test_intent_is_what_a_shopper_wants(trained: Trained, asked: str, intent: str) -> None:
    understood = trained.parts().fill(Understood(asked, asked))
    assert understood.intent == intent
    assert {i for i, _ in understood.intents} == set(INTENTS)
    assert np.isclose(sum(p for _, p in understood.intents), 1.0)


def test_the_shipped_intents_and_saved_types_load(trained: Trained) -> None:
    assert Intents.default().weights.shape == trained.intents.weights.shape
    assert Types.load(trained.types.save()).predict("red kettle") == trained.types.predict("red kettle")
    for load in (Types.load, Intents.load):
        with pytest.raises(BadInput):
            load(b"no")


def test_measuring_a_catalogue_trains_on_other_products(catalogue: Catalogue) -> None:
    found = measure_synthesised(catalogue, count=300, most=3000)
    assert found["tagging_f1"].value > 0.8
    assert all(m.low <= m.value <= m.high for m in found.values())
    with pytest.raises(BadInput, match="divided"):
        measure_synthesised(rows_of(catalogue, np.arange(0)))


@given(st.integers(0, 2**31))
def test_one_step_of_the_classifier_is_that_of_plain_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    feature, start = np.array([0, 2, 2], dtype=np.int32), np.array([0, 3], dtype=np.int64)
    table = rng.normal(size=(5, 3)).astype(np.float32)
    plain = table.copy()
    target, weight = np.array([1], dtype=np.int32), np.array([0.7], dtype=np.float32)
    train_softmax(feature, start, target, weight, np.array([0]), table, 0.1, 0.0)
    scale = 1.0 / np.sqrt(3.0)
    score = plain[4] + scale * plain[feature].sum(axis=0)
    p = np.exp(score - score.max())
    p = p / p.sum() - np.eye(3)[1]
    seen = np.full(plain.shape, 1e-3)
    for row, size in ((0, scale), (2, scale), (2, scale), (4, 0.1)):
        g = p * size * 0.7
        seen[row] += g * g
        plain[row] -= 0.1 * g / np.sqrt(seen[row])
    assert np.allclose(table, plain, atol=1e-4)


def test_icecat_is_tagged_and_typed_though_it_has_no_categories() -> None:
    folder = Path(os.environ.get("RIALTO_DATA", "../shared/data")) / "icecat"
    if not folder.is_dir():
        pytest.skip(f"no data under {folder}")
    whole = read_catalogue(str(folder / "products.jsonl.gz")).catalogue
    trained = train_parts(rows_of(whole, np.arange(0, len(whole), 10)), most=3000)
    assert trained.types.predict("hp toner cartridge")[0][0] == "toner cartridge"
    assert {t.kind for t in trained.tagger.tag(["black", "hp", "toner", "cartridge"])} >= {"colour", "type"}
