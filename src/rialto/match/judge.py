"""Which pings are believed: the limits, the kernel that judges each row against what its driver's last believed one left, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadRow
from rialto.match.records import Pings, Plane

__all__ = ["REASONS", "Held", "Judged", "Limits", "judge", "judge_plain"]

REASONS = (
    "taken", "unknown_driver", "bad_value", "inaccurate", "future", "stale", "repeated", "out_of_order", "jump", "out_of_range",
    "swapped",
)  # fmt: skip
"""What became of a ping, by the number that `judge` gives."""

TAKEN, UNKNOWN, BAD, INACCURATE, FUTURE, STALE, REPEATED, LATE, JUMP, OUTSIDE, SWAPPED = range(11)

_WANTED = {
    UNKNOWN: ("driver", "an enrolled driver"),
    BAD: ("lat, lon, time_s, accuracy_m", "finite numbers, and an accuracy of 0 or more"),
    INACCURATE: ("accuracy_m", "a narrower radius of error"),
    FUTURE: ("time_s", "a time that has come: set the phone's clock"),
    STALE: ("time_s", "a newer position"),
    REPEATED: ("time_s", "each position once"),
    LATE: ("time_s", "a time after the driver's last one"),
    JUMP: ("lat, lon", "a place that the driver can have reached, or a second ping that agrees"),
    OUTSIDE: ("lat, lon", "degrees within reach of the plane's middle"),
    SWAPPED: ("lat, lon", "latitude first: these two are the wrong way round"),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """When a ping is believed.

    Args:
        fresh_s: Oldest age on arrival, s; older is `stale`.
        ahead_s: How far a phone's clock may run ahead, s; more is `future`.
        accuracy_m: Widest radius of error, m; wider is `inaccurate`.
        speed_mps: Fastest a driver can move, m/s, once both errors are taken off; faster is a `jump`.
        reach_m: Farthest place from the plane's middle, m; farther is `swapped` where lat and lon fit the other way round, else
            `out_of_range`.
    """

    fresh_s: float = 120.0
    ahead_s: float = 5.0
    accuracy_m: float = 200.0
    speed_mps: float = 60.0
    reach_m: float = 1_000_000.0

    def row(self, now_s: float, plane: Plane) -> NDArray[np.float64]:
        """What the kernel reads: oldest and newest time, accuracy, speed, reach; the plane's middle, and metres a degree east, north."""
        limits = (now_s - self.fresh_s, now_s + self.ahead_s, self.accuracy_m, self.speed_mps, self.reach_m)
        return np.array([*limits, plane.lat, plane.lon, *plane.metres_a_degree])


