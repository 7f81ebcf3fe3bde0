"""A city shared by several dispatch systems, one a region: a driver is in one of their logs at a time, and moves from log to log.

    driver free in A's log  --left-->  in nobody's  --came-->  free in B's log

A shard offers to nobody who has left its log, or never came: the log itself refuses. Both steps bear keys, so that each can be said
again after a crash on either side; between them the driver is nobody's, never two shards'. Shards see drivers beyond their border
(the halo). Where one is chosen, his own shard is asked to let him go; it does so only while no order holds him. The order is offered
in the next window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, NothingHere, RialtoError
from rialto.match.arrival import Arrival
from rialto.match.ledger import COME, KEY_USED, LEAVE, NO_DRIVER, STATES, Held
from rialto.match.offers import Answers, Message, Messages
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.route import Stop
from rialto.match.shard import UNKNOWN, WORD, Parcel, why_of
from rialto.match.sure import TOLD
from rialto.match.why import Why
from rialto.records import Columns

__all__ = ["Cut", "Front", "How", "Link", "Windowed"]

Ints = NDArray[np.int64]


class Link(Protocol):
    """A shard, wherever it runs: what is sent is answered in its order. `EngineLost` where it is gone for good."""

    def send(self, parcel: Parcel) -> None: ...

    def answer(self) -> Parcel: ...


class Cut(Protocol):
    """Whose a place is: `regions.Regions` of squares, or `hexagons.HexRegions`."""

    @property
    def shards(self) -> int: ...
    def of(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> Ints: ...
    def near(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], *, halo_m: float) -> NDArray[np.bool_]: ...


@dataclass(frozen=True, slots=True)
class How:
    """How shards decide a window: least cost or `greedy`, the acceptance model's version (None = the live one, "" = none), and param overrides.

    `arm` is the experiment's, as `Dispatch.window` has it.
    """

    greedy: bool = False
    version: str | None = None
    overrides: Mapping[str, float] = field(default_factory=dict[str, float])
    arm: int | None = None

    def facts(self) -> dict[str, Any]:
        """As a parcel tells it."""
        return {"greedy": self.greedy, "version": self.version, "overrides": dict(self.overrides), "arm": self.arm}


@dataclass(frozen=True, slots=True)
class Windowed:
    """What a window of all shards made.

    Args:
        made: The offers, columns (offers,): `order`, `driver`, those of `sure.TOLD`, `likely`, `lat`, `lon`, `drop_lat`, `drop_lon`.
        moved: How many drivers changed their shard.
        waiting: How many orders were decided.
        fallbacks: Step -> shards in which its fallback answered.
    """

    made: Columns
    moved: int
    waiting: int = 0
    fallbacks: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def order(self) -> Ints:
        """Orders that were offered, shape (offers,)."""
        return self.made["order"]

    @property
    def driver(self) -> Ints:
        """Whom each was offered to, shape (offers,)."""
        return self.made["driver"]


_WORDS = 100_000
"""Latest messages of drivers who left or came whose keys a front knows."""

_TIDY_S = 3600.0
"""How often a front forgets the orders that its shards forgot."""

_MADE = ("order", "driver", *TOLD, "likely", "lat", "lon", "drop_lat", "drop_lon")


class Front:
    """Sends what comes to the shard that it belongs to, and moves drivers between shards. It keeps nothing that the logs do not hold.

    Args:
        links: One a shard.
        regions: Whose a place is.
        halo_m: How far beyond its border a shard sees drivers.
        plane: Map that degrees are laid on.
        name: Of this front alone, also after a restart at the same moment: the keys of drivers' moves begin with it.

    Raises:
        BadInput: more or fewer links than regions have shards.
    """

    def __init__(self, links: Sequence[Link], regions: Cut, plane: Plane, *, halo_m: float = 1500.0, name: str = "") -> None:
        if len(links) != regions.shards:
            raise BadInput(f"there are {len(links)} links for {regions.shards} shards; wanted one each.")
        self._links, self._regions, self._plane, self._halo_m = links, regions, plane, halo_m
        self.owner: dict[int, int] = {}
        self._order: dict[int, int] = {}
        self._away = set[int]()
        self._words: dict[bytes, tuple[bytes, int]] = {}
        self._tidied_s = -1.0
        self._busy: dict[int, set[int]] = {shard: set() for shard in range(len(links))}
        self._moves, self.name = 0, name

    def enrol(self, drivers: Drivers, lat: NDArray[np.float64], lon: NDArray[np.float64], *, at_s: float) -> None:
        """Add drivers, each to the shard of his place, and learn from the logs who is elsewhere already, and which orders there are."""
        shard = self._regions.of(*self._plane.xy(lat, lon))
        self._recover(self._all(Parcel("known", at_s)))
        own = np.array([self.owner.get(d, int(s)) for d, s in zip(drivers.ids.tolist(), shard.tolist())])
        parcels = [Parcel("enrol", at_s, {**drivers.columns(), "own": own == s}) for s in range(len(self._links))]
        self._recover(self._each(parcels))
        lost = np.array([d not in self.owner for d in drivers.ids.tolist()], dtype=np.bool_)
        for s in range(len(self._links)):  # a move that a crash cut in two: out of one log, in no other
            self._give(drivers.ids[lost & (own == s)], s, at_s)
        self._tell_away(at_s)

    @property
    def away(self) -> Ints:
        """Drivers who said that they left, rising."""
        return np.array(sorted(self._away), dtype=np.int64)

    def _tell_away(self, at_s: float) -> None:
        """A driver who left is seen by neighbours as well: no shard is to find him."""
        self.say("away", {"driver": self.away}, at_s=at_s)

    def _recover(self, answers: Sequence[Parcel]) -> None:
        for s, answer in enumerate(answers):
            self.owner.update(dict.fromkeys(answer.columns["here"].tolist(), s))
            self._order.update(dict.fromkeys(answer.columns["orders"].tolist(), s))
            self._away.update(answer.columns["away"].tolist())

    def pings(self, pings: Pings, *, now_s: float) -> int:
        """Positions, to whoever has to know; drivers who crossed a border and are free change over. Returns how many did."""
        x_m, y_m = self._plane.xy(pings.lat, pings.lon)
        good = np.isfinite(x_m) & np.isfinite(y_m)
        near = np.zeros((len(pings), len(self._links)), dtype=np.bool_)
        near[good] = self._regions.near(x_m[good], y_m[good], halo_m=self._halo_m)
        owner = np.array([self.owner.get(d, -1) for d in pings.driver.tolist()], dtype=np.int64)
        rows = zip(pings.driver.tolist(), owner.tolist())
        held = np.array([o >= 0 and (d in self._busy[o] or d in self._away) for d, o in rows], dtype=np.bool_)
        parcels: list[Parcel] = []
        for s in range(len(self._links)):
            seen = (owner == s) | (near[:, s] & ~held & (owner >= 0))
            parcels.append(Parcel("pings", now_s, {**pings.take(seen).columns(), "gone": np.unique(pings.driver[~seen])}))
        self._each(parcels)
        away = good & (owner >= 0) & ~held & ~near[np.arange(len(pings)), np.maximum(owner, 0)]  # hysteresis: past the whole halo
        goal = np.full(len(pings), -1, dtype=np.int64)
        goal[away] = self._regions.of(x_m[away], y_m[away])
        return self._move({int(d): int(g) for d, g in zip(pings.driver[away], goal[away])}, now_s)

    def place(self, orders: Orders, *, at_s: float, key: str) -> NDArray[np.bool_]:
        """Take orders in; when this returns each is in the log of its shard. True where it is new, shape (orders,)."""
        shard = self._regions.of(*self._plane.xy(orders.lat, orders.lon))
        shard = np.array([self._order.get(i, int(s)) for i, s in zip(orders.ids.tolist(), shard.tolist())], dtype=np.int64)
        parts = [np.flatnonzero(shard == s) for s in range(len(self._links))]
        answers = self._each([Parcel("place", at_s, orders.take(rows).columns(), {"key": key}) for rows in parts])
        new = np.zeros(len(orders), dtype=np.bool_)
        for rows, answer in zip(parts, answers):
            new[rows] = answer.columns["new"]
        self._order.update(zip(orders.ids.tolist(), shard.tolist()))
        return new

    def window(self, *, at_s: float, seed: int = 0, how: How | None = None, deadline_s: float = np.inf) -> Windowed:
        """Every shard decides, side by side; drivers whom a neighbour's order wants change over where they are free.

        After `deadline_s` seconds, steps that declare a fallback are answered by it.
        """
        most = None if deadline_s == np.inf else deadline_s  # JSON knows no inf
        answers = self._all(Parcel("window", at_s, facts={"seed": seed, "deadline_s": most, **(how or How()).facts()}))
        wanted: dict[int, int] = {}
        fallbacks: dict[str, int] = {}
        for s, answer in enumerate(answers):
            self._busy[s] = set(answer.columns["busy"].tolist())
            for driver in answer.columns["wanted"].tolist():
                wanted.setdefault(driver, s)
            for step, count in answer.facts["fallbacks"].items():
                fallbacks[step] = fallbacks.get(step, 0) + count
        made = {name: np.concatenate([a.columns[name] for a in answers]) for name in _MADE}
        waiting = sum(a.facts["waiting"] for a in answers)
        found = Windowed(made, self._move(wanted, at_s), waiting, fallbacks)
        self._tidy(at_s)
        return found

    def _tidy(self, at_s: float) -> None:
        """Once an hour: forget the orders that no shard knows any more; they forget them in their windows, as often."""
        if self._tidied_s < 0.0:
            self._tidied_s = at_s
        if at_s - self._tidied_s < _TIDY_S:
            return
        self._tidied_s = at_s
        self._order = {}
        self._recover(self._all(Parcel("known", at_s)))

    def gone(self, drivers: Ints, *, at_s: float) -> None:
        """Nobody finds these drivers until they are seen again."""
        self._all(Parcel("gone", at_s, {"driver": drivers}))

    def tell(self, messages: Sequence[Message], *, at_s: float) -> list[int]:
        """As `tell_all`, for a few; the reason's number for each (0 = done), as `ledger.REASONS` counts."""
        return self.tell_all(Messages.of(messages), at_s=at_s).reasons.tolist() if messages else []

    def tell_all(self, messages: Messages, *, at_s: float) -> Answers:
        """Messages about orders, each to its order's shard; that a driver left or came back, to the shard that he is with.

        A driver who left stays with his shard, which offers him nothing, and no shard finds him until he comes. Of a driver who is not
        enrolled that is answered with `NO_DRIVER`.
        """
        by_word = np.isin(messages.kind, (LEAVE, COME))
        shard = np.array([self._order.get(order, 0) for order in messages.order.tolist()], dtype=np.int64)
        shard[by_word] = [self.owner.get(driver, -1) for driver in messages.driver[by_word].tolist()]
        messages = replace(messages, order=np.where(by_word, WORD, messages.order))
        reasons, ended = np.where(shard < 0, NO_DRIVER, 0).astype(np.uint8), list[NDArray[np.int64]]()
        self._said_before(messages, by_word, shard, reasons)
        parts = [(s, np.flatnonzero(shard == s)) for s in np.unique(shard).tolist() if s >= 0]
        before = set(self._away)
        parcels: list[tuple[int, Parcel]] = []
        for s, rows in parts:
            m = messages.take(rows)
            columns = {"keys": m.keys, "kind": m.kind, "order": m.order, "driver": m.driver, "offer": m.offer}
            parcels.append((s, Parcel("tell", at_s, columns)))
        for (s, rows), answer in zip(parts, self._some(parcels)):
            c = answer.columns
            reasons[rows] = c["reasons"]
            ended.append(np.stack([rows[c["row"]], c["order"], c["driver"], c["offer"]], axis=1))
            self._busy[s] = set(c["busy"].tolist())
            self._away -= set(c["said"].tolist())
            self._away |= set(c["said"][c["away"]].tolist())
        if self._away != before:
            self._tell_away(at_s)
        self._keep_words(messages, by_word & (shard >= 0), reasons)
        over = np.concatenate([np.zeros((0, 4), dtype=np.int64), *ended])
        return Answers(reasons, *over[np.argsort(over[:, 0], kind="stable")].T)

    def _said_before(self, messages: Messages, by_word: NDArray[np.bool_], shard: Ints, reasons: NDArray[np.uint8]) -> None:
        """Answer repeats of what drivers said of themselves as before: they may be with another shard by now, whose log has no such key."""
        for row in np.flatnonzero(by_word & messages.keys.any(axis=1)).tolist():
            content, reason = self._words.get(messages.keys[row].tobytes(), (b"", 0))
            if content:
                reasons[row], shard[row] = reason if content == _word(messages, row) else KEY_USED, -1

    def _keep_words(self, messages: Messages, rows: NDArray[np.bool_], reasons: NDArray[np.uint8]) -> None:
        for row in np.flatnonzero(rows & messages.keys.any(axis=1)).tolist():
            self._words.setdefault(messages.keys[row].tobytes(), (_word(messages, row), int(reasons[row])))
        while len(self._words) > _WORDS:
            del self._words[next(iter(self._words))]

    def say(self, kind: str, columns: Columns, *, at_s: float) -> None:
        """Tell every shard what holds for all: `block` (pairs), `carry` (loads), `away` (drivers), in the place of what was told before.

        Or `earn`, which adds to what was told.
        """
        self._all(Parcel(kind, at_s, columns))

    def ready(self, orders: Ints, merchants: Ints, ready_s: NDArray[np.float64], *, at_s: float) -> NDArray[np.bool_]:
        """Note when orders were ready, each in its shard's log; true where the order is known, shape (orders,)."""
        shard = np.array([self._order.get(order, 0) for order in orders.tolist()], dtype=np.int64)
        parts = [(s, np.flatnonzero(shard == s)) for s in np.unique(shard).tolist()]
        parcels = [
            (s, Parcel("ready", at_s, {"order": orders[rows], "merchant": merchants[rows], "ready_s": ready_s[rows]}))
            for s, rows in parts
        ]
        known = np.zeros(len(orders), dtype=np.bool_)
        for (_, rows), answer in zip(parts, self._some(parcels)):
            known[rows] = answer.columns["known"]
        return known

    def states(self, orders: Ints) -> list[Held]:
        """How orders stand, in the order asked; state `unknown` where one was never placed, or was forgotten."""
        shard = np.array([self._order.get(order, 0) for order in orders.tolist()], dtype=np.int64)
        parts = [(s, np.flatnonzero(shard == s)) for s in np.unique(shard).tolist()]
        found: dict[int, Held] = {}
        for (_, rows), answer in zip(
            parts, self._some([(s, Parcel("states", 0.0, {"order": orders[rows]})) for s, rows in parts])
        ):
            found.update(zip(rows.tolist(), held_of(answer.columns)))
        return [found[row] for row in range(len(orders))]

    def standing(self, driver: int) -> list[tuple[int, Held]]:
        """The orders that were offered to a driver or are with him."""
        answers = self._all(Parcel("standing", 0.0, {"driver": np.array([driver])}))
        return [pair for a in answers for pair in zip(a.columns["order"].tolist(), held_of(a.columns))]

    def everybody(self) -> Columns:
        """All that stands, columns (standing,) `of` (the driver), `order`, `state`; and `waiting_ids`, `_lat`, `_lon`, `_placed_s` of what waits."""
        answers = self._all(Parcel("standing", 0.0, facts={"everybody": True}))
        return {name: np.concatenate([a.columns[name] for a in answers]) for name in answers[0].columns}

    def arrival(self, order: int, *, now_s: float) -> Arrival | None:
        """When an order that a driver has is reached; see `Dispatch.arrival`."""
        facts = self._ask(self._order.get(order, 0), Parcel("arrival", now_s, facts={"order": order})).facts["arrival"]
        return None if facts is None else Arrival(**facts)

    def route(self, driver: int, *, at_s: float) -> list[Stop]:
        """The stops that a driver has yet to make, in order; one shard has all his orders."""
        answers = self._all(Parcel("route", at_s, facts={"driver": driver}))
        return [Stop(**stop) for answer in answers for stop in answer.facts["stops"]]

    def why(self, order: int, *, at_s: float | None = None) -> Why:
        """Why an order was decided as it was, in its last window or the last one up to `at_s`; `NothingHere` where it is in none that is kept."""
        if order not in self._order:
            raise NothingHere(f"order {order} is unknown: it was never placed here, or ended long ago and was forgotten.")
        return why_of(self._ask(self._order[order], Parcel("why", 0.0, facts={"order": order, "at_s": at_s})).facts)

    def _move(self, goals: Mapping[int, int], at_s: float) -> int:
        """Let drivers go where they are free, then give them to their new shards; each step is in a log before the next is begun."""
        moved = 0
        for s in range(len(self._links)):
            asked = np.array([d for d, g in goals.items() if self.owner.get(d) == s and g != s], dtype=np.int64)
            if not len(asked):
                continue
            lent = self._ask(s, Parcel("lend", at_s, {"driver": asked}, {"key": self._key(at_s)})).columns["free"]
            free = asked[lent]
            for driver in free.tolist():
                del self.owner[driver]
            for goal in sorted({goals[d] for d in free.tolist()}):
                moved += self._give(np.array([d for d in free.tolist() if goals[d] == goal], dtype=np.int64), goal, at_s)
        return moved

    def _give(self, drivers: Ints, shard: int, at_s: float) -> int:
        if len(drivers):
            self._ask(shard, Parcel("adopt", at_s, {"driver": drivers}, {"key": self._key(at_s)}))
            self.owner.update(dict.fromkeys(drivers.tolist(), shard))
        return len(drivers)

    def _key(self, at_s: float) -> str:
        """A name of its own for each step: a driver may go and come back within one moment."""
        self._moves += 1
        return f"{self.name}:{at_s!r}:{self._moves}"

    def _ask(self, shard: int, parcel: Parcel) -> Parcel:
        return self._some([(shard, parcel)])[0]

    def _all(self, parcel: Parcel) -> list[Parcel]:
        return self._each([parcel] * len(self._links))

    def _each(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """One parcel for each shard, worked on side by side."""
        return self._some(list(enumerate(parcels)))

    def _some(self, parcels: Sequence[tuple[int, Parcel]]) -> list[Parcel]:
        """Every answer is taken before an error goes on: the next question must not meet an old answer."""
        failed: RialtoError | None = None
        sent: list[int] = []
        for s, parcel in parcels:
            try:
                self._links[s].send(parcel)
                sent.append(s)
            except RialtoError as e:
                failed = failed or e
        answers: list[Parcel] = []
        for s in sent:
            try:
                answers.append(self._links[s].answer())
            except RialtoError as e:
                failed = failed or e
        if failed is not None:
            raise failed
        return answers


def _word(messages: Messages, row: int) -> bytes:
    return b"%d:%d" % (messages.kind[row], messages.driver[row])


def held_of(columns: Columns) -> list[Held]:
    """How orders stand, out of a parcel's columns."""
    names = [*STATES, *(["unknown"] * (UNKNOWN - len(STATES) + 1))]
    rows = zip(*(columns[name].tolist() for name in ("state", "driver", "offer", "until_s", "request", "since_s")))
    return [Held(names[state], *rest) for state, *rest in rows]
