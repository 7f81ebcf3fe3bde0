"""One round of learning from the log: train, gate on what was shown by class of query, check in the wider pool, promote."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rialto.app.learning import fitter, scorer
from rialto.app.training import classes_of
from rialto.find.behaviour import Behaviour, implicit, key_of
from rialto.find.clicks import from_clicks, ranker
from rialto.find.judgments import Judged
from rialto.find.pipeline import Search
from rialto.ports import ModelCard, Models
from rialto.records import hash64
from rialto.spine.evaluate import Difference, graded, ndcg, paired
from rialto.spine.learn import Examples, Fit, Gate, Report, Score, improve
from rialto.spine.log import DecisionLog

__all__ = ["Round", "condensed", "learn"]

_WATCHED = 5  # one query in so many teaches nothing, and is watched
_SURE = 8  # watched queries below which the wider pool says nothing


@dataclass(frozen=True, slots=True)
class Round:
    """What came of a round.

    Args:
        report: The gate's verdict on what was shown; `version` "" where nothing was promoted.
        wider: nDCG@10 of whole lists, new minus live, on watched queries by implicit judgments; None where they were too few or not asked.
        reason: Why it was promoted or not.
    """

    report: Report
    wider: Difference | None
    reason: str


def learn(
    search: Search, log: DecisionLog, models: Models, *, since_s: float = -np.inf, seed: int = 0, gate: Gate | None = None, fit: Fit | None = None,
    having: str = "",
) -> Round:  # fmt: skip
    """Train a ranker on the log and promote it where two comparisons allow it.

    The first is the gate: on requests that it did not learn from, the new order of what was shown must surely gain, and no class
    of queries (by intent where it is understood, by length otherwise) may surely lose. A model can win there and lose in the wider
    pool that it orders when it serves; so whole lists of both are compared too, on queries that taught nothing, by what shoppers
    did since `since_s`, on products that have a grade alone. There it must not surely lose.

    Args:
        search: As it serves now, with the behaviour that it was serving with: none of the clicks that judge are in it.
        log: Decisions and feedback.
        models: Where versions are kept; the live one changes on a pass only.
        since_s: When this search began to serve.
        seed: Of the split, the training and the intervals.
        gate: What must be shown; at least 50 requests where None.
        fit: Trainer; YetiRank trees where None.
        having: As in `from_clicks`.
    """
    clicks = from_clicks(log, names=search.inputs, clip=4.0, having=having)
    watched = np.array([hash64(key_of(t)) % _WATCHED == 0 for t in clicks.texts], dtype=np.bool_)
    classes = np.array([i or c for i, c in zip(clicks.intents, classes_of(clicks.texts).tolist())])
    group = np.repeat(np.arange(len(watched)), np.diff(clicks.examples.offsets))
    rows = ~watched[group]
    waiting = _Waiting(models, search)
    learner = ranker(
        fit or fitter("YetiRank", trees=80, depth=4, learning_rate=0.05),
        _scoring(models, search, clicks.examples),
        gate or Gate(),
        name=search.ranker,
    )
    report = improve(clicks.examples.take(rows), waiting, learner, seed=seed, classes=classes[group][rows])
    if not report.verdict.passed or waiting.held is None:
        return Round(report, None, report.verdict.reason)
    held = {t for t, w in zip(clicks.texts, watched.tolist()) if w}
    wider = _wider(search, search.with_ranker(models, waiting.version, waiting.held), log, held, since_s, having, seed)
    if wider is not None and wider.high < 0.0:
        reason = f"it gains on what was shown ({report.verdict.reason}) and loses in the wider pool: {wider}"
        return Round(replace(report, version=""), wider, reason)
    models.promote(search.ranker, report.version)
    return Round(report, wider, report.verdict.reason)


def condensed(search: Search, judged: Judged) -> NDArray[np.float64]:
    """nDCG@10 of each query's list without the products that have no grade, shape (queries,).

    Source:
        Sakai (2007), "Alternatives to Bpref", SIGIR (condensed lists).
    """
    j = judged.judgments
    decisions = search.search(judged.texts, params={"find.decide.size": 100, "find.decide.collapse": False}).decisions
    ids: list[NDArray[np.int64]] = []
    for q in range(len(judged)):
        served = decisions.of(q)
        ids.append(served[np.isin(served, j.ids[int(j.offsets[q]) : int(j.offsets[q + 1])])])
    offsets = np.concatenate([[0], np.cumsum([len(i) for i in ids])]).astype(np.int64)
    return ndcg(graded(offsets, np.concatenate([np.zeros(0, dtype=np.int64), *ids]), j), k=10, kind="trec")


def _wider(
    live: Search, new: Search, log: DecisionLog, texts: set[str], since_s: float, having: str, seed: int
) -> Difference | None:
    since = replace(Behaviour.none(), until_s=since_s) if np.isfinite(since_s) else Behaviour.none()
    seen = implicit(since.with_more(log, having=having))
    keys = {key_of(t) for t in texts}
    used = np.array([q for q, t in enumerate(seen.texts) if key_of(t) in keys], dtype=np.int64)
    judged = seen.take(used[seen.spread[used]] if len(used) else used)
    if len(judged) < _SURE:
        return None
    return paired(condensed(live, judged), condensed(new, judged), seed=seed)


def _scoring(models: Models, search: Search, examples: Examples) -> Score:
    """Scores rows of the examples, by the live version in the order of its own inputs."""
    bare, live = scorer(models), models.live(search.ranker)
    columns = [examples.names.index(n) for n in live[1].inputs] if live else []

    def score(model: bytes | str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        if live is not None and model == live[0]:
            return bare(model, np.ascontiguousarray(inputs[:, columns]))
        return bare(model, inputs)

    return score


class _Waiting:
    """Models whose promotion waits for a second look; what is put gets the tuning of the search that it was trained behind."""

    def __init__(self, models: Models, search: Search) -> None:
        self._models, self._search = models, search
        self.version = ""
        self.held: ModelCard | None = None

    def put(self, card: ModelCard, body: bytes) -> str:
        s = self._search
        tuning = {"weights": s.weights.to_json(), "fusion": s.fusion.to_json()} if s.tuning else {}
        self.held = replace(card, params={**card.params, **tuning})
        self.version = self._models.put(self.held, body)
        return self.version

    def promote(self, name: str, version: str) -> None:
        """Wait."""

    def live(self, name: str) -> tuple[str, ModelCard] | None:
        return self._models.live(name)

    def score(self, version: str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._models.score(version, inputs)
