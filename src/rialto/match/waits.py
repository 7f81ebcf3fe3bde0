"""How long orders waited to be picked up, with a driver on his way or without, and which were given up: read from the log of offers."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from rialto.match.jobs import Logs, several
from rialto.match.ledger import ACCEPT, CANCEL, DELIVER, LEAVE, PICK_UP, RELEASE
from rialto.match.offers.columns import Result
from rialto.match.offers.entries import Entry
from rialto.match.offers.follow import Follower
from rialto.match.plane import east_north_m
from rialto.ports import EventLog

__all__ = ["Waits", "waits_logged"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Waits:
    """Stretches of orders' waits, a row each: until a driver accepted, and from then until he gave it back, picked it up, or it ended.

    Args:
        order: Shape (stretches,), int64.
        placed_s: When the order was placed, shape (stretches,), seconds UTC.
        from_s, to_s: When the stretch began and ended, shape (stretches,), seconds UTC.
        driver: Whether somebody had said that he comes, shape (stretches,).
        cancelled: Whether the stretch ended because the customer gave up, shape (stretches,).
        value_cents: What the order was worth, shape (stretches,).
        trip_m: Pickup to drop in a straight line, shape (stretches,); NaN where the drop was unknown.
    """

    order: NDArray[np.int64]
    placed_s: Floats
    from_s: Floats
    to_s: Floats
    driver: NDArray[np.bool_]
    cancelled: NDArray[np.bool_]
    value_cents: Floats
    trip_m: Floats

    def __len__(self) -> int:
        return len(self.order)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Waits:
        """The stretches at `rows`."""
        return Waits(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(slots=True)
class _Open:
    placed_s: float
    expire_s: float
    value_cents: float
    trip_m: float
    from_s: float
    who: int = -1


def waits_logged(log: Logs) -> Waits:
    """Read the waits of a log of offers, or of those of shards, from the beginning; orders that still wait at its end count until then.

    A cancellation from an order's own `expire_s` on is no news to anybody, and ends the wait without counting as one.

    Raises:
        EngineLost: the log is none of offers.

    Cost:
        One pass over the log; memory by its orders.
    """
    parts = [_read(one) for one in several(log)]
    return Waits(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Waits)})


def _read(log: EventLog) -> Waits:
    reader = _Reader()
    for entry, result in Follower(log).more():
        reader.take(entry, result)
    for order in list(reader.open):
        reader.close(order, reader.end_s, cancelled=False)
    return reader.waits()


class _Reader:
    def __init__(self) -> None:
        self.open = dict[int, _Open]()
        self.end_s = -np.inf
        self._with = dict[int, set[int]]()  # driver -> orders that he said he comes for
        self._ids = list[int]()
        self._rows = list[tuple[float, ...]]()

    def take(self, entry: Entry, result: Result) -> None:
        """Follow one entry of the log."""
        self.end_s = max(self.end_s, entry.at_s)
        if not len(result.answers):
            return
        if entry.kind == "placed":
            self._place(entry, np.flatnonzero(result.answers == 1))
        elif entry.kind == "told":
            taken = result.answers == 0
            told = (entry.columns[name][taken].tolist() for name in ("kind", "order", "driver"))
            for kind, order, driver in zip(*told):
                self._follow(kind, order, driver, entry.at_s)

    def _place(self, entry: Entry, new: NDArray[np.int64]) -> None:
        c = {name: column[new] for name, column in entry.columns.items()}
        lat, lon, drop_lat, drop_lon = (c[name].astype(np.float64) for name in ("lat", "lon", "drop_lat", "drop_lon"))
        trips = np.hypot(*east_north_m((lat, lon), (drop_lat, drop_lon))).tolist()
        told = (c[name].astype(np.float64).tolist() for name in ("placed_s", "expire_s", "value_cents"))
        for order, placed_s, expire_s, cents, trip_m in zip(c["ids"].tolist(), *told, trips):
            self.open.setdefault(order, _Open(placed_s, expire_s, cents, trip_m, placed_s))

    def _follow(self, kind: int, order: int, driver: int, at_s: float) -> None:
        if kind == LEAVE:  # whoever leaves gives back what he has not picked up
            for mine in list(self._with.get(driver, ())):
                self._turn(mine, at_s, who=-1)
        held = self.open.get(order)
        if held is None:
            return
        if kind == ACCEPT:
            self._turn(order, at_s, who=driver)
        elif kind == RELEASE:
            self._turn(order, at_s, who=-1)
        elif kind in (PICK_UP, DELIVER):
            self.close(order, at_s, cancelled=False)
        elif kind == CANCEL:
            self.close(order, at_s, cancelled=at_s < held.expire_s)

    def _turn(self, order: int, at_s: float, *, who: int) -> None:
        held = self.open[order]
        self._write(order, held, at_s, cancelled=False)
        held.from_s, held.who = max(at_s, held.from_s), who
        if who >= 0:
            self._with.setdefault(who, set()).add(order)

    def close(self, order: int, at_s: float, *, cancelled: bool) -> None:
        """End an order's wait."""
        self._write(order, self.open.pop(order), at_s, cancelled=cancelled)

    def _write(self, order: int, held: _Open, at_s: float, *, cancelled: bool) -> None:
        self._with.get(held.who, set[int]()).discard(order)
        to_s = max(at_s, held.from_s)  # a sender's clock may run ahead of the log's
        self._ids.append(order)
        self._rows.append(
            (held.placed_s, held.from_s, to_s, float(held.who >= 0), float(cancelled), held.value_cents, held.trip_m)
        )

    def waits(self) -> Waits:
        """All stretches so far, an order's together."""
        ids = np.array(self._ids, dtype=np.int64)
        by = np.argsort(ids, kind="stable")
        placed_s, from_s, to_s, driver, cancelled, cents, trip_m = np.array(self._rows, dtype=np.float64).reshape(-1, 7)[by].T
        return Waits(ids[by], placed_s, from_s, to_s, driver > 0.0, cancelled > 0.0, cents, trip_m)
