"""Row ranges worked on by a few threads at once, for kernels that let go of the interpreter lock (`nogil=True`).

Numba's own `prange` may run on its `workqueue` layer, which ends the process when two threads call a parallel kernel at once. The
service does call kernels from several threads, so kernels here are serial and this module divides their rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

__all__ = ["cores", "spread"]

_RANGES = 4
"""Ranges for each thread: few enough to cost nothing, enough that a thread held up elsewhere does not hold up the rest."""


def cores() -> int:
    """How many processors this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(work: Callable[[int, int], object], rows: int, *, grain: int, threads: int = 0) -> None:
    """Call `work(start, stop)` on ranges that cover `range(rows)` once, on up to `threads` threads; the caller's is one of them.

    Every thread takes the next range when it is done with one, so that the caller never waits for a thread that has not begun.

    Args:
        work: Must be safe on disjoint ranges at the same time, and must not call `spread` itself.
        rows: How many rows there are; 0 calls nothing.
        grain: Fewest rows worth a call; every range but the last starts and stops at a multiple of it.
        threads: Most threads; 0 = as many as there are processors.

    Raises:
        Whatever `work` raises, after all ranges that had begun have ended.

    Example:
        >>> seen = []
        >>> spread(lambda start, stop: seen.append((start, stop)), 10, grain=4, threads=2)
        >>> sorted(seen)
        [(0, 4), (4, 8), (8, 10)]
    """
    wanted = threads or cores()
    grains = -(-rows // grain)
    step = max(-(-grains // (_RANGES * wanted)), 1) * grain
    starts = iter(range(0, rows, step))

    def turns() -> None:
        for start in starts:  # one range iterator: taking from it is one step under the interpreter lock
            work(start, min(start + step, rows))

    helpers = min(wanted, -(-rows // step)) - 1 if rows > 0 else 0
    others = [_pool(os.getpid(), wanted - 1).submit(turns) for _ in range(helpers)]
    try:
        turns()
    finally:
        problems = [other.exception() for other in others if not other.cancel()]
    for problem in problems:
        if problem is not None:
            raise problem


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """One pool a process, by its number: threads do not survive a fork, so a child must not use its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix=f"rialto-kernel-{process}")
