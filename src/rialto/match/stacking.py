"""Several orders with one driver: his plan of stops, who has a place left, and what a new order costs as a detour of his plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.match.detours import Found, Legs, Plans, detours
from rialto.match.durations import Band
from rialto.match.ledger import ASSIGNED, OFFERED, PICKED_UP
from rialto.match.outlook import LATE, doors
from rialto.match.plans import Laid, laid, legs_of, straight
from rialto.match.records import CAPACITY
from rialto.match.sure import lateness
from rialto.match.track import Track
from rialto.match.travel import Travel
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features
from rialto.spine.params import Param

__all__ = ["DETOUR_S", "MOST", "WAIT", "Stacks", "groups"]

MOST = Param(
    "match.stack.most", 1, low=1, high=4, unit="orders", doc="Orders that a driver may have at once; 1 = one after the other."
)
DETOUR_S = Param(
    "match.stack.detour_s",
    600.0,
    low=0.0,
    high=86_400.0,
    unit="s",
    doc="Most that an order's ride may be longer for the sake of others with the same driver.",
)
WAIT = Param(
    "match.stack.wait",
    0.5,
    low=0.0,
    high=1.0,
    unit="share",
    doc="Share of a stacked order's cost that is how much later people get their orders; the rest is the extra drive.",
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Where the stops of offers stand in their drivers' plans, by number of offer, rising: a plan is its stops by rising rank."""

    numbers: Ints
    pickup: Floats
    drop: Floats

    def of(self, numbers: Ints) -> tuple[Floats, Floats]:
        """Ranks of the stops of each offer, shape (numbers,) each; NaN where they were never given."""
        if not len(self.numbers):
            return np.full(len(numbers), np.nan), np.full(len(numbers), np.nan)
        at = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        known = self.numbers[at] == numbers
        return np.where(known, self.pickup[at], np.nan), np.where(known, self.drop[at], np.nan)

    def and_of(self, numbers: Ints, pickup: Floats, drop: Floats) -> _Ranks:
        """With these, where they are new."""
        new = ~np.isin(numbers, self.numbers)
        every = np.concatenate([self.numbers, numbers[new]])
        order = np.argsort(every)
        joined = (np.concatenate([mine, more[new]])[order] for mine, more in ((self.pickup, pickup), (self.drop, drop)))
        return _Ranks(every[order], *joined)


_FRONT = -1e6
"""Ranks of the drop-offs of what is on board, oldest first, where nobody knows better: in front of any other."""

_NO_RANKS = _Ranks(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))


