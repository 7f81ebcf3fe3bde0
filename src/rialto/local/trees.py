"""Oblivious trees: trained by CatBoost (extra `trees`), kept in a small checked format, scored by the kernel of `tree_kernel`.

An oblivious tree asks the same question at every node of a level, so a leaf's number is a word of `depth` bits and scoring has no
branches. Numeric inputs only; a missing value is NaN and goes where the training sent it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineMissing, known
from rialto.local.tree_kernel import BLOCK, Program, compile_trees, score_kernel, score_plain
from rialto.threads import spread

__all__ = ["Loss", "Trees", "fit"]

Loss = Literal["YetiRank", "Logloss", "RMSE"]
MAGIC = b"RIALTREE"
DEEPEST = 8
"""A leaf's number must fit one byte."""


@dataclass(frozen=True, eq=False)
class Trees:
    """A sum of oblivious trees.

    Args:
        feature: Input that each split asks about, shape (trees, depth), int32.
        threshold: A split's bit is 1 where the input exceeds it, shape (trees, depth), float32; +inf never holds.
        leaf: Value of each leaf, shape (trees, 2**depth), float64; bit d of a leaf's number is split d.
        names: Inputs in column order.
        bias: Added once.
        scale: Multiplies the sum of leaves.
        nan_high: Inputs whose NaN exceeds every threshold, shape (inputs,), bool; the others' exceeds none.

    Raises:
        BadInput: shapes disagree, a split names an input that is not there, a value is NaN, or depth exceeds 8.

    Example:
        >>> stump = Trees(np.array([[0]]), np.array([[1.5]]), np.array([[-1.0, 2.0]]), names=("price",), bias=0.5)
        >>> stump.score(np.array([[1.0], [2.0], [np.nan]], dtype=np.float32)).tolist()
        [-0.5, 2.5, -0.5]
        >>> Trees.from_bytes(stump.to_bytes()).names
        ('price',)
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    leaf: NDArray[np.float64]
    names: tuple[str, ...]
    bias: float = 0.0
    scale: float = 1.0
    nan_high: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    program: Program = field(init=False, repr=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "feature", np.ascontiguousarray(self.feature, dtype=np.int32))
        put(self, "threshold", np.ascontiguousarray(self.threshold, dtype=np.float32))
        put(self, "leaf", np.ascontiguousarray(self.leaf, dtype=np.float64))
        high = np.asarray(self.nan_high, dtype=np.bool_)
        put(self, "nan_high", high if high.size else np.zeros(len(self.names), dtype=np.bool_))
        _check(self)
        put(self, "program", compile_trees(self.feature, self.threshold, self.leaf, self.nan_high))

    def score(self, inputs: NDArray[np.float32], *, threads: int = 0) -> NDArray[np.float64]:
        """Score rows: `scale` x (sum of leaves) + `bias`.

        Args:
            inputs: Shape (rows, inputs); float32 in C order is read as it is, anything else is converted first.
            threads: Most threads; 0 = as many as there are processors.

        Returns:
            Raw scores, shape (rows,), float64; a row's is the same bits alone or in any batch.

        Raises:
            BadInput: `inputs` has another number of columns.

        Cost:
            About 50 to 60 ns a row and thread for 100 trees x depth 6 over 24 inputs; half of it is the look-up of leaves.
        """
        table = self._table(inputs)
        out = np.empty(len(table))

        def part(first: int, last: int) -> None:
            score_kernel(table, self.program, self.scale, self.bias, first, last, out)

        spread(part, len(table), grain=4 * BLOCK, threads=threads)
        return out

    def score_plain(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same scores to rounding, by numpy alone: the definition that tests compare `score` with."""
        table = self._table(inputs)
        return score_plain(table, self.feature, self.threshold, self.leaf, self.nan_high) * self.scale + self.bias

    def to_bytes(self) -> bytes:
        """The model in Rialto's own format: magic, header (JSON), arrays, CRC-32; the same model gives the same bytes."""
        header = {
            "trees": len(self.feature),
            "depth": self.feature.shape[1],
            "names": self.names,
            "bias": self.bias,
            "scale": self.scale,
        }
        text = json.dumps(header, sort_keys=True).encode()
        body = MAGIC + len(text).to_bytes(4, "little") + text
        for array, kind in zip(self._arrays(), ("<i4", "<f4", "<f8", "u1")):
            body += array.astype(kind).tobytes()
        return body + zlib.crc32(body).to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, body: bytes) -> Trees:
        """Read what `to_bytes` wrote; `BadInput` where it is something else, cut off or damaged."""
        if body[: len(MAGIC)] != MAGIC:
            raise BadInput(f"these {len(body)} bytes are not Rialto trees: they begin with {body[:8]!r}; wanted {MAGIC!r}.")
        if len(body) < 16 or zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
            raise BadInput(f"trees are damaged or cut off: check sum of {len(body)} bytes differs. Fetch or train them again.")
        at = len(MAGIC) + 4
        size = int.from_bytes(body[at - 4 : at], "little")
        head = json.loads(body[at : at + size])
        trees, depth, names = head["trees"], head["depth"], tuple(head["names"])
        at += size
        parts: list[NDArray[Any]] = []
        for kind, shape in (("<i4", (trees, depth)), ("<f4", (trees, depth)), ("<f8", (trees, 2**depth)), ("u1", (len(names),))):
            count = int(np.prod(shape))
            parts.append(np.frombuffer(body, dtype=kind, count=count, offset=at).reshape(shape))
            at += count * np.dtype(kind).itemsize
        return cls(*parts[:3], names=names, bias=head["bias"], scale=head["scale"], nan_high=parts[3].astype(np.bool_))

    @classmethod
    def from_catboost_json(cls, body: bytes, names: Sequence[str] = ()) -> Trees:
        """Read a model that CatBoost saved with `format="json"`; `names` replaces its feature names.

        Raises:
            BadInput: not such a file, or it uses categories, text or embeddings, several outputs, or trees deeper than 8.
        """
        try:
            model = json.loads(body)
            grown, inputs = model["oblivious_trees"], model["features_info"]["float_features"]
            scale, biases = model["scale_and_bias"]
        except (ValueError, KeyError, TypeError) as problem:
            raise BadInput(f"not a CatBoost JSON model of oblivious trees: {type(problem).__name__}: {problem}.") from problem
        kinds = {split["split_type"] for tree in grown for split in tree["splits"] or ()} - {"FloatFeature"}
        others = set(model["features_info"]) & {"categorical_features", "text_features", "embedding_features"}
        if kinds or others:
            raise BadInput(f"the model splits on {sorted(kinds | others)}; wanted numbers only. Encode them before training.")
        if len(biases) != 1:
            raise BadInput(f"the model has {len(biases)} outputs; wanted one. Train a model for each.")
        feature, threshold, leaf = _grown(grown)
        found = tuple(str(f.get("feature_id") or f["flat_feature_index"]) for f in inputs)
        high = np.array([f["nan_value_treatment"] == "AsTrue" for f in inputs], dtype=np.bool_)
        return cls(feature, threshold, leaf, tuple(names) or found, float(biases[0]), float(scale), high)

    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self.feature, self.threshold, self.leaf, self.nan_high

    def _table(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        if inputs.ndim != 2 or inputs.shape[1] != len(self.names):
            shown = ", ".join(self.names[:10]) + (", ..." if len(self.names) > 10 else "")
            raise BadInput(f"inputs have shape {inputs.shape}; wanted (rows, {len(self.names)}): {shown}.")
        return np.require(inputs, np.float32, ["C", "W"])


def fit(
    inputs: NDArray[np.float32],
    label: NDArray[np.float64],
    group: NDArray[np.int64] | None = None,
    *,
    loss: Loss = "YetiRank",
    trees: int = 100,
    depth: int = 6,
    learning_rate: float | None = None,
    seed: int = 0,
    weights: NDArray[np.float64] | None = None,
    names: Sequence[str] = (),
) -> Trees:
    """Train oblivious trees with CatBoost, on two threads, silently and without writing files.

    Args:
        inputs: Shape (rows, inputs), float32; NaN is missing and lies below every threshold.
        label: Shape (rows,): relevance (YetiRank), 0 or 1 (Logloss), any number (RMSE).
        group: Shape (rows,): rows of one query share a number, in any order; needed by YetiRank alone.
        loss: `YetiRank`, `Logloss` or `RMSE`.
        trees: Most trees, at least 1.
        depth: Levels of a tree, 1 to 8.
        learning_rate: Step size; None = CatBoost's choice.
        seed: Of the training; the same input and seed give the same trees.
        weights: Shape (rows,), not negative; of a group's rows, the first one's counts for all under YetiRank.
        names: Of the inputs; () = `0`, `1`, ...

    Raises:
        BadInput: shapes disagree, a label is not finite, depth or trees out of range, or CatBoost refuses the data.
        EngineMissing: CatBoost is not installed.

    Source:
        Prokhorenkova et al. (2018), "CatBoost: unbiased boosting with categorical features", NeurIPS.
    """
    try:
        import catboost
    except ImportError as missing:
        raise EngineMissing("catboost", "pip install 'rialto[trees]'") from missing
    named = tuple(names) or tuple(str(f) for f in range(np.shape(inputs)[-1]))
    _check_training(inputs, label, group, weights, named, loss)
    if not 1 <= depth <= DEEPEST or trees < 1:
        raise BadInput(f"depth {depth} and {trees} trees; wanted depth 1 to {DEEPEST} and at least 1 tree.")
    params: dict[str, Any] = {
        "loss_function": loss, "iterations": trees, "depth": depth, "random_seed": seed, "thread_count": 2, "nan_mode": "Min",
        "allow_writing_files": False, "logging_level": "Silent", "grow_policy": "SymmetricTree",
    }  # fmt: skip
    if learning_rate is not None:
        params["learning_rate"] = learning_rate
    columns = _columns(inputs, label, group, weights, by_group=loss == "YetiRank")
    try:
        model = catboost.CatBoost(params).fit(catboost.Pool(**columns))
    except catboost.CatBoostError as refused:
        raise BadInput(f"CatBoost cannot train on these {len(label)} rows: {refused}") from refused
    with TemporaryDirectory() as folder:
        saved = Path(folder) / "model.json"
        model.save_model(str(saved), format="json")
        return Trees.from_catboost_json(saved.read_bytes(), named)


def _columns(
    inputs: NDArray[np.float32],
    label: NDArray[np.float64],
    group: NDArray[np.int64] | None,
    weights: NDArray[np.float64] | None,
    *,
    by_group: bool,
) -> dict[str, Any]:
    """What CatBoost's Pool takes: rows of a group together, and one weight a row, or a group."""
    order = np.arange(len(label)) if group is None else np.argsort(group, kind="stable")
    columns: dict[str, Any] = {"data": np.asarray(inputs, dtype=np.float32)[order], "label": label[order]}
    starts = np.arange(len(order))
    if group is not None:
        columns["group_id"] = group[order]
        starts = np.searchsorted(columns["group_id"], columns["group_id"])
    if weights is not None:
        columns["group_weight" if by_group else "weight"] = weights[order][starts] if by_group else weights[order]
    return columns


def _grown(
    grown: Sequence[Mapping[str, Any]],
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float64]]:
    """Splits and leaves of CatBoost's trees, made equally deep with splits that never hold."""
    splits = [tree["splits"] or [] for tree in grown]
    depth = max((len(s) for s in splits), default=0)
    if depth > DEEPEST:
        raise BadInput(f"the model has a tree of depth {depth}; wanted at most {DEEPEST}.")
    feature = np.zeros((len(grown), depth), dtype=np.int32)
    threshold = np.full((len(grown), depth), np.inf, dtype=np.float32)
    leaf = np.zeros((len(grown), 2**depth))
    for t, (tree, asked) in enumerate(zip(grown, splits)):
        feature[t, : len(asked)] = [s["float_feature_index"] for s in asked]
        threshold[t, : len(asked)] = [s["border"] for s in asked]
        leaf[t, : len(tree["leaf_values"])] = tree["leaf_values"]
    return feature, threshold, leaf


