"""What is known of each pair of order and driver, as float32 columns: the same for live decisions, replay and training."""

from __future__ import annotations

import numpy as np

from rialto.match.pairs import COLUMNS, Asks, ends, pairs
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

_ASKED = ("x_m", "y_m", "drop_x_m", "drop_y_m", "value_cents", "placed_s")


def travel_time(travel: Travel, track: Track) -> Features:
    """`pickup_s` from the driver's position to the order's; missing where the engine fails, and then distance decides."""

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        slots, fleet = track.shown(candidates.ids)
        start, goal = ends(candidates.offsets, slots, fleet.place, track.plane, requests.column("lat"), requests.column("lon"))
        at_s = requests.time_s[candidates.owner]
        return {"pickup_s": travel.seconds(start, goal, at_s=at_s).astype(np.float32)}

    return Features("travel", ("pickup_s",), compute, otherwise=float("nan"))


def pair(track: Track, *, offset_s: float = 0.0) -> Features:
    """Every other feature of a pair; `offset_s` is the local time's lead over UTC."""

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        slots, fleet = track.shown(candidates.ids)
        of = {name: np.ascontiguousarray(requests.column(name), dtype=np.float64) for name in _ASKED}
        turn = hour_of(requests.time_s, offset_s=offset_s) * (2.0 * np.pi / 24.0)
        near, age = (np.ascontiguousarray(candidates.column(name), dtype=np.float32) for name in ("distance_m", "age_s"))
        now_s = np.array(requests.time_s)  # a copy: the kernel is compiled again for one number spread over the rows
        made = pairs(candidates.offsets, slots, near, age, Asks(**of, now_s=now_s, turn=turn), fleet)
        return dict(zip(COLUMNS, made))

    return Features("pair", NAMES[1:], compute)
