"""Facet counts against brute force over random catalogues; which facets are shown, in which order, with which lines."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.builder import Builder
from rialto.find.catalogue import NUMBERS, TEXTS, Catalogue
from rialto.find.facets import FacetTable, check_selections, count, facet_values, facets
from rialto.find.query import Understood
from rialto.find.records import Facet, Selections

Values = dict[str, tuple[str, ...]]
Ranges = dict[str, tuple[float | None, float | None]]


@dataclass
class Item:
    brand: str = ""
    category: str = ""
    group: str = ""
    title: str = ""
    price: float = math.nan
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)


def shop(items: list[Item]) -> Catalogue:
    made = Builder()
    for at, i in enumerate(items):
        told: list[tuple[str, str, Any]] = [(n, "t", v) for n, v in i.labels.items()]
        told += [(n, "n", v) for n, v in i.numbers.items()]
        texts = dict.fromkeys(TEXTS, "") | {"brand": i.brand, "category": i.category, "group": i.group, "title": i.title}
        values = dict.fromkeys(NUMBERS, math.nan) | {"price_cents": i.price}
        made.add(f"p{at}", texts, values, told)
    return made.finish()


def holds(item: Item, facet: str, value: str) -> bool:
    if facet == "brand":
        return item.brand == value
    if facet == "category":
        levels, wanted = item.category.split("/"), value.split("/")
        return levels[: len(wanted)] == wanted
    return value in item.labels.get(facet, ())


def number(item: Item, facet: str) -> float:
    return item.price if facet == "price_cents" else item.numbers.get(facet, math.nan)


def fits(item: Item, selections: Selections, but: str) -> bool:
    for facet, values in selections.values.items():
        if facet != but and values and not any(holds(item, facet, v) for v in values):
            return False
    for facet, (low, high) in selections.ranges.items():
        if (
            facet != but
            and (low, high) != (None, None)
            and not (-math.inf if low is None else low) <= number(item, facet) <= (math.inf if high is None else high)
        ):
            return False
    return True


def products(
    items: list[Item], rows: list[int], selections: Selections, but: str, line: tuple[str, str, float | None, float | None]
) -> int:
    """Groups of which a found row fits all other facets' selections and this line, by brute force."""
    kind, value, low, high = line
    groups = set[str]()
    for at in rows:
        i = items[at]
        if kind == "ranges":
            inside = (-math.inf if low is None else low) <= number(i, but) <= (math.inf if high is None else high)
        else:
            inside = holds(i, but, value)
        if inside and fits(i, selections, but):
            groups.add(i.group or f"\x00{at}")
    return len(groups)


some = st.sampled_from
ITEM = st.builds(
    Item,
    brand=some(["", "Acme", "Bolt", "Cog"]),
    category=some(["", "A", "A/X", "A/Y", "B", "B/X/Q", "B/X/R"]),
    group=some(["", "", "g1", "g2", "g3"]),
    price=some([math.nan, 100.0, 250.0, 999.0, 1000.0, 5000.0, 123456.0]),
    labels=st.dictionaries(
        some(["colour", "size", "new"]),
        st.lists(some(["red", "blue", "S", "M", "XL", "yes", "no"]), min_size=1, max_size=3, unique=True).map(tuple),
    ),
    numbers=st.dictionaries(some(["weight_g", "depth"]), some([-5.0, 0.0, 0.25, 1.0, 2.0, 3.5, 7.0, 100.0, 1e6])),
)
VALUES = st.dictionaries(
    some(["brand", "category", "colour", "size"]),
    st.lists(some(["Acme", "Bolt", "A", "B/X", "red", "M", "absent"]), min_size=1, max_size=2, unique=True).map(tuple),
    max_size=3,
)
ENDS = st.tuples(st.none() | some([0.0, 100.0, 250.0]), st.none() | some([250.0, 1000.0, 2e5]))
RANGES = st.dictionaries(some(["price_cents", "weight_g"]), ENDS, max_size=2)


