"""What a courier day came to: a row an order, and the figures that are asked about it, with intervals."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.match.courier_sim import CourierRun, Rules
from rialto.match.days import CourierDay, Rejected
from rialto.spine.evaluate import Interval, bootstrap

__all__ = ["CourierReport", "OrderRows", "Spread", "order_rows", "report_couriers", "write_rejects", "write_rows"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OrderRows:
    """A row an order, in the day's order; times in s, NaN where nobody took it.

    Args:
        courier: Courier, or -1.
        assigned_s: Since when the courier who brought it was to have it.
        left_s: When he left for the restaurant.
        arrived_s: When he was there.
        picked_s: When he had it in his hands: the end of the service.
        delivered_s: When the customer had it: the end of the service at the door.
        bundle: Number of the trip on which it rode, from the courier's being empty to his being empty again; -1 = none.
        bundle_size: Orders of that trip.
        capacity: Most orders that a courier might have on board.
    """

    courier: Ints
    assigned_s: Floats
    left_s: Floats
    arrived_s: Floats
    picked_s: Floats
    delivered_s: Floats
    bundle: Ints
    bundle_size: Ints
    capacity: int


def order_rows(day: CourierDay, run: CourierRun) -> OrderRows:
    """The rows of a run."""
    log, n = run.log, day.orders
    times = {name: np.full(n, np.nan) for name in ("left", "arrived", "picked", "delivered")}
    up = log.stop % 2 == 0
    order = log.stop // 2
    times["left"][order[up]], times["arrived"][order[up]] = log.left_s[up], log.arrived_s[up]
    times["picked"][order[up]], times["delivered"][order[~up]] = log.done_s[up], log.done_s[~up]
    bundle, trips = np.full(n, -1, dtype=np.int64), 0
    for courier in np.unique(log.courier).tolist():
        aboard = 0
        for stop in log.stop[log.courier == courier].tolist():
            if stop % 2 == 0:
                trips += aboard == 0
                bundle[stop // 2] = trips - 1
            aboard += 1 if stop % 2 == 0 else -1
    sizes = np.bincount(bundle[bundle >= 0], minlength=max(trips, 1))
    size = np.where(bundle >= 0, sizes[bundle], 0)
    return OrderRows(
        run.courier, run.assigned_s, times["left"], times["arrived"], times["picked"], times["delivered"], bundle, size, run.capacity
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spread:
    """A duration over the delivered orders, s: mean with its 95 % interval, median and 90th percentile."""

    mean: Interval
    median: float
    p90: float


@dataclass(frozen=True, slots=True)
class CourierReport:
    """The figures of a day.

    Args:
        policy: Which.
        orders, couriers, undelivered: Counts.
        click_to_door: From `placed_s` to `delivered_s`.
        ready_to_door: From `ready_s` to `delivered_s`.
        ready_to_pickup: From `ready_s` to `picked_s`.
        least_ready_to_door_s: What no policy can better, on the same orders' mean: a courier at each restaurant when the meal is ready.
        orders_a_courier_hour: Delivered orders over the hours of all shifts.
        drive_a_order_s: Seconds of driving for each delivered order.
        in_bundles: Share of the delivered orders that rode with another.
        overtime_s: Seconds worked after shifts, in all.
    """

    policy: str
    orders: int
    couriers: int
    undelivered: int
    click_to_door: Spread
    ready_to_door: Spread
    ready_to_pickup: Spread
    least_ready_to_door_s: float
    orders_a_courier_hour: float
    drive_a_order_s: float
    in_bundles: float
    overtime_s: float


def report_couriers(day: CourierDay, rules: Rules, run: CourierRun, rows: OrderRows) -> CourierReport:
    """Work out the figures of a run; means of no orders are NaN."""
    had = np.isfinite(rows.delivered_s)
    way_s = np.linalg.norm(day.dropoff_m - day.pickup_m, axis=1) / rules.speed_mps
    least_s = rules.pickup_s + way_s + rules.dropoff_s
    count = int(had.sum())
    over_s = np.maximum(0.0, run.log.done_s - day.off_s[run.log.courier])
    last = np.zeros(day.couriers)
    np.maximum.at(last, run.log.courier, over_s)
    drive_s = float((run.log.arrived_s - run.log.left_s).sum())
    return CourierReport(
        policy=run.policy,
        orders=day.orders,
        couriers=day.couriers,
        undelivered=day.orders - count,
        click_to_door=_spread((rows.delivered_s - day.placed_s)[had]),
        ready_to_door=_spread((rows.delivered_s - day.ready_s)[had]),
        ready_to_pickup=_spread((rows.picked_s - day.ready_s)[had]),
        least_ready_to_door_s=float(least_s[had].mean()) if count else float("nan"),
        orders_a_courier_hour=count / float((day.off_s - day.on_s).sum() / 3600.0),
        drive_a_order_s=drive_s / count if count else float("nan"),
        in_bundles=float((rows.bundle_size[had] > 1).mean()) if count else float("nan"),
        overtime_s=float(last.sum()),
    )


def _spread(values: Floats) -> Spread:
    if not len(values):
        return Spread(bootstrap(values, seed=0), float("nan"), float("nan"))
    return Spread(bootstrap(values, seed=0), float(np.median(values)), float(np.quantile(values, 0.9)))


HEADS = (
    "order_id", "courier_id", "placed_s", "ready_s", "assigned_s", "left_s", "arrived_s", "picked_s", "delivered_s", "bundle",
    "bundle_size",
)  # fmt: skip


def write_rows(path: Path, day: CourierDay, rows: OrderRows) -> None:
    """Write a CSV row an order, in the order of the day's file, times to the millisecond; empty fields where nobody took it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(HEADS)
        times = (day.placed_s, day.ready_s, rows.assigned_s, rows.left_s, rows.arrived_s, rows.picked_s, rows.delivered_s)
        for k, courier in enumerate(rows.courier.tolist()):
            shown = ["" if np.isnan(t[k]) else f"{t[k]:.3f}" for t in times]
            bundle = ["", ""] if courier < 0 else [int(rows.bundle[k]), int(rows.bundle_size[k])]
            out.writerow([day.order_ids[k], "" if courier < 0 else day.courier_ids[courier], *shown, *bundle])


def write_rejects(path: Path, rejected: tuple[Rejected, ...]) -> None:
    """Write the rows that were left out: file, line, field, value, and what was wanted."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(("file", "line", "field", "value", "wanted"))
        out.writerows((r.file, r.line, r.field, r.value, r.wanted) for r in rejected)
