"""The local event log: append-only segment files, group commit, replay from any offset, recovery after kill -9."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Condition

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineBusy, EngineError, EngineLost
from rialto.local.mark import Mark, folder_of, mark_of, newer
from rialto.local.segments import Segment, decode, encode, mapped, search, segments, walk
from rialto.local.tail import Tail
from rialto.records import Event

__all__ = ["LocalEvents", "distinct"]

_GROUP_BYTES = 8 << 20


class LocalEvents:
    """An `EventLog` in a folder of this machine.

    Offsets count from 0 without gaps. The first `append` (or `claim`) makes this object the folder's one writer; any number of
    processes may read meanwhile, and see a batch when all of it is durable. Appends from several threads share one fsync: the
    first of them writes what the others have queued. A repeated event is kept twice; `distinct` drops repeats for a reader.

    Args:
        folder: Where the segments are; made where absent.
        segment_bytes: A segment is closed, and another begun, before it would grow past this; a single batch may be larger.
        sync: Whether an append waits for the disk. Without it an acknowledged event still survives kill -9, because the kernel
            holds it, but not a loss of power.

    Raises:
        BadInput: `folder` is a file, or `segment_bytes` is not above 0.
        EngineLost: The log is damaged (the text names file and byte), or this user may not use the folder.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     log = LocalEvents(Path(folder))
        ...     log.append([Event("a", "ann", "click", 1.0), Event("b", "bob", "click", 2.0)]).tolist()
        ...     log.end(), [(offset, event.id) for offset, event in log.read(start=1)]
        ...     log.close()
        [0, 1]
        (2, [(1, 'b')])
    """

    def __init__(self, folder: Path, *, segment_bytes: int = 64 << 20, sync: bool = True) -> None:
        if segment_bytes <= 0:
            raise BadInput(f"segment_bytes is {segment_bytes}; wanted a size above 0, 64 MiB if in doubt.")
        self._folder, self._segment_bytes, self._sync = folder_of(Path(folder)), segment_bytes, sync
        self._mark: Mark = mark_of(self._folder)
        self._tail: Tail | None = None
        self._process = os.getpid()
        self._turn = Condition()
        self._queue: list[_Batch] = []
        self._leading = self._closed = False
        self._segments: tuple[tuple[int, int], list[Segment]] = ((-1, 0), [])
        self._last: tuple[int, list[Event]] = (0, [])

    def claim(self) -> None:
        """Become the folder's writer now, rather than at the first append.

        Raises:
            EngineBusy: Somebody else writes to it.
            EngineLost: The log is damaged, closed, or may not be written by this user.
        """
        with self._turn:
            self._writer()

    def append(self, events: Sequence[Event]) -> NDArray[np.int64]:
        """Write `events` durably and return their offsets, shape (events,), rising by one; none is seen unless all are durable.

        Raises:
            BadRow: An event is not as `Event` says; nothing was written.
            EngineBusy: Another writer, or a full disk; nothing of the batch was kept, so append it again.
            EngineLost: The disk failed, or the log is damaged or closed.

        Cost:
            One fsync for all batches that wait at that moment, in whatever thread.
        """
        batch = _Batch(encode(events), len(events))
        if not events:
            return np.zeros(0, dtype=np.int64)
        with self._turn:
            self._writer()
            self._queue.append(batch)
            while self._leading and not batch.done:
                self._turn.wait()
            leads = not batch.done
            self._leading = self._leading or leads
        if leads:
            self._lead(batch)
        if batch.error:
            raise type(batch.error)(*batch.error.args)
        return np.arange(batch.first, batch.first + batch.count, dtype=np.int64)

    def _writer(self) -> Tail:
        if self._closed:
            raise EngineLost(f"event log {self._folder} was closed. Open it again.")
        if self._process != os.getpid():
            raise EngineBusy(f"event log {self._folder} was opened by the process that this one is a fork of. Open it here.")
        if self._tail is None:
            self._tail = Tail(self._folder, segment_bytes=self._segment_bytes, sync=self._sync)
        return self._tail

    def _lead(self, mine: _Batch) -> None:
        try:
            while not mine.done:
                with self._turn:
                    tail, group = self._writer(), self._next_group()
                _commit(tail, group)
        finally:
            with self._turn:
                self._leading = False
                self._turn.notify_all()

    def _next_group(self) -> list[_Batch]:
        size = taken = 0
        for batch in self._queue:
            size += len(batch.payload)
            if taken and size > _GROUP_BYTES:
                break
            taken += 1
        group, self._queue = self._queue[:taken], self._queue[taken:]
        return group

    def read(self, start: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        """Up to `limit` events with offset >= `start`, in offset order; fewer only at the end. `[]` at the end.

        Raises:
            BadInput: `start` or `limit` is negative.
            EngineLost: A frame on the way is damaged; the text names file and byte.

        Cost:
            Finding `start` is a binary search within one segment; going on where the last read ended is free.
        """
        if start < 0 or limit < 0:
            raise BadInput(f"start is {start} and limit {limit}; wanted numbers of events, 0 or more.")
        mark = self._durable()
        found: list[tuple[int, Event]] = []
        while len(found) < limit and start < mark.end:
            for first, events in self._frames(start, mark):
                skip = max(start - first, 0)
                found.extend(enumerate(events[skip : skip + limit - len(found)], first + skip))
                start = first + len(events)
                if len(found) >= limit:
                    break
        return found

    def _frames(self, start: int, mark: Mark) -> Iterator[tuple[int, list[Event]]]:
        """Frames as (first offset, events) from the one that holds `start` to the end of its segment."""
        last = self._last
        if last[0] <= start < last[0] + len(last[1]):
            yield last
            return
        segment, following = self._segment_of(start, mark)
        with mapped(segment, mark.at if segment.first == mark.first else None) as view:
            at, end = search(view, segment, start), -1
            for frame, payload in walk(view, segment, at):
                at, end = frame.end, frame.first + frame.count
                if end > start:
                    self._last = last = frame.first, decode(payload)
                    yield last
            if at != len(view) or end != following:
                raise segment.damaged(at, f"no sound frame begins here; wanted the events up to offset {following - 1}")

    def _segment_of(self, start: int, mark: Mark) -> tuple[Segment, int]:
        """The segment that holds `start`, and the offset that the next one begins with."""
        state = mark.first, os.stat(self._folder).st_mtime_ns
        if (known := self._segments)[0] != state:
            self._segments = known = state, [s for s in segments(self._folder) if s.first <= mark.first]
        found = known[1]
        place = max(bisect_right(found, start, key=lambda s: s.first) - 1, 0)
        return found[place], found[place + 1].first if place + 1 < len(found) else mark.end

    def end(self) -> int:
        """One past the offset of the last durable event; 0 for an empty log."""
        return self._durable().end

    def _durable(self) -> Mark:
        if self._closed:
            raise EngineLost(f"event log {self._folder} was closed. Open it again.")
        tail = self._tail
        self._mark = tail.mark if tail else newer(self._mark, self._folder)
        return self._mark

    def forget(self, before: int) -> None:
        """Delete the segments whose events all have offsets below `before`; what is left begins with a segment."""
        with self._turn:
            self._writer().forget(before)
            self._last = (0, [])

    def close(self) -> None:
        """Wait for the append under way and let go of files and lock; a second call does nothing."""
        with self._turn:
            self._closed = True
            while self._leading:
                self._turn.wait()
            if self._tail is not None and self._process == os.getpid():
                self._tail.close()
            self._tail = None


@dataclass(slots=True)
class _Batch:
    """One caller's events on their way to the disk."""

    payload: bytes
    count: int
    first: int = -1
    error: EngineError | None = None

    @property
    def done(self) -> bool:
        return self.first >= 0 or self.error is not None


def _commit(tail: Tail, group: list[_Batch]) -> None:
    try:
        first = tail.write([batch.payload for batch in group], sum(batch.count for batch in group))
    except EngineError as error:
        for batch in group:
            batch.error = error
        return
    except BaseException:
        for batch in group:
            batch.error = EngineBusy("the thread that wrote this batch for others was interrupted. Append it again.")
        raise
    for batch in group:
        batch.first = first
        first += batch.count


def distinct(events: Iterable[tuple[int, Event]]) -> Iterator[tuple[int, Event]]:
    """Events with their offsets, less those whose id came before: what at-least-once delivery leaves to a reader.

    Cost:
        Memory for every id seen.

    Example:
        >>> first, second = Event("a", "k", "click", 1.0), Event("b", "k", "click", 2.0)
        >>> [offset for offset, _ in distinct([(0, first), (1, first), (2, second)])]
        [0, 2]
    """
    seen: set[str] = set()
    for offset, event in events:
        if event.id not in seen:
            seen.add(event.id)
            yield offset, event
