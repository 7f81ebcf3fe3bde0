"""Where the drivers are: pings judged one by one, refused with a reason, moved into the GeoIndex; the age of every position."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.records import FREE, Drivers, Pings, Plane
from rialto.ports import GeoIndex, Positioned

__all__ = ["REASONS", "Limits", "Track", "judge", "judge_plain"]

REASONS = ("taken", "unknown_driver", "bad_value", "inaccurate", "future", "stale", "repeated", "out_of_order", "jump")
"""What became of a ping, by the number that `judge` gives."""

TAKEN, UNKNOWN, BAD, INACCURATE, FUTURE, STALE, REPEATED, LATE, JUMP = range(9)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a ping is believed.

    Args:
        fresh_s: Oldest age on arrival, s; older is `stale`.
        ahead_s: How far a phone's clock may run ahead, s; more is `future`.
        accuracy_m: Widest radius of error, m; wider is `inaccurate`.
        speed_mps: Fastest a driver can move, m/s, once both errors are taken off; faster is a `jump`.
    """

    fresh_s: float = 120.0
    ahead_s: float = 5.0
    accuracy_m: float = 200.0
    speed_mps: float = 60.0

    def row(self, now_s: float) -> NDArray[np.float64]:
        """The limits at `now_s` as the kernel reads them: oldest and newest time, accuracy, speed."""
        return np.array([now_s - self.fresh_s, now_s + self.ahead_s, self.accuracy_m, self.speed_mps])


