"""Orders that come one by one while vehicles drive: what is begun stays, the rest is put in order again in a few milliseconds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.routes.anneal import anneal
from rialto.match.routes.chance import seeded
from rialto.match.routes.effort import Effort
from rialto.match.routes.fewer import undo
from rialto.match.routes.li_lim import Instance
from rialto.match.routes.records import ABOARD, EARLIEST, FREE, LENGTH, START, Routes, Stops, Terms
from rialto.match.routes.search_sheet import Search, bench_of, checked, force_into, insert_one
from rialto.match.routes.sheet import lay, refresh
from rialto.match.routes.workbench import Bench

__all__ = ["Live", "one_by_one"]

HEAT = 0.003
"""Temperature of a re-optimisation, in mean ways of an order."""
AT_ONCE = 10
"""Rounds between two looks at the effort."""


class Live:
    """A plan that orders enter and vehicles drive.

    Args:
        stops: Every place that may come up. terms, routes: As in `solve`; `routes` itself is not changed. Routes begin empty.
        seed: Seed of chance.

    Raises:
        BadInput: as `solve`; a route is not empty.

    Example:
        >>> stops = Stops.of(orders=2, x=np.array([3.0, 3.0, 4.0, 4.0, 0.0]), y=np.zeros(5))
        >>> live = Live(stops, Terms.of(), Routes.of(np.array([4]), np.zeros(1), home=np.array([4])))
        >>> live.add(0, Effort.rounds(1)), live.add(1, Effort.rounds(10)), live.travel_s
        (True, True, 8.0)
    """

    def __init__(self, stops: Stops, terms: Terms, routes: Routes, *, seed: int = 0) -> None:
        if routes.length.any():
            raise BadInput(f"{int((routes.length > 0).sum())} routes have stops already; wanted empty ones.")
        table, count = checked(stops, terms, routes)
        # On a plane no detour is shorter than none; of a table it would cost O(stops^3) before the first order.
        detour = np.full(len(table), -np.inf if len(terms.seconds) else 0.0)
        sheet = lay(stops.block, table, routes.stops, routes.whole, routes.real, count, detour)
        self._search = Search(sheet, np.arange(count), np.zeros(count, dtype=np.bool_), seeded(seed))
        self._done: list[list[int]] = [[] for _ in range(len(routes))]
        self._way = np.zeros(len(routes))
        self._weight = np.ones(count)
        self._turn = 0
        self._bench: Bench | None = None

    @property
    def plan(self) -> list[list[int]]:
        """Stops of each route, what is done before what is to come."""
        s = self._search.sheet
        return [done + s.stops[r, : s.whole[r, LENGTH]].tolist() for r, done in enumerate(self._done)]

    @property
    def done(self) -> list[list[int]]:
        """Stops of each route that are begun, and stay."""
        return [list(done) for done in self._done]

    @property
    def travel_s(self) -> float:
        """Travel of all routes, driven and to come, with the ways home."""
        return float(self._way.sum() + self._search.sheet.length[:-1].sum())

    @property
    def vehicles(self) -> int:
        """Routes with a stop, done or to come."""
        return int(self._used().sum())

    def _used(self) -> NDArray[np.bool_]:
        out = np.array([len(done) > 0 for done in self._done])
        return out | (self._search.sheet.whole[:-1, LENGTH] > 0)

    def advance(self, now_s: float) -> None:
        """Drive until `now_s`: a vehicle leaves for its next stop so as to be there when the window opens, or at once where it is open."""
        s = self._search.sheet
        self._turn += 1
        for r in range(len(self._done)):
            while s.whole[r, LENGTH] > 0 and self._leaves(r) <= now_s:
                self._begin(r)
            s.real[r, FREE] = max(s.real[r, FREE], now_s)
            # what a row holds is told by where it starts, too
            s.kind[r] = (self._turn * (len(self._done) + 1) + (r + 1 if self._done[r] else 0)) * 2654435761 + 97
            refresh(s, r)

    def _leaves(self, r: int) -> float:
        s = self._search.sheet
        to = s.stops[r, 0]
        return max(float(s.real[r, FREE]), float(s.window[to, EARLIEST] - s.seconds[s.whole[r, START], to]))

    def _begin(self, r: int) -> None:
        """Leave for the next stop: from here on it stays."""
        s = self._search.sheet
        to, size = int(s.stops[r, 0]), int(s.whole[r, LENGTH])
        refresh(s, r)
        self._way[r] += s.seconds[s.whole[r, START], to]
        self._done[r].append(to)
        self._search.movable[to // 2] = False
        s.whole[r, START], s.real[r, FREE], s.real[r, ABOARD] = to, s.leave[r, 1], s.aboard[r, 1]
        s.stops[r, : size - 1] = s.stops[r, 1:size]
        s.whole[r, LENGTH] = size - 1
        if to % 2 == 1:
            s.route_of[to // 2] = -1

    def add(self, order: int, effort: Effort) -> bool:
        """Take an order in, then better what is not begun.

        Args:
            order: A pair that has not been added.
            effort: How long it may take; with none the order is only inserted where it adds least.

        Returns:
            Whether it has a route. If no vehicle in use takes it, others' orders are moved (for half the effort), then an idle one starts.

        Raises:
            BadInput: there is no such order, or it has been added.
        """
        search = self._search
        s = search.sheet
        if not 0 <= order < len(s.route_of):
            raise BadInput(f"order is {order}; wanted 0 to {len(s.route_of) - 1}.")
        if s.route_of[order] >= 0 or any(2 * order in done for done in self._done):
            raise BadInput(f"order {order} has a route already; wanted a new one.")
        used = np.flatnonzero(self._used())
        found = insert_one(s, used, order, search.rng)
        if not found and len(used):
            found = force_into(search, used, np.array([order]), self._weight, effort, 0.5)
        if not found:
            found = insert_one(s, np.flatnonzero(~self._used()), order, search.rng)
        search.movable[order] = found
        self._better(effort)
        return found

    def _better(self, effort: Effort) -> None:
        """Anneal, nearly cold, for what is left of the effort, and take the best."""
        s = self._search.sheet
        active = np.flatnonzero(self._used())
        if effort.used >= 1.0 or not len(active) or not self._search.movable.any():
            return
        bench = bench_of(self._search, active, self._bench)
        self._bench = bench
        heat = HEAT * bench.value[0] / len(s.route_of)
        while effort.used < 1.0 and bench.in_use[0]:
            anneal(s, bench, AT_ONCE, heat, self._search.rng)
            effort.spend(AT_ONCE)
        undo(s, bench.best_stops, bench.best_lengths)


def one_by_one(
    instance: Instance, *, each_s: float | None = None, rounds: int = 0, clock: Callable[[], float] | None = None, seed: int = 0
) -> list[list[int]]:
    """Plan an instance as if each order became known only after all those whose pickup's window opens before its own.

    Orders come by `earliest_s` of their pickup, those of the same second by `latest_s` of their drop-off, then by number. Nothing is
    known of later ones, each is placed as it comes, and what has been placed may still be moved: no vehicle drives yet.

    Args:
        instance: The problem.
        each_s: Seconds by `clock` for each order, with `clock`; None = `rounds` for each.
        rounds: Rounds of search for each order.
        clock: Reads seconds.
        seed: Seed of chance.

    Returns:
        Stops of each route.
    """
    live = Live(instance.stops, instance.terms, instance.fleet(), seed=seed)
    opens, closes = instance.stops.column("earliest_s"), instance.stops.column("latest_s")
    for order in sorted(range(instance.orders), key=lambda o: (opens[2 * o], closes[2 * o + 1], o)):
        live.add(order, Effort.rounds(rounds) if each_s is None or clock is None else Effort.seconds(each_s, clock))
    return live.plan
