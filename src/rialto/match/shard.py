"""One region's dispatch system behind parcels: what it is sent, it acts on and answers; its log says which drivers are its own."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineLost, NothingHere
from rialto.match.decide import assignment, greedy
from rialto.match.durations import Band
from rialto.match.ledger import COME, LEAVE, STATES
from rialto.match.offers import Message, Messages
from rialto.match.offers.follow import Follower
from rialto.match.pipeline import Dispatch
from rialto.match.records import Drivers, Orders, Pings
from rialto.match.sure import told_of
from rialto.match.why import Rival, Why
from rialto.ports import EventLog
from rialto.records import Columns
from rialto.spine.pipeline import Outcome

__all__ = ["UNKNOWN", "WORD", "Parcel", "Presence", "Shard", "present", "why_of"]

Ints = NDArray[np.int64]

UNKNOWN = 255
"""Among states by number: the order was never placed here, or was forgotten."""

WORD = -2
"""Order of a message in which a driver says himself that he left or came: he stays with his shard. The shards' own messages bear -1."""

_KEPT = 256
"""Latest windows that a shard can still explain."""


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


class Presence:
    """Which drivers a log of offers says are there: said to have come, and not to have left since. It follows the log as it grows.

    Args:
        log: The log, from its beginning.

    Cost:
        One pass over what is new.
    """

    def __init__(self, log: EventLog) -> None:
        self._follower = Follower(log)
        self.here: dict[int, bool] = {}
        self.away = set[int]()
        """Of those who are there, who said themselves that they left."""

    def follow(self) -> dict[int, bool]:
        """As it stands at the log's end: driver -> whether he is there, of all of whom it was ever said."""
        for entry, result in self._follower.more():
            if entry.kind == "told" and len(result.answers):
                c = entry.columns
                done = (result.answers == 0) & np.isin(c["kind"], (LEAVE, COME))
                for kind, driver, order in zip(*(c[name][done].tolist() for name in ("kind", "driver", "order"))):
                    if order != WORD:
                        self.here[driver] = kind == COME
                    (self.away.add if kind == LEAVE and order == WORD else self.away.discard)(driver)
        return self.here


def present(log: EventLog) -> dict[int, bool]:
    """`Presence.follow` of a whole log."""
    return Presence(log).follow()


