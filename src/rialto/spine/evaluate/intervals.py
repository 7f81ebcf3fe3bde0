"""Intervals and tests: the bootstrap over units, the paired sign-flip test, Holm's correction. No figure leaves without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rialto.errors import BadInput

__all__ = ["Difference", "Interval", "bootstrap", "holm", "paired"]

CHUNK = 2_000_000
EXACT = 13


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and how sure it is.

    Args:
        value: The estimate; NaN where no unit was usable.
        low, high: Bounds at `level`; infinite where fewer than two units were usable.
        level: Confidence, .95.
        count: Units used.
        left_out: Units left out because their value is not a number.
    """

    value: float
    low: float
    high: float
    level: float
    count: int
    left_out: int = 0

    def __str__(self) -> str:
        out = f", {self.left_out} left out" if self.left_out else ""
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}] ({self.count} used{out})"


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two systems on the same units (second minus first), its interval and its two-sided p-value.

    Fields as in `Interval`; `p` is the probability of a difference at least this large were the two systems the same.
    """

    value: float
    low: float
    high: float
    level: float
    count: int
    left_out: int
    p: float

    def __str__(self) -> str:
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}] p={self.p:.4g} ({self.count} pairs)"


def first(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the first column: the statistic where nothing else is asked for."""
    return means[:, 0]


def bootstrap(
    rows: ArrayLike,
    *,
    seed: int,
    of: Callable[[NDArray[np.float64]], NDArray[np.float64]] = first,
    level: float = 0.95,
    method: Literal["bca", "percentile"] = "bca",
    resamples: int = 2000,
) -> Interval:
    """Find an interval for a function of means by drawing the units again and again, with replacement.

    Args:
        rows: One row a unit (a query, a window), shape (units,) or (units, columns). Units with a non-finite value are left out.
        seed: Seed of the draws.
        of: The statistic, from column means (draws, columns) to (draws,): `lambda m: m[:, 0] / m[:, 1]` is a ratio. Default: the
            mean of the first column.
        level: Confidence, between 0 and 1.
        method: `bca` corrects for bias and skew; `percentile` does not.
        resamples: Draws, at least 100.

    Returns:
        The interval. Below about 20 units both methods are too narrow; say so beside the figure.

    Raises:
        BadInput: level or resamples out of range, or rows of another shape.

    Cost:
        O(resamples x units x columns) time; memory bounded by drawing in parts.

    Source:
        Efron (1987), "Better bootstrap confidence intervals", JASA 82(397).

    Example:
        >>> i = bootstrap([1.0, 2.0, 3.0, float("nan")], seed=1)
        >>> i.value, i.count, i.left_out, i.low < 2.0 < i.high
        (2.0, 3, 1, True)
    """
    table, left_out = _table(rows)
    if not (0.0 < level < 1.0 and resamples >= 100):
        raise BadInput(f"level is {level}, resamples {resamples}; wanted a level between 0 and 1 and at least 100 resamples.")
    units = len(table)
    value = float(of(table.mean(axis=0, keepdims=True))[0]) if units else np.nan
    if units < 2 or not np.isfinite(value):
        return Interval(value, -np.inf, np.inf, level, units, left_out)
    drawn = np.sort(of(_means(table, seed=seed, resamples=resamples)))
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or drawn[0] == drawn[-1]:
        return Interval(value, value, value, level, units, left_out)
    tails = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    if method == "bca":
        tails = _bca(table, drawn, value, of=of, tails=tails)
    low, high = np.quantile(drawn, tails)
    return Interval(value, float(low), float(high), level, units, left_out)


