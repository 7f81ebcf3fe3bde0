"""Who sees which arm: by unit (shopper, driver) or by switchback of region and time; by a salted stable hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadSettings, known
from rialto.records import Requests, hash64, uniforms
from rialto.spine.params import Param, params

__all__ = ["OUTSIDE", "Experiment", "arm_column", "expose", "switchback"]

OUTSIDE = -1
"""Arm of a unit that the experiment does not take in."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms, their shares, and the tunables that each arm sets.

    Args:
        name: Its name in the log.
        arms: Names, the control first.
        shares: Share of the experiment's units in each arm, shape (arms,), summing to 1.
        salt: Change it to draw all units anew; "" draws by the name alone.
        overrides: Arm -> {param name: value}; an arm that is absent sets nothing.
        layer: Experiments of one layer take their units from one draw, so they exclude one another where their `traffic` does not
            overlap; "" is a layer of its own, independent of all others.
        traffic: Part of the layer's units that take part, from..to within 0..1. Widening it later keeps every unit in its arm.

    Raises:
        BadSettings: lists every problem: arms and shares that do not fit, unknown arms or params, values out of range.

    Example:
        >>> e = Experiment("bigger-page", ("as-is", "bigger"), (0.5, 0.5))
        >>> arm = e.split(np.arange(10_000, dtype=np.uint64))
        >>> np.bincount(arm).tolist()
        [5056, 4944]
    """

    name: str
    arms: tuple[str, ...]
    shares: tuple[float, ...]
    salt: str = ""
    overrides: Mapping[str, Mapping[str, bool | int | float | str]] = field(default_factory=dict)
    layer: str = ""
    traffic: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        problems = _shape_problems(self)
        declared = params()
        for arm, values in self.overrides.items():
            if arm not in self.arms:
                problems.append(f"experiment {self.name!r} overrides params for arm {arm!r}; known: {known(arm, self.arms)}.")
            for param, value in values.items():
                problems += _value_problems(declared, self.name, param, value)
        if problems:
            raise BadSettings(problems)

    def split(self, units: NDArray[Any]) -> NDArray[np.int64]:
        """Find the arm of each unit: the same on every machine and day, and independent of every other experiment's.

        The hash: a text becomes a number by `rialto.records.hash64` (BLAKE2b), an integer is taken as it is (modulo 2**64). Two
        draws follow by `rialto.records.uniforms` (SplitMix64): one salted with the layer says whether the unit takes part, one
        salted with the experiment's name and salt says in which arm.

        Args:
            units: Integers or texts, shape (units,). Use the unit that must not see two arms (the shopper, not the request).

        Returns:
            Arm index, shape (units,), `OUTSIDE` where the unit does not take part.

        Raises:
            BadInput: units that are neither integers nor texts.

        Cost:
            About 20 ns an integer, 1 us a text: hash texts once at the edge where that matters.

        Source:
            Tang, Agarwal, O'Brien, Meyer (2010), "Overlapping experiment infrastructure", KDD (layers).
        """
        numbers = _numbers(units)
        part = uniforms(0, numbers, f"layer:{self.layer or self.name}", 1)[:, 0]
        draw = uniforms(0, numbers, f"experiment:{self.name}:{self.salt}", 1)[:, 0]
        arm = np.searchsorted(np.cumsum(self.shares)[:-1], draw, side="right")
        inside = (part >= self.traffic[0]) & (part < self.traffic[1])
        return np.where(inside, arm, OUTSIDE).astype(np.int64)


def arm_column(experiment: str) -> str:
    """Name of the request column that holds the arm: `arm:` and the experiment's name."""
    return f"arm:{experiment}"


def expose(requests: Requests, experiment: Experiment, unit_column: str) -> Requests:
    """Put requests into an experiment: overrides filled in for each, and the arm's name as a column, so that it is logged.

    Args:
        requests: The batch.
        experiment: What to expose them to.
        unit_column: Request column that holds the unit.

    Returns:
        The requests with column `arm_column(experiment.name)` ("" outside) and one override column for each param set.

    Raises:
        BadInput: no such column, or a param already overridden for one of these requests: put both experiments into one layer.

    Example:
        >>> size = Param("doctest.expose.size", 10, low=1, high=99, unit="results", doc="Results on a page.")
        >>> e = Experiment("e", ("a", "b"), (0.5, 0.5), overrides={"b": {"doctest.expose.size": 20}})
        >>> r = expose(Requests.of({"shopper": np.arange(4)}), e, "shopper")
        >>> r.column("arm:e").tolist(), size.of(r).tolist()
        (['a', 'a', 'a', 'b'], [10, 10, 10, 20])
    """
    arm = experiment.split(requests.column(unit_column))
    overrides = dict(requests.overrides)
    for name in sorted({p for values in experiment.overrides.values() for p in values}):
        overrides[name] = _filled(requests, experiment, params()[name], arm)
    names = np.array([*experiment.arms, ""])  # the last is OUTSIDE's, as -1 counts from the end
    columns = {**requests.columns, arm_column(experiment.name): names[arm]}
    return Requests(requests.ids, requests.time_s, columns, overrides)


