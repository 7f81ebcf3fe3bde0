"""Bandit: one arm a request by Thompson sampling; the probability in the log is the one that the arm was drawn with."""

from __future__ import annotations

from math import erf, exp, sqrt

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Context, Decisions, Requests, uniforms
from rialto.spine.decide import Decider, chosen
from rialto.spine.params import Param

__all__ = ["probability_best", "probability_best_plain", "thompson"]

NODES = 33
REACH = 4.0


def thompson(floor: Param) -> Decider:
    """Draw one arm of each request with the probability that it is the best one.

    Thompson sampling chooses an arm with the probability that it is best under the posterior. That probability is computed
    first and the arm drawn from it, so the logged propensity is exactly the one used, however coarse the integral.

    Args:
        floor: Param, share of choices spread evenly over all arms, so that each keeps being tried.

    Source:
        Thompson (1933), Biometrika 25; Chapelle, Li (2011), "An empirical evaluation of Thompson sampling", NeurIPS.
    """

    def decide(requests: Requests, candidates: Candidates, context: Context) -> Decisions:
        p = probability_best(candidates.offsets, candidates.column("mean"), candidates.column("sd"))
        share = floor.of(requests)[candidates.owner]
        p = (1.0 - share) * p + share / np.maximum(candidates.counts, 1)[candidates.owner]
        draws = uniforms(context.seed, requests.ids, "bandit.arm", 1)[:, 0]
        rows = _draw(candidates.offsets, candidates.ids, p, draws)
        rows = rows[rows >= 0]
        offsets = np.concatenate([[0], np.cumsum(candidates.counts > 0)]).astype(np.int64)
        return chosen(requests, candidates, rows, offsets, p[rows])

    return Decider("thompson", decide)


@nb.njit(cache=True, nogil=True)
def probability_best(offsets: NDArray[np.int64], mean: NDArray[np.float64], sd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the probability of each arm to be its request's best, for independent normal posteriors.

    P(i best) = integral of phi(z) x product over j != i of Phi((m_i + s_i z - m_j) / s_j), on an even grid of z, normalised.

    Args:
        offsets: Shape (requests + 1,).
        mean: Posterior means, shape (arms,); an arm of non-finite mean or sd is never best.
        sd: Posterior standard deviations, shape (arms,), >= 0.

    Returns:
        Shape (arms,), summing to 1 within a request that has arms.

    Cost:
        O(arms of a request squared x 33).

    Example:
        >>> p = probability_best(np.array([0, 2]), np.array([0.0, 0.0]), np.array([1.0, 1.0]))
        >>> p.round(6).tolist()
        [0.5, 0.5]
    """
    p = np.zeros(len(mean))
    for b in range(len(offsets) - 1):
        start, stop = offsets[b], offsets[b + 1]
        total = 0.0
        for i in range(start, stop):
            if not (np.isfinite(mean[i]) and np.isfinite(sd[i])):
                continue
            for node in range(NODES):
                z = -REACH + 2.0 * REACH * node / (NODES - 1)
                x = mean[i] + sd[i] * z
                product = exp(-0.5 * z * z)
                for j in range(start, stop):
                    if j != i and np.isfinite(mean[j]) and np.isfinite(sd[j]):
                        product *= 0.5 + 0.5 * erf((x - mean[j]) / (max(sd[j], 1e-12) * sqrt(2.0)))
                p[i] += product
            total += p[i]
        for i in range(start, stop):
            p[i] = p[i] / total if total > 0.0 else 1.0 / (stop - start)
    return p


def probability_best_plain(offsets: NDArray[np.int64], mean: NDArray[np.float64], sd: NDArray[np.float64]) -> NDArray[np.float64]:
    """`probability_best` in plain numpy, for its test."""
    from scipy.special import ndtr

    z = np.linspace(-REACH, REACH, NODES)
    p = np.zeros(len(mean))
    for start, stop in zip(offsets[:-1], offsets[1:]):
        arms = np.flatnonzero(np.isfinite(mean[start:stop]) & np.isfinite(sd[start:stop])) + start
        x = mean[arms, None] + sd[arms, None] * z
        below = ndtr((x[:, :, None] - mean[arms]) / np.maximum(sd[arms], 1e-12))
        below[np.arange(len(arms)), :, np.arange(len(arms))] = 1.0
        p[arms] = (np.exp(-0.5 * z * z) * below.prod(axis=2)).sum(axis=1)
        total = p[start:stop].sum()
        p[start:stop] = p[start:stop] / total if total > 0 else 1.0 / max(stop - start, 1)
    return p


@nb.njit(cache=True, nogil=True)
def _draw(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], p: NDArray[np.float64], draws: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Row drawn for each request, -1 where it has none; arms are laid out by id, so that their order in the batch is no matter."""
    rows = np.full(len(offsets) - 1, -1, dtype=np.int64)
    for b in range(len(rows)):
        start, stop = offsets[b], offsets[b + 1]
        if start == stop:
            continue
        order = np.argsort(ids[start:stop])
        reached = 0.0
        rows[b] = start + order[len(order) - 1]
        for place in order:
            reached += p[start + place]
            if draws[b] < reached:
                rows[b] = start + place
                break
    return rows