def paired(
    first_values: ArrayLike, second_values: ArrayLike, *, seed: int, level: float = 0.95, resamples: int = 9999
) -> Difference:
    """Compare two systems on the same units: mean of second minus first, with interval and p-value.

    The p-value is of the sign-flip test: were the systems the same, each unit's difference could as well have the other sign. Up
    to 13 units all sign patterns are tried, above that `resamples` random ones. The interval is the BCa bootstrap over units.

    Args:
        first_values: Measure of the first system, shape (units,).
        second_values: Of the second, same units in the same order. A pair with a non-finite value is left out.
        seed: Seed of the draws.
        level: Confidence.
        resamples: Random sign patterns.

    Raises:
        BadInput: the shapes differ.

    Cost:
        O(resamples x units) time.

    Source:
        Fisher (1935), "The design of experiments", section 21; Smucker, Allan, Carterette (2007), "A comparison of statistical
        significance tests for information retrieval evaluation", CIKM.

    Example:
        >>> d = paired([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5], seed=1)
        >>> round(d.value, 3), d.p  # 2 of the 16 sign patterns reach it
        (0.1, 0.125)
    """
    a, b = np.asarray(first_values, dtype=np.float64), np.asarray(second_values, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise BadInput(f"the systems have shapes {a.shape} and {b.shape}; wanted (units,) of the same units in the same order.")
    interval = bootstrap(b - a, seed=seed, level=level)
    d = (b - a)[np.isfinite(b - a)]
    p = _flip(d, seed=seed, resamples=resamples)
    return Difference(interval.value, interval.low, interval.high, level, interval.count, interval.left_out, p)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Correct p-values for having asked several questions: shape (questions,); refuse where the corrected one is above alpha.

    Args:
        p: P-values, shape (questions,), in 0..1.

    Raises:
        BadInput: a value outside 0..1.

    Source:
        Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2).

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not np.all((values >= 0.0) & (values <= 1.0)):
        raise BadInput(f"p-values are {values!r}; wanted one dimension, each in 0..1.")
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    out = np.empty_like(values)
    out[order] = np.minimum(steps, 1.0)
    return out


def _table(rows: ArrayLike) -> tuple[NDArray[np.float64], int]:
    table = np.asarray(rows, dtype=np.float64)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2:
        raise BadInput(f"rows have shape {table.shape}; wanted (units,) or (units, columns).")
    usable = np.isfinite(table).all(axis=1)
    return table[usable], int((~usable).sum())


def _means(table: NDArray[np.float64], *, seed: int, resamples: int) -> NDArray[np.float64]:
    """Column means of `resamples` draws of the units, shape (resamples, columns)."""
    rng = np.random.default_rng(seed)
    units, columns = table.shape
    part = max(1, CHUNK // (units * columns))
    parts = [
        table[rng.integers(0, units, size=(min(part, resamples - at), units))].mean(axis=1) for at in range(0, resamples, part)
    ]
    return np.concatenate(parts)


def _bca(
    table: NDArray[np.float64],
    drawn: NDArray[np.float64],
    value: float,
    *,
    of: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    tails: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The two tails, moved for bias (share of draws below the estimate) and skew (of the leave-one-out estimates)."""
    from scipy.special import ndtr, ndtri  # here, as decisions import this module and few of them need an interval

    below = 0.5 * (np.searchsorted(drawn, value, "left") + np.searchsorted(drawn, value, "right")) / len(drawn)
    bias = ndtri(np.clip(below, 0.5 / len(drawn), 1.0 - 0.5 / len(drawn)))
    without = of((table.sum(axis=0) - table) / (len(table) - 1))
    gap = without.mean() - without
    spread = float((gap**2).sum() ** 1.5)
    skew = float((gap**3).sum()) / (6.0 * spread) if spread > 0.0 and np.isfinite(spread) else 0.0
    z = bias + ndtri(tails)
    return np.clip(ndtr(bias + z / np.maximum(1.0 - skew * z, 1e-6)), 0.0, 1.0)  # below 0 the correction turns back on itself


def _flip(d: NDArray[np.float64], *, seed: int, resamples: int) -> float:
    units = len(d)
    seen = abs(float(d.sum()))
    if units == 0 or not d.any():
        return 1.0
    reach = seen - 1e-12 * float(np.abs(d).sum())  # sums in another order differ in the last bits
    if units <= EXACT:
        patterns = (np.arange(2**units)[:, np.newaxis] >> np.arange(units)) & 1
        return float((np.abs((2 * patterns - 1) @ d) >= reach).mean())
    rng = np.random.default_rng(seed)
    part = max(1, CHUNK // units)
    hits = 0
    for at in range(0, resamples, part):
        signs = rng.integers(0, 2, size=(min(part, resamples - at), units), dtype=np.int8) * 2 - 1
        hits += int((np.abs(signs @ d) >= reach).sum())
    return (1 + hits) / (1 + resamples)
