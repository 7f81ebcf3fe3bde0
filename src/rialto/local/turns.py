"""One queue before a few threads, which concurrent requests share: small pieces of work, each begun while its request has time left."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from rialto.threads import cores

__all__ = ["Turns"]


class Turns:
    """Threads that take turns at pieces of work; requests are served in the order in which they came.

    Whoever asks waits at most for the pieces that were begun: once its time is up, none of its own is begun.

    Args:
        threads: Pieces at a time, over all requests; 0 = as many as there are processors.

    Example:
        >>> turns, done = Turns(2), []
        >>> turns.each(done.append, 3)
        >>> sorted(done)
        [0, 1, 2]
        >>> turns.close()
    """

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads or cores()
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def each(self, work: Callable[[int], object], count: int, *, left_s: Callable[[], float] = lambda: float("inf")) -> None:
        """Call `work(0)` to `work(count - 1)`, begun in this order, for as long as `left_s()` is above 0.

        Raises:
            Whatever `work` raises; the pieces that were begun have ended by then.
        """
        numbers = iter(range(count))  # taking from it is one step under the interpreter lock
        begun = [self._workers().submit(_some, work, numbers, left_s) for _ in range(min(self._threads, count))]
        for done in wait(begun, return_when=FIRST_EXCEPTION).done:
            done.result()

    def close(self) -> None:
        """End the threads; a later `each` starts others."""
        if self._pool is not None:
            self._pool[1].shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _workers(self) -> ThreadPoolExecutor:
        """The threads of this process: they do not survive a fork, so a child makes its own."""
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = os.getpid(), ThreadPoolExecutor(self._threads, thread_name_prefix="rialto-turns")
        return self._pool[1]


def _some(work: Callable[[int], object], numbers: Iterator[int], left_s: Callable[[], float]) -> None:
    for number in numbers:
        if left_s() <= 0.0:
            return
        work(number)
