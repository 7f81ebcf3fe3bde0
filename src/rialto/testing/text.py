"""The exam of the TextIndex port: filters exact, deletes honoured, a re-added id replaces, order total, BM25F near enough."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow
from rialto.ports import Clause, Hits, TextField, TextIndex, TextQuery

__all__ = ["TextIndexExam", "bm25f"]

FIELDS = (TextField("title", boost=2.0, b=0.5), TextField("text"))
WORDS = np.array([a + b + c for a in ("bo", "ki", "lu", "ma") for b in ("dok", "rin", "tam", "zun") for c in ("", "bak", "mot")])
"""Made-up words that no stemmer changes and that are in nobody's list of stop words."""


def bm25f(texts: Sequence[Sequence[str]], fields: Sequence[TextField], query: str) -> NDArray[np.float64]:
    """BM25F of every document for the distinct words of `query`, shape (documents,), in plain numpy.

    `texts[field][document]` is already lower case and divided by spaces. The weighted frequency of a word, each field
    normalised by its own length and `b`, saturates once with `k1` (the fields' mean by weight).

    Source:
        Robertson, Zaragoza (2009), "The probabilistic relevance framework: BM25 and beyond", section 3.6.

    Example:
        >>> bm25f([["a b", "b"]], [TextField("text")], "a").round(2)
        array([0.61, 0.  ])
    """
    documents = [[text.split() for text in column] for column in texts]
    weight = np.array([f.boost for f in fields])
    k1 = np.average([f.k1 for f in fields], weights=weight)
    total = np.zeros(len(texts[0]))
    for word in dict.fromkeys(query.split()):
        frequency = np.zeros(len(total))
        for field, column in zip(fields, documents):
            length = np.array([len(d) for d in column])
            norm = 1 - field.b + field.b * length / max(length.mean(), 1e-9)
            frequency += field.boost * np.array([d.count(word) for d in column]) / norm
        n = np.count_nonzero(frequency)
        total += np.log1p((len(total) - n + 0.5) / (n + 0.5)) * (k1 + 1) * frequency / (k1 + frequency)
    return total


def small_corpus(documents: int = 300, seed: int = 7) -> tuple[NDArray[np.int64], dict[str, list[str]]]:
    """Ids in no order and two fields of made-up words, some common and most rare."""
    rng = np.random.default_rng(seed)
    chance = 1.0 / np.arange(1, len(WORDS) + 1)

    def text(most: int) -> str:
        return " ".join(rng.choice(WORDS, rng.integers(1, most), p=chance / chance.sum()))

    ids = rng.permutation(np.arange(documents, dtype=np.int64) * 3 - 50)
    return ids, {"title": [text(6) for _ in ids], "text": [text(40) for _ in ids]}


