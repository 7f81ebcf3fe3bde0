"""The map's page and API: where drivers and orders are or were, who was offered what, and why; of a fleet, or of a made-up city."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from rialto.app.city import LiveCity
from rialto.app.logged_day import LoggedDay
from rialto.app.scenes import STATES, Scene
from rialto.app.sharded_fleet import ShardedFleet
from rialto.app.systems import Systems
from rialto.app.termed_fleet import TermedFleet
from rialto.match.hexagons import cells_of, counted, middles
from rialto.match.hexagons import told as names_of
from rialto.match.why import Rival
from rialto.serve.encoded import sent

__all__ = ["Moments", "router"]

MOST = 1500
"""Drivers, and orders, that one picture of the map holds each; with an order first, the others by their ids."""

CELLS = 24
"""Cells on a side of the map's square."""

At = Annotated[
    float | None, Query(ge=0, le=1e11, allow_inf_nan=False, description="A moment of the last hour; now where absent.")
]


Day = Annotated[
    str | None, Query(max_length=10, description="A day of the logs, YYYY-MM-DD in UTC, instead of what is going on; see `days`.")
]
Resolution = Annotated[int, Query(ge=0, le=15, description="Of the H3 cells: 8 is half a kilometre an edge.")]


MaybeResolution = Annotated[
    int | None, Query(ge=0, le=15, description="Also tell the H3 cell of each place, of this resolution.")
]


class Days(BaseModel):
    """Days that can be looked at again."""

    days: list[str] = Field(description="YYYY-MM-DD, UTC, rising.")


class HexCell(BaseModel):
    """An H3 cell with somebody in it."""

    cell: str = Field(description="Its name, 15 hexadecimal digits.")
    lat: float
    lon: float
    free: int
    busy: int
    waiting: int


class Hexes(BaseModel):
    """The map at one moment, by H3 cell."""

    at_s: float
    resolution: int
    cells: list[HexCell] = Field(description="Those with the most orders waiting first.")


class Driver(BaseModel):
    """A driver on the map."""

    id: int
    lat: float
    lon: float
    state: str = Field(description=f"One of {', '.join(STATES)}; `away` = he left, is on a break, or after the shift.")
    age_s: float | None = Field(description="Age of the position; null where it is reckoned, not measured.")
    order: int | None = Field(default=None, description="The order that the driver has, or is asked for.")
    goal: tuple[float, float] | None = Field(default=None, description="Latitude and longitude of where he is going with it.")
    cell: str | None = Field(default=None, description="The H3 cell that he is in, where `resolution` is asked for.")


class Order(BaseModel):
    """An order that waits for a driver."""

    id: int
    lat: float
    lon: float
    waits_s: float
    cell: str | None = Field(default=None, description="The H3 cell of its pick-up, where `resolution` is asked for.")


class Offer(BaseModel):
    """An order that was offered to a driver."""

    order: int
    driver: int
    at_s: float
    pickup_s: float | None


class Cell(BaseModel):
    """A cell of the map with somebody in it: column from the west and row from the north, of `cells` on a side."""

    column: int
    row: int
    free: int
    waiting: int


class CityNow(BaseModel):
    """The map at one moment."""

    at_s: float = Field(description="Seconds: of a fleet since 1970 in UTC, of the made-up city since midnight.")
    drivers: list[Driver] = Field(description=f"Up to {MOST}, those with an order first.")
    orders: list[Order] = Field(description=f"Up to {MOST}, those who have waited longest first.")
    offers: list[Offer] = Field(description="The latest forty, newest first.")
    counts: dict[str, int] = Field(
        description="State -> drivers, of all; and `waiting` orders, and `silent` drivers without a position."
    )
    fallbacks: list[str] = Field(
        default=[], description="Steps of the window before it that their fallback answered: an engine is away or slow."
    )
    left_out: int = Field(description="Drivers and orders that are counted and in the cells, yet not listed.")
    cells: list[Cell]
    side: int = Field(description="Cells on a side of the map's square.")


class Moments(BaseModel):
    """What the time slider can show, column by column."""

    at_s: list[float]
    busy: list[int]
    free: list[int]
    waiting: list[int]


class Compared(BaseModel):
    """A driver whom the decider compared for an order."""

    driver: int
    pickup_s: float | None
    pickup_low_s: float | None = Field(description="The drive takes between this ...")
    pickup_high_s: float | None = Field(description="... and this, as often as `level` says; null where no interval was learned.")
    age_s: float | None = Field(description="How old his position was.")
    late: float | None = Field(
        description="Probability of being at the door after the promised time; null = nothing was promised."
    )
    acceptance: float
    cost_s: float | None = Field(description="Expected cost in seconds; null = no offer is to be made to him now.")
    order: int = Field(description="The order that he was offered instead; -1 = none.")


