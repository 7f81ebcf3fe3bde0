"""VectorIndex in this process: `FlatVectors`, exact, and `UsearchVectors`, a graph over the same rows for larger catalogues."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import RLock
from zipfile import BadZipFile

# numba comes first: usearch brings a C++ runtime of its own, and a library that is loaded after it and shares the system's
# (ONNX Runtime) ends the process unless the system's runtime is already there; numba's kernels bring it.
import numba as numba
import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

from rialto.errors import BadInput, EngineLost
from rialto.ports import Hits

__all__ = ["FlatVectors", "UsearchVectors"]

_FILE = "vectors.npz"
_UNSURE = 1e-6
"""How far two ways of summing a cosine may lie apart."""
_LAST = np.iinfo(np.int64).max


class FlatVectors:
    """Exact cosine over all rows by matrix product: the truth that the other engines are measured against.

    Args:
        dimensions: Length of a vector.

    Cost: 2 x rows x dimensions operations a query, about 0.3 ms for 50,000 rows of 128.

    Example:
        >>> index = FlatVectors(2)
        >>> index.add(np.array([7, 8, 9]), np.array([[1, 0], [0, 2], [3, 3]], np.float32))
        >>> hits = index.search(np.array([[1, 0.1]], np.float32), limit=2)
        >>> hits.ids.tolist(), hits.scores.round(2).tolist()
        ([7, 9], [1.0, 0.77])
    """

    def __init__(self, dimensions: int) -> None:
        self._rows = _Rows(dimensions)
        self._lock = RLock()

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add or replace vectors, shape (ids, dimensions); of an id that comes twice the last row counts."""
        with self._lock:
            self._rows.put(*_checked(ids, vectors, self._rows.dimensions))

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove vectors; unknown ids are no error."""
        with self._lock:
            self._rows.drop(np.asarray(ids, np.int64))

    def search(self, queries: NDArray[np.float32], *, limit: int, allowed: NDArray[np.int64] | None = None) -> Hits:
        """The `limit` most similar to each query (queries, dimensions), by cosine and then by id."""
        units = _queries(queries, self._rows.dimensions, limit)
        with self._lock:
            return _hits([self._rows.scan(unit, limit, self._rows.of(allowed)) for unit in units])

    def close(self) -> None:
        """Let go of the rows."""
        self._rows = _Rows(self._rows.dimensions)

    def __len__(self) -> int:
        return len(self._rows)


class UsearchVectors:
    """Approximate nearest by cosine on usearch's HNSW graph; the answers' scores are exact.

    The rows are kept beside the graph. The graph proposes twice as many as asked for and the rows give their order, so that
    scores and ties are those of `FlatVectors`. Where no more than `scan` rows are in question, the index or `allowed`, they are
    scanned, which is exact and faster; otherwise the graph is asked for more and more until `limit` of those allowed came back, then for a scan.

    Args:
        dimensions: Length of a vector.
        folder: Where `close` keeps the index; None keeps it in memory.
        expansion: Breadth of the graph search: more is slower and finds more.
        scan: Rows up to which a scan answers instead of the graph. A scan reads every vector: beyond the processor's cache it waits
            for memory, 4 ms for 20,000 of 384 dimensions where the graph takes 0.4.

    Raises:
        EngineLost: the folder's files are damaged.
        BadInput: the folder holds vectors of another length.

    Source:
        Malkov, Yashunin (2020), "Efficient and robust approximate nearest neighbor search using HNSW graphs", IEEE TPAMI 42(4).
    """

    def __init__(self, dimensions: int, folder: Path | None = None, *, expansion: int = 128, scan: int = 5_000) -> None:
        self._rows, self._folder, self._lock, self._scan = _Rows(dimensions), folder, RLock(), scan
        self._make: Callable[[], Index] = lambda: Index(
            ndim=dimensions, metric="cos", dtype="f32", connectivity=16, expansion_add=128, expansion_search=expansion
        )
        self._graph, self._closed = self._make(), False
        if folder is not None and (folder / _FILE).exists():
            self._load(folder / _FILE, dimensions)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add or replace vectors, shape (ids, dimensions); of an id that comes twice the last row counts.

        Cost: about 5,000 vectors of 128 a second and core.
        """
        numbers, units = _checked(ids, vectors, self._rows.dimensions)
        if np.any(numbers == _LAST):
            raise BadInput(f"the id {_LAST} is the graph's own mark for an empty place; wanted a smaller one.")
        with self._lock:
            self._open()
            self._unlink(numbers)
            self._rows.put(numbers, units)
            if len(numbers):
                self._graph.add(_keys(numbers), units)

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove vectors; unknown ids are no error."""
        with self._lock:
            self._open()
            numbers = np.unique(np.asarray(ids, np.int64))
            self._unlink(numbers)
            self._rows.drop(numbers)

    def search(self, queries: NDArray[np.float32], *, limit: int, allowed: NDArray[np.int64] | None = None) -> Hits:
        """The `limit` most similar to each query (queries, dimensions), among `allowed` ids where given; score = cosine."""
        units = _queries(queries, self._rows.dimensions, limit)
        with self._lock:
            self._open()
            rows = self._rows.of(allowed)
            few = (len(self._rows) if rows is None else len(rows)) <= max(self._scan, 4 * limit)
            return _hits([self._rows.scan(u, limit, rows) if few else self._climb(u, limit, rows) for u in units])

    def close(self) -> None:
        """Write to the folder, whole or not at all, and let go; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._folder is not None:
                self._save(self._folder)

    def __len__(self) -> int:
        return len(self._rows)

    def _open(self) -> None:
        if self._closed:
            raise EngineLost("this vector index is closed; open it again.")

    def _unlink(self, numbers: NDArray[np.int64]) -> None:
        there = numbers[[int(n) in self._rows.row_of for n in numbers]] if len(numbers) else numbers
        if len(there):
            self._graph.remove(_keys(there))

    def _climb(
        self, unit: NDArray[np.float32], limit: int, rows: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        every = len(self._rows)
        passing = every if rows is None else len(rows)
        # All of a full index pass; of a filtered one twice as many are asked for, as they are not spread evenly.
        depth = limit + 16 if rows is None else int(2 * limit * every / max(1, passing))
        allowed = None if rows is None else np.zeros(every, np.bool_)
        if allowed is not None:
            allowed[rows] = True
        while depth < every // 2:
            numbers = _keys(np.asarray(self._graph.search(unit, depth).keys).view(np.int64)).view(np.int64)
            found = np.array(list(map(self._rows.row_of.__getitem__, numbers.tolist())), np.int64)
            found = found if allowed is None else found[allowed[found]]
            if len(found) >= min(limit, passing):
                return self._rows.scan(unit, limit, np.sort(found))
            depth *= 4
        return self._rows.scan(unit, limit, rows)

    def _save(self, folder: Path) -> None:
        """Rows and graph in one file, so that they cannot come from different days."""
        folder.mkdir(parents=True, exist_ok=True)
        graph = np.frombuffer(bytes(self._graph.save() or b""), np.uint8)
        with (folder / (_FILE + ".new")).open("wb") as file:
            np.savez(file, ids=self._rows.ids, units=self._rows.units, graph=graph)
        (folder / (_FILE + ".new")).replace(folder / _FILE)

    def _load(self, path: Path, dimensions: int) -> None:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                ids, units, graph = kept["ids"], kept["units"], kept["graph"]
            if units.shape[1] != dimensions:
                raise BadInput(
                    f"{path} holds vectors of {units.shape[1]} dimensions; wanted {dimensions}. Choose another folder."
                )
            self._graph.load(graph.tobytes())
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, RuntimeError, IndexError) as error:
            if isinstance(error, BadInput):
                raise
            raise EngineLost(f"{path} is damaged ({error}); remove it and add the vectors again.") from error
        self._rows.put(ids, units)


