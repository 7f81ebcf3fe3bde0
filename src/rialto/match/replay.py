"""A real day of two-sided matching, decided again by the spine: tasks and workers arrive, wait, and are matched for good.

The rule of the game (Li, Fang, Zeng et al. 2020): a worker serves one task; a pair is feasible at a moment when both have arrived, neither
has run out of patience, and the task lies within the worker's radius; a match is final. The response time of a matched task
is the moment of decision less its arrival; an unmatched task counts its full patience.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow
from rialto.match import retrieve
from rialto.match.records import FREE
from rialto.ports import GeoIndex, Positioned
from rialto.records import Candidates, Context, Requests
from rialto.spine.decide.assign import assign
from rialto.spine.params import Param, overrides_of
from rialto.spine.pipeline import Pipeline
from rialto.spine.rank import Phase
from rialto.spine.retrieve import Filter

__all__ = ["HOLD_S", "HOPE", "OFFLINE_MAXIMUM", "PUBLISHED", "Arrivals", "Day", "Replayed", "check", "read_day", "replay"]

HOPE = Param(
    "match.replay.hope",
    1.0,
    low=0.0,
    high=1.0,
    unit="share",
    doc="Part of its patience up to which the older task goes first; past it, last.",
)
HOLD_S = Param("match.replay.hold_s", 0.0, low=0.0, high=3600.0, unit="s", doc="A pair waits while both are younger than this.")
WAIT = Param(
    "match.replay.unmatched",
    1e6,
    low=1e4,
    high=1e9,
    unit="s",
    doc="Cost of leaving a task out: above any pair's, so most are matched.",
)

PUBLISHED: Mapping[str, tuple[int, float]] = {
    "Batch-GR": (79_788, 226.0),
    "Batch-LLEP": (76_239, 101.0),
    "Random": (75_819, 128.0),
    "Greedy": (74_523, 129.0),
    "POLAR-OP": (61_704, 380.0),
}
"""Method -> matched tasks and mean response, s, on `taxi_calling`. Source: Li, Fang, Zeng, Maag, Tong, Zhang (2020), "Two-sided online
bipartite matching in spatial data", GeoInformatica 24(1), and its code, run on that file."""


OFFLINE_MAXIMUM = 80_420
"""Tasks that could be matched on `taxi_calling` by somebody who knew the whole day beforehand; same source."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Tasks or workers in order of arrival: `time_s`, `x_m`, `y_m`, `patience_s`, `radius_m` (tasks: 0), shape (arrivals,) each."""

    time_s: NDArray[np.float64]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    patience_s: NDArray[np.float64]
    radius_m: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time_s)

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> Arrivals:
        """From rows `time, x, y, patience, radius`, shape (arrivals, 5)."""
        return cls(*(np.ascontiguousarray(c) for c in rows.reshape(-1, 5).T))


@dataclass(frozen=True, slots=True)
class Day:
    """Everything that arrives in a day."""

    tasks: Arrivals
    workers: Arrivals


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a policy made of a day: pairs in order of decision, `task` and `worker` rows and `at_s`, shape (matched,), and the day's score."""

    task: NDArray[np.int64]
    worker: NDArray[np.int64]
    at_s: NDArray[np.float64]
    mean_response_s: float

    @property
    def matched(self) -> int:
        """Tasks that were matched."""
        return len(self.task)


