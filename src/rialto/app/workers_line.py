"""Calls between the processes of one service: frames over a Unix-domain socket, each answered before the next on its connection."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from threading import Lock, Thread
from typing import cast

from rialto.errors import BadInput, EngineBusy, EngineError, EngineLost, NothingHere, RialtoError

__all__ = ["CALLS", "TOLD", "Answer", "Line", "Lines"]

CALLS, TOLD = b"calls", b"told"
"""What a connection is for, its first frame: the worker calls, or is called."""

Answer = Callable[[bytes], bytes]
"""Answers the payload of one call."""

_ERRORS = {kind.__name__: kind for kind in (BadInput, EngineBusy, EngineLost, NothingHere, EngineError)}
_DONE, _WRONG = b"+", b"-"


class Lines:
    """The end that answers, in the process that owns what others ask for; a thread a connection.

    Args:
        path: The socket's file, in a folder that nobody else may enter: whoever reaches it is trusted.
        answers: Name of a call -> what answers it; a `RialtoError` goes to the caller as it is.
        told: Takes a connection over which the other side is called, and says so with a first frame.
    """

    def __init__(self, path: Path, answers: Mapping[str, Answer], told: Callable[[Connection], object]) -> None:
        self._answers, self._told = answers, told
        self._listener = Listener(str(path), "AF_UNIX", backlog=64)
        self._open, self._lock, self._closed = set[Connection](), Lock(), False
        self._path = path
        self._thread = Thread(target=self._accept, name="rialto-lines", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up all calls; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for connection in self._open:
                _hang_up(connection)  # its own thread closes it: a number that is closed here might be another file's by then
        Client(str(self._path), "AF_UNIX").close()  # wakes the one that waits for callers
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            connection = cast("Connection", self._listener.accept())
            if self._closed:
                connection.close()
                return
            Thread(target=self._serve, args=(connection,), name="rialto-line", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        with suppress(OSError, EOFError):  # the other process ended, or this one does
            if connection.recv_bytes() == TOLD:
                self._told(connection)
                return
            with self._lock:
                self._open.add(connection)
            while not self._closed:
                name, _, payload = connection.recv_bytes().partition(b"\n")
                connection.send_bytes(self._answer(name.decode(), payload))
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _answer(self, name: str, payload: bytes) -> bytes:
        try:
            return _DONE + self._answers[name](payload)
        except RialtoError as e:
            kind = next((n for n, k in _ERRORS.items() if isinstance(e, k)), "EngineError")
            return _WRONG + json.dumps([kind, str(e)]).encode()
        except Exception as e:  # a caller must not wait for an answer that never comes
            logging.getLogger("rialto").exception("the call %r of another process failed", name)
            return _WRONG + json.dumps(["EngineLost", f"the call {name!r} failed: {type(e).__name__}: {e}"]).encode()


def _hang_up(connection: Connection) -> None:
    with socket.socket(fileno=os.dup(connection.fileno())) as same, suppress(OSError):
        same.shutdown(socket.SHUT_RDWR)


class Line:
    """The end that calls; threads may call at the same time, each over a connection of its own, which are kept.

    Args:
        path: The socket's file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._idle, self._lock = path, list[Connection](), Lock()

    def call(self, name: str, payload: bytes = b"") -> bytes:
        """Call and wait for the answer.

        Raises:
            EngineBusy: the other process is gone, before or while it answered; what was asked may have been done.
            RialtoError: whatever the other side raised.
        """
        try:
            connection = self._taken()
            connection.send_bytes(name.encode() + b"\n" + payload)
            answer = connection.recv_bytes()
        except (OSError, EOFError) as e:
            raise EngineBusy(f"the process that owns the shop does not answer ({type(e).__name__}); ask again.") from None
        with self._lock:
            self._idle.append(connection)
        if answer[:1] == _WRONG:
            kind, said = json.loads(answer[1:])
            raise _ERRORS[kind](said)
        return answer[1:]

    def told(self) -> Connection:
        """A connection over which the other side calls; it knows of it when this returns. `EngineBusy` where it is gone."""
        try:
            connection = cast("Connection", Client(str(self._path), "AF_UNIX"))
            connection.send_bytes(TOLD)
            connection.recv_bytes()
        except (OSError, EOFError) as e:
            raise EngineBusy(f"the process that owns the shop does not answer ({type(e).__name__}); ask again.") from None
        return connection

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _taken(self) -> Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = cast("Connection", Client(str(self._path), "AF_UNIX"))
        connection.send_bytes(CALLS)
        return connection
