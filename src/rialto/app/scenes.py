"""What a map shows at one moment, and the moments of the last hour, kept to be looked at again."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from rialto.errors import NothingHere
from rialto.match.pipeline import Assigned
from rialto.records import Columns

__all__ = ["LATEST", "STATES", "Album", "Moment", "Scene"]

STATES = ("free", "offered", "assigned", "picked_up", "away")
"""States of a driver on the map, by number; `away` = he left, is on a break, or after the shift."""

LATEST = 40
"""Offers that a moment shows."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment.

    Args:
        at_s: When.
        drivers: Columns (drivers,): `id` int64, `lat`, `lon`, `age_s` float32, `state` uint8 (a place in `STATES`), `order` int64
            (-1 = none), `goal_lat`, `goal_lon` float32 (NaN = unknown); those who have a position.
        orders: Columns (orders,) of those that wait: `id` int64, `lat`, `lon`, `waits_s` float32.
        offers: The latest offers, newest first.
        silent: Enrolled drivers without a position.
        fallbacks: Steps of the last window that their fallback answered, as an engine was away or slow.
    """

    at_s: float
    drivers: Columns
    orders: Columns
    offers: tuple[Assigned, ...]
    silent: int = 0
    fallbacks: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """About what it takes in memory."""
        return sum(c.nbytes for c in (*self.drivers.values(), *self.orders.values())) + 150 * len(self.offers)


@dataclass(frozen=True, slots=True)
class Moment:
    """A kept moment in numbers: who worked, was free and waited then."""

    at_s: float
    busy: int
    free: int
    waiting: int


class Album:
    """Scenes of the last `span_s` seconds, one every `every_s`; fewer where they would take more than `most_bytes`.

    Safe to call from several threads.

    Cost:
        A scene takes 41 bytes a driver and 20 an order that waits.

    Example:
        >>> one = np.zeros(1, dtype=np.int64)
        >>> drivers = {"id": one, "state": np.zeros(1, dtype=np.uint8)}
        >>> album = Album(span_s=60.0, every_s=10.0)
        >>> [album.put(Scene(at_s, drivers, {"id": one}, ())) for at_s in (0.0, 5.0, 10.0, 80.0)]
        [True, False, True, True]
        >>> [m.at_s for m in album.moments()], album.at(79.0).at_s
        ([80.0], 80.0)
    """

    def __init__(self, *, span_s: float = 3600.0, every_s: float = 10.0, most_bytes: int = 128 << 20) -> None:
        self._span_s, self._every_s, self._most = span_s, every_s, most_bytes
        self._kept = deque[tuple[Moment, Scene]]()
        self._bytes = 0
        self._lock = Lock()

    def due(self, at_s: float) -> bool:
        """Whether a scene of that moment would be kept."""
        with self._lock:
            return not self._kept or not 0.0 <= at_s - self._kept[-1][0].at_s < self._every_s

    def put(self, scene: Scene) -> bool:
        """Keep a scene; False where the last one is not `every_s` old. One that is older than the last begins a new album."""
        with self._lock:
            if self._kept and scene.at_s < self._kept[-1][0].at_s:
                self._kept.clear()
                self._bytes = 0
            if self._kept and scene.at_s < self._kept[-1][0].at_s + self._every_s:
                return False
            few = replace(scene, offers=scene.offers[:LATEST])
            self._kept.append((_counted(few), few))
            self._bytes += few.bytes
            while len(self._kept) > 1 and (self._bytes > self._most or self._kept[0][0].at_s < few.at_s - self._span_s):
                self._bytes -= self._kept.popleft()[1].bytes
        return True

    def at(self, at_s: float) -> Scene:
        """The last scene up to `at_s`, or the first of all; `NothingHere` in an empty album."""
        with self._lock:
            if not self._kept:
                raise NothingHere("no moment is kept yet: the first is, once a window was decided. Ask again in some seconds.")
            row = bisect_right(self._kept, at_s, key=lambda kept: kept[0].at_s)
            return self._kept[max(row - 1, 0)][1]

    def moments(self) -> list[Moment]:
        """Every kept moment in numbers, rising."""
        with self._lock:
            return [moment for moment, _ in self._kept]


def _counted(scene: Scene) -> Moment:
    states: NDArray[np.uint8] = scene.drivers["state"]
    counts = np.bincount(states, minlength=len(STATES))
    return Moment(scene.at_s, int(counts[1:4].sum()), int(counts[0]), len(scene.orders["id"]))
