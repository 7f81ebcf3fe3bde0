"""What drivers did, read from the log of offers: from acceptance over pick-up to delivery, where and for how much; as it grows, too."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from rialto.match.ledger import ACCEPT, CANCEL, DELIVER, PICK_UP, RELEASE
from rialto.match.offers.columns import ColumnLedger
from rialto.match.offers.entries import Entry, decode
from rialto.ports import EventLog

__all__ = ["JobLog", "Jobs", "jobs_logged"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHUNK = 256
_PLACE = ("placed_s", "lat", "lon", "drop_lat", "drop_lon", "value_cents")


@dataclass(frozen=True, slots=True)
class Jobs:
    """Orders that were delivered, a row each, in order of delivery.

    Args:
        order, driver: Shape (jobs,), int64.
        placed_s, accepted_s, picked_s, delivered_s: When, shape (jobs,), seconds UTC; `picked_s` is not before `accepted_s`.
        lat, lon, drop_lat, drop_lon: Where it was picked up and brought, shape (jobs,), degrees; a drop may be NaN = unknown.
        value_cents: What it was worth, shape (jobs,).
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


@dataclass(slots=True)
class JobLog:
    """Reads the log that `Offers` writes; each `more` gives what was delivered since the last.

    The log is replayed through the state machine, so a message that was refused, or came twice, counts here no more than there.

    Args:
        log: The log, from its beginning.

    Cost:
        One pass over what is new; memory by the orders that are not finished, and the state machine's own.
    """

    log: EventLog
    read_to: int = 0
    end_s: float = -np.inf
    """The latest moment in the log so far."""
    gone: list[tuple[int, float, float]] = field(default_factory=list[tuple[int, float, float]])
    """Orders cancelled so far: its number, when it was placed, and when it was cancelled, s."""
    _ledger: ColumnLedger = field(default_factory=ColumnLedger)
    _open: dict[int, _Open] = field(default_factory=dict[int, _Open])

    def more(self) -> Jobs:
        """What was delivered since this was asked last.

        Raises:
            EngineLost: the log is none of offers.
        """
        done: list[tuple[float, ...]] = []
        while events := self.log.read(self.read_to, _CHUNK):
            for offset, event in events:
                self._take(decode(event), done)
                self.read_to = offset + 1
        table = np.array(done, dtype=np.float64).reshape(-1, 11)
        placed_s, lat, lon, drop_lat, drop_lon, cents = table[:, 5:].T
        accepted_s, picked_s, delivered_s = table[:, 2:5].T
        ids = table[:, :2].astype(np.int64)
        return Jobs(
            ids[:, 0], ids[:, 1], placed_s, accepted_s, picked_s, delivered_s, lat, lon, drop_lat, drop_lon, cents
        )  # fmt: skip

    def under_way(self) -> list[tuple[int, float, float]]:
        """Orders accepted and not delivered yet: number, when placed, when accepted, s."""
        return [(order, held.place[0], held.accepted_s) for order, held in self._open.items() if held.driver >= 0]

    def _take(self, entry: Entry, done: list[tuple[float, ...]]) -> None:
        self.end_s = max(self.end_s, entry.at_s)
        answers = self._ledger.apply(entry).answers
        if entry.kind == "placed" and len(answers):
            new = np.flatnonzero(answers == 1)
            told = zip(*(np.asarray(entry.columns[name], dtype=np.float64)[new].tolist() for name in _PLACE))
            for order, place in zip(entry.columns["ids"][new].tolist(), told):
                self._open.setdefault(order, _Open(place))
        elif entry.kind == "told" and len(answers):
            taken = answers == 0
            for kind, order, driver in zip(*(entry.columns[name][taken].tolist() for name in ("kind", "order", "driver"))):
                self._follow(kind, order, driver, entry.at_s, done)

    def _follow(self, kind: int, order: int, driver: int, at_s: float, done: list[tuple[float, ...]]) -> None:
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
            done.append((order, held.driver, held.accepted_s, held.picked_s, at_s, *held.place))
            del self._open[order]


def jobs_logged(log: EventLog) -> Jobs:
    """All deliveries of a log of offers; see `JobLog`."""
    return JobLog(log).more()
