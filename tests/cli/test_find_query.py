# ruff: noqa: PT017
"""Files that query understanding is measured on."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.cli.find_query import read_brands, read_corrections, read_labelled, read_lines
from rialto.errors import BadInput, RialtoError


def test_files_are_read_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    good = tmp_path / "a.csv"
    good.write_text("query,corrected\nlabtop,laptop\n", encoding="utf-8")
    assert read_corrections(good) == [("labtop", "laptop")]
    good.write_text("query,corrected\nlabtop,\n", encoding="utf-8")
    with pytest.raises(BadInput, match="row 2"):
        read_corrections(good)
    with pytest.raises(BadInput, match="wanted name"):
        read_brands(good)
    with pytest.raises(BadInput, match="cannot be read"):
        read_lines(tmp_path / "none.txt")


def test_labelled_queries_hold_what_is_known_of_them_and_a_bad_span_names_its_row(tmp_path: Path) -> None:
    file = tmp_path / "labelled.csv"
    file.write_text(
        "query,type,intent,spans\nAcme laptop,Laptops|Notebooks,type,0:1:brand 1:2:type\nmouse,,,\n", encoding="utf-8"
    )
    first, second = read_labelled(file)
    assert (
        first.text == "acme laptop"
        and first.types == {"Laptops", "Notebooks"}
        and first.spans == ((0, 1, "brand"), (1, 2, "type"))
    )
    assert second.spans is None and not second.types and second.intent == ""
    for spans in ("0:9:brand", "0:1:shoe", "brand"):
        file.write_text(f"query,spans\nmouse,{spans}\n", encoding="utf-8")
        with pytest.raises(BadInput, match="row 2"):
            read_labelled(file)


def test_tables_with_other_delimiters_and_bytes_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("query;corrected\ncaf\xe8;caf\xe9\n".encode("latin-1"))
    assert read_corrections(file) == [("cafè", "café")]


heads = st.sampled_from(["query,corrected", "query,type,intent,spans", "name,count", "query", "", "query;corrected"])


@settings(max_examples=150, deadline=None)
@given(heads, st.lists(st.text(alphabet='ab01:,;"\t |-', max_size=15), max_size=5), st.binary(max_size=4))
def test_any_file_is_read_or_a_clear_error(head: str, lines: list[str], tail: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "f.csv"
        file.write_bytes("\n".join([head, *lines]).encode() + tail)
        for read in (read_brands, read_corrections, read_labelled, read_lines):
            try:
                read(file)
            except RialtoError as e:
                assert str(e)