def judge_plain(
    slot: NDArray[np.int64],
    ping: NDArray[np.float64],
    held: NDArray[np.float64],
    doubt: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> NDArray[np.int8]:
    """Judge pings in the order they came, each against what its driver's last believed ping left; `judge` is this, compiled.

    A jump is not believed alone: it is held in doubt, and the driver's next ping that agrees with it confirms it. So one wild fix
    is refused, and a driver who really left a tunnel is found again at the second ping.

    Args:
        slot: Driver's row in `held`, shape (pings,); -1 = unknown.
        ping: x_m, y_m, time_s, accuracy_m, shape (pings, 4).
        held: The last believed ping of each driver, shape (drivers, 4), time -inf where there is none. Changed in place.
        doubt: The last jump of each driver, shape (drivers, 4), likewise. Changed in place.
        limits: `Limits.row`.

    Returns:
        Number of the reason in `REASONS`, shape (pings,).
    """
    out = np.zeros(len(slot), dtype=np.int8)
    for i in range(len(slot)):
        s = slot[i]
        x, y, t, accuracy = ping[i, 0], ping[i, 1], ping[i, 2], ping[i, 3]
        if s < 0:
            out[i] = UNKNOWN
        elif not (np.isfinite(x) and np.isfinite(y) and np.isfinite(t) and accuracy >= 0.0):
            out[i] = BAD
        elif accuracy > limits[2]:
            out[i] = INACCURATE
        elif t > limits[1]:
            out[i] = FUTURE
        elif t < limits[0]:
            out[i] = STALE
        elif t == held[s, 2]:
            out[i] = REPEATED
        elif t < held[s, 2]:
            out[i] = LATE
        else:
            known = held[s, 2] > -np.inf
            far = np.hypot(x - held[s, 0], y - held[s, 1]) - accuracy - held[s, 3]
            if known and far > limits[3] * (t - held[s, 2]):
                agrees = np.hypot(x - doubt[s, 0], y - doubt[s, 1]) - accuracy - doubt[s, 3] <= limits[3] * (t - doubt[s, 2])
                if not (doubt[s, 2] > -np.inf and t > doubt[s, 2] and agrees):
                    doubt[s] = ping[i]
                    out[i] = JUMP
                    continue
            held[s] = ping[i]
            doubt[s, 2] = -np.inf
    return out


judge = nb.njit(cache=True, nogil=True)(judge_plain)


class Track:
    """The fleet's positions, a slot a driver, in step with a GeoIndex.

    Args:
        geo: Holds the believed positions with each driver's eligibility bits.
        plane: Map that degrees are laid on.
        limits: When a ping is believed.

    Cost:
        O(pings) a batch, plus the index's moves; O(drivers) memory.
    """

    def __init__(self, geo: GeoIndex, plane: Plane, *, limits: Limits | None = None) -> None:
        self.plane = plane
        self.limits = limits or Limits()
        self._geo = geo
        self._fleet = Drivers.of(np.zeros(0, dtype=np.int64))
        self._flags = np.zeros(0, dtype=np.uint64)
        self._held = np.zeros((0, 4))
        self._doubt = np.zeros((0, 4))
        self._heading = np.zeros(0)
        self._idle_since = np.zeros(0)

    @property
    def fleet(self) -> Drivers:
        """Every enrolled driver, ids rising, with the `FREE` bit as it stands now. A driver's slot is its row here."""
        return replace(self._fleet, flags=self._flags.copy())

    def enrol(self, drivers: Drivers, *, at_s: float = 0.0) -> None:
        """Add drivers, free and idle since `at_s`; or give known ones new bits, homes and shifts, and leave their `FREE` bit."""
        stays = ~np.isin(self._fleet.ids, drivers.ids)
        everyone = Drivers.join(self._fleet.take(stays), drivers)
        fleet = everyone.take(np.argsort(everyone.ids))
        known, old = self.slots(fleet.ids)
        busy = known & (self._grown(self._flags, known, old, FREE) & FREE == 0)
        self._flags = np.where(busy, fleet.flags & ~FREE, fleet.flags | FREE)
        self._held = self._grown(self._held, known, old, -np.inf)
        self._doubt = self._grown(self._doubt, known, old, -np.inf)
        self._heading = self._grown(self._heading, known, old, np.nan)
        self._idle_since = self._grown(self._idle_since, known, old, at_s)
        self._fleet = fleet
        self._move(self.slots(drivers.ids)[1])

    @staticmethod
    def _grown(table: NDArray[Any], known: NDArray[np.bool_], old: NDArray[np.int64], fill: Any) -> NDArray[Any]:
        new = np.full((len(known), *table.shape[1:]), fill, dtype=table.dtype)
        new[known] = table[old[known]]
        return new

    def slots(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Whether each id is enrolled, and its slot (0 where it is not), shape (ids,) each."""
        if not len(self._fleet):
            return np.zeros(len(ids), dtype=np.bool_), np.zeros(len(ids), dtype=np.int64)
        at = np.minimum(np.searchsorted(self._fleet.ids, ids), len(self._fleet) - 1)
        known = self._fleet.ids[at] == ids
        return known, np.where(known, at, 0)

    def take(self, pings: Pings, *, now_s: float) -> dict[str, int]:
        """Judge `pings` in their order and move the believed ones; returns reason -> count, which add up to the pings."""
        known, slot = self.slots(pings.driver)
        real = (np.abs(pings.lat) <= 90.0) & (np.abs(pings.lon) <= 180.0)
        x_m, y_m = self.plane.xy(np.where(real, pings.lat, np.nan), np.where(real, pings.lon, np.nan))
        ping = np.stack([x_m, y_m, pings.time_s, pings.accuracy_m], axis=1)
        reasons = judge(np.where(known, slot, -1), ping, self._held, self._doubt, self.limits.row(now_s))
        taken = np.flatnonzero(reasons == TAKEN)
        self._heading[slot[taken]] = pings.heading_deg[taken]  # numpy keeps the last of repeated slots, which is the newest
        self._move(np.unique(slot[taken]))
        counts = np.bincount(reasons, minlength=len(REASONS))
        return {name: int(n) for name, n in zip(REASONS, counts) if n}

    def _move(self, slots: NDArray[np.int64]) -> None:
        placed = slots[self._held[slots, 2] > -np.inf]
        if len(placed):
            x_m, y_m, time_s = (np.ascontiguousarray(self._held[placed, i]) for i in range(3))
            self._geo.move(Positioned(self._fleet.ids[placed], x_m, y_m, time_s, self._flags[placed]))

    def hold(self, ids: NDArray[np.int64]) -> None:
        """Take drivers out of every search: an order holds them."""
        slots = self._known(ids)
        self._flags[slots] &= ~FREE
        self._move(slots)

    def free(self, ids: NDArray[np.int64], *, at_s: float) -> None:
        """Put drivers back into the searches, idle since `at_s`."""
        slots = self._known(ids)
        self._flags[slots] |= FREE
        self._idle_since[slots] = at_s
        self._move(slots)

    def leave(self, ids: NDArray[np.int64]) -> None:
        """Forget drivers' positions (end of shift): nobody finds them until they ping again. Unknown ids are no error."""
        known, slots = self.slots(ids)
        self._held[slots[known]] = -np.inf
        self._doubt[slots[known]] = -np.inf
        self._geo.remove(ids)

    def sweep(self, *, now_s: float) -> int:
        """Drop ghosts: positions older than `limits.fresh_s`. Returns how many."""
        old = (self._held[:, 2] > -np.inf) & (self._held[:, 2] < now_s - self.limits.fresh_s)
        self.leave(self._fleet.ids[old])
        return int(old.sum())

    def age_s(self, ids: NDArray[np.int64], *, now_s: float) -> NDArray[np.float64]:
        """Seconds since each driver's position was measured, shape (ids,); inf where there is none."""
        return now_s - self._held[self._known(ids), 2]

    def place(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Believed x_m and y_m of each driver, shape (ids,) each; not finite where there is none."""
        slots = self._known(ids)
        return self._held[slots, 0], self._held[slots, 1]

    def heading_deg(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Last heading of each driver, clockwise from north, shape (ids,); NaN = unknown."""
        return self._heading[self._known(ids)]

    def idle_s(self, ids: NDArray[np.int64], *, now_s: float) -> NDArray[np.float64]:
        """Seconds since each driver was last freed, shape (ids,)."""
        return now_s - self._idle_since[self._known(ids)]

    def shift_end_s(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """When each driver must be free of orders, shape (ids,), s; inf = open."""
        return self._fleet.shift_end_s[self._known(ids)]

    def home(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """x_m and y_m of each driver's home, shape (ids,) each; NaN = unknown."""
        slots = self._known(ids)
        return self.plane.xy(self._fleet.home_lat[slots], self._fleet.home_lon[slots])

    def _known(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        known, slots = self.slots(ids)
        if not known.all():
            raise BadInput(f"driver {int(ids[~known][0])} is not enrolled; enrol the fleet first ({len(self._fleet)} are).")
        return slots
