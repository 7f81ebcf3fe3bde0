"""The exam of a chain: what holds for every pipeline, whoever wired it."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rialto.records import Candidates, Requests
from rialto.spine.explain import explain
from rialto.spine.log import decode, encode
from rialto.spine.pipeline import Pipeline

__all__ = ["ChainExam"]

_often = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
    derandomize=True,
)
_picks = st.lists(st.integers(0, 2**31), min_size=0, max_size=12, unique=True)


class ChainExam:
    """Nothing vanishes; a request is scored alike in any batch and order; a replay from the log repeats bit for bit.

    A subclass gives a `pipeline`, `requests` to draw from (at least 12, ids unique), and whether requests `compete` for candidates
    (then choices may differ with the company, but what was found and how it scored may not).
    """

    compete = False

    def pipeline(self) -> Pipeline:
        """The pipeline under exam; the same engines at every call."""
        raise NotImplementedError("give the exam a pipeline")

    def requests(self) -> Requests:
        """Requests to draw batches from."""
        raise NotImplementedError("give the exam requests")

    def _batch(self, picks: list[int]) -> Requests:
        every = self.requests()
        rows = list(dict.fromkeys(p % len(every) for p in picks))
        return every.take(np.array(rows, dtype=np.int64))

    @given(_picks)
    @_often
    def test_nothing_vanishes(self, picks: list[int]) -> None:
        batch = self._batch(picks)
        trace = self.pipeline().run(batch, seed=3).trace
        assert trace.balance().tolist() == [0] * len(batch)

    @given(_picks)
    @_often
    def test_company_and_order_in_the_batch_are_no_matter(self, picks: list[int]) -> None:
        batch = self._batch(picks)
        pipeline = self.pipeline()
        together = pipeline.run(batch, seed=3)
        back = pipeline.run(batch.take(np.arange(len(batch))[::-1]), seed=3)
        for row in range(len(batch)):
            alone = pipeline.run(batch.take(np.array([row])), seed=3)
            mirrored = len(batch) - 1 - row
            assert _scores(together.ranked, row) == _scores(alone.ranked, 0) == _scores(back.ranked, mirrored)
            if not self.compete:
                chosen = together.decisions.of(row).tolist()
                assert chosen == alone.decisions.of(0).tolist() == back.decisions.of(mirrored).tolist()

    @given(_picks)
    @_often
    def test_a_replay_from_the_log_repeats_bit_for_bit(self, picks: list[int]) -> None:
        pipeline = self.pipeline()
        record = pipeline.run(self._batch(picks), seed=7).record
        assert pipeline.replay(decode(encode(record))).same(record.decisions)

    def test_the_exam_sees_choices_and_removals(self) -> None:
        trace = self.pipeline().run(self.requests(), seed=3).trace
        assert trace.chosen.sum() > 0, "the requests choose nothing: the exam would pass on emptiness"
        assert trace.fetched.sum() > trace.chosen.sum()

    def test_explain_accounts_for_every_candidate(self) -> None:
        outcome = self.pipeline().run(self._batch([0, 1, 2]), seed=3, explain=True)
        for row in range(len(outcome.requests)):
            fates = explain(outcome, row)
            assert len(fates) == outcome.trace.fetched[row]
            assert [f.id for f in fates if f.place] == outcome.decisions.of(row).tolist()


def _scores(ranked: Candidates, row: int) -> dict[int, float]:
    one = ranked.of(row)
    return dict(zip(one.ids.tolist(), one.column("score").tolist()))
