import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from rialto.local import versions

KEYS = st.lists(st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1)), max_size=12)


@settings(deadline=None)
@given(KEYS, KEYS)
def test_the_hash_table_finds_what_a_dictionary_finds(known, asked):
    keys, slots = np.zeros(32, dtype=np.int64), np.full(32, -1, dtype=np.int64)
    given_slots, used = versions.insert(np.array(known, dtype=np.int64), 0, keys, slots)
    plain = {entity: place for place, entity in enumerate(dict.fromkeys(known))}
    wanted = np.array([*asked, *known], dtype=np.int64)
    assert used == len(plain)
    assert_array_equal(given_slots, versions.find_plain(np.array(known, dtype=np.int64), plain))
    assert_array_equal(versions.find(wanted, keys, slots), versions.find_plain(wanted, plain))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 9)), max_size=30),
    st.lists(st.integers(-1, 3), max_size=5),
    st.lists(st.integers(-1, 1), max_size=3),
    st.integers(-1, 10),
)
def test_the_kernel_reads_what_plain_numpy_reads(written, slots, columns, at_s):
    cells, older = np.full((4, 2, 2), np.nan), np.full((4, 2), -1, dtype=np.int64)
    cells[..., 1] = -np.inf
    past, links, free = np.zeros((40, 2)), np.append(np.arange(1, 40), -1), np.array([0, 40])
    for number, (slot, name, second) in enumerate(written):
        value = np.array([[float(number)]])
        versions.write(np.array([slot]), np.array([name]), value, float(second), 100, cells, older, past, links, free)
    asked = np.array(slots, dtype=np.int64), np.array(columns, dtype=np.int64), float(at_s), cells, older, past, links
    assert_array_equal(versions.read(*asked), versions.read_plain(*asked))
