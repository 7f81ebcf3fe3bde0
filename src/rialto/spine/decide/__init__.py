"""The Decider contract; the three deciders are `slate` (a list), `assign` (one to one) and `bandit` (an arm by chance)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Context, Decisions, Requests

__all__ = ["Decider", "chosen"]


@dataclass(frozen=True, slots=True)
class Decider:
    """Chooses for the whole batch at once, because orders compete for drivers.

    Args:
        name: What the trace calls it.
        decide: From scored candidates (column `score`, none NaN) to one decision a request, each with its probability.
        otherwise: Declared fallback; None = its failure fails the run.
        budget_s: Most seconds it may take, within the run's deadline.
    """

    name: str
    decide: Callable[[Requests, Candidates, Context], Decisions]
    otherwise: Callable[[Requests, Candidates, Context], Decisions] | None = None
    budget_s: float = float("inf")


def chosen(
    requests: Requests,
    candidates: Candidates,
    rows: NDArray[np.int64],
    offsets: NDArray[np.int64],
    propensity: NDArray[np.float64],
) -> Decisions:
    """Decisions from the chosen candidate rows, (chosen,), which `offsets` (requests + 1,) divides among the requests."""
    return Decisions(requests.ids, offsets, candidates.ids[rows], rows, candidates.column("score")[rows], propensity)