class TextIndexExam:
    """Subclass it, and say how to `open` your engine with `FIELDS`; the texts are in English.

    `overlap` is the share of a plain BM25F's first ten that the engine's first ten must hold, on average over queries: 0.8 allows
    for another rounding of lengths or another saturation, 1.0 asks for the same set.
    """

    overlap: float = 0.8

    def open(self, fields: Sequence[TextField], folder: Path) -> TextIndex:
        """An empty index of `fields`."""
        raise NotImplementedError

    @pytest.fixture
    def index(self, tmp_path: Path) -> Any:
        index = self.open(FIELDS, tmp_path)
        yield index
        index.close()

    def test_is_a_text_index(self, index: TextIndex) -> None:
        assert isinstance(index, TextIndex)

    def test_empty_index_finds_nothing(self, index: TextIndex) -> None:
        assert rows(ask(index, "bodok", "kirin")) == [[], []]

    def test_top_results_are_those_of_plain_bm25f(self, index: TextIndex) -> None:
        ids, texts = small_corpus()
        index.add(ids, texts, {})
        rng = np.random.default_rng(3)
        queries = [" ".join(rng.choice(WORDS, size, replace=False)) for size in (1, 2, 3, 4) for _ in range(8)]
        shared = [
            len(set(best(ids, bm25f([texts["title"], texts["text"]], FIELDS, query), 10)) & set(got)) / max(len(got), 1)
            for query, got in zip(queries, rows(ask(index, *queries)))
        ]
        assert np.mean(shared) >= self.overlap

    def test_order_is_by_falling_score_and_then_by_id(self, index: TextIndex) -> None:
        index.add(np.array([5, 9, 1, 7]), {"title": ["bodok", "kirin bodok mazun", "bodok", "bodok"]}, {})
        hits = ask(index, "bodok")
        assert hits.ids.tolist() == [1, 5, 7, 9]
        assert np.all(np.diff(hits.scores) <= 0)

    def test_ties_across_the_limit_go_to_the_smaller_ids(self, index: TextIndex) -> None:
        ids = np.random.default_rng(0).permutation(np.arange(2500))
        index.add(ids, {"text": ["lutam"] * len(ids)}, {})
        assert ask(index, "lutam", limit=7).ids.tolist() == list(range(7))

    def test_word_in_the_heavier_field_counts_more(self, index: TextIndex) -> None:
        index.add(np.array([1, 2]), {"title": ["kirin", "bodok"], "text": ["bodok", "kirin"]}, {})
        assert ask(index, "bodok").ids.tolist() == [2, 1]

    def test_case_and_accents_do_not_matter(self, index: TextIndex) -> None:
        index.add(np.array([1]), {"title": ["Crème BODOK"]}, {})
        assert rows(ask(index, "creme", "CRÈME", "bodok")) == [[1], [1], [1]]

    def test_model_number_is_found_whole_and_by_its_parts(self, index: TextIndex) -> None:
        index.add(np.array([1, 2]), {"title": ["dv7-1211ea bodok", "kirin"]}, {})
        assert rows(ask(index, "dv7-1211ea", "DV7-1211EA", "dv7", "1211ea")) == [[1]] * 4

    def test_removed_documents_are_not_found(self, index: TextIndex) -> None:
        index.add(np.array([1, 2, 3]), {"text": ["bodok"] * 3}, {})
        ask(index, "bodok")
        index.remove(np.array([2, 99]))
        assert ask(index, "bodok").ids.tolist() == [1, 3]
        index.remove(np.array([1, 3]))
        assert ask(index, "bodok").ids.tolist() == []

    def test_added_again_a_document_replaces_what_it_was(self, index: TextIndex) -> None:
        index.add(np.array([1, 2]), {"text": ["bodok", "bodok"]}, {"price": np.array([1.0, 1.0])})
        ask(index, "bodok")
        index.add(np.array([1]), {"text": ["kirin"]}, {"price": np.array([9.0])})
        assert rows(ask(index, "bodok", "kirin")) == [[2], [1]]
        assert only(index, "kirin", Clause("price", high=5.0)) == []

    def test_last_row_of_an_id_in_one_batch_counts(self, index: TextIndex) -> None:
        index.add(np.array([1, 2, 1]), {"text": ["bodok", "bodok", "kirin"]}, {"price": np.array([1.0, 2.0, 3.0])})
        assert rows(ask(index, "bodok", "kirin")) == [[2], [1]]
        assert only(index, "kirin", Clause("price", low=3.0)) == [1]

    def test_text_filters_are_exact(self, index: TextIndex) -> None:
        brands = np.array(["Acme Co", "acme co", ("Acme", "Kirin"), None, "Acme-Co"], dtype=object)
        index.add(np.arange(5), {"text": ["bodok"] * 5}, {"brand": brands})
        assert only(index, "bodok", Clause("brand", ("Acme Co",))) == [0]
        assert only(index, "bodok", Clause("brand", ("Acme",))) == [2]
        assert only(index, "bodok", Clause("brand", ("Kirin", "acme co", "nobody"))) == [1, 2]
        assert only(index, "bodok", Clause("brand", ("Acme Co", "Acme"), negate=True)) == [1, 3, 4]
        assert only(index, "bodok", Clause("brand", ("nobody",))) == []

    def test_number_filters_are_exact_with_both_ends_in(self, index: TextIndex) -> None:
        prices = np.array([-1e9, -0.1, 0.0, 0.1, 0.30000000000000004, 0.3, 1e9, np.nan])
        index.add(np.arange(8), {"text": ["bodok"] * 8}, {"price": prices})
        assert only(index, "bodok", Clause("price", low=0.1, high=0.3)) == [3, 5]
        assert only(index, "bodok", Clause("price", high=0.0)) == [0, 1, 2]
        assert only(index, "bodok", Clause("price", low=0.3)) == [4, 5, 6]
        assert only(index, "bodok", Clause("price", low=-0.1, high=1e9, negate=True)) == [0, 7]
        assert only(index, "bodok", Clause("price", low=2.0, high=1.0)) == []

    def test_all_filters_must_hold(self, index: TextIndex) -> None:
        columns = {"brand": np.array(["a", "a", "b"], dtype=object), "price": np.array([1.0, 5.0, 1.0])}
        index.add(np.arange(3), {"text": ["bodok"] * 3}, columns)
        assert only(index, "bodok", Clause("brand", ("a",)), Clause("price", high=2.0)) == [0]

    def test_filter_does_not_change_the_score_nor_shorten_the_answer(self, index: TextIndex) -> None:
        ids, texts = small_corpus()
        index.add(ids, texts, {"even": (ids % 2 == 0).astype(float)})
        free = index.search([TextQuery(str(WORDS[0]))], limit=len(ids))
        kept = index.search([TextQuery(str(WORDS[0]), (Clause("even", low=1.0),))], limit=10)
        even = free.ids % 2 == 0
        assert kept.ids.tolist() == free.ids[even][:10].tolist()
        np.testing.assert_allclose(kept.scores, free.scores[even][:10], rtol=1e-6)

    def test_match_share_asks_for_that_many_of_the_words(self, index: TextIndex) -> None:
        index.add(np.arange(3), {"text": ["bodok", "bodok kirin", "bodok kirin lutam"]}, {})
        found = [sorted(rows(share(index, "bodok kirin lutam mazun", s))[0]) for s in (0.0, 0.5, 0.75, 1.0)]
        assert found == [[0, 1, 2], [1, 2], [2], []]

    def test_batch_equals_its_queries_one_by_one(self, index: TextIndex) -> None:
        ids, texts = small_corpus()
        index.add(ids, texts, {})
        together = rows(ask(index, *WORDS[:20]))
        assert together == [rows(ask(index, word))[0] for word in WORDS[:20]]
        assert rows(index.search([], limit=5)) == []

    @pytest.mark.parametrize("text", ["", "   ", "?!.,", '+-"()[]:^~*', "\x00", "\ud800", "AND OR NOT", "🙂"])
    def test_query_without_words_finds_nothing(self, index: TextIndex, text: str) -> None:
        index.add(np.array([1]), {"text": ["bodok"]}, {})
        assert ask(index, text).ids.tolist() == []

    def test_query_syntax_is_only_text(self, index: TextIndex) -> None:
        index.add(np.array([1, 2]), {"text": ["bodok", "kirin"]}, {})
        for text in ("title:bodok", "-bodok +nothing", '"bodok', "bodok^5 (", "bodok~2]", "[bodok TO *}", "bodok\\", "/bodok/"):
            assert ask(index, text).ids.tolist() == [1], text

    def test_query_of_ten_thousand_words_is_answered(self, index: TextIndex) -> None:
        index.add(np.array([1]), {"text": ["bodok"]}, {})
        assert ask(index, "bodok " + " ".join(f"w{i}" for i in range(10_000))).ids.tolist() == [1]

    def test_unknown_filter_field_is_refused_with_the_known_ones(self, index: TextIndex) -> None:
        index.add(np.array([1]), {"text": ["bodok"]}, {"price": np.array([1.0])})
        with pytest.raises(BadInput, match="price"):
            only(index, "bodok", Clause("prise", low=1.0))

    def test_filter_of_the_wrong_kind_is_refused(self, index: TextIndex) -> None:
        columns = {"price": np.array([1.0]), "brand": np.array(["a"], dtype=object)}
        index.add(np.array([1]), {"text": ["bodok"]}, columns)
        for clause in (Clause("price", ("1",)), Clause("brand", low=1.0), Clause("price"), Clause("price", low=float("nan"))):
            with pytest.raises(BadInput):
                only(index, "bodok", clause)

    def test_bad_batch_is_refused_and_nothing_is_added(self, index: TextIndex) -> None:
        good, two = {"text": ["bodok", "bodok"]}, np.array([1, 2])
        for texts, filters in (
            ({"text": ["bodok"]}, {}),
            ({"txet": ["bodok", "bodok"]}, {}),
            (good, {"price": np.array([1.0])}),
            (good, {"price": np.array([1.0, np.inf])}),
            (good, {"brand": np.array(["a", 3], dtype=object)}),
            ({"text": ["bodok", None]}, {}),
        ):
            with pytest.raises((BadInput, BadRow)):
                index.add(two, texts, filters)  # pyright: ignore[reportArgumentType]
        assert ask(index, "bodok").ids.tolist() == []

    def test_limit_and_share_out_of_range_are_refused(self, index: TextIndex) -> None:
        with pytest.raises(BadInput, match="limit"):
            ask(index, "bodok", limit=0)
        for bad in (-0.1, 1.1, float("nan")):
            with pytest.raises(BadInput, match="match_share"):
                share(index, "bodok", bad)

    def test_close_may_be_called_twice(self, index: TextIndex) -> None:
        index.close()
        index.close()


def rows(hits: Hits) -> list[list[int]]:
    """The ids of each query."""
    return [part.tolist() for part in np.split(hits.ids, hits.offsets[1:-1])] if len(hits.offsets) > 1 else []


def best(ids: NDArray[np.int64], scores: NDArray[np.float64], limit: int) -> list[int]:
    """The first `limit` ids with a score, by score and then by id."""
    order = np.lexsort((ids, -scores))
    return ids[order[scores[order] > 0]][:limit].tolist()


def ask(index: TextIndex, *texts: str, limit: int = 10) -> Hits:
    """One query for each text."""
    return index.search([TextQuery(str(text)) for text in texts], limit=limit)


def share(index: TextIndex, text: str, match_share: float) -> Hits:
    """One query of which a share of the words must match."""
    return index.search([TextQuery(text, match_share=match_share)], limit=10)


def only(index: TextIndex, text: str, *clauses: Clause) -> list[int]:
    """Ids found for `text` under `clauses`, sorted."""
    return sorted(index.search([TextQuery(text, clauses)], limit=100).ids.tolist())
