"""When customers give up: a hazard learned from logged cancellations, by how long an order has waited, with a driver on his way or without.

An order's wait is cut into periods of `PERIOD_S`; the trees learn the log-odds that it is cancelled in one. Each order's likelihood is
that of a rate that is constant within a period, so that waits which ended otherwise (picked up, delivered, still open) count for as
long as they lasted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.durations import CALIBRATE, JUDGE, TRAIN, parts
from rialto.match.travel import hour_of
from rialto.match.waits import Waits
from rialto.ports import ModelCard, Models
from rialto.records import Requests
from rialto.spine.learn import Examples, Fit, Gate, Score, Verdict

__all__ = ["MODEL", "NAMES", "Patience", "Taught", "following", "live_patience", "train"]

MODEL = "match.cancel"

PERIOD_S = 300.0

NAMES = (
    "waited_s",  # since the order was placed
    "driver",  # 1 = somebody said that he comes, 0 = nobody yet
    "hour",  # of the local day, 0 to 24
    "weekday",  # 0 = Monday
    "value_cents",
    "trip_m",  # pickup to drop, straight; NaN where the drop is unknown
)
"""Inputs of the model, in order."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Patience:
    """The hazard as it is served.

    Args:
        version: Of the model.
        score: Log-odds of a cancellation in a period, of rows (rows, inputs).
        centre: What makes as many cancellations foretold as there were.
        offset_s: Local time's lead over UTC, as in training.
    """

    version: str
    score: Callable[[NDArray[np.float32]], Floats]
    centre: float
    offset_s: float

    def rate(self, requests: Requests) -> Floats:
        """How often a second the customer of each request would give up once a driver is on his way, 1/s, shape (requests,)."""
        now_s, placed_s = requests.time_s, requests.column("placed_s")
        east_m, north_m = (requests.column(f"drop_{c}_m") - requests.column(f"{c}_m") for c in "xy")
        columns = now_s - placed_s, np.ones(len(now_s)), now_s, requests.column("value_cents"), np.hypot(east_m, north_m)
        return self.centre * _rate(self.score(_inputs(*columns, offset_s=self.offset_s)))


@dataclass(frozen=True, slots=True)
class Taught:
    """What came of a round, on orders that neither training nor calibration saw.

    Args:
        verdict: What the gate says of the mean log-likelihood of an order.
        version: The promoted version, or "".
        orders, cancelled: How many were read, and how many of them were given up.
        foretold: Share of the orders judged that the new model says are given up.
        seen: Share that was.
    """

    verdict: Verdict
    version: str
    orders: int
    cancelled: int
    foretold: float = float("nan")
    seen: float = float("nan")


def live_patience(models: Models) -> Patience | None:
    """The live hazard; None where none was promoted, `BadInput` where its card is damaged."""
    found = models.live(MODEL)
    if found is None:
        return None
    version, card = found
    try:
        centre, offset_s = float(card.params["centre"]), float(card.params["offset_s"])
    except (KeyError, ValueError) as e:
        raise BadInput(f"model {MODEL!r}, version {version}, has no centre ({e!r}); train it again.") from None
    if card.inputs != NAMES:
        raise BadInput(f"model {MODEL!r}, version {version}, takes {list(card.inputs)}; wanted {list(NAMES)}. Train it again.")
    return Patience(version, lambda inputs: models.score(version, inputs), centre, offset_s)


def following(models: Models) -> Callable[[], Patience | None]:
    """`live_patience`, read anew when another version is live."""
    kept: list[tuple[str, Patience | None]] = [("", None)]

    def patience() -> Patience | None:
        live = models.live(MODEL)
        version = "" if live is None else live[0]
        if version != kept[0][0]:
            kept[0] = version, live_patience(models)
        return kept[0][1]

    return patience


