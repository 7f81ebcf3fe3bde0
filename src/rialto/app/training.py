"""A search taught by judgments: field weights, fusion and ranker learned on some queries, judged on the others as they are served."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from rialto.app.learning import fitter, scorer
from rialto.find.cross import UNREAD
from rialto.find.evaluate import evaluate, folds_of
from rialto.find.judgments import Judged
from rialto.find.last import rankers
from rialto.find.pipeline import Search
from rialto.find.shrink import LAST_SHARE, SHARE
from rialto.find.taught import joined, taught
from rialto.find.terms import analyse
from rialto.ports import ModelCard, Models
from rialto.spine.evaluate import graded, ndcg
from rialto.spine.learn import Fit, Gate, Report, Verdict

__all__ = ["classes_of", "served_ndcg", "teach"]

_FOLDS = 5


def teach(
    search: Search, judged: Judged, models: Models, *, seed: int = 0, gate: Gate | None = None, fit: Fit | None = None
) -> Report:
    """Teach a search from judgments, show by cross-validation that it ranks better than what is served, and promote it.

    Each fifth of the queries is ranked by a search that learned from the other four; compared is nDCG@10 of the lists, from retrieval
    to the last phase, by query class too. What passes is then learned from all of them. A live ranker that was taught by the very
    same queries is compared as it is, which is to its advantage.

    Args:
        search: As it is served now.
        judged: Judged queries; those whose grades are all alike teach and judge nothing.
        models: Where versions are kept; promoted only on a pass.
        seed: Of the split, the training and the intervals.
        gate: What must be shown; at least 40 queries where None.
        fit: Trainer of the ranker; YetiRank trees where None.

    Cost:
        24 trainings, twice as many with a cross-encoder; two minutes for 100 queries.
    """
    gate, grow, live = gate or Gate(least=40), fit or fitter("YetiRank"), models.live(search.ranker)
    used, parent = judged.take(np.flatnonzero(judged.spread)), live[0] if live else ""
    if len(used) < max(gate.least, _FOLDS):
        reason = f"too little data: {len(used)} usable queries; wanted at least {max(gate.least, _FOLDS)}"
        return Report(Verdict(False, reason), "", parent, len(used), len(used))
    found = evaluate(search, used, fit=grow, score=scorer(models), folds=_FOLDS, seed=seed, stages=("all",))
    verdict = gate.judge(served_ndcg(search, used), found["all"].values["ndcg_trec"], seed=seed, classes=classes_of(used.texts))
    version = _promoted(search, used, models, grow, seed) if verdict.passed else ""
    return Report(verdict, version, parent, len(used), len(used))


def _promoted(search: Search, used: Judged, models: Models, grow: Fit, seed: int) -> str:
    """The version of what all judged queries teach, made live."""
    bare, live = search.untaught(), models.live(search.ranker)
    better = taught(bare, used, joined([bare.search([text], params=UNREAD).record.seen for text in used.texts]))
    made = rankers(better, used, fit=grow, score=scorer(models), split=folds_of, seed=seed)
    params = {"seed": str(seed), SHARE: str(made.share), "weights": better.weights.to_json(), "fusion": better.fusion.to_json()}
    if made.last is not None:
        card = ModelCard(f"{search.ranker}.last", "trees", made.last_names, params={"seed": str(seed)})
        params |= {
            "last": models.put(card, made.last),
            "last_inputs": json.dumps(made.last_names),
            LAST_SHARE: str(made.last_share),
        }
    version = models.put(ModelCard(search.ranker, "trees", made.names, live[0] if live else "", "", params), made.model)
    models.promote(search.ranker, version)
    return version


def classes_of(texts: tuple[str, ...]) -> NDArray[np.str_]:
    """A class for each query by how many words it has, shape (queries,): what a gate must not harm.

    Example:
        >>> classes_of(("lamp", "red lamp", "lamp for a desk")).tolist()
        ['one word', 'two words', 'three words and more']
    """
    names = ("one word", "two words", "three words and more")
    return np.array([names[min(max(len(analyse(t)), 1), 3) - 1] for t in texts])


def served_ndcg(search: Search, judged: Judged) -> NDArray[np.float64]:
    """nDCG@10 of each judged query's list as it is served, shape (queries,)."""
    decisions = search.search(judged.texts, params={"find.decide.size": 10, "find.decide.collapse": False}).decisions
    return ndcg(graded(decisions.offsets, decisions.ids, judged.judgments), k=10, kind="trec")
