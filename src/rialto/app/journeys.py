"""Drivers with an order on a live map: the simulation tells when each leg began, straight lines between its ends tell where they are about now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.records import Columns
from rialto.worlds.city import City

__all__ = ["Journey", "Journeys"]


@dataclass(frozen=True, slots=True)
class Journey:
    """A driver with an order.

    Args:
        order, driver: Who and what.
        state: `assigned` on the way to the pickup and while waiting there, `picked_up` after it.
        lat, lon: About where the driver is.
        goal_lat, goal_lon: Where he is going.
    """

    order: int
    driver: int
    state: str
    lat: float
    lon: float
    goal_lat: float
    goal_lon: float


@dataclass(frozen=True, slots=True)
class _Leg:
    order: int
    driver: int
    state: str
    start: tuple[float, float]
    goal: tuple[float, float]
    began_s: float
    takes_s: float

    def at(self, now_s: float) -> Journey:
        done = min(max((now_s - self.began_s) / max(self.takes_s, 1.0), 0.0), 1.0)
        (a, b), (c, d) = self.start, self.goal
        return Journey(self.order, self.driver, self.state, a + (c - a) * done, b + (d - b) * done, c, d)


class Journeys:
    """Follows the orders of a city between `start_s` and `end_s`.

    Cost:
        O(drivers) a window, and an entry an order.
    """

    def __init__(self, city: City, *, start_s: float, end_s: float) -> None:
        self._city = city
        self._orders = city.orders(start_s, end_s)
        self._row = {i: row for row, i in enumerate(self._orders["id"].tolist())}
        self._free: dict[int, tuple[float, float]] = {}
        self._legs: dict[int, _Leg] = {}

    def free(self, drivers: Columns) -> None:
        """Remember where the free drivers are: columns id, lat, lon."""
        self._free = self._free | dict(zip(drivers["id"].tolist(), zip(drivers["lat"].tolist(), drivers["lon"].tolist())))

    def answered(self, answers: Columns) -> None:
        """Begin the journeys that were accepted: columns order, driver, accepted, pickup_s, at_s."""
        names = ("order", "driver", "accepted", "pickup_s", "at_s")
        for order, driver, accepted, pickup_s, at_s in zip(*(answers[n].tolist() for n in names)):
            if accepted and order in self._row:
                start, goal = self._free.get(driver, self._end(order, "pickup")), self._end(order, "pickup")
                self._legs[order] = _Leg(order, driver, "assigned", start, goal, at_s, pickup_s)

    def follow(self, trips: Columns) -> None:
        """Turn to the second leg what was picked up, and end what was delivered: columns order, picked_s, delivered_s."""
        for order, picked_s, delivered_s in zip(*(trips[n].tolist() for n in ("order", "picked_s", "delivered_s"))):
            leg = self._legs.get(order)
            if leg is not None and delivered_s == delivered_s:
                del self._legs[order]
            elif leg is not None and picked_s == picked_s and leg.state == "assigned":
                goal, takes_s = self._end(order, "dropoff"), self._drive_s(order, leg.driver, picked_s)
                self._legs[order] = replace(leg, state="picked_up", start=leg.goal, goal=goal, began_s=picked_s, takes_s=takes_s)

    def now(self, at_s: float) -> list[Journey]:
        """Every journey at one moment."""
        return [leg.at(at_s) for leg in self._legs.values()]

    def pickup(self, order: int) -> tuple[float, float] | None:
        """Latitude and longitude of an order's pickup; None for an order of another time."""
        return self._end(order, "pickup") if order in self._row else None

    def _end(self, order: int, which: str) -> tuple[float, float]:
        row = self._row[order]
        return float(self._orders[f"{which}_lat"][row]), float(self._orders[f"{which}_lon"][row])

    def _drive_s(self, order: int, driver: int, at_s: float) -> float:
        ends = [self._one(f"{which}_{axis}_m", order) for which in ("pickup", "dropoff") for axis in ("x", "y")]
        vehicle: NDArray[Any] = self._city.drivers["vehicle"][np.array([driver])]
        return float(self._city.travel_seconds(*ends, at_s=at_s, vehicle=vehicle)[0])

    def _one(self, name: str, order: int) -> NDArray[Any]:
        row = self._row[order]
        return self._orders[name][row : row + 1]
