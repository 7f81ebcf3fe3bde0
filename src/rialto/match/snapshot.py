"""A dispatch system at one moment, for the live map: where drivers are and how they stand, what waits, what was offered last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.match.offers import Offers
from rialto.match.records import FREE, Orders
from rialto.match.track import Track
from rialto.records import Columns

__all__ = ["Assigned", "Snapshot", "snapshot"]


@dataclass(frozen=True, slots=True)
class Assigned:
    """An order that was offered to a driver, for the live map."""

    order: int
    driver: int
    at_s: float
    pickup_s: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The city at one moment.

    Args:
        at_s: When.
        drivers: Columns (drivers,): `id`, `lat`, `lon`, `heading_deg`, `age_s`, and `state` (`free`, `offered`, `assigned`,
            `picked_up`, `away`); drivers without a position are left out.
        orders: Waiting orders.
        recent: The latest offers, newest first.
    """

    at_s: float
    drivers: Columns
    orders: Orders
    recent: tuple[Assigned, ...]


def snapshot(track: Track, offers: Offers, recent: tuple[Assigned, ...], *, now_s: float) -> Snapshot:
    """What `track` and `offers` say at `now_s`.

    Args:
        track: The fleet.
        offers: Who has which order.
        recent: The latest offers, newest first.
        now_s: The moment, seconds UTC.

    Cost:
        One pass over the fleet.
    """
    fleet = track.fleet
    x_m, y_m = track.place(fleet.ids)
    seen = np.isfinite(x_m)
    ids = fleet.ids[seen]
    lat, lon = track.plane.latlon(x_m[seen], y_m[seen])
    holds = offers.held()
    free, gone = fleet.flags[seen] & FREE > 0, track.gone(ids)
    states = ["away" if g else "free" if f else "" for f, g in zip(free.tolist(), gone.tolist())]
    state = np.array([offers.state(holds[i]).state if i in holds else s for i, s in zip(ids.tolist(), states)], dtype=str)
    columns: dict[str, NDArray[Any]] = {
        "id": ids, "lat": lat, "lon": lon, "heading_deg": track.heading_deg(ids), "age_s": track.age_s(ids, now_s=now_s), "state": state,
    }  # fmt: skip
    return Snapshot(now_s, columns, offers.waiting(), recent)
