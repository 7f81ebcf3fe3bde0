"""What a pair costs, in seconds, looked at twice: every driver by a linear model, the best few by trees; then the least total."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.match.features import NAMES
from rialto.match.outlook import worth_s
from rialto.match.ready import at_pickup
from rialto.match.retrieve import SPEED_MPS
from rialto.match.sight import SIGHT, Linear
from rialto.ports import ModelCard, Models
from rialto.records import Candidates, Columns, Context, Decisions, Requests
from rialto.spine.decide import Decider
from rialto.spine.decide.assign import assign, first_come, nearest_first
from rialto.spine.features import Features, matrix
from rialto.spine.params import Param
from rialto.spine.rank import Phase

__all__ = [
    "ACCEPTANCE",
    "DECLINE_S",
    "DEPTH",
    "LEAST",
    "PRIOR",
    "UNMATCHED_S",
    "WAITED",
    "assignment",
    "card",
    "greedy",
    "likely",
    "phases",
    "rivals",
]

ACCEPTANCE = "match.acceptance"
"""Name of the model of the probability that a driver accepts: trees over `features.NAMES`, log-odds out, and a linear one on its card."""

PRIOR = Param(
    "match.acceptance.prior", 0.8, low=0.01, high=1.0, unit="share", doc="Probability of acceptance while no model is live."
)
DEPTH = Param(
    "match.rank.trees_depth",
    3,
    low=1,
    high=1000,
    unit="drivers",
    doc="Drivers of each order, the cheapest at first sight, that the trees look at.",
)
DECLINE_S = Param(
    "match.decide.decline_s", 300.0, low=0.0, high=86_400.0, unit="s", doc="What a declined offer costs, in seconds of drive."
)
LEAST = Param(
    "match.decide.least", 0.05, low=0.0, high=1.0, unit="share", doc="Probability of acceptance below which no offer is made."
)
WAITED = Param(
    "match.decide.waited", 0.2, low=0.0, high=10.0, unit="s/s", doc="Seconds of drive that a second of waiting makes good."
)
UNMATCHED_S = Param(
    "match.decide.unmatched_s",
    6000.0,
    low=0.0,
    high=1e9,
    unit="s",
    doc="Cost of leaving an order to a later window: dearer pairs wait.",
)


def card(*, metrics: dict[str, float] | None = None, parent: str = "", data: str = "") -> ModelCard:
    """The card of an acceptance model."""
    return ModelCard(ACCEPTANCE, "trees", NAMES, parent, data, metrics=metrics or {})


def likely(models: Models, version: str) -> Features:
    """`likely`: probability that the driver says yes, at first sight; `PRIOR` without a model, or with one that has no linear part."""
    found = _card_of(models, version)
    sight = Linear.of_json(found.params[SIGHT]) if found and SIGHT in found.params else None

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        if sight is None:
            return {"likely": np.repeat(PRIOR.of(requests).astype(np.float32), candidates.counts)}
        return {"likely": _probability(sight.odds(candidates.columns))}

    return Features("likely", ("likely",), compute, otherwise=float(PRIOR.default))


def phases(models: Models, version: str) -> list[Phase]:
    """From cheap to dear: the cost by `likely`, then, with a model, the cost by its trees for the `DEPTH` cheapest of each order.

    The score is minus the cost, so that a driver whom the trees did not look at stands at his first cost among those whom they did.
    Without a linear part the trees look at everybody.
    """
    sight = Phase("sight", lambda r, c, x: _score(r, c, c.column("likely")))
    found = _card_of(models, version)
    if found is None:
        return [sight]
    depth = DEPTH if SIGHT in found.params else None
    trees = [_acceptance(models, version, found.inputs)]
    return [sight, Phase("cost", lambda r, c, x: _score(r, c, c.column("acceptance")), depth=depth, features=trees, mixed=True)]


def _acceptance(models: Models, version: str, inputs: tuple[str, ...]) -> Features:
    """`acceptance`: probability that the driver says yes, by the trees; `PRIOR` where their engine fails."""

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        return {"acceptance": _probability(models.score(version, matrix(candidates, inputs)))}

    return Features("acceptance", ("acceptance",), compute, otherwise=float(PRIOR.default))


def _card_of(models: Models, version: str) -> ModelCard | None:
    """The version's card; one that is not live any more, which `Models` does not give, is taken to read `NAMES`; None for ""."""
    live = models.live(ACCEPTANCE)
    if not version:
        return None
    return live[1] if live is not None and live[0] == version else card()


