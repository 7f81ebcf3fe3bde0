"""A made-up day of meals: restaurants in clusters, lunch and dinner, kitchens that take their time, couriers in shifts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Columns

__all__ = ["make_courier_day"]

OPENS_S, CLOSES_S = 10.5 * 3600.0, 22.5 * 3600.0
"""First and last second in which somebody orders."""

PEAKS = ((12.5 * 3600.0, 2700.0, 0.33), (18.9 * 3600.0, 4500.0, 0.55))
"""Lunch and dinner: middle, s; spread, s; share of the day's orders. What is left comes evenly."""

SHIFTS_S = np.array([2.0, 3.0, 4.0, 5.0, 6.0]) * 3600.0


def make_courier_day(
    *,
    seed: int,
    orders: int = 300,
    restaurants: int = 60,
    radius_m: float = 4000.0,
    orders_a_courier_hour: float = 2.0,
    prep_s: float = 900.0,
) -> tuple[Columns, Columns]:
    """Make a day; equal arguments make equal days.

    Args:
        seed: Seed of every chance.
        orders: Orders of the day.
        restaurants: Their number; a few have most of the orders.
        radius_m: How far from the middle restaurants and homes lie, m.
        orders_a_courier_hour: How scarce couriers are; shifts follow demand, not well.
        prep_s: Median seconds from an order to its meal, > 0.

    Returns:
        Orders, columns `order_id` (str), `placed_s`, `ready_s`, `pickup_x_m`, `pickup_y_m`, `dropoff_x_m`, `dropoff_y_m`, shape
        (orders,), by time; couriers, columns `courier_id` (str), `on_s`, `off_s`, `x_m`, `y_m`, shape (couriers,), by time.

    Raises:
        BadInput: a size is below 1, or another number is not above 0.

    Example:
        >>> orders, couriers = make_courier_day(seed=1, orders=50)
        >>> len(orders["order_id"]), bool(np.all(orders["ready_s"] > orders["placed_s"])), len(couriers["on_s"]) > 3
        (50, True, True)
    """
    if min(orders, restaurants) < 1 or not all(v > 0.0 for v in (radius_m, orders_a_courier_hour, prep_s)):
        raise BadInput("orders and restaurants must be 1 or more, radius_m, orders_a_courier_hour and prep_s above 0.")
    rng = np.random.default_rng((seed, 77))
    kitchens = _kitchens(rng, restaurants, radius_m)
    busy = rng.lognormal(0.0, 1.0, restaurants)
    slow = rng.lognormal(0.0, 0.25, restaurants)
    placed = np.sort(_times(rng, orders))
    where = rng.choice(restaurants, size=orders, p=busy / busy.sum())
    away = rng.gamma(2.2, 0.2 * radius_m, orders)
    angle = rng.uniform(0.0, 2.0 * np.pi, orders)
    home = kitchens[where] + away[:, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    home = _inside(home, 1.3 * radius_m)
    ready = placed + prep_s * slow[where] * rng.lognormal(0.0, 0.35, orders)
    made: Columns = {
        "order_id": np.array([f"o{k}" for k in range(orders)]),
        "placed_s": placed.round(), "ready_s": np.maximum(ready, placed + 60.0).round(),
        "pickup_x_m": kitchens[where, 0], "pickup_y_m": kitchens[where, 1],
        "dropoff_x_m": home[:, 0], "dropoff_y_m": home[:, 1],
    }  # fmt: skip
    return made, _couriers(rng, orders / orders_a_courier_hour, kitchens)


def _kitchens(rng: np.random.Generator, count: int, radius_m: float) -> NDArray[np.float64]:
    """Places of restaurants, shape (restaurants, 2): most in quarters, some anywhere; chains share a house now and then."""
    quarters = max(2, count // 12)
    middle = _inside(rng.normal(0.0, 0.5 * radius_m, (quarters, 2)), radius_m)
    where = middle[rng.integers(quarters, size=count)] + rng.normal(0.0, 0.07 * radius_m, (count, 2))
    anywhere = rng.random(count) < 0.25
    where[anywhere] = rng.normal(0.0, 0.5 * radius_m, (int(anywhere.sum()), 2))
    return _inside(where, radius_m)


def _times(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    times = rng.uniform(OPENS_S, CLOSES_S, count)
    kind = rng.random(count)
    for middle, spread, share in PEAKS:
        peak = (kind >= 0.0) & (kind < share)
        times[peak] = rng.normal(middle, spread, int(peak.sum()))
        kind = np.where(peak, -1.0, kind - share)
    return np.clip(times, OPENS_S, CLOSES_S)


def _couriers(rng: np.random.Generator, hours: float, kitchens: NDArray[np.float64]) -> Columns:
    """Shifts of about `hours` in all: each begins somewhat before a moment of demand; one crew stays to the end."""
    on, off = [CLOSES_S - 2.0 * 3600.0, OPENS_S - 900.0], [CLOSES_S + 5400.0, OPENS_S + 3.0 * 3600.0]
    while sum(off) - sum(on) < hours * 3600.0:
        length = float(rng.choice(SHIFTS_S))
        middle = float(_times(rng, 1)[0]) + rng.normal(900.0, 1800.0)
        begin = np.clip(middle - length / 2.0, OPENS_S - 900.0, CLOSES_S + 5400.0 - length)
        begin = np.round(begin / 900.0) * 900.0
        on.append(float(begin))
        off.append(float(begin + length))
    order = np.argsort(on, kind="stable")
    where = kitchens[rng.integers(len(kitchens), size=len(on))] + rng.normal(0.0, 300.0, (len(on), 2))
    return {
        "courier_id": np.array([f"c{k}" for k in range(len(on))]),
        "on_s": np.array(on)[order], "off_s": np.array(off)[order], "x_m": where[:, 0], "y_m": where[:, 1],
    }  # fmt: skip


def _inside(place: NDArray[np.float64], radius_m: float) -> NDArray[np.float64]:
    far = np.hypot(place[:, 0], place[:, 1])
    return place * np.minimum(1.0, radius_m / np.maximum(far, 1.0))[:, np.newaxis]
