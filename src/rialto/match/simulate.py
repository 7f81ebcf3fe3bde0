"""A city run under a policy, a window at a time, and policies compared on the same luck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.decide import assignment
from rialto.match.offers import Message
from rialto.match.pipeline import BROADCAST, Dispatch
from rialto.match.records import Drivers, Orders, Pings
from rialto.match.stacking import MOST
from rialto.records import Columns
from rialto.spine.decide import Decider
from rialto.spine.evaluate import Difference, Interval, bootstrap, matching, paired
from rialto.spine.pipeline import Outcome

__all__ = ["MEASURES", "City", "Comparison", "Policy", "SimReport", "Simulation", "View", "compare", "compared", "simulate"]

BLOCK_S = 900.0
"""Orders of one quarter of an hour are one unit of the intervals."""

DAY_S = 86_400.0

MEASURES = {"matched": (1, 0), "response_s": (2, 0), "accepted": (4, 3), "drive_s": (5, 4)}
"""Measure -> columns of `SimReport.blocks` that it is the ratio of."""


class View(Protocol):
    """What a simulated city shows: the moment, free drivers, waiting orders, and the answers to the last offers, as columns."""

    @property
    def time_s(self) -> float: ...
    @property
    def drivers(self) -> Columns: ...
    @property
    def orders(self) -> Columns: ...
    @property
    def answers(self) -> Columns: ...


class City(Protocol):
    """Who works there: columns `id`, `flags`, `home_lat`, `home_lon`, `shift_end_s` (of the day)."""

    @property
    def drivers(self) -> Columns: ...


class Simulation(Protocol):
    """A city in motion, such as `rialto.worlds.city_sim.CitySim`: offers go in, the next view comes out."""

    window_s: float

    @property
    def city(self) -> City: ...
    @property
    def done(self) -> bool: ...
    def state(self) -> View: ...
    def step(
        self,
        *,
        order: NDArray[np.int64],
        driver: NDArray[np.int64],
        routes: Mapping[int, Sequence[tuple[int, bool]]] | None = None,
    ) -> View: ...
    def trips(self) -> Columns: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """How windows are decided: the decider, the acceptance model's version (None = the live one, "" = none), and param overrides."""

    name: str
    decider: Callable[[], Decider] = assignment
    version: str | None = None
    overrides: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimReport:
    """What came of a run. Intervals are over quarters of an hour, so that a handful of them is too few to trust.

    Args:
        policy: Its name.
        orders: Orders that came to an end one way or the other (those still waiting at the end are left out).
        matched: Share of orders that a driver accepted.
        response_s: Mean seconds from order to acceptance; an order given up counts its full patience.
        drive_s: Mean seconds of driving to the pickup that were expected, of accepted offers.
        pickup_s: Mean seconds from order to pickup, of orders picked up; preparation time included.
        accepted: Share of offers that were accepted.
        offers: Offers made.
        windows: Windows decided.
        decision_ms: Median and 99th percentile of a window's decision, ms, positions and offers included.
        pings: Reason -> pings.
        fallbacks: Step -> windows in which its fallback answered.
        blocks: Per quarter of an hour: orders, matched, response s, offers, accepted, drive s; shape (blocks, 6), for comparisons.
    """

    policy: str
    orders: int
    matched: Interval
    response_s: Interval
    drive_s: Interval
    pickup_s: Interval
    accepted: Interval
    offers: int
    windows: int
    decision_ms: tuple[float, float]
    pings: Mapping[str, int]
    fallbacks: Mapping[str, int]
    blocks: NDArray[np.float64]


