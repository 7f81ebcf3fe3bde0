"""Records of single runs joined to batches where they are alike, so that a log holds one record for many requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Columns, Decisions, Requests
from rialto.spine.pipeline import Outcome, Recorded

__all__ = ["together"]


def together(outcomes: Iterable[Outcome]) -> list[Recorded]:
    """Join the records of outcomes that ran under the same versions, with the same columns, fallbacks and seed.

    A step treats each request of a batch as if it were alone, so a joined record replays to the decisions of its parts. The parts
    keep their order; a record stands where its first part stood.

    Returns:
        As few records as there are kinds of runs.

    Cost:
        A copy of all rows; written, a joined record costs a tenth of its parts, as most of the cost is by column.
    """
    alike: dict[object, list[Outcome]] = {}
    for outcome in outcomes:
        alike.setdefault(_kind(outcome.record), []).append(outcome)
    return [_joined(group) for group in alike.values()]


def _kind(r: Recorded) -> object:
    parts = (r.seen, *r.late)
    asked = (_types(r.requests.columns), _types(r.requests.overrides))
    return r.pipeline, r.seed, r.whole, tuple(r.versions.items()), r.fallbacks, asked, tuple(_types(p.columns) for p in parts)


def _types(columns: Columns) -> tuple[tuple[str, str], ...]:
    return tuple((name, values.dtype.str) for name, values in columns.items())


def _joined(group: Sequence[Outcome]) -> Recorded:
    if len(group) == 1:
        return group[0].record
    records = [o.record for o in group]
    first, asked, chosen = records[0], [r.requests for r in records], [r.decisions for r in records]
    requests = Requests(
        _end_to_end([a.ids for a in asked]), _end_to_end([a.time_s for a in asked]),
        _columns([a.columns for a in asked]), _columns([a.overrides for a in asked]),
    )  # fmt: skip
    before = np.cumsum([0, *(len(o.ranked) for o in group[:-1])])
    decisions = Decisions(
        requests.ids, _offsets([d.counts for d in chosen]), _end_to_end([d.ids for d in chosen]),
        _end_to_end([d.rows + at for d, at in zip(chosen, before.tolist())]),
        _end_to_end([d.scores for d in chosen]), _end_to_end([d.propensity for d in chosen]),
    )  # fmt: skip
    late = tuple(_candidates([r.late[n] for r in records]) for n in range(len(first.late)))
    seen = _candidates([r.seen for r in records])
    return Recorded(first.pipeline, requests, seen, decisions, first.seed, first.versions, first.fallbacks, late, first.whole)


def _candidates(parts: Sequence[Candidates]) -> Candidates:
    return Candidates(
        _offsets([p.counts for p in parts]), _end_to_end([p.ids for p in parts]), _columns([p.columns for p in parts])
    )


def _columns(parts: Sequence[Columns]) -> Columns:
    return {name: _end_to_end([p[name] for p in parts]) for name in parts[0]}


def _end_to_end(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts)


def _offsets(counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
