"""When orders that wait will be ready: what was told of each, else what the live preparation-time model says, else now."""

from __future__ import annotations

import logging
from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from rialto.errors import EngineError
from rialto.match.offers import Offers
from rialto.match.prep import MODEL, WINDOW_S, Kitchen, PrepTimes, live_prep, under_way
from rialto.match.records import Orders
from rialto.ports import Models

__all__ = ["Kitchens"]

Floats = NDArray[np.float64]


class Kitchens:
    """What is known of the waiting orders' readiness, an order at a time: the model is asked once for each that names a merchant.

    Args:
        models: Where the live preparation-time model is read from.
        offers: Where every merchant's latest orders are.

    Cost:
        None while no waiting order names a merchant without a `ready_s`; else, with a live model, a scoring of the orders that came
        since the last window and a pass over those that are in memory.
    """

    def __init__(self, models: Models, offers: Offers) -> None:
        self._models, self._offers = models, offers
        self._lock = Lock()
        self._version = ""
        self._times: PrepTimes | None = None
        self._said = dict[int, float]()
        self.failed = ""
        """Why the model could not be asked last; "" where it could. Its orders count as ready meanwhile."""

    def filled(self, orders: Orders) -> Orders:
        """The orders with `ready_s` where the model tells it; NaN stays where nobody does."""
        rows = np.flatnonzero((orders.merchant >= 0) & np.isnan(orders.ready_s))
        if not len(rows) or (times := self._live()) is None:
            self._said = {}
            return orders
        ids = orders.ids[rows].tolist()
        new = rows[np.array([i not in self._said for i in ids], dtype=np.bool_)]
        self._said |= self._foretold(orders.take(new), times) if len(new) else {}
        self._said = {i: self._said[i] for i in ids if i in self._said}
        ready_s = orders.ready_s.copy()
        ready_s[rows] = [self._said.get(i, np.nan) for i in ids]
        return replace(orders, ready_s=ready_s)

    def ready_s(self, orders: Orders) -> Floats:
        """When each order is ready, as far as it was told or the model tells, shape (orders,); of any orders, apart from the windows'."""
        ready_s, rows = orders.ready_s.copy(), np.flatnonzero((orders.merchant >= 0) & np.isnan(orders.ready_s))
        if len(rows) and (times := self._live()) is not None:
            told = self._foretold(orders.take(rows), times)
            ready_s[rows] = [told.get(i, np.nan) for i in orders.ids[rows].tolist()]
        return ready_s

    def _live(self) -> PrepTimes | None:
        found = self._models.live(MODEL)
        version = "" if found is None else found[0]
        with self._lock:
            if version != self._version:
                self._times, self._version = live_prep(self._models), version
                self._said = {}
            return self._times

    def _foretold(self, orders: Orders, times: PrepTimes) -> dict[int, float]:
        """Order -> when it will be ready. A model that fails leaves its orders ready at once, as they are without one: that is told."""
        ids, merchant, placed_s = self._offers.placed_by(orders.merchant, since_s=float(orders.placed_s.min()) - WINDOW_S)
        busy = dict(zip(ids.tolist(), under_way(merchant, placed_s).tolist()))
        shortly = np.array([busy.get(i, 0.0) for i in orders.ids.tolist()])
        kitchen = Kitchen(orders.merchant, orders.placed_s, orders.value_cents.astype(np.float64), orders.volume_l, shortly)
        try:
            took_s = times.spans(kitchen).seconds
            self.failed = ""
        except EngineError as e:
            if not self.failed:
                logging.getLogger("rialto").warning("it is not known when %d orders will be ready: %s", len(orders), e)
            self.failed = str(e)
            return {}
        return dict(zip(orders.ids.tolist(), (orders.placed_s + took_s).tolist()))
