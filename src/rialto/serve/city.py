"""The city's page and API: where drivers and orders are, the latest offers, and why an order went to its driver."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field

from rialto.app.journeys import Journey
from rialto.app.systems import Systems
from rialto.match.pipeline import Snapshot
from rialto.match.why import Rival

__all__ = ["router"]

_OFFERS = 40
State = Literal["free", "offered", "assigned", "picked_up"]


class Driver(BaseModel):
    """A driver on the map."""

    id: int
    lat: float
    lon: float
    state: State
    order: int | None = Field(default=None, description="The order that he has, where he has one.")
    goal: tuple[float, float] | None = Field(default=None, description="Latitude and longitude of where he is going with it.")


class Order(BaseModel):
    """An order that waits for a driver."""

    id: int
    lat: float
    lon: float
    waits_s: float


class Offer(BaseModel):
    """An order that was offered to a driver."""

    order: int
    driver: int
    at_s: float
    pickup_s: float


class CityNow(BaseModel):
    """The city at one moment of its simulated day."""

    at_s: float = Field(description="Seconds since midnight.")
    drivers: list[Driver] = Field(description="Those who are free, then those with an order.")
    orders: list[Order]
    offers: list[Offer] = Field(description="The latest forty, newest first.")


class Compared(BaseModel):
    """A driver whom the decider compared for an order."""

    driver: int
    pickup_s: float
    acceptance: float
    cost_s: float
    order: int = Field(description="The order that he was offered instead; -1 = none.")


class Reasons(BaseModel):
    """Why an order went to its driver, or waits."""

    order: int
    text: str
    chosen: Compared | None
    rivals: list[Compared]
    removed: dict[str, int]
    margin_s: float | None = Field(description="How much dearer the choice could have been; null = any.")
    instead: int = Field(description="Who would then have been asked; -1 = the order would have waited.")


def router(systems: Systems, templates: Jinja2Templates) -> APIRouter:
    """Routes under /city and /api/match."""
    routes = APIRouter(tags=["match"])

    @routes.get("/city", response_class=HTMLResponse, include_in_schema=False)
    def page(request: Request) -> Response:
        city = systems.city.city
        lat, lon = city.centre
        data = {"here": "city", "lat": lat, "lon": lon, "radius_m": city.radius_m}
        return templates.TemplateResponse(request, "city.html", data)

    @routes.get("/api/match/snapshot")
    def snapshot() -> CityNow:
        """Where everybody is now, who waits, and the latest forty offers."""
        return _now(*systems.city.journeys())

    @routes.get("/api/match/why/{order}")
    def why(order: Annotated[int, Path(ge=0, lt=2**63)]) -> Reasons:
        """Why an order of the latest windows was decided as it was."""
        w = systems.city.why(order)
        finite = w.margin_s if abs(w.margin_s) < float("inf") else None
        return Reasons(
            order=w.order, text=w.text(), chosen=_compared(w.chosen) if w.chosen else None,
            rivals=[_compared(r) for r in w.rivals], removed=dict(w.removed), margin_s=finite, instead=w.instead,
        )  # fmt: skip

    return routes


def _compared(r: Rival) -> Compared:
    return Compared(driver=r.driver, pickup_s=r.pickup_s, acceptance=r.acceptance, cost_s=r.cost_s, order=r.order)


def _now(s: Snapshot, journeys: list[Journey]) -> CityNow:
    d = s.drivers
    busy = {j.driver for j in journeys}
    rows = zip(d["id"].tolist(), d["lat"].tolist(), d["lon"].tolist(), d["state"].tolist())
    free = [Driver(id=i, lat=a, lon=o, state=cast("State", t or "free")) for i, a, o, t in rows if i not in busy]
    working = [
        Driver(id=j.driver, lat=j.lat, lon=j.lon, state=cast("State", j.state), order=j.order, goal=(j.goal_lat, j.goal_lon))
        for j in journeys
    ]
    o = s.orders
    waits = zip(o.ids.tolist(), o.lat.tolist(), o.lon.tolist(), o.placed_s.tolist())
    return CityNow(
        at_s=s.at_s,
        drivers=free + working,
        orders=[Order(id=i, lat=a, lon=b, waits_s=max(s.at_s - p, 0.0)) for i, a, b, p in waits],
        offers=[Offer(order=r.order, driver=r.driver, at_s=r.at_s, pickup_s=r.pickup_s) for r in s.recent[:_OFFERS]],
    )
