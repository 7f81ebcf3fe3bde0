"""Ranking measures on batches of graded lists: nDCG in three readings, reciprocal rank, recall, share unjudged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rialto.errors import BadInput
from rialto.spine.evaluate.intervals import Interval, bootstrap
from rialto.spine.rank import sink

__all__ = ["best_dcg", "Graded", "Judgments", "Kind", "graded", "labelled", "mrr", "ndcg", "ranking", "recall", "unjudged"]

Kind = Literal["trec", "linear", "graded"]

TOP = 1000.0


@dataclass(frozen=True, slots=True)
class Judgments:
    """What people (or clicks) said of documents, all queries' behind one another.

    Args:
        offsets: Shape (queries + 1,): query q owns rows `offsets[q]:offsets[q+1]`; an empty range is a query nobody judged.
        ids: Judged documents, shape (judged,), int64, none twice within a query.
        grades: Shape (judged,), 0 = not relevant, up to 1000; 2**grade is its exponential gain.

    Raises:
        BadInput: a negative, huge or non-finite grade, a document judged twice, or offsets that do not fit.

    Example:
        >>> j = Judgments.of(query=[1, 0, 1], ids=[7, 5, 8], grades=[2, 1, 0], queries=2)
        >>> j.offsets.tolist(), j.ids.tolist()
        ([0, 1, 3], [5, 7, 8])
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    grades: NDArray[np.float64]

    def __post_init__(self) -> None:
        _check_offsets(self.offsets, len(self.ids))
        if len(self.grades) != len(self.ids):
            raise BadInput(f"there are {len(self.grades)} grades for {len(self.ids)} judged documents; wanted one each.")
        _check_grades(self.grades)
        _no_repeats(self.offsets, self.ids, "is judged twice")

    @classmethod
    def of(cls, *, query: ArrayLike, ids: ArrayLike, grades: ArrayLike, queries: int) -> Judgments:
        """Make judgments from rows in any order: `query` (judged,) counts from 0 to below `queries`."""
        owner = np.asarray(query, dtype=np.int64)
        if len(owner) and (owner.min() < 0 or owner.max() >= queries):
            raise BadInput(f"query numbers run over {owner.min()}..{owner.max()}; wanted 0..{queries - 1}.")
        order = np.argsort(owner, kind="stable")
        offsets = np.searchsorted(owner[order], np.arange(queries + 1)).astype(np.int64)
        return cls(offsets, np.asarray(ids, dtype=np.int64)[order], np.asarray(grades, dtype=np.float64)[order])


