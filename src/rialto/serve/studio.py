"""The studio's page and API: creatives with their gates, what is believed of each, choices, and clicks that move the beliefs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field

from rialto.app.studio import Gallery
from rialto.app.systems import Systems
from rialto.spine.log import Feedback

__all__ = ["router"]


class Choice(BaseModel):
    """What a visitor of a placement is shown."""

    request: str = Field(description="Id of the request; give it back with what came of it.")
    creative: str = Field(description="Id of the creative.")
    picture: str = Field(description="Path of its JPEG.")
    headline: str
    alt_text: str
    propensity: float = Field(description="Probability with which it was chosen.")


class Happened(BaseModel):
    """What came of a choice."""

    request: str
    creative: str
    kind: str = Field(pattern="^(impression|click)$")
    time_s: float = Field(description="Seconds since 1970, UTC.")


def router(systems: Systems, templates: Jinja2Templates) -> APIRouter:
    """Routes under /studio and /api/show."""
    routes = APIRouter(tags=["show"])

    @routes.get("/studio", response_class=HTMLResponse, include_in_schema=False)
    def page(request: Request, placement: str = "") -> Response:
        gallery = systems.studio
        where = placement or gallery.brief.surfaces[0].name
        beliefs = gallery.beliefs(where)
        data = {"here": "studio", "brief": gallery.brief, "where": where, "beliefs": beliefs, "verdicts": gallery.verdicts}
        return templates.TemplateResponse(request, "studio.html", data)

    @routes.post("/studio/visit", include_in_schema=False)
    def visit(placement: Annotated[str, Query()], count: Annotated[int, Query(ge=1, le=5000)] = 500) -> Response:
        for _ in range(max(count // 100, 1)):
            systems.studio.visit(placement, min(count, 100), seed=systems.engines.settings.seed)
        return RedirectResponse(f"/studio?placement={placement}#beliefs", status_code=303)

    @routes.get("/studio/picture/{number}.jpg", include_in_schema=False)
    def picture(number: int) -> Response:
        body = systems.studio.picture(number)
        return Response(body, media_type="image/jpeg", headers={"Cache-Control": "public, max-age=86400, immutable"})

    @routes.get("/api/show/choose")
    def choose(placement: str) -> Choice:
        """Choose a creative for one visitor of `placement`, log it, and say with which probability it was chosen."""
        gallery = systems.studio
        outcome = gallery.choose(placement, seed=systems.engines.settings.seed)
        systems.log.write([outcome])
        c = gallery.creative(int(outcome.decisions.ids[0]))
        return Choice(
            request=str(outcome.requests.ids[0]),
            creative=str(c.id),
            picture=f"/studio/picture/{c.id}.jpg",
            headline=c.copy.get("headline", ""),
            alt_text=c.copy.get("alt_text", ""),
            propensity=float(outcome.decisions.propensity[0]),
        )

    @routes.post("/api/show/events", status_code=202)
    def events(happened: list[Happened]) -> dict[str, int]:
        """Take impressions and clicks; each is written durably, then moves what is believed."""
        feedback = [Feedback(h.kind, int(h.request), int(h.creative), 1.0, h.time_s) for h in happened]
        systems.log.write_feedback(feedback)
        return {"counted": systems.studio.studio.learn(feedback)}

    @routes.get("/api/show/creatives")
    def creatives(placement: str) -> list[dict[str, Any]]:
        """Every creative of a placement with its gates, what is believed of it and its chance to be shown."""
        gallery = systems.studio
        return [_told(gallery, b.creative.id) | {"mean": b.mean, "sd": b.sd, "views": b.views, "chance": b.chance}
                for b in gallery.beliefs(placement)]  # fmt: skip

    return routes


def _told(gallery: Gallery, number: int) -> dict[str, Any]:
    c = gallery.creative(number)
    gates = [{"rule": v.rule, "passed": v.passed, "measured": v.measured, "reason": v.reason} for v in gallery.verdicts[number]]
    return {"id": str(c.id), "surface": c.surface, "layout": c.layout, "theme": c.theme, "copy": dict(c.copy), "gates": gates}
