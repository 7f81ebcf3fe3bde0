"""A dispatch system as the map shows it: who is where since when, with which order, on the way to what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.app.journeys import Journey
from rialto.app.scenes import LATEST, STATES, Scene
from rialto.match.pipeline import Assigned, Dispatch, Snapshot
from rialto.match.records import FREE, Orders
from rialto.records import Columns
from rialto.spine.pipeline import Outcome

__all__ = ["Goals", "order_columns", "scene_of", "small", "town_scene"]

_ENDS = ("lat", "lon", "drop_lat", "drop_lon")


class Goals:
    """Where the orders that drivers hold are picked up and go, as their windows told; not to be called from two threads at once."""

    def __init__(self) -> None:
        self._ends: dict[int, tuple[float, float, float, float]] = {}

    def keep(self, outcome: Outcome, orders: NDArray[np.int64], held: NDArray[np.int64]) -> None:
        """Remember the orders that a window offered; of the others those that are `held` stay."""
        rows = np.repeat(np.arange(len(outcome.requests)), outcome.decisions.counts)
        ends = np.stack([outcome.requests.column(name)[rows].astype(np.float64) for name in _ENDS], axis=1)
        new = self._ends | {order: (a, b, c, d) for order, (a, b, c, d) in zip(orders.tolist(), ends.tolist())}
        if len(new) > 2 * len(held) + 1000:
            stays = set(held.tolist())
            new = {order: places for order, places in new.items() if order in stays}
        self._ends = new  # another one: who reads the old one meanwhile is not disturbed

    def of(self, order: int, *, dropped: bool) -> tuple[float, float]:
        """Where the driver of an order goes now, NaN where it is not known."""
        nan = float("nan")
        ends = self._ends.get(order, (nan, nan, nan, nan))
        return (ends[2], ends[3]) if dropped else (ends[0], ends[1])


def scene_of(dispatch: Dispatch, goals: Goals, latest: tuple[Assigned, ...], now_s: float) -> Scene:
    """The scene now.

    Cost:
        O(drivers) in columns, and some 5 us an order that a driver holds.
    """
    track, offers = dispatch.track, dispatch.offers
    fleet = track.fleet
    x_m, y_m = track.place(fleet.ids)
    seen = np.isfinite(x_m) & np.isfinite(y_m)
    ids = fleet.ids[seen]
    lat, lon = track.plane.latlon(x_m[seen], y_m[seen])
    state = np.where(fleet.flags[seen] & FREE > 0, 0, STATES.index("away")).astype(np.uint8)
    off = (now_s < fleet.shift_start_s) | (now_s >= fleet.shift_end_s)
    off |= (now_s >= fleet.break_start_s) & (now_s < fleet.break_end_s)
    off |= track.gone(fleet.ids)
    state[off[seen]] = STATES.index("away")
    order, goal = np.full(len(ids), -1, dtype=np.int64), np.full((len(ids), 2), np.nan)
    for driver, held in offers.held().items():
        at = int(np.searchsorted(ids, driver))
        if at < len(ids) and ids[at] == driver and (told := offers.state(held).state) in STATES:
            state[at], order[at] = STATES.index(told), held
            goal[at] = goals.of(held, dropped=told == "picked_up")
    drivers: Columns = {
        "id": ids, "lat": lat, "lon": lon, "age_s": track.age_s(ids, now_s=now_s).astype(np.float32), "state": state,
        "order": order, "goal_lat": goal[:, 0], "goal_lon": goal[:, 1],
    }  # fmt: skip
    return Scene(now_s, small(drivers), order_columns(offers.waiting(), now_s), latest, int((~seen).sum()))


def order_columns(waiting: Orders, now_s: float) -> Columns:
    """Waiting orders as a scene has them."""
    waits_s = np.maximum(now_s - waiting.placed_s, 0.0)
    return small({"id": waiting.ids, "lat": waiting.lat, "lon": waiting.lon, "waits_s": waits_s})


def small(columns: Columns) -> Columns:
    """The columns with places and times in half the bytes: a metre and less in the places of a map."""
    return {n: c.astype(np.float32) if c.dtype == np.float64 else c for n, c in columns.items()}


def town_scene(snapshot: Snapshot, journeys: list[Journey]) -> Scene:
    """The scene of a made-up city: who is free is in the snapshot, who has an order is on a journey, without a position of his own."""
    d, busy = snapshot.drivers, np.array([j.driver for j in journeys], dtype=np.int64)
    free = ~np.isin(d["id"], busy)
    names = [s if s in STATES else "away" for s in d["state"][free].tolist()]
    nothing = np.full(int(free.sum()), np.nan)
    still = {
        "id": d["id"][free], "lat": d["lat"][free], "lon": d["lon"][free], "age_s": d["age_s"][free],
        "state": _states(names), "order": np.full(len(names), -1, dtype=np.int64), "goal_lat": nothing, "goal_lon": nothing,
    }  # fmt: skip
    places = np.array([(j.lat, j.lon, np.nan, j.goal_lat, j.goal_lon) for j in journeys], dtype=np.float64).reshape(-1, 5)
    moving = dict(zip(("lat", "lon", "age_s", "goal_lat", "goal_lon"), places.T))
    moving |= {"id": busy, "state": _states([j.state for j in journeys])}
    moving["order"] = np.array([j.order for j in journeys], dtype=np.int64)
    drivers = {name: np.concatenate([column, moving[name]]) for name, column in still.items()}
    return Scene(snapshot.at_s, small(drivers), order_columns(snapshot.orders, snapshot.at_s), snapshot.recent[:LATEST])


def _states(names: list[str]) -> NDArray[np.uint8]:
    return np.array([STATES.index(name) for name in names], dtype=np.uint8)
