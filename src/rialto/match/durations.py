"""A learned duration: a first guess, corrected by trees, with an interval that holds as often as it says.

The trees learn the log of observed over guessed seconds; a factor makes the answer right on average; and the interval is split
conformal: the quantiles of observed over answered seconds among trips that taught the trees nothing, apart for short and long ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.ports import ModelCard, Models
from rialto.records import uniforms
from rialto.spine.learn import Examples, Fit, Gate, Score, Verdict

__all__ = [
    "CALIBRATE",
    "JUDGE",
    "TRAIN",
    "Band",
    "Duration",
    "Learned",
    "Material",
    "Spans",
    "deviance",
    "learn",
    "live",
    "parts",
]

Floats = NDArray[np.float64]

TRAIN, CALIBRATE, JUDGE = 0, 1, 2
_SHARES = (0.6, 0.8)
"""Where training ends and calibration ends; the rest is judged by."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Durations, shape (rows,) each: the expected seconds, and the interval that the observed ones fall into as often as was asked."""

    seconds: Floats
    low_s: Floats
    high_s: Floats


@dataclass(frozen=True, slots=True)
class Band:
    """An interval around an answer, as factors of it, by how long the answer is.

    Args:
        level: How often the interval is to hold, in (0, 1).
        edges: Answers at which one band ends and the next begins, shape (bands - 1,), s, rising.
        low, high: Factors, shape (bands,); 0 and inf where too few were seen to say.

    Source:
        Split conformal prediction: Vovk, Gammerman, Shafer (2005), "Algorithmic learning in a random world", sections 4.1 and 4.5
        (by category). A new duration of a band lies outside with probability at most 1 - level if it is like those calibrated on.

    Example:
        >>> chance = np.random.default_rng(0)
        >>> band = Band.learn(np.full(999, 60.0), 60.0 * chance.uniform(0.5, 1.5, 999), level=0.8, bands=1)
        >>> low, high = band.around(np.array([100.0]))
        >>> round(low.item(), -1), round(high.item(), -1)
        (60.0, 140.0)
    """

    level: float
    edges: Floats
    low: Floats
    high: Floats

    def __post_init__(self) -> None:
        bands = len(self.low)
        shaped = self.edges.shape == (bands - 1,) and self.high.shape == self.low.shape == (bands,) and bands > 0
        if not (0.0 < self.level < 1.0 and shaped and (self.low >= 0.0).all() and (self.low <= self.high).all()):
            raise BadInput(
                f"band of level {self.level}: edges {self.edges}, low {self.low}, high {self.high}; wanted 0 <= low <= high."
            )

    @classmethod
    def learn(cls, answered_s: Floats, observed_s: Floats, *, level: float = 0.9, bands: int = 4, least: int = 100) -> Band:
        """Factors from durations that taught the answers nothing, shape (rows,) each, above 0; bands of at least `least` rows."""
        if not 0.0 < level < 1.0 or bands < 1 or answered_s.shape != observed_s.shape:
            raise BadInput(
                f"level {level}, {bands} bands, {answered_s.shape} answers; wanted (0, 1), 1 or more, {observed_s.shape}."
            )
        count = max(min(bands, len(answered_s) // max(least, 1)), 1)
        edges = np.unique(np.quantile(answered_s, np.arange(1, count) / count)) if count > 1 else np.zeros(0)
        band, ratio = np.searchsorted(edges, answered_s, side="right"), observed_s / answered_s
        ends = np.array([_ends(np.sort(ratio[band == b]), level) for b in range(len(edges) + 1)])
        return cls(level, edges, ends[:, 0], ends[:, 1])

    def around(self, answered_s: Floats) -> tuple[Floats, Floats]:
        """Low and high ends for answers (rows,), s; what is not finite stays as it is."""
        band = np.searchsorted(self.edges, answered_s, side="right")
        usable = np.isfinite(answered_s) & (answered_s > 0.0)
        ends = (np.where(usable, np.where(usable, answered_s, 1.0) * f[band], answered_s) for f in (self.low, self.high))
        low_s, high_s = ends
        return low_s, high_s


def _ends(ratio: Floats, level: float) -> tuple[float, float]:
    n, tail = len(ratio), (1.0 - level) / 2.0
    low, high = int(np.floor((n + 1) * tail)), int(np.ceil((n + 1) * (1.0 - tail)))
    return (float(ratio[low - 1]) if low >= 1 else 0.0), (float(ratio[high - 1]) if high <= n else float("inf"))


@dataclass(frozen=True, slots=True)
class Duration:
    """A learned duration as it is served: a version's trees, what makes their answer right on average, and the band around it."""

    version: str
    card: ModelCard
    score: Callable[[NDArray[np.float32]], Floats]
    centre: float
    band: Band

    def spans(self, inputs: NDArray[np.float32], guess_s: Floats) -> Spans:
        """Durations of rows (rows, inputs) whose first guess is `guess_s` (rows,); 0, inf and NaN stay what they are."""
        seconds = guess_s * (self.centre * np.exp(self.score(inputs)))
        return Spans(seconds, *self.band.around(seconds))


@dataclass(frozen=True, slots=True)
class Material:
    """What a duration is learned from.

    Args:
        names: Inputs in column order.
        inputs: Shape (rows, inputs), float32; NaN = missing.
        guess_s: First guess, shape (rows,), above 0.
        observed_s: What it took, shape (rows,), above 0.
        part: `TRAIN`, `CALIBRATE` or `JUDGE`, shape (rows,); see `parts`.
        before_s: What the model that is live now says, or the first guess where there is none, shape (rows,).
    """

    names: tuple[str, ...]
    inputs: NDArray[np.float32]
    guess_s: Floats
    observed_s: Floats
    part: NDArray[np.int64]
    before_s: Floats


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of a round, on rows that neither training nor calibration saw.

    Args:
        verdict: What the gate says of the mean `deviance`.
        version: The promoted version, or "".
        rows: How many trained, calibrated and judged, shape (3,).
        error_s: Mean absolute error of the new model.
        before_s: Of the live one, or of the first guess.
        coverage: Share of observed seconds inside the interval.
        width_s: Mean width of the interval.
    """

    verdict: Verdict
    version: str
    rows: tuple[int, int, int]
    error_s: float = float("nan")
    before_s: float = float("nan")
    coverage: float = float("nan")
    width_s: float = float("nan")


def parts(rows: int, *, seed: int) -> NDArray[np.int64]:
    """Which part each row belongs to, shape (rows,), drawn: 60 % `TRAIN`, 20 % `CALIBRATE`, 20 % `JUDGE`."""
    drawn = uniforms(seed, np.arange(rows, dtype=np.uint64), "durations.part", 1)[:, 0]
    return np.searchsorted(np.array(_SHARES), drawn, side="right").astype(np.int64)


def learn(
    name: str, material: Material, models: Models, *, fit: Fit, score: Score, seed: int, gate: Gate | None = None,
    level: float = 0.9, params: Mapping[str, str] | None = None,
) -> Learned:  # fmt: skip
    """Train, calibrate, judge, and promote where the gate lets it pass.

    Args:
        name: Of the model, `match.travel`.
        material: The rows.
        models: Where versions are kept; written to only on a pass.
        fit: Trains trees on examples (squared error), with a seed; returns the model's body.
        score: Scores by body or by version.
        seed: Of training and the gate's interval.
        gate: What must be shown; None = less `deviance`, surely, on at least 200 rows.
        level: How often the interval is to hold.
        params: Kept on the model's card beside what calibration found.

    Raises:
        BadInput: a guess or an observation that is not finite and above 0, or columns of other lengths.

    Cost:
        One training, two scorings of all rows.
    """
    _check(material)
    gate = gate or Gate(least=200)
    counts = np.bincount(material.part, minlength=3)
    rows = int(counts[0]), int(counts[1]), int(counts[2])
    if min(rows) < gate.least:
        return Learned(
            Verdict(False, f"too little data: {min(rows)} rows in the smallest part; wanted at least {gate.least}"), "", rows
        )
    examples = _examples(material)
    if float(np.ptp(examples.label)) < 1e-9:
        return Learned(Verdict(False, "nothing to learn: every row took the same multiple of its first guess"), "", rows)
    body = fit(examples, seed)
    raw_s = material.guess_s * np.exp(score(body, material.inputs))
    aside, held = material.part == CALIBRATE, material.part == JUDGE
    centre = float(material.observed_s[aside].sum() / raw_s[aside].sum())
    answered_s = centre * raw_s
    band = Band.learn(answered_s[aside], material.observed_s[aside], level=level)
    took_s, answer_s, old_s = (s[held] for s in (material.observed_s, answered_s, material.before_s))
    verdict = gate.judge(-deviance(took_s, old_s), -deviance(took_s, answer_s), seed=seed)
    low_s, high_s = band.around(answer_s)
    inside = (low_s <= took_s) & (took_s <= high_s)
    error_s, before_s = (float(np.abs(s - took_s).mean()) for s in (answer_s, old_s))
    measured = error_s, before_s, float(inside.mean()), float((high_s - low_s).mean())
    version = ""
    if verdict.passed:
        card = _card(name, material, models, centre, band, {**(params or {}), "seed": str(seed)}, measured)
        version = models.put(card, body)
        models.promote(name, version)
    return Learned(verdict, version, rows, *measured)


def deviance(observed_s: Floats, answered_s: Floats) -> Floats:
    """How far answers are from what was observed, (rows,) each, both above 0: least on average for the expected seconds, and no wild row rules.

    Half the gamma deviance, observed / answered - log(observed / answered) - 1.

    Source:
        Patton (2011), "Volatility forecast comparison using imperfect volatility proxies", J. Econometrics 160(1): QLIKE.

    Example:
        >>> deviance(np.array([60.0, 60.0]), np.array([60.0, 120.0])).round(3).tolist()
        [0.0, 0.193]
    """
    ratio = observed_s / answered_s
    return ratio - np.log(ratio) - 1.0


def live(models: Models, name: str) -> Duration | None:
    """The live version of a duration; None where none was promoted, `BadInput` where its card is none of a duration."""
    found = models.live(name)
    if found is None:
        return None
    version, card = found
    try:
        kept = json.loads(card.params["band"])
        edges, low, high = (np.array(kept[k], dtype=np.float64) for k in ("edges", "low", "high"))
        band, centre = Band(float(kept["level"]), edges, low, high), float(card.params["centre"])
    except (KeyError, TypeError, ValueError) as e:
        raise BadInput(f"model {name!r}, version {version}, has no band ({type(e).__name__}: {e}); train it again.") from None
    return Duration(version, card, lambda inputs: models.score(version, inputs), centre, band)


def _check(m: Material) -> None:
    rows = len(m.observed_s)
    shapes = {c.shape for c in (m.guess_s, m.observed_s, m.part, m.before_s)}
    if shapes != {(rows,)} or m.inputs.shape != (rows, len(m.names)):
        raise BadInput(
            f"columns of shapes {sorted(shapes)}, inputs {m.inputs.shape}; wanted ({rows},) and ({rows}, {len(m.names)})."
        )
    for what, column in (("guess", m.guess_s), ("observation", m.observed_s)):
        wrong = np.flatnonzero(~(np.isfinite(column) & (column > 0.0)))
        if len(wrong):
            raise BadInput(f"{what} {int(wrong[0])} is {column[wrong[0]]} s; wanted seconds above 0.")


def _examples(m: Material) -> Examples:
    at = np.flatnonzero(m.part == TRAIN)
    row, zero = np.arange(len(at)), np.zeros(len(at), dtype=np.int64)
    label = np.log(m.observed_s[at] / m.guess_s[at])
    return Examples(m.inputs[at], m.names, label, row, row, zero, zero, np.ones(len(at)), np.ones(len(at)))


def _card(
    name: str, m: Material, models: Models, centre: float, band: Band, params: Mapping[str, str], measured: tuple[float, ...]
) -> ModelCard:
    before = models.live(name)
    digest = blake2b(repr(m.names).encode(), digest_size=16)
    for column in (m.inputs, m.guess_s, m.observed_s, m.part):
        digest.update(np.ascontiguousarray(column).tobytes())
    text = json.dumps({"level": band.level, **{k: getattr(band, k).tolist() for k in ("edges", "low", "high")}})
    metrics: dict[str, float] = dict(zip(("error_s", "before_s", "coverage", "width_s"), measured))
    kept = {**params, "band": text, "centre": repr(centre)}
    return ModelCard(name, "trees", m.names, "" if before is None else before[0], digest.hexdigest(), kept, metrics)
