"""OnnxScorer scores a real model and refuses what is not one number a row."""

import sys

import numpy as np
import pytest

from rialto.errors import BadInput, EngineMissing
from rialto.local.onnx import OnnxScorer

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def linear(weights, *, bias=0.0, kind=None, rows="rows", outputs=1):
    """An ONNX file of `inputs @ weights + bias`."""
    helper, numbers = onnx.helper, onnx.TensorProto
    kind = kind or numbers.FLOAT
    table = np.tile(np.asarray(weights, dtype=np.float32)[:, np.newaxis], (1, outputs))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", kind, [rows, len(table)])],
        [helper.make_tensor_value_info("y", kind, [rows, outputs])],
        [onnx.numpy_helper.from_array(table, "w"), onnx.numpy_helper.from_array(np.array([bias], dtype=np.float32), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model.SerializeToString()


def test_scores_are_the_models():
    scorer = OnnxScorer(linear([2.0, -1.0], bias=0.5), ("a", "b"))
    assert scorer.score(np.array([[1.0, 2.0], [3.0, 0.0]], dtype=np.float32)).tolist() == [0.5, 6.5]
    assert scorer.score(np.zeros((0, 2), dtype=np.float32)).tolist() == []


def test_any_layout_of_the_table_is_read():
    scorer = OnnxScorer(linear([2.0, -1.0]), ("a", "b"))
    assert scorer.score(np.array([[1.0, 2.0], [3.0, 0.0]], order="F")).tolist() == [0.0, 6.0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no model",
        linear([1.0, 2.0])[:60],
        linear([1.0, 2.0, 3.0]),
        linear([1.0, 2.0], rows=5),
    ],
)
def test_a_file_that_cannot_score_two_inputs_is_refused(body):
    with pytest.raises(BadInput):
        OnnxScorer(body, ("a", "b"))


def test_several_numbers_a_row_are_refused():
    with pytest.raises(BadInput, match="wanted"):
        OnnxScorer(linear([1.0, 2.0], outputs=3), ("a", "b")).score(np.ones((4, 2), dtype=np.float32))


def test_without_onnx_runtime_the_install_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EngineMissing, match=r"pip install 'rialto\[neural\]'"):
        OnnxScorer(b"", ("a",))
