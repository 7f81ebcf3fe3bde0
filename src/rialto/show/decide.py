"""The choice for a placement: Thompson sampling over the arms that may be shown, each with a floor under its chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Context, Requests
from rialto.spine.decide import Decider
from rialto.spine.decide.bandit import thompson
from rialto.spine.params import Param
from rialto.spine.rank import Phase

__all__ = ["FLOOR", "decider", "phase"]

FLOOR = Param(
    "show.decide.floor", 0.02, low=0.0, high=1.0, unit="share", doc="Share of choices that is spread evenly over all arms."
)


def phase() -> Phase:
    """Arms by the mean of what is believed of their reward."""
    return Phase("belief_mean", _mean)


def decider() -> Decider:
    """The bandit with this system's floor."""
    return thompson(FLOOR)


def _mean(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
    return np.asarray(candidates.column("mean"), dtype=np.float64)
