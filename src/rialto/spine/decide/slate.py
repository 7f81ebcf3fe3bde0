"""Slate: the best few of each request, best first, with a small known chance of one swap that tells position bias from taste."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Context, Decisions, Requests, uniforms
from rialto.spine.decide import Decider, chosen
from rialto.spine.params import Param
from rialto.spine.rank import best

__all__ = ["slate"]


def slate(size: Param, swap: Param) -> Decider:
    """Choose the best `size` candidates of each request, and with probability `swap` exchange one random adjacent pair.

    The propensity of every choice is the probability of exactly the list that was served: 1 - swap for the list as ranked,
    swap / (length - 1) for each list with one pair exchanged; 1 where the list is shorter than two.

    Args:
        size: Param, results a request.
        swap: Param, share of requests in which a pair is exchanged, 0 to below 1.

    Source:
        Swap interventions: Joachims, Swaminathan, Schnabel (2017), "Unbiased learning-to-rank with biased feedback", WSDM, 5.3.
    """

    def decide(requests: Requests, candidates: Candidates, context: Context) -> Decisions:
        keep, swaps = size.of(requests).astype(np.int64), swap.of(requests)
        rows, offsets = best(candidates.offsets, candidates.ids, candidates.column("score"), keep)
        if not swaps.any():
            return chosen(requests, candidates, rows, offsets, np.ones(len(rows)))
        counts = np.diff(offsets)
        chance = np.where(counts >= 2, swaps, 0.0)
        rows, served = _swapped(rows, offsets, chance, uniforms(context.seed, requests.ids, "slate.swap", 2))
        return chosen(requests, candidates, rows, offsets, np.repeat(served, counts))

    return Decider("slate", decide)


def _swapped(
    rows: NDArray[np.int64], offsets: NDArray[np.int64], chance: NDArray[np.float64], draws: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    pairs = np.maximum(np.diff(offsets) - 1, 1)
    swaps = draws[:, 0] < chance
    upper = (offsets[:-1] + np.minimum((draws[:, 1] * pairs).astype(np.int64), pairs - 1))[swaps]
    rows = rows.copy()
    rows[upper], rows[upper + 1] = rows[upper + 1], rows[upper]
    return rows, np.where(swaps, chance / pairs, 1.0 - chance)
