"""GeoIndex in this process: moving points on a two-level grid, exact nearest eligible ones, constant-time moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.geo_layout import Layout, Part, alike, copied, divide, nowhere, room, smaller
from rialto.local.geo_search import EVERYWHERE2, FIRST_SHARE, SCRATCH, SHARES, Ask, pack, search
from rialto.local.geo_sift import by_cell
from rialto.local.geo_terms import Checked, checked_points, checked_queries, whole
from rialto.local.grid import Points, build, by_tile
from rialto.local.point_table import Table, live, move, refill, remove
from rialto.ports import Hits, Positioned, Terms
from rialto.threads import spread

__all__ = ["GridGeo"]

_REBUILD_PER_POINT = 16
"""Looks at loose points that cost as much as placing one point anew; searches never pay more than twice the best schedule."""

_ONE_BATCH = 512
_MOST_SPARE = 8
_FEW_HOLES = 128


@dataclass(slots=True)
class _Answers:
    """Where a batch's answers go: `ids`, `far`, `when` (queries, k), and how many each query has, `count` (queries,)."""

    ids: NDArray[np.int64]
    far: NDArray[np.float64]
    when: NDArray[np.float64]
    count: NDArray[np.int64]

    @classmethod
    def room(cls, queries: int, k: int) -> _Answers:
        far, when = (np.empty((queries, k)) for _ in range(2))
        return cls(np.empty((queries, k), dtype=np.int64), far, when, np.zeros(queries, dtype=np.int64))

    def hits(self) -> Hits:
        offsets = np.concatenate(([0], np.cumsum(self.count)))
        if offsets[-1] == self.ids.size:
            return Hits(offsets, self.ids.reshape(-1), self.far.reshape(-1), self.when.reshape(-1))
        ids, far, when = self.ids.reshape(-1), self.far.reshape(-1), self.when.reshape(-1)
        pack(self.ids.shape[1], self.count, ids, far, when)
        return Hits(offsets, ids[: offsets[-1]], far[: offsets[-1]], when[: offsets[-1]])


