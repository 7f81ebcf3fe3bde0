"""Filters of the tantivy text index: values as exact terms of one JSON field, and clauses as queries on them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import tantivy

from rialto.errors import BadInput, BadRow, known
from rialto.ports import Clause
from rialto.records import Columns

__all__ = ["Filters", "any_of"]

_LONGEST_VALUE = 16_000
_Occur = tantivy.Occur


class Filters:
    """The filter fields that an index holds; `kinds` maps each name to `text` or `number`."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}

    def read(self, columns: Columns, rows: Sequence[int]) -> tuple[list[dict[str, list[str]]], dict[str, str]]:
        """The values of `rows` as JSON for tantivy, and the kinds of the columns; nothing is changed.

        Raises:
            BadInput: a column is of another kind than its field.
            BadRow: a value cannot be held.
        """
        if not rows:
            return [], {}
        kinds = {name: _kind(name, column, self.kinds.get(name)) for name, column in columns.items()}
        made: list[dict[str, list[str]]] = [{} for _ in rows]
        for name, column in columns.items():
            key, encode = _key(name), _numbers if kinds[name] == "number" else _texts
            for body, row in zip(made, rows):
                if values := encode(name, row, column[row]):
                    body[key] = values
        return made, kinds

    def query(self, index: tantivy.Index, clause: Clause) -> tuple[Any, tantivy.Query]:
        """The clause of a boolean query that holds `clause` and adds nothing to the score.

        Raises:
            BadInput: the field is not known, or the clause does not fit its kind.
        """
        kind = self.kinds.get(clause.field)
        if kind is None and self.kinds:
            raise BadInput(f"there is no filter field {clause.field!r}; known: {known(clause.field, self.kinds)}.")
        bounded = clause.low is not None or clause.high is not None
        if bounded == bool(clause.values) or (kind and bounded != (kind == "number")):
            raise BadInput(
                f"{clause} does not fit, as {clause.field!r} holds {kind or 'nothing'}; "
                "wanted values for a field of text, or low and high for one of numbers."
            )
        query = self._range(index, clause) if bounded else self._one_of(index, clause)
        return (_Occur.MustNot, query) if clause.negate else (_Occur.Must, tantivy.Query.const_score_query(query, 0.0))

    def _one_of(self, index: tantivy.Index, clause: Clause) -> tantivy.Query:
        path, values = f"filters.{_key(clause.field)}", filter(_holdable, clause.values)
        return any_of([tantivy.Query.term_query(index.schema, path, value, "basic") for value in values])

    def _range(self, index: tantivy.Index, clause: Clause) -> tantivy.Query:
        low = -np.inf if clause.low is None else clause.low
        high = np.inf if clause.high is None else clause.high
        if np.isnan(low) or np.isnan(high):
            raise BadInput(f"{clause} has NaN for a bound; wanted a number, or None for no bound.")
        if low > high:
            return any_of([])
        return index.parse_query(f"filters.{_key(clause.field)}:[{_sortable(low)} TO {_sortable(high)}]")


def any_of(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    """A query that any of `queries` answers; none where there are none."""
    return tantivy.Query.boolean_query([(_Occur.Should, q) for q in queries]) if queries else tantivy.Query.empty_query()


def _kind(name: str, column: Any, there: str | None) -> str:
    kind = "number" if np.asarray(column).dtype.kind in "biuf" else "text"
    if there and kind != there:
        raise BadInput(f"filter field {name!r} holds {there}; this batch brings {kind}. Give it its kind, or another name.")
    return kind


def _numbers(name: str, row: int, value: Any) -> list[str]:
    if np.isinf(value):
        raise BadRow(row + 1, name, value, "a finite number, or NaN for none")
    return [] if np.isnan(value) else [_sortable(float(value))]


def _texts(name: str, row: int, value: Any) -> list[str]:
    values: Sequence[Any] = () if value is None else value if isinstance(value, tuple | list) else (value,)
    for v in values:
        if not (isinstance(v, str) and _holdable(v)):
            raise BadRow(
                row + 1, name, v, f"text of at most {_LONGEST_VALUE} bytes without lone surrogates, a tuple of it, or None"
            )
    return [str(v) for v in values]


def _holdable(value: str) -> bool:
    try:
        return len(value.encode()) <= _LONGEST_VALUE
    except UnicodeEncodeError:
        return False


def _key(name: str) -> str:
    """A filter field's name as a JSON key that needs no escaping."""
    return "k" + name.encode("utf-8", "surrogatepass").hex()


def _sortable(number: float) -> str:
    """A number as 17 characters that sort as numbers do: sign bit flipped, or all bits where negative; -0.0 is 0.0.

    Ranges over tantivy's own JSON numbers are not usable: bounds of mixed kinds end the search with a panic.
    """
    (bits,) = struct.unpack(">Q", struct.pack(">d", number + 0.0))
    return f"x{bits ^ (2**64 - 1 if bits >> 63 else 1 << 63):016x}"
