"""Engines of a worker: what has one owner among the processes of a service is reached over its line, all else is opened here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.workers_line import Answer, Line
from rialto.config import Settings
from rialto.errors import EngineLost
from rialto.local.cells import checked_expiry, checked_read, checked_write
from rialto.local.events import LocalEvents
from rialto.local.segments import decode, encode
from rialto.ports import EventLog, FeatureStore, Hits, TextField, TextIndex, TextQuery, VectorIndex
from rialto.records import Columns, Event

__all__ = ["LinedEvents", "LinedStore", "WorkerEngines", "answers_of"]

_OWNED = ("local", "memory")


class WorkerEngines(Engines):
    """As `Engines`, for a process that serves beside others.

    A local log has one writer and a local store one holder: both are the parent's, and asked over `line`. Indexes are this process's
    own copies; those of a server are the parent's to change, and are searched here.
    """

    def __init__(self, settings: Settings, line: Line) -> None:
        super().__init__(settings)
        self._line = line

    def events(self) -> EventLog:
        """The event log."""
        if self.settings.url("events").scheme != "local":
            return super().events()
        return self._kept("events", {"local": lambda u: LinedEvents(self._line, self._folder("events"))})

    def profiles(self) -> FeatureStore | None:
        """Where shoppers' profiles are kept."""
        if self.settings.url("profiles").scheme not in _OWNED:
            return super().profiles()
        return self._kept("profiles", dict.fromkeys(_OWNED, lambda u: LinedStore(self._line)))

    def text(self, fields: Sequence[TextField], folder: Path | None) -> TextIndex:
        """A text index."""
        made = super().text(fields, folder)
        return made if self.settings.url("text").scheme == "local" else _SearchedText(made)

    def vectors(self, dimensions: int, folder: Path | None) -> VectorIndex:
        """A vector index."""
        made = super().vectors(dimensions, folder)
        return _SearchedVectors(made) if self.settings.url("vectors").scheme.startswith("opensearch") else made


class LinedEvents:
    """An `EventLog` that the process at the other end of a line writes, and this one reads from its folder.

    Args:
        line: To the writer.
        folder: Of the log.
    """

    def __init__(self, line: Line, folder: Path) -> None:
        self._line, self._read, self._closed = line, LocalEvents(folder), False

    def append(self, events: Sequence[Event]) -> NDArray[np.int64]:
        """As the writer's: durable when this returns."""
        payload = encode(events)
        if self._closed:
            raise EngineLost("this event log was closed. Open it again.")
        if not events:
            return np.zeros(0, dtype=np.int64)
        return np.frombuffer(self._line.call("append", payload), dtype=np.int64)

    def read(self, start: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        """As `LocalEvents.read`."""
        return self._read.read(start, limit)

    def end(self) -> int:
        """As `LocalEvents.end`."""
        return self._read.end()

    def close(self) -> None:
        """Let go of the folder."""
        self._closed = True
        self._read.close()


class LinedStore:
    """A `FeatureStore` that the process at the other end of a line keeps."""

    def __init__(self, line: Line) -> None:
        self._line, self._closed = line, False

    def write(self, entities: NDArray[np.int64], columns: Columns, *, at_s: float) -> None:
        """As the keeper's."""
        ids, names, values = checked_write(entities, columns, at_s)
        self._call("store.write", _asked(ids, names, at_s) + values.tobytes())

    def read(self, entities: NDArray[np.int64], names: Sequence[str], *, at_s: float) -> NDArray[np.float64]:
        """As the keeper's."""
        ids = checked_read(entities, names, at_s)
        found = np.frombuffer(self._call("store.read", _asked(ids, names, at_s)), dtype=np.float64)
        return found.reshape(len(ids), len(names)).copy()

    def expire(self, *, before_s: float) -> None:
        """As the keeper's."""
        checked_expiry(before_s)
        self._call("store.expire", json.dumps(float(before_s)).encode())

    def close(self) -> None:
        """Ask no more; the keeper has everything."""
        self._closed = True

    def _call(self, name: str, payload: bytes) -> bytes:
        if self._closed:
            raise EngineLost("this feature store was closed. Open it again.")
        return self._line.call(name, payload)


def answers_of(engines: Engines) -> dict[str, Answer]:
    """What the owner of a log and a store answers to `LinedEvents` and `LinedStore`."""

    def store() -> FeatureStore:
        kept = engines.profiles()
        assert kept is not None  # who keeps none is not asked
        return kept

    def append(payload: bytes) -> bytes:
        return engines.events().append(decode(payload)).tobytes()

    def read(payload: bytes) -> bytes:
        entities, names, at_s, _ = _read(payload)
        return np.ascontiguousarray(store().read(entities, names, at_s=at_s), dtype=np.float64).tobytes()

    def write(payload: bytes) -> bytes:
        entities, names, at_s, rest = _read(payload)
        rows = np.frombuffer(rest, dtype=np.float64).reshape(len(names), len(entities))
        store().write(entities, dict(zip(names, rows)), at_s=at_s)
        return b""

    def expire(payload: bytes) -> bytes:
        store().expire(before_s=float(json.loads(payload)))
        return b""

    return {"append": append, "store.read": read, "store.write": write, "store.expire": expire}


def _asked(entities: NDArray[np.int64], names: Sequence[str], at_s: float) -> bytes:
    return json.dumps([list(names), float(at_s), len(entities)]).encode() + b"\n" + entities.tobytes()


def _read(payload: bytes) -> tuple[NDArray[np.int64], list[str], float, bytes]:
    head, _, rest = payload.partition(b"\n")
    names, at_s, count = json.loads(head)
    return np.frombuffer(rest[: 8 * count], dtype=np.int64), names, float(at_s), rest[8 * count :]


class _SearchedText:
    """A server's text index whose products are put in and taken out by another process."""

    def __init__(self, index: TextIndex) -> None:
        self._index = index

    def add(self, ids: NDArray[np.int64], texts: object, filters: Columns) -> None:
        """The other process adds."""

    def remove(self, ids: NDArray[np.int64]) -> None:
        """The other process removes."""

    def search(self, queries: Sequence[TextQuery], *, limit: int) -> Hits:
        """As the server's."""
        return self._index.search(queries, limit=limit)

    def close(self) -> None:
        """Let go."""
        self._index.close()


class _SearchedVectors:
    """A server's vector index whose products are put in and taken out by another process."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """The other process adds."""

    def remove(self, ids: NDArray[np.int64]) -> None:
        """The other process removes."""

    def search(self, queries: NDArray[np.float32], *, limit: int, allowed: NDArray[np.int64] | None = None) -> Hits:
        """As the server's."""
        return self._index.search(queries, limit=limit, allowed=allowed)

    def close(self) -> None:
        """Let go."""
        self._index.close()
