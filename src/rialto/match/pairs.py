"""The hot loop of the features: every column of every pair of order and driver in one pass, beside its plain numpy version."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.match.records import Plane
from rialto.threads import spread

__all__ = ["COLUMNS", "Asks", "Fleet", "ends", "pairs", "pairs_plain"]

COLUMNS = (
    "distance_m", "age_s", "hour_sin", "hour_cos", "value_cents", "trip_m", "waited_s", "idle_s", "heading", "homeward",
)  # fmt: skip
"""What `pairs` makes, in order; `rialto.match.features` says what each is."""

_GRAIN = 512  # orders worth a call

Floats = NDArray[np.float64]


class Asks(NamedTuple):
    """What the kernel reads of the orders, shape (orders,) each: places in metres, the rest as in `Orders`; `turn` in radians of a day."""

    x_m: Floats
    y_m: Floats
    drop_x_m: Floats
    drop_y_m: Floats
    value_cents: Floats
    placed_s: Floats
    now_s: Floats
    turn: Floats


class Fleet(NamedTuple):
    """What the kernel reads of the drivers, a row a slot: `place` (drivers, 2 or more) begins with x and y; headings in degrees, NaN = unknown."""

    place: Floats
    heading_deg: Floats
    idle_since_s: Floats
    home_x_m: Floats
    home_y_m: Floats


def pairs(
    offsets: NDArray[np.int64], slots: NDArray[np.int64], distance_m: NDArray[np.float32], age_s: NDArray[np.float32], asks: Asks,
    fleet: Fleet,
) -> NDArray[np.float32]:  # fmt: skip
    """Every column of `COLUMNS` for every pair, shape (columns, pairs).

    Args:
        offsets: Pairs of each order, shape (orders + 1,).
        slots: Row of `fleet` for each pair, shape (pairs,).
        distance_m, age_s: As the search gave them, shape (pairs,).

    Cost:
        About 20 ns a pair on one thread; orders are divided over the processors.
    """
    out = np.empty((len(COLUMNS), len(slots)), dtype=np.float32)
    spread(
        lambda low, high: _fill(low, high, offsets, slots, distance_m, age_s, *asks, *fleet, out), len(offsets) - 1, grain=_GRAIN
    )
    return out


def ends(
    offsets: NDArray[np.int64], slots: NDArray[np.int64], place: Floats, plane: Plane, lat: Floats, lon: Floats
) -> tuple[Floats, Floats]:
    """Where each pair's drive begins and ends, degrees, shape (pairs, 2) each: the driver's place, and the order's `lat` and `lon`."""
    start, goal = np.empty((len(slots), 2)), np.empty((len(slots), 2))
    spread(
        lambda low, high: _ends(
            low, high, offsets, slots, place, (plane.lat, plane.lon, *plane.metres_a_degree), lat, lon, start, goal
        ),
        len(offsets) - 1,
        grain=_GRAIN,
    )
    return start, goal


@nb.njit(cache=True, nogil=True)
def _ends(
    low: int, high: int, offsets: NDArray[np.int64], slots: NDArray[np.int64], place: Floats,
    plane: tuple[float, float, float, float], lat: Floats, lon: Floats, start: Floats, goal: Floats,
) -> None:  # fmt: skip
    for o in range(low, high):
        for i in range(offsets[o], offsets[o + 1]):
            east = plane[1] + place[slots[i], 0] / plane[2]
            if not -180.0 <= east <= 180.0:
                east = (east + 540.0) % 360.0 - 180.0
            start[i, 0], start[i, 1] = plane[0] + place[slots[i], 1] / plane[3], east
            goal[i, 0], goal[i, 1] = lat[o], lon[o]


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    low: int, high: int, offsets: NDArray[np.int64], slots: NDArray[np.int64], distance_m: NDArray[np.float32],
    age_s: NDArray[np.float32], x_m: Floats, y_m: Floats, drop_x_m: Floats, drop_y_m: Floats, value_cents: Floats, placed_s: Floats,
    now_s: Floats, turn: Floats, place: Floats, heading_deg: Floats, idle_since_s: Floats, home_x_m: Floats, home_y_m: Floats,
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    for o in range(low, high):
        sine, cosine, waited_s = np.sin(turn[o]), np.cos(turn[o]), now_s[o] - placed_s[o]
        dx, dy = drop_x_m[o] - x_m[o], drop_y_m[o] - y_m[o]
        trip_m = np.sqrt(dx * dx + dy * dy)
        for i in range(offsets[o], offsets[o + 1]):
            s = slots[i]
            out[0, i], out[1, i], out[2, i], out[3, i] = distance_m[i], age_s[i], sine, cosine
            out[4, i], out[5, i], out[6, i] = value_cents[o], trip_m, waited_s
            out[7, i] = now_s[o] - idle_since_s[s]
            heading = heading_deg[s]
            if heading == heading:
                ex, ey = x_m[o] - place[s, 0], y_m[o] - place[s, 1]
                far = np.sqrt(ex * ex + ey * ey)
                if far == 0.0:
                    ey = far = 1.0
                out[8, i] = (ex * np.sin(np.radians(heading)) + ey * np.cos(np.radians(heading))) / far
            else:
                out[8, i] = np.nan
            hx, hy = home_x_m[s], home_y_m[s]
            if hx == hx and trip_m == trip_m:
                ax, ay, bx, by = x_m[o] - hx, y_m[o] - hy, drop_x_m[o] - hx, drop_y_m[o] - hy
                out[9, i] = (np.sqrt(ax * ax + ay * ay) - np.sqrt(bx * bx + by * by)) / max(trip_m, 1.0)
            else:
                out[9, i] = np.nan


def pairs_plain(
    offsets: NDArray[np.int64], slots: NDArray[np.int64], distance_m: NDArray[np.float32], age_s: NDArray[np.float32], asks: Asks,
    fleet: Fleet,
) -> NDArray[np.float32]:  # fmt: skip
    """`pairs` in plain numpy, for its test."""
    a = Asks(*(column[np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))] for column in asks))
    f = Fleet(*(column[slots] for column in fleet))
    trip_m = np.hypot(a.drop_x_m - a.x_m, a.drop_y_m - a.y_m)
    bearing = np.arctan2(a.x_m - f.place[:, 0], a.y_m - f.place[:, 1])
    nearer_m = np.hypot(a.x_m - f.home_x_m, a.y_m - f.home_y_m) - np.hypot(a.drop_x_m - f.home_x_m, a.drop_y_m - f.home_y_m)
    columns = (
        distance_m, age_s, np.sin(a.turn), np.cos(a.turn), a.value_cents, trip_m, a.now_s - a.placed_s, a.now_s - f.idle_since_s,
        np.cos(bearing - np.radians(f.heading_deg)), nearer_m / np.maximum(trip_m, 1.0),
    )  # fmt: skip
    return np.stack([np.asarray(c, dtype=np.float32) for c in columns])
