"""FlatVectors and UsearchVectors against the exam, on disk, and beside ONNX Runtime in one process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, EngineLost
from rialto.local.vectors import FlatVectors, UsearchVectors
from rialto.testing.vectors import VectorIndexExam, clustered


class TestFlatVectors(VectorIndexExam):
    recall = 1.0

    def open(self, dimensions, folder):
        return FlatVectors(dimensions)


class TestUsearchVectors(VectorIndexExam):
    """With more rows than are scanned, so that the graph answers."""

    def open(self, dimensions, folder):
        return UsearchVectors(dimensions, folder, scan=100)


class TestUsearchVectorsThatScan(VectorIndexExam):
    recall = 1.0

    def open(self, dimensions, folder):
        return UsearchVectors(dimensions, folder)


CHANGES = st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 50), st.booleans()), max_size=30)


@settings(deadline=None, max_examples=40)
@given(CHANGES)
def test_any_changes_leave_what_a_dictionary_would_hold(changes):
    pool, left = clustered(51, 1, 4), {}
    engines = (FlatVectors(4), UsearchVectors(4))
    for number, row, add in changes:
        for engine in engines:
            if add:
                engine.add(np.array([number]), pool[row : row + 1])
            else:
                engine.remove(np.array([number]))
        left |= {number: row}
        if not add:
            del left[number]
    query = clustered(1, 2, 4)
    unit = pool / np.linalg.norm(pool, axis=1, keepdims=True)
    want = {n: float(unit[r] @ query[0] / np.linalg.norm(query)) for n, r in left.items()}
    for engine in engines:
        hits = engine.search(query, limit=20)
        assert len(engine) == len(left) == len(hits.ids)
        np.testing.assert_allclose(hits.scores, [want[i] for i in hits.ids.tolist()], atol=1e-5)


def test_reopened_folder_answers_as_before(tmp_path):
    vectors, queries = clustered(6000, 1, 8), clustered(5, 2, 8)
    index = UsearchVectors(8, tmp_path, scan=100)
    index.add(np.arange(6000), vectors)
    index.remove(np.arange(100))
    before = index.search(queries, limit=10)
    index.close()
    index.close()
    again = UsearchVectors(8, tmp_path, scan=100)
    assert again.search(queries, limit=10).ids.tolist() == before.ids.tolist()
    again.add(np.array([1]), queries[:1])
    assert again.search(queries[:1], limit=1).ids.tolist() == [1]
    with pytest.raises(EngineLost, match="closed"):
        index.search(queries, limit=1)


def test_damaged_or_other_rows_are_refused(tmp_path):
    index = UsearchVectors(8, tmp_path)
    index.add(np.arange(9), clustered(9, 1, 8))
    index.close()
    with pytest.raises(BadInput, match="8"):
        UsearchVectors(4, tmp_path)
    whole = (tmp_path / "vectors.npz").read_bytes()
    for damaged in (b"", b"half a file", whole[: len(whole) // 2]):
        (tmp_path / "vectors.npz").write_bytes(damaged)
        with pytest.raises(EngineLost, match="add the vectors again"):
            UsearchVectors(8, tmp_path)


def test_onnx_runtime_loads_after_the_vector_engine():
    pytest.importorskip("onnxruntime")
    code = "import rialto.local.vectors, onnxruntime"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_reserved_id_is_refused_rather_than_lost():
    with pytest.raises(BadInput, match="smaller"):
        UsearchVectors(8).add(np.array([2**63 - 1]), clustered(1, 1, 8))


def test_no_dimensions_is_refused():
    with pytest.raises(BadInput, match="dimensions"):
        FlatVectors(0)
