"""What a change of the rules would do, on queries that shoppers ask: both books answer, and the lists are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rialto.errors import BadInput
from rialto.find.rules.compiled import Compiled
from rialto.find.rules.steps import HIDDEN, ruled
from rialto.records import Requests
from rialto.spine.pipeline import Outcome, Pipeline

__all__ = ["Impact", "QueryImpact", "preview"]

_BATCH = 16


@dataclass(frozen=True, slots=True)
class QueryImpact:
    """What becomes of one query.

    Args:
        query: Its text.
        weight: How much it counts.
        before, after: The shop's ids of the first results, in order.
        moves: (id, place before, place after) of each that moved; place 0 = not among the first results.
        hidden: Ids among `before` that the new rules hide.
        redirect_before, redirect_after: Where shoppers are sent; "" = nowhere.
        rules: Ids of the new book's rules that fire.
    """

    query: str
    weight: float
    before: tuple[str, ...]
    after: tuple[str, ...]
    moves: tuple[tuple[str, int, int], ...]
    hidden: tuple[str, ...]
    redirect_before: str
    redirect_after: str
    rules: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """True where shoppers would see another list or be sent elsewhere."""
        return self.before != self.after or self.redirect_before != self.redirect_after


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change does to the queries asked.

    Args:
        queries: Those answered under both books, the changed ones first, then by weight.
        looked: Queries whose rules were looked up, the heaviest; `fired` of them meet a rule of either book, and the others stay.
        given: Queries given.
        changed_share: Share of the queries looked at that change, by weight; fired ones beyond the limit are left out.
        reordered: Share of their first places that hold another product, the mean over the same queries, by weight.
    """

    queries: tuple[QueryImpact, ...]
    looked: int
    fired: int
    given: int
    changed_share: float
    reordered: float


def preview(
    bare: Pipeline, requests: Callable[[Sequence[str]], Requests], now: Compiled, new: Compiled, queries: Mapping[str, float],
    *, top: int = 10, most: int = 200, look: int = 4000, at_s: float,
) -> Impact:  # fmt: skip
    """Answer queries under two books and compare.

    Args:
        bare: The search pipeline without rules.
        requests: Makes a batch of texts, `lambda t: search.requests(t)[0]`.
        now, new: The books.
        queries: Text -> weight: how often it was asked, or how much it was clicked.
        top: Results compared.
        most: Queries answered at most, the heaviest for which a rule of either book fires.
        look: Queries looked at, the heaviest.
        at_s: The time at which dates are judged, seconds since 1970.

    Queries are asked as by one who belongs to every audience that a rule of either book names, so that what such rules do is told.

    Raises:
        BadInput: a limit is below 1, or a weight is negative or not finite.

    Cost:
        The understanding of `look` queries, and two searches for each of at most `most`. A query for which no rule fires is not
        answered: its results are the same under both.
    """
    weights = np.array(list(queries.values()), dtype=np.float64)
    if min(top, most, look) < 1 or not np.isfinite(weights).all() or (weights < 0).any():
        raise BadInput(
            f"top {top}, most {most}, look {look}, weights {weights[:5].tolist()}; wanted 1 or more, and weights from 0."
        )
    names, requests = list(queries), _by_all(requests, now, new)
    near = [names[i] for i in np.lexsort((np.arange(len(names)), -weights))[:look]]
    fired = _fired(requests, now, new, near, at_s, top)
    found, lines = list[QueryImpact](), (ruled(bare, now), ruled(bare, new))
    for at in range(0, len(fired[:most]), _BATCH):
        part = fired[at : min(at + _BATCH, most)]
        asked = _timed(requests(part), at_s, top)
        before, after = (line.run(asked, explain=True) for line in lines)
        found += [_impact(now, new, before, after, b, t, float(queries[t])) for b, t in enumerate(part)]
    ordered = tuple(sorted(found, key=lambda q: (not q.changed, -q.weight, q.query)))
    total = max(sum(queries[t] for t in near) - sum(queries[t] for t in fired[most:]), 1e-12)
    changed, moved = sum(q.weight for q in found if q.changed), sum(q.weight * _differs(q) for q in found)
    return Impact(ordered, len(near), len(fired), len(queries), changed / total, moved / total)


def _by_all(requests: Callable[[Sequence[str]], Requests], now: Compiled, new: Compiled) -> Callable[[Sequence[str]], Requests]:
    named = sorted({s for c in (now, new) for rule in c.rules for s in rule.when.segments})
    if not named:
        return requests

    def asked(texts: Sequence[str]) -> Requests:
        made = requests(texts)
        return made.with_columns(segment=np.full(len(made), "\n".join(named), dtype=object))

    return asked


def _fired(
    requests: Callable[[Sequence[str]], Requests], now: Compiled, new: Compiled, texts: list[str], at_s: float, top: int
) -> list[str]:
    out = list[str]()
    for at in range(0, len(texts), 256):
        part = texts[at : at + 256]
        asked = _timed(requests(part), at_s, top)
        out += [t for t, a, b in zip(part, now.fired(asked), new.fired(asked)) if a or b]
    return out


def _timed(asked: Requests, at_s: float, top: int) -> Requests:
    same = np.full(len(asked), at_s)
    own = {**asked.overrides, "find.decide.size": np.full(len(asked), top), "find.decide.swap": np.zeros(len(asked))}
    return Requests(asked.ids, same, asked.columns, own)


def _impact(now: Compiled, new: Compiled, before: Outcome, after: Outcome, b: int, text: str, weight: float) -> QueryImpact:
    old, fresh = (_ids(c, o, b) for c, o in ((now, before), (new, after)))
    was, will = ({i: n for n, i in enumerate(ids, start=1)} for ids in (old, fresh))
    moves = tuple((i, was.get(i, 0), will.get(i, 0)) for i in dict.fromkeys((*fresh, *old)) if was.get(i, 0) != will.get(i, 0))
    hidden: tuple[str, ...] = ()
    if HIDDEN in after.trace.details:
        rows = after.trace.details[HIDDEN].of(b)
        gone = set(rows.ids[rows.column("removed")].tolist())
        hidden = tuple(i for i in old if new.catalogue.number_of(i) in gone)
    fired = tuple(new.rules[r].id for r in new.fired(after.requests)[b])
    return QueryImpact(
        text, weight, old, fresh, moves, hidden, now.redirect(before.requests, b), new.redirect(after.requests, b), fired
    )


def _ids(rules: Compiled, outcome: Outcome, b: int) -> tuple[str, ...]:
    c = rules.catalogue
    return tuple(str(i) for i in c.ids[c.rows(outcome.decisions.of(b))])


def _differs(q: QueryImpact) -> float:
    size = max(len(q.before), len(q.after), 1)
    return sum(a != b for a, b in zip(_filled(q.before, size), _filled(q.after, size))) / size


def _filled(ids: tuple[str, ...], size: int) -> tuple[str, ...]:
    return ids + ("",) * (size - len(ids))
