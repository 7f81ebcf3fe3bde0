"""The state of every order and driver as a pure function of events: what `offers` writes and every recovery repeats.

    waiting --offered--> offered --accepted--> assigned --picked_up--> picked_up --delivered--> delivered
       ^                    |                     |
       +-- declined, expired, released -----------+          waiting, offered, assigned --cancelled--> cancelled

An order is held by at most one driver and a driver by at most one order: from `offered` until `delivered`, or back to `waiting`.
An event that is not valid where it comes changes nothing and is answered with the reason, so whatever is in the log, in whatever
order and however often, the law holds; and as answers follow from the log alone, a recovered ledger gives the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rialto.records import Event

__all__ = ["MOVES", "STATES", "Answer", "Held", "Ledger"]

STATES = ("waiting", "offered", "assigned", "picked_up", "delivered", "cancelled")
"""States of an order."""

MOVES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "accepted": (("offered",), "assigned"),
    "declined": (("offered",), "waiting"),
    "expired": (("offered",), "waiting"),
    "released": (("assigned",), "waiting"),
    "picked_up": (("assigned",), "picked_up"),
    "delivered": (("picked_up",), "delivered"),
    "cancelled": (("waiting", "offered", "assigned"), "cancelled"),
}
"""What a message may do: its kind -> the states that it is valid in, and the state that follows."""

FINISHED = ("delivered", "cancelled")


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether an event was acted on, and if not, why; `offers` are the (order, driver, offer number) that it made."""

    done: bool
    reason: str = ""
    offers: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """An order as it stands.

    Args:
        state: One of `STATES`, or `unknown` where it was never placed.
        driver: Who holds it; -1 = nobody.
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


class Ledger:
    """Orders, who holds them, and the answer to every key.

    Cost:
        O(1) an event's row; memory by orders and keys until `forget`.

    Example:
        >>> ledger = Ledger()
        >>> ledger.apply(Event("k1", "offers", "placed", 0.0, b'{"ids": [7]}')).done
        True
        >>> ledger.apply(Event("k2", "offers", "offered", 1.0,
        ...     b'{"order": [7], "driver": [3], "request": [1], "until_s": 9}')).offers
        ((7, 3, 0),)
        >>> ledger.apply(Event("k3", "offers", "accepted", 2.0, b'{"order": 7, "driver": 4, "offer": -1}'))
        Answer(done=False, reason='another driver holds the order', offers=())
    """

    def __init__(self) -> None:
        self.orders: dict[int, Held] = {}
        self.placed: dict[int, tuple[Any, ...]] = {}
        """Order -> its row of columns as it was placed, while it is not finished."""
        self.holds: dict[int, int] = {}
        """Driver -> the order that holds it."""
        self.answers: dict[str, tuple[float, Answer]] = {}
        """Key -> when it was used, and the answer."""
        self.refusals: set[tuple[int, int]] = set()
        """Pairs (order, driver) that were declined, expired or released."""
        self._next_offer = 0

    def apply(self, event: Event) -> Answer:
        """Act on an event, unless its id was seen before, and answer as the first time."""
        seen = self.answers.get(event.id)
        if seen is not None:
            return seen[1]
        body = json.loads(event.body)
        if event.kind == "placed":
            answer = self._place(body, event.time_s)
        elif event.kind == "offered":
            answer = self._offer(body, event.time_s)
        else:
            answer = self._move(event.kind, body, event.time_s)
        self.answers[event.id] = (event.time_s, answer)
        return answer

    def _place(self, body: Mapping[str, list[Any]], at_s: float) -> Answer:
        for row in zip(*body.values()):
            if row[0] not in self.orders:
                self.placed[row[0]] = row
                self.orders[row[0]] = Held("waiting", since_s=at_s)
        return Answer(True)

    def _offer(self, body: Mapping[str, Any], at_s: float) -> Answer:
        made: list[tuple[int, int, int]] = []
        for order, driver, request in zip(body["order"], body["driver"], body["request"]):
            if self.orders.get(order, UNKNOWN).state == "waiting" and driver not in self.holds:
                self.orders[order] = Held("offered", driver, self._next_offer, body["until_s"], request, at_s)
                self.holds[driver] = order
                made.append((order, driver, self._next_offer))
                self._next_offer += 1
        return Answer(True, offers=tuple(made))

    def _move(self, kind: str, body: Mapping[str, Any], at_s: float) -> Answer:
        order = body["order"]
        held = self.orders.get(order, UNKNOWN)
        reason = refusal(kind, body["driver"], body["offer"], held, at_s)
        if reason:
            return Answer(False, reason)
        state = MOVES[kind][1]
        if state in ("waiting", "cancelled"):
            self.orders[order] = Held(state, since_s=at_s)
        else:
            self.orders[order] = replace(held, state=state, since_s=at_s)
        if state in ("waiting", *FINISHED):
            self.holds.pop(held.driver, None)
        if state == "waiting":
            self.refusals.add((order, held.driver))
        if state in FINISHED:
            self.placed.pop(order, None)
        return Answer(True)

    def forget(self, *, before_s: float) -> int:
        """Drop orders that were finished and keys that were used before `before_s`; returns how many of both."""
        gone = {i for i, h in self.orders.items() if h.state in FINISHED and h.since_s < before_s}
        for order in gone:
            del self.orders[order]
        self.refusals = {p for p in self.refusals if p[0] not in gone}
        old = [k for k, (when, _) in self.answers.items() if when < before_s]
        for key in old:
            del self.answers[key]
        return len(gone) + len(old)


def refusal(kind: str, driver: int, offer: int, held: Held, at_s: float) -> str:
    """Why a message may not act on an order that stands as `held`; "" where it may."""
    if kind not in MOVES:
        return f"{kind!r} is no kind of message"
    valid, _ = MOVES[kind]
    if held.state not in valid:
        return f"the order is {held.state}"
    if kind == "cancelled":
        return ""
    if driver != held.driver:
        return "another driver holds the order"
    if offer not in (-1, held.offer) or (kind == "accepted" and at_s > held.until_s):
        return "the offer is over"
    return ""
