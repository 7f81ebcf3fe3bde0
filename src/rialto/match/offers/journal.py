"""The log behind the ledger: writes of several threads share an append, the log's order decides, one owner at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from threading import Lock, RLock

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineBusy, EngineError, EngineLost
from rialto.match.offers.columns import ColumnLedger, Result
from rialto.match.offers.entries import Entry, decode, encode, parts
from rialto.match.offers.snapshot import dump, load
from rialto.ports import EventLog
from rialto.records import Event

__all__ = ["Journal"]

_READ_BYTES = 8 << 20
_APPEND_PARTS = 128
"""Parts of a snapshot in one append: some 50 MB."""


@dataclass(slots=True)
class _Slip:
    """One caller's entries on their way to the log."""

    entries: list[Entry]
    events: list[Event]
    results: list[Result] = field(default_factory=list[Result])
    error: EngineError | None = None
    done: bool = False


class Journal:
    """A ledger that is never ahead of its log.

    A write is durable before it is seen. Where an append fails nobody knows whether it was kept: the error goes to its callers, and
    the next write reads the log first. Every entry tells the owner's number (`epoch`), the offset of the last snapshot, and how far
    its writer had read; so any entry is enough to find the snapshot, and a log whose beginning was lost is told from a new one.

    Args:
        events: A log of its own; what is in it is read at once.

    Raises:
        EngineLost: The log holds something else, or its beginning is gone and no snapshot is left.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self.lock = RLock()
        """Held while the ledger changes, and by whoever reads it; never while the log is written."""
        self.ledger = ColumnLedger()
        self.epoch = 0
        self.snapshot_at = -1
        self.rows = 0
        """Rows that were read or written since the last snapshot."""
        self._turn = Lock()
        self._queue: deque[_Slip] = deque()
        self._read_to = 0
        self._behind = False
        self._begin()

    def _begin(self) -> None:
        end = self._events.end()
        last = self._events.read(end - 1, 1) if end else []
        self.snapshot_at = max((_facts(decode(event))["snapshot"] for _, event in last), default=-1)
        if self.snapshot_at >= 0:
            self._load()
        self._read({})

    def _load(self) -> None:
        found = self._events.read(self.snapshot_at, 1)
        count = decode(found[0][1]).facts.get("parts", 0) if found and found[0][0] == self.snapshot_at else 0
        while found and len(found) < count and (more := self._events.read(found[-1][0] + 1, min(count - len(found), 64))):
            found += more
        if not count or len(found) < count:
            raise EngineLost(
                f"the offers' log says that its snapshot begins at offset {self.snapshot_at}, yet it is not there. Restore the log."
            )
        self.ledger = load([decode(event) for _, event in found])
        self._read_to = found[-1][0] + 1

    def recover(self) -> int:
        """Read what the log holds beyond what is known; returns how many entries."""
        with self._turn:
            count = self._read({})
            self._behind = False
            return count

    def _read(self, mine: Mapping[int, tuple[_Slip, Entry]], stop: float = np.inf) -> int:
        """Act on the log's entries up to offset `stop`; those at an offset of `mine` are the slip's own."""
        count, limit = 0, 64
        while self._read_to < stop and (batch := self._events.read(self._read_to, limit)):
            for offset, event in batch:
                slip, entry = mine.get(offset) or (None, decode(event))
                self._apply(slip, entry, offset)
            count += len(batch)
            size = sum(len(event.body) for _, event in batch)
            limit = int(np.clip(_READ_BYTES * len(batch) // max(size, 1), 8, 8192))
        return count

    def _apply(self, slip: _Slip | None, entry: Entry, offset: int) -> None:
        facts = _facts(entry)
        if facts["read"] > self._read_to:
            raise EngineLost(
                f"the entry at offset {offset} of the offers' log was written by one who had read up to offset {facts['read']}; "
                f"what lies before it ends at {self._read_to}, with no snapshot after that. Restore the log's beginning."
            )
        with self.lock:
            result = self.ledger.apply(entry)
            self._read_to = offset + 1
        self.snapshot_at = max(self.snapshot_at, facts["snapshot"])
        self.rows += len(entry)
        if slip is not None:
            slip.results.append(result)
            if entry.kind == "opened" and result.answers[0]:
                self.epoch = facts["epoch"]  # at once: the next of this process's threads to write is the owner too
            if entry.kind != "opened" and facts["epoch"] != self.ledger.epoch:
                slip.error = self._lost()

    def _lost(self) -> EngineLost:
        return EngineLost(
            f"{self.ledger.owner!r} took these offers over (number {self.ledger.epoch}; this one held number {self.epoch}). Stop here, "
            "or take over again if that one is gone."
        )

    def commit(self, entries: Sequence[Entry]) -> list[Result]:
        """Log entries and act on them; one result for each part of each of them.

        Raises:
            BadInput: A moment is not finite.
            EngineBusy: The log did not answer; whether the entries were kept is seen by their keys: say it all again.
            EngineLost: The log is lost, or another process took it over.
        """
        whole = [part for entry in entries for part in parts(self._signed(entry))]
        slip = _Slip(whole, [encode(entry) for entry in whole])
        self._queue.append(slip)
        with self._turn:  # whoever gets the turn writes for all who wait for it
            if not slip.done:
                self._lead([self._queue.popleft() for _ in range(len(self._queue))])
        if slip.error is not None:
            raise type(slip.error)(*slip.error.args)
        return slip.results

    def _signed(self, entry: Entry) -> Entry:
        if not isfinite(entry.at_s):
            raise BadInput(f"at_s is {entry.at_s}; wanted finite seconds since 1970.")
        facts = {"epoch": self.epoch, "snapshot": self.snapshot_at, "read": self._read_to, **entry.facts}
        return replace(entry, at_s=float(entry.at_s), facts=facts)  # a whole number would be another type to the kernels

    def _renew(self, slip: _Slip) -> None:
        """Sign entries again that waited while this process took over or kept a snapshot: the last entry must name the last one."""
        if any(e.facts["snapshot"] != self.snapshot_at or e.facts["epoch"] < self.epoch for e in slip.entries):
            epochs = [max(e.facts["epoch"], self.epoch) for e in slip.entries]
            signed = zip(slip.entries, epochs)
            slip.entries = [replace(e, facts={**e.facts, "epoch": n, "snapshot": self.snapshot_at}) for e, n in signed]
            slip.events = [encode(entry) for entry in slip.entries]

    def _lead(self, slips: list[_Slip]) -> None:
        """Write and act for `slips`; whatever happens, each of them is done afterwards."""
        try:
            if self._behind:
                self._read({})
            if self.ledger.epoch != self.epoch and all(e.kind != "opened" for s in slips for e in s.entries):
                raise self._lost()
            for slip in slips:
                self._renew(slip)
            self._behind = True  # until the append has answered, the log may hold more than the ledger
            offsets = self._events.append([event for slip in slips for event in slip.events])
            self._take(offsets, [(slip, entry) for slip in slips for entry in slip.entries])
            self._behind = False
        except EngineError as error:
            _fail(slips, error)
        except BaseException:
            _fail(slips, EngineBusy("the thread that wrote this for others was interrupted. Say it again, with the same key."))
            raise
        finally:
            for slip in slips:
                slip.done = True

    def _take(self, offsets: NDArray[np.int64], written: list[tuple[_Slip, Entry]]) -> None:
        if self._straight(offsets):
            for offset, (slip, entry) in zip(offsets.tolist(), written):
                self._apply(slip, entry, offset)
        else:  # another writer came between: the log's order decides
            self._read(dict(zip(offsets.tolist(), written)), int(offsets[-1]) + 1)

    def _straight(self, offsets: NDArray[np.int64]) -> bool:
        """Whether nothing that was not read lies before the last of `offsets`."""
        if offsets[-1] - offsets[0] + 1 != len(offsets):
            return False
        if offsets[0] == self._read_to:
            return True
        between = self._events.read(self._read_to, 1)  # some logs have gaps: the next event may be ours all the same
        return bool(between) and between[0][0] == offsets[0]

    def take_over(self, owner: str, *, at_s: float) -> int:
        """Become the one who writes: entries of whoever did so before are void from here on. Returns the owner's new number.

        Raises:
            EngineBusy: Somebody else took over at the same moment, or (in a log with a lock) still holds the log.
        """
        self.recover()
        wanted = self.ledger.epoch + 1
        (result,) = self.commit([Entry("opened", at_s, {}, {"epoch": wanted, "owner": owner})])
        if not result.answers[0]:
            raise EngineBusy(f"{self.ledger.owner!r} took these offers over at the same moment. Let that one work, or try again.")
        return wanted

    def snapshot(self, *, at_s: float) -> int:
        """Write the whole ledger into the log, so that a recovery begins here; returns the offset that it begins at.

        Raises:
            EngineBusy: Others write to the log, or it did not answer: the one before stands. Try again.
        """
        with self._turn:
            self._read({})
            self._behind = False
            if self.ledger.epoch != self.epoch:
                raise self._lost()
            first, entries = -1, [self._signed(entry) for entry in dump(self.ledger, at_s=at_s)]
            for at in range(0, len(entries), _APPEND_PARTS):
                offsets = self._append(entries[at : at + _APPEND_PARTS])
                first = int(offsets[0]) if first < 0 else first
            self.rows = 0
            self._append([self._signed(Entry("kept", at_s, {}, {"snapshot": first}))])  # from now on every entry names it
            return first

    def _append(self, entries: list[Entry]) -> NDArray[np.int64]:
        self._behind = True
        offsets = self._events.append([encode(entry) for entry in entries])
        if not self._straight(offsets):
            raise EngineBusy("others write to the offers' log while it is copied. Try again.")
        self._take(offsets, [(_Slip([], []), entry) for entry in entries])
        self._behind = False
        return offsets


def _fail(slips: list[_Slip], error: EngineError) -> None:
    for slip in slips:
        if len(slip.results) < len(slip.entries):
            slip.error = slip.error or error


def _facts(entry: Entry) -> Mapping[str, int]:
    if not {"epoch", "snapshot", "read"} <= entry.facts.keys():
        raise EngineLost(f"an event of kind {entry.kind!r} is no entry of the offers' log. Give offers a log of their own.")
    return entry.facts
