"""Judgments from files: TREC qrels, or CSV with a query, a product and a grade; what could not be used is counted, not lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow
from rialto.find.catalogue import Catalogue
from rialto.find.grades import grades_of
from rialto.find.judged_rows import JudgedRow, judged_rows, neighbours, query_texts
from rialto.find.same_ids import Found, found, harmless
from rialto.find.tables import Remarks
from rialto.spine.evaluate import Judgments

__all__ = ["Judged", "judged", "read_judgments", "read_queries"]

_FEW = 0.1  # share of queries with products judged not relevant, below which judges listed relevant ones alone
_SHOWN = 3  # ids of each side in a message


@dataclass(frozen=True, slots=True)
class Judged:
    """Queries with their judged products.

    Args:
        texts: Query texts, shape (queries,), each once.
        judgments: By query, with product numbers; a product that is not in the catalogue has a negative number of its own, so
            that a relevant one which cannot be found still counts against the ranking.
        unknown: Judged products that are not in the catalogue.
        repeated: Rows that judged a product of a query again; the last counts.
        relevant_only: True where judges listed relevant products and next to no others.
        notes: What was guessed, let pass or left out when the file was read, for people.
    """

    texts: tuple[str, ...]
    judgments: Judgments
    unknown: int = 0
    repeated: int = 0
    relevant_only: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def spread(self) -> NDArray[np.bool_]:
        """Queries that can be measured, shape (queries,): their judged grades are not all alike, where every order is as good.

        Where judges listed relevant products alone, every query with one of them: what nobody judged counts as not relevant.
        """
        j = self.judgments
        parts = (j.grades[a:b] for a, b in zip(j.offsets[:-1], j.offsets[1:]))
        if self.relevant_only:
            return np.array([len(p) > 0 and float(p.max()) > 0.0 for p in parts], dtype=np.bool_)
        return np.array([len(p) > 0 and float(p.min()) < float(p.max()) for p in parts], dtype=np.bool_)

    def take(self, queries: NDArray[np.int64]) -> Judged:
        """The queries at `queries`, in that order."""
        j = self.judgments
        parts = [np.arange(int(j.offsets[q]), int(j.offsets[q + 1])) for q in queries.tolist()]
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
        offsets = np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)
        texts = tuple(self.texts[q] for q in queries.tolist())
        return replace(self, texts=texts, judgments=Judgments(offsets, j.ids[rows], j.grades[rows]))


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
    held = list(rows)
    return _judged(catalogue, held, found(catalogue, {p for _, p, _ in held}))


def _judged(catalogue: Catalogue, rows: Iterable[tuple[str, str, float]], known: Found) -> Judged:
    made: dict[str, dict[int, float]] = {}
    unknown: dict[str, int] = {}
    repeated = 0
    for text, product, grade in rows:
        row = known.rows.get(product)
        number = unknown.setdefault(product, -1 - len(unknown)) if row is None else int(catalogue.numbers[row])
        grades = made.setdefault(" ".join(text.split()), {})
        repeated += number in grades
        grades[number] = grade
    query = np.repeat(np.arange(len(made)), [len(g) for g in made.values()])
    ids = [i for g in made.values() for i in g]
    flat = [x for g in made.values() for x in g.values()]
    judgments = Judgments.of(query=query, ids=ids, grades=flat, queries=len(made))
    some = [g for g in made.values() if max(g.values()) > 0]
    only = bool(some) and sum(min(g.values()) <= 0 for g in some) < _FEW * len(some)
    return Judged(tuple(made), judgments, len(unknown), repeated, only)


def read_judgments(path: str, catalogue: Catalogue, *, queries: str = "") -> Judged:
    """Read judgments; a row that cannot be read is left out and counted.

    Args:
        path: A table (CSV, TSV, Parquet, JSON lines) with headings (`query`, `product_id`, `grade`, and what others call them), or TREC
            qrels (`query-id 0 product-id grade` a line). Grades as `rialto.find.grades.grades_of` reads them. `.gz` is unpacked.
        queries: File that gives the texts of query ids (`query_id,query`), where `path` holds ids; "" = one beside `path` that does.

    Raises:
        NothingHere: there is no such file.
        BadRow: more than half of the rows cannot be read; the first is named.
        BadInput: columns cannot be told, most query ids have no text, or no judged product is in the catalogue.
    """
    remarks = Remarks()
    written = judged_rows(path, remarks)
    texts = query_texts(queries, remarks) if queries else {}
    named = {q for _, q, _, _ in written.rows if q}
    by_id = written.by_id if written.by_id is not None else bool(texts)
    if (by_id or written.by_id is None) and not queries:
        texts = neighbours(path, named, remarks)
        by_id = by_id or bool(texts)
    rows = _graded(written.rows, remarks)
    if by_id:
        rows = _spoken(path, rows, texts, remarks)
    known = found(catalogue, {p for _, p, _ in rows})
    _tell_ids(path, catalogue, rows, known, remarks)
    made = _judged(catalogue, rows, known)
    if made.relevant_only:
        remarks.note(
            "nearly all that was judged is relevant: what nobody judged counts as not relevant, and all queries are measured"
        )
    if made.repeated:
        remarks.note(f"{made.repeated:,} rows judge a product of a query again; the last counts")
    return replace(made, notes=remarks.lines)


def read_queries(path: str) -> Mapping[str, str]:
    """Query id -> text, from a table with headings query_id and query; `BadInput` where they are not there."""
    return query_texts(path, Remarks())


def _graded(rows: Sequence[JudgedRow], remarks: Remarks) -> list[tuple[str, str, float]]:
    """Rows with their grades as numbers; those that lack something are left out."""
    grades = grades_of([g for _, _, _, g in rows], remarks) if any(g for _, _, _, g in rows) else [None] * len(rows)
    out: list[tuple[str, str, float]] = []
    bad: list[BadRow] = []
    for (number, query, product, written), grade in zip(rows, grades):
        if not query or not product:
            bad.append(BadRow(number, "product" if query else "query", "", "text that is not empty"))
        elif grade is None:
            bad.append(BadRow(number, "grade", written, "a number, 0 = not relevant, or a word of a known scale"))
        else:
            out.append((query, product, grade))
    if 2 * len(bad) > len(rows):
        raise bad[0]
    if bad:
        remarks.note(f"{len(bad):,} rows were left out; {bad[0]}")
    return out


def _spoken(
    path: str, rows: list[tuple[str, str, float]], texts: Mapping[str, str], remarks: Remarks
) -> list[tuple[str, str, float]]:
    """Rows with their queries' texts in the place of their ids."""
    alike = {harmless(i): t for i, t in texts.items()}
    of = {q: texts.get(q) or alike.get(harmless(q)) for q in dict.fromkeys(q for q, _, _ in rows)}
    absent = sorted(q for q, t in of.items() if t is None)
    if 2 * len(absent) > len(of):
        raise BadInput(
            f"{path} names queries by id, and {absent[:5]} have no text; give the table of query_id,query with --queries."
        )
    if absent:
        remarks.note(f"{len(absent):,} of {len(of):,} queries have no text and were left out", absent[0])
    return [(t, p, g) for q, p, g in rows if (t := of[q]) is not None]


