"""A fleet over HTTP: drivers enrolled, positions and orders in, offers and answers, windows and what they decided; JSON or Arrow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from hashlib import blake2b
from threading import Lock
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from rialto.app.fleet import Decided
from rialto.app.sharded_fleet import ShardedFleet, ShardWindow
from rialto.app.systems import Systems
from rialto.app.termed_fleet import TermedFleet
from rialto.errors import BadInput, EngineError, NothingHere
from rialto.match.ledger import REASONS, Held
from rialto.match.offers import Message, Messages
from rialto.match.sure import TOLD
from rialto.serve.dispatching import (
    ANSWERS,
    CODES,
    DRIVERS,
    ORDERS,
    POSITIONS,
    AnswerOut,
    BadRowOut,
    Told,
    drivers_of,
    judged,
    messages_of,
    orders_of,
    pings_of,
    told,
)
from rialto.serve.encoded import sent
from rialto.serve.rows import ARROW, described, read_rows

__all__ = ["router"]

_KEYS_KEPT = 10_000
_MOST_LISTED = 10_000

AnyFleet = TermedFleet | ShardedFleet
AnyWindow = Decided | ShardWindow

Id = Annotated[int, Path(ge=0, lt=2**63)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key", max_length=200, description="A repeat with the same key is answered the same, and does nothing."
    ),
]


class OrderState(BaseModel):
    """How an order stands."""

    order: int
    state: str = Field(description="waiting, offered, assigned, picked_up, delivered or cancelled.")
    driver: int | None
    offer: int | None = Field(description="Number of the offer that led here.")
    since_s: float
    until_s: float | None = Field(description="Last moment to accept, while it is offered.")


class OrderAhead(OrderState):
    """How an order stands, and when it is reached: moments in seconds UTC, null where nobody knows.

    They are told while a driver has this order and his position is known, by all the stops that he makes; low and high only with a live
    correction of drives.
    """

    pickup_eta_s: float | None = Field(default=None, description="When it is on board; not before it is ready.")
    pickup_low_s: float | None = Field(default=None, description="Between this moment ...")
    pickup_high_s: float | None = Field(default=None, description="... and this, as often as `level` says.")
    door_eta_s: float | None = Field(default=None, description="When it is at its drop.")
    door_low_s: float | None = Field(default=None, description="Between this moment ...")
    door_high_s: float | None = Field(default=None, description="... and this, as often as `level` says.")
    level: float | None = Field(default=None, description="How often an interval holds, 0 to 1.")
    age_s: float | None = Field(default=None, description="How old the driver's position is.")


class DriverOffers(BaseModel):
    """What was offered to a driver, and what he has."""

    driver: int
    offers: list[OrderState]


class StopOut(BaseModel):
    """A stop that a driver has yet to make."""

    order: int
    kind: str = Field(description="pickup or dropoff.")
    lat: float | None = Field(description="Where; null where the order did not say.")
    lon: float | None
    eta_s: float | None = Field(description="When he will be there, seconds UTC; null where that cannot be told.")
    state: str = Field(description="How the order stands: offered (the stops are where they would be), assigned or picked_up.")


class DriverRoute(BaseModel):
    """The stops that a driver has yet to make, in order."""

    driver: int
    stops: list[StopOut]


class Answered(BaseModel):
    """What became of messages, row by row."""

    rows: int
    done: int
    answers: list[AnswerOut]
    bad: list[BadRowOut]
    ended: list[dict[str, int]] = Field(
        description="Offers that ended because of somebody else's message: `order`, `driver`, `offer`. Tell them."
    )


class Assignment(BaseModel):
    """An order that was offered to a driver in a window."""

    at_s: float
    order: int
    driver: int
    pickup_s: float | None = Field(description="Seconds to the pickup, as it was decided.")
    pickup_low_s: float | None = Field(description="The drive takes between this ...")
    pickup_high_s: float | None = Field(description="... and this, as often as `level` says; null where no interval was learned.")
    level: float | None = Field(description="How often an interval holds, 0 to 1.")
    age_s: float | None = Field(description="How old the driver's position was when it was decided.")
    accepts: float = Field(description="Probability that the driver says yes.")
    state: str = Field(description="How the order stands now, as far as it is still with this driver; else `moved_on`.")


class WindowOut(BaseModel):
    """A window that was decided."""

    at_s: float = Field(description="Its moment, which names it.")
    waiting: int
    offered: int
    fallbacks: list[str] = Field(
        default=[],
        description="Steps that their fallback answered, as `travel` does by straight lines: an engine is away or slow.",
    )


class Assignments(BaseModel):
    """What windows decided."""

    windows: list[WindowOut]
    assignments: list[Assignment]
    more: bool = Field(description="Whether there are more after the last window here: ask again with its `at_s` as `since_s`.")


def router(systems: Systems, clock: Callable[[], float]) -> APIRouter:
    """Routes under /api/match for a fleet; 404 where the service has none."""
    routes = APIRouter(tags=["fleet"], prefix="/api/match")
    repeats = _Repeats()

    @routes.post("/drivers", response_model=Told, openapi_extra=described("Driver", DRIVERS))
    async def enrol(request: Request) -> Response:
        """Enrol drivers, or renew them; a bad row is named and the rest goes in. A repeat changes nothing."""
        fleet, body, kind = systems.fleet, await request.body(), _kind(request)

        def work() -> Response:
            rows = read_rows(body, kind, DRIVERS)
            drivers = drivers_of(rows)
            if len(drivers):
                fleet.enrol(drivers)
            return sent(told(rows, {"enrolled": len(drivers)}, taken=len(drivers)))

        return await run_in_threadpool(work)

    @routes.post("/positions", response_model=Told, openapi_extra=described("Position", POSITIONS))
    async def positions(request: Request) -> Response:
        """Take positions, one or many; each row is counted under what became of it, and those refused are named."""
        fleet, body, kind = systems.fleet, await request.body(), _kind(request)

        def work() -> Response:
            rows = read_rows(body, kind, POSITIONS)
            return sent(judged(rows, fleet.pings(pings_of(rows))))

        return await run_in_threadpool(work)

    @routes.post("/orders", response_model=Told, openapi_extra=described("Order", ORDERS))
    async def place(request: Request, key: Key = "") -> Response:
        """Place orders, one or many. An order's number, or its key, makes it one order however often it is sent: a repeat is `known`."""
        fleet, body, kind = systems.fleet, await request.body(), _kind(request)

        def work() -> dict[str, Any]:
            rows = read_rows(body, kind, ORDERS)
            orders = orders_of(rows, fleet.plane, now_s=clock(), reach_m=fleet.reach_m, key=key)
            new = int(fleet.place(orders).sum()) if len(orders) else 0
            ids = None if rows.given["id"].all() else np.where(rows.bad, -1, rows.columns["id"]).tolist()
            return told(rows, {"placed": new, "known": len(orders) - new}, taken=new, ids=ids)

        return sent(await run_in_threadpool(repeats.once, "orders", key, body, work))

    @routes.get("/orders/{order}")
    def order_state(order: Id) -> OrderAhead:
        """How one order stands, and when it will be picked up and brought."""
        fleet = systems.fleet
        state = _state(order, fleet.held(order)).model_dump()
        try:
            found = fleet.arrival(order)
        except EngineError:  # how it stands is known all the same; when it comes is not
            found = None
        ahead = {} if found is None else {name: _finite(value) for name, value in asdict(found).items()}
        return OrderAhead.model_validate({**state, **ahead})

    @routes.post("/orders/{order}/cancel")
    def cancel(order: Id, key: Key = "") -> Answered:
        """Cancel an order that was not picked up; a repeat is answered the same."""
        fleet = systems.fleet
        fleet.held(order)
        return _answered(fleet, Messages.of([Message(key or f"cancel:{order}", "cancelled", order)]), [1], 1, [])

    @routes.get("/drivers/{driver}/offers")
    def offers(driver: Id) -> DriverOffers:
        """What is offered to a driver now, and what he has."""
        return DriverOffers(driver=driver, offers=[_state(order, held) for order, held in systems.fleet.standing(driver)])

    @routes.get("/drivers/{driver}/route")
    def route(driver: Id) -> DriverRoute:
        """The stops that a driver has yet to make, in order, with when he will be there."""
        stops = [asdict(stop) for stop in systems.fleet.route(driver)]
        told = [{name: _finite(v) if isinstance(v, float) else v for name, v in stop.items()} for stop in stops]
        return DriverRoute(driver=driver, stops=[StopOut.model_validate(stop) for stop in told])

    @routes.post("/answers", response_model=Answered, openapi_extra=described("Answer", ANSWERS))
    async def answers(request: Request, key: Key = "") -> Response:
        """Act on what drivers and customers say, each once by its key; what may not be done any more is answered with the reason."""
        fleet, body, kind = systems.fleet, await request.body(), _kind(request)

        def work() -> Response:
            rows = read_rows(body, kind, ANSWERS)
            messages = messages_of(rows, key=key)
            places = (rows.good + 1).tolist()
            bad = [BadRowOut(row=f.row, field=f.field, reason=f.reason, problem=f.problem) for f in rows.named()]
            return sent(_answered(fleet, messages, places, rows.size, bad).model_dump())

        return await run_in_threadpool(work)

    @routes.post("/windows")
    def decide() -> WindowOut:
        """Decide a window now, besides those that are decided every few seconds."""
        return _window(systems.fleet.window())

    @routes.get("/assignments", response_model=Assignments, responses={200: {"content": {ARROW: {}}}})
    def assignments(
        request: Request,
        since_s: Annotated[float, Query(ge=0, le=1e11, allow_inf_nan=False, description="Windows after this moment.")] = 0.0,
        window: Annotated[
            float | None, Query(ge=0, le=1e11, allow_inf_nan=False, description="The one window of this moment.")
        ] = None,
    ) -> Response:
        """Who was offered what, by window, of the last hour; as an Arrow stream where `Accept` asks for one."""
        fleet = systems.fleet
        kept = fleet.since(since_s) if window is None else fleet.since(window, window=True)
        if window is not None and not kept:
            raise NothingHere(
                f"there is no window at {window!r}; windows are kept for an hour. Ask with `since_s` for those there are."
            )
        some, rows = list[AnyWindow](), 0
        for d in kept:
            if some and rows + len(d.orders) > _MOST_LISTED:
                break
            some.append(d)
            rows += len(d.orders)
        if ARROW in request.headers.get("accept", ""):
            return Response(_stream(some), media_type=ARROW)
        return sent(
            {
                "windows": [_window(d).model_dump() for d in some],
                "assignments": _listed(fleet, some),
                "more": len(some) < len(kept),
            }
        )

    return routes


