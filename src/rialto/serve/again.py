"""Answers kept for some seconds: what many shoppers ask at once is decided once, and logged for each of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import replace
from threading import Lock

import numpy as np

from rialto.find.records import SearchPage
from rialto.records import Requests
from rialto.spine.apart import alone
from rialto.spine.pipeline import Outcome

__all__ = ["Again"]

_MOST = 256  # answers kept, some 200 kB each


class Again:
    """The latest answers of one storefront, by what was asked; a shop that changed has a storefront, and answers, of its own.

    Within `keep_s` an answer may miss the beginning or end of a rule's dates, or the promotion of a ranker.

    Args:
        keep_s: Seconds; 0 keeps nothing.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s, self._lock = keep_s, Lock()
        self._held: OrderedDict[Hashable, tuple[float, SearchPage, Outcome, int]] = OrderedDict()

    def __len__(self) -> int:
        """Answers kept."""
        return len(self._held)

    def keep(self, asked: Hashable, page: SearchPage, outcome: Outcome, row: int, *, time_s: float) -> None:
        """Keep an answer, that of request `row` of a batch; one that a fallback had a part in is not kept."""
        if self._keep_s <= 0 or page.fallbacks:
            return
        slim = Outcome(outcome.record, outcome.ranked, outcome.trace)  # what was merged is counted by now
        with self._lock:
            self._held[asked] = (time_s, page, slim, row)
            self._held.move_to_end(asked)
            while len(self._held) > _MOST or time_s - next(iter(self._held.values()))[0] >= self._keep_s:  # the oldest is first
                self._held.popitem(last=False)

    def get(self, asked: Hashable, *, number: int, time_s: float) -> tuple[SearchPage, Outcome] | None:
        """The answer under a request id and a time of its own, `took_ms` telling that it was kept; None where there is none."""
        held = self._held.get(asked)
        if held is None or not 0 <= time_s - held[0] < self._keep_s:
            return None
        _, page, batch, row = held
        outcome = alone(batch, row)
        record = outcome.record
        ids, old = np.array([number], dtype=np.uint64), record.requests
        requests = Requests(ids, np.array([time_s]), old.columns, old.overrides)
        made = replace(record, requests=requests, decisions=replace(record.decisions, request_ids=ids))
        return replace(page, request_id=number, took_ms={"kept": 0.0, "total": 0.0}), replace(outcome, record=made)
