"""Catalogue files in: formats, mappings, rejects, and the real files where they are."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rialto.errors import BadInput, NothingHere
from rialto.find.guessing import guess
from rialto.find.ingest import read_catalogue
from rialto.find.mapping import FieldMap, read_mapping, write_mapping

DATA = Path(os.environ.get("RIALTO_DATA", "../shared/data"))

ROWS = [
    {
        "sku": "a",
        "name": "Red lamp",
        "brand": "Lumo",
        "price": "$12.50",
        "attributes": {"colour": "red", "watts": 40, "dimmable": True},
    },
    {
        "sku": "b",
        "name": "Blue lamp",
        "brand": "Lumo",
        "price": "$7.00",
        "attributes": {"colour": ["blue", "navy"], "watts": 5.5},
    },
]


def lines(path: Path, rows: list[object]) -> str:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), encoding="utf-8")
    return str(path)


def test_json_lines_are_read_with_typed_attributes(tmp_path: Path) -> None:
    got = read_catalogue(lines(tmp_path / "c.jsonl", [*ROWS]))
    product = got.catalogue.product(got.catalogue.number_of("a"))
    assert (product.title, product.brand, product.price_cents) == ("Red lamp", "Lumo", 1250)
    assert product.attributes == {"colour": "red", "watts": 40.0, "dimmable": True}
    assert got.catalogue.product(1).attributes == {"colour": ("blue", "navy"), "watts": 5.5}


def test_the_same_products_come_from_gzip_parquet_and_a_json_list(tmp_path: Path) -> None:
    plain = read_catalogue(lines(tmp_path / "c.jsonl", [*ROWS])).catalogue
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress((tmp_path / "c.jsonl").read_bytes()))
    (tmp_path / "c.json").write_text(json.dumps(ROWS))
    flat = [{**r, "attributes": json.dumps(r["attributes"])} for r in ROWS]
    pq.write_table(pa.Table.from_pylist(flat), tmp_path / "c.parquet")
    for name in ("c.jsonl.gz", "c.json", "c.parquet"):
        assert read_catalogue(str(tmp_path / name)).catalogue.version == plain.version, name


def test_csv_attributes_become_numbers_or_yes_no_only_where_all_values_are(tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    file.write_text('id,title,attributes\n1,Tee,"size=10,eco=Yes,fit=Slim|Long,code=7"\n2,Top,"size=12,eco=No,fit=Wide,code=x"\n')
    c = read_catalogue(str(file)).catalogue
    assert c.product(0).attributes == {"size": 10.0, "eco": True, "fit": ("Slim", "Long"), "code": "7"}
    assert c.product(1).attributes["code"] == "x"


def test_bad_rows_are_reported_with_number_field_and_value_and_the_rest_goes_in(tmp_path: Path) -> None:
    bad = [
        '{"sku": "x", ', "[1]", {"sku": "", "name": "no id"}, {"sku": "y", "name": "  "}, {"sku": "z", "name": "Dear", "price": "-4"},
        '{"sku": "w", "name": "Half \\ud800"}', {"sku": "v", "name": "Odd", "price": "1", "attributes": "k"},
    ]  # fmt: skip
    file = tmp_path / "c.jsonl"
    lines(file, [*ROWS, *bad])
    got = read_catalogue(str(file), rejects=str(tmp_path / "rejects.jsonl"))
    assert [(e.row, e.field) for e in got.rejects] == [
        (3, "(line)"), (4, "(line)"), (5, "sku"), (6, "name"), (7, "price"), (8, "name"),
    ]  # fmt: skip
    written = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert written[4] == {"row": 7, "field": "price", "value": "'-4'", "wanted": "a price, 0 or more, such as 12.50 or $1,299.00"}
    assert len(got.catalogue) == 3 and got.rows == 9
    assert got.catalogue.product(got.catalogue.number_of("v")).attributes == {"attributes": "k"}


def test_bytes_that_are_not_utf8_are_read_as_windows_1252_and_told(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_bytes(b"id,title\n1,Lamp\n2,caf\xe9 \x80\n3,D\xc3\xa9sk\n")
    got = read_catalogue(str(tmp_path / "c.csv"))
    assert (got.rejects, got.catalogue.text("title").tolist()) == ((), ["Lamp", "café €", "Désk"])
    assert any("Windows-1252 (1; the first: line 3)" in note for note in got.notes)


def test_csv_rows_with_too_many_cells_are_rejected_and_short_ones_have_blanks(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("id,title,brand,colour\n1,Lamp,A,\n2,Desk\n3,Bed,B,red,C\n4,Oak bed,B,,,\n5,Sofa,C\n")
    got = read_catalogue(str(tmp_path / "c.csv"))
    assert [e.row for e in got.rejects] == [2, 3]
    assert got.catalogue.ids.tolist() == ["1", "4", "5"]
    assert any("fewer cells" in note for note in got.notes)


def test_the_last_row_of_an_id_wins_and_the_id_is_reported(tmp_path: Path) -> None:
    got = read_catalogue(lines(tmp_path / "c.jsonl", [*ROWS, {**ROWS[0], "name": "Green lamp"}]))
    assert got.repeated == ("a",)
    assert got.catalogue.product(got.catalogue.number_of("a")).title == "Green lamp"
    assert len(got.catalogue) == 2


def test_a_product_keeps_its_number_when_it_leaves_and_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    first = read_catalogue(lines(file, [*ROWS])).catalogue
    gone = read_catalogue(lines(file, [ROWS[1], {"sku": "c", "name": "Desk"}]), before=first).catalogue
    assert (gone.number_of("b"), gone.number_of("c"), dict(gone.retired)) == (1, 2, {"a": 0})
    with pytest.raises(NothingHere, match="'a'"):
        gone.number_of("a")
    back = read_catalogue(lines(file, [ROWS[0], {"sku": "d", "name": "Bed"}]), before=gone).catalogue
    assert (back.number_of("a"), back.number_of("d")) == (0, 3)


def test_mapping_goes_through_its_file_and_names_unknown_keys(tmp_path: Path) -> None:
    mapping = guess(ROWS)
    write_mapping(mapping, str(tmp_path / "m.json"))
    assert read_mapping(str(tmp_path / "m.json")) == mapping
    (tmp_path / "m.toml").write_text('title = "name"\nextra = ["colour"]\n')
    assert read_mapping(str(tmp_path / "m.toml")) == FieldMap(title="name", extra=("colour",))
    (tmp_path / "m.toml").write_text('titel = "name"\nextra = "colour"\n')
    with pytest.raises(BadInput, match=r"unknown 'titel', known: title.*'extra' is 'colour'"):
        read_mapping(str(tmp_path / "m.toml"))


def test_whole_numbers_are_cents_only_where_they_look_like_it() -> None:
    assert guess([{"id": "1", "title": "a", "price": 4995}, {"id": "2", "title": "b", "price": 10995}]).price_unit == "cents"
    assert guess([{"id": "1", "title": "a", "price": 12}, {"id": "2", "title": "b", "price": 40}]).price_unit == "units"
    assert guess([{"id": "1", "title": "a", "price": "12.00"}]).price_unit == "units"


def test_a_mapping_of_absent_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nosuch"):
        read_catalogue(lines(tmp_path / "c.jsonl", [*ROWS]), FieldMap(id="sku", title="nosuch"))


@pytest.mark.parametrize(
    ("name", "body", "wanted"),
    [("c.jsonl", "", "no rows"), ("c.xml", "<a/>", "unknown ending"), ("c.csv", "x,y\n1,2\n", "title"), ("c.jsonl", '{"title": ""}', "title")],
)  # fmt: skip
def test_a_useless_file_is_refused_with_what_was_wanted(tmp_path: Path, name: str, body: str, wanted: str) -> None:
    (tmp_path / name).write_text(body)
    with pytest.raises(BadInput, match=wanted):
        read_catalogue(str(tmp_path / name))


def test_an_absent_file_is_nothing_here(tmp_path: Path) -> None:
    with pytest.raises(NothingHere, match="there is no file"):
        read_catalogue(str(tmp_path / "no.jsonl"))


@pytest.mark.skipif(not (DATA / "icecat").exists(), reason="the icecat catalogue is not at RIALTO_DATA")
def test_icecat_loads_from_its_raw_file() -> None:
    got = read_catalogue(str(DATA / "icecat/products.jsonl.gz"))
    assert (len(got.catalogue), got.rejects, got.repeated) == (19_406, (), ())
    assert (got.mapping.brand, got.mapping.price_unit, got.mapping.names) == ("supplier", "cents", ("name",))
    toner = got.catalogue.product(got.catalogue.number_of("3920564"))
    assert (toner.price_cents, toner.released, toner.attributes["quantity_per_pack"]) == (4995, "2009-12-10", 6.0)
    assert len(set(got.catalogue.labels.names) | set(got.catalogue.measures.names)) > 5000


@pytest.mark.skipif(not (DATA / "luma").exists(), reason="the luma catalogue is not at RIALTO_DATA")
def test_luma_loads_from_its_raw_file() -> None:
    got = read_catalogue(str(DATA / "luma/products.csv"))
    assert (len(got.catalogue), got.rejects) == (191, ())
    hoodie = got.catalogue.product(0)
    assert (hoodie.category, hoodie.price_cents) == (("Men", "Tops", "Hoodies & Sweatshirts"), 5200)
    assert hoodie.attributes["climate"] == ("All-weather", "Cool", "Indoor", "Spring", "Windy")
    assert any("numbered" in note for note in got.mapping.notes)
    assert np.isfinite(got.catalogue.value("price_cents")).all()
