"""The best few of what matches against all that matches, scored one by one: the same documents, order and bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rialto.local import postings
from rialto.local.bm25f import ForwardIndex
from rialto.local.postings import inverted, inverted_plain
from rialto.local.walk import best, best_first, best_first_plain, walk, walk_plain
from rialto.ports import TextField

FIELDS = [TextField("title", boost=3.0, b=0.4), TextField("text", b=0.8), TextField("brand", boost=0.7, k1=2.0, b=0.0)]


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_the_best_come_first_and_ties_by_id(size: int, limit: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids, scores = rng.permutation(size).astype(np.int64), rng.choice([0.5, 1.0, 1.5, 2.5], size)
    fast, plain = best_first(ids, scores, limit), best_first_plain(ids, scores, limit)
    assert fast[0].tolist() == plain[0].tolist() and fast[1].tolist() == plain[1].tolist()
    assert sorted(best(ids, scores, limit).tolist()) == sorted(plain[0].tolist())


class Drawn:
    """Documents of few kinds, so that many tie, with terms from rare to common."""

    def __init__(self, seed: int, documents: int = 300, terms: int = 12) -> None:
        self.rng = np.random.default_rng(seed)
        self.index = ForwardIndex(FIELDS)
        self.terms = terms
        self.kinds = [self._document() for _ in range(int(self.rng.integers(1, 80)))]
        self.put(list(range(documents)))

    def put(self, ids: list[int]) -> None:
        self.index.remove(ids)
        drawn = [self.kinds[k] for k in self.rng.integers(0, len(self.kinds), len(ids))]
        self.index.add(ids, [[d[f] for d in drawn] for f in range(len(FIELDS))])

    def asked(self) -> NDArray[np.int32]:
        there = len(self.index.vocabulary)
        return self.rng.choice(there, min(int(self.rng.integers(1, 6)), there), replace=False).astype(np.int32)

    def _document(self) -> list[list[str]]:
        share = np.arange(1, self.terms + 1) ** -1.2
        draw = self.rng.choice(self.terms, (len(FIELDS), 9), p=share / share.sum())
        return [[f"w{w}" for w in row[: self.rng.integers(1, 9)]] for row in draw]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_the_best_few_are_those_of_all_that_match_whatever_came_and_went(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postings, "_WINDOW", 16)  # so that few documents are many windows
        drawn = Drawn(seed)
        index, rng = drawn.index, drawn.rng
        for _ in range(8):
            terms, limit = drawn.asked(), int(rng.choice([1, 2, 7, 30, 299, 1000]))
            found = index.matching(terms, limit)
            assert found is not None
            slots = np.array(sorted(index.slot_of.values()), np.int64)
            each = index.score(terms, slots)
            want = best_first_plain(index.ids[slots[each > 0]], each[each > 0], limit)
            have = best_first(index.ids[found[0]], found[1], limit)
            assert have[0].tolist() == want[0].tolist() and have[1].tolist() == want[1].tolist()  # the same bits
            index.remove(rng.integers(0, 330, 6).tolist())
            drawn.put(np.unique(rng.integers(0, 330, 5)).tolist())


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 250))
def test_what_is_left_out_is_not_among_the_best_and_what_is_there_has_its_score(seed: int, limit: int, window: int) -> None:
    rng = np.random.default_rng(seed)
    size = rng.integers(0, 16, 200).astype(np.int32)
    keys = [np.sort(rng.choice(24, n, replace=False, p=np.arange(24, 0, -1) / 300)) for n in size]
    counts, lengths = rng.integers(1, 3, int(size.sum())).astype(np.uint16), rng.integers(1, 3, (200, 3)).astype(np.int32)
    first, slots, code, kinds = inverted(np.concatenate(keys).astype(np.int32), counts, np.cumsum(size) - size, size, lengths, 8)
    terms, gain = rng.choice(8, rng.integers(1, 6), replace=False).astype(np.int32), rng.random(len(kinds)) + 0.1
    given_ = (
        first,
        slots,
        code,
        gain,
        rng.random(200) < 0.2,
        terms,
        rng.random(len(terms)) * 4 + 0.01,
        float(rng.choice([0.0, 1.2])),
    )
    total = np.zeros(window)
    found, scores = walk(*given_, limit, total, np.empty(window + 1, np.int32))
    every, want = walk_plain(*given_)
    assert not total.any()
    assert len(np.unique(found)) == len(found) and scores.tolist() == want[np.searchsorted(every, found)].tolist()
    least = np.sort(want)[::-1][min(limit, len(want)) - 1] if len(want) else 0.0
    assert set(every[want >= least].tolist()) <= set(found.tolist()) <= set(every.tolist())


def test_more_kinds_of_entries_than_two_bytes_number_are_told_apart() -> None:
    n = 70_000
    counts, size, start = np.ones(n, np.uint16), np.ones(n, np.int32), np.arange(n)
    given_ = np.zeros(n, np.int32), counts, start, size, np.arange(1, n + 1, dtype=np.int32).reshape(n, 1), 1
    first, slots, code, kinds = inverted(*given_)
    for fast, plain in zip((first, slots, code, kinds), inverted_plain(*given_)):
        assert fast.dtype == plain.dtype and (fast == plain).all()
    assert code.dtype == np.uint32 and len(kinds) == n
    entry = first, slots, code, 1.0 / kinds[:, 2], np.zeros(n, np.bool_), np.zeros(1, np.int32), np.ones(1), 1.2
    found, scores = walk(*entry, 10, np.zeros(1000), np.empty(1001, np.int32))
    order = np.argsort(found)
    want = walk_plain(*entry)[1]
    assert set(range(10)) <= set(found.tolist()) and scores[order].tolist() == want[found[order]].tolist()
