"""Rows of a request's body as columns, from JSON or an Arrow stream: a bad row is named and left out, the others go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic_core import from_json

from rialto.errors import BadInput, known

__all__ = ["ARROW", "MOST_ROWS", "Column", "Fault", "Rows", "described", "read_rows"]

ARROW = "application/vnd.apache.arrow.stream"
"""Media type of an Arrow IPC stream."""

MOST_ROWS = 100_000
"""Of one body."""

NAMED = 100
"""Bad rows that an answer names; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a body.

    Args:
        name: Its name.
        kind: `whole` (64 bits), `number`, or `text`.
        wanted: What its values are, for error texts.
        low, high: The least and greatest value that is taken.
        default: What stands where nothing is given; None = it must be given.
        checked: False where whoever gets the column judges each value.
    """

    name: str
    kind: str = "number"
    wanted: str = "a number"
    low: float = -np.inf
    high: float = np.inf
    default: float | str | None = None
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: its number from 1, the field, a reason to decide by, and the problem in words."""

    row: int
    field: str
    reason: str
    problem: str


@dataclass(slots=True)
class Rows:
    """A body's columns, and which of its rows are bad.

    Args:
        size: How many rows came.
        columns: Name -> values, shape (size,); what stands in a bad row means nothing.
        bad: Shape (size,).
        faults: The first hundred bad rows, each with its first fault.
        counts: Reason -> bad rows.
    """

    size: int
    columns: dict[str, NDArray[Any]]
    bad: NDArray[np.bool_]
    given: dict[str, NDArray[np.bool_]] = field(default_factory=dict[str, NDArray[np.bool_]])
    faults: list[Fault] = field(default_factory=list[Fault])
    counts: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def good(self) -> NDArray[np.int64]:
        """Places of the rows that may go in."""
        return np.flatnonzero(~self.bad)

    def refuse(
        self,
        wrong: NDArray[np.bool_],
        name: str,
        reason: str,
        wanted: str,
        *,
        came: Mapping[int, object] | Sequence[object] | None = None,
    ) -> None:
        """Mark rows as bad, unless they are already, shape (size,)."""
        new = np.flatnonzero(wrong & ~self.bad)
        if not len(new):
            return
        self.bad[new] = True
        self.counts[reason] = self.counts.get(reason, 0) + len(new)
        for row in new[: max(NAMED - len(self.faults), 0)].tolist():
            value = came[row] if came is not None else self.columns[name][row] if name in self.columns else None
            value = value.item() if isinstance(value, np.generic) else value
            self.faults.append(Fault(row + 1, name, reason, f"got {_short(value)}; wanted {wanted}."))

    def named(self) -> list[Fault]:
        """The faults by row."""
        return sorted(self.faults, key=lambda f: f.row)

    def of(self, name: str) -> NDArray[Any]:
        """A column's good rows."""
        return self.columns[name][self.good]


def described(title: str, columns: Sequence[Column]) -> dict[str, Any]:
    """The description of a body: an object, a list of them, or an Arrow stream of the same columns."""
    types = {"whole": "integer", "number": "number", "text": "string"}
    fields = {c.name: {"type": types[c.kind], "description": c.wanted} for c in columns}
    row = {"title": title, "type": "object", "properties": fields, "required": [c.name for c in columns if c.default is None]}
    content = {
        "application/json": {"schema": {"anyOf": [row, {"type": "array", "items": row}]}},
        ARROW: {"schema": {"type": "string", "format": "binary", "description": "The same fields as columns."}},
    }
    return {"requestBody": {"required": True, "content": content}}


