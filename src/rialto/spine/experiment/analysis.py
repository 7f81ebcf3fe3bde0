"""What an experiment says: differences with intervals, CUPED, switchback by blocks, sample-ratio check, any-time bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, stdtr, stdtrit

from rialto.errors import BadInput

__all__ = ["Effect", "SampleRatio", "always_valid", "by_unit", "cuped", "difference", "sample_ratio", "switchback_effect"]


@dataclass(frozen=True, slots=True)
class Effect:
    """Treatment against control.

    Args:
        control, treatment: The metric in each arm.
        value: Treatment minus control.
        low, high: Bounds of `value` at `level`.
        level: Confidence.
        p: Two-sided p-value of no difference.
        units: Units in control and treatment.
    """

    control: float
    treatment: float
    value: float
    low: float
    high: float
    level: float
    p: float
    units: tuple[int, int]

    @property
    def relative(self) -> float:
        """The difference as a share of the control's metric; NaN where that is 0."""
        return self.value / self.control if self.control else np.nan

    def __str__(self) -> str:
        bounds = f"{self.value:+.4g} [{self.low:+.4g}, {self.high:+.4g}]"
        return f"{bounds} ({self.relative:+.2%}) p={self.p:.4g}, {self.units[0]} and {self.units[1]} units"


def difference(
    values: ArrayLike,
    arm: NDArray[np.int64],
    *,
    per: ArrayLike | None = None,
    control: int = 0,
    treatment: int = 1,
    level: float = 0.95,
) -> Effect:
    """Compare two arms: means by Welch's t, or ratios of sums (clicks per search) by the delta method.

    Args:
        values: The metric of each unit, shape (units,). A row must be what was randomised: see `by_unit`.
        arm: Arm of each unit, shape (units,); other arms and `OUTSIDE` are left out.
        per: Denominator of each unit, shape (units,), for a ratio metric.
        control, treatment: The two arms.
        level: Confidence.

    Raises:
        BadInput: lengths differ, a value that is not finite, fewer than two units in an arm, or a denominator that sums to 0.

    Cost:
        O(units).

    Source:
        Welch (1947), Biometrika 34; Deng, Knoblich, Lu (2018), "Applying the delta method in metric analytics", KDD.

    Example:
        >>> e = difference([1.0, 2.0, 3.0, 2.0, 3.0, 4.0], np.array([0, 0, 0, 1, 1, 1]))
        >>> e.value, round(e.p, 4)
        (1.0, 0.2879)
        >>> difference([2.0, 4.0, 9.0, 9.0], np.array([0, 0, 1, 1]), per=[1.0, 2.0, 3.0, 3.0]).value
        1.0
    """
    y = np.asarray(values, dtype=np.float64)
    d = np.ones(len(y)) if per is None else np.asarray(per, dtype=np.float64)
    if not len(y) == len(d) == len(arm):
        raise BadInput(f"rows: {len(y)} values, {len(d)} denominators, {len(arm)} arms; wanted equal.")
    if not (np.isfinite(y).all() and np.isfinite(d).all()):
        raise BadInput("a value or denominator is not finite; wanted numbers. Leave such units out in both arms, and count them.")
    (m0, v0, n0), (m1, v1, n1) = (_metric(y[arm == a], d[arm == a], a) for a in (control, treatment))
    variance = v0 + v1
    freedom = variance**2 / (v0**2 / (n0 - 1) + v1**2 / (n1 - 1)) if variance > 0 else np.inf
    return _effect(m0, m1, variance, freedom, level, (n0, n1))


