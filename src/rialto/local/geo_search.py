"""The exact nearest eligible points on the grid, and the plain version that its test compares it with.

A search guesses a radius from the tile's density and from the searches before it, keeps what lies inside the circle, and is done when
that is k points, because nothing nearer can lie outside; else it tries a larger circle. Choosing the best k of some 13 found takes a
third of the time, looking at some 28 points another, and finding the runs of memory most of the rest.

Everything compares squared distances `dx * dx + dy * dy` in float64; equal ones are ordered by id.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.kernels import inner, kernel
from rialto.local.grid import Grid, Points, step, tile_of

__all__ = ["EVERYWHERE2", "SCRATCH", "SHARES", "Ask", "pack", "search", "search_plain"]

EVERYWHERE2 = 1e17
"""Square of more than the largest distance there can be, so that an endless radius is a number that can be reached."""

SCRATCH = 128
"""Places of scratch beside four for each of the k: `near` and `at` of `search` hold 4 k + SCRATCH."""

_SHARE_BITS = 12
SHARES = 1 << _SHARE_BITS
"""Places of `share` of `search`: the area of the circle tried first, by need, in areas that hold k points of the tile, over pi."""

FIRST_SHARE = 1.3 / np.pi
"""A first guess for `share`: right where all are eligible."""

_SLACK_M = 1e-7
_SPARE = 64
_FEW = 32
_SHORT = 8  # a list of ids that is looked through from end to end


class Ask(NamedTuple):
    """A batch of queries: `x`, `y`, `need` (queries,), the order to answer them in, and what holds for all.

    Args:
        flagged: Whether a point's bits must be looked at at all.
        deep: Whether a point's time and amounts, and who is barred, must be.
        kinds, columns: Amounts to look at: their columns in `least`, and in the points' amounts, shape (looked at,) each.
        least, per_m: Amounts wanted, shape (queries, kinds), and what each metre adds to them, shape (kinds,).
        bar_at, bar: Ids barred from each query, rising, `bar[bar_at[q]:bar_at[q+1]]`.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    need: NDArray[np.uint64]
    order: NDArray[np.int64]
    radius2: float
    fresh: float
    flagged: bool
    deep: bool
    kinds: NDArray[np.int64]
    columns: NDArray[np.int64]
    least: NDArray[np.float64]
    per_m: NDArray[np.float64]
    bar_at: NDArray[np.int64]
    bar: NDArray[np.int64]


@inner
def _best(near: NDArray[np.float64], at: NDArray[np.int64], found: int, k: int, ids: NDArray[np.int64]) -> int:
    """Bring the best k of the first `found` to the front, in order; returns how many there are."""
    if found <= _FEW and _by_rank(near, at, found, k):
        return min(found, k)
    return _by_insertion(near, at, found, k, ids)


@inner
def _by_rank(near: NDArray[np.float64], at: NDArray[np.int64], found: int, k: int) -> bool:
    """Sort few by counting who is nearer than whom, which has no branch to guess wrong; false, and no change, where two are equal.

    What lies behind the first `_FEW` of `near` and `at` is overwritten.
    """
    one, sorted_, ranks = np.uint64(1), np.uint64(_FEW), np.uint64(2 * _FEW)
    i, last = np.uint64(0), np.uint64(found)
    while i < last:
        before, j = 0, np.uint64(0)
        while j < i:
            nearer = near[j] <= near[i]
            before += nearer
            at[ranks + j] += not nearer
            j += one
        at[ranks + i] = before
        i += one
    i = np.uint64(0)
    while i < last:
        place = sorted_ + np.uint64(at[ranks + i])
        near[place], at[place] = near[i], at[i]
        i += one
    equal = 0
    for r in range(min(found, k + 1) - 1):
        equal += near[_FEW + r] == near[_FEW + r + 1]
    if equal > 0:
        return False
    for r in range(min(found, k)):
        near[r], at[r] = near[_FEW + r], at[_FEW + r]
    return True