def switchback(
    time_s: NDArray[np.float64], region: NDArray[Any], *, block_s: float, salt: str, arms: int = 2
) -> NDArray[np.int64]:
    """Find the arm of each region at each time: all of a region is in one arm for a block of time, then it is drawn again.

    For markets, where units compete: a driver that one order takes is gone for the next, whoever placed it.

    Args:
        time_s: Shape (rows,), seconds.
        region: Integers or texts, shape (rows,).
        block_s: Length of a block, seconds, several times the longest delay between a decision and its effects.
        salt: Name of the experiment; the same salt repeats the draw.
        arms: Number of arms, equally likely.

    Returns:
        Arm index, shape (rows,).

    Raises:
        BadInput: a time that is not finite, a block that is not positive, fewer than one arm, or lengths that differ.

    Source:
        Bojinov, Simchi-Levi, Zhao (2023), "Design and analysis of switchback experiments", Management Science 69(7).

    Example:
        >>> switchback(np.array([0.0, 3599.0, 3600.0, 7200.0]), np.array(["north"] * 4), block_s=3600.0, salt="x").tolist()
        [1, 1, 0, 0]
    """
    if not (block_s > 0.0 and np.isfinite(block_s) and arms >= 1):
        raise BadInput(f"block_s is {block_s}, arms {arms}; wanted seconds above 0 and at least one arm.")
    if len(time_s) != len(region) or not np.isfinite(time_s).all():
        raise BadInput(
            f"{len(time_s)} times for {len(region)} regions, all finite: {bool(np.isfinite(time_s).all())}; wanted both."
        )
    block = np.floor(time_s / block_s).astype(np.int64).astype(np.uint64)
    place = (uniforms(0, _numbers(region), f"switchback:{salt}", 1)[:, 0] * 2.0**53).astype(np.uint64)
    with np.errstate(over="ignore"):
        cell = place ^ (block * np.uint64(0x9E3779B97F4A7C15))
    return (uniforms(0, cell, f"switchback:block:{salt}", 1)[:, 0] * arms).astype(np.int64)


def _filled(requests: Requests, experiment: Experiment, param: Param, arm: NDArray[np.int64]) -> NDArray[Any]:
    """Override column of one param: what it was, with each arm's value where the arm sets one."""
    before = param.of(requests)
    values = before.astype(object)
    for i, name in enumerate(experiment.arms):
        if param.name not in experiment.overrides.get(name, {}):
            continue
        if np.any(before[arm == i] != param.default):
            raise BadInput(
                f"experiment {experiment.name!r} would override param {param.name!r}, which is already overridden for some "
                "of these requests; wanted one owner. Put the two experiments into one layer with traffic that does not overlap."
            )
        values[arm == i] = param.check(experiment.overrides[name][param.name])
    return values.astype(type(param.default))


def _numbers(units: NDArray[Any]) -> NDArray[np.uint64]:
    """Units as uint64: integers as they are, texts by `hash64`."""
    units = np.asarray(units)
    if units.dtype.kind in "iu":
        return units.astype(np.uint64)
    texts = units.tolist()
    if not all(isinstance(t, str) for t in texts):
        raise BadInput(f"units are of type {units.dtype}; wanted integers or texts. Hash anything else to a number first.")
    return np.fromiter((hash64(t) for t in texts), dtype=np.uint64, count=len(texts))


def _shape_problems(e: Experiment) -> list[str]:
    problems: list[str] = []
    if len(e.arms) < 2 or len(set(e.arms)) != len(e.arms) or "" in e.arms:
        problems.append(f"experiment {e.name!r} has arms {e.arms}; wanted at least two different names.")
    if len(e.shares) != len(e.arms) or not all(s > 0 for s in e.shares) or abs(sum(e.shares) - 1.0) > 1e-9:
        problems.append(f"experiment {e.name!r} has shares {e.shares}; wanted one above 0 for each arm, summing to 1.")
    if not 0.0 <= e.traffic[0] < e.traffic[1] <= 1.0:
        problems.append(f"experiment {e.name!r} has traffic {e.traffic}; wanted from < to within 0..1.")
    return problems


def _value_problems(declared: Mapping[str, Param], experiment: str, param: str, value: object) -> list[str]:
    if param not in declared:
        return [f"experiment {experiment!r}: there is no param {param!r}; known: {known(param, declared)}."]
    try:
        declared[param].check(value)
    except BadSettings as e:
        return [f"experiment {experiment!r}: {p}" for p in e.problems]
    return []
