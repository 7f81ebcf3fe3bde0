"""The legs of retrieval: lexical, vector, and browse for a page without words; what each engine is given, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.asking import lines_of
from rialto.find.catalogue import Catalogue
from rialto.find.records import BROWSE, join_path, split_path
from rialto.find.select import bounds_of, clauses, hard_mask, selections_of
from rialto.find.shelves import Shelves
from rialto.find.weights import DEFAULT
from rialto.ports import Hits, TextIndex, TextQuery, VectorIndex
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.params import Param
from rialto.spine.retrieve import Source, empty

__all__ = [
    "TEXT_FIELDS",
    "Encode",
    "QueryVectors",
    "browse",
    "described",
    "documents",
    "filter_columns",
    "lexical",
    "unit_vectors",
    "vector",
]

LEXICAL_K = Param("find.retrieve.lexical", 1000, low=0, high=100_000, unit="candidates", doc="Candidates of the lexical leg.")
VECTOR_K = Param("find.retrieve.vector", 200, low=0, high=100_000, unit="candidates", doc="Candidates of the vector leg.")
BROWSE_K = Param("find.retrieve.browse", 1000, low=0, high=100_000, unit="candidates", doc="Candidates of a page without words.")
MATCH_SHARE = Param("find.retrieve.match_share", 0.0, low=0, high=1, unit="share", doc="Words of a query that must match.")

_OTHERS = 5  # another writing of the query brings this part of the leg's candidates

_CHUNK = 2048  # texts that an encoder is given at a time
_LONGEST = 2_000  # characters of an attribute's value that the lexical leg filters by; the filters after it hold any

TEXT_FIELDS = DEFAULT.fields()
"""The fields of the lexical leg, with the weights that the features' BM25F uses too."""

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to vectors, shape (texts, dimensions)."""


def documents(catalogue: Catalogue) -> Mapping[str, Sequence[str]]:
    """The texts of every product by field of `TEXT_FIELDS`, for `TextIndex.add`."""
    labels = catalogue.labels
    spoken = [
        labels.names[n].replace("_", " ") if t == "yes" else "" if t == "no" else str(t)
        for n, t in zip(labels.pair_name, labels.pair_text)
    ]
    attributes = [" ".join(spoken[p] for p in labels.pair[a:b]) for a, b in zip(labels.offsets[:-1], labels.offsets[1:])]
    texts: dict[str, Sequence[str]] = {f.name: catalogue.text(f.name).tolist() for f in TEXT_FIELDS if f.name != "attributes"}
    return {**texts, "attributes": attributes}


def filter_columns(catalogue: Catalogue) -> Columns:
    """What the lexical leg filters by: brand, category (each path and those above it), attribute (`name=value`), price, stock."""
    labels = catalogue.labels
    pairs = [f"{labels.names[n]}={t}" for n, t in zip(labels.pair_name.tolist(), labels.pair_text.tolist())]
    short = [len(p) <= _LONGEST for p in pairs]  # nobody selects a whole text, and engines refuse to hold it as a value
    paths = [split_path(p) for p in catalogue.text("category").tolist()]
    stock = catalogue.value("stock")
    return {
        "brand": _objects([(b,) if b else () for b in catalogue.text("brand").tolist()]),
        "category": _objects([tuple(join_path(p[: n + 1]) for n in range(len(p))) for p in paths]),
        "attribute": _objects(
            [tuple(pairs[p] for p in labels.pair[a:b] if short[p]) for a, b in zip(labels.offsets[:-1], labels.offsets[1:])]
        ),
        "sold_out": _objects(["yes" if s <= 0 else "no" for s in stock.tolist()]),
        "price_cents": catalogue.value("price_cents"),
        "rating": catalogue.value("rating"),
    }


def described(catalogue: Catalogue) -> list[str]:
    """One text a product for the encoder: title, then brand, category and the description's beginning."""
    columns = (catalogue.text(n).tolist() for n in ("title", "brand", "category", "description"))
    return [
        " ".join(p for p in (title, "" if brand.lower() in title.lower() else brand, category.replace("/", " "), text[:200]) if p)
        for title, brand, category, text in zip(*columns)
    ]