@kernel
def _by_insertion(near: NDArray[np.float64], at: NDArray[np.int64], found: int, k: int, ids: NDArray[np.int64]) -> int:
    """Bring the best k of the first `found` to the front, in order; returns how many there are."""
    kept = min(found, 1)
    for i in range(1, found):
        d, p = near[i], at[i]
        if kept == k and (d > near[k - 1] or (d == near[k - 1] and ids[p] > ids[at[k - 1]])):
            continue
        j = kept if kept < k else k - 1
        while j > 0 and (near[j - 1] > d or (near[j - 1] == d and ids[at[j - 1]] > ids[p])):
            near[j], at[j] = near[j - 1], at[j - 1]
            j -= 1
        near[j], at[j] = d, p
        if kept < k:
            kept += 1
    return kept


@inner
def _scan(
    points: Points,
    a: int,
    b: int,
    x: float,
    y: float,
    within: float,
    near: NDArray[np.float64],
    at: NDArray[np.int64],
    found: int,
) -> int:
    """Append those of points `a..b` no farther than `within`; without a branch, as half of them are.

    Unsigned places spare numba's test for an index from the end.
    """
    px, py = points.x, points.y
    p, end, m, one = np.uint64(a), np.uint64(b), np.uint64(found), np.uint64(1)
    while p < end:
        dx, dy = px[p] - x, py[p] - y
        d = dx * dx + dy * dy
        near[m], at[m] = d, np.int64(p)
        m += np.uint64(d <= within)
        p += one
    return np.int64(m)  # pyright: ignore[reportReturnType]  # int() would keep it unsigned


@inner
def _scan_flagged(
    points: Points, a: int, b: int, x: float, y: float, need: int, within: float,
    near: NDArray[np.float64], at: NDArray[np.int64], found: int,
) -> int:  # fmt: skip
    """`_scan` for those points that hold all bits of `need`."""
    px, py, flags = points.x, points.y, points.flags
    p, end, m, one = np.uint64(a), np.uint64(b), np.uint64(found), np.uint64(1)
    wanted = np.uint64(need)
    while p < end:
        dx, dy = px[p] - x, py[p] - y
        d = dx * dx + dy * dy
        near[m], at[m] = d, np.int64(p)
        m += np.uint64((d <= within) & ((flags[p] & wanted) == wanted))
        p += one
    return np.int64(m)  # pyright: ignore[reportReturnType]  # int() would keep it unsigned


@inner
def _barred(bar: NDArray[np.int64], low: int, high: int, id_: int) -> bool:
    """Whether `bar[low:high]`, which rises, holds `id_`."""
    end = np.uint64(high)
    while high - low > _SHORT:
        middle = (low + high) >> 1
        if bar[middle] <= id_:
            low = middle
        else:
            high = middle
    found, i = False, np.uint64(low)
    while i < end and i < np.uint64(low + _SHORT):
        found |= bar[i] == id_
        i += np.uint64(1)
    return found


@inner
def _eligible(points: Points, ask: Ask, q: int, near: NDArray[np.float64], at: NDArray[np.int64], found: int, k: int) -> int:
    """Keep the first k of `found` that are fresh, have what query `q` asks for, and are not barred from it; returns how many."""
    time, amounts, least, per_m, fresh = points.time, points.amounts, ask.least, ask.per_m, ask.fresh
    row, kinds, one = np.uint64(q), np.uint64(ask.columns.size), np.uint64(1)
    first, last = ask.bar_at[row], ask.bar_at[row + one]
    i, end, m, most = np.uint64(0), np.uint64(found), np.uint64(0), np.uint64(k)
    while i < end and m < most:
        p, d = np.uint64(at[i]), near[i]
        fits = time[p] >= fresh
        metres, j = np.sqrt(d), np.uint64(0)
        while j < kinds:
            kind = np.uint64(ask.kinds[j])
            fits &= amounts[p, np.uint64(ask.columns[j])] >= least[row, kind] + per_m[kind] * metres
            j += one
        if first < last:
            fits &= not _barred(ask.bar, first, last, points.id[p])
        near[m], at[m] = d, np.int64(p)
        m += np.uint64(fits)
        i += one
    return np.int64(m)  # pyright: ignore[reportReturnType]  # int() would keep it unsigned


