"""What is counted where the lexical leg stopped at its limit: the same as if it had not stopped, whoever counts it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find import demanded
from rialto.find.facets import Counts
from rialto.find.found import counted, stopped
from rialto.find.pipeline import Search
from rialto.find.records import Selections
from rialto.ports import Hits, TextIndex, TextQuery

CHOSEN = [Selections(), Selections(in_stock=True), Selections(values={"category": ("Shoes",)})]
TEXTS = ["red running shoes", "lamp under $50", "coffee maker", "xl blue", "zzz qqq", "steel"]


@pytest.fixture(params=[False, True])
def short(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the short way is taken also where the long one is quicker, as in a shop this small."""
    monkeypatch.setattr(demanded, "_PART", 1 if request.param else 10**9)
    return request.param


class InOrder:
    """An engine that only searches, as those of others do."""

    def __init__(self, engine: TextIndex) -> None:
        self._engine = engine

    def search(self, queries: Sequence[TextQuery], *, limit: int) -> Hits:
        return self._engine.search(queries, limit=limit)


def counts(search: Search, text: str, chosen: Selections, limit: int) -> tuple[Counts, bool]:
    params = {"find.facets.belongs": True, "find.retrieve.lexical": limit}
    requests, understood = search.requests([text], selections=[chosen], params=params)
    outcome = search.pipeline.run(requests)
    return counted(search, outcome, understood[0]), stopped(outcome)


def told(made: Counts) -> list[list[int]]:
    return [[made.found, made.among], *(np.asarray(c).tolist() for c in (made.at, made.miss, made.codes, made.count, made.known))]


@pytest.mark.parametrize("chosen", CHOSEN)
def test_counts_are_those_of_a_leg_without_a_limit(search: Search, chosen: Selections, short: bool) -> None:
    ordered = copy(search)
    assert search.words is not None
    ordered.words = InOrder(search.words)  # pyright: ignore[reportAttributeAccessIssue]
    deep = 0
    for text in TEXTS:
        (some, cut), (same, _), (every, whole) = (
            counts(s, text, chosen, limit) for s, limit in ((search, 8), (ordered, 8), (search, 100_000))
        )
        assert told(some) == told(same) == told(every) and not whole
        deep += cut
    assert deep > 0


def test_products_that_came_since_the_words_were_turned_over_are_counted_and_those_that_left_are_not(
    search: Search, short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowledge, size = search.knowledge, len(search.catalogue)
    place = np.concatenate([np.arange(size - 300, dtype=np.int32), np.full(300, -1, dtype=np.int32)])
    turned = replace(knowledge.terms.holders, place=place)  # as if the last 300 had been taken out and put in again
    other = copy(search)
    other.knowledge = replace(knowledge, terms=replace(knowledge.terms, _holders=[turned], _asked={}))
    for text in TEXTS:
        assert told(counts(other, text, Selections(), 8)[0]) == told(counts(search, text, Selections(), 100_000)[0])


def test_what_matches_another_writing_is_counted(search: Search, short: bool) -> None:
    found: list[Counts] = []
    for limit in (8, 100_000):
        params = {"find.facets.belongs": True, "find.retrieve.lexical": limit}
        requests, understood = search.requests(["red lamp"], params=params)
        requests = requests.with_columns(alternatives=np.array(["blue chair\nzzz qqq"], dtype=object))
        found.append(counted(search, search.pipeline.run(requests), understood[0]))
    assert told(found[0]) == told(found[1]) and found[0].found > 1


def test_the_short_way_is_taken_where_few_hold_what_is_demanded(search: Search) -> None:
    title = str(search.catalogue.text("title")[5])
    requests, _ = search.requests([title, "", "lamp"], params={"find.facets.belongs": True})
    rows, cover = demanded.demanded(search.knowledge, requests.take(slice(0, 1))) or ([], [])
    assert 5 in rows and max(cover) == pytest.approx(1.0) and len(rows) < len(search.catalogue) // 4
    assert demanded.demanded(search.knowledge, requests.take(slice(1, 2))) is None  # nothing is asked for
    assert demanded.demanded(search.knowledge, requests.take(slice(2, 3))) is None  # all that hold the word are as good


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.sampled_from([0.0, 0.3, 0.8, 1.0]))
def test_what_holds_enough_of_the_words_is_found_as_plain_numpy_finds_it(seed: int, window: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    lists = [np.sort(rng.integers(0, 60, rng.integers(0, 80))) for _ in range(6)]
    first, row = np.concatenate([[0], np.cumsum([len(x) for x in lists])]), np.concatenate(lists).astype(np.int32)
    terms = rng.choice(6, rng.integers(0, 6), replace=False).astype(np.int32)
    worth = rng.random(len(terms)) + 0.01
    worth /= max(worth.sum(), 1.0)
    rows, sums = demanded.covering(first, row, terms, worth, share, window)
    want, held = demanded.covering_plain(first, row, terms, worth, share)
    assert len(np.unique(rows)) == len(rows)
    assert dict(zip(want.tolist(), held.tolist())).items() <= dict(zip(rows.tolist(), sums.tolist())).items()
    assert sums.max(initial=0.0) == held.max(initial=0.0)
