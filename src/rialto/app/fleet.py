"""A real fleet beside the service: positions, orders and answers from any thread, a window decided every few seconds, all of it kept."""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from threading import Event, Lock, Thread
from time import time

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.enrolled import Enrolled
from rialto.app.scenes import LATEST, Album, Moment, Scene
from rialto.app.seen import Goals, scene_of
from rialto.app.turns import Turns
from rialto.app.wired import wired
from rialto.errors import EngineError, NothingHere
from rialto.match.blocked import Blocked
from rialto.match.ledger import Held
from rialto.match.offers import Answers, Messages
from rialto.match.pipeline import Assigned
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.track import Judged
from rialto.match.why import Why, why
from rialto.ports import EventLog
from rialto.spine.pipeline import Outcome

__all__ = ["Decided", "Fleet"]

KEPT_S = 3600.0
"""How long windows can be explained, listed and looked at again."""

_KEPT_ROWS = 500_000  # pairs compared in the windows that are kept: some 100 bytes each
_SWEEP_S = 30.0
_SHOWN_S = 0.5  # a scene that is not older than this is shown again


@dataclass(frozen=True, slots=True)
class Decided:
    """One window.

    Args:
        at_s: Its moment, which names it.
        waiting: Orders that were decided.
        orders, drivers, pickup_s, likely: Who was asked for what, seconds to the pickup, and the probability that he says yes,
            shape (asked,) each.
        outcome: What a reason is worked out from.
    """

    at_s: float
    waiting: int
    orders: NDArray[np.int64]
    drivers: NDArray[np.int64]
    pickup_s: NDArray[np.float64]
    likely: NDArray[np.float64]
    outcome: Outcome

    @classmethod
    def of(cls, outcome: Outcome, at_s: float) -> Decided:
        """What a window came to."""
        d, ranked = outcome.decisions, outcome.ranked
        orders: NDArray[np.int64] = np.repeat(outcome.requests.column("order"), d.counts)
        name = "acceptance" if "acceptance" in ranked.columns else "likely"
        empty = np.zeros(0)
        pickup_s, likely = (ranked.column(n)[d.rows].astype(np.float64) if len(orders) else empty for n in ("pickup_s", name))
        return cls(at_s, len(outcome.requests), orders, d.ids, pickup_s, likely, outcome)


