"""Off-policy estimates: what another policy would have earned, from this one's log; with a verdict whether the log can tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rialto.errors import BadInput
from rialto.spine.evaluate.intervals import Interval, bootstrap

__all__ = ["Estimate", "Tried", "direct", "doubly_robust", "effective", "ips", "snips"]


@dataclass(frozen=True, slots=True)
class Tried:
    """Logged choices, seen by the policy that is to be judged.

    Args:
        reward: What each logged choice earned, shape (choices,).
        logged: Probability with which the logging policy made it, shape (choices,), in (0, 1].
        target: Probability with which the judged policy would make the same choice, shape (choices,), in 0..1.
        clip: Greatest weight target / logged; `inf` = none. Clipping trades variance for a bias toward too small values.

    Raises:
        BadInput: lengths differ, or a value outside its range.
    """

    reward: NDArray[np.float64]
    logged: NDArray[np.float64]
    target: NDArray[np.float64]
    clip: float = np.inf

    def __post_init__(self) -> None:
        if not len(self.reward) == len(self.logged) == len(self.target):
            raise BadInput(
                f"rows: {len(self.reward)} rewards, {len(self.logged)} logged, {len(self.target)} target; wanted equal."
            )
        _inside(self.reward, np.isfinite(self.reward), "reward", "a finite number")
        _inside(self.logged, (self.logged > 0.0) & (self.logged <= 1.0), "logged propensity", "above 0, at most 1")
        _inside(self.target, (self.target >= 0.0) & (self.target <= 1.0), "target probability", "0 to 1")
        if not self.clip > 0.0:
            raise BadInput(f"clip is {self.clip}; wanted a weight above 0, or inf for none.")

    @property
    def weight(self) -> NDArray[np.float64]:
        """How much each choice counts, shape (choices,): target / logged, at most `clip`."""
        return np.minimum(self.target / self.logged, self.clip)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A policy's value per choice.

    Args:
        interval: The estimate with bounds.
        effective: Effective sample size: how many choices of the judged policy's own the log is worth.
        enough: Whether the log can tell at all.
        reason: Why not, or "".
    """

    interval: Interval
    effective: float
    enough: bool
    reason: str


def effective(weight: ArrayLike) -> float:
    """Find Kish's effective sample size, (sum w)^2 / sum w^2; 0 where all weights are 0.

    Source:
        Kish (1965), "Survey sampling".

    Example:
        >>> effective([1.0, 1.0, 1.0, 1.0]), effective([4.0, 0.0, 0.0, 0.0])
        (4.0, 1.0)
    """
    w = np.asarray(weight, dtype=np.float64)
    square = float((w**2).sum())
    return float(w.sum()) ** 2 / square if square > 0.0 else 0.0


def ips(tried: Tried, *, seed: int = 0, level: float = 0.95, least: float = 100.0) -> Estimate:
    """Estimate by inverse propensity: the mean of weight x reward; unbiased where the log tried all that the policy would.

    Args:
        tried: The log.
        seed: Seed of the bootstrap.
        level: Confidence.
        least: Effective sample size below which the verdict is "not enough".

    Source:
        Horvitz, Thompson (1952), JASA 47(260); Dudík et al. (2014), "Doubly robust policy evaluation", Statistical Science 29(4).

    Example:
        >>> tried = Tried(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([1.0, 0.0]))
        >>> e = ips(tried)
        >>> e.interval.value, e.effective, e.enough
        (1.0, 1.0, False)
    """
    return _judged(bootstrap(tried.weight * tried.reward, seed=seed, level=level), tried, least)


def snips(tried: Tried, *, seed: int = 0, level: float = 0.95, least: float = 100.0) -> Estimate:
    """Estimate by self-normalised inverse propensity: sum of weight x reward over sum of weights. Arguments as in `ips`.

    Slightly biased, far steadier, never outside the range of the rewards.

    Source:
        Swaminathan, Joachims (2015), "The self-normalized estimator for counterfactual learning", NeurIPS.

    Example:
        >>> snips(Tried(np.array([3.0, 5.0]), np.array([0.2, 0.8]), np.array([0.2, 0.8]))).interval.value
        4.0
    """
    w = tried.weight
    interval = bootstrap(np.stack([w * tried.reward, w], axis=1), seed=seed, of=_ratio, level=level)
    return _judged(interval, tried, least)


def direct(expected: NDArray[np.float64], *, seed: int = 0, level: float = 0.95) -> Interval:
    """Estimate by a reward model alone: the mean of `expected` (choices,), its reward of the judged policy's choice.

    As right as the model; the interval knows nothing of the model's error, so there is no verdict.
    """
    return bootstrap(expected, seed=seed, level=level)


def doubly_robust(
    tried: Tried,
    expected: NDArray[np.float64],
    predicted: NDArray[np.float64],
    *,
    seed: int = 0,
    level: float = 0.95,
    least: float = 100.0,
) -> Estimate:
    """Estimate by a reward model, corrected by what the log says of its errors: right where either of the two is right.

    Args:
        tried: The log.
        expected: The model's reward of the judged policy's choices, averaged over them, shape (choices,).
        predicted: The model's reward of the choice that was logged, shape (choices,). Fit the model on other data.
        seed, level, least: As in `ips`.

    Raises:
        BadInput: lengths differ.

    Source:
        Dudík, Langford, Li (2011), "Doubly robust policy evaluation and learning", ICML.

    Example:
        >>> tried = Tried(np.array([1.0, 0.0]), np.array([0.5, 0.5]), np.array([1.0, 0.0]))
        >>> doubly_robust(tried, np.array([0.8, 0.8]), np.array([0.8, 0.1])).interval.value
        1.0
    """
    if not len(expected) == len(predicted) == len(tried.reward):
        raise BadInput(f"rows: {len(expected)} expected, {len(predicted)} predicted, {len(tried.reward)} rewards; wanted equal.")
    _inside(expected, np.isfinite(expected), "expected reward", "a finite number")
    _inside(predicted, np.isfinite(predicted), "predicted reward", "a finite number")
    values = expected + tried.weight * (tried.reward - predicted)
    return _judged(bootstrap(values, seed=seed, level=level), tried, least)


def _judged(interval: Interval, tried: Tried, least: float) -> Estimate:
    size, w = effective(tried.weight), tried.target / tried.logged
    reason = ""
    if size < least:
        reason = f"not enough data: the log is worth {size:.0f} choices of this policy; wanted at least {least:.0f}"
    elif len(w) > 1 and abs(w.mean() - 1.0) > 5.0 * w.std(ddof=1) / np.sqrt(len(w)) + 1e-9:
        # The weights of a policy whose choices were all tried average 1, whatever the rewards.
        reason = f"the mean weight is {w.mean():.3f}, not 1: wrong propensities, or choices that the log never tried"
    return Estimate(interval, size, not reason, reason)


def _ratio(means: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return means[:, 0] / means[:, 1]


def _inside(values: NDArray[np.float64], fits: NDArray[np.bool_], what: str, wanted: str) -> None:
    if not fits.all():
        row = int(np.flatnonzero(~fits)[0])
        raise BadInput(f"{what} at row {row} is {values[row]}; wanted {wanted}. Leave such rows out, and count them.")
