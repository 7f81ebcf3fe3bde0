"""Why this driver: the choice beside its runner-up, what became of every other driver, and what would have changed the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import NothingHere
from rialto.match.decide import UNMATCHED_S
from rialto.match.durations import Band
from rialto.match.outlook import doors
from rialto.match.sure import around, lateness
from rialto.records import Candidates, Requests
from rialto.spine.decide.assign import cheapest
from rialto.spine.pipeline import Outcome

__all__ = ["Rival", "Why", "why"]


@dataclass(frozen=True, slots=True)
class Rival:
    """A driver whom the decider compared.

    Args:
        driver: Who.
        pickup_s: Seconds of drive to the pickup, NaN where the engine could not tell.
        acceptance: Probability that he says yes.
        cost_s: Expected cost in seconds; inf = no offer is to be made.
        order: The order that he was offered, -1 = none.
        age_s: How old his position was, s.
        pickup_low_s, pickup_high_s: What the drive lies between as often as `Why.level` says; None where no interval was learned.
        late: Probability of being at the door after the promised time; None where nothing was promised.
    """

    driver: int
    pickup_s: float
    acceptance: float
    cost_s: float
    order: int
    age_s: float | None = None
    pickup_low_s: float | None = None
    pickup_high_s: float | None = None
    late: float | None = None


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
        level: How often drives lie within their intervals; None where no interval was learned.
        ready_in_s: Seconds until the order was to be ready, as it was told or foretold; None where nobody knew, 0 where it was.
    """

    order: int
    at_s: float
    chosen: Rival | None
    rivals: tuple[Rival, ...]
    removed: Mapping[str, int]
    margin_s: float
    instead: int
    level: float | None = None
    ready_in_s: float | None = None

    def text(self) -> str:
        """The reasons as sentences."""
        gone = ", ".join(f"{n} {reason}" for reason, n in self.removed.items() if n) or "none"
        lines = [
            f"Order {self.order} at {self.at_s:.0f} s: {len(self.rivals) + bool(self.chosen)} drivers compared; removed: {gone}."
        ]
        if self.chosen is None:
            lines.append(f"It waits: {self._cause()}.")
        else:
            lines.append(f"Offered to {self._told(self.chosen)}.")
        if self.rivals:
            first = self.rivals[0]
            fate = f"was offered order {first.order}" if first.order >= 0 else "was offered nothing"
            lines.append(f"Runner-up: {self._told(first)}; he {fate}.")
        if self.chosen is not None:
            other = f"driver {self.instead} would have been asked" if self.instead >= 0 else "the order would have waited"
            lines.append(f"Had the choice cost {self.margin_s:.0f} s more, {other}.")
        return "\n".join(lines)

    @property
    def held(self) -> bool:
        """Whether it waits on purpose, for it is not ready: no driver was to be asked yet."""
        nobody = bool(self.rivals) and all(r.cost_s == np.inf for r in self.rivals)
        return self.chosen is None and nobody and (self.ready_in_s or 0.0) > 0.0

    def _cause(self) -> str:
        if not self.rivals:
            return "no driver was eligible"
        if self.held:
            return f"it is ready in {self.ready_in_s:.0f} s, and who is sent now would be there long before"
        return "every driver was worth more to another order or cost too much"

    def _told(self, r: Rival) -> str:
        known = None not in (r.pickup_low_s, r.pickup_high_s, self.level)
        sure = f", {r.pickup_low_s:.0f} to {r.pickup_high_s:.0f} s in {self.level:.0%}" if known else ""
        age = "" if r.age_s is None else f", position {r.age_s:.0f} s old"
        late = "" if r.late is None else f", late with {r.late:.0%}"
        return f"driver {r.driver} (pickup {r.pickup_s:.0f} s{sure}{age}, accepts with {r.acceptance:.0%}{late}, cost {r.cost_s:.0f} s)"


def why(outcome: Outcome, order: int, *, band: Band | None = None) -> Why:
    """Explain one order of a window.

    Args:
        outcome: The window as it was decided.
        order: The order's id.
        band: How sure drives are, from `sure.band_of`; None = nobody knows.

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
    rivals = _rivals(own, requests.take(np.array([at])), taken, band)
    mine = decisions.of(at)
    chosen = next((r for r in rivals if len(mine) and r.driver == mine[0]), None)
    others = sorted((r for r in rivals if r is not chosen), key=lambda r: (r.cost_s, r.driver))
    removed = {reason: int(counts[at]) for reason, counts in outcome.trace.removed.items()}
    margin_s, instead = (float("inf"), -1) if chosen is None else _without(outcome, at, chosen.driver)
    ready_s = requests.columns.get("ready_s", np.full(at + 1, np.nan))
    ready_in_s = _known(float(np.maximum(ready_s[at] - requests.time_s[at], 0.0)))
    level = None if band is None else band.level
    return Why(order, float(requests.time_s[at]), chosen, tuple(others), removed, margin_s, instead, level, ready_in_s)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _rivals(own: Candidates, asked: Requests, taken: Mapping[int, int], band: Band | None) -> list[Rival]:
    """The drivers of one order; what only people ask for is reckoned here, for them alone."""
    pickup_s = own.column("pickup_s").astype(np.float64)
    aboard_s, trip_s, drive_s = doors(asked, own)
    due_s = asked.columns.get("due_s", np.full(1, np.inf))[0]
    spare_s = np.full(len(own), due_s - asked.time_s[0] if np.isfinite(due_s) else np.nan)
    late, _ = lateness(band, aboard_s + trip_s, drive_s + trip_s, spare_s)
    plain = pickup_s.tolist(), _chance(own).tolist(), (-own.column("score")).tolist()
    told = [[_known(v) for v in np.asarray(c).tolist()] for c in (own.column("age_s"), *around(band, pickup_s), late)]
    return [Rival(d, p, a, cost, taken.get(d, -1), *rest) for d, p, a, cost, *rest in zip(own.ids.tolist(), *plain, *told)]


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
