"""The cross-encoder's graph: a query and a product's text through BERT, the lower layers each by itself, the upper ones together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.bert import WIDTH, Bert, Weights

__all__ = ["COLUMNS", "CrossShape", "Head", "cross_graph"]

COLUMNS = ("cross", "cross_cos", "cross_sim", "cross_least", "cross_back")
"""The score; the cosine of both mean states; the mean and the least, over the query's words, of the best cosine that a word of the
product has with it; and the mean of the same the other way round."""


@dataclass(frozen=True, slots=True)
class CrossShape:
    """How many layers there are, and how many of them see the query and the product apart.

    With all of them apart nothing needs training: the states are those of the sentence encoder, compared word by word.

    Args:
        layers: 1 to 6, counted from below.
        apart: 0 to `layers`.

    Raises:
        BadInput: out of range.

    Source:
        Khattab, Zaharia (2020), "ColBERT" (late interaction); Cao et al. (2020), "DeFormer" (lower layers apart).
    """

    layers: int = 6
    apart: int = 6

    def __post_init__(self) -> None:
        if not (1 <= self.layers <= 6 and 0 <= self.apart <= self.layers):
            raise BadInput(f"layers is {self.layers} and apart {self.apart}; wanted 1 to 6 layers and at most as many apart.")


@dataclass(frozen=True, slots=True)
class Head:
    """How the score comes of the states: the mean state times `states`, plus `cos` and `sim` times their columns.

    Args:
        states: Shape (384,) float32; zeros before training.
        cos, sim: Weights of the columns of these names.
    """

    states: NDArray[np.float32] = field(default_factory=lambda: np.zeros(WIDTH, np.float32))
    cos: float = 1.0
    sim: float = 1.0


def cross_graph(weights: Weights, shape: CrossShape, head: Head, *, bits: int) -> bytes:
    """`ids` and `places` (pairs, tokens) and `split` (1,), the tokens of the query's part, to `columns` (pairs, 5).

    All pairs of a run have the same query and products of the same length: nothing is padded.
    """
    b = Bert(weights, bits=bits)
    one = b.constant("one", np.array([1]))
    hidden = _between(b)
    x = b.embed("ids", "places")
    for number in range(shape.layers):
        x = b.layer(x, number, hidden=hidden if number < shape.apart else "")
    nought, end, axis = (
        b.constant("from", np.array([0])),
        b.constant("end", np.array([1 << 30])),
        b.constant("axis_1", np.array([1])),
    )
    query, product = b.op("Slice", x, nought, "split", axis), b.op("Slice", x, "split", end, axis)
    means = [_unit(b, b.op("ReduceMean", part, axes=[1], keepdims=0)) for part in (query, product)]
    cos = b.op("ReduceSum", b.op("Mul", *means), axis, keepdims=1)
    units, before = _unit(b, x), b.constant("last", np.array([-1]))
    asked = b.op("Slice", units, one, b.op("Sub", "split", one), axis)
    told = b.op("Slice", units, b.op("Add", "split", one), before, axis)
    near = b.op("MatMul", asked, b.op("Transpose", told, perm=[0, 2, 1]))
    best = b.op("ReduceMax", near, axes=[2], keepdims=0)
    sim, least = (b.op(kind, best, axes=[1], keepdims=1) for kind in ("ReduceMean", "ReduceMin"))
    back = b.op("ReduceMean", b.op("ReduceMax", near, axes=[1], keepdims=0), axes=[1], keepdims=1)
    mean = b.op("ReduceMean", x, axes=[1], keepdims=0)
    parts = b.op("Concat", mean, cos, sim, axis=1)
    told_by = np.concatenate([head.states, [head.cos, head.sim]]).astype(np.float32)[:, np.newaxis]
    b.op("Concat", b.op("MatMul", parts, b.constant("head", told_by)), cos, sim, least, back, axis=1, gives="columns")
    pairs = ("pairs", "tokens")
    return b.model({"ids": pairs, "places": pairs, "split": (1,)}, {"columns": ("pairs", len(COLUMNS))})


def _between(b: Bert) -> str:
    """Minus ten thousand between a token of the query and one of the product, shape (tokens, tokens)."""
    tokens = b.op("Gather", b.op("Shape", "ids"), b.constant("token_axis", np.int64(1)))
    here = b.op("Range", b.constant("start", np.int64(0)), tokens, b.constant("step", np.int64(1)))
    side = b.op("Cast", b.op("Less", here, "split"), to=6)
    down, across = (b.op("Unsqueeze", side, b.constant(f"axis{at}", np.array([at]))) for at in (1, 0))
    together, far = b.constant("together", np.float32(0.0)), b.constant("far", np.float32(-10_000.0))
    return b.op("Where", b.op("Equal", down, across), together, far)


def _unit(b: Bert, x: str) -> str:
    return b.op("Div", x, b.op("ReduceL2", x, axes=[-1], keepdims=1))
