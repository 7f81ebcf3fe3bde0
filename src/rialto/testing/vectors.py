"""The exam of the VectorIndex port: recall against an exact scan, filters exact, a re-added id replaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.ports import Hits, VectorIndex

__all__ = ["VectorIndexExam", "clustered", "nearest"]

DIMENSIONS = 16


def clustered(rows: int, seed: int, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    """Vectors in a hundred clusters, shape (rows, dimensions): what real sentences look like, and harder than noise."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(100, dimensions))
    return (centres[rng.integers(0, 100, rows)] + 0.3 * rng.normal(size=(rows, dimensions))).astype(np.float32)


def nearest(vectors: NDArray[np.float32], ids: NDArray[np.int64], query: NDArray[np.float32], limit: int) -> NDArray[np.int64]:
    """Ids of the `limit` rows with the highest cosine, by plain numpy in double precision."""
    rows = vectors.astype(np.float64)
    cosine = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    return ids[np.lexsort((ids, -cosine))][:limit]


class VectorIndexExam:
    """Subclass it, and say how to `open` your engine; `rows` and `recall` may be raised, not lowered."""

    rows: int = 5000
    recall: float = 0.95

    def open(self, dimensions: int, folder: Path) -> VectorIndex:
        """An empty index of vectors of `dimensions`."""
        raise NotImplementedError

    @pytest.fixture
    def index(self, tmp_path: Path) -> Any:
        index = self.open(DIMENSIONS, tmp_path)
        yield index
        index.close()

    def test_is_a_vector_index(self, index: VectorIndex) -> None:
        assert isinstance(index, VectorIndex)

    def test_recall_against_an_exact_scan(self, index: VectorIndex) -> None:
        ids, vectors = _filled(index, self.rows)
        queries = clustered(50, 2)
        found = _rows(index.search(queries, limit=10))
        shared = [len(set(nearest(vectors, ids, q, 10).tolist()) & set(got)) / 10 for q, got in zip(queries, found)]
        assert np.mean(shared) >= self.recall

    @pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.95])
    def test_filter_is_exact_and_the_answer_full(self, index: VectorIndex, share: float) -> None:
        ids, vectors = _filled(index, self.rows)
        allowed = np.random.default_rng(4).permutation(ids)[: int(share * len(ids))]
        kept = np.isin(ids, allowed)
        queries = clustered(20, 5)
        found = _rows(index.search(queries, limit=10, allowed=allowed))
        assert all(set(got) <= set(allowed.tolist()) and len(got) == min(10, len(allowed)) for got in found)
        want = [nearest(vectors[kept], ids[kept], q, 10).tolist() for q in queries]
        assert np.mean([len(set(w) & set(g)) / len(w) for w, g in zip(want, found)]) >= self.recall

    def test_negative_ids_are_found_too(self, index: VectorIndex) -> None:
        ids, vectors = _filled(index, self.rows)
        signed = np.flatnonzero((ids < 0) & (ids > -100))
        found = [got[0] for got in _rows(index.search(vectors[signed], limit=1))]
        assert -1 in found and found == ids[signed].tolist()

    def test_allowed_far_from_the_query_still_come_back(self, index: VectorIndex) -> None:
        ids, vectors = _filled(index, self.rows)
        query = clustered(1, 6)
        far = nearest(-vectors, ids, query[0], 20)
        assert sorted(index.search(query, limit=20, allowed=far).ids.tolist()) == sorted(far.tolist())

    def test_allowed_that_are_not_there_or_come_twice_do_not_count(self, index: VectorIndex) -> None:
        index.add(np.array([1, 2]), np.eye(2, DIMENSIONS, dtype=np.float32))
        query = np.eye(1, DIMENSIONS, dtype=np.float32)
        assert index.search(query, limit=5, allowed=np.array([2, 2, 77])).ids.tolist() == [2]
        assert index.search(query, limit=5, allowed=np.zeros(0, np.int64)).ids.tolist() == []

    def test_score_is_the_cosine_and_falls(self, index: VectorIndex) -> None:
        index.add(np.array([-5, 2, 9]), _vectors([[3, 0], [1, 1], [-2, 0]]))
        hits = index.search(_vectors([[2, 0]]), limit=3)
        assert hits.ids.tolist() == [-5, 2, 9]
        np.testing.assert_allclose(hits.scores, [1.0, np.sqrt(0.5), -1.0], atol=1e-6)

    def test_ties_go_to_the_smaller_ids(self, index: VectorIndex) -> None:
        index.add(np.array([30, 10, 20, 5]), _vectors([[1, 0], [1, 0], [1, 0], [0, 1]]))
        assert index.search(_vectors([[1, 0]]), limit=2).ids.tolist() == [10, 20]

    def test_added_again_a_vector_replaces_what_it_was(self, index: VectorIndex) -> None:
        index.add(np.array([1, 2]), _vectors([[1, 0], [0, 1]]))
        index.add(np.array([1]), _vectors([[-1, 0]]))
        hits = index.search(_vectors([[1, 0]]), limit=5)
        assert hits.ids.tolist() == [2, 1]
        np.testing.assert_allclose(hits.scores, [0.0, -1.0], atol=1e-6)

    def test_last_row_of_an_id_in_one_batch_counts(self, index: VectorIndex) -> None:
        index.add(np.array([1, 2, 1]), _vectors([[1, 0], [0, 1], [-1, 0]]))
        assert index.search(_vectors([[1, 0]]), limit=5).ids.tolist() == [2, 1]

    def test_removed_vectors_are_not_found(self, index: VectorIndex) -> None:
        ids, vectors = _filled(index, self.rows)
        gone = ids[::3]
        index.remove(np.concatenate([gone, gone, [10**9]]))
        found = _rows(index.search(vectors[:30], limit=10))
        assert not set(gone.tolist()) & {i for got in found for i in got}
        assert all(len(got) == 10 for got in found)
        index.remove(ids)
        assert index.search(vectors[:2], limit=10).ids.tolist() == []

    def test_empty_index_and_empty_batch_find_nothing(self, index: VectorIndex) -> None:
        index.add(np.zeros(0, np.int64), np.zeros((0, DIMENSIONS), np.float32))
        assert index.search(clustered(2, 1), limit=3).offsets.tolist() == [0, 0, 0]
        assert index.search(np.zeros((0, DIMENSIONS), np.float32), limit=3).offsets.tolist() == [0]

    def test_batch_equals_its_queries_one_by_one(self, index: VectorIndex) -> None:
        _filled(index, self.rows)
        queries = clustered(10, 8)
        together = index.search(queries, limit=5)
        alone = [index.search(queries[i : i + 1], limit=5) for i in range(len(queries))]
        assert together.ids.tolist() == np.concatenate([a.ids for a in alone]).tolist()
        np.testing.assert_allclose(together.scores, np.concatenate([a.scores for a in alone]), atol=1e-6)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
    def test_vector_without_a_direction_is_refused_and_nothing_added(self, index: VectorIndex, bad: float) -> None:
        vectors = clustered(3, 1)
        vectors[1] = bad
        with pytest.raises(BadInput, match="row 2"):
            index.add(np.arange(3), vectors)
        with pytest.raises(BadInput, match="row 2"):
            index.search(vectors, limit=1)
        assert index.search(clustered(1, 1), limit=3).ids.tolist() == []

    def test_other_shapes_are_refused(self, index: VectorIndex) -> None:
        for ids, vectors in (
            (np.arange(2), clustered(2, 1)[:, :-1]),
            (np.arange(3), clustered(2, 1)),
            (np.arange(1), clustered(2, 1)[0]),
            (np.array([0.5, 1.5]), clustered(2, 1)),
        ):
            with pytest.raises(BadInput):
                index.add(ids, vectors)
        for limit in (0, -1):
            with pytest.raises(BadInput, match="limit"):
                index.search(clustered(1, 1), limit=limit)


def _filled(index: VectorIndex, rows: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    ids = np.random.default_rng(0).permutation(np.arange(rows, dtype=np.int64) * 7 - 1002)  # -1 and 1 among them
    vectors = clustered(rows, 1)
    index.add(ids, vectors)
    return ids, vectors


def _vectors(rows: list[list[float]]) -> NDArray[np.float32]:
    made = np.zeros((len(rows), DIMENSIONS), np.float32)
    made[:, :2] = rows
    return made


def _rows(hits: Hits) -> list[list[int]]:
    return [part.tolist() for part in np.split(hits.ids, hits.offsets[1:-1])]
