"""A day out of the logs as the map shows one: its moments to slide through, who stood how with which order, and why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.fleet_logs import FleetLogs
from rialto.app.logged_why import LoggedWhy
from rialto.app.scenes import LATEST, STATES, Moment, Scene
from rialto.app.seen import small
from rialto.errors import BadInput, NothingHere, RialtoError
from rialto.match.ledger import ASSIGNED, CANCELLED, DELIVERED, OFFERED, PICKED_UP, WAITING
from rialto.match.pipeline import Assigned
from rialto.match.timeline import Standing, Timeline
from rialto.match.why import Why
from rialto.ports import EventLog, Models
from rialto.records import Columns

__all__ = ["DAY_S", "LoggedDay", "LoggedDays"]

DAY_S = 86_400.0
_MOMENTS = 720
"""Moments of a day that the slider has, at most."""

_SILENT_S = 7200.0
"""A driver of whom the log told nothing for so long is on the map no more."""

_BACK = 400
"""Windows that are looked through for an order, backwards."""

Floats = NDArray[np.float64]


class LoggedDays:
    """The days of logs of offers, each to be slid through; safe to call from several threads.

    Args:
        offers: Each opens a log of offers: one, or one a shard.
        decisions: Each opens a log of decisions, for the reasons; none = none is kept.
        models: Those of the service.
    """

    def __init__(
        self, offers: Sequence[Callable[[], EventLog]], decisions: Sequence[Callable[[], EventLog]], models: Callable[[], Models]
    ) -> None:
        self._offers, self._opens, self._models = offers, decisions, models
        self._opened: tuple[Timeline, LoggedWhy] | None = None
        self._lock = Lock()
        self._names: list[str] = []
        self._held: list[Any] = []
        self._reader: Thread | None = None

    def _logs(self) -> tuple[Timeline, LoggedWhy]:
        """The logs, opened when they are first asked for; only read."""
        if self._opened is None:
            offers, decisions = ([opens() for opens in logs] for logs in (self._offers, self._opens))
            self._held = [*offers, *decisions]
            self._opened = Timeline(offers), LoggedWhy(decisions, self._models())
        return self._opened

    @classmethod
    def of_fleet(cls, engines: Engines) -> LoggedDays:
        """The days of the fleet that the settings name, read from its own logs as they grow; none where it has none."""
        if not engines.settings.fleet.on:
            return cls([], [], engines.models)
        logs = FleetLogs.of_fleet(engines)
        return cls(logs.offers, logs.decisions, engines.models)

    @classmethod
    def of_folders(cls, engines: Engines, offers: Sequence[Path], decisions: Sequence[Path] = ()) -> LoggedDays:
        """The days of logs in folders.

        Raises:
            NothingHere: There is no such folder.
        """
        logs = FleetLogs.of_folders(offers, decisions)
        return cls(logs.offers, logs.decisions, engines.models)

    def names(self) -> list[str]:
        """The days that have steps, as `YYYY-MM-DD` in UTC, rising; of made-up days, whose clock begins at 0, `1970-01-01`.

        Cost:
            The first call reads the logs, some 10 us a row; later ones what is new.
        """
        with self._lock:
            timeline, _ = self._logs()
            timeline.follow()
            days = np.unique(np.floor(timeline.steps.since_s / DAY_S))
            self._names = [datetime.fromtimestamp(day * DAY_S, UTC).strftime("%Y-%m-%d") for day in days.tolist()]
        return self._names

    def known(self) -> list[str]:
        """The days that were read so far, at once; what is new is read meanwhile, by a thread, for the next who asks."""
        if self._offers and (self._reader is None or not self._reader.is_alive()):
            self._reader = Thread(target=self._read, name="rialto-days", daemon=True)
            self._reader.start()
        return self._names

    def _read(self) -> None:
        try:
            self.names()
        except RialtoError:
            logging.getLogger("rialto").exception("the days of the fleet's logs could not be read")

    def close(self) -> None:
        """Let go of the logs."""
        if self._reader is not None:
            self._reader.join()
        with self._lock:
            for log in self._held:
                log.close()
            self._held, self._opened = [], None

    def day(self, name: str) -> LoggedDay:
        """One of `names`.

        Raises:
            BadInput: The name is no day.
            NothingHere: The logs have no such day.
        """
        try:
            start_s = datetime.strptime(name, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise BadInput(f"the day is {name[:40]!r}; wanted YYYY-MM-DD, in UTC.") from None
        known = self.names()
        if name not in known:
            there = f"{known[0]} to {known[-1]}" if known else "none: nothing was logged yet"
            raise NothingHere(f"no order took a step on {name}; days in the logs: {there}.")
        return LoggedDay(self, self._logs()[0], start_s)

    def why(self, order: int, at_s: float) -> Why:
        """Why an order was decided as it was in its last window up to `at_s`, as the log of decisions tells."""
        with self._lock:
            return self._logs()[1].why(order, at_s, back=_BACK)


class LoggedDay:
    """One day of the logs, in the shape of what the map asks; made by `LoggedDays.day`.

    Drivers' positions are not in the logs. Who has an order is drawn where it leads him: from where his last one left him, or from
    the pick-up, in a straight line, as fast as the log's times say; who has none stands where his last one ended. So every age is unknown.
    """

    def __init__(self, days: LoggedDays, timeline: Timeline, start_s: float) -> None:
        self._days, self._timeline, self._start_s = days, timeline, start_s
        steps = timeline.steps
        today = (steps.since_s >= start_s) & (steps.since_s < start_s + DAY_S)
        self.first_s, self.last_s = float(steps.since_s[today].min()), float(steps.since_s[today].max())
        lat, lon = steps.lat[today], steps.lon[today]
        self.centre = float(np.median(lat)), float(np.median(lon))
        east, north = (lon - self.centre[1]) * np.cos(np.radians(self.centre[0])), lat - self.centre[0]
        self.radius_m = max(1000.0, float(np.quantile(np.hypot(east, north), 0.99)) * 111_195.0 * 1.15)

    def moments(self) -> list[Moment]:
        """Up to 720 moments, evenly over the day's steps, each in numbers. How many drivers were free is what the map would show then."""
        size = int(np.clip((self.last_s - self.first_s) // 2.0 + 1, 2, _MOMENTS))
        at_s = np.linspace(self.first_s, self.last_s, size)
        counts = self._timeline.counts(at_s)
        known = np.sort(self._known())
        free = np.maximum(np.searchsorted(known, at_s, side="right") - counts["busy"], 0)
        return [Moment(*row) for row in zip(at_s.tolist(), counts["busy"].tolist(), free.tolist(), counts["waiting"].tolist())]

    def told(self) -> tuple[str, int, int, int, int, str, str]:
        """The day, orders that took a step on it, those delivered and cancelled, drivers asked, and its first and last step's time, UTC."""
        steps = self._timeline.steps
        rows = steps.take(np.flatnonzero((steps.since_s >= self._start_s) & (steps.since_s < self._start_s + DAY_S)))
        first, last = (datetime.fromtimestamp(at_s, UTC) for at_s in (self.first_s, self.last_s))
        asked = np.unique(rows.driver[rows.driver >= 0])
        ended = [int((rows.state == state).sum()) for state in (DELIVERED, CANCELLED)]
        return (
            f"{first:%Y-%m-%d}",
            len(np.unique(rows.order)),
            ended[0],
            ended[1],
            len(asked),
            f"{first:%H:%M:%S}",
            f"{last:%H:%M:%S}",
        )

    def _known(self) -> Floats:
        """When each driver of the day had his first order, s."""
        steps = self._timeline.steps
        rows = (steps.driver >= 0) & (steps.since_s >= self._start_s) & (steps.since_s < self._start_s + DAY_S)
        _, first = np.unique(steps.driver[rows], return_index=True)
        return steps.since_s[rows][first]

    def why(self, order: int, *, at_s: float | None = None) -> Why:
        """Why an order was decided as it was in its last window, of those up to `at_s`."""
        return self._days.why(order, self.last_s if at_s is None else at_s)

    def scene(self, at_s: float | None = None) -> Scene:
        """What the logs say of a moment; the day's last where absent."""
        when_s = float(np.clip(self.last_s if at_s is None else at_s, self.first_s, self.last_s))
        steps = self._timeline.steps
        past = steps.take(np.flatnonzero((steps.since_s <= when_s) & (steps.since_s >= self._start_s - _SILENT_S)))
        now = past.take(past.until_s > when_s)
        waiting = now.take(now.state == WAITING)
        orders = {
            "id": waiting.order,
            "lat": waiting.lat,
            "lon": waiting.lon,
            "waits_s": np.maximum(when_s - waiting.placed_s, 0.0),
        }
        asked = past.take(past.state == OFFERED)
        latest = zip(*(c[-LATEST:][::-1].tolist() for c in (asked.order, asked.driver, asked.since_s)))
        drivers, silent = _drivers(past, now, when_s)
        return Scene(when_s, small(drivers), small(orders), tuple(Assigned(o, d, t, float("nan")) for o, d, t in latest), silent)


_WORDS = {OFFERED: "offered", ASSIGNED: "assigned", PICKED_UP: "picked_up"}


def _drivers(past: Standing, now: Standing, when_s: float) -> tuple[Columns, int]:
    """Drivers as the log places them, and how many it knows too little of."""
    where: dict[int, tuple[float, float, float]] = {}  # driver -> where his last order left him, and when
    over = past.take((past.state == DELIVERED) & (past.driver >= 0))
    ends = (over.driver, over.lat, over.lon, over.drop_lat, over.drop_lon, over.since_s)
    for driver, lat, lon, to_lat, to_lon, at_s in zip(*(c.tolist() for c in ends)):
        where[driver] = (to_lat, to_lon, at_s) if to_lat == to_lat else (lat, lon, at_s)
    rows: dict[int, tuple[float, float, int, int, float, float]] = {}
    has = now.take(np.isin(now.state, tuple(_WORDS)) & (now.driver >= 0))
    for i, driver in enumerate(has.driver.tolist()):
        pickup = float(has.lat[i]), float(has.lon[i])
        door = float(has.drop_lat[i]), float(has.drop_lon[i])
        state, since_s, until_s = int(has.state[i]), float(has.since_s[i]), float(has.until_s[i])
        origin = where[driver][:2] if driver in where else pickup
        known_door = door[0] == door[0]
        begin, end = (pickup, door if known_door else pickup) if state == PICKED_UP else (origin, pickup)
        share = (when_s - since_s) / (until_s - since_s) if state != OFFERED and since_s < until_s < np.inf else 0.0
        at = begin[0] + (end[0] - begin[0]) * share, begin[1] + (end[1] - begin[1]) * share
        rows[driver] = (*at, STATES.index(_WORDS[state]), int(has.order[i]), *(door if state == PICKED_UP else pickup))
    nan = float("nan")
    for driver, (lat, lon, at_s) in where.items():
        if driver not in rows and when_s - at_s <= _SILENT_S:
            rows[driver] = (lat, lon, 0, -1, nan, nan)
    ids = np.array(sorted(rows), dtype=np.int64)
    table = np.array([(r[0], r[1], r[4], r[5]) for _, r in sorted(rows.items())], dtype=np.float64).reshape(-1, 4)
    whole = np.array([(r[2], r[3]) for _, r in sorted(rows.items())], dtype=np.int64).reshape(-1, 2)
    columns: Columns = {
        "id": ids, "lat": table[:, 0], "lon": table[:, 1], "age_s": np.full(len(ids), np.nan), "state": whole[:, 0].astype(np.uint8),
        "order": whole[:, 1], "goal_lat": table[:, 2], "goal_lon": table[:, 3],
    }  # fmt: skip
    return columns, len(set(past.driver[past.driver >= 0].tolist()) - rows.keys())
