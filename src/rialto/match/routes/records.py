"""What routes are made of: Stops (places and their times), Terms (what costs what), Routes (a plan); each packed for the kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput

__all__ = ["Plan", "Routes", "Stops", "Terms"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

X, Y, Z, EARLIEST, LATEST, SERVICE, LOAD, PLACE, RATE, DUE, LATE, TAIL = range(12)
"""Columns of `Stops.block`."""
SPEED, SHARED, TRAVEL, BUSY, OVER = range(5)
"""Entries of `Terms.rates`."""
LENGTH, FROZEN, START, HOME = range(4)
"""Columns of `Routes.whole`."""
FREE, ABOARD, CAPACITY, PICKUP_BY, END_BY, OFF = range(6)
"""Columns of `Routes.real`."""

STOP_FIELDS = {
    "x": 0.0, "y": 0.0, "z": 0.0, "earliest_s": 0.0, "latest_s": np.inf, "service_s": 0.0, "load": 0.0, "place": -1.0,
    "rate": 0.0, "due_s": np.inf, "late_rate": 0.0, "tail": 0.0,
}  # fmt: skip
"""Column -> what it is where not given, in the order of the block."""


class Plan(NamedTuple):
    """A plan as the kernels take it: `Stops.block`, `Terms.seconds` and `rates`, `Routes.stops`, `whole` and `real`."""

    block: Floats
    seconds: Floats
    rates: Floats
    stops: Ints
    whole: Ints
    real: Floats

    @classmethod
    def of(cls, stops: Stops, terms: Terms, routes: Routes) -> Plan:
        """The arrays of the three, shared with them."""
        return cls(stops.block, terms.seconds, terms.rates, routes.stops, routes.whole, routes.real)


@dataclass(frozen=True, slots=True)
class Stops:
    """Every place that a route may pass, a row each.

    Order k is picked up at stop 2k and dropped at stop 2k + 1; stops after the last order's are where routes start and end.

    Args:
        block: Shape (stops, 12), the columns of `of` in their order; `column` gives one as a view, so that it can be changed.
    """

    block: Floats

    @classmethod
    def of(cls, *, orders: int, **columns: NDArray[Any]) -> Stops:
        """Stops from columns, shape (stops,) each.

        Args:
            orders: Pairs that lead the stops.
            columns: `x`, `y` (wanted, m) and `z`: where (read only where `Terms.seconds` is empty; z is for chords of the globe).
                `earliest_s`, `latest_s`: service begins no earlier and no later (0, inf). `service_s`: how long it takes (0).
                `load`: what comes on board, > 0 at pickups, and the same off at the drop-off (1 and -1). `place`: number of a
                pickup's house, whose visits may share their service; -1 = none. `rate`: cost of a second from `earliest_s` to the
                end of service (0). `due_s`, `late_rate`: cost of a second past `due_s`, on top (inf, 0). `tail`: cost of a route
                that ends there for want of a home (0).

        Raises:
            BadInput: a column has another length, is unknown or holds NaN, or there are fewer stops than the pairs need.

        Example:
            >>> Stops.of(orders=1, x=np.zeros(3), y=np.zeros(3)).column("load").tolist()
            [1.0, -1.0, 0.0]
        """
        unknown = sorted(set(columns) - set(STOP_FIELDS))
        if unknown or not {"x", "y"} <= set(columns):
            raise BadInput(f"columns are {sorted(columns)}; wanted x, y and any of {', '.join(STOP_FIELDS)}.")
        size = len(columns["x"])
        if 2 * orders > size:
            raise BadInput(f"{orders} orders came with {size} stops; wanted two stops an order, then the starts.")
        block = np.empty((size, len(STOP_FIELDS)))
        for k, (name, fill) in enumerate(STOP_FIELDS.items()):
            values = np.asarray(columns.get(name, np.full(size, fill)), dtype=np.float64)
            if values.shape != (size,) or np.any(np.isnan(values)):
                raise BadInput(f"column {name!r} has shape {values.shape} or holds NaN; wanted ({size},) numbers.")
            block[:, k] = values
        if "load" not in columns:
            block[0 : 2 * orders : 2, LOAD], block[1 : 2 * orders : 2, LOAD] = 1.0, -1.0
        return cls(block)

    def column(self, name: str) -> Floats:
        """One column, shape (stops,), as a view."""
        return self.block[:, list(STOP_FIELDS).index(name)]


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for all routes.

    Args:
        seconds: Travel times between stops, shape (stops, stops), s; of shape (0, 0) = straight lines at a speed.
        rates: Shape (5,), as `of` packs them.
    """

    seconds: Floats
    rates: Floats

    @classmethod
    def of(
        cls,
        *,
        seconds: Floats | None = None,
        speed_mps: float = 1.0,
        shared: bool = False,
        travel_rate: float = 1.0,
        busy_rate: float = 0.0,
        over_rate: float = 0.0,
    ) -> Terms:
        """Pack the terms.

        Args:
            seconds: Travel times between stops, shape (stops, stops); None = straight lines at `speed_mps`.
            speed_mps: m/s, > 0.
            shared: Pickups at one `place` behind one another take the service time once, from when the last of them is ready.
            travel_rate: Cost of a second of driving.
            busy_rate: Cost of a second of driving, of service, and of waiting with goods on board.
            over_rate: Cost of a second by which a route ends after its `off_s`.

        Raises:
            BadInput: the speed is not above 0, or a rate is negative or not finite: the search relies on costs that only grow.
        """
        rates = np.array([speed_mps, float(shared), travel_rate, busy_rate, over_rate])
        if not (np.all(np.isfinite(rates)) and np.all(rates >= 0.0) and speed_mps > 0.0):
            raise BadInput(f"speed_mps, shared and the rates are {rates.tolist()}; wanted 0 or more, the speed above 0.")
        return cls(np.zeros((0, 0)) if seconds is None else np.ascontiguousarray(seconds, dtype=np.float64), rates)

    def at_busy_rate(self, rate: float) -> Terms:
        """The same terms with another `busy_rate`."""
        rates = self.rates.copy()
        rates[BUSY] = rate
        return Terms(self.seconds, rates)


