"""Judgments in, held-out figures out; on the made-up shop, and on real judgments where they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, NothingHere
from rialto.find.catalogue import Catalogue
from rialto.find.evaluate import STAGES, evaluate, folds_of
from rialto.find.ingest import read_catalogue
from rialto.find.judgments import Judged, judged, read_judgments
from rialto.find.pipeline import Search, build
from rialto.find.retrieve import TEXT_FIELDS
from rialto.find.train import from_judgments
from rialto.local.text import TantivyText
from rialto.local.trees import Trees
from rialto.local.trees import fit as grow
from rialto.spine.learn import Examples
from rialto.worlds.shop import Shop

DATA = Path(os.environ.get("RIALTO_DATA", "../shared/data"))


def fit(examples: Examples, seed: int) -> bytes:
    return grow(
        examples.features, examples.label, examples.group, trees=40, depth=4, learning_rate=0.1, seed=seed, names=examples.names
    ).to_bytes()


def score(model: bytes | str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    assert isinstance(model, bytes)
    return Trees.from_bytes(model).score(inputs)


@pytest.fixture(scope="module")
def some(search: Search, world: Shop) -> Judged:
    rows = np.arange(0, len(world.queries), 7)
    graded = [
        (str(world.queries.text[q]), f"p{p:05d}", float(world.grades[q, p])) for q in rows for p in range(len(world.products))
    ]
    return judged(search.catalogue, graded)


def test_stages_are_measured_with_intervals_and_learning_helps(search: Search, some: Judged) -> None:
    found = evaluate(search, some, fit=fit, score=score, folds=3)
    assert tuple(s.name for s in found.stages) == STAGES
    for stage in found.stages:
        for interval in stage.intervals.values():
            assert 0.0 <= interval.low <= interval.value <= interval.high <= 1.0
    value = {s.name: s.intervals["ndcg_trec"].value for s in found.stages}
    assert value["fusion"] > value["vector"]
    assert value["trees"] > value["fusion"] - 0.01
    assert {"ndcg_trec_low", "recall_100", "difference_p", "ms"} <= set(found.figures()["trees"])


def test_without_a_trainer_the_trained_stages_are_left_out(search: Search, some: Judged) -> None:
    assert [s.name for s in evaluate(search, some, stages=("bm25f", "trees")).stages] == ["bm25f"]
    with pytest.raises(BadInput, match="no stage 'tree'; known: trees"):
        evaluate(search, some, stages=("tree",))
    with pytest.raises(BadInput, match="folds is 1"):
        evaluate(search, some, folds=1)


def test_queries_of_the_same_words_share_a_fold() -> None:
    fold = folds_of(["laptop", "laptops", "Laptop", "desk", "desks", "lamp", "bed"], 3, seed=1)
    assert fold[0] == fold[1] == fold[2] and fold[3] == fold[4]
    assert sorted(set(fold.tolist())) == [0, 1, 2]


def test_examples_are_all_candidates_with_their_grades(search: Search, some: Judged) -> None:
    few = some.take(np.array([0, 3, 5]))
    examples = from_judgments(search, few)
    assert np.bincount(examples.group).tolist() == [100, 100, 100]  # find.rank.trees_depth of each
    own = dict(zip(few.judgments.ids[: few.judgments.offsets[1]].tolist(), few.judgments.grades.tolist()))
    first = examples.group == 0
    assert examples.label[first].tolist() == [own[i] for i in examples.candidate[first].tolist()]
    assert examples.features.shape == (300, len(examples.names))


def test_csv_and_qrels_give_the_same_judgments(catalogue: Catalogue, world_folder: Path) -> None:
    by_text = read_judgments(str(world_folder / "judgments.csv"), catalogue)
    by_id = read_judgments(str(world_folder / "qrels.txt"), catalogue, queries=str(world_folder / "queries.csv"))
    assert set(by_text.texts) == set(by_id.texts) and len(by_text.judgments.ids) == len(by_id.judgments.ids)
    assert by_text.unknown == by_text.repeated == 0
    beside = read_judgments(str(world_folder / "qrels.txt"), catalogue)
    assert beside.texts == by_id.texts and any("queries.csv, beside" in note for note in beside.notes)


def test_query_ids_without_texts_are_refused(catalogue: Catalogue, world_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "qrels.txt").write_bytes((world_folder / "qrels.txt").read_bytes())
    with pytest.raises(BadInput, match="have no text"):
        read_judgments(str(tmp_path / "qrels.txt"), catalogue)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("query,product_id,grade\nlamp,p00001,\n", "row 1, field 'grade'"), ("query,docid,rating\nlamp,p00001,so-so\n", "no known scale"),
        ("query,product_id,grade\n,p00001,1\n", "field 'query'"), ("query,product_id,grade\nlamp,p00001\n", "field 'grade'"),
        ("a,b\n1,2\n", "wanted headings"), ("", "is empty"), ("query,product_id,grade\nlamp,p1,nan\n", "field 'grade'"),
    ],
)  # fmt: skip
def test_bad_judgments_name_the_row_the_field_and_the_value(catalogue: Catalogue, tmp_path: Path, body: str, wanted: str) -> None:
    (tmp_path / "j.csv").write_text(body)
    with pytest.raises((BadRow, BadInput), match=wanted):
        read_judgments(str(tmp_path / "j.csv"), catalogue)


def test_absent_judgments_are_nothing_here(catalogue: Catalogue) -> None:
    with pytest.raises(NothingHere, match="there is no file"):
        read_judgments("/nowhere/j.csv", catalogue)


def test_a_relevant_product_that_the_catalogue_lacks_counts_against_the_ranking(search: Search) -> None:
    present = search.search(["lamp"]).decisions.of(0)[:3]
    ids = [str(search.catalogue.ids[search.catalogue.rows(present[i : i + 1])[0]]) for i in range(3)]
    rows = [("lamp", ids[0], 3.0), ("lamp", ids[1], 0.0), ("chair", ids[2], 3.0), ("chair", ids[1], 0.0)]
    whole = evaluate(search, judged(search.catalogue, rows), folds=2, stages=("fusion",))
    lacking = evaluate(search, judged(search.catalogue, [*rows, ("lamp", "gone", 3.0)]), folds=2, stages=("fusion",))
    assert lacking["fusion"].values["ndcg_trec"][0] < whole["fusion"].values["ndcg_trec"][0]


@pytest.mark.skipif(not (DATA / "icecat").exists(), reason="the icecat judgments are not at RIALTO_DATA")
def test_bm25f_on_icecat_is_where_it_was_measured() -> None:
    catalogue = read_catalogue(str(DATA / "icecat/products.jsonl.gz")).catalogue
    found = read_judgments(str(DATA / "icecat/ratings.csv"), catalogue)
    assert (len(found), int(found.spread.sum()), found.unknown) == (135, 99, 0)
    search = build(catalogue, text=TantivyText(TEXT_FIELDS))
    search.index()
    got = evaluate(search, found, stages=("bm25f",))["bm25f"].intervals["ndcg_trec"]
    assert got.count == 99 and 0.72 < got.value < 0.78
