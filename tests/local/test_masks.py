"""The kernels over pixels equal their plain versions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rialto.local.masks import beyond, beyond_plain, near, near_plain, window, window_plain

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))
PIXELS = SHAPES.flatmap(lambda s: arrays.arrays(np.uint8, (*s, 3)))


@given(SHAPES.flatmap(lambda s: arrays.arrays(np.bool_, s)), st.integers(1, 15), st.booleans())
@settings(deadline=None)
def test_window_equals_its_plain_version(mask, side, all_of):
    assert np.array_equal(window(mask, side, all_of), window_plain(mask, side, all_of))


@given(PIXELS, st.tuples(*[st.integers(0, 255)] * 3), st.integers(0, 60))
@settings(deadline=None)
def test_near_equals_its_plain_version(pixels, colour, most):
    ink = np.array(colour, dtype=np.float64)
    assert np.array_equal(near(pixels, ink, most), near_plain(pixels, ink, most))


@given(PIXELS, st.tuples(*[st.integers(-255, 255)] * 3), st.integers(-70_000, 70_000))
@settings(deadline=None)
def test_beyond_equals_its_plain_version(pixels, axis, least):
    along = np.array(axis, dtype=np.float64)
    assert np.array_equal(beyond(pixels, along, float(least)), beyond_plain(pixels, along, float(least)))
