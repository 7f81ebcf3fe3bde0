"""What it costs to be at a pickup before the order is ready, and which orders are held on purpose until it nearly is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Requests
from rialto.spine.params import Param

__all__ = ["HOLD_BEFORE_S", "HOLD_S", "IDLE_WAIT", "at_pickup", "left_s"]

IDLE_WAIT = Param(
    "match.decide.idle_wait", 0.5, low=0.0, high=100.0, unit="s/s",
    doc="Seconds of drive that a second costs in which the driver stands at the pickup, as the order is not ready.",
)  # fmt: skip
HOLD_S = Param(
    "match.decide.hold_s", 300.0, low=0.0, high=86_400.0, unit="s",
    doc="How much dearer than the nearest driver's drive a pair may be while its order is not ready: a dearer one is held back.",
)  # fmt: skip
HOLD_BEFORE_S = Param(
    "match.decide.hold_before_s", 120.0, low=0.0, high=86_400.0, unit="s",
    doc="How long before its customer gives up (`expire_s`) an order is held back no more.",
)  # fmt: skip

Floats = NDArray[np.float64]


def left_s(requests: Requests) -> Floats | None:
    """Seconds from each request's moment until its order is ready, 0 where it is or nobody knows, shape (requests,); None where all are 0."""
    ready_s = requests.columns.get("ready_s")
    if ready_s is None:
        return None
    left = np.maximum(np.nan_to_num(ready_s - requests.time_s, nan=0.0), 0.0)
    return left if left.any() else None


def at_pickup(
    requests: Requests, candidates: Candidates, drive_s: Floats, *, least: Floats
) -> tuple[Floats, NDArray[np.bool_] | None]:
    """What the way to an order costs, standing at its pickup included, and the pairs that are held back.

    A driver who is there before the order is ready has it when it is, so he drives, and then stands; a second of that costs `IDLE_WAIT`
    (with 1, the pair costs the longer of drive and time left). Sent later he would give his drive alone. So while the nearest one
    still has time, a pair that costs more than his drive and `HOLD_S` waits: it is decided again in the next window, with the same
    drivers or nearer ones. That ends by itself as the order gets ready, or as its customer is about to give up.

    Args:
        requests: With `ready_s`, seconds UTC, NaN = not known; without it nothing is changed, and nothing computed.
        candidates: Their pairs; those that a later phase sees again are held as the first decided, which saw all of them.
        drive_s: Seconds of drive, shape (rows,), inf = no way.
        least: Probability of acceptance below which the first phase gave a pair up for another reason, shape (requests,).

    Returns:
        Seconds (rows,), and which rows are held, None = none.
    """
    order_s = left_s(requests)
    if order_s is None:
        return drive_s, None
    counts = candidates.counts
    left = np.repeat(order_s, counts)
    stands_s = np.maximum(left - drive_s, 0.0)
    cost_s = drive_s + stands_s * np.repeat(IDLE_WAIT.of(requests), counts)
    before = candidates.columns.get("score:sight")
    if before is not None:
        return cost_s, np.isneginf(before) & (candidates.column("likely") >= np.repeat(least, counts))
    nearest_s = _least(candidates, drive_s)
    patient = requests.columns.get("expire_s", np.inf) - requests.time_s > HOLD_BEFORE_S.of(requests)
    most_s = np.where(patient & (order_s > nearest_s), nearest_s + HOLD_S.of(requests), np.inf)
    return cost_s, cost_s > np.repeat(most_s, counts)


def _least(candidates: Candidates, drive_s: Floats) -> Floats:
    """The least of each request's, shape (requests,); inf where there is none."""
    some = candidates.counts > 0
    least = np.full(len(some), np.inf)
    if some.any():
        least[some] = np.minimum.reduceat(drive_s, candidates.offsets[:-1][some])
    return least
