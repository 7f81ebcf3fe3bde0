"""`CrossEncoder`: reads a query together with a product's text, pair by pair, for the last few dozen candidates of a search."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local import minilm
from rialto.local.bert import weight_bits
from rialto.local.cross_graph import COLUMNS, CrossShape, cross_graph
from rialto.local.cross_model import CrossModel
from rialto.local.tokens import QUERY_TOKENS, Products, clean
from rialto.local.turns import Turns

__all__ = ["COLUMNS", "CrossEncoder"]


class CrossEncoder:
    """Scores pairs of a query and a product by MiniLM on ONNX Runtime; see `COLUMNS` for what it says of each.

    A pair goes through alone: with int8 a run has one scale of activations, which a batch would share, so a row's figures would
    depend on its company. That costs up to a quarter of the throughput of two dozen pairs a run. Concurrent requests join one queue
    before as many threads as there are cores, and whoever came first is served first; their pairs never share a run.

    Args:
        cache: Folder for the ONNX file, written at first use (a second, 11 to 23 MB in int8).
        model: What was trained; None = the sentence encoder's own states, all layers apart.
        layers: Layers where `model` is None, 1 to 6.
        bits: 8 or 7 bits of int8 weights, 0 = float32; None = what the processor runs best.
        tokens: Most tokens of a product's text, its two end marks included.
        threads: Pairs at a time; 0 = as many as there are processors.

    Raises:
        BadInput: a number is out of range.
        EngineMissing: ONNX Runtime, tokenizers, onnx or the weights are not installed; with the commands to install them.
        EngineLost: the file in `cache` is damaged.

    Cost:
        A pair of 32 tokens: 1.9 ms on one core with six layers in int8 on a processor with VNNI, half of it with three.

    Source:
        Nogueira, Cho (2019), "Passage re-ranking with BERT"; Wang et al. (2020), "MiniLM". The weights are Apache-2.0.
    """

    columns = COLUMNS

    def __init__(
        self,
        cache: Path,
        *,
        model: CrossModel | None = None,
        layers: int = minilm.LAYERS,
        bits: int | None = None,
        tokens: int = 48,
        threads: int = 0,
    ) -> None:
        if bits not in (None, 0, 7, 8) or not 3 <= tokens <= 256 or threads < 0:
            raise BadInput(f"bits is {bits}, tokens {tokens}, threads {threads}; wanted 0, 7 or 8, 3 to 256, and 0 or more.")
        self._model = model or CrossModel.untrained(CrossShape(layers, layers))
        self._bits, self._tokens = weight_bits() if bits is None else bits, tokens
        path = self._path(cache)
        if not path.exists():
            weights = {**minilm.weights(), **{n: v.astype(np.float32) for n, v in self._model.weights.items()}}
            minilm.written(path, cross_graph(weights, self._model.shape, self._model.head, bits=self._bits))
        self._session = minilm.open_graph(path, threads=1)
        self._words, self._asked = minilm.tokenizer(tokens), minilm.tokenizer(QUERY_TOKENS)
        self._turns = Turns(threads)

    @property
    def version(self) -> str:
        """What its figures depend on: the model's content, the bits of its weights, and where texts are cut."""
        return f"{self._model.version}-{self._bits or 32}-{self._tokens}"

    def products(self, text_of: Callable[[int], str], size: int) -> Products:
        """The product side: `text_of` gives the text of a row below `size`, what matters most first."""
        return Products(self._words, text_of, size)

    def score(
        self, query: str, products: Products, rows: NDArray[np.int64], *, left_s: Callable[[], float] = lambda: float("inf")
    ) -> NDArray[np.float32]:
        """Columns of each pair, in the order of `rows` for as long as there is time.

        Args:
            query: What is asked; its first 22 tokens count.
            products: What `products` made.
            rows: Products to be read, shape (pairs,), the most promising first.
            left_s: Seconds left; once it is not above 0, no further pair is begun.

        Returns:
            Shape (pairs, 5) float32; NaN where there was no time, and where the query or the product holds no word.

        Raises:
            BadInput: a row is not in `products`.
        """
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(products):
            raise BadInput(f"rows go from {rows.min()} to {rows.max()}; wanted rows of {len(products)} products.")
        out = np.full((len(rows), len(COLUMNS)), np.nan, dtype=np.float32)
        asked = np.array(self._asked.encode(clean(query)).ids, dtype=np.int64)
        if len(asked) <= 2 or not len(rows):
            return out
        split = np.array([len(asked)], dtype=np.int64)

        def read(at: int) -> None:
            told = products.of(int(rows[at]))
            if len(told) > 2:
                places = np.concatenate([np.arange(len(asked)), np.arange(len(told))])[np.newaxis]
                ids = np.concatenate([asked, told])[np.newaxis]
                out[at] = self._session.run(None, {"ids": ids, "places": places, "split": split})[0][0]

        self._turns.each(read, len(rows), left_s=left_s)
        return out

    def close(self) -> None:
        """End its threads."""
        self._turns.close()

    def _path(self, cache: Path) -> Path:
        name = blake2b(f"{self._model.version}-{self._bits}-1".encode(), digest_size=8).hexdigest()
        return cache / f"cross-{name}.onnx"
