"""Postings against plain numpy, and against the scores of each document read by itself, whatever came and went in between."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.local.bm25f import ForwardIndex
from rialto.local.postings import inverted, inverted_plain
from rialto.local.text import TantivyText
from rialto.ports import TextField, TextQuery

FIELDS = [TextField("title", boost=3.0, b=0.4), TextField("text", b=0.8)]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_an_index_is_turned_over_as_plain_numpy_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = rng.integers(0, 6, 7).astype(np.int32)
    start = (rng.integers(0, 3, 7).cumsum() + np.concatenate([[0], size.cumsum()[:-1]])).astype(np.int64)
    keys = np.zeros(int(start[-1]) + 8, np.int32)
    for s, n in zip(start, size):
        keys[s : s + n] = np.sort(rng.choice(15, n, replace=False))
    counts, lengths = rng.integers(1, 9, len(keys)).astype(np.uint16), rng.integers(0, 9, (7, 3)).astype(np.int32)
    given_ = (keys, counts, start, size, lengths, 5)
    for fast, plain in zip(inverted(*given_), inverted_plain(*given_)):
        assert fast.dtype == plain.dtype and fast.tolist() == plain.tolist()


def put(index: ForwardIndex, rng: np.random.Generator, ids: list[int]) -> None:
    """Documents of random words, in place of those of the same ids."""
    index.remove(ids)
    words = [[[f"w{w}" for w in rng.integers(0, 12, rng.integers(0, 8))] for _ in ids] for _ in FIELDS]
    index.add(ids, words)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_what_matches_has_the_scores_of_documents_read_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    index = ForwardIndex(FIELDS)
    put(index, rng, list(range(40)))
    for _ in range(6):
        terms = rng.choice(len(index.vocabulary), min(3, len(index.vocabulary)), replace=False).astype(np.int32)
        found = index.matching(terms, 1000)
        assert found is not None
        slots = np.array(sorted(index.slot_of.values()), np.int64)
        each = index.score(terms, slots)
        want = dict(zip(slots[each > 0].tolist(), each[each > 0].tolist()))
        assert dict(zip(found[0].tolist(), found[1].tolist())) == want  # the same bits
        assert len(found[0]) == len(want)
        index.remove(rng.integers(0, 60, 5).tolist())
        put(index, rng, np.unique(rng.integers(0, 60, 4)).tolist())


def test_a_query_that_many_match_finds_the_best_of_all_of_them() -> None:
    rng = np.random.default_rng(1)
    index, n = TantivyText(FIELDS, candidates=20), 400
    texts = [" ".join(f"w{w}" for w in rng.integers(0, 5, rng.integers(1, 12))) for _ in range(2 * n)]
    index.add(np.arange(n), {"title": texts[:n], "text": texts[n:]}, {})
    every, few = (index.search([TextQuery("w1 w2 w3")], limit=limit) for limit in (n, 30))
    assert few.ids.tolist() == every.ids[:30].tolist() and (np.diff(every.scores) <= 0).all()
