"""What a full re-solve and a live insertion both do to a sheet: insert one, force some in, get the workbench ready."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.routes.effort import Effort
from rialto.match.routes.fewer import force, undo
from rialto.match.routes.pool import pool_of
from rialto.match.routes.records import BUSY, HOME, LATE, LENGTH, OVER, RATE, SHARED, SPEED, TAIL, Routes, Stops, Terms, X, Y, Z
from rialto.match.routes.sheet import Sheet, best_place, put
from rialto.match.routes.workbench import Bench

__all__ = ["Search", "bench_of", "checked", "force_into", "insert_one"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NEAR = 60
"""Neighbours of a stop that the search knows."""
FORCED, SHAKES = 5, 300
"""Rounds of forcing between two looks at the effort; orders moved at random after each that was forced in."""
PENALTY = 5.0
"""What an order without a row counts for at first, in mean ways of an order."""


class Search(NamedTuple):
    """A sheet; the orders to plan; which of all pairs may leave their row; and chance."""

    sheet: Sheet
    orders: Ints
    movable: NDArray[np.bool_]
    rng: NDArray[np.uint64]


def checked(stops: Stops, terms: Terms, routes: Routes) -> tuple[Floats, int]:
    """Travel between all stops, shape (stops, stops), s, and the pairs that stand before the first start or home.

    Raises:
        BadInput: a cost other than travel is set, or the three do not belong together.
    """
    if np.any(stops.block[:, [RATE, LATE, TAIL]]) or np.any(terms.rates[[SHARED, BUSY, OVER]]):
        raise BadInput(
            "a cost other than travel is set; wanted no rate, late_rate, tail, shared, busy_rate, over_rate (`improve` has them)."
        )
    at = stops.block[:, [X, Y, Z]]
    table = terms.seconds
    if not len(table):
        table = np.sqrt(((at[:, None] - at[None]) ** 2).sum(axis=2)) / terms.rates[SPEED]
    ends = [*routes.start.tolist(), *(h for h in routes.whole[:, HOME].tolist() if h >= 0)]
    if not ends or table.shape != (len(at), len(at)) or not 0 <= min(ends) <= max(ends) < len(at):
        raise BadInput(f"{len(at)} stops, travel {table.shape} and {len(routes)} routes do not belong together.")
    return table, min(ends) // 2


def insert_one(s: Sheet, rows: Ints, order: int, rng: NDArray[np.uint64]) -> bool:
    """Insert one order into that of `rows` where it adds least, the first of equals; False: none can take it."""
    least, row, where = np.inf, -1, 0
    for r in rows.tolist():
        more, at = best_place(s, r, order, rng)
        if more < least:
            least, row, where = more, r, at
    if row >= 0:
        i, j = divmod(int(where), s.stops.shape[1] + 2)
        put(s, row, order, i, j)
    return row >= 0


def force_into(search: Search, active: Ints, orders: Ints, weight: Floats, effort: Effort, until: float) -> bool:
    """Force `orders`, which have no row, into the rows `active` until the share `until` of the effort; if in vain, all is as it was."""
    s = search.sheet
    stops, lengths = s.stops[:-1].copy(), s.whole[:-1, LENGTH].copy()
    pool = np.empty(len(search.movable), dtype=np.int64)
    pool[: len(orders)] = orders
    left, movable = len(orders), search.movable.copy()
    movable[orders] = True
    while left and effort.used < until:
        left = force(s, active, movable, pool, left, weight, FORCED, SHAKES, search.rng)
        effort.spend(FORCED)
    if left:
        undo(s, stops, lengths)
    return left == 0


def bench_of(search: Search, active: Ints, old: Bench | None = None) -> Bench:
    """A workbench for the plan as it is and the rows `active`; what `old` has learned is kept."""
    s, rows, pairs = search.sheet, len(search.sheet.stops), len(search.movable)
    value = np.full(2, s.length[active].sum())
    fresh: dict[str, Any] = {
        "active": np.resize(active, rows).astype(np.int64), "in_use": np.array([len(active)]), "value": value,
        "best_stops": s.stops[:-1].copy(), "best_lengths": s.whole[:-1, LENGTH].copy(),
        "banked": np.zeros(1, dtype=np.int64), "whole": np.zeros(2, dtype=np.int64),
    }  # fmt: skip
    if old is not None:
        return old._replace(**fresh)
    near = np.argsort(s.seconds[: 2 * pairs, : 2 * pairs], axis=1, kind="stable")[:, :NEAR].astype(np.int64)
    return Bench(
        near=near, movable=search.movable, out=np.empty(pairs, dtype=np.int64), touched=np.empty(rows, dtype=np.int64),
        saved=np.empty((rows, s.stops.shape[1]), dtype=np.int64), lengths=np.empty(rows, dtype=np.int64),
        seen=np.zeros(rows, dtype=np.int64), weight=np.ones((2, 4)), used=np.zeros((2, 4)), earned=np.zeros((2, 4)),
        bank=np.empty((2, pairs), dtype=np.int64), penalty=PENALTY * value[:1] / pairs, hard=np.ones(pairs),
        waiting=np.empty(pairs, dtype=np.int64), pool=pool_of(), **fresh,
    )  # fmt: skip
