"""CrossEncoder and LateEncoder with the installed weights; what needs no weights runs without them."""

from __future__ import annotations

from importlib.util import find_spec
from threading import Thread

import numpy as np
import pytest

from rialto.errors import BadInput, EngineLost, EngineMissing, NothingHere
from rialto.local import minilm
from rialto.local.bert import weight_bits
from rialto.local.cross import COLUMNS, CrossEncoder
from rialto.local.cross_graph import CrossShape, Head
from rialto.local.cross_model import CrossModel, CrossShelf
from rialto.local.cross_train import Course, train_cross
from rialto.local.late import LateEncoder
from rialto.local.turns import Turns

TEXTS = [
    "Targus 15.6 inch notebook case black", "Canon inkjet printer", "", "USB-C cable 2 m", "Leather bag for laptops up to 14 inches",
    "Logitech wireless mouse " * 30, "?", "笔记本电脑包", "\ud800 broken",
]  # fmt: skip
ROWS = np.arange(len(TEXTS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    try:
        minilm.weights()
    except EngineMissing as error:
        pytest.skip(str(error))
    return tmp_path_factory.mktemp("cross")


@pytest.fixture(scope="module")
def late(folder):
    made = LateEncoder(folder, layers=2, threads=2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def cross(folder):
    made = CrossEncoder(folder, layers=2, threads=2)
    yield made
    made.close()


def sides(encoder):
    return encoder.products(TEXTS.__getitem__, len(TEXTS))


@pytest.mark.parametrize("kind", ["late", "cross"])
def test_pairs_do_not_depend_on_their_company_nor_on_the_run(kind, request):
    encoder = request.getfixturevalue(kind)
    together = encoder.score("laptop bag", sides(encoder), ROWS)
    alone = np.concatenate([encoder.score("laptop bag", sides(encoder), ROWS[at : at + 1]) for at in ROWS])
    assert np.array_equal(together, alone, equal_nan=True)
    assert np.array_equal(together[::-1], encoder.score("laptop bag", sides(encoder), ROWS[::-1]), equal_nan=True)


def test_bag_for_laptops_is_likelier_than_a_cable_for_a_laptop_bag(folder):
    encoder = LateEncoder(folder, threads=2)
    table = encoder.score("laptop bag", sides(encoder), ROWS)
    encoder.close()
    for column in ("cross", "cross_cos", "cross_sim"):
        scores = table[:, COLUMNS.index(column)]
        assert scores[4] > scores[3] and scores[0] > scores[1]


def test_states_that_are_kept_say_what_the_layers_apart_say_in_one_run(folder):
    exact, kept = CrossEncoder(folder, layers=2, bits=0, threads=1), LateEncoder(folder, layers=2, bits=0, threads=1)
    one, two = exact.score("laptop bag", sides(exact), ROWS), kept.score("laptop bag", sides(kept), ROWS)
    np.testing.assert_allclose(one, two, atol=0.01)


def test_int8_is_near_float32(folder, cross):
    exact = CrossEncoder(folder, layers=2, bits=0, threads=1)
    one, two = exact.score("laptop bag", sides(exact), ROWS), cross.score("laptop bag", sides(cross), ROWS)
    np.testing.assert_allclose(one[:, 1:], two[:, 1:], atol=0.12)


@pytest.mark.parametrize("kind", ["late", "cross"])
def test_what_holds_no_word_is_not_known(kind, request):
    encoder = request.getfixturevalue(kind)
    table = encoder.score("cable", sides(encoder), ROWS)
    assert np.isnan(table).all(axis=1).tolist() == [text == "" for text in TEXTS]
    assert np.isnan(encoder.score("", sides(encoder), ROWS)).all()
    assert encoder.score("cable", sides(encoder), ROWS[:0]).shape == (0, len(COLUMNS))
    assert np.isfinite(encoder.score("cable " * 3000 + "\ud800\x00", sides(encoder), ROWS[:2])).all()


@pytest.mark.parametrize("kind", ["late", "cross"])
def test_time_that_is_up_leaves_the_rest_unread_the_best_first(kind, request):
    encoder, asked = request.getfixturevalue(kind), []

    def left_s() -> float:
        asked.append(1)
        return 3.0 - len(asked)

    known = ~np.isnan(encoder.score("cable", sides(encoder), np.array([0, 1, 3, 4, 5]), left_s=left_s)[:, 0])
    assert 0 < known.sum() < 5 and known[: known.sum()].all()


@pytest.mark.parametrize("kind", ["late", "cross"])
def test_row_that_is_not_there_is_refused(kind, request):
    encoder = request.getfixturevalue(kind)
    with pytest.raises(BadInput, match="9 products"):
        encoder.score("cable", sides(encoder), np.array([9]))


def test_concurrent_requests_get_their_own_answers(cross):
    queries, found = ["laptop bag", "usb cable", "printer", "mouse"], {}
    threads = [Thread(target=lambda q=q: found.update({q: cross.score(q, sides(cross), ROWS)})) for q in queries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for query in queries:
        assert np.array_equal(found[query], cross.score(query, sides(cross), ROWS), equal_nan=True)


def test_kept_states_stay_within_their_memory_and_change_nothing(folder, late):
    small = LateEncoder(folder, layers=2, threads=1, keep_mb=0)
    products = sides(small)
    once, twice = (small.score("cable", products, ROWS) for _ in range(2))
    assert np.array_equal(once, twice, equal_nan=True) and sum(products.get(int(row)) is not None for row in ROWS) == 1
    assert np.array_equal(once, late.score("cable", sides(late), ROWS), equal_nan=True)


def test_products_that_were_read_ahead_need_no_time(late):
    products = sides(late)
    late.ahead(products, ROWS)
    left = iter([1.0])
    assert np.isfinite(late.score("cable", products, ROWS[:2], left_s=lambda: next(left, 0.0))).all()


@pytest.mark.parametrize("wrong", [{"layers": 0}, {"layers": 7}, {"bits": 5}, {"tokens": 2}, {"threads": -1}])
def test_numbers_out_of_range_are_refused(tmp_path, wrong):
    for kind in (CrossEncoder, LateEncoder):
        with pytest.raises(BadInput, match="wanted"):
            kind(tmp_path, **wrong)
    assert not list(tmp_path.iterdir())


def test_damaged_graph_says_what_to_do(folder, tmp_path):
    name = next(folder.glob("late-l2-int*.onnx")).name
    (tmp_path / name).write_bytes(b"half")
    with pytest.raises(EngineLost, match="remove it"):
        LateEncoder(tmp_path, layers=2)


@pytest.mark.parametrize(
    ("flags", "bits"), [("flags : fpu avx2", 7), ("flags : avx2 avx_vnni", 8), ("Features : asimddp", 8), ("", 7)]
)
def test_weights_have_seven_bits_where_products_saturate(tmp_path, flags, bits):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n")
    assert weight_bits(tmp_path / "cpuinfo") == bits


def tuned(seed=0):
    rng = np.random.default_rng(seed)
    name = "encoder.layer.1.attention.self.query.bias"
    return CrossModel(CrossShape(2, 1), Head(rng.normal(size=384).astype(np.float32)), {name: np.ones(384)}, "abc", {"a": "b"})


def test_saved_model_comes_back(tmp_path):
    shelf, model = CrossShelf(tmp_path / "cross"), tuned()
    assert shelf.live() is None
    shelf.promote(shelf.put(model))
    again = shelf.live()
    assert again is not None and again.version == model.version != tuned(1).version
    assert (again.shape, again.data, again.params) == (model.shape, "abc", {"a": "b"})


def test_damaged_or_missing_model_is_told(tmp_path):
    shelf = CrossShelf(tmp_path)
    with pytest.raises(NothingHere, match="known"):
        shelf.promote("../../etc/passwd")
    version = shelf.put(tuned())
    shelf.promote(version)
    (tmp_path / f"{version}.npz").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(EngineLost, match="train it again"):
        shelf.live()
    (tmp_path / f"{version}.npz").unlink()
    with pytest.raises(EngineLost, match="not there"):
        shelf.live()


def test_trained_model_scores_with_its_own_weights(folder, cross):
    own = CrossEncoder(folder, model=tuned(), threads=1)
    assert own.version != cross.version
    assert not np.allclose(own.score("cable", sides(own), ROWS[:2]), cross.score("cable", sides(cross), ROWS[:2]), atol=0.01)


@pytest.mark.parametrize(
    ("offsets", "grades", "words"),
    [([0, 2], [0.0, 0.0], "nothing to learn"), ([0, 1], [0.0, 1.0], "do not fit"), ([0], [], "do not")],
)
def test_lists_that_teach_nothing_are_refused(offsets, grades, words):
    with pytest.raises(BadInput, match=words):
        train_cross(["q"], np.array(offsets), ["a"] * len(grades), np.array(grades))


def test_training_without_torch_names_the_command(folder):
    if find_spec("torch"):
        pytest.skip("PyTorch is installed here")
    with pytest.raises(EngineMissing, match=r"rialto\[train\]"):
        train_cross(["q"], np.array([0, 2]), ["a", "b"], np.array([0.0, 1.0]))


def test_training_learns_and_the_graph_scores_as_torch_does(folder):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    queries, texts = ["red lamp", "blue lamp"], ["red lamp", "blue lamp", "green chair"] * 2
    lists = (queries, np.array([0, 3, 6]), texts, np.array([0.0, 3, 0, 3, 0, 0]))  # wrong on purpose: only training can know
    start = CrossModel(CrossShape(2, 1), Head(cos=8.0, sim=8.0))
    losses: list[float] = []
    model = train_cross(
        *lists, start=start, course=Course(steps=100, queries=2, products=3, rate=2e-4), tell=lambda _, x: losses.append(x)
    )
    again = train_cross(*lists, start=start, course=Course(steps=100, queries=2, products=3, rate=2e-4))
    assert losses[-1] < losses[0] and again.version == model.version
    exact = CrossEncoder(folder, model=model, bits=0, threads=1)
    scores = exact.score("red lamp", exact.products(texts.__getitem__, 6), np.arange(3))[:, 0]
    assert scores.argmax() == 1

    from rialto.local.cross_train import _Net

    learned = _Net(model, 48).score([("red lamp", text) for text in texts[:3]], {}).detach().numpy()
    np.testing.assert_allclose(learned, scores, atol=5e-3)


def test_failing_piece_is_raised_and_others_end():
    turns = Turns(2)
    with pytest.raises(ZeroDivisionError):
        turns.each(lambda at: 1 // (at - 1), 5)
    turns.close()
    done: list[int] = []
    turns.each(done.append, 4)
    assert sorted(done) == [0, 1, 2, 3]
    turns.close()
