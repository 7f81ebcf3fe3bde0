"""A catalogue file to a Catalogue: JSON lines, CSV or Parquet, row by row; bad rows go to a rejects file with their reason, the rest goes in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, cast

import fsspec

from rialto.errors import BadInput, BadRow
from rialto.find.builder import Builder, Row
from rialto.find.catalogue import Catalogue
from rialto.find.files import file_rows as read_rows
from rialto.find.guessing import guess
from rialto.find.mapping import FieldMap
from rialto.find.parsed import Attribute, Parsed, parsed
from rialto.find.tables import Remarks

__all__ = ["READING", "Attribute", "Ingest", "Parsed", "parsed", "read_catalogue", "read_rows", "write_rejects"]

READING = 3
"""Rises whenever the same file is read differently, so that an index of the reading before is made anew."""

_SAMPLE = 500  # rows that the mapping is guessed from
_MANY, _SOME, _SHARE = 20, 2, 0.1  # faults of one column from which on it is the column's writing, and no slip of a row


@dataclass(frozen=True, slots=True)
class Ingest:
    """What came of reading a file.

    Args:
        catalogue: The products that went in.
        mapping: Which column was what.
        rejects: Rows that did not go in.
        repeated: Ids that stood twice; the last row went in.
        rows: Rows of the file.
        notes: What was guessed, let pass or left out, for people.
    """

    catalogue: Catalogue
    mapping: FieldMap
    rejects: tuple[BadRow, ...]
    repeated: tuple[str, ...]
    rows: int
    notes: tuple[str, ...] = ()


def read_catalogue(path: str, mapping: FieldMap | None = None, *, rejects: str = "", before: Catalogue | None = None) -> Ingest:
    """Read a catalogue file.

    Args:
        path: Any fsspec path that ends in `.jsonl`, `.ndjson`, `.json`, `.csv`, `.tsv`, `.txt` or `.parquet`, packed or not (`.gz`).
        mapping: Which column is what; guessed from the first rows where None.
        rejects: Where bad rows are written, a JSON line each; "" writes no file.
        before: The catalogue that this one replaces: its products keep their numbers.

    Raises:
        NothingHere: there is no such file.
        BadInput: the ending is not known, the file has no rows, the mapping names an absent column, or every row is bad.

    Cost:
        About 9,000 products of a dozen attributes a second; 500,000 of them, a file of 200 MB, take 2.5 GB at the most.
    """
    remarks = Remarks()
    rows = iter(read_rows(path, remarks))
    sample = list(islice(rows, _SAMPLE))
    good = [row for _, row in sample if isinstance(row, dict)]
    chosen = mapping or guess(good)
    _check_columns(chosen, good)
    into, total = _Into(Builder(before), chosen), 0
    for number, row in chain(sample, rows):
        total += 1
        into.take(number, row)
    left_out = into.settle(total)
    if rejects:
        write_rejects(into.rejects, rejects)
    if not len(into.builder):
        first = f" The first: {into.rejects[0]}" if into.rejects else ""
        raise BadInput(f"{path}: all {total} rows were rejected; check the mapping.{first}")
    notes = (*chosen.notes, *remarks.lines, *left_out)
    return Ingest(into.builder.finish(), chosen, tuple(into.rejects), tuple(into.builder.repeated), total, notes)


class _Into:
    """Rows on their way into a builder.

    A row with a bad value in a column that it could do without goes in for now, without that value. Where the column turns out to
    have many such values, that is how it is written, and the rows stay; where it has few, they are slips, and the rows are rejected.
    """

    def __init__(self, builder: Builder, mapping: FieldMap) -> None:
        self.builder, self._mapping = builder, mapping
        self.rejects = list[BadRow]()
        self._held = dict[str, tuple[list[BadRow], Row | None]]()
        self._faults, self._first = Counter[str](), dict[str, BadRow]()

    def take(self, number: int, row: Any) -> None:
        """Read a row and put it in, hold it or reject it."""
        faults = list[BadRow]()
        while True:
            try:
                made = parsed(number, row, self._mapping)
                break
            except BadRow as e:
                if not isinstance(row, Mapping) or e.field not in row or e.field in (self._mapping.id, self._mapping.title):
                    self.rejects.append(e)
                    return
                faults.append(e)
                row = {**cast("Mapping[str, Any]", row), e.field: None}
        if (again := self._held.pop(made[0], None)) is not None:
            self.rejects += again[0][:1]
        if faults:
            self._held[made[0]] = (faults, self.builder.row(made[0]))
            for e in faults:
                self._faults[e.field] += 1
                self._first.setdefault(e.field, e)
        self.builder.add(*made)

    def settle(self, total: int) -> list[str]:
        """Decide which of the rows held stay, and say which columns' values were left out."""
        passed = {c for c, n in self._faults.items() if n >= _MANY or (n >= _SOME and n > _SHARE * total)}
        for name, (faults, before) in self._held.items():
            wrong = [e for e in faults if e.field not in passed]
            if wrong:
                self.builder.put_back(name, before)
                self.rejects.append(wrong[0])
        self._held.clear()
        self.rejects.sort(key=lambda e: e.row)
        return [
            f"{c}: {self._faults[c]:,} values could not be read and were left out, their products went in; {self._first[c]}"
            for c in self._faults
            if c in passed
        ]


def write_rejects(rejects: Iterable[BadRow], path: str) -> None:
    """Write rejected rows, a JSON line each: row number from 1, field, value and what was wanted."""
    with fsspec.open(path, "w", encoding="utf-8", errors="backslashreplace") as stream:
        for e in rejects:
            cast("Any", stream).write(json.dumps(e.to_json(), ensure_ascii=False) + "\n")


def _check_columns(mapping: FieldMap, sample: list[dict[str, Any]]) -> None:
    columns = {k for row in sample for k in row}
    named = [
        mapping.id,
        mapping.title,
        mapping.price,
        mapping.brand,
        mapping.category,
        mapping.attributes,
        *mapping.extra,
        *mapping.more,
    ]
    absent = sorted({c for c in named if c and c not in columns})
    if absent:
        raise BadInput(
            f"the mapping names columns {absent} that the first {len(sample)} rows do not have; known: {sorted(columns)[:20]}."
        )
