"""One worker of a service in several processes: `python -m rialto.serve.worker`, started by its parent with its task on standard input."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

import uvicorn
from pydantic import BaseModel
from starlette.types import ASGIApp
from threadpoolctl import threadpool_limits

from rialto.app.workers_engines import WorkerEngines
from rialto.app.workers_follow import Followed
from rialto.app.workers_line import Line
from rialto.config import Settings
from rialto.errors import RialtoError
from rialto.serve.forward import Forward
from rialto.serve.front import Front
from rialto.serve.service import create

__all__ = ["Server", "Task", "config", "main"]

_HELD = 256  # connections that the kernel holds until somebody takes them
_TURN_S, _LONGEST_TURN_S = 0.001, 0.01  # a turn a connection held, in which another process may wake and take the next
GRACE_S = 5
"""Seconds that requests under way have to end."""


class Task(BaseModel):
    """What a worker is to do.

    Args:
        settings: Of the service.
        catalogue: As the service was told it.
        port: File descriptor of the listening socket.
        line: Socket for calls to the parent. `parent`: socket of the parent's HTTP.
    """

    settings: Settings
    catalogue: str
    port: int
    line: Path
    parent: Path


class _Shared(socket.socket):
    """A listening socket that several processes accept from: who holds more connections waits longer before it takes another.

    Without it the process that wakes first takes all that came at once, and the others are idle while it is busy.
    """

    held: Callable[[], int] = staticmethod(lambda: 0)
    _free_s = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        """As `socket.accept`; `BlockingIOError` while it is the others' turn, after which the event loop asks again."""
        if monotonic() < self._free_s:
            raise BlockingIOError
        taken = super().accept()
        self._free_s = monotonic() + min(_TURN_S * (1 + self.held()), _LONGEST_TURN_S)
        return taken


class Server(uvicorn.Server):
    """A server that shares its socket with others."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As usual, with a queue in the kernel as long as before."""
        for listening in sockets or ():
            if isinstance(listening, _Shared):
                listening.held = lambda: len(self.server_state.connections)
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_HELD)


def config(app: ASGIApp, *, backlog: int = _HELD, lifespan: bool = True) -> uvicorn.Config:
    """How every process of the service is served; without `lifespan` its systems stay open when it ends."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        loop="asyncio",
        backlog=backlog,
        lifespan="on" if lifespan else "off",
    )


def main() -> None:
    """Serve until SIGTERM, or until the parent is gone."""
    # Ctrl-C reaches all processes of a terminal, and the parent ends them in their order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    task = Task.model_validate_json(sys.stdin.buffer.read())
    line = Line(task.line)
    systems = Followed(WorkerEngines(task.settings, line), line, catalogue=task.catalogue)
    ready: list[bool] = []
    server = Server(config(Front(create(systems), Forward(task.parent), lambda: bool(ready)), backlog=1))
    Thread(target=_open, args=(systems, line, server, ready), name="rialto-open", daemon=True).start()
    listening = _Shared(fileno=task.port)
    with threadpool_limits(limits=1, user_api="blas"):
        server.run(sockets=[listening])


def _open(systems: Followed, line: Line, server: Server, ready: list[bool]) -> None:
    """Open the shop, answer from it, and do what the parent tells until it is gone."""
    systems.build("shop")
    try:
        while systems.states()["shop"] == "ready":
            parent = line.told()
            systems.follow()  # from here on every change is told: nothing falls between
            ready[:] = [True]
            systems.wait(parent)
    except RialtoError as e:
        logging.getLogger("rialto").info("%s", e)
    server.should_exit = True  # the parent is gone and nobody would write what is decided here, or there is no shop


if __name__ == "__main__":
    main()
