"""One run of a pipeline: the batch's state, what its trace will hold, and how a step is tried and answered by its fallback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, Overrun
from rialto.records import Candidates, Columns, Context, Decisions, Requests, StepTrace, Trace, uniforms
from rialto.spine.features import Features
from rialto.spine.rank import Phase, behind, best
from rialto.spine.retrieve import Filter

__all__ = ["Run", "awaited", "filling", "joined", "masking", "sampled", "scored", "scoring", "spread", "with_features"]

T = TypeVar("T")

_SINGLE = np.dtype(np.float32)


@dataclass(slots=True)
class Run:
    """The state of one run: what the trace will hold."""

    context: Context
    requests: Requests
    sampled: NDArray[np.int64]
    forced: frozenset[str] | None = None
    fetched: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    steps: list[StepTrace] = field(default_factory=list)
    removed: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    cut: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    details: dict[str, Candidates] = field(default_factory=dict)
    late: list[Candidates] = field(default_factory=list)
    recorded: list[Candidates] = field(default_factory=list)
    merged: Candidates | None = None
    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def nearest(self, phase: Phase, candidates: Candidates) -> tuple[NDArray[np.int64] | None, Candidates]:
        """The rows that a phase orders, None = all, and those candidates."""
        depth = None if phase.depth is None else phase.depth.of(self.requests).astype(np.int64)
        if depth is None or "score" not in candidates.columns or (depth >= candidates.counts).all():
            return None, candidates
        rows, offsets = best(candidates.offsets, candidates.ids, candidates.column("score"), depth)
        return rows, candidates.at(rows, offsets)

    def with_late(self, phase: Phase, candidates: Candidates) -> Candidates:
        """The candidates with the phase's own features: made now, or in a replay as they were."""
        if not phase.features:
            return candidates
        if self.recorded:
            part = self.recorded.pop(0)
            rows = part.rows_of(candidates)  # the company in a batch decides in which order a phase was given them
            return candidates.with_columns({name: values[rows] for name, values in part.columns.items()})
        full = with_features(self, phase.features, candidates)
        made = [n for group in phase.features for n in group.names]
        self.late.append(Candidates(full.offsets, full.ids, {n: full.columns[n] for n in made}))
        return full

    def context_of(self, budget_s: float) -> Context:
        if budget_s == float("inf"):
            return self.context
        return replace(self.context, deadline_s=min(self.context.deadline_s, self.context.clock() + budget_s))

    def attempt(
        self,
        name: str,
        kind: str,
        budget_s: float,
        rows: int,
        work: Callable[[Context], T],
        instead: Callable[[Context], T] | None,
        size: Callable[[T], int],
    ) -> T:
        """Run one step; answer with its declared fallback where it raises, overruns, or (in a replay) did so in the run."""
        context = self.context_of(budget_s)
        clock = context.clock
        start = clock()
        outcome, error = "ok", ""
        try:
            if instead is not None and (start >= context.deadline_s or (self.forced is not None and name in self.forced)):
                raise Overrun(f"step {name!r} had no time left.")
            answer = work(context)
            if clock() > context.deadline_s:
                outcome, error = "late", f"took {clock() - start:.4f} s"
                if instead is not None:
                    raise Overrun(f"step {name!r} took {clock() - start:.4f} s, past its deadline.")
        except Exception as e:  # whatever a step raises, its declaration decides: a fallback answers, or the error goes on
            if instead is None:
                raise
            outcome, error = "fallback", f"{type(e).__name__}: {e}"
            answer = instead(context)
        self.steps.append(StepTrace(name, kind, clock() - start, rows, size(answer), outcome, error))
        return answer

    def cut_to(self, phase: str, candidates: Candidates, keep: NDArray[np.int64]) -> Candidates:
        counts = candidates.counts
        if (keep >= counts).all():
            self.cut[phase] = np.zeros_like(counts)
            return candidates
        rows, offsets = best(candidates.offsets, candidates.ids, candidates.column("score"), keep.astype(np.int64))
        left = candidates.at(rows, offsets)
        self.cut[phase] = counts - left.counts
        return left

    def keep_details(self, step: str, candidates: Candidates, *, removed: Callable[[], NDArray[np.bool_]] | None = None) -> None:
        if len(self.sampled) == 0:
            return
        full = candidates if removed is None else candidates.with_columns({"removed": removed()})
        self.details[step] = full if len(self.sampled) == full.requests else _only(full, self.sampled)

    def trace(self, ranked: Candidates, decisions: Decisions) -> Trace:
        chosen = decisions.counts
        return Trace(
            tuple(self.steps), self.fetched, self.removed, self.cut, ranked.counts - chosen, chosen, self.sampled, self.details
        )


