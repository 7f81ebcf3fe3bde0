"""The truth of the made-up city: how long a drive takes, how a driver answers an offer, where a driver is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.records import Columns, uniforms
from rialto.worlds.city_data import CityData

__all__ = ["LEG_S", "acceptance_logit", "answers", "drive_noise", "hour_of", "travel_seconds", "wander"]

LEG_S = 480.0
"""Seconds that a wandering driver takes from one way-point to the next."""

_LATE_S = 45 * 60.0
_SPREAD_M = 800.0

Floats = NDArray[np.float64]


def hour_of(at_s: Floats | float) -> Floats:
    """Hour of day, 0 to 24, of seconds since the start."""
    return (np.asarray(at_s, dtype=np.float64) / 3600.0) % 24.0


def travel_seconds(data: CityData, start: Floats, goal: Floats, *, at_s: Floats | float, vehicle: NDArray[np.int8]) -> Floats:
    """Expected seconds of drives (trips,) from `start` to `goal`, (trips, 2) each in metres from the centre."""
    between = (start + goal) / 2.0
    inner = np.clip(1.0 - np.hypot(between[:, 0], between[:, 1]) / (0.6 * data.radius_m), 0.0, 1.0)
    felt = data.vehicles["congestion"][vehicle]
    traffic = _by_hour(data.traffic, at_s) * (1.0 - data.centre_slowness * inner)
    speed = data.vehicles["speed_mps"][vehicle] * (1.0 - felt + felt * traffic)
    return data.road_factor * np.hypot(*(goal - start).T) / speed


def _by_hour(values: Floats, at_s: Floats | float) -> Floats:
    """`values` by hour, (24,), drawn out to straight lines between the middles of the hours."""
    return np.interp(hour_of(at_s), np.arange(-0.5, 25.0), np.concatenate((values[-1:], values, values[:1])))


def drive_noise(data: CityData, seed: int, order: NDArray[np.int64], salt: str) -> Floats:
    """Factor (orders,) by which a drive takes longer than expected; its mean is 1; it depends on seed, order and `salt` alone."""
    u = uniforms(seed, order.astype(np.uint64), salt, 2)
    spread = data.trip_noise
    return np.exp(spread * np.sqrt(-2.0 * np.log1p(-u[:, 0])) * np.cos(2.0 * np.pi * u[:, 1]) - spread**2 / 2.0)


def acceptance_logit(data: CityData, driver: Columns, pair: Columns) -> Floats:
    """Log-odds (pairs,) that the driver says yes.

    Args:
        data: The city's constants.
        driver: `vehicle`, `shift_end_s` (of the day), `bias`, shape (pairs,).
        pair: `pickup_s`, `value_cents`, `trip_m`, `at_s`, `homeward`, `again` (0 or 1), shape (pairs,).
    """
    c = data.acceptance
    bike = (driver["vehicle"] == 0).astype(np.float64)
    minutes, km = pair["pickup_s"] / 60.0, pair["trip_m"] / 1000.0
    dollars = pair["value_cents"] / 100.0 - 6.0
    hour = hour_of(pair["at_s"])
    night = ((hour >= 23.0) | (hour < 6.0)).astype(np.float64)
    late = (driver["shift_end_s"] - pair["at_s"] % 86400.0 < _LATE_S).astype(np.float64)
    return (
        c["intercept"] + driver["bias"]
        + (c["per_pickup_minute"] + c["bike_per_pickup_minute"] * bike + c["value_times_pickup"] * np.clip(dollars, 0.0, 12.0)) * minutes
        + c["per_value_dollar"] * dollars
        + (c["per_trip_km"] + c["night_per_trip_km"] * night) * km
        + c["bike_per_trip_km_over_2"] * bike * np.maximum(km - 2.0, 0.0)
        + c["night"] * night
        + (c["homeward"] + c["homeward_late"] * late) * pair["homeward"]
        + c["again"] * pair["again"]
    )  # fmt: skip


def answers(
    order: NDArray[np.int64], driver: NDArray[np.int64], attempt: NDArray[np.int64], probability: Floats, seed: int
) -> NDArray[np.bool_]:
    """Yes or no (pairs,): a draw depends on seed, order, driver and attempt alone, so policies are compared on equal luck."""
    pair = (order * 0x1000193 + attempt).astype(np.uint64) * np.uint64(0x100000001B3) + driver.astype(np.uint64)
    return uniforms(seed, pair, "answer", 1)[:, 0] < probability


def wander(seed: int, driver: NDArray[np.int64], at_s: Floats, haunts: Floats, *, phase_s: Floats) -> tuple[Floats, Floats]:
    """Where drivers are, (rows, 2) metres, and how they move, (rows, 2) metres a second: a random way-point walk among their haunts.

    Args:
        seed: Of the city.
        driver: Driver number of each row.
        at_s: Time of each row.
        haunts: Places that each row's driver goes to, shape (rows, haunts, 2).
        phase_s: When in a leg each row's driver starts.
    """
    legs = (at_s + phase_s) / LEG_S
    leg = np.floor(legs)
    here, there = (_waypoint(seed, driver, leg + step, haunts) for step in (0.0, 1.0))
    part = (legs - leg)[:, np.newaxis]
    return here + (there - here) * part, (there - here) / LEG_S


def _waypoint(seed: int, driver: NDArray[np.int64], leg: Floats, haunts: Floats) -> Floats:
    ids = driver.astype(np.uint64) * np.uint64(1 << 24) + leg.astype(np.uint64)
    u = uniforms(seed, ids, "way-point", 3)
    spot = haunts[np.arange(len(driver)), (u[:, 0] * haunts.shape[1]).astype(np.int64)]
    radius = _SPREAD_M * np.sqrt(-2.0 * np.log1p(-u[:, 1]))
    return spot + np.stack((radius * np.cos(2.0 * np.pi * u[:, 2]), radius * np.sin(2.0 * np.pi * u[:, 2])), axis=1)