def cuped(values: ArrayLike, before: ArrayLike, arm: NDArray[np.int64]) -> NDArray[np.float64]:
    """Take out of each unit's metric what its past predicts, for `difference` to be more certain; the means stay comparable.

    Args:
        values: The metric, shape (units,).
        before: The same unit's metric (or any other) from before the experiment, shape (units,); NaN = it has no past, which
            leaves its value as it is.
        arm: Arm of each unit, shape (units,). The slope is found within arms, so that the effect does not leak into it.

    Raises:
        BadInput: lengths differ.

    Returns:
        Adjusted metric, shape (units,); the values themselves where `before` is constant.

    Source:
        Deng, Xu, Kohavi, Walker (2013), "Improving the sensitivity of online controlled experiments by utilizing pre-experiment
        data", WSDM.

    Example:
        >>> cuped([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], np.array([0, 0, 0, 0])).tolist()
        [2.5, 2.5, 2.5, 2.5]
    """
    y, x = np.asarray(values, dtype=np.float64), np.asarray(before, dtype=np.float64)
    if not len(y) == len(x) == len(arm):
        raise BadInput(f"rows: {len(y)} values, {len(x)} before, {len(arm)} arms; wanted equal.")
    has = np.isfinite(x)
    gap = np.where(has, x - (x[has].mean() if has.any() else 0.0), 0.0)
    _, code = np.unique(arm, return_inverse=True)
    size = np.maximum(np.bincount(code), 1)
    within = gap - (np.bincount(code, weights=gap) / size)[code]
    spread = float(within @ within)
    return y - (float(within @ y) / spread) * gap if spread > 0.0 else y.copy()


