"""The HTTP service: three pages and their API over one process, with health, readiness and problem+json errors."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, cast

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field

from rialto import __version__
from rialto.app.systems import Systems
from rialto.find.records import join_path, split_path
from rialto.serve import aisle, ask, city, desk, fleet, fleet_terms, index, problems, rules, shop, shown, studio, synonyms
from rialto.serve.guard import Guard

__all__ = ["create"]

HERE = Path(__file__).parent


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"]
    version: str


class Ready(BaseModel):
    """What is built."""

    ready: bool
    systems: dict[str, str] = Field(description="System -> `ready`, `building`, or why it failed.")


def create(systems: Systems, *, clock: Callable[[], float] = time.time) -> FastAPI:
    """The service over `systems`, whose parts are built by `systems.warm()` or `systems.build(part)` beforehand.

    Args:
        systems: The wired systems; closed when the service ends.
        clock: Seconds since 1970, UTC; what is logged has its times.

    Returns:
        An ASGI application; `/openapi.json` describes its API, `/health` and `/ready` tell its state.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncGenerator[None, None]:
        yield
        systems.close()

    app = FastAPI(
        title="Rialto", version=__version__, lifespan=life, responses=problems.PROBLEM, docs_url=None, redoc_url=None,
        description="Product search, driver matching and creatives: what is decided, and why.",
    )  # fmt: skip
    templates = _templates()
    problems.install(app, templates, systems.states)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    front = shop.storefronts(systems, clock)
    app.include_router(shop.router(front, templates))
    app.include_router(rules.router(systems))
    app.include_router(synonyms.router(systems))
    app.include_router(index.router(systems))
    app.include_router(desk.router(systems, templates, clock))
    app.include_router(city.router(systems, templates))
    app.include_router(fleet.router(systems, clock))
    app.include_router(fleet_terms.router(systems, clock))
    app.include_router(studio.router(systems, templates, clock))
    _state(app, systems)
    app.add_middleware(Guard)
    app.add_middleware(shop.direct(systems, front))  # the outermost: what it answers itself has the headers of the guard

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def home(request: Request) -> Response:
        return templates.TemplateResponse(request, "home.html", {"here": "home"})

    return app


def _templates() -> Jinja2Templates:
    made = Jinja2Templates(HERE / "templates")
    cast("dict[str, Any]", made.env.globals)["version"] = __version__
    cast("dict[str, Any]", made.env.filters).update(
        {
            "category_path": lambda path: aisle.category_path(split_path(path)),
            "facet_name": ask.named,
            "ended": shown.ended,
            "fact": shown.fact,
            "facet_label": shown.facet_label,
            "join_path": join_path,
            "paragraphs": shown.paragraphs,
            "picture_path": shown.picture_path,
            "product_path": shown.product_path,
        }
    )
    made.env.trim_blocks = made.env.lstrip_blocks = True
    return made


def _state(app: FastAPI, systems: Systems) -> None:
    @app.get("/health", tags=["state"])
    def health() -> Health:
        """Tell that the process answers."""
        return Health(status="ok", version=__version__)

    @app.get("/ready", tags=["state"], response_model=Ready, responses={503: {"model": Ready}})
    def ready() -> JSONResponse:
        """Tell whether every system is built; 503 until then, with the state of each."""
        states = systems.states()
        told = Ready(ready=all(s == "ready" for s in states.values()), systems=states)
        return JSONResponse(told.model_dump(), 200 if told.ready else 503, None if told.ready else {"Retry-After": "1"})
