"""Who is offered what: every write goes into the event log before the ledger, with an idempotency key; recovery is a replay."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, known
from rialto.match.ledger import MOVES, UNKNOWN, Answer, Held, Ledger
from rialto.match.records import Orders
from rialto.ports import EventLog
from rialto.records import Event

__all__ = ["Answered", "Message", "Offers"]


@dataclass(frozen=True, slots=True)
class Message:
    """Something a driver, a customer or the clock says about an order.

    Args:
        key: Idempotency key, chosen by the sender: it acts once, and a repeat is answered the same.
        kind: One of `accepted`, `declined`, `expired`, `released`, `picked_up`, `delivered`, `cancelled`.
        order: The order.
        driver: Who says so; -1 where it is no driver (a customer cancels).
        offer: Number of the offer that is answered, as `Offers.offer` gave it; -1 = the one that stands.
    """

    key: str
    kind: str
    order: int
    driver: int = -1
    offer: int = -1


@dataclass(frozen=True, slots=True)
class Answered:
    """How an offer ended, for learning: `kind` is `accepted`, `declined` or `expired`; `request` is its decision's request id."""

    kind: str
    request: int
    order: int
    driver: int
    time_s: float


class Offers:
    """The ledger of orders behind an event log of its own.

    A write is durable before it is seen. Where an append fails nobody knows whether it was kept; the error goes to the caller, and
    the next write reads the log first. Safe to call from several threads; several writers on one log keep the law as well, because
    the log's order decides.

    Args:
        events: A log of its own; what is already in it is replayed at once.

    Cost:
        One append a call; microseconds of Python a message.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._lock = RLock()
        self._ledger = Ledger()
        self._read_to = 0
        self._behind = False
        self._answered: list[Answered] = []
        self.recover()

    def recover(self) -> int:
        """Read what the log holds beyond what is known; returns the events read."""
        with self._lock:
            count = 0
            while batch := self._events.read(self._read_to):
                for offset, event in batch:
                    self._apply(event)
                    self._read_to = offset + 1
                count += len(batch)
            self._behind = False
            return count

    def place(self, orders: Orders, *, key: str, at_s: float) -> NDArray[np.bool_]:
        """Take new orders in; true where this call did, shape (orders,). A known order, or a repeat of `key`, changes nothing."""
        with self._lock:
            self._catch_up()
            if key in self._ledger.answers:
                return np.zeros(len(orders), dtype=np.bool_)
            new = np.array([i not in self._ledger.orders for i in orders.ids.tolist()], dtype=np.bool_)
            if new.any():
                self._write([_event(key, "placed", at_s, {n: c.tolist() for n, c in orders.take(new).columns().items()})])
            return new

    def offer(
        self,
        orders: NDArray[np.int64],
        drivers: NDArray[np.int64],
        *,
        key: str,
        at_s: float,
        until_s: float,
        requests: NDArray[np.uint64] | None = None,
    ) -> NDArray[np.int64]:
        """Offer each order to its driver, shape (pairs,) each, until `until_s`.

        Args:
            orders, drivers: The pairs.
            key: Idempotency key of the batch.
            at_s, until_s: Now, and the last moment to accept, seconds UTC.
            requests: Ids of the requests that the pairs were decided for, shape (pairs,); what feedback is joined by.

        Returns:
            The offer's number, shape (pairs,); -1 where the order does not wait or the driver is held. A repeat of `key` is
            answered with the numbers of the first time.
        """
        with self._lock:
            self._catch_up()
            asks = np.full(len(orders), -1) if requests is None else requests
            body: dict[str, Any] = {
                "order": orders.tolist(),
                "driver": drivers.tolist(),
                "request": asks.tolist(),
                "until_s": until_s,
            }
            if key not in self._ledger.answers:
                self._write([_event(key, "offered", at_s, body)])
            made = {(order, driver): number for order, driver, number in self._ledger.answers[key][1].offers}
            return np.array([made.get(pair, -1) for pair in zip(body["order"], body["driver"])], dtype=np.int64)

    def tell(self, messages: Sequence[Message], *, at_s: float) -> list[Answer]:
        """Act on messages in their order and answer each; all that is new is one append.

        Raises:
            BadInput: a message is of a kind that does not exist; nothing was written.
        """
        for m in messages:
            if m.kind not in MOVES:
                raise BadInput(f"message {m.key!r} is of kind {m.kind!r}; known: {known(m.kind, MOVES)}.")
        with self._lock:
            self._catch_up()
            new = {m.key: m for m in reversed(messages) if m.key not in self._ledger.answers}
            first = [m for m in messages if new.get(m.key) is m]
            self._write([_event(m.key, m.kind, at_s, {"order": m.order, "driver": m.driver, "offer": m.offer}) for m in first])
            return [self._ledger.answers[m.key][1] for m in messages]

    def expire(self, *, at_s: float) -> NDArray[np.int64]:
        """Take back every offer whose last moment is before `at_s`; returns its orders, shape (orders,)."""
        with self._lock:
            self._catch_up()
            due = [(i, h) for i, h in self._ledger.orders.items() if h.state == "offered" and h.until_s < at_s]
            self.tell([Message(f"expired:{h.offer}", "expired", i, h.driver, h.offer) for i, h in due], at_s=at_s)
            return np.array([i for i, _ in due], dtype=np.int64)

    def forget(self, *, before_s: float) -> int:
        """Drop orders finished and keys used before `before_s` from memory, the log keeps them; returns how many.

        Choose it further back than any sender repeats a message.
        """
        with self._lock:
            return self._ledger.forget(before_s=before_s)

    def _catch_up(self) -> None:
        if self._behind:
            self.recover()

    def _write(self, events: Sequence[Event]) -> None:
        if not events:
            return
        self._behind = True  # until the append has answered, the log may hold more than the ledger
        offsets = self._events.append(events)
        if offsets[0] == self._read_to and offsets[-1] == self._read_to + len(events) - 1:
            for event in events:
                self._apply(event)
            self._read_to = int(offsets[-1]) + 1
            self._behind = False
        else:  # another writer came between: the log's order decides
            self.recover()

    def _apply(self, event: Event) -> None:
        if event.id in self._ledger.answers:
            return
        if event.kind not in ("accepted", "declined", "expired"):
            self._ledger.apply(event)
            return
        order = json.loads(event.body)["order"]
        held = self._ledger.orders.get(order, UNKNOWN)
        if self._ledger.apply(event).done:
            self._answered.append(Answered(event.kind, held.request, order, held.driver, event.time_s))

    def state(self, order: int) -> Held:
        """How an order stands; state `unknown` where it was never placed."""
        with self._lock:
            return self._ledger.orders.get(order, UNKNOWN)

    def states(self) -> dict[int, Held]:
        """How every order stands that is not forgotten."""
        with self._lock:
            return dict(self._ledger.orders)

    def waiting(self) -> Orders:
        """Orders that want an offer, in the order of their ids."""
        with self._lock:
            rows = [self._ledger.placed[i] for i, h in sorted(self._ledger.orders.items()) if h.state == "waiting"]
            return _orders(rows)

    def held(self) -> dict[int, int]:
        """Driver -> the order that holds it."""
        with self._lock:
            return dict(self._ledger.holds)

    def refusals(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs (order, driver) that were declined, expired or released, shape (pairs,) each: not to be offered again."""
        with self._lock:
            pairs = np.array(sorted(self._ledger.refusals), dtype=np.int64).reshape(-1, 2)
            return pairs[:, 0], pairs[:, 1]

    def answered(self) -> list[Answered]:
        """Every offer that ended, in the log's order: what acceptance is learned from."""
        with self._lock:
            return list(self._answered)


def _event(key: str, kind: str, at_s: float, body: dict[str, Any]) -> Event:
    return Event(key, "offers", kind, at_s, json.dumps(body).encode())  # one key: an order and its drivers must see one sequence


def _orders(rows: Sequence[tuple[Any, ...]]) -> Orders:
    if not rows:
        return Orders.none()
    return Orders(**{n: np.array(v, dtype=c.dtype) for (n, c), v in zip(Orders.none().columns().items(), zip(*rows))})
