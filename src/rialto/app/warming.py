"""What is read ahead behind a search that begins to serve: the product side of its cross-encoder, by one thread that gives way."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from threading import Event, Lock, Thread
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from rialto.app.cross import cross_of
from rialto.errors import EngineError
from rialto.find.cross import CROSS_DEPTH, UNREAD
from rialto.find.pipeline import Search

__all__ = ["Warmer", "likely"]

_QUERIES = 300  # past queries whose results are read first
_LEAST_S = 0.001  # rest after each product; as long as the reading took where that was longer


class Warmer:
    """Reads products ahead, so that soon after a start, and after a full index, no search waits for a product to be read.

    Until then a search reads those that are not there yet itself, as many as its time allows, and says of the others that they were not
    read (`cross_depth` tells how many were). A product at a time is read and as long is rested: a search never waits for more than one,
    and half a core at most is taken. What memory does not hold is not read.

    Args:
        past: Queries asked before, the most frequent first.
    """

    def __init__(self, past: Sequence[str] = ()) -> None:
        self._past, self._lock = tuple(past[:_QUERIES]), Lock()
        self._stop, self._thread = Event(), Thread()

    def begin(self, search: Search) -> None:
        """Read ahead for this search from here on, and no more for the one before; returns at once."""
        with self._lock:
            self._end()
            if cross_of(search) is None:
                return
            self._stop = Event()
            self._thread = Thread(target=self._work, args=(search, self._stop), name="rialto-warm-cross", daemon=True)
            self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all is read; False where it is not by then."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the thread; a second call does nothing."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self, search: Search, stop: Event) -> None:
        try:
            self._read(search, stop)
        except EngineError as e:
            logging.getLogger("rialto").warning("products are read ahead no more: %s", e)
        except Exception:  # searches read for themselves, and nobody waits for this thread
            logging.getLogger("rialto").exception("products are read ahead no more")

    def _read(self, search: Search, stop: Event) -> None:
        cross = cross_of(search)
        if cross is None:
            return
        base = search.fittings.cross_base  # products came and went since the cross-encoder numbered them
        own = np.arange(len(search.catalogue)) if base is None else base[1]
        done, left = own < 0, cross.room
        for rows in likely(search, self._past):
            for row in rows[rows >= 0].tolist():
                if stop.is_set() or left <= 0:
                    return
                if not done[row]:
                    start = monotonic()
                    cross.ahead(own[row : row + 1])
                    done[row], left = True, left - 1
                    stop.wait(max(monotonic() - start, _LEAST_S))


def likely(search: Search, past: Sequence[str]) -> Iterator[NDArray[np.int64]]:
    """Catalogue rows that searches will ask for, the likeliest first: what past queries find, then the most popular; some come twice."""
    depth = int(CROSS_DEPTH.default)
    for text in past:
        found = search.search([text], params={**UNREAD, "find.decide.size": depth}).decisions
        yield search.catalogue.rows(found.ids)
    yield search.shelves.best(None, limit=len(search.catalogue))
