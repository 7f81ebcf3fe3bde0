"""Drives and kitchens read from the log of offers: from pick-up to delivery, and from placing to ready, as the state machine took them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.match.eta import Trips
from rialto.match.jobs import JobLog, Jobs, Logs
from rialto.match.prep import Kitchen, under_way

__all__ = ["Logged", "Prepared", "prep_logged", "trips_logged"]


@dataclass(frozen=True, slots=True)
class Logged:
    """Drives of a log, and what became of the orders that give none.

    Args:
        trips: A row a drive, in order of delivery.
        orders: Its order, shape (trips,).
        drivers: Who drove, shape (trips,).
        undelivered: Orders placed and not delivered.
        untold: Delivered orders whose drop was not known, whose pick-up and delivery bear one time, or between which their driver
            made a stop for another order.
    """

    trips: Trips
    orders: NDArray[np.int64]
    drivers: NDArray[np.int64]
    undelivered: int
    untold: int


def trips_logged(log: Logs) -> Logged:
    """Read drives from the log that `Offers` writes, or from those of shards, from their beginnings.

    The log is replayed through the state machine, so that a message that was refused, or came twice, is none here either. Times are
    those at which messages were taken; a service that takes them every two seconds tells drives to two seconds. An order that took
    the way round by another's stop is left out.

    Raises:
        EngineLost: the log is none of offers.

    Cost:
        One pass over the log; memory by its orders.
    """
    source = JobLog(log)
    jobs = source.more()
    ends = np.stack([jobs.lat, jobs.lon, jobs.drop_lat, jobs.drop_lon], axis=1)
    took_s = jobs.delivered_s - jobs.picked_s
    used = np.isfinite(ends).all(axis=1) & (took_s > 0.0) & _straight(jobs)
    trips = Trips(ends[used, :2], ends[used, 2:], jobs.picked_s[used], took_s[used])
    return Logged(trips, jobs.order[used], jobs.driver[used], source.placed - len(jobs), len(jobs) - int(used.sum()))


def _straight(jobs: Jobs) -> NDArray[np.bool_]:
    """Orders between whose pick-up and delivery their driver made no other stop, shape (jobs,)."""
    who, at_s = np.concatenate([jobs.driver, jobs.driver]), np.concatenate([jobs.picked_s, jobs.delivered_s])
    known = np.flatnonzero(np.isfinite(at_s))
    order = known[np.lexsort((at_s[known], who[known]))]
    who, at_s = who[order], at_s[order]
    begins = np.concatenate([[True], (who[1:] != who[:-1]) | (at_s[1:] != at_s[:-1])])
    moment = np.full(2 * len(jobs), -1)  # counts the moments at which drivers made stops, driver by driver
    moment[order] = np.cumsum(begins[: len(order)]) - 1
    picked, delivered = moment[: len(jobs)], moment[len(jobs) :]
    return (picked >= 0) & (delivered >= 0) & (delivered - picked <= 1)


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


def prep_logged(log: Logs) -> Prepared:
    """Read from the log of offers, or from those of shards, when orders were ready, as `Offers.ready` wrote it: what `prep.train` learns from.

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
    named = jobs.merchant >= 0
    every = np.zeros(len(jobs))  # also orders of which he did not tell kept him busy
    every[named] = under_way(jobs.merchant[named], jobs.placed_s[named])
    busy = every[used]
    kitchen = Kitchen(merchant, placed_s, jobs.value_cents[used], jobs.volume_l[used], busy)
    return Prepared(kitchen, took_s[used], len(jobs) - int(used.sum()))
