"""Why each candidate of one request was chosen, cut or removed: read off a trace with details, as rows that people and pages print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rialto.errors import BadInput
from rialto.records import Candidates
from rialto.spine.pipeline import Outcome

__all__ = ["Fate", "explain"]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one candidate.

    Args:
        id: The candidate.
        end: `chosen`, `unchosen`, `removed: REASON` or `cut: PHASE`.
        place: Its place among the chosen, from 1; 0 where it was not chosen.
        propensity: Probability of what was served, for the chosen; NaN otherwise.
        scores: Phase -> score, for the phases it reached.
        columns: Every number that retrieval and the features said of it.
    """

    id: int
    end: str
    place: int
    propensity: float
    scores: Mapping[str, float]
    columns: Mapping[str, float]


def explain(outcome: Outcome, request: int = 0) -> list[Fate]:
    """Tell what became of every candidate of one request: the chosen first, then the rest by how far they came.

    Args:
        outcome: A run with `explain=True`, or one whose sample holds the request.
        request: Row of the request in the batch.

    Raises:
        BadInput: no details of this request were kept.
    """
    trace = outcome.trace
    where = np.flatnonzero(trace.sampled == request)
    if len(where) == 0:
        raise BadInput(f"no details of request {request} were kept; run with explain=True, or a larger sample.")
    at = int(where[0])
    details = {step: c.of(at) for step, c in trace.details.items()}
    phases = [s.name for s in trace.steps if s.kind == "phase"]
    ends = _ends(outcome, request, details, phases)
    scores = {p: dict(zip(details[p].ids.tolist(), details[p].column("score").tolist())) for p in phases}
    numbers = _numbers(details)
    fates = [
        Fate(i, end, place, propensity, {p: scores[p][i] for p in phases if i in scores[p]}, numbers[i])
        for i, (end, place, propensity) in ends.items()
    ]
    return sorted(
        fates, key=lambda f: (f.place == 0, f.place, -len(f.scores), *(-s for s in reversed(list(f.scores.values()))), f.id)
    )


def _ends(
    outcome: Outcome, request: int, details: Mapping[str, Candidates], phases: list[str]
) -> dict[int, tuple[str, int, float]]:
    nan = float("nan")
    ends: dict[int, tuple[str, int, float]] = dict.fromkeys(details["retrieve"].ids.tolist(), ("unchosen", 0, nan))
    for step, rows in details.items():
        if "removed" in rows.columns:
            ends.update(dict.fromkeys(rows.ids[rows.column("removed")].tolist(), (f"removed: {step}", 0, nan)))
    ranked = set(outcome.ranked.of(request).ids.tolist())
    for phase, later in zip(phases, [*phases[1:], ""]):
        left = set(details[later].ids.tolist()) if later else ranked
        ends.update({i: (f"cut: {phase}", 0, nan) for i in details[phase].ids.tolist() if i not in left})
    d = outcome.decisions
    for place, row in enumerate(range(int(d.offsets[request]), int(d.offsets[request + 1])), start=1):
        ends[int(d.ids[row])] = ("chosen", place, float(d.propensity[row]))
    return ends


def _numbers(details: Mapping[str, Candidates]) -> dict[int, dict[str, float]]:
    numbers: dict[int, dict[str, float]] = {}
    told: set[str] = {"score", "removed"}
    for rows in details.values():
        for name, values in rows.columns.items():
            if values.dtype.kind in "fiub" and name not in told and not name.startswith("score:"):
                told.add(name)
                for i, v in zip(rows.ids.tolist(), values.tolist()):
                    numbers.setdefault(i, {})[name] = float(v)
    for i in details["retrieve"].ids.tolist():
        numbers.setdefault(i, {})
    return numbers