def read_day(path: Path) -> Day:
    """Read a day: a line of the numbers of tasks and workers, then `time t x y patience` or `time w x y patience radius` by arrival.

    Raises:
        BadRow: a line is not as above, with its number.
        BadInput: the counts of the first line are wrong.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        tasks, workers = _counts(next(lines, ""))
        rows: dict[str, list[list[float]]] = {"t": [], "w": []}
        for number, line in enumerate(lines, start=2):
            fields = line.split()
            try:
                width = {"t": 5, "w": 6}[fields[1]]
                values = [float(f) for f in (fields[0], *fields[2:])]
            except (KeyError, ValueError, IndexError):
                raise BadRow(number, "line", line.rstrip(), "`time t x y patience` or `time w x y patience radius`") from None
            if len(fields) != width or not np.all(np.isfinite(values)):
                raise BadRow(number, "line", line.rstrip(), f"{width} finite fields")
            rows[fields[1]].append(values if width == 6 else [*values, 0.0])
    if (len(rows["t"]), len(rows["w"])) != (tasks, workers):
        raise BadInput(
            f"{path} holds {len(rows['t'])} tasks and {len(rows['w'])} workers; its first line says {tasks} and {workers}."
        )
    return Day(Arrivals.of(np.array(rows["t"])), Arrivals.of(np.array(rows["w"])))


def _counts(line: str) -> tuple[int, int]:
    try:
        tasks, workers = (int(f) for f in line.split())
    except ValueError:
        raise BadRow(1, "line", line.rstrip(), "the numbers of tasks and workers") from None
    return tasks, workers


def pipeline(geo: GeoIndex, workers: Arrivals) -> Pipeline:
    """The chain of a window: near workers, each within his radius and patience, most pairs first, then the most urgent."""

    def in_radius(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        return np.asarray(candidates.column("distance_m") <= workers.radius_m[candidates.ids])

    def patient(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        ends_s = workers.time_s[candidates.ids] + workers.patience_s[candidates.ids]
        return np.asarray(requests.time_s[candidates.owner] <= ends_s)

    def ripe(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        owner = candidates.owner
        age_s = requests.time_s[owner] - np.minimum(requests.column("placed_s")[owner], workers.time_s[candidates.ids])
        return np.asarray(age_s >= HOLD_S.of(requests)[owner])

    def urgency(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
        age_s = requests.time_s - requests.column("placed_s")
        hoped = age_s <= HOPE.of(requests) * requests.column("patience_s")
        first = np.where(hoped, age_s, -age_s)
        return np.asarray(first[candidates.owner] + requests.time_s[candidates.owner] - workers.time_s[candidates.ids])

    filters = [Filter("out_of_radius", in_radius), Filter("impatient", patient), Filter("held", ripe)]
    return Pipeline("match.replay", [retrieve.nearest(geo)], filters, [], [Phase("urgency", urgency)], assign(WAIT))


def replay(
    day: Day,
    geo: GeoIndex,
    *,
    window_s: float = 2.0,
    overrides: Mapping[str, float] | None = None,
    progress: Callable[[float, int], None] | None = None,
) -> Replayed:
    """Decide a day again, a window at a time, knowing only what has arrived.

    Args:
        day: What arrives.
        geo: An empty index, which workers are put into; none remains.
        window_s: Seconds from one decision to the next, > 0.
        overrides: Param name -> value: `match.replay.hope` trades matched tasks against response time, `match.replay.hold_s` holds.
        progress: Told the share of the day that is done and the tasks matched so far, about once a simulated hour.

    Raises:
        BadInput: `window_s` is not above 0.
        BadSettings: an override is unknown or out of range.
    """
    if not window_s > 0.0:
        raise BadInput(f"window_s is {window_s}; wanted seconds above 0.")
    chain = pipeline(geo, day.workers)
    waiting = np.zeros(0, dtype=np.int64)
    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    matched, told_s = 0, -np.inf
    for at_s, tasks, workers in _windows(day, window_s, always=_holds(overrides)):
        _arrive(geo, day.workers, workers)
        waiting = np.concatenate([waiting, tasks])
        waiting = waiting[day.tasks.time_s[waiting] + day.tasks.patience_s[waiting] >= at_s]
        decisions = chain.run(_asked(day, waiting, at_s, overrides)).decisions
        task = waiting[decisions.counts > 0]
        geo.remove(decisions.ids)
        waiting = waiting[decisions.counts == 0]
        pairs.append((task, decisions.ids, np.full(len(task), at_s)))
        matched += len(task)
        if progress is not None and at_s >= told_s + 3600.0:
            progress(min(at_s / max(_end(day), 1.0), 1.0), matched)
            told_s = at_s
    geo.remove(np.arange(len(day.workers)))
    task, worker, at = (np.concatenate(c) for c in zip(*pairs)) if pairs else (np.zeros(0, dtype=np.int64),) * 2 + (np.zeros(0),)
    response_s = day.tasks.patience_s.copy()
    response_s[task] = at - day.tasks.time_s[task]
    return Replayed(task, worker, at, float(response_s.mean()) if len(response_s) else 0.0)


def _holds(overrides: Mapping[str, float] | None) -> bool:
    return float((overrides or {}).get(HOLD_S.name, HOLD_S.default)) > 0.0


def _end(day: Day) -> float:
    return float(max(day.tasks.time_s.max(initial=0.0), day.workers.time_s.max(initial=0.0)))


def _windows(day: Day, window_s: float, *, always: bool) -> Iterator[tuple[float, NDArray[np.int64], NDArray[np.int64]]]:
    """Each window's end, and the rows of the tasks and workers that arrived in it; windows without arrivals only if `always`."""
    last_s = _end(day) + (float(day.tasks.patience_s.max(initial=0.0)) if always else 0.0)
    ends = np.arange(1, int(np.ceil(last_s / window_s)) + 2) * window_s
    task_at = np.concatenate([[0], np.searchsorted(day.tasks.time_s, ends, side="right")])
    worker_at = np.concatenate([[0], np.searchsorted(day.workers.time_s, ends, side="right")])
    for i, end in enumerate(ends.tolist()):
        tasks, workers = np.arange(task_at[i], task_at[i + 1]), np.arange(worker_at[i], worker_at[i + 1])
        if always or len(tasks) or len(workers):
            yield end, tasks, workers