class GridGeo:
    """Moving points in metres on a plane; safe to call from several threads.

    Memory holds the points by cell. A point that moves within its cell is changed where it lies; one that leaves it is kept among the
    loose points, which every search looks at, until so many looks were spent on them that placing all points anew is cheaper. Where few
    points are eligible for many queries of a batch, those few get a grid of their own.

    A batch of queries sees one moment. Moves that come while it is answered go into a copy of the memory, so neither waits for the
    other for longer than a copy takes, some 10 ns a point.

    Args:
        threads: Most threads that a batch of queries is divided among; 0 = as many as there are processors.

    Cost:
        A move takes constant time, about 0.1 to 0.2 us. A query takes the time of the points in a circle about 1.6 times as large as
        that of the answer; about 0.35 to 0.4 us at k = 8 on one thread, in a batch, whether points are spread evenly or crowded.
        Memory: 48 bytes a place and 16 a row of the table, about 160 bytes a point.

    Source:
        Bentley, Weide, Yao (1980), "Optimal expected-time algorithms for closest point problems", ACM TOMS 6(4), for cells with a
        constant expected number of points; the two levels make that hold where density varies.

    Example:
        >>> geo = GridGeo()
        >>> here = Positioned(np.array([7, 9]), np.array([0.0, 30.0]), np.array([0.0, 40.0]), np.array([1.0, 1.0]))
        >>> geo.move(here).tolist()
        [True, True]
        >>> hits = geo.nearest(np.array([0.0]), np.array([0.0]), k=2)
        >>> hits.ids.tolist(), hits.scores.tolist()
        ([7, 9], [0.0, 50.0])
    """

    def __init__(self, *, threads: int = 0) -> None:
        if threads < 0:
            raise BadInput(f"threads is {threads}; wanted 0 (as many as there are processors) or more.")
        self._threads = threads
        self._lock = Lock()
        self._share = np.full(SHARES, FIRST_SHARE)  # guesses that threads may mix up: they cost time and change no answer
        self._compiled = set[str]()
        self._clear()

    def __len__(self) -> int:
        """How many points are held."""
        return self._live

    def move(self, points: Positioned) -> NDArray[np.bool_]:
        """Insert or move points; see `GeoIndex.move`.

        Raises:
            BadInput: columns differ in length, or a coordinate or time is not finite, or a coordinate exceeds 1e8 m; nothing was moved.
        """
        with self._lock:
            new = checked_points(points, self._kinds)
            self._own(new.amounts.shape[1])
            self._make_room(len(new.id))
            lay = self._lay
            taken = np.empty(len(new.id), dtype=np.bool_)
            used, fresh, rows = move(self._table, lay.points, lay.grid, new, lay.sorted, lay.used, taken)
            self._lay = lay._replace(used=used)
            self._live += fresh
            self._rows += rows
        return taken

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove points; unknown ids are no error."""
        wanted = whole("ids", ids)
        with self._lock:
            self._own(len(self._kinds))
            self._live -= remove(self._table, self._lay.points, wanted)

    def nearest(
        self,
        x_m: NDArray[np.float64],
        y_m: NDArray[np.float64],
        *,
        k: int,
        need: NDArray[np.uint64] | None = None,
        radius_m: float = np.inf,
        fresh_after_s: float = -np.inf,
        terms: Terms | None = None,
    ) -> Hits:
        """The k nearest eligible points to each query; see `GeoIndex.nearest`. A batch sees one moment, and moves do not wait for it.

        Raises:
            BadInput: a coordinate is not finite or exceeds 1e8 m, k < 1, a radius below 0, NaN anywhere, or columns differ in length.
        """
        asked = checked_queries(x_m, y_m, need, terms)
        if k < 1 or not radius_m >= 0.0 or np.isnan(fresh_after_s):
            raise BadInput(
                f"k is {k}, radius_m {radius_m}, fresh_after_s {fresh_after_s}; wanted k from 1, a radius from 0, and a number."
            )
        with self._lock:
            ask = self._ask(asked, min(float(radius_m) ** 2, EVERYWHERE2), float(fresh_after_s))
            width = min(k, max(self._live, 1))
            answers = _Answers.room(len(asked.x), width)
            parts, rest = self._divided(ask, width)
            lay, made = self._lay, self._layouts(ask, parts)
            self._readers += 1
        try:
            for part, own in zip(parts, made):
                self._answer(own, _within(ask, part), answers)
            self._answer(lay, ask._replace(order=rest), answers)
        finally:
            with self._lock:
                if self._lay.points is lay.points:
                    self._readers -= 1
                self._spare = [*(own.points for own in made), *self._spare][:_MOST_SPARE]
        return answers.hits()

    def close(self) -> None:
        """Let go of all points; the index is empty afterwards."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._table, self._live, self._rows, self._debt = Table.of(0), 0, 0, 0
        self._kinds: dict[str, int] = {}
        self._spare: list[Points] = []
        self._replace(Layout(room(0, 0), nowhere(0), 0, 0))

    def _replace(self, lay: Layout) -> None:
        """Go on with another memory, which nobody reads yet."""
        self._lay, self._readers = lay, 0

    def _own(self, kinds: int) -> None:
        """Before a write: memory that no search reads, with room for `kinds` amounts; a search under way keeps the old one."""
        lay = self._lay
        held = lay.points.amounts.shape[1]
        if not self._readers and held == kinds:
            return
        amounts = np.full((len(lay.points.id), kinds), -np.inf)
        amounts[: lay.used, :held] = lay.points.amounts[: lay.used]
        points = copied(lay.points, amounts) if self._readers else lay.points._replace(amounts=amounts)
        most = np.full((len(lay.grid.most), kinds), -np.inf)
        most[:, :held] = lay.grid.most
        grid = lay.grid._replace(bits=lay.grid.bits.copy(), most=most)
        self._replace(lay._replace(points=points, grid=grid))

    def _make_room(self, arrivals: int) -> None:
        """Room in memory and in the table for `arrivals` more points."""
        if self._lay.used + arrivals > len(self._lay.points.id):
            self._settle(arrivals)
        if 2 * (self._rows + arrivals) > len(self._table.id):
            self._table = Table.of(2 * (self._live + arrivals))
            self._rows = refill(self._table, self._lay.points, self._lay.used)

    def _settle(self, arrivals: int) -> None:
        """Place all points by cell, with room for as many again to become loose."""
        self._debt = 0
        kinds = self._lay.points.amounts.shape[1]
        new, grid = room(2 * (self._live + arrivals), kinds), nowhere(kinds)
        if self._live:
            rows = np.empty(self._lay.used, dtype=np.int64)
            there = rows[: live(self._lay.points, self._lay.used, rows)]
            grid = build(self._lay.points, there, np.arange(kinds), new)
        self._table.place[new.key[: self._live]] = np.arange(self._live)
        self._replace(Layout(new, grid, self._live, self._live))

    def _ask(self, asked: Checked, radius2: float, fresh: float) -> Ask:
        """The batch as the search reads it. What no point ever had stands in a column of its own, whose amount is -inf."""
        unheard = [name for name in asked.names if name not in self._kinds]
        if unheard:
            self._kinds |= {name: len(self._kinds) + i for i, name in enumerate(unheard)}
            self._own(len(self._kinds))
        columns = np.array([self._kinds[name] for name in asked.names], dtype=np.int64)
        deep = bool(len(columns) or len(asked.bar)) or fresh > -np.inf
        order = np.arange(len(asked.x))
        return Ask(
            asked.x, asked.y, asked.need, order, radius2, fresh, bool(asked.need.any()), deep,
            np.arange(len(columns)), columns, asked.least, asked.per_m, asked.bar_at, asked.bar,
        )  # fmt: skip

    def _divided(self, ask: Ask, k: int) -> tuple[list[Part], NDArray[np.int64]]:
        """Parts of the batch with a layout of their own, and the queries for the common one, which is put in order where that pays."""
        parts, rest = list[Part](), ask.order
        many = len(rest) >= _ONE_BATCH and self._live > 0 and (ask.flagged or ask.deep)
        if many and self._lay.used - self._lay.sorted > self._lay.sorted // 4:
            self._settle(0)
        if many:
            parts, rest = divide(self._lay, ask, k)
        loose, holes = self._lay.used - self._lay.sorted, self._lay.used - self._live
        debt = self._debt + loose * len(rest)
        dear = loose > 0 and debt > _REBUILD_PER_POINT * self._live
        if dear and many and len(rest):
            return [*parts, alike(ask, rest)], rest[:0]  # to copy those whom these may get costs less than to place all anew
        self._debt = debt
        if dear or (holes > self._live + _FEW_HOLES and not parts):
            self._settle(0)
        return parts, rest

    def _layouts(self, ask: Ask, parts: list[Part]) -> list[Layout]:
        if not parts:
            return []
        lay, kinds = self._lay, len(ask.columns)
        order = by_cell(lay.points, lay.grid, lay.sorted, lay.used)
        return [smaller(lay, order, ask, part, self._spare_room(lay.used, kinds), self._spread) for part in parts]

    def _spare_room(self, places: int, kinds: int) -> Points:
        """Memory that an earlier batch is done with, as the system takes longer to give new memory than a layout takes to fill."""
        for i, spare in enumerate(self._spare):
            if len(spare.id) >= places and spare.amounts.shape[1] == kinds:
                return self._spare.pop(i)
        return room(len(self._lay.points.id), kinds)

    def _answer(self, lay: Layout, ask: Ask, answers: _Answers) -> None:
        order = ask.order
        if not len(order):
            return
        sorted_ask = ask._replace(order=order[by_tile(lay.grid, ask.x[order], ask.y[order])])
        ids, far, when, count = answers.ids, answers.far, answers.when, answers.count

        def part(first: int, last: int) -> None:
            size = 4 * ids.shape[1] + SCRATCH
            near, at = np.empty(size), np.empty(size, dtype=np.int64)
            search(
                lay.points, lay.grid, lay.sorted, lay.used, sorted_ask, first, last, ids, far, when, count, near, at, self._share
            )

        self._spread(part, len(order), _ONE_BATCH)

    def _spread(self, work: Callable[[int, int], None], rows: int, grain: int) -> None:
        """`spread`, after one thread alone has done such work once: its kernels are compiled then, which is no work for several."""
        spread(work, rows, grain=grain, threads=self._threads if work.__name__ in self._compiled else 1)
        self._compiled.add(work.__name__)


def _within(ask: Ask, part: Part) -> Ask:
    """The queries of a part, asked among those who have what all of them need: only what differs between them is looked at."""
    kinds = np.flatnonzero((ask.per_m > 0.0) | (part.high > part.low))  # a smaller layout has a column a kind
    return ask._replace(
        order=part.rows,
        flagged=bool(part.any_need != part.need),
        deep=bool(len(kinds) or len(ask.bar)),
        kinds=kinds,
        columns=kinds,
        fresh=-np.inf,
    )