class _Repeats:
    """The latest answers by key: the same key with the same body is answered again, with another body it is refused."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[bytes, dict[str, Any]]] = OrderedDict()
        self._lock = Lock()

    def once(self, what: str, key: str, body: bytes, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """`work`'s answer, or the one that was given to this key before."""
        if not key:
            return work()
        digest = blake2b(body, digest_size=16).digest()
        with self._lock:
            before = self._kept.get((what, key))
        if before is not None and before[0] != digest:
            raise BadInput(f"the key {key!r} was used for another body. Give each batch a key of its own.")
        if before is not None:
            return before[1]
        answer = work()
        with self._lock:
            self._kept[what, key] = digest, answer
            if len(self._kept) > _KEYS_KEPT:
                self._kept.popitem(last=False)
        return answer


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "")


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _state(order: int, held: Held) -> OrderState:
    return OrderState(
        order=order,
        state=held.state,
        driver=held.driver if held.driver >= 0 else None,
        offer=held.offer if held.offer >= 0 else None,
        since_s=held.since_s,
        until_s=_finite(held.until_s) if held.state == "offered" else None,
    )


def _answered(fleet: AnyFleet, messages: Messages, places: list[int], size: int, bad: list[BadRowOut]) -> Answered:
    """Act on messages and answer each by its row; rows that were left out stand among the answers too."""
    given = fleet.tell(messages)
    each = [AnswerOut(row=row, done=r == 0, code=CODES[r], reason=REASONS[r]) for row, r in zip(places, given.reasons.tolist())]
    each += [AnswerOut(row=b.row, done=False, code="bad_row", reason=b.problem) for b in bad]
    ended = zip(given.order.tolist(), given.driver.tolist(), given.offer.tolist())
    return Answered(
        rows=size,
        done=int(given.done.sum()),
        answers=sorted(each, key=lambda a: a.row),
        bad=bad,
        ended=[{"order": order, "driver": driver, "offer": offer} for order, driver, offer in ended],
    )


