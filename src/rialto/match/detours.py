"""The hot loop of stacking: where a new order's two stops bend a driver's plan least, for every pair at once, beside its plain version."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.kernels import inner, kernel
from rialto.threads import spread

__all__ = ["NO_STOP", "PICKUP", "Found", "Legs", "Plans", "detours", "detours_plain"]

NO_STOP, PICKUP, ABOARD = -3, -2, -1
"""In `Plans.mate`: there is no stop; a pickup; the drop-off of an order that is on board. Else the place of a drop-off's pickup."""

TIGHT = 1e-6
"""Seconds or units by which a limit may be passed: the rounding of sums."""

_GRAIN = 256  # pairs worth a call

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Plans(NamedTuple):
    """What drivers have yet to do, a row a driver; times in seconds from now, `most` stops at most, three loads as in `CAPACITY`.

    Args:
        size: Stops of each plan, shape (plans,).
        frozen: Leading stops that stay where they are, shape (plans,).
        leg: Drives from each point (0 = where the driver is, k + 1 = stop k) to each stop, shape (plans, most + 1, most).
        mate: Place of the pickup of each drop-off, or `PICKUP`, `ABOARD`, `NO_STOP`, shape (plans, most).
        load: What comes on board at each stop, shape (plans, most, 3); below 0 at drop-offs.
        ready_s: Before when a pickup is not left, shape (plans, most); -inf = it is ready.
        due_s: When each drop-off was promised, shape (plans, most); inf = it was not.
        direct_s: The ride of each drop-off's order without any detour, less what it has ridden already, shape (plans, most).
        aboard, room: What is on board now and what there is room for, shape (plans, 3).
        by_s: When the last stop must be done, shape (plans,).
    """

    size: Ints
    frozen: Ints
    leg: Floats
    mate: Ints
    load: Floats
    ready_s: Floats
    due_s: Floats
    direct_s: Floats
    aboard: Floats
    room: Floats
    by_s: Floats


class Legs(NamedTuple):
    """New orders beside the plans that might take them, a row a pair.

    Args:
        plan: Row of `Plans`, shape (pairs,).
        to_pickup: Drives from each point of the plan to the new pickup, shape (pairs, most + 1).
        from_pickup: From there to each stop, shape (pairs, most).
        to_drop: From each stop to the new drop-off, shape (pairs, most).
        from_drop: From there to each stop, shape (pairs, most).
        trip_s: From the new pickup to the new drop-off, shape (pairs,).
        load: What the order takes up, shape (pairs, 3).
        ready_s, due_s: As in `Plans`, shape (pairs,).
        detour_s: Most that any order's ride may be longer than without detours, shape (pairs,).
        wait, late: What a second counts that somebody gets his order later, as a share of one (the rest counts driving), and what a
            second past a promised time costs, shape (pairs,).
    """

    plan: Ints
    to_pickup: Floats
    from_pickup: Floats
    to_drop: Floats
    from_drop: Floats
    trip_s: Floats
    load: Floats
    ready_s: Floats
    due_s: Floats
    detour_s: Floats
    wait: Floats
    late: Floats


class Found(NamedTuple):
    """The best places, shape (pairs,) each; where there are none, `cost_s` is inf and the rest means nothing.

    Args:
        cost_s: What the order costs, beside its trip: for an empty plan and an order that is ready, the drive to the pickup.
        pickup_s, drop_s: When its driver is at its pickup and at its drop-off, seconds from now.
        at, to: Place of the pickup in the plan, and of the drop-off: each in front of the stop that had this place before.
    """

    cost_s: Floats
    pickup_s: Floats
    drop_s: Floats
    at: Ints
    to: Ints


def detours(plans: Plans, legs: Legs) -> Found:
    """Find where each order is inserted into its plan at least cost; what is planned keeps its order.

    The cost is, in seconds: `wait` x (how much later all drop-offs are: those of the plan than they would be, the new one than on its
    trip alone) + (1 - `wait`) x (more driving, less the trip) + `late` x (seconds past promised times, more than before). A place is
    left out where a load exceeds its room at any stop, the plan ends after `by_s`, or a ride is longer than without detours by more
    than `detour_s`, unless it was so before and becomes no longer. Of equal places the first pickup's, then the first drop-off's.

    Cost:
        O(stops^3) a pair: about 1 us for a plan of two stops; pairs are divided over the processors.

    Example:
        One driver at 0 on a line on his way to 100 and then 1000, at 1 m/s, may take an order from 100 to 900 without a second more:

        >>> plans = Plans(
        ...     np.array([2]), np.array([1]), np.array([[[100.0, 1000.0], [0.0, 900.0], [900.0, 0.0]]]), np.array([[PICKUP, 0]]),
        ...     np.zeros((1, 2, 3)), np.zeros((1, 2)), np.full((1, 2), np.inf), np.full((1, 2), 900.0), np.zeros((1, 3)),
        ...     np.ones((1, 3)), np.array([np.inf]),
        ... )
        >>> legs = Legs(
        ...     np.array([0]), np.array([[100.0, 0.0, 900.0]]), np.array([[0.0, 900.0]]), np.array([[800.0, 100.0]]),
        ...     np.array([[800.0, 100.0]]), np.array([800.0]), np.zeros((1, 3)), *np.array([[0.0], [np.inf], [600.0], [0.0], [0.0]]),
        ... )
        >>> found = detours(plans, legs)
        >>> found.cost_s.tolist(), found.pickup_s.tolist(), found.drop_s.tolist(), found.at.tolist(), found.to.tolist()
        ([-800.0], [100.0], [900.0], [1], [1])

    Source:
        Jaw, Odoni, Psaraftis, Wilson (1986), "A heuristic algorithm for the multi-vehicle advance request dial-a-ride problem",
        Transportation Research B 20(3): insertion with bounded ride times.
    """
    pairs = len(legs.plan)
    found = Found(*(np.full(pairs, np.inf) for _ in range(3)), *(np.full(pairs, -1, dtype=np.int64) for _ in range(2)))
    if pairs:
        most = plans.mate.shape[1]
        spread(lambda low, high: _fill(low, high, plans, legs, found, np.empty((4, most))), pairs, grain=_GRAIN)
    return found


