"""Train, judge on held-out groups, and promote only behind a gate: a gain that is sure, and no class of requests harmed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.ports import ModelCard, Models
from rialto.records import uniforms
from rialto.spine.evaluate import Difference, holm, labelled, ndcg, paired
from rialto.spine.learn.examples import Examples
from rialto.spine.rank import sink

__all__ = ["Fit", "Gate", "Learner", "Measure", "Report", "Score", "Verdict", "improve", "weighted_dcg", "weighted_ndcg"]

Fit = Callable[[Examples, int], bytes]
"""Trains on examples with a seed and returns the model's body."""

Score = Callable[[bytes | str, NDArray[np.float32]], NDArray[np.float64]]
"""Scores features (rows, names) by a body that was just trained, or by the name of a version that is kept."""

Measure = Callable[[Examples, NDArray[np.float64]], NDArray[np.float64]]
"""How well scores (rows,) order or foretell the examples: shape (groups,), higher is better, NaN = nothing to measure."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model may go live, why, and the difference (new minus live) with its bounds; `by_class` where classes were given."""

    passed: bool
    reason: str
    difference: float = np.nan
    low: float = -np.inf
    high: float = np.inf
    by_class: Mapping[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gate:
    """What a new model must show.

    Args:
        min_gain: Least mean gain worth a change, in the measure's unit.
        alpha: The gain's two-sided interval at 1 - alpha must lie above 0; so an equal model passes alpha / 2 of the time.
        harm: Greatest mean loss in any class of requests; a class fails where it loses more and, all classes taken together
            (Holm), surely loses.
        least: Fewest usable groups to judge by, held out and to train on.

    Raises:
        BadInput: a value out of range.
    """

    min_gain: float = 0.0
    alpha: float = 0.05
    harm: float = 0.01
    least: int = 50

    def __post_init__(self) -> None:
        if not (self.min_gain >= 0.0 and 0.0 < self.alpha < 1.0 and self.harm >= 0.0 and self.least >= 2):
            raise BadInput(f"{self}; wanted min_gain and harm >= 0, alpha between 0 and 1, least >= 2.")

    def judge(
        self, live: NDArray[np.float64], new: NDArray[np.float64], *, seed: int, classes: NDArray[np.str_] | None = None
    ) -> Verdict:
        """Compare the two models' measures on the same groups, shape (groups,) each; `classes` names each group's class.

        Raises:
            BadInput: the shapes differ.

        Example:
            >>> old = np.linspace(0.2, 0.8, 100)
            >>> Gate().judge(old, old + 0.05, seed=1).passed, Gate().judge(old, old, seed=1).reason
            (True, 'the gain +0.0000 [+0.0000, +0.0000] is not surely above 0')
        """
        whole = paired(live, new, seed=seed, level=1.0 - self.alpha)
        if whole.count < self.least:
            return Verdict(False, f"too little data: {whole.count} usable groups; wanted at least {self.least}")
        parts = {} if classes is None else self._by_class(live, new, classes, seed)
        reason = self._objection(whole, parts)
        bounds = f"{whole.value:+.4f} [{whole.low:+.4f}, {whole.high:+.4f}]"
        return Verdict(not reason, reason or f"the gain is {bounds}", whole.value, whole.low, whole.high, parts)

    def _by_class(
        self, live: NDArray[np.float64], new: NDArray[np.float64], classes: NDArray[np.str_], seed: int
    ) -> dict[str, Difference]:
        if len(classes) != len(live):
            raise BadInput(f"there are {len(classes)} classes for {len(live)} groups; wanted one each.")
        return {str(c): paired(live[classes == c], new[classes == c], seed=seed) for c in np.unique(classes)}

    def _objection(self, whole: Difference, parts: Mapping[str, Difference]) -> str:
        bounds = f"{whole.value:+.4f} [{whole.low:+.4f}, {whole.high:+.4f}]"
        if not whole.low > 0.0:
            return f"the gain {bounds} is not surely above 0"
        if whole.value < self.min_gain:
            return f"the gain {bounds} is below {self.min_gain:g}"
        sure = holm([d.p for d in parts.values()])
        hurt = [f"{c} {d}" for (c, d), p in zip(parts.items(), sure) if d.value < -self.harm and p < self.alpha]
        return f"it harms {'; '.join(hurt)}" if hurt else ""


def weighted_ndcg(examples: Examples, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """nDCG@10 of each group, gain = label x weight, so that clicks at places rarely looked at count for those not made."""
    return ndcg(
        labelled(examples.offsets, examples.label * examples.weights, scores, ids=examples.candidate), k=10, kind="linear"
    )


def weighted_dcg(examples: Examples, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """DCG@10 of each group, gain = label x weight, not divided by its ideal; shape (groups,), in the unit of the labels.

    For labels from clicks. Where a click stands for those that were not made at places rarely looked at, its weighted gain is right
    on average, and so is any sum of it; the quotient by the ideal order of the very same clicks is not: with one click in a list it
    undoes the weight altogether.

    Source:
        Joachims, Swaminathan, Schnabel (2017), "Unbiased learning-to-rank with biased feedback", WSDM, section 4.

    Example:
        >>> e = Examples(np.zeros((2, 1), dtype=np.float32), ("x",), np.array([0.0, 3.0]), *(np.zeros(2, dtype=np.int64),) * 1,
        ...              np.arange(2), np.arange(2), np.arange(2), np.ones(2), np.array([1.0, 2.0]))
        >>> weighted_dcg(e, np.array([1.0, 0.0])).round(3).tolist(), weighted_dcg(e, np.array([0.0, 1.0])).tolist()
        ([3.786], [6.0])
    """
    owner = np.repeat(np.arange(len(examples.offsets) - 1), np.diff(examples.offsets))
    order = np.lexsort((examples.candidate, -sink(np.asarray(scores, dtype=np.float64)), owner))
    place = np.arange(len(order)) - examples.offsets[owner[order]]
    gain = (examples.label * examples.weights)[order] * np.where(place < 10, 1.0 / np.log2(place + 2.0), 0.0)
    return np.bincount(owner[order], weights=gain, minlength=len(examples.offsets) - 1).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Learner:
    """How one model is trained and judged.

    Args:
        name: The model's name, `find.ranker`.
        kind: `trees` or `onnx`.
        fit: Trains.
        score: Scores, by body or by version.
        gate: What must be shown.
        measure: What is compared.
        held_out: Share of groups kept from training, to judge by.
        notes: What else the card says, made from the training examples.
    """

    name: str
    kind: str
    fit: Fit
    score: Score
    gate: Gate
    measure: Measure = weighted_ndcg
    held_out: float = 0.3
    notes: Callable[[Examples], Mapping[str, str]] | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.held_out < 1.0:
            raise BadInput(f"held_out is {self.held_out}; wanted a share between 0 and 1.")


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a round: the verdict, the promoted version ("" = none), the live one before it, and the groups used."""

    verdict: Verdict
    version: str
    parent: str
    trained_on: int
    judged_on: int


def improve(
    examples: Examples, models: Models, learner: Learner, *, seed: int, classes: NDArray[np.str_] | None = None
) -> Report:
    """Train on some groups, compare with the live model on the others, and promote the new one where the gate lets it pass.

    Where nothing is live yet, the new model is compared with the ranking that was served.

    Args:
        examples: From `join`, weighed where clicks are biased by place.
        models: Where versions are kept; written to only on a pass.
        learner: How to train and judge.
        seed: Of the split, the training and the intervals.
        classes: Class of each row's request, shape (rows,), for the gate's harm rule.

    Returns:
        The report; with too little data, or labels that are all alike, nothing is trained.

    Raises:
        BadInput: `classes` of another length, scores of another shape, or negative labels under `weighted_ndcg`.

    Cost:
        One training, two scorings of the held-out rows, the bootstrap.
    """
    if classes is not None and len(classes) != len(examples):
        raise BadInput(f"there are {len(classes)} classes for {len(examples)} rows; wanted one each.")
    held = uniforms(seed, examples.group.view(np.uint64), "learn.held", 1)[:, 0] < learner.held_out
    train, test = examples.take(~held), examples.take(held)
    sizes = len(train.offsets) - 1, len(test.offsets) - 1
    live = models.live(learner.name)
    parent = live[0] if live else ""
    reason = _unfit(train, min(sizes), learner.gate.least)
    if reason:
        return Report(Verdict(False, reason), "", parent, *sizes)
    body = learner.fit(train, seed)
    old = _scored(learner, parent, test) if parent else -test.rank.astype(np.float64)
    measured = [learner.measure(test, scores) for scores in (old, _scored(learner, body, test))]
    of_group = None if classes is None else classes[held][test.offsets[:-1]]
    verdict = learner.gate.judge(*measured, seed=seed, classes=of_group)
    version = _promoted(models, _card(learner, train, seed, parent, measured, verdict), body) if verdict.passed else ""
    return Report(verdict, version, parent, *sizes)


def _unfit(train: Examples, groups: int, least: int) -> str:
    if groups < least:
        return f"too little data: {groups} groups in the smaller part; wanted at least {least}"
    if np.all(train.label == train.label[0]):
        return f"nothing to learn: every label is {train.label[0]:g}"
    return ""


def _scored(learner: Learner, model: bytes | str, test: Examples) -> NDArray[np.float64]:
    scores = learner.score(model, test.features)
    if scores.shape != (len(test),):
        raise BadInput(f"the model's scores have shape {scores.shape}; wanted ({len(test)},), one a row.")
    return scores


def _card(
    learner: Learner, train: Examples, seed: int, parent: str, measured: list[NDArray[np.float64]], verdict: Verdict
) -> ModelCard:
    old, new = (float(np.nanmean(m)) for m in measured)
    metrics = {"live": old, "new": new, "difference": verdict.difference, "low": verdict.low, "high": verdict.high}
    params = {"seed": str(seed), "held_out": f"{learner.held_out:g}", **(learner.notes(train) if learner.notes else {})}
    return ModelCard(learner.name, learner.kind, train.names, parent, _fingerprint(train), params, metrics)


def _promoted(models: Models, card: ModelCard, body: bytes) -> str:
    version = models.put(card, body)
    models.promote(card.name, version)
    return version


def _fingerprint(e: Examples) -> str:
    """Content hash of all that training reads."""
    digest = blake2b(repr(e.names).encode(), digest_size=16)
    for column in (e.features, e.label, e.group, e.position, e.weights):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
