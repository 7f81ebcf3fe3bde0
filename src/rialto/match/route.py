"""The stops that a driver has yet to make, in order, and when he will be there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.match.offers import Offers
from rialto.match.records import Orders
from rialto.match.stacking import Stacks
from rialto.match.track import Track
from rialto.match.travel import Travel

__all__ = ["Stop", "route_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop that a driver has yet to make.

    Args:
        order: What is picked up or dropped off there.
        kind: `pickup` or `dropoff`.
        lat, lon: Where, degrees; NaN = nobody said.
        eta_s: When he will be there, seconds UTC; NaN where that cannot be told.
        state: How the order stands: `offered`, `assigned` or `picked_up`.
    """

    order: int
    kind: str
    lat: float
    lon: float
    eta_s: float
    state: str


def route_of(
    driver: int, offers: Offers, stacks: Stacks, track: Track, travel: Travel, *, at_s: float, ready_s: Callable[[Orders], Floats]
) -> list[Stop]:
    """The stops of a driver's orders, and of one that he is offered where they would be; safe from any thread.

    Args:
        driver: Who.
        offers: What stands.
        stacks: In which order.
        track: Where he is.
        travel: How long drives take.
        at_s: Now, s.
        ready_s: When orders are ready, shape (orders,); NaN = they are.

    Raises:
        BadInput: he has orders and is not enrolled.
        EngineBusy: the travel engine did not answer in time.
    """
    ids, numbers = offers.holding_of(driver)
    if not len(ids):
        return []
    orders = offers.orders(ids)
    numbers = numbers[np.isin(ids, orders.ids)]  # one may have ended, and been forgotten, just now
    states = [offers.state(order).state for order in orders.ids.tolist()]
    stops = stacks.order_of(numbers, np.array([s == "picked_up" for s in states], dtype=np.bool_))
    rows, drops = np.array([r for r, _ in stops], dtype=np.int64), np.array([d for _, d in stops], dtype=np.bool_)
    lat, lon = np.where(drops, orders.drop_lat[rows], orders.lat[rows]), np.where(drops, orders.drop_lon[rows], orders.lon[rows])
    x_m, y_m = track.place(np.array([driver]))
    here = np.stack(track.plane.latlon(*(np.where(np.isfinite(c), c, np.nan) for c in (x_m, y_m))), axis=1)
    legs_s = _legs(np.concatenate([here, np.stack([lat, lon], axis=1)]), travel, at_s)
    ready = ready_s(orders)
    made, now_s = list[Stop](), at_s
    for k, (row, drop) in enumerate(stops):
        now_s += float(legs_s[k])
        kind = "dropoff" if drop else "pickup"
        made.append(Stop(int(orders.ids[row]), kind, float(lat[k]), float(lon[k]), now_s, states[row]))
        if not drop and ready[row] > now_s:
            now_s = float(ready[row])
    return made


def _legs(points: Floats, travel: Travel, at_s: float) -> Floats:
    """Seconds from each of `points` (points, 2), degrees, to the next; NaN where one of the two is unknown."""
    known = np.isfinite(points[:, 0]) & np.isfinite(points[:, 1])
    there = known[:-1] & known[1:]
    legs_s = np.full(len(there), np.nan)
    if there.any():
        legs_s[there] = travel.seconds(points[:-1][there], points[1:][there], at_s=np.full(int(there.sum()), at_s))
    return legs_s
