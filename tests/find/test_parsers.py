# ruff: noqa: PT017, E501
"""Whatever stands in a catalogue file, its parsers give a value that is sound or an error that names row, field and value."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.app.journal import Journal
from rialto.errors import BadInput, BadRow, RialtoError
from rialto.find.builder import Builder
from rialto.find.change import changed_catalogue, settled
from rialto.find.guessing import guess
from rialto.find.ingest import Parsed, parsed, read_catalogue, read_rows
from rialto.find.mapping import FieldMap, read_mapping, write_mapping
from rialto.find.quantities import as_quantity, measured
from rialto.find.values import as_boolean, as_day, as_number, as_text, blank, day_text

MAPPING = FieldMap(
    id="id", title="title", brand="brand", category="category", description="text", price="price", stock="stock", released="released",
    rating="rating", rating_count="count", group="group", image="image", attributes="attributes", extra=("extra",), names=("model",),
)  # fmt: skip
FIELDS = [v for v in (getattr(MAPPING, f) for f in MAPPING.__slots__) if isinstance(v, str) and v != "units" and v]
cells = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(["12.50", "yes", "a/b", "x=1,y=2", "{}", "2 kg"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)), max_leaves=6,
)  # fmt: skip
any_row = st.dictionaries(
    st.one_of(st.sampled_from([*FIELDS, "extra", "model", "attr_t_a", "attr_n_b", "attr_b_c"]), st.text(max_size=5)),
    cells,
    max_size=8,
)


@settings(max_examples=200, deadline=None)
@given(any_row)
def test_any_row_becomes_a_product_or_a_named_refusal(row: dict[str, Any]) -> None:
    try:
        got = parsed(7, {"id": "a", "title": "Lamp", **row}, MAPPING)
    except BadRow as e:
        assert e.row == 7 and e.field and "wanted" in str(e)
        return
    name, texts, values, attributes = got
    assert name and texts["title"] and all(t == t.strip() and t.encode() is not None for t in texts.values())
    assert all(math.isnan(v) or math.isfinite(v) for v in values.values())
    assert all(k in "tnb?q" and (k != "n" or math.isfinite(v)) for _, k, v in attributes)
    builder = Builder()
    builder.add(*got)
    catalogue = builder.finish()
    assert catalogue.product(0).id == name and len(catalogue.version) == 16


@settings(max_examples=60, deadline=None)
@given(st.lists(any_row, max_size=5))
def test_what_is_put_in_one_by_one_comes_back_from_the_journal(rows: list[dict[str, Any]]) -> None:
    good: dict[str, Parsed] = {}
    for n, row in enumerate(rows):
        try:
            good[f"p{n}"] = settled(parsed(1, {"title": "Lamp", **row, "id": f"p{n}"}, MAPPING), Builder().finish())
        except BadRow:
            continue
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        journal.write(list(good.values()), ["gone"], {i: n for n, i in enumerate(good)}, time_s=0.0)
        net = journal.net()
        journal.close()
    empty = Builder().finish()
    once, again = changed_catalogue(empty, list(good.values())).after, changed_catalogue(empty, net.rows, net.removed).after
    assert [once.product(int(n)) for n in once.numbers] == [again.product(int(n)) for n in again.numbers] and net.removed == (
        "gone",
    )


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([".jsonl", ".csv", ".tsv", ".parquet", ".json", ".jsonl.gz", ".csv.gz"]),
    st.binary(max_size=300),
    st.booleans(),
)
def test_any_bytes_are_rows_or_a_clear_error(ending: str, body: bytes, begun: bool) -> None:
    if begun:  # it begins well, and is cut off or goes on wrong
        plain = b'{"id": "1", "title": "Lamp"}\n' if "json" in ending else b"id,title\n1,Lamp\n"
        body = gzip.compress(plain)[: -1 - len(body) % 12] if ending.endswith(".gz") else plain + body
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"c{ending}"
        file.write_bytes(body)
        try:
            read_catalogue(str(file))
        except RialtoError as e:
            assert str(e)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["id", "title", "brand", "colour"]), st.text(max_size=12), min_size=4),
        min_size=1,
        max_size=5,
    )
)
def test_csv_and_json_lines_of_the_same_texts_are_the_same_rows(rows: list[dict[str, str]]) -> None:
    rows = [{k: v.replace("\x00", "").replace("\r", "") for k, v in r.items()} for r in rows]
    rows = [{k: v.encode("utf-8", "ignore").decode() for k, v in r.items()} for r in rows]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["id", "title", "brand", "colour"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with TemporaryDirectory() as folder:
        (Path(folder) / "c.csv").write_bytes(text.getvalue().encode())
        (Path(folder) / "c.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))
        from_csv = [dict(r) for _, r in read_rows(f"{folder}/c.csv")]
        from_lines = [r for _, r in read_rows(f"{folder}/c.jsonl.gz")]
    assert from_csv == from_lines == rows


@given(st.one_of(st.text(max_size=30), st.floats(), st.integers(), st.none(), st.booleans(), st.lists(st.integers())))
def test_any_value_is_a_number_a_day_a_text_a_yes_or_no_or_a_named_refusal(value: Any) -> None:
    for read, sound in (
        (as_number, math.isfinite), (as_day, lambda d: d == int(d) and len(day_text(d)) == 10),
        (as_text, lambda t: t == t.strip() and t.encode() is not None), (as_boolean, lambda b: isinstance(b, bool)),
    ):  # fmt: skip
        try:
            got = read(value)
        except ValueError as e:
            assert str(e)
        else:
            assert sound(got)
    assert blank(value) in (True, False)


@given(st.integers(0, 10**6), st.sampled_from(["in", "kg", "GB", " cm", "″", " Inch", "-inch"]))
def test_a_number_with_a_unit_is_read_back_from_its_writing(number: int, unit: str) -> None:
    got = as_quantity(f"{number / 10}{unit}")
    assert got is not None and got[0] == number / 10 and got[1] in ("in", "kg", "gb", "cm")


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_none(text: str) -> None:
    got = measured("size", text)
    assert got is None or (got[0].startswith("size_") and math.isfinite(got[1]))


def test_attributes_with_units_are_numbers_too_and_keep_their_text(tmp_path: Path) -> None:
    rows = [
        {
            "id": "1",
            "title": "Laptop",
            "attributes": {"screen_size": "15.6 in", "weight": "2 kg", "weight_kg": "2 kg", "size": "M"},
        },
        {"id": "2", "title": "Monitor", "attributes": "screen_size=24 inch,weight=light"},
    ]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    c = read_catalogue(str(tmp_path / "c.jsonl")).catalogue
    assert c.product(0).attributes == {
        "screen_size": "15.6 in",
        "screen_size_in": 15.6,
        "weight": "2 kg",
        "weight_kg": "2 kg",
        "size": "M",
    }
    assert c.product(1).attributes == {"screen_size": "24 inch", "screen_size_in": 24.0, "weight": "light"}


names = st.text("abcdefgh_", min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(st.builds(
    FieldMap, id=names, title=names, brand=st.just("") | names, price=names, price_unit=st.sampled_from(["cents", "units"]),
    extra=st.lists(names, max_size=3).map(tuple), names=st.lists(names, max_size=2).map(tuple), notes=st.lists(st.text(max_size=9), max_size=2).map(tuple),
))  # fmt: skip
def test_a_mapping_comes_back_from_its_file(mapping: FieldMap) -> None:
    with TemporaryDirectory() as folder:
        write_mapping(mapping, f"{folder}/m.json")
        assert read_mapping(f"{folder}/m.json") == mapping


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([".json", ".toml"]))
def test_any_mapping_file_is_a_mapping_or_a_clear_error(body: bytes, ending: str) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / f"m{ending}").write_bytes(body)
        with pytest.raises(BadInput):
            read_mapping(f"{folder}/m{ending}")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.one_of(st.sampled_from(["id", "title", "price", "name", "qty", "tags"]), st.text(max_size=4)), cells, max_size=5
        ),
        max_size=5,
    )
)
def test_any_rows_give_a_mapping_or_say_that_nothing_is_a_title(rows: list[dict[str, Any]]) -> None:
    try:
        mapping = guess(rows)
    except BadInput as e:
        assert "title" in str(e) or "no rows" in str(e)
        return
    assert mapping.title and any(mapping.title in r for r in rows)


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("id", "x" * 1001, "at most 1000"), ("brand", "x" * 1001, "at most 1000"), ("category", "a/" * 600, "at most 1000"),
        ("text", "x" * 200_001, "at most 200000"), ("price", -1, "0 or more"), ("stock", "many", "finite"),
        ("rating", "good", "finite"), ("released", "soon", "a day"), ("count", -3, "0 or more"),
    ],
)  # fmt: skip
def test_a_wrong_or_huge_field_is_refused_by_name(field: str, value: Any, wanted: str) -> None:
    with pytest.raises(BadRow, match=wanted) as e:
        parsed(3, {"id": "a", "title": "Lamp", field: value}, MAPPING)
    assert (e.value.row, e.value.field) == (3, field)


def test_parquet_with_lists_maps_days_and_nulls_is_read(tmp_path: Path) -> None:
    table = pa.table({
        "id": ["1", "2"], "title": ["Lamp", "Desk"], "category": [["Home", "Light"], None],
        "attributes": pa.array([[("colour", "red")], None], pa.map_(pa.string(), pa.string())), "price": [12.5, None],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "c.parquet")
    c = read_catalogue(str(tmp_path / "c.parquet")).catalogue
    assert (c.product(0).category, c.product(0).price_cents, c.product(0).attributes) == (
        ("Home", "Light"),
        1250,
        {"colour": "red"},
    )
    assert (c.product(1).category, c.product(1).price_cents) == ((), None)
