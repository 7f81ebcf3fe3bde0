"""Files that query understanding is measured on."""

from pathlib import Path

import pytest

from rialto.cli.find_query import read_brands, read_corrections, read_lines
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
