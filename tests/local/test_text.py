"""TantivyText against its exam, against plain BM25F to the last digit, and against bad input and broken folders."""

from __future__ import annotations

import csv
import gzip
import json
import os
import threading
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.local.bm25f import ForwardIndex, score_numpy
from rialto.local.text import TantivyText
from rialto.local.words import Analyser
from rialto.ports import Clause, TextField, TextQuery
from rialto.testing.text import FIELDS, WORDS, TextIndexExam, ask, best, bm25f, only, rows, share, small_corpus

DATA = Path(os.environ.get("RIALTO_DATA", "../shared/data")) / "icecat"


class TestTantivyInMemory(TextIndexExam):
    overlap = 1.0

    def open(self, fields, folder):
        return TantivyText(fields)


class TestTantivyInFolder(TextIndexExam):
    overlap = 1.0

    def open(self, fields, folder):
        return TantivyText(fields, folder)


def two_fields(documents):
    return [[d[0] for d in documents], [d[1] for d in documents]]


WORD_LISTS = st.lists(st.sampled_from(WORDS[:6].tolist()), max_size=5).map(" ".join)
DOCUMENTS = st.lists(st.tuples(WORD_LISTS, WORD_LISTS), min_size=1, max_size=12)
CHANGES = st.lists(st.tuples(st.integers(0, 8), WORD_LISTS, WORD_LISTS, st.booleans()), min_size=1, max_size=30)


@settings(deadline=None, max_examples=30)
@given(DOCUMENTS, WORD_LISTS)
def test_scores_are_plain_bm25f(documents, query):
    index, ids = TantivyText(FIELDS), np.arange(len(documents))
    index.add(ids, dict(zip(("title", "text"), two_fields(documents))), {})
    want = bm25f(two_fields(documents), FIELDS, query)
    hits = ask(index, query, limit=50)
    assert set(hits.ids.tolist()) == set(best(ids, want, 50))
    np.testing.assert_allclose(hits.scores, want[hits.ids], rtol=1e-12)


@settings(deadline=None, max_examples=30)
@given(CHANGES)
def test_index_after_any_changes_equals_one_built_from_what_is_left(changes):
    index, left = TantivyText(FIELDS), {}
    for number, title, text, add in changes:
        if add:
            index.add(np.array([number]), {"title": [title], "text": [text]}, {})
            left[number] = (title, text)
        else:
            index.remove(np.array([number]))
            left.pop(number, None)
    fresh = TantivyText(FIELDS)
    fresh.add(np.array(list(left), np.int64), dict(zip(("title", "text"), two_fields(list(left.values())))), {})
    assert len(index) == len(left)
    for word in WORDS[:6]:
        mine, theirs = ask(index, word), ask(fresh, word)
        assert mine.ids.tolist() == theirs.ids.tolist()
        np.testing.assert_allclose(mine.scores, theirs.scores, rtol=1e-12)


@settings(deadline=None, max_examples=30)
@given(DOCUMENTS, st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
def test_kernel_equals_plain_numpy(documents, words):
    index, names = ForwardIndex(FIELDS), WORDS[:6].tolist()
    columns = [[text.split() for text in column] for column in two_fields(documents)]
    slots = np.array(index.add(range(len(documents)), columns))
    for word in names:
        index.vocabulary.setdefault(word, len(index.vocabulary))
    index.add([], [[], []])
    terms = np.array([index.vocabulary[names[w]] for w in words], np.int32)
    counts = np.array([[[column[d].count(names[w]) for column in columns] for w in words] for d in range(len(documents))], float)
    lengths = np.array([[len(column[d]) for column in columns] for d in range(len(documents))], float)
    want = score_numpy(counts, lengths, np.maximum(lengths.mean(axis=0), 1e-9), index.idf(terms), index.weight, index.b, index.k1)
    np.testing.assert_allclose(index.score(terms, slots), want, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20), st.data())
def test_number_range_is_exact_for_any_numbers(numbers, data):
    low, high = (data.draw(st.one_of(st.none(), st.sampled_from(numbers), st.floats(allow_nan=False))) for _ in range(2))
    if low is None and high is None:
        low = numbers[0]
    index = TantivyText(FIELDS)
    index.add(np.arange(len(numbers)), {"text": ["bodok"] * len(numbers)}, {"n": np.array(numbers)})
    want = [i for i, n in enumerate(numbers) if (low is None or n >= low) and (high is None or n <= high)]
    assert only(index, "bodok", Clause("n", low=low, high=high)) == want


