"""Pages: counts that keep their promise, disjunctive facets, variants, sorting, reasons."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rialto.errors import BadInput, NothingHere
from rialto.find.facets import FacetTable, facets
from rialto.find.page import Pages, answer, answers
from rialto.find.pipeline import Search
from rialto.find.records import Facet, SearchPage, Selections
from rialto.spine.params import Value


def ticked(base: Selections, facet: Facet, at: int) -> Selections:
    line = facet.values[at]
    if facet.kind == "ranges":
        return Selections(base.values, {**base.ranges, facet.name: (line.low, line.high)}, base.in_stock)
    before = base.values.get(facet.name, ())
    return Selections({**base.values, facet.name: (*before, line.value)}, base.ranges, base.in_stock)


def all_ticks(page: SearchPage, base: Selections) -> list[tuple[Facet, int]]:
    return [(f, at) for f in page.facets for at in range(min(len(f.values), 3)) if f.name not in base.facets]


@pytest.mark.parametrize("text", ["lamp", "running shoes", "red", "hallbyen chair under $300", ""])
@pytest.mark.parametrize("base", [Selections(), Selections(values={"colour": ("red", "blue")}, in_stock=True)])
def test_ticking_a_value_shows_as_many_products_as_its_count_promised(search: Search, text: str, base: Selections) -> None:
    page = Pages(search).page(text, selections=base)
    assert page.total_exact
    for facet, at in all_ticks(page, base):
        assert Pages(search).page(text, selections=ticked(base, facet, at)).total == facet.values[at].count, (
            facet.name,
            facet.values[at],
        )


@pytest.mark.parametrize("text", ["red", "blue", "shoes under $90"])
def test_counts_keep_their_promise_where_the_lexical_leg_stops(search: Search, text: str) -> None:
    few: dict[str, Value] = {"find.retrieve.lexical": 4, "find.retrieve.vector": 0}
    whole, page = Pages(search).page(text, params={"find.retrieve.vector": 0}), Pages(search).page(text, params=few)
    assert page.total_exact and page.total == whole.total > 4 and page.facets == whole.facets
    for facet, at in all_ticks(page, Selections()):
        ticked_page = Pages(search).page(text, selections=ticked(Selections(), facet, at), params=few)
        assert ticked_page.total == facet.values[at].count, (facet.name, facet.values[at])
    rough = Pages(search).page(text, params={**few, "find.facets.all": False})
    assert not rough.total_exact and rough.total < whole.total


def test_a_selected_facet_still_counts_its_other_values(search: Search) -> None:
    free = next(f for f in Pages(search).page("lamp").facets if f.name == "colour")
    red = next(
        f for f in Pages(search).page("lamp", selections=Selections(values={"colour": ("red",)})).facets if f.name == "colour"
    )
    assert {v.value: v.count for v in red.values} == {v.value: v.count for v in free.values}
    assert [v.value for v in red.values if v.selected] == ["red"]


def test_a_selected_value_that_nothing_has_is_shown_with_zero(search: Search) -> None:
    page = Pages(search).page("lamp", selections=Selections(values={"brand": ("Nobody",)}))
    brand = next(f for f in page.facets if f.name == "brand")
    assert [(v.count, v.selected) for v in brand.values if v.value == "Nobody"] == [(0, True)]
    assert (page.total, page.results) == (0, ())


def test_variants_are_shown_once_and_counted_once(search: Search) -> None:
    page = Pages(search).page("running shoes", size=100)
    groups = [r.product.group for r in page.results]
    assert len(set(groups)) == len(groups)
    assert sum(r.variants for r in page.results) >= len(page.results)
    assert max(r.variants for r in page.results) > 1


@pytest.mark.parametrize(
    "said", [{}, {"page": 2, "size": 3}, {"sort": "price_up"}, {"selections": Selections(values={"colour": ("red",)})}]
)
def test_pages_that_are_answered_together_are_as_if_each_were_asked_for_alone(search: Search, said: dict[str, Any]) -> None:
    texts = [
        "lamp",
        "running shoes",
        "xyzzy",
        "red",
        "hallbyen chair under $300",
        "",
        "crimson runing shoes",
        "LAMP",
        "lamp 40 watt",
    ]
    together, outcome = answers(search, texts, range(50, 50 + len(texts)), explain=True, **said)
    assert len(outcome.requests) == len(texts)
    for text, one in zip(texts, together):
        alone = answer(search, text, request_id=one.request_id, explain=True, **said)[0]
        left, right = (replace(p, took_ms={}, explain=()) for p in (one, alone))
        assert left == right, text
        assert [r["product"] for r in one.explain] == [r["product"] for r in alone.explain]


def test_pages_continue_one_another(search: Search) -> None:
    whole = Pages(search).page("lamp", size=20).results
    parts = [*Pages(search).page("lamp", page=1, size=10).results, *Pages(search).page("lamp", page=2, size=10).results]
    assert [r.product.id for r in whole] == [r.product.id for r in parts]
    assert [r.place for r in parts] == list(range(1, len(parts) + 1))
    assert Pages(search).page("lamp", page=1000).results == ()


def test_sorting_by_price_orders_what_was_found(search: Search) -> None:
    up = [r.product.price_cents or 0 for r in Pages(search).page("lamp", sort="price_up", size=50).results]
    down = [r.product.price_cents or 0 for r in Pages(search).page("lamp", sort="price_down", size=50).results]
    assert up == sorted(up) and down == sorted(down, reverse=True) and up[0] < down[0]


def test_a_category_page_without_words_shows_the_category(search: Search) -> None:
    page = Pages(search).page("", selections=Selections(values={"category": ("Shoes",)}))
    assert page.total > 0 and {r.product.category[0] for r in page.results} == {"Shoes"}
    category = next(f for f in page.facets if f.name == "category")
    assert any(v.value.startswith("Shoes/") for v in category.values)


def test_the_price_bound_is_shown_and_can_be_undone(search: Search) -> None:
    page = Pages(search).page("lamp under $30")
    assert [r.kind for r in page.rewrites] == ["price"] and page.understood == "lamp"
    assert all((r.product.price_cents or 0) <= 3000 for r in page.results)
    assert Pages(search).page("lamp under $30", price_bounds=False).rewrites == ()


def test_explain_tells_the_place_the_score_and_the_reason(search: Search) -> None:
    page = Pages(search).page("lamp", explain=True)
    assert page.explain[0]["product"] == page.results[0].product.id
    assert {"fusion", "sort"} <= set(page.explain[0]["scores"])
    dear = next(r.product for r in Pages(search).page("lamp", sort="price_down").results)
    told = Pages(search).explain("lamp under $5", dear.id)
    assert told["end"] in ("not_found", "removed: price")
    shown = Pages(search).explain("lamp", page.results[0].product.id)
    assert (shown["end"], shown["place"]) == ("chosen", 1) and shown["features"]["bm25f"] > 0
    with pytest.raises(NothingHere, match="'nosuch'"):
        Pages(search).explain("lamp", "nosuch")


def test_steps_and_their_time_are_reported(search: Search) -> None:
    page, outcome = answer(search, "lamp", request_id=77)
    assert {"lexical", "vector", "features", "fusion", "slate", "facets", "total"} <= set(page.took_ms)
    assert page.request_id == 77 == int(outcome.requests.ids[0])


@pytest.mark.parametrize("wrong", [{"page": 0}, {"size": 0}, {"size": 101}, {"sort": "colour"}])
def test_a_page_out_of_range_is_refused(search: Search, wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="wanted page >= 1"):
        Pages(search).page("lamp", **wrong)  # type: ignore[arg-type]


def test_selections_go_through_json_and_back() -> None:
    s = Selections(values={"brand": ("b", "a")}, ranges={"price_cents": (None, 5.0)}, in_stock=True)
    assert json.loads(s.to_json()) == {"values": {"brand": ["a", "b"]}, "ranges": {"price_cents": [None, 5.0]}, "in_stock": True}
    assert Selections.of_json(Selections.of_json(s.to_json()).to_json()).to_json() == s.to_json()
    for bad in ("{", "[]", '{"values": 3}', '{"ranges": {"p": [1]}}', '{"ranges": {"p": ["x", null]}}'):
        with pytest.raises(BadInput, match="selections are"):
            Selections.of_json(bad)
    with pytest.raises(BadInput, match="low end first"):
        Selections(ranges={"price_cents": (5.0, 1.0)})


def test_an_empty_answer_has_no_facets(search: Search) -> None:
    import numpy as np

    assert facets(FacetTable.of(search.catalogue), search.catalogue, np.zeros(0, dtype=np.int64), Selections()) == ()
