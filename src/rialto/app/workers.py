"""The parent's side of a service in several processes: it alone writes, answers its workers' calls, and has them catch up before it answers."""

from __future__ import annotations

import json
import logging
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from time import monotonic

from rialto.app.systems import Systems
from rialto.app.workers_engines import answers_of
from rialto.app.workers_line import Lines
from rialto.errors import EngineBusy, RialtoError

__all__ = ["FLUSH", "FOLLOW", "JOINED", "Office"]

JOINED, FLUSH, FOLLOW = b"joined", b"flush", b"follow"
"""What a worker is told: that it will be told; to hand over what was decided; and to take over what changed, too."""

_PATIENCE_S = 30.0  # a worker that does not answer by then hangs: it is no longer told, and follows by itself once it is well


class Office:
    """What the process that owns log, journal and profiles does for the workers of its service.

    A worker's events are durable here before its call returns. What changes the shop is answered when every worker that is well has
    taken it over; what shoppers did is written behind the decisions that workers still hold.

    Args:
        systems: The systems of this process, all of them; they are ready once the workers are.
        path: Where the socket for calls is made.
        workers: How many there are to be.
    """

    def __init__(self, systems: Systems, path: Path, *, workers: int) -> None:
        self._systems, self._told, self._wanted = systems, list[Connection](), workers
        self._lock, self._turn, self._begun = Lock(), Lock(), {FLUSH: 0, FOLLOW: 0}
        systems.beside["workers"] = self._ready
        systems.decisions.ahead = lambda: self.tell(FLUSH)
        self._lines = Lines(path, {**answers_of(systems.engines), "state": lambda _: self._state()}, self._joined)

    def tell(self, what: bytes) -> None:
        """Tell every worker and wait until each has done it; callers that wait together are served by one telling that began after all.

        Cost:
            A millisecond and what the slowest worker has to do, half a minute at most: one that hangs delays one change.
        """
        arrived = self._begun[what]
        with self._turn:
            if self._begun[what] > arrived:
                return
            self._begun[what] += 1
            with self._lock:
                workers = list(self._told)
            asked = [w for w in workers if self._sent(w, what)]
            until = monotonic() + _PATIENCE_S
            for worker in asked:
                self._heard(worker, what, max(until - monotonic(), 0.0))

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        self._lines.close()
        with self._lock:
            while self._told:
                self._told.pop().close()

    def _joined(self, worker: Connection) -> None:
        with self._lock:
            self._told.append(worker)
            worker.send_bytes(JOINED)
            self._wanted = 0 if len(self._told) >= self._wanted else self._wanted

    def _ready(self) -> str:
        """One that ends later leaves the service ready: the others answer, and it is started again."""
        return "ready" if not self._wanted else f"{len(self._told)} of {self._wanted} follow the shop"

    def _sent(self, worker: Connection, what: bytes) -> bool:
        try:
            worker.send_bytes(what)
        except OSError:
            self._left(worker)
            return False
        return True

    def _heard(self, worker: Connection, what: bytes, timeout_s: float) -> None:
        try:
            if not worker.poll(timeout_s):
                logging.getLogger("rialto").warning("a worker did not %s in time", what.decode())
                self._left(worker)  # its late answer must not stand for the next; it calls again when it is well
                return
            worker.recv_bytes()
        except (OSError, EOFError):
            self._left(worker)

    def _left(self, worker: Connection) -> None:
        with self._lock:
            if worker in self._told:
                self._told.remove(worker)
        worker.close()

    def _state(self) -> bytes:
        """Which index is served, by which versions; no folder before the shop is built."""
        try:
            live = self._systems.desk.live
        except EngineBusy:
            return json.dumps({"folder": "", "versions": {}}).encode()
        except RialtoError as e:
            return json.dumps({"folder": "", "versions": {}, "failed": str(e)}).encode()
        return json.dumps({"folder": str(live.folder), "versions": dict(live.shop.search.pipeline.versions)}).encode()