@settings(deadline=None, max_examples=60)
@given(st.text(), st.text(min_size=1), st.text(min_size=1))
def test_any_text_is_a_document_a_query_and_a_filter(text, name, value):
    index = TantivyText(FIELDS)
    index.add(np.array([1, 2]), {"title": [text, "kirin"]}, {name: np.array([value, None], object)})
    assert set(ask(index, text).ids.tolist()) <= {1, 2}
    assert only(index, text + " kirin", Clause(name, (value,), negate=True)) == [2]
    if Analyser().words(text):
        assert only(index, text, Clause(name, (value,))) == [1]


def test_analyser_keeps_model_numbers_whole_and_in_parts():
    analyse = Analyser("en")
    assert analyse.terms("HP dv7-1211ea") == ["hp", "dv7", "1211ea", "dv71211ea"]
    assert analyse.words("Wi-Fi") == [("wi", "wifi"), ("fi", "wifi")]
    assert analyse.terms("15.6 inch") == ["15.6", "inch", "15"]
    assert analyse.terms("and/or example.com") == ["and", "or", "exampl", "com"]


def test_analyser_folds_case_accents_possessives_and_endings():
    assert Analyser("en").terms("Women's RUNNING shoes, cafe\u0301 naïve ﬁne") == ["women", "run", "shoe", "cafe", "naiv", "fine"]
    assert Analyser("").terms("Running shoes") == ["running", "shoes"]
    assert Analyser("de").terms("Schuhe") == Analyser("de").terms("Schuh")


def test_unspaced_and_spaced_spellings_of_a_compound_meet():
    index = TantivyText(FIELDS)
    index.add(np.array([1, 2]), {"title": ["wi-fi router", "wifi router"]}, {})
    assert [sorted(found) for found in rows(ask(index, "wifi", "wi-fi"))] == [[1, 2], [1, 2]]
    assert sorted(rows(share(index, "wi-fi router", 1.0))[0]) == [1, 2]


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=20))
def test_words_seen_before_are_split_as_new_ones_are(text):
    analyser = Analyser("en")
    clean = analyser._clean(text)
    assert analyser._split(clean) == analyser._analyse(clean)


@pytest.mark.parametrize("piece", ["x", "1", "1.", "x-", "x.", "'s", "é", "a'", "\u0301"])
def test_endless_words_cost_no_more_than_their_length(piece):
    index = TantivyText(FIELDS)
    index.add(np.array([1]), {"title": [piece * 100_000 + " bodok"]}, {})
    assert rows(ask(index, "x" * 100_000, "bodok")) == [[], [1]]
    assert ask(index, piece * 100_000 + " bodok").ids.tolist() == [1]


def test_unknown_language_is_refused_with_the_known_ones():
    with pytest.raises(BadInput, match="en"):
        TantivyText(FIELDS, language="klingon")


@pytest.mark.parametrize(
    "fields",
    [[], [TextField("a"), TextField("a")], [TextField("")], [TextField("a", boost=0.0)], [TextField("a", b=1.5)],
     [TextField("a", k1=float("nan"))], [TextField("a", boost=float("inf"))]],
)  # fmt: skip
def test_impossible_fields_are_refused(fields):
    with pytest.raises(BadInput):
        TantivyText(fields)


def test_reopened_folder_answers_as_before(tmp_path):
    ids, texts = small_corpus(200)
    index = TantivyText(FIELDS, tmp_path)
    index.add(ids, texts, {"price": ids.astype(float), "brand": np.array(["a", "b"] * 100, object)})
    index.remove(ids[:50])
    index.add(ids[60:70], {"title": ["kirin"] * 10}, {"price": np.zeros(10)})
    query = TextQuery(f"{WORDS[0]} kirin", (Clause("price", low=-10.0, high=400.0), Clause("brand", ("b",), negate=True)))
    before = index.search([query], limit=20)
    index.close()
    again = TantivyText(FIELDS, tmp_path)
    after = again.search([query], limit=20)
    assert after.ids.tolist() == before.ids.tolist()
    np.testing.assert_allclose(after.scores, before.scores, rtol=1e-12)
    again.add(np.array([10_000]), {"title": ["newest"]}, {})
    assert ask(again, "newest").ids.tolist() == [10_000]
    again.close()


def test_folder_open_elsewhere_is_busy(tmp_path):
    index = TantivyText(FIELDS, tmp_path)
    with pytest.raises(EngineBusy, match="another"):
        TantivyText(FIELDS, tmp_path)
    index.close()


def test_folder_of_other_fields_is_refused(tmp_path):
    index = TantivyText(FIELDS, tmp_path)
    index.add(np.array([1]), {"title": ["bodok"]}, {})
    index.close()
    with pytest.raises(BadInput, match="title"):
        TantivyText([TextField("name")], tmp_path)


