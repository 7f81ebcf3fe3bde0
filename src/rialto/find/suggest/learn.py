"""What teaches the ranking of suggestions: chosen lines, or, without a log of them, past queries typed letter by letter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.query.typos import mistype
from rialto.find.suggest.ranking import FEATURES, Model, Typed
from rialto.find.suggest.records import keyed
from rialto.find.suggest.suggester import Suggester

__all__ = ["Pairs", "fit", "from_events", "parted", "simulated"]

_SLIPS = 0.15  # of the typed prefixes hold a slip
_INNER = 0.1  # leave the first word out
_MOST = 400_000  # pairs
_PRIOR = 2e-4  # how strongly weights are drawn to where they start, a unit of pair weight


@dataclass(frozen=True)
class Pairs:
    """What was taken beside what was not.

    Args:
        difference: Features of the taken line less those of each other, shape (pairs, FEATURES), float32.
        offsets: The pairs of choice c are rows `offsets[c]:offsets[c+1]`, at least one; shape (choices + 1,), int64.
        weight: Of each choice, shape (choices,).
    """

    difference: NDArray[np.float32]
    offsets: NDArray[np.int64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.difference)

    @classmethod
    def joined(cls, parts: Sequence[Pairs]) -> Pairs:
        """Those of several shops or days behind one another."""
        counts = np.concatenate([np.zeros(1, dtype=np.int64), *(np.diff(p.offsets) for p in parts)])
        table = np.concatenate([np.zeros((0, len(FEATURES)), dtype=np.float32), *(p.difference for p in parts)])
        return cls(table, np.cumsum(counts), np.concatenate([np.zeros(0), *(p.weight for p in parts)]))


def parted(queries: Mapping[str, float], *, seed: int, visits: int = 20_000) -> tuple[dict[str, float], dict[str, float]]:
    """Part a log in two as if by time: searches are drawn by frequency and thrown to the past or the future, half and half.

    Args:
        queries: Query -> how often, counts or shares.
        seed: Of the draws.
        visits: Searches drawn.

    Returns:
        Past and future, query -> searches; a rare query is often in one of them alone.

    Example:
        >>> past, future = parted({"a": 9.0, "b": 1.0}, seed=1, visits=100)
        >>> sum(past.values()) + sum(future.values())
        100.0
    """
    texts = [q for q, n in queries.items() if n > 0]
    if not texts:
        raise BadInput("the log of queries is empty; wanted at least one query that was asked.")
    rng = np.random.default_rng(seed)
    share = np.array([queries[q] for q in texts], dtype=np.float64)
    drawn = rng.multinomial(visits, share / share.sum())
    before = rng.binomial(drawn, 0.5)
    later = drawn - before
    return ({q: float(n) for q, n in zip(texts, before) if n}, {q: float(n) for q, n in zip(texts, later) if n})


def simulated(suggester: Suggester, future: Mapping[str, float], *, seed: int, queries: int = 2000) -> Pairs:
    """Type queries letter by letter, some with a slip, some without the first word; where the query is a candidate, it is preferred.

    Args:
        suggester: Made of the past.
        future: Queries to type, with how often each was asked.
        seed: Of the slips, and of which queries where there are more.
        queries: Most queries typed.
    """
    rng = np.random.default_rng(seed)
    texts = list(future)
    if len(texts) > queries:
        p = np.array([future[t] for t in texts])
        texts = [texts[i] for i in np.sort(rng.choice(len(texts), queries, replace=False, p=p / p.sum()))]
    return _pairs(_typed(suggester, texts, future, rng))


def from_events(suggester: Suggester, events: Iterable[Typed]) -> Pairs:
    """A chosen line is preferred to the lines above it and to the next one below: those further down were perhaps not looked at.

    Source:
        Joachims (2002), "Optimizing search engines using clickthrough data", KDD.
    """

    def groups() -> Iterator[_Group]:
        for e in events:
            keys = [keyed(s) for s in e.shown]
            if not e.chosen or keyed(e.chosen) not in keys:
                continue
            seen = set(keys[: keys.index(keyed(e.chosen)) + 2])
            line, table = suggester.candidates(e.prefix)
            own = [suggester.lines.key[i] for i in line.tolist()]
            rows = [i for i, k in enumerate(own) if k in seen]
            yield _Group(table[rows], np.array([own[i] == keyed(e.chosen) for i in rows], dtype=bool), 1.0)

    return _pairs(groups())


@dataclass(frozen=True)
class _Group:
    table: NDArray[np.float32]
    taken: NDArray[np.bool_]
    weight: float


def _typed(suggester: Suggester, texts: list[str], future: Mapping[str, float], rng: np.random.Generator) -> Iterator[_Group]:
    for text in texts:
        target = keyed(text)
        for n in range(1, len(text) + 1):
            typed = text[:n].partition(" ")[2] if rng.random() < _INNER and len(text[:n].split()) > 1 else text[:n]
            prefix = mistype(typed, rng) if rng.random() < _SLIPS else typed
            line, table = suggester.candidates(prefix)
            taken = np.array([suggester.lines.key[i] == target for i in line.tolist()], dtype=bool)
            # A frequent query weighs more than a rare one, yet less than in proportion: there are many rare ones.
            yield _Group(table, taken, float(np.sqrt(future[text])) / len(text))


def _pairs(groups: Iterable[_Group]) -> Pairs:
    parts, held = list[Pairs](), 0
    for g in groups:
        if not g.taken.any() or g.taken.all():
            continue
        difference = g.table[np.flatnonzero(g.taken)[0]] - g.table[~g.taken]
        parts.append(Pairs(difference, np.array([0, len(difference)]), np.array([g.weight])))
        held += len(difference)
        if held > _MOST:
            break
    return Pairs.joined(parts)


def fit(pairs: Pairs, *, start: Model | None = None) -> Model:
    """Fit a model: the likelihood of each choice among its list, drawn towards `start` (the shipped one), so that few choices change little.

    Args:
        pairs: What to learn from; none leaves the model as it starts.
        start: Where the weights are drawn to.

    Cost:
        O(pairs x FEATURES^2) a step, at most 30 of Newton's steps.

    Source:
        Cao et al. (2007), "Learning to rank: from pairwise approach to listwise approach", ICML: the top-one likelihood of ListNet.
    """
    begin = (start or Model.default()).weight
    w, x, total = begin.copy(), pairs.difference.astype(np.float64), float(pairs.weight.sum())
    if total <= 0:
        return Model(w)
    pull = _PRIOR * total + 0.5
    loss = _loss(w, x, pairs, begin, pull)
    for _ in range(30):
        p = _likely(w, x, pairs)
        of_pair = p * np.repeat(pairs.weight, np.diff(pairs.offsets))
        mean = np.add.reduceat(x * p[:, np.newaxis], pairs.offsets[:-1])
        slope = -(of_pair @ x) + pull * (w - begin)
        bend = (x * of_pair[:, np.newaxis]).T @ x - (mean * pairs.weight[:, np.newaxis]).T @ mean + pull * np.eye(len(w))
        step, size = np.linalg.solve(bend, slope), 1.0
        while size > 1e-4 and _loss(w - size * step, x, pairs, begin, pull) > loss:
            size /= 2
        w = w - size * step
        before, loss = loss, _loss(w, x, pairs, begin, pull)
        if before - loss <= 1e-9 * abs(before):
            break
    return Model(w)


def _sums(w: NDArray[np.float64], x: NDArray[np.float64], pairs: Pairs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """exp(score of each other line less that of the taken one), shape (pairs,), and 1 + its sum by choice, shape (choices,)."""
    odds = np.exp(np.clip(-(x @ w), -50, 50))
    return odds, 1.0 + np.add.reduceat(odds, pairs.offsets[:-1])


def _likely(w: NDArray[np.float64], x: NDArray[np.float64], pairs: Pairs) -> NDArray[np.float64]:
    odds, sums = _sums(w, x, pairs)
    return odds / np.repeat(sums, np.diff(pairs.offsets))


def _loss(w: NDArray[np.float64], x: NDArray[np.float64], pairs: Pairs, begin: NDArray[np.float64], pull: float) -> float:
    return float(pairs.weight @ np.log(_sums(w, x, pairs)[1]) + 0.5 * pull * ((w - begin) ** 2).sum())
