"""The match system: engines in, decisions out; reads top to bottom like a window of orders."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from rialto.errors import NothingHere
from rialto.match import decide, features, retrieve
from rialto.match.arrival import Arrival, arrival, on_route
from rialto.match.blocked import Blocked
from rialto.match.durations import Band
from rialto.match.kitchens import Kitchens
from rialto.match.ledger import COME, KINDS, LEAVE, Answer
from rialto.match.offers import Answers, Message, Messages, Offers
from rialto.match.outlook import Ahead, outlook
from rialto.match.patience import following
from rialto.match.records import Drivers, Orders, Pings
from rialto.match.route import Stop, route_of
from rialto.match.snapshot import Assigned, Snapshot, snapshot
from rialto.match.stacking import MOST, Stacks, groups
from rialto.match.sure import band_of
from rialto.match.track import Track
from rialto.match.travel import Travel
from rialto.match.why import Why, why
from rialto.ports import EventLog, GeoIndex, Models
from rialto.records import Requests, uniforms
from rialto.spine.decide import Decider
from rialto.spine.log import DecisionLog
from rialto.spine.params import Param, overrides_of
from rialto.spine.pipeline import Outcome, Pipeline, Recorded
from rialto.spine.thinned import thinned

__all__ = ["AGAIN_S", "BROADCAST", "OFFER_S", "Assigned", "Dispatch", "Snapshot", "build"]

OFFER_S = Param("match.offers.until_s", 20.0, low=0.0, high=3600.0, unit="s", doc="How long a driver has to answer an offer.")

AGAIN_S = Param(
    "match.offers.again_s", 60.0, low=0.0, high=1e9, unit="s",
    doc="How long after an offer expired its driver is not asked for the same order again; who declined it is never.",
)  # fmt: skip

BROADCAST = Param(
    "match.offers.broadcast", 0, low=0, high=100, unit="drivers",
    doc="Drivers who are offered an order besides the chosen one, the cheapest whom no order chose: the first to accept has it. 0 = none.",
)  # fmt: skip

FORGET_S = Param(
    "match.offers.forget_s", 604_800.0, low=3600.0, high=1e9, unit="s",
    doc="How long orders that ended, and keys of messages, stay in memory; the log keeps them.",
)  # fmt: skip

WHOLE = Param(
    "match.log.whole", 1.0, low=0.0, high=1.0, unit="share",
    doc="Windows logged with every driver compared, to be replayed; of the others, the chosen and their runners-up.",
)  # fmt: skip

WINDOWS_KEPT = 256
"""Latest windows that `Dispatch.why` can still explain."""

_PRESENCE = (KINDS[LEAVE], KINDS[COME])

TIDY_S, SNAPSHOT_ROWS = 3600.0, 500_000
"""How often a long-lived system tidies its offers, and how many rows of their log are worth a snapshot."""

BESIDE_ROWS = 4096
"""Pairs from which a window's record is worth a thread of its own."""

RECENT = 200
"""Latest offers that a `Snapshot` shows."""


def build(
    *,
    geo: GeoIndex,
    travel: Travel,
    models: Models,
    track: Track,
    offers: EventLog,
    decisions: EventLog | None = None,
    blocked: Blocked | None = None,
    ahead: Ahead | None = None,
    offset_s: float = 0.0,
) -> Dispatch:
    """Wire the system.

    Args:
        geo: Where drivers are; `track` moves them in it.
        travel: How long a drive takes.
        models: Where the live acceptance model is read from; none live = a constant.
        track: The fleet.
        offers: Log of orders and offers, which is recovered from at once.
        decisions: Log of decisions, or None to keep none.
        blocked: Pairs (customer, driver) that must not meet.
        ahead: What drivers are worth where an order leaves them; `match.decide.ahead_s` weighs it.
        offset_s: Local time's lead over UTC, s: what hour of the day it is to drivers.
    """
    pairs = Blocked(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)) if blocked is None else blocked
    kept = None if decisions is None else DecisionLog(decisions)
    return Dispatch(geo, travel, models, track, Offers(offers), kept, pairs, ahead, offset_s=offset_s)