def by_unit(units: NDArray[Any], *columns: ArrayLike) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Sum rows (requests) by the unit that was randomised (shopper): the units, shape (units,), and sums, shape (columns, units).

    Example:
        >>> by_unit(np.array([7, 9, 7]), [1.0, 0.0, 1.0], [1.0, 1.0, 1.0])[1].tolist()
        [[2.0, 0.0], [2.0, 1.0]]
    """
    names, code = np.unique(units, return_inverse=True)
    sums = [np.bincount(code, weights=np.asarray(c, dtype=np.float64), minlength=len(names)) for c in columns]
    return names, np.stack(sums).astype(np.float64, copy=False)


def switchback_effect(
    values: ArrayLike,
    time_s: NDArray[np.float64],
    region: NDArray[Any],
    arm: NDArray[np.int64],
    *,
    block_s: float,
    washout_s: float = 0.0,
    level: float = 0.95,
) -> Effect:
    """Compare two arms of a switchback: the mean over orders in each arm, with blocks as the units of chance.

    Args:
        values: The metric of each order, shape (orders,).
        time_s, region: When and where, shape (orders,).
        arm: 0 control, 1 treatment, shape (orders,); one arm for all orders of a block.
        block_s: As in `switchback`.
        washout_s: Seconds at the start of each block that are left out, as they still feel the block before; below `block_s`.
        level: Confidence.

    Raises:
        BadInput: two arms within a block (another block_s than the draw's?), a washout as long as the block, or too few blocks.

    Source:
        Bojinov, Simchi-Levi, Zhao (2023), "Design and analysis of switchback experiments", Management Science 69(7).

    Example:
        >>> t, r = np.arange(0.0, 4.0), np.zeros(4, dtype=np.int64)
        >>> switchback_effect([1.0, 5.0, 2.0, 6.0], t, r, np.array([0, 1, 0, 1]), block_s=1.0).value
        4.0
    """
    y = np.asarray(values, dtype=np.float64)
    if not len(y) == len(time_s) == len(region) == len(arm):
        raise BadInput(f"rows: {len(y)} values, {len(time_s)} times, {len(region)} regions, {len(arm)} arms; wanted equal.")
    if not 0.0 <= washout_s < block_s:
        raise BadInput(f"washout_s is {washout_s}, block_s {block_s}; wanted a washout of at least 0 and below the block.")
    block = np.floor(time_s / block_s)
    keep = time_s - block * block_s >= washout_s
    _, place = np.unique(region, return_inverse=True)
    cells, code = np.unique(np.stack([place, block], axis=1)[keep], axis=0, return_inverse=True)
    sums = [np.bincount(code.ravel(), weights=w, minlength=len(cells)) for w in (y[keep], np.ones(int(keep.sum())), arm[keep])]
    share = sums[2] / sums[1]
    if not np.isin(share, (0.0, 1.0)).all():
        raise BadInput("a block holds orders of both arms; wanted one arm for all of a block. Pass the block_s of the draw.")
    return difference(sums[0], share.astype(np.int64), per=sums[1], level=level)


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether arms got the units that they should: counts and expected counts (arms,), p-value, and `sound` = no mismatch."""

    counts: tuple[int, ...]
    expected: tuple[float, ...]
    p: float
    sound: bool


def sample_ratio(arm: NDArray[np.int64], shares: tuple[float, ...], *, alpha: float = 0.001) -> SampleRatio:
    """Check that units fell into arms as the shares say; where they did not, no other figure of the experiment can be trusted.

    Args:
        arm: Arm of each unit, shape (units,); `OUTSIDE` is left out.
        shares: Share of each arm, summing to 1.
        alpha: P-value below which it is a mismatch.

    Source:
        Fabijan et al. (2019), "Diagnosing sample ratio mismatch in online controlled experiments", KDD; chi-square test.

    Example:
        >>> sample_ratio(np.repeat([0, 1], [5000, 5300]), (0.5, 0.5)).sound
        True
        >>> sample_ratio(np.repeat([0, 1], [5000, 5400]), (0.5, 0.5)).sound
        False
    """
    inside = arm[arm >= 0]
    if len(inside) == 0 or inside.max() >= len(shares) or abs(sum(shares) - 1.0) > 1e-9 or min(shares) <= 0.0:
        raise BadInput(
            f"there are {len(inside)} units for shares {shares}; wanted some, of these arms, and shares above 0 summing to 1."
        )
    counts = np.bincount(inside, minlength=len(shares))
    expected = len(inside) * np.asarray(shares)
    p = float(chdtrc(len(shares) - 1, float(((counts - expected) ** 2 / expected).sum())))
    return SampleRatio(tuple(counts.tolist()), tuple(expected.tolist()), p, p >= alpha)


def always_valid(effect: Effect, *, planned: int) -> Effect:
    """Widen an effect's bounds so that one may look as often as one likes and stop at will; `p` no longer applies and is NaN.

    Args:
        effect: From `difference`, at any look of at least about 100 units an arm (the bounds are asymptotic).
        planned: Units in both arms at which the bounds should be tightest; fixed before the first look.

    Raises:
        BadInput: planned below 1.

    Source:
        Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), "Time-uniform central limit theory and asymptotic confidence
        sequences", Annals of Statistics 52(6).

    Example:
        >>> e = difference(np.arange(400.0) % 7, np.arange(400) % 2)
        >>> wide = always_valid(e, planned=400)
        >>> wide.low < e.low < e.high < wide.high
        True
    """
    if planned < 1:
        raise BadInput(f"planned is {planned}; wanted units in both arms, at least 1.")
    alpha, n = 1.0 - effect.level, sum(effect.units)
    rho2 = (-2.0 * np.log(alpha) + np.log(-2.0 * np.log(alpha) + 1.0)) / planned
    error = (effect.high - effect.low) / 2.0 / float(stdtrit(1e9, (1.0 + effect.level) / 2.0))
    width = error * np.sqrt(2.0 * (n * rho2 + 1.0) / (n * rho2) * np.log(np.sqrt(n * rho2 + 1.0) / alpha))
    return replace(effect, low=effect.value - float(width), high=effect.value + float(width), p=np.nan)


def _metric(y: NDArray[np.float64], d: NDArray[np.float64], arm: int) -> tuple[float, float, int]:
    """Ratio of sums, its variance by the delta method (a mean's own variance where all d are 1), and units."""
    if len(y) < 2 or not d.sum():
        raise BadInput(
            f"arm {arm} has {len(y)} units with denominators summing to {d.sum():g}; wanted at least 2 units and no 0."
        )
    ratio = float(y.sum() / d.sum())
    left = (y - ratio * d) / d.mean()
    return ratio, float(left.var(ddof=1) / len(y)), len(y)


def _effect(m0: float, m1: float, variance: float, freedom: float, level: float, units: tuple[int, int]) -> Effect:
    if not 0.0 < level < 1.0:
        raise BadInput(f"level is {level}; wanted between 0 and 1.")
    value, error = m1 - m0, float(np.sqrt(variance))
    if error == 0.0:
        return Effect(m0, m1, value, value, value, level, float(value == 0.0), units)
    reach = float(stdtrit(freedom, (1.0 + level) / 2.0)) * error
    p = 2.0 * float(stdtr(freedom, -abs(value) / error))
    return Effect(m0, m1, value, value - reach, value + reach, level, p, units)
