"""When an order will be ready: what its merchant usually takes, corrected by hour, basket and how much is under way, with an interval."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow
from rialto.match.durations import TRAIN, Duration, Learned, Material, Spans, learn, live, parts
from rialto.match.travel import hour_of
from rialto.ports import Models
from rialto.spine.learn import Fit, Gate, Score

__all__ = ["MODEL", "NAMES", "Kitchen", "PrepTimes", "Usual", "live_prep", "train", "under_way"]

MODEL = "match.prep"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NAMES = ("usual_s", "seen", "hour", "weekday", "basket_cents", "volume_l", "under_way")
"""Inputs of the model, in order: the merchant's usual time and how many orders of his told it, the local hour, the day (0 = Monday),
what the order costs and its size, and how many orders he had got in the last quarter of an hour."""

WINDOW_S = 900.0


@dataclass(frozen=True, slots=True)
class Kitchen:
    """Orders as a merchant gets them, a row each.

    Args:
        merchant: Who makes it, shape (orders,), int64.
        placed_s: When it was placed, shape (orders,), seconds UTC.
        basket_cents, volume_l: What it costs and its size, shape (orders,); NaN = unknown.
        under_way: Orders that he had got shortly before, shape (orders,); see `under_way`.

    Raises:
        BadInput: other shapes.
        BadRow: a time that is not finite.
    """

    merchant: Ints
    placed_s: Floats
    basket_cents: Floats
    volume_l: Floats
    under_way: Floats

    def __post_init__(self) -> None:
        columns = (self.merchant, self.placed_s, self.basket_cents, self.volume_l, self.under_way)
        if {np.shape(c) for c in columns} != {(len(self.merchant),)}:
            raise BadInput(f"columns have shapes {[np.shape(c) for c in columns]}; wanted one length, a row an order.")
        wrong = np.flatnonzero(~np.isfinite(self.placed_s))
        if len(wrong):
            raise BadRow(int(wrong[0]) + 1, "placed_s", float(self.placed_s[wrong[0]]), "finite seconds UTC")

    def take(self, rows: NDArray[np.bool_] | Ints) -> Kitchen:
        """The orders at `rows`."""
        rest = (c[rows] for c in (self.placed_s, self.basket_cents, self.volume_l, self.under_way))
        return Kitchen(self.merchant[rows], *rest)


def under_way(merchant: Ints, placed_s: Floats, *, window_s: float = WINDOW_S) -> Floats:
    """How many orders the same merchant got in the `window_s` before each, shape (orders,); itself not counted.

    Example:
        >>> under_way(np.array([7, 7, 8, 7]), np.array([0.0, 100.0, 200.0, 950.0])).tolist()
        [0.0, 1.0, 0.0, 1.0]
    """
    order = np.lexsort((placed_s, merchant))
    names = np.unique(merchant, return_inverse=True)[1].reshape(-1)[order]
    span = float(np.ptp(placed_s)) + 2.0 * window_s + 1.0 if len(placed_s) else 1.0
    key = names * span + (placed_s[order] - placed_s.min(initial=np.inf))
    out = np.empty(len(order))
    out[order] = np.arange(len(order)) - np.searchsorted(key, key - window_s, side="left")
    return out


@dataclass(frozen=True, slots=True)
class Usual:
    """What merchants usually take: the geometric mean of each one's orders, drawn to everybody's.

    Args:
        merchant: Known ones, shape (merchants,), int64, rising.
        log_s: Sum of the log seconds of each one's orders, shape (merchants,).
        count: How many, shape (merchants,).
        whole_log_s: Mean log seconds of all orders.
        prior: Orders of everybody's mean that each is given beforehand.
    """

    merchant: Ints
    log_s: Floats
    count: Floats
    whole_log_s: float
    prior: float = 5.0

    @classmethod
    def learn(cls, merchant: Ints, ready_s: Floats, *, prior: float = 5.0) -> Usual:
        """From orders and the seconds, above 0, that they took to be ready, shape (orders,) each."""
        known, at = np.unique(merchant, return_inverse=True)
        log_s = np.log(ready_s)
        at = at.reshape(-1)
        sums, count = np.bincount(at, log_s, len(known)), np.bincount(at, minlength=len(known))
        return cls(known, sums.astype(np.float64), count.astype(np.float64), float(log_s.mean()) if len(log_s) else 0.0, prior)

    def seconds(self, merchant: Ints, *, without_s: Floats | None = None) -> tuple[Floats, Floats]:
        """Usual seconds and orders seen, (orders,) each; `without_s` leaves each order's own time out, as training must."""
        if not len(self.merchant):
            return np.full(len(merchant), np.exp(self.whole_log_s)), np.zeros(len(merchant))
        at = np.minimum(np.searchsorted(self.merchant, merchant), len(self.merchant) - 1)
        there = self.merchant[at] == merchant
        sums, count = np.where(there, self.log_s[at], 0.0), np.where(there, self.count[at], 0.0)
        if without_s is not None:
            sums, count = sums - np.log(without_s), count - 1.0
        return np.exp((sums + self.prior * self.whole_log_s) / (count + self.prior)), count

    def to_text(self) -> str:
        """As JSON, for a model's card."""
        columns = {name: getattr(self, name).tolist() for name in ("merchant", "log_s", "count")}
        return json.dumps({**columns, "whole_log_s": self.whole_log_s, "prior": self.prior})

    @classmethod
    def from_text(cls, text: str) -> Usual:
        """What `to_text` wrote; `BadInput` where it is something else."""
        try:
            kept = json.loads(text)
            log_s, count = (np.array(kept[k], dtype=np.float64) for k in ("log_s", "count"))
            return cls(np.array(kept["merchant"], dtype=np.int64), log_s, count, float(kept["whole_log_s"]), float(kept["prior"]))
        except (KeyError, TypeError, ValueError) as e:
            raise BadInput(f"the usual times of merchants are damaged ({type(e).__name__}: {e}); train again.") from None


