"""A city shared by several dispatch systems, one a region: a driver is in one of their logs at a time, and moves from log to log.

    driver free in A's log  --left-->  in nobody's  --came-->  free in B's log

A shard offers to nobody who has left its log, or never came: the log itself refuses. Both steps bear keys, so that each can be said
again after a crash on either side; between them the driver is nobody's, never two shards'. Shards see drivers beyond their border
(the halo). Where one is chosen, his own shard is asked to let him go; it does so only while no order holds him. The order is offered
in the next window.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineLost, RialtoError
from rialto.match.ledger import COME, LEAVE
from rialto.match.offers import Message, Messages
from rialto.match.offers.columns import ColumnLedger
from rialto.match.offers.entries import decode
from rialto.match.pipeline import Dispatch
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.regions import Regions
from rialto.ports import EventLog
from rialto.records import Columns

__all__ = ["Front", "Link", "Parcel", "Shard", "Windowed", "present"]

Ints = NDArray[np.int64]
_NONE: Ints = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes from one process to another: columns of any lengths, and plain facts.

    Example:
        >>> back = Parcel.of_bytes(Parcel("pings", 3.0, {"id": np.array([1, 2])}).to_bytes())
        >>> back.kind, back.at_s, back.columns["id"].tolist()
        ('pings', 3.0, [1, 2])
    """

    kind: str
    at_s: float = 0.0
    columns: Columns = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """A JSON head behind its length, then the columns' bytes."""
        columns = {name: np.ascontiguousarray(c) for name, c in self.columns.items()}
        about = [(name, c.dtype.str, c.shape) for name, c in columns.items()]
        head = json.dumps({"kind": self.kind, "at_s": self.at_s, "facts": dict(self.facts), "columns": about}).encode()
        return b"".join((len(head).to_bytes(4, "little"), head, *(c.tobytes() for c in columns.values())))

    @classmethod
    def of_bytes(cls, body: bytes) -> Parcel:
        """What `to_bytes` made."""
        size = int.from_bytes(body[:4], "little")
        head = json.loads(body[4 : 4 + size])
        at, columns = 4 + size, dict[str, NDArray[Any]]()
        for name, kind, shape in head["columns"]:
            count = int(np.prod(shape, dtype=np.int64))
            columns[name] = np.frombuffer(body, dtype=kind, count=count, offset=at).reshape(shape)
            at += count * np.dtype(kind).itemsize
        return cls(head["kind"], head["at_s"], columns, head["facts"])


class Link(Protocol):
    """A shard, wherever it runs: what is sent is answered in its order. `EngineLost` where it is gone for good."""

    def send(self, parcel: Parcel) -> None: ...

    def answer(self) -> Parcel: ...


def present(log: EventLog) -> dict[int, bool]:
    """Whether each driver that a log of offers speaks of as having left or come is there, as it stands at the log's end.

    Cost:
        One pass over the log.
    """
    ledger, here = ColumnLedger(), dict[int, bool]()
    start = 0
    while events := log.read(start, 256):
        for offset, event in events:
            entry = decode(event)
            answers = ledger.apply(entry).answers
            start = offset + 1
            if entry.kind == "told" and len(answers):
                done = (answers == 0) & np.isin(entry.columns["kind"], (LEAVE, COME))
                kinds, drivers = entry.columns["kind"][done].tolist(), entry.columns["driver"][done].tolist()
                here.update({driver: kind == COME for kind, driver in zip(kinds, drivers)})
    return here


