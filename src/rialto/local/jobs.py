"""Jobs: work in partitions, in this process or in a pool of processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from rialto.errors import BadInput, EngineError

__all__ = ["InProcessJobs", "PoolJobs"]


class InProcessJobs:
    """One part after another, here: the readable specification.

    Example:
        >>> InProcessJobs().map(len, ["a", "bcd"])
        [1, 3]
    """

    def map(self, work: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
        """`work` of each part, in the order of `parts`.

        Raises:
            BadInput: `work` is not a top-level function, which another engine could not send.
            EngineError: a part failed; the text names its number, counted from 0, and the failure is the cause.
        """
        _check(work)
        return [_one(work, number, part) for number, part in enumerate(parts)]


class PoolJobs:
    """Parts side by side in fresh processes, which live as long as one `map`.

    Processes are spawned, never forked, so threads and open engines of this process do no harm: a script that calls `map` at its
    top needs `if __name__ == "__main__":`, as everywhere with spawned processes. Parts and results travel between processes.

    Args:
        processes: How many at most.

    Raises:
        BadInput: `processes` is below 1.

    Cost: starting a process takes about a tenth of a second and the imports of the module of `work`.
    """

    def __init__(self, processes: int) -> None:
        if processes < 1:
            raise BadInput(f"processes is {processes}; wanted 1 or more.")
        self._processes = processes

    def map(self, work: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
        """`work` of each part, in the order of `parts`; of several that fail, the first is named.

        Raises:
            BadInput: `work` is not a top-level function, which no other process could find.
            EngineError: a part failed, or its process died; the text names the part's number, counted from 0.
        """
        _check(work)
        if not parts:
            return []
        with ProcessPoolExecutor(min(self._processes, len(parts)), mp_context=get_context("spawn")) as pool:
            started = [pool.submit(_one, work, number, part) for number, part in enumerate(parts)]
            try:
                return [_result(number, future.result) for number, future in enumerate(started)]
            finally:
                pool.shutdown(cancel_futures=True)


def _one(work: Callable[[Any], Any], number: int, part: Any) -> Any:
    try:
        return work(part)
    except Exception as error:  # whatever a caller's function raises becomes one failure with the part's number
        raise EngineError(f"part {number} failed: {type(error).__name__}: {error}") from error


def _result(number: int, result: Callable[[], Any]) -> Any:
    """A future's result; a broken pool or a value that cannot travel is the part's failure too."""
    try:
        return result()
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"part {number} did not come back: {type(error).__name__}: {error}") from error


def _check(work: Callable[[Any], Any]) -> None:
    name = getattr(work, "__qualname__", "")
    if not callable(work) or not name or "<" in name:
        raise BadInput(f"work is {work!r}; wanted a function at the top of a module, which another process can import.")
