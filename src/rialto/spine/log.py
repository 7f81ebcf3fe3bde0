"""The decision log: what was asked, seen, chosen, with which probability, by which versions and params; and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.ports import EventLog
from rialto.records import Candidates, Columns, Decisions, Event, Requests
from rialto.spine.pipeline import Outcome, Recorded

__all__ = ["DECISION", "DecisionLog", "Feedback", "Note", "decode", "encode"]

DECISION = "decision"
_SUM = 16  # bytes of the checksum that names an event
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)  # parts are small: handing them to threads costs more


@dataclass(frozen=True, slots=True)
class Feedback:
    """What came of one choice: `kind` (`click`, `accepted`, ...) of `candidate` for `request`, with a value and a time.

    Args:
        kind: What happened.
        request: Id of the request, as in its decision.
        candidate: Id of the candidate.
        value: How much of it: 1 for a click, seconds, cents.
        time_s: When, seconds in UTC.
        id: The event's own name; the same name twice is a repeat. Made from the other fields where it is "".
    """

    kind: str
    request: int
    candidate: int
    value: float
    time_s: float
    id: str = ""

    def event(self) -> Event:
        """As an event, keyed by the request."""
        body = json.dumps({"request": str(self.request), "candidate": self.candidate, "value": self.value}).encode()
        name = self.id or blake2b(f"{self.kind}|{self.time_s!r}|".encode() + body, digest_size=_SUM).hexdigest()
        return Event(name, str(self.request), self.kind, self.time_s, body)


_NOTE = "note:"
_AT_ONCE = 64  # events read at a time: a decision may be 70 kB


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened beside decisions, such as which of the offered completions was taken.

    Args:
        kind: What happened.
        about: The system that it happened in: notes of one are read without those of others.
        body: What is to be known, as JSON.
        time_s: When, seconds in UTC.
        id: As in `Feedback`.
    """

    kind: str
    about: str
    body: Mapping[str, Any]
    time_s: float
    id: str = ""

    def event(self) -> Event:
        """As an event, keyed by what it is about."""
        body = json.dumps(dict(self.body)).encode()
        name = self.id or blake2b(f"{self.kind}|{self.about}|{self.time_s!r}|".encode() + body, digest_size=_SUM).hexdigest()
        return Event(name, _NOTE + self.about, self.kind, self.time_s, body)


class DecisionLog:
    """Decisions and feedback over an event log; a decision is one event a batch, in Arrow columns, bit for bit."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._thread: ThreadPoolExecutor | None = None

    def write(self, outcomes: Sequence[Outcome]) -> NDArray[np.int64]:
        """Write outcomes durably and return their offsets, shape (outcomes,); each is one event of kind `decision`.

        An event's name is a checksum of its body, so the same outcome written again is a repeat that readers drop.
        """
        return self.write_records([o.record for o in outcomes])

    def write_records(self, records: Sequence[Recorded]) -> NDArray[np.int64]:
        """Write records as `write` does; `rialto.spine.together` makes few of many."""
        return self._events.append([_event(r) for r in records])

    def write_beside(self, make: Callable[[], Sequence[Recorded]]) -> Future[NDArray[np.int64]]:
        """Make records and write them by a thread of this log's own, in the order of the calls, while the caller goes on.

        They are durable once the future's `result()` has returned, which raises what writing raised: a caller that owes anybody the
        record asks for it before it answers.

        Example:
            >>> from pathlib import Path
            >>> from tempfile import TemporaryDirectory
            >>> from rialto.local.events import LocalEvents
            >>> with TemporaryDirectory() as folder:
            ...     DecisionLog(LocalEvents(Path(folder))).write_beside(lambda: []).result().tolist()
            []
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="rialto-log")
        return self._thread.submit(lambda: self.write_records(make()))

    def write_feedback(self, feedback: Sequence[Feedback | Note]) -> NDArray[np.int64]:
        """Write feedback and notes durably and return the offsets, shape (feedback,)."""
        return self._events.append([f.event() for f in feedback])

    def read(self, start: int = 0, *, pipeline: str = "") -> Iterator[Recorded]:
        """Decisions with offset >= `start`, in order, of one pipeline where its name is given; repeats are dropped."""
        for event in self._distinct(start):
            if event.kind == DECISION and (not pipeline or event.key == pipeline):
                yield decode(event.body)

    def feedback(self, start: int = 0) -> Iterator[Feedback]:
        """Feedback with offset >= `start`, in order; repeats are dropped."""
        for event in self._distinct(start):
            if event.kind != DECISION and not event.key.startswith(_NOTE):
                fields = json.loads(event.body)
                yield Feedback(
                    event.kind, int(fields["request"]), int(fields["candidate"]), float(fields["value"]), event.time_s, event.id
                )

    def notes(self, kind: str, about: str, start: int = 0) -> Iterator[Note]:
        """Notes of one kind about one system with offset >= `start`, in order; repeats are dropped."""
        for event in self._distinct(start):
            if event.kind == kind and event.key == _NOTE + about:
                yield Note(kind, about, json.loads(event.body), event.time_s, event.id)

    def _distinct(self, start: int) -> Iterator[Event]:
        seen: set[str] = set()
        while batch := self._events.read(start, _AT_ONCE):
            start = batch[-1][0] + 1
            for _, event in batch:
                if event.id not in seen:
                    seen.add(event.id)
                    yield event


