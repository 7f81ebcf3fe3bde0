"""The slate: a broad query's page is spread over brands, at no more loss than is allowed; a narrow one's is left alone."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find.decide import placed
from rialto.find.diversity import broad, capped
from rialto.find.pipeline import Search
from rialto.find.records import Selections
from rialto.find.scale import discounted, falling, relative
from rialto.records import Requests

numbers = st.floats(-1e3, 1e3) | st.integers(-3, 3).map(float)
lists = st.lists(numbers, min_size=1, max_size=30).map(lambda v: np.sort(np.array(v))[::-1])


@given(lists, st.integers(0, 4), st.integers(0, 4), st.integers(2, 15), st.floats(0.0, 1.0), st.randoms(use_true_random=False))
def test_spreading_keeps_every_candidate_and_its_bound(
    scores: np.ndarray, brands: int, limit: int, page: int, loss: float, random: object
) -> None:
    codes = np.array([random.randint(-1, brands) for _ in scores])  # type: ignore[attr-defined]
    made = capped(scores, [(codes, limit + 1)], page=page, loss=loss)
    known = relative(scores)
    assert sorted(made.tolist()) == list(range(len(scores)))
    assert discounted(known[made[:page]]) >= (1.0 - loss) * discounted(known[:page]) - 1e-9
    free = capped(scores, [(codes, limit + 1)], page=page, loss=1.0)
    held = np.bincount(codes[codes >= 0], minlength=1)
    within = int(np.minimum(held, limit + 1).sum() + (codes < 0).sum())
    first = codes[free[: min(page, within)]]
    assert np.bincount(first[first >= 0], minlength=1).max() <= limit + 1
    assert np.array_equal(capped(scores, [(codes, page)], page=page, loss=loss), np.arange(len(scores)))


@given(lists)
def test_relevance_falls_from_one_and_has_no_unit(scores: np.ndarray) -> None:
    made = relative(scores)
    assert made[0] == 1.0 and (np.diff(made) <= 1e-12).all() and made.min() >= -1e-9
    assert np.allclose(relative(scores * 4.0), made, atol=1e-9)  # a power of two leaves no rounding
    assert (made == 1.0).all() == (scores == scores[0]).all()


def test_what_a_phase_did_not_look_at_is_not_infinitely_worse() -> None:
    near, far = np.array([3.0, 2.0, 1.0]), np.array([3.0, 2.0, 1.0 - 1e6])
    assert relative(near).tolist() == [1.0, 0.5, 0.0]
    assert relative(far)[1] > 0.5 and relative(np.append(near, 0.5 - 1e6))[2] > 0.5


@given(st.lists(numbers | st.just(-np.inf), max_size=30))
def test_dealt_scores_fall(values: list[float]) -> None:
    made = falling(np.array(values, dtype=np.float64))
    assert np.isfinite(made).all() and (np.diff(made) < 0).all()


@settings(max_examples=200)
@given(st.integers(0, 20), st.lists(st.integers(1, 30), max_size=6).map(sorted))
def test_fixed_ones_stand_at_their_places_or_the_next_free_one(free: int, places: list[int]) -> None:
    made = placed(np.arange(free), 100 + np.arange(len(places)), np.array(places, dtype=np.int64)).tolist()
    assert [m for m in made if m < 100] == list(range(free)) and len(made) == free + len(places)
    last = 0
    for n, place in enumerate(places):
        last = min(max(place, last + 1), free + n + 1)
        assert made.index(100 + n) + 1 == last


def asked(text: str, **columns: str) -> Requests:
    return Requests.of({"text": np.array([text], dtype=object), **{k: np.array([v], dtype=object) for k, v in columns.items()}})


def test_a_query_is_broad_when_what_is_wanted_is_open() -> None:
    two = json.dumps([["A", 0.4], ["B", 0.3]])
    assert (
        broad(asked("")).tolist()
        == broad(asked("lamp", intent="type")).tolist()
        == broad(asked("x", types=two)).tolist()
        == [True]
    )
    assert not broad(asked("lamp")).any() and not broad(asked("acme x1", intent="exact", types=two)).any()
    assert not broad(asked("x", types=json.dumps([["A", 0.9], ["B", 0.1]]))).any()
    assert not broad(asked("", sort="price_up")).any()
    assert not broad(asked("", selections=Selections(values={"brand": ("A",)}).to_json())).any()


def test_a_category_page_holds_at_most_so_many_of_a_brand(search: Search) -> None:
    """With all the loss allowed, the cap holds exactly; without, the page is as ranked."""
    brand = search.catalogue.text("brand")

    def most(**params: float) -> int:
        own = {f"find.diversity.{k}": v for k, v in params.items()}
        ids = search.search([""], params={**own, "find.decide.size": 12}).decisions.ids
        return max(np.unique(brand[search.catalogue.rows(ids)].astype(str), return_counts=True)[1].tolist())

    assert most(brand=1, loss=1.0) == 1 < most(brand=0)
    plain = search.search([""], params={"find.diversity.brand": 0}).decisions
    assert search.search([""], params={"find.diversity.loss": 0.0, "find.diversity.brand": 1}).decisions.same(plain)


def test_pages_of_a_spread_list_follow_one_another(search: Search) -> None:
    own = {"find.diversity.brand": 1, "find.diversity.loss": 1.0}
    whole = search.search([""], params={**own, "find.decide.size": 100}).decisions.ids.tolist()
    for size in (1, 10, 12, 13, 50):
        assert search.search([""], params={**own, "find.decide.size": size}).decisions.ids.tolist() == whole[:size]
