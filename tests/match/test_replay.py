"""The real day's game: the rule is kept, small days come out as a person reckons, and the published methods are met."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, BadRow, BadSettings
from rialto.local.geo import GridGeo
from rialto.match.replay import PUBLISHED, Arrivals, Day, Replayed, check, read_day, replay

DATA = Path(os.environ.get("RIALTO_DATA", "../shared/data")) / "taxi_calling" / "arrivals.txt.gz"


def day(tasks: list[tuple[float, float]], workers: list[tuple[float, float]]) -> Day:
    """Tasks and workers as (time, x), on a line; tasks wait 100 s, workers 50 s and go 10 m."""
    t = [[time, x, 0.0, 100.0, 0.0] for time, x in tasks]
    w = [[time, x, 0.0, 50.0, 10.0] for time, x in workers]
    return Day(Arrivals.of(np.array(t, dtype=np.float64)), Arrivals.of(np.array(w, dtype=np.float64)))


def test_task_is_matched_in_the_window_in_which_both_wait() -> None:
    done = replay(day([(0.0, 0.0)], [(41.0, 5.0)]), GridGeo(), window_s=10.0)
    assert (done.task.tolist(), done.worker.tolist(), done.at_s.tolist()) == ([0], [0], [50.0])
    assert done.mean_response_s == 50.0


def test_unmatched_task_counts_its_full_patience() -> None:
    done = replay(day([(0.0, 0.0), (0.0, 500.0)], [(1.0, 0.0)]), GridGeo(), window_s=10.0)
    assert done.mean_response_s == (10.0 + 100.0) / 2


def test_worker_out_of_radius_or_gone_is_not_matched() -> None:
    assert replay(day([(0.0, 11.0)], [(0.0, 0.0)]), GridGeo(), window_s=5.0).matched == 0
    assert replay(day([(60.0, 0.0)], [(0.0, 0.0)]), GridGeo(), window_s=5.0).matched == 0


def test_most_tasks_are_matched_though_a_nearer_pair_is_given_up() -> None:
    done = replay(day([(0.0, 0.0), (0.0, 9.0)], [(0.0, 8.0), (0.0, -9.0)]), GridGeo(), window_s=5.0)
    assert dict(zip(done.task.tolist(), done.worker.tolist())) == {0: 1, 1: 0}


def test_hope_chooses_between_the_older_and_the_younger_task() -> None:
    two = day([(0.0, 0.0), (60.0, 0.0)], [(69.0, 0.0)])
    assert replay(two, GridGeo(), window_s=10.0).task.tolist() == [0]
    assert replay(two, GridGeo(), window_s=10.0, overrides={"match.replay.hope": 0.5}).task.tolist() == [1]


def test_held_pair_waits_until_one_of_the_two_is_old_enough() -> None:
    done = replay(day([(0.0, 0.0)], [(0.0, 0.0)]), GridGeo(), window_s=10.0, overrides={"match.replay.hold_s": 25.0})
    assert done.at_s.tolist() == [30.0]


@pytest.mark.parametrize(
    ("text", "field"),
    [("1 x\n", "row 1"), ("1 0\n3 t 1 2\n", "row 2"), ("1 0\n3 q 1 2 5\n", "row 2"), ("1 0\n3 t 1 nan 5\n", "row 2")],
)
def test_bad_line_is_refused_with_its_number(tmp_path: Path, text: str, field: str) -> None:
    (tmp_path / "day.txt.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(BadRow, match=field):
        read_day(tmp_path / "day.txt.gz")


def test_wrong_count_is_refused(tmp_path: Path) -> None:
    (tmp_path / "day.txt").write_text("2 0\n3 t 1 2 5\n")
    with pytest.raises(BadInput, match="1 tasks and 0 workers"):
        read_day(tmp_path / "day.txt")


def test_empty_day_has_nothing_to_match(tmp_path: Path) -> None:
    (tmp_path / "day.txt").write_text("0 0\n")
    done = replay(read_day(tmp_path / "day.txt"), GridGeo())
    assert (done.matched, done.mean_response_s) == (0, 0.0)


def test_bad_window_and_unknown_override_are_refused() -> None:
    one = day([(0.0, 0.0)], [(0.0, 0.0)])
    with pytest.raises(BadInput, match="window_s"):
        replay(one, GridGeo(), window_s=0.0)
    with pytest.raises(BadSettings, match=r"match\.replay\.hope"):
        replay(one, GridGeo(), overrides={"match.replay.hop": 1.0})


@pytest.mark.parametrize("pairs", [[(0, 0), (1, 0)], [(0, 0), (0, 1)], [(1, 1)]])
def test_checker_finds_a_pair_that_breaks_the_rule(pairs: list[tuple[int, int]]) -> None:
    two = day([(0.0, 0.0), (0.0, 0.0)], [(0.0, 0.0), (0.0, 50.0)])
    task, worker = (np.array(c) for c in zip(*pairs))
    with pytest.raises(BadInput, match="break the rule"):
        check(two, Replayed(task, worker, np.full(len(pairs), 10.0), 0.0))


arrivals = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 30)), max_size=15)


@settings(max_examples=40, deadline=None)
@given(arrivals, arrivals, st.sampled_from([5.0, 20.0]), st.sampled_from([0.0, 30.0]), st.floats(0.0, 1.0))
def test_every_replay_keeps_the_rule(
    tasks: list[tuple[int, int]], workers: list[tuple[int, int]], window_s: float, hold_s: float, hope: float
) -> None:
    small = day(sorted(tasks), sorted(workers))  # type: ignore[arg-type]
    overrides = {"match.replay.hold_s": hold_s, "match.replay.hope": hope}
    done = replay(small, GridGeo(), window_s=window_s, overrides=overrides)
    check(small, done)


@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is absent: set RIALTO_DATA to the folder of real data")
@pytest.mark.parametrize(("hope", "peer"), [(1.0, "Batch-GR"), (0.4, "Batch-LLEP")])
def test_real_day_matches_more_and_answers_sooner_than_the_published_method(hope: float, peer: str) -> None:
    real = read_day(DATA)
    told: list[float] = []
    done = replay(
        real, GridGeo(), window_s=20.0, overrides={"match.replay.hope": hope}, progress=lambda share, matched: told.append(share)
    )
    check(real, done)
    matched, response_s = PUBLISHED[peer]
    assert done.matched > matched and done.mean_response_s < response_s
    assert 20 <= len(told) <= 30 and told[-1] <= 1.0
