"""Demand of the made-up city: where people live and buy, and the orders that come of it, in blocks of a quarter of an hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.records import Columns
from rialto.worlds.city_data import CityData

__all__ = ["Demand", "make_demand", "orders_between"]

BLOCK_S = 900.0
_BLOCK_IDS = 1_000_000  # ids of a block begin at its number times this
_HAUNTS = 3
_WEEKEND = 1.15

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Demand:
    """Where orders come from and go to.

    Args:
        spots: Hot spots, shape (spots, 2), metres from the centre.
        spread_m: How wide each is, shape (spots,).
        homes: Drivers' homes, shape (drivers, 2).
        haunts: The hot spots that each driver goes to, shape (drivers, haunts, 2).
        merchants: Columns (merchants,): x_m, y_m, kind int64, busy (how much of its kind's demand), prep_s (its usual time).
        goals: For each merchant, running shares of the hot spots that its orders go to, shape (merchants, spots).
        orders_per_hour: Mean over a day.
    """

    spots: Floats
    spread_m: Floats
    homes: Floats
    haunts: Floats
    merchants: Columns
    goals: Floats
    orders_per_hour: float


def make_demand(data: CityData, rng: np.random.Generator, drivers: int, orders_per_hour: float) -> Demand:
    """Place hot spots, merchants and homes."""
    radius = data.radius_m * np.sqrt(rng.uniform(0.0, 0.72, data.spots))
    angle = rng.uniform(0.0, 2.0 * np.pi, data.spots)
    spots = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
    spread = rng.uniform(350.0, 1100.0, data.spots)
    weight = rng.lognormal(0.0, 0.7, data.spots)
    merchants = _merchants(data, rng, spots, spread, weight / weight.sum())
    homes = _around(rng, spots, 2.2 * spread, rng.integers(data.spots, size=drivers), data.radius_m)
    haunts = np.argsort(_distances(homes, spots), axis=1)[:, :_HAUNTS]
    away = _distances(np.stack((merchants["x_m"], merchants["y_m"]), axis=1), spots)
    pull = rng.lognormal(0.0, 0.5, data.spots) * np.exp(-away / 2400.0)
    goals = np.cumsum(pull / pull.sum(axis=1, keepdims=True), axis=1)
    return Demand(spots, spread, homes, spots[haunts], merchants, goals, orders_per_hour)


def _merchants(data: CityData, rng: np.random.Generator, spots: Floats, spread: Floats, weight: Floats) -> Columns:
    count = data.merchants
    kind = rng.choice(len(data.kinds), size=count, p=[k["share"] for k in data.kinds])
    place = _around(rng, spots, 0.7 * spread, rng.choice(len(spots), size=count, p=weight), data.radius_m)
    usual = np.array([k["prep_s"] for k in data.kinds])[kind]
    return {
        "x_m": place[:, 0], "y_m": place[:, 1], "kind": kind,
        "busy": rng.lognormal(0.0, 0.8, count), "prep_s": usual * rng.lognormal(0.0, 0.25, count),
    }  # fmt: skip


def orders_between(data: CityData, demand: Demand, seed: int, start_s: float, end_s: float) -> Columns:
    """The orders of [start_s, end_s) in time order, in metres; `City.orders` adds degrees."""
    first, last = int(start_s // BLOCK_S), int(np.ceil(end_s / BLOCK_S))
    blocks = [_block(data, demand, seed, block) for block in range(first, max(last, first + 1))]
    whole = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    inside = (whole["time_s"] >= start_s) & (whole["time_s"] < end_s)
    return {name: column[inside] for name, column in whole.items()}


def _block(data: CityData, demand: Demand, seed: int, block: int) -> Columns:
    rng = np.random.default_rng((seed, 11, block))
    hour = (block * BLOCK_S / 3600.0) % 24.0
    lift, shares, busiest = _pulse(data, demand, hour)
    weekend = _WEEKEND if (block * BLOCK_S // 86400.0) % 7 >= 5 else 1.0
    count = int(rng.poisson(demand.orders_per_hour * lift * weekend * BLOCK_S / 3600.0))
    merchant = np.searchsorted(np.cumsum(shares), rng.random(count) * shares.sum()).astype(np.int64)
    time = np.sort(block * BLOCK_S + BLOCK_S * rng.random(count))
    goal = _goals(data, demand, rng, merchant)
    columns = {
        "id": block * _BLOCK_IDS + np.arange(count), "time_s": time, "merchant": merchant,
        "pickup_x_m": demand.merchants["x_m"][merchant], "pickup_y_m": demand.merchants["y_m"][merchant],
        "dropoff_x_m": goal[:, 0], "dropoff_y_m": goal[:, 1],
    }  # fmt: skip
    trip = np.hypot(columns["dropoff_x_m"] - columns["pickup_x_m"], columns["dropoff_y_m"] - columns["pickup_y_m"])
    return {**columns, "trip_m": trip, **_wishes(data, demand, rng, merchant, trip, busiest)}


def _pulse(data: CityData, demand: Demand, hour: float) -> tuple[float, Floats, float]:
    """Demand of that hour against the day's mean, each merchant's part of it, and how near it is to the day's peak (0 to 1)."""
    kinds = np.array([kind["hours"] for kind in data.kinds])
    # Each kind's curve is scaled to mean 1, so that its share of merchants is its share of the day's orders.
    curve = kinds / kinds.mean(axis=1, keepdims=True)
    parts = demand.merchants["busy"] * curve[demand.merchants["kind"], int(hour)]
    day = np.array([(demand.merchants["busy"] * curve[demand.merchants["kind"], h]).sum() for h in range(24)])
    return float(parts.sum() / day.mean()), parts, float(parts.sum() / day.max())


def _goals(data: CityData, demand: Demand, rng: np.random.Generator, merchant: NDArray[np.int64]) -> Floats:
    spot = (rng.random((len(merchant), 1)) > demand.goals[merchant]).sum(axis=1)
    return _around(rng, demand.spots, 1.6 * demand.spread_m, np.minimum(spot, len(demand.spots) - 1), data.radius_m)


def _wishes(
    data: CityData, demand: Demand, rng: np.random.Generator, merchant: NDArray[np.int64], trip: Floats, busiest: float
) -> Columns:
    kind = demand.merchants["kind"][merchant]
    size = _sizes(data, rng, kind)
    need = np.array([data.flags[name] for name in ("small", "medium", "large")], dtype=np.uint64)[size]
    for name in data.skills:
        share = np.array([k["needs"].get(name, 0.0) for k in data.kinds])[kind]
        need = need | (np.uint64(data.flags[name]) * (rng.random(len(kind)) < share)).astype(np.uint64)
    pay = data.pay
    value = (pay["fixed_cents"] + pay["cents_per_km"] * trip / 1000.0) * (1.0 + pay["peak_extra"] * busiest)
    value = (value + np.array(pay["per_size_cents"])[size]) * rng.lognormal(0.0, pay["spread"], len(kind))
    of_kind = {name: np.array([k[name] for k in data.kinds])[kind] for name in ("prep_spread", "basket_cents", "patience_s")}
    prep = demand.merchants["prep_s"][merchant] * (0.85 + 0.45 * busiest) * rng.lognormal(0.0, of_kind["prep_spread"])
    return {
        "need": need,
        "volume_l": np.array([12.0, 80.0, 500.0])[size] * rng.uniform(0.4, 1.6, len(kind)),
        "patience_s": np.maximum(60.0, of_kind["patience_s"] * rng.lognormal(0.0, 0.45, len(kind))),
        "value_cents": np.rint(value).astype(np.int64),
        "basket_cents": np.rint(of_kind["basket_cents"] * rng.lognormal(0.0, 0.5, len(kind))).astype(np.int64),
        "prep_s": prep,
    }


def _sizes(data: CityData, rng: np.random.Generator, kind: NDArray[np.int64]) -> NDArray[np.int64]:
    ends = np.cumsum(np.array([k["sizes"] for k in data.kinds]), axis=1)[kind]
    return np.minimum((rng.random((len(kind), 1)) > ends).sum(axis=1), 2)


def _around(rng: np.random.Generator, spots: Floats, spread: Floats, spot: NDArray[np.int64], radius_m: float) -> Floats:
    """A point around each of `spots[spot]`, drawn back to the city's edge where it falls outside."""
    place = spots[spot] + rng.normal(0.0, 1.0, (len(spot), 2)) * spread[spot, np.newaxis]
    away = np.hypot(place[:, 0], place[:, 1])
    return place * np.minimum(1.0, radius_m / np.maximum(away, 1.0))[:, np.newaxis]


def _distances(a: Floats, b: Floats) -> Floats:
    return np.hypot(a[:, np.newaxis, 0] - b[np.newaxis, :, 0], a[:, np.newaxis, 1] - b[np.newaxis, :, 1])
