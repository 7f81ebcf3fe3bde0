"""The HTTP service: three pages and their API over one process, with health, readiness and problem+json errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from rialto import __version__
from rialto.app.systems import Systems
from rialto.serve import city, problems, shop, studio

__all__ = ["create"]

HERE = Path(__file__).parent

POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
"""Nothing from elsewhere: no script, style, font or picture of another origin."""


def create(systems: Systems) -> FastAPI:
    """The service over `systems`, whose parts are built when first asked for, or by `systems.warm()` beforehand.

    Args:
        systems: The wired systems; closed when the service ends.

    Returns:
        An ASGI application; `/docs` shows its API, `/health` and `/ready` tell its state.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        systems.close()

    app = FastAPI(title="Rialto", version=__version__, lifespan=life, responses=problems.PROBLEM, docs_url=None, redoc_url=None)
    templates = Jinja2Templates(HERE / "templates")
    problems.install(app)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for part in (shop, city, studio):
        app.include_router(part.router(systems, templates))
    _state(app, systems)

    @app.middleware("http")
    async def guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        answer = await call_next(request)
        answer.headers["Content-Security-Policy"] = POLICY
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def home(request: Request) -> Response:
        return templates.TemplateResponse(request, "home.html", {"here": "home"})

    return app


def _state(app: FastAPI, systems: Systems) -> None:
    @app.get("/health", tags=["state"])
    def health() -> dict[str, str]:
        """Tell that the process answers."""
        return {"status": "ok", "version": __version__}

    @app.get("/ready", tags=["state"])
    def ready() -> JSONResponse:
        """Tell whether every system is built; 503 until then, with the state of each."""
        states: dict[str, Any] = systems.states()
        well = all(s == "ready" for s in states.values())
        return JSONResponse({"ready": well, "systems": states}, 200 if well else 503, None if well else {"Retry-After": "1"})
