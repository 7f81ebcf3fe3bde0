"""Routes that the search has seen, and the shortest plan that can be put together from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_array, vstack

from rialto.kernels import kernel
from rialto.match.routes.records import FROZEN, LENGTH
from rialto.match.routes.sheet import Sheet

__all__ = ["Pool", "choose", "note", "pool_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SLOTS = 1 << 15
"""Routes that are remembered by what they hold."""
STOPS_KEPT = 600_000
"""Stops of all routes that are kept; when they are full, the oldest are written over."""
AT_FIRST, MORE, PRICED = 2_000, 1_500, 6
"""Routes in the first linear program, routes that enter after each, and how many of those there are at most."""
PRICE = 1e-7
"""A reduced cost that is none."""
COLUMNS = 1_500
"""Most routes of which whole ones are chosen."""


class Pool(NamedTuple):
    """Routes seen, newest last.

    Args:
        mark, key: Of the route that each slot holds: what stands for its row and its vehicle (0 = none), and for its set of orders,
            shape (SLOTS,).
        stops: Stops of all, behind one another, shape (STOPS_KEPT,). `begin`, `size`, `length`: where each route's began, counted from
            the first ever noted; how many; and its travel, shape (SLOTS,).
        kind: Mark of the empty row that it belongs to, shape (SLOTS,). `noted`: routes noted, and stops, shape (2,).
    """

    mark: NDArray[np.uint64]
    key: NDArray[np.uint64]
    stops: NDArray[np.int32]
    begin: Ints
    size: Ints
    length: Floats
    kind: NDArray[np.uint64]
    noted: Ints


class Columns(NamedTuple):
    """Routes to choose from: slots, which orders each serves, shape (orders, routes), and travel, shape (routes,)."""

    slots: Ints
    cover: csc_array
    length: Floats


def pool_of() -> Pool:
    """An empty one."""
    return Pool(
        np.zeros(SLOTS, dtype=np.uint64), np.zeros(SLOTS, dtype=np.uint64), np.zeros(STOPS_KEPT, dtype=np.int32),
        np.zeros(SLOTS, dtype=np.int64), np.zeros(SLOTS, dtype=np.int64), np.zeros(SLOTS), np.zeros(SLOTS, dtype=np.uint64),
        np.zeros(2, dtype=np.int64),
    )  # fmt: skip


@kernel
def note(p: Pool, s: Sheet, r: int) -> None:
    """Remember row `r`, if it is not; what stood in its slot is forgotten. O(its stops)."""
    slot, size = int(np.int64(s.mark[r] >> np.uint64(49))), s.whole[r, LENGTH]
    if size == 0 or size > len(p.stops) or p.mark[slot] == s.mark[r]:
        return
    begin = p.noted[1] % len(p.stops)
    if begin + size > len(p.stops):
        p.noted[1] += len(p.stops) - begin
        begin = 0
    key = np.uint64(0)
    for k in range(size):
        p.stops[begin + k] = s.stops[r, k]
        mixed = np.uint64(s.stops[r, k] // 2 + 1) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        key += mixed ^ (mixed >> np.uint64(32))
    p.mark[slot], p.key[slot], p.kind[slot] = s.mark[r], key, s.kind[r]
    p.begin[slot], p.size[slot], p.length[slot] = p.noted[1], size, s.length[r]
    p.noted[1] += size
    p.noted[0] += 1


def choose(pool: Pool, s: Sheet, rows: Ints, *, seconds: float | None) -> list[Ints]:
    """The shortest plan from noted routes that serves what `rows` serve now, with no more of them.

    Args:
        pool: Routes noted; those of the rows are, too.
        s: The plan.
        rows: The rows in use, shape (rows,).
        seconds: How long the prices may take at most, and then the choice, by the wall; None = until a thousand branches are looked at.

    Returns:
        Stops of each route; nothing where no shorter plan was found, or rows differ in more than what they hold.

    Source:
        Sartori, Buriol (2020), "A study on the pickup and delivery problem with time windows: matheuristics and new instances",
        Computers & Operations Research 124.
    """
    if not len(rows) or len(np.unique(s.kind[rows])) > 1 or s.whole[rows, FROZEN].any():
        return []
    for r in rows.tolist():
        note(pool, s, r)
    columns, now = _columns(pool, s, int(s.kind[rows[0]])), float(s.length[rows].sum())
    sure = np.isin(pool.key[columns.slots], pool.key[(s.mark[rows] >> np.uint64(49)).astype(np.int64)])
    near = _near(columns, sure, len(rows), now, {} if seconds is None else {"time_limit": seconds / PRICED})
    if near is None:
        return []
    options = {"mip_rel_gap": 1e-6} | ({"node_limit": 1000} if seconds is None else {"time_limit": seconds})
    few = int((s.route_of >= 0).sum())
    limits = _limits(_table(near), np.append(np.ones(few), 0.0), np.append(np.ones(few), float(len(rows))))
    found = milp(near.length, integrality=np.ones(len(near.length)), bounds=Bounds(0.0, 1.0), constraints=limits, options=options)
    if found.x is None:
        return []
    taken = np.flatnonzero(found.x > 0.5)
    once = np.all(near.cover[:, taken].sum(axis=1) == 1)
    if not once or len(taken) > len(rows) or near.length[taken].sum() > now - 1e-6:
        return []
    return [_stops(pool, int(slot)) for slot in near.slots[taken]]


def _stops(pool: Pool, slot: int) -> Ints:
    begin = pool.begin[slot] % len(pool.stops)
    return pool.stops[begin : begin + pool.size[slot]].astype(np.int64)


def _columns(pool: Pool, s: Sheet, kind: int) -> Columns:
    """Routes of vehicles of this kind whose stops still stand, of each set of orders the shortest."""
    old = pool.noted[1] - len(pool.stops)
    slots = np.flatnonzero((pool.mark != 0) & (pool.kind == np.uint64(kind)) & (pool.begin >= old))
    slots = slots[np.lexsort((slots, pool.length[slots], pool.key[slots]))]
    slots = slots[np.append(True, np.diff(pool.key[slots]) != 0)]
    size = pool.size[slots]
    ends = np.append(0, np.cumsum(size))
    at = np.repeat(pool.begin[slots] % len(pool.stops) - ends[:-1], size) + np.arange(ends[-1])
    stops = pool.stops[at]
    place = np.full(len(s.route_of), -1, dtype=np.int64)
    served = np.flatnonzero(s.route_of >= 0)
    place[served] = np.arange(len(served))
    cover = csc_array((np.ones(ends[-1] // 2), place[stops[stops % 2 == 0] // 2], ends // 2), shape=(len(served), len(slots)))
    return Columns(slots, cover, pool.length[slots])


def _limits(table: Any, least: Any, most: Any) -> LinearConstraint:
    """SciPy's own types name numbers where it takes arrays."""
    return LinearConstraint(table, least, most)


