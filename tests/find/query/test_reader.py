"""The whole reading of a query: what is mended, shown, undone, and left alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query.background import Background
from rialto.find.query.reader import Reader

_ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_QUERIES = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            ["labtop", "wireles", "mouse", "15.6in", '15.6"', "1tb", "brasswalltube", "gardn", "hose", "under", "$50", "x4-1"]
        )
    ).map(" ".join),
)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("wireles mouse", "wireless mouse"), ("couplingg", "coupling"), ("gardenhose", "garden hose"), ("brasswalltube", "brass wall tube"),
        ("micro wave oven", "microwave oven"), ("hidraulic jack", "hydraulic jack"), ("extirior door", "exterior door"),
    ],
)  # fmt: skip
def test_a_mistyped_query_is_read_as_it_was_meant(reader: Reader, asked: str, meant: str) -> None:
    u = reader.read(asked)
    assert u.text == meant
    assert all(r.id and r.before != r.after for r in u.rewrites)


@pytest.mark.parametrize(
    "asked",
    ["wireless mouse", "laptop bag", "keychron k4", "x1-carbon 20xw", "мышь", "ノートパソコン", "חולצה", "🎧🎧", "!!!", ""],
)
def test_good_queries_and_unknown_scripts_stay_as_they_are(reader: Reader, asked: str) -> None:
    assert reader.read(asked).text == asked


@pytest.mark.parametrize(
    "asked",
    [".*(mouse|[a-z]+)?", 'title:"a" AND b~2', "a" * 10_000, "mouse " * 2_000, "\x00\x07mouse\x1b", "(((((", "-- ' OR 1=1"],
)
def test_hostile_text_is_read_without_harm(reader: Reader, asked: str) -> None:
    u = reader.read(asked)
    assert len(u.text) <= 9_100 and len(u.alternatives) <= 4


@given(asked=_QUERIES)
@_ANY
def test_reading_what_was_read_changes_nothing_more(reader: Reader, asked: str) -> None:
    once = reader.read(asked).text
    again = reader.read(once)
    assert again.text == once or len(once) > 500


@given(asked=_QUERIES)
@_ANY
def test_undoing_every_rewrite_gives_the_words_back(reader: Reader, asked: str) -> None:
    plain = reader.read(asked, undo=["all"])
    undone: set[str] = set()
    for _ in range(30):
        u = reader.read(asked, undo=undo) if (undo := sorted(undone)) else reader.read(asked)
        ids = {r.id for r in u.rewrites if r.id}
        assert not ids & undone
        if not ids:
            break
        undone |= ids
    assert u.text == plain.text and math.isnan(u.high_cents)


def test_one_rewrite_is_undone_and_the_others_stay(reader: Reader) -> None:
    u = reader.read("wireles mouse under $20")
    assert [r.id for r in u.rewrites] == ["spelling:wireles", "price:under $20"]
    kept = reader.read("wireles mouse under $20", undo=["spelling:wireles"])
    assert (kept.text, kept.high_cents) == ("wireles mouse", 2000.0)
    assert reader.read("wireless mouse under $20", undo=["price:under $20"]).text == "wireless mouse under $20"


def test_alternatives_hold_synonyms_and_are_at_most_four(reader: Reader) -> None:
    others = reader.read("laptop bag").alternatives
    assert 0 < len(others) <= 4 and "laptop bag" not in others


def test_a_shops_own_synonyms_go_first_and_a_mistyped_trigger_fires(catalogue: Catalogue, words: Background) -> None:
    own = Reader.of(
        catalogue, queries={"monitor stand": 5.0, "screen": 3.0}, background=words, synonyms='both = [["monitor", "screen"]]'
    )
    u = own.read("monitr stand")
    assert u.text == "monitor stand" and u.alternatives[0] == "screen stand"


def test_a_saved_reader_reads_the_same(reader: Reader) -> None:
    loaded = Reader.load(reader.save())
    for asked in ("wireles mouse 15.6in", "laptop", "gardenhose under $9"):
        a, b = reader.read(asked), loaded.read(asked)
        assert (a.text, a.rewrites, a.alternatives) == (b.text, b.rewrites, b.alternatives)


def test_bytes_that_are_no_reader_are_refused() -> None:
    with pytest.raises(BadInput, match="no reader of queries"):
        Reader.load(b"half a file")


def test_the_reader_works_without_any_list_of_words(catalogue: Catalogue) -> None:
    bare = Reader.of(catalogue, background=Background())
    title = str(catalogue.text("title")[0]).lower()
    assert bare.read(title).text


def test_an_empty_catalogue_can_be_read_for(catalogue: Catalogue) -> None:
    none = np.zeros(1, dtype=np.int64)
    empty = replace(
        catalogue,
        ids=catalogue.ids[:0],
        numbers=catalogue.numbers[:0],
        texts={k: v[:0] for k, v in catalogue.texts.items()},
        values={k: v[:0] for k, v in catalogue.values.items()},
        labels=replace(catalogue.labels, offsets=none, pair=catalogue.labels.pair[:0]),
        measures=replace(catalogue.measures, offsets=none, name=catalogue.measures.name[:0], value=catalogue.measures.value[:0]),
    )
    assert Reader.of(empty, background=Background()).read("red shoes 15in under $9").text == "red shoes 15 in"
    clicked = Reader.of(empty, clicks={"wireless mouse": {1: 20.0}}, background=Background())
    assert clicked.speller.knows("wireless")


def test_a_query_that_is_no_text_is_refused(reader: Reader) -> None:
    with pytest.raises(BadInput, match="wanted text"):
        reader.read(7)  # type: ignore[arg-type]
