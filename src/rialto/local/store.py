"""The local feature stores: values in columns in memory, and the same with a snapshot and a log on disk."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.local import versions
from rialto.local.cells import checked_expiry, checked_read, checked_write, packed, unpacked
from rialto.local.events import LocalEvents
from rialto.local.tail import sync_folder
from rialto.records import Columns, Event

__all__ = ["LocalStore", "MemoryStore"]

_ALL = np.iinfo(np.int64).max


class MemoryStore:
    """A `FeatureStore` in the memory of this process; nothing is kept when it ends.

    Cost:
        A read of the newest values is one hash look-up an entity and one run of memory; a read of the past walks from the
        newest version back. A write to n cells is O(n), or O(versions) for a cell that is written in the past. 24 bytes for
        each pair of entity and name, and for each older version.

    Args:
        depth: Older versions to keep of each value; None keeps all until they expire. What fell off reads as missing, never as
            another value.

    Raises:
        BadInput: `depth` is negative.

    Example:
        >>> store = MemoryStore()
        >>> store.write(np.array([7]), {"clicks": np.array([2.0])}, at_s=10.0)
        >>> store.write(np.array([7]), {"clicks": np.array([3.0])}, at_s=20.0)
        >>> store.read(np.array([7, 8]), ["clicks"], at_s=15.0).tolist()
        [[2.0], [nan]]
    """

    def __init__(self, *, depth: int | None = None) -> None:
        if depth is not None and depth < 0:
            raise BadInput(f"depth is {depth}; wanted a number of older versions, 0 or more, or None for all.")
        self._depth = _ALL if depth is None else depth
        self._lock = Lock()
        self._closed = False
        self._clear()

    def _clear(self) -> None:
        self._names: dict[str, int] = {}
        self._used = 0
        self._entities = np.zeros(8, dtype=np.int64)
        self._cells, self._older = _empty(8, 8)
        self._index()
        self._past, self._links = np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
        self._free = np.array([-1, 0], dtype=np.int64)

    def _index(self) -> None:
        places = 4 * len(self._entities)
        self._keys, self._slots = np.zeros(places, dtype=np.int64), np.full(places, -1, dtype=np.int64)
        versions.insert(self._entities[: self._used], 0, self._keys, self._slots)

    def write(self, entities: NDArray[np.int64], columns: Columns, *, at_s: float) -> None:
        """Set `columns` (name -> (entities,) float64) as of `at_s`. A NaN clears. An older write never hides a newer one.

        Of two writes as of the same second the later call wins, and within a call the later row of an entity.

        Raises:
            BadInput: A column has another length or no numbers, an entity is no integer, or `at_s` is not finite; nothing was
                written.
        """
        self.put(*checked_write(entities, columns, at_s), at_s)

    def put(self, entities: NDArray[np.int64], names: Sequence[str], values: NDArray[np.float64], at_s: float) -> None:
        """Set `values` (names, entities) as of `at_s`, as `write` does once it has checked them."""
        with self._lock:
            if self._closed:
                raise EngineLost("the feature store was closed. Open it again.")
            for name in names:
                self._names.setdefault(name, len(self._names))
            self._grow(len(entities), values.size)
            slots, used = versions.insert(entities, self._used, self._keys, self._slots)
            self._entities[slots] = entities
            self._used = used
            columns = np.array([self._names[name] for name in names], dtype=np.int64)
            versions.write(
                slots, columns, values, at_s, self._depth, self._cells, self._older, self._past, self._links, self._free
            )

    def _grow(self, entities: int, cells: int) -> None:
        """Make room for `entities` more slots, all names, and `cells` more older versions."""
        slots, names = self._older.shape
        if self._used + entities > slots or len(self._names) > names:
            bigger = max(slots, _doubled(slots, self._used + entities)), max(names, _doubled(names, len(self._names)))
            self._resize(np.arange(self._used), *bigger)
        if cells > self._free[1]:
            self._more_versions(_doubled(max(len(self._links), 1024), len(self._links) + cells))

    def _resize(self, keep: NDArray[np.int64], slots: int, names: int) -> None:
        cells, older = _empty(slots, names)
        width = self._older.shape[1]
        cells[: len(keep), :width], older[: len(keep), :width] = self._cells[keep], self._older[keep]
        entities = np.zeros(slots, dtype=np.int64)
        entities[: len(keep)] = self._entities[keep]
        self._cells, self._older, self._entities, self._used = cells, older, entities, len(keep)
        self._index()

    def _more_versions(self, size: int) -> None:
        had = len(self._links)
        fresh = np.arange(had + 1, size + 1, dtype=np.int64)
        fresh[-1] = self._free[0]
        self._links = np.concatenate([self._links, fresh])
        self._past = np.concatenate([self._past, np.zeros((size - had, 2))])
        self._free[:] = had, self._free[1] + size - had

    def read(self, entities: NDArray[np.int64], names: Sequence[str], *, at_s: float) -> NDArray[np.float64]:
        """Values as of `at_s`, shape (entities, names): the last written at or before `at_s` and not expired; else NaN.

        Raises:
            BadInput: An entity is no integer, a name no text, or `at_s` is NaN.
        """
        wanted = checked_read(entities, names, at_s)
        with self._lock:
            if self._closed:
                raise EngineLost("the feature store was closed. Open it again.")
            slots = versions.find(wanted, self._keys, self._slots)
            columns = np.array([self._names.get(name, -1) for name in names], dtype=np.int64)
            return versions.read(slots, columns, float(at_s), self._cells, self._older, self._past, self._links)

    def expire(self, *, before_s: float) -> None:
        """Forget every value written before `before_s`; entities of which nothing is left give their room back.

        Raises:
            BadInput: `before_s` is NaN.
        """
        checked_expiry(before_s)
        with self._lock:
            if self._closed:
                raise EngineLost("the feature store was closed. Open it again.")
            alive = versions.expire(float(before_s), self._used, self._cells, self._older, self._past, self._links, self._free)
            if 2 * np.count_nonzero(alive) < self._used:
                keep = np.flatnonzero(alive)
                self._resize(keep, _doubled(8, len(keep)), self._older.shape[1])

    def close(self) -> None:
        """Forget everything; a second call does nothing."""
        with self._lock:
            self._closed = True
            self._clear()

    def save(self, file: Any) -> None:
        """Write all values to an open binary file, as a numpy archive; nobody may write to the store meanwhile."""
        names = np.frombuffer(json.dumps(list(self._names)).encode(), dtype=np.uint8)
        used = self._used
        np.savez(
            file,
            names=names,
            entities=self._entities[:used],
            cells=self._cells[:used],
            older=self._older[:used],
            past=self._past,
            links=self._links,
            free=self._free,
        )

    def load(self, file: Any) -> None:
        """Take the place of what `save` wrote.

        Raises:
            BadZipFile, ValueError, KeyError, EOFError: The file is damaged.
        """
        with np.load(file, allow_pickle=False) as saved:
            parts = {name: saved[name] for name in ("names", "entities", "cells", "older", "past", "links", "free")}
        self._names = {name: column for column, name in enumerate(json.loads(parts["names"].tobytes()))}
        self._entities, self._cells, self._older = parts["entities"], parts["cells"], parts["older"]
        self._past, self._links, self._free = parts["past"], parts["links"], parts["free"]
        self._used = len(self._entities)
        self._resize(np.arange(self._used), _doubled(8, self._used), self._older.shape[1])


class LocalStore:
    """A `FeatureStore` in memory whose writes go to a log in `folder`, shortened by a snapshot from time to time.

    Opening it reads the snapshot and what was logged since; a half-written tail is cut off as in `LocalEvents`.

    Args:
        folder: Made where absent; one process at a time uses it.
        depth: As in `MemoryStore`; what a snapshot dropped stays dropped.
        sync: Whether a write waits for the disk. Without it a write survives kill -9 but not a loss of power, which is enough
            for features that can be computed again from the event log.
        snapshot_bytes: A snapshot is taken when the log since the last one is larger than this and than that snapshot. The
            write that triggers it waits for it.

    Raises:
        BadInput: `folder` is a file.
        EngineBusy: Another process uses the folder.
        EngineLost: Log or snapshot is damaged, or this user may not use the folder.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = LocalStore(Path(folder))
        ...     store.write(np.array([7]), {"clicks": np.array([2.0])}, at_s=10.0)
        ...     store.close()
        ...     store = LocalStore(Path(folder))
        ...     store.read(np.array([7]), ["clicks"], at_s=10.0).tolist()
        ...     store.close()
        [[2.0]]
    """

    def __init__(self, folder: Path, *, depth: int | None = None, sync: bool = False, snapshot_bytes: int = 64 << 20) -> None:
        self._memory = MemoryStore(depth=depth)
        self._folder, self._snapshot_bytes = Path(folder), snapshot_bytes
        self._turn = Lock()
        self._log = LocalEvents(self._folder / "log", segment_bytes=max(snapshot_bytes // 4, 1 << 12), sync=sync)
        try:
            self._log.claim()
            self._logged, self._snapshot_size = 0, 0
            self._replay(self._restore())
        except BaseException:
            self._log.close()
            raise

    def _restore(self) -> int:
        """Load the snapshot and return the offset of the first write that it does not hold."""
        for half in self._folder.glob("*.half"):
            half.unlink()
        found = sorted(self._folder.glob("*.snapshot"))
        if not found:
            return 0
        try:
            with found[-1].open("rb") as file:
                self._memory.load(file)
        except (BadZipFile, ValueError, KeyError, EOFError) as error:
            raise EngineLost(f"feature store snapshot {found[-1]} is damaged ({error}). Restore it from a copy.") from error
        self._snapshot_size = found[-1].stat().st_size
        return int(found[-1].stem)

    def _replay(self, start: int) -> None:
        while logged := self._log.read(start, 50):
            if logged[0][0] != start:
                raise EngineLost(f"feature store {self._folder}: its log lacks the writes {start} to {logged[0][0] - 1}.")
            for _, event in logged:
                self._apply(event)
            start = logged[-1][0] + 1

    def _apply(self, event: Event) -> None:
        self._logged += len(event.body)
        if event.kind == "expire":
            self._memory.expire(before_s=struct.unpack("<d", event.body)[0])
        else:
            self._memory.put(*unpacked(event.body))

    def write(self, entities: NDArray[np.int64], columns: Columns, *, at_s: float) -> None:
        """Set `columns` as `MemoryStore.write` does; it is in the log before it is in memory.

        Raises:
            BadInput: As `MemoryStore.write`; nothing was written.
            EngineBusy: The disk is full: make room and write again.
            EngineLost: The disk failed.
        """
        body = packed(*checked_write(entities, columns, at_s), at_s)
        self._change(Event("write", "", "write", at_s, body))

    def _change(self, event: Event) -> None:
        with self._turn:
            self._log.append([event])
            self._apply(event)
            if self._logged > max(self._snapshot_bytes, self._snapshot_size):
                self._snapshot()

    def _snapshot(self) -> None:
        offset = self._log.end()
        file = self._folder / f"{offset:020d}.snapshot"
        half = file.with_suffix(".half")
        try:
            with half.open("wb") as out:
                self._memory.save(out)
                out.flush()
                os.fsync(out.fileno())
            half.rename(file)
            sync_folder(self._folder)
        except OSError as error:
            half.unlink(missing_ok=True)
            why = f"{error.strerror}. The write was kept in the log; make room, or it grows for ever."
            raise EngineBusy(f"feature store {self._folder} cannot write its snapshot: {why}") from error
        self._logged, self._snapshot_size = 0, file.stat().st_size
        self._log.forget(offset)
        for older in self._folder.glob("*.snapshot"):
            if older != file:
                older.unlink()

    def read(self, entities: NDArray[np.int64], names: Sequence[str], *, at_s: float) -> NDArray[np.float64]:
        """Values as of `at_s`, shape (entities, names), as `MemoryStore.read`; the disk is not touched."""
        return self._memory.read(entities, names, at_s=at_s)

    def expire(self, *, before_s: float) -> None:
        """Forget every value written before `before_s`.

        Raises:
            BadInput: `before_s` is NaN.
        """
        checked_expiry(before_s)
        self._change(Event("expire", "", "expire", 0.0, struct.pack("<d", before_s)))

    def close(self) -> None:
        """Let go of the folder; what was written is there on reopening. A second call does nothing."""
        with self._turn:
            self._log.close()
            self._memory.close()


def _empty(slots: int, names: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    cells = np.full((slots, names, 2), np.nan)
    cells[..., 1] = -np.inf
    return cells, np.full((slots, names), -1, dtype=np.int64)


def _doubled(size: int, wanted: int) -> int:
    while size < wanted:
        size *= 2
    return size
