"""VectorIndex on OpenSearch's k-NN plugin: Lucene's HNSW by cosine, filters inside the search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.adapters.opensearch.store import Store, bounded, hits, named, whole
from rialto.adapters.opensearch.wire import Address
from rialto.errors import BadInput
from rialto.ports import Hits

__all__ = ["OpenSearchVectors"]

_MOST_DIMENSIONS = 16_000
_MOST_NEAREST = 10_000
"""The plugin's bounds."""
_BREADTH = 128


class OpenSearchVectors:
    """A `VectorIndex` in one index of OpenSearch with the k-NN plugin.

    The graph is asked for twice as many as wanted, at least 128, so that ties go by id. Where it gives fewer than wanted, and
    where more are wanted than the plugin's ten thousand, the server scans instead, which is exact. Vectors are written in the
    order of their ids, as the graph prefers the first of equals.

    `allowed` travels with every query, some eight bytes an id: let the text index filter where nearly all is allowed.

    Args:
        address: Server and index.
        dimensions: Length of a vector, at most 16,000.
        passing: The index is emptied now and removed on `close`.

    Raises:
        EngineMissing: urllib3 is not installed.
        BadInput: `dimensions` is wrong, or the index holds something else.
        EngineBusy: no node answers.
        EngineLost: the server refuses, or lacks the plugin.

    Source:
        Malkov, Yashunin (2020), "Efficient and robust approximate nearest neighbor search using HNSW graphs", IEEE TPAMI 42(4).

    Example:
        >>> OpenSearchVectors.open("opensearch://localhost/vectors", 0)
        Traceback (most recent call last):
        rialto.errors.BadInput: dimensions is 0; wanted 1 to 16000.
    """

    def __init__(self, address: Address, dimensions: int, *, passing: bool = False) -> None:
        if not 1 <= dimensions <= _MOST_DIMENSIONS:
            raise BadInput(f"dimensions is {dimensions}; wanted 1 to {_MOST_DIMENSIONS}.")
        self._dimensions = dimensions
        self._store = Store(address, _index(dimensions), passing=passing)

    @classmethod
    def open(cls, url: str, dimensions: int) -> OpenSearchVectors:
        """Open `opensearch://[user:password@]host:port/index`; options as `OpenSearchText.open`. The index is made if absent."""
        return cls(Address.of(url), dimensions)

    @classmethod
    def beside(cls, url: str, dimensions: int, folder: Path | None) -> OpenSearchVectors:
        """One of several indexes under the URL's name: the one that `folder` keeps the name of, or a passing one of this process."""
        address, passing = named(Address.of(url), "vectors", folder)
        return cls(address, dimensions, passing=passing)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add or replace vectors, shape (ids, dimensions); of an id that comes twice the last row counts.

        Raises:
            BadInput: a vector is zero or not finite, or a shape is wrong; nothing was added.
            EngineBusy: the server did not answer in time; some may be there: add them again.
        """
        numbers = whole(ids, "vectors")
        units = _units(vectors, self._dimensions, "vectors")
        if len(numbers) != len(units):
            raise BadInput(f"there are {len(numbers)} ids and {len(units)} vectors; wanted one vector for each id.")
        last = {number: row for row, number in enumerate(numbers)}
        self._store.write((n, f'{{"id":{n},"unit":{_text(units[last[n]])}}}') for n in sorted(last))

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove vectors; unknown ids are no error."""
        self._store.remove(whole(ids, "vectors"))

    def search(self, queries: NDArray[np.float32], *, limit: int, allowed: NDArray[np.int64] | None = None) -> Hits:
        """The `limit` most similar to each query (queries, dimensions), by cosine and then by id, among `allowed` where given.

        Raises:
            BadInput: a query is zero or not finite, a shape is wrong, or `limit` is not 1 to a million.
            EngineBusy: the server did not answer in time.
            EngineLost: the index is gone, or the server refuses.
        """
        bounded(limit)
        units = _units(queries, self._dimensions, "queries")
        among = None if allowed is None else sorted(set(whole(np.asarray(allowed, np.int64), "allowed")))
        if among == [] or not len(units):
            return hits([(np.zeros(0, np.int64), np.zeros(0))] * len(units))
        wanted = limit if among is None else min(limit, len(among))
        kept = "" if among is None else _among(among)
        nearest = max(2 * wanted, _BREADTH)
        found = self._store.search([_graph(_text(u), nearest, wanted, kept) for u in units]) if nearest <= _MOST_NEAREST else []
        short = [at for at in range(len(units)) if not found or len(found[at][0]) < wanted]
        scanned = self._store.search([_scan(_text(units[at]), wanted, kept) for at in short])
        answers = {at: (ids, 2.0 * scores - 1.0) for at, (ids, scores) in enumerate(found)}
        answers |= {at: (ids, 1.5 - 0.5 / scores) for at, (ids, scores) in zip(short, scanned)}
        return hits([answers[at] for at in range(len(units))])

    def close(self) -> None:
        """Make what was written visible, and let go; a second call does nothing."""
        self._store.close()


_TAIL = '"sort":["_score",{"id":"asc"}],"stored_fields":"_none_","track_total_hits":false'


def _graph(vector: str, nearest: int, limit: int, kept: str) -> str:
    """A search of the graph, which scores (1 + cosine) / 2."""
    inside = f',"filter":{kept}' if kept else ""
    return f'{{"query":{{"knn":{{"unit":{{"vector":{vector},"k":{nearest}{inside}}}}}}},"size":{limit},{_TAIL}}}'


def _scan(vector: str, limit: int, kept: str) -> str:
    """A scan of all that is kept, which scores 1 / (1 + distance^2): its scores by cosine differ between versions of the plugin."""
    script = f'{{"source":"knn_score","lang":"knn","params":{{"field":"unit","query_value":{vector},"space_type":"l2"}}}}'
    return f'{{"query":{{"script_score":{{"query":{kept or _ALL},"script":{script}}}}},"size":{limit},{_TAIL}}}'


_ALL = '{"match_all":{}}'


def _among(ids: Sequence[int]) -> str:
    return f'{{"terms":{{"id":[{",".join(map(str, ids))}]}}}}'


def _index(dimensions: int) -> dict[str, Any]:
    method = {
        "name": "hnsw", "engine": "lucene", "space_type": "cosinesimil",
        "parameters": {"m": 16, "ef_construction": _BREADTH},
    }  # fmt: skip
    unit = {"type": "knn_vector", "dimension": dimensions, "method": method}
    properties = {"id": {"type": "long"}, "unit": unit}
    about = {"version": 1, "dimensions": dimensions}
    # Lists of what is allowed may be as long as the catalogue.
    settings = {"index": {"knn": True, "max_terms_count": 100_000_000}}
    return {"settings": settings, "mappings": {"dynamic": False, "_meta": about, "properties": properties}}


def _units(vectors: NDArray[np.float32], dimensions: int, what: str) -> NDArray[np.float32]:
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimensions:
        raise BadInput(f"{what} have shape {rows.shape}; wanted ({what}, {dimensions}).")
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)))
    if len(bad):
        raise BadInput(f"row {bad[0] + 1} of {what} is zero, or not finite, or too long to measure; wanted a direction.")
    return (rows / length[:, np.newaxis]).astype(np.float32)


def _text(unit: NDArray[np.float32]) -> str:
    """A vector as JSON, with the nine digits that give every float32 back."""
    return ("[" + "%.9g," * (len(unit) - 1) + "%.9g]") % tuple(unit.tolist())