class Shard:
    """One region's dispatch system, which answers parcels.

    Args:
        dispatch: The system over its own log of offers.
        log: That log; who is here is read from it.
    """

    def __init__(self, dispatch: Dispatch, log: EventLog) -> None:
        self.dispatch = dispatch
        self._here = present(log)
        self._ids: Ints | None = None
        self._acts: dict[str, Callable[[Parcel], Parcel]] = {
            "enrol": self._enrol,
            "pings": self._pings,
            "place": self._place,
            "window": self._window,
            "tell": self._tell,
            "lend": self._lend,
            "adopt": self._adopt,
            "known": self._known,
        }

    def handle(self, parcel: Parcel) -> Parcel:
        """Act and answer; `BadInput` for a kind that does not exist."""
        if parcel.kind not in self._acts:
            raise BadInput(f"a shard was sent {parcel.kind!r}; known: {', '.join(self._acts)}.")
        return self._acts[parcel.kind](parcel)

    def _enrol(self, p: Parcel) -> Parcel:
        """Everybody may come by; who is not here by the log may be offered nothing, and that is in the log before he can be found."""
        columns = dict(p.columns)
        ids, own = columns["ids"], columns.pop("own")
        new = np.array([i not in self._here for i in ids.tolist()], dtype=np.bool_)
        self._say("left", ids[new & ~own], "enrol", p.at_s)
        self._say("came", ids[new & own], "enrol", p.at_s)
        self.dispatch.enrol(Drivers(**columns), at_s=p.at_s)
        return Parcel("enrolled", p.at_s, {"here": self._present(), "orders": self._orders()})

    def _known(self, p: Parcel) -> Parcel:
        return Parcel("known", p.at_s, {"here": self._present(), "orders": self._orders()})

    def _orders(self) -> Ints:
        return np.array(sorted(self.dispatch.offers.states()), dtype=np.int64)

    def _present(self) -> Ints:
        if self._ids is None:
            self._ids = np.array(sorted(d for d, here in self._here.items() if here), dtype=np.int64)
        return self._ids

    def _pings(self, p: Parcel) -> Parcel:
        """Positions of drivers here and in the halo; `gone` are those whom another shard's order holds, or who went too far."""
        columns = dict(p.columns)
        self.dispatch.track.leave(columns.pop("gone"))
        return Parcel("moved", p.at_s, facts={"counts": self.dispatch.pings(Pings(**columns), now_s=p.at_s)})

    def _place(self, p: Parcel) -> Parcel:
        new = self.dispatch.offers.place(Orders(**p.columns), at_s=p.at_s, key=str(p.facts["key"]))
        return Parcel("placed", p.at_s, {"new": new})

    def _window(self, p: Parcel) -> Parcel:
        """Decide; `wanted` are drivers of other shards whom an order would have."""
        outcome = self.dispatch.window(Orders.none(), at_s=p.at_s, seed=int(p.facts["seed"]))
        rows = np.repeat(np.arange(len(outcome.requests)), outcome.decisions.counts)
        order, driver = outcome.requests.column("order")[rows], outcome.decisions.ids
        holders, orders, _ = self.dispatch.offers.holding()
        made = np.isin(order, orders)  # it waited before, so whoever has it now is who was chosen
        wanted = ~made & ~np.isin(driver, self._present())
        columns = {"order": order[made], "driver": driver[made], "wanted": driver[wanted], "busy": np.unique(holders)}
        return Parcel("decided", p.at_s, columns)

    def _tell(self, p: Parcel) -> Parcel:
        answers = self.dispatch.tell_all(Messages(**p.columns), at_s=p.at_s)
        return Parcel("told", p.at_s, {"reasons": answers.reasons, "busy": np.unique(self.dispatch.offers.holding()[0])})

    def _lend(self, p: Parcel) -> Parcel:
        """Let drivers go whom nothing holds; says for each whether he is out of this log now."""
        drivers = p.columns["driver"]
        held = np.isin(drivers, self.dispatch.offers.holding()[0])
        self._say("left", drivers[~held], str(p.facts["key"]), p.at_s)
        return Parcel("lent", p.at_s, {"free": ~held})

    def _adopt(self, p: Parcel) -> Parcel:
        self._say("came", p.columns["driver"], str(p.facts["key"]), p.at_s)
        return Parcel("adopted", p.at_s)

    def _say(self, kind: str, drivers: Ints, key: str, at_s: float) -> None:
        if not len(drivers):
            return
        answers = self.dispatch.tell([Message(f"{kind}:{d}:{key}", kind, -1, d) for d in drivers.tolist()], at_s=at_s)
        for driver, answer in zip(drivers.tolist(), answers):
            if not answer.done:
                raise EngineLost(f"driver {driver} could not be said to have {kind}: {answer.reason}.")
            self._here[driver] = kind == "came"
        self._ids = None


@dataclass(frozen=True, slots=True)
class Windowed:
    """What a window of all shards made: offers as columns (offers,), and how many drivers changed their shard."""

    order: Ints
    driver: Ints
    moved: int