def _event(record: Recorded) -> Event:
    """The record as an event, named by what was asked when, what was chosen, and the check sums of all the rest, which is most of it."""
    parts, r = _encoded(record), record.requests
    named = blake2b(digest_size=_SUM)
    for piece in (parts[0], r.ids.tobytes(), r.time_s.tobytes(), parts[3], *_sums(parts)):
        named.update(piece)
    when = float(r.time_s.max()) if len(r) else 0.0
    return Event(named.hexdigest(), record.pipeline, DECISION, when, _behind(parts))


def _sums(parts: Sequence[bytes]) -> list[bytes]:
    return [crc32(p).to_bytes(4, "little") + len(p).to_bytes(8, "little") for p in parts]


def encode(record: Recorded) -> bytes:
    """A record as bytes: a JSON head, then Arrow tables, each part behind its length: three, and two for each phase with features of its own.

    Example:
        >>> from rialto.spine.pipeline import Recorded
        >>> none = np.zeros(0)
        >>> d = Decisions(np.array([1], dtype=np.uint64), np.array([0, 0]), none.astype(np.int64), none.astype(np.int64), none, none)
        >>> r = Recorded("demo", Requests.of({"q": np.array(["a"])}, ids=np.array([1])), Candidates.none(1), d, 7, {"m": "v1"}, ())
        >>> decode(encode(r)).requests.column("q").tolist()
        ['a']
    """
    return _behind(_encoded(record))


def _encoded(record: Recorded) -> list[bytes]:
    r, c, d = record.requests, record.seen, record.decisions
    head = {"pipeline": record.pipeline, "seed": record.seed, "versions": dict(record.versions), "fallbacks": record.fallbacks,
            "late": len(record.late)} | ({} if record.whole else {"whole": False})  # fmt: skip
    asked = {"ids": r.ids, "time_s": r.time_s} | {f"c:{k}": v for k, v in r.columns.items()}
    asked |= {f"o:{k}": v for k, v in r.overrides.items()} | {"seen": c.counts, "chosen": d.counts}
    chosen = {"ids": d.ids, "rows": d.rows, "scores": d.scores, "propensity": d.propensity}
    parts = [json.dumps(head).encode(), _packed(asked), _packed({"ids": c.ids} | {f"c:{k}": v for k, v in c.columns.items()})]
    parts.append(_packed(chosen))
    for late in record.late:
        parts += [_packed({"counts": late.counts}), _packed({"ids": late.ids} | {f"c:{k}": v for k, v in late.columns.items()})]
    return parts


def _behind(parts: Sequence[bytes]) -> bytes:
    """All parts, each behind its length."""
    return b"".join(piece for p in parts for piece in (len(p).to_bytes(8, "little"), p))