@settings(max_examples=150, deadline=None)
@given(st.lists(ITEM, min_size=1, max_size=30), VALUES, RANGES, st.randoms(use_true_random=False))
def test_every_line_counts_the_products_that_ticking_it_shows(
    items: list[Item], values: Values, ranges: Ranges, random: Random
) -> None:
    catalogue = shop(items)
    rows = [at for at in range(len(items)) if random.random() < 0.8]
    selections = Selections(values, ranges)
    table = FacetTable.of(catalogue)
    counts = count(table, catalogue, np.array(rows[::-1], dtype=np.int64), selections)
    shown = facets(table, catalogue, np.array(rows, dtype=np.int64), selections, most=50, values=50)
    everything = {i.group or f"\x00{at}" for at, i in enumerate(items) if at in set(rows) and fits(i, selections, "")}
    assert counts.found == len(everything)
    for facet in shown:
        for line in facet.values:
            told = (facet.kind, line.value, line.low, line.high)
            assert line.count == products(items, rows, selections, facet.name, told), (facet.name, line)
        if facet.kind == "values":
            inside = facet_values(counts, facet.name, limit=100)
            assert {v.value: v.count for v in inside} == {v.value: v.count for v in facet.values if v.count}
    assert {f for f in selections.facets if f in table.names} <= {f.name for f in shown}


@settings(max_examples=40, deadline=None)
@given(st.lists(ITEM, min_size=1, max_size=20), VALUES)
def test_counts_do_not_depend_on_what_was_counted_before(items: list[Item], values: Values) -> None:
    catalogue = shop(items)
    table, rows = FacetTable.of(catalogue), np.arange(len(items))
    first = facets(table, catalogue, rows, Selections(values))
    facets(table, catalogue, rows[::2], Selections())
    assert facets(table, catalogue, rows, Selections(values)) == first


def many(**columns: list[object]) -> Catalogue:
    """Products with one label a column, a row each."""
    size = len(next(iter(columns.values())))
    return shop(
        [Item(brand="Acme" if at % 2 else "Bolt", labels={n: (str(v[at]),) for n, v in columns.items()}) for at in range(size)]
    )


def shown(catalogue: Catalogue, selections: Selections | None = None, **asked: object) -> dict[str, Facet]:
    made = facets(FacetTable.of(catalogue), catalogue, np.arange(len(catalogue)), selections or Selections(), **asked)  # type: ignore[arg-type]
    return {f.name: f for f in made}


def test_sizes_and_amounts_stand_in_their_natural_order_and_other_values_by_count() -> None:
    c = many(
        size=["XL", "S", "M", "S", "M", "S"],
        disk=["1 TB", "512 GB", "1 TB", "64 GB", "512 GB", "1 TB"],
        tone=["b", "a", "c", "c", "c", "b"],
    )
    got = {n: [v.value for v in f.values] for n, f in shown(c).items()}
    assert got["size"] == ["S", "M", "XL"] and got["disk"] == ["64 GB", "512 GB", "1 TB"] and got["tone"] == ["c", "b", "a"]


