"""`LateEncoder`: compares a query's words with a product's by the sentence encoder's states; the product side is kept, so that it costs little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local import minilm
from rialto.local.bert import Bert, Weights, weight_bits
from rialto.local.cross_graph import COLUMNS
from rialto.local.tokens import QUERY_TOKENS, Products, clean
from rialto.local.turns import Turns

__all__ = ["LateEncoder", "LateProducts", "States"]


@dataclass(frozen=True, slots=True)
class States:
    """A text's states: of its words, at unit length, shape (words, 384) int8 with a scale each, and of the whole, (384,) float32."""

    words: NDArray[np.int8]
    scale: NDArray[np.float32]
    whole: NDArray[np.float32]

    @classmethod
    def of(cls, words: NDArray[np.float32], whole: NDArray[np.float32]) -> States:
        """Keep states in a quarter of their size; the likeness of two words is off by less than 0.01."""
        scale = np.abs(words).max(axis=1, initial=1e-9) / 127
        return cls(np.round(words / scale[:, np.newaxis]).astype(np.int8), scale.astype(np.float32), whole.astype(np.float32))


class LateProducts:
    """The product side of one catalogue: tokens, and the states of those that were read last, as many as the memory allows."""

    def __init__(self, tokens: Products, keep_bytes: int) -> None:
        self.tokens, self._keep, self._held, self._lock = tokens, keep_bytes, 0, Lock()
        self._states: dict[int, States] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    def get(self, row: int) -> States | None:
        """The states of a row, or None where they are not kept."""
        return self._states.get(row)

    def put(self, row: int, states: States) -> None:
        """Keep the states of a row; the oldest go where the memory is full."""
        with self._lock:
            self._held += states.words.nbytes - (self._states[row].words.nbytes if row in self._states else 0)
            self._states[row] = states
            while self._held > self._keep and len(self._states) > 1:
                self._held -= self._states.pop(next(iter(self._states))).words.nbytes


