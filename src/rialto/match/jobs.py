"""What drivers did, read from the log of offers: from acceptance over pick-up to delivery, where and for how much; as it grows, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from rialto.match.ledger import ACCEPT, CANCEL, DELIVER, PICK_UP, RELEASE
from rialto.match.offers.columns import Result
from rialto.match.offers.entries import Entry
from rialto.match.offers.follow import Follower
from rialto.ports import EventLog

__all__ = ["JobLog", "Jobs", "Logs", "jobs_logged", "several"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Logs = EventLog | Sequence[EventLog]
"""A log of offers, or those of a city's shards, an order being in one of them."""

CLOCKS_S = 300.0
"""How far a merchant's clock may run ahead of the log's: a later `ready_s` is a promise, not what happened."""

_PLACE = ("placed_s", "lat", "lon", "drop_lat", "drop_lon", "value_cents")
_TIMES = ("accepted_s", "picked_s", "delivered_s", *_PLACE, "ready_s", "volume_l")


@dataclass(frozen=True, slots=True)
class Jobs:
    """Orders that were delivered, a row each, in order of delivery.

    Args:
        order, driver: Shape (jobs,), int64.
        placed_s, accepted_s, picked_s, delivered_s: When, shape (jobs,), seconds UTC; `picked_s` is not before `accepted_s`.
        lat, lon, drop_lat, drop_lon: Where it was picked up and brought, shape (jobs,), degrees; a drop may be NaN = unknown.
        value_cents: What it was worth, shape (jobs,).
        merchant: Who made it, as it was placed or as he told when it was ready, shape (jobs,), int64; -1 where nobody did.
        ready_s: When it was ready, by his word after it was, shape (jobs,), seconds UTC; NaN where he did not tell.
        volume_l: Its size, shape (jobs,).
    """

    order: Ints
    driver: Ints
    placed_s: Floats
    accepted_s: Floats
    picked_s: Floats
    delivered_s: Floats
    lat: Floats
    lon: Floats
    drop_lat: Floats
    drop_lon: Floats
    value_cents: Floats
    merchant: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    ready_s: Floats = field(default_factory=lambda: np.zeros(0))
    volume_l: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        fills = {"merchant": np.int64(-1), "ready_s": np.float64(np.nan), "volume_l": np.float64(0.0)}
        for name, fill in fills.items():
            if len(getattr(self, name)) != len(self.order):
                object.__setattr__(self, name, np.full(len(self.order), fill))

    def __len__(self) -> int:
        return len(self.order)

    def take(self, rows: NDArray[np.bool_] | Ints) -> Jobs:
        """The jobs at `rows`."""
        return Jobs(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(slots=True)
class _Open:
    """An order under way: what was told when it was placed, and of its driver so far."""

    place: tuple[float, ...]
    driver: int = -1
    accepted_s: float = np.nan
    picked_s: float = np.nan
    volume_l: float = 0.0
    merchant: int = -1
    ready_s: float = np.nan


def several(logs: Logs) -> list[EventLog]:
    """The logs as a list, also where it is one."""
    return list(logs) if isinstance(logs, Sequence) else [logs]


@dataclass(slots=True)
class JobLog:
    """Reads the logs that `Offers` writes; each `more` gives what was delivered since the last.

    A log is replayed through the state machine, so a message that was refused, or came twice, counts here no more than there.

    Args:
        logs: One, or those of a city's shards.
        start, epoch: Where to begin, of a single log, as `Follower` has it; deliveries of orders that were placed before are left out.

    Cost:
        One pass over what is new; memory by the orders that are not finished, and the state machine's own.
    """

    logs: Logs
    start: int = 0
    epoch: int = 0
    end_s: float = -np.inf
    """The latest moment in the log so far."""
    placed: int = 0
    """Orders placed so far."""
    gone: list[tuple[int, float, float]] = field(default_factory=list[tuple[int, float, float]])
    """Orders cancelled so far: its number, when it was placed, and when it was cancelled, s."""
    _followers: list[Follower] = field(init=False)
    _open: dict[int, _Open] = field(default_factory=dict[int, _Open])

    def __post_init__(self) -> None:
        self._followers = [Follower(log, start=self.start, epoch=self.epoch) for log in several(self.logs)]

    def more(self) -> Jobs:
        """What was delivered since this was asked last, in order of delivery.

        Raises:
            EngineLost: the log is none of offers.
        """
        who: list[tuple[int, int, int]] = []
        when: list[tuple[float, ...]] = []
        for follower in self._followers:
            for entry, result in follower.more():
                self._take(entry, result, who, when)
        ids = np.array(who, dtype=np.int64).reshape(-1, 3)  # apart: a number of 62 bits is no float
        columns = dict(zip(_TIMES, np.array(when, dtype=np.float64).reshape(-1, len(_TIMES)).T))
        jobs = Jobs(order=ids[:, 0], driver=ids[:, 1], merchant=ids[:, 2], **columns)
        return jobs if len(self._followers) == 1 else jobs.take(np.argsort(jobs.delivered_s, kind="stable"))

    def under_way(self) -> list[tuple[int, float, float]]:
        """Orders accepted and not delivered yet: number, when placed, when accepted, s."""
        return [(order, held.place[0], held.accepted_s) for order, held in self._open.items() if held.driver >= 0]

    def _take(self, entry: Entry, result: Result, who: list[tuple[int, int, int]], when: list[tuple[float, ...]]) -> None:
        self.end_s = max(self.end_s, entry.at_s)
        answers, columns = result.answers, entry.columns
        if entry.kind == "placed" and len(answers):
            new = np.flatnonzero(answers == 1)
            told = zip(*(np.asarray(columns[name], dtype=np.float64)[new].tolist() for name in _PLACE))
            sizes = columns["volume_l"][new].tolist() if "volume_l" in columns else [0.0] * len(new)
            makers = columns["merchant"][new].tolist() if "merchant" in columns else [-1] * len(new)
            for order, place, volume_l, merchant in zip(columns["ids"][new].tolist(), told, sizes, makers):
                self.placed += order not in self._open
                self._open.setdefault(order, _Open(place, volume_l=volume_l, merchant=merchant))
        elif entry.kind == "ready" and len(answers):
            for order, merchant, ready_s, known in zip(
                *(columns[n].tolist() for n in ("order", "merchant", "ready_s")), answers.tolist()
            ):
                if known and (held := self._open.get(order)) is not None:
                    held.merchant = merchant
                    if ready_s <= entry.at_s + CLOCKS_S:  # else a promise: it decides, and teaches nothing
                        held.ready_s = ready_s
        elif entry.kind == "told" and len(answers):
            taken = answers == 0
            for kind, order, driver in zip(*(columns[name][taken].tolist() for name in ("kind", "order", "driver"))):
                self._follow(kind, order, driver, entry.at_s, who, when)

    def _follow(
        self, kind: int, order: int, driver: int, at_s: float, who: list[tuple[int, int, int]], when: list[tuple[float, ...]]
    ) -> None:
        held = self._open.get(order)
        if held is None:
            return  # a repeat of what is finished
        if kind == ACCEPT:
            held.driver, held.accepted_s = driver, at_s
        elif kind == RELEASE:
            held.driver, held.accepted_s, held.picked_s = -1, np.nan, np.nan
        elif kind == PICK_UP and np.isnan(held.picked_s):
            held.picked_s = at_s
        elif kind == CANCEL:
            self.gone.append((order, held.place[0], at_s))
            del self._open[order]
        elif kind == DELIVER:
            who.append((order, held.driver, held.merchant))
            when.append((held.accepted_s, held.picked_s, at_s, *held.place, held.ready_s, held.volume_l))
            del self._open[order]


def jobs_logged(logs: Logs) -> Jobs:
    """All deliveries of a log of offers, or of several; see `JobLog`."""
    return JobLog(logs).more()
