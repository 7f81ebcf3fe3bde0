"""The cross phase over a made-up shop, with readers that say what they were asked; one test with the real encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, EngineMissing
from rialto.find.cross import CROSS, Pace, blended, cross_features, in_place, text_of
from rialto.find.cross_pairs import judged_lists, made_up_lists
from rialto.find.judgments import judged
from rialto.records import Candidates, Context, Requests
from rialto.spine.params import overrides_of


class Reader:
    """Reads each pair in `pair_s` seconds of its own clock; a row's columns are its number."""

    def __init__(self, pair_s: float = 0.001) -> None:
        self.now, self.pair_s, self.asked = 0.0, pair_s, list[tuple[str, list[int]]]()

    def clock(self) -> float:
        return self.now

    def __call__(self, query, rows, left_s):
        self.asked.append((query, rows.tolist()))
        out = np.full((len(rows), 5), np.nan, dtype=np.float32)
        for at, row in enumerate(rows):
            if left_s() <= 0.0:
                break
            self.now += self.pair_s
            out[at] = row
        return out


def batch(catalogue, sizes, **params):
    size = sum(sizes)
    candidates = Candidates(
        np.concatenate([[0], np.cumsum(sizes)]), catalogue.numbers[:size], {"score": np.arange(size, dtype=np.float64)}
    )
    texts = np.empty(len(sizes), dtype=object)
    texts[:] = [f"query {at}" for at in range(len(sizes))]
    return Requests.of({"text": texts}, overrides=overrides_of(params, len(sizes))), candidates


def test_best_are_read_first_and_the_rest_is_not_known(catalogue):
    reader = Reader()
    requests, candidates = batch(catalogue, [40, 3], **{"find.cross.depth": 10})
    columns = cross_features(catalogue, reader).compute(requests, candidates, Context(clock=reader.clock))
    assert tuple(columns) == CROSS
    assert reader.asked == [("query 0", list(range(39, 29, -1))), ("query 1", [42, 41, 40])]
    assert np.isnan(columns["cross"]).tolist() == [True] * 30 + [False] * 13
    assert columns["cross_depth"].tolist() == [10.0] * 40 + [3.0] * 3
    assert all(values.dtype == np.float32 for values in columns.values())


def test_little_time_makes_it_read_less_and_the_pace_is_learned(catalogue):
    reader, pace = Reader(pair_s=0.01), Pace(0.001)
    requests, candidates = batch(catalogue, [40])
    made = cross_features(catalogue, reader, pace=pace)
    depths = []
    for _ in range(30):
        columns = made.compute(requests, candidates, Context(deadline_s=reader.now + 0.1, clock=reader.clock))
        depths.append(int(columns["cross_depth"][0]))
    assert len(reader.asked[0][1]) == 32 and 8 <= depths[0] <= 9  # it stopped in time all the same
    assert len(reader.asked[-1][1]) <= 9 and 7 <= depths[-1] <= 9
    assert pace.pair_s == pytest.approx(0.01, rel=0.05)


def test_no_time_reads_nothing(catalogue):
    reader = Reader()
    requests, candidates = batch(catalogue, [5])
    columns = cross_features(catalogue, reader).compute(requests, candidates, Context(deadline_s=-1.0, clock=reader.clock))
    assert not reader.asked and np.isnan(columns["cross"]).all() and not columns["cross_depth"].any()


def test_page_without_words_is_not_read(catalogue):
    reader = Reader()
    requests, candidates = batch(catalogue, [5])
    requests.column("text")[0] = ""
    assert (
        np.isnan(cross_features(catalogue, reader).compute(requests, candidates, Context())["cross"]).all() and not reader.asked
    )


def test_no_candidates_are_no_rows(catalogue):
    requests, candidates = batch(catalogue, [0])
    assert all(len(v) == 0 for v in cross_features(catalogue, Reader()).compute(requests, candidates, Context()).values())


def test_reader_of_another_shape_is_refused_and_its_fallback_is_declared(catalogue):
    requests, candidates = batch(catalogue, [5])
    made = cross_features(catalogue, lambda query, rows, left_s: np.zeros((len(rows), 2)))
    with pytest.raises(BadInput, match=r"wanted \(5, 5\)"):
        made.compute(requests, candidates, Context())
    assert made.otherwise is not None and np.isnan(made.otherwise)


