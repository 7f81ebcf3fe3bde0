"""Who could take each order: the nearest eligible drivers, then the reasons against a pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.blocked import Blocked
from rialto.match.records import CAPACITY, FREE
from rialto.match.track import UNTIL_S, Track
from rialto.match.zones import Zones
from rialto.ports import GeoIndex, Hits, Terms
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.params import Param
from rialto.spine.retrieve import Filter, Source, merge

__all__ = [
    "FRESH_S",
    "K",
    "RADIUS_M",
    "REACH_S",
    "SPEED_MPS",
    "at_of",
    "nearest",
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


Pairs = Callable[[], Blocked]
"""Pairs that must not meet, as they stand when asked."""


def nearest(
    geo: GeoIndex,
    track: Track | None = None,
    *,
    zones: Zones | None = None,
    barred: Mapping[str, Pairs] | None = None,
) -> Source:
    """The `K` nearest drivers who may take each order; all of eligibility is inside the search, so that `K` of them come back.

    Eligible: free and on shift, fresh, every bit that the order needs, room for its load, done before the shift's end and the next
    break even at `SPEED_MPS`, and not barred.

    Args:
        geo: The index that `track` moves drivers in.
        track: The fleet; None where drivers have neither shifts nor capacities.
        zones: Zones that an order is picked up in; its driver needs their bits.
        barred: Column of the requests -> pairs of its values and drivers that must not meet.

    Columns: `distance_m` in a straight line and, with `track`, `age_s` of the driver's position.
    """

    def fetch(requests: Requests, context: Context) -> Candidates:
        at_s = at_of(requests)
        x_m, y_m = requests.column("x_m"), requests.column("y_m")
        need = requests.column("need").astype(np.uint64) | FREE
        if zones is not None:
            need = need | zones.of(x_m, y_m)
        terms = Terms(*({}, {}) if track is None else _amounts(requests, track), _barred(requests, barred or {}))
        fresh_after_s = at_s - FRESH_S.one(requests)
        if track is not None and len(requests):
            track.clock(at_s)
        step = 0 if track is None else track.step
        hits = geo.nearest(
            x_m, y_m, k=K.one(requests), need=need, radius_m=RADIUS_M.one(requests), fresh_after_s=fresh_after_s, terms=terms
        )
        found = Candidates(hits.offsets, hits.ids, {"distance_m": hits.scores})
        return found if track is None else _as_seen(found, hits, track, step, (x_m, y_m), at_s)

    return Source("nearest", fetch)


def _as_seen(
    found: Candidates, hits: Hits, track: Track, step: int, doors_m: tuple[NDArray[np.float64], NDArray[np.float64]], at_s: float
) -> Candidates:
    """Distances and ages as of one moment, that of `track.look`, which all later steps of the window see too.

    Positions go on coming in: of those drivers who moved since the search saw them, the distance is measured anew. `step` is the
    track's before the search.
    """
    told = len(hits.time_s) == len(hits.ids)
    if track.look() == step and told:
        return found.with_columns({"age_s": at_s - hits.time_s})
    slots, fleet = track.shown(hits.ids)
    time_s, distance_m = np.ascontiguousarray(fleet.place[:, 2])[slots], hits.scores
    moved = np.flatnonzero(hits.time_s != time_s) if told else np.arange(len(hits.ids))
    if len(moved):
        place, order, distance_m = fleet.place[slots[moved]], found.owner[moved], distance_m.copy()
        distance_m[moved] = np.sqrt((place[:, 0] - doors_m[0][order]) ** 2 + (place[:, 1] - doors_m[1][order]) ** 2)
    return found.with_columns({"distance_m": distance_m, "age_s": at_s - time_s})


def _amounts(requests: Requests, track: Track) -> tuple[Columns, Mapping[str, float]]:
    """What an order asks of its driver's amounts, and what each metre to the pickup adds; only what limits anybody in the fleet."""
    limited = track.amounts
    least = {name: requests.columns[name] for name in CAPACITY if name in limited and name in requests.columns}
    if UNTIL_S not in limited or not len(requests):
        return least, {}
    speed_mps = SPEED_MPS.of(requests)
    done_s = requests.time_s + _trip_m(requests) / speed_mps
    return {**least, UNTIL_S: done_s}, {UNTIL_S: 1.0 / float(speed_mps.max())}


def _trip_m(requests: Requests) -> NDArray[np.float64]:
    """Straight metres from pickup to drop, shape (requests,); 0 where the drop is unknown."""
    east_m, north_m = (requests.column(f"drop_{c}_m") - requests.column(f"{c}_m") for c in "xy")
    return np.nan_to_num(np.sqrt(east_m * east_m + north_m * north_m))


def _barred(requests: Requests, barred: Mapping[str, Pairs]) -> Candidates | None:
    parts = [part for column, pairs in barred.items() if len(part := pairs().of(requests.column(column)))]
    return merge(parts) if len(parts) > 1 else parts[0] if parts else None


def too_far() -> Filter:
    """Removes drivers who could not be there within `REACH_S` even at `SPEED_MPS`; exact seconds are a feature, and cost."""

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        reach_m = (REACH_S.of(requests) * SPEED_MPS.of(requests))[candidates.owner]
        return np.asarray(candidates.column("distance_m") <= reach_m)

    return Filter("too_far", keep)


def shift_end(track: Track) -> Filter:
    """Removes drivers whose shift ends before the fastest thinkable trip to the pickup, and on to the drop where it is known.

    `nearest` over the same fleet asks for that at the window's highest speed: where all have one, there is nothing to remove.
    """

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        on_road_m = candidates.column("distance_m") + _trip_m(requests)[candidates.owner]
        free_s = requests.time_s[candidates.owner] + on_road_m / SPEED_MPS.of(requests)[candidates.owner]
        return np.asarray(free_s <= track.shift_end_s(candidates.ids))

    def idle(requests: Requests) -> bool:
        speed_mps = SPEED_MPS.of(requests)
        return bool((speed_mps == speed_mps[:1]).all())

    return Filter("shift_end", keep, idle=idle)