def test_values_that_name_products_are_no_facet() -> None:
    n = 40
    c = many(
        ean=[str(4000000000000 + i) for i in range(n)], page=[f"https://shop.example/{i % 4}" for i in range(n)],
        text=["word " * 20 + str(i % 3) for i in range(n)], rare=["x" if i else "y" for i in range(n)], one=["same"] * n, tone=["a", "b"] * (n // 2),
    )  # fmt: skip
    assert set(shown(c)) == {"brand", "rare", "tone"}


def test_a_facet_that_few_know_is_left_out_unless_it_is_selected() -> None:
    items = [Item(labels={"odd": (str(at % 2),)} if at < 5 else {"tone": (str(at % 3),)}) for at in range(100)]
    c = shop(items)
    assert "odd" not in shown(c) and "tone" in shown(c)
    odd = shown(c, Selections({"odd": ("1",)}))["odd"]
    assert [(v.value, v.count, v.selected) for v in odd.values] == [("0", 3, False), ("1", 2, True)]


def test_what_the_query_names_comes_sooner() -> None:
    n = 60
    c = many(
        tone=[str(i % 4) for i in range(n)],
        fabric=[("wool", "silk", "linen", "wool")[i % 4] if i % 2 else "none" for i in range(n)],
    )
    assert list(shown(c)).index("tone") < list(shown(c)).index("fabric")
    asked = list(shown(c, understood=Understood("fabric", "fabric")))
    assert asked.index("fabric") < asked.index("tone")


def test_attributes_of_the_likely_type_come_sooner() -> None:
    items = [Item(category="Lamps", labels={"light": ("warm", "cold")[at % 2 : at % 2 + 1]}) for at in range(40)]
    items += [Item(category="Shoes", labels={"width": ("wide", "slim")[at % 2 : at % 2 + 1]}) for at in range(44)]
    c = shop(items)
    lamps = list(shown(c, understood=Understood("lamp", "lamp", types=(("Lamps", 0.9),))))
    assert lamps.index("light") < lamps.index("width")
    assert list(shown(c)).index("width") < list(shown(c)).index("light")


def test_ranges_have_round_ends_and_leave_nothing_out() -> None:
    c = shop([Item(price=float(137 + 53 * at), numbers={"weight_g": 0.1 * at}) for at in range(200)])
    for name, all_of in (("price_cents", 200), ("weight_g", 200)):
        facet = shown(c)[name]
        assert sum(v.count for v in facet.values) == all_of and 4 <= len(facet.values) <= 6
        assert facet.values[0].low is None and facet.values[-1].high is None
    assert all((v.low or 0) % 100 == 0 for v in shown(c)["price_cents"].values)


def test_a_histogram_holds_every_product_once() -> None:
    c = shop([Item(price=float(100 + at * at)) for at in range(150)])
    facet = shown(c)["price_cents"]
    assert sum(b.count for b in facet.histogram) == 150 and (facet.low, facet.high) == (100.0, 100.0 + 149**2)
    assert all(a.high == b.low for a, b in zip(facet.histogram, facet.histogram[1:])) and len(facet.histogram) <= 25


def test_categories_open_below_what_is_selected_and_where_there_is_one_way() -> None:
    c = shop([Item(category=p) for p in ("A/X", "A/X", "A/Y", "B/Q", "B/R/S")])
    assert [v.value for v in shown(c)["category"].values] == ["A", "B"]
    opened = shown(c, Selections({"category": ("B",)}))["category"]
    assert [(v.value, v.count) for v in opened.values] == [("A", 3), ("B", 2), ("B/Q", 1), ("B/R", 1)]
    alone = shop([Item(category=p) for p in ("A/X/M", "A/X/N")])
    assert [v.value for v in shown(alone)["category"].values] == ["A", "A/X", "A/X/M", "A/X/N"]


def inside(contains: str, **asked: object) -> list[tuple[str, int]]:
    c = shop([Item(brand=b) for b in ("Bolt & Co", "Bolt & Co", "Cobolt", "Àcme", "Northern Bolt", "Zed")])
    counts = count(FacetTable.of(c), c, np.arange(6), Selections())
    return [(v.value, v.count) for v in facet_values(counts, "brand", contains, **asked)]  # type: ignore[arg-type]


def test_search_inside_a_facet_takes_beginnings_before_words_before_the_rest() -> None:
    assert inside("bolt") == [("Bolt & Co", 2), ("Northern Bolt", 1), ("Cobolt", 1)]
    assert inside("ACME") == [("Àcme", 1)] and inside("nothern") == [("Northern Bolt", 1)] and inside("qqqq") == []
    assert inside("", limit=1) == [("Bolt & Co", 2)]


def test_an_unknown_facet_is_refused_and_the_known_ones_are_named() -> None:
    c = many(colour=["red", "blue"])
    table = FacetTable.of(c)
    with pytest.raises(BadInput, match="known: colour"):
        check_selections(table, Selections({"color": ("red",)}))
    with pytest.raises(BadInput, match="facet of numbers"):
        check_selections(table, Selections({"price_cents": ("5",)}))
    with pytest.raises(BadInput, match="facet of values"):
        check_selections(table, Selections(ranges={"colour": (1.0, 2.0)}))
    with pytest.raises(BadInput, match="10000 at most"):
        check_selections(table, Selections({"colour": tuple(map(str, range(10_001)))}))
    with pytest.raises(BadInput, match=r"known: .*colour"):
        facet_values(count(table, c, np.arange(2), Selections()), "price_cents")
    for low, high in ((math.nan, None), (None, math.inf), (5.0, 1.0)):
        with pytest.raises(BadInput, match="low end first"):
            Selections(ranges={"price_cents": (low, high)})


def test_ten_thousand_selected_values_are_counted() -> None:
    c = many(colour=["red", "blue", "red"])
    facet = shown(c, Selections({"colour": ("red", *map(str, range(9_999)))}))["colour"]
    assert [(v.value, v.count) for v in facet.values[:2]] == [("red", 2), ("blue", 1)]


def test_negative_ranges_find_what_lies_there() -> None:
    c = shop([Item(numbers={"depth": float(at)}) for at in range(-10, 10)])
    facet = shown(c, Selections(ranges={"depth": (-7.5, -2.0)}))["depth"]
    assert [v.count for v in facet.values if v.selected] == [6]


def test_nothing_found_has_no_facets_and_an_empty_catalogue_neither() -> None:
    c = many(colour=["red", "blue"])
    assert facets(FacetTable.of(c), c, np.zeros(0, dtype=np.int64), Selections()) == ()
    empty = shop([])
    assert facets(FacetTable.of(empty), empty, np.zeros(0, dtype=np.int64), Selections()) == ()
