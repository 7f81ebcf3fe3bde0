"""What must hold for every run: nothing vanishes, order is no matter, a replay repeats, failure is answered as declared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.records import Candidates, Context, Requests
from rialto.spine.apart import alone
from rialto.spine.decide.slate import slate
from rialto.spine.explain import explain
from rialto.spine.features import Features
from rialto.spine.log import decode, encode
from rialto.spine.params import Param
from rialto.spine.pipeline import Pipeline
from rialto.spine.rank import Phase, previous_score
from rialto.spine.retrieve import Filter, Source, empty
from rialto.spine.together import together

SIZE = Param("test.size", 3, low=0, high=50, unit="results", doc="Results.")
SWAP = Param("test.swap", 0.5, low=0.0, high=0.9, unit="share", doc="Swapped lists.")
DEPTH = Param("test.depth", 4, low=0, high=50, unit="candidates", doc="Ordered by the dear phase.")
KEEP = Param("test.keep", 5, low=0, high=50, unit="candidates", doc="Kept by the cheap phase.")


def two_legs(name: str, salt: int) -> Source:
    """A leg that finds ids from the request's own number, so that a request finds the same in any batch."""

    def fetch(requests: Requests, context: Context) -> Candidates:
        lists = [np.unique((np.arange(int(n % 9)) * (salt + int(n))) % 23) for n in requests.column("n")]
        offsets = np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64)
        ids = np.concatenate([*lists, np.zeros(0)]).astype(np.int64)
        return Candidates(offsets, ids, {name: ids * float(salt)})

    return Source(name, fetch)


LATE = Features("late", ("late",), lambda r, c, x: {"late": c.column("gap") + (c.ids % 3).astype(np.float32)})


def chain(**changes: Any) -> Pipeline:
    parts: dict[str, Any] = {
        "sources": [two_legs("left", 3), two_legs("right", 5)],
        "filters": [
            Filter("not_seven", lambda r, c, x: c.ids != 7),
            Filter("small_enough", lambda r, c, x: c.ids < 20),
        ],
        "features": [Features("own", ("gap",), lambda r, c, x: {"gap": (c.ids % 4).astype(np.float32)})],
        "phases": [
            Phase("cheap", lambda r, c, x: np.where(c.ids == 3, np.nan, c.ids % 5.0), KEEP),
            Phase("dear", lambda r, c, x: c.column("late") + c.column("score") * 0.1, depth=DEPTH, features=[LATE]),
        ],
        "decider": slate(SIZE, SWAP),
    }
    return Pipeline("test", **(parts | changes))


numbers = st.lists(st.integers(0, 10_000), min_size=0, max_size=12, unique=True)


def asked(ns: list[int]) -> Requests:
    return Requests.of({"n": np.array(ns, dtype=np.int64)}, ids=np.array(ns, dtype=np.uint64))


@given(numbers)
@settings(max_examples=60, deadline=None)
def test_nothing_vanishes(ns: list[int]) -> None:
    trace = chain().run(asked(ns), seed=4).trace
    assert trace.balance().tolist() == [0] * len(ns)


