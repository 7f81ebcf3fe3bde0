"""What is believed of each arm: a posterior of its reward that arms of the same copy, layout and colours share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from rialto.records import Candidates, Columns, Context, Requests
from rialto.show.records import Creative
from rialto.spine.features import Features
from rialto.spine.params import Param

__all__ = ["BASE_RATE", "CONTEXT", "LEVEL", "MAIN", "OWN", "PAIR", "Belief", "beliefs", "posterior", "slots_of"]

BASE_RATE = Param(
    "show.features.base_rate",
    0.03,
    low=1e-6,
    high=0.999,
    unit="clicks a view",
    doc="Reward that is expected before anything was shown.",
)
LEVEL = Param(
    "show.features.level",
    0.5,
    low=0.0,
    high=10.0,
    unit="of the rate",
    doc="How far the campaign's rate may be from the expected one.",
)
MAIN = Param(
    "show.features.main", 0.15, low=0.0, high=10.0, unit="of the rate", doc="How much one slot's value changes the reward."
)
PAIR = Param(
    "show.features.pair", 0.1, low=0.0, high=10.0, unit="of the rate", doc="How much two slots' values change it together."
)
CONTEXT = Param(
    "show.features.context",
    0.15,
    low=0.0,
    high=10.0,
    unit="of the rate",
    doc="How much a context changes it, alone and with a value.",
)
OWN = Param(
    "show.features.own",
    0.05,
    low=0.0,
    high=10.0,
    unit="of the rate",
    doc="How much an arm in a context differs from what its parts say.",
)

Scales = tuple[float, float, float, float, float, float]
"""Values of the six tunables above, in their order."""


@dataclass(frozen=True, slots=True)
class Belief:
    """Counts of what came of each arm, and what the arms are made of.

    Args:
        ids: Arm ids, shape (arms,), rising.
        slots: Value of each slot, as numbers, shape (arms, slots).
        shows, clicks: Shape (contexts, arms), float64.
    """

    ids: NDArray[np.int64]
    slots: NDArray[np.int64]
    shows: NDArray[np.float64]
    clicks: NDArray[np.float64]

    @classmethod
    def none(cls, ids: NDArray[np.int64], slots: NDArray[np.int64], contexts: int) -> Belief:
        """Nothing shown yet."""
        order = np.argsort(ids)
        zeros = np.zeros((contexts, len(ids)))
        return cls(ids[order], slots[order], zeros, zeros.copy())

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The column of each arm id, shape of `ids`; -1 where it is not known."""
        if len(self.ids) == 0:
            return np.full(len(ids), -1)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[rows] == ids, rows, -1)

    def with_counts(
        self, context: NDArray[np.int64], row: NDArray[np.int64], shows: NDArray[np.float64], clicks: NDArray[np.float64]
    ) -> Belief:
        """The belief after more views and clicks; all four of shape (events,)."""
        more_shows, more_clicks = self.shows.copy(), self.clicks.copy()
        np.add.at(more_shows, (context, row), shows)
        np.add.at(more_clicks, (context, row), clicks)
        return replace(self, shows=more_shows, clicks=more_clicks)