def _arrive(geo: GeoIndex, workers: Arrivals, rows: NDArray[np.int64]) -> None:
    if len(rows):
        flags = np.full(len(rows), FREE)
        geo.move(Positioned(rows, workers.x_m[rows], workers.y_m[rows], workers.time_s[rows], flags))


def _asked(day: Day, waiting: NDArray[np.int64], at_s: float, overrides: Mapping[str, float] | None) -> Requests:
    tasks, size = day.tasks, len(waiting)
    columns = {
        "x_m": tasks.x_m[waiting],
        "y_m": tasks.y_m[waiting],
        "need": np.zeros(size, dtype=np.uint64),
        "placed_s": tasks.time_s[waiting],
        "patience_s": tasks.patience_s[waiting],
    }
    reach = {
        retrieve.K.name: 200,
        retrieve.RADIUS_M.name: max(float(day.workers.radius_m.max(initial=1.0)), 1.0),
        retrieve.FRESH_S.name: float(day.workers.patience_s.max(initial=0.0)),
    }
    return Requests.of(columns, ids=waiting, time_s=at_s, overrides=overrides_of({**reach, **(overrides or {})}, size))


def check(day: Day, replayed: Replayed) -> None:
    """Hold a replay against the rule, in plain loops that share nothing with it; `BadInput` names the first pair that breaks it."""
    tasks_seen: set[int] = set()
    workers_seen: set[int] = set()
    t, w = day.tasks, day.workers
    for task, worker, at_s in zip(replayed.task.tolist(), replayed.worker.tolist(), replayed.at_s.tolist()):
        both_waiting = all(a.time_s[i] <= at_s <= a.time_s[i] + a.patience_s[i] for a, i in ((t, task), (w, worker)))
        near = (t.x_m[task] - w.x_m[worker]) ** 2 + (t.y_m[task] - w.y_m[worker]) ** 2 <= w.radius_m[worker] ** 2
        if task in tasks_seen or worker in workers_seen or not both_waiting or not near:
            raise BadInput(
                f"task {task} and worker {worker} at {at_s} s break the rule: used twice, not waiting, or out of radius."
            )
        tasks_seen.add(task)
        workers_seen.add(worker)
