"""The studio's page and API: creatives with their gates, what is believed of each, choices, and clicks that move the beliefs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict, Field

from rialto.app.studio import Belief, Gallery
from rialto.app.systems import Systems
from rialto.errors import BadRow
from rialto.serve.answers import Counted
from rialto.show.records import Verdict
from rialto.spine.log import Feedback

__all__ = ["router"]

_Gallery = Callable[[], AbstractContextManager[Gallery]]
Placement = Annotated[str, Query(max_length=200, description="Name of the placement.")]


class Choice(BaseModel):
    """What a visitor of a placement is shown."""

    request: str = Field(description="Id of the request; give it back with what came of it.")
    creative: str = Field(description="Id of the creative.")
    picture: str = Field(description="Path of its JPEG.")
    headline: str
    alt_text: str
    propensity: float = Field(description="Probability with which it was chosen.")


class GateOut(BaseModel):
    """What one gate said of a creative."""

    rule: str
    passed: bool
    measured: str
    reason: str = Field(description="Why it was refused, for a person to act on; empty where it passed.")


class CreativeOut(BaseModel):
    """A creative, what the gates said of it, and what is believed of it."""

    id: str
    surface: str
    layout: str
    theme: str
    copy_: dict[str, str] = Field(alias="copy", description="Slot -> text.")
    picture: str
    gates: list[GateOut]
    mean: float = Field(description="Believed rate of clicks.")
    sd: float = Field(description="Standard deviation of that belief.")
    views: int
    chance: float = Field(description="Probability that it is the one shown next.")


class Seen(BaseModel):
    """What came of a choice."""

    model_config = ConfigDict(extra="forbid")
    request: str = Field(pattern=r"^\d{1,20}$")
    creative: str = Field(pattern=r"^\d{1,19}$")
    kind: Literal["impression", "click"]
    time_s: float | None = Field(
        None, ge=0, le=1e11, allow_inf_nan=False, description="Seconds since 1970, UTC; now where absent."
    )


def router(systems: Systems, templates: Jinja2Templates, clock: Callable[[], float]) -> APIRouter:
    """Routes under /studio and /api/show; times come from `clock`, seconds since 1970."""
    routes = APIRouter(tags=["show"])
    turn = Lock()  # a gallery counts its requests and learns in place: one caller at a time

    @contextmanager
    def gallery() -> Generator[Gallery, None, None]:
        with turn:
            yield systems.studio

    _pages(routes, gallery, templates, systems.engines.settings.seed)
    _api(routes, gallery, systems, clock)
    return routes


def _pages(routes: APIRouter, gallery: _Gallery, templates: Jinja2Templates, seed: int) -> None:
    @routes.get("/studio", response_class=HTMLResponse, include_in_schema=False)
    def page(request: Request, placement: Placement = "") -> Response:
        with gallery() as studio:
            where = placement or studio.brief.surfaces[0].name
            beliefs = studio.beliefs(where)
        data = {"here": "studio", "brief": studio.brief, "where": where, "beliefs": beliefs, "verdicts": studio.verdicts}
        return templates.TemplateResponse(request, "studio.html", data | {"views": sum(b.views for b in beliefs)})

    @routes.post("/studio/visit", include_in_schema=False)
    def visit(placement: Placement, count: Annotated[int, Query(ge=1, le=5000)] = 500) -> Response:
        for some in (min(100, count - done) for done in range(0, count, 100)):
            with gallery() as studio:
                studio.visit(placement, some, seed=seed)
        return RedirectResponse(f"/studio?placement={quote(placement)}#desk", status_code=303)

    @routes.get("/studio/picture/{number}.jpg", include_in_schema=False)
    def picture(number: int) -> Response:
        with gallery() as studio:
            body = studio.picture(number)
        return Response(body, media_type="image/jpeg", headers={"Cache-Control": "public, max-age=86400, immutable"})


def _api(routes: APIRouter, gallery: _Gallery, systems: Systems, clock: Callable[[], float]) -> None:
    @routes.get("/api/show/choose")
    def choose(placement: Placement) -> Choice:
        """Choose a creative for one visitor of `placement`, log it, and say with which probability it was chosen."""
        with gallery() as studio:
            outcome = studio.choose(placement, seed=systems.engines.settings.seed)
            c = studio.creative(int(outcome.decisions.ids[0]))
        systems.log.write([outcome])
        return Choice(
            request=str(outcome.requests.ids[0]),
            creative=str(c.id),
            picture=_picture(c.id),
            headline=c.copy.get("headline", ""),
            alt_text=c.copy.get("alt_text", ""),
            propensity=float(outcome.decisions.propensity[0]),
        )

    @routes.post("/api/show/events", status_code=202)
    def events(happened: Annotated[list[Seen], Body(min_length=1, max_length=1000)]) -> Counted:
        """Take impressions and clicks; each is written durably, then moves what is believed."""
        with gallery() as studio:
            known = {c.id for c in studio.creatives}
        feedback = [_feedback(row, h, known, clock) for row, h in enumerate(happened, start=1)]
        systems.log.write_feedback(feedback)
        with gallery() as studio:
            return Counted(counted=studio.studio.learn(feedback))

    @routes.get("/api/show/creatives")
    def creatives(placement: Placement) -> list[CreativeOut]:
        """Every creative of a placement with its gates, what is believed of it and its chance to be shown, the likeliest first."""
        with gallery() as studio:
            return [_creative(b, studio.verdicts[b.creative.id]) for b in studio.beliefs(placement)]


def _feedback(row: int, h: Seen, known: set[int], clock: Callable[[], float]) -> Feedback:
    if int(h.creative) not in known:
        raise BadRow(row, "creative", h.creative, "the id of a creative of this campaign")
    if int(h.request) >= 2**64:
        raise BadRow(row, "request", h.request, "the id of a request, below 2^64")
    return Feedback(h.kind, int(h.request), int(h.creative), 1.0, clock() if h.time_s is None else h.time_s)


def _creative(b: Belief, verdicts: list[Verdict]) -> CreativeOut:
    c = b.creative
    gates = [GateOut(rule=v.rule, passed=v.passed, measured=str(v.measured), reason=v.reason) for v in verdicts]
    return CreativeOut(
        id=str(c.id), surface=c.surface, layout=c.layout, theme=c.theme, copy=dict(c.copy), picture=_picture(c.id), gates=gates,
        mean=b.mean, sd=b.sd, views=b.views, chance=b.chance,
    )  # fmt: skip


def _picture(number: int) -> str:
    return f"/studio/picture/{number}.jpg"