class Shard:
    """One region's dispatch system, which answers parcels.

    Args:
        dispatch: The system over its own log of offers.
        log: That log; who is here is read from it.
        presence: Who is here, as far as it was followed already; None = read the log.
        bar: Takes the pairs (customer, driver) that must not meet, in the place of those before; None = this shard bars nobody.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        log: EventLog,
        *,
        presence: Presence | None = None,
        bar: Callable[[Ints, Ints], None] | None = None,
    ) -> None:
        self.dispatch, self._bar = dispatch, bar
        dispatch.shared = True
        found = presence or Presence(log)
        self._here, self._away = dict(found.follow()), set(found.away)
        self._ids: Ints | None = None
        self._windows: deque[Outcome] = deque(maxlen=_KEPT)
        self._acts: dict[str, Callable[[Parcel], Parcel]] = {
            "enrol": self._enrol,
            "pings": self._pings,
            "gone": self._gone,
            "place": self._place,
            "window": self._window,
            "tell": self._tell,
            "lend": self._lend,
            "adopt": self._adopt,
            "known": self._known,
            "states": self._states,
            "standing": self._standing,
            "why": self._why,
            "arrival": self._arrival,
            "route": self._route,
            "block": self._block,
            "carry": self._carry,
            "away": self._leave,
            "earn": self._earn,
            "resume": self._resume,
            "ready": self._ready,
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
        return Parcel("enrolled", p.at_s, self._columns())

    def _known(self, p: Parcel) -> Parcel:
        return Parcel("known", p.at_s, self._columns())

    def _columns(self) -> dict[str, NDArray[Any]]:
        """Who is here, who of them said that he left, and every order that is not forgotten."""
        away = np.array(sorted(self._away), dtype=np.int64)
        return {"here": self._present(), "away": away, "orders": self.dispatch.offers.known()}

    def _present(self) -> Ints:
        if self._ids is None:
            self._ids = np.array(sorted(d for d, here in self._here.items() if here), dtype=np.int64)
        return self._ids

    def _pings(self, p: Parcel) -> Parcel:
        """Positions of drivers here and in the halo; `gone` are those whom another shard's order holds, or who went too far."""
        columns = dict(p.columns)
        self.dispatch.track.leave(columns.pop("gone"))
        return Parcel("moved", p.at_s, facts={"counts": self.dispatch.pings(Pings(**columns), now_s=p.at_s)})

    def _gone(self, p: Parcel) -> Parcel:
        """Drivers whose phones say that they cannot be had."""
        self.dispatch.track.leave(p.columns["driver"])
        return Parcel("gone", p.at_s)

    def _place(self, p: Parcel) -> Parcel:
        new = self.dispatch.offers.place(Orders(**p.columns), at_s=p.at_s, key=str(p.facts["key"]))
        return Parcel("placed", p.at_s, {"new": new})

    def _window(self, p: Parcel) -> Parcel:
        """Decide; `wanted` are drivers of other shards whom an order would have."""
        facts = p.facts
        outcome = self.dispatch.window(
            Orders.none(), at_s=p.at_s, seed=int(facts["seed"]), overrides=facts.get("overrides"), version=facts.get("version"),
            decider=greedy if facts.get("greedy") else assignment,
            deadline_s=np.inf if facts.get("deadline_s") is None else float(facts["deadline_s"]), arm=facts.get("arm"),
        )  # fmt: skip
        self._windows.append(outcome)
        rows = np.repeat(np.arange(len(outcome.requests)), outcome.decisions.counts)
        order, driver = outcome.requests.column("order")[rows], outcome.decisions.ids
        holders, orders, _ = self.dispatch.offers.holding()
        made = np.isin(order, orders)  # it waited before, so whoever has it now is who was chosen
        wanted = ~made & ~np.isin(driver, self._present())
        columns = {"order": order[made], "driver": driver[made], "wanted": driver[wanted], "busy": np.unique(holders)}
        told = {"waiting": len(outcome.requests), "fallbacks": dict(Counter(outcome.trace.fallbacks))}
        return Parcel("decided", p.at_s, {**columns, **_seen(outcome, made, self.dispatch.band)}, told)

    def _tell(self, p: Parcel) -> Parcel:
        messages = Messages(**p.columns)
        answers = self.dispatch.tell_all(messages, at_s=p.at_s)
        by_word = np.unique(messages.driver[np.isin(messages.kind, (LEAVE, COME)) & (messages.order == WORD) & answers.done])
        if len(by_word):  # as the log has it now: a repeated message may be an old one
            gone = np.isin(by_word, self.dispatch.offers.gone())
            self._away = (self._away - set(by_word.tolist())) | set(by_word[gone].tolist())
        ended = {"row": answers.row, "order": answers.order, "driver": answers.driver, "offer": answers.offer}
        busy = np.unique(self.dispatch.offers.holding()[0])
        told = {"reasons": answers.reasons, "busy": busy, "said": by_word, "away": np.isin(by_word, list(self._away))}
        return Parcel("told", p.at_s, {**told, **ended})

    def _lend(self, p: Parcel) -> Parcel:
        """Let drivers go whom nothing holds and who did not leave; says for each whether he is out of this log now."""
        drivers = p.columns["driver"]
        held = np.isin(drivers, self.dispatch.offers.holding()[0]) | np.isin(drivers, list(self._away))
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
        self._away.difference_update(drivers.tolist())
        self._ids = None

    def _states(self, p: Parcel) -> Parcel:
        """How orders stand, a row each in the order asked."""
        return Parcel("states", p.at_s, self._held(p.columns["order"]))

    def _standing(self, p: Parcel) -> Parcel:
        """What is offered to a driver or with him, as `_states`; or, of `everybody`, that and the orders that wait."""
        if not p.facts.get("everybody"):
            driver = int(p.columns["driver"][0])
            orders, _ = self.dispatch.offers.holding_of(driver)
            return Parcel("standing", p.at_s, {**self._held(orders), "of": np.full(len(orders), driver)})
        drivers, orders, _ = self.dispatch.offers.holding()
        waiting = self.dispatch.offers.waiting().columns()
        of_waiting = {f"waiting_{name}": waiting[name] for name in ("ids", "lat", "lon", "placed_s")}
        return Parcel("standing", p.at_s, {**self._held(orders), **of_waiting, "of": drivers})

    def _held(self, orders: Ints) -> dict[str, NDArray[Any]]:
        held = [self.dispatch.offers.state(order) for order in orders.tolist()]
        state = np.array([STATES.index(h.state) if h.state in STATES else UNKNOWN for h in held], dtype=np.uint8)
        whole = np.array([(h.driver, h.offer, h.request) for h in held], dtype=np.int64).reshape(-1, 3)
        times = np.array([(h.until_s, h.since_s) for h in held], dtype=np.float64).reshape(-1, 2)
        rest = {"driver": whole[:, 0], "offer": whole[:, 1], "request": whole[:, 2]}
        return {"order": orders, "state": state, **rest, "until_s": times[:, 0], "since_s": times[:, 1]}

    def _block(self, p: Parcel) -> Parcel:
        if self._bar is None:
            raise BadInput("this shard bars nobody: it was made without pairs that can be put anew.")
        self._bar(p.columns["customer"], p.columns["driver"])
        return Parcel("blocked", p.at_s)

    def _carry(self, p: Parcel) -> Parcel:
        self.dispatch.track.carry(p.columns["driver"], p.columns["load"])
        return Parcel("carried", p.at_s)

    def _leave(self, p: Parcel) -> Parcel:
        """Find nobody of all shards who said that he left, and everybody else."""
        ids = self.dispatch.track.fleet.ids
        self.dispatch.track.away(ids, np.isin(ids, p.columns["driver"]))
        return Parcel("away", p.at_s)

    def _earn(self, p: Parcel) -> Parcel:
        self.dispatch.track.earn(p.columns["driver"], p.columns["cents"].astype(np.float64))
        return Parcel("earned", p.at_s)

    def _resume(self, p: Parcel) -> Parcel:
        self.dispatch.track.resume(p.columns["driver"], p.columns["cents"], p.columns["since_s"])
        return Parcel("resumed", p.at_s)

    def _ready(self, p: Parcel) -> Parcel:
        c = p.columns
        known = self.dispatch.offers.ready(c["order"], c["merchant"], c["ready_s"], at_s=p.at_s)
        return Parcel("ready", p.at_s, {"known": known})

    def _arrival(self, p: Parcel) -> Parcel:
        found = self.dispatch.arrival(int(p.facts["order"]), now_s=p.at_s)
        return Parcel("arrival", p.at_s, facts={"arrival": None if found is None else asdict(found)})

    def _route(self, p: Parcel) -> Parcel:
        """The stops of a driver's orders here; of somebody who has none, none."""
        return Parcel(
            "route", p.at_s, facts={"stops": [asdict(s) for s in self.dispatch.route(int(p.facts["driver"]), at_s=p.at_s)]}
        )

    def _why(self, p: Parcel) -> Parcel:
        """The reasons for an order in its last window up to a moment."""
        order, at_s = int(p.facts["order"]), p.facts.get("at_s")
        for outcome in reversed(self._windows):
            asked = outcome.requests
            if np.any(asked.column("order") == order) and (at_s is None or asked.time_s[0] <= float(at_s)):
                return Parcel("why", p.at_s, facts=asdict(self.dispatch.explain(outcome, order)))
        raise NothingHere(f"order {order} is in none of the last {len(self._windows)} windows of its shard.")


