"""Drivers of a running city as columns: where each is, where it goes, whether it is free, and what it has earned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.records import Columns, uniforms
from rialto.worlds.city import City

__all__ = ["FREE", "OFF", "TO_DROPOFF", "TO_PICKUP", "WAITING", "Fleet"]

OFF, FREE, TO_PICKUP, WAITING, TO_DROPOFF = 0, 1, 2, 3, 4
"""What a driver does; `WAITING` is at the pick-up, for the goods."""

_DWELL_S = 90.0  # how long a free driver stays before it drifts on
_DRIFT_MPS = 3.0
_CONSIDER_S = 15.0  # how long a driver who says no looked at the offer

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


class Fleet:
    """All drivers of one run. A leg goes in a straight line from `start` at `leg_start_s` to `goal` at `leg_end_s`."""

    def __init__(self, city: City, at_s: float, seed: int) -> None:
        count = len(city.drivers["id"])
        self._city, self._seed = city, seed
        x_m, y_m = city.positions(np.arange(count), np.full(count, at_s))
        self.status = np.where(city.on_shift(at_s), FREE, OFF).astype(np.int8)
        self.start = np.stack((x_m, y_m), axis=1)
        self.goal = self.start.copy()
        self.leg_start_s = np.full(count, at_s)
        self.leg_end_s = np.full(count, at_s)
        self.free_since_s = np.full(count, at_s)
        self.order = np.full(count, -1, dtype=np.int64)
        self.earned_cents = np.zeros(count, dtype=np.int64)
        self.worked_s = np.zeros(count)
        self.busy_s = np.zeros(count)
        self.considers_until_s = np.full(count, at_s)
        self._drifts = np.zeros(count, dtype=np.int64)

    def places(self, at_s: float, driver: Ids) -> tuple[Floats, Floats]:
        """Where `driver` are, metres, shape (driver,) each."""
        start, goal = self.start[driver], self.goal[driver]
        length = self.leg_end_s[driver] - self.leg_start_s[driver]
        part = np.clip((at_s - self.leg_start_s[driver]) / np.maximum(length, 1e-9), 0.0, 1.0)[:, np.newaxis]
        place = start + (goal - start) * part
        return place[:, 0], place[:, 1]

    def free(self, at_s: float) -> Columns:
        """The free drivers, columns as `SimState.drivers` says."""
        return self.shown(self.ready(at_s), at_s)

    def shown(self, which: NDArray[np.bool_], at_s: float) -> Columns:
        """Some drivers, columns as `SimState.drivers` says."""
        rows = np.flatnonzero(which)
        x_m, y_m = self.places(at_s, rows)
        lat, lon = self._city.to_degrees(x_m, y_m)
        own = {name: self._city.drivers[name][rows] for name in ("id", "flags", "vehicle", "shift_end_s")}
        places = {"lat": lat, "lon": lon, "x_m": x_m, "y_m": y_m}
        return {**own, **places, "free_since_s": self.free_since_s[rows], "earned_cents": self.earned_cents[rows]}

    def ready(self, at_s: float) -> NDArray[np.bool_]:
        """Which drivers are free and not looking at an offer that they will decline."""
        return (self.status == FREE) & (self.considers_until_s <= at_s)

    def roomy(self, at_s: float, held: Ids, most: int) -> NDArray[np.bool_]:
        """Which drivers on shift have orders, fewer than `most` of those that each has `held`, and look at no offer."""
        busy = (self.status > FREE) & (self.considers_until_s <= at_s)
        return busy & (held < most) & self._city.on_shift(at_s)

    def decline(self, driver: Ids, at_s: float) -> None:
        """`driver` say no, which takes them some seconds."""
        self.considers_until_s[driver] = at_s + _CONSIDER_S

    def arrived(self, status: int, at_s: float) -> Ids:
        """Drivers who do `status` and whose leg is over."""
        return np.flatnonzero((self.status == status) & (self.leg_end_s <= at_s))

    def send(
        self, driver: Ids, status: int | NDArray[np.int8], order: Ids, goal: Floats, start_s: Floats | float, end_s: Floats
    ) -> None:
        """Begin a leg from where each driver is at `start_s`."""
        at_s = float(np.min(start_s)) if len(driver) else 0.0
        here = np.stack(self.places(at_s, driver), axis=1)
        self.status[driver], self.order[driver] = status, order
        self.start[driver], self.goal[driver] = here, goal
        self.leg_start_s[driver], self.leg_end_s[driver] = start_s, end_s

    def release(self, driver: Ids, at_s: Floats) -> None:
        """Make `driver` free where their leg ended."""
        self.status[driver], self.order[driver] = FREE, -1
        self.start[driver] = self.goal[driver]
        self.leg_start_s[driver] = self.leg_end_s[driver] = self.free_since_s[driver] = at_s

    def account(self, seconds: float) -> None:
        """Count `seconds` of work for all who are on shift."""
        self.worked_s[self.status != OFF] += seconds
        self.busy_s[self.status > FREE] += seconds

    def shifts(self, at_s: float) -> None:
        """Free drivers whose shift is over go; those whose shift begins are free at home."""
        on = self._city.on_shift(at_s)
        self.status[(self.status == FREE) & ~on] = OFF
        fresh = np.flatnonzero((self.status == OFF) & on)
        homes = np.stack((self._city.drivers["home_x_m"][fresh], self._city.drivers["home_y_m"][fresh]), axis=1)
        self.goal[fresh] = homes
        self.release(fresh, np.full(len(fresh), at_s))

    def drift(self, at_s: float) -> None:
        """Free drivers who have stood for a while move slowly towards one of the three hot spots nearest to them."""
        idle = np.flatnonzero((self.status == FREE) & (self.leg_end_s + _DWELL_S <= at_s))
        if len(idle) == 0:
            return
        spots, here = self._city.demand.spots, self.goal[idle]
        away = np.hypot(here[:, :1] - spots[:, 0], here[:, 1:] - spots[:, 1])
        near = np.argsort(away, axis=1, kind="stable")[:, :3]
        u = uniforms(self._seed, (idle * (1 << 20) + self._drifts[idle]).astype(np.uint64), "drift", 3)
        goal = spots[near[np.arange(len(idle)), (u[:, 0] * near.shape[1]).astype(np.int64)]] + (u[:, 1:] - 0.5) * 1600.0
        self._drifts[idle] += 1
        self.start[idle], self.goal[idle] = here, goal
        self.leg_start_s[idle] = at_s
        self.leg_end_s[idle] = at_s + np.hypot(*(goal - here).T) / _DRIFT_MPS
