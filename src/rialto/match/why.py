"""Why this driver: the choice beside its runner-up, what became of every other driver, and what would have changed the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import NothingHere
from rialto.match.decide import UNMATCHED_S
from rialto.records import Candidates
from rialto.spine.decide.assign import cheapest
from rialto.spine.pipeline import Outcome

__all__ = ["Rival", "Why", "why"]


@dataclass(frozen=True, slots=True)
class Rival:
    """A driver whom the decider compared: pickup seconds, probability of acceptance, expected cost in seconds, and the order he got (-1 = none)."""

    driver: int
    pickup_s: float
    acceptance: float
    cost_s: float
    order: int


@dataclass(frozen=True, slots=True)
class Why:
    """Why an order was offered to a driver, or waits.

    Args:
        order: The order.
        at_s: When its window was decided.
        chosen: Who it was offered to; None = it waits.
        rivals: The other drivers compared, cheapest first; the first is the runner-up.
        removed: Reason -> drivers removed for it.
        margin_s: How much dearer the choice could have become, in seconds, before the window would have decided otherwise; inf = any.
        instead: Who it would then have been offered to; -1 = it would have waited.
    """

    order: int
    at_s: float
    chosen: Rival | None
    rivals: tuple[Rival, ...]
    removed: Mapping[str, int]
    margin_s: float
    instead: int

    def text(self) -> str:
        """The reasons as sentences."""
        gone = ", ".join(f"{n} {reason}" for reason, n in self.removed.items() if n) or "none"
        lines = [
            f"Order {self.order} at {self.at_s:.0f} s: {len(self.rivals) + bool(self.chosen)} drivers compared; removed: {gone}."
        ]
        if self.chosen is None:
            cause = (
                "no driver was eligible" if not self.rivals else "every driver was worth more to another order or cost too much"
            )
            lines.append(f"It waits: {cause}.")
        else:
            lines.append(f"Offered to {_told(self.chosen)}.")
        if self.rivals:
            first = self.rivals[0]
            fate = f"was offered order {first.order}" if first.order >= 0 else "was offered nothing"
            lines.append(f"Runner-up: {_told(first)}; he {fate}.")
        if self.chosen is not None:
            other = f"driver {self.instead} would have been asked" if self.instead >= 0 else "the order would have waited"
            lines.append(f"Had the choice cost {self.margin_s:.0f} s more, {other}.")
        return "\n".join(lines)


def why(outcome: Outcome, order: int) -> Why:
    """Explain one order of a window.

    Args:
        outcome: The window as it was decided.
        order: The order's id.

    Raises:
        NothingHere: the order was not in the window.

    Cost:
        The window is decided once more, without the chosen pair.
    """
    requests, ranked, decisions = outcome.requests, outcome.ranked, outcome.decisions
    orders: NDArray[np.int64] = requests.column("order")
    found = np.flatnonzero(orders == order)
    if not len(found):
        raise NothingHere(f"order {order} was not in this window of {len(orders)} orders.")
    at = int(found[0])
    taken = dict(zip(decisions.ids.tolist(), np.repeat(orders, decisions.counts).tolist()))
    own = ranked.of(at)
    rivals = [
        Rival(int(d), float(p), float(a), -float(s), taken.get(int(d), -1))
        for d, p, a, s in zip(own.ids, own.column("pickup_s"), _chance(own), own.column("score"))
    ]
    mine = decisions.of(at)
    chosen = next((r for r in rivals if len(mine) and r.driver == mine[0]), None)
    others = sorted((r for r in rivals if r is not chosen), key=lambda r: (r.cost_s, r.driver))
    removed = {reason: int(counts[at]) for reason, counts in outcome.trace.removed.items()}
    margin_s, instead = (float("inf"), -1) if chosen is None else _without(outcome, at, chosen.driver)
    return Why(order, float(requests.time_s[at]), chosen, tuple(others), removed, margin_s, instead)


def _chance(own: Candidates) -> NDArray[np.float32]:
    """Probability of acceptance as it was decided by: the trees' where they looked, else that at first sight."""
    first, trees = own.column("likely"), own.columns.get("acceptance")
    return first if trees is None else np.where(np.isnan(trees), first, trees)


def _without(outcome: Outcome, at: int, driver: int) -> tuple[float, int]:
    """How much worse the whole window becomes when one pair is forbidden, and whom the order then gets."""
    requests, ranked = outcome.requests, outcome.ranked
    cost = -ranked.column("score")
    waits = UNMATCHED_S.of(requests).astype(np.float64)
    barred = cost.copy()
    barred[(ranked.owner == at) & (ranked.ids == driver)] = np.inf
    rows = cheapest(ranked.owner, ranked.ids, barred, waits, requests.ids)
    total = _total(ranked.owner, cost, waits, outcome.decisions.rows)
    instead = ranked.ids[rows[ranked.owner[rows] == at]]
    return _total(ranked.owner, cost, waits, rows) - total, int(instead[0]) if len(instead) else -1


def _total(owner: NDArray[np.int64], cost: NDArray[np.float64], waits: NDArray[np.float64], rows: NDArray[np.int64]) -> float:
    return float(waits.sum() - waits[owner[rows]].sum() + cost[rows].sum())


def _told(r: Rival) -> str:
    return f"driver {r.driver} (pickup {r.pickup_s:.0f} s, accepts with {r.acceptance:.0%}, cost {r.cost_s:.0f} s)"
