"""A shop's own synonyms: read as lines, what is wrong is told, kept in versions, and searched beside what was asked at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput, EngineLost, NothingHere
from rialto.find.synonyms import SynonymBook, SynonymStore, findings, read_synonyms
from rialto.find.versions import Refused, Stale


def test_lines_are_read_both_ways_one_way_and_remarks() -> None:
    book = SynonymBook.of_text("\n # lights\nTV ,  Television, telly\nxmas, x-mas => christmas\n")
    assert [e.line for e in book.entries] == ["tv, television, telly", "xmas, x-mas => christmas"]
    words = book.synonyms()
    assert words.others("telly stand") == [("telly", "tv"), ("telly", "television")]
    assert words.others("x-mas tree") == [("x-mas", "christmas")] and words.others("christmas tree") == []


@pytest.mark.parametrize(
    "line", ["tv", "tv =>", "=> tv", "a => b => c", "tv, ...", ", ,", "a, " + "b" * 300, "?, !", "tv, te\x00ly"]
)
def test_a_line_that_is_wrong_is_told_with_its_number(line: str) -> None:
    with pytest.raises(BadInput, match="line 2"):
        SynonymBook.of_text(f"tv, television\n{line}")


@given(
    st.lists(
        st.lists(
            st.text("abc d", min_size=1, max_size=9).filter(str.strip),
            min_size=2,
            max_size=4,
            unique_by=lambda t: " ".join(t.split()),
        )
    )
)
def test_what_is_written_is_read_again_the_same(lines: list[list[str]]) -> None:
    book = SynonymBook.of_text("\n".join(", ".join(words) for words in lines))
    assert SynonymBook.of_text(book.text) == book


def test_what_is_wrong_is_told_errors_first() -> None:
    book = SynonymBook.of_text(
        "lamp, lamps\ntv, television\ntv => television\nsettee => sofa\nsofa => settee\none two three four five => lamp\nacme => lamp\nzzz => yyy"
    )
    found = findings(book, held=lambda p: p not in ("zzz", "yyy"), brands={"acme"})
    assert [(f.kind, f.severity) for f in found] == [
        ("same", "error"), ("long", "error"), ("brand", "warning"), ("unknown", "warning"), ("twice", "warning"), ("circle", "warning"),
    ]  # fmt: skip
    assert "write sofa, settee" in found[-1].told and "yyy" in found[3].told
    assert findings(SynonymBook.of_text("tv, television"), held=lambda p: True) == ()


def test_each_save_is_a_version_and_errors_of_new_lines_refuse(tmp_path: Path) -> None:
    store = SynonymStore(str(tmp_path))
    first = store.save(SynonymBook.of_text("tv, television"), who="ann", at_s=1.0)
    bad = SynonymBook.of_text("tv, television\nlamp, lamps", version=1)
    found = findings(bad, held=lambda p: True)
    with pytest.raises(Refused, match="singular and plural"):
        store.save(bad, who="bo", at_s=2.0, found=found)
    with pytest.raises(Stale, match="the synonyms are at version 1"):
        store.save(SynonymBook.of_text("a, b"), who="bo", at_s=2.0)
    forced = store.save(bad, who="bo", at_s=2.0, found=found, force=True)
    again = SynonymBook.of_text("tv, television\nlamp, lamps\nxmas => christmas", version=2)
    assert store.save(again, who="bo", at_s=3.0, found=findings(again, held=lambda p: True)).version == 3, (
        "what stood before stands"
    )
    assert [(c.changes, c.forced) for c in store.history()] == [
        (("added tv, television",), False), (("added lamp, lamps",), True), (("added xmas => christmas",), False),
    ]  # fmt: skip
    assert store.book(1) == first and store.book(2) == forced
    with pytest.raises(NothingHere):
        store.book(9)
    (tmp_path / "00000004.json").write_text(
        (tmp_path / "00000003.json").read_text().replace('"version": 3', '"version": 4').replace("xmas =>", "=>")
    )
    with pytest.raises(EngineLost, match="damaged"):
        store.book()


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("\ufefftv, television\n", encoding="utf-8")
    assert len(read_synonyms(str(tmp_path / "words.txt"))) == 1
    (tmp_path / "bad").write_bytes(b"\xff\xfe\x00")
    for name in ("absent", "bad"):
        with pytest.raises(BadInput, match="cannot be read"):
            read_synonyms(str(tmp_path / name))