class Front:
    """Sends what comes to the shard that it belongs to, and moves drivers between shards. It keeps nothing that the logs do not hold.

    Args:
        links: One a shard.
        regions: Whose a place is.
        halo_m: How far beyond its border a shard sees drivers.
        plane: Map that degrees are laid on.

    Raises:
        BadInput: more or fewer links than regions have shards.
    """

    def __init__(self, links: Sequence[Link], regions: Regions, plane: Plane, *, halo_m: float = 1500.0) -> None:
        if len(links) != regions.shards:
            raise BadInput(f"there are {len(links)} links for {regions.shards} shards; wanted one each.")
        self._links, self._regions, self._plane, self._halo_m = links, regions, plane, halo_m
        self.owner: dict[int, int] = {}
        self._order: dict[int, int] = {}
        self._busy: dict[int, set[int]] = {shard: set() for shard in range(len(links))}
        self._moves = 0

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

    def _recover(self, answers: Sequence[Parcel]) -> None:
        for s, answer in enumerate(answers):
            self.owner.update(dict.fromkeys(answer.columns["here"].tolist(), s))
            self._order.update(dict.fromkeys(answer.columns["orders"].tolist(), s))

    def pings(self, pings: Pings, *, now_s: float) -> int:
        """Positions, to whoever has to know; drivers who crossed a border and are free change over. Returns how many did."""
        x_m, y_m = self._plane.xy(pings.lat, pings.lon)
        good = np.isfinite(x_m) & np.isfinite(y_m)
        near = np.zeros((len(pings), len(self._links)), dtype=np.bool_)
        near[good] = self._regions.near(x_m[good], y_m[good], halo_m=self._halo_m)
        owner = np.array([self.owner.get(d, -1) for d in pings.driver.tolist()], dtype=np.int64)
        held = np.array([o >= 0 and d in self._busy[o] for d, o in zip(pings.driver.tolist(), owner.tolist())], dtype=np.bool_)
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

    def window(self, *, at_s: float, seed: int = 0) -> Windowed:
        """Every shard decides, side by side; drivers whom a neighbour's order wants change over where they are free."""
        answers = self._all(Parcel("window", at_s, facts={"seed": seed}))
        wanted: dict[int, int] = {}
        for s, answer in enumerate(answers):
            self._busy[s] = set(answer.columns["busy"].tolist())
            for driver in answer.columns["wanted"].tolist():
                wanted.setdefault(driver, s)
        order, driver = (np.concatenate([a.columns[name] for a in answers]) for name in ("order", "driver"))
        return Windowed(order, driver, self._move(wanted, at_s))

    def tell(self, messages: Sequence[Message], *, at_s: float) -> list[int]:
        """Messages about orders, each to its order's shard; the reason's number for each (0 = done), as `ledger.REASONS` counts."""
        alone = [m.kind for m in messages if m.kind in ("left", "came")]
        if alone:
            raise BadInput(
                f"a message is {alone[0]!r}, which shards say of drivers who change over; give drivers shifts and breaks instead."
            )
        shard = np.array([self._order.get(m.order, 0) for m in messages], dtype=np.int64)
        reasons = np.zeros(len(messages), dtype=np.int64)
        parts = [(s, np.flatnonzero(shard == s)) for s in range(len(self._links))]
        parts = [(s, rows) for s, rows in parts if len(rows)]
        parcels: list[tuple[int, Parcel]] = []
        for s, rows in parts:
            m = Messages.of([messages[i] for i in rows.tolist()])
            columns = {"keys": m.keys, "kind": m.kind, "order": m.order, "driver": m.driver, "offer": m.offer}
            parcels.append((s, Parcel("tell", at_s, columns)))
        for (s, rows), answer in zip(parts, self._some(parcels)):
            reasons[rows] = answer.columns["reasons"]
            self._busy[s] = set(answer.columns["busy"].tolist())
        return reasons.tolist()

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
        return f"{at_s!r}:{self._moves}"

    def _ask(self, shard: int, parcel: Parcel) -> Parcel:
        return self._some([(shard, parcel)])[0]

    def _all(self, parcel: Parcel) -> list[Parcel]:
        return self._each([parcel] * len(self._links))

    def _each(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """One parcel for each shard, worked on side by side."""
        return self._some(list(enumerate(parcels)))

    def _some(self, parcels: Sequence[tuple[int, Parcel]]) -> list[Parcel]:
        """Every answer is taken before an error goes on: the next question must not meet an old answer."""
        for s, parcel in parcels:
            self._links[s].send(parcel)
        answers: list[Parcel] = []
        failed: RialtoError | None = None
        for s, _ in parcels:
            try:
                answers.append(self._links[s].answer())
            except RialtoError as e:
                failed = failed or e
        if failed is not None:
            raise failed
        return answers
