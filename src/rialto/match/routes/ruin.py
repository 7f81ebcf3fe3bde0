"""Which orders leave their routes: runs of stops that lie together, related orders, costly ones, or a whole route."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.kernels import kernel
from rialto.match.routes.chance import draw, unit
from rialto.match.routes.records import EARLIEST, FROZEN, HOME, LATEST, LENGTH, START
from rialto.match.routes.sheet import Sheet, refresh, take
from rialto.match.routes.workbench import Bench, keep

__all__ = ["RUINS", "ruin"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Rng = NDArray[np.uint64]

RUINS = 4
"""Ways to take orders out."""
STRING = 10
"""Longest run of stops that leaves a row at once, and about how many leave in all such runs."""
MOST_OUT, MOST_SHARE = 40, 3
"""Most orders that leave at once in the other ways, and two; no more than one in three of all."""


@kernel
def _out(s: Sheet, b: Bench, order: int, out: int, touched: int) -> tuple[int, int]:
    """Take `order` out of its row, if it may leave; returns how many are out and how many rows are noted."""
    r = int(s.route_of[order])
    if r < 0 or not b.movable[order]:
        return out, touched
    touched = keep(s, b, r, touched)
    take(s, r, order)
    b.out[out] = order
    return out + 1, touched


@kernel
def _seed(b: Bench, rng: Rng) -> int:
    """An order drawn from all, or, half of the time, from those that have no row now."""
    if b.banked[0] > 0 and draw(rng, 2) == 0:
        return int(b.bank[0, draw(rng, b.banked[0])])
    return draw(rng, len(b.movable))


@njit(cache=True, nogil=True)
def _strings(s: Sheet, b: Bench, out: int, rng: Rng) -> tuple[int, int]:
    """Runs of stops leave rows that lie near one another."""
    stops = 0
    for n in range(b.in_use[0]):
        stops += s.whole[b.active[n], LENGTH]
    longest = min(float(STRING), stops / b.in_use[0])
    rows = 1 + int(unit(rng) * (4.0 * STRING / (1.0 + longest) - 1.0))
    seed = 2 * _seed(b, rng) + draw(rng, 2)
    touched, done = 0, 0
    taken = np.empty(2 * STRING, dtype=np.int64)
    for n in range(b.near.shape[1]):
        if done == rows:
            break
        stop = int(b.near[seed, n])
        r = int(s.route_of[stop // 2]) if stop < 2 * len(b.movable) else -1
        if r < 0 or b.seen[r] == 1 or not b.movable[stop // 2]:
            continue
        size, frozen, at = s.whole[r, LENGTH], s.whole[r, FROZEN], 0
        while s.stops[r, at] != stop:
            at += 1
        run = min(1 + draw(rng, max(1, int(min(longest, float(size))))), size - frozen)
        low = max(frozen, at - run + 1)
        start = low + draw(rng, min(at, size - run) - low + 1)
        # a part in the middle may stay
        stay = draw(rng, max(1, run - 1)) if draw(rng, 2) == 0 and start + run < size else 0
        run = min(run + stay, size - start)
        skip = draw(rng, run - stay + 1) if stay > 0 else run
        count = 0
        for k in range(run):
            if k < skip or k >= skip + stay:
                taken[count] = s.stops[r, start + k] // 2
                count += 1
        b_before = touched
        for k in range(count):
            out, touched = _out(s, b, int(taken[k]), out, touched)
        done += 1 if touched > b_before else 0
    return out, touched


@njit(cache=True, nogil=True)
def _first(s: Sheet, b: Bench, key: Floats, wanted: int, out: int) -> tuple[int, int]:
    """Orders of the least keys leave, until `wanted` are out."""
    order, touched = np.argsort(key), 0
    for n in range(len(key)):
        if out == wanted:
            break
        out, touched = _out(s, b, int(order[n]), out, touched)
    return out, touched


@njit(cache=True, nogil=True)
def _related(s: Sheet, b: Bench, wanted: int, out: int, rng: Rng) -> tuple[int, int]:
    """Orders leave that are near one another in place and in time."""
    size = len(b.movable)
    seed = _seed(b, rng)
    far = np.empty(size)
    for o in range(size):
        p, q = 2 * o, 2 * seed
        apart = s.seconds[p, q] + s.seconds[p + 1, q + 1]
        when = abs(s.window[p, EARLIEST] - s.window[q, EARLIEST]) + abs(s.window[p + 1, LATEST] - s.window[q + 1, LATEST])
        far[o] = (apart + 0.2 * min(when, 1e9)) * (0.4 + unit(rng))
    far[seed] = -1.0
    return _first(s, b, far, wanted, out)


@njit(cache=True, nogil=True)
def _costly(s: Sheet, b: Bench, wanted: int, out: int, rng: Rng) -> tuple[int, int]:
    """Orders leave whose own stops make the most of the way."""
    worth = np.zeros(len(b.movable))
    for n in range(b.in_use[0]):
        r = int(b.active[n])
        at = s.whole[r, START]
        for k in range(s.whole[r, LENGTH]):
            stop = s.stops[r, k]
            to = s.stops[r, k + 1] if k + 1 < s.whole[r, LENGTH] else s.whole[r, HOME]
            bend = s.seconds[at, stop] + (s.seconds[stop, to] - s.seconds[at, to] if to >= 0 else 0.0)
            worth[stop // 2] -= bend * (0.5 + unit(rng))
            at = stop
    return _first(s, b, worth, wanted, out)


@njit(cache=True, nogil=True)
def _whole_row(s: Sheet, b: Bench, wanted: int, out: int, rng: Rng) -> tuple[int, int]:
    """A row is emptied (of `wanted` orders at most), and a few others leave at random."""
    touched = 0
    r = int(b.active[draw(rng, b.in_use[0])])
    first = draw(rng, max(1, s.whole[r, LENGTH]))
    row = s.stops[r, : s.whole[r, LENGTH]].copy()
    for k in range(len(row)):
        if out < wanted:
            out, touched = _out(s, b, int(row[(first + k) % len(row)] // 2), out, touched)
    for _ in range(1 + draw(rng, 4)):
        out, touched = _out(s, b, draw(rng, len(b.movable)), out, touched)
    return out, touched


@njit(cache=True, nogil=True)
def ruin(s: Sheet, b: Bench, way: int, rng: Rng) -> tuple[int, int]:
    """Take orders out in one of the `RUINS` ways, beside those in the bank; returns how many are in `b.out`, and how many rows are noted."""
    size, out = len(b.movable), int(b.banked[0])
    b.out[:out] = b.bank[0, :out]
    wanted = min(size, 2 + out + int(min(MOST_OUT, size / MOST_SHARE) * unit(rng)))
    if way == 0:
        out, touched = _strings(s, b, out, rng)
    elif way == 1:
        out, touched = _related(s, b, wanted, out, rng)
    elif way == 2:
        out, touched = _costly(s, b, wanted, out, rng)
    else:
        out, touched = _whole_row(s, b, wanted, out, rng)
    for t in range(touched):
        refresh(s, int(b.touched[t]))
    return out, touched
