"""A logged day decided again under another policy: replayed bit for bit as a check, then other params, model or decider on what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineLost, RialtoError
from rialto.match import decide
from rialto.match.features import NAMES
from rialto.match.outlook import AHEAD_S, CANCEL_S, FAIR_S, LATE
from rialto.match.retrieve import SPEED_MPS
from rialto.match.simulate import Policy
from rialto.ports import Models
from rialto.records import Candidates, Columns, Decisions, Requests
from rialto.spine.decide import Decider
from rialto.spine.evaluate import Difference, paired
from rialto.spine.features import matrix
from rialto.spine.log import DecisionLog
from rialto.spine.params import overrides_of
from rialto.spine.pipeline import Pipeline, Recorded
from rialto.spine.retrieve import Source

__all__ = ["ANSWERABLE", "LOGGED", "MEASURES", "WhatIf", "what_if"]

LOGGED = "as logged"
"""Name of what was decided at the time, which every policy is compared with."""

_WEIGHTS = {CANCEL_S.name: "cancel", LATE.name: "late_s", FAIR_S.name: "underpaid", AHEAD_S.name: "ahead"}

ANSWERABLE = (
    decide.PRIOR.name, decide.DEPTH.name, decide.DECLINE_S.name, decide.LEAST.name, decide.WAITED.name, decide.UNMATCHED_S.name,
    *_WEIGHTS,
)  # fmt: skip
"""Params that a log can answer for: what comes after the features. Another search, reach or speed would have seen other drivers."""

MEASURES = {"drive_s": (2, 1), "accepted": (3, 0), "waiting": (4, 0)}
"""Measure -> columns of a window's sums that it is the ratio of: drive an offer, acceptances expected and orders left an order asked."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What policies would have decided in windows that were logged.

    Each window is that of the log: orders that another policy would have served before are still asked for, and drivers whom it
    would have sent off are still there. So this tells what a policy does in one step from where the logged one had led; what comes
    of it in the long run is told by a simulation or a switchback.

    Args:
        windows: Whole windows that were decided again.
        thinned: Windows left out because their log holds the chosen and their rivals alone (`match.log.whole`).
        same: Windows whose replay under their own policy repeated the logged decisions bit for bit.
        differing: Moments, s, of windows whose replay did not; they are compared all the same.
        means: Policy -> measure -> its mean over all windows. `drive_s`: expected drive to the pickup an offer; `accepted`: expected
            acceptances an order asked, by one referee for all; `waiting`: share of orders asked that got no offer.
        changed: Policy -> share of orders asked that would have gone to another driver, or to one where none was asked, or to none.
        differences: Measure -> policy -> its difference to the log, paired by block of time; `high` and `low` are over blocks.
    """

    windows: int
    thinned: int
    same: int
    differing: tuple[float, ...]
    means: Mapping[str, Mapping[str, float]]
    changed: Mapping[str, float]
    differences: Mapping[str, Mapping[str, Difference]]


def what_if(
    decisions: DecisionLog,
    models: Models,
    policies: Sequence[Policy],
    *,
    referee: str | None = None,
    block_s: float = 300.0,
    start: int = 0,
    seed: int = 0,
) -> WhatIf:
    """Decide logged windows again under each of `policies`, on the candidates that were seen, and compare with what was decided.

    Args:
        decisions: The log of a `Dispatch`.
        models: Where the policies' acceptance models are read from.
        policies: Decider, acceptance model and params of each; params of `ANSWERABLE` alone.
        referee: Acceptance model that foretells for all policies alike; None = the live one, "" = everybody accepts by `PRIOR`. A
            policy that decides by the referee's own model looks better than it is: take another one where there is one.
        block_s: Windows of so many seconds are one unit of chance: an order that waits is asked for in many windows.
        start: Offset in the log to read from.
        seed: Of the intervals.

    Raises:
        BadInput: no or doubled names of policies, a param that no log can answer for, or a weight of the outlook whose column the
            log does not hold because no policy weighed it then.
        NothingHere: a policy's or the referee's model is not there.

    Cost:
        Ranking and decision of each window, for each policy and once more for the check.
    """
    _check(policies, block_s)
    live = models.live(decide.ACCEPTANCE)
    judge = _Referee(models, (live[0] if live else "") if referee is None else referee)
    chains = [(p, _Chain(models, _version(p, models), p)) for p in policies]
    played = _Played()
    for record in decisions.read(start, pipeline="match"):
        if not record.whole:
            played.thinned += 1
        elif len(record.requests):
            played.take(record, [(p.name, chain.decide(record, p)) for p, chain in chains], judge, _again(models, record))
    return played.report([p.name for p in policies], block_s, seed)


def _check(policies: Sequence[Policy], block_s: float) -> None:
    names = [p.name for p in policies]
    if not names or len({*names, LOGGED}) != len(names) + 1:
        raise BadInput(f"policies are named {names}; wanted one or more, each with a name of its own, and none {LOGGED!r}.")
    if not block_s > 0.0:
        raise BadInput(f"block_s is {block_s}; wanted seconds above 0.")
    for p in policies:
        for name in sorted(p.overrides.keys() - set(ANSWERABLE)):
            raise BadInput(
                f"policy {p.name!r} sets {name!r}, which changes what a window sees; a log can answer for {', '.join(ANSWERABLE)}. "
                "Ask a simulation for the others."
            )


def _version(policy: Policy, models: Models) -> str:
    live = models.live(decide.ACCEPTANCE)
    return policy.version if policy.version is not None else (live[0] if live else "")


class _Chain:
    """What comes after the features, for one policy; its source hands out what the log holds."""

    def __init__(self, models: Models, version: str, policy: Policy) -> None:
        decider: Decider = policy.decider()
        if version:
            models.score(version, np.zeros((0, len(NAMES)), dtype=np.float32))  # one that is gone would be answered by the prior
        self._seen = Candidates.none(0)
        recorded = Source("recorded", lambda requests, context: self._seen)
        phases, versions = decide.phases(models, version), {decide.ACCEPTANCE: version}
        self._pipeline = Pipeline("match", [recorded], [], [decide.likely(models, version)], phases, decider, versions)

    def decide(self, record: Recorded, policy: Policy) -> Decisions:
        asked = record.requests
        for name, column in _WEIGHTS.items():
            if policy.overrides.get(name, 0.0) and len(record.seen) and np.isnan(record.seen.column(column)).all():
                raise BadInput(
                    f"policy {policy.name!r} weighs {name!r}; the log's {column!r} is empty, as nothing weighed it when it was "
                    "written. Log with a small weight first, or ask a simulation."
                )
        overrides = {**asked.overrides, **overrides_of(dict(policy.overrides), len(asked))}
        self._seen = record.seen
        outcome = self._pipeline.run(Requests(asked.ids, asked.time_s, asked.columns, overrides), seed=record.seed)
        if outcome.trace.fallbacks:
            raise EngineLost(
                f"policy {policy.name!r} fell back at {outcome.trace.fallbacks} in the window at {asked.time_s[0]} s; such a window "
                "compares nothing. See that its model can be read and try again."
            )
        return outcome.decisions


def _again(models: Models, record: Recorded) -> bool:
    """Whether the record's own policy decides the same, bit for bit, from what the log holds of its models' scores."""
    version = record.versions.get(decide.ACCEPTANCE, "")
    for decider in (decide.assignment, decide.greedy):
        nobody = Source("recorded", lambda requests, context: Candidates.none(len(requests)))
        chain = Pipeline("match", [nobody], [], [], decide.phases(models, version), decider(), dict(record.versions))
        try:
            if chain.replay(record).same(record.decisions):
                return True
        except RialtoError:
            return False  # told in `differing`: it was ranked by a chain that these models do not make
    return False


class _Referee:
    """Who foretells acceptance, for all policies alike."""

    def __init__(self, models: Models, version: str) -> None:
        self._models, self._version = models, version

    def accepts(self, requests: Requests, pairs: Candidates, owner: NDArray[np.int64]) -> Floats:
        if not self._version:
            return np.asarray(decide.PRIOR.of(requests)[owner], dtype=np.float64)
        if not len(pairs):
            return np.zeros(0)
        odds = self._models.score(self._version, matrix(pairs, NAMES))
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))))


@dataclass(slots=True)
class _Played:
    """Sums of windows: orders asked, offers, drive s, acceptances expected, orders left without, orders decided otherwise."""

    thinned: int = 0
    same: int = 0
    at_s: list[float] = field(default_factory=list[float])
    differing: list[float] = field(default_factory=list[float])
    sums: dict[str, list[Floats]] = field(default_factory=dict[str, "list[Floats]"])

    def take(self, record: Recorded, decided: Sequence[tuple[str, Decisions]], judge: _Referee, same: bool) -> None:
        at_s = float(record.requests.time_s[0])
        self.at_s.append(at_s)
        self.same += same
        if not same:
            self.differing.append(at_s)
        before = _chosen(record.decisions)
        for name, decisions in ((LOGGED, record.decisions), *decided):
            self.sums.setdefault(name, []).append(_sums(record, decisions, before, judge))

    def report(self, names: Sequence[str], block_s: float, seed: int) -> WhatIf:
        block = np.unique(np.floor(np.array(self.at_s) / block_s), return_inverse=True)[1].reshape(-1)
        size = int(block.max(initial=-1)) + 1
        tables = {n: np.array(rows).reshape(-1, 6) for n, rows in self.sums.items()}
        blocks = {n: np.stack([np.bincount(block, column, size) for column in t.T], axis=1) for n, t in tables.items()}
        means = {n: {m: _ratio(t.sum(axis=0), *of) for m, of in MEASURES.items()} for n, t in tables.items()}
        changed = {n: _ratio(tables[n].sum(axis=0), 5, 0) for n in names if n in tables}

        def against(name: str, above: int, below: int) -> Difference:
            with np.errstate(invalid="ignore", divide="ignore"):
                first, second = (blocks[n][:, above] / blocks[n][:, below] for n in (LOGGED, name))
            return paired(first, second, seed=seed)

        found = {m: {n: against(n, *of) for n in names if n in blocks} for m, of in MEASURES.items()}
        return WhatIf(len(self.at_s), self.thinned, self.same, tuple(self.differing), means, changed, found)


def _ratio(total: Floats, above: int, below: int) -> float:
    return float(total[above] / total[below]) if total[below] else float("nan")


def _chosen(decisions: Decisions) -> NDArray[np.int64]:
    """Who each order went to, shape (requests,); -1 = nobody."""
    who = np.full(len(decisions.offsets) - 1, -1, dtype=np.int64)
    who[np.repeat(np.arange(len(who)), decisions.counts)] = decisions.ids
    return who


def _sums(record: Recorded, decisions: Decisions, before: NDArray[np.int64], judge: _Referee) -> Floats:
    asked, seen, counts = record.requests, record.seen, decisions.counts
    owner, rows = np.repeat(np.arange(len(asked)), counts), decisions.rows
    if not np.array_equal(seen.ids[rows], decisions.ids):
        raise BadInput(f"the window at {asked.time_s[0]} s holds decisions about other rows than it saw; its log is damaged.")
    columns: Columns = {name: column[rows] for name, column in seen.columns.items()}
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    pairs = Candidates(offsets, decisions.ids, columns)
    drive_s = pairs.column("pickup_s").astype(np.float64)
    drive_s = np.where(np.isfinite(drive_s), drive_s, pairs.column("distance_m") / SPEED_MPS.of(asked)[owner])
    accepted = judge.accepts(asked, pairs, owner)
    other = int((_chosen(decisions) != before).sum())
    return np.array([len(asked), len(rows), drive_s.sum(), accepted.sum(), int((counts == 0).sum()), other], dtype=np.float64)