class Stacks:
    """The plans of drivers who have orders, from what the ledger of offers says stands; the order of their stops is kept beside it.

    The first stop of a plan is under way and stays first; a stop that was made is gone with the message that it was. Where the order of
    stops is not known, after a restart, what is on board goes first, and the other orders are put into the plan one by one, where they
    bend it least in straight lines.

    Args:
        track: Where drivers are, what they have room for and until when.
    """

    def __init__(self, track: Track) -> None:
        self._track, self._ranks = track, _NO_RANKS
        self.laid = Laid.none()
        """Plans of the drivers who have a place left, as of the last `see`."""

    def see(self, standing: Columns, *, most: int, at_s: float) -> Ints:
        """Take what stands; returns the drivers who may take one more order, rising.

        Those have accepted all that they were offered, have fewer than `most` orders, and it is known where they are and go.

        Args:
            standing: As `Offers.standing` tells it.
            most: Orders that a driver may have at once.
            at_s: Now, s.

        Cost:
            Some 2 us an order that stands.
        """
        track = self._track
        known, _ = track.slots(standing["driver"])
        accepted = known & (standing["state"] >= ASSIGNED)
        pickup, drop = self._ranked({n: c[accepted] for n, c in standing.items()}, at_s)
        numbers = standing["number"]
        self._ranks = self._ranks.and_of(numbers[accepted], pickup, drop)
        stay = np.isin(self._ranks.numbers, numbers)
        self._ranks = _Ranks(self._ranks.numbers[stay], self._ranks.pickup[stay], self._ranks.drop[stay])
        drivers, of, counts = np.unique(standing["driver"], return_inverse=True, return_counts=True)
        x_m, y_m = track.place(standing["driver"][known])
        unknown = ~np.isfinite(standing["drop_lat"]) | (standing["state"] == OFFERED) | ~known
        unknown[known] |= ~np.isfinite(x_m) | ~np.isfinite(y_m)
        hindered = np.bincount(of, unknown, len(drivers)) > 0
        roomy = drivers[~hindered & (counts < most)]
        rows = np.isin(standing["driver"], roomy)
        self.laid = laid({n: c[rows] for n, c in standing.items()}, *self._ranks.of(numbers[rows]), track, at_s)
        return roomy

    def nobody(self) -> Ints:
        """Nobody may take one more order from now on: no drivers."""
        self.laid = Laid.none()
        return self.laid.drivers

    def _ranked(self, accepted: Columns, at_s: float) -> tuple[Floats, Floats]:
        """Ranks of all accepted orders, shape (accepted,) each."""
        pickup, drop = self._ranks.of(accepted["number"])
        aboard = np.flatnonzero(np.isnan(pickup) & (accepted["state"] == PICKED_UP))
        pickup[aboard] = drop[aboard] = _FRONT + np.arange(len(aboard))
        while (missing := np.isnan(pickup)).any():  # the oldest offer of each driver first: as many rounds as one has orders
            rows = np.flatnonzero(missing)
            rows = rows[np.unique(accepted["driver"][rows], return_index=True)[1]]
            told = ~missing & np.isin(accepted["driver"], accepted["driver"][rows])
            plans = laid({n: c[told] for n, c in accepted.items()}, pickup[told], drop[told], self._track, at_s)
            new = {n: c[rows] for n, c in accepted.items()}
            pickup[rows], drop[rows] = _put(plans, new, at_s)
        return pickup, drop

    def keep(self, numbers: Ints, drivers: Ints, at: Ints, to: Ints) -> None:
        """Remember where the stops of offers stand in the plans of `laid`, shape (offers,) each; see `Found`."""
        plan = np.searchsorted(self.laid.drivers, drivers)
        self._ranks = self._ranks.and_of(numbers, *_between(self.laid, plan, at, to))

    def order_of(self, numbers: Ints, picked_up: NDArray[np.bool_]) -> list[tuple[int, bool]]:
        """The stops of one driver's offers, in order: row of the offer, and whether it is the drop-off.

        Of those whose rank is not known, drop-offs of what is on board come first, and the others one by one behind all else.
        """
        pickup, drop = self._ranks.of(numbers)
        known = np.isfinite(drop)
        last = float(drop[known].max()) if known.any() else 0.0
        rows = np.arange(len(numbers))
        pickup = np.where(known, pickup, last + 1.0 + 2 * rows)
        drop = np.where(known, drop, np.where(picked_up, _FRONT + rows, last + 2.0 + 2 * rows))
        stops = [(float(pickup[r]), r, False) for r in rows.tolist() if not picked_up[r]]
        stops += [(float(drop[r]), r, True) for r in rows.tolist()]
        return [(r, dropped) for _, r, dropped in sorted(stops)]


def _put(plans: Laid, new: Columns, at_s: float) -> tuple[Floats, Floats]:
    """Ranks of the stops of `new` orders, one a driver, in the plans of those who have one; for the others, those of a first order."""
    pickup, drop = np.zeros(len(new["driver"])), np.ones(len(new["driver"]))
    has = np.flatnonzero(np.isin(new["driver"], plans.drivers))
    if not len(has):
        return pickup, drop
    plan = np.searchsorted(plans.drivers, new["driver"][has])
    ends = np.stack([new[name][has] for name in ("lat", "lon", "drop_lat", "drop_lon")], axis=1)
    leg, direct_s, legs = legs_of(plans, np.arange(len(plans.drivers)), plan, ends, straight)
    size = len(has)
    load = np.stack([new[name][has] for name in CAPACITY], axis=1).astype(np.float64)
    free, zero = np.full(size, np.inf), np.zeros(size)
    found = detours(
        plans.plans._replace(leg=leg, direct_s=direct_s, by_s=np.full(len(plans.drivers), np.inf)),
        Legs._make((plan, *legs, load, -free, free, free, zero, zero)),
    )
    nowhere = ~np.isfinite(found.cost_s)  # no drop is known, or there is no room any more: behind all else
    end = plans.plans.size[plan]
    at, to = np.where(nowhere, end, found.at), np.where(nowhere, end, found.to)
    pickup[has], drop[has] = _between(plans, plan, at, to)
    return pickup, drop


def _between(plans: Laid, plan: Ints, at: Ints, to: Ints) -> tuple[Floats, Floats]:
    """Ranks that put a pickup in front of stop `at` of its plan, and a drop-off in front of stop `to` and behind the pickup."""
    if not len(plan):
        return np.zeros(0), np.zeros(0)
    size = plans.plans.size[plan]
    first, last = plans.rank[plan, 0], plans.rank[plan, np.maximum(size - 1, 0)]

    def rank(place: Ints) -> Floats:
        inside = plans.rank[plan, np.clip(place, 0, np.maximum(size - 1, 0))]
        return np.where(place < 0, first - 2.0, np.where(place >= size, last + 2.0, inside))

    pickup = (rank(at - 1) + rank(at)) / 2.0
    before = np.where(to > at, rank(to - 1), pickup)
    return pickup, (before + rank(to)) / 2.0