def scored(phase: Phase, candidates: Candidates, near: NDArray[np.int64] | None, scores: NDArray[np.float64]) -> Candidates:
    """The candidates with this phase's scores as `score`, and as `score:PHASE` for later phases; `near` are the rows it ordered."""
    if near is not None:
        before = candidates.column("score")
        full = before.copy() if phase.mixed else behind(before)
        full[near] = scores
        scores = full
    return candidates.with_columns({"score": scores, f"score:{phase.name}": scores})


def joined(candidates: Candidates, near: NDArray[np.int64] | None, now: Candidates) -> Candidates:
    """The candidates with the columns that `now`, their rows `near`, has besides; NaN for the others."""
    if near is None:
        return now
    fresh = {n: v for n, v in now.columns.items() if n not in candidates.columns}
    if not fresh:
        return candidates
    if any(v.dtype != _SINGLE for v in fresh.values()):
        return candidates.with_columns({n: spread(v, near, len(candidates)) for n, v in fresh.items()})
    # Features are float32 columns, dozens of them: one block is filled instead.
    block = np.full((len(fresh), len(candidates)), np.nan, dtype=np.float32)
    block[:, near] = np.concatenate(list(fresh.values())).reshape(len(fresh), len(near))
    return candidates.with_columns(dict(zip(fresh, block)))


def spread(values: NDArray[Any], rows: NDArray[np.int64], size: int) -> NDArray[Any]:
    """`values` at `rows` of a column of `size`, NaN elsewhere."""
    out = np.full(size, np.nan, dtype=values.dtype if values.dtype.kind == "f" else np.float64)
    out[rows] = values
    return out


def with_features(run: Run, groups: Sequence[Features], candidates: Candidates) -> Candidates:
    for group in groups:
        instead = None if group.otherwise is None else _columns_of(group, len(candidates), group.otherwise)
        work = _computing(run, group, candidates)
        columns = run.attempt(group.name, "features", group.budget_s, len(candidates), work, instead, _rows)
        candidates = candidates.with_columns(columns)
    return candidates


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values()))) if columns else 0


def awaited(aside: Future[Candidates], left_s: float) -> Candidates:
    try:
        return aside.result(timeout=None if left_s == float("inf") else max(left_s, 0.0))
    except TimeoutError:
        raise Overrun("the leg did not answer in time; it was left behind.") from None


def sampled(requests: Requests, explain: bool, sample: float, seed: int) -> NDArray[np.int64]:
    if explain:
        return np.arange(len(requests))
    if sample <= 0.0:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(uniforms(seed, requests.ids, "trace.sample", 1)[:, 0] < sample)


def _only(candidates: Candidates, sampled: NDArray[np.int64]) -> Candidates:
    wanted = np.zeros(candidates.requests, dtype=np.bool_)
    wanted[sampled] = True
    offsets = np.concatenate([[0], np.cumsum(candidates.counts[sampled])]).astype(np.int64)
    return candidates.at(np.flatnonzero(wanted[candidates.owner]), offsets)


def filling(rows: int, value: bool) -> Callable[[Context], NDArray[np.bool_]]:
    return lambda _: np.full(rows, value, dtype=np.bool_)


def masking(run: Run, f: Filter, candidates: Candidates) -> Callable[[Context], NDArray[np.bool_]]:
    def work(context: Context) -> NDArray[np.bool_]:
        mask = f.keep(run.requests, candidates, context)
        if mask.shape != (len(candidates),) or mask.dtype != np.bool_:
            raise BadInput(f"filter {f.name!r} answered {mask.dtype} {mask.shape}; wanted bool ({len(candidates)},).")
        return mask

    return work


def _columns_of(group: Features, rows: int, value: float) -> Callable[[Context], Columns]:
    return lambda _: {name: np.full(rows, value, dtype=np.float32) for name in group.names}


def _computing(run: Run, group: Features, candidates: Candidates) -> Callable[[Context], Columns]:
    def work(context: Context) -> Columns:
        columns = group.compute(run.requests, candidates, context)
        if set(columns) != set(group.names):
            raise BadInput(f"features {group.name!r} made {sorted(columns)}; wanted {sorted(group.names)}.")
        return columns

    return work


def scoring(run: Run, phase: Phase, candidates: Candidates) -> Callable[[Context], NDArray[np.float64]]:
    def work(context: Context) -> NDArray[np.float64]:
        scores = phase.score(run.requests, candidates, context)
        if scores.shape != (len(candidates),):
            raise BadInput(f"phase {phase.name!r} answered shape {scores.shape}; wanted ({len(candidates)},).")
        return scores

    return work
