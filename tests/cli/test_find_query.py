"""Files that query understanding is measured on."""

from pathlib import Path

import pytest

from rialto.cli.find_query import read_brands, read_corrections, read_labelled, read_lines
from rialto.errors import BadInput


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
