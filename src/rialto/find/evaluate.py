"""Held-out quality of each stage of a search, with intervals: trained on some queries, measured on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, known
from rialto.find.judgments import Judged
from rialto.find.pipeline import TREES_DEPTH, Search, below, within
from rialto.find.terms import analyse
from rialto.find.train import INPUTS, by_fusion, examples_of
from rialto.records import Candidates, hash64, uniforms
from rialto.spine.evaluate import Difference, Interval, bootstrap, graded, mrr, ndcg, paired, recall
from rialto.spine.learn import Fit, Score
from rialto.spine.pipeline import Outcome

__all__ = ["MEASURES", "STAGES", "Evaluation", "Stage", "evaluate", "folds_of"]

STAGES = ("bm25f", "vector", "fusion", "trees", "all")
MEASURES = ("ndcg_trec", "ndcg_linear", "ndcg_graded", "mrr", "recall_100")
_LISTED = 100  # results of each list that are kept


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage's figures.

    Args:
        name: One of `STAGES`.
        values: Measure -> its value for each query, shape (queries,); NaN where a query has nothing to find.
        intervals: Measure -> mean with its bootstrap interval over queries.
        difference: nDCG@10 trec next to the stage before; None for the first.
        ms: Median milliseconds a query of the steps up to this stage, as timed in this run.
    """

    name: str
    values: dict[str, NDArray[np.float64]]
    intervals: dict[str, Interval]
    difference: Difference | None
    ms: float

    def figures(self) -> dict[str, float]:
        """One flat row: each measure with `_low` and `_high`, the difference with its bounds and p-value, and `ms`."""
        row = {m: i.value for m, i in self.intervals.items()}
        row |= {f"{m}_low": i.low for m, i in self.intervals.items()} | {f"{m}_high": i.high for m, i in self.intervals.items()}
        d = self.difference
        if d is not None:
            row |= {"difference": d.value, "difference_low": d.low, "difference_high": d.high, "difference_p": d.p}
        return row | {"ms": self.ms}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation says: its stages in order, the queries that it used, and those left out because their grades are all alike."""

    stages: tuple[Stage, ...]
    queries: tuple[str, ...]
    left_out: int

    def __getitem__(self, name: str) -> Stage:
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise BadInput(f"there is no stage {name!r}; known: {known(name, [s.name for s in self.stages])}.")

    def figures(self) -> dict[str, dict[str, float]]:
        """Stage -> measure -> value."""
        return {s.name: s.figures() for s in self.stages}


def evaluate(
    search: Search,
    judged: Judged,
    *,
    fit: Fit | None = None,
    score: Score | None = None,
    folds: int = 5,
    seed: int = 0,
    stages: Sequence[str] = STAGES,
    names: Sequence[str] = INPUTS,
) -> Evaluation:
    """Measure each stage on the whole catalogue, trained stages by cross-validation over queries.

    Nothing is chosen on a fold that it is measured on: a fold's model is trained on the other folds with the caller's one
    setting. Queries of the same words ("laptop", "laptops") stand in one fold, so that none is tested on its own answer.
    Products that nobody judged count as not relevant, which is unkind to legs that the judges' pool was not drawn from.

    Args:
        search: An indexed search. A live ranker of its own plays no part: what it was trained on is not known here.
        judged: Queries whose grades are all alike are left out.
        fit, score: Trainer and scorer of the ranker; without them the trained stages are left out.
        folds: Parts of the queries, 2 to as many as there are.
        seed: Of the folds, the training and the intervals.
        stages: Which stages, in the order of `STAGES`.
        names: Features that the ranker reads.

    Raises:
        BadInput: an unknown stage, or fewer usable queries than folds.

    Cost:
        A search for each query and `folds` trainings.
    """
    for name in stages:
        if name not in STAGES:
            raise BadInput(f"there is no stage {name!r}; known: {known(name, STAGES)}.")
    usable = np.flatnonzero(judged.spread)
    if not 2 <= folds <= len(usable):
        raise BadInput(f"folds is {folds} with {len(usable)} usable queries; wanted 2 to as many as there are queries.")
    used = judged.take(usable)
    outcomes = [search.search([text]) for text in used.texts]
    seen, ranked = _joined([o.record.seen for o in outcomes]), _joined([o.ranked for o in outcomes])
    made: list[Stage] = []
    trained: NDArray[np.float64] | None = None
    for name in [s for s in STAGES if s in stages]:
        if name in ("trees", "all"):
            if fit is None or score is None:
                continue
            if trained is None:
                trained = cross_validated(ranked, used, fit, score, folds=folds, seed=seed, names=names)
            made.append(_stage(name, ranked, trained, used, made, outcomes, seed))
        else:
            rows = ranked if name == "fusion" else seen
            column = {"bm25f": "bm25", "vector": "cosine_leg", "fusion": "score:fusion"}[name]
            if column in rows.columns:
                made.append(_stage(name, rows, rows.column(column).astype(np.float64), used, made, outcomes, seed))
    return Evaluation(tuple(made), used.texts, len(judged) - len(used))


def folds_of(texts: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each query, shape (queries,): about equal in size, by a hash of its words, so that a query keeps its fold's company.

    Example:
        >>> f = folds_of(["laptop", "desk", "laptops", "lamp"], 2, seed=0)
        >>> bool(f[0] == f[2]), sorted(set(f.tolist()))
        (True, [0, 1])
    """
    keys = np.array([hash64(" ".join(sorted(set(analyse(t))))) for t in texts], dtype=np.uint64)
    distinct, at = np.unique(keys, return_inverse=True)
    place = np.argsort(np.argsort(uniforms(seed, distinct, "find.folds", 1)[:, 0]))
    return (place % folds)[at].astype(np.int64)


