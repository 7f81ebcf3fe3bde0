"""Who is not to be asked for an order again: he declined it, gave it back, or let an offer of it expire a moment ago."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.match.ledger import DECLINE, DELIVERED, EXPIRE, RELEASE
from rialto.match.offers.tables import Tables, used

__all__ = ["refusals"]


def refusals(t: Tables, expired_after_s: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """As `Offers.refusals`; the tables must not change meanwhile."""
    whole = expired_after_s == -np.inf
    pairs, orders = used(t, "pairs"), used(t, "orders")
    live = np.sort(orders["id"][(orders["state"] < DELIVERED) & (orders["ended"] == 1)])
    pairs = pairs[np.isin(pairs["kind"], (DECLINE, EXPIRE, RELEASE) if whole else (DECLINE, RELEASE))]
    late = used(t, "ended")[:0] if whole else _expired(used(t, "ended"), expired_after_s)
    order, driver = (np.concatenate([pairs[name], late[name]]) for name in ("order", "driver"))
    rows = np.flatnonzero(np.isin(order, live))
    rows = rows[np.lexsort((driver[rows], order[rows]))]
    order, driver = order[rows], driver[rows]
    again = np.zeros(len(rows), dtype=np.bool_)  # it expired lately and was declined before, or expired twice
    again[1:] = (order[1:] == order[:-1]) & (driver[1:] == driver[:-1])
    return order[~again], driver[~again]


def _expired(ended: NDArray[Any], after_s: float) -> NDArray[Any]:
    """The rows of offers that expired after `after_s`; rows stand in the order of the log, so the search goes back from the last."""
    first = len(ended)
    while first > 0:
        first = max(first - 4096, 0)
        if not (ended["time_s"][first : first + 4096] > after_s).any():
            break
    late = ended[first:]
    return late[(late["kind"] == EXPIRE) & (late["time_s"] > after_s)]
