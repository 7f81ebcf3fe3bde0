"""A catalogue that changes is, after any changes, as if it had been read anew: content, what features read, facets, and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, BadRow
from rialto.find.builder import Builder
from rialto.find.catalogue import Catalogue, held_pairs
from rialto.find.change import changed_catalogue, settled
from rialto.find.changes import apply, changed, changed_knowledge, checked
from rialto.find.facets import FacetTable
from rialto.find.features import Knowledge
from rialto.find.fittings import Fittings
from rialto.find.ingest import Parsed, parsed
from rialto.find.mapping import FieldMap
from rialto.find.page import Pages
from rialto.find.pipeline import Search, build
from rialto.find.records import Selections
from rialto.find.retrieve import TEXT_FIELDS, described
from rialto.find.terms import FIELDS
from rialto.local.encoder import StaticEncoder
from rialto.local.text import TantivyText
from rialto.local.vectors import FlatVectors

MAPPING = FieldMap(
    id="id", title="title", brand="brand", category="category", description="text", price="price", price_unit="cents",
    stock="stock", released="released", rating="rating", rating_count="count", group="group", attributes="attributes",
)  # fmt: skip

WORDS = ("red", "blue", "lamp", "desk", "oak", "bright", "small", "kettle")
rows = st.fixed_dictionaries(
    {"id": st.sampled_from("abcdefghij"), "title": st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)},
    optional={
        "brand": st.sampled_from(("Lumo", "Acme", "Zed")), "category": st.sampled_from(("Home/Light", "Home", "Office/Desk")),
        "text": st.sampled_from(("A fine thing.", "Made of oak.")), "price": st.integers(0, 9999), "stock": st.integers(0, 3),
        "released": st.sampled_from(("2020-01-01", "2024-05-17")), "rating": st.sampled_from((1.0, 4.5)), "count": st.integers(0, 9),
        "group": st.sampled_from(("g1", "g2")),
        "attributes": st.dictionaries(
            st.sampled_from(("colour", "size", "watt", "dimmable")),
            st.one_of(st.sampled_from(("red", "blue", "oak")), st.integers(0, 3), st.booleans()), max_size=3,
        ),
    },
)  # fmt: skip
steps = st.lists(
    st.tuples(st.lists(rows, max_size=4), st.lists(st.sampled_from("abcdefghijk"), max_size=3)), min_size=1, max_size=5
)


def read(row: Mapping[str, Any]) -> Parsed:
    return parsed(1, row, MAPPING)


def scratch(model: Mapping[str, Parsed], numbered: Catalogue) -> Catalogue:
    """The products of `model` read anew, with the numbers that `numbered` gave them."""
    builder = Builder(numbered)
    for row in model.values():
        builder.add(*row)
    return builder.finish()


def lived(
    first: list[Mapping[str, Any]], changes: list[tuple[list[Mapping[str, Any]], list[str]]]
) -> tuple[Catalogue, Catalogue, dict[str, int]]:
    """The catalogue after all changes, the same from scratch, and the numbers that were ever given."""
    builder, model, numbers = Builder(), dict[str, Parsed](), dict[str, int]()
    for row in first:
        builder.add(*read(row))
        model.pop(row["id"], None)
        model[row["id"]] = read(row)
    now = builder.finish()
    for put, out in changes:
        assert all(numbers.setdefault(str(i), int(n)) == n for i, n in zip(now.ids, now.numbers))
        now = changed_catalogue(now, [read(r) for r in put], out).after
        for name in [*out, *(r["id"] for r in put)]:
            model.pop(name, None)
        model |= {r["id"]: read(r) for r in put} if len({r["id"] for r in put}) == len(put) else {}
        for row in put if len({r["id"] for r in put}) < len(put) else []:
            model.pop(row["id"], None)
            model[row["id"]] = read(row)
    return now, scratch(model, now), numbers


def content(c: Catalogue) -> list[Any]:
    return [c.product(int(n)) for n in c.numbers]


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, max_size=6), steps)
def test_changes_give_the_catalogue_that_reading_anew_gives_and_numbers_stay(first: list[Any], changes: list[Any]) -> None:
    now, anew, numbers = lived(first, changes)
    assert content(now) == content(anew)
    assert {**{str(i): int(n) for i, n in zip(now.ids, now.numbers)}, **now.retired}.items() >= numbers.items()
    assert now.row_of_id == anew.row_of_id and now.next_number == anew.next_number and dict(now.retired) == dict(anew.retired)
    assert {(i, j) for i in range(len(now)) for j in range(i) if now.group_code[i] == now.group_code[j]} == {
        (i, j) for i in range(len(now)) for j in range(i) if anew.group_code[i] == anew.group_code[j]
    }
    assert now.brands[1] == anew.brands[1] and now.brands[0].tolist() == anew.brands[0].tolist()
    assert now.paths[1] == anew.paths[1] and now.paths[0].tolist() == anew.paths[0].tolist()
    assert all(now.labels.pair_of[k] < len(now.labels.pair_name) for k in anew.labels.pair_of)


def told(k: Knowledge) -> dict[str, Any]:
    """What features read of every product, in words instead of numbers."""
    words, c = list(k.terms.vocabulary), k.catalogue
    held = held_pairs(c.labels)
    names = list(dict.fromkeys((*c.labels.names, *c.measures.names)))
    ends = k.terms.offsets
    return {
        "terms": [[words[t] for t in k.terms.terms[a:b]] for a, b in zip(ends, ends[1:])],
        "frequency": {w: int(n) for w, n in zip(words, k.terms.frequency) if n},
        "mean": k.terms.mean_length.tolist(),
        "values": {
            w: sorted((c.labels.names[c.labels.pair_name[p]], str(c.labels.pair_text[p])) for p in pairs)
            for w, pairs in k.phrases.values.items()
        },
        "held": all(held[p] for pairs in k.phrases.values.values() for p in pairs),
        "brands": [next((w for w, code in k.phrases.brands.items() if code == b), None) for b in k.phrases.brand_code],
        "brand_words": set(k.phrases.brands),
        "facts": [
            {names[n]: float(k.fact_weight[n]) for n in k.fact_name[a:b]} for a, b in zip(k.fact_offsets, k.fact_offsets[1:])
        ],
        "types": [None if t < 0 else set(np.flatnonzero(k.type_code == t).tolist()) for t in k.type_code],
        "shelf": np.nan_to_num(k.shelf, nan=-1.0).tolist(),
    }


@settings(max_examples=30, deadline=None)
@given(st.lists(rows, min_size=1, max_size=6), st.lists(rows, max_size=4), st.lists(st.sampled_from("abcdefghij"), max_size=3))
def test_what_features_read_is_what_reading_anew_gives(first: list[Any], put: list[Any], out: list[str]) -> None:
    before = scratch({r["id"]: read(r) for r in first}, Builder().finish())
    change = changed_catalogue(before, [read(r) for r in put], out)
    now = changed_knowledge(Knowledge.of(before), change, None)
    again = changed_catalogue(change.after, [read(r) for r in first[:1]])
    assert told(now) == told(Knowledge.of(change.after))
    assert told(changed_knowledge(now, again, None)) == told(Knowledge.of(again.after))


def engines(catalogue: Catalogue, encode: Any) -> Search:
    made = build(catalogue, text=TantivyText(TEXT_FIELDS), vectors=FlatVectors(8), encode=encode)
    made.index()
    return made


@pytest.fixture(scope="module")
def encode() -> Any:
    c = scratch(
        {str(n): read({"id": str(n), "title": f"{a} {b}"}) for n, (a, b) in enumerate(zip(WORDS, WORDS[::-1]))},
        Builder().finish(),
    )
    return StaticEncoder.fit(described(c), dimensions=8).encode


def page(search: Search, text: str, selections: Selections | None = None) -> Any:
    found = Pages(search).page(text, selections=selections or Selections(), explain=True)
    facets = sorted(  # facets of the same worth stand in the order in which they were first seen
        (f.name, f.label, f.kind, f.known, f.more, sorted((v.value, v.count, v.low, v.high) for v in f.values), f.low, f.high)
        for f in found.facets
    )
    rows = sorted((r["product"], repr({k: v for k, v in r.items() if k not in ("scores", "features")}), *(
        {k: repr(v) for k, v in r[part].items()} for part in ("scores", "features"))) for r in found.explain)  # fmt: skip
    return [r.product for r in found.results], found.total, facets, rows


@settings(max_examples=8, deadline=None)
@given(st.lists(rows, min_size=2, max_size=8), steps)
def test_searches_and_facets_are_those_of_a_search_built_from_scratch(encode: Any, first: list[Any], changes: list[Any]) -> None:
    builder = Builder()
    for row in first:
        builder.add(*read(row))
    search = engines(builder.finish(), encode)
    for put, out in changes:
        search = changed(search, put, out, MAPPING)
    c = search.catalogue
    builder = Builder(c)
    kept = {str(i): r for r in [*first, *(r for put, _ in changes for r in put)] for i in [r["id"]] if i in c.row_of_id}
    last: dict[str, Any] = {}
    for put, out in [(first, []), *changes]:
        for name in [*out, *(r["id"] for r in put)]:
            last.pop(name, None)
        for row in put:
            last.pop(row["id"], None)
            last[row["id"]] = row
    assert set(kept) == set(last)
    for row in last.values():
        builder.add(*read(row))
    anew = engines(builder.finish(), encode)
    for text, chosen in (
        ("", None), ("red lamp", None), ("oak", None), ("lumo desk", None), ("blue", Selections(in_stock=True)),
        ("", Selections(values={"brand": ("Lumo",)})), ("lamp", Selections(ranges={"price_cents": (None, 5000)})),
    ):  # fmt: skip
        assert page(search, text, chosen) == page(anew, text, chosen), text


def test_a_facet_table_of_a_changed_catalogue_leaves_out_values_that_nobody_holds() -> None:
    first = [
        {"id": n, "title": "lamp", "attributes": {"colour": colour}} for n, colour in zip("abcd", ("red", "blue", "red", "oak"))
    ]
    before = scratch({r["id"]: read(r) for r in first}, Builder().finish())
    table = FacetTable.of(changed_catalogue(before, [], ["b"]).after)
    assert "blue" not in table.value and "red" in table.value


@pytest.fixture
def small(encode: Any) -> Search:
    first = [{"id": n, "title": f"{w} lamp", "price": 100, "attributes": {"watt": 5}} for n, w in zip("abc", WORDS)]
    return engines(scratch({r["id"]: read(r) for r in first}, Builder().finish()), encode)


def found(search: Search, text: str) -> list[str]:
    return [r.product.id for r in Pages(search).page(text).results]


def test_the_search_before_a_change_goes_on_answering(small: Search) -> None:
    now = changed(small, [{"id": "z", "title": "green lamp"}], ["a"], MAPPING)
    assert "z" in found(now, "green lamp") and "a" not in found(now, "lamp")
    assert set(found(small, "lamp")) <= {"a", "b", "c"} and found(small, "lamp")


def test_a_change_of_nothing_is_none(small: Search) -> None:
    now = changed(small, [], ["unknown"], MAPPING)
    assert content(now.catalogue) == content(small.catalogue) and found(now, "lamp") == found(small, "lamp")


def test_everything_may_leave_and_come_back_with_its_numbers(small: Search) -> None:
    gone = changed(small, [], list("abc"), MAPPING)
    assert len(gone.catalogue) == 0 and found(gone, "lamp") == [] and found(gone, "") == []
    back = changed(gone, [{"id": "b", "title": "blue lamp"}, {"id": "d", "title": "new lamp"}], [], MAPPING)
    assert (back.catalogue.number_of("b"), back.catalogue.number_of("d")) == (1, 3)
    assert set(found(back, "lamp")) == {"b", "d"}


def test_bad_rows_are_told_and_nothing_is_changed(small: Search) -> None:
    wrong: list[Any] = [{"id": "x", "title": ""}, {"id": "y", "title": "ok", "price": -4}, 5, {"title": "no id"}]
    assert [(e.row, e.field) for e in checked(small.catalogue, wrong, MAPPING).rejects] == [
        (1, "title"),
        (2, "price"),
        (3, "(row)"),
        (4, "id"),
    ]
    with pytest.raises(BadRow, match="row 1, field 'title'"):
        changed(small, wrong, ["a"], MAPPING)
    assert found(small, "red lamp")[0] == "a"


def test_rows_without_an_id_column_cannot_come_one_by_one(small: Search) -> None:
    with pytest.raises(BadInput, match="no column for ids"):
        changed(small, [{"title": "x"}], [], replace(MAPPING, id=""))


def test_untyped_attributes_take_the_kind_that_the_catalogue_knows(small: Search) -> None:
    def row(text: str) -> Parsed:
        return settled(parsed(1, {"id": "n", "title": "lamp", "attributes": text}, MAPPING), small.catalogue)

    assert row("watt=7,shape=Round|Flat,new=yes")[3] == [
        ("watt", "n", 7.0),
        ("shape", "t", ("Round", "Flat")),
        ("new", "b", True),
    ]
    with pytest.raises(BadRow, match=r"'watt': got 'seven'; wanted a finite number, as this attribute's other values are"):
        row("watt=seven")


def test_terms_of_a_changed_catalogue_have_every_field(small: Search) -> None:
    now = changed(small, [{"id": "z", "title": "green lamp"}], ["a"], MAPPING)
    assert len(now.knowledge.terms.offsets) == len(now.catalogue) * len(FIELDS) + 1
    assert apply(now, changed_catalogue(now.catalogue, [])).catalogue.version != now.catalogue.version


def test_the_cross_encoder_goes_on_with_the_products_that_it_knows_and_says_nothing_of_new_ones() -> None:
    def pairs(query: str, asked: Any, left_s: Any) -> Any:
        return np.repeat(asked[:, np.newaxis], 5, axis=1).astype(np.float32)

    first = [{"id": n, "title": "lamp"} for n in "abcd"]
    change = changed_catalogue(
        scratch({r["id"]: read(r) for r in first}, Builder().finish()), [read({"id": "z", "title": "desk"})], ["b"]
    )
    once = Fittings(cross=pairs).moved(change.after, change.kept)
    again = changed_catalogue(change.after, [], ["a"])
    twice = once.moved(again.after, again.kept)
    assert once.cross is not None and twice.cross is not None
    assert once.cross("q", np.array([3, 0, 1, 2]), lambda: 1.0)[:, 0].tolist()[1:] == [0.0, 2.0, 3.0]
    assert np.isnan(once.cross("q", np.array([3]), lambda: 1.0)).all()
    assert twice.cross("q", np.array([0, 1]), lambda: 1.0)[:, 4].tolist() == [2.0, 3.0]
