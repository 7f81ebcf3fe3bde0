"""Held-out quality of each stage of a search, with intervals: trained on some queries, measured on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, known
from rialto.find.cross import UNREAD
from rialto.find.judgments import Judged
from rialto.find.last import Rankers, last_scores, rankers
from rialto.find.pipeline import Search
from rialto.find.shrink import shrunk
from rialto.find.taught import joined, taught
from rialto.find.terms import analyse
from rialto.records import Candidates, hash64, uniforms
from rialto.spine.evaluate import Difference, Interval, bootstrap, graded, holm, mrr, ndcg, paired, recall, unjudged
from rialto.spine.features import matrix
from rialto.spine.learn import Fit, Score
from rialto.spine.rank import behind

__all__ = ["MEASURES", "STAGES", "Evaluation", "Stage", "evaluate", "folds_of"]

STAGES = ("bm25f", "vector", "fusion", "trees", "all")
MEASURES = ("ndcg_trec", "ndcg_linear", "ndcg_graded", "mrr", "recall_100")
_LISTED, _TOP = 100, 10  # results of each list that are measured, and that are kept to be looked at
_CERTAIN = 0.05  # a corrected p-value above it is called noise


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage's figures.

    Args:
        name: One of `STAGES`.
        values: Measure -> its value for each query, shape (queries,); NaN where a query has nothing to find.
        intervals: Measure -> mean with its bootstrap interval over queries.
        difference: nDCG@10 trec next to the stage before; None for the first.
        ms: Median milliseconds a query of the steps up to this stage, as timed in this run.
        unjudged_10: Mean share of the first ten that nobody judged; above a tenth or so, the figures say more about who was judged.
        lists: The first ten of each query, best first, with no columns.
        p: The difference's p-value, corrected for the number of stages compared (Holm); NaN for the first.
    """

    name: str
    values: dict[str, NDArray[np.float64]]
    intervals: dict[str, Interval]
    difference: Difference | None
    ms: float
    unjudged_10: float
    lists: Candidates
    p: float = float("nan")

    @property
    def noise(self) -> bool:
        """True where the difference to the stage before may well be chance."""
        return self.difference is not None and not self.p <= _CERTAIN

    def figures(self) -> dict[str, float]:
        """One flat row: each measure with `_low` and `_high`, the difference with its bounds and p-value, `unjudged_10` and `ms`."""
        row = {m: i.value for m, i in self.intervals.items()}
        row |= {f"{m}_low": i.low for m, i in self.intervals.items()} | {f"{m}_high": i.high for m, i in self.intervals.items()}
        d = self.difference
        if d is not None:
            row |= {"difference": d.value, "difference_low": d.low, "difference_high": d.high, "difference_p": self.p}
        return row | {"unjudged_10": self.unjudged_10, "ms": self.ms}


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

    def warnings(self) -> list[str]:
        """What a reader must know before believing a figure, a sentence each."""
        told = [
            f"{s.name}: the difference to the stage before, {s.difference.value:+.3f}, is within noise (corrected p = {s.p:.2f})."
            for s in self.stages
            if s.difference is not None and s.noise and s.difference.value != 0.0
        ]
        holes = [s for s in self.stages if s.unjudged_10 > 0.1]
        if holes:
            shares = ", ".join(f"{s.name} {s.unjudged_10:.0%}" for s in holes)
            told.append(
                f"Of the first ten, many were never judged and count as not relevant: {shares}. It favours what the judges' pool came from."
            )
        return told


def evaluate(
    search: Search,
    judged: Judged,
    *,
    fit: Fit | None = None,
    score: Score | None = None,
    folds: int = 5,
    seed: int = 0,
    stages: Sequence[str] = STAGES,
    names: Sequence[str] | None = None,
) -> Evaluation:
    """Measure each stage on the whole catalogue, everything that is learned by cross-validation over queries.

    Nothing is chosen on a fold that it is measured on: for each fold the weights of the fields, the fusion and the ranker are
    learned on the other folds. Queries of the same words ("laptop", "laptops") stand in one fold, so that none is tested on its
    own answer. Products that nobody judged count as not relevant, which is unkind to legs that the judges' pool was not drawn from.

    Args:
        search: An indexed search. A live ranker of its own plays no part: what it was trained on is not known here.
        judged: Queries whose grades are all alike are left out.
        fit, score: Trainer and scorer of the ranker; without them the trained stages are left out.
        folds: Parts of the queries, 2 to as many as there are.
        seed: Of the folds, the training and the intervals.
        stages: Which stages, in the order of `STAGES`.
        names: Features that the ranker reads; None = all that the search makes.

    Raises:
        BadInput: an unknown stage, or fewer usable queries than folds.

    Cost:
        `folds` + 1 searches for each query and `folds` trainings.
    """
    for name in stages:
        if name not in STAGES:
            raise BadInput(f"there is no stage {name!r}; known: {known(name, STAGES)}.")
    usable = np.flatnonzero(judged.spread)
    if not 2 <= folds <= len(usable):
        raise BadInput(f"folds is {folds} with {len(usable)} usable queries; wanted 2 to as many as there are queries.")
    used = judged.take(usable)
    with_trees = fit is not None and score is not None and {"trees", "all"} & set(stages)
    made = _folded(search, used, fit if with_trees else None, score if with_trees else None, folds, seed, names)
    found: list[Stage] = []
    for name in [s for s in STAGES if s in stages and s in made.scores]:
        found.append(_stage(name, made, used, found, seed))
    p = holm([s.difference.p for s in found if s.difference is not None])
    told = [found[0], *(replace(s, p=float(v)) for s, v in zip(found[1:], p))] if found else []
    return Evaluation(tuple(told), used.texts, len(judged) - len(used))