class Reasons(BaseModel):
    """Why an order went to its driver, or waits."""

    order: int
    at_s: float = Field(description="The window in which it was decided.")
    text: str
    chosen: Compared | None
    rivals: list[Compared]
    removed: dict[str, int]
    margin_s: float | None = Field(description="How much dearer the choice could have been; null = any.")
    instead: int = Field(description="Who would then have been asked; -1 = the order would have waited.")
    level: float | None = Field(description="How often drives lie within their intervals, 0 to 1.")
    ready_in_s: float | None = Field(description="Seconds until the order was to be ready; null = nobody knew.")
    held: bool = Field(description="Whether it waits on purpose, as it is not ready.")


def router(systems: Systems, templates: Jinja2Templates) -> APIRouter:
    """Routes under /city, and those of /api/match that the page asks."""
    routes = APIRouter(tags=["match"])

    def shown(day: str | None) -> LoggedDay | LiveCity | TermedFleet | ShardedFleet:
        return systems.city if day is None else systems.days.day(day)

    @routes.get("/city", response_class=HTMLResponse, include_in_schema=False)
    def page(request: Request, day: Day = None) -> Response:
        city = shown(day)
        lat, lon = city.centre
        fleet = day is not None or systems.engines.settings.fleet.on
        data = {
            "here": "city",
            "lat": lat,
            "lon": lon,
            "radius_m": city.radius_m,
            "fleet": fleet,
            "day": day or "",
            "days": systems.days.known(),
        }
        return templates.TemplateResponse(request, "city.html", data)

    @routes.get("/api/match/days")
    def days() -> Days:
        """The days of the fleet's logs, which `snapshot`, `moments` and `why` tell of with `day`; none where a made-up city is shown."""
        return Days(days=systems.days.names())

    @routes.get("/api/match/snapshot", response_model=CityNow)
    def snapshot(at_s: At = None, day: Day = None, resolution: MaybeResolution = None) -> Response:
        """Where everybody is now, or was at a moment of the last hour or of a logged day; who waited, and the forty offers before it."""
        city = shown(day)
        told = picture(city.scene(at_s), city.centre, city.radius_m)
        if resolution is not None:
            for rows in (told["drivers"], told["orders"]):
                places = np.array([(r["lat"], r["lon"]) for r in rows], dtype=np.float64).reshape(-1, 2)
                for row, name in zip(rows, names_of(cells_of(places[:, 0], places[:, 1], resolution))):
                    row["cell"] = name
        return sent(told)

    @routes.get("/api/match/cells")
    def hexes(resolution: Resolution = 8, at_s: At = None, day: Day = None) -> Hexes:
        """Drivers and waiting orders counted by H3 cell, as `snapshot` counts them by square; 502 where `h3` is not installed."""
        scene = shown(day).scene(at_s)
        return Hexes(at_s=scene.at_s, resolution=resolution, cells=_hexes(scene, resolution))

    @routes.get("/api/match/moments")
    def moments(day: Day = None) -> Moments:
        """The moments of the last hour, or of a logged day, that `snapshot` can show, and how busy it was."""
        kept = shown(day).moments()
        return Moments(
            at_s=[m.at_s for m in kept],
            busy=[m.busy for m in kept],
            free=[m.free for m in kept],
            waiting=[m.waiting for m in kept],
        )

    @routes.get("/api/match/why/{order}")
    def why(order: Annotated[int, Path(ge=0, lt=2**63)], at_s: At = None, day: Day = None) -> Reasons:
        """Why an order was decided as it was in its last window, of a fleet or a logged day in the last one up to `at_s`."""
        w = shown(day).why(order, at_s=at_s)
        return Reasons(
            order=w.order, at_s=w.at_s, text=w.text(), chosen=_compared(w.chosen) if w.chosen else None,
            rivals=[_compared(r) for r in w.rivals], removed=dict(w.removed), margin_s=_finite(w.margin_s), instead=w.instead,
            level=_finite(w.level), ready_in_s=_finite(w.ready_in_s), held=w.held,
        )  # fmt: skip

    return routes


