"""Plan anew, under hard windows and loads: fewest orders left out, then fewest vehicles, then the shortest way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.routes.anneal import anneal
from rialto.match.routes.chance import draw, seeded
from rialto.match.routes.effort import Effort
from rialto.match.routes.fewer import undo
from rialto.match.routes.pool import choose
from rialto.match.routes.practice import made_up
from rialto.match.routes.records import EARLIEST, FROZEN, LENGTH, Routes, Stops, Terms
from rialto.match.routes.search_sheet import Search, bench_of, checked, force_into, insert_one
from rialto.match.routes.sheet import Sheet, lay, least_detour, refresh, take
from rialto.match.routes.workbench import Bench, idle

__all__ = ["Solved", "solve", "warm"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FEWER_SHARE = 0.35
"""Share of the effort that goes into using fewer vehicles."""
TRIES = 1
"""Vehicles that are tried in that share before it ends."""
COLD = 0.01
"""Temperature at the end, in mean ways of an order."""
LAPS = ((0.5, 1.0), (0.8, 0.4), (1.0, 0.2))
"""Laps of the search for shorter routes: until which share of its effort each goes on, and its temperature at the start. Between two,
the best plan is put together from the routes seen."""
POOL_SHARE, LEAST_POOL = 0.03, 100
"""Largest share of the effort that prices take, and the choice, and the routes that must have been seen."""
AT_ONCE = 50
"""Rounds between two looks at the effort."""


@dataclass(frozen=True, slots=True)
class Solved:
    """What was found, beside what inserting one by one had found.

    Args:
        left_out: Orders that no route has, shape (left,).
        vehicles, travel_s: Routes with stops; travel of all, with the ways home, s.
        first_left_out, first_vehicles, first_travel_s: The same of the plan in which orders were only inserted, one by one.
        rounds: Rounds of search made.
    """

    left_out: Ints
    vehicles: int
    travel_s: float
    first_left_out: int
    first_vehicles: int
    first_travel_s: float
    rounds: int


def solve(
    stops: Stops, terms: Terms, routes: Routes, *, effort: Effort, seed: int = 0, orders: Ints | None = None, fewer: bool = True
) -> Solved:
    """Plan `orders` in `routes`, in place: fewest left out, then fewest vehicles, then the shortest way.

    Orders that no route has are inserted one by one, then the search begins. An order of which a stop is frozen stays where it is.

    Args:
        stops: The places; windows, service and loads hold.
        terms: Travel, whose seconds are the cost; no other rate may be set.
        routes: The vehicles, with what they already have to do, all within their limits. A vehicle without stops goes home, too.
        effort: How long to search.
        seed: Seed of chance; with an effort of rounds the plan is the same every time.
        orders: Orders to plan, shape (n,); None = all pairs that stand before the first start or home.
        fewer: Also try to use fewer vehicles; else the way alone is shortened.

    Returns:
        What was found; never worse than what inserting one by one finds.

    Raises:
        BadInput: a cost other than travel is set, or stops, travel, routes and orders do not belong together.

    Cost:
        O(stops^3) once, then the effort; a round takes about 50 to 200 microseconds.

    Source:
        As `force` and `anneal`.

    Example:
        >>> stops = Stops.of(orders=1, x=np.array([3.0, 3.0, 0.0]), y=np.array([0.0, 4.0, 0.0]))
        >>> routes = Routes.of(np.array([2]), np.zeros(1), home=np.array([2]))
        >>> solve(stops, Terms.of(), routes, effort=Effort.rounds(1)).travel_s
        12.0
    """
    table, pairs = checked(stops, terms, routes)
    wanted = np.arange(pairs) if orders is None else np.unique(np.asarray(orders, dtype=np.int64))
    if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < pairs:
        raise BadInput(f"orders go from {wanted[0]} to {wanted[-1]}; wanted 0 to {pairs - 1}.")
    detour = least_detour(table) if effort.most > 0 else np.full(len(table), -np.inf)
    sheet = lay(stops.block, table, routes.stops, routes.whole, routes.real, pairs, detour)
    search = Search(sheet, wanted, _movable(sheet, wanted), seeded(seed))
    _insert_each(search)
    first = _worth(sheet, wanted)
    if effort.used < 1.0 and search.movable.any():
        _search(search, effort, fewer=fewer)
    routes.stops[:], routes.whole[:] = sheet.stops[:-1], sheet.whole[:-1]
    _, vehicles, travel = _worth(sheet, wanted)
    return Solved(wanted[sheet.route_of[wanted] < 0], vehicles, travel, *first, effort.done)


def warm() -> None:
    """Compile the kernels, which takes about half a minute the first time on a machine and a second from then on."""
    made = made_up(0, orders=8)
    solve(made.stops, made.terms, made.fleet(), effort=Effort.rounds(300))


def _movable(s: Sheet, wanted: Ints) -> NDArray[np.bool_]:
    """Orders that may leave their row: wanted ones, none of whose stops is frozen or already passed."""
    movable = np.zeros(len(s.route_of), dtype=np.bool_)
    movable[wanted] = True
    for r in range(len(s.stops) - 1):
        row, frozen = s.stops[r, : s.whole[r, LENGTH]].tolist(), int(s.whole[r, FROZEN])
        inside = set(row)
        for k, stop in enumerate(row):
            if k < frozen or (stop ^ 1) not in inside:
                movable[stop // 2] = False
    return movable


def _insert_each(search: Search) -> None:
    """Insert every order that has no row, soonest first, where it adds least; an idle vehicle starts only where no other can."""
    s = search.sheet
    ready = s.window[2 * search.orders, EARLIEST]
    for order in search.orders[np.argsort(ready, kind="stable")].tolist():
        if s.route_of[order] < 0 and not insert_one(s, _in_use(s), order, search.rng):
            insert_one(s, np.flatnonzero(s.whole[:-1, LENGTH] == 0), order, search.rng)


def _worth(s: Sheet, wanted: Ints) -> tuple[int, int, float]:
    """What counts: orders left out, vehicles, and way."""
    return int((s.route_of[wanted] < 0).sum()), len(_in_use(s)), float(s.length[:-1].sum())


def _in_use(s: Sheet) -> Ints:
    return np.flatnonzero(s.whole[:-1, LENGTH] > 0)


def _search(search: Search, effort: Effort, *, fewer: bool) -> None:
    """The two phases: vehicles, then way. A plan with fewer orders left out or fewer vehicles is taken even where it is longer."""
    s, weight = search.sheet, np.ones(len(search.movable))
    for order in search.orders[s.route_of[search.orders] < 0].tolist():
        force_into(search, np.arange(len(s.stops) - 1), np.array([order]), weight, effort, FEWER_SHARE)
    if fewer:
        _use_fewer(search, weight, effort)
    _shorten(search, effort)


def _use_fewer(search: Search, weight: Floats, effort: Effort) -> None:
    """Empty one vehicle after the other, the one with the fewest orders first, until `TRIES` have been tried in vain."""
    s = search.sheet
    share = (FEWER_SHARE - effort.used) / TRIES
    tried: list[int] = []
    while effort.used < FEWER_SHARE:
        active = _in_use(s)
        rows = [r for r in active.tolist() if r not in tried and search.movable[s.stops[r, : s.whole[r, LENGTH]] // 2].all()]
        if len(active) < 2 or not rows:
            return
        r = min(rows, key=lambda r: (int(s.whole[r, LENGTH]), draw(search.rng, 1000)))
        row = s.stops[r, : s.whole[r, LENGTH]].copy()
        if _empty(search, r, active[active != r], weight, effort, min(FEWER_SHARE, effort.used + share)):
            tried = []
        else:
            put_back = s.stops[r]
            put_back[: len(row)], s.whole[r, LENGTH] = row, len(row)
            s.route_of[row // 2] = r
            refresh(s, r)
            tried.append(r)


def _empty(search: Search, r: int, others: Ints, weight: Floats, effort: Effort, until: float) -> bool:
    """Force all orders of row `r` into others; if in vain, those are as they were."""
    s = search.sheet
    row = s.stops[r, : s.whole[r, LENGTH]]
    orders = row[row % 2 == 0] // 2
    for order in orders.tolist():
        take(s, r, order)
    refresh(s, r)
    return force_into(search, others, orders, weight, effort, until)


def _shorten(search: Search, effort: Effort) -> None:
    """Anneal until the effort is used up, then take the best plan."""
    s = search.sheet
    active = np.array([r for r in range(len(s.stops) - 1) if not idle(s, r)], dtype=np.int64)
    if not len(active):
        return
    bench, begun = bench_of(search, active), effort.used
    scale = bench.value[0] / max(1, int((s.route_of >= 0).sum()))
    for upto, hot in LAPS:
        came, until = effort.used, begun + (1.0 - begun) * upto
        while (used := effort.used) < until and bench.in_use[0]:
            heat = scale * hot * (COLD / hot) ** ((used - came) / (until - came))
            anneal(s, bench, AT_ONCE, heat, search.rng)
            effort.spend(AT_ONCE)
        undo(s, bench.best_stops, bench.best_lengths)
        if effort.used < 1.0:
            _from_pool(search, bench, None if effort.clock is None else POOL_SHARE * effort.most)
            active = np.array([r for r in range(len(s.stops) - 1) if not idle(s, r)], dtype=np.int64)
            bench = bench_of(search, active, bench)


def _from_pool(search: Search, bench: Bench, seconds: float | None) -> None:
    """Put a shorter plan together from the routes that the search has seen, if there is one."""
    s = search.sheet
    rows = _in_use(s)
    if bench.pool.noted[0] < LEAST_POOL or not search.movable[s.route_of >= 0].all():
        return
    found = choose(bench.pool, s, rows, seconds=seconds)
    if found:
        s.whole[rows, LENGTH] = 0
        for r, row in zip(rows.tolist(), found, strict=False):
            s.stops[r, : len(row)], s.whole[r, LENGTH] = row, len(row)
        undo(s, s.stops[:-1].copy(), s.whole[:-1, LENGTH].copy())