@inner
def _run(
    points: Points, a: int, b: int, ask: Ask, q: int, k: int, within: float,
    near: NDArray[np.float64], at: NDArray[np.int64], found: int,
) -> tuple[int, float]:  # fmt: skip
    """Scan one run of memory, in parts that fit the buffer; returns how many are held and the radius, which may have shrunk."""
    while a < b:
        if near.size - found < _SPARE:
            if ask.deep:
                found = _eligible(points, ask, q, near, at, found, found)
            if found >= k:
                found = _best(near, at, found, k, points.id)
                within = min(within, near[found - 1])
        end = min(b, a + near.size - found)
        if ask.flagged:
            more = _scan_flagged(points, a, end, ask.x[q], ask.y[q], ask.need[q], within, near, at, found)
        else:
            more = _scan(points, a, end, ask.x[q], ask.y[q], within, near, at, found)
        found = more
        a = end
    return found, within


@inner
def _may(grid: Grid, t: int, ask: Ask, q: int) -> bool:
    """Whether a point of tile `t` may have the bits and amounts that query `q` asks for."""
    if ask.flagged and (grid.bits[t] & ask.need[q]) != ask.need[q]:
        return False
    if ask.deep:
        for j in range(ask.columns.size):
            if grid.most[t, ask.columns[j]] < ask.least[q, ask.kinds[j]]:
                return False
    return True


@inner
def _circle(
    points: Points, grid: Grid, sorted_: int, used: int, ask: Ask, q: int, k: int, within: float,
    near: NDArray[np.float64], at: NDArray[np.int64],
) -> int:  # fmt: skip
    """Fill `near` and `at` with points no farther than `within` (squared) that hold the bits needed, at least the best k of them."""
    x, y = float(ask.x[q]), float(ask.y[q])
    found = 0
    plane, size, box, origin, scale, shape = grid.plane, grid.size, grid.box, grid.origin, grid.scale, grid.shape
    reach = np.sqrt(within) * (1.0 + 1e-12) + _SLACK_M
    left, right = step(x - reach, plane[0], plane[2], size[0]), step(x + reach, plane[0], plane[2], size[0])
    low, high = step(y - reach, plane[1], plane[3], size[1]), step(y + reach, plane[1], plane[3], size[1])
    for v in range(low, high + 1):
        for u in range(left, right + 1):
            t = v * size[0] + u
            dx, dy = max(box[t, 0] - x, x - box[t, 2], 0.0), max(box[t, 1] - y, y - box[t, 3], 0.0)
            if dx * dx + dy * dy > within or not _may(grid, t, ask, q):
                continue
            west = step(x - reach, origin[t, 0], scale[t, 0], shape[t, 0])
            east = step(x + reach, origin[t, 0], scale[t, 0], shape[t, 0])
            south = step(y - reach, origin[t, 1], scale[t, 1], shape[t, 1])
            north = step(y + reach, origin[t, 1], scale[t, 1], shape[t, 1])
            for row in range(south, north + 1):
                c = int(grid.first[t]) + row * shape[t, 0]
                found, within = _run(
                    points, int(grid.start[c + west]), int(grid.start[c + east + 1]), ask, q, k, within, near, at, found
                )
    found, within = _run(points, sorted_, used, ask, q, k, within, near, at, found)
    return found