@dataclass(frozen=True, slots=True)
class PrepTimes:
    """Order-ready times as they are served."""

    duration: Duration
    usual: Usual
    offset_s: float

    def spans(self, orders: Kitchen) -> Spans:
        """Seconds from `placed_s` until each order is ready, expected and with the interval, shape (orders,) each."""
        usual_s, seen = self.usual.seconds(orders.merchant)
        return self.duration.spans(_inputs(orders, usual_s, seen, self.offset_s), usual_s)


def live_prep(models: Models) -> PrepTimes | None:
    """The live model; None where none was promoted, `BadInput` where its card is damaged."""
    duration = live(models, MODEL)
    if duration is None:
        return None
    card = duration.card
    return PrepTimes(duration, Usual.from_text(card.params.get("usual", "")), float(card.params.get("offset_s", "0")))


def train(
    orders: Kitchen, ready_s: Floats, models: Models, *, fit: Fit, score: Score, seed: int = 0, gate: Gate | None = None,
    offset_s: float = 0.0, level: float = 0.9,
) -> Learned:  # fmt: skip
    """Learn when orders are ready, judge on orders held out, and promote where the gate lets it pass.

    It is compared with the model that is live, or with what each merchant usually takes.

    Args:
        orders: Orders that were made.
        ready_s: Seconds from `placed_s` until each was ready, shape (orders,), above 0.
        models, fit, score, seed, gate, offset_s, level: As `rialto.match.eta.train`.

    Raises:
        BadInput: `ready_s` of another shape.
        BadRow: a time that is not finite and above 0.
    """
    if ready_s.shape != orders.merchant.shape:
        raise BadInput(f"ready_s has shape {ready_s.shape}; wanted {orders.merchant.shape}, one for each order.")
    wrong = np.flatnonzero(~(np.isfinite(ready_s) & (ready_s > 0.0)))
    if len(wrong):
        raise BadRow(int(wrong[0]) + 1, "ready_s", float(ready_s[wrong[0]]), "seconds above 0")
    part = parts(len(ready_s), seed=seed)
    taught = part == TRAIN
    usual = Usual.learn(orders.merchant[taught], ready_s[taught])
    usual_s, seen = usual.seconds(orders.merchant)
    usual_s[taught], seen[taught] = usual.seconds(orders.merchant[taught], without_s=ready_s[taught])
    before = live_prep(models)
    before_s = usual_s if before is None else before.spans(orders).seconds
    material = Material(NAMES, _inputs(orders, usual_s, seen, offset_s), usual_s, ready_s, part, before_s)
    kept = {"offset_s": repr(float(offset_s)), "usual": usual.to_text()}
    return learn(MODEL, material, models, fit=fit, score=score, seed=seed, gate=gate, level=level, params=kept)


def _inputs(orders: Kitchen, usual_s: Floats, seen: Floats, offset_s: float) -> NDArray[np.float32]:
    weekday = (np.floor((orders.placed_s + offset_s) / 86_400.0) + 3.0) % 7.0
    hour = hour_of(orders.placed_s, offset_s=offset_s)
    columns = (usual_s, seen, hour, weekday, orders.basket_cents, orders.volume_l, orders.under_way)
    return np.stack(columns, axis=1).astype(np.float32)
