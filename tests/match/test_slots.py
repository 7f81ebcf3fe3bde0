"""Slots are found whether ids lie close together or far apart, up to the ends of what an id can be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rialto.match.slots import Slots

ANY = st.integers(-(2**63), 2**63 - 1)
NEAR = st.integers(-20, 20)


@given(st.lists(ANY | NEAR, unique=True, max_size=40), st.lists(ANY | NEAR, max_size=40))
def test_every_id_is_found_at_its_row_and_no_other(ids: list[int], others: list[int]) -> None:
    asked = np.array([*ids, *others], dtype=np.int64)
    wanted = [ids.index(i) if i in ids else -1 for i in asked.tolist()]
    assert Slots(np.array(ids, dtype=np.int64)).find(asked).tolist() == wanted


@given(
    st.lists(NEAR, unique=True, max_size=40), st.lists(ANY | NEAR, max_size=40), st.sampled_from([-(2**63) + 20, 2**63 - 21, 0])
)
def test_ids_that_lie_close_together_are_found_too(near: list[int], others: list[int], middle: int) -> None:
    ids = [middle + i for i in near]
    asked = np.array([*ids, *others], dtype=np.int64)
    wanted = [ids.index(i) if i in ids else -1 for i in asked.tolist()]
    assert Slots(np.array(ids, dtype=np.int64)).find(asked).tolist() == wanted