def cross_validated(
    ranked: Candidates, used: Judged, fit: Fit, score: Score, *, folds: int, seed: int, names: Sequence[str] = INPUTS
) -> NDArray[np.float64]:
    """Score of each candidate row by the model of the fold that its query is not in, shape (rows,)."""
    ranked = by_fusion(ranked)
    near = within(ranked, np.full(ranked.requests, int(TREES_DEPTH.default)))
    examples = examples_of(ranked.keep(near), used.judgments, names=names)
    fold = folds_of(used.texts, folds, seed)[examples.group]
    out, scores = below(ranked.column("score")), np.zeros(len(examples))
    for f in range(folds):
        if (fold == f).any():
            body = fit(examples.take(fold != f), seed)
            scores[fold == f] = score(body, examples.features[fold == f])
    out[near] = scores
    return out


def _stage(
    name: str, rows: Candidates, scores: NDArray[np.float64], used: Judged, before: Sequence[Stage],
    outcomes: Sequence[Outcome], seed: int,
) -> Stage:  # fmt: skip
    values = _measured(rows, scores, used)
    intervals = {m: bootstrap(v, seed=seed) for m, v in values.items()}
    last = before[-1].values["ndcg_trec"] if before else None
    difference = None if last is None else paired(last, values["ndcg_trec"], seed=seed)
    return Stage(name, values, intervals, difference, _ms(outcomes, name))


def _measured(rows: Candidates, scores: NDArray[np.float64], used: Judged) -> dict[str, NDArray[np.float64]]:
    order = np.lexsort((rows.ids, -np.where(np.isfinite(scores), scores, -np.inf), rows.owner))
    order = order[np.isfinite(scores[order])]  # what a leg did not find is not in its list
    place = np.arange(len(order)) - np.searchsorted(rows.owner[order], rows.owner[order])
    order = order[place < _LISTED]
    offsets = np.searchsorted(rows.owner[order], np.arange(rows.requests + 1)).astype(np.int64)
    lists = graded(offsets, rows.ids[order], used.judgments)
    return {
        "ndcg_trec": ndcg(lists, kind="trec"),
        "ndcg_linear": ndcg(lists, kind="linear"),
        "ndcg_graded": ndcg(lists, kind="graded"),
        "mrr": mrr(lists),
        "recall_100": recall(lists, k=_LISTED),
    }


_STEPS = {
    "bm25f": ("lexical",), "vector": ("vector",), "fusion": ("lexical", "vector", "features", "fusion"),
    "trees": ("lexical", "vector", "features", "fusion", "trees"), "all": (),
}  # fmt: skip


def _ms(outcomes: Sequence[Outcome], stage: str) -> float:
    wanted = _STEPS[stage]
    times = [sum(s.seconds for s in o.trace.steps if not wanted or s.name in wanted) for o in outcomes]
    return float(np.median(times)) * 1000.0


def _joined(parts: Sequence[Candidates]) -> Candidates:
    """Batches behind one another; they have the same columns, as one pipeline made them."""
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)
    columns = {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns}
    return Candidates(offsets, np.concatenate([p.ids for p in parts]), columns)
