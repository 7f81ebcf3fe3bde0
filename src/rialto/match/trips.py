"""Drives and kitchens read from the log of offers: from pick-up to delivery, and from placing to ready, as the state machine took them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.match.eta import Trips
from rialto.match.jobs import JobLog
from rialto.match.prep import Kitchen, under_way
from rialto.ports import EventLog

__all__ = ["Logged", "Prepared", "prep_logged", "trips_logged"]


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
    source = JobLog(log)
    jobs = source.more()
    ends = np.stack([jobs.lat, jobs.lon, jobs.drop_lat, jobs.drop_lon], axis=1)
    took_s = jobs.delivered_s - jobs.picked_s
    used = np.isfinite(ends).all(axis=1) & (took_s > 0.0)
    trips = Trips(ends[used, :2], ends[used, 2:], jobs.picked_s[used], took_s[used])
    return Logged(trips, jobs.order[used], jobs.driver[used], source.placed - len(jobs), len(jobs) - int(used.sum()))


@dataclass(frozen=True, slots=True)
class Prepared:
    """Orders of a log of which their merchants told when they were ready.

    Args:
        orders: What is known of each, a row an order, in order of delivery.
        ready_s: Seconds from placing it until it was ready, shape (orders,), above 0.
        untold: Delivered orders of which nobody told, or that were ready before they were placed.
    """

    orders: Kitchen
    ready_s: NDArray[np.float64]
    untold: int


def prep_logged(log: EventLog) -> Prepared:
    """Read from the log of offers when orders were ready, as `Offers.ready` wrote it: what `prep.train` learns from.

    What a merchant told last of an order, before it was delivered, counts.

    Raises:
        EngineLost: the log is none of offers.

    Cost:
        One pass over the log; memory by its orders.
    """
    jobs = JobLog(log).more()
    took_s = jobs.ready_s - jobs.placed_s
    used = np.isfinite(took_s) & (took_s > 0.0)
    merchant, placed_s = jobs.merchant[used], jobs.placed_s[used]
    busy = under_way(merchant, placed_s)
    kitchen = Kitchen(merchant, placed_s, jobs.value_cents[used], jobs.volume_l[used], busy)
    return Prepared(kitchen, took_s[used], len(jobs) - int(used.sum()))
