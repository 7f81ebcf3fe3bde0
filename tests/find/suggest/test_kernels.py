"""The loops beside their plain twins."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find.suggest.kernels import best_of, best_plain, lowest, sort_starts
from rialto.find.suggest.trie import Trie, near_plain

words = st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=30, unique=True)


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=300),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(1, 12),
    st.randoms(),
)
@settings(max_examples=60, deadline=None)
def test_the_best_of_a_range_are_those_of_a_plain_sort(lines: list[int], a: int, b: int, most: int, chance: object) -> None:
    line = np.array(lines, dtype=np.int32)
    offered = np.array([n % 5 != 0 for n in range(61)])
    lo, hi = sorted((a % (len(lines) + 1), b % (len(lines) + 1)))
    out = np.empty(most, dtype=np.int32)
    found = line[out[: best_of(line, lowest(line), offered, lo, hi, out)]].tolist()
    plain = best_plain(line, offered, lo, hi, most)
    assert found == plain[: len(found)] and (len(found) == len(plain) or len(found) == 0 or len(lines) > 32)


@given(st.lists(st.text("ab ", max_size=40), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_sorting_word_starts_is_sorting_texts(texts: list[str]) -> None:
    body = "\0".join(texts) + "\0" * 50
    blob = np.array([min(ord(c), 200) for c in body], dtype=np.uint16)
    key = np.cumsum([0, *(len(t) + 1 for t in texts[:-1])]).astype(np.int32)
    line = np.arange(len(texts), dtype=np.int32)
    sort_starts(blob, key, line, 0, len(key), 45)
    assert [texts[i] for i in line] == sorted(texts) and [body[k:].split("\0", 1)[0] for k in key] == sorted(texts)


@given(words, st.text("abcd", min_size=4, max_size=8), st.booleans(), st.integers(1, 2))
@settings(max_examples=150, deadline=None)
def test_near_words_are_within_the_slips_and_an_exact_one_costs_nothing(
    known: list[str], typed: str, whole: bool, edits: int
) -> None:
    known = sorted(known)
    letters = np.array([ord(c) - 96 for c in "".join(known)], dtype=np.uint16)
    offsets = np.cumsum([0, *map(len, known)]).astype(np.int64)
    trie = Trie.of(letters, offsets, np.ones(len(known), dtype=np.float32))
    code = np.array([ord(c) - 96 for c in typed], dtype=np.uint16)
    near = trie.near(code, edits, np.ones((5, 5), dtype=np.float32), whole=whole)
    found = {"".join(chr(int(c) + 96) for c in letters): cost for letters, cost, _ in near}
    allowed = near_plain(typed, known, edits, whole=whole)
    assert all(any(w == f if whole else w.startswith(f) for w in allowed) for f in found)
    one = near_plain(typed, known, 1, whole=True)
    assert not whole or len(near) == 8 or edits > 1 or set(found) == one
    assert found.get(typed, 0.0) == 0.0 and all(cost > 0 for f, cost in found.items() if f != typed)
    assert trie.holds(code) == (typed in known)