def posterior(belief: Belief, scales: Scales) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each arm's reward in each context, both of shape (contexts, arms).

    Rewards are one smooth table: a level, an effect of each slot's value, of each pair of values, of the context alone and with a
    value, and a remainder, all normal around zero. So an arm that was never shown is believed to do what its parts did elsewhere.

    Args:
        belief: What was shown and what came of it.
        scales: Expected rate, and the standard deviation of each kind of effect as a share of it.

    Cost:
        O((contexts x arms that were shown) cubed): 15 ms for 6 x 48, once for each batch of feedback.

    Source:
        The effects are those of Hill et al. (2017), "An efficient bandit algorithm for realtime multivariate optimization", KDD;
        the posterior is a Gaussian process's: Rasmussen, Williams (2006), "Gaussian processes for machine learning", algorithm 2.1.

    Example:
        >>> belief = Belief.none(np.array([1, 2]), np.array([[0], [1]]), 1)
        >>> posterior(belief, (0.03, 0.5, 0.15, 0.1, 0.15, 0.05))[0].tolist()
        [[0.03, 0.03]]
    """
    base = scales[0]
    alike = _alike(belief, scales)
    shows, clicks = belief.shows.ravel(), belief.clicks.ravel()
    seen = np.flatnonzero(shows > 0)
    shape = belief.shows.shape
    if len(seen) == 0:
        return np.full(shape, base), np.sqrt(np.diag(alike)).reshape(shape)
    rate = (clicks.sum() + base) / (shows.sum() + 1.0)
    noise = rate * (1.0 - rate) / shows[seen]
    factor = np.linalg.cholesky(alike[np.ix_(seen, seen)] + np.diag(noise))
    reach = solve_triangular(factor, alike[seen], lower=True)
    news = solve_triangular(factor, clicks[seen] / shows[seen] - base, lower=True)
    mean, variance = base + reach.T @ news, np.diag(alike) - (reach**2).sum(axis=0)
    return mean.reshape(shape), np.sqrt(np.maximum(variance, 1e-18)).reshape(shape)


def _alike(belief: Belief, scales: Scales) -> NDArray[np.float64]:
    """Prior covariance of every context and arm with every other, shape (contexts x arms, contexts x arms)."""
    base, level, main, pair, context, own = scales
    contexts, arms = belief.shows.shape
    same = (belief.slots[:, np.newaxis, :] == belief.slots[np.newaxis, :, :]).sum(axis=2).astype(np.float64)
    parts = level**2 + main**2 * same + pair**2 * same * (same - 1.0) / 2.0
    here = np.eye(contexts)
    table = (
        np.kron(np.ones((contexts, contexts)), parts)
        + np.kron(here, context**2 * (1.0 + same))
        + own**2 * np.eye(contexts * arms)
    )
    return base**2 * table


def beliefs(belief: Callable[[], Belief]) -> Features:
    """The features step: `mean`, `sd` and `shows` of each candidate in its request's `context` (0 where it has none)."""
    last: list[tuple[Belief, Scales, tuple[NDArray[np.float64], NDArray[np.float64]]]] = []

    def believed(now: Belief, scales: Scales) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        held = last[-1] if last else None  # one read: another thread may put in its own meanwhile
        if held is None or held[0] is not now or held[1] != scales:
            held = (now, scales, posterior(now, scales))
            last[:] = [held]
        return held[2]

    def compute(requests: Requests, candidates: Candidates, ctx: Context) -> Columns:
        now = belief()
        base, level, main, pair, context, own = (float(p.one(requests)) for p in (BASE_RATE, LEVEL, MAIN, PAIR, CONTEXT, OWN))
        means, sds = believed(now, (base, level, main, pair, context, own))
        where = (
            requests.column("context").astype(np.int64)
            if "context" in requests.columns
            else np.zeros(len(requests), dtype=np.int64)
        )
        at, rows = where[candidates.owner], now.rows_of(candidates.ids)
        return {"mean": means[at, rows], "sd": sds[at, rows], "shows": now.shows[at, rows]}

    return Features("belief", ("mean", "sd", "shows"), compute)


def slots_of(creatives: Sequence[Creative]) -> NDArray[np.int64]:
    """What creatives are made of, as numbers: product, layout, theme, headline, support, call to action; shape (creatives, 6)."""
    rows: list[Mapping[str, str]] = [{"product": c.product_id, "layout": c.layout, "theme": c.theme, **c.copy} for c in creatives]
    names = ("product", "layout", "theme", "headline", "support", "call_to_action")
    columns = [np.unique([row.get(name, "") for row in rows], return_inverse=True)[1].reshape(-1) for name in names]
    return np.stack(columns, axis=1).astype(np.int64) if rows else np.zeros((0, len(names)), dtype=np.int64)
