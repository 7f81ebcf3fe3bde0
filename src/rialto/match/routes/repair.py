"""How orders come back into routes: one by one where each adds least, or first the one that would lose most by waiting."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.kernels import kernel
from rialto.match.routes.chance import draw, unit
from rialto.match.routes.records import EARLIEST, LATEST
from rialto.match.routes.sheet import Sheet, best_place, put
from rialto.match.routes.workbench import Bench, keep

__all__ = ["REPAIRS", "repair"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Rng = NDArray[np.uint64]

REPAIRS = 3
"""Ways to put orders back."""
BLINK = 0.01
"""Share of rows that an insertion overlooks."""
NOISE = 0.1
"""Largest share by which an insertion may seem dearer than it is."""
NOWHERE = 1e7
"""What a row that cannot take an order counts for in its regret."""


@kernel
def _bank(b: Bench, order: int) -> None:
    """Note an order that no row takes."""
    b.bank[0, b.banked[0]] = order
    b.banked[0] += 1


@njit(cache=True, nogil=True)
def _turn(s: Sheet, b: Bench, out: int, rng: Rng) -> Ints:
    """An order of the orders that are out: drawn, or long ways first, or narrow windows, or early ones."""
    key, by = np.empty(out), draw(rng, 4)
    for a in range(out):
        o = int(b.out[a])
        key[a] = unit(rng)
        if by == 1:
            key[a] = -s.seconds[2 * o, 2 * o + 1]
        elif by == 2:
            key[a] = s.window[2 * o, LATEST] - s.window[2 * o, EARLIEST]
        elif by == 3:
            key[a] = s.window[2 * o, EARLIEST]
    return np.argsort(key)


@njit(cache=True, nogil=True)
def _one_by_one(s: Sheet, b: Bench, out: int, touched: int, rng: Rng) -> int:
    """Put the orders back in a turn of theirs, each where it adds least, now and then overlooking a row."""
    turn, wide = _turn(s, b, out, rng), s.stops.shape[1] + 2
    for a in range(out):
        order = int(b.out[turn[a]])
        least, row, where = np.inf, -1, 0
        for n in range(b.in_use[0]):
            r = int(b.active[n])
            if unit(rng) < BLINK:
                continue
            more, at = best_place(s, r, order, rng)
            if more < least:
                least, row, where = more, r, at
        if row < 0:
            _bank(b, order)
            continue
        touched = keep(s, b, row, touched)
        put(s, row, order, where // wide, where % wide)
    return touched


@njit(cache=True, nogil=True)
def _regret(more: Floats, low: Floats) -> tuple[int, float]:
    """Where an order costs least (-1: nowhere), and what it would lose by its next best places together; `low` is room for those."""
    low[:] = np.inf
    at, last, regret = -1, len(low) - 1, 0.0
    for n in range(len(more)):
        if more[n] >= low[last]:
            continue
        if more[n] < low[0]:
            at = n
        d = last
        while d > 0 and low[d - 1] > more[n]:
            low[d] = low[d - 1]
            d -= 1
        low[d] = more[n]
    for d in range(1, len(low)):
        regret += min(low[d], NOWHERE) - low[0]
    return at, regret


@kernel
def _priced(s: Sheet, r: int, order: int, noise: float, rng: Rng) -> tuple[float, int]:
    """`best_place`, at a price that is a little wrong."""
    more, where = best_place(s, r, order, rng)
    return (more + noise * abs(more) * unit(rng) if np.isfinite(more) else np.inf), where


@njit(cache=True, nogil=True)
def _by_regret(s: Sheet, b: Bench, out: int, touched: int, depth: int, rng: Rng) -> int:
    """Put back first the order that would lose most if it did not get the row that is best for it."""
    rows, wide = b.in_use[0], s.stops.shape[1] + 2
    more, where = np.empty((out, rows)), np.empty((out, rows), dtype=np.int64)
    noise = NOISE * unit(rng) if draw(rng, 2) == 0 else 0.0
    for a in range(out):
        for n in range(rows):
            more[a, n], where[a, n] = _priced(s, int(b.active[n]), int(b.out[a]), noise, rng)
    waiting, low = np.ones(out, dtype=np.bool_), np.empty(depth)
    for _ in range(out):
        pick, pick_n, most, least = -1, -1, -np.inf, np.inf
        for a in range(out):
            if waiting[a]:
                at, regret = _regret(more[a], low)
                if at < 0:
                    waiting[a] = False
                    _bank(b, int(b.out[a]))
                elif regret > most or (regret == most and low[0] < least):
                    pick, pick_n, most, least = a, at, regret, low[0]
        if pick < 0:
            break
        waiting[pick] = False
        r = int(b.active[pick_n])
        touched = keep(s, b, r, touched)
        put(s, r, int(b.out[pick]), where[pick, pick_n] // wide, where[pick, pick_n] % wide)
        for a in range(out):
            if waiting[a]:
                more[a, pick_n], where[a, pick_n] = _priced(s, r, int(b.out[a]), noise, rng)
    return touched


@njit(cache=True, nogil=True)
def repair(s: Sheet, b: Bench, way: int, out: int, touched: int, rng: Rng) -> int:
    """Put the first `out` of `b.out` back in one of the `REPAIRS` ways; returns how many rows are noted."""
    b.banked[0] = 0
    if way == 0:
        return _one_by_one(s, b, out, touched, rng)
    return _by_regret(s, b, out, touched, 2 if way == 1 else 4, rng)