@kernel
def _fill(low: int, high: int, plans: Plans, legs: Legs, found: Found, room: Floats) -> None:
    """`room` is where a plan is kept while it is bent: as it stands, when each stop is reached, when it is left, how long its ride is; and
    when it is left where it is bent."""
    for r in range(low, high):
        p = legs.plan[r]
        drive_s, late_s = _stands(plans, p, room)
        for i in range(plans.frozen[p], plans.size[p] + 1):
            for j in range(i, plans.size[p] + 1):
                cost_s, pickup_s, drop_s = _bent(plans, legs, r, p, i, j, drive_s, late_s, room)
                if cost_s < found.cost_s[r]:
                    found.cost_s[r], found.pickup_s[r], found.drop_s[r] = cost_s, pickup_s, drop_s
                    found.at[r], found.to[r] = i, j


@inner
def _stands(plans: Plans, p: int, was: Floats) -> tuple[float, float]:
    """Drive plan `p` as it stands: seconds of driving and past promises; `was` is filled."""
    now_s = drive_s = late_s = 0.0
    for k in range(plans.size[p]):
        drive_s += plans.leg[p, k, k]
        now_s += plans.leg[p, k, k]
        was[0, k] = now_s
        mate = plans.mate[p, k]
        if mate == PICKUP:
            now_s = max(now_s, plans.ready_s[p, k])
        else:
            late_s += max(now_s - plans.due_s[p, k], 0.0)
        was[1, k] = now_s
        was[2, k] = now_s - was[1, mate] if mate >= 0 else now_s
    return drive_s, late_s


@inner
def _bent(
    plans: Plans, legs: Legs, r: int, p: int, i: int, j: int, drive_s: float, late_s: float, was: Floats
) -> tuple[float, float, float]:
    """What it costs to have the pickup in front of stop `i` and the drop-off in front of stop `j`, and when they are reached."""
    size, bad = plans.size[p], (np.inf, np.inf, np.inf)
    a, b, c = plans.aboard[p, 0], plans.aboard[p, 1], plans.aboard[p, 2]
    left = was[3]
    now_s = more_s = past_s = later_s = 0.0
    pickup_s = picked_s = drop_s = 0.0
    last = 0  # the point where the driver is: 0, stop + 1, -1 = the new pickup, -2 = the new drop-off
    for k in range(size + 1):
        for half in range(2):
            if (k != i) if half == 0 else (k != j):
                continue
            if half == 0:
                leg_s = legs.to_pickup[r, last]
                pickup_s = now_s + leg_s
                now_s = picked_s = max(pickup_s, legs.ready_s[r])
                a, b, c, last = a + legs.load[r, 0], b + legs.load[r, 1], c + legs.load[r, 2], -1
                if a > plans.room[p, 0] + TIGHT or b > plans.room[p, 1] + TIGHT or c > plans.room[p, 2] + TIGHT:
                    return bad
            else:
                leg_s = legs.trip_s[r] if last == -1 else legs.to_drop[r, last - 1]
                now_s += leg_s
                drop_s, last = now_s, -2
                a, b, c = a - legs.load[r, 0], b - legs.load[r, 1], c - legs.load[r, 2]
                if not drop_s - picked_s <= legs.trip_s[r] + legs.detour_s[r] + TIGHT:
                    return bad
            more_s += leg_s
        if k == size:
            break
        leg_s = legs.from_pickup[r, k] if last == -1 else legs.from_drop[r, k] if last == -2 else plans.leg[p, last, k]
        more_s += leg_s
        now_s += leg_s
        mate = plans.mate[p, k]
        if mate == PICKUP:
            now_s = max(now_s, plans.ready_s[p, k])
        else:
            ride_s = now_s - left[mate] if mate >= 0 else now_s
            if not ride_s <= max(plans.direct_s[p, k] + legs.detour_s[r], was[2, k]) + TIGHT:
                return bad
            past_s += max(now_s - plans.due_s[p, k], 0.0)
            later_s += now_s - was[0, k]
        left[k] = now_s
        a, b, c = a + plans.load[p, k, 0], b + plans.load[p, k, 1], c + plans.load[p, k, 2]
        if a > plans.room[p, 0] + TIGHT or b > plans.room[p, 1] + TIGHT or c > plans.room[p, 2] + TIGHT:
            return bad
        last = k + 1
    if not now_s <= plans.by_s[p] + TIGHT:
        return bad
    later_s += drop_s - legs.trip_s[r]
    past_s += max(drop_s - legs.due_s[r], 0.0)
    wait, driven_s = legs.wait[r], more_s - drive_s - legs.trip_s[r]
    cost_s = wait * later_s + (1.0 - wait) * driven_s + legs.late[r] * (past_s - late_s)
    return (cost_s, pickup_s, drop_s) if cost_s < np.inf else bad


