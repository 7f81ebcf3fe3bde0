"""Records: shapes checked at the door, chance that belongs to the request."""

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.records import Candidates, Requests, uniforms


@pytest.mark.parametrize("offsets", [[], [0], [0, 2], [1, 3]])
def test_offsets_that_do_not_cover_the_rows_are_refused(offsets: list[int]) -> None:
    with pytest.raises(BadInput, match="offsets"):
        Candidates(np.array(offsets, dtype=np.int64), np.arange(3))


def test_a_column_of_another_length_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="'km' has 1 rows; wanted 2"):
        Candidates(np.array([0, 2]), np.arange(2), {"km": np.zeros(1)})
    with pytest.raises(BadInput, match="'text' has 3"):
        Requests(np.zeros(2, dtype=np.uint64), np.zeros(2), {"text": np.array(["a", "b", "c"])})


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="known: colour, size"):
        Requests.of({"size": np.zeros(1), "colour": np.zeros(1)}).column("color")


def test_chance_is_even_and_belongs_to_the_request() -> None:
    ids = np.arange(20_000, dtype=np.uint64)
    draws = uniforms(7, ids, "salt", 3)
    assert draws.min() >= 0.0
    assert draws.max() < 1.0
    assert np.allclose(draws.mean(axis=0), 0.5, atol=0.01)
    assert np.abs(np.corrcoef(draws.T) - np.eye(3)).max() < 0.03
    assert np.array_equal(draws[[9, 3]], uniforms(7, np.array([9, 3], dtype=np.uint64), "salt", 3))
    assert not np.array_equal(draws, uniforms(8, ids, "salt", 3))
    assert not np.array_equal(draws, uniforms(7, ids, "pepper", 3))


def test_a_request_is_taken_with_all_of_its_columns() -> None:
    r = Requests.of({"text": np.array(["a", "b"])}, overrides={"p": np.array([1, 2])}, time_s=3.0)
    one = r.take(np.array([1]))
    assert (one.ids.tolist(), one.column("text").tolist(), one.overrides["p"].tolist()) == ([1], ["b"], [2])
