"""Decisions written to the log behind the answers: many at a time, by a thread of their own, in the order in which they were made."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

from rialto.errors import EngineError
from rialto.spine.log import DecisionLog
from rialto.spine.pipeline import Outcome
from rialto.spine.together import together

__all__ = ["Decisions"]

_MOST = 512  # requests whose decisions wait; one holds up to about 200 kB
_TOGETHER = 64  # requests written in one go: half the cost of a decision is by write, and not by row
_LINGER_S = 0.05  # how long the first of them waits for others


class Decisions:
    """A decision log that nobody waits for.

    An answer goes out before its decision is durable: a crash may lose the decisions of its last moments, which teach nothing
    without what shoppers did. What shoppers did is written durably before it is acknowledged, and never ahead of the decision that
    it belongs to: whoever writes it calls `flush` first.

    The queue is bounded. Where the disk cannot keep up, or the log cannot be written (another process holds it, the disk is full),
    decisions are dropped, counted and told in the program's log, and searches go on.

    Args:
        log: Where they go, when the first is there.
    """

    def __init__(self, log: Callable[[], DecisionLog]) -> None:
        self._log, self._queue = log, deque[Outcome]()
        self._turn = Condition()
        self._waiting = 0  # requests in the queue
        self._writing = self._closed = False
        self._urgent = 0  # callers that wait for all to be written
        self._thread: Thread | None = None
        self.dropped = 0
        self._failed = ""
        self.ahead: Callable[[], object] = lambda: None
        """Called before a flush: has other processes of the service hand over what they decided."""

    @property
    def failed(self) -> str:
        """Why the last decisions could not be written; "" where they were."""
        return self._failed

    def put(self, outcome: Outcome) -> bool:
        """Take the decisions of a run to be written; False where they were dropped, or where those before could not be written."""
        size = len(outcome.requests)
        with self._turn:
            if self._closed or self._waiting >= _MOST:
                self.dropped += size
                return False
            if self._thread is None:
                self._thread = Thread(target=self._work, name="rialto-decisions", daemon=True)
                self._thread.start()
            before, self._waiting = self._waiting, self._waiting + size
            self._queue.append(outcome)
            if not before or before < _TOGETHER <= self._waiting:
                self._turn.notify_all()
        return not self._failed

    def flush(self) -> None:
        """Wait until all decisions that were taken so far are durable, or dropped."""
        self.ahead()
        with self._turn:
            self._urgent += 1
            self._turn.notify_all()
            self._turn.wait_for(lambda: not self._queue and not self._writing)
            self._urgent -= 1

    def flushed(self) -> DecisionLog:
        """The log, once all decisions that were taken so far are in it."""
        self.flush()
        return self._log()

    def close(self) -> None:
        """Write what is waiting and end the thread; a second call does nothing."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._turn:
                self._writing = False
                self._turn.notify_all()
                self._turn.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                self._turn.wait_for(lambda: self._urgent or self._closed or self._waiting >= _TOGETHER, timeout=_LINGER_S)
                part = self._part()
                self._writing = True
            self._write(part)

    def _part(self) -> list[Outcome]:
        """The first of the queue, as much as is written in one go."""
        part, size = list[Outcome](), 0
        while self._queue and size < _TOGETHER:
            part.append(self._queue.popleft())
            size += len(part[-1].requests)
        self._waiting -= size
        return part

    def _write(self, part: list[Outcome]) -> None:
        try:
            self._log().write_records(together(part))
            self._failed = ""
        except Exception as e:  # a thread that ended here would leave the log silent for good
            self.dropped += sum(len(o.requests) for o in part)
            if not self._failed:
                expected = isinstance(e, EngineError)
                logging.getLogger("rialto").error("decisions are not logged: %s", e, exc_info=not expected)
            self._failed = str(e) or type(e).__name__