@inner
def _verified(points: Points, ask: Ask, q: int, near: NDArray[np.float64], at: NDArray[np.int64], found: int, k: int) -> int:
    """Bring the best k eligible of the first `found` to the front, in order; looks closely at no more of them than it must."""
    if found <= _FEW:
        return _eligible(points, ask, q, near, at, _best(near, at, found, found, points.id), k)
    return _by_insertion(near, at, _eligible(points, ask, q, near, at, found, found), k, points.id)


@kernel
def search(
    points: Points, grid: Grid, sorted_: int, used: int, ask: Ask, first: int, last: int,
    ids: NDArray[np.int64], far: NDArray[np.float64], when: NDArray[np.float64], count: NDArray[np.int64],
    near: NDArray[np.float64], at: NDArray[np.int64], share: NDArray[np.float64],
) -> None:  # fmt: skip
    """Answer queries `ask.order[first:last]`: the k nearest eligible points, into rows of `ids`, `far` and `when` (queries, k), and `count`.

    Points `0..sorted_` lie as `grid` says; `sorted_..used` are loose and every query looks at all of them. `share` (SHARES,) learns how
    large a circle is right for queries of like needs, from `FIRST_SHARE` on.
    """
    k = ids.shape[1]
    for i in range(first, last):
        q = int(ask.order[i])
        if not _may(grid, grid.first.size, ask, q):
            count[q] = 0
            continue
        s = (ask.need[q] * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - _SHARE_BITS)
        t = tile_of(grid, float(ask.x[q]), float(ask.y[q]))
        cells = grid.shape[t, 0] * grid.shape[t, 1]
        here = grid.start[grid.first[t] + cells] - grid.start[grid.first[t]]
        per = grid.area[t] / here if here else 0.0
        if not per > 0.0:
            per = 1.0
        within = min(share[s] * k * per, ask.radius2)
        while True:
            found = _circle(points, grid, sorted_, used, ask, q, k, within, near, at)
            if ask.deep and (found >= k or within >= ask.radius2):
                found = _verified(points, ask, q, near, at, found, k)
            if found >= k or within >= ask.radius2:
                break
            within = min(within * min(max(2.0 * k / (found + 0.5), 1.5), 16.0), ask.radius2)
        if not ask.deep:
            found = _best(near, at, found, k, points.id)
        if here and found == k:
            share[s] += 0.1 * (1.5 * near[k - 1] / (k * per) - share[s])
        count[q] = found
        for j in range(found):
            ids[q, j], far[q, j], when[q, j] = points.id[at[j]], np.sqrt(near[j]), points.time[at[j]]


@kernel
def pack(k: int, count: NDArray[np.int64], ids: NDArray[np.int64], far: NDArray[np.float64], when: NDArray[np.float64]) -> None:
    """Close the gaps that queries with fewer than `k` answers leave: `count[q]` rows each, one behind the other, in place."""
    end = 0
    for q in range(count.size):
        for j in range(count[q]):
            ids[end], far[end], when[end] = ids[q * k + j], far[q * k + j], when[q * k + j]
            end += 1


def search_plain(points: Points, ask: Ask, q: int, *, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k nearest eligible points to query `q`, by numpy alone: ids and distances, the definition that `search` must meet."""
    dx, dy = points.x - ask.x[q], points.y - ask.y[q]
    far2 = dx * dx + dy * dy
    fits = ((points.flags & ask.need[q]) == ask.need[q]) & (points.time >= ask.fresh) & (far2 <= ask.radius2)
    for kind, column in zip(ask.kinds, ask.columns):
        fits &= points.amounts[:, column] >= ask.least[q, kind] + ask.per_m[kind] * np.sqrt(far2)
    fits &= ~np.isin(points.id, ask.bar[ask.bar_at[q] : ask.bar_at[q + 1]])
    rows = np.flatnonzero(fits)
    rows = rows[np.lexsort((points.id[rows], far2[rows]))][:k]
    return points.id[rows], np.sqrt(far2[rows])