def _short(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def read_rows(body: bytes, kind: str, columns: Sequence[Column]) -> Rows:
    """The rows of a body.

    Args:
        body: An object or a list of objects as JSON, or an Arrow IPC stream.
        kind: The request's Content-Type.
        columns: What may stand in it.

    Raises:
        BadInput: The body cannot be read, has more than `MOST_ROWS` rows, or, in Arrow, a column is missing, unknown or of another type.

    Cost:
        Some 10 ns a value in Arrow, 100 in JSON.

    Example:
        >>> rows = read_rows(b'[{"id": 1}, {"id": "x"}]', "application/json", [Column("id", "whole", "a number of 0 or more", 0)])
        >>> rows.good.tolist(), rows.faults[0].problem
        ([0], "got 'x'; wanted a number of 0 or more.")
    """
    rows = _arrow(body, columns) if kind.partition(";")[0].strip().lower() == ARROW else _json(body, columns)
    for c in columns:
        if c.kind != "text" and c.checked:
            values = rows.columns[c.name]
            wrong = ~((values >= c.low) & (values <= c.high))
            if c.default is not None:
                wrong &= rows.given[c.name]
            if c.kind == "number" and c.default is not None:  # inf or NaN, which stand for nothing, may be sent as such
                wrong &= ~((values == c.default) | (np.isnan(values) & np.isnan(cast("float", c.default))))
            rows.refuse(wrong, c.name, "bad_value", c.wanted)
    return rows


def _json(body: bytes, columns: Sequence[Column]) -> Rows:
    try:
        told = from_json(body)
    except ValueError as e:
        raise BadInput(f"the body is not JSON: {str(e)[:200]}. Send an object, a list of them, or {ARROW}.") from None
    listed: list[Any] = [told] if isinstance(told, dict) else told
    if not isinstance(told, (dict, list)):
        raise BadInput(f"the body is a {type(told).__name__}; wanted an object a row, or a list of them.")
    _few(len(listed))
    names = {c.name for c in columns}
    rows = Rows(len(listed), {}, np.zeros(len(listed), dtype=np.bool_))
    no_rows = np.array([not isinstance(r, dict) for r in listed], dtype=np.bool_)
    rows.refuse(no_rows, "", "bad_value", f"an object with the fields {', '.join(sorted(names))}", came=listed)
    dicts: list[dict[str, Any]] = [r if isinstance(r, dict) else {} for r in listed]
    odd = {row: next(k for k in r if k not in names) for row, r in enumerate(dicts) if not names.issuperset(r)}
    for row, name in list(odd.items())[:NAMED]:
        one = np.arange(rows.size) == row
        wanted = f"no such field; known: {known(name[:80], names)}"
        rows.refuse(one, name[:80], "unknown_field", wanted, came={row: dicts[row][name]})
    rest = np.isin(np.arange(rows.size), list(odd)[NAMED:])
    rows.refuse(rest, "", "unknown_field", "known fields", came={row: odd[row] for row in odd})
    for c in columns:
        _column_of([r.get(c.name) for r in dicts], c, rows)
    return rows


def _few(rows: int) -> None:
    if rows > MOST_ROWS:
        raise BadInput(f"the body has {rows} rows; wanted {MOST_ROWS} at most. Send it in parts.")


def _column_of(values: list[Any], c: Column, rows: Rows) -> None:
    """One column of JSON values into `rows`: what is of another type makes its row bad."""
    fits = {"whole": _is_whole, "number": _is_number, "text": _is_text}[c.kind]
    fill = c.default if c.default is not None else "" if c.kind == "text" else 0
    given = np.array([v is not None for v in values], dtype=np.bool_)
    right = [v is not None and fits(v) for v in values]
    wrong = ~np.array(right, dtype=np.bool_) & (given if c.default is not None else True)
    kept = [v if fine else fill for v, fine in zip(values, right)]
    dtype: Any = {"whole": np.int64, "number": np.float64, "text": object}[c.kind]
    rows.columns[c.name], rows.given[c.name] = np.array(kept, dtype=dtype), given
    rows.refuse(np.asarray(wrong, dtype=np.bool_), c.name, "bad_value", c.wanted, came=values)


def _is_whole(v: object) -> bool:
    return type(v) is int and -(2**63) <= v < 2**63


def _is_number(v: object) -> bool:
    return type(v) is float or (type(v) is int and abs(v) < 2**1000)


def _is_text(v: object) -> bool:
    return isinstance(v, str) and v.isprintable() and 0 < len(v) <= 200


def _arrow(body: bytes, columns: Sequence[Column]) -> Rows:
    try:
        table = _table(body, columns)
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError) as e:
        if isinstance(e, BadInput):
            raise
        raise BadInput(f"the body is no Arrow IPC stream that can be read: {str(e)[:200]}.") from None
    rows = Rows(table.num_rows, {}, np.zeros(table.num_rows, dtype=np.bool_))
    for c in columns:
        column = table.column(c.name).combine_chunks() if c.name in table.column_names else None
        _taken_over(column, c, rows)
    return rows


