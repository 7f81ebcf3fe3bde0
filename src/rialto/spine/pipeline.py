"""The one runner: a batch goes through the steps in order under a deadline; a trace is kept and declared fallbacks applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Candidates, Context, Decisions, Requests, Trace
from rialto.spine.decide import Decider
from rialto.spine.features import Features
from rialto.spine.params import with_settled
from rialto.spine.rank import Phase, sink
from rialto.spine.retrieve import Filter, Source, merge, strike
from rialto.spine.run import Run, awaited, filling, joined, masking, sampled, scored, scoring, spread, with_features

__all__ = ["Outcome", "Pipeline", "Recorded"]

_ASIDE = 64  # threads at most, made as they are wanted, for legs of many runs at once, some of which may hang


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a replay needs of a run, and what the decision log keeps of it.

    Args:
        pipeline: Name of the pipeline.
        requests: What was asked, with the overrides of experiments.
        seen: Candidates as the first phase saw them, features included.
        late: For each phase with features of its own, in order, the candidates that it ordered, with their columns.
        decisions: What was chosen.
        seed: Seed of the run.
        versions: Versions of models, indexes and data that took part.
        fallbacks: Names of the steps that their fallback answered.
        whole: False where candidates were left out, as `rialto.spine.thinned` does: it can be learned from and not replayed.
    """

    pipeline: str
    requests: Requests
    seen: Candidates
    decisions: Decisions
    seed: int
    versions: Mapping[str, str]
    fallbacks: tuple[str, ...]
    late: tuple[Candidates, ...] = ()
    whole: bool = True

    def known(self) -> Candidates:
        """All candidates that the first phase saw, with every column that any phase had; NaN where a phase did not come."""
        rows = self.seen
        for part in self.late:
            at = rows.rows_of(part)
            rows = rows.with_columns({n: spread(v, at, len(rows)) for n, v in part.columns.items() if n not in rows.columns})
        return rows


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run answers.

    Args:
        record: What a replay and the log need.
        ranked: The candidates that the decider saw, column `score`.
        trace: What became of every candidate.
        merged: The candidates of all legs, before any filter; kept for counts over what was found. None where nothing ran.
        kept: Filter -> the rows of `merged` that it keeps, whatever the others say, shape (rows,).
    """

    record: Recorded
    ranked: Candidates
    trace: Trace
    merged: Candidates | None = None
    kept: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

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
        own = [f for phase in self.phases for f in phase.features]
        steps = [s.name for g in (self.sources, self.filters, self.features, own, self.phases, [self.decider]) for s in g]
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
        run = Run(Context(clock() + deadline_s, seed, clock, explain), requests, sampled(requests, explain, sample, seed))
        seen = self._featured(run, self._filtered(run, self._retrieve(run)))
        ranked = self._ranked(run, seen)
        decisions = self._decided(run, ranked)
        trace = run.trace(ranked, decisions)
        record = Recorded(self.name, requests, seen, decisions, seed, self.versions, trace.fallbacks, tuple(run.late))
        return Outcome(record, ranked, trace, run.merged, run.masks)

    def replay(self, record: Recorded, *, clock: Callable[[], float] = monotonic) -> Decisions:
        """Decide again from what the phases saw, with the same fallbacks in place: the same decisions, bit for bit.

        Raises:
            BadInput: the record was made by another pipeline or by other versions, or is not whole.
        """
        if not record.whole:
            raise BadInput(
                "the record holds the chosen and their rivals alone; wanted a whole one, as a replay decides among all."
            )
        if (record.pipeline, dict(record.versions)) != (self.name, dict(self.versions)):
            raise BadInput(
                f"the record was made by {record.pipeline!r} with versions {dict(record.versions)}; "
                f"this is {self.name!r} with {dict(self.versions)}. Load those versions to replay it."
            )
        nobody = np.zeros(0, dtype=np.int64)
        forced = frozenset(record.fallbacks)
        run = Run(Context(seed=record.seed, clock=clock), record.requests, nobody, forced, recorded=list(record.late))
        return self._decided(run, self._ranked(run, record.seen))

    def close(self) -> None:
        """End the threads of the side-by-side legs."""
        while self._pool:
            self._pool.pop().shutdown(wait=False, cancel_futures=True)

    def _retrieve(self, run: Run) -> Candidates:
        asked = [s for s in self.sources if s.idle is None or not s.idle(run.requests)]
        begun_s, left_s = run.context.clock(), run.context.left_s()
        ends_s = {s.name: begun_s + min(s.budget_s, s.share * left_s) for s in asked}
        asides = {s.name: self._aside(run, s, ends_s[s.name]) for s in asked if s.aside}
        legs = {s.name: self._leg(run, s, ends_s[s.name], asides.get(s.name)) for s in sorted(asked, key=lambda s: s.aside)}
        merged = merge([legs[s.name] for s in asked] or [Candidates.none(len(run.requests))])
        if merged.requests != len(run.requests):
            raise BadInput(f"the sources answered for {merged.requests} requests; wanted {len(run.requests)}.")
        run.fetched, run.merged = merged.counts, merged
        run.keep_details("retrieve", merged)
        return merged

    def _aside(self, run: Run, source: Source, end_s: float) -> Future[Candidates]:
        if not self._pool:
            self._pool.append(ThreadPoolExecutor(_ASIDE, thread_name_prefix=f"rialto-{self.name}"))
        return self._pool[0].submit(source.fetch, run.requests, run.context_of(end_s - run.context.clock()))

    def _leg(self, run: Run, source: Source, end_s: float, aside: Future[Candidates] | None) -> Candidates:
        def fetch(context: Context) -> Candidates:
            answer = source.fetch(run.requests, context) if aside is None else awaited(aside, context.left_s())
            if answer.requests != len(run.requests):
                raise BadInput(f"source {source.name!r} answered for {answer.requests} requests; wanted {len(run.requests)}.")
            return answer

        otherwise = source.otherwise
        instead = None if otherwise is None else lambda _: otherwise(run.requests)
        budget_s = source.budget_s
        if aside is not None and not aside.done():  # it has been running since the legs began; what it answered in time is taken
            budget_s = end_s - run.context.clock()
        return run.attempt(source.name, "source", budget_s, 0, fetch, instead, len)

    def _filtered(self, run: Run, candidates: Candidates) -> Candidates:
        alive, nothing = np.ones(len(candidates), dtype=np.bool_), np.zeros(candidates.requests, dtype=np.int64)
        idle = {asks: asks(run.requests) for asks in {f.idle for f in self.filters} if asks is not None}  # many share one
        for f in self.filters:
            if f.idle is not None and idle[f.idle]:
                run.removed[f.name] = nothing
                continue
            instead = None if f.otherwise is None else filling(len(candidates), f.otherwise)
            mask = run.attempt(
                f.name, "filter", f.budget_s, len(candidates), masking(run, f, candidates), instead, np.count_nonzero
            )
            run.masks[f.name] = mask
            before = alive.copy() if len(run.sampled) else alive
            run.removed[f.name] = strike(candidates.offsets, alive, mask)
            run.keep_details(f.name, candidates, removed=lambda b=before: b & ~alive)
        gone = sum((r for r in run.removed.values() if r is not nothing), nothing)
        if not gone.any():
            return candidates
        left = np.concatenate([[0], np.cumsum(candidates.counts - gone)]).astype(np.int64)
        return candidates.at(np.flatnonzero(alive), left)  # the counts were kept anyway: they give the offsets for nothing

    def _featured(self, run: Run, candidates: Candidates) -> Candidates:
        candidates = with_features(run, self.features, candidates)
        run.keep_details("features", candidates)
        return candidates

    def _ranked(self, run: Run, candidates: Candidates) -> Candidates:
        for phase in self.phases:
            near, now = run.nearest(phase, candidates)
            now = run.with_late(phase, now)
            otherwise = phase.otherwise
            instead = None if otherwise is None else lambda _, o=otherwise, c=now: o(run.requests, c)
            scores = run.attempt(phase.name, "phase", phase.budget_s, len(now), scoring(run, phase, now), instead, len)
            candidates = scored(phase, joined(candidates, near, now), near, sink(np.asarray(scores, dtype=np.float64)))
            run.keep_details(phase.name, candidates)
            if phase.keep is not None:
                candidates = run.cut_to(phase.name, candidates, phase.keep.of(run.requests))
        return candidates

    def _decided(self, run: Run, candidates: Candidates) -> Decisions:
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