@given(numbers, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_and_company_in_the_batch_are_no_matter(ns: list[int], random: Any) -> None:
    batch = chain().run(asked(ns), seed=4).decisions
    mixed = list(ns)
    random.shuffle(mixed)
    shuffled = chain().run(asked(mixed), seed=4).decisions
    for row, n in enumerate(ns):
        single = chain().run(asked([n]), seed=4).decisions
        span = slice(int(batch.offsets[row]), int(batch.offsets[row + 1]))
        assert batch.of(row).tolist() == single.of(0).tolist() == shuffled.of(mixed.index(n)).tolist()
        assert batch.propensity[span].tolist() == single.propensity.tolist()


@given(numbers)
@settings(max_examples=40, deadline=None)
def test_one_of_a_batch_is_as_if_it_had_run_alone(ns: list[int]) -> None:
    pipeline = chain()
    batch = pipeline.run(asked(ns), seed=4)
    for row, n in enumerate(ns):
        own, single = alone(batch, row), pipeline.run(asked([n]), seed=4)
        assert own.decisions.same(single.decisions)
        assert own.ranked.ids[own.decisions.rows].tolist() == own.decisions.ids.tolist()
        assert sorted(own.ranked.ids.tolist()) == sorted(single.ranked.ids.tolist())
        assert pipeline.replay(own.record).same(single.decisions)
    joined = list(together(pipeline.run(asked([n]), seed=4) for n in ns))
    assert all(pipeline.replay(record).same(record.decisions) for record in joined)


@given(numbers)
@settings(max_examples=40, deadline=None)
def test_a_replay_from_the_log_repeats_bit_for_bit(ns: list[int]) -> None:
    pipeline = chain()
    record = pipeline.run(asked(ns), seed=9).record
    assert pipeline.replay(decode(encode(record))).same(record.decisions)


def test_a_replay_by_other_versions_is_refused() -> None:
    record = chain(versions={"model": "a"}).run(asked([5]), seed=1).record
    with pytest.raises(BadInput, match="versions"):
        chain(versions={"model": "b"}).replay(record)


def test_non_finite_scores_sink_and_ties_break_by_id() -> None:
    scores = np.array([1.0, np.nan, 1.0, np.inf])
    source = Source("all", lambda r, c: Candidates(np.array([0, 4]), np.array([9, 1, 4, 2])))
    answer = Pipeline("t", [source], [], [], [Phase("p", lambda r, c, x: scores)], slate(SIZE, SWAP)).run(
        Requests.of({"n": np.array([1])}, overrides={"test.swap": np.array([0.0])})
    )
    assert answer.decisions.ids.tolist() == [4, 9, 1]


def broken(*_: Any) -> Any:
    raise RuntimeError("the lamp is out")


def test_a_raising_leg_is_answered_by_its_fallback_and_the_trace_says_so() -> None:
    trace = chain(sources=[two_legs("left", 3), Source("right", broken, empty)]).run(asked([4])).trace
    assert trace.fallbacks == ("right",)
    assert "the lamp is out" in next(s.error for s in trace.steps if s.name == "right")


def test_a_raising_step_without_fallback_fails_the_run() -> None:
    with pytest.raises(RuntimeError, match="lamp"):
        chain(phases=[Phase("only", broken)]).run(asked([4]))


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_step_that_overruns_is_answered_by_its_fallback_and_so_are_those_after_it() -> None:
    clock = Clock()

    def slow(r: Requests, c: Candidates, x: Context) -> Any:
        clock.now += 2.0
        return np.zeros(len(c))

    phases = [
        Phase("cheap", lambda r, c, x: c.ids * 1.0),
        Phase("dear", slow, otherwise=previous_score),
        Phase("last", broken, otherwise=previous_score),
    ]
    out = chain(phases=phases).run(asked([4]), deadline_s=1.0, clock=clock)
    assert out.trace.fallbacks == ("dear", "last")
    assert out.ranked.column("score").tolist() == (out.ranked.ids * 1.0).tolist()


def test_a_replay_repeats_the_fallbacks_of_the_run() -> None:
    clock = Clock()

    def sometimes(r: Requests, c: Candidates, x: Context) -> Any:
        clock.now += 5.0
        return -c.ids * 1.0

    pipeline = chain(
        phases=[Phase("cheap", lambda r, c, x: c.ids * 1.0), Phase("dear", sometimes, otherwise=previous_score, budget_s=1.0)]
    )
    record = pipeline.run(asked([4, 8]), clock=clock).record
    assert record.fallbacks == ("dear",)
    assert pipeline.replay(decode(encode(record))).same(record.decisions)


def test_a_late_step_without_fallback_is_kept_and_marked() -> None:
    clock = Clock()

    def slow(r: Requests, c: Candidates, x: Context) -> Any:
        clock.now += 2.0
        return c.ids * 1.0

    trace = chain(phases=[Phase("only", slow)]).run(asked([4]), deadline_s=1.0, clock=clock).trace
    assert [s.outcome for s in trace.steps if s.name == "only"] == ["late"]


def test_a_leg_aside_that_hangs_is_left_behind() -> None:
    from threading import Event

    release = Event()

    def hanging(requests: Requests, context: Context) -> Candidates:
        release.wait(10.0)
        return Candidates.none(len(requests))

    pipeline = chain(sources=[two_legs("left", 3), Source("far", hanging, empty, budget_s=0.02, aside=True)])
    out = pipeline.run(asked([4]))
    release.set()
    pipeline.close()
    assert out.trace.fallbacks == ("far",)
    assert out.trace.fetched.tolist() == [4]


def test_legs_aside_give_the_answer_of_legs_in_turn() -> None:
    aside = [Source(s.name, s.fetch, aside=True) for s in (two_legs("left", 3), two_legs("right", 5))]
    pipeline = chain(sources=aside)
    assert pipeline.run(asked([4, 7]), seed=2).decisions.same(chain().run(asked([4, 7]), seed=2).decisions)
    pipeline.close()


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        ({"filters": [Filter("f", lambda r, c, x: np.ones(1))]}, "filter 'f'"),
        ({"features": [Features("g", ("a",), lambda r, c, x: {"b": c.ids})]}, "features 'g'"),
        ({"phases": [Phase("p", lambda r, c, x: np.zeros(99))]}, "phase 'p'"),
        ({"sources": [Source("s", lambda r, c: Candidates.none(7))]}, "source 's'"),
    ],
)
def test_an_answer_of_another_shape_is_refused_by_name(step: dict[str, Any], wanted: str) -> None:
    with pytest.raises(BadInput, match=wanted):
        chain(**step).run(asked([4, 5]))


