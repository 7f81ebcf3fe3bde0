"""What is known of each pair of order and driver, as float32 columns: the same for live decisions, replay and training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.match.track import Track
from rialto.match.travel import Travel, hour_of
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features

__all__ = ["NAMES", "pair", "travel_time"]

NAMES = (
    "pickup_s",  # corrected travel time to the pickup; NaN where the engine did not answer
    "distance_m",  # straight line to the pickup
    "age_s",  # of the driver's position
    "hour_sin",
    "hour_cos",
    "value_cents",  # what the order is worth
    "trip_m",  # pickup to drop, straight; NaN where the drop is unknown
    "waited_s",  # since the order was placed
    "idle_s",  # since the driver was last freed
    "heading",  # cosine between the driver's heading and the way to the pickup; NaN = unknown
    "homeward",  # share of the trip that brings the driver nearer home, -1..1; NaN = unknown
)
"""Inputs of the acceptance model, in order."""


def travel_time(travel: Travel, track: Track) -> Features:
    """`pickup_s` from the driver's position to the order's; missing where the engine fails, and then distance decides."""

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        owner = candidates.owner
        start = np.stack(track.plane.latlon(*track.place(candidates.ids)), axis=1)
        goal = np.stack([requests.column("lat")[owner], requests.column("lon")[owner]], axis=1)
        return {"pickup_s": travel.seconds(start, goal, at_s=requests.time_s[owner]).astype(np.float32)}

    return Features("travel", ("pickup_s",), compute, otherwise=float("nan"))


def pair(track: Track, *, offset_s: float = 0.0) -> Features:
    """Every other feature of a pair; `offset_s` is the local time's lead over UTC."""

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        owner, ids = candidates.owner, candidates.ids
        now_s = requests.time_s[owner]
        x_m, y_m = requests.column("x_m")[owner], requests.column("y_m")[owner]
        drop_x_m, drop_y_m = requests.column("drop_x_m")[owner], requests.column("drop_y_m")[owner]
        turn = hour_of(now_s, offset_s=offset_s) * (2.0 * np.pi / 24.0)
        trip_m = np.hypot(drop_x_m - x_m, drop_y_m - y_m)
        columns = {
            "distance_m": candidates.column("distance_m"),
            "age_s": candidates.column("age_s"),
            "hour_sin": np.sin(turn),
            "hour_cos": np.cos(turn),
            "value_cents": requests.column("value_cents")[owner],
            "trip_m": trip_m,
            "waited_s": now_s - requests.column("placed_s")[owner],
            "idle_s": track.idle_s(ids, now_s=float(now_s[0]) if len(now_s) else 0.0),
            "heading": _heading(track, ids, x_m, y_m),
            "homeward": _homeward(track, ids, x_m, y_m, drop_x_m, drop_y_m, trip_m),
        }
        return {name: np.asarray(values, dtype=np.float32) for name, values in columns.items()}

    return Features("pair", NAMES[1:], compute)


def _heading(track: Track, ids: NDArray[np.int64], x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.float64]:
    here_x_m, here_y_m = track.place(ids)
    bearing = np.arctan2(x_m - here_x_m, y_m - here_y_m)
    return np.asarray(np.cos(bearing - np.radians(track.heading_deg(ids))))


def _homeward(
    track: Track,
    ids: NDArray[np.int64],
    x_m: NDArray[np.float64],
    y_m: NDArray[np.float64],
    drop_x_m: NDArray[np.float64],
    drop_y_m: NDArray[np.float64],
    trip_m: NDArray[np.float64],
) -> NDArray[np.float64]:
    home_x_m, home_y_m = track.home(ids)
    nearer_m = np.hypot(x_m - home_x_m, y_m - home_y_m) - np.hypot(drop_x_m - home_x_m, drop_y_m - home_y_m)
    return np.asarray(nearer_m / np.maximum(trip_m, 1.0))
