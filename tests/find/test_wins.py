"""The evaluation's page: each query's two lists with grades, what stands out, and nothing fetched from elsewhere."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.find.builder import Builder
from rialto.find.catalogue import Catalogue
from rialto.find.evaluate import MEASURES, Evaluation, Stage
from rialto.find.judgments import Judged, judged
from rialto.find.wins import lines, page
from rialto.records import Candidates
from rialto.spine.evaluate import Difference, Interval


def shop() -> Catalogue:
    b = Builder()
    nothing: dict[str, float] = dict.fromkeys(("price_cents", "stock", "released_day", "rating", "rating_count"), float("nan"))
    texts: dict[str, str] = dict.fromkeys(("brand", "category", "description", "group", "image", "names"), "")
    for name, title in (("a", "Red lamp"), ("b", "Blue <b>lamp</b>"), ("c", "Desk"), ("d", "Standing desk")):
        b.add(name, {**texts, "title": title}, nothing, [])
    return b.finish()


def stage(name: str, values: list[float], lists: list[list[int]], difference: Difference | None = None) -> Stage:
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
    top = Candidates(offsets, np.array([i for one in lists for i in one], dtype=np.int64))
    mean = Interval(values[0], 0.1, 0.9, 0.95, len(values))
    return Stage(
        name, {m: np.array(values) for m in MEASURES}, dict.fromkeys(MEASURES, mean), difference, 1.5, 0.25, top, p=float("nan")
    )


@pytest.fixture
def judgments() -> Judged:
    return judged(
        shop(),
        [("lamp", "a", 2.0), ("lamp", "b", 0.0), ("desk", "c", 3.0), ("desk", "gone", 1.0), ("odd", "a", 1.0), ("odd", "b", 0.0)],
    )


@pytest.fixture
def evaluation() -> Evaluation:
    one = stage("bm25f", [0.4, 1.0, 0.5], [[1, 0], [2], [0, 1]])
    two = stage("all", [1.0, 0.2, 0.5], [[0, 3], [3], [0, 1]], Difference(0.1, -0.2, 0.2, 0.95, 3, 0, 0.7))
    return Evaluation((one, two), ("lamp", "desk", "odd"), 1)


def test_a_line_says_who_won_and_where_each_product_came_from(evaluation: Evaluation, judgments: Judged) -> None:
    lamp, desk, odd = lines(evaluation, judgments, shop(), "bm25f", "all")
    assert (lamp.outcome, desk.outcome, odd.outcome) == ("win", "loss", "even")
    assert [(x.id, x.place, x.other, x.grade) for x in lamp.second] == [("a", 1, 2, 2.0), ("d", 2, 0, None)]
    assert [(x.id, x.place, x.other) for x in lamp.first] == [("b", 1, 0), ("a", 2, 1)]


def test_what_the_second_list_leaves_out_is_named(evaluation: Evaluation, judgments: Judged) -> None:
    desk = lines(evaluation, judgments, shop(), "bm25f", "all")[1]
    assert [(x.id, x.grade, x.other) for x in desk.missed] == [("c", 3.0, 1), ("not in the catalogue", 1.0, 0)]


def test_the_page_stands_alone_and_writes_titles_as_text(evaluation: Evaluation, judgments: Judged) -> None:
    html = page(evaluation, judgments, shop())
    assert "Blue &lt;b&gt;lamp&lt;/b&gt;" in html and "<b>lamp</b>" not in html
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", html)
    assert [t in html for t in ("1 win", "1 loss", "1 even", "not judged", "(p = ", "within noise")] == [True] * 5 + [True]
    assert html.index(">desk<") < html.index(">odd<") < html.index(">lamp<")  # the worst first


def test_queries_with_nothing_to_find_are_left_out(evaluation: Evaluation, judgments: Judged) -> None:
    one, two = evaluation.stages
    two.values["ndcg_trec"][1] = np.nan
    assert [q.query for q in lines(Evaluation((one, two), evaluation.queries, 0), judgments, shop(), "bm25f", "all")] == [
        "lamp",
        "odd",
    ]


def test_a_stage_that_was_not_measured_and_foreign_judgments_are_refused(evaluation: Evaluation, judgments: Judged) -> None:
    with pytest.raises(BadInput, match="no stage 'trees'"):
        page(evaluation, judgments, shop(), second="trees")
    with pytest.raises(BadInput, match="'lamp'"):
        page(evaluation, judged(shop(), [("desk", "c", 1.0)]), shop())


def test_an_evaluation_without_usable_queries_is_a_page_too(judgments: Judged) -> None:
    none = [float("nan")] * 2
    empty = Evaluation((stage("bm25f", none, [[], []]), stage("all", none, [[], []])), ("lamp", "desk"), 0)
    assert "There is no query to show" in page(empty, judgments, shop())
