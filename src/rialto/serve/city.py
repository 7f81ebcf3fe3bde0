"""The city's page and API: where drivers and waiting orders are, the latest offers, and why an order went to its driver."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field

from rialto.app.systems import Systems
from rialto.match.pipeline import Snapshot
from rialto.match.why import Rival

__all__ = ["router"]


class Driver(BaseModel):
    """A driver on the map."""

    id: int
    lat: float
    lon: float
    state: str = Field(description="free, offered, assigned or picked_up")
    age_s: float | None = Field(description="Age of the position, seconds.")


class Order(BaseModel):
    """An order that waits."""

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

    at_s: float
    drivers: list[Driver]
    orders: list[Order]
    offers: list[Offer]


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
        lat, lon = systems.city.city.centre
        return templates.TemplateResponse(
            request, "city.html", {"here": "city", "lat": lat, "lon": lon, "radius_m": systems.city.city.radius_m}
        )

    @routes.get("/api/match/snapshot")
    def snapshot() -> CityNow:
        """Where everybody is now, who waits, and the latest forty offers."""
        return _now(systems.city.snapshot())

    @routes.get("/api/match/why/{order}")
    def why(order: int) -> Reasons:
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


def _now(s: Snapshot) -> CityNow:
    d: dict[str, Any] = {name: column.tolist() for name, column in s.drivers.items()}
    rows = zip(d["id"], d["lat"], d["lon"], d["state"], d["age_s"])
    orders = zip(s.orders.ids.tolist(), s.orders.lat.tolist(), s.orders.lon.tolist(), s.orders.placed_s.tolist())
    return CityNow(
        at_s=s.at_s,
        drivers=[
            Driver(id=i, lat=a, lon=o, state=t, age_s=g if abs(g) < 1e9 else None) for i, a, o, t, g in rows
        ],
        orders=[Order(id=i, lat=a, lon=o, waits_s=max(s.at_s - p, 0.0)) for i, a, o, p in orders],
        offers=[Offer(order=r.order, driver=r.driver, at_s=r.at_s, pickup_s=r.pickup_s) for r in s.recent[:40]],
    )
