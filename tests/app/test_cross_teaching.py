"""A cross-encoder is promoted where held-out judged queries show that whole lists rank better with it, and not otherwise."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.app.cross import Cross, opened, paced, shelf_of
from rialto.app.cross_teaching import Course, teach_cross, wanted
from rialto.errors import BadInput, EngineMissing
from rialto.find.catalogue import Catalogue
from rialto.find.cross_pairs import Lists
from rialto.find.ingest import read_catalogue
from rialto.find.judgments import Judged
from rialto.find.pipeline import Search, build
from rialto.find.retrieve import TEXT_FIELDS
from rialto.local import minilm
from rialto.local.cross_graph import CrossShape, Head
from rialto.local.cross_model import CrossModel
from rialto.local.text import TantivyText
from rialto.spine.evaluate import Judgments

THINGS, QUERIES = 6, 48


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Products `thing A n` whose words cannot tell which of them is wanted."""
    rows = "".join(f"q{q}n{n},thing{q} item number{n}\n" for q in range(QUERIES) for n in range(THINGS))
    file = tmp_path_factory.mktemp("cross") / "shop.csv"
    file.write_text("id,title\n" + rows)
    made = build(read_catalogue(str(file)).catalogue, text=TantivyText(TEXT_FIELDS))
    made.index()
    return made


@pytest.fixture(scope="module")
def judged(search: Search) -> Judged:
    """Of each thing the last two are wanted, which stand last where words alone rank."""
    rows = [(q, f"q{q}n{n}", 3.0 if n >= THINGS - 2 else 0.0) for q in range(QUERIES) for n in range(THINGS)]
    ids = np.array([search.catalogue.number_of(name) for _, name, _ in rows])
    grades = np.array([g for _, _, g in rows])
    query = np.array([q for q, _, _ in rows])
    return Judged(tuple(f"thing{q}" for q in range(QUERIES)), Judgments.of(query=query, ids=ids, grades=grades, queries=QUERIES))


class Pretend:
    """A trainer and an engine that read a product's number off its title, upwards or downwards."""

    def __init__(self, sign: float) -> None:
        self.sign, self.seen, self.closed = sign, list[frozenset[str]](), 0

    def train(
        self, lists: Lists, catalogue: Catalogue, start: CrossModel | None, steps: int, seed: int, tell: Callable[[str], None]
    ) -> CrossModel:
        self.seen.append(frozenset(lists.queries))
        return CrossModel(CrossShape(1, 1), Head(cos=float(len(self.seen))), data=lists.fingerprint, params={"steps": str(steps)})

    def open(self, home: Path, catalogue: Catalogue, model: CrossModel) -> Cross:
        numbers = np.array([float(str(t)[-1]) for t in catalogue.text("title").tolist()])

        def read(query: str, rows: NDArray[np.int64], left_s: Callable[[], float]) -> NDArray[np.float32]:
            return np.repeat(100.0 * self.sign * numbers[rows][:, np.newaxis], 5, axis=1).astype(np.float32)

        def close() -> None:
            self.closed += 1

        return Cross(read, model.version, lambda rows: None, 10, close)


def test_what_surely_ranks_better_is_promoted_for_this_shop_alone(search: Search, judged: Judged, tmp_path: Path) -> None:
    pretend = Pretend(1.0)
    made = teach_cross(tmp_path, search, judged, course=Course(0, (1, 7), folds=3), train=pretend.train, open_as=pretend.open)
    assert made.promoted and made.verdict.low > 0.0 and made.judged_on == QUERIES
    live = shelf_of(tmp_path, search.ranker).live()
    assert live is not None and live.version == made.version and live.params == {"steps": "7"}
    assert live.metrics["low"] == pytest.approx(made.verdict.low)
    assert shelf_of(tmp_path).live() is None and shelf_of(tmp_path, "find.ranker-other").live() is None
    folds, whole = pretend.seen[:3], pretend.seen[3]
    assert whole == frozenset(judged.texts) and all(f < whole for f in folds), "no fold is judged by what saw it"
    assert frozenset.intersection(*folds) == frozenset() and pretend.closed == 4


def test_what_ranks_worse_is_neither_kept_nor_promoted(search: Search, judged: Judged, tmp_path: Path) -> None:
    pretend = Pretend(-1.0)
    made = teach_cross(tmp_path, search, judged, course=Course(0), train=pretend.train, open_as=pretend.open)
    assert (made.promoted, made.version) == (False, "") and "not surely above 0" in made.verdict.reason
    assert shelf_of(tmp_path, search.ranker).versions() == []


def test_with_few_judgments_or_none_it_is_kept_and_not_promoted(search: Search, judged: Judged, tmp_path: Path) -> None:
    pretend = Pretend(1.0)
    few = judged.take(np.arange(10))
    made = teach_cross(tmp_path, search, few, course=Course(20), train=pretend.train, open_as=pretend.open)
    assert not made.promoted and "too little data: 10 usable" in made.verdict.reason
    shelf = shelf_of(tmp_path, search.ranker)
    assert shelf.versions() == [made.version] and shelf.live() is None
    none = teach_cross(tmp_path, search, None, course=Course(20), train=pretend.train, open_as=pretend.open)
    assert none.version and not none.promoted
    with pytest.raises(BadInput, match="neither"):
        teach_cross(tmp_path, search, None, course=Course(0), train=pretend.train, open_as=pretend.open)


def test_without_torch_the_command_is_told_before_anybody_waits(search: Search, tmp_path: Path) -> None:
    if find_spec("torch"):
        pytest.skip("PyTorch is installed here")
    for missing in (wanted, lambda: teach_cross(tmp_path, search, None)):
        with pytest.raises(EngineMissing, match=r"rialto\[train\]"):
            missing()


@pytest.mark.parametrize("course", [{"made_up": -1}, {"steps": (0, 1)}, {"folds": 1}])
def test_a_course_out_of_range_is_refused(course: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="2 folds or more"):
        Course(**course)  # type: ignore[arg-type]


def test_how_long_a_pair_takes_is_measured_when_it_is_opened() -> None:
    read_rows: list[list[int]] = []

    def read(query: str, rows: NDArray[np.int64], left_s: Callable[[], float]) -> NDArray[np.float32]:
        read_rows.append(rows.tolist())
        return np.ones((len(rows), 5), dtype=np.float32)

    cross = Cross(read, "v", lambda rows: None, 1, lambda: None)
    assert paced(cross, 1000).pair_s < 0.002
    assert [len(r) for r in read_rows] == [1, 8] and not set(read_rows[0]) & set(read_rows[1]), "the engine is started before"
    assert paced(cross, 0).pair_s == paced(cross, 1).pair_s == 0.002
    unread = Cross(
        lambda q, rows, left: np.full((len(rows), 5), np.nan, dtype=np.float32), "v", lambda rows: None, 1, lambda: None
    )
    assert paced(unread, 1000).pair_s == 0.002


def test_a_trained_model_is_quantised_and_reads_as_it_will_serve(search: Search, tmp_path: Path) -> None:
    try:
        minilm.weights()
    except EngineMissing as e:
        pytest.skip(str(e))
    cross = opened(tmp_path, search.catalogue, CrossModel(CrossShape(2, 1), Head(cos=1.0)))
    table = cross.read("thing3", np.arange(4), lambda: float("inf"))
    assert table.shape == (4, 5) and np.isfinite(table).all()
    assert paced(cross, len(search.catalogue)).pair_s != 0.002
    cross.close()
    assert list((tmp_path / "minilm").iterdir()), "the graph is written"
