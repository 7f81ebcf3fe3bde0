"""Queries asked before, from a table: text, kind and how often; a row that cannot be read costs only itself."""

from __future__ import annotations

import math

from rialto.errors import BadInput
from rialto.find.columns import by_folded, known_names
from rialto.find.files import text_of
from rialto.find.tables import Remarks, table

__all__ = ["read_query_log"]

_OFTEN = ("frequency", "count", "freq", "searches", "volume", "hits", "weight")


def read_query_log(path: str, remarks: Remarks, *, absent: float = 0.0) -> tuple[tuple[str, str, float], ...]:
    """Queries with kind ("" = not said) and how often each was asked, the most frequent first.

    Args:
        path: A table with a heading `query`, and `kind` and `frequency` where it has them.
        remarks: Told of frequencies that are no numbers, of rows without a query, and of bytes that are not UTF-8.
        absent: How often a query was asked where the row does not say.

    Raises:
        NothingHere: there is no such file.
        BadInput: it has no column of queries.
    """
    rows = [row for _, row in table(iter(text_of(path, remarks)), ",", remarks) if isinstance(row, dict)]
    columns = list(rows[0]) if rows else []
    by = by_folded(columns)
    text = next((by[n] for n in known_names("queries")["query"] if n in by), "")
    if rows and not text:
        raise BadInput(f"{path} has the headings {columns[:20]}; wanted query and frequency.")
    kind, often = by.get("kind", ""), next((by[n] for n in _OFTEN if n in by), "")
    out: list[tuple[str, str, float]] = []
    for row in rows:
        query = " ".join(str(row[text]).replace("\x00", " ").split())
        if query:
            out.append((query, str(row.get(kind, "")).strip(), _often(row.get(often, ""), absent, remarks)))
    return tuple(sorted(out, key=lambda r: (-r[2], r[0])))


def _often(written: str, absent: float, remarks: Remarks) -> float:
    if not written.strip():
        return absent
    try:
        number = float(written.replace(",", ""))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        remarks.note("frequencies that are no numbers of 0 or more were not counted", repr(written[:40]))
        return absent
    return number
