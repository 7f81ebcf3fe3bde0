"""The stops that drivers of a running city have yet to make, where they may have several orders at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Columns
from rialto.worlds.city import City

__all__ = ["Plans", "Routes"]

Ids = NDArray[np.int64]

Routes = Mapping[int, Sequence[tuple[int, bool]]]
"""Driver -> stops in order: the order's id, and whether it is dropped off there."""


class Plans:
    """Each driver's stops in order, the one under way first; a stop is 2 x the order's row, and 1 more where it is dropped off.

    Args:
        city: Whose drivers; `held` counts the orders of each.
    """

    def __init__(self, city: City) -> None:
        self._city = city
        self._stops: dict[int, list[int]] = {}
        self.held = np.zeros(len(city.drivers["id"]), dtype=np.int64)

    def offered(self, rows: Ids, driver: Ids, ids: Ids, routes: Routes) -> list[list[int]]:
        """What each driver's stops become with the order of the same place.

        Args:
            rows: Rows of the orders, shape (pairs,).
            driver: Who is asked, shape (pairs,).
            ids: Ids of all orders by row, rising.
            routes: As for `CitySim.step`.

        Raises:
            BadInput: a route has other stops than these, or begins with another than the one under way.
        """
        made: list[list[int]] = []
        for row, who in zip(rows.tolist(), driver.tolist(), strict=True):
            now = self._stops.get(who, [])
            new = [*now, 2 * row, 2 * row + 1]
            told = routes.get(who)
            if told is not None:
                at = np.searchsorted(ids, [order for order, _ in told]).tolist()
                route = [2 * r + dropped for r, (_, dropped) in zip(at, told, strict=True)]
                if sorted(route) != sorted(new) or route[:1] != new[:1] or route.index(2 * row) > route.index(2 * row + 1):
                    raise BadInput(
                        f"driver {who}'s route is {list(told)}; wanted the stops of his orders and of the new one, "
                        "the one under way first, and no drop-off before its pickup."
                    )
                new = route
            made.append(new)
        return made

    def take(self, driver: Ids, plans: list[list[int]]) -> None:
        """Drivers take one more order each, and these are their stops now."""
        self._stops.update(zip(driver.tolist(), plans, strict=True))
        self.held[driver] += 1

    def next(self, driver: Ids) -> tuple[Ids, NDArray[np.bool_]]:
        """Drivers are done with their first stop; the order's row of the next, and whether it is dropped off, shape (driver,) each."""
        for who in driver.tolist():
            self._stops[who].pop(0)
        stops = np.array([self._stops[who][0] for who in driver.tolist()], dtype=np.int64)
        return stops // 2, stops % 2 == 1

    def delivered(self, driver: Ids) -> NDArray[np.bool_]:
        """Drivers dropped an order off; whether each has another stop, shape (driver,). The plan of one who has none is forgotten."""
        self.held[driver] -= 1
        goes_on = np.array([len(self._stops[who]) > 1 for who in driver.tolist()], dtype=np.bool_)
        for who in driver[~goes_on].tolist():
            del self._stops[who]
        return goes_on

    def until(
        self, plan: list[int], stop: int, here: tuple[float, float], orders: Columns, at_s: float, vehicle: np.int8
    ) -> float:
        """Expected seconds from `here` along `plan` to `stop`, without waiting for goods."""
        way = plan[: plan.index(stop) + 1]
        ends = [(orders[f"{e}_x_m"][s // 2], orders[f"{e}_y_m"][s // 2]) for s in way for e in (("pickup", "dropoff")[s % 2],)]
        points = np.array([here, *ends], dtype=np.float64)
        start, goal = points[:-1], points[1:]
        seconds = self._city.travel_seconds(*start.T, *goal.T, at_s=np.full(len(way), at_s), vehicle=np.full(len(way), vehicle))
        return float(seconds.sum())
