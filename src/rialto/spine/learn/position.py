"""Position bias: how much less a place is looked at, learned from exchanged pairs, and the weights that undo it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.spine.learn.examples import Examples

__all__ = ["Examination", "examination", "weigh"]


@dataclass(frozen=True, slots=True)
class Examination:
    """How often a place is looked at, next to the first.

    Args:
        probability: Shape (positions,), 1 at the first; from place `known` on, the last known value.
        known: Places that the log could tell.
        exchanged: Lists in which each pair (p, p + 1) was exchanged, shape (positions - 1,).
    """

    probability: NDArray[np.float64]
    known: int
    exchanged: NDArray[np.int64]


def examination(examples: Examples, *, positive: float = 0.0, least: int = 10) -> Examination:
    """Estimate how often each place is looked at, from lists in which one random adjacent pair was exchanged.

    Two candidates that stand at p and p + 1, and the other way round in the exchanged lists, are alike but for the place. So the
    clicks at p + 1 over those at p, each summed over both orders, are the ratio of the two places; the ratios multiply up. Lists
    count by one over their propensity, so that the two orders stand for the same requests. It assumes the position-based model: a
    click is a look at the place times the candidate's own appeal.

    Args:
        examples: Joined from a log of the `slate` decider with `swap` above 0.
        positive: A label above this is a click.
        least: Exchanged lists and clicks at a pair, below which that place and all after it are not known.

    Raises:
        BadInput: there are no examples.

    Cost:
        O(rows x log rows).

    Source:
        Joachims, Swaminathan, Schnabel (2017), "Unbiased learning-to-rank with biased feedback", WSDM, section 5.3; Agarwal et al.
        (2019), "Estimating position bias without intrusive interventions", WSDM.
    """
    if len(examples) == 0:
        raise BadInput("there are no examples to learn position bias from; join a log of served lists first.")
    owner = np.repeat(np.arange(len(examples.offsets) - 1), np.diff(examples.offsets))
    places = int(examples.position.max()) + 1
    shape = (len(examples.offsets) - 1, places)
    clicked, came_from = np.zeros(shape), np.full(shape, -1, dtype=np.int64)
    clicked[owner, examples.position] = examples.label > positive
    came_from[owner, examples.position] = examples.rank
    weight = 1.0 / examples.propensity[examples.offsets[:-1]]
    return _chained(clicked, came_from, weight, least)


def weigh(examples: Examples, seen: Examination, *, positive: float = 0.0, clip: float = 10.0) -> Examples:
    """Set the weight of each clicked row to one over how often its place is looked at, at most `clip`; other rows keep theirs.

    Args:
        examples: The examples.
        seen: From `examination`.
        positive: A label above this is a click.
        clip: Greatest weight; smaller is steadier and more biased.

    Raises:
        BadInput: clip below 1.

    Example:
        >>> one = np.array([0, 1])
        >>> e = Examples(np.zeros((2, 1), dtype=np.float32), ("x",), np.array([0.0, 1.0]), one * 0, one, one, one, one + 1.0, one * 0 + 1.0)
        >>> weigh(e, Examination(np.array([1.0, 0.4]), 2, np.array([50]))).weights.tolist()
        [1.0, 2.5]
    """
    if not clip >= 1.0:
        raise BadInput(f"clip is {clip}; wanted at least 1, the weight of the first place.")
    place = np.minimum(examples.position, len(seen.probability) - 1)
    factor = np.minimum(1.0 / np.maximum(seen.probability[place], 1e-12), clip)
    return replace(examples, weights=np.where(examples.label > positive, factor, examples.weights))


def _chained(clicked: NDArray[np.float64], came_from: NDArray[np.int64], weight: NDArray[np.float64], least: int) -> Examination:
    places = clicked.shape[1]
    own = np.arange(places)
    untouched = np.all((came_from == own) | (came_from < 0), axis=1)
    probability, exchanged, known = np.ones(places), np.zeros(max(places - 1, 0), dtype=np.int64), 1
    for p in range(places - 1):
        plain = untouched & (came_from[:, p + 1] == p + 1)
        turned = (came_from[:, p] == p + 1) & (came_from[:, p + 1] == p)
        exchanged[p] = turned.sum()
        upper, lower = (sum(_mean(clicked[rows, q], weight[rows]) for rows in (plain, turned)) for q in (p, p + 1))
        clicks = clicked[turned][:, [p, p + 1]].sum()
        if known == p + 1 and min(int(turned.sum()), int(plain.sum()), int(clicks)) >= least and upper > 0.0 and lower > 0.0:
            known = p + 2
            probability[p + 1] = probability[p] * lower / upper
        else:
            probability[p + 1] = probability[p]
    return Examination(probability, known, exchanged)


def _mean(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    return float(values @ weight / weight.sum()) if len(values) else 0.0
