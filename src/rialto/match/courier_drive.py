"""Couriers in motion: a plan is driven until a moment, each stop is logged, and what has begun can no more be changed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.match.days import CourierDay
from rialto.match.routes import Plan, Routes, Stops, step, travel_s
from rialto.match.routes.records import ABOARD, EARLIEST, FREE, FROZEN, LENGTH, LOAD, PLACE, START, X, Y, Z

__all__ = ["Log", "drive", "fleet", "no_log", "places", "recall", "rest"]

MOST_STOPS = 40
"""Stops that a courier's plan can hold."""


class Log(NamedTuple):
    """What was driven, a row a stop in order of decision: courier, stop, and when it was left for, reached and done; s.

    `from_m` holds where he left from, shape (rows, 3), m; `size` the number of rows so far, shape (1,).
    """

    courier: NDArray[np.int64]
    stop: NDArray[np.int64]
    left_s: NDArray[np.float64]
    arrived_s: NDArray[np.float64]
    done_s: NDArray[np.float64]
    from_m: NDArray[np.float64]
    size: NDArray[np.int64]


def no_log(orders: int) -> Log:
    """An empty log with room for every stop of `orders` orders."""
    rows = 2 * orders
    left_s, arrived_s, done_s = (np.full(rows, np.nan) for _ in range(3))
    return Log(np.full(rows, -1), np.full(rows, -1), left_s, arrived_s, done_s, np.zeros((rows, 3)), np.zeros(1, dtype=np.int64))


def places(points_m: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of each point's house, shape (points,): points within a metre of the same corner are one house."""
    if not len(points_m):
        return np.zeros(0, dtype=np.int64)
    return np.unique(np.round(points_m), axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def fleet(day: CourierDay, *, pickup_s: float, dropoff_s: float, capacity: int, strict: bool) -> tuple[Stops, Routes]:
    """The day's stops, without costs, and its couriers' empty routes. Stop 2 x orders + c is where courier c stands.

    Args:
        day: The day.
        pickup_s, dropoff_s: Service times, s.
        capacity: Orders that a courier may have on board.
        strict: True: a courier drops off before his shift ends; False: he picks up before it ends, and finishes what he has.
    """
    n, starts = day.orders, 2 * day.orders + np.arange(day.couriers)
    where = np.empty((2 * n + day.couriers, 3))
    where[0 : 2 * n : 2], where[1 : 2 * n : 2], where[2 * n :] = day.pickup_m, day.dropoff_m, day.start_m
    size = len(where)
    columns = {name: np.zeros(size) for name in ("earliest_s", "service_s")}
    columns["earliest_s"][: 2 * n] = np.repeat(day.ready_s, 2)
    columns["service_s"][0 : 2 * n : 2], columns["service_s"][1 : 2 * n : 2] = pickup_s, dropoff_s
    place = np.full(size, -1, dtype=np.int64)
    place[0 : 2 * n : 2] = places(day.pickup_m)
    stops = Stops.of(orders=n, x=where[:, 0], y=where[:, 1], z=where[:, 2], place=place, **columns)
    limits = {"capacity": np.full(day.couriers, float(capacity)), "off_s": day.off_s, "pickup_by_s": day.off_s}
    if strict:
        limits["end_by_s"] = day.off_s
    return stops, Routes.of(starts, day.on_s, most=MOST_STOPS, limits=limits)


@njit(cache=True, nogil=True)
def rest(plan: Plan, now_s: float) -> None:
    """Couriers who are free stand where they are until `now_s`; a visit that is over is shared no more."""
    for r in range(len(plan.whole)):
        if plan.real[r, FREE] < now_s:
            plan.real[r, FREE] = now_s
            plan.block[plan.whole[r, START], PLACE] = -1.0


@njit(cache=True, nogil=True)
def drive(plan: Plan, until_s: float, log: Log) -> None:
    """Drive all routes: every stop that is left for before `until_s` is logged and leaves the plan.

    A courier leaves for a pickup as late as he can be there when it is ready: until then the plan may change. For a drop-off he
    leaves at once.
    """
    block, seconds, rates, stops, whole, real = plan
    for r in range(len(whole)):
        start = whole[r, START]
        while whole[r, LENGTH] > 0:
            to = stops[r, 0]
            way_s = travel_s(block, seconds, rates, start, to)
            left_s = real[r, FREE]
            if block[to, LOAD] > 0.0:
                left_s = max(left_s, block[to, EARLIEST] - way_s)
            if left_s >= until_s:
                break
            end_s, aboard, _ = step(block, seconds, rates, np.inf, np.inf, start, real[r, FREE], real[r, ABOARD], to)
            row = log.size[0]
            log.courier[row], log.stop[row] = r, to
            log.left_s[row], log.arrived_s[row], log.done_s[row] = left_s, left_s + way_s, end_s
            log.from_m[row] = block[start, :3]
            log.size[0] = row + 1
            whole[r, LENGTH] -= 1
            for k in range(whole[r, LENGTH]):
                stops[r, k] = stops[r, k + 1]
            whole[r, FROZEN] = max(0, whole[r, FROZEN] - 1)
            real[r, FREE], real[r, ABOARD] = end_s, aboard
            block[start, X], block[start, Y], block[start, Z] = block[to, X], block[to, Y], block[to, Z]
            block[start, PLACE] = block[to, PLACE]


@njit(cache=True, nogil=True)
def recall(plan: Plan, now_s: float, log: Log) -> None:
    """Stop couriers who are under way, with nothing on board, to a pickup: they stand where they are, and the plan may change."""
    block, stops, whole, real = plan.block, plan.stops, plan.whole, plan.real
    for row in range(log.size[0] - 1, -1, -1):
        r, stop = log.courier[row], log.stop[row]
        under_way = log.left_s[row] < now_s < log.arrived_s[row]
        if not under_way or block[stop, LOAD] <= 0.0 or real[r, ABOARD] > block[stop, LOAD] or whole[r, LENGTH] >= stops.shape[1]:
            continue
        share = (now_s - log.left_s[row]) / (log.arrived_s[row] - log.left_s[row])
        for k in range(3):
            block[whole[r, START], k] = log.from_m[row, k] + share * (block[stop, k] - log.from_m[row, k])
        block[whole[r, START], PLACE] = -1.0
        real[r, FREE], real[r, ABOARD] = now_s, 0.0
        for k in range(whole[r, LENGTH], 0, -1):
            stops[r, k] = stops[r, k - 1]
        stops[r, 0] = stop
        whole[r, LENGTH] += 1
        for later in range(row, log.size[0] - 1):
            log.courier[later], log.stop[later], log.from_m[later] = (
                log.courier[later + 1],
                log.stop[later + 1],
                log.from_m[later + 1],
            )
            log.left_s[later], log.arrived_s[later] = log.left_s[later + 1], log.arrived_s[later + 1]
            log.done_s[later] = log.done_s[later + 1]
        log.size[0] -= 1
