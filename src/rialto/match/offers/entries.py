"""Entries of the offers' log: columns and a few facts, as events small enough for any log, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rialto.errors import EngineLost
from rialto.match.offers.find import checksum
from rialto.records import Columns, Event

__all__ = ["PART_BYTES", "Entry", "decode", "encode", "parts"]

PART_BYTES = 400_000
"""A batch is cut into events of about this size: Kafka takes 1 MB unless told otherwise."""

_FEW = 16
"""Rows up to which JSON is smaller than Arrow's header, and quicker."""

_LONG = 4096

_KEY = "offers"  # one key for all: an order and its drivers must see one sequence


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the ledger, as it is logged.

    Args:
        kind: `placed`, `offered`, `told`, `clock` (what the clock says), `ready`, `forgot`, `opened`, `kept` or `snapshot`.
        at_s: When.
        columns: Name -> column, shape (rows,).
        facts: What holds for all rows: numbers, texts, lists of them.
    """

    kind: str
    at_s: float
    columns: Columns
    facts: Mapping[str, Any]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def parts(entry: Entry) -> Iterator[Entry]:
    """An entry in parts of `PART_BYTES`; each knows its `first` row, and of how many `rows` it is a part."""
    size = len(entry)
    step = max(PART_BYTES // max(sum(c.itemsize for c in entry.columns.values()), 1), 1)
    for first in range(0, max(size, 1), step):
        cut = {name: column[first : first + step] for name, column in entry.columns.items()} if step < size else entry.columns
        yield replace(entry, columns=cut, facts={**entry.facts, "first": first, "rows": size})


def encode(entry: Entry) -> Event:
    """An entry as an event: JSON where it has few rows, else Arrow IPC; its name is a checksum, so that a repeat is known for one.

    Example:
        >>> back = decode(encode(Entry("clock", 1.0, {"offer": np.array([4])}, {"epoch": 2})))
        >>> back.columns["offer"].tolist(), back.facts
        ([4], {'epoch': 2})
    """
    body = _json(entry) if len(entry) <= _FEW else _arrow(entry)
    return Event(_name(entry, body), _KEY, entry.kind, entry.at_s, body)


def _name(entry: Entry, body: bytes) -> str:
    about = f"{entry.kind}|{entry.at_s!r}|".encode()
    if len(body) > _LONG:  # a checksum of words is ten times as fast as one that keeps an enemy out, whom rows' keys keep out
        words = np.frombuffer(body, dtype="<u8", count=len(body) // 8)
        about += b"%x|%x|" % (checksum(words, 1), checksum(words, 2)) + body[len(body) // 8 * 8 :]
    else:
        about += body
    return blake2b(about, digest_size=16).hexdigest()


def _json(entry: Entry) -> bytes:
    return json.dumps({"facts": dict(entry.facts), "columns": _plain(entry.columns)}).encode()


def _arrow(entry: Entry) -> bytes:
    """Arrow IPC, where a column of one value throughout is but that value: most of an order's columns often are."""
    same = {name: column[:1] for name, column in entry.columns.items() if _constant(column)}
    columns = {name: pa.array(column) for name, column in entry.columns.items() if name not in same}
    about = {"facts": dict(entry.facts), "rows": len(entry), "columns": list(entry.columns), "same": _plain(same)}
    schema = pa.schema([(name, column.type) for name, column in columns.items()], metadata={"about": json.dumps(about)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(list(columns.values()), schema=schema))
    return sink.getvalue().to_pybytes()


def _constant(column: NDArray[Any]) -> bool:
    bits = column.view(f"u{column.itemsize}")  # a NaN is like itself, and 0.0 unlike -0.0
    return bool(bits[0] == bits[-1]) and bool((bits == bits[0]).all())


def _plain(columns: Columns) -> dict[str, list[Any]]:
    return {name: [column.dtype.str, column.tolist()] for name, column in columns.items()}


def _columns(plain: Mapping[str, list[Any]]) -> Columns:
    return {name: np.array(values, dtype=dtype) for name, (dtype, values) in plain.items()}


def decode(event: Event) -> Entry:
    """The entry of an event.

    Raises:
        EngineLost: The event is none of the offers' log.
    """
    try:
        if event.body[:1] == b"{":
            raw = json.loads(event.body)
            return Entry(event.kind, event.time_s, _columns(raw["columns"]), raw["facts"])
        batch = pa.ipc.open_stream(event.body).read_next_batch()
        about = json.loads(batch.schema.metadata[b"about"])
        found: Columns = {name: np.array(batch.column(i)) for i, name in enumerate(batch.schema.names)}
        found |= {name: np.repeat(value, about["rows"]) for name, value in _columns(about["same"]).items()}
        return Entry(event.kind, event.time_s, {name: found[name] for name in about["columns"]}, about["facts"])
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise EngineLost(
            f"event {event.id!r} of kind {event.kind!r} is no entry of the offers' log ({error!r}). Give offers a log of their own."
        ) from error
