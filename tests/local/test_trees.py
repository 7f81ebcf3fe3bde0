"""Trees score as CatBoost does, a row as in any batch, and survive bytes; damage is refused."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rialto.errors import BadInput, EngineMissing
from rialto.local.trees import Trees, fit
from rialto.threads import spread


def forest(*, trees=7, depth=3, inputs=4, seed=0, nan_high=()):
    chance = np.random.default_rng(seed)
    feature = chance.integers(0, inputs, (trees, depth))
    threshold = chance.choice([-1.0, 0.0, 0.5, 2.0], (trees, depth))
    leaf = chance.normal(size=(trees, 2**depth))
    names = tuple(f"f{i}" for i in range(inputs))
    return Trees(feature, threshold, leaf, names=names, bias=0.25, scale=0.5, nan_high=np.array(nan_high, dtype=np.bool_))


VALUES = st.sampled_from([-2.0, -1.0, 0.0, -0.0, 0.5, 0.50001, 2.0, np.inf, -np.inf, np.nan])


@settings(deadline=None)
@given(
    depth=st.integers(0, 8),
    trees=st.integers(0, 9),
    seed=st.integers(0, 99),
    high=st.booleans(),
    table=arrays(np.float32, st.tuples(st.integers(0, 30), st.just(4)), elements=VALUES),
)
def test_the_kernel_equals_the_plain_version(depth, trees, seed, high, table):
    model = forest(trees=trees, depth=depth, seed=seed, nan_high=(high, False, high, True))
    assert np.allclose(model.score(table), model.score_plain(table), rtol=1e-12, atol=1e-12)


def test_a_row_has_the_same_bits_alone_and_in_any_batch():
    model, table = forest(trees=50, depth=6, inputs=9), np.random.default_rng(1).normal(size=(5000, 9)).astype(np.float32)
    whole = model.score(table)
    assert [model.score(table[i : i + 1])[0] for i in range(0, 5000, 61)] == whole[::61].tolist()
    for cut in (1, 255, 256, 257, 1023, 4097):
        assert np.array_equal(model.score(table[:cut]), whole[:cut])
        assert np.array_equal(model.score(table[cut:], threads=1), whole[cut:])


def test_a_feature_with_more_borders_than_a_byte_counts():
    chance = np.random.default_rng(0)
    model = Trees(np.zeros((200, 4)), chance.normal(size=(200, 4)), chance.normal(size=(200, 16)), names=("x",))
    table = chance.normal(size=(500, 1)).astype(np.float32)
    assert np.allclose(model.score(table), model.score_plain(table))


def test_other_layouts_and_types_of_the_table_score_alike():
    model, table = forest(), np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    frozen = table.copy()
    frozen.flags.writeable = False
    for same in (np.asfortranarray(table), table.astype(np.float64), np.repeat(table, 2, axis=0)[::2], frozen):
        assert np.array_equal(model.score(same), model.score(table))


def test_threads_that_score_at_once_agree():
    model, table = forest(trees=40, depth=5), np.random.default_rng(1).normal(size=(6000, 4)).astype(np.float32)
    wanted = model.score(table)
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(lambda _: model.score(table), range(24)):
            assert np.array_equal(scores, wanted)


def test_bytes_give_the_same_model_back():
    model = forest(nan_high=(True, False, False, True))
    body = model.to_bytes()
    again = Trees.from_bytes(body)
    table = np.array([[np.nan, 1.0, 0.0, np.nan], [9.0, -9.0, 0.5, 0.0]], dtype=np.float32)
    assert again.to_bytes() == body
    assert again.names == model.names
    assert np.array_equal(again.score(table), model.score(table))


@given(data=st.data())
def test_no_damage_to_the_bytes_goes_unnoticed(data):
    body = bytearray(forest().to_bytes())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadInput):
        Trees.from_bytes(bytes(body))
    with pytest.raises(BadInput):
        Trees.from_bytes(bytes(forest().to_bytes()[:at]))


def test_another_number_of_columns_is_refused_and_the_inputs_are_named():
    with pytest.raises(BadInput, match=r"wanted \(rows, 4\): f0, f1, f2, f3"):
        forest().score(np.zeros((2, 3), dtype=np.float32))


@pytest.mark.parametrize(
    ("feature", "threshold", "leaf"),
    [
        ([[0]], [[1.0, 2.0]], [[0.0, 1.0]]),
        ([[0]], [[1.0]], [[0.0, 1.0, 2.0]]),
        ([[2]], [[1.0]], [[0.0, 1.0]]),
        ([[-1]], [[1.0]], [[0.0, 1.0]]),
        ([[0]], [[np.nan]], [[0.0, 1.0]]),
        ([[0]], [[1.0]], [[0.0, np.inf]]),
        ([[0] * 9], [[1.0] * 9], [[0.0] * 512]),
        ([0], [1.0], [0.0, 1.0]),
    ],
)
def test_trees_that_cannot_be_are_refused(feature, threshold, leaf):
    with pytest.raises(BadInput):
        Trees(np.array(feature), np.array(threshold), np.array(leaf), names=("a", "b"))


def shop(rows=2000):
    """Rows with missing values and a label that depends on them."""
    chance = np.random.default_rng(3)
    table = chance.normal(size=(rows, 6)).astype(np.float32)
    table[chance.random((rows, 6)) < 0.1] = np.nan
    clean = np.nan_to_num(table, nan=-2.0)
    return table, clean[:, 0] * 2.0 + clean[:, 1] * clean[:, 2], np.repeat(np.arange(rows // 20), 20)


@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
@pytest.mark.parametrize("loss", ["RMSE", "Logloss", "YetiRank"])
def test_scores_equal_catboosts_own_with_missing_values(tmp_path, loss, nan_mode):
    catboost = pytest.importorskip("catboost")
    table, value, group = shop()
    label = value if loss == "RMSE" else (value > 0).astype(np.float64)
    model = catboost.CatBoost(
        {
            "loss_function": loss,
            "iterations": 30,
            "depth": 5,
            "nan_mode": nan_mode,
            "verbose": False,
            "allow_writing_files": False,
        }
    ).fit(catboost.Pool(table, label, group_id=group if loss == "YetiRank" else None))
    model.save_model(str(tmp_path / "m.json"), format="json")
    ours = Trees.from_catboost_json((tmp_path / "m.json").read_bytes())
    wanted = model.predict(table, prediction_type="RawFormulaVal")
    assert np.abs(ours.score(table) - wanted).max() < 1e-6
    assert np.abs(ours.score_plain(table) - wanted).max() < 1e-6


def test_fit_learns_and_repeats_itself():
    pytest.importorskip("catboost")
    table, value, _ = shop()
    names = ("price", "rating", "stock", "age", "views", "sales")
    one, two = (fit(table, value, loss="RMSE", trees=60, depth=4, seed=1, names=names) for _ in range(2))
    assert one.names == names
    assert one.to_bytes() == two.to_bytes()
    assert np.mean((one.score(table) - value) ** 2) < 0.2 * np.var(value)


def test_fit_ranks_groups_whose_rows_are_mixed():
    pytest.importorskip("catboost")
    table, value, group = shop()
    mixed = np.random.default_rng(0).permutation(len(group))
    model = fit(table[mixed], (value > 1.0).astype(np.float64)[mixed], group[mixed], trees=40, weights=np.ones(len(group)))
    score = model.score(table)
    better = [
        score[g][value[g] > 1.0].mean() > score[g][value[g] <= 1.0].mean()
        for g in group.reshape(-1, 20)[:, :1] * 20 + np.arange(20)
    ]
    assert np.mean(better) > 0.9


def test_weights_move_what_is_learned():
    pytest.importorskip("catboost")
    table = np.zeros((200, 2), dtype=np.float32)
    table[100:, 0] = 1.0
    label = np.tile([0.0, 1.0], 100)
    weights = np.where(label == 1.0, 9.0, 1.0)
    model = fit(table, label + table[:, 0], loss="RMSE", trees=200, depth=1, weights=weights)
    assert model.score(table[:1])[0] == pytest.approx(0.9, abs=0.05)


def test_training_data_that_cannot_be_learned_from_is_refused():
    pytest.importorskip("catboost")
    table, value, group = shop(200)
    wrong = [
        (table, value[:-1], None, {"loss": "RMSE"}),
        (table, np.where(np.arange(200) == 7, np.nan, value), None, {"loss": "RMSE"}),
        (table, np.zeros(200), None, {"loss": "Logloss"}),
        (table, value, None, {}),
        (table, value, group[:-1], {}),
        (table, value, None, {"loss": "RMSE", "depth": 9}),
        (table, value, None, {"loss": "RMSE", "names": ("a",)}),
        (table, value, None, {"loss": "Gini"}),
        (table * np.float32(0), value, None, {"loss": "RMSE"}),
    ]
    for inputs, label, groups, rest in wrong:
        with pytest.raises(BadInput):
            fit(np.nan_to_num(inputs), label, groups, trees=3, **rest)


def test_models_that_are_not_numeric_oblivious_trees_are_refused():
    good = {
        "oblivious_trees": [
            {"splits": [{"border": 1.0, "float_feature_index": 0, "split_type": "FloatFeature"}], "leaf_values": [1, 2]}
        ],
        "features_info": {"float_features": [{"flat_feature_index": 0, "feature_id": "a", "nan_value_treatment": "AsIs"}]},
        "scale_and_bias": [1, [0.5]],
    }
    assert Trees.from_catboost_json(json.dumps(good).encode()).score(np.array([[2.0]], dtype=np.float32)).tolist() == [2.5]
    for wrong in (
        b"",
        b"[]",
        b"{}",
        json.dumps({**good, "scale_and_bias": [1, [0.0, 1.0]]}).encode(),
        json.dumps({**good, "features_info": {**good["features_info"], "categorical_features": []}}).encode(),
    ):
        with pytest.raises(BadInput):
            Trees.from_catboost_json(wrong)


def test_spread_covers_every_row_once_and_passes_errors_on():
    seen = np.zeros(1000, dtype=np.int64)

    def mark(first: int, last: int) -> None:
        seen[first:last] += 1

    spread(mark, 1000, grain=7, threads=5)
    assert (seen == 1).all()

    def fail(first: int, last: int) -> None:
        raise ValueError(first)

    with pytest.raises(ValueError, match=r"\d"):
        spread(fail, 1000, grain=7, threads=2)
    spread(fail, 0, grain=7)


def test_training_without_catboost_names_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "catboost", None)
    with pytest.raises(EngineMissing, match=r"pip install 'rialto\[trees\]'"):
        fit(np.zeros((4, 1), dtype=np.float32), np.arange(4.0), loss="RMSE")