def decode(body: bytes) -> Recorded:
    """The record in `body`; `BadInput` where it is not one."""
    try:
        head, asked, seen, chosen, *late = _parts(body)
        fields, r, c, d = json.loads(head), _unpacked(asked), _unpacked(seen), _unpacked(chosen)
        if len(late) != 2 * fields.get("late", 0):
            raise ValueError(f"it holds {len(late)} parts of late columns; its head names {fields.get('late', 0)} pairs")
        ordered = tuple(_ordered(_unpacked(n), _unpacked(rows)) for n, rows in zip(late[::2], late[1::2]))
    except (ValueError, KeyError, pa.ArrowException) as e:
        raise BadInput(f"these {len(body)} bytes are not a decision record: {e}") from None
    requests = Requests(r["ids"], r["time_s"], _named(r, "c:"), _named(r, "o:"))
    return Recorded(
        fields["pipeline"],
        requests,
        Candidates(_offsets(r["seen"]), c["ids"], _named(c, "c:")),
        Decisions(r["ids"], _offsets(r["chosen"]), d["ids"], d["rows"], d["scores"], d["propensity"]),
        int(fields["seed"]),
        fields["versions"],
        tuple(fields["fallbacks"]),
        ordered,
        bool(fields.get("whole", True)),
    )


def _ordered(counts: Columns, rows: Columns) -> Candidates:
    return Candidates(_offsets(counts["counts"]), rows["ids"], _named(rows, "c:"))


def _parts(body: bytes) -> list[bytes]:
    parts: list[bytes] = []
    at = 0
    while at < len(body) or len(parts) < 4:
        size = int.from_bytes(body[at : at + 8], "little")
        part = body[at + 8 : at + 8 + size]
        if at + 8 > len(body) or len(part) != size:
            raise ValueError(f"part {len(parts)} is cut short at byte {at}")
        parts.append(part)
        at += 8 + size
    return parts


def _packed(columns: Columns) -> bytes:
    table = pa.table({k: _array(v) for k, v in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_OPTIONS) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _array(values: NDArray[Any]) -> Any:
    """Arrow's view of a column: numbers by their own bits, NaN included, so that a replay is exact.

    Made from buffers, as `pa.array` loads pandas wherever it is installed, which takes a second.
    """
    if values.dtype.kind in "iuf":
        return _buffers(pa.from_numpy_dtype(values.dtype), len(values), np.ascontiguousarray(values))
    if values.dtype.kind == "b":
        return _buffers(pa.bool_(), len(values), np.packbits(values, bitorder="little"))
    texts = values.tolist()
    strange = next((t for t in texts if not isinstance(t, str)), None)
    if strange is not None:
        raise BadInput(f"a logged column holds {strange!r}; wanted numbers, yes/no or text alone.")
    encoded = [t.encode() for t in texts]
    offsets = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(e) for e in encoded], out=offsets[1:])
    return _buffers(pa.large_string(), len(texts), offsets, b"".join(encoded))


def _buffers(kind: Any, size: int, *parts: NDArray[Any] | bytes) -> Any:
    return pa.Array.from_buffers(kind, size, [None, *(pa.py_buffer(p) for p in parts)])


def _unpacked(body: bytes) -> dict[str, NDArray[Any]]:
    table = pa.ipc.open_stream(pa.py_buffer(body)).read_all().combine_chunks()
    return {name: _column(table.column(name)) for name in table.column_names}


def _column(chunks: Any) -> NDArray[Any]:
    if pa.types.is_large_string(chunks.type):
        return np.array(chunks.to_pylist(), dtype=object)
    if chunks.num_chunks == 0:
        return np.zeros(0, dtype=chunks.type.to_pandas_dtype())
    part = chunks.chunk(0)
    if pa.types.is_boolean(part.type):
        return np.unpackbits(np.frombuffer(part.buffers()[1], dtype=np.uint8), count=len(part), bitorder="little").astype(
            np.bool_
        )
    return np.frombuffer(part.buffers()[1], dtype=part.type.to_pandas_dtype(), count=len(part))


def _named(columns: Columns, prefix: str) -> Columns:
    return {k[len(prefix) :]: v for k, v in columns.items() if k.startswith(prefix)}


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