def simulate(
    sim: Simulation,
    dispatch: Dispatch,
    *,
    seconds: float = np.inf,
    seed: int = 0,
    policy: Policy | None = None,
    progress: Callable[[float, int], None] | None = None,
    switch: Callable[[float], Policy] | None = None,
) -> SimReport:
    """Run a simulated city under a policy for `seconds`, or to its end.

    Args:
        sim: The city, at its start.
        dispatch: The system, empty.
        seconds: How long, s; the city's own end where that comes first.
        seed: Of the policy's chance.
        policy: How windows are decided; None = assignment with the live model.
        progress: Told seconds done and orders accepted so far, about once a simulated minute.
        switch: The policy of each window by its moment, s, instead of `policy`, whose name the report bears: a switchback.

    Raises:
        BadInput: the city is over already, or `seconds` is not above 0.

    Cost:
        A window costs its decision, milliseconds; see `decision_ms`.
    """
    if sim.done:
        raise BadInput("the simulated city is over already; make another.")
    if not seconds > 0.0:
        raise BadInput(f"seconds is {seconds}; wanted a time above 0.")
    one = policy or Policy("assignment")
    run = _Run(sim, dispatch, one, seed, switch or (lambda at_s: one))
    view = sim.state()
    start_s = view.time_s
    told_s = start_s
    while not sim.done and view.time_s < start_s + seconds:
        view = run.window(view)
        if progress is not None and view.time_s >= told_s + 60.0:
            progress(view.time_s - start_s, len(sim.trips()["order"]))
            told_s = view.time_s
    run.waiting = set(view.orders["id"].tolist())
    return run.report()