class Fleet:
    """A fleet's dispatch system, safe to call from several threads; windows are decided by a thread of its own, and on request.

    Orders and messages wait while a window takes what it decides on, and while it writes its offers, not while it decides: an order that
    is cancelled meanwhile, or a driver who leaves, is refused by the law of offers, so the window's word on them comes to nothing.

    Orders, offers and answers are in the event log before they are acknowledged, and so are enrolments: after a crash the same logs
    give the same state. Positions are not logged: phones send them again within seconds.

    Args:
        engines: Where engines come from; its settings' `fleet` has the plane's middle and the seconds between windows.
        clock: Seconds since 1970, UTC.
        blocked: Pairs (customer, driver) that must not meet.

    Raises:
        EngineBusy: Another process dispatches this fleet.
    """

    def __init__(self, engines: Engines, *, clock: Callable[[], float] = time, blocked: Blocked | None = None) -> None:
        chosen = engines.settings.fleet
        self.centre = chosen.lat, chosen.lon
        self.radius_m, self._every_s = chosen.radius_m, chosen.window_s
        self._clock, self._seed = clock, engines.settings.seed
        self._logs = {name: _log(engines, name) for name in ("offers", "decisions", "drivers")}
        self._geo = engines.geo()
        self._dispatch = wired(
            engines,
            self._geo,
            Plane(*self.centre),
            offers=self._logs["offers"],
            decisions=self._logs["decisions"],
            blocked=blocked,
        )
        self._dispatch.offers.take_over(f"{socket.gethostname()}:{os.getpid()}", at_s=clock())
        self._enrolled = Enrolled(self._logs["drivers"])
        if len(fleet := self._enrolled.everyone()):
            self._dispatch.enrol(fleet, at_s=clock())
        self._turns, self._deciding, self._shown = Turns(), Lock(), Lock()
        self._album = Album(every_s=max(10.0, self._every_s), span_s=KEPT_S)
        self._decided = deque[Decided]()
        self._goals = Goals()
        self._scene: Scene | None = None
        self._last_s = self._swept_s = -np.inf
        self._calls = count()
        self._stop = Event()
        self._thread = Thread(target=self._windows, name="rialto-fleet", daemon=True)
        self.failed = ""
        """Why the last window could not be decided; "" where it was."""

    @property
    def ready(self) -> bool:
        """True while windows are decided."""
        return not self.failed

    @property
    def plane(self) -> Plane:
        """The map."""
        return self._dispatch.track.plane

    def start(self) -> None:
        """Begin to decide windows; a second call does nothing."""
        if self._every_s > 0 and not self._thread.is_alive() and not self._stop.is_set():
            self._thread.start()

    def stop(self) -> None:
        """End the thread, after the window under way, and close the logs; a second call does nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._deciding, self._turns.alone():
            self._geo.close()
            for log in self._logs.values():
                log.close()

    def enrol(self, drivers: Drivers) -> None:
        """Add drivers or renew known ones; durable when it returns. It waits for the window under way, which knows drivers by their rows."""
        with self._deciding, self._turns.alone():
            now_s = self._clock()
            self._dispatch.enrol(drivers, at_s=now_s)
            self._enrolled.keep(drivers, at_s=now_s)

    def pings(self, pings: Pings) -> Judged:
        """Take positions; says what became of each."""
        return self._dispatch.track.pings(pings, now_s=self._clock())

    def place(self, orders: Orders) -> NDArray[np.bool_]:
        """Take orders in, shape (orders,): true where they are new; a known one is left as it is. Durable when it returns."""
        with self._turns.together():
            key = f"placed:{self._dispatch.offers.owned}:{next(self._calls)}"  # of this call alone: orders are known by their numbers
            return self._dispatch.offers.place(orders, at_s=self._clock(), key=key)

    def tell(self, messages: Messages) -> Answers:
        """Act on drivers' and customers' messages, and answer each; durable when it returns."""
        with self._turns.together():
            return self._dispatch.tell_all(messages, at_s=self._clock())

    def window(self) -> Decided:
        """Decide a window now: what waits is offered to who is free."""
        with self._deciding:
            self._last_s = at_s = max(self._clock(), self._last_s + 0.001)
            outcome = self._dispatch.window(Orders.none(), at_s=at_s, seed=self._seed, turn=self._turns.alone)
            decided = Decided.of(outcome, at_s)
            self._decided.append(decided)
            self._goals.keep(outcome, decided.orders, self._dispatch.offers.holding()[1])
            self._forget(at_s)
        if self._album.due(at_s):
            self._album.put(self.scene())
        return decided

    def _forget(self, at_s: float) -> None:
        rows = sum(len(d.outcome.ranked) for d in self._decided)
        while len(self._decided) > 1 and (rows > _KEPT_ROWS or self._decided[0].at_s < at_s - KEPT_S):
            rows -= len(self._decided.popleft().outcome.ranked)
        if at_s - self._swept_s >= _SWEEP_S:
            self._swept_s = at_s
            self._dispatch.track.sweep(now_s=at_s)

    def _windows(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.window()
                self.failed = ""
            except (
                Exception
            ) as e:  # a thread that ended here would leave every later order waiting: readiness tells it, and it goes on
                if not self.failed:
                    logging.getLogger("rialto").error("a window was not decided: %s", e, exc_info=not isinstance(e, EngineError))
                self.failed = f"a window was not decided: {e}"

    def held(self, order: int) -> Held:
        """How an order stands; `NothingHere` where it is unknown."""
        held = self._dispatch.offers.state(order)
        if held.state == "unknown":
            raise NothingHere(f"order {order} is unknown: it was never placed here, or ended long ago and was forgotten.")
        return held

    def standing(self, driver: int) -> list[tuple[int, Held]]:
        """The orders that were offered to a driver or are with him, by number of their offer; `NothingHere` where he is not enrolled."""
        known, _ = self._dispatch.track.slots(np.array([driver]))
        if not known[0]:
            raise NothingHere(f"driver {driver} is not enrolled. Enrol the fleet first.")
        drivers, orders, _ = self._dispatch.offers.holding()
        return [(order, self._dispatch.offers.state(order)) for order in orders[drivers == driver].tolist()]

    def since(self, at_s: float, *, window: bool = False) -> list[Decided]:
        """The kept windows after `at_s`, rising; with `window` the one at that very moment alone."""
        return [d for d in list(self._decided) if (d.at_s == at_s if window else d.at_s > at_s)]

    def why(self, order: int, *, at_s: float | None = None) -> Why:
        """Why an order was decided as it was in its last window, or the last one up to `at_s`; `NothingHere` beyond the kept ones."""
        for decided in reversed(list(self._decided)):
            if (at_s is None or decided.at_s <= at_s) and np.any(decided.outcome.requests.column("order") == order):
                return why(decided.outcome, order)
        raise NothingHere(
            f"order {order} is in none of the last {len(self._decided)} windows; they are kept for an hour at most."
        )

    def scene(self, at_s: float | None = None) -> Scene:
        """What the map shows now, or showed at `at_s` of the last hour."""
        if at_s is not None:
            return self._album.at(at_s)
        with self._shown:
            now_s = self._clock()
            if self._scene is None or not 0.0 <= now_s - self._scene.at_s < _SHOWN_S:
                self._scene = scene_of(self._dispatch, self._goals, self._latest(), now_s)
            return self._scene

    def _latest(self) -> tuple[Assigned, ...]:
        """The latest offers, newest window first."""
        found: list[Assigned] = []
        for d in reversed(list(self._decided)):
            rows = zip(d.orders[:LATEST].tolist(), d.drivers.tolist(), d.pickup_s.tolist())
            found += [Assigned(order, driver, d.at_s, pickup_s) for order, driver, pickup_s in rows]
            if len(found) >= LATEST:
                break
        return tuple(found[:LATEST])

    def moments(self) -> Sequence[Moment]:
        """The moments of the last hour that `scene` can show."""
        return self._album.moments()


def _log(engines: Engines, name: str) -> EventLog:
    """A log of the fleet's own, beside the settings' events: a folder under `home`, or a topic."""
    url = engines.settings.url("events")
    if url.scheme == "kafka":
        return import_module("rialto.adapters.kafka").KafkaEvents.open(f"{url.text}-fleet-{name}")
    folder = engines.settings.home / "fleet" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    return import_module("rialto.local.events").LocalEvents(folder)
