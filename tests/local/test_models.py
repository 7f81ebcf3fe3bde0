"""LocalModels passes the exam of Models, for trees and ONNX, on disk and in memory, and notices damage."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rialto.errors import BadInput, EngineLost
from rialto.local.models import LocalModels
from rialto.local.trees import Trees
from rialto.ports import ModelCard
from rialto.testing.models import ModelsExam

CARD = ModelCard("find.ranker", "trees", ("price", "rating"), data="abc", params={"depth": "2"}, metrics={"ndcg": 0.41})


def tree_body(seed: int) -> bytes:
    chance = np.random.default_rng(seed)
    split, leaf = chance.integers(0, 2, (9, 2)), chance.normal(size=(9, 4))
    return Trees(split, chance.normal(size=(9, 2)), leaf, names=CARD.inputs).to_bytes()


class TestTreesOnDisk(ModelsExam):
    card = CARD

    def open(self, folder):
        return LocalModels(folder)

    def bodies(self):
        return tree_body(1), tree_body(2)


class TestTreesInMemory(TestTreesOnDisk):
    def open(self, folder):
        return LocalModels(None)


class TestOnnxOnDisk(ModelsExam):
    card = ModelCard("match.accept", "onnx", ("distance", "earnings"))
    tolerance = 1e-5

    def open(self, folder):
        pytest.importorskip("onnxruntime")
        return LocalModels(folder)

    def bodies(self):
        return onnx_body(1.0), onnx_body(2.0)


def onnx_body(weight: float) -> bytes:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", kind, ["rows", 2])],
        [helper.make_tensor_value_info("y", kind, ["rows", 1])],
        [onnx.numpy_helper.from_array(np.array([[weight], [0.5]], dtype=np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model.SerializeToString()


def test_versions_and_the_live_one_are_there_on_reopening(tmp_path: Path):
    version = LocalModels(tmp_path).put(CARD, tree_body(1))
    LocalModels(tmp_path).promote(CARD.name, version)
    again = LocalModels(tmp_path)
    assert again.live(CARD.name) == (version, CARD)
    assert again.score(version, np.ones((3, 2), dtype=np.float32)).shape == (3,)


@pytest.mark.parametrize("part", ["body", "card.json"])
def test_a_damaged_version_is_lost_and_putting_it_again_mends_it(tmp_path: Path, part: str):
    version = LocalModels(tmp_path).put(CARD, tree_body(1))
    place = tmp_path / "versions" / version / part
    place.write_bytes(place.read_bytes()[:-1] + b"?")
    with pytest.raises(EngineLost, match="damaged"):
        LocalModels(tmp_path).score(version, np.ones((1, 2), dtype=np.float32))
    place.unlink()
    with pytest.raises(EngineLost, match="damaged"):
        LocalModels(tmp_path).score(version, np.ones((1, 2), dtype=np.float32))
    assert LocalModels(tmp_path).put(CARD, tree_body(1)) == version
    assert LocalModels(tmp_path).score(version, np.ones((1, 2), dtype=np.float32)).shape == (1,)


def test_a_live_version_that_is_gone_is_lost(tmp_path: Path):
    models = LocalModels(tmp_path)
    models.promote(CARD.name, models.put(CARD, tree_body(1)))
    (tmp_path / "live" / CARD.name).write_text("0" * 32)
    with pytest.raises(EngineLost, match="not there"):
        LocalModels(tmp_path).live(CARD.name)


def test_nothing_is_left_half_written(tmp_path: Path):
    models = LocalModels(tmp_path)
    with pytest.raises(BadInput):
        models.put(CARD, b"no trees")
    version = models.put(CARD, tree_body(1))
    models.promote(CARD.name, version)
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["body", "card.json", CARD.name, CARD.name]


@pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "x" * 200, ".hidden", "a\n"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str):
    models = LocalModels(tmp_path)
    with pytest.raises(BadInput, match="model name"):
        models.live(name)
    with pytest.raises(BadInput, match="model name"):
        models.put(ModelCard(name, "trees", CARD.inputs), tree_body(1))


def test_a_version_of_another_model_is_not_promoted():
    models = LocalModels(None)
    version = models.put(CARD, tree_body(1))
    with pytest.raises(BadInput, match=r"find\.ranker"):
        models.promote("match.accept", version)


def test_trees_of_other_inputs_than_the_cards_are_refused():
    with pytest.raises(BadInput, match="rating"):
        LocalModels(None).put(ModelCard("find.ranker", "trees", ("price", "stars")), tree_body(1))


def test_threads_that_promote_and_read_see_a_whole_version(tmp_path: Path):
    models = LocalModels(tmp_path)
    versions = [models.put(CARD, tree_body(seed)) for seed in range(2)]
    models.promote(CARD.name, versions[0])
    with ThreadPoolExecutor(4) as pool:
        writes = [pool.submit(models.promote, CARD.name, versions[i % 2]) for i in range(40)]
        seen = list(pool.map(lambda _: models.live(CARD.name), range(200)))
        for write in writes:
            write.result()
    assert {live[0] for live in seen if live} <= set(versions)
    assert None not in seen