@dataclass(slots=True)
class _Run:
    """One run: what the system has been told, and what came of it."""

    sim: Simulation
    dispatch: Dispatch
    policy: Policy
    seed: int
    switch: Callable[[float], Policy]
    day: int = -1
    here: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    placed: dict[int, tuple[float, float]] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    offers: list[tuple[float, bool, float]] = field(default_factory=list)
    """When, whether it was accepted, and the drive expected, s."""
    told_s: float = -np.inf
    decided_s: list[float] = field(default_factory=list)
    pings: Counter[str] = field(default_factory=Counter)
    fallbacks: Counter[str] = field(default_factory=Counter)

    def window(self, view: View) -> View:
        """Tell the system what is new, let it decide, and pass its offers to the city and the answers back."""
        at_s = view.time_s
        self._shift(at_s)
        orders = self._new_orders(view)
        self._progress(at_s, set(view.orders["id"].tolist()))
        start = perf_counter()
        self._positions(view, at_s)
        policy = self.switch(at_s)
        if policy.overrides.get(BROADCAST.name, 0):
            raise BadInput(f"policy {policy.name!r} broadcasts; the simulated city answers one driver an order: leave it at 0.")
        outcome = self.dispatch.window(
            orders, at_s=at_s, seed=self.seed, overrides=policy.overrides, version=policy.version, decider=policy.decider
        )
        self.decided_s.append(perf_counter() - start)
        self.fallbacks.update(outcome.trace.fallbacks)
        order = np.repeat(outcome.requests.column("order"), outcome.decisions.counts)
        after = self.sim.step(order=order, driver=outcome.decisions.ids, routes=self._routes(outcome, at_s))
        self._answers(after.answers if len(order) else {}, at_s)
        return after

    def _routes(self, outcome: Outcome, at_s: float) -> Mapping[int, Sequence[tuple[int, bool]]] | None:
        """The stops of everybody who is asked, in order, where a driver may have several orders."""
        if int(MOST.one(outcome.requests)) == 1:
            return None
        routes = {driver: self.dispatch.route(driver, at_s=at_s) for driver in outcome.decisions.ids.tolist()}
        return {driver: [(stop.order, stop.kind == "dropoff") for stop in stops] for driver, stops in routes.items()}

    def _shift(self, at_s: float) -> None:
        day = int(at_s // DAY_S)
        if day != self.day:
            self.day = day
            fleet = self.sim.city.drivers
            columns = {name: fleet[name] for name in ("flags", "home_lat", "home_lon")}
            ends_s = fleet["shift_end_s"] + day * DAY_S
            self.dispatch.enrol(Drivers.of(fleet["id"], shift_end_s=ends_s, **columns), at_s=at_s)

    def _positions(self, view: View, at_s: float) -> None:
        free = view.drivers
        self.dispatch.track.leave(self.here[~np.isin(self.here, free["id"])])  # their phones say: not available
        self.here = free["id"]
        times = np.full(len(self.here), at_s)
        self.pings.update(self.dispatch.pings(Pings.of(self.here, lat=free["lat"], lon=free["lon"], time_s=times), now_s=at_s))

    def _new_orders(self, view: View) -> Orders:
        o = view.orders
        new = np.array([i not in self.placed for i in o["id"].tolist()], dtype=np.bool_)
        o = {name: column[new] for name, column in o.items()}
        for i, when, patience in zip(o["id"].tolist(), o["time_s"].tolist(), o["patience_s"].tolist()):
            self.placed[i] = (when, patience)
        return Orders.of(
            o["id"],
            lat=o["pickup_lat"],
            lon=o["pickup_lon"],
            placed_s=o["time_s"],
            need=o["need"],
            value_cents=o["value_cents"],
            customer=o["merchant"],
            expire_s=o["time_s"] + o["patience_s"],
            drop_lat=o["dropoff_lat"],
            drop_lon=o["dropoff_lon"],
            **{name: o[name] for name in ("volume_l",) if name in o},
        )

    def _progress(self, at_s: float, waiting: set[int]) -> None:
        trips = self.sim.trips()
        self._ready(trips, at_s)
        messages: list[Message] = []
        for kind, column in (("picked_up", "picked_s"), ("delivered", "delivered_s")):
            new = (trips[column] > self.told_s) & (trips[column] <= at_s)
            rows = zip(trips["order"][new].tolist(), trips["driver"][new].tolist())
            messages += [Message(f"{kind}:{order}", kind, order, driver) for order, driver in rows]
        self.told_s = at_s
        gone = sorted(self.waiting - waiting)
        messages += [Message(f"left:{i}", "cancelled", i) for i in gone if self.dispatch.offers.state(i).state == "waiting"]
        self.waiting = waiting
        self.dispatch.tell(messages, at_s=at_s)

    def _ready(self, trips: Columns, at_s: float) -> None:
        """At the pick-up the merchant tells since when the order was ready; a simulation without merchants tells nothing."""
        if "ready_s" in trips:
            new = (trips["picked_s"] > self.told_s) & (trips["picked_s"] <= at_s) & np.isfinite(trips["ready_s"])
            self.dispatch.offers.ready(trips["order"][new], trips["merchant"][new], trips["ready_s"][new], at_s=at_s)

    def _answers(self, answers: Columns, at_s: float) -> None:
        if not answers:
            return
        rows = list(zip(answers["order"].tolist(), answers["driver"].tolist(), answers["accepted"].tolist()))
        kinds = {True: "accepted", False: "declined"}
        self.dispatch.tell([Message(f"{kinds[yes]}:{o}:{at_s!r}", kinds[yes], o, d) for o, d, yes in rows], at_s=at_s)
        self.offers += [(at_s, yes, drive_s) for (_, _, yes), drive_s in zip(rows, answers["pickup_s"].tolist())]

    def report(self) -> SimReport:
        """All measures, with intervals."""
        ended = np.array([i for i in self.placed if i not in self.waiting], dtype=np.int64)
        placed_s, patience_s = np.array([self.placed[i] for i in ended.tolist()]).reshape(-1, 2).T
        trips = self.sim.trips()
        taken = dict(zip(trips["order"].tolist(), trips["accepted_s"].tolist()))
        response_s = np.array([taken.get(i, np.nan) for i in ended.tolist()]) - placed_s
        matched = np.isfinite(response_s)
        measured = matching(matched, response_s, patience_s, window=_block(placed_s), seed=self.seed)
        offered_s, yes, drive_s = np.array(self.offers, dtype=np.float64).reshape(-1, 3).T
        ordered_s = np.array([self.placed[i][0] for i in trips["order"].tolist()])
        ms = np.array(self.decided_s) * 1000.0
        of_orders = (np.ones(len(ended)), matched.astype(np.float64), np.where(matched, response_s, patience_s))
        blocks = [self._sums(placed_s, of_orders), self._sums(offered_s, (np.ones(len(yes)), yes, yes * drive_s))]
        return SimReport(
            policy=self.policy.name,
            orders=len(ended),
            matched=measured.share,
            response_s=measured.response_s,
            drive_s=_mean_over(offered_s, np.where(yes > 0.0, drive_s, np.nan), seed=self.seed),
            pickup_s=_mean_over(ordered_s, trips["picked_s"] - ordered_s, seed=self.seed),
            accepted=_mean_over(offered_s, yes, seed=self.seed),
            offers=len(yes),
            windows=len(ms),
            decision_ms=(float(np.median(ms)), float(np.quantile(ms, 0.99))),
            pings=dict(self.pings),
            fallbacks=dict(self.fallbacks),
            blocks=np.concatenate(blocks, axis=1),
        )

    def _sums(self, when_s: NDArray[np.float64], values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Sums of each of `values` over the run's quarters of an hour, shape (blocks, values); the same blocks under any policy."""
        every = _block(np.array([when for when, _ in self.placed.values()] or [0.0]))
        first, size = int(every.min()), int(every.max() - every.min()) + 1
        at = np.clip(_block(when_s) - first, 0, size - 1)
        return np.stack([np.bincount(at, v, size) for v in values], axis=1).astype(np.float64)


def _block(when_s: NDArray[np.float64]) -> NDArray[np.int64]:
    return (when_s // BLOCK_S).astype(np.int64)


def _mean_over(when_s: NDArray[np.float64], values: NDArray[np.float64], *, seed: int) -> Interval:
    """Mean of the values that are not NaN, with an interval over quarters of an hour."""
    used = np.isfinite(values)
    names, code = np.unique(_block(when_s[used]), return_inverse=True)
    sums = np.bincount(code, values[used], len(names)), np.bincount(code, minlength=len(names)).astype(np.float64)
    return bootstrap(np.stack(sums, axis=1), seed=seed, of=lambda m: np.asarray(m[:, 0] / m[:, 1]))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Policies over the same seeds, each compared with the first; all meet the same orders, drivers and luck.

    Args:
        reports: Policy -> its reports, one a seed.
        differences: Measure (`matched`, `response_s`, `accepted`, `drive_s`) -> policy -> its difference to the first policy,
            paired by quarter of an hour and seed.
    """

    reports: Mapping[str, Sequence[SimReport]]
    differences: Mapping[str, Mapping[str, Difference]]


def compare(
    simulation: Callable[[int], Simulation],
    dispatch: Callable[[], Dispatch],
    policies: Sequence[Policy],
    *,
    seeds: Sequence[int],
    progress: Callable[[str, int], None] | None = None,
) -> Comparison:
    """Run each policy on each seed's city, alternating, and compare all with the first.

    Args:
        simulation: A fresh city for a seed; equal seeds must give equal luck.
        dispatch: A fresh system.
        policies: At least two; the first is what the others are compared with.
        seeds: One run each.
        progress: Told the policy and seed of each run as it begins.
    """
    reports: dict[str, list[SimReport]] = {p.name: [] for p in policies}
    if len(reports) < 2 or len(reports) != len(policies):
        raise BadInput(f"policies are {[p.name for p in policies]}; wanted two or more, each with a name of its own.")
    for seed in seeds:
        for policy in policies:
            if progress is not None:
                progress(policy.name, seed)
            reports[policy.name].append(simulate(simulation(seed), dispatch(), seed=seed, policy=policy))
    return compared(reports)


def compared(reports: Mapping[str, Sequence[SimReport]]) -> Comparison:
    """The comparison of runs that were made: policy -> its reports, the same seeds in the same order; the first is compared with."""
    base, *others = reports
    blocks = {name: _stacked(rs) for name, rs in reports.items()}

    def differences(above: int, below: int) -> dict[str, Difference]:
        def ratio(name: str) -> NDArray[np.float64]:
            with np.errstate(invalid="ignore"):
                return np.asarray(blocks[name][:, above] / blocks[name][:, below])

        return {name: paired(ratio(base), ratio(name), seed=0) for name in others}

    return Comparison(reports, {name: differences(above, below) for name, (above, below) in MEASURES.items()})


def _stacked(reports: Sequence[SimReport]) -> NDArray[np.float64]:
    return np.concatenate([r.blocks for r in reports])
