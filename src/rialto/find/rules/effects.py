"""What the rules did to one answer: for each product that a rule moved or hid, where it would have stood without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rialto.find.decide import SIZE
from rialto.find.records import RuleEffect
from rialto.find.rules.compiled import Compiled
from rialto.find.rules.rule import Rule
from rialto.find.rules.steps import HIDDEN, PHASE, PINNED
from rialto.records import Candidates, Context
from rialto.spine.params import overrides_of
from rialto.spine.pipeline import Outcome

__all__ = ["effects"]


def effects(rules: Compiled, outcome: Outcome, request: int = 0) -> tuple[RuleEffect, ...]:
    """Tell what the rules did to one request, the first places first, then what was hidden.

    The places without rules are those that the same candidates get when they are decided by the scores from before the rules.
    What was hidden, and what only a pin brought in, has no such place.

    Args:
        rules: The book that the outcome's pipeline ran under.
        outcome: A run; hidden products are told where its trace kept the details of the request (`explain=True`).
        request: Row of the request in the batch.

    Cost:
        Nothing where no rule fired; else one more decision over the request's candidates.
    """
    fired = rules.fired(outcome.requests)[request]
    if not fired or PHASE not in {s.name for s in outcome.trace.steps}:
        return ()
    ranked, d = outcome.ranked.of(request), outcome.decisions
    after = {int(i): n for n, i in enumerate(d.of(request).tolist(), start=1)}
    phases = [s.name for s in outcome.trace.steps if s.kind == "phase"]
    at = phases.index(PHASE)
    before = _unpinned(rules, outcome, request, ranked, f"score:{phases[at - 1]}" if at else "score")
    pins = rules.pins(outcome.requests)
    mine = slice(int(pins.offsets[request]), int(pins.offsets[request + 1]))
    pinned = dict(zip(pins.ids[mine].tolist(), pins.rules[mine].tolist()))
    out = [_pin(rules, rules.rules[r], i, before.get(i, 0), after[i]) for i, r in pinned.items() if i in after]
    boosts = [r for r in fired if rules.rules[r].action in ("boost", "bury")]
    if boosts:
        own = _unpinned(rules, outcome, request, ranked, f"score:{PHASE}")
        out += _moved(rules, boosts, [i for i in own if i not in pinned], before, own, after)
    out += _hidden(rules, fired, outcome, request)
    sent = [rules.rules[r] for r in fired if rules.rules[r].action == "redirect"][:1]
    out += [_effect(r, "", 0, 0, f"shoppers are sent to {r.target}") for r in sent]
    return tuple(sorted(out, key=lambda e: (e.action == "redirect", e.after == 0, e.after, e.product, e.rule)))


def _unpinned(rules: Compiled, outcome: Outcome, request: int, ranked: Candidates, score: str) -> dict[int, int]:
    """Product number -> its place when the candidates are decided by the column `score`, without pins and what only they brought."""
    own = ranked.keep(_found(outcome, request, ranked))
    own = own.with_columns({"score": own.column(score)})
    asked = outcome.requests.take(slice(request, request + 1))
    off = overrides_of({"find.decide.size": int(SIZE.high), "find.decide.swap": 0.0}, 1)
    made = rules.without_pins.decide(replace(asked, overrides={**asked.overrides, **off}), own, Context())
    return {int(i): n for n, i in enumerate(made.ids.tolist(), start=1)}


def _found(outcome: Outcome, request: int, ranked: Candidates) -> NDArray[np.bool_]:
    """Which rows some leg other than the pins' found; all of them where the trace kept no details."""
    where = np.flatnonzero(outcome.trace.sampled == request)
    if not len(where):
        return np.ones(len(ranked), dtype=np.bool_)
    rows = outcome.trace.details["retrieve"].of(int(where[0]))
    legs = [~np.isnan(v) for n, v in rows.columns.items() if n != PINNED and v.dtype.kind == "f"]
    found = rows.ids[np.logical_or.reduce(legs)] if legs else rows.ids
    return np.isin(ranked.ids, found)


def _pin(rules: Compiled, rule: Rule, number: int, before: int, after: int) -> RuleEffect:
    how = f"moved from {before} to {after}" if before and before != after else f"kept at {after}" if before else f"put at {after}"
    more = "" if before else ", where the query alone would not have brought it"
    return _effect(rule, _id(rules, number), before, after, f"{how} by rule {rule.title} of {rule.owner}{more}")


def _moved(
    rules: Compiled, boosts: Sequence[int], ids: Sequence[int],
    before: Mapping[int, int], own: Mapping[int, int], after: Mapping[int, int],
) -> list[RuleEffect]:  # fmt: skip
    """What boosts and buries moved into, within or out of the results; `own` are the places that they alone gave."""
    out = list[RuleEffect]()
    numbers = np.array(ids, dtype=np.int64)
    for at in boosts:
        rule = rules.rules[at]
        for i in numbers[rules.holds(at, np.maximum(rules.catalogue.rows(numbers), 0))].tolist():
            was, now, shown = before.get(i, 0), own[i], after.get(i, 0)
            if was == now or not (shown or 0 < was <= len(after)):
                continue
            way = "raised" if now < was else "lowered"
            further = f", and pins put it at {shown}" if shown and shown != now else ""
            told = f"{way} from {was} to {now} by rule {rule.title} of {rule.owner}{further}"
            out.append(_effect(rule, _id(rules, i), was, shown, told))
    return out


def _hidden(rules: Compiled, fired: Sequence[int], outcome: Outcome, request: int) -> list[RuleEffect]:
    where = np.flatnonzero(outcome.trace.sampled == request)
    if not len(where) or HIDDEN not in outcome.trace.details:
        return []
    rows = outcome.trace.details[HIDDEN].of(int(where[0]))
    ids = rows.ids[rows.column("removed")]
    out = list[RuleEffect]()
    for at in fired:
        rule = rules.rules[at]
        if rule.action == "hide":
            for i in ids[rules.holds(at, np.maximum(rules.catalogue.rows(ids), 0))].tolist():
                out.append(_effect(rule, _id(rules, i), 0, 0, f"hidden by rule {rule.title} of {rule.owner}"))
    return out


def _effect(rule: Rule, product: str, before: int, after: int, told: str) -> RuleEffect:
    return RuleEffect(rule.id, rule.title, rule.owner, rule.action, product, before, after, told)


def _id(rules: Compiled, number: int) -> str:
    return str(rules.catalogue.ids[int(rules.catalogue.rows(np.array([number], dtype=np.int64))[0])])
