"""Why an order was decided as it was, as logs of decisions tell long after; one log, or one a shard."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from rialto.errors import NothingHere
from rialto.match.why import Why, why
from rialto.match.whylog import outcome_of
from rialto.ports import EventLog, Models
from rialto.spine.log import DECISION, decode
from rialto.spine.pipeline import Recorded

__all__ = ["LoggedWhy"]


class LoggedWhy:
    """Finds an order's window in logs of decisions, which may grow meanwhile; calls must take turns.

    Args:
        decisions: The logs.
        models: Those of the service; none of them is asked.

    Cost:
        Memory by the windows, some 100 bytes each; a window's body is read when it is asked for.
    """

    def __init__(self, decisions: Sequence[EventLog], models: Models) -> None:
        self._logs, self._models = decisions, models
        self._windows: list[tuple[float, int, int]] = []
        self._read_to = [0] * len(decisions)

    def why(self, order: int | None, at_s: float = np.inf, *, back: int | None = None) -> Why:
        """Why an order was decided as it was in its last window up to `at_s`; where none is given, the last that was offered to anybody.

        Args:
            order: Its number.
            at_s: Seconds UTC.
            back: Windows that are looked through, backwards; None = all.

        Raises:
            NothingHere: It is in none of those windows, or no log of decisions is kept.
        """
        if not self._logs:
            raise NothingHere("no log of decisions is kept beside these offers, so the reasons are not known.")
        self._follow()
        stop = bisect_right(self._windows, (at_s, len(self._logs), 0))
        first = 0 if back is None else max(stop - back * len(self._logs), 0)
        for record in self._back(first, stop):
            orders = record.requests.column("order")
            asked = order if order is not None else next(iter(np.repeat(orders, record.decisions.counts).tolist()), None)
            if asked is not None and np.any(orders == asked):
                return why(outcome_of(record, self._models), asked)
        sought = "no order was offered to anybody" if order is None else f"order {order} is"
        raise NothingHere(
            f"{sought} in {'' if order is None else 'none of '}the {stop - first} windows logged before that moment."
        )

    def _back(self, first: int, stop: int) -> Iterator[Recorded]:
        for _, log, offset in reversed(self._windows[first:stop]):
            yield decode(self._logs[log].read(offset, 1)[0][1].body)

    def _follow(self) -> None:
        """The moments of windows that are new."""
        before = len(self._windows)
        for number, log in enumerate(self._logs):
            while events := log.read(self._read_to[number], 256):
                found = [(e.time_s, number, offset) for offset, e in events if e.kind == DECISION and e.key == "match"]
                self._windows += found
                self._read_to[number] = events[-1][0] + 1
        if len(self._windows) != before:
            self._windows.sort()
