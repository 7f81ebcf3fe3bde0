"""Pages without a query: the way down, children with counts, order, deep pages; and the shelves that they are read off."""

from __future__ import annotations

import numpy as np
import pytest

from rialto.errors import BadInput, NothingHere
from rialto.find.catalogue import Catalogue
from rialto.find.category import category
from rialto.find.page import answer, values
from rialto.find.pipeline import Search
from rialto.find.records import Selections
from rialto.find.select import facet_mask, hard_mask
from rialto.find.shelves import Shelves

SOME = [
    Selections(),
    Selections(values={"category": ("Shoes",)}),
    Selections(values={"colour": ("red", "blue"), "brand": ("Norvalde", "Nobody")}),
    Selections(values={"category": ("Shoes", "Home")}, ranges={"price_cents": (2000, 9000)}),
    Selections(ranges={"price_cents": (None, 3000), "rating": (4.0, None)}),
    Selections(values={"colour": ("red",)}, in_stock=True),
    Selections(values={"category": ("Nowhere",), "colour": ("no such",)}),
]


@pytest.mark.parametrize("chosen", SOME)
def test_shelves_hold_what_the_masks_keep(catalogue: Catalogue, chosen: Selections) -> None:
    every = np.arange(len(catalogue))
    masks = [facet_mask(catalogue, every, f, chosen) for f in chosen.facets]
    masks += list(hard_mask(catalogue, every, in_stock=chosen.in_stock, bounds=(float("nan"), float("nan"))).values())
    want = every[np.logical_and.reduce(masks)] if masks else every
    got = Shelves(catalogue).rows(chosen)
    assert sorted((every if got is None else got).tolist()) == want.tolist()


@pytest.mark.parametrize("sort", ["relevance", "price_up", "price_down", "newest", "rating"])
def test_the_first_of_some_rows_are_those_of_the_whole_order(catalogue: Catalogue, sort: str) -> None:
    shelves, rows = Shelves(catalogue), np.arange(0, len(catalogue), 3)
    order = shelves.best(None, sort=sort, limit=len(catalogue))
    assert sorted(order.tolist()) == list(range(len(catalogue)))
    assert shelves.best(rows, sort=sort, limit=7).tolist() == [r for r in order.tolist() if r % 3 == 0][:7]
    with pytest.raises(BadInput, match="no sort 'colour'"):
        shelves.best(None, sort="colour", limit=1)


@pytest.mark.parametrize("chosen", [s for s in SOME if "category" not in s.values])
def test_a_page_without_words_counts_the_whole_catalogue(search: Search, chosen: Selections) -> None:
    page, _ = answer(search, "", selections=chosen)
    c, every = search.catalogue, np.arange(len(search.catalogue))
    masks = [facet_mask(c, every, f, chosen) for f in chosen.facets]
    masks += list(hard_mask(c, every, in_stock=chosen.in_stock, bounds=(float("nan"), float("nan"))).values())
    kept = every[np.logical_and.reduce(masks)] if masks else every
    assert page.total == len(np.unique(c.group_code[kept])) and page.total_exact


def test_a_category_has_its_trail_and_its_children(search: Search) -> None:
    made, _ = category(search, "Shoes")
    assert [v.value for v in made.trail] == ["Shoes"] and made.trail[0].count == made.page.total
    assert made.children and all(v.value.startswith("Shoes/") for v in made.children)
    for child in made.children:
        below, _ = category(search, child.value)
        assert below.page.total == child.count and [v.value for v in below.trail] == ["Shoes", child.value]
    counts = [v.count for v in made.children]
    assert counts == sorted(counts, reverse=True)


def test_the_whole_shop_is_a_category_and_an_unknown_one_is_named(search: Search) -> None:
    whole, _ = category(search, "")
    assert (
        whole.trail == () and {v.value for v in whole.children} >= {"Shoes"} and whole.page.total == answer(search, "")[0].total
    )
    with pytest.raises(NothingHere, match=r"known: .*Shoes"):
        category(search, "Shoos")


def test_a_category_keeps_what_else_is_selected(search: Search) -> None:
    chosen = Selections(values={"colour": ("red",), "category": ("Home",)})
    made, _ = category(search, "Shoes", selections=chosen)
    assert {r.product.category[0] for r in made.page.results} == {"Shoes"}
    assert all("red" in str(r.product.attributes.get("colour")) for r in made.page.results if r.variants == 1)


def test_every_page_of_a_category_can_be_reached_once(search: Search) -> None:
    ids, number = list[str](), 1
    while results := category(search, "Clothing", page=number, size=10)[0].page.results:
        ids += [r.product.id for r in results]
        number += 1
    total = category(search, "Clothing")[0].page.total
    assert len(ids) == len(set(ids)) == total


def test_a_category_is_sorted_over_all_of_its_products(search: Search) -> None:
    c = search.catalogue
    rows = Shelves(c).rows(Selections(values={"category": ("Clothing",)}))
    assert rows is not None
    cheapest = float(np.nanmin(c.value("price_cents")[rows]))
    page = category(search, "Clothing", sort="price_up")[0].page
    prices = [r.product.price_cents or 0 for r in page.results]
    assert prices == sorted(prices) and prices[0] == cheapest


def test_search_inside_a_facet_counts_like_the_page(search: Search) -> None:
    page, _ = answer(search, "lamp")
    brand = next(f for f in page.facets if f.name == "brand")
    line = brand.values[-1]
    assert {v.value: v.count for v in values(search, "lamp", "brand", line.value)}[line.value] == line.count
    assert len(values(search, "lamp", "brand", limit=1000)) == len(brand.values) + brand.more


def test_a_page_refuses_what_cannot_be_selected(search: Search) -> None:
    with pytest.raises(BadInput, match=r"no facet 'colr'.*known: .*colour"):
        answer(search, "lamp", selections=Selections(values={"colr": ("red",)}))
    with pytest.raises(BadInput, match="no facet of values 'colr'"):
        values(search, "lamp", "colr", "r")
