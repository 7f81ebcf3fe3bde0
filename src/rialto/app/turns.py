"""Turns of many threads: those who tell go together, one who decides goes alone."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Condition

__all__ = ["Turns"]


class Turns:
    """A lock with two sides; who waits to be alone goes before who comes later.

    Example:
        >>> turns = Turns()
        >>> with turns.together():
        ...     pass
        >>> with turns.alone():
        ...     pass
    """

    def __init__(self) -> None:
        self._free = Condition()
        self._inside = self._waiting = 0
        self._alone = False

    @contextmanager
    def together(self) -> Generator[None, None, None]:
        """Beside others who do the same, while nobody is alone."""
        with self._free:
            self._free.wait_for(lambda: not self._alone and not self._waiting)
            self._inside += 1
        try:
            yield
        finally:
            with self._free:
                self._inside -= 1
                self._free.notify_all()

    @contextmanager
    def alone(self) -> Generator[None, None, None]:
        """While nobody else is inside."""
        with self._free:
            self._waiting += 1
            self._free.wait_for(lambda: not self._alone and not self._inside)
            self._waiting -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._free:
                self._alone = False
                self._free.notify_all()