@dataclass(frozen=True, slots=True)
class _Made:
    """Rows of every query as its own fold's search found them, and each stage's score of each row; NaN = not in its list."""

    rows: Candidates
    scores: dict[str, NDArray[np.float64]]
    steps: list[dict[str, float]]


def _folded(
    search: Search, used: Judged, fit: Fit | None, score: Score | None, folds: int, seed: int, names: Sequence[str] | None
) -> _Made:
    fold, search = folds_of(used.texts, folds, seed), search.untaught()
    seen = [search.search([text], params=UNREAD).record.seen for text in used.texts]
    parts: dict[int, tuple[Candidates, dict[str, NDArray[np.float64]], dict[str, float]]] = {}
    for f in range(folds):
        train, test = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        if not len(test):
            continue
        learned = taught(search, used.take(train), joined([seen[q] for q in train.tolist()]))
        trained = None
        if fit is not None and score is not None:
            trained = rankers(learned, used.take(train), fit=fit, score=score, split=folds_of, seed=seed, names=names)
        for q in test.tolist():
            parts[q] = _tested(learned, used.texts[q], trained, score)
    every = [parts[q] for q in range(len(used))]
    scores = {name: np.concatenate([s[name] for _, s, _ in every]) for name in every[0][1]}
    return _Made(joined([rows for rows, _, _ in every]), scores, [steps for _, _, steps in every])


def _tested(
    search: Search, text: str, trained: Rankers | None, score: Score | None
) -> tuple[Candidates, dict[str, NDArray[np.float64]], dict[str, float]]:
    """One query's rows, each stage's scores of them, and how long each step took."""
    outcome = search.search([text], params=UNREAD)
    seen = outcome.record.seen
    scores = {"bm25f": np.where(np.isnan(seen.column("bm25")), np.nan, seen.column("bm25f_share")).astype(np.float64)}
    if "cosine_leg" in seen.columns:
        scores["vector"] = seen.column("cosine_leg").astype(np.float64)
    kept = seen.rows_of(outcome.ranked)
    scores["fusion"] = _over(len(seen), kept, outcome.ranked.column("score:fusion"))
    steps = {s.name: s.seconds for s in outcome.trace.steps}
    if trained is not None and score is not None:
        ranked, trees = outcome.ranked, behind(outcome.ranked.column("score:fusion"))
        ordered = np.flatnonzero(~np.isnan(ranked.column("title_length")))
        near = ranked.keep(~np.isnan(ranked.column("title_length")))
        alone = score(trained.model, matrix(near, trained.names))
        trees[ordered] = shrunk(near, near.column("score:fusion").astype(np.float64), alone, trained.share)
        scores["trees"] = scores["all"] = _over(len(seen), kept, trees)
        if trained.last is not None and len(ordered):
            start = perf_counter()
            few, last = last_scores(search, outcome.requests, ranked, trees, trained.last, score, trained.last_share)
            steps["cross"] = perf_counter() - start
            every = behind(trees)
            every[ranked.rows_of(few)] = last
            scores["all"] = _over(len(seen), kept, every)
    bare = Candidates(seen.offsets, seen.ids)
    return bare, scores, steps


def _over(size: int, rows: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.full(size, np.nan)
    out[rows] = values
    return out


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


def _stage(name: str, made: _Made, used: Judged, before: Sequence[Stage], seed: int) -> Stage:
    rows, scores = made.rows, made.scores[name]
    order = np.lexsort((rows.ids, -np.nan_to_num(scores, nan=-np.inf), rows.owner))
    order = order[np.isfinite(scores[order])]  # what a leg did not find is not in its list
    place = np.arange(len(order)) - np.searchsorted(rows.owner[order], rows.owner[order])
    order = order[place < _LISTED]
    offsets = np.searchsorted(rows.owner[order], np.arange(rows.requests + 1)).astype(np.int64)
    lists = graded(offsets, rows.ids[order], used.judgments)
    values = {
        "ndcg_trec": ndcg(lists, kind="trec"),
        "ndcg_linear": ndcg(lists, kind="linear"),
        "ndcg_graded": ndcg(lists, kind="graded"),
        "mrr": mrr(lists),
        "recall_100": recall(lists, k=_LISTED),
    }
    difference = paired(before[-1].values["ndcg_trec"], values["ndcg_trec"], seed=seed) if before else None
    top = Candidates(offsets, rows.ids[order])
    top = top.keep(np.arange(len(top)) - top.offsets[top.owner] < _TOP)
    holes = float(np.nanmean(unjudged(lists, k=_TOP))) if len(order) else float("nan")
    intervals = {m: bootstrap(v, seed=seed) for m, v in values.items()}
    return Stage(name, values, intervals, difference, _ms(made.steps, name), holes, top)


_STEPS = {
    "bm25f": ("lexical",), "vector": ("vector",), "fusion": ("lexical", "vector", "first", "fusion"),
    "trees": ("lexical", "vector", "first", "fusion", "features", "trees"), "all": (),
}  # fmt: skip


def _ms(steps: Sequence[dict[str, float]], stage: str) -> float:
    """Median milliseconds of the steps up to a stage; a ranker that is not live is not timed, some microseconds."""
    wanted = _STEPS[stage]
    return float(np.median([sum(t for name, t in s.items() if not wanted or name in wanted) for s in steps])) * 1000.0
