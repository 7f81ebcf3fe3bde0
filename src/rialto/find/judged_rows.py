"""Files of judgments and of queries to rows: tables with headings of any usual name, TREC qrels, tables without headings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rialto.errors import BadInput, BadRow, EngineError, NothingHere
from rialto.find.columns import by_folded, folded, known_names
from rialto.find.files import file_rows, kind_of, text_of
from rialto.find.grades import graded_words
from rialto.find.tables import Remarks, records, sniffed, table

__all__ = ["JudgedRow", "Written", "judged_rows", "neighbours", "query_texts"]

_STORED = (".parquet", ".pq", ".jsonl", ".ndjson", ".json")
_HEAD = 50  # rows whose columns are looked at
_NEAR = 20  # files beside the judgments that may hold the queries' texts
JudgedRow = tuple[int, str, str, str]
"""Number from 1, query, product and grade, as they are written."""


@dataclass(frozen=True, slots=True)
class Written:
    """The rows of a file of judgments; `by_id` where queries stand by their ids, None where the file does not tell."""

    rows: list[JudgedRow]
    by_id: bool | None


def judged_rows(path: str, remarks: Remarks) -> Written:
    """Read a file of judgments.

    Raises:
        NothingHere: there is no such file.
        BadInput: it is empty, or its columns cannot be told.
    """
    if kind_of(path) in _STORED:
        return _of_dicts(path, list(file_rows(path, remarks)))
    lines = text_of(path, remarks)
    if not lines:
        raise BadInput(f"{path} is empty; wanted judgments, a line each.")
    usual = "\t" if "\t" in lines[0] else ","
    delimiter = sniffed(lines, usual)
    heading = next(records(lines, delimiter), ([], 0))[0]
    if _columns(heading):
        return _of_dicts(path, list(table(iter(lines), usual, remarks)))
    words = lines[0].split()
    if _columns(words) and len(words) in (3, 4, 5):
        return _of_dicts(path, [(n, dict(zip(words, line.split()))) for n, line in enumerate(lines[1:], start=1)])
    return _bare(path, lines, delimiter)


def _columns(names: Iterable[str]) -> tuple[str, str, str, bool] | None:
    """The columns of query, product and grade, and whether the first holds ids; None where one is not there."""
    by, of = by_folded(names), known_names("judgments")
    found = {field: next((by[n] for n in of[field] if n in by), "") for field in of}
    query = found["query"] or found["query_id"]
    three = (query, found["product"], found["grade"])
    return (*three, not found["query"]) if all(three) and len(set(three)) == 3 else None


def _of_dicts(path: str, rows: Sequence[tuple[int, Any]]) -> Written:
    names = list(dict.fromkeys(k for _, row in rows[:_HEAD] if isinstance(row, dict) for k in row))
    columns = _columns(names)
    if columns is None:
        raise BadInput(f"{path} has the columns {names[:20]}; wanted headings query,product_id,grade, or what others call them.")
    *three, by_id = columns
    out: list[JudgedRow] = []
    for number, row in rows:
        cells = ["" if isinstance(row, BadRow) else _cell(row.get(c)) for c in three]
        out.append((number, cells[0], cells[1], cells[2]))
    numeric = by_id is False and folded(three[0]) in ("query", "q") and all(r[1].isdigit() for r in out[:_HEAD])
    return Written(out, None if numeric else by_id)


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _bare(path: str, lines: Sequence[str], delimiter: str) -> Written:
    """A table without a heading: TREC's four columns, or query, product and grade."""
    split: Callable[[str], list[str]] = str.split
    first = lines[0].split()
    if not (len(first) in (3, 4) and graded_words(first[-1]) and delimiter not in lines[0].strip().replace("\t", " ")):
        split = lambda line: [c.strip() for c in next(records([line], delimiter), ([], 0))[0]]  # noqa: E731
        first = split(lines[0])
    if len(first) not in (3, 4) or not graded_words(first[-1]):
        raise BadInput(f"{path} begins {lines[0][:80]!r}; wanted headings query,product_id,grade, or TREC qrels lines.")
    rows: list[JudgedRow] = []
    for number, line in enumerate(lines, start=1):
        cells = split(line)
        fits = len(cells) == len(first)
        rows.append((number, cells[0] if cells else "", cells[-2] if fits else "", cells[-1] if fits else ""))
    return Written(rows, True if len(first) == 4 else None)


def query_texts(path: str, remarks: Remarks) -> Mapping[str, str]:
    """Query id -> text, from a table with headings such as query_id and query, two columns without headings, or TREC topics.

    Raises:
        BadInput: neither is there.
    """
    if kind_of(path) in _STORED:
        return _texts_of(path, list(file_rows(path, remarks)))
    lines = text_of(path, remarks)
    if any(line.lstrip().lower().startswith("<top") for line in lines[:_HEAD]):
        return dict(_topics("".join(lines)))
    usual = "\t" if lines and "\t" in lines[0] else ","
    delimiter = sniffed(lines, usual)
    heading = next(records(lines, delimiter), ([], 0))[0]
    if len(heading) == 2 and not {folded(h) for h in heading} & set(sum(known_names("queries").values(), ())):
        return {c[0].strip(): c[1].strip() for c, _ in records(lines, delimiter) if len(c) == 2 and c[0].strip() and c[1].strip()}
    return _texts_of(path, list(table(iter(lines), usual, remarks)))


def _texts_of(path: str, rows: Sequence[tuple[int, Any]]) -> Mapping[str, str]:
    dicts = [row for _, row in rows if isinstance(row, dict)]
    columns = list(dict.fromkeys(k for row in dicts[:_HEAD] for k in row))
    by, of = by_folded(columns), known_names("queries")
    name, text = (next((by[n] for n in of[f] if n in by), "") for f in ("query_id", "query"))
    if not (name and text):
        raise BadInput(f"{path} has columns {columns[:20]}; wanted query_id and query.")
    pairs = ((_cell(row.get(name)), _cell(row.get(text))) for row in dicts)
    return {i: t for i, t in pairs if i and t}


def _topics(body: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"(?i)<top(?:ic)?\b", body)[1:]:
        number = re.search(r"(?i)<num(?:ber)?>\s*(?:number:)?\s*([^\s<]+)|^[^>]*\b(?:number|id)=\"([^\"]+)\"", part)
        title = re.search(r"(?i)<(?:title|query)>\s*([^<]+)", part)
        if number and title and title[1].strip():
            yield (number[1] or number[2]).strip(), " ".join(title[1].split())


def neighbours(path: str, wanted: set[str], remarks: Remarks) -> Mapping[str, str]:
    """The texts of queries by id from a file beside the judgments, `queries.csv`, `query.tsv` or `topics.txt`; none where none knows them."""
    folder = Path(path).parent
    if "://" in path or not folder.is_dir():
        return {}
    best: Mapping[str, str] = {}
    said = ""
    called = re.compile(r"(?i)(\w*[_.-])?(quer(y|ies)|topics?)\b")
    near = sorted(f for f in folder.iterdir() if called.match(f.name) and f.name != Path(path).name and f.is_file())
    for file in near[:_NEAR]:
        try:
            texts = query_texts(str(file), Remarks())
        except (BadInput, NothingHere, EngineError):
            continue  # another file that happens to be called so
        if len(wanted & texts.keys()) > len(wanted & best.keys()):
            best = texts
            said = f"texts of queries were taken from {file.name}, beside the judgments"
    if best:
        remarks.note(said)
    return best
