"""A service of several processes behind one port: the parent that owns what is written, and workers that are started, and started again."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic
from types import FrameType

from rialto.app.systems import Systems
from rialto.app.workers import FOLLOW, Office
from rialto.errors import BadSettings
from rialto.serve.front import Settled
from rialto.serve.service import create
from rialto.serve.worker import GRACE_S, Server, Task, config

__all__ = ["check", "serve_many"]

_LOOK_S = 0.1
_FIRST_S, _MOST_S = 0.1, 10.0  # rest before a worker that ended is started again: twice as long each time that it ends at once
_WELL_S = 30.0  # after which a worker counts as one that did not end at once
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def check(systems: Systems) -> None:
    """Raise `BadSettings` where the settings keep in one process's memory what several would need."""
    if systems.engines.settings.url("blobs").scheme == "memory":
        raise BadSettings(["blobs is memory://, which other processes cannot read; with serve.workers above 1 give it a folder."])


def serve_many(systems: Systems, listening: socket.socket, *, workers: int, catalogue: str = "") -> None:
    """Serve behind `listening` with `workers` processes until SIGTERM or Ctrl-C, then drain them all; call it from the main thread.

    Workers answer what only reads the shop and hand everything else on to this process, which writes. One that ends is started again.

    Args:
        systems: Of the whole service; they are closed when it ends.
        listening: The socket that shoppers reach.
        workers: How many.
        catalogue: As `systems` was told it.
    """
    with TemporaryDirectory(prefix="rialto-") as place:
        folder = Path(place)  # for this user alone
        office = Office(systems, folder / "line", workers=workers)
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        inner.bind(str(folder / "http"))
        inner.listen(256)
        server = Server(config(Settled(create(systems), lambda: office.tell(FOLLOW))))
        thread = Thread(target=server.run, kwargs={"sockets": [inner]}, name="rialto-parent")
        thread.start()
        listening.set_inheritable(True)
        task = Task(settings=systems.engines.settings, catalogue=catalogue, port=listening.fileno(), line=folder / "line",
                    parent=folder / "http")  # fmt: skip
        try:
            _supervise([_Worker(task) for _ in range(workers)], thread)
        finally:
            server.should_exit = True
            thread.join()
            office.close()


class _Worker:
    """One worker's process, started again when it ends."""

    def __init__(self, task: Task) -> None:
        self._task, self._rest_s = task, _FIRST_S
        self._start()

    def look(self) -> None:
        """Start it again where it ended, after a rest."""
        if (code := self._process.poll()) is None:
            return
        now = monotonic()
        if not self._again_s:
            self._rest_s = _FIRST_S if now - self._began_s > _WELL_S else min(2 * self._rest_s, _MOST_S)
            self._again_s = now + self._rest_s
            logging.getLogger("rialto").error("a worker ended (%s); it is started again in %.1f s", code, self._rest_s)
        elif now >= self._again_s:
            self._start()

    def drain(self) -> None:
        """Let it end what it began, and no more."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self, timeout_s: float) -> None:
        """Wait for its end, and make one where it takes longer."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            logging.getLogger("rialto").error("a worker did not end in time and is killed")
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._began_s, self._again_s = monotonic(), 0.0
        command = [sys.executable, "-m", "rialto.serve.worker"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[self._task.port])
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            pipe.write(self._task.model_dump_json().encode())


def _supervise(workers: Sequence[_Worker], parent: Thread) -> None:
    """Keep the workers running until a signal comes, then drain them."""
    ending = Event()

    def end(number: int, frame: FrameType | None) -> None:
        ending.set()

    before = [signal.signal(s, end) for s in _SIGNALS]
    try:
        while not ending.wait(_LOOK_S) and parent.is_alive():
            for worker in workers:
                worker.look()
    finally:
        for worker in workers:
            worker.drain()
        until = monotonic() + 2 * GRACE_S
        for worker in workers:
            worker.end(max(until - monotonic(), 0.1))
        for number, how in zip(_SIGNALS, before):
            signal.signal(number, how)
