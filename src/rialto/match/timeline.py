"""What a log of offers says about any moment it covers: which orders waited, who was asked, who was on the way, who delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.match.ledger import ASSIGNED, OFFERED, PICKED_UP, WAITING
from rialto.match.offers.columns import Result
from rialto.match.offers.entries import Entry
from rialto.match.offers.follow import Follower
from rialto.ports import EventLog

__all__ = ["Standing", "Timeline"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_PLACE = ("placed_s", "lat", "lon", "drop_lat", "drop_lon")
_NOBODY = (np.nan,) * len(_PLACE)


@dataclass(frozen=True, slots=True)
class Standing:
    """Orders at one moment, a row each.

    Args:
        order: Shape (orders,).
        state: Place in `ledger.STATES`, shape (orders,).
        driver: Who was asked or has it; -1 = nobody.
        since_s, until_s: From when and to when it stood so; inf where the log does not tell of the end.
        placed_s, lat, lon, drop_lat, drop_lon: As it was placed.
    """

    order: Ints
    state: NDArray[np.uint8]
    driver: Ints
    since_s: Floats
    until_s: Floats
    placed_s: Floats
    lat: Floats
    lon: Floats
    drop_lat: Floats
    drop_lon: Floats

    def take(self, rows: NDArray[np.bool_] | Ints) -> Standing:
        """The orders at `rows`."""
        return Standing(*(getattr(self, name)[rows] for name in self.__slots__))


class Timeline:
    """The steps of all orders of one log of offers, or of several (a city's shards), by time; `follow` reads on.

    Args:
        logs: From their beginnings.

    Cost:
        Some 10 us a row to read, 60 bytes a step of an order; a moment is looked up in one pass over the steps before it.
    """

    def __init__(self, logs: Sequence[EventLog]) -> None:
        self._followers = [Follower(log) for log in logs]
        self._steps: list[tuple[float, int, int, int]] = []
        self._places: dict[int, tuple[float, ...]] = {}
        self._last: dict[int, tuple[int, int]] = {}
        self._columns = _columns([], {})

    def follow(self) -> int:
        """Read what is new; returns how many steps were."""
        before = len(self._steps)
        for follower in self._followers:
            for entry, result in follower.more():
                if entry.kind == "placed":
                    self._placed(entry, result)
                for order in _touched(entry, result):
                    self._step(follower, order, entry.at_s)
        if len(self._steps) != before:
            self._steps.sort(key=lambda step: step[0])  # stable: steps of one moment stay in their log's order
            self._columns = _columns(self._steps, self._places)
        return len(self._steps) - before

    def _placed(self, entry: Entry, result: Result) -> None:
        new = np.flatnonzero(result.answers == 1)
        places = zip(*(np.asarray(entry.columns[name], dtype=np.float64)[new].tolist() for name in _PLACE))
        self._places.update(zip(entry.columns["ids"][new].tolist(), places))

    def _step(self, follower: Follower, order: int, at_s: float) -> None:
        found, state, driver = follower.ledger.stands(order)
        if found and self._last.get(order) != (state, driver):
            self._last[order] = state, driver
            self._steps.append((at_s, order, state, driver))

    @property
    def span_s(self) -> tuple[float, float]:
        """The first and the last step's moment, s; nan where there is none."""
        at_s = self._columns.since_s
        return (float(at_s[0]), float(at_s[-1])) if len(at_s) else (np.nan, np.nan)

    @property
    def steps(self) -> Standing:
        """Every step, by time: an order stands so from `since_s` until before `until_s`."""
        return self._columns

    def at(self, at_s: float) -> Standing:
        """How every order stood that was placed by `at_s`, in the order of its last step."""
        steps = self._columns
        stop = int(np.searchsorted(steps.since_s, at_s, side="right"))
        return steps.take(np.flatnonzero(steps.until_s[:stop] > at_s))

    def counts(self, at_s: Floats) -> dict[str, Ints]:
        """How many orders wait, and how many are with drivers (`busy`: asked, on the way, delivering), at each moment, shape (moments,)."""
        steps = self._columns
        wanted = {"waiting": steps.state == WAITING, "busy": np.isin(steps.state, (OFFERED, ASSIGNED, PICKED_UP))}
        found: dict[str, Ints] = {}
        for name, rows in wanted.items():
            begun, over = np.sort(steps.since_s[rows]), np.sort(steps.until_s[rows])
            found[name] = np.searchsorted(begun, at_s, side="right") - np.searchsorted(over, at_s, side="right")
        return found


def _touched(entry: Entry, result: Result) -> list[int]:
    """Orders that an entry may have changed."""
    if not len(result.answers) or entry.kind not in ("placed", "offered", "told", "clock"):
        return []
    orders = entry.columns["ids" if entry.kind == "placed" else "order"].tolist()
    return [*dict.fromkeys([*orders, *result.ended[:, 1].tolist()])]


def _columns(steps: list[tuple[float, int, int, int]], places: dict[int, tuple[float, ...]]) -> Standing:
    since_s = np.array([s[0] for s in steps], dtype=np.float64)
    order, state, driver = (np.array([s[i] for s in steps], dtype=np.int64) for i in (1, 2, 3))
    until_s = np.full(len(steps), np.inf)
    rows = np.lexsort((np.arange(len(steps)), order))
    same = order[rows][1:] == order[rows][:-1]
    until_s[rows[:-1][same]] = since_s[rows[1:][same]]
    where = np.array([places.get(o, _NOBODY) for o in order.tolist()], dtype=np.float64).reshape(-1, len(_PLACE)).T
    return Standing(order, state.astype(np.uint8), driver, since_s, until_s, *where)
