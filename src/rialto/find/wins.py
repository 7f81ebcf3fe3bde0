"""An evaluation as a page to read: what each stage scored, and query by query where one stage won or lost against another."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from math import isfinite, isnan

import numpy as np
from jinja2 import Environment, StrictUndefined

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.evaluate import MEASURES, Evaluation, Stage
from rialto.find.judgments import Judged
from rialto.spine.evaluate import Difference, paired

__all__ = ["Listed", "QueryLine", "lines", "page"]

MEASURE = "ndcg_trec"
_EVEN = 0.0005  # a difference below it is printed as +0.000 and called even
_MOST = 1000  # queries on one page
_MISSED = 3  # relevant products named that the second list leaves out


@dataclass(frozen=True, slots=True)
class Listed:
    """One product of a list.

    Args:
        place: From 1; 0 = not among the first ten.
        other: Its place in the other list; 0 = not among its first ten.
        grade: What the judges said; None = nobody judged it.
        share: `grade` over the greatest grade of the judgments, 0 to 1; 0 where nobody judged it.
    """

    place: int
    other: int
    id: str
    title: str
    grade: float | None
    share: float


@dataclass(frozen=True, slots=True)
class QueryLine:
    """One query under both stages: its nDCG@10 under each, both lists, and the best judged products that the second list leaves out."""

    query: str
    before: float
    after: float
    first: tuple[Listed, ...]
    second: tuple[Listed, ...]
    missed: tuple[Listed, ...]

    @property
    def difference(self) -> float:
        """Second less first."""
        return self.after - self.before

    @property
    def outcome(self) -> str:
        """`win`, `loss` or `even`, from the second stage's side."""
        return "even" if abs(self.difference) < _EVEN else "win" if self.difference > 0 else "loss"


def page(evaluation: Evaluation, judged: Judged, catalogue: Catalogue, first: str = "bm25f", second: str = "all") -> str:
    """One self-contained HTML page, which asks nothing of anybody: figures with intervals on top, then each query's two lists.

    Args:
        evaluation: What `rialto.find.evaluate.evaluate` made.
        judged: The judgments that it was made from.
        catalogue: The products, for their titles.
        first, second: Stages whose lists stand side by side, among those of `evaluation`.

    Returns:
        The page, UTF-8 text; it reads without its script, which filters and sorts. The thousand queries that differ most are on it.

    Raises:
        BadInput: there is no such stage in the evaluation, or `judged` is of other queries.
    """
    before, after = evaluation[first], evaluation[second]
    told = lines(evaluation, judged, catalogue, first, second)
    shown = sorted(told, key=lambda q: -abs(q.difference))[:_MOST]
    ways = {way: sum(q.outcome == way for q in told) for way in ("win", "loss", "even")}
    text = resources.files("rialto.find").joinpath("data/wins.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(grade=_grade, p_value=_p)
    return environment.from_string(text).render(
        evaluation=evaluation, first=before, second=after, lines=sorted(shown, key=lambda q: (q.difference, q.query)), ways=ways,
        total=len(told), measures=MEASURES, difference=_overall(before, after), warnings=evaluation.warnings(), scale=_scale(evaluation),
        strip=sorted((q.difference for q in told), reverse=True),
    )  # fmt: skip


def lines(evaluation: Evaluation, judged: Judged, catalogue: Catalogue, first: str, second: str) -> list[QueryLine]:
    """Every query under two stages, in the evaluation's order; queries for which there was nothing to find are left out."""
    at = {text: n for n, text in enumerate(judged.texts)}
    strange = [q for q in evaluation.queries if q not in at]
    if strange:
        raise BadInput(
            f"the judgments do not have the query {strange[0][:80]!r}; wanted those that the evaluation was made from."
        )
    a, b = evaluation[first], evaluation[second]
    greatest = float(judged.judgments.grades.max(initial=0.0)) or 1.0
    return [
        _line(q, text, a, b, _Book(judged, at[text], catalogue, greatest))
        for q, text in enumerate(evaluation.queries)
        if not (isnan(a.values[MEASURE][q]) or isnan(b.values[MEASURE][q]))
    ]


class _Book:
    """One query's grades, and products as a list names them."""

    def __init__(self, judged: Judged, query: int, catalogue: Catalogue, greatest: float) -> None:
        j = judged.judgments
        rows = slice(int(j.offsets[query]), int(j.offsets[query + 1]))
        self.grades = dict(zip(j.ids[rows].tolist(), j.grades[rows].tolist()))
        self._catalogue, self._greatest = catalogue, greatest

    def listed(self, number: int, place: int, other: int) -> Listed:
        row = int(self._catalogue.rows(np.array([number], dtype=np.int64))[0])
        name = str(self._catalogue.ids[row]) if row >= 0 else "not in the catalogue"
        title = str(self._catalogue.text("title")[row]) if row >= 0 else ""
        grade = self.grades.get(number)
        return Listed(place, other, name, title, grade, (grade or 0.0) / self._greatest)


def _line(q: int, text: str, a: Stage, b: Stage, book: _Book) -> QueryLine:
    tops = [s.lists.ids[int(s.lists.offsets[q]) : int(s.lists.offsets[q + 1])].tolist() for s in (a, b)]
    places = [{i: n for n, i in enumerate(top, start=1)} for top in tops]
    one, two = (
        tuple(book.listed(i, n, places[1 - side].get(i, 0)) for n, i in enumerate(tops[side], start=1)) for side in (0, 1)
    )
    left = sorted(((g, i) for i, g in book.grades.items() if g > 0 and i not in places[1]), key=lambda x: (-x[0], x[1]))
    least = min((x.grade or 0.0 for x in two), default=0.0)
    missed = tuple(book.listed(i, 0, places[0].get(i, 0)) for g, i in left if g > least)[:_MISSED]
    return QueryLine(text, float(a.values[MEASURE][q]), float(b.values[MEASURE][q]), one, two, missed)


def _overall(first: Stage, second: Stage) -> Difference:
    return paired(first.values[MEASURE], second.values[MEASURE], seed=0)


def _scale(evaluation: Evaluation) -> tuple[float, float]:
    """Ends of the axis that the stages' intervals are drawn on, a little wider than all of them."""
    ends = [e for s in evaluation.stages for e in (s.intervals[MEASURE].low, s.intervals[MEASURE].high) if isfinite(e)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = max((high - low) * 0.08, 0.01)
    return low - room, high + room


def _grade(grade: float | None) -> str:
    """A grade as people read it.

    Example:
        >>> _grade(2.0), _grade(0.5), _grade(None)
        ('2', '0.5', 'not judged')
    """
    return "not judged" if grade is None else f"{grade:.3g}"


def _p(p: float) -> str:
    """A p-value as people read it.

    Example:
        >>> _p(0.00004), _p(0.0321), _p(float("nan"))
        ('p < 0.001', 'p = 0.032', '')
    """
    return "" if isnan(p) else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
