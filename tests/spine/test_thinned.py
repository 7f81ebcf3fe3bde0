"""A thinned record: the chosen and their rivals, logged and read back, refused by a replay."""

from __future__ import annotations

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.decide.assign import assign
from rialto.spine.features import Features
from rialto.spine.log import decode, encode
from rialto.spine.params import Param
from rialto.spine.pipeline import Pipeline
from rialto.spine.rank import Phase
from rialto.spine.retrieve import Source
from rialto.spine.thinned import thinned

WAITS = Param("test.thinned.waits", 100.0, low=0, high=1e9, unit="s", doc="Waiting.")
LOOK = Param("test.thinned.look", 2, low=1, high=99, unit="rows", doc="Looked at twice.")


def chain() -> Pipeline:
    """Four drivers an order; costs at first sight, and a second look at two that adds what only it knows."""

    def fetch(requests: Requests, context: Context) -> Candidates:
        rows = 4 * len(requests)
        return Candidates(
            np.arange(0, rows + 1, 4), np.tile(np.arange(4), len(requests)), {"far": np.arange(rows, dtype=np.float32) % 7}
        )

    def look(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        return {"known": np.asarray(candidates.column("far") * 2, dtype=np.float32)}

    first = Phase("first", lambda r, c, x: -c.column("far").astype(float))
    second = Phase(
        "second",
        lambda r, c, x: -c.column("known").astype(float),
        depth=LOOK,
        features=[Features("look", ("known",), look)],
        mixed=True,
    )
    return Pipeline("demo", [Source("all", fetch)], [], [], [first, second], assign(WAITS))


def asked(orders: int) -> Requests:
    return Requests.of({"q": np.arange(orders)}, ids=np.arange(orders))


def test_those_beyond_the_depth_of_a_mixed_phase_keep_their_scores() -> None:
    ranked = chain().run(asked(1)).ranked
    assert ranked.ids.tolist() == [0, 1, 2, 3]
    assert ranked.column("score").tolist() == [-0.0, -2.0, -2.0, -3.0]
    assert np.isnan(ranked.column("known")).tolist() == [False, False, True, True]


def test_the_chosen_keep_their_columns_and_the_log_keeps_them() -> None:
    outcome = chain().run(asked(3))
    small = thinned(outcome, most=1)
    d = small.decisions
    assert d.ids.tolist() == outcome.decisions.ids.tolist() == small.seen.ids[d.rows].tolist()
    assert small.seen.column("far")[d.rows].tolist() == outcome.ranked.column("far")[outcome.decisions.rows].tolist()
    assert len(small.seen) <= 2 * 3 and small.late == ()
    again = decode(encode(small))
    assert again.whole is False
    assert again.seen.ids.tolist() == small.seen.ids.tolist()
    assert again.decisions.rows.tolist() == d.rows.tolist()


def test_a_whole_record_replays_and_a_thinned_one_is_refused() -> None:
    pipeline = chain()
    outcome = pipeline.run(asked(3))
    assert pipeline.replay(decode(encode(outcome.record))).ids.tolist() == outcome.decisions.ids.tolist()
    with pytest.raises(BadInput, match="wanted a whole one"):
        pipeline.replay(decode(encode(thinned(outcome))))


def test_a_window_without_orders_is_thinned_to_nothing() -> None:
    assert len(thinned(chain().run(asked(0))).seen) == 0
