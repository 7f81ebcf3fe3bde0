"""Shorter routes: take related orders out, put them back, and keep what annealing accepts."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.match.routes.chance import unit
from rialto.match.routes.records import LENGTH
from rialto.match.routes.repair import REPAIRS, repair
from rialto.match.routes.ruin import RUINS, ruin
from rialto.match.routes.sheet import Sheet, refresh
from rialto.match.routes.workbench import Bench, idle

__all__ = ["anneal"]

Floats = NDArray[np.float64]
Rng = NDArray[np.uint64]

BEST, BETTER, OTHER = 8.0, 2.0, 0.5
"""What a way earns by a plan that is the best so far, better than the one before, or taken though it is not."""
LEAST_WEIGHT, HOLD = 0.1, 0.9
"""A way's least weight, and the share of its weight that it keeps when weights are worked out."""
NONE = 1e-9
"""A change of length that is none."""


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
        s.stops[r], s.whole[r, LENGTH] = b.saved[t], b.lengths[t]
        refresh(s, r)
        for k in range(b.lengths[t]):
            s.route_of[s.stops[r, k] // 2] = r


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _length(s: Sheet, b: Bench) -> tuple[float, bool]:
    """Travel of the rows in use, and whether one of them is idle."""
    way, empty = 0.0, False
    for n in range(b.in_use[0]):
        way += float(s.length[b.active[n]])
        empty = empty or idle(s, int(b.active[n]))
    return way, empty


@njit(cache=True, nogil=True)
def _round(s: Sheet, b: Bench, first: int, second: int, heat: float, rng: Rng) -> float:
    """One ruin and one repair, undone where annealing does not accept it; returns what they have earned."""
    out, touched = ruin(s, b, first, rng)
    whole, touched = repair(s, b, second, out, touched, rng)
    for t in range(touched):
        b.seen[b.touched[t]] = 0
    was = b.value[0]
    now, emptied = _length(s, b)
    if not whole or not (emptied or now < was - heat * np.log(max(unit(rng), 1e-12))):
        _put_back(s, b, touched, out)
        return 0.0
    fewer = emptied and _drop_empty(s, b) > 0
    b.value[0] = now
    if fewer or now < b.value[1] - NONE:
        b.value[1] = now
        b.best_stops[:] = s.stops[:-1]
        b.best_lengths[:] = s.whole[:-1, LENGTH]
        return BEST
    return BETTER if now < was - NONE else OTHER if now > was + NONE else 0.0


@njit(cache=True, nogil=True)
def anneal(s: Sheet, b: Bench, rounds: int, heat: float, rng: Rng) -> None:
    """Run `rounds` of ruin and repair at the temperature `heat`; the best plan is kept in `b`.

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
    _learn(b)
