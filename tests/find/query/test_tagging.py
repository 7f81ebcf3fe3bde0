"""Tags: right on the made-up shop, never overlapping, the same every time, and back from their bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query.chain import best_path, marginals
from rialto.find.query.measure_tags import Truth, measure_parts, rows_of, tagging_f1
from rialto.find.query.roles import KINDS, key, roles
from rialto.find.query.tagging import Tagger
from rialto.find.query.training import Trained, train_parts
from rialto.worlds.shop import Shop
from rialto.worlds.shop_said import said


@pytest.fixture(scope="session")
def truth(world: Shop) -> list[Truth]:
    kinds = world.queries.kind.tolist()
    return [
        Truth(s.text, s.spans if k != "typo" else None, s.types, s.intent, s.asked.lower() if s.without else "", s.without)
        for s, k in zip(said(world), kinds)
    ]


def test_a_catalogue_alone_teaches_what_shoppers_words_are(trained: Trained, truth: list[Truth]) -> None:
    found = measure_parts(trained, truth)
    assert found["tagging_f1"].low > 0.8
    assert found["type_accuracy"].low > 0.65
    assert found["intent_accuracy"].low > 0.75
    assert found["negation_exact"].value > 0.9
    assert found["negation_harm"].value < 0.01


def test_a_tag_is_named_as_the_catalogue_writes_it(trained: Trained) -> None:
    tags = trained.tagger.tag(["velotar", "red", "bike", "helmet"])
    assert [(t.kind, t.value) for t in tags][:2] == [("brand", "Velotar"), ("colour", "red")]
    assert (tags[-1].kind, tags[-1].value) == ("type", "Sports/Cycling/Helmets")


def test_a_number_and_its_unit_are_told_apart(trained: Trained) -> None:
    tags = trained.tagger.tag(["1.5", "l", "kettle"])
    assert [t.kind for t in tags] == ["number", "unit", "type"]


@given(st.lists(st.text(min_size=1, max_size=12).filter(lambda w: len(w.split()) == 1 and w == w.strip()), max_size=30))
def test_tags_cover_the_words_in_order_without_overlap(trained: Trained, words: list[str]) -> None:
    tags = trained.tagger.tag(words)
    assert [t.start for t in tags] == [0, *(t.stop for t in tags)][: len(tags)]
    assert (tags[-1].stop if tags else 0) == len(words)
    assert all(t.kind in KINDS and 0.0 <= t.probability <= 1.0 for t in tags)
    assert trained.tagger.tag(words) == tags


def test_training_twice_gives_the_same(catalogue: Catalogue) -> None:
    few = rows_of(catalogue, np.arange(150))
    one, two = (train_parts(few, seed=4, most=600) for _ in range(2))
    assert one.save() == two.save()


def test_what_was_saved_tags_the_same(trained: Trained, texts: list[str]) -> None:
    loaded = Tagger.load(trained.tagger.save())
    assert all(loaded.tag(t.split()) == trained.tagger.tag(t.split()) for t in texts)


@pytest.mark.parametrize("body", [b"", b"PK", b"{}", b"\x93NUMPY"])
def test_bytes_that_are_no_tagger_are_refused(body: bytes) -> None:
    with pytest.raises(BadInput, match="no tagger"):
        Tagger.load(body)


def test_measuring_without_truth_is_refused(trained: Trained) -> None:
    with pytest.raises(BadInput, match="spans"):
        tagging_f1(trained.tagger.tag, [Truth("red shoe")])


def test_wrong_kinds_and_borders_count_against_tagging(trained: Trained) -> None:
    right = tuple((t.start, t.stop, t.kind) for t in trained.tagger.tag(["red", "bike", "helmet"]))
    assert tagging_f1(trained.tagger.tag, [Truth("red bike helmet", right)])["tagging_f1"].value == 1.0
    wrong = ((0, 3, "type"),)
    assert tagging_f1(trained.tagger.tag, [Truth("red bike helmet", wrong)])["tagging_f1"].value == 0.0


@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 2**31))
def test_marginals_and_path_are_those_of_all_sequences_counted(words: int, labels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, moves = rng.normal(size=(words, labels)), rng.normal(size=(labels + 1, labels))
    paths = np.array(np.meshgrid(*[np.arange(labels)] * words, indexing="ij")).reshape(words, -1).T
    total = moves[labels, paths[:, 0]] + scores[np.arange(words), paths].sum(axis=1)
    total += sum((moves[paths[:, i - 1], paths[:, i]] for i in range(1, words)), np.zeros(len(paths)))
    p = np.exp(total - total.max())
    p /= p.sum()
    plain = np.array([[p[paths[:, i] == y].sum() for y in range(labels)] for i in range(words)])
    assert np.allclose(marginals(scores, moves), plain, atol=1e-9)
    best = best_path(scores, moves)
    assert np.isclose(total[(paths == best).all(axis=1)][0], total.max())


@given(st.text(max_size=20))
def test_a_key_is_its_own_key(word: str) -> None:
    assert " " not in key(word.replace(" ", ""))


def test_roles_are_found_by_name_and_by_values(catalogue: Catalogue) -> None:
    found = dict(zip(catalogue.labels.names, roles(catalogue)))
    assert found["colour"] == "colour"
    assert found["material"] == "material"
    assert found["model"] == "model"
    assert found["audience"] == "attribute"