class Held(NamedTuple):
    """What is remembered of each driver.

    Args:
        last: x_m, y_m, time_s, accuracy_m of the last believed ping, shape (drivers, 4); time -inf where there is none.
        doubt: The same of the last jump, shape (drivers, 4).
        heading: Degrees of the last believed ping, shape (drivers,).
        marked: Scratch, shape (drivers,), false.
    """

    last: NDArray[np.float64]
    doubt: NDArray[np.float64]
    heading: NDArray[np.float64]
    marked: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a batch of pings.

    Args:
        pings: The batch.
        reasons: Number in `REASONS`, shape (pings,).
    """

    pings: Pings
    reasons: NDArray[np.int8]

    @property
    def counts(self) -> dict[str, int]:
        """Reason -> rows; they add up to the pings."""
        counts = np.bincount(self.reasons, minlength=len(REASONS))
        return {name: int(n) for name, n in zip(REASONS, counts) if n}

    def refused(self, limit: int = 10) -> list[BadRow]:
        """The first refused rows, each with its number from 1, its reason, fields and values."""
        found: list[BadRow] = []
        for row in np.flatnonzero(self.reasons != TAKEN)[:limit].tolist():
            fields, wanted = _WANTED[int(self.reasons[row])]
            values = tuple(getattr(self.pings, field)[row].item() for field in fields.split(", "))
            reason = REASONS[self.reasons[row]]
            found.append(BadRow(row + 1, fields, values[0] if len(values) == 1 else values, f"{wanted} ({reason})"))
        return found


@nb.njit(cache=True, nogil=True)
def _beyond(x: float, y: float, t: float, accuracy: float, then: NDArray[np.float64], speed_mps: float) -> bool:
    """Whether nobody gets from `then` (x, y, time, accuracy) to here by `t`, both errors taken off."""
    reached = speed_mps * (t - then[2]) + accuracy + then[3]
    return (x - then[0]) ** 2 + (y - then[1]) ** 2 > reached * reached


def judge_plain(
    slot: NDArray[np.int64], pings: Any, held: Held, limits: NDArray[np.float64], moved: NDArray[np.int64]
) -> tuple[NDArray[np.int8], int]:
    """Judge pings in the order they came, each against what its driver's last believed ping left; `judge` is this, compiled.

    A jump is not believed alone: it is held in doubt, and the driver's next ping that agrees with it confirms it. So one wild fix
    is refused, and a driver who really left a tunnel is found again at the second ping.

    Args:
        slot: Driver's row in `held`, shape (pings,); -1 = unknown.
        pings: Columns (pings,): latitude, longitude, time, accuracy, heading.
        held: What is remembered. Changed in place.
        limits: `Limits.row`.
        moved: Slots that moved, each once, are written to its front, shape (pings,).

    Returns:
        Number of the reason in `REASONS`, shape (pings,), and how many slots moved.
    """
    lats, lons, times, accuracies, headings = pings
    last, doubt = held.last, held.doubt
    out, count = np.zeros(len(slot), dtype=np.int8), 0
    for i in range(len(slot)):
        s = slot[i]
        lat, lon, t, accuracy = lats[i], lons[i], times[i], accuracies[i]
        around = lon - limits[6]
        if around >= 180.0:  # over the date line the short way
            around -= 360.0
        elif around < -180.0:
            around += 360.0
        x, y = around * limits[7], (lat - limits[5]) * limits[8]
        if s < 0:
            out[i] = UNKNOWN
        elif not (np.isfinite(lat) and np.isfinite(lon) and np.isfinite(t) and accuracy >= 0.0):
            out[i] = BAD
        elif abs(lat) > 90.0 or abs(lon) > 180.0 or x * x + y * y > limits[4] * limits[4]:
            x, y = (lat - limits[6]) * limits[7], (lon - limits[5]) * limits[8]
            out[i] = SWAPPED if abs(lon) <= 90.0 and abs(lat) <= 180.0 and x * x + y * y <= limits[4] * limits[4] else OUTSIDE
        elif accuracy > limits[2]:
            out[i] = INACCURATE
        elif t > limits[1]:
            out[i] = FUTURE
        elif t < limits[0]:
            out[i] = STALE
        elif t == last[s, 2]:
            out[i] = REPEATED
        elif t < last[s, 2]:
            out[i] = LATE
        else:
            if last[s, 2] > -np.inf and _beyond(x, y, t, accuracy, last[s], limits[3]):
                agrees = t > doubt[s, 2] > -np.inf and not _beyond(x, y, t, accuracy, doubt[s], limits[3])
                if not agrees:
                    doubt[s, 0], doubt[s, 1], doubt[s, 2], doubt[s, 3] = x, y, t, accuracy
                    out[i] = JUMP
                    continue
            last[s, 0], last[s, 1], last[s, 2], last[s, 3] = x, y, t, accuracy
            doubt[s, 2] = -np.inf
            held.heading[s] = headings[i]
            if not held.marked[s]:
                held.marked[s] = True
                moved[count] = s
                count += 1
    for i in range(count):
        held.marked[moved[i]] = False
    return out, count


judge = nb.njit(cache=True, nogil=True)(judge_plain)
