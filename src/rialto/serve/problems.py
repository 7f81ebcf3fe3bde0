"""Errors as `application/problem+json` (RFC 9457): a type, a title, a status, and the sentence that the error tree wrote."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rialto.errors import (
    BadInput,
    BadRow,
    BadSettings,
    EngineBusy,
    EngineError,
    NothingHere,
    Overrun,
    RialtoError,
)

__all__ = ["PROBLEM", "install", "problem", "status_of"]

PROBLEM: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Problem (RFC 9457)", "content": {"application/problem+json": {}}},
    "5XX": {"description": "Problem (RFC 9457)", "content": {"application/problem+json": {}}},
}
"""What every route may answer, for its OpenAPI description."""

_STATUS: tuple[tuple[type[RialtoError], int, str], ...] = (
    (NothingHere, 404, "not-found"),
    (BadInput, 422, "bad-input"),
    (BadSettings, 422, "bad-settings"),
    (EngineBusy, 503, "engine-busy"),
    (Overrun, 504, "overrun"),
    (EngineError, 502, "engine-error"),
    (RialtoError, 500, "error"),
)


def status_of(error: RialtoError) -> tuple[int, str]:
    """The HTTP status and the problem's type for an error, by its class.

    Example:
        >>> status_of(NothingHere("no such product"))
        (404, 'not-found')
    """
    return next((status, name) for kind, status, name in _STATUS if isinstance(error, kind))


def problem(status: int, name: str, title: str, detail: str, **more: Any) -> JSONResponse:
    """One problem as a response; a status of 503 asks to come back in a second."""
    headers = {"Retry-After": "1"} if status == 503 else None
    body = {"type": f"urn:rialto:{name}", "title": title, "status": status, "detail": detail} | more
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every error of this service as a problem."""

    @app.exception_handler(RialtoError)
    async def on_rialto_error(request: Request, error: RialtoError) -> JSONResponse:
        status, name = status_of(error)
        more = {"row": error.row, "field": error.field} if isinstance(error, BadRow) else {}
        return problem(status, name, name.replace("-", " "), str(error), **more)

    @app.exception_handler(RequestValidationError)
    async def on_bad_request(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [{"field": ".".join(str(p) for p in e["loc"]), "problem": e["msg"]} for e in error.errors()]
        detail = "; ".join(f"{f['field']}: {f['problem']}" for f in faults)
        return problem(422, "bad-request", "bad request", detail, faults=faults)

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, "http", str(error.detail).lower(), f"{request.method} {request.url.path}: {error.detail}.")

    @app.exception_handler(Exception)
    async def on_anything(request: Request, error: Exception) -> JSONResponse:
        # The log has the traceback; the caller learns that it was not their fault and nothing of the inside.
        return problem(500, "error", "internal error", "Something failed here. The service's log has the details.")
