"""A linear model: what is wrong with its bytes is told, and a batch equals its rows."""

from __future__ import annotations

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.local.linear import Linear
from rialto.local.models import LocalModels
from rialto.ports import ModelCard


def test_a_batch_scores_as_its_rows_and_what_is_not_known_adds_nothing() -> None:
    model, table = Linear(("a", "b"), np.array([2.0, 1.0])), np.array([[1, 2], [np.nan, 3]], dtype=np.float32)
    assert model.score(table).tolist() == [4.0, 3.0] == [float(model.score(table[i : i + 1])[0]) for i in range(2)]


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"a": "x"}', b'{"a": NaN}', b"\xff"])
def test_damaged_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(BadInput, match="linear model"):
        Linear.of_bytes(body)


def test_a_model_is_kept_only_with_the_inputs_of_its_card() -> None:
    models, body = LocalModels(), Linear(("a",), np.array([2.0])).to_bytes()
    version = models.put(ModelCard("m", "linear", ("a",)), body)
    assert models.score(version, np.ones((1, 1), dtype=np.float32)).tolist() == [2.0]
    with pytest.raises(BadInput, match="must be the same"):
        models.put(ModelCard("m", "linear", ("b",)), body)
