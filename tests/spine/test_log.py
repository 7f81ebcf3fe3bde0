"""The decision log gives back what was decided, drops repeats, and says what came of it."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Candidates, Event, Requests
from rialto.spine.decide.slate import slate
from rialto.spine.log import DecisionLog, Feedback, decode, encode
from rialto.spine.params import Param
from rialto.spine.pipeline import Outcome, Pipeline
from rialto.spine.rank import Phase
from rialto.spine.retrieve import Source

SIZE = Param("test.log.size", 2, low=0, high=9, unit="results", doc="Results.")
SWAP = Param("test.log.swap", 0.2, low=0.0, high=0.9, unit="share", doc="Swaps.")


class ListLog:
    """The smallest event log: a list."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: Sequence[Event]) -> NDArray[np.int64]:
        self.events.extend(events)
        return np.arange(len(self.events) - len(events), len(self.events))

    def read(self, start: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        return list(enumerate(self.events))[start : start + limit]

    def end(self) -> int:
        return len(self.events)

    def close(self) -> None:
        pass


def outcome(text: str = "red shoe") -> tuple[Pipeline, Outcome]:
    columns = {"bm25": np.array([2.0, np.nan, 0.1]), "brand": np.array(["a", "b", "c"])}
    source = Source("all", lambda r, c: Candidates(np.array([0, 3]), np.array([9, 4, 2]), columns))
    pipeline = Pipeline("t", [source], [], [], [Phase("p", lambda r, c, x: c.column("bm25"))], slate(SIZE, SWAP), {"index": "7"})
    return pipeline, pipeline.run(Requests.of({"text": np.array([text])}, ids=np.array([2**64 - 3], dtype=np.uint64)), seed=3)


def test_what_is_read_is_what_was_written() -> None:
    pipeline, out = outcome()
    log = DecisionLog(ListLog())
    log.write([out])
    (record,) = log.read()
    assert record.decisions.same(out.decisions)
    assert record.requests.ids.tolist() == [2**64 - 3]
    assert record.requests.column("text").tolist() == ["red shoe"]
    assert record.seen.column("brand").tolist() == ["a", "b", "c"]
    assert record.seen.column("bm25").tobytes() == out.record.seen.column("bm25").tobytes()
    assert pipeline.replay(record).same(out.decisions)


def test_the_same_outcome_written_twice_is_read_once() -> None:
    log = DecisionLog(ListLog())
    log.write([outcome()[1]])
    log.write([outcome()[1], outcome("lamp")[1]])
    assert [r.requests.column("text")[0] for r in log.read()] == ["red shoe", "lamp"]


def test_feedback_comes_back_once_with_its_request() -> None:
    log = DecisionLog(ListLog())
    click = Feedback("click", 2**64 - 3, 9, 1.0, 55.5)
    log.write_feedback([click, click, Feedback("click", 1, 9, 1.0, 56.0)])
    log.write([outcome()[1]])
    back = list(log.feedback())
    assert [(f.request, f.candidate, f.time_s) for f in back] == [(2**64 - 3, 9, 55.5), (1, 9, 56.0)]


@pytest.mark.parametrize("cut", [0, 3, 20, 200])
def test_a_body_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(BadInput, match="not a decision record"):
        decode(encode(outcome()[1].record)[:cut])