def _packed(body: bytes) -> bool:
    """Whether any batch of a stream is compressed: a few bytes might then become gigabytes, and only once they are there could one tell.

    Source:
        Apache Arrow, `format/Message.fbs`: the header is field 2 of a Message, and compression field 3 of a RecordBatch.
    """
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(body)):
        if message.type == "record batch":
            told = message.metadata.to_pybytes()
            header = _field(told, _at(told, 0), 2)
            if _field(told, header + _at(told, header), 3) >= 0:
                return True
    return False


def _at(told: bytes, place: int) -> int:
    return int.from_bytes(told[place : place + 4], "little", signed=True)


def _field(told: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table lies; -1 where it is not set."""
    names = table - _at(told, table)
    size, entry = int.from_bytes(told[names : names + 2], "little"), 4 + 2 * number
    far = int.from_bytes(told[names + entry : names + entry + 2], "little") if entry < size else 0
    return table + far if far else -1


def _table(body: bytes, columns: Sequence[Column]) -> Any:
    if _packed(body):
        raise BadInput("the Arrow stream is compressed; wanted it as it is. Write it without `compression`.")
    with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
        _fitting(reader.schema, columns)
        batches: list[pa.RecordBatch] = []
        for batch in reader:
            batch.validate(full=True)
            batches.append(batch)
            _few(sum(len(b) for b in batches))
        return pa.Table.from_batches(batches, reader.schema)


def _fitting(schema: Any, columns: Sequence[Column]) -> None:
    names = {c.name: c for c in columns}
    twice = [n for n in schema.names if schema.names.count(n) > 1]
    odd = twice or [n for n in schema.names if n not in names]
    if odd:
        raise BadInput(f"column {odd[0][:80]!r} is {'there twice' if twice else 'unknown'}; known: {known(odd[0][:80], names)}.")
    missing = [c.name for c in columns if c.default is None and c.name not in schema.names]
    if missing:
        raise BadInput(f"column {missing[0]!r} is missing; wanted {', '.join(c.name for c in columns if c.default is None)}.")
    tests: Mapping[str, Any] = {
        "whole": pa.types.is_integer, "text": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
        "number": lambda t: pa.types.is_floating(t) or pa.types.is_integer(t),
    }  # fmt: skip
    for f in schema:
        if not tests[names[f.name].kind](f.type):
            words = {"whole": "whole numbers", "number": "numbers (times in seconds since 1970)", "text": "strings"}
            raise BadInput(f"column {f.name!r} is {f.type}; wanted {words[names[f.name].kind]}.")


def _taken_over(column: Any, c: Column, rows: Rows) -> None:
    """One Arrow column into `rows`; None where it was not sent."""
    size = rows.size
    if column is None:
        dtype: Any = {"whole": np.int64, "number": np.float64, "text": object}[c.kind]
        rows.columns[c.name], rows.given[c.name] = np.full(size, c.default, dtype=dtype), np.zeros(size, dtype=np.bool_)
        return
    if c.kind == "text":
        _column_of(column.to_pylist(), c, rows)
        return
    given = ~np.asarray(column.is_null()) if column.null_count else np.ones(size, dtype=np.bool_)
    raw = np.asarray(column.fill_null(0)) if column.null_count else column.to_numpy(zero_copy_only=False)
    values = raw.astype(np.int64 if c.kind == "whole" else np.float64)
    rows.columns[c.name], rows.given[c.name] = values, given
    if c.kind == "whole" and raw.dtype == np.uint64:
        rows.refuse(raw >= 2**63, c.name, "bad_value", c.wanted, came=cast("Any", raw))
    if c.default is not None:
        values[~given] = c.default
    else:
        rows.refuse(~given, c.name, "bad_value", c.wanted, came=[None] * size if column.null_count else None)
