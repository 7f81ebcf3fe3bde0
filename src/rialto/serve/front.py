"""What stands before the application in a service of several processes: a worker answers what only reads, its parent all else."""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Front", "Settled", "reads"]

_READ = ("/api/find/search", "/api/find/facets", "/api/find/explain", "/api/find/suggest", "/shop", "/health")
_READ_BELOW = ("/api/find/category/", "/api/find/product/", "/shop/", "/static/")
_CHANGES = ("/api/find/products", "/api/find/rules", "/api/find/synonyms", "/api/find/index", "/api/find/shoppers")


def reads(method: str, path: str) -> bool:
    """Whether a request only reads the shop, so that any process of the service may answer it.

    Example:
        >>> reads("GET", "/api/find/search"), reads("GET", "/shop/product/p1"), reads("POST", "/api/find/events"), reads("GET", "/city")
        (True, True, False, False)
    """
    return method in ("GET", "HEAD") and (path in _READ or path.startswith(_READ_BELOW))


class Front:
    """ASGI application of a worker.

    Args:
        app: The worker's own service.
        parent: Answers what the worker does not.
        ready: Whether the worker follows the shop by now; until then the parent answers everything.
    """

    def __init__(self, app: ASGIApp, parent: ASGIApp, ready: Callable[[], bool]) -> None:
        self._app, self._parent, self._ready = app, parent, ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own = reads(scope["method"], scope["path"]) and (self._ready() or scope["path"] == "/health")
        await (self._app if own else self._parent)(scope, receive, send)


class Settled:
    """ASGI application of the parent: what changes the shop is answered once every worker has taken it over.

    Args:
        app: The service.
        settle: Waits until they have.
    """

    def __init__(self, app: ASGIApp, settle: Callable[[], object]) -> None:
        self._app, self._settle = app, settle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        changes = scope["type"] == "http" and scope["method"] not in ("GET", "HEAD") and scope["path"].startswith(_CHANGES)

        async def settled(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                await run_in_threadpool(self._settle)
            await send(message)

        await self._app(scope, receive, settled if changes else send)
