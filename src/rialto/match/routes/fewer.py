"""Fewer vehicles: a route's orders are forced into the others, which give up in turn what is easiest to place elsewhere."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.kernels import kernel
from rialto.match.routes.chance import draw
from rialto.match.routes.records import FROZEN, LENGTH
from rialto.match.routes.sheet import ANY, CHEAPEST, FIRST, Sheet, best_place, place, put, refresh, take

__all__ = ["force", "shake", "undo"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Rng = NDArray[np.uint64]


@njit(cache=True, nogil=True)
def undo(s: Sheet, stops: Ints, lengths: Ints) -> None:
    """Make every row what it was, from a copy of `stops` and of the lengths."""
    s.route_of[:] = -1
    for r in range(len(s.stops) - 1):
        s.stops[r], s.whole[r, LENGTH] = stops[r], lengths[r]
        refresh(s, r)
        for k in range(lengths[r]):
            s.route_of[stops[r, k] // 2] = r


@kernel
def _into_any(s: Sheet, active: Ints, order: int, rng: Rng) -> bool:
    """Put `order` into a row drawn from those that can take it, at a place drawn from theirs; False: none can."""
    first = draw(rng, len(active))
    for n in range(len(active)):
        r = int(active[(first + n) % len(active)])
        _, i, j = place(s, r, order, rng, ANY)
        if i >= 0:
            put(s, r, order, i, j)
            return True
    return False


@kernel
def _into_best(s: Sheet, active: Ints, order: int, rng: Rng) -> bool:
    """Put `order` into the row to which it adds least; False: none can take it."""
    least, row, where, wide = np.inf, -1, 0, s.stops.shape[1] + 2
    for n in range(len(active)):
        more, at = best_place(s, int(active[n]), order, rng)
        if more < least:
            least, row, where = more, int(active[n]), at
    if row >= 0:
        put(s, row, order, where // wide, where % wide)
    return row >= 0


@kernel
def shake(s: Sheet, active: Ints, movable: NDArray[np.bool_], times: int, rng: Rng) -> None:
    """Move orders drawn at random to feasible places drawn at random; rows stay within their limits."""
    for _ in range(times):
        order = draw(rng, len(movable))
        r = int(s.route_of[order])
        to = int(active[draw(rng, len(active))])
        if r < 0 or not movable[order]:
            continue
        if to == r:
            _lift(s, r, order)
        _, i, j = place(s, to, order, rng, ANY)
        if i < 0:
            continue
        if to != r:
            _lift(s, r, order)
        put(s, to, order, i, j)


@kernel
def _lift(s: Sheet, r: int, order: int) -> None:
    take(s, r, order)
    refresh(s, r)


@kernel
def _without(s: Sheet, r: int, first: int, second: int) -> int:
    """Copy row `r` without two orders (-1: none) into the row to try things in; returns that row."""
    spare, kept = len(s.stops) - 1, 0
    for k in range(s.whole[r, LENGTH]):
        order = s.stops[r, k] // 2
        if order != first and order != second:
            s.stops[spare, kept] = s.stops[r, k]
            kept += 1
    for c in range(s.whole.shape[1]):
        s.whole[spare, c] = s.whole[r, c]
    for c in range(s.real.shape[1]):
        s.real[spare, c] = s.real[r, c]
    s.kind[spare] = s.kind[r]
    s.whole[spare, LENGTH] = kept
    refresh(s, spare)
    return spare


@njit(cache=True, nogil=True)
def _cheapest_exchange(
    s: Sheet, active: Ints, order: int, movable: NDArray[np.bool_], weight: Floats, rng: Rng
) -> tuple[int, int, int]:
    """The row, and the one or two of its orders of least weight, that must leave for `order` to go in; -1 = none."""
    least, row, one, two = np.inf, -1, -1, -1
    first = draw(rng, len(active))
    inside = np.empty(s.stops.shape[1], dtype=np.int64)
    for n in range(len(active)):
        r = int(active[(first + n) % len(active)])
        count = 0
        for k in range(s.whole[r, FROZEN], s.whole[r, LENGTH]):
            if s.stops[r, k] % 2 == 0 and movable[s.stops[r, k] // 2]:
                inside[count] = s.stops[r, k] // 2
                count += 1
        for a in range(count):
            if weight[inside[a]] < least and place(s, _without(s, r, inside[a], -1), order, rng, FIRST)[1] >= 0:
                least, row, one, two = weight[inside[a]], r, inside[a], -1
        for a in range(count):
            for b in range(a):
                sum_of = weight[inside[a]] + weight[inside[b]]
                if sum_of < least and place(s, _without(s, r, inside[a], inside[b]), order, rng, FIRST)[1] >= 0:
                    least, row, one, two = sum_of, r, inside[a], inside[b]
    return row, one, two


@njit(cache=True, nogil=True)
def force(
    s: Sheet, active: Ints, movable: NDArray[np.bool_], pool: Ints, size: int, weight: Floats, rounds: int, shakes: int, rng: Rng
) -> int:
    """Work on a pool of orders without a row until it is empty, or for `rounds`.

    Args:
        s: The plan; rows stay within their limits.
        active: Rows that may be used.
        movable: Orders that may leave their row, shape (orders,).
        pool: Orders to place, the last of the first `size` next; room for all orders. Changed in place.
        size: How many.
        weight: How hard each has been to place, shape (orders,); learned in place.
        rounds: Orders taken from the pool at most.
        rng: Chance.

    Returns:
        Orders left in the pool: 0 = all have a row.

    Source:
        Nagata, Kobayashi (2010), "Guided ejection search for the pickup and delivery problem with time windows", EvoCOP.
    """
    for _ in range(rounds):
        if size == 0:
            break
        size -= 1
        order = int(pool[size])
        if _into_any(s, active, order, rng) if shakes > 0 else _into_best(s, active, order, rng):
            continue
        weight[order] += 1.0
        row, one, two = _cheapest_exchange(s, active, order, movable, weight, rng)
        if row < 0:
            pool[size] = order
            size += 1
        else:
            for out in (one, two):
                if out >= 0:
                    take(s, row, out)
                    pool[size] = out
                    size += 1
            refresh(s, row)
            _, i, j = place(s, row, order, rng, ANY if shakes > 0 else CHEAPEST)
            put(s, row, order, i, j)
        shake(s, active, movable, shakes, rng)
    return size