def _probability(odds: NDArray[np.float64]) -> NDArray[np.float32]:
    return (1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))).astype(np.float32)


def _score(requests: Requests, candidates: Candidates, chance: NDArray[np.float32]) -> NDArray[np.float64]:
    """Minus the expected cost in seconds: the drive, what a refusal would cost, less what a long wait and the outlook are worth.

    An offer that would hardly be accepted (below `LEAST`) is not made: it wears out drivers and holds the order meanwhile. Where
    the travel engine failed, a straight line at `SPEED_MPS` stands in for the drive; where it found no way, there is no offer.
    """
    counts = candidates.counts
    drive_s = candidates.column("pickup_s").astype(np.float64)
    lost = np.isnan(drive_s)
    if lost.any():
        straight_s = candidates.column("distance_m") / np.repeat(SPEED_MPS.of(requests), counts)
        drive_s = np.where(lost, straight_s, drive_s)
    accepted = chance.astype(np.float64)
    drive_s, held = at_pickup(requests, candidates, drive_s, least=LEAST.of(requests))
    drive_s = _by_plan(candidates, drive_s)
    drive_s += (1.0 - accepted) * np.repeat(DECLINE_S.of(requests), counts)
    drive_s -= candidates.column("waited_s") * np.repeat(WAITED.of(requests), counts)
    if (gain_s := worth_s(requests, candidates)) is not None:
        drive_s -= gain_s
    hopeless = np.isinf(drive_s) | (accepted < np.repeat(LEAST.of(requests), counts))
    if held is not None:
        hopeless |= held
    np.negative(drive_s, out=drive_s)
    if hopeless.any():
        drive_s[hopeless] = -np.inf
    return drive_s


def _by_plan(candidates: Candidates, drive_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """`drive_s`, and for drivers who have orders what the best detour of their plan costs; inf where there is none, or nobody knows it."""
    held = candidates.columns.get("held")
    if held is None:
        return drive_s
    stack_s = candidates.column("stack_s").astype(np.float64)
    return np.where(held > 0.0, np.where(np.isnan(stack_s), np.inf, stack_s), drive_s)


def rivals(requests: Requests, ranked: Candidates, decisions: Decisions, *, most: int) -> NDArray[np.int64]:
    """Rows of `ranked` that are offered their orders besides the chosen: the `most` cheapest whom no order chose, each driver for one order.

    Rivals cost no more than waiting does. Where two orders want one, the cheaper pair has him; second rivals come after all first ones.

    Returns:
        Shape (rivals,), the first rival of each order, then the second, and so on.

    Cost:
        A pass over the rows for each of `most`.
    """
    owner, cost = ranked.owner, -ranked.column("score")
    waits = UNMATCHED_S.of(requests).astype(np.float64)
    open_ = (decisions.counts > 0)[owner] & ~np.isin(ranked.ids, decisions.ids) & np.isfinite(cost)
    found = [np.zeros(0, dtype=np.int64)]
    while len(found) <= most and open_.any():
        rows = np.flatnonzero(open_)
        picked = rows[first_come(owner[rows], ranked.ids[rows], cost[rows], waits, requests.ids)]
        if not len(picked):
            break
        found.append(picked)
        open_ &= ~np.isin(ranked.ids, ranked.ids[picked])
    return np.concatenate(found)


def assignment() -> Decider:
    """Least total cost over the window: an order waits rather than cost more than `UNMATCHED_S`."""
    return assign(UNMATCHED_S)


def greedy() -> Decider:
    """The peer: cheapest pair first."""
    return nearest_first(UNMATCHED_S)
