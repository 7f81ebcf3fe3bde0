"""Filters of OpenSearch: each field a keyword or a double of its own, and clauses as queries that add nothing to the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from rialto.errors import BadInput, BadRow, known
from rialto.ports import Clause
from rialto.records import Columns

__all__ = ["KINDS", "field_key", "field_name", "kinds_of", "query", "values_of"]

KINDS = {"text": "keyword", "number": "double"}
"""What a filter field holds -> OpenSearch's type for it."""

_LONGEST_VALUE = 16_000
_TERMS = 60_000  # index.max_terms_count is 65,536


def field_key(name: str) -> str:
    """A field's name as OpenSearch takes it: letters, digits, `-`, `_`, `~`, the rest as %XX.

    Example:
        >>> field_key("price_cents"), field_key("a.b*"), field_key("")
        ('price_cents', 'a%2Eb%2A', '%')
    """
    return quote(name, safe="", errors="surrogatepass").replace(".", "%2E") or "%"


def field_name(key: str) -> str:
    """The name that `field_key` made `key` of."""
    return "" if key == "%" else unquote(key, errors="surrogatepass")


def kinds_of(columns: Columns, there: dict[str, str]) -> dict[str, str]:
    """The kind of each column by its name; `BadInput` where it is another than its field has."""
    kinds = {name: "number" if np.asarray(column).dtype.kind in "biuf" else "text" for name, column in columns.items()}
    for name, kind in kinds.items():
        if there.get(name, kind) != kind:
            raise BadInput(
                f"filter field {name!r} holds {there[name]}; this batch brings {kind}. Give it its kind, or another name."
            )
    return kinds


def values_of(columns: Columns, kinds: dict[str, str], rows: Sequence[int]) -> list[dict[str, list[Any]]]:
    """The filter values of `rows` by field key; `BadRow` where one cannot be held."""
    made: list[dict[str, list[Any]]] = [{} for _ in rows]
    for name, column in columns.items():
        key, read = field_key(name), _numbers if kinds[name] == "number" else _texts
        for body, row in zip(made, rows):
            if values := read(name, row, column[row]):
                body[key] = values
    return made


def query(clause: Clause, kinds: dict[str, str]) -> dict[str, Any]:
    """The query that holds for the documents of `clause`.

    Raises:
        BadInput: the field is not known, or the clause does not fit its kind.

    Example:
        >>> query(Clause("price", high=5.0), {"price": "number"})
        {'range': {'filters.price': {'lte': 5.0}}}
    """
    kind = kinds.get(clause.field)
    if kind is None and kinds:
        raise BadInput(f"there is no filter field {clause.field!r}; known: {known(clause.field, kinds)}.")
    ranged = clause.low is not None or clause.high is not None
    if ranged == bool(clause.values) or (kind and ranged != (kind == "number")):
        raise BadInput(
            f"{clause} does not fit, as {clause.field!r} holds {kind or 'nothing'}; "
            "wanted values for a field of text, or low and high for one of numbers."
        )
    made = _range(clause) if ranged else _one_of(clause)
    return {"bool": {"must_not": [made]}} if clause.negate else made


def _one_of(clause: Clause) -> dict[str, Any]:
    field, values = f"filters.{field_key(clause.field)}", [v for v in clause.values if _holdable(v)]
    parts: list[dict[str, Any]] = [{"terms": {field: values[at : at + _TERMS]}} for at in range(0, len(values), _TERMS)]
    return parts[0] if len(parts) == 1 else {"bool": {"should": parts}} if parts else {"match_none": {}}


def _range(clause: Clause) -> dict[str, Any]:
    low = -np.inf if clause.low is None else float(clause.low)
    high = np.inf if clause.high is None else float(clause.high)
    if np.isnan(low) or np.isnan(high):
        raise BadInput(f"{clause} has NaN for a bound; wanted a number, or None for no bound.")
    if low > high or low == np.inf or high == -np.inf:
        return {"match_none": {}}
    field = f"filters.{field_key(clause.field)}"
    ends = {k: v + 0.0 for k, v in (("gte", low), ("lte", high)) if np.isfinite(v)}  # -0.0 lies below 0.0 in Lucene
    return {"range": {field: ends}} if ends else {"exists": {"field": field}}


def _numbers(name: str, row: int, value: Any) -> list[float]:
    if np.isinf(value):
        raise BadRow(row + 1, name, value, "a finite number, or NaN for none")
    return [] if np.isnan(value) else [float(value) + 0.0]


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
