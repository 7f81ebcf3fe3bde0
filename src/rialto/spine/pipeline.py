"""The one runner: a batch goes through the steps in order under a deadline; a trace is kept and declared fallbacks applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, Overrun
from rialto.records import Candidates, Columns, Context, Decisions, Requests, StepTrace, Trace, uniforms
from rialto.spine.decide import Decider
from rialto.spine.features import Features
from rialto.spine.params import with_settled
from rialto.spine.rank import Phase, best, sink
from rialto.spine.retrieve import Filter, Source, merge, strike

__all__ = ["Outcome", "Pipeline", "Recorded"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a replay needs of a run, and what the decision log keeps of it.

    Args:
        pipeline: Name of the pipeline.
        requests: What was asked, with the overrides of experiments.
        seen: Candidates as the first phase saw them, features included.
        decisions: What was chosen.
        seed: Seed of the run.
        versions: Versions of models, indexes and data that took part.
        fallbacks: Names of the steps that their fallback answered.
    """

    pipeline: str
    requests: Requests
    seen: Candidates
    decisions: Decisions
    seed: int
    versions: Mapping[str, str]
    fallbacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run answers: the record of it, the candidates that the decider saw (column `score`), and the trace."""

    record: Recorded
    ranked: Candidates
    trace: Trace

    @property
    def requests(self) -> Requests:
        """What was asked."""
        return self.record.requests

    @property
    def decisions(self) -> Decisions:
        """What was chosen."""
        return self.record.decisions


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A chain of steps, reading like a request from top to bottom.

    Args:
        name: `find`, `match` or `show`, or a variant of one.
        sources: Legs of retrieval, merged by id; those marked `aside` run side by side.
        filters: Each sees every merged candidate; the first that removes one is its reason.
        features: Groups of columns, in order; a later group may read an earlier one's.
        phases: Scorers from cheap to dear, each with its cut.
        decider: Chooses for the whole batch.
        versions: Versions of all that takes part, pinned: a promoted model makes another pipeline.

    Example:
        >>> from rialto.spine.decide.slate import slate
        >>> from rialto.spine.params import Param
        >>> size = Param("doctest.pipeline.size", 2, low=0, high=9, unit="results", doc="Results.")
        >>> swap = Param("doctest.pipeline.swap", 0.0, low=0, high=0.9, unit="share", doc="Swaps.")
        >>> numbers = Source("numbers", lambda r, c: Candidates(np.array([0, 4]), np.arange(4)))
        >>> odd = Filter("even", lambda r, c, x: c.ids % 2 == 1)
        >>> high = Phase("high", lambda r, c, x: c.ids.astype(float))
        >>> out = Pipeline("demo", [numbers], [odd], [], [high], slate(size, swap)).run(Requests.of({"q": np.array(["?"])}))
        >>> out.decisions.ids.tolist(), {k: v.tolist() for k, v in out.trace.removed.items()}
        ([3, 1], {'even': [2]})
    """

    name: str
    sources: Sequence[Source]
    filters: Sequence[Filter]
    features: Sequence[Features]
    phases: Sequence[Phase]
    decider: Decider
    versions: Mapping[str, str] = field(default_factory=dict)
    _pool: list[ThreadPoolExecutor] = field(default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        steps = [s.name for group in (self.sources, self.filters, self.features, self.phases, [self.decider]) for s in group]
        doubles = sorted({n for n in steps if steps.count(n) > 1})
        if doubles or not self.sources:
            raise BadInput(
                f"pipeline {self.name!r} has {len(self.sources)} sources and names {doubles} twice; wanted one name a step."
            )

    def run(
        self,
        requests: Requests,
        *,
        seed: int = 0,
        deadline_s: float = float("inf"),
        clock: Callable[[], float] = monotonic,
        explain: bool = False,
        sample: float = 0.0,
    ) -> Outcome:
        """Decide a batch.

        Args:
            requests: Any number of requests, none included.
            seed: Seed of chance; a request's draws depend on it and the request's id alone.
            deadline_s: Seconds from now after which steps that declare a fallback are answered by it.
            clock: Where time comes from.
            explain: Keep the details of every request in the trace.
            sample: Share of requests, by a stable hash of their ids, whose details are kept anyway.

        Raises:
            BadInput: a step without a fallback answered in a wrong shape.
            RialtoError: whatever a step without a fallback raised.

        Cost:
            The steps' own, a pass over the rows for each filter, and a copy of the rows for each cut.
        """
        requests = with_settled(requests)
        run = _Run(Context(clock() + deadline_s, seed, clock, explain), requests, _sampled(requests, explain, sample, seed))
        seen = self._featured(run, self._filtered(run, self._retrieve(run)))
        ranked = self._ranked(run, seen)
        decisions = self._decided(run, ranked)
        trace = run.trace(ranked, decisions)
        record = Recorded(self.name, requests, seen, decisions, seed, self.versions, trace.fallbacks)
        return Outcome(record, ranked, trace)

    def replay(self, record: Recorded, *, clock: Callable[[], float] = monotonic) -> Decisions:
        """Decide again from what the phases saw, with the same fallbacks in place: the same decisions, bit for bit.

        Raises:
            BadInput: the record was made by another pipeline or by other versions.
        """
        if (record.pipeline, dict(record.versions)) != (self.name, dict(self.versions)):
            raise BadInput(
                f"the record was made by {record.pipeline!r} with versions {dict(record.versions)}; "
                f"this is {self.name!r} with {dict(self.versions)}. Load those versions to replay it."
            )
        nobody = np.zeros(0, dtype=np.int64)
        run = _Run(Context(seed=record.seed, clock=clock), record.requests, nobody, frozenset(record.fallbacks))
        return self._decided(run, self._ranked(run, record.seen))

    def close(self) -> None:
        """End the threads of the side-by-side legs."""
        while self._pool:
            self._pool.pop().shutdown(wait=False, cancel_futures=True)

    def _retrieve(self, run: _Run) -> Candidates:
        asides = {s.name: self._aside(run, s) for s in self.sources if s.aside}
        legs = [self._leg(run, s, asides.get(s.name)) for s in sorted(self.sources, key=lambda s: s.aside)]
        order = [s.name for s in sorted(self.sources, key=lambda s: s.aside)]
        merged = merge([legs[order.index(s.name)] for s in self.sources])
        if merged.requests != len(run.requests):
            raise BadInput(f"the sources answered for {merged.requests} requests; wanted {len(run.requests)}.")
        run.fetched = merged.counts
        run.keep_details("retrieve", merged)
        return merged

    def _aside(self, run: _Run, source: Source) -> Future[Candidates]:
        if not self._pool:
            self._pool.append(ThreadPoolExecutor(len(self.sources), thread_name_prefix=f"rialto-{self.name}"))
        return self._pool[0].submit(source.fetch, run.requests, run.context_of(source.budget_s))

    def _leg(self, run: _Run, source: Source, aside: Future[Candidates] | None) -> Candidates:
        def fetch(context: Context) -> Candidates:
            answer = source.fetch(run.requests, context) if aside is None else _awaited(aside, context.left_s())
            if answer.requests != len(run.requests):
                raise BadInput(f"source {source.name!r} answered for {answer.requests} requests; wanted {len(run.requests)}.")
            return answer

        otherwise = source.otherwise
        instead = None if otherwise is None else lambda _: otherwise(run.requests)
        return run.attempt(source.name, "source", source.budget_s, 0, fetch, instead, len)

    def _filtered(self, run: _Run, candidates: Candidates) -> Candidates:
        alive = np.ones(len(candidates), dtype=np.bool_)
        for f in self.filters:
            instead = None if f.otherwise is None else _filling(len(candidates), f.otherwise)
            mask = run.attempt(
                f.name, "filter", f.budget_s, len(candidates), _masking(run, f, candidates), instead, np.count_nonzero
            )
            before = alive.copy() if len(run.sampled) else alive
            run.removed[f.name] = strike(candidates.offsets, alive, mask)
            run.keep_details(f.name, candidates, removed=lambda b=before: b & ~alive)
        gone = sum(run.removed.values(), np.zeros(candidates.requests, dtype=np.int64))
        if not gone.any():
            return candidates
        left = np.concatenate([[0], np.cumsum(candidates.counts - gone)]).astype(np.int64)
        return candidates.at(np.flatnonzero(alive), left)  # the counts were kept anyway: they give the offsets for nothing

    def _featured(self, run: _Run, candidates: Candidates) -> Candidates:
        for group in self.features:
            instead = None if group.otherwise is None else _columns_of(group, len(candidates), group.otherwise)
            work = _computing(run, group, candidates)
            columns = run.attempt(group.name, "features", group.budget_s, len(candidates), work, instead, _rows)
            candidates = candidates.with_columns(columns)
        run.keep_details("features", candidates)
        return candidates

    def _ranked(self, run: _Run, candidates: Candidates) -> Candidates:
        for phase in self.phases:
            otherwise, now = phase.otherwise, candidates
            instead = None if otherwise is None else lambda _, o=otherwise, c=now: o(run.requests, c)
            scores = run.attempt(phase.name, "phase", phase.budget_s, len(now), _scoring(run, phase, now), instead, len)
            candidates = _scored(phase.name, now, sink(np.asarray(scores, dtype=np.float64)))
            run.keep_details(phase.name, candidates)
            if phase.keep is not None:
                candidates = run.cut_to(phase.name, candidates, phase.keep.of(run.requests))
        return candidates

    def _decided(self, run: _Run, candidates: Candidates) -> Decisions:
        if "score" not in candidates.columns:
            candidates = candidates.with_columns({"score": np.zeros(len(candidates))})
        d, otherwise = self.decider, self.decider.otherwise
        instead = None if otherwise is None else lambda context: otherwise(run.requests, candidates, context)

        def decide(context: Context) -> Decisions:
            answer = d.decide(run.requests, candidates, context)
            if len(answer.offsets) != len(run.requests) + 1:
                raise BadInput(f"decider {d.name!r} answered {len(answer.offsets) - 1} requests; wanted {len(run.requests)}.")
            return answer

        return run.attempt(d.name, "decide", d.budget_s, len(candidates), decide, instead, lambda a: len(a.ids))


@dataclass(slots=True)
class _Run:
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
        if np.all(keep >= counts):
            self.cut[phase] = np.zeros_like(counts)
            return candidates
        rows, offsets = best(candidates.offsets, candidates.ids, candidates.column("score"), keep.astype(np.int64))
        self.cut[phase] = counts - np.diff(offsets)
        once = {name: values for name, values in candidates.columns.items() if name != "score"}  # it is also `score:phase`
        left = replace(candidates, columns=once).at(rows, offsets)
        return left.with_columns({"score": left.column(f"score:{phase}")})

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


def _scored(phase: str, candidates: Candidates, scores: NDArray[np.float64]) -> Candidates:
    """The candidates with this phase's scores as `score`, and as `score:PHASE` for later phases."""
    return candidates.with_columns({"score": scores, f"score:{phase}": scores})


def _rows(columns: Columns) -> int:
    return len(next(iter(columns.values()))) if columns else 0


def _awaited(aside: Future[Candidates], left_s: float) -> Candidates:
    try:
        return aside.result(timeout=None if left_s == float("inf") else max(left_s, 0.0))
    except TimeoutError:
        raise Overrun("the leg did not answer in time; it was left behind.") from None


def _sampled(requests: Requests, explain: bool, sample: float, seed: int) -> NDArray[np.int64]:
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


def _filling(rows: int, value: bool) -> Callable[[Context], NDArray[np.bool_]]:
    return lambda _: np.full(rows, value, dtype=np.bool_)


def _masking(run: _Run, f: Filter, candidates: Candidates) -> Callable[[Context], NDArray[np.bool_]]:
    def work(context: Context) -> NDArray[np.bool_]:
        mask = f.keep(run.requests, candidates, context)
        if mask.shape != (len(candidates),) or mask.dtype != np.bool_:
            raise BadInput(f"filter {f.name!r} answered {mask.dtype} {mask.shape}; wanted bool ({len(candidates)},).")
        return mask

    return work


def _columns_of(group: Features, rows: int, value: float) -> Callable[[Context], Columns]:
    return lambda _: {name: np.full(rows, value, dtype=np.float32) for name in group.names}


def _computing(run: _Run, group: Features, candidates: Candidates) -> Callable[[Context], Columns]:
    def work(context: Context) -> Columns:
        columns = group.compute(run.requests, candidates, context)
        if set(columns) != set(group.names):
            raise BadInput(f"features {group.name!r} made {sorted(columns)}; wanted {sorted(group.names)}.")
        return columns

    return work


def _scoring(run: _Run, phase: Phase, candidates: Candidates) -> Callable[[Context], NDArray[np.float64]]:
    def work(context: Context) -> NDArray[np.float64]:
        scores = phase.score(run.requests, candidates, context)
        if scores.shape != (len(candidates),):
            raise BadInput(f"phase {phase.name!r} answered shape {scores.shape}; wanted ({len(candidates)},).")
        return scores

    return work
