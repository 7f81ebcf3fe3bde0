"""The acceptance model, learned from how logged offers ended, and promoted only behind a gate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rialto.match.blocked import Blocked
from rialto.match.decide import ACCEPTANCE
from rialto.match.features import NAMES
from rialto.match.offers import Answered
from rialto.match.sight import SIGHT, Linear
from rialto.ports import Models
from rialto.spine.learn import Examples, Fit, Gate, JoinReport, Learner, Report, Score, improve, join
from rialto.spine.log import DecisionLog, Feedback

__all__ = ["Trained", "examples_of", "log_likelihood", "train"]

LABEL = {"accepted": 1.0, "declined": 0.0, "expired": 0.0}


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a round: where every offer went in the join, and what the gate said."""

    joined: JoinReport
    report: Report


def examples_of(decisions: DecisionLog | Sequence[DecisionLog], answered: Iterable[Answered]) -> tuple[Examples, JoinReport]:
    """Offers that ended, with what was known of the pair when it was decided; label 1 = accepted.

    Decisions whose offer was never made, or still stands, are left out: silence is no answer.
    """
    ended = [a for a in answered if a.request >= 0]
    logs = [decisions] if isinstance(decisions, DecisionLog) else decisions
    feedback = [Feedback(a.kind, a.request, a.driver, LABEL[a.kind], a.time_s) for a in ended]
    joined, report = join(
        chain.from_iterable(log.read(pipeline="match") for log in logs),
        feedback,
        names=NAMES,
        label_of=lambda kind, value: value if kind in LABEL else None,
    )
    pairs = Blocked(np.array([a.request for a in ended], dtype=np.int64), np.array([a.driver for a in ended], dtype=np.int64))
    return joined.take(pairs.has(joined.group, joined.candidate)), report


def log_likelihood(examples: Examples, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean log-likelihood of each group's answers under log-odds `scores`, shape (groups,); higher is better.

    The scores are first shifted so that they foretell as many acceptances as there were, live model and new one alike: what is
    compared is how well they tell pairs apart, and a constant is as good as the base rate.

    Example:
        >>> e = Examples(np.zeros((2, 1), dtype=np.float32), ("x",), np.array([1.0, 0.0]), *(np.arange(2),) * 4, np.ones(2), np.ones(2))
        >>> log_likelihood(e, np.zeros(2)).round(3).tolist(), log_likelihood(e, np.array([2.0, -2.0])).round(3).tolist()
        ([-0.693, -0.693], [-0.127, -0.127])
    """
    if len(examples) == 0:
        return np.zeros(0)
    odds = scores + _shift(scores, float(examples.label.mean()))
    each = examples.label * odds - np.logaddexp(0.0, odds)
    return np.asarray(np.add.reduceat(each, examples.offsets[:-1]) / np.diff(examples.offsets))


def _shift(scores: NDArray[np.float64], rate: float) -> float:
    """What to add to log-odds so that their mean probability is `rate`, by bisection."""
    low, high = -40.0 - float(scores.max()), 40.0 - float(scores.min())
    for _ in range(80):
        middle = (low + high) / 2.0
        foretold = float((1.0 / (1.0 + np.exp(-np.clip(scores + middle, -40.0, 40.0)))).mean())
        low, high = (middle, high) if foretold < rate else (low, middle)
    return (low + high) / 2.0


def _sight(train: Examples) -> dict[str, str]:
    return {SIGHT: Linear.fit(train).to_json()}


def train(
    decisions: DecisionLog | Sequence[DecisionLog],
    answered: Iterable[Answered],
    models: Models,
    *,
    fit: Fit,
    score: Score,
    seed: int = 0,
    gate: Gate | None = None,
) -> Trained:
    """Learn acceptance from logged offers, judge it on offers held out, and promote it where the gate lets it pass.

    Args:
        decisions: Where windows were logged; a log a shard.
        answered: How offers ended, from `Offers.answered`, or `answered_logged`.
        models: Where versions are kept.
        fit: Trains trees on examples (log loss), with a seed; returns the model's body.
        score: Log-odds of rows, by body or by version.
        seed: Of split, training and intervals.
        gate: What must be shown; None = a gain in log-likelihood that is surely above 0, over at least 200 offers.

    Cost:
        One pass over both logs, one training.
    """
    examples, joined = examples_of(decisions, answered)
    learner = Learner(ACCEPTANCE, "trees", fit, score, gate or Gate(least=200), measure=log_likelihood, notes=_sight)
    return Trained(joined, improve(examples, models, learner, seed=seed))
