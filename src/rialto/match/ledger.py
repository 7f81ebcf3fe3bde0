"""The law of offers: what an order, a driver and an offer may do, as numbers for the columns and as a plain ledger to read and test by.

    waiting --offered--> offered --accepted--> assigned --picked_up--> picked_up --delivered--> delivered
       ^                    |                     |
       +-- declined, expired, released, left -----+          waiting, offered, assigned --cancelled--> cancelled

An offer stands from the moment it is made until it ends; it takes a place at its driver from then until the order is delivered. An
order has one standing offer, or, where it was broadcast, one for each of several drivers: the first acceptance wins and the others
end. So an order is never with two drivers, and a driver never has more orders than he had places when they were offered. What is
not valid where it comes changes nothing and is answered with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["KINDS", "MOVES", "REASONS", "STATES", "UNKNOWN", "Answer", "Held", "PlainLedger", "PlainMessage"]

STATES = ("waiting", "offered", "assigned", "picked_up", "delivered", "cancelled")
"""States of an order, by number."""

WAITING, OFFERED, ASSIGNED, PICKED_UP, DELIVERED, CANCELLED = range(len(STATES))

KINDS = ("accepted", "declined", "expired", "released", "picked_up", "delivered", "cancelled", "left", "came")
"""Kinds of messages, by number."""

ACCEPT, DECLINE, EXPIRE, RELEASE, PICK_UP, DELIVER, CANCEL, LEAVE, COME = range(len(KINDS))

MOVES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "accepted": (("offered",), "assigned"),
    "declined": (("offered",), "waiting"),
    "expired": (("offered",), "waiting"),
    "released": (("assigned",), "waiting"),
    "picked_up": (("assigned",), "picked_up"),
    "delivered": (("picked_up",), "delivered"),
    "cancelled": (("waiting", "offered", "assigned"), "cancelled"),
}
"""What a message about an order may do: its kind -> the states that it is valid in, and the state that follows. An order whose
last offer of several was not the one that ended stays `offered`."""

REASONS = (
    "",
    "the order is unknown",
    "the order is waiting",
    "the order is offered",
    "the order is assigned",
    "the order is picked_up",
    "the order is delivered",
    "the order is cancelled",
    "another driver holds the order",
    "the offer is over",
    "the offer has expired",
    "another driver was faster",
    "the key was used for something else",
    "the driver has no place left",
    "the driver has left",
    "the driver gave the order back or declined it before",
    "the offer stands already",
    "the message names no driver",
    "the message is of no known kind",
    "the message has no key",
)
"""Why something was not done, by number; 0 = it was."""

DONE, NO_ORDER, IN_STATE = 0, 1, 2  # the reason that an order is in state s has number IN_STATE + s
NOT_HIS, OVER, EXPIRED, TAKEN, KEY_USED, FULL = 8, 9, 10, 11, 12, 13
GONE, REFUSED, STANDS, NO_DRIVER, NO_KIND, NO_KEY = 14, 15, 16, 17, 18, 19

NEEDED = (OFFERED, OFFERED, OFFERED, ASSIGNED, ASSIGNED, PICKED_UP)
"""The state that a message of kind 0..5 is valid in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a message was acted on, and if not, why."""

    done: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """An order as it stands.

    Args:
        state: One of `STATES`, or `unknown` where it was never placed, or was forgotten.
        driver: Who holds it, or has the oldest of its standing offers; -1 = nobody.
        offer: Number of the offer that led here; -1 = none.
        until_s: Last moment to accept the offer.
        request: Id of the request whose decision led to the offer; -1 = none.
        since_s: When it came into this state.
    """

    state: str
    driver: int = -1
    offer: int = -1
    until_s: float = float("inf")
    request: int = -1
    since_s: float = 0.0


UNKNOWN = Held("unknown")


@dataclass(slots=True)
class _Offer:
    order: int
    driver: int
    number: int
    until_s: float
    request: int


@dataclass(slots=True)
class _Order:
    since_s: float
    state: int = WAITING
    shared: bool = False
    standing: list[_Offer] = field(default_factory=list[_Offer])
    last: _Offer | None = None


@dataclass(frozen=True, slots=True)
class PlainMessage:
    """One message as the law sees it: `kind` by number, -1 for no driver or no offer."""

    kind: int
    order: int
    driver: int = -1
    offer: int = -1


class PlainLedger:
    """The law a row at a time, in dictionaries: the specification that the ledger in columns is tested against.

    Example:
        >>> ledger = PlainLedger()
        >>> ledger.place(7, at_s=0.0), ledger.offer(7, 3, until_s=9.0, at_s=1.0)
        (True, (0, 0))
        >>> REASONS[ledger.tell(PlainMessage(ACCEPT, 7, driver=4), at_s=2.0)]
        'another driver holds the order'
        >>> ledger.tell(PlainMessage(ACCEPT, 7, driver=3), at_s=2.0), ledger.held(7).state
        (0, 'assigned')
    """

    def __init__(self) -> None:
        self.orders: dict[int, _Order] = {}
        self.load: dict[int, int] = {}
        """Driver -> how many orders have an offer to him, or are with him."""
        self.gone: set[int] = set()
        self.ended: dict[tuple[int, int], int] = {}
        """(order, driver) -> the kind of message that last ended an offer of the pair; ACCEPT where somebody else accepted."""
        self.answered: list[tuple[int, int, int, int]] = []
        """(kind, request, order, driver) of every offer that was accepted, declined or expired."""
        self._next = 0

    def place(self, order: int, *, at_s: float) -> bool:
        """Take an order in; False where it is known."""
        return self.orders.setdefault(order, new := _Order(at_s)) is new

    def offer(
        self, order: int, driver: int, *, until_s: float, at_s: float, request: int = -1, capacity: int = 1, shared: bool = False
    ) -> tuple[int, int]:
        """Offer an order to a driver: (number, 0), or (-1, the reason's number)."""
        o = self.orders.get(order)
        reason = NO_ORDER if o is None else self._hinders(o, (order, driver), capacity, shared=shared)
        if o is None or reason:
            return -1, reason
        if o.state == WAITING:
            o.state, o.since_s, o.shared = OFFERED, at_s, shared
        o.standing.append(_Offer(order, driver, self._next, until_s, request))
        self.load[driver] = self.load.get(driver, 0) + 1
        self._next += 1
        return self._next - 1, DONE

    def _hinders(self, o: _Order, pair: tuple[int, int], capacity: int, *, shared: bool) -> int:
        driver = pair[1]
        if driver < 0:
            return NO_DRIVER
        if o.state != WAITING and not (o.state == OFFERED and shared and o.shared):
            return IN_STATE + o.state
        if self.ended.get(pair) in (DECLINE, RELEASE):
            return REFUSED
        if any(f.driver == driver for f in o.standing):
            return STANDS
        if driver in self.gone:
            return GONE
        return FULL if self.load.get(driver, 0) >= capacity else DONE

    def tell(self, message: PlainMessage, *, at_s: float) -> int:
        """Act on a message; 0, or the reason's number."""
        if not 0 <= message.kind < len(KINDS):
            return NO_KIND
        if message.kind in (LEAVE, COME):
            return self._presence(message, at_s)
        o = self.orders.get(message.order)
        if o is None:
            return NO_ORDER
        if message.kind == CANCEL:
            return self._cancel(o, message.driver, at_s)
        his = next((f for f in o.standing if f.driver == message.driver), None)
        reason = self._refusal(o, message, his, at_s)
        if reason or his is None:
            return reason
        if message.kind <= EXPIRE:
            self.answered.append((message.kind, his.request, message.order, message.driver))
        if message.kind == ACCEPT:
            for other in [f for f in o.standing if f is not his]:
                self._end(o, other, ACCEPT)
            o.state, o.since_s = ASSIGNED, at_s
        elif message.kind == PICK_UP:
            o.state, o.since_s = PICKED_UP, at_s
        elif message.kind == DELIVER:
            o.last = his
            self._end(o, his, None)
            o.state, o.since_s = DELIVERED, at_s
        else:
            self._end(o, his, message.kind)
            self._wait(o, at_s)
        return DONE

    def _refusal(self, o: _Order, m: PlainMessage, his: _Offer | None, at_s: float) -> int:
        cause = self.ended.get((m.order, m.driver))
        if m.kind == ACCEPT and his is None and o.state < DELIVERED and cause in (EXPIRE, ACCEPT):
            return EXPIRED if cause == EXPIRE else TAKEN
        if o.state != NEEDED[m.kind]:
            return IN_STATE + o.state
        if his is None:
            return NOT_HIS
        if m.offer not in (-1, his.number):
            return OVER
        return EXPIRED if m.kind == ACCEPT and at_s > his.until_s else DONE

    def _presence(self, m: PlainMessage, at_s: float) -> int:
        if m.driver < 0:
            return NO_DRIVER
        if m.kind == COME:
            self.gone.discard(m.driver)
            return DONE
        self.gone.add(m.driver)
        for o in self.orders.values():
            for his in [f for f in o.standing if f.driver == m.driver and o.state != PICKED_UP]:
                self._end(o, his, LEAVE)
                self._wait(o, at_s)
        return DONE

    def _cancel(self, o: _Order, driver: int, at_s: float) -> int:
        if o.state > ASSIGNED:
            return IN_STATE + o.state
        if driver >= 0 and all(f.driver != driver for f in o.standing):
            return NOT_HIS
        for f in list(o.standing):
            self._end(o, f, None)
        o.state, o.since_s = CANCELLED, at_s
        return DONE

    def _end(self, o: _Order, f: _Offer, cause: int | None) -> None:
        o.standing.remove(f)
        self.load[f.driver] -= 1
        if cause is not None:
            self.ended[f.order, f.driver] = cause

    def _wait(self, o: _Order, at_s: float) -> None:
        if not o.standing:
            o.state, o.since_s = WAITING, at_s

    def held(self, order: int) -> Held:
        """How an order stands."""
        o = self.orders.get(order)
        if o is None:
            return UNKNOWN
        f = o.standing[0] if o.standing else o.last
        if f is None:
            return Held(STATES[o.state], since_s=o.since_s)
        return Held(STATES[o.state], f.driver, f.number, f.until_s, f.request, o.since_s)