def test_two_steps_of_one_name_are_refused() -> None:
    with pytest.raises(BadInput, match="cheap"):
        chain(phases=[Phase("cheap", broken), Phase("cheap", broken)])


def test_no_requests_and_no_candidates_are_answered_with_nothing() -> None:
    assert len(chain().run(asked([])).decisions) == 0
    nothing = chain(sources=[Source("none", lambda r, c: empty(r))]).run(asked([4]))
    assert nothing.decisions.counts.tolist() == [0]


def test_explain_tells_the_end_of_every_candidate() -> None:
    out = chain().run(asked([8, 5]), explain=True)
    for row in range(2):
        fates = explain(out, row)
        ends = [f.end for f in fates]
        assert len(fates) == out.trace.fetched[row]
        assert ends.count("chosen") == out.trace.chosen[row]
        assert sum(e.startswith("removed") for e in ends) == sum(v[row] for v in out.trace.removed.values())
        assert sum(e.startswith("cut") for e in ends) == sum(v[row] for v in out.trace.cut.values())
        assert [f.id for f in fates if f.place] == out.decisions.of(row).tolist()


def test_explain_of_a_request_without_details_says_how_to_get_them() -> None:
    with pytest.raises(BadInput, match="explain=True"):
        explain(chain().run(asked([8])), 0)


def test_sampling_keeps_the_same_requests_in_any_batch() -> None:
    ns = list(range(40))
    out = chain().run(asked(ns), sample=0.3, seed=1)
    alone = [n for n in ns if len(chain().run(asked([n]), sample=0.3, seed=1).trace.sampled)]
    assert out.trace.sampled.tolist() == alone
    assert 4 < len(alone) < 25


def test_a_phase_with_a_depth_orders_the_best_and_leaves_the_rest_behind_in_their_order() -> None:
    run = chain().run(asked([7, 8]), explain=True)
    for b in range(2):
        cheap, dear = run.trace.details["cheap"].of(b), run.trace.details["dear"].of(b)
        held = dict(zip(cheap.ids.tolist(), cheap.column("score").tolist()))
        late = dear.column("late")
        near, far = dear.ids[~np.isnan(late)].tolist(), dear.ids[np.isnan(late)].tolist()
        assert len(near) == min(4, len(dear)) and all(held[n] >= held[f] for n in near for f in far)
        score = dict(zip(dear.ids.tolist(), dear.column("score").tolist()))
        assert all(score[n] > score[f] for n in near for f in far)
        assert sorted(far, key=lambda i: -score[i]) == sorted(far, key=lambda i: -held[i])