class QueryVectors:
    """Vectors of queries, each text encoded by itself and kept: a text's vector is the same bits in any batch.

    Args:
        encode: Texts to vectors.
        keep: Texts remembered; the oldest go first.
    """

    def __init__(self, encode: Encode, keep: int = 10_000) -> None:
        self._encode, self._keep, self._lock = encode, keep, Lock()
        self._held: dict[str, NDArray[np.float32]] = {}

    def of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (texts, dimensions); a zero row where the encoder knows nothing of a text."""
        return np.stack([self._one(t) for t in texts]) if len(texts) else np.zeros((0, 0), dtype=np.float32)

    def _one(self, text: str) -> NDArray[np.float32]:
        held = self._held.get(text)
        if held is not None:
            return held
        vector = np.asarray(self._encode([text]), dtype=np.float32)
        if vector.ndim != 2 or len(vector) != 1:
            raise BadInput(f"the encoder answered shape {vector.shape} for one text; wanted (1, dimensions).")
        norm = float(np.linalg.norm(vector[0]))
        unit = vector[0] / norm if np.isfinite(norm) and norm > 0 else np.zeros_like(vector[0])
        with self._lock:
            while len(self._held) >= self._keep:
                self._held.pop(next(iter(self._held)))
            self._held[text] = unit
        return unit


def lexical(index: TextIndex, catalogue: Catalogue) -> Source:
    """The lexical leg: columns `bm25` and `rank_lexical`.

    It finds the best matches of the query under stock and price bounds. Where it stopped at its limit and something is selected,
    it asks again under the selections, so that what they leave is not lost behind the limit.
    """

    def fetch(requests: Requests, context: Context) -> Candidates:
        limits, shares, others = LEXICAL_K.of(requests), MATCH_SHARE.of(requests), lines_of(requests, "alternatives")
        parts: list[Hits] = []
        for at, text in enumerate(requests.column("text").tolist()):
            limit = int(limits[at])
            ask = [TextQuery(str(text), clauses(catalogue, requests, at, facets=f), float(shares[at])) for f in (False, True)]
            hits = index.search(ask[:1], limit=limit) if limit and text != BROWSE else _no_hits(1)
            if len(hits.ids) == limit > 0 and ask[0] != ask[1]:
                hits = _united(index.search(ask[1:], limit=limit), hits)
            for other in others[at] if limit else ():
                more = TextQuery(other, ask[0].filters, float(shares[at]))
                hits = _united(hits, index.search([more], limit=max(limit // _OTHERS, 1)))
            parts.append(hits)
        return _candidates(parts, "bm25", "rank_lexical")

    return Source("lexical", fetch, otherwise=empty)


def vector(index: VectorIndex, vectors: QueryVectors, catalogue: Catalogue) -> Source:
    """The vector leg: columns `cosine_leg` and `rank_vector`; stock and price bounds are exact within it.

    Selections narrow what it found and never add to it: otherwise a ticked box would bring in neighbours that the count beside
    it did not promise.
    """

    def fetch(requests: Requests, context: Context) -> Candidates:
        limits, parts = VECTOR_K.of(requests), list[Hits]()
        for at, text in enumerate(requests.column("text").tolist()):
            unit = vectors.of([str(text)]) if text != BROWSE and limits[at] else np.zeros((1, 0), dtype=np.float32)
            if not unit.any():
                parts.append(_no_hits(1))
                continue
            chosen = selections_of(str(requests.column("selections")[at]))
            every = np.arange(len(catalogue))
            masks = list(hard_mask(catalogue, every, in_stock=chosen.in_stock, bounds=bounds_of(requests, at)).values())
            allowed = catalogue.numbers[np.logical_and.reduce(masks)] if masks else None
            parts.append(index.search(unit, limit=int(limits[at]), allowed=allowed))
        return _candidates(parts, "cosine_leg", "rank_vector")

    return Source("vector", fetch, otherwise=empty)


def browse(catalogue: Catalogue, shelves: Shelves | None = None) -> Source:
    """The leg of a page without words: what the selections leave, the most popular or what was sorted for first; column `rank_browse`."""
    held = shelves or Shelves(catalogue)

    def fetch(requests: Requests, context: Context) -> Candidates:
        limits, parts = BROWSE_K.of(requests), list[Hits]()
        for at, text in enumerate(requests.column("text").tolist()):
            if text != BROWSE:
                parts.append(_no_hits(1))
                continue
            chosen = selections_of(str(requests.column("selections")[at]))
            rows = held.rows(chosen, bounds=bounds_of(requests, at))
            ids = catalogue.numbers[held.best(rows, sort=str(requests.column("sort")[at]), limit=int(limits[at]))]
            parts.append(Hits(np.array([0, len(ids)]), ids, -np.arange(len(ids), dtype=np.float64)))
        return _candidates(parts, "", "rank_browse")

    return Source("browse", fetch, idle=lambda requests: not (requests.column("text") == BROWSE).any())


def _candidates(parts: Sequence[Hits], score: str, rank: str) -> Candidates:
    if len(parts) == 1:
        own = parts[0]
        columns = {rank: np.arange(1.0, len(own.ids) + 1.0, dtype=np.float32)}
        if score:
            columns[score] = own.scores.astype(np.float32)
        return Candidates(np.array([0, len(own.ids)]), own.ids, columns)
    counts = np.array([len(h.ids) for h in parts], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    ids = np.concatenate([np.zeros(0, dtype=np.int64), *(h.ids for h in parts)])
    ranks = np.concatenate([np.zeros(0), *(np.arange(1.0, n + 1.0) for n in counts.tolist())])
    columns = {rank: ranks.astype(np.float32)}
    if score:
        columns[score] = np.concatenate([np.zeros(0), *(h.scores for h in parts)]).astype(np.float32)
    return Candidates(offsets, ids, columns)


def _united(first: Hits, second: Hits) -> Hits:
    """Both answers to one query, the best first, none twice."""
    ids, scores = np.concatenate([first.ids, second.ids]), np.concatenate([first.scores, second.scores])
    ids, at = np.unique(ids, return_index=True)
    order = np.lexsort((ids, -scores[at]))
    return Hits(np.array([0, len(ids)]), ids[order], scores[at][order])


def _no_hits(queries: int) -> Hits:
    return Hits(np.zeros(queries + 1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0))


def _objects(values: Sequence[object]) -> NDArray[np.object_]:
    out = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):
        out[at] = value
    return out


def unit_vectors(encode: Encode, texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of length 1, shape (texts, dimensions), a chunk at a time; a row of zeros where there is nothing to encode."""
    parts = [np.asarray(encode(texts[at : at + _CHUNK]), dtype=np.float32) for at in range(0, len(texts), _CHUNK)]
    vectors = np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = np.isfinite(norms) & (norms > 0)
    return np.ascontiguousarray(np.where(usable, vectors / np.where(usable, norms, 1.0), 0.0), dtype=np.float32)
