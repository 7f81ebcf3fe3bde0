"""The great circle's kernel says what plain numpy says, also at the poles and from a place to itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rialto.local.sphere import arcs_m, arcs_m_plain

PLACES = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=20))
def test_kernel_and_numpy_agree(trips: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    start, goal = np.array([t[0] for t in trips]), np.array([t[1] for t in trips])
    np.testing.assert_allclose(arcs_m(start, goal), arcs_m_plain(start, goal), rtol=1e-9, atol=0.5)
    assert not arcs_m(start, start).any()


@given(arrays(np.float64, (3, 2), elements=st.floats(allow_nan=True, allow_infinity=True, width=64)))
def test_what_is_no_place_is_nan_in_both(places: np.ndarray) -> None:
    there = np.zeros((3, 2))
    with np.errstate(all="ignore"):
        plain = arcs_m_plain(places, there)
    assert np.isnan(arcs_m(places, there)).tolist() == np.isnan(plain).tolist()
    assert np.isnan(arcs_m(there, places)).tolist() == np.isnan(plain).tolist()
