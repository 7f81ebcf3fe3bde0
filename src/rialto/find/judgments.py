"""Judgments from files: TREC qrels, or CSV with a query, a product and a grade; what could not be used is counted, not lost."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import fsspec
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, NothingHere
from rialto.find.catalogue import Catalogue
from rialto.spine.evaluate import Judgments

__all__ = ["Judged", "judged", "read_judgments", "read_queries"]

_QUERY = ("query", "query_text", "search_term", "keywords", "query_id", "qid")
_PRODUCT = ("product_id", "docid", "doc_id", "id", "product", "asin", "sku")
_GRADE = ("grade", "rating", "relevance", "label", "gain", "final_rating")


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries with their judged products.

    Args:
        texts: Query texts, shape (queries,), each once.
        judgments: By query, with product numbers; a product that is not in the catalogue has a negative number of its own, so
            that a relevant one which cannot be found still counts against the ranking.
        unknown: Judged products that are not in the catalogue.
        repeated: Rows that judged a product of a query again; the last counts.
    """

    texts: tuple[str, ...]
    judgments: Judgments
    unknown: int = 0
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def spread(self) -> NDArray[np.bool_]:
        """Queries whose judged grades are not all alike, shape (queries,): where all are, every order is as good."""
        j = self.judgments
        parts = (j.grades[a:b] for a, b in zip(j.offsets[:-1], j.offsets[1:]))
        return np.array([len(p) > 0 and float(p.min()) < float(p.max()) for p in parts], dtype=np.bool_)

    def take(self, queries: NDArray[np.int64]) -> Judged:
        """The queries at `queries`, in that order."""
        j = self.judgments
        parts = [np.arange(int(j.offsets[q]), int(j.offsets[q + 1])) for q in queries.tolist()]
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
        offsets = np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)
        texts = tuple(self.texts[q] for q in queries.tolist())
        return Judged(texts, Judgments(offsets, j.ids[rows], j.grades[rows]), self.unknown, self.repeated)


def judged(catalogue: Catalogue, rows: Iterable[tuple[str, str, float]]) -> Judged:
    """Judgments from (query text, product id, grade) rows in any order.

    Example:
        >>> from rialto.find.builder import Builder
        >>> b = Builder()
        >>> nothing = dict.fromkeys(("price_cents", "stock", "released_day", "rating", "rating_count"), float("nan"))
        >>> texts = dict.fromkeys(("brand", "category", "description", "group", "image", "names"), "")
        >>> b.add("a", {**texts, "title": "Red lamp"}, nothing, [])
        >>> j = judged(b.finish(), [("lamp", "a", 2.0), ("lamp", "gone", 1.0), ("lamp", "a", 3.0)])
        >>> j.texts, j.judgments.ids.tolist(), j.judgments.grades.tolist(), j.unknown, j.repeated
        (('lamp',), [0, -1], [3.0, 1.0], 1, 1)
    """
    found: dict[str, dict[int, float]] = {}
    unknown: dict[str, int] = {}
    repeated = 0
    for text, product, grade in rows:
        row = catalogue.row_of_id.get(product)
        number = unknown.setdefault(product, -1 - len(unknown)) if row is None else int(catalogue.numbers[row])
        grades = found.setdefault(" ".join(text.split()), {})
        repeated += number in grades
        grades[number] = grade
    query = np.repeat(np.arange(len(found)), [len(g) for g in found.values()])
    ids = [i for g in found.values() for i in g]
    grades_flat = [x for g in found.values() for x in g.values()]
    return Judged(
        tuple(found), Judgments.of(query=query, ids=ids, grades=grades_flat, queries=len(found)), len(unknown), repeated
    )