def why_of(facts: Mapping[str, Any]) -> Why:
    """The reasons that a parcel brought."""
    chosen, rivals = facts["chosen"], tuple(Rival(**r) for r in facts["rivals"])
    return Why(
        facts["order"], facts["at_s"], None if chosen is None else Rival(**chosen), rivals, facts["removed"], facts["margin_s"],
        facts["instead"], facts["level"], facts["ready_in_s"],
    )  # fmt: skip


def _seen(outcome: Outcome, made: NDArray[np.bool_], band: Band | None) -> dict[str, NDArray[Any]]:
    """Of the offers that were made: what `sure.told_of` tells, the probability of a yes, and the ends of the way."""
    rows, ranked = outcome.decisions.rows[made], outcome.ranked
    asked = np.repeat(np.arange(len(outcome.requests)), outcome.decisions.counts)[made]
    likely = "acceptance" if "acceptance" in ranked.columns else "likely"
    found = {name: column[made] for name, column in told_of(outcome, band).items()}
    found["likely"] = ranked.column(likely)[rows] if len(rows) else np.zeros(0)
    ends = {name: outcome.requests.column(name)[asked] for name in ("lat", "lon", "drop_lat", "drop_lon")}
    return {name: np.asarray(c, dtype=np.float64) for name, c in {**found, **ends}.items()}