@dataclass(frozen=True, slots=True)
class Routes:
    """A plan, a row a vehicle.

    Args:
        stops: Stops in order, shape (routes, most), of which the first `length` count.
        whole: Shape (routes, 4): `length`, `frozen` (leading stops that stay as they are), `start` (the stop at which it stands when
            free), `home` (the stop at which it ends, or -1: at its last one).
        real: Shape (routes, 6): `free_s` (when it is free at its start), `aboard` (what it then carries), `capacity`, `pickup_by_s`
            (pickups end no later), `end_by_s` (the route, with its way home, ends no later), `off_s` (from when on overtime costs).
    """

    stops: Ints
    whole: Ints
    real: Floats

    @classmethod
    def of(
        cls, start: Ints, free_s: Floats, *, most: int = 64, home: Ints | None = None, limits: Mapping[str, Floats] | None = None
    ) -> Routes:
        """Empty routes of vehicles that are free at the stops `start` from `free_s` on, shape (routes,) each.

        Args:
            start, free_s: Where and from when on.
            most: Stops that a route can hold.
            home: Where each ends; None = anywhere.
            limits: `capacity`, `pickup_by_s`, `end_by_s`, `off_s`, shape (routes,); inf where not given.

        Example:
            >>> Routes.of(np.array([2]), np.array([0.0]), limits={"capacity": np.array([3.0])}).length.tolist()
            [0]
        """
        size = len(start)
        whole = np.zeros((size, 4), dtype=np.int64)
        whole[:, START], whole[:, HOME] = start, -1 if home is None else home
        real = np.full((size, 6), np.inf)
        real[:, FREE], real[:, ABOARD] = free_s, 0.0
        columns = {"capacity": CAPACITY, "pickup_by_s": PICKUP_BY, "end_by_s": END_BY, "off_s": OFF}
        for name, values in (limits or {}).items():
            if name not in columns:
                raise BadInput(f"there is no limit {name!r}; known: {', '.join(columns)}.")
            real[:, columns[name]] = values
        return cls(np.full((size, most), -1, dtype=np.int64), whole, real)

    def __len__(self) -> int:
        return len(self.stops)

    @property
    def length(self) -> Ints:
        """Stops of each route, shape (routes,), as a view."""
        return self.whole[:, LENGTH]

    @property
    def start(self) -> Ints:
        """Stop at which each stands when free, shape (routes,), as a view."""
        return self.whole[:, START]

    @property
    def free_s(self) -> Floats:
        """When each is free, shape (routes,), as a view."""
        return self.real[:, FREE]

    def of_row(self, route: int) -> list[int]:
        """The stops of one route, in order."""
        return self.stops[route, : self.whole[route, LENGTH]].tolist()