class Dispatch:
    """Takes positions, orders and answers; decides a window at a time who is offered what. Made by `build`."""

    def __init__(
        self,
        geo: GeoIndex,
        travel: Travel,
        models: Models,
        track: Track,
        offers: Offers,
        decisions: DecisionLog | None,
        blocked: Blocked,
        ahead: Ahead | None = None,
        *,
        offset_s: float = 0.0,
    ) -> None:
        self._geo, self._travel, self._models = geo, travel, models
        self.track, self.offers = track, offers
        self._decisions, self._blocked, self._ahead = decisions, blocked, ahead
        self._kitchens, self._gives_up, self._offset_s = Kitchens(models, offers), following(models), offset_s
        self._pipelines: dict[tuple[str, str, bool], Pipeline] = {}
        self._stacks = Stacks(track)
        self._refused = Blocked(*offers.refusals())
        offers.freed()  # a fleet is enrolled with the drivers held whom the log holds
        self._windows: deque[Outcome] = deque(maxlen=WINDOWS_KEPT)
        self._recent: deque[Assigned] = deque(maxlen=RECENT)
        self._now_s, self._tidied_s = 0.0, -1.0
        self._presence = Lock()
        self.shared = False
        """True in a shard, whose log says `left` of drivers whom a neighbour has: they are found all the same, and `Track.away` says who is not."""

    def pipeline(
        self, *, version: str | None = None, decider: Callable[[], Decider] = decide.assignment, stacked: bool = False
    ) -> Pipeline:
        """The chain that an order goes through, with acceptance model `version` ("" = none; None = the live one).

        `stacked`: drivers with orders may be found, and cost what the detour does; see `stacking.groups`.
        """
        if version is None:
            live = self._models.live(decide.ACCEPTANCE)
            version = "" if live is None else live[0]
        chooses = decider()
        key = (version, chooses.name, stacked)
        if key not in self._pipelines:
            self._pipelines[key] = Pipeline(
                "match",
                sources=[
                    retrieve.nearest(
                        self._geo, self.track, barred={"customer": lambda: self._blocked, "order": lambda: self._refused}
                    )
                ],
                filters=[  # blocked pairs, refusals, shifts and the rest of eligibility are inside the search
                    retrieve.too_far(),
                    retrieve.shift_end(self.track),
                ],
                features=[
                    features.travel_time(self._travel, self.track),
                    features.pair(self.track, offset_s=self._offset_s),
                    outlook(self.track, self._ahead, band=self.band, patience=self._gives_up),
                    *(groups(self._travel, self._stacks, band=band_of(self._travel)) if stacked else ()),
                    decide.likely(self._models, version),
                ],
                phases=decide.phases(self._models, version),
                decider=chooses,
                versions={decide.ACCEPTANCE: version},
            )
        return self._pipelines[key]

    def renew(self, *, travel: Travel | None = None, ahead: Ahead | None = None) -> None:
        """Go by these travel times, or by these values of drivers, from the next window on; between two windows. None = as before."""
        self._travel, self._ahead = travel or self._travel, ahead or self._ahead
        self._pipelines = {}

    def enrol(self, drivers: Drivers, *, at_s: float = 0.0) -> None:
        """Add or renew drivers; those whom the recovered log holds are held at once, and those who left are not found."""
        self.track.enrol(drivers, at_s=at_s)
        self._heed(drivers.ids)
        holding = np.unique(self.offers.holding()[0])
        self.track.hold(holding[np.isin(holding, drivers.ids)])

    def pings(self, pings: Pings, *, now_s: float) -> dict[str, int]:
        """Take positions; returns reason -> count."""
        return self.track.take(pings, now_s=now_s)

    def window(
        self,
        orders: Orders,
        *,
        at_s: float,
        seed: int = 0,
        overrides: Mapping[str, float] | None = None,
        version: str | None = None,
        decider: Callable[[], Decider] = decide.assignment,
        turn: Callable[[], AbstractContextManager[object]] = nullcontext,
        deadline_s: float = float("inf"),
        arm: int | None = None,
    ) -> Outcome:
        """Decide one window and make its offers; one window at a time.

        Args:
            orders: Orders placed since the last window; those that still wait are decided with them.
            at_s: The window's moment, s; it names the window, so the same moment again makes no second offers.
            seed: Seed of chance.
            overrides: Param name -> value for this window (an experiment's arm).
            version: Acceptance model to use; None = the live one, "" = none.
            decider: `decide.assignment`, or `decide.greedy`, the peer.
            turn: Entered while the window takes what it decides on, and again while it makes its offers: what keeps `tell` of other
                threads away, which may go on in between.
            deadline_s: Seconds after which steps that declare a fallback are answered by it; the trace's `fallbacks` names them.
            arm: Of an experiment, as its plan drew it: a column of the decision's record. None = there is none.

        Returns:
            The outcome; its decisions were offered, as far as order and driver were still free. Offers and the decision's record are
            durable when it returns; where the record could not be kept, that is raised, and the offers stand.
        """
        with turn():
            asked = self._asked(orders, at_s, overrides or {}, arm)
            most = self._places(asked, at_s)
        chain = self.pipeline(version=version, decider=decider, stacked=most > 1)
        outcome = chain.run(asked, seed=seed, deadline_s=deadline_s)
        written = self._written(outcome, seed)
        try:
            with turn():
                self._offer(outcome, at_s, until_s=at_s + float(OFFER_S.one(asked)), most=most)
                self._tidy(at_s, before_s=at_s - float(FORGET_S.one(asked)))
        finally:
            written()
        self._windows.append(outcome)
        return outcome

    def _asked(self, orders: Orders, at_s: float, overrides: Mapping[str, float], arm: int | None) -> Requests:
        """Who waits at `at_s`, `orders` among them, as the spine sees them; offers that nobody answered have ended by then."""
        self._now_s = at_s
        self.offers.place(orders, at_s=at_s)
        self.offers.expire(at_s=at_s)
        self._free(at_s)
        requests = self._kitchens.filled(self._patient(at_s)).requests(self.track.plane, at_s=at_s)
        changed = overrides_of(overrides, len(requests))
        armed = {} if arm is None else {"arm": np.full(len(requests), arm)}
        asked = Requests(requests.ids, requests.time_s, {**requests.columns, **armed}, changed)
        self._refused = Blocked(*self.offers.refusals(expired_after_s=at_s - float(AGAIN_S.one(asked))))
        return asked

    def _written(self, outcome: Outcome, seed: int) -> Callable[[], object]:
        """Put the window's record on its way into the decision log, beside its offers on theirs; what ends when it is durable."""
        asked, log = outcome.requests, self._decisions
        if log is None or not len(asked):
            return lambda: None
        whole = uniforms(seed, asked.ids[:1], "match.log", 1)[0, 0] < WHOLE.one(asked)

        def records() -> list[Recorded]:
            return [outcome.record if whole else thinned(outcome)]

        if len(outcome.ranked) < BESIDE_ROWS:
            return lambda: log.write_records(records())
        return log.write_beside(records).result

    def _tidy(self, at_s: float, *, before_s: float) -> None:
        """Once an hour: forget what ended long ago, and write the state into the log where a recovery would have much to read."""
        if self._tidied_s < 0.0:
            self._tidied_s = at_s
        if at_s - self._tidied_s < TIDY_S:
            return
        self._tidied_s = at_s
        self.offers.forget(before_s=before_s, at_s=at_s)
        if self.offers.rows > SNAPSHOT_ROWS:
            self.offers.snapshot(at_s=at_s)

    def _patient(self, at_s: float) -> Orders:
        waiting = self.offers.waiting()
        gone = waiting.expire_s < at_s
        if not gone.any():
            return waiting
        self.tell([Message(f"gave_up:{i}", "cancelled", i) for i in waiting.ids[gone].tolist()], at_s=at_s)
        return waiting.take(~gone)

    def _places(self, asked: Requests, at_s: float) -> int:
        """Say who has a place left for one more order; returns how many orders a driver may have in this window."""
        most = int(MOST.one(asked))
        if most > 1:
            self.track.room(self._stacks.see(self.offers.standing(), most=most, at_s=at_s))
        elif len(self._stacks.laid.drivers):
            self.track.room(self._stacks.nobody())
        return most

    def _offer(self, outcome: Outcome, at_s: float, *, until_s: float, most: int) -> None:
        d, ranked = outcome.decisions, outcome.ranked
        at, wide = d.rows, int(BROADCAST.one(outcome.requests))
        if not len(at):
            return
        if wide:
            at = np.concatenate([at, decide.rivals(outcome.requests, ranked, d, most=wide)])
        rows, drivers = ranked.owner[at], ranked.ids[at]
        orders, asks = outcome.requests.column("order")[rows], outcome.requests.ids[rows]
        numbers = self.offers.offer(
            orders, drivers, key=f"window:{at_s!r}", at_s=at_s, until_s=until_s, requests=asks, capacity=most, broadcast=wide > 0
        )
        made = (numbers >= 0) & np.isin(drivers, self.offers.holding()[0])  # a repeated window may speak of offers long over
        self.track.hold(drivers[made])
        if most > 1 and len(stacked := np.flatnonzero(made & (ranked.column("held")[at] > 0))):
            places = (ranked.column(f"stack_{end}")[at[stacked]].astype(np.int64) for end in ("at", "to"))
            self._stacks.keep(numbers[stacked], drivers[stacked], *places)
        pickup_s = ranked.column("pickup_s")[at]
        latest = np.flatnonzero(made)[-RECENT:]
        offered = zip(orders[latest].tolist(), drivers[latest].tolist(), pickup_s[latest].tolist())
        self._recent.extendleft(Assigned(order, driver, at_s, seconds) for order, driver, seconds in offered)

    def route(self, driver: int, *, at_s: float) -> list[Stop]:
        """The stops that a driver has yet to make, in order; see `route_of`."""
        return route_of(driver, self.offers, self._stacks, self.track, self._travel, at_s=at_s, ready_s=self._kitchens.ready_s)

    def tell(self, messages: Sequence[Message], *, at_s: float) -> list[Answer]:
        """Answers of drivers, cancellations, progress; a driver whom nothing holds any more is found again at once."""
        answers = self.offers.tell(messages, at_s=at_s)
        self._heed(np.array([m.driver for m in messages if m.kind in _PRESENCE], dtype=np.int64))
        self._free(at_s)
        return answers

    def tell_all(self, messages: Messages, *, at_s: float) -> Answers:
        """As `tell`, for columns."""
        answers = self.offers.tell_all(messages, at_s=at_s)
        self._heed(messages.driver[np.isin(messages.kind, (LEAVE, COME))])
        self._free(at_s)
        return answers

    def _heed(self, drivers: NDArray[np.int64]) -> None:
        """Find those of `drivers` who are there, and none who left, by what the log says now: a repeated message may be an old one."""
        if self.shared or not len(drivers):
            return
        with self._presence:  # two who tell of one driver: what is read last is done last
            self.track.away(drivers, np.isin(drivers, self.offers.gone()))

    def _free(self, at_s: float) -> None:
        freed = self.offers.freed()
        known, _ = self.track.slots(freed)
        self.track.free(freed[known], at_s=at_s)

    @property
    def band(self) -> Band | None:
        """How sure drives are; None where no correction of them is live."""
        return band_of(self._travel)

    def arrival(self, order: int, *, now_s: float) -> Arrival | None:
        """When an order that a driver has is reached, by all that he has; None where nobody has it, or he has no position.

        Raises:
            EngineBusy: the travel engine did not answer in time.
        """
        held = self.offers.state(order)
        if held.state not in ("assigned", "picked_up"):
            return None
        if len(self.offers.holding_of(held.driver)[0]) != 1:
            return self._on_route(order, held.driver, now_s)
        row, aboard = self.offers.orders(np.array([order])), held.state == "picked_up"
        if not len(row):
            return None
        tell = self._kitchens.ready_s
        return arrival(self.track, self._travel, row, held.driver, picked_up=aboard, now_s=now_s, ready_s=tell)

    def _on_route(self, order: int, driver: int, now_s: float) -> Arrival | None:
        who = np.array([driver])
        if not self.track.slots(who)[0][0] or not np.isfinite(age_s := float(self.track.age_s(who, now_s=now_s)[0])):
            return None
        return on_route(self.route(driver, at_s=now_s), order, band=self.band, age_s=age_s, now_s=now_s)

    def explain(self, outcome: Outcome, order: int) -> Why:
        """Why `order` was decided as it was in `outcome`; see `why.why`."""
        return why(outcome, order, band=self.band)

    def why(self, order: int, at_s: float = np.inf) -> Why:
        """Why `order` was last decided as it was, among the latest windows up to `at_s`; `NothingHere` where it is in none of them."""
        for outcome in reversed(self._windows):
            asked = outcome.requests
            if np.any(asked.column("order") == order) and asked.time_s[0] <= at_s:
                return self.explain(outcome, order)
        raise NothingHere(f"order {order} is in none of the last {len(self._windows)} windows up to {at_s} s.")

    def snapshot(self) -> Snapshot:
        """Drivers, waiting orders and the latest offers as of the last window."""
        return snapshot(self.track, self.offers, tuple(self._recent), now_s=self._now_s)
