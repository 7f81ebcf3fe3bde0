"""Where workers run that are sent bytes and answer bytes: processes of this machine; Ray's actors answer to the same."""

from __future__ import annotations

from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Protocol

__all__ = ["Host", "Hosts", "ProcessHosts"]


class Host(Protocol):
    """One worker somewhere. What is sent is answered in its order; `ConnectionError` where it is gone."""

    @property
    def pid(self) -> int: ...
    def send(self, body: bytes) -> None: ...
    def recv(self) -> bytes: ...
    def ready(self) -> bool: ...
    def end(self, *, at_once: bool) -> None: ...


class Hosts(Protocol):
    """Starts workers: `target` is `module:class`, made from `spec`, with `answer(bytes) -> bytes` and `close()`."""

    def start(self, target: str, spec: str) -> Host: ...
    def close(self) -> None: ...


class ProcessHosts:
    """Workers in processes of this machine, spawned: a script that uses them needs `if __name__ == "__main__":`."""

    def start(self, target: str, spec: str) -> Host:
        """A new process; it returns before the worker is made."""
        return _Process(target, spec)

    def close(self) -> None:
        """Nothing is kept but the workers, which end by themselves."""


class _Process:
    def __init__(self, target: str, spec: str) -> None:
        spawn = get_context("spawn")
        self._link, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, target, spec), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        return self._process.pid or -1

    def send(self, body: bytes) -> None:
        try:
            self._link.send_bytes(body)
        except OSError as e:
            raise ConnectionResetError(str(e)) from e

    def recv(self) -> bytes:
        try:
            return self._link.recv_bytes()
        except (EOFError, OSError) as e:
            raise ConnectionResetError(str(e)) from e

    def ready(self) -> bool:
        """Whether `recv` would not wait; true too where the process is gone."""
        try:
            return self._link.poll()
        except OSError:
            return True

    def end(self, *, at_once: bool) -> None:
        """Between two parcels, so that nothing is cut short; `at_once` for one that hangs, and would go on holding its log."""
        self._link.close()
        if not at_once:
            self._process.join(timeout=5.0)
        self._process.kill()
        self._process.join()


def _serve(link: Connection, target: str, spec: str) -> None:
    """The body of a worker's process: answers until the other end is closed."""
    module, _, name = target.partition(":")
    worker = getattr(import_module(module), name)(spec)
    try:
        while True:
            link.send_bytes(worker.answer(link.recv_bytes()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the front is gone: what was acknowledged is in the log
    finally:
        worker.close()