def _tell_ids(path: str, c: Catalogue, rows: list[tuple[str, str, float]], known: Found, remarks: Remarks) -> None:
    """Say how many of the judged products are in the catalogue; `BadInput` where none is."""
    products = list(dict.fromkeys(p for _, p, _ in rows))
    absent = [p for p in products if p not in known.rows]
    here, there = (", ".join(repr(str(i)) for i in ids[:_SHOWN]) for ids in (absent or products, c.ids.tolist()))
    if products and len(absent) == len(products):
        raise BadInput(
            f"{path}: none of the {len(products):,} judged products is in the catalogue of {len(c):,}: judgments say {here}, the catalogue "
            f"{there}. Wanted the same ids: name the catalogue's column of them in a mapping (--mapping), or give the right files."
        )
    if known.by_name:
        remarks.note(
            "judged products were found by the codes among the products' names, not by ids; a mapping may name the id column"
        )
    if known.alike:
        remarks.note(f"{known.alike:,} judged products were found by ids that differ in case, leading zeros, blanks or a .0")
    if absent:
        share = len(absent) / len(products)
        loud = "MOST JUDGED PRODUCTS ARE NOT IN THE CATALOGUE: " if share > 0.5 else ""
        remarks.note(
            f"{loud}{len(absent):,} of {len(products):,} judged products ({share:.1%}) are not in the catalogue and count against the "
            f"ranking: judgments say {here}, the catalogue {there}"
        )