def _hexes(scene: Scene, resolution: int) -> list[HexCell]:
    d, o = scene.drivers, scene.orders
    lat, lon = (np.concatenate([d[n], o[n]]).astype(np.float64) for n in ("lat", "lon"))
    of = np.concatenate([np.where(d["state"] == 0, 0, np.where(d["state"] < 4, 1, 3)), np.full(len(o["id"]), 2)])
    names = ("free", "busy", "waiting")
    found = counted(cells_of(lat, lon, resolution), **{name: (of == i).astype(np.float64) for i, name in enumerate(names)})
    rows = zip(
        names_of(found.cells),
        *(m.tolist() for m in middles(found.cells)),
        *(found.columns[n].astype(int).tolist() for n in names),
    )
    cells = [HexCell(cell=c, lat=a, lon=b, free=f, busy=y, waiting=w) for c, a, b, f, y, w in rows if f or y or w]
    return sorted(cells, key=lambda c: (-c.waiting, -c.free, c.cell))


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None  # NaN is none either


def _compared(r: Rival) -> Compared:
    return Compared(
        driver=r.driver, pickup_s=_finite(r.pickup_s), pickup_low_s=_finite(r.pickup_low_s), pickup_high_s=_finite(r.pickup_high_s),
        age_s=_finite(r.age_s), late=_finite(r.late), acceptance=r.acceptance, cost_s=_finite(r.cost_s), order=r.order,
    )  # fmt: skip


def picture(scene: Scene, centre: tuple[float, float], radius_m: float) -> dict[str, Any]:
    """A scene as `CityNow` describes it."""
    d, o = scene.drivers, scene.orders
    some = np.argsort(d["order"] < 0, kind="stable")[:MOST]
    first = np.argsort(-o["waits_s"], kind="stable")[:MOST]
    counts = np.bincount(d["state"], minlength=len(STATES)).tolist()
    return {
        "at_s": scene.at_s,
        "drivers": _drivers({name: column[some].tolist() for name, column in d.items()}),
        "orders": [
            {"id": i, "lat": a, "lon": b, "waits_s": w} for i, a, b, w in zip(*(o[n][first].tolist() for n in ("id", "lat", "lon", "waits_s")))
        ],
        "offers": [{"order": r.order, "driver": r.driver, "at_s": r.at_s, "pickup_s": _finite(r.pickup_s)} for r in scene.offers],
        "counts": {**dict(zip(STATES, counts)), "waiting": len(o["id"]), "silent": scene.silent},
        "fallbacks": list(scene.fallbacks),
        "left_out": len(d["id"]) - len(some) + len(o["id"]) - len(first),
        "cells": _cells(scene, centre, radius_m),
        "side": CELLS,
    }  # fmt: skip


def _drivers(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    names = ("id", "lat", "lon", "age_s", "state", "order", "goal_lat", "goal_lon")
    return [
        {
            "id": i, "lat": lat, "lon": lon, "state": STATES[state], "age_s": age, "order": None if order < 0 else order,
            "goal": (to_lat, to_lon) if to_lat == to_lat else None,
        }
        for i, lat, lon, age, state, order, to_lat, to_lon in zip(*(columns[n] for n in names))
    ]  # fmt: skip


def _cells(scene: Scene, centre: tuple[float, float], radius_m: float) -> list[dict[str, int]]:
    """Free drivers and waiting orders by cell; of those beyond the square, nothing."""
    free = _counted(scene.drivers["lat"], scene.drivers["lon"], centre, radius_m, of=scene.drivers["state"] == 0)
    waiting = _counted(scene.orders["lat"], scene.orders["lon"], centre, radius_m)
    some = np.flatnonzero(free + waiting)
    rows = zip((some % CELLS).tolist(), (some // CELLS).tolist(), free[some].tolist(), waiting[some].tolist())
    return [{"column": c, "row": r, "free": f, "waiting": w} for c, r, f, w in rows]


def _counted(
    lat: NDArray[Any], lon: NDArray[Any], centre: tuple[float, float], radius_m: float, *, of: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    reach = radius_m / 111_195.0
    column = np.floor((lon - centre[1]) * np.cos(np.radians(centre[0])) / reach * (CELLS / 2) + CELLS / 2)
    row = np.floor((centre[0] - lat) / reach * (CELLS / 2) + CELLS / 2)
    inside = (column >= 0) & (column < CELLS) & (row >= 0) & (row < CELLS)
    inside = inside if of is None else inside & of
    return np.bincount((row[inside] * CELLS + column[inside]).astype(np.int64), minlength=CELLS * CELLS)
