"""Shorter routes: take related orders out, put them back, and keep what annealing accepts."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.kernels import kernel
from rialto.match.routes.chance import unit
from rialto.match.routes.fewer import force, undo
from rialto.match.routes.pool import note
from rialto.match.routes.records import LENGTH
from rialto.match.routes.repair import REPAIRS, repair
from rialto.match.routes.ruin import RUINS, ruin
from rialto.match.routes.sheet import Sheet, refresh
from rialto.match.routes.workbench import Bench, idle, keep

__all__ = ["anneal"]

Floats = NDArray[np.float64]
Rng = NDArray[np.uint64]

BEST, BETTER, OTHER = 8.0, 2.0, 0.5
"""What a way earns by a plan that is the best so far, better than the one before, or taken though it is not."""
LEAST_WEIGHT, HOLD = 0.1, 0.9
"""A way's least weight, and the share of its weight that it keeps when weights are worked out."""
NONE = 1e-9
"""A change of length that is none."""
PUSHED, PUSHES = 2, 4
"""Most orders in the bank that may push others aside, and how often in a round."""
SELDOM, OFTEN, STEP = 0.3, 0.6, 1.1
"""Share of whole plans below which, and above which, the price of an order in the bank changes, and the factor by which it does."""
CHEAPEST_OUT, DEAREST_OUT = 0.2, 100.0
"""Bounds of that price, in mean ways of an order."""
ASTRAY, DEARER = 200, 1.5
"""Rounds without a whole plan after which the best is taken up again, and the factor of the price then."""


@njit(cache=True, nogil=True)
def _pick(weight: Floats, size: int, rng: Rng) -> int:
    """One of the first `size`, as often as it weighs."""
    at = unit(rng) * weight[:size].sum()
    for k in range(size):
        at -= weight[k]
        if at < 0.0:
            return k
    return size - 1


