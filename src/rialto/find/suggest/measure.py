"""How good suggestions are: held-out queries typed letter by letter, and where and how soon each stands in the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.query.typos import mistype
from rialto.find.suggest.records import keyed
from rialto.find.suggest.suggester import Suggester
from rialto.spine.evaluate.intervals import Interval, bootstrap

__all__ = ["MEASURES", "Measured", "measured"]

MEASURES = ("mrr", "success_1", "success", "saved")
"""Mean reciprocal place over all prefixes; share of prefixes with the query first, and in the list; keystrokes saved, as a share."""


@dataclass(frozen=True)
class Measured:
    """Measures of each query.

    Args:
        values: Shape (queries, MEASURES), float64, each 0..1.
        weight: How often each query was asked, shape (queries,).
    """

    values: NDArray[np.float64]
    weight: NDArray[np.float64]

    def mean(self, name: str, *, seed: int = 0) -> Interval:
        """A measure over searches (queries by frequency), with its interval over queries."""
        return _weighted(self.values[:, MEASURES.index(name)], self.weight, seed)

    def gain(self, over: Measured, name: str, *, seed: int = 0) -> Interval:
        """How much a measure is above that of another on the same queries, with its interval; above noise where it stays above 0."""
        if not np.array_equal(self.weight, over.weight):
            raise BadInput("the two were measured on different queries; wanted the same in the same order.")
        column = MEASURES.index(name)
        return _weighted(self.values[:, column] - over.values[:, column], self.weight, seed)


def measured(suggester: Suggester, future: Mapping[str, float], *, limit: int = 8, slips: float = 0.0, seed: int = 0) -> Measured:
    """Type each query letter by letter, from one letter to all but one.

    Args:
        suggester: Made of queries other than these searches.
        future: Held-out queries with how often each was asked; the same text may be among the suggester's.
        limit: Lines of the list.
        slips: Share of prefixes that are mistyped.
        seed: Of the slips.

    Returns:
        The measures; keystrokes saved are those left at the shortest prefix whose list holds the query, less one to take it.
    """
    rng = np.random.default_rng(seed)
    typed = {t: n for t, n in future.items() if len(keyed(t)) > 1}
    rows = [_one(suggester, t, limit, slips, rng) for t in typed]
    return Measured(np.array(rows, dtype=np.float64).reshape(-1, len(MEASURES)), np.array(list(typed.values()), dtype=np.float64))


def _one(suggester: Suggester, text: str, limit: int, slips: float, rng: np.random.Generator) -> tuple[float, ...]:
    target, places = keyed(text), list[int]()
    for n in range(1, len(text)):
        prefix = mistype(text[:n], rng) if slips and rng.random() < slips else text[:n]
        keys = [keyed(s.text) for s in suggester.complete(prefix, limit=limit) if not s.scope]
        places.append(keys.index(target) + 1 if target in keys else 0)
    at = np.array(places)
    soonest = int(np.argmax(at > 0)) + 1 if at.any() else len(text)
    mean = np.divide(1.0, at, out=np.zeros(len(at)), where=at > 0).mean()
    return float(mean), float((at == 1).mean()), float((at > 0).mean()), max(len(text) - soonest - 1, 0) / len(text)


def _weighted(values: NDArray[np.float64], weight: NDArray[np.float64], seed: int) -> Interval:
    rows = np.stack([values * weight, weight], axis=1)
    return bootstrap(rows, seed=seed, of=lambda m: m[:, 0] / np.maximum(m[:, 1], 1e-300))
