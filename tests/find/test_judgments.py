# ruff: noqa: PT017, E501
"""Judgments in the manner of public sets, made up here: columns, grades, ids, queries, and what cannot be used."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, RialtoError
from rialto.find.builder import Builder
from rialto.find.catalogue import Catalogue
from rialto.find.grades import grades_of
from rialto.find.judged_rows import judged_rows, query_texts
from rialto.find.judgments import Judged, judged, read_judgments
from rialto.find.query_log import read_query_log
from rialto.find.same_ids import found, harmless
from rialto.find.tables import Remarks

NOTHING: dict[str, float] = dict.fromkeys(("price_cents", "stock", "released_day", "rating", "rating_count"), float("nan"))
TEXTS: dict[str, str] = dict.fromkeys(("brand", "category", "description", "group", "image", "names"), "")


def shop(*ids: str, names: tuple[str, ...] = ()) -> Catalogue:
    b = Builder()
    for n, i in enumerate(ids):
        b.add(i, {**TEXTS, "title": f"Lamp {i}", "names": names[n] if names else ""}, NOTHING, [])
    return b.finish()


SHOP = shop("1", "2", "3", "4")


def read(folder: Path, body: str | bytes, catalogue: Catalogue = SHOP, *, name: str = "j.csv", queries: str = "") -> Judged:
    (folder / name).write_bytes(body if isinstance(body, bytes) else body.encode())
    return read_judgments(str(folder / name), catalogue, queries=queries)


def told(j: Judged) -> dict[str, dict[int, float]]:
    o = j.judgments.offsets
    return {
        t: dict(zip(j.judgments.ids[o[n] : o[n + 1]].tolist(), j.judgments.grades[o[n] : o[n + 1]].tolist()))
        for n, t in enumerate(j.texts)
    }


WANTED = {"oak lamp": {0: 2.0, 1: 0.0}}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("j.csv", "query,product_id,grade\noak lamp,1,2\noak lamp,2,0\n"), ("j.csv", "Query;Doc ID;Rating\noak lamp;1;2\noak lamp;2;0\n"),
        ("j.tsv", "search_term\tproduct_uid\tid\trelevance\noak lamp\t1\t77\t2\noak lamp\t2\t78\t0\n"),
        ("j.txt", "query|asin|label\noak lamp|1|Exact\noak lamp|2|Irrelevant\noak lamp|3|Partial\n"),
        ("j.csv", "oak lamp,1,2\noak lamp,2,0\n"), ("j.jsonl", '{"query": "oak lamp", "docid": 1, "gain": 2}\n{"query": "oak lamp", "docid": 2.0, "gain": 0}\n'),
        ("j.csv", "\ufeffquery,product_id,grade\r\noak lamp,1,2\r\noak lamp,2,0\r\n"), ("j.csv", "query,product_id,grade\n\"oak lamp\",1,2\n,,\noak lamp,2,0\n"),
    ],
)  # fmt: skip
def test_usual_tables_are_read(tmp_path: Path, name: str, body: str) -> None:
    got = {t: {p: g for p, g in grades.items() if p < 2} for t, grades in told(read(tmp_path, body, name=name)).items()}
    assert got == WANTED


@pytest.mark.parametrize(
    "body", ["7 0 1 2\n7 0 2 0\n", "7\t0\t1\t2\n7\tQ0\t2\t0\n", "7   0   1   2\n7 0 2 0\n", "query-id\tcorpus-id\tscore\n7\t1\t2\n7\t2\t0\n", "id,query_id,product_id,label\n0,7,1,2\n1,7,2,0\n",
             "qid iter docid rel\n7 0 1 2\n7 0 2 0\n", "7\t1\t2\n7\t2\t0\n"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "queries"),
    [
        ("q.tsv", "7\toak lamp\n8\tdesk\n"), ("q.csv", "query_id,query,query_class\n7,oak lamp,Lamps\n"), ("q.tsv", "query_id\tquery\n7.0\toak lamp\n"),
        ("q.xml", "<top>\n<num> Number: 7\n<title> oak lamp\n</top>\n"), ("q.jsonl", '{"_id": 7, "text": "oak lamp"}\n'), ("q.txt", "7,oak lamp\n"),
    ],
)  # fmt: skip
def test_queries_by_id_have_their_texts_from_a_file(tmp_path: Path, body: str, name: str, queries: str) -> None:
    (tmp_path / name).write_text(queries)
    assert told(read(tmp_path, body, name="qrels", queries=str(tmp_path / name))) == WANTED


def test_texts_are_found_beside_the_judgments_and_told(tmp_path: Path) -> None:
    (tmp_path / "query.csv").write_text("query_id\tquery\n7\toak lamp\n")
    (tmp_path / "queries.csv").write_text("query,frequency\nlamp,x\n")
    got = read(tmp_path, "id\tquery_id\tproduct_id\tlabel\n0\t7\t1\tRelevant\n1\t7\t2\tIrrelevant\n", name="label.csv")
    assert told(got) == {"oak lamp": {0: 1.0, 1: 0.0}} and any("query.csv, beside" in n for n in got.notes)


def test_letters_of_a_market_are_graded_by_rank_also_from_parquet(tmp_path: Path) -> None:
    rows = [
        {"example_id": n, "query": "oak lamp", "query_id": 0, "product_id": str(n + 1), "product_locale": "us", "esci_label": w}
        for n, w in enumerate("ESCI")
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "j.parquet")
    got = read_judgments(str(tmp_path / "j.parquet"), SHOP)
    assert told(got) == {"oak lamp": {0: 3.0, 1: 2.0, 2: 1.0, 3: 0.0}} and any("E 3, S 2, C 1, I 0" in n for n in got.notes)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (["3", "2.33", "1"], [2.0, 1.33, 0.0]), (["1", "2", "4"], [1, 2, 4]), (["-2", "0", "1"], [0, 0, 1]), (["0", "50", "100"], [0, 1.5, 3]),
        (["relevant", "Not Relevant"], [1, 0]), (["yes", "No"], [1, 0]), (["True", "False"], [1, 0]), (["exact", "irrelevant", "partial"], [2, 0, 1]),
        (["Excellent", "Bad", "Good"], [3, 0, 2]), (["highly_relevant", "not-relevant", "relevant"], [3, 0, 2]), (["0,5", "1"], [0.5, 1]), (["1", "2", "?"], [1, 2, None]),
    ],
)  # fmt: skip
def test_grades_are_numbers_in_their_order(written: list[str], wanted: list[float | None]) -> None:
    assert grades_of(written, Remarks()) == pytest.approx(wanted)


def test_grades_below_zero_count_as_zero_and_are_told(tmp_path: Path) -> None:
    got = read(tmp_path, "query,product_id,grade\nlamp,1,2\nlamp,2,-1\n")
    assert told(got) == {"lamp": {0: 2.0, 1: 0.0}} and any("1 grades below 0" in n for n in got.notes)


def test_relevant_products_alone_are_measured_and_told(tmp_path: Path) -> None:
    only = read(tmp_path, "query,product_id,grade\nlamp,1,1\nlamp,2,1\ndesk,3,1\n")
    assert (
        only.relevant_only
        and only.spread.tolist() == [True, True]
        and only.take(only.spread.nonzero()[0][:1]).spread.tolist() == [True]
    )
    both = read(tmp_path, "query,product_id,grade\nlamp,1,1\nlamp,2,1\ndesk,3,1\ndesk,4,0\n")
    assert not both.relevant_only and both.spread.tolist() == [False, True]


@pytest.mark.parametrize(
    ("ids", "judged_ids"),
    [(("007", "8"), ("7", "8.0")), (("b0ab", " B1 "), ("B0AB", "b1")), (("7", "8"), ("7.0", "0008"))],
)
def test_ids_that_a_program_changed_a_little_are_found(ids: tuple[str, str], judged_ids: tuple[str, str]) -> None:
    got = judged(shop(*ids), [("lamp", judged_ids[0], 1.0), ("lamp", judged_ids[1], 0.0)])
    assert got.unknown == 0 and got.judgments.ids.tolist() == [0, 1]


def test_ids_that_would_be_two_products_are_found_by_their_writing_only() -> None:
    got = found(shop("7", "07", "8"), {"07", "007", "08"})
    assert got.rows == {"07": 1, "08": 2} and got.alike == 1


def test_codes_among_names_serve_where_no_id_is_found(tmp_path: Path) -> None:
    got = read(tmp_path, "query,sku,grade\nlamp,MX-1,1\nlamp,mx-2,0\n", shop("a", "b", names=("MX-1", "MX-2")))
    assert told(got) == {"lamp": {0: 1.0, 1: 0.0}} and any("by the codes" in n for n in got.notes)


def test_judgments_of_another_catalogue_are_refused_with_both_sides_ids(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none of the 2 judged products.*judgments say 'x1', 'x2', the catalogue '1', '2', '3'"):
        read(tmp_path, "query,product_id,grade\nlamp,x1,1\nlamp,x2,0\n")
    few = read(tmp_path, "query,product_id,grade\nlamp,x1,1\nlamp,x2,0\nlamp,1,0\nlamp,1,2\n")
    assert (few.unknown, few.repeated) == (2, 1)
    assert any("MOST JUDGED PRODUCTS" in n and "66.7%" in n for n in few.notes) and any(
        "again; the last counts" in n for n in few.notes
    )


def test_a_row_that_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    got = read(tmp_path, "query,product_id,grade\nlamp,1,2\nlamp,2,\nlamp,3,0\n,4,1\nlamp,4,so\n" + "desk,1,0\n" * 5)
    assert told(got)["lamp"] == {0: 2.0, 2: 0.0} and any("3 rows were left out; row 2" in n for n in got.notes)


def test_a_folder_is_no_file_of_judgments(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        read_judgments(str(tmp_path), SHOP)


def test_words_that_no_scale_knows_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'blue'.*no known scale"):
        read(tmp_path, "query,product_id,grade\nlamp,1,blue\n")


def test_a_log_of_queries_survives_what_is_wrong_in_it(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_bytes(b"query,kind,frequency\nlamp,,3\ncaf\xe9,,many\ndesk,typo,nan\n,,4\nbed,,\n")
    remarks = Remarks()
    assert read_query_log(str(tmp_path / "q.csv"), remarks) == (
        ("lamp", "", 3.0),
        ("bed", "", 0.0),
        ("café", "", 0.0),
        ("desk", "typo", 0.0),
    )
    assert any("frequencies" in line for line in remarks.lines)


lines = st.lists(st.text(alphabet='ab1 ,;\t|"\n.-E<', max_size=20), max_size=6)
heads = st.sampled_from(
    [
        "",
        "query,product_id,grade\n",
        "query_id\tdocid\tlabel\n",
        "7 0 1 2\n",
        "query;asin;relevance\n",
        "query,frequency\n",
        "query_id,query\n",
        "<top>",
    ]
)


@settings(max_examples=200, deadline=None)
@given(heads, lines, st.sampled_from(["j.csv", "j.tsv", "qrels", "j.jsonl", "j.json"]), st.binary(max_size=5))
def test_any_file_is_judgments_queries_or_a_clear_error(head: str, body: list[str], name: str, tail: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes((head + "\n".join(body)).encode() + tail)
        for read_it in (
            lambda: judged_rows(str(file), Remarks()), lambda: read_judgments(str(file), SHOP),
            lambda: query_texts(str(file), Remarks()), lambda: read_query_log(str(file), Remarks()),
        ):  # fmt: skip
            try:
                read_it()
            except RialtoError as e:
                assert str(e)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.floats(0, 1000).map(str), st.integers(0, 5).map(str)), min_size=1, max_size=8))
def test_grades_keep_their_order(written: list[str]) -> None:
    got = [(float(w), g) for w, g in zip(written, grades_of(written, Remarks())) if g is not None]
    assert all(g >= 0 for _, g in got) and all(a[1] <= b[1] for a, b in zip(sorted(got), sorted(got)[1:]))


@given(st.text(max_size=12))
def test_folding_an_id_again_changes_nothing(text: str) -> None:
    assert harmless(harmless(text)) == harmless(text)
