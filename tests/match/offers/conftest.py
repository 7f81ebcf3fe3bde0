"""An event log in a list, orders by number, and a plain ledger that reads a log as the specification says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import EngineBusy
from rialto.match.ledger import EXPIRE, PlainLedger, PlainMessage
from rialto.match.offers.entries import decode
from rialto.match.records import Orders
from rialto.ports import EventLog
from rialto.records import Event


class ListLog:
    """An event log in a list; with `fault` "lost" appends fail before, with "mute" after they were kept. Offsets may have gaps."""

    def __init__(self, *, gap: int = 0) -> None:
        self.kept: list[tuple[int, Event]] = []
        self.fault = ""
        self.appends = 0
        self.gap = gap

    def append(self, events: Sequence[Event]) -> NDArray[np.int64]:
        if self.fault == "lost":
            raise EngineBusy("the log is away.")
        start = self.kept[-1][0] + 1 + self.gap if self.kept else 0
        offsets = np.arange(start, start + len(events))
        self.kept.extend(zip(offsets.tolist(), events))
        self.appends += 1
        if self.fault == "mute":
            raise EngineBusy("the log's answer was lost.")
        return offsets

    def read(self, start: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        return [(offset, event) for offset, event in self.kept if offset >= start][:limit]

    def end(self) -> int:
        return self.kept[-1][0] + 1 if self.kept else 0

    def close(self) -> None:
        self.fault = "lost"


class Spec(PlainLedger):
    """The plain ledger, with the keys of messages and batches."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[tuple[int, int], tuple[object, int]] = {}
        self.batches: dict[tuple[str, int], int] = {}

    def read(self, log: EventLog) -> Spec:
        """Act on a whole log; the first of two batches with one key counts."""
        at = 0
        while found := log.read(at, 500):
            for offset, event in found:
                self.entry(decode(event))
                at = offset + 1
        return self

    def entry(self, entry: object) -> None:
        """Act on one entry."""
        kind, at_s, facts = entry.kind, entry.at_s, entry.facts  # type: ignore[attr-defined]
        rows = [dict(zip(entry.columns, row)) for row in zip(*(c.tolist() for c in entry.columns.values()))]  # type: ignore[attr-defined]
        if kind in ("placed", "offered"):
            part = (facts["key"], facts["first"])
            if self.batches.setdefault((facts["key"], -1), facts["content"]) != facts["content"] or part in self.batches:
                return
            self.batches[part] = 0
        for r in rows:
            if kind == "placed":
                self.place(r["ids"], at_s=at_s)
            elif kind == "offered":
                more = {"request": r["request"], "capacity": r["capacity"], "shared": bool(facts["broadcast"])}
                self.offer(r["order"], r["driver"], until_s=r["until_s"], at_s=at_s, **more)
            elif kind == "clock":
                self.tell(PlainMessage(EXPIRE, r["order"], r["driver"], r["offer"]), at_s=at_s)
            elif kind == "told":
                self.keyed((r["a"], r["b"]), PlainMessage(r["kind"], r["order"], r["driver"], r["offer"]), at_s=at_s)

    def keyed(self, key: tuple[int, int], message: PlainMessage, *, at_s: float) -> int:
        """Act on a message unless its key was used; the answer of the first time, or 12 for another message with that key."""
        if key not in self.keys:
            self.keys[key] = message, self.tell(message, at_s=at_s)
        first, answer = self.keys[key]
        return answer if first == message else 12


@pytest.fixture
def list_log() -> Callable[..., ListLog]:
    """Makes an event log in a list."""
    return ListLog


@pytest.fixture
def spec() -> Callable[[], Spec]:
    """Makes a plain ledger with keys."""
    return Spec


@pytest.fixture
def orders() -> Callable[..., Orders]:
    """Orders by their numbers: `orders(1, 2)`."""

    def make(*ids: int) -> Orders:
        size = len(ids)
        return Orders.of(np.array(ids, dtype=np.int64), lat=np.zeros(size), lon=np.zeros(size), placed_s=np.zeros(size))

    return make