def _table(some: Columns) -> Any:
    """The orders that each route serves, and under them the row that counts routes."""
    return vstack([some.cover, csc_array(np.ones((1, len(some.length))))], format="csc")


def _near(columns: Columns, sure: NDArray[np.bool_], most: int, now: float, options: dict[str, float]) -> Columns | None:
    """Those routes that a plan shorter than `now` could hold: their reduced cost is below what there is to gain.

    The linear program begins with a few routes, of which `sure` make a plan, and takes in those that its prices make the cheapest.
    """
    used = sure.copy()
    used[np.argsort(columns.length / np.maximum(1, np.diff(columns.cover.indptr)), kind="stable")[:AT_FIRST]] = True
    reduced, least = columns.length, 0.0
    for _ in range(PRICED):
        some = columns.cover[:, used]
        found = linprog(
            columns.length[used],
            A_eq=some,
            b_eq=np.ones(some.shape[0]),
            A_ub=np.ones((1, some.shape[1])),
            b_ub=[most],
            method="highs",
            options=options,
        )
        if found.status != 0:
            return None
        least = float(found.fun)
        reduced = columns.length - columns.cover.T @ found.eqlin.marginals - float(found.ineqlin.marginals[0])
        enter = np.argsort(np.where(used, np.inf, reduced), kind="stable")[:MORE]
        enter = enter[(reduced[enter] < -PRICE) & ~used[enter]]
        if not len(enter):
            break
        used[enter] = True
    kept = np.flatnonzero((reduced < now - least) | sure)
    kept = kept[np.argsort(reduced[kept], kind="stable")[:COLUMNS]]
    return Columns(columns.slots[kept], columns.cover[:, kept], columns.length[kept])