@dataclass(frozen=True, slots=True)
class Graded:
    """Ranked lists with their grades, beside the best list that could have been.

    Args:
        offsets: Shape (queries + 1,), rows of each query's list, best first.
        grades: Grade of each listed document, shape (rows,); NaN = nobody judged it.
        ideal_offsets: Shape (queries + 1,), rows of each query's judged documents.
        ideal: All judged grades of each query, falling, shape (judged,): the retrieved and the missed.
        top: The greatest grade in all judgments.
    """

    offsets: NDArray[np.int64]
    grades: NDArray[np.float64]
    ideal_offsets: NDArray[np.int64]
    ideal: NDArray[np.float64]
    top: float

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Queries with at least one document judged above 0, shape (queries,); the others have no ideal and are left out."""
        return _sum(self.ideal_offsets, self.ideal) > 0.0

    @property
    def spread(self) -> NDArray[np.bool_]:
        """Usable queries whose judged grades differ, shape (queries,): where all are alike, re-ranking them changes nothing."""
        best, worst = np.full(len(self), -np.inf), np.full(len(self), np.inf)
        owner = _owner(self.ideal_offsets)
        np.maximum.at(best, owner, self.ideal)
        np.minimum.at(worst, owner, self.ideal)
        return best > worst


def graded(offsets: NDArray[np.int64], ids: NDArray[np.int64], judgments: Judgments) -> Graded:
    """Look up the grades of ranked lists.

    Args:
        offsets: Shape (queries + 1,); an empty list is allowed and earns nothing.
        ids: Listed documents, best first, shape (rows,).
        judgments: Of the same queries in the same order.

    Raises:
        BadInput: another number of queries, or a list that names a document twice.

    Cost:
        O((rows + judged) log judged).

    Example:
        >>> j = Judgments.of(query=[0, 0], ids=[7, 8], grades=[1, 3], queries=1)
        >>> g = graded(np.array([0, 3]), np.array([7, 9, 8]), j)
        >>> g.grades.tolist(), g.ideal.tolist()
        ([1.0, nan, 3.0], [3.0, 1.0])
    """
    _check_offsets(offsets, len(ids))
    if len(offsets) != len(judgments.offsets):
        raise BadInput(f"there are lists of {len(offsets) - 1} queries and judgments of {len(judgments.offsets) - 1}.")
    _no_repeats(offsets, ids, "is listed twice")
    names, codes = np.unique(np.concatenate([judgments.ids, ids]), return_inverse=True)
    judged = _owner(judgments.offsets) * len(names) + codes[: len(judgments.ids)]
    wanted = _owner(offsets) * len(names) + codes[len(judgments.ids) :]
    order = np.argsort(judged)
    at = np.minimum(np.searchsorted(judged, wanted, sorter=order), max(len(judged) - 1, 0))
    grades = np.full(len(ids), np.nan)
    if len(judged):
        found = judged[order[at]] == wanted
        grades[found] = judgments.grades[order[at]][found]
    return _beside_ideal(offsets, grades, judgments.offsets, judgments.grades)


def labelled(
    offsets: NDArray[np.int64], labels: NDArray[Any], scores: NDArray[Any], *, ids: NDArray[np.int64] | None = None
) -> Graded:
    """Rank rows that all have a label by their scores: what a model does to a training table.

    Args:
        offsets: Shape (groups + 1,).
        labels: Grade of each row, shape (rows,), >= 0.
        scores: Shape (rows,), higher is better; non-finite ones sink to the end.
        ids: Break ties, lower first; the row's number where not given, so give ids if the rows stand in order of their labels.

    Raises:
        BadInput: lengths differ, or a negative or non-finite label.

    Example:
        >>> labelled(np.array([0, 3]), np.array([0, 2, 1]), np.array([np.nan, 0.1, 0.9])).grades.tolist()
        [1.0, 2.0, 0.0]
    """
    _check_offsets(offsets, len(labels))
    if len(scores) != len(labels):
        raise BadInput(f"there are {len(scores)} scores for {len(labels)} labels; wanted one each.")
    grades = np.asarray(labels, dtype=np.float64)
    _check_grades(grades)
    ties = np.arange(len(grades)) if ids is None else ids
    order = np.lexsort((ties, -sink(np.asarray(scores, dtype=np.float64)), _owner(offsets)))
    return _beside_ideal(offsets, grades[order], offsets, grades)


def ndcg(lists: Graded, *, k: int = 10, kind: Kind = "trec") -> NDArray[np.float64]:
    """Find the normalised discounted cumulative gain of each query's first `k` documents, 1 = as good as could be.

    The literature writes it in three ways, which cannot be compared with one another:

    | kind | gain of grade g | discount at rank r | ideal |
    |---|---|---|---|
    | `trec` | 2**g - 1 | 1 / log2(r + 1) | the query's own judged documents, best first |
    | `linear` | g | 1 / log2(r + 1) | the same (what `trec_eval -m ndcg_cut` prints) |
    | `graded` | 2**g - 1 | 1 / r | `k` documents of the greatest grade in all judgments |

    `graded` is the reading of cheat-at-search: a query with fewer than `k` documents of the top grade cannot reach 1. Unjudged
    documents earn nothing in any of them.

    Args:
        lists: From `graded` or `labelled`.
        k: Depth, >= 1.
        kind: See above.

    Returns:
        Shape (queries,); NaN for a query without a document judged above 0, in all three kinds, so that all are of the same
        queries (cheat-at-search counts such a query as 0).

    Raises:
        BadInput: k below 1, or an unknown kind.

    Cost:
        O(rows + judged).

    Source:
        Järvelin, Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4); Burges et al. (2005),
        "Learning to rank using gradient descent", ICML (exponential gain); cheat-at-search, `eval.py` (graded).

    Example:
        >>> lists = labelled(np.array([0, 2]), np.array([1, 2]), np.array([0.9, 0.1]))
        >>> [ndcg(lists, kind=kind).round(4).item() for kind in ("trec", "linear", "graded")]
        [0.7967, 0.8597, 0.2845]
    """
    _check_k(k)
    if kind not in ("trec", "linear", "graded"):
        raise BadInput(f"there is no nDCG of kind {kind!r}; known: trec, linear, graded.")
    got = _dcg(lists.offsets, np.nan_to_num(lists.grades, nan=0.0), k, kind)
    if kind == "graded":
        best = np.full(len(lists), (2.0**lists.top - 1.0) * (1.0 / np.arange(1, k + 1)).sum())
    else:
        best = _dcg(lists.ideal_offsets, lists.ideal, k, kind)
    return _share(got, best, lists.usable)


def best_dcg(judgments: Judgments, *, k: int = 10, kind: Literal["trec", "linear"] = "trec") -> NDArray[np.float64]:
    """The most that each query's first `k` documents could gain, discounted, shape (queries,); 0 where nothing is relevant.

    Example:
        >>> best_dcg(Judgments.of(query=[0, 0], ids=[7, 8], grades=[1, 2], queries=1)).round(4).tolist()
        [3.6309]
    """
    _check_k(k)
    nothing = np.zeros(len(judgments.offsets), dtype=np.int64)
    lists = graded(nothing, np.zeros(0, dtype=np.int64), judgments)
    return _dcg(lists.ideal_offsets, lists.ideal, k, kind)


def mrr(lists: Graded, *, k: int = 10, relevant: float = 1.0) -> NDArray[np.float64]:
    """Find one over the rank of the first document of grade >= `relevant` within `k`, 0 where there is none; shape (queries,).

    NaN for a query without such a document among its judgments.

    Example:
        >>> mrr(labelled(np.array([0, 3]), np.array([0, 1, 1]), np.array([3.0, 2.0, 1.0]))).tolist()
        [0.5]
    """
    _check_k(k)
    place = _place(lists.offsets)
    hit = (np.nan_to_num(lists.grades, nan=-1.0) >= relevant) & (place < k)
    out = np.zeros(len(lists))
    np.maximum.at(out, _owner(lists.offsets)[hit], 1.0 / (place[hit] + 1.0))
    return np.where(_sum(lists.ideal_offsets, lists.ideal >= relevant) > 0, out, np.nan)


def recall(lists: Graded, *, k: int = 100, relevant: float = 1.0) -> NDArray[np.float64]:
    """Find the share of all documents judged >= `relevant` that stand within the first `k`; shape (queries,).

    NaN for a query without such a document among its judgments.

    Example:
        >>> recall(labelled(np.array([0, 3]), np.array([0, 1, 1]), np.array([3.0, 2.0, 1.0])), k=2).tolist()
        [0.5]
    """
    _check_k(k)
    hit = (np.nan_to_num(lists.grades, nan=-1.0) >= relevant) & (_place(lists.offsets) < k)
    wanted = _sum(lists.ideal_offsets, lists.ideal >= relevant)
    return _share(_sum(lists.offsets, hit), wanted, wanted > 0)


def unjudged(lists: Graded, *, k: int = 10) -> NDArray[np.float64]:
    """Find the share of the first `k` listed documents that nobody judged; shape (queries,), NaN for an empty list.

    Above a tenth or so, nDCG says more about who was judged than about who ranks well.

    Example:
        >>> j = Judgments.of(query=[0], ids=[7], grades=[1], queries=1)
        >>> unjudged(graded(np.array([0, 2]), np.array([7, 9]), j)).tolist()
        [0.5]
    """
    _check_k(k)
    near = _place(lists.offsets) < k
    shown = _sum(lists.offsets, near)
    return _share(_sum(lists.offsets, np.isnan(lists.grades) & near), shown, shown > 0)


def ranking(lists: Graded, *, k: int = 10, depth: int = 100, seed: int = 0) -> dict[str, Interval]:
    """Find all ranking measures with their intervals over queries, by name: `ndcg@10 trec`, ..., `recall@100`, `unjudged@10`."""
    values = {f"ndcg@{k} {kind}": ndcg(lists, k=k, kind=kind) for kind in ("trec", "linear", "graded")}
    values |= {f"mrr@{k}": mrr(lists, k=k), f"recall@{depth}": recall(lists, k=depth), f"unjudged@{k}": unjudged(lists, k=k)}
    return {name: bootstrap(each, seed=seed) for name, each in values.items()}


def _dcg(offsets: NDArray[np.int64], grades: NDArray[np.float64], k: int, kind: Kind) -> NDArray[np.float64]:
    place = _place(offsets)
    gain = grades if kind == "linear" else np.exp2(grades) - 1.0
    discount = place + 1.0 if kind == "graded" else np.log2(place + 2.0)
    return _sum(offsets, np.where(place < k, gain / discount, 0.0))


def _beside_ideal(
    offsets: NDArray[np.int64], grades: NDArray[np.float64], ideal_offsets: NDArray[np.int64], judged: NDArray[np.float64]
) -> Graded:
    order = np.lexsort((-judged, _owner(ideal_offsets)))
    return Graded(offsets, grades, ideal_offsets, judged[order], float(judged.max()) if len(judged) else 0.0)


def _owner(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _place(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of each row in its list, from 0."""
    return np.arange(offsets[-1]) - offsets[_owner(offsets)]


