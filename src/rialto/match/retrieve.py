"""Who could take each order: the nearest eligible drivers, then the reasons against a pair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.blocked import Blocked
from rialto.match.records import FREE
from rialto.match.track import Track
from rialto.ports import GeoIndex
from rialto.records import Candidates, Context, Requests
from rialto.spine.params import Param
from rialto.spine.retrieve import Filter, Source

__all__ = [
    "FRESH_S",
    "K",
    "RADIUS_M",
    "REACH_S",
    "SPEED_MPS",
    "at_of",
    "blocked",
    "nearest",
    "refused_before",
    "shift_end",
    "too_far",
]

K = Param("match.retrieve.k", 16, low=1, high=1000, unit="drivers", doc="Nearest eligible drivers fetched for each order.")
RADIUS_M = Param(
    "match.retrieve.radius_m", 8000.0, low=1.0, high=1e6, unit="m", doc="Farthest driver fetched, in a straight line."
)
FRESH_S = Param(
    "match.retrieve.fresh_s", 60.0, low=0.0, high=86_400.0, unit="s", doc="Oldest position that a driver is found by."
)
REACH_S = Param("match.filter.reach_s", 1200.0, low=0.0, high=86_400.0, unit="s", doc="Longest pickup worth looking at.")
SPEED_MPS = Param(
    "match.filter.speed_mps", 14.0, low=0.1, high=100.0, unit="m/s", doc="Speed in a straight line that no driver beats for long."
)


def at_of(requests: Requests) -> float:
    """The moment that a window is decided at, s; `BadInput` where its requests were asked at different times."""
    if len(requests) == 0:
        return 0.0
    if np.any(requests.time_s != requests.time_s[0]):
        raise BadInput("the window's requests were asked at different times; wanted one: a window decides at one moment.")
    return float(requests.time_s[0])


def nearest(geo: GeoIndex, track: Track | None = None) -> Source:
    """The `K` nearest drivers who are free, fresh and hold every bit that the order needs; eligibility is inside the search.

    Columns: `distance_m` in a straight line and, with `track`, `age_s` of the driver's position.
    """

    def fetch(requests: Requests, context: Context) -> Candidates:
        at_s = at_of(requests)
        need = requests.column("need").astype(np.uint64) | FREE
        fresh_after_s = at_s - FRESH_S.one(requests)
        x_m, y_m = requests.column("x_m"), requests.column("y_m")
        hits = geo.nearest(x_m, y_m, k=K.one(requests), need=need, radius_m=RADIUS_M.one(requests), fresh_after_s=fresh_after_s)
        found = Candidates(hits.offsets, hits.ids, {"distance_m": hits.scores})
        return found if track is None else found.with_columns({"age_s": track.age_s(hits.ids, now_s=at_s)})

    return Source("nearest", fetch)


def blocked(pairs: Callable[[], Blocked]) -> Filter:
    """Removes drivers whom the customer, or the shop for this customer, does not want."""

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        return ~pairs().has(requests.column("customer")[candidates.owner], candidates.ids)

    return Filter("blocked", keep, otherwise=False)


def refused_before(pairs: Callable[[], Blocked]) -> Filter:
    """Removes drivers who declined this order, let its offer expire or gave it back; fails open, as asking twice does no harm."""

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        return ~pairs().has(requests.column("order")[candidates.owner], candidates.ids)

    return Filter("refused_before", keep, otherwise=True)


def too_far() -> Filter:
    """Removes drivers who could not be there within `REACH_S` even at `SPEED_MPS`; exact seconds are a feature, and cost."""

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        reach_m = (REACH_S.of(requests) * SPEED_MPS.of(requests))[candidates.owner]
        return np.asarray(candidates.column("distance_m") <= reach_m)

    return Filter("too_far", keep)


def shift_end(track: Track) -> Filter:
    """Removes drivers whose shift ends before the fastest thinkable trip to the pickup, and on to the drop where it is known."""

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        trip_m = np.hypot(
            requests.column("drop_x_m") - requests.column("x_m"), requests.column("drop_y_m") - requests.column("y_m")
        )
        on_road_m = candidates.column("distance_m") + np.nan_to_num(trip_m)[candidates.owner]
        free_s = requests.time_s[candidates.owner] + on_road_m / SPEED_MPS.of(requests)[candidates.owner]
        return np.asarray(free_s <= track.shift_end_s(candidates.ids))

    return Filter("shift_end", keep)
