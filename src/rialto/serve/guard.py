"""What every answer carries and every request is held to: a strict content policy, no foreign forms, bodies of bounded size.

Who may change things: whoever reaches the port, as there are no accounts here. The service listens on loopback unless it is told
otherwise; in front of it, on any other address, belongs what knows users. What is refused is a browser that was sent here by a page
of another site, told by `Sec-Fetch-Site` or `Origin`.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rialto.serve.problems import HEADERS, problem

__all__ = ["MOST_BYTES", "Guard"]

MOST_BYTES = 1_000_000
"""Of a request's body."""

MOST_BATCH_BYTES = 16_000_000
"""Of a batch of what a fleet's drivers, customers and merchants say: rows, up to 100,000 of them."""

_BATCHES = frozenset(
    f"/api/match/{name}" for name in ("drivers", "positions", "orders", "answers", "loads", "earnings", "ready", "blocked")
)


class Guard:
    """ASGI middleware: adds `HEADERS`, refuses forms and scripts of other sites, and bodies that are too large or of unknown size."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def carrying(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-cache"  # asked again by its ETag: a new version shows at once
            await send(message)

        refusal = _refusal(scope["method"], scope["path"], Headers(scope=scope))
        await (self.app if refusal is None else refusal)(scope, receive, carrying)


def _refusal(method: str, path: str, headers: Headers) -> ASGIApp | None:
    """The problem to answer with, or None where the request may go on."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return None
    if _foreign(headers):
        return problem(403, "foreign", "foreign page", "A page of another site sent this. Send it from a page of this service.")
    size = headers.get("content-length", "" if "transfer-encoding" in headers else "0")
    if not size.isdecimal():
        return problem(411, "length", "length required", "The body came without its Content-Length. Send one.")
    most = MOST_BATCH_BYTES if path in _BATCHES else MOST_BYTES
    if int(size) > most:
        return problem(413, "too-large", "too large", f"The body has {size} bytes; wanted {most} at most. Send it in parts.")
    return None


def _foreign(headers: Headers) -> bool:
    if "sec-fetch-site" in headers:
        return headers["sec-fetch-site"] not in ("none", "same-origin")
    origin = headers.get("origin", "")  # of a browser that does not say more; programs send none
    return origin != "" and origin.partition("://")[2] != headers.get("host", "")