def _sum(offsets: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.float64]:
    sums = np.bincount(_owner(offsets), weights=values.astype(np.float64), minlength=len(offsets) - 1)
    return sums.astype(np.float64, copy=False)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=usable)


def _check_k(k: int) -> None:
    if k < 1:
        raise BadInput(f"k is {k}; wanted a depth of at least 1.")


def _check_offsets(offsets: NDArray[np.int64], rows: int) -> None:
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != rows or np.any(np.diff(offsets) < 0):
        raise BadInput(f"offsets do not divide {rows} rows; wanted 0 first, {rows} last, never falling, one more than queries.")


def _check_grades(grades: NDArray[np.float64]) -> None:
    wrong = np.flatnonzero(~((grades >= 0.0) & (grades <= TOP)))
    if len(wrong):
        raise BadInput(
            f"grade {grades[wrong[0]]} at row {wrong[0]}; wanted 0 (not relevant) to {TOP:g}. Shift or scale the grades."
        )


def _no_repeats(offsets: NDArray[np.int64], ids: NDArray[np.int64], what: str) -> None:
    owner = _owner(offsets)
    order = np.lexsort((ids, owner))
    same = (np.diff(owner[order]) == 0) & (np.diff(ids[order]) == 0)
    if same.any():
        row = order[1:][same][0]
        raise BadInput(f"document {ids[row]} {what} for query {owner[row]}; wanted each once. Keep the first of the two.")
