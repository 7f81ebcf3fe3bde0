"""Rules as steps of the chain: a source for pins, a filter that hides, a phase that boosts and buries, and the pipeline with all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.decide import decider
from rialto.find.rules.compiled import Compiled
from rialto.find.scale import falling
from rialto.records import Candidates, Context, Requests
from rialto.spine.pipeline import Pipeline
from rialto.spine.rank import Phase, previous_score, sink
from rialto.spine.retrieve import Filter, Source

__all__ = ["HIDDEN", "PHASE", "PINNED", "adjusted", "adjustment", "hidden", "pinned", "protected", "ruled"]

PINNED, HIDDEN, PHASE = "pinned", "hidden_by_rule", "rules"


def pinned(rules: Compiled) -> Source:
    """The leg of pins: it fetches the products that have places, whether the query finds them or not; column `pinned`, their places."""

    def fetch(requests: Requests, context: Context) -> Candidates:
        pins = rules.pins(requests)
        return Candidates(pins.offsets, pins.ids, {PINNED: pins.places.astype(np.float32)})

    return Source(PINNED, fetch)


def hidden(rules: Compiled) -> Filter:
    """The filter of hide rules; the reason in the trace is `hidden_by_rule`."""

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        out = np.ones(len(candidates), dtype=np.bool_)
        for b, fired in enumerate(rules.fired(requests)):
            if any(rules.rules[r].action == "hide" for r in fired):
                own = slice(int(candidates.offsets[b]), int(candidates.offsets[b + 1]))
                rows = np.maximum(rules.catalogue.rows(candidates.ids[own]), 0)
                out[own] = ~rules.hidden(requests, b, rows)
        return out

    return Filter(HIDDEN, keep)


def adjustment(rules: Compiled) -> Phase:
    """The phase of boost and bury, last of those that rank: a product competes at its place divided by its factor.

    Places count from 1 in the order so far. A boost by 4 lets place 20 compete as 5, a bury by 4 place 5 as 20; several rules
    multiply. So a factor means the same under any ranker, whatever the scale of its scores; a greater one never makes a product
    stand lower; products that no rule touches keep their order. The old scores are dealt out to the new order.
    A list that the shopper sorted is left alone, as is what the ranker sank.
    """

    def score(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
        out, sort = previous_score(requests, candidates), requests.columns.get("sort")
        copied = False
        for b, fired in enumerate(rules.fired(requests)):
            if not fired or (sort is not None and sort[b] != "relevance"):
                continue
            own = slice(int(candidates.offsets[b]), int(candidates.offsets[b + 1]))
            factor = _factors(rules, fired, rules.catalogue.rows(candidates.ids[own]))
            if factor is not None:
                out = out if copied else out.copy()
                copied = True
                out[own] = adjusted(out[own], candidates.ids[own], factor)
        return out

    return Phase(PHASE, score)


def _factors(rules: Compiled, fired: tuple[int, ...], rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """What each candidate's place is divided by, shape (candidates,); None where no rule touches any."""
    log = np.zeros(len(rows))
    for rule in fired:
        r = rules.rules[rule]
        if r.action in ("boost", "bury"):
            log += np.where(
                rules.holds(rule, np.maximum(rows, 0)), np.log(r.factor) * (1.0 if r.action == "boost" else -1.0), 0.0
            )
    return np.exp(log) if log.any() else None


def adjusted(scores: NDArray[np.float64], ids: NDArray[np.int64], factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """One request's scores dealt out anew, so that each candidate stands where its place divided by its factor puts it.

    Args:
        scores: Shape (candidates,); what is -inf stays there.
        ids: They break ties, shape (candidates,).
        factor: Above 0, shape (candidates,); 1 = untouched.

    Example:
        >>> adjusted(np.array([9.0, 8.0, 7.0]), np.array([1, 2, 3]), np.array([1.0, 1.0, 4.0])).tolist()
        [8.0, 7.0, 9.0]
    """
    order = np.lexsort((ids, -scores))
    order = order[np.isfinite(scores[order])]
    place = np.arange(1.0, len(order) + 1.0)
    wanted = order[np.lexsort((place, place / factor[order]))]
    if np.array_equal(wanted, order):
        return scores
    out = scores.copy()
    out[wanted] = falling(scores[order])
    return out


def protected(phase: Phase, rules: Compiled) -> Phase:
    """The phase, whose cut leaves the pinned products in: those that would be cut are scored just within it.

    A pin further down keeps its own score, so that the trace still says where it would have stood. A phase that both orders to a
    depth and cuts must have a depth of at least what it keeps.
    """
    keep, inner, instead = phase.keep, phase.score, phase.otherwise
    if keep is None:
        return phase

    def lifted(requests: Requests, candidates: Candidates, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        pins = rules.pins(requests)
        if not len(pins):
            return scores
        out, most = sink(np.asarray(scores, dtype=np.float64)).copy(), keep.of(requests)
        for b in np.flatnonzero((np.diff(pins.offsets) > 0) & (candidates.counts > most)).tolist():
            own = slice(int(candidates.offsets[b]), int(candidates.offsets[b + 1]))
            ids = candidates.ids[own]
            held = np.isin(ids, pins.ids[pins.offsets[b] : pins.offsets[b + 1]])
            out[own] = _lifted(out[own], ids, held, int(most[b]))
        return out

    def score(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
        return lifted(requests, candidates, inner(requests, candidates, context))

    fallback: Callable[[Requests, Candidates], NDArray[np.float64]] | None = None
    if instead is not None:
        fallback = lambda r, c: lifted(r, c, instead(r, c))  # noqa: E731
    return replace(phase, score=score, otherwise=fallback)


def _lifted(scores: NDArray[np.float64], ids: NDArray[np.int64], held: NDArray[np.bool_], most: int) -> NDArray[np.float64]:
    """One request's scores, with the `held` that would be cut just ahead of the first that then is; shape (candidates,)."""
    order = np.lexsort((ids, -scores))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    others = order[~held[order]]
    room = most - min(int(held.sum()), most)
    if room >= len(others):
        return scores
    first_out = others[room]
    return np.where(held & (place > place[first_out]), np.nextafter(scores[first_out], np.inf), scores)


def ruled(pipeline: Pipeline, rules: Compiled) -> Pipeline:
    """A search pipeline under a rule book; one without rules is the very pipeline, but for its pinned version.

    Args:
        pipeline: The chain without rules; its last phase is `sort`, in front of which boost and bury come.
        rules: The book over the same catalogue.

    Raises:
        BadInput: the pipeline has rules already.

    Cost:
        For a request that no rule fires for, a few microseconds and an empty leg.
    """
    if any(s.name == PINNED for s in pipeline.sources):
        raise BadInput("this pipeline is under rules already; give the one without.")
    if not rules.rules:
        return pipeline
    phases = [protected(p, rules) for p in pipeline.phases]
    at = next((n for n, p in enumerate(phases) if p.name == "sort"), len(phases))
    return replace(
        pipeline,
        sources=[*pipeline.sources, pinned(rules)],
        filters=[*pipeline.filters, hidden(rules)],
        phases=[*phases[:at], adjustment(rules), *phases[at:]],
        decider=decider(rules.catalogue, rules.pins),
        versions={**pipeline.versions, "rules": rules.stamp},
        _pool=[],
    )
