"""How evenly a fleet's drivers earned, from its logs: pay as it was told, shifts as drivers were enrolled; else from their orders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.app.enrolled import Enrolled
from rialto.app.fleet_logs import OpenedLogs
from rialto.app.terms import earnings
from rialto.match.fairness import Fairness, fairness
from rialto.match.jobs import JobLog, Jobs
from rialto.match.records import FREE, Drivers

__all__ = ["FairLog", "fairness_of_logs"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FairLog:
    """What the logs say of a fleet's earnings, and from what.

    Args:
        found: The report.
        told: Whether pay is what was told of it; else what the delivered orders were worth.
        shifts: Drivers whose time is that of their shifts; the others' counts from the first acceptance to the last delivery.
    """

    found: Fairness
    told: bool
    shifts: int


def fairness_of_logs(logs: OpenedLogs, *, seed: int = 0) -> FairLog:
    """How a fleet's earnings were spread, over all who delivered, were paid, or had a shift before the logs' end.

    A shift counts from the driver's enrolment to the logs' end at most, without its break; a later enrolment takes the place of what is
    left of the one before. Groups are the bits that drivers were enrolled with.

    Raises:
        EngineLost: A log is not what it should be.
    """
    source = JobLog(logs.offers)
    jobs = source.more()
    paid = [] if logs.terms is None else list(earnings(logs.terms))
    batches = [] if logs.drivers is None else list(Enrolled(logs.drivers).batches())
    end_s = max([source.end_s, *(at_s for at_s, _, _ in paid)])
    on_s, flags = _shifts(batches, end_s)
    cents = dict[int, float]()
    for driver, amount in _earned(jobs, paid):
        cents[driver] = cents.get(driver, 0.0) + amount
    worked = _worked(jobs)
    drivers = sorted({*cents, *worked, *on_s})
    times = np.array([on_s.get(d, worked.get(d, 0.0)) for d in drivers], dtype=np.float64)
    pay = np.array([cents.get(d, 0.0) for d in drivers], dtype=np.float64)
    names = np.array([_bits(flags.get(d)) for d in drivers], dtype=str) if flags else None
    return FairLog(fairness(pay, times, group=names, seed=seed), bool(paid), len(on_s))


def _earned(jobs: Jobs, paid: list[tuple[float, list[int], list[int]]]) -> Iterator[tuple[int, float]]:
    if not paid:
        yield from zip(jobs.driver.tolist(), jobs.value_cents.tolist())
    for _, who, cents in paid:
        yield from zip(who, cents)


def _worked(jobs: Jobs) -> dict[int, float]:
    """Seconds from each driver's first acceptance to his last delivery."""
    who, at = np.unique(jobs.driver, return_inverse=True)
    first, last = np.full(len(who), np.inf), np.full(len(who), -np.inf)
    np.minimum.at(first, at, jobs.accepted_s)
    np.maximum.at(last, at, jobs.delivered_s)
    return dict(zip(who.tolist(), np.maximum(last - first, 0.0).tolist()))


def _shifts(batches: list[tuple[float, Drivers]], end_s: float) -> tuple[dict[int, float], dict[int, int]]:
    """Seconds on shift of those who were enrolled with one, and the bits that each was enrolled with last."""
    on_s, flags, standing = dict[int, float](), dict[int, int](), dict[int, tuple[float, tuple[float, ...]]]()

    def over(driver: int, until_s: float) -> None:
        since_s, (start_s, stop_s, rests_s, back_s) = standing[driver]
        since_s, until_s = max(since_s, start_s), min(until_s, stop_s)
        if np.isfinite(start_s) and until_s > since_s:
            rest_s = max(min(back_s, until_s) - max(rests_s, since_s), 0.0) if np.isfinite(rests_s) else 0.0
            on_s[driver] = on_s.get(driver, 0.0) + until_s - since_s - rest_s

    for at_s, fleet in batches:
        hours = zip(*(c.tolist() for c in (fleet.shift_start_s, fleet.shift_end_s, fleet.break_start_s, fleet.break_end_s)))
        for driver, bits, hour in zip(fleet.ids.tolist(), fleet.flags.tolist(), hours):
            if driver in standing:
                over(driver, at_s)
            standing[driver], flags[driver] = (at_s, hour), bits & ~int(FREE)
    for driver in standing:
        over(driver, end_s)
    return on_s, flags


def _bits(flags: int | None) -> str:
    if flags is None:
        return "not enrolled"
    return "bits " + ", ".join(str(b) for b in range(63) if flags >> b & 1) if flags else "no bits"