class _Rows:
    """Unit vectors by row, dense: the last row moves into a removed one's place."""

    def __init__(self, dimensions: int) -> None:
        if dimensions < 1:
            raise BadInput(f"dimensions is {dimensions}; wanted 1 or more.")
        self.dimensions = dimensions
        self.row_of: dict[int, int] = {}
        self._ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self._units: NDArray[np.float32] = np.zeros((0, dimensions), np.float32)
        self._order: NDArray[np.int64] | None = None  # rows by rising id, made when a filter wants it

    def __len__(self) -> int:
        return len(self.row_of)

    @property
    def ids(self) -> NDArray[np.int64]:
        return self._ids[: len(self)]

    @property
    def units(self) -> NDArray[np.float32]:
        return self._units[: len(self)]

    def put(self, ids: NDArray[np.int64], units: NDArray[np.float32]) -> None:
        self._order = None
        for number in ids.tolist():
            self.row_of.setdefault(number, len(self.row_of))
        if len(self) > len(self._ids):
            spare = len(self) + len(self) // 4 - len(self._ids)
            self._ids = np.concatenate([self._ids, np.zeros(spare, np.int64)])
            self._units = np.concatenate([self._units, np.zeros((spare, self.dimensions), np.float32)])
        rows = [self.row_of[number] for number in ids.tolist()]
        self._ids[rows], self._units[rows] = ids, units

    def drop(self, ids: NDArray[np.int64]) -> None:
        self._order = None
        for number in ids.tolist():
            row = self.row_of.pop(number, None)
            last = len(self)
            if row is not None and row != last:
                self._ids[row], self._units[row] = self._ids[last], self._units[last]
                self.row_of[int(self._ids[row])] = row

    def of(self, ids: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
        """Rows of the `ids` that are there, each once; None for all."""
        if ids is None:
            return None
        if self._order is None:
            self._order = np.argsort(self.ids)
        wanted, sorted_ids = np.unique(np.asarray(ids, np.int64)), self.ids[self._order]
        at = np.searchsorted(sorted_ids, wanted)
        there = at < len(sorted_ids)
        there[there] = sorted_ids[at[there]] == wanted[there]
        return self._order[at[there]]

    def scan(
        self, unit: NDArray[np.float32], limit: int, rows: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ids and cosines of the `limit` nearest among `rows`, by cosine and then by id."""
        ids = self.ids if rows is None else self.ids[rows]
        if rows is None or len(rows) * 8 < len(self):
            cosine = ((self.units if rows is None else self.units[rows]) @ unit).astype(np.float64)
        else:  # copying that many rows would cost more than multiplying them all
            cosine = (self.units @ unit)[rows].astype(np.float64)
        least = np.partition(cosine, -limit)[-limit] - _UNSURE if limit < len(ids) else -np.inf
        kept = np.flatnonzero(cosine >= least)
        # A product of matrices sums a row in an order that depends on where it lies: equal vectors must score alike.
        at, ids = kept if rows is None else rows[kept], ids[kept]
        cosine = np.einsum("ij,j->i", self.units[at], unit).astype(np.float64)
        order = np.lexsort((ids, -cosine))[:limit]
        return ids[order], cosine[order]


def _checked(
    ids: NDArray[np.int64], vectors: NDArray[np.float32], dimensions: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The last row of each id, as unit vectors."""
    numbers = np.asarray(ids)
    if numbers.ndim != 1 or (len(numbers) and numbers.dtype.kind not in "iu"):
        raise BadInput(f"ids have shape {numbers.shape} and type {numbers.dtype}; wanted whole numbers, shape (vectors,).")
    units = _units(vectors, dimensions, "vectors")
    if len(numbers) != len(units):
        raise BadInput(f"there are {len(numbers)} ids and {len(units)} vectors; wanted one vector for each id.")
    last = sorted({number: row for row, number in enumerate(numbers.tolist())}.values())
    return numbers[last].astype(np.int64), units[last]


def _keys(ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Graph keys of ids, and ids of keys: the sign bit turned, as usearch loses its key of all ones without a word."""
    return ids.view(np.uint64) ^ np.uint64(1 << 63)


def _queries(queries: NDArray[np.float32], dimensions: int, limit: int) -> NDArray[np.float32]:
    if limit < 1:
        raise BadInput(f"limit is {limit}; wanted 1 or more.")
    return _units(queries, dimensions, "queries")


def _units(vectors: NDArray[np.float32], dimensions: int, what: str) -> NDArray[np.float32]:
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimensions:
        raise BadInput(f"{what} have shape {rows.shape}; wanted ({what}, {dimensions}).")
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)))
    if len(bad):
        raise BadInput(f"row {bad[0] + 1} of {what} is zero, or not finite, or too long to measure; wanted a direction.")
    return (rows / length[:, np.newaxis]).astype(np.float32)


def _hits(found: list[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> Hits:
    offsets = np.cumsum([0, *(len(ids) for ids, _ in found)], dtype=np.int64)
    ids = np.concatenate([np.zeros(0, np.int64), *(ids for ids, _ in found)])
    return Hits(offsets, ids, np.concatenate([np.zeros(0), *(scores for _, scores in found)]))
