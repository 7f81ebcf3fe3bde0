"""How evenly drivers earn: pay an hour by driver, its spread, and whether groups of drivers differ, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.spine.evaluate import Interval, bootstrap

__all__ = ["Fairness", "fairness", "gini"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fairness:
    """Earnings of a fleet.

    Args:
        drivers: Drivers who were on for long enough to say.
        an_hour: Mean cents an hour on shift, drivers weighed alike.
        gini: 0 = all earn alike, 1 = one earns everything.
        low_share: Pay an hour of the worst-paid tenth over the mean.
        idle: Share of drivers with no order at all.
        groups: Group -> cents an hour.
        gap: Group -> its pay over everybody else's, less one; an interval that holds 0 shows no difference.
    """

    drivers: int
    an_hour: Interval
    gini: Interval
    low_share: Interval
    idle: float
    groups: Mapping[str, Interval]
    gap: Mapping[str, Interval]


def gini(values: Floats) -> float:
    """The Gini coefficient of values >= 0; 0 where there are none or all are 0.

    Example:
        >>> gini(np.array([1.0, 1.0, 1.0])), round(gini(np.array([0.0, 0.0, 3.0])), 3)
        (0.0, 0.667)
    """
    total = float(values.sum())
    if not len(values) or total <= 0.0:
        return 0.0
    rank = np.arange(1, len(values) + 1)
    return float(2.0 * (rank * np.sort(values)).sum() / (len(values) * total) - (len(values) + 1.0) / len(values))


def fairness(
    earned_cents: Floats, on_s: Floats, *, group: NDArray[np.str_] | None = None, least_s: float = 1800.0, seed: int = 0
) -> Fairness:
    """Report how a period's earnings were spread.

    Args:
        earned_cents: What each driver earned, shape (drivers,).
        on_s: How long each was on shift, shape (drivers,); who was on for less than `least_s` is left out.
        group: A name for each driver, shape (drivers,), such as the vehicle or the quarter they start in; None = no groups.
        least_s: Seconds on shift below which pay an hour says nothing.
        seed: Of the intervals, which are over drivers.

    Raises:
        BadInput: lengths differ, or earnings or times are negative or not finite.

    Cost:
        A few hundred resamplings of the drivers.

    Example:
        >>> told = fairness(np.array([3000.0, 1000.0, 2000.0]), np.full(3, 3600.0))
        >>> told.drivers, round(told.an_hour.value), told.idle
        (3, 2000, 0.0)
    """
    size = len(earned_cents)
    if len(on_s) != size or (group is not None and len(group) != size):
        raise BadInput(f"there are {size} earnings and {len(on_s)} times on shift; wanted one of each, and a group, a driver.")
    if not (np.isfinite(earned_cents).all() and np.isfinite(on_s).all()) or (size and min(earned_cents.min(), on_s.min()) < 0.0):
        raise BadInput("earnings or times on shift are negative or not finite; wanted cents and seconds of at least 0.")
    used = on_s >= least_s
    pay, names = earned_cents[used] / on_s[used] * 3600.0, None if group is None else np.asarray(group)[used]
    tenth = max(len(pay) // 10, 1)

    def of_draws(measure: str) -> Interval:
        """Of order statistics no mean of columns tells; they are drawn whole."""
        value, draws = _measure(pay, tenth, measure), np.random.default_rng((seed, 3))
        if len(pay) < 2:
            return Interval(value, float("nan"), float("nan"), 0.95, len(pay))
        many = [_measure(pay[draws.integers(0, len(pay), len(pay))], tenth, measure) for _ in range(400)]
        low, high = np.quantile(many, [0.025, 0.975])
        return Interval(value, float(low), float(high), 0.95, len(pay))

    groups, gap = dict[str, Interval](), dict[str, Interval]()
    for name in [] if names is None else sorted(set(names.tolist())):
        own = names == name
        groups[name] = bootstrap(pay[own], seed=seed)
        if not own.all():
            sums = np.stack([pay * own, own.astype(np.float64), pay * ~own, (~own).astype(np.float64)], axis=1)
            gap[name] = bootstrap(sums, seed=seed, of=_ratio)
    idle = float((earned_cents[used] <= 0.0).mean()) if used.any() else 0.0
    return Fairness(len(pay), bootstrap(pay, seed=seed), of_draws("gini"), of_draws("low"), idle, groups, gap)


def _ratio(means: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((means[:, 0] / means[:, 1]) / (means[:, 2] / means[:, 3]) - 1.0)


def _measure(pay: Floats, tenth: int, what: str) -> float:
    if what == "gini":
        return gini(pay)
    mean = float(pay.mean()) if len(pay) else 0.0
    return float(np.partition(pay, tenth - 1)[:tenth].mean()) / mean if mean > 0.0 else 0.0