def _window(d: AnyWindow) -> WindowOut:
    return WindowOut(at_s=d.at_s, waiting=d.waiting, offered=len(d.orders), fallbacks=list(d.fallbacks))


def _listed(fleet: AnyFleet, windows: list[AnyWindow]) -> list[dict[str, Any]]:
    """The windows' assignments as `Assignment` describes them."""
    out = list[dict[str, Any]]()
    for d in windows:
        sure = [dict(zip(TOLD, row)) for row in zip(*(d.sure[name].tolist() for name in TOLD))]
        for order, driver, times, likely in zip(d.orders.tolist(), d.drivers.tolist(), sure, d.likely.tolist()):
            try:
                held = fleet.held(order)
            except NothingHere:  # it ended, and was forgotten
                held = Held("unknown")
            state = held.state if held.driver == driver else "moved_on"
            out.append({"at_s": d.at_s, "order": order, "driver": driver, **times, "accepts": likely, "state": state})
    return out


def _stream(windows: list[AnyWindow]) -> bytes:
    """The windows' assignments as an Arrow IPC stream: at_s, order, driver, pickup_s, accepts, and the rest of `TOLD`; NaN = not known."""
    whole, number, rest = pa.int64(), pa.float64(), TOLD[1:]
    told_ = [("at_s", number), ("order", whole), ("driver", whole), ("pickup_s", number), ("accepts", number)]
    schema = pa.schema([*told_, *((name, number) for name in rest)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for d in windows:
            columns = [np.full(len(d.orders), d.at_s), d.orders, d.drivers, d.pickup_s, d.likely, *(d.sure[n] for n in rest)]
            writer.write_batch(pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=schema))
    return sink.getvalue().to_pybytes()
