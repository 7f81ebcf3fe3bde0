"""Drivers' plans laid out in columns, and the drives that bending them takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.match.detours import NO_STOP, PICKUP, Plans
from rialto.match.ledger import ASSIGNED, PICKED_UP
from rialto.match.records import CAPACITY, EARTH_RADIUS_M
from rialto.match.track import Track
from rialto.records import Columns

__all__ = ["Laid", "Seconds", "laid", "legs_of", "straight"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

Seconds = Callable[[Floats, Floats], Floats]
"""Drives from places to places, shape (drives, 2) each, degrees."""

_Block = tuple[Floats, Floats, NDArray[np.bool_]]
"""Where drives begin and end, of shapes that go with that of the mask of those that are wanted, and 2."""


@dataclass(frozen=True, slots=True)
class Laid:
    """Plans of drivers with orders, as they stood at one moment.

    Args:
        drivers: Shape (plans,), rising.
        held: Orders of each, shape (plans,).
        points: Where the driver is, and his stops, shape (plans, most + 1, 2), degrees; NaN where there is none.
        origin: Where the order of each drop-off is picked up, shape (plans, most, 2), degrees; NaN at pickups.
        ridden_s: How long the order of each drop-off has been on board, shape (plans, most).
        rank: What the stops are ordered by, shape (plans, most).
        plans: All else; `leg` and `direct_s` are not there yet: `legs_of` makes them.
    """

    drivers: Ints
    held: Ints
    points: Floats
    origin: Floats
    ridden_s: Floats
    rank: Floats
    plans: Plans

    @classmethod
    def none(cls) -> Laid:
        """Nobody's."""
        nobody, nothing = np.zeros(0, dtype=np.int64), np.zeros((0, 1))
        plans = Plans(
            nobody, nobody, np.zeros((0, 2, 1)), np.zeros((0, 1), dtype=np.int64), np.zeros((0, 1, 3)),
            nothing, nothing, nothing, np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0),
        )  # fmt: skip
        return cls(nobody, nobody, np.zeros((0, 2, 2)), np.zeros((0, 1, 2)), nothing, nothing, plans)

    def of(self, drivers: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Row of each driver's plan, shape (drivers,), and whether he has one here."""
        if not len(self.drivers):
            return np.zeros(len(drivers), dtype=np.int64), np.zeros(len(drivers), dtype=np.bool_)
        row = np.minimum(np.searchsorted(self.drivers, drivers), len(self.drivers) - 1)
        return row, self.drivers[row] == drivers


def laid(standing: Columns, pickup: Floats, drop: Floats, track: Track, at_s: float) -> Laid:
    """Plans from orders that drivers accepted, their stops by rank.

    Args:
        standing: As `Offers.standing` tells it, of enrolled drivers alone.
        pickup, drop: Ranks of their stops, shape (standing,) each.
        track: Where drivers are, what they have room for and until when.
        at_s: Now, s.
    """
    if not len(standing["driver"]):
        return Laid.none()
    drivers, of = np.unique(standing["driver"], return_inverse=True)
    ahead = np.flatnonzero(standing["state"] == ASSIGNED)
    row = np.concatenate([ahead, np.arange(len(of))])
    drops = np.repeat([False, True], [len(ahead), len(of)])
    rank = np.concatenate([pickup[ahead], drop])
    order = np.lexsort((rank, of[row]))
    row, drops, rank = row[order], drops[order], rank[order]
    plan = of[row]
    size = np.bincount(plan, minlength=len(drivers))
    place = np.arange(len(row)) - (np.cumsum(size) - size)[plan]
    shape = (len(drivers), int(size.max()))

    def sheet(fill: float, values: Floats) -> Floats:
        made = np.full((*shape, *values.shape[1:]), fill)
        made[plan, place] = values
        return made

    loads = np.stack([standing[name] for name in CAPACITY], axis=1).astype(np.float64)
    picked = standing["state"] == PICKED_UP
    ends = [np.stack([standing[a], standing[b]], axis=1) for a, b in (("lat", "lon"), ("drop_lat", "drop_lon"))]
    mate, at_pickup = np.full(shape, NO_STOP), np.full(len(of), -1)  # -1 = on board
    at_pickup[row[~drops]] = place[~drops]
    mate[plan, place] = np.where(drops, at_pickup[row], PICKUP)
    ready_s = np.where(drops, -np.inf, np.nan_to_num(standing["ready_s"][row] - at_s, nan=-np.inf))
    due_s = np.where(drops, standing["due_s"][row] - at_s, np.inf)
    ridden_s = np.where(drops & picked[row], at_s - standing["since_s"][row], 0.0)
    x_m, y_m = track.place(drivers)
    here = np.stack(track.plane.latlon(np.where(np.isfinite(x_m), x_m, np.nan), np.where(np.isfinite(y_m), y_m, np.nan)), axis=1)
    stops = sheet(np.nan, np.where(drops[:, np.newaxis], ends[1][row], ends[0][row]))
    aboard, room, by_s = track.space(drivers)
    np.add.at(aboard, of[picked], loads[picked])
    plans = Plans(
        size, np.minimum(size, 1), np.zeros((len(drivers), 0, 0)), mate,
        sheet(0.0, np.where(drops[:, np.newaxis], -1.0, 1.0) * loads[row]), sheet(-np.inf, ready_s), sheet(np.inf, due_s),
        np.zeros((len(drivers), 0)), aboard, room, by_s - at_s,
    )  # fmt: skip
    origin = sheet(np.nan, np.where(drops[:, np.newaxis], ends[0][row], np.nan))
    points = np.concatenate([here[:, np.newaxis], stops], axis=1)
    return Laid(drivers, np.bincount(of), points, origin, sheet(0.0, ridden_s), sheet(np.inf, rank), plans)


def straight(start: Floats, goal: Floats) -> Floats:
    """Metres in straight lines, which are seconds at 1 m/s: for comparing drives without an engine; 0 where a place is unknown.

    Example:
        >>> straight(np.array([[52.0, 13.0], [52.0, 13.0]]), np.array([[52.01, 13.0], [np.nan, 13.0]])).round().tolist()
        [1112.0, 0.0]
    """
    north = np.radians(goal[:, 0] - start[:, 0])
    east = np.radians((goal[:, 1] - start[:, 1] + 540.0) % 360.0 - 180.0) * np.cos(np.radians(start[:, 0]))
    return np.nan_to_num(EARTH_RADIUS_M * np.hypot(north, east))


def legs_of(plans: Laid, used: Ints, plan: Ints, ends: Floats, seconds: Seconds) -> tuple[Floats, Floats, tuple[Floats, ...]]:
    """The drives that bending plans takes, asked for at once: only those that an insertion can want.

    Args:
        plans: The plans.
        used: Rows of those that are wanted, shape (used,).
        plan: For each pair, its place among `used`, shape (pairs,).
        ends: Pickup and drop-off of each pair's order, shape (pairs, 4): lat, lon, lat, lon; NaN = unknown, and then its drives are NaN.
        seconds: The engine.

    Returns:
        `Plans.leg` and `Plans.direct_s` of those used, and `to_pickup`, `from_pickup`, `to_drop`, `from_drop`, `trip_s` of `Legs`.
    """
    size, frozen, points = plans.plans.size[used], plans.plans.frozen[used], plans.points[used]
    most = points.shape[1] - 1
    stops = points[:, 1:]
    a, b = np.arange(most + 1)[:, np.newaxis], np.arange(most)
    n, f = size[:, np.newaxis, np.newaxis], frozen[:, np.newaxis, np.newaxis]
    within = (a <= n) & (b < n) & (a != b + 1) & ((a >= f) | (b == a))
    later = (np.arange(most) >= frozen[:, np.newaxis]) & (np.arange(most) < size[:, np.newaxis])
    origin = plans.origin[used]
    known = np.isfinite(ends).all(axis=1, keepdims=True)
    p, d = ends[:, np.newaxis, :2], ends[:, np.newaxis, 2:]
    from_any = (np.arange(most + 1) >= frozen[:, np.newaxis]) & (np.arange(most + 1) <= size[:, np.newaxis])
    own = stops[plan]
    blocks: list[_Block] = [
        (points[:, :, np.newaxis], stops[:, np.newaxis], within),
        (origin, stops, np.isfinite(origin[:, :, 0])),
        (points[plan], p, from_any[plan] & known),
        (p, own, later[plan] & known),
        (own, d, later[plan] & known),
        (d, own, later[plan] & known),
        (ends[:, :2], ends[:, 2:], known.reshape(-1)),
    ]
    leg, direct_s, *rest = _asked(blocks, seconds)
    return leg, direct_s - plans.ridden_s[used], tuple(rest)


def _asked(blocks: list[_Block], seconds: Seconds) -> list[Floats]:
    """Seconds of each block's drives, of the shape of its mask; NaN where that is false."""
    start = np.concatenate([np.broadcast_to(a, (*mask.shape, 2))[mask] for a, _, mask in blocks])
    goal = np.concatenate([np.broadcast_to(b, (*mask.shape, 2))[mask] for _, b, mask in blocks])
    told = seconds(start, goal) if len(start) else np.zeros(0)
    made, at = list[Floats](), 0
    for _, _, mask in blocks:
        count = int(mask.sum())
        sheet = np.full(mask.shape, np.nan)
        sheet[mask] = told[at : at + count]
        made.append(sheet)
        at += count
    return made