def detours_plain(plans: Plans, legs: Legs) -> Found:
    """`detours` a list of stops at a time, for its test."""
    rows = [_best(plans, legs, r) for r in range(len(legs.plan))]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    return Found(columns[0], columns[1], columns[2], columns[3].astype(np.int64), columns[4].astype(np.int64))


def _best(plans: Plans, legs: Legs, r: int) -> tuple[float, float, float, int, int]:
    p = int(legs.plan[r])
    size = int(plans.size[p])
    best = (np.inf, np.inf, np.inf, -1, -1)
    for i in range(int(plans.frozen[p]), size + 1):
        for j in range(i, size + 1):
            stops = [*range(i), "P", *range(i, j), "D", *range(j, size)]
            new, old = _driven(plans, legs, r, stops), _driven(plans, legs, r, list(range(size)))
            if not _allowed(plans, legs, r, stops, new, old):
                continue
            drops = [k for k in range(size) if plans.mate[p, k] != PICKUP]
            later = sum(new.at[k] - old.at[k] for k in drops) + new.at["D"] - legs.trip_s[r]
            past = [sum(max(d.at[k] - plans.due_s[p, k], 0.0) for k in drops) for d in (new, old)]
            past[0] += max(new.at["D"] - legs.due_s[r], 0.0)
            cost = legs.wait[r] * later + (1.0 - legs.wait[r]) * (new.drive - old.drive - legs.trip_s[r])
            cost += legs.late[r] * (past[0] - past[1])
            if cost < best[0]:
                best = (float(cost), new.at["P"], new.at["D"], i, j)
    return best


class _Driven(NamedTuple):
    at: dict[int | str, float]
    left: dict[int | str, float]
    drive: float


def _leg(plans: Plans, legs: Legs, r: int, a: int | str, b: int | str) -> float:
    """Seconds from point `a` (-1 = where the driver is) to `b`; "P" and "D" are the new stops."""
    if isinstance(b, str):
        if a == "P":
            return float(legs.trip_s[r])
        return float(legs.to_pickup[r, int(a) + 1]) if b == "P" else float(legs.to_drop[r, int(a)])
    if isinstance(a, str):
        return float((legs.from_pickup if a == "P" else legs.from_drop)[r, b])
    return float(plans.leg[legs.plan[r], a + 1, b])


def _driven(plans: Plans, legs: Legs, r: int, stops: list[int | str]) -> _Driven:
    p, now, drive, last = int(legs.plan[r]), 0.0, 0.0, -1
    at, left = dict[int | str, float](), dict[int | str, float]()
    before: int | str = last
    for stop in stops:
        leg = _leg(plans, legs, r, before, stop)
        now, drive, before = now + leg, drive + leg, stop
        at[stop] = now
        if stop == "P":
            now = max(now, float(legs.ready_s[r]))
        elif stop != "D" and plans.mate[p, int(stop)] == PICKUP:
            now = max(now, float(plans.ready_s[p, int(stop)]))
        left[stop] = now
    return _Driven(at, left, drive)


def _allowed(plans: Plans, legs: Legs, r: int, stops: list[int | str], new: _Driven, old: _Driven) -> bool:
    p = int(legs.plan[r])
    own = {"P": legs.load[r], "D": -legs.load[r]}
    loads = np.array([own[s] if isinstance(s, str) else plans.load[p, s] for s in stops]).reshape(-1, 3)
    if (
        np.any(plans.aboard[p] + np.cumsum(loads, axis=0) > plans.room[p] + TIGHT)
        or not new.left[stops[-1]] <= plans.by_s[p] + TIGHT
    ):
        return False
    if not new.at["D"] - new.left["P"] <= legs.trip_s[r] + legs.detour_s[r] + TIGHT:
        return False
    for k in range(int(plans.size[p])):
        mate = int(plans.mate[p, k])
        if mate != PICKUP:
            rides = [d.at[k] - (d.left[mate] if mate >= 0 else 0.0) for d in (new, old)]
            if not rides[0] <= max(plans.direct_s[p, k] + legs.detour_s[r], rides[1]) + TIGHT:
                return False
    return True