def train(
    waits: Waits, models: Models, *, fit: Fit, score: Score, patience_s: float, seed: int = 0, gate: Gate | None = None,
    offset_s: float = 0.0, least: int = 50,
) -> Taught:  # fmt: skip
    """Learn when customers give up, judge it on orders held out, and promote it where the gate lets it pass.

    It is compared with the model that is live, or with the formula: everybody gives up at the same rate, once in `patience_s`.

    Args:
        waits: From `waits_logged`.
        models: Where versions are kept.
        fit: Trains trees on examples (log loss, weighed), with a seed; returns the model's body.
        score: Scores by body or by version.
        patience_s: Mean patience by the formula, s.
        seed: Of split, training and the gate's interval.
        gate: What must be shown; None = a gain in log-likelihood that is surely above 0, over at least 200 orders.
        offset_s: Local time's lead over UTC.
        least: Fewest cancellations to learn from.
    """
    gate = gate or Gate(least=200)
    orders, cancelled = len(np.unique(waits.order)), int(waits.cancelled.sum())
    names, at = np.unique(waits.order, return_inverse=True)
    part = parts(len(names), seed=seed)
    taught = int(waits.cancelled[part[at] == TRAIN].sum())
    smallest = int(np.bincount(part, minlength=3).min()) if orders else 0
    if smallest < gate.least or taught < least:
        reason = f"too little data: {smallest} orders in the smallest part, {taught} given up in training; wanted {gate.least} and {least}"
        return Taught(Verdict(False, reason), "", orders, cancelled)
    rows = _periods(waits)
    part, x = part[at.reshape(-1)[rows.spell]], _inputs(*rows.columns(waits), offset_s=offset_s)
    body = fit(_examples(x, rows, part == TRAIN), seed)
    rate = _rate(score(body, x))
    aside, held = part == CALIBRATE, part == JUDGE
    centre = max(float(rows.over[aside].sum()), 0.5) / max(float((rate * rows.seconds)[aside].sum()), 1e-12)
    old = _before(models, rows, waits, patience_s)
    group = waits.order[rows.spell]
    one, other = (_likelihood(group[held], r[held], rows.seconds[held], rows.over[held]) for r in (old, centre * rate))
    verdict = gate.judge(one, other, seed=seed)
    judged = max(len(one), 1)
    told = float((centre * rate * rows.seconds)[held].sum()) / judged, float(rows.over[held].sum()) / judged
    version = ""
    if verdict.passed:
        version = models.put(_card(models, x, rows, centre, offset_s, seed, told), body)
        models.promote(MODEL, version)
    return Taught(verdict, version, orders, cancelled, *told)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Periods of waits: which one it is of, when it begins, how long it lasts, and whether the order was given up at its end."""

    spell: Ints
    from_s: Floats
    seconds: Floats
    over: NDArray[np.bool_]

    def columns(self, waits: Waits) -> tuple[Floats, ...]:
        """What `_inputs` takes."""
        w, at = waits, self.spell
        return self.from_s - w.placed_s[at], w.driver[at].astype(np.float64), self.from_s, w.value_cents[at], w.trip_m[at]


def _periods(waits: Waits) -> _Rows:
    begun, ended = waits.from_s - waits.placed_s, waits.to_s - waits.placed_s
    first = np.floor(begun / PERIOD_S).astype(np.int64)
    count = np.maximum(np.ceil(ended / PERIOD_S).astype(np.int64) - first, 1)
    spell = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(spell)) - np.repeat(np.cumsum(count) - count, count) + first[spell]
    low = np.maximum(number * PERIOD_S, begun[spell])
    seconds = np.minimum((number + 1) * PERIOD_S, ended[spell]) - low
    last = np.append(spell[1:] != spell[:-1], True) if len(spell) else np.zeros(0, dtype=np.bool_)
    return _Rows(spell, waits.placed_s[spell] + low, seconds, last & waits.cancelled[spell])


def _inputs(
    waited_s: Floats, driver: Floats, at_s: Floats, value_cents: Floats, trip_m: Floats, *, offset_s: float
) -> NDArray[np.float32]:
    weekday = (np.floor((at_s + offset_s) / 86_400.0) + 3.0) % 7.0  # 1970 began on a Thursday
    columns = np.floor(waited_s / PERIOD_S) * PERIOD_S, driver, hour_of(at_s, offset_s=offset_s), weekday, value_cents, trip_m
    return np.stack(columns, axis=1).astype(np.float32)


def _rate(odds: Floats) -> Floats:
    """Rate, 1/s, of whom the log-odds say how likely he is to give up in a period."""
    return np.logaddexp(0.0, odds) / PERIOD_S


def _examples(x: NDArray[np.float32], rows: _Rows, used: NDArray[np.bool_]) -> Examples:
    """A period that was not lived to its end counts for the part that was."""
    at = np.flatnonzero(used & (rows.over | (rows.seconds > 0.0)))
    row, zero = np.arange(len(at)), np.zeros(len(at), dtype=np.int64)
    over = rows.over[at].astype(np.float64)
    weight = np.where(rows.over[at], 1.0, rows.seconds[at] / PERIOD_S)
    return Examples(x[at], NAMES, over, row, row, zero, zero, np.ones(len(at)), weight)


def _before(models: Models, rows: _Rows, waits: Waits, patience_s: float) -> Floats:
    live = live_patience(models)
    if live is None:
        return np.full(len(rows.spell), 1.0 / patience_s)
    return live.centre * _rate(live.score(_inputs(*rows.columns(waits), offset_s=live.offset_s)))


def _likelihood(group: Ints, rate: Floats, seconds: Floats, over: NDArray[np.bool_]) -> Floats:
    """Log-likelihood of each order's wait under a rate that is constant in each period, shape (orders,)."""
    each = np.where(over, np.log(np.maximum(rate, 1e-12)), 0.0) - rate * seconds
    names, at = np.unique(group, return_inverse=True)
    return np.bincount(at.reshape(-1), each, len(names)).astype(np.float64)


def _card(
    models: Models, x: NDArray[np.float32], rows: _Rows, centre: float, offset_s: float, seed: int, told: tuple[float, float]
) -> ModelCard:
    before = models.live(MODEL)
    digest = blake2b(np.ascontiguousarray(x).tobytes() + rows.seconds.tobytes() + rows.over.tobytes(), digest_size=16)
    params = {"centre": repr(centre), "offset_s": repr(float(offset_s)), "seed": str(seed), "period_s": json.dumps(PERIOD_S)}
    parent = "" if before is None else before[0]
    return ModelCard(MODEL, "trees", NAMES, parent, digest.hexdigest(), params, {"foretold": told[0], "seen": told[1]})
