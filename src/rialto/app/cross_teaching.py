"""A cross-encoder taught for one shop: trained on made-up and judged queries, judged on held-out ones as it serves, promoted behind the gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rialto.app.cross import Cross, opened, paced, shelf_of, train_lists
from rialto.app.training import classes_of, served_ndcg
from rialto.errors import BadInput, EngineMissing
from rialto.find.catalogue import Catalogue
from rialto.find.cross_pairs import Lists, judged_lists, made_up_lists
from rialto.find.evaluate import folds_of
from rialto.find.judgments import Judged
from rialto.find.pipeline import Search
from rialto.spine.learn import Gate, Verdict

if TYPE_CHECKING:
    from rialto.local.cross_model import CrossModel

__all__ = ["Course", "Taught", "teach_cross", "wanted"]

Train = Callable[[Lists, Catalogue, "CrossModel | None", int, int, Callable[[str], None]], "CrossModel"]
"""(lists, catalogue, where to go on from, steps, seed, told what is done) -> the model."""

Open = Callable[[Path, Catalogue, "CrossModel"], Cross]
"""(home, catalogue, model) -> the cross-encoder as it serves."""


@dataclass(frozen=True, slots=True)
class Course:
    """How it is taught.

    Args:
        made_up: Queries made from the catalogue's own words; 0 = judgments alone.
        steps: Training steps on those, and on judged queries, the second once for each fold and once for all.
        folds: Parts that judged queries are split into; each is judged by a model that did not see it.
        seed: Of the made-up queries, the folds, the training and the intervals.

    Raises:
        BadInput: a number is out of range.
    """

    made_up: int = 1500
    steps: tuple[int, int] = (400, 120)
    folds: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.made_up < 0 or min(self.steps) < 1 or self.folds < 2:
            raise BadInput(f"{self}; wanted made_up of 0 or more, steps of 1 or more, 2 folds or more.")


@dataclass(frozen=True, slots=True)
class Taught:
    """What came of it.

    Args:
        version: The model that is kept.
        promoted: Whether it serves from the next opening on.
        verdict: Of the gate.
        judged_on: Held-out queries.
    """

    version: str
    promoted: bool
    verdict: Verdict
    judged_on: int


def wanted() -> None:
    """Raise `EngineMissing` where PyTorch is not installed, before anybody waits for what comes before the training."""
    if find_spec("torch") is None:
        raise EngineMissing("torch, which trains the cross-encoder,", "pip install 'rialto[train]'")


def teach_cross(
    home: Path, search: Search, judged: Judged | None, *, course: Course | None = None, gate: Gate | None = None,
    train: Train | None = None, open_as: Open = opened, tell: Callable[[str], None] = lambda _: None,
) -> Taught:  # fmt: skip
    """Teach a cross-encoder for a shop, and promote it where judged queries show that whole lists rank better with it.

    It is trained on queries made from the catalogue, then on judgments. Each fold of the judged queries is ranked by a search with
    a cross-encoder that was trained on the others, quantised as it serves; compared is nDCG@10 of whole lists with those served now,
    by query class too. What passes is then trained on all of them, opened once as it will serve, and promoted. Without judgments, or
    with too few, a model is kept, and not promoted.

    Args:
        home: Where models are kept, as for `rialto.app.cross.open_cross`.
        search: As it is served now.
        judged: Judged queries; those whose grades are all alike teach and judge nothing.
        course: How; None = its defaults.
        gate: What must be shown; at least 40 queries where None.
        train: Trains; PyTorch where None.
        open_as: Opens a model as it serves.
        tell: Told what is being done.

    Raises:
        BadInput: there is nothing to learn from.
        EngineMissing: the extra `train` or the weights are not installed.

    Cost:
        48 pairs a step, 15 to 45 ms each on two cores: more than half an hour with these steps and two folds.
    """
    how, gate = course or Course(), gate or Gate(least=40)
    if train is None:
        wanted()
    lesson, shelf = _Lesson(home, search, how, train or train_lists, open_as, tell), shelf_of(home, search.ranker)
    used = judged.take(np.flatnonzero(judged.spread)) if judged is not None else None
    least, count = max(gate.least, how.folds), 0 if used is None else len(used)
    if used is None or count < least:
        reason = f"too little data: {count} usable judged queries; wanted at least {least} to show that it is better"
        return Taught(shelf.put(lesson.taught(used if count else None)), False, Verdict(False, reason), count)
    new = lesson.held_out(used)
    verdict = gate.judge(served_ndcg(search, used), new, seed=how.seed, classes=classes_of(used.texts))
    if not verdict.passed:
        return Taught("", False, verdict, count)
    measured = {"difference": verdict.difference, "low": verdict.low, "high": verdict.high}
    model = replace(lesson.taught(used), metrics=measured)
    lesson.tried(model)
    version = shelf.put(model)
    shelf.promote(version)
    return Taught(version, True, verdict, count)


class _Lesson:
    """The models of one lesson: those of the folds go on from the one that learned from made-up queries."""

    def __init__(self, home: Path, search: Search, how: Course, train: Train, open_as: Open, tell: Callable[[str], None]) -> None:
        self._home, self._search, self._how, self._train, self._open, self._tell = home, search, how, train, open_as, tell
        self._base: CrossModel | None = None
        if how.made_up:
            tell("making queries from the catalogue")
            lists = made_up_lists(search, lists=how.made_up, seed=how.seed)
            self._base = train(lists, search.catalogue, None, how.steps[0], how.seed, tell)

    def taught(self, judged: Judged | None) -> CrossModel:
        """The model that learned from these judgments too."""
        if judged is None:
            if self._base is None:
                raise BadInput("there are neither made-up queries nor judgments; ask for made-up queries or give judgments.")
            return self._base
        lists, how = judged_lists(self._search, judged), self._how
        return self._train(lists, self._search.catalogue, self._base, how.steps[1], how.seed, self._tell)

    def held_out(self, judged: Judged) -> NDArray[np.float64]:
        """nDCG@10 of each query's list, ranked with a model that did not see the query, shape (queries,)."""
        fold, out = folds_of(judged.texts, self._how.folds, self._how.seed), np.full(len(judged), np.nan)
        for n in range(self._how.folds):
            self._tell(f"fold {n + 1} of {self._how.folds}")
            own = np.flatnonzero(fold == n)
            cross = self._open(self._home, self._search.catalogue, self.taught(judged.take(np.flatnonzero(fold != n))))
            try:
                pace = paced(cross, len(self._search.catalogue))
                search = self._search.fitted(cross=cross, cross_version=cross.version, pace=pace)
                out[own] = served_ndcg(search, judged.take(own))
            finally:
                cross.close()
        return out

    def tried(self, model: CrossModel) -> None:
        """Open a model as it will serve, so that one that cannot be read is never promoted."""
        cross = self._open(self._home, self._search.catalogue, model)
        try:
            read = cross.read("a", np.arange(min(2, len(self._search.catalogue))), lambda: float("inf"))
            if np.isinf(read).any():
                raise BadInput("the trained cross-encoder's scores are not finite; train it with fewer steps.")
        finally:
            cross.close()