class LateEncoder:
    """Scores pairs like `CrossEncoder` with all layers apart: nothing is trained, and a product is read once for all queries.

    Args:
        cache: Folder for the ONNX file, written at first use (a second, 11 to 23 MB in int8).
        layers: Layers of the encoder, 1 to 6.
        bits: 8 or 7 bits of int8 weights, 0 = float32; None = what the processor runs best.
        tokens: Most tokens of a product's text, its two end marks included.
        threads: Texts at a time; 0 = as many as there are processors.
        keep_mb: Memory for products' states; 15 kB a product of 40 tokens.

    Raises:
        BadInput: a number is out of range.
        EngineMissing: ONNX Runtime, tokenizers, onnx or the weights are not installed; with the commands to install them.
        EngineLost: the file in `cache` is damaged.

    Cost:
        Six layers in int8: 1 ms for the query, 0.03 ms for a product that is kept, 2.3 ms on one core for one of 40 tokens that is not.

    Source:
        Khattab, Zaharia (2020), "ColBERT". The weights are Apache-2.0.
    """

    columns = COLUMNS

    def __init__(
        self,
        cache: Path,
        *,
        layers: int = minilm.LAYERS,
        bits: int | None = None,
        tokens: int = 48,
        threads: int = 0,
        keep_mb: int = 128,
    ) -> None:
        if (
            bits not in (None, 0, 7, 8)
            or not 3 <= tokens <= 256
            or not 1 <= layers <= minilm.LAYERS
            or threads < 0
            or keep_mb < 0
        ):
            raise BadInput(
                f"layers is {layers}, bits {bits}, tokens {tokens}, threads {threads}, keep_mb {keep_mb}; "
                "wanted 1 to 6, 0, 7 or 8, 3 to 256, 0 or more, and 0 or more."
            )
        self._bits = weight_bits() if bits is None else bits
        self.version = f"late-{layers}-{self._bits or 32}-{tokens}"
        path = cache / f"late-l{layers}-{f'int{self._bits}' if self._bits else 'float32'}.onnx"
        if not path.exists():
            minilm.written(path, _graph(minilm.weights(), layers, self._bits))
        self._session = minilm.open_graph(path, threads=1)
        self._words, self._asked = minilm.tokenizer(tokens), minilm.tokenizer(QUERY_TOKENS)
        self._turns, self._keep = Turns(threads), keep_mb * 1_000_000

    def products(self, text_of: Callable[[int], str], size: int) -> LateProducts:
        """The product side: `text_of` gives the text of a row below `size`, what matters most first."""
        return LateProducts(Products(self._words, text_of, size), self._keep)

    def ahead(self, products: LateProducts, rows: NDArray[np.int64]) -> None:
        """Read `rows` now, so that no search waits for them."""
        self._turns.each(lambda at: self._states(products, int(rows[at])), len(rows))

    def score(
        self, query: str, products: LateProducts, rows: NDArray[np.int64], *, left_s: Callable[[], float] = lambda: float("inf")
    ) -> NDArray[np.float32]:
        """Columns of each pair, shape (pairs, 5) float32; arguments, NaN and errors as in `CrossEncoder.score`.

        Products that are kept are all compared; the others are read in the order of `rows` for as long as there is time.
        """
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(products):
            raise BadInput(f"rows go from {rows.min()} to {rows.max()}; wanted rows of {len(products)} products.")
        out = np.full((len(rows), len(COLUMNS)), np.nan, dtype=np.float32)
        tokens = np.array(self._asked.encode(clean(query)).ids, dtype=np.int64)
        if len(tokens) <= 2 or not len(rows) or left_s() <= 0.0:
            return out
        words, whole = self._read(tokens)
        missing: list[int] = []
        for at, row in enumerate(rows.tolist()):
            kept = products.get(row)
            if kept is None:
                missing.append(at)
            else:
                out[at] = _compared(words, whole, kept)

        def read(number: int) -> None:
            at = missing[number]
            out[at] = _compared(words, whole, self._states(products, int(rows[at])))

        self._turns.each(read, len(missing), left_s=left_s)
        return out

    def close(self) -> None:
        """End its threads."""
        self._turns.close()

    def _states(self, products: LateProducts, row: int) -> States:
        made = products.get(row)
        if made is None:
            made = States.of(*self._read(products.tokens.of(row)))
            products.put(row, made)
        return made

    def _read(self, tokens: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Unit states of the words between the end marks, (words, 384), and of the whole, (384,)."""
        ids, places = tokens[np.newaxis], np.arange(len(tokens))[np.newaxis]
        states, whole = self._session.run(None, {"ids": ids, "places": places})
        return states[0, 1:-1], whole[0]


def _compared(words: NDArray[np.float32], whole: NDArray[np.float32], product: States) -> tuple[float, ...]:
    """`COLUMNS` of a query's states and a product's."""
    if not len(product.words):
        return (float("nan"),) * 5
    near = (words @ product.words.T.astype(np.float32)) * product.scale
    best = near.max(axis=1)
    cos, sim = float(whole @ product.whole), float(best.mean())
    return cos + sim, cos, sim, float(best.min()), float(near.max(axis=0).mean())


def _graph(weights: Weights, layers: int, bits: int) -> bytes:
    """`ids` and `places` (texts, tokens) to unit `states` (texts, tokens, 384) and `whole` (texts, 384)."""
    b = Bert(weights, bits=bits)
    x = b.embed("ids", "places")
    for number in range(layers):
        x = b.layer(x, number)
    b.op("Div", x, b.op("ReduceL2", x, axes=[-1], keepdims=1), gives="states")
    mean = b.op("ReduceMean", x, axes=[1], keepdims=0)
    b.op("Div", mean, b.op("ReduceL2", mean, axes=[-1], keepdims=1), gives="whole")
    texts = ("texts", "tokens")
    return b.model({"ids": texts, "places": texts}, {"states": (*texts, 384), "whole": ("texts", 384)})
