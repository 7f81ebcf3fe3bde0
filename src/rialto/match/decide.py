"""What a pair costs, in seconds: the drive, what a refusal would cost, less what a long wait has earned; then the least total."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.match.features import NAMES
from rialto.match.retrieve import SPEED_MPS
from rialto.ports import ModelCard, Models
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.decide import Decider
from rialto.spine.decide.assign import assign, nearest_first
from rialto.spine.features import Features, matrix
from rialto.spine.params import Param
from rialto.spine.rank import Phase

__all__ = [
    "ACCEPTANCE",
    "DECLINE_S",
    "LEAST",
    "PRIOR",
    "UNMATCHED_S",
    "WAITED",
    "acceptance",
    "assignment",
    "card",
    "cost",
    "greedy",
]

ACCEPTANCE = "match.acceptance"
"""Name of the model of the probability that a driver accepts: trees over `features.NAMES`, log-odds out."""

PRIOR = Param(
    "match.acceptance.prior", 0.8, low=0.01, high=1.0, unit="share", doc="Probability of acceptance while no model is live."
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


def acceptance(models: Models, version: str) -> Features:
    """`acceptance`: probability that the driver says yes, by model `version`; `PRIOR` where that is "" or its engine fails."""

    live = models.live(ACCEPTANCE)
    inputs = live[1].inputs if live is not None and live[0] == version else NAMES

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        if not version:
            return {"acceptance": PRIOR.of(requests)[candidates.owner].astype(np.float32)}
        log_odds = models.score(version, matrix(candidates, inputs))
        return {"acceptance": (1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0)))).astype(np.float32)}

    return Features("acceptance", ("acceptance",), compute, otherwise=float(PRIOR.default))


def cost() -> Phase:
    """Score = minus the expected cost in seconds: the drive, what a refusal would cost, less what a long wait has earned.

    An offer that would hardly be accepted (below `LEAST`) is not made: it wears out drivers and holds the order meanwhile. Where
    the travel engine failed, a straight line at `SPEED_MPS` stands in for the drive.
    """

    def score(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
        owner = candidates.owner
        straight_s = candidates.column("distance_m") / SPEED_MPS.of(requests)[owner]
        pickup_s = candidates.column("pickup_s").astype(np.float64)
        drive_s = np.where(np.isfinite(pickup_s), pickup_s, straight_s)
        accepted = candidates.column("acceptance").astype(np.float64)
        declined_s = (1.0 - accepted) * DECLINE_S.of(requests)[owner]
        earned_s = candidates.column("waited_s").astype(np.float64) * WAITED.of(requests)[owner]
        hopeless = accepted < LEAST.of(requests)[owner]
        return np.asarray(np.where(hopeless, -np.inf, -(drive_s + declined_s - earned_s)))

    return Phase("cost", score)


def assignment() -> Decider:
    """Least total cost over the window: an order waits rather than cost more than `UNMATCHED_S`."""
    return assign(UNMATCHED_S)


def greedy() -> Decider:
    """The peer: cheapest pair first."""
    return nearest_first(UNMATCHED_S)
