"""A real fleet beside the service: positions, orders and answers from any thread, a window decided every few seconds, all of it kept."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from threading import Lock
from time import time

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.enrolled import Enrolled
from rialto.app.experiments import plan_of, policy_at
from rialto.app.fleet_windows import FleetWindows, known_order, plane_of
from rialto.app.renewing import Renewing
from rialto.app.scenes import Scene
from rialto.app.seen import Goals, scene_of
from rialto.app.terms import log_beside
from rialto.app.turns import Turns
from rialto.app.wired import wired
from rialto.errors import NothingHere
from rialto.match.arrival import Arrival
from rialto.match.blocked import Blocked
from rialto.match.durations import Band
from rialto.match.ledger import Held
from rialto.match.offers import Answers, Messages
from rialto.match.records import Drivers, Orders, Pings
from rialto.match.route import Stop
from rialto.match.sure import told_of
from rialto.match.track import Judged
from rialto.match.why import Why
from rialto.records import Columns
from rialto.spine.pipeline import Outcome

__all__ = ["Decided", "Fleet"]

_KEPT_ROWS = 500_000


@dataclass(frozen=True, slots=True)
class Decided:
    """One window.

    Args:
        at_s: Its moment, which names it.
        waiting: Orders that were decided.
        orders, drivers, pickup_s, likely: Who was asked for what, seconds to the pickup, and the probability that he says yes,
            shape (asked,) each.
        sure: What the seconds to the pickup lie between, and how old the driver's position was, by the names of `sure.TOLD`.
        outcome: What a reason is worked out from.
    """

    at_s: float
    waiting: int
    orders: NDArray[np.int64]
    drivers: NDArray[np.int64]
    pickup_s: NDArray[np.float64]
    likely: NDArray[np.float64]
    sure: Columns
    outcome: Outcome

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Steps that their fallback answered."""
        return self.outcome.trace.fallbacks

    @property
    def rows(self) -> int:
        """Pairs compared: some 100 bytes each."""
        return len(self.outcome.ranked)

    @classmethod
    def of(cls, outcome: Outcome, at_s: float, band: Band | None = None) -> Decided:
        """What a window came to."""
        d, ranked = outcome.decisions, outcome.ranked
        orders: NDArray[np.int64] = np.repeat(outcome.requests.column("order"), d.counts)
        name = "acceptance" if "acceptance" in ranked.columns else "likely"
        likely = ranked.column(name)[d.rows].astype(np.float64) if len(orders) else np.zeros(0)
        sure = told_of(outcome, band)
        return cls(at_s, len(outcome.requests), orders, d.ids, sure["pickup_s"], likely, sure, outcome)


class Fleet(FleetWindows[Decided]):
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
        BadSettings: Orders may be farther away than the flat map is true.
    """

    def __init__(self, engines: Engines, *, clock: Callable[[], float] = time, blocked: Blocked | None = None) -> None:
        plane = plane_of(engines.settings)
        self._logs = {name: log_beside(engines, name) for name in ("offers", "decisions", "drivers")}
        self._geo = engines.geo()
        self._dispatch = wired(
            engines, self._geo, plane, offers=self._logs["offers"], decisions=self._logs["decisions"], blocked=blocked
        )
        super().__init__(engines.settings, self._dispatch.track, clock=clock, most_rows=_KEPT_ROWS)
        self._dispatch.offers.take_over(f"{socket.gethostname()}:{os.getpid()}", at_s=clock())
        self._plan = plan_of(engines)
        self._renewing = Renewing(engines, self._dispatch, self._logs["offers"])
        self._renewing.step(clock())
        self._enrolled = Enrolled(self._logs["drivers"])
        if len(fleet := self._enrolled.everyone()):
            self._dispatch.enrol(fleet, at_s=clock())
        self._before = fleet
        self._turns, self._deciding = Turns(), Lock()
        self._goals = Goals()
        self._calls = count()

    def stop(self) -> None:
        """End the thread, after the window under way, and close the logs; a second call does nothing."""
        if self._end():
            with self._deciding, self._turns.alone():
                self._renewing.keep()
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
            new = self._dispatch.offers.place(orders, at_s=self._clock(), key=key)
        return self._placed(new)

    def tell(self, messages: Messages) -> Answers:
        """Act on drivers' and customers' messages, and answer each; durable when it returns."""
        with self._turns.together():
            return self._dispatch.tell_all(messages, at_s=self._clock())

    def window(self) -> Decided:
        """Decide a window now: what waits is offered to who is free."""
        with self._deciding:
            at_s = self._moment()
            policy, arm = policy_at(self._plan, at_s)
            outcome = self._dispatch.window(
                Orders.none(), at_s=at_s, seed=self._seed, turn=self._turns.alone, deadline_s=self._deadline_s(),
                overrides=policy.overrides, version=policy.version, decider=policy.decider, arm=arm,
            )  # fmt: skip
            decided = Decided.of(outcome, at_s, self._dispatch.band)
            self._goals.keep(outcome, decided.orders, self._dispatch.offers.holding()[1])
            self._keep(decided)
        self._picture(at_s)
        return decided

    def held(self, order: int) -> Held:
        """How an order stands; `NothingHere` where it is unknown."""
        held = self._dispatch.offers.state(order)
        return known_order(order, held)

    def arrival(self, order: int) -> Arrival | None:
        """When an order that a driver has is reached, as `Dispatch.arrival` tells."""
        return self._dispatch.arrival(order, now_s=self._clock())

    def standing(self, driver: int) -> list[tuple[int, Held]]:
        """The orders that were offered to a driver or are with him, by number of their offer; `NothingHere` where he is not enrolled."""
        self._must_know(driver)
        orders, _ = self._dispatch.offers.holding_of(driver)
        return [(order, self._dispatch.offers.state(order)) for order in orders.tolist()]

    def route(self, driver: int) -> list[Stop]:
        """The stops that a driver has yet to make, in order; `NothingHere` where he is not enrolled."""
        self._must_know(driver)
        return self._dispatch.route(driver, at_s=self._clock())

    def why(self, order: int, *, at_s: float | None = None) -> Why:
        """Why an order was decided as it was in its last window, or the last one up to `at_s`; `NothingHere` beyond the kept ones."""
        for decided in reversed(list(self._decided)):
            if (at_s is None or decided.at_s <= at_s) and np.any(decided.outcome.requests.column("order") == order):
                return self._dispatch.explain(decided.outcome, order)
        raise NothingHere(
            f"order {order} is in none of the last {len(self._decided)} windows; they are kept for an hour at most."
        )

    def _renew(self, now_s: float) -> None:
        self._renewing.step(now_s)

    def _seen(self, now_s: float) -> Scene:
        return scene_of(self._dispatch, self._goals, self._latest(), now_s)