def test_damaged_folder_is_lost_with_what_to_do(tmp_path):
    index = TantivyText(FIELDS, tmp_path)
    index.add(np.array([1]), {"title": ["bodok"]}, {})
    index.close()
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(EngineLost, match="index again"):
        TantivyText(FIELDS, tmp_path)
    (tmp_path / "rialto.json").write_text("{")
    with pytest.raises(EngineLost, match="index again"):
        TantivyText(FIELDS, tmp_path)


def test_closed_index_says_so():
    index = TantivyText(FIELDS)
    index.close()
    with pytest.raises(EngineLost, match="closed"):
        ask(index, "bodok")


def test_slots_are_used_again_and_memory_is_given_back():
    index = ForwardIndex([TextField("text")])
    for turn in range(40):
        index.remove(range(50))
        slots = index.add(range(50), [[[f"w{turn}x{i}" for i in range(1000)]] * 50])
    assert sorted(slots) == list(range(50))
    assert len(index._keys) < 40 * 50 * 1000


def test_searches_while_writing_see_whole_documents():
    index = TantivyText(FIELDS)
    index.add(np.arange(50), {"title": ["bodok"] * 50}, {})
    sizes, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            sizes.add(len(ask(index, "bodok", limit=100).ids))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(20):
        index.add(np.arange(50), {"title": [f"bodok t{turn}"] * 50}, {})
    stop.set()
    reader.join()
    assert sizes == {50}


@pytest.mark.skipif(not DATA.exists(), reason=f"no judged catalogue at {DATA}; set RIALTO_DATA")
def test_defaults_rank_a_judged_catalogue_as_well_as_bm25_does():
    with gzip.open(DATA / "products.jsonl.gz", "rt", encoding="utf-8") as lines:
        products = [json.loads(line) for line in lines]
    judged = defaultdict(dict)
    with (DATA / "ratings.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            judged[row["query"]][int(row["docid"])] = 2.0 ** float(row["rating"]) - 1
    queries = [q for q, grades in judged.items() if len(set(grades.values())) > 1]
    columns = {name: [p.get(name) or "" for p in products] for name in ("title", "name", "supplier", "short_description")}
    columns["attributes"] = [" ".join(str(v) for k, v in p.items() if k.startswith("attr_t_")) for p in products]
    index = TantivyText([TextField(name) for name in columns])
    index.add(np.array([int(p["id"]) for p in products]), columns, {})
    discount = 1 / np.log2(np.arange(2, 12))
    quality = []
    for query, found in zip(queries, rows(ask(index, *queries))):
        gains = np.array([judged[query].get(i, 0.0) for i in found])
        ideal = np.sort(list(judged[query].values()))[::-1][:10]
        quality.append((gains * discount[: len(gains)]).sum() / (ideal * discount[: len(ideal)]).sum())
    assert len(queries) == 99
    assert 0.68 < np.mean(quality) < 0.74


@settings(deadline=None, max_examples=30)
@given(DOCUMENTS, st.lists(WORD_LISTS, max_size=3), st.integers(1, 15))
def test_what_is_found_in_no_order_is_what_is_found(documents, queries, limit):
    index, ids = TantivyText(FIELDS), np.arange(len(documents))
    cheap = np.where(ids % 3 == 0, 10.0, 90.0)
    index.add(ids, dict(zip(("title", "text"), two_fields(documents))), {"price": cheap})
    asked = [TextQuery(q) for q in queries] + [TextQuery(q, (Clause("price", high=20.0),), 0.5) for q in queries]
    assert sorted(index.every(asked, limit=limit).tolist()) == sorted(index.search(asked, limit=limit).ids.tolist())


def test_no_limit_is_refused_also_where_nothing_is_put_in_order():
    with pytest.raises(BadInput, match="limit is 0"):
        TantivyText(FIELDS).every([TextQuery("red")], limit=0)


@settings(deadline=None, max_examples=30)
@given(DOCUMENTS, st.lists(WORD_LISTS, max_size=3))
def test_a_document_holds_a_word_where_a_search_for_it_finds_the_document(documents, queries):
    index, ids = TantivyText(FIELDS), np.arange(len(documents))
    index.add(ids, dict(zip(("title", "text"), two_fields(documents))), {})
    index.remove(np.array([0]))
    asked = np.arange(-1, len(documents) + 1)
    found = index.every([TextQuery(q) for q in queries], limit=50).tolist()
    assert index.holding(queries, asked).tolist() == [i in found for i in asked.tolist()]
