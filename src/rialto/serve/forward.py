"""Requests handed on to another process of the service over a Unix-domain socket, and its answers handed back as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import h11
from starlette.types import ASGIApp, Receive, Scope, Send

from rialto.serve.problems import problem

__all__ = ["Forward"]

_OWN = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"})
"""Headers of one connection, which end with it."""

_BYTES = 1 << 16


class Forward:
    """ASGI application: what it is asked, another process answers; a connection a request.

    An answer is passed on only when the other process gave it: what it acknowledges, it has. Where it breaks off before its answer
    began, the caller gets 503 and may ask again.

    Args:
        path: The socket that the other process listens on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path))
        except OSError:
            await _busy()(scope, receive, send)
            return
        connection, began = h11.Connection(h11.CLIENT), False
        head = _head(scope)
        writer.write(connection.send(head) or b"")
        # The answer may come before the body was taken, where it is refused: both go on side by side.
        sending = asyncio.create_task(_sent(connection, writer, receive))
        try:
            async for message in _answered(connection, reader):
                began = True
                await send(message)
        except (OSError, h11.RemoteProtocolError):
            if began:
                raise
            await _busy()(scope, receive, send)
        finally:
            sending.cancel()
            await asyncio.wait([sending])
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _busy() -> ASGIApp:
    said = "The process that owns the shop does not answer. Ask again."
    return problem(503, "engine-busy", "engine busy", said, headers={"Retry-After": "1"})


def _head(scope: Scope) -> h11.Request:
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    headers = [(n, v) for n, v in scope["headers"] if n not in _OWN]
    return h11.Request(method=scope["method"], target=target, headers=headers)


async def _sent(connection: h11.Connection, writer: asyncio.StreamWriter, receive: Receive) -> None:
    """Send the body as it comes; where the caller hangs up, or the other process does, there is nothing more to send."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            writer.close()
            return
        with suppress(OSError):
            if body := message.get("body", b""):
                writer.write(connection.send(h11.Data(data=body)) or b"")
                await writer.drain()
        more = message.get("more_body", False)
    writer.write(connection.send(h11.EndOfMessage()) or b"")


async def _answered(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[dict[str, object]]:
    """The answer as ASGI messages."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_BYTES))
        elif isinstance(event, h11.Response):
            headers = [(n, v) for n, v in event.headers if n not in _OWN and n != b"transfer-encoding"]
            yield {"type": "http.response.start", "status": event.status_code, "headers": headers}
        elif isinstance(event, h11.Data):
            yield {"type": "http.response.body", "body": bytes(event.data), "more_body": True}
        elif isinstance(event, h11.EndOfMessage):
            yield {"type": "http.response.body", "body": b"", "more_body": False}
            return
        elif isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError("the other process hung up")
