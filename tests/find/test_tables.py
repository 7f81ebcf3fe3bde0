"""Tables as text: delimiters, bytes of other encodings, unclosed quotes; every text is rows or a clear refusal."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadRow
from rialto.find.tables import Remarks, records, sniffed, table, text_lines


def rows(text: str, usual: str = ",") -> tuple[list[Any], tuple[str, ...]]:
    remarks = Remarks()
    got = [r for _, r in table(iter(text.splitlines(keepends=True)), usual, remarks)]
    return got, remarks.lines


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_by_the_heading(delimiter: str) -> None:
    text = f"id{delimiter}title{delimiter}price\n1{delimiter}Oak lamp{delimiter}2\n"
    assert sniffed(text.splitlines()) == delimiter
    assert rows(text)[0] == [{"id": "1", "title": "Oak lamp", "price": "2"}]


def test_an_excel_hint_is_a_delimiter_and_no_heading() -> None:
    assert rows("sep=;\nid;title\n1;Lamp, red\n")[0] == [{"id": "1", "title": "Lamp, red"}]


def test_an_unclosed_quote_costs_its_row_and_not_those_behind_it() -> None:
    text = "id,title,brand\n" + '1,"Lamp with a 6" shade,Lumo\n' + "".join(f"{n},Desk {n},Hexa\n" for n in range(2, 22))
    got, notes = rows(text)
    assert [r["id"] for r in got if isinstance(r, dict)][-20:] == [str(n) for n in range(2, 22)]
    broken = "id,title,brand\n" + '1,"Lamp,Lumo\n' + "".join(f"{n},Desk {n},Hexa\n" for n in range(2, 22))
    got, notes = rows(broken)
    assert isinstance(got[0], (BadRow, dict)) and [r["id"] for r in got[1:]] == [str(n) for n in range(2, 22)]
    assert any("a quote that is not closed" in n for n in notes)


def test_a_quote_that_another_row_closes_gives_both_back() -> None:
    got, _ = rows('id,title\n1,"Lamp\n2,"Desk"\n3,Bed\n')
    assert got == [{"id": "1", "title": "Lamp"}, {"id": "2", "title": "Desk"}, {"id": "3", "title": "Bed"}]


def test_a_cell_of_several_lines_stays_one_row() -> None:
    got, notes = rows('id,title,text\n1,Lamp,"Oak.\nWith 17"" shade."\n2,17" board,"a\nb"\n')
    assert [r["text"] for r in got] == ['Oak.\nWith 17" shade.', "a\nb"] and notes == ()


def test_a_huge_cell_is_read() -> None:
    assert rows("id,title\n1," + "x" * 300_000 + "\n")[0][0]["title"] == "x" * 300_000


def test_headings_twice_or_blank_are_columns_of_their_own() -> None:
    assert rows("id,title,,title\n1,a,b,c\n")[0] == [{"id": "1", "title": "a", "column_3": "b", "title_4": "c"}]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("caf\xe9 \x80".encode("latin-1"), "café €"), ("café €".encode("cp1252"), "café €"), ("café €".encode("utf-8-sig"), "café €"),
        ("café €".encode("utf-16"), "café €"), (b"\x81\xff", "\x81ÿ"),
    ],
)  # fmt: skip
def test_bytes_of_other_encodings_are_read(body: bytes, wanted: str) -> None:
    assert "".join(text_lines(io.BytesIO(body), Remarks())) == wanted


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(alphabet='ab",;|\t\n\r x"', max_size=25), max_size=12), st.sampled_from([",", "\t"]))
def test_any_text_is_rows_or_refused_rows(lines: list[str], usual: str) -> None:
    for row in rows("id,title,brand\n" + "\n".join(lines), usual)[0]:
        assert isinstance(row, BadRow) or all(isinstance(v, str) for v in row.values())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.text(alphabet='ab",\n; ', max_size=9), min_size=3, max_size=3), min_size=1, max_size=8))
def test_what_the_csv_module_writes_is_read_back(cells: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["a", "b", "c"], *cells])
    got = [c for c, _ in records(io.StringIO(text.getvalue(), newline=""), ",")][1:]
    assert got == cells


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_lines(body: bytes) -> None:
    remarks = Remarks()
    for line in text_lines(io.BytesIO(body), remarks):
        line.encode()