def groups(travel: Travel, stacks: Stacks, *, band: Band | None = None) -> list[Features]:
    """What is known of pairs with drivers who have orders: `held` ones; the best detour; and what that makes of the other columns.

    Columns: `held`, orders that the driver has; `stack_s`, what the pair costs instead of the drive to the pickup, without what the
    order's own lateness costs, inf = there is no place for it, NaN = not stacked, or not known as the travel engine failed;
    `stack_pickup_s` and `stack_drop_s`, when it is picked up and dropped off by the plan, seconds from now; `stack_at`, `stack_to`,
    its places there. `pickup_s`, `late`, `late_s` and `cancel` become those by the plan; `band` is as for `outlook`.
    """
    names = ("stack_s", "stack_pickup_s", "stack_drop_s", "stack_at", "stack_to")

    def held(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        plan, stacked = stacks.laid.of(candidates.ids)
        made = np.zeros(len(candidates), dtype=np.float32)
        made[stacked] = stacks.laid.held[plan[stacked]]
        return {"held": made}

    def stack(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        made = {name: np.full(len(candidates), np.nan, dtype=np.float32) for name in names}
        rows = np.flatnonzero(candidates.column("held") > 0)
        if len(rows):
            found = _best(requests, candidates, rows, stacks.laid, travel)
            owner, there = candidates.owner[rows], np.isfinite(found.cost_s)
            spare_s = (_due_s(requests) - requests.time_s)[owner]
            own = LATE.of(requests)[owner] * np.maximum(np.where(there, found.drop_s, 0.0) - spare_s, 0.0)
            for name, values in zip(names, (found.cost_s - own, *found[1:])):
                made[name][rows] = values
        return made

    def planned(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        pickup_s, drop_s = (candidates.column(f"stack_{end}_s").astype(np.float64) for end in ("pickup", "drop"))
        there, owner = np.isfinite(pickup_s), candidates.owner
        due_s = _due_s(requests)
        spare_s = np.where(np.isfinite(due_s), due_s - requests.time_s, np.nan)[owner]
        late, late_s = lateness(band, np.where(there, drop_s, 0.0), np.where(there, drop_s, 0.0), spare_s)
        stays = np.log1p(-np.minimum(candidates.column("cancel"), 0.999))  # as probable a second as it was
        gone = -np.expm1(stays * np.where(there, pickup_s, 0.0) / np.maximum(doors(requests, candidates)[0], 1.0))
        new = {"pickup_s": pickup_s, "late": late, "late_s": late_s, "cancel": gone}
        old = {name: candidates.column(name) for name in new}
        asked = {name: there & ((name == "pickup_s") | ~np.isnan(column)) for name, column in old.items()}
        return {name: np.where(asked[name], values, old[name]).astype(np.float32) for name, values in new.items()}

    return [
        Features("held", ("held",), held),
        Features("stack", names, stack, otherwise=float("nan")),
        Features("planned", ("pickup_s", "late", "late_s", "cancel"), planned),
    ]


def _due_s(requests: Requests) -> Floats:
    due_s = requests.columns.get("due_s")
    return np.full(len(requests), np.inf) if due_s is None else due_s


def _best(requests: Requests, candidates: Candidates, rows: Ints, plans: Laid, travel: Travel) -> Found:
    """The best detours of the pairs at `rows`, all of drivers with a plan."""
    owner, now_s = candidates.owner[rows], requests.time_s[candidates.owner[rows]]
    used, plan = np.unique(plans.of(candidates.ids[rows])[0], return_inverse=True)
    ends = np.stack([requests.column(name)[owner] for name in ("lat", "lon", "drop_lat", "drop_lon")], axis=1)

    def seconds(start: Floats, goal: Floats) -> Floats:
        return travel.seconds(start, goal, at_s=np.full(len(start), now_s[0]))

    leg, direct_s, legs = legs_of(plans, used, plan, ends, seconds)
    chosen = Plans._make(column[used] for column in plans.plans)._replace(leg=leg, direct_s=direct_s)
    ready_s = requests.columns.get("ready_s")
    waits_s = np.full(len(rows), -np.inf) if ready_s is None else np.nan_to_num(ready_s[owner] - now_s, nan=-np.inf)
    load = np.stack([requests.column(name)[owner] for name in CAPACITY], axis=1).astype(np.float64)
    bounds = (param.of(requests)[owner].astype(np.float64) for param in (DETOUR_S, WAIT, LATE))
    return detours(chosen, Legs._make((plan, *legs, load, waits_s, _due_s(requests)[owner] - now_s, *bounds)))
