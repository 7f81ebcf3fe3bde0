"""TravelTimes over a road graph: exact shortest ways at the speed limits, times a factor of the hour."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineBusy
from rialto.local.roads import read_roads
from rialto.local.roads_labels import FAR_MS, Labels, labels_of
from rialto.local.roads_pairs import distinct, pairs_ms
from rialto.local.roads_snap import Ground, Snapped
from rialto.local.roads_store import keep, kept
from rialto.local.travel import factors_of, hours_of, places_of, weighted_median

__all__ = ["RoadTimes", "open_roads"]


class RoadTimes:
    """Drive times over a road graph.

    A place is put on the nearest road within the ground's reach; the way there is driven at `off_road_mps`, straight, and the way
    along the roads at their limits x the factor of the hour. What cannot be told is declared: **inf** where no road leads from
    start to goal, **NaN** where one of them is on no road of this graph.

    Args:
        labels: Of the graph's nodes.
        ground: Its stretches.
        factor: How much longer a drive takes than at the limits: one number, or one for each hour of the day, shape (24,).
        utc_offset_s: Added to `at_s` (UTC) before its hour is taken.
        off_road_mps: Speed between a place and its road.
        budget_s: Most seconds that one call may take; looked at between its stages and every few goals.
        clock: Where time comes from.

    Raises:
        BadInput: a factor, speed or budget that is not above 0.

    Cost:
        About 1 us for each distinct place and a pass over a hub label (some 40 rows in a city) for each trip.

    Source:
        See `roads_contract` and `roads_labels`.

    Example:
        >>> from rialto.local.roads import Roads
        >>> roads = Roads(np.array([0.0, 0.0]), np.array([0.0, 0.01]), np.array([0]), np.array([1]), np.array([1112.0]), np.array([10.0]))
        >>> travel = RoadTimes(labels_of(2, roads.tail, roads.head, roads.ms), Ground.of(roads))
        >>> ends = np.array([[0.0, 0.0], [0.0, 0.01]])
        >>> travel.seconds(ends, ends[::-1], at_s=np.zeros(2)).tolist()  # a one-way street
        [111.2, inf]
    """

    def __init__(
        self,
        labels: Labels,
        ground: Ground,
        *,
        factor: float | NDArray[np.float64] = 1.0,
        utc_offset_s: float = 0.0,
        off_road_mps: float = 5.0,
        budget_s: float = float("inf"),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if not (np.isfinite(off_road_mps) and off_road_mps > 0.0 and budget_s > 0.0 and np.isfinite(utc_offset_s)):
            raise BadInput(
                f"off_road_mps is {off_road_mps}, budget_s {budget_s}, utc_offset_s {utc_offset_s}; wanted the first two above 0, the last finite."
            )
        self.labels, self.ground, self.factor = labels, ground, factors_of(factor)
        self.utc_offset_s, self.off_road_mps = float(utc_offset_s), float(off_road_mps)
        self._budget_s, self._clock = float(budget_s), clock

    def seconds(self, start: NDArray[np.float64], goal: NDArray[np.float64], *, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds for each trip, shape (trips,); inf = no way, NaN = a place on no road; see `TravelTimes.seconds`.

        Raises:
            BadInput: what is no place, other shapes, or `at_s` that is not finite.
            EngineBusy: the budget was used up.
        """
        on_road_s, off_road_s = self._parts(start, goal)
        return on_road_s * self.factor[hours_of(at_s, len(on_road_s), utc_offset_s=self.utc_offset_s)] + off_road_s

    def fit(
        self, start: NDArray[np.float64], goal: NDArray[np.float64], seconds: NDArray[np.float64], at_s: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The factor of each hour, shape (24,), by least absolute deviations from drives, as `GreatCircle.fit`; for a new engine.

        Args:
            start, goal: Shape (trips, 2), degrees; trips that the graph cannot tell, or that stay on one spot, teach nothing.
            seconds: How long each took, shape (trips,), above 0.
            at_s: When each began, shape (trips,), seconds since 1970 in UTC.

        Raises:
            BadInput: as `seconds`; a duration that is not finite and above 0; no trip to learn from.
        """
        free, off = self._parts(start, goal)
        hours = hours_of(at_s, len(free), utc_offset_s=self.utc_offset_s)
        took = np.asarray(seconds, dtype=np.float64)
        if took.shape != free.shape or not (np.isfinite(took).all() and (took > 0.0).all()):
            raise BadInput(f"seconds has shape {took.shape}; wanted {free.shape}, one duration above 0 for each trip.")
        used = np.isfinite(free) & (free > 0.0)
        if not used.any():
            raise BadInput(
                f"none of {len(free)} trips leads along this graph's roads; wanted at least one to learn a factor from."
            )
        ratio = np.maximum(took[used] - off[used], 1e-3) / free[used]
        factor = np.full(24, weighted_median(ratio, free[used]))
        for hour in np.unique(hours[used]).tolist():
            here = hours[used] == hour
            factor[hour] = weighted_median(ratio[here], free[used][here])
        return factor

    def _parts(self, start: NDArray[np.float64], goal: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Seconds on the road at its limits (trips,), inf = no way, NaN = on no road, and seconds off it (trips,)."""
        ends_s = self._clock() + self._budget_s
        a, b = places_of("start", start), places_of("goal", goal)
        if len(a) != len(b):
            raise BadInput(f"start has {len(a)} places and goal {len(b)}; wanted as many of each, one a trip.")

        def left_s() -> float:
            left = ends_s - self._clock()
            if left <= 0.0:
                raise EngineBusy(
                    f"{len(a)} drives over the road graph took longer than {self._budget_s:g} s; ask for fewer, or raise budget_s."
                )
            return left

        if not len(a):
            return np.zeros(0), np.zeros(0)
        starts, start_of = self._on_road(a, left_s)
        goals, goal_of = self._on_road(b, left_s)
        known = (starts.segment[start_of] >= 0) & (goals.segment[goal_of] >= 0)
        every = bool(known.all())
        pairs = (start_of, goal_of) if every else (start_of[known], goal_of[known])
        ms = pairs_ms(self.labels, self.ground.segments, starts, goals, pairs, left_s)
        road_s = np.where(ms >= FAR_MS, np.inf, ms / 1000.0)
        off_s = (starts.off_m[start_of] + goals.off_m[goal_of]) / self.off_road_mps
        same = (a == b).all(axis=1)  # a place is no way from itself, wherever its road may be
        if not every:
            road_s, told = np.full(len(a), np.nan), road_s
            road_s[known] = told
        return np.where(same, 0.0, road_s), np.where(same, 0.0, off_s)

    def _on_road(self, places: NDArray[np.float64], left_s: Callable[[], float]) -> tuple[Snapped, NDArray[np.int64]]:
        left_s()
        first, of = distinct(places)
        left_s()
        return self.ground.snap(places[first]), of


def open_roads(
    folder: Path,
    *,
    keep_in: Path | None = None,
    reach_m: float = 1000.0,
    factor: float | NDArray[np.float64] = 1.0,
    off_road_mps: float = 5.0,
    budget_s: float = float("inf"),
) -> RoadTimes:
    """Read a road graph, and prepare it or take what was prepared before.

    Args:
        folder: With `nodes.csv` and `edges.csv`; see `read_roads`.
        keep_in: Where labels are kept, by the graph's content; None = nowhere. What is damaged there is made again, and that is told.
        reach_m: A place farther than this from every road is on none.
        factor, off_road_mps, budget_s: As `RoadTimes`.

    Raises:
        BadRow, BadInput, NothingHere: as `read_roads` and `RoadTimes`.
    """
    roads = read_roads(folder)
    ground = Ground.of(roads, reach_m=reach_m)
    file = None if keep_in is None else keep_in / f"roads-{roads.hash()}.npz"
    try:
        labels = None if file is None else kept(file, len(roads.lat))
    except BadInput as e:
        logging.getLogger("rialto").warning("the road graph is prepared again: %s", e)
        labels = None
    if labels is None:
        labels = labels_of(len(roads.lat), roads.tail, roads.head, roads.ms)
        if file is not None:
            keep(file, labels)
    return RoadTimes(labels, ground, factor=factor, off_road_mps=off_road_mps, budget_s=budget_s)
