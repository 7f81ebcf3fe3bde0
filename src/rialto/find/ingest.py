"""A catalogue file to a Catalogue: JSON lines, CSV or Parquet, row by row; bad rows go to a rejects file with their reason, the rest goes in."""

from __future__ import annotations

import csv
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from gzip import BadGzipFile
from itertools import chain, islice
from typing import Any, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from rialto.errors import BadInput, BadRow, EngineError, NothingHere
from rialto.find.builder import Builder
from rialto.find.catalogue import Catalogue
from rialto.find.mapping import FieldMap, guess
from rialto.find.quantities import measured
from rialto.find.records import join_path, split_path
from rialto.find.values import as_boolean, as_cents, as_day, as_number, as_text, blank

__all__ = ["Attribute", "Ingest", "Parsed", "parsed", "read_catalogue", "read_rows", "write_rejects"]

_SAMPLE = 500  # rows that the mapping is guessed from
_NAME = 1_000  # characters of an id, a brand, a group or a category's path
_MORE = "\x00more"  # where a CSV row's cells beyond the header go
Attribute = tuple[str, str, Any]
"""Name, kind (`t` text, `n` number, `b` yes/no, `?` decided once the whole column is known) and value."""

Parsed = tuple[str, dict[str, str], dict[str, float], list[Attribute]]
"""A product as `Builder.add` takes it: id, texts, numbers, attributes."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """What came of reading a file: the catalogue, the mapping used, the rejected rows, and the ids that stood twice (last wins)."""

    catalogue: Catalogue
    mapping: FieldMap
    rejects: tuple[BadRow, ...]
    repeated: tuple[str, ...]
    rows: int


def read_catalogue(path: str, mapping: FieldMap | None = None, *, rejects: str = "", before: Catalogue | None = None) -> Ingest:
    """Read a catalogue file.

    Args:
        path: Any fsspec path that ends in `.jsonl`, `.ndjson`, `.json`, `.csv`, `.tsv` or `.parquet`, packed or not (`.gz`).
        mapping: Which column is what; guessed from the first rows where None.
        rejects: Where bad rows are written, a JSON line each; "" writes no file.
        before: The catalogue that this one replaces: its products keep their numbers.

    Raises:
        NothingHere: there is no such file.
        BadInput: the ending is not known, the file has no rows, the mapping names an absent column, or every row is bad.

    Cost:
        About 15,000 products of 20 attributes a second.
    """
    rows = iter(read_rows(path))
    sample = list(islice(rows, _SAMPLE))
    good = [row for _, row in sample if isinstance(row, dict)]
    chosen = mapping or guess(good)
    _check_columns(chosen, good)
    builder, bad, total = Builder(before), list[BadRow](), 0
    for number, row in chain(sample, rows):
        total += 1
        try:
            builder.add(*parsed(number, row, chosen))
        except BadRow as e:
            bad.append(e)
    if rejects:
        write_rejects(bad, rejects)
    if not len(builder):
        first = f" The first: {bad[0]}" if bad else ""
        raise BadInput(f"{path}: all {total} rows were rejected; check the mapping.{first}")
    return Ingest(builder.finish(), chosen, tuple(bad), tuple(builder.repeated), total)


def write_rejects(rejects: Iterable[BadRow], path: str) -> None:
    """Write rejected rows, a JSON line each: row number from 1, field, value and what was wanted."""
    with fsspec.open(path, "w", encoding="utf-8", errors="backslashreplace") as stream:
        for e in rejects:
            line = {"row": e.row, "field": e.field, "value": repr(e.value)[:200], "wanted": e.wanted}
            cast("Any", stream).write(json.dumps(line, ensure_ascii=False) + "\n")


def read_rows(path: str) -> Iterator[tuple[int, Any]]:
    """Rows of a file with their numbers from 1 (the header is none); a line that is no JSON object comes as a `BadRow`."""
    plain = path.lower()
    for packing in (".gz", ".bz2", ".xz", ".zst"):
        plain = plain.removesuffix(packing)
    readers: Mapping[tuple[str, ...], Callable[[Any], Iterator[tuple[int, Any]]]] = {
        (".jsonl", ".ndjson", ".json"): _json_lines, (".csv",): _csv, (".tsv",): _tsv, (".parquet", ".pq"): _parquet,
    }  # fmt: skip
    reader = next((r for endings, r in readers.items() if plain.endswith(endings)), None)
    if reader is None:
        raise BadInput(f"{path} has an unknown ending; wanted .jsonl, .json, .csv, .tsv or .parquet, and .gz where packed.")
    try:
        with fsspec.open(path, "rb", compression="infer") as stream:
            yield from reader(stream)
    except FileNotFoundError:
        raise NothingHere(f"there is no file {path}.") from None
    except (BadGzipFile, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as e:
        raise BadInput(f"{path} is damaged, or not what its name says ({type(e).__name__}: {e}); write it again.") from None
    except OSError as e:
        raise EngineError(f"{path} cannot be read: {e.strerror or e}.") from e


def _text_of(stream: Any) -> io.TextIOWrapper:
    # A byte that is not UTF-8 becomes a lone surrogate, which `as_text` then rejects with its row.
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _json_lines(stream: Any) -> Iterator[tuple[int, Any]]:
    with _text_of(stream) as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1 and line.lstrip().startswith("["):
                yield from _json_list("".join(chain([line], lines)))
                return
            if line.strip():
                yield number, _json_row(number, line.strip())


def _json_row(number: int, line: str) -> Any:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as e:
        return BadRow(number, "(line)", line, f"a JSON object ({e})")
    return row if isinstance(row, dict) else BadRow(number, "(line)", row, "a JSON object")


def _json_list(body: str) -> Iterator[tuple[int, Any]]:
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"the JSON list cannot be read: {e}; wanted a list of objects, or an object a line.") from None
    for number, row in enumerate(rows, start=1):
        yield number, row if isinstance(row, dict) else BadRow(number, "(row)", row, "a JSON object")


def _csv(stream: Any, delimiter: str = ",") -> Iterator[tuple[int, Any]]:
    with _text_of(stream) as lines:
        reader = csv.DictReader(lines, delimiter=delimiter, restkey=_MORE)
        try:
            for number, row in enumerate(reader, start=1):
                more = row.pop(_MORE, None)
                short = next((k for k, v in row.items() if v is None), None)
                wanted = f"{len(row)} cells, as many as the header has"
                yield number, BadRow(number, short or "(row)", more, wanted) if more or short else row
        except csv.Error as e:
            raise BadInput(f"the CSV cannot be read at line {reader.line_num}: {e}; wanted RFC 4180, quotes doubled.") from None


def _tsv(stream: Any) -> Iterator[tuple[int, Any]]:
    return _csv(stream, delimiter="\t")


def _parquet(stream: Any) -> Iterator[tuple[int, Any]]:
    number = 0
    for batch in pq.ParquetFile(stream).iter_batches(4096):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def _check_columns(mapping: FieldMap, sample: list[dict[str, Any]]) -> None:
    columns = {k for row in sample for k in row}
    named = [mapping.id, mapping.title, mapping.price, mapping.brand, mapping.category, mapping.attributes, *mapping.extra]
    absent = sorted({c for c in named if c and c not in columns})
    if absent:
        raise BadInput(
            f"the mapping names columns {absent} that the first {len(sample)} rows do not have; known: {sorted(columns)[:20]}."
        )


def parsed(number: int, row: Any, m: FieldMap) -> Parsed:
    """One row as the builder wants it; `BadRow` names the first field that is wrong."""
    if isinstance(row, BadRow):
        raise row

    def cell(column: str, read: Callable[[Any], Any], absent: Any) -> Any:
        value = row.get(column) if column else None
        if blank(value):
            return absent
        try:
            return read(value)
        except ValueError as e:
            raise BadRow(number, column, value, str(e)) from None

    def short(value: Any) -> str:
        text = as_text(value)
        if len(text) > _NAME:
            raise ValueError(f"text of at most {_NAME} characters")
        return text

    name = cell(m.id, short, "") if m.id else f"row-{number:06d}"
    title = cell(m.title, as_text, "")
    for column, value in ((m.id, name), (m.title, title)):
        if not value:
            raise BadRow(number, column, row.get(column), "text that is not empty")
    texts = {
        "title": title, "brand": cell(m.brand, short, ""), "category": cell(m.category, _path, ""),
        "description": cell(m.description, as_text, ""), "group": cell(m.group, short, ""), "image": cell(m.image, as_text, ""),
        "names": " ".join(filter(None, (cell(c, as_text, "") for c in m.names))),
    }  # fmt: skip
    nan = float("nan")
    values = {
        "price_cents": cell(m.price, lambda v: as_cents(v, m.price_unit), nan), "stock": cell(m.stock, _stock, nan),
        "released_day": cell(m.released, as_day, nan), "rating": cell(m.rating, as_number, nan),
        "rating_count": cell(m.rating_count, _count, nan),
    }  # fmt: skip
    return name, texts, values, list(_attributes(number, row, m, cell))


def _path(value: Any) -> str:
    levels = tuple(as_text(v) for v in value) if isinstance(value, list) else split_path(as_text(value))
    path = join_path(tuple(level for level in levels if level))
    if len(path) > _NAME:
        raise ValueError(f"a path of at most {_NAME} characters")
    return path


def _stock(value: Any) -> float:
    """Pieces in stock; yes/no and the words of a feed count as one or none."""
    words = {"in stock": 1.0, "instock": 1.0, "in_stock": 1.0, "out of stock": 0.0, "outofstock": 0.0, "out_of_stock": 0.0}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    try:
        return float(as_boolean(value))
    except ValueError:
        return _count(value)


def _count(value: Any) -> float:
    number = as_number(value)
    if number < 0:
        raise ValueError("a number, 0 or more")
    return number


def _attributes(number: int, row: Mapping[str, Any], m: FieldMap, cell: Callable[..., Any]) -> Iterator[Attribute]:
    """The attributes of a row; one that is written as a number with a unit is that number too, under a name with the unit."""
    for attribute in _written(number, row, m, cell):
        yield attribute
        name, kind, value = attribute
        text = value if kind == "?" else value[0] if kind == "t" and len(value) == 1 else ""
        if text and (found := measured(name, text)):
            yield found[0], "n", found[1]


def _written(number: int, row: Mapping[str, Any], m: FieldMap, cell: Callable[..., Any]) -> Iterator[Attribute]:
    for column, value in row.items():
        if blank(value):
            continue
        if column.startswith(("attr_t_", "attr_n_", "attr_b_")):
            kind = column[5]
            yield column[7:], kind, cell(column, {"t": _several, "n": as_number, "b": as_boolean}[kind], None)
        elif column == m.attributes:
            yield from _nested(number, column, value)
        elif column in m.extra:
            yield _native(number, column, column, value)


def _nested(number: int, column: str, value: Any) -> Iterator[Attribute]:
    if isinstance(value, str):
        text = value.strip()
        if not text.startswith("{"):
            yield from _pairs(number, column, text)
            return
        try:
            value = json.loads(text)
        except ValueError:
            raise BadRow(number, column, text, 'a JSON object, or "name=value,name=value"') from None
    if isinstance(value, list) and all(isinstance(x, (tuple, list)) and len(x) == 2 for x in value):
        value = dict(value)  # a Parquet map
    if not isinstance(value, dict):
        raise BadRow(number, column, value, 'an object, or "name=value,name=value"')
    for name, each in value.items():
        if not blank(each):
            yield _native(number, f"{column}.{name}", str(name), each)


def _pairs(number: int, column: str, text: str) -> Iterator[Attribute]:
    """`k=v,k=v`, values divided by "|"; a part without "=" belongs to the value before it ("size=S, M")."""
    name, value = "", ""
    for part in text.split(","):
        head, equals, tail = part.partition("=")
        if equals:
            if name:
                yield name, "?", value
            name, value = head.strip(), tail.strip()
        elif name:
            value += "," + part
        else:
            raise BadRow(number, column, text, '"name=value,name=value"')
    if name:
        yield name, "?", value


def _native(number: int, field: str, name: str, value: Any) -> Attribute:
    try:
        if isinstance(value, bool):
            return name, "b", value
        if isinstance(value, (int, float)):
            return name, "n", as_number(value)
        return (name, "?", as_text(value)) if isinstance(value, str) and "." not in field else (name, "t", _several(value))
    except ValueError as e:
        raise BadRow(number, field, value, str(e)) from None


def _several(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(t for t in (as_text(v) for v in value) if t)
    return (as_text(value),)
