"""When the driver of an order will be at its pickup and at its door, and between which moments that lies as often as is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.match.durations import Band
from rialto.match.records import Orders
from rialto.match.route import Stop
from rialto.match.sure import around, band_of
from rialto.match.track import Track
from rialto.match.travel import Travel

__all__ = ["Arrival", "arrival", "on_route"]

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Arrival:
    """When an order is reached; moments are seconds UTC, NaN where nobody knows.

    Args:
        age_s: How old the driver's position was.
        level: How often drives lie within their intervals; NaN where no interval was learned, and then low and high are NaN.
        pickup_eta_s, pickup_low_s, pickup_high_s: When it is on board, not before it is ready; NaN once it was picked up.
        door_eta_s, door_low_s, door_high_s: When it is at its drop.
    """

    age_s: float
    level: float = _NAN
    pickup_eta_s: float = _NAN
    pickup_low_s: float = _NAN
    pickup_high_s: float = _NAN
    door_eta_s: float = _NAN
    door_low_s: float = _NAN
    door_high_s: float = _NAN


def arrival(
    track: Track, travel: Travel, order: Orders, driver: int, *, picked_up: bool, now_s: float,
    ready_s: Callable[[Orders], NDArray[np.float64]],
) -> Arrival | None:  # fmt: skip
    """When `driver`, who has this order alone, reaches it from where he was seen last; None where he has no position.

    Args:
        track: Where he is.
        travel: How long drives take.
        order: The order, one row.
        driver: Who has it.
        picked_up: Whether it is on board.
        now_s: Now, seconds UTC.
        ready_s: When orders are ready, shape (orders,); NaN = they are.

    Raises:
        EngineBusy: the travel engine did not answer in time.
    """
    who = np.array([driver])
    known, _ = track.slots(who)
    if not known[0]:
        return None
    x_m, y_m = track.place(who)
    if not np.isfinite(x_m[0]):
        return None
    here = np.stack(track.plane.latlon(x_m, y_m), axis=1)
    pickup, drop = np.stack([order.lat, order.lon], axis=1), np.stack([order.drop_lat, order.drop_lon], axis=1)
    drive_s = 0.0 if picked_up else _seconds(travel, here, pickup, now_s)
    trip_s = _seconds(travel, here if picked_up else pickup, drop, now_s)
    left = 0.0 if picked_up else float(np.nan_to_num(np.maximum(ready_s(order)[0] - now_s, 0.0)))
    band = band_of(travel)
    ends = zip(*(end.tolist() for end in around(band, np.array([drive_s, trip_s, drive_s + trip_s]))))
    drives, trips, both = ((s, *e) for s, e in zip((drive_s, trip_s, drive_s + trip_s), ends))
    aboard = [_NAN] * 3 if picked_up else [now_s + max(s, left) for s in drives]  # max(NaN, x) is NaN
    door = [now_s + max(whole, left + trip) for whole, trip in zip(both, trips)]
    age_s = float(track.age_s(who, now_s=now_s)[0])
    return Arrival(age_s, _NAN if band is None else band.level, *aboard, *door)


def on_route(stops: Sequence[Stop], order: int, *, band: Band | None, age_s: float, now_s: float) -> Arrival:
    """When an order of several that a driver has is reached, by the stops that he makes; each time is as sure as one drive of that length."""
    eta_s = {stop.kind: stop.eta_s for stop in stops if stop.order == order}
    took_s = np.array([eta_s.get(kind, _NAN) for kind in ("pickup", "dropoff")]) - now_s
    low_s, high_s = around(band, took_s)
    aboard, door = (np.stack([took_s, low_s, high_s], axis=1) + now_s).tolist()
    return Arrival(age_s, _NAN if band is None else band.level, *aboard, *door)


def _seconds(travel: Travel, start: NDArray[np.float64], goal: NDArray[np.float64], at_s: float) -> float:
    return float(travel.seconds(start, goal, at_s=np.array([at_s]))[0]) if np.isfinite(goal).all() else _NAN
