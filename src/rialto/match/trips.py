"""Drives read from the log of offers: from each order's pick-up to its delivery, as the state machine took them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.match.eta import Trips
from rialto.match.ledger import DELIVER, PICK_UP
from rialto.match.offers.columns import ColumnLedger
from rialto.match.offers.entries import Entry, decode
from rialto.ports import EventLog

__all__ = ["Logged", "trips_logged"]

_CHUNK = 256
_PLACE = ("lat", "lon", "drop_lat", "drop_lon")


@dataclass(frozen=True, slots=True)
class Logged:
    """Drives of a log, and what became of the orders that give none.

    Args:
        trips: A row a drive, in order of delivery.
        orders: Its order, shape (trips,).
        drivers: Who drove, shape (trips,).
        undelivered: Orders placed and not delivered.
        untold: Delivered orders whose drop was not known, or whose pick-up and delivery bear one time.
    """

    trips: Trips
    orders: NDArray[np.int64]
    drivers: NDArray[np.int64]
    undelivered: int
    untold: int


def trips_logged(log: EventLog) -> Logged:
    """Read drives from the log that `Offers` writes, from its beginning.

    The log is replayed through the state machine, so that a message that was refused, or came twice, is none here either. Times are
    those at which messages were taken; a service that takes them every two seconds tells drives to two seconds. An order that rode
    with others took the way round by them: leave such orders out where they are many.

    Raises:
        EngineLost: the log is none of offers.

    Cost:
        One pass over the log; memory by its orders.
    """
    ledger = ColumnLedger()
    places: dict[int, NDArray[np.float64]] = {}
    picked: dict[int, float] = {}
    done: dict[int, tuple[float, int]] = {}
    start = 0
    while events := log.read(start, _CHUNK):
        for _, event in events:
            entry = decode(event)
            answers = ledger.apply(entry).answers
            if entry.kind == "placed" and len(answers):
                _place(entry, answers, places)
            elif entry.kind == "told" and len(answers):
                _follow(entry, answers, picked, done)
        start = events[-1][0] + 1
    return _rows(places, picked, done)


def _place(entry: Entry, answers: NDArray[np.int64], places: dict[int, NDArray[np.float64]]) -> None:
    rows = np.flatnonzero(answers == 1)
    at = np.stack([np.asarray(entry.columns[name], dtype=np.float64)[rows] for name in _PLACE], axis=1)
    for order, place in zip(entry.columns["ids"][rows].tolist(), at):
        places.setdefault(order, place)


def _follow(entry: Entry, answers: NDArray[np.int64], picked: dict[int, float], done: dict[int, tuple[float, int]]) -> None:
    taken = answers == 0
    for kind, order, driver in zip(*(entry.columns[name][taken].tolist() for name in ("kind", "order", "driver"))):
        if kind == PICK_UP:
            picked.setdefault(order, entry.at_s)
        elif kind == DELIVER:
            done.setdefault(order, (entry.at_s, driver))


def _rows(places: dict[int, NDArray[np.float64]], picked: dict[int, float], done: dict[int, tuple[float, int]]) -> Logged:
    told = [o for o in done if o in places and o in picked]
    ends = np.array([places[o] for o in told]).reshape(-1, 4)
    began_s = np.array([picked[o] for o in told], dtype=np.float64)
    took_s = np.array([done[o][0] for o in told], dtype=np.float64) - began_s
    used = np.isfinite(ends).all(axis=1) & (took_s > 0.0)
    trips = Trips(ends[used, :2], ends[used, 2:], began_s[used], took_s[used])
    orders = np.array(told, dtype=np.int64)
    drivers = np.array([done[o][1] for o in told], dtype=np.int64)
    return Logged(trips, orders[used], drivers[used], len(places.keys() - done.keys()), len(done) - int(used.sum()))