def test_blend_lifts_what_was_read_and_keeps_the_rest_behind_in_its_order(catalogue):
    requests, candidates = batch(catalogue, [5], **{"find.cross.weight": 10.0})
    cross = np.array([np.nan, np.nan, 3.0, 2.0, 1.0])
    scores = blended(requests, candidates.with_columns({"cross": cross}), Context())
    assert np.argsort(-scores).tolist() == [2, 3, 4, 1, 0]
    nothing = blended(requests, candidates.with_columns({"cross": np.full(5, np.nan)}), Context())
    assert nothing.tolist() == candidates.column("score").tolist()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5), st.booleans()), max_size=14), st.integers(0, 14))
def test_what_was_not_read_keeps_its_place_and_the_others_go_by_their_scores(rows, cut):
    before, scores = (np.array([r[n] for r in rows], dtype=np.float64) for n in (0, 1))
    read, cut = np.array([r[2] for r in rows], dtype=np.bool_), min(cut, len(rows))
    candidates = Candidates(np.array([0, cut, len(rows)]), np.arange(len(rows)), {"score": before})
    made = in_place(candidates, scores, read)
    assert made[read].tolist() == scores[read].tolist() and np.isfinite(made).all()
    for own in (slice(0, cut), slice(cut, len(rows))):
        was = np.argsort(-before[own], kind="stable")
        known, placed = read[own], made[own]
        if not known.any() or len(np.unique(scores[own][known])) < known.sum():
            continue  # scores that are equal leave the places between them to the ids
        assert [r for r in np.argsort(-placed, kind="stable").tolist() if not known[r]] == [
            r for r in was.tolist() if not known[r]
        ]
        assert known[np.argsort(-placed, kind="stable")].tolist() == known[was].tolist()


@pytest.mark.parametrize("pair_s", [0.0, -1.0, float("nan")])
def test_pace_of_nothing_is_refused(pair_s):
    with pytest.raises(BadInput, match="above 0"):
        Pace(pair_s)


def test_text_tells_brand_and_title_and_every_product_has_one(catalogue):
    text = text_of(catalogue)
    for row in range(0, len(catalogue), 50):
        assert str(catalogue.text("title")[row]) in text(row)
        assert str(catalogue.text("brand")[row]).lower() in text(row).lower()


def test_made_up_queries_are_answered_best_by_their_own_product(search):
    lists = made_up_lists(search, lists=40, entries=10, seed=1)
    assert len(lists.queries) > 20 and all(lists.queries)
    for at in range(len(lists.queries)):
        grades = lists.grades[lists.offsets[at] : lists.offsets[at + 1]]
        rows = lists.rows[lists.offsets[at] : lists.offsets[at + 1]]
        assert (grades == 3).sum() == 1 and grades.min() < 3 and len(set(rows.tolist())) == len(rows) <= 10
    again = made_up_lists(search, lists=40, entries=10, seed=1)
    assert again.fingerprint == lists.fingerprint != made_up_lists(search, lists=40, entries=10, seed=2).fingerprint


def test_judged_queries_keep_their_grades_and_what_nobody_judged_has_none(search):
    ids = [str(i) for i in search.catalogue.ids[:3]]
    lists = judged_lists(
        search, judged(search.catalogue, [("lamp", ids[0], 3.0), ("lamp", ids[1], 1.0), ("lamp", "gone", 2.0)]), depth=5
    )
    grade = dict(zip(lists.rows.tolist(), lists.grades.tolist()))
    assert grade[0] == 3.0 and grade[1] == 1.0 and sum(grade.values()) == 4.0 and 2 <= len(grade) <= 7


def test_real_encoder_reads_for_the_phase(catalogue, tmp_path: Path):
    from rialto.app.cross import open_cross

    try:
        cross = open_cross(tmp_path, catalogue, layers=1)
    except EngineMissing as missing:
        pytest.skip(str(missing))
    requests, candidates = batch(catalogue, [4])
    columns = cross_features(catalogue, cross.read).compute(requests, candidates, Context())
    cross.close()
    assert np.isfinite(columns["cross"]).all() and cross.version.startswith("late-1-")
