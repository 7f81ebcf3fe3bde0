"""Text to unit vectors: `StaticEncoder`, trained from a catalogue in seconds, and `MiniLMEncoder`, a pre-trained transformer."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from rialto.errors import BadInput, EngineLost
from rialto.local import minilm
from rialto.local.words import Analyser

__all__ = ["MiniLMEncoder", "StaticEncoder"]

_BUCKETS = 1 << 15
_MOST_WORDS = 30_000
_NEAR = 64
_RARE = 3.0
_SPARE, _TURNS = 32, 2


class StaticEncoder:
    """A vector for each word, from which words stand together in a catalogue; a text is the sum of its words by rarity.

    Words' vectors factor their smoothed positive pointwise mutual information, each at unit length, so that a common word is
    as sure of its direction as a rare one is loud. A rare word is drawn towards the mean of its character n-grams, and a
    word that was never seen is that mean alone: misspellings and new model numbers land near what they resemble.

    Make one with `fit` or `load`.

    Source:
        Levy, Goldberg, Dagan (2015), "Improving distributional similarity with lessons learned from word embeddings" (context
        smoothing 0.75, no weighting by singular values); Bojanowski et al. (2017), "Enriching word vectors with subword
        information".

    Example:
        >>> encoder = StaticEncoder.fit(["red running shoe", "blue running shoe", "tall desk lamp", "tall floor lamp"], dimensions=3)
        >>> shoe, runner, lamp = encoder.encode(["blue shoe", "runing shoes", "lamps"])
        >>> bool(shoe @ runner > shoe @ lamp)
        True
    """

    def __init__(
        self,
        words: Sequence[str],
        idf: NDArray[np.float32],
        vectors: NDArray[np.float16],
        ngrams: NDArray[np.float16],
        language: str,
    ) -> None:
        """Take the parts that `fit` made: idf (words + 1,), the last for unseen words, vectors (words, dimensions), n-grams."""
        self._row = {word: row for row, word in enumerate(words)}
        self._idf, self._vectors, self._ngrams, self._language = idf, vectors, ngrams, language
        self._loud = vectors.astype(np.float32) * idf[:-1, np.newaxis]
        self._analyser = Analyser(language)

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._vectors.shape[1]

    @classmethod
    def fit(cls, texts: Sequence[str], *, dimensions: int = 128, seed: int = 0, language: str = "en") -> StaticEncoder:
        """Train from the texts of a catalogue, one a product, what matters most first.

        Args:
            texts: At least one with a word; the first 64 different words of each say which words stand together.
            dimensions: Length of a vector, 1 or more; those that the texts cannot fill are zero.
            seed: Starts the decomposition; the same texts and seed give the same encoder on one machine.
            language: Whose word endings are cut, or "" for none.

        Raises:
            BadInput: no words, `dimensions` below 1, or an unknown language.

        Cost: about 8 s for 20,000 texts of thirty words at 128 dimensions, on 2 cores.
        """
        if dimensions < 1:
            raise BadInput(f"dimensions is {dimensions}; wanted 1 or more.")
        analyser = Analyser(language)
        found = [list(dict.fromkeys(analyser.terms(text))) for text in texts]
        spread = Counter(word for words in found for word in words)
        if not spread:
            raise BadInput(f"none of the {len(texts)} texts holds a word; wanted the catalogue's titles and descriptions.")
        words = sorted(word for word, _ in sorted(spread.items(), key=lambda item: (-item[1], item[0]))[:_MOST_WORDS])
        frequency = np.array([spread[word] for word in words], np.float64)
        vectors = _unit(_directions(_together(found, {word: row for row, word in enumerate(words)}), dimensions, seed))
        ngrams = _ngram_vectors(words, vectors, np.log1p(frequency))
        trust = (frequency / (frequency + _RARE))[:, np.newaxis]
        vectors = _unit(trust * vectors + (1.0 - trust) * np.array([_guess(ngrams, word) for word in words]))
        idf = np.log(len(texts) / np.append(frequency, 1.0)) + 1.0
        return cls(words, idf.astype(np.float32), vectors.astype(np.float16), ngrams.astype(np.float16), language)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, shape (texts, dimensions), of unit length.

        A text without words, or of words that share no n-gram with the catalogue, is a row of zeros, which says "no idea": a
        `VectorIndex` refuses it.

        Cost: about 20 microseconds a query, 60 a title.
        """
        out = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            terms = self._analyser.terms(text)
            out[row] = self._loud[[self._row[term] for term in terms if term in self._row]].sum(axis=0)
            for term in terms:
                if term not in self._row:
                    out[row] += self._idf[-1] * _guess(self._ngrams, term)
        return _unit(out)

    def save(self) -> bytes:
        """Everything as an npz file without pickle, which `load` reads; about 10 MB."""
        body = BytesIO()
        text = np.frombuffer("\n".join([self._language, *self._row]).encode(), np.uint8)
        np.savez_compressed(body, text=text, idf=self._idf, vectors=self._vectors, ngrams=self._ngrams)
        return body.getvalue()

    @classmethod
    def load(cls, body: bytes) -> StaticEncoder:
        """The encoder that `save` wrote; `EngineLost` where the bytes are damaged."""
        try:
            with np.load(BytesIO(body), allow_pickle=False) as kept:
                language, *words = kept["text"].tobytes().decode().split("\n")
                idf, vectors, ngrams = kept["idf"], kept["vectors"], kept["ngrams"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise EngineLost(f"the bytes are no static encoder ({error}); fit it again from the catalogue.") from error
        if idf.shape != (len(words) + 1,) or len(vectors) != len(words) or ngrams.shape != (_BUCKETS, vectors.shape[1]):
            raise EngineLost("the static encoder's parts do not fit one another; fit it again from the catalogue.")
        return cls(words, idf, vectors, ngrams, language)


class MiniLMEncoder:
    """all-MiniLM-L6-v2 on ONNX Runtime: 384 dimensions, English, 128 tokens of a text at most.

    The graph is written from the installed weights into `cache` at first use. With `quantised` (int8, a quarter of the size and
    three times as fast for a query) texts go through one by one, as a batch would share one scale of activations
    and change its rows; in float32 they go in batches of like length.

    Args:
        cache: Folder for the ONNX file, 23 MB in int8 and 90 MB in float32; int8 weights have 7 bits where the processor wants it.
        quantised: Use int8 weights.
        threads: Threads a text; 0 lets ONNX Runtime choose.

    Raises:
        EngineMissing: ONNX Runtime, tokenizers, onnx or the weights are not installed; with the commands to install them.

    Source:
        Reimers, Gurevych (2019), "Sentence-BERT"; Wang et al. (2020), "MiniLM". The weights are Apache-2.0.
    """

    dimensions = 384
    _BATCH = 32
    _TOKENS = 128

    def __init__(self, cache: Path, *, quantised: bool = True, threads: int = 1) -> None:
        self._session = minilm.open_graph(minilm.graph(cache, quantised=quantised), threads=threads)
        self._tokens = minilm.tokenizer(self._TOKENS)
        self._batch = 1 if quantised else self._BATCH

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors, shape (texts, 384), of unit length; an empty text has one too.

        Cost: about 1 ms a short query in int8 on one core, 20 ms for a text of 128 tokens.
        """
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        tokens = [encoded.ids for encoded in self._tokens.encode_batch(clean)]
        out = np.zeros((len(texts), self.dimensions), np.float32)
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        for first in range(0, len(order), self._batch):
            rows = order[first : first + self._batch]
            width = max(len(tokens[row]) for row in rows)
            ids = np.array([tokens[row] + [0] * (width - len(tokens[row])) for row in rows], np.int64)
            mask = np.array([[1] * len(tokens[row]) + [0] * (width - len(tokens[row])) for row in rows], np.int64)
            places = np.broadcast_to(np.arange(width), ids.shape)
            out[rows] = np.asarray(self._session.run(None, {"ids": ids, "mask": mask, "places": places})[0])
        return out


def _together(found: Sequence[Sequence[str]], row_of: dict[str, int]) -> csr_matrix:
    """Smoothed positive pointwise mutual information of words in a text, shape (words, words)."""
    rows = [[row_of[word] for word in words if word in row_of][:_NEAR] for words in found]
    start = np.cumsum([0, *map(len, rows)])
    column = np.array([row for words in rows for row in words], np.int64)
    holds = csr_matrix((np.ones(len(column)), column, start), shape=(len(rows), len(row_of)))
    pairs: Any = (holds.T @ holds).tocoo()
    apart = pairs.row != pairs.col
    row, column, count = pairs.row[apart], pairs.col[apart], pairs.data[apart]
    each = np.bincount(row, count, len(row_of))
    smooth = each**0.75 / max((each**0.75).sum(), 1e-12)
    information = np.log(count / (each[row] * smooth[column]))
    kept = information > 0
    return csr_matrix((information[kept].astype(np.float32), (row[kept], column[kept])), shape=(len(row_of), len(row_of)))


def _directions(table: csr_matrix, dimensions: int, seed: int) -> NDArray[np.float64]:
    """A vector for each word, (words, dimensions): left singular vectors, each with its largest entry positive.

    Source: Halko, Martinsson, Tropp (2011), "Finding structure with randomness", algorithm 4.4; ARPACK takes ten times as long.
    """
    size = len(table.indptr) - 1
    vectors = np.zeros((size, dimensions))
    rank = min(dimensions, size - 1)
    if rank < 1 or table.nnz == 0:
        vectors[:, 0] = 1.0
        return vectors
    across = csr_matrix(table.T)
    basis = np.random.default_rng(seed).standard_normal((size, min(rank + _SPARE, size)), np.float32)
    for _ in range(_TURNS):
        basis = np.linalg.qr(table @ (across @ basis))[0]
    left, values, _ = np.linalg.svd((across @ basis).T, full_matrices=False)
    rank = min(rank, int((values > 1e-3 * values[0]).sum()))  # what is beyond is chance, and would count as much as the first
    left = basis @ left[:, :rank]
    vectors[:, :rank] = left * np.sign(left[np.abs(left).argmax(axis=0), np.arange(rank)])
    return vectors


def _ngram_vectors(words: Sequence[str], vectors: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the vectors of the words that hold an n-gram, shape (buckets, dimensions)."""
    held = [_ngrams(word) for word in words]
    bucket = np.array([b for buckets in held for b in buckets], np.int64)
    row = np.repeat(np.arange(len(words)), [len(buckets) for buckets in held])
    share = csr_matrix((weight[row], (bucket, row)), shape=(_BUCKETS, len(words)))
    return np.asarray(share @ vectors) / np.maximum(np.asarray(share.sum(axis=1)), 1e-12)


def _guess(ngrams: NDArray[Any], word: str) -> NDArray[np.float32]:
    """A unit vector for a word from its n-grams, zeros where none of them was ever seen."""
    total = ngrams[_ngrams(word)].astype(np.float32).sum(axis=0)
    return _unit(total[np.newaxis])[0]


def _ngrams(word: str) -> list[int]:
    """Buckets of the character 3-, 4- and 5-grams of a word between its ends, by CRC-32; the same on every machine."""
    marked = f"<{word[:40]}>"
    spans = [(start, start + size) for size in (3, 4, 5) for start in range(max(1, len(marked) - size + 1))]
    return [zlib.crc32(marked[first:last].encode()) % _BUCKETS for first, last in spans]


def _unit(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows at unit length; a row of zeros stays one."""
    length = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 1e-9)
