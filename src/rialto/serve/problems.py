"""Errors as `application/problem+json` (RFC 9457), and as a page where a browser asks for one; the status follows the error's class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from rialto.errors import (
    BadInput,
    BadRow,
    BadSettings,
    EngineBusy,
    EngineError,
    EngineLost,
    NothingHere,
    Overrun,
    RialtoError,
)
from rialto.find.rules import Refused, Stale

__all__ = ["CONFLICT", "HEADERS", "PROBLEM", "Problem", "install", "problem", "status_of"]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(description="`urn:rialto:NAME`; programs decide by it.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, what came, what was wanted, what to do.")


def _described(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}


PROBLEM: dict[int | str, dict[str, Any]] = {
    400: _described("The request cannot be read."),
    403: _described("A page of another site sent it."),
    404: _described("What was asked for by name does not exist."),
    411: _described("The body came without its length."),
    413: _described("The body is too large."),
    422: _described("A value is wrong; the detail says which and what was wanted."),
    500: _described("Something failed inside."),
    502: _described("An engine failed."),
    503: _described("Not now: ask again after `Retry-After` seconds; without that header, asking again does not help."),
    504: _described("A step had no time left."),
}
"""What every route may answer, for its OpenAPI description."""

CONFLICT: dict[int | str, dict[str, Any]] = {
    409: _described(
        "`urn:rialto:stale`: changed meanwhile, `held` is the version; `urn:rialto:refused`: `conflicts` stand against it."
    ),
}
"""What a change of the rules may answer besides."""

_STATUS: tuple[tuple[type[RialtoError], int, str], ...] = (
    (NothingHere, 404, "not-found"),
    (Stale, 409, "stale"),
    (Refused, 409, "refused"),
    (BadInput, 422, "bad-input"),
    (BadSettings, 422, "bad-settings"),
    (EngineBusy, 503, "engine-busy"),
    (EngineLost, 503, "engine-lost"),
    (Overrun, 504, "overrun"),
    (EngineError, 502, "engine-error"),
    (RialtoError, 500, "error"),
)

_TITLES = {
    404: "That is not here",
    422: "That did not make sense",
    500: "Something failed",
    503: "Not now",
    "building": "One moment",
}

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""On every answer. Nothing from elsewhere: no script, style, font, picture or connection of another origin, nothing written into a page."""

States = Callable[[], Mapping[str, str]]


def status_of(error: RialtoError) -> tuple[int, str]:
    """The HTTP status and the problem's type for an error, by its class.

    Example:
        >>> status_of(NothingHere("no such product"))
        (404, 'not-found')
    """
    return next((status, name) for kind, status, name in _STATUS if isinstance(error, kind))


def problem(
    status: int, name: str, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """One problem as a response."""
    body = {"type": f"urn:rialto:{name}", "title": title, "status": status, "detail": _sendable(detail)} | more
    return JSONResponse(body, status, dict(headers or {}), media_type="application/problem+json")


def _sendable(text: str) -> str:
    """What was sent may stand in the text, and need not be sound Unicode."""
    return text.encode("utf-8", "replace").decode()


def _more(error: RialtoError) -> dict[str, Any]:
    """What a program can use besides the text."""
    match error:
        case BadRow():
            return {"row": error.row, "field": _sendable(error.field)}
        case Stale():
            return {"held": error.held}
        case Refused():
            return {"conflicts": [asdict(c) for c in error.conflicts]}
        case _:
            return {}


def install(app: FastAPI, templates: Jinja2Templates, states: States) -> None:
    """Answer every error of this service as a problem: JSON for programs, a page for browsers."""
    say = _Sayer(templates, states)

    @app.exception_handler(RialtoError)
    async def on_rialto_error(request: Request, error: RialtoError) -> Response:
        status, name = status_of(error)
        more = _more(error)
        headers = {"Retry-After": "1"} if isinstance(error, EngineBusy) else {}
        return say(request, status, name, name.replace("-", " "), str(error), headers, **more)

    @app.exception_handler(RequestValidationError)
    async def on_bad_request(request: Request, error: RequestValidationError) -> Response:
        faults = [
            {"field": _sendable(".".join(str(p) for p in e["loc"])[:200]), "problem": _sendable(e["msg"])}
            for e in error.errors()[:20]
        ]
        detail = "; ".join(f"{f['field']}: {f['problem']}" for f in faults)
        return say(request, 422, "bad-request", "bad request", detail, {}, faults=faults)

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        detail = f"{request.method} {request.url.path}: {error.detail}."
        return say(request, error.status_code, "http", str(error.detail).lower(), detail, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def on_anything(request: Request, error: Exception) -> Response:
        # The server logs the traceback; the caller learns that it was not their fault and nothing of the inside. This answer is made
        # outside of all middleware, so it brings the headers itself.
        return say(request, 500, "error", "internal error", "Something failed here. The service's log has the details.", HEADERS)


class _Sayer:
    """Says a problem to whoever asked, in the form that they read."""

    def __init__(self, templates: Jinja2Templates, states: States) -> None:
        self._templates, self._states = templates, states

    def __call__(
        self, request: Request, status: int, name: str, title: str, detail: str, headers: Mapping[str, str], **more: Any
    ) -> Response:
        if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
            return problem(status, name, title, detail, headers=headers, **more)
        here = request.url.path.split("/")[1]
        states = dict(self._states())
        waits = name == "engine-busy" and states.get(here) == "building"
        data = {
            "here": here,
            "title": f"The {here} is being built" if waits else _TITLES.get(status, title.capitalize()),
            "detail": "It is made once, from nothing, and takes some seconds." if waits else _sentence(detail),
            "states": states if waits else {},
            "again": request.url.path if status == 503 or waits else "/",
            "again_text": "Try again" if status == 503 else "Go to the start page",
        }
        return self._templates.TemplateResponse(request, "message.html", data, status, dict(headers))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
