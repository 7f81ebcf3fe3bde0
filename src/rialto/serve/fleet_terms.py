"""What a dispatch team says of a fleet over HTTP besides orders: pairs that must not meet, loads, pay, zones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from rialto.app.systems import Systems
from rialto.app.terms import Zone
from rialto.errors import BadInput
from rialto.match.hexagons import named, outline
from rialto.match.records import CAPACITY
from rialto.serve.dispatching import BLOCKED, EARNINGS, LOADS, PROMISED_S, READY, Told, keys_given, told
from rialto.serve.encoded import sent
from rialto.serve.rows import Rows, described, read_rows

__all__ = ["router"]

_MOST_CORNERS = 20_000

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key", max_length=200, description="A repeat with the same key is answered the same, and does nothing."
    ),
]
Degrees = Annotated[float, Field(allow_inf_nan=False)]


class ZoneIn(BaseModel):
    """An area whose pick-ups want drivers with its bit among their `flags`: its corners, or the H3 cells that it is made of."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200)
    bit: int = Field(ge=0, le=62, description="The bit that drivers need; several zones may share it.")
    corners: list[tuple[Degrees, Degrees]] = Field(
        default=[], description="(latitude, longitude), degrees, three or more, not closed."
    )
    cells: list[Annotated[str, Field(max_length=20)]] = Field(default=[], description="H3 cells, instead of corners.")


class ZoneOut(BaseModel):
    """A zone as it is drawn."""

    name: str
    bit: int
    parts: list[list[tuple[float, float]]]


class Zoned(BaseModel):
    """The zones that stand."""

    zones: list[ZoneOut]


class Barred(Told):
    """What became of pairs."""

    pairs: int = Field(description="Pairs that are kept apart now.")


def router(systems: Systems, clock: Callable[[], float]) -> APIRouter:
    """Routes under /api/match for a fleet's terms; 404 where the service has no fleet."""
    routes = APIRouter(tags=["fleet"], prefix="/api/match")

    @routes.post("/blocked", response_model=Barred, openapi_extra=described("Pair", BLOCKED))
    async def block(request: Request) -> Response:
        """Keep customers and drivers apart from the next window on, or let them meet again; a repeat changes nothing."""
        fleet, body, kind = systems.fleet, await request.body(), request.headers.get("content-type", "")

        def work() -> Response:
            rows = read_rows(body, kind, BLOCKED)
            barred = rows.of("barred") == 1
            pairs = fleet.block(rows.of("customer"), rows.of("driver"), barred)
            counts = {"barred": int(barred.sum()), "let": int((~barred).sum())}
            return sent({**told(rows, counts, taken=len(barred)), "pairs": pairs})

        return await run_in_threadpool(work)

    @routes.post("/loads", response_model=Told, openapi_extra=described("Load", LOADS))
    async def loads(request: Request) -> Response:
        """Say what drivers have on board; they are offered what fits into the rest of their room. The last row of a driver counts."""
        fleet, body, kind = systems.fleet, await request.body(), request.headers.get("content-type", "")

        def work() -> Response:
            rows = read_rows(body, kind, LOADS)
            _enrolled(fleet.known(rows.columns["driver"]), rows)
            load = np.stack([rows.of(name) for name in CAPACITY], axis=1)
            drivers, last = np.unique(rows.of("driver")[::-1], return_index=True)
            fleet.carry(drivers, load[::-1][last])
            return sent(told(rows, {"taken": len(load)}, taken=len(load)))

        return await run_in_threadpool(work)

    @routes.post("/earnings", response_model=Told, openapi_extra=described("Earning", EARNINGS))
    async def earnings(request: Request, key: Key = "") -> Response:
        """Say what drivers were paid, each row once by its key; who earns less than others is preferred as far as `match.decide.fair_s` says."""
        fleet, body, kind = systems.fleet, await request.body(), request.headers.get("content-type", "")

        def work() -> Response:
            rows = read_rows(body, kind, EARNINGS)
            keys = keys_given(rows, key=key)
            _enrolled(fleet.known(rows.columns["driver"]), rows)
            new = int(fleet.earn([keys[row] for row in rows.good.tolist()], rows.of("driver"), rows.of("cents")).sum())
            return sent(told(rows, {"taken": new, "known": len(rows.good) - new}, taken=new))

        return await run_in_threadpool(work)

    @routes.post("/ready", response_model=Told, openapi_extra=described("Ready", READY))
    async def ready(request: Request) -> Response:
        """Say when orders are ready to be picked up, or will be, as their merchants tell, the last word counting.

        It is kept in the log. The next windows go by it, and kitchens are learned from what was told after it happened.
        """
        fleet, body, kind = systems.fleet, await request.body(), request.headers.get("content-type", "")

        def work() -> Response:
            rows = read_rows(body, kind, READY)
            rows.refuse(
                rows.columns["ready_s"] > clock() + PROMISED_S,
                "ready_s",
                "future",
                f"a time within a day from now, {clock():.0f} s: set the clock",
            )
            known = int(fleet.told_ready(rows.of("order"), rows.of("merchant"), rows.of("ready_s")).sum())
            return sent(told(rows, {"taken": known, "unknown_order": len(rows.good) - known}, taken=known))

        return await run_in_threadpool(work)

    @routes.get("/zones")
    def zones() -> Zoned:
        """The zones that orders placed now are looked up in."""
        return _zoned(systems)

    @routes.put("/zones")
    def draw(zones: Annotated[list[ZoneIn], Field(max_length=1000)]) -> Zoned:
        """Have these zones and no others, for orders placed from now on; an empty list has none. A repeat changes nothing."""
        systems.fleet.draw([_zone(number, zone) for number, zone in enumerate(zones, 1)])
        return _zoned(systems)

    return routes


def _enrolled(known: Any, rows: Rows) -> None:
    rows.refuse(~np.asarray(known), "driver", "unknown_driver", "an enrolled driver: post him to `drivers` first")


def _zoned(systems: Systems) -> Zoned:
    drawn = systems.fleet.terms.zones
    return Zoned(zones=[ZoneOut(name=z.name, bit=z.bit, parts=[list(part) for part in z.parts]) for z in drawn])


def _zone(number: int, zone: ZoneIn) -> Zone:
    if bool(zone.corners) == bool(zone.cells):
        raise BadInput(
            f"zone {number}, {zone.name!r}, has {len(zone.corners)} corners and {len(zone.cells)} cells; wanted one of both."
        )
    if len(zone.corners) + 6 * len(zone.cells) > _MOST_CORNERS:
        raise BadInput(f"zone {number}, {zone.name!r}, has too many corners; wanted {_MOST_CORNERS:,} at most. Draw it coarser.")
    for lat, lon in zone.corners:
        if not (-90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0):
            raise BadInput(
                f"zone {number}, {zone.name!r}, has the corner ({lat}, {lon}); wanted (latitude, longitude) in degrees."
            )
    if zone.corners:
        return Zone(zone.name, zone.bit, [list(zone.corners)])
    try:
        cells = named(zone.cells)
    except BadInput as e:
        raise BadInput(f"zone {number}, {zone.name!r}: {e}") from None
    return Zone(zone.name, zone.bit, [outline(cell) for cell in cells.tolist()])