def read_judgments(path: str, catalogue: Catalogue, *, queries: str = "") -> Judged:
    """Read judgments.

    Args:
        path: CSV or TSV with headings (`query`, `product_id`, `grade`, and what others call them), or TREC qrels
            (`query-id 0 product-id grade` a line, where no heading is known). `.gz` is unpacked.
        queries: CSV that gives the texts of query ids (`query_id,query`); needed where `path` holds ids.

    Raises:
        NothingHere: there is no such file.
        BadRow: a grade is no number, is negative, or a column is empty.
        BadInput: headings are not known, or query ids have no text.
    """
    lines = _lines(path)
    if not lines:
        raise BadInput(f"{path} is empty; wanted judgments, a line each.")
    delimiter = "\t" if "\t" in lines[0] else ","
    heading = [h.strip().lower() for h in next(csv.reader([lines[0]], delimiter=delimiter))]
    names = [next((n for n in known if n in heading), "") for known in (_QUERY, _PRODUCT, _GRADE)]
    if all(names):
        rows = _table(lines, delimiter, names, heading)
        by_id = names[0] in ("query_id", "qid")
    elif len(lines[0].split()) == 4 and not any(names):
        rows, by_id = _qrels(lines), True
    else:
        raise BadInput(f"{path} begins {lines[0][:80]!r}; wanted headings query,product_id,grade, or TREC qrels lines.")
    if not by_id:
        return judged(catalogue, rows)
    texts = read_queries(queries) if queries else {}
    held = list(rows)
    absent = sorted({q for q, _, _ in held if q not in texts})
    if absent:
        raise BadInput(f"{path} names queries by id, and {absent[:5]} have no text; give the CSV of query_id,query.")
    return judged(catalogue, ((texts[q], p, g) for q, p, g in held))


def read_queries(path: str) -> Mapping[str, str]:
    """Query id -> text, from a CSV with headings query_id and query; `BadInput` where they are not there."""
    rows = list(csv.DictReader(_lines(path)))
    columns = list(rows[0]) if rows else []
    name = next((n for n in ("query_id", "qid", "id") if n in columns), "")
    text = next((n for n in ("query", "query_text", "text") if n in columns), "")
    if not (name and text):
        raise BadInput(f"{path} has columns {columns}; wanted query_id and query.")
    return {row[name]: row[text] for row in rows}


def _lines(path: str) -> list[str]:
    try:
        with fsspec.open(path, "rb", compression="infer") as stream:
            body = cast("bytes", cast("Any", stream).read())
    except FileNotFoundError:
        raise NothingHere(f"there is no file {path}.") from None
    try:
        return [line for line in body.decode("utf-8-sig").replace("\r", "").split("\n") if line]
    except UnicodeDecodeError as e:
        raise BadInput(f"{path} is not UTF-8: {e}.") from None


def _table(lines: list[str], delimiter: str, names: list[str], heading: list[str]) -> Iterator[tuple[str, str, float]]:
    where = [heading.index(n) for n in names]
    for number, cells in enumerate(csv.reader(lines[1:], delimiter=delimiter), start=1):
        if cells:
            got = [cells[w].strip() if w < len(cells) else "" for w in where]
            yield _checked(number, dict(zip(("query", "product", "grade"), got)))


def _qrels(lines: list[str]) -> Iterator[tuple[str, str, float]]:
    for number, line in enumerate(lines, start=1):
        cells = line.split()
        if cells:
            got = [cells[0], cells[2] if len(cells) == 4 else "", cells[-1]]
            yield _checked(number, dict(zip(("query", "product", "grade"), got)))


def _checked(number: int, cells: Mapping[str, str]) -> tuple[str, str, float]:
    for name in ("query", "product"):
        if not cells[name]:
            raise BadRow(number, name, cells[name], "text that is not empty")
    try:
        grade = float(cells["grade"])
    except ValueError:
        grade = -1.0
    if not 0.0 <= grade <= 1000.0:
        raise BadRow(number, "grade", cells["grade"], "a number from 0 to 1000, 0 = not relevant")
    return cells["query"], cells["product"], grade