@njit(cache=True, nogil=True)
def _put_back(s: Sheet, b: Bench, touched: int, out: int) -> None:
    """Undo a round."""
    for a in range(out):
        s.route_of[b.out[a]] = -1
    for t in range(touched):
        r = int(b.touched[t])
        s.whole[r, LENGTH] = b.lengths[t]
        s.stops[r, : b.lengths[t]] = b.saved[t, : b.lengths[t]]
        refresh(s, r)
        for k in range(b.lengths[t]):
            s.route_of[s.stops[r, k] // 2] = r


@kernel
def _drop_empty(s: Sheet, b: Bench) -> int:
    """Rows that an accepted round has emptied are used no more; returns how many."""
    kept, was = 0, b.in_use[0]
    for n in range(was):
        if not idle(s, int(b.active[n])):
            b.active[kept] = b.active[n]
            kept += 1
    b.in_use[0] = kept
    return was - kept


@njit(cache=True, nogil=True)
def _learn(b: Bench) -> None:
    """Ruins and repairs that earned more are drawn more often."""
    for half in range(2):
        for k in range(RUINS):
            if b.used[half, k] > 0.0:
                earned = b.earned[half, k] / b.used[half, k]
                b.weight[half, k] = max(LEAST_WEIGHT, HOLD * b.weight[half, k] + (1.0 - HOLD) * earned)
    b.used[:] = 0.0
    b.earned[:] = 0.0


@kernel
def _length(s: Sheet, b: Bench) -> tuple[float, bool]:
    """Travel of the rows in use, and whether one of them is idle."""
    way, empty = 0.0, False
    for n in range(b.in_use[0]):
        way += float(s.length[b.active[n]])
        empty = empty or idle(s, int(b.active[n]))
    return way, empty


@njit(cache=True, nogil=True)
def _last_resort(s: Sheet, b: Bench, touched: int, rng: Rng) -> int:
    """Let the few orders that no row takes push others aside; returns how many rows are noted."""
    size = int(b.banked[0])
    if not 0 < size <= PUSHED:
        return touched
    for n in range(b.in_use[0]):
        touched = keep(s, b, int(b.active[n]), touched)
    b.waiting[:size] = b.bank[0, :size]
    size = force(s, b.active[: b.in_use[0]], b.movable, b.waiting, size, b.hard, PUSHES, 0, rng)
    b.bank[0, :size], b.banked[0] = b.waiting[:size], size
    return touched


@njit(cache=True, nogil=True)
def _taken(s: Sheet, b: Bench, way: float, emptied: bool) -> bool:
    """Go on from the plan as it is; returns whether it is the best so far."""
    whole = b.banked[0] == 0
    b.whole[0] += whole
    b.value[0] = way
    fewer = emptied and _drop_empty(s, b) > 0
    if not whole or not (fewer or way < b.value[1] - NONE):
        return False
    b.value[1] = way
    b.best_stops[:] = s.stops[:-1]
    b.best_lengths[:] = s.whole[:-1, LENGTH]
    return True


@njit(cache=True, nogil=True)
def _round(s: Sheet, b: Bench, first: int, second: int, heat: float, rng: Rng) -> float:
    """One ruin and one repair, undone where annealing does not accept it; returns what they have earned."""
    was_out = int(b.banked[0])
    b.bank[1, :was_out] = b.bank[0, :was_out]
    out, touched = ruin(s, b, first, rng)
    touched = _last_resort(s, b, repair(s, b, second, out, touched, rng), rng)
    for t in range(touched):
        b.seen[b.touched[t]] = 0
        note(b.pool, s, int(b.touched[t]))
    was = b.value[0] + was_out * b.penalty[0]
    way, emptied = _length(s, b)
    now = way + b.banked[0] * b.penalty[0]
    emptied = emptied and b.banked[0] == 0
    if emptied or now < was - heat * np.log(max(unit(rng), 1e-12)):
        if _taken(s, b, way, emptied):
            return BEST
        return BETTER if now < was - NONE else OTHER if now > was + NONE else 0.0
    _put_back(s, b, touched, out)
    b.banked[0] = was_out
    b.bank[0, :was_out] = b.bank[1, :was_out]
    b.whole[0] += was_out == 0
    return 0.0


@njit(cache=True, nogil=True)
def _go_back(s: Sheet, b: Bench) -> None:
    """Where the bank has not been empty for long, go back to the best plan and let an order in the bank count for more."""
    b.whole[1] = 0 if b.banked[0] == 0 else b.whole[1] + 1
    if b.whole[1] > ASTRAY:
        undo(s, b.best_stops, b.best_lengths)
        b.value[0], b.banked[0], b.whole[1] = b.value[1], 0, 0
        b.penalty[0] *= DEARER


@njit(cache=True, nogil=True)
def _price(b: Bench, rounds: int) -> None:
    """Let an order in the bank count for more where plans are seldom whole, and for less where they mostly are."""
    share, mean = b.whole[0] / rounds, b.value[1] / len(b.movable)
    if share < SELDOM:
        b.penalty[0] *= STEP
    elif share > OFTEN:
        b.penalty[0] /= STEP
    b.penalty[0] = min(max(b.penalty[0], CHEAPEST_OUT * mean), DEAREST_OUT * mean)
    b.whole[0] = 0


@njit(cache=True, nogil=True)
def anneal(s: Sheet, b: Bench, rounds: int, heat: float, rng: Rng) -> None:
    """Run `rounds` of ruin and repair at the temperature `heat`; the best plan is kept in `b`.

    An order that no row takes waits in a bank at a price, so that the search may pass through plans that leave some out; the best plan
    leaves none.

    Args:
        s: The plan; rows stay within their limits, frozen stops and orders that may not move stay.
        b: The workbench.
        rounds: How many.
        heat: A plan longer by this is accepted once in e times.
        rng: Chance.

    Source:
        Ropke, Pisinger (2006), "An adaptive large neighborhood search heuristic for the pickup and delivery problem with time
        windows", Transportation Science 40(4); Christiaens, Vanden Berghe (2020), "Slack induction by string removals for vehicle
        routing problems", Transportation Science 54(2).
    """
    for _ in range(rounds):
        first, second = _pick(b.weight[0], RUINS, rng), _pick(b.weight[1], REPAIRS, rng)
        earned = _round(s, b, first, second, heat, rng)
        for half, way in enumerate((first, second)):
            b.used[half, way] += 1.0
            b.earned[half, way] += earned
        _go_back(s, b)
    _learn(b)
    _price(b, rounds)