def _check(model: Trees) -> None:
    trees, depth = model.feature.shape if model.feature.ndim == 2 else (-1, -1)
    if trees < 0 or depth > DEEPEST or model.threshold.shape != (trees, depth) or model.leaf.shape != (trees, 2**depth):
        raise BadInput(
            f"trees have splits {model.feature.shape}, thresholds {model.threshold.shape} and leaves {model.leaf.shape};"
            f" wanted (trees, depth), (trees, depth) and (trees, 2**depth) with depth at most {DEEPEST}."
        )
    inputs = len(model.names)
    if model.nan_high.shape != (inputs,):
        raise BadInput(f"nan_high has shape {model.nan_high.shape}; wanted ({inputs},), one for each of the inputs.")
    if model.feature.size and not (model.feature.min() >= 0 and model.feature.max() < inputs):
        raise BadInput(f"splits ask about inputs {model.feature.min()} to {model.feature.max()}; the model has {inputs}.")
    if np.isnan(model.threshold).any() or not np.isfinite(model.leaf).all() or not np.isfinite([model.bias, model.scale]).all():
        raise BadInput("a threshold is NaN, or a leaf, the bias or the scale is not finite; wanted numbers.")


def _check_training(
    inputs: NDArray[Any],
    label: NDArray[Any],
    group: NDArray[Any] | None,
    weights: NDArray[Any] | None,
    names: tuple[str, ...],
    loss: str,
) -> None:
    rows = np.shape(label)
    if np.ndim(inputs) != 2 or len(rows) != 1 or np.shape(inputs) != (*rows, len(names)):
        raise BadInput(f"inputs {np.shape(inputs)}, label {rows}, {len(names)} names; wanted (rows, inputs), (rows,), names.")
    for name, column in (("group", group), ("weights", weights)):
        if column is not None and np.shape(column) != rows:
            raise BadInput(f"{name} has shape {np.shape(column)}; wanted {rows}, one for each label.")
    if not np.isfinite(label).all():
        row = int(np.flatnonzero(~np.isfinite(label))[0])
        raise BadInput(f"label {row} is {label[row]}; wanted finite numbers. Leave rows without an outcome out.")
    if loss not in ("YetiRank", "Logloss", "RMSE"):
        raise BadInput(f"there is no loss {loss!r}; known: {known(loss, ('YetiRank', 'Logloss', 'RMSE'))}.")
    if loss == "YetiRank" and group is None:
        raise BadInput("YetiRank compares rows of one query; pass `group`, shape (rows,), or choose Logloss or RMSE.")
