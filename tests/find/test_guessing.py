# ruff: noqa: PT017, E501
"""Catalogues in the manner of public sets and of feeds, made up here, read without a mapping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.columns import folded
from rialto.find.guessing import guess
from rialto.find.ingest import Ingest, read_catalogue
from rialto.find.records import Product

FURNITURE = (
    "product_id\tproduct_name\tproduct_class\tcategory hierarchy\tproduct_description\tproduct_features\trating_count\taverage_rating\treview_count\n"
    "0\tlow oak bed\tBeds\tFurniture / Bedroom Furniture / Beds\t<p>a low bed</p>\toverallwidth:64.7|style : modern|style : rustic|weight:15 kg\t15.0\t4.5\t12.0\n"
    "1\tsmall hook\tHooks|Racks\tStorage / Wall Hooks\t\tcolor : black|overallwidth:4\t\t\t\n"
    "2\tash table / desk\tTables\tFurniture / Tables\tan ash table\tcolor : ash|weight:700 g\t2.0\t3.0\t1.0\n"
)
MARKET = [
    {"product_id": "B0AAA11111", "product_title": "Oak lamp", "product_description": None, "product_bullet_point": "Warm light for reading. " * 9,
     "product_brand": "Lumo", "product_color": "Brown", "product_locale": "us"},
    {"product_id": "B0AAA22222", "product_title": "Ash lamp", "product_description": "<b>Bright</b> lamp", "product_bullet_point": None,
     "product_brand": "Hexa", "product_color": "Grey", "product_locale": "us"},
]  # fmt: skip
STORE = [
    {"sku": 43900, "name": "Long life cells", "type": "HardGood", "price": 5.49, "upc": "041333424019", "category": [
        {"id": "c1", "name": "Connected Home"}, {"id": "c2", "name": "Household Batteries"}], "shipping": 0, "manufacturer": "Lumo",
     "description": ["Four cells", "AAA"], "model": "MN2400B4Z", "url": "http://x.test/a", "image": "http://x.test/a.jpg"},
    {"sku": 48530, "name": "Short life cells", "type": "HardGood", "price": 7.5, "upc": "041333424020", "category": [
        {"id": "c1", "name": "Connected Home"}], "shipping": 5.49, "manufacturer": "Hexa", "description": "Cells", "model": "MN1500B4Z",
     "url": "http://x.test/b", "image": "http://x.test/b.jpg"},
]  # fmt: skip
FEED = (
    "id\ttitle\tdescription\tlink\timage_link\tavailability\tprice\tgoogle_product_category\tproduct_type\tbrand\titem_group_id\n"
    "A-1\tRed tee\tA tee\thttps://x.test/1\thttps://x.test/1.jpg\tin stock\t19.99 USD\t212\tClothing > Tops > Tees\tLumo\tG1\n"
    "A-2\tBlue tee\tA tee\thttps://x.test/2\thttps://x.test/2.jpg\tout_of_stock\t1.234,50 EUR\t212\tClothing > Tops/Vests\tLumo\tG1\n"
)


def read(path: Path, body: str | bytes | list[Any]) -> Ingest:
    if isinstance(body, list):
        body = "".join(json.dumps(r) + "\n" for r in body)
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return read_catalogue(str(path))


def product(ingest: Ingest, name: str) -> Product:
    return ingest.catalogue.product(ingest.catalogue.number_of(name))


def test_a_furniture_table_with_tabs_in_a_file_called_csv(tmp_path: Path) -> None:
    got = read(tmp_path / "product.csv", FURNITURE)
    assert (len(got.catalogue), got.rejects) == (3, ())
    bed = product(got, "0")
    assert (bed.title, bed.category) == ("low oak bed", ("Furniture", "Bedroom Furniture", "Beds"))
    assert (bed.description, bed.rating, bed.rating_count) == ("a low bed", 4.5, 15)
    assert bed.attributes["style"] == ("modern", "rustic") and bed.attributes["overallwidth"] == 64.7
    assert (bed.attributes["weight_kg"], product(got, "2").attributes["weight_kg"]) == (15.0, 0.7)


def test_bullet_points_are_searched_with_the_description_and_told(tmp_path: Path) -> None:
    got = read(tmp_path / "c.jsonl", MARKET)
    assert (got.mapping.more, got.mapping.extra) == (("product_bullet_point",), ("product_color", "product_locale"))
    assert (
        product(got, "B0AAA11111").description.startswith("Warm light")
        and product(got, "B0AAA22222").description == "Bright lamp"
    )
    assert any("product_bullet_point" in note for note in got.notes)


def test_a_store_with_lists_of_objects_for_categories_and_lists_for_texts(tmp_path: Path) -> None:
    got = read(tmp_path / "c.json", json.dumps(STORE))
    cells = product(got, "43900")
    assert (cells.category, cells.brand, cells.price_cents) == (("Connected Home", "Household Batteries"), "Lumo", 549)
    assert cells.description == "Four cells\nAAA" and "url" not in cells.attributes and got.mapping.names == ("model",)
    assert len(read(tmp_path / "d.json", json.dumps({"products": STORE}, indent=1)).catalogue) == 2


def test_a_merchant_feed(tmp_path: Path) -> None:
    got = read(tmp_path / "feed.txt", FEED)
    one, two = product(got, "A-1"), product(got, "A-2")
    assert (one.price_cents, two.price_cents, one.stock, two.stock) == (1999, 123450, 1, 0)
    assert (one.category, two.category) == (("Clothing", "Tops", "Tees"), ("Clothing", "Tops|Vests"))
    assert (one.group, one.image) == ("G1", "https://x.test/1.jpg") and "link" not in one.attributes


@pytest.mark.parametrize(
    "heading", ["Product ID;Product Name;Sale Price", "productId;productName;salePrice", "PRODUCT-ID;product.name;sale_price"]
)
def test_headings_are_folded(tmp_path: Path, heading: str) -> None:
    got = read(tmp_path / "c.csv", f"{heading}\n1;Lamp;€ 1.234,50\n2;Desk;12,00 €\n")
    assert (product(got, "1").title, product(got, "1").price_cents, product(got, "2").price_cents) == ("Lamp", 123450, 1200)


def test_the_id_that_tells_products_apart_is_taken(tmp_path: Path) -> None:
    got = read(tmp_path / "c.csv", "id,product_uid,product_title\n2,100001,Angle\n3,100002,Deck paint\n")
    assert (got.mapping.id, got.catalogue.ids.tolist()) == ("product_uid", ["100001", "100002"])


def test_attributes_that_cannot_be_read_are_text_and_cost_no_row(tmp_path: Path) -> None:
    rows = [{"id": str(n), "title": f"Lamp {n}", "attributes": "colour:red|watts:4"} for n in range(3)]
    rows += [
        {"id": "8", "title": "Odd lamp", "attributes": "red"},
        {"id": "9", "title": "Long lamp", "attributes": "It is red. " * 20},
    ]
    got = read(tmp_path / "c.jsonl", rows)
    assert (len(got.catalogue), got.rejects) == (5, ())
    assert product(got, "8").attributes == {"attributes": "red"} and product(got, "9").description.startswith("It is red.")


def test_a_column_that_is_written_otherwise_costs_its_values_and_no_rows(tmp_path: Path) -> None:
    rows = [{"id": str(n), "title": f"Lamp {n}", "price": "9.50" if n % 3 else "on request"} for n in range(90)]
    got = read(tmp_path / "c.jsonl", rows)
    assert (len(got.catalogue), got.rejects, product(got, "1").price_cents, product(got, "0").price_cents) == (90, (), 950, None)
    assert any("price: 30 values could not be read" in note for note in got.notes)


def test_a_slip_costs_its_row_and_leaves_the_row_before_it(tmp_path: Path) -> None:
    rows = [{"id": str(n), "title": f"Lamp {n}", "price": "9.50"} for n in range(30)]
    got = read(tmp_path / "c.jsonl", [*rows, {"id": "7", "title": "Lamp of another price", "price": "free"}])
    assert [(e.row, e.field) for e in got.rejects] == [(31, "price")] and got.repeated == ()
    assert product(got, "7").title == "Lamp 7"


def test_categories_as_json_and_python_lists(tmp_path: Path) -> None:
    rows = [
        {"asin": "a", "title": "Cable", "categories": "[['Electronics', 'Cables']]"},
        {"asin": "b", "title": "Lead", "categories": '["Home >> Leads"]'},
    ]
    got = read(tmp_path / "c.jsonl", rows)
    assert (product(got, "a").category, product(got, "b").category) == (("Electronics", "Cables"), ("Home", "Leads"))


def test_a_file_without_titles_is_read_by_its_most_telling_texts(tmp_path: Path) -> None:
    got = read(tmp_path / "c.csv", "product_uid,product_description\n1,A deck paint for wood\n2,An angle of steel\n")
    assert got.mapping.title == "product_description" and any("serves as one" in n for n in got.notes)
    with pytest.raises(BadInput, match="no column looks like a title"):
        read(tmp_path / "d.csv", "x,y\n1,2\n")


def test_units_of_one_dimension_are_one_facet(tmp_path: Path) -> None:
    rows = [{"id": str(n), "title": "Flour", "weight": w} for n, w in enumerate(["1.5 kg", "700 g", "2 kg", "heavy"])]
    got = read(tmp_path / "c.jsonl", rows).catalogue
    assert got.measures.names == ("weight_kg",) and got.measures.value.tolist() == [1.5, 0.7, 2.0]


def test_a_group_shared_by_many_is_no_group_of_variants(tmp_path: Path) -> None:
    rows = [{"id": str(n), "title": f"Lamp {n}", "group": "lamps" if n % 2 else "desks"} for n in range(40)]
    assert read(tmp_path / "c.jsonl", rows).mapping.group == ""


names = st.sampled_from(
    [
        "id",
        "Title",
        "product name",
        "price",
        "Category",
        "attributes",
        "bullet points",
        "brand",
        "x",
        "image_link",
        "stock",
        "",
        "_id",
    ]
)
cells = st.one_of(
    st.none(), st.text(max_size=20), st.integers(), st.floats(), st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2), st.sampled_from(["a > b", "9.99 USD", "k:v|k:w", "in stock", "x" * 200]),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(st.dictionaries(names, cells, max_size=7), max_size=6))
def test_any_rows_are_guessed_or_refused(rows: list[dict[str, Any]]) -> None:
    try:
        m = guess(rows)
    except BadInput as e:
        assert "title" in str(e) or "no rows" in str(e)
        return
    used = [c for c in (m.id, m.title, m.price, m.brand, m.category, m.attributes, *m.extra, *m.more, *m.names) if c]
    assert len(used) == len(set(used)) and m.title


@given(st.text(max_size=30))
def test_folding_a_name_again_changes_nothing(name: str) -> None:
    assert folded(folded(name)) == folded(name)


def test_descriptions_with_a_rare_tag_are_taken_for_plain_text(tmp_path: Path) -> None:
    rows = [{"id": str(n), "title": f"Lamp {n}", "description": "A <br /> lamp" if n == 0 else "A lamp"} for n in range(40)]
    assert read(tmp_path / "c.jsonl", rows).mapping.markup == "text"
    assert read(tmp_path / "c.jsonl", rows[:10]).mapping.markup == "html"
