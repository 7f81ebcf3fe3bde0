"""Who is offered what: every write goes into the event log before the ledger, with an idempotency key; recovery is a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow
from rialto.match.ledger import KEY_USED, KINDS, WAITING, Answer, Held
from rialto.match.offers import moves
from rialto.match.offers.columns import Batch, Result
from rialto.match.offers.entries import Entry
from rialto.match.offers.find import checksum
from rialto.match.offers.journal import Journal
from rialto.match.offers.messages import Answered, Answers, Message, Messages, Offered, key_bytes, per_pair, whole
from rialto.match.offers.refused import refusals
from rialto.match.offers.tables import used
from rialto.match.records import Orders
from rialto.ports import EventLog
from rialto.records import Columns

__all__ = ["Offers"]


class Offers:
    """The ledger of orders and drivers behind an event log of its own.

    Safe to call from several threads: those who write at the same moment share one append. Several writers on one log keep the law
    as well, because the log's order decides; where only one may write, it calls `take_over`.

    Args:
        events: A log of its own; what is already in it is replayed at once, from its last snapshot on.

    Raises:
        EngineLost: The log holds something else, or its beginning is gone and no snapshot is left.

    Cost:
        One append a call, for all calls that wait at that moment; some 0.3 us a row to offer and 0.6 to answer in a batch, 0.1 ms a call.
    """

    def __init__(self, events: EventLog) -> None:
        self._journal = Journal(events)

    def recover(self) -> int:
        """Read what the log holds beyond what is known, as a stand-by does; returns how many entries."""
        return self._journal.recover()

    def take_over(self, owner: str, *, at_s: float) -> int:
        """Become the only one who writes here, after the lease of whoever did was lost; returns the owner's number, which rises.

        What a former owner still appends after this is void for everybody, and he is told so by `EngineLost` when he writes.

        Args:
            owner: Who takes over, for the texts of errors.
            at_s: Now, seconds UTC.

        Raises:
            EngineBusy: Another process took over at the same moment, or holds the log's own lock.
        """
        if not owner:
            raise BadInput("the owner's name is empty; wanted a name that people know this process by.")
        return self._journal.take_over(owner, at_s=at_s)

    @property
    def owned(self) -> int:
        """Number of the log's owner, whoever it is; 0 while nobody took it over."""
        return self._journal.ledger.epoch

    def snapshot(self, *, at_s: float) -> int:
        """Write the state into the log, so that a recovery reads from here on; returns the offset from which the log is needed.

        Raises:
            EngineBusy: Others write to the log; the snapshot before stands.
        """
        return self._journal.snapshot(at_s=at_s)

    @property
    def rows(self) -> int:
        """Rows written since the last snapshot: what a recovery would have to act on; when there are many, call `snapshot`."""
        return self._journal.rows

    def place(self, orders: Orders, *, at_s: float, key: str = "") -> NDArray[np.bool_]:
        """Take new orders in, shape (orders,): true where the first call with this key did; a known order is left as it is.

        Args:
            orders: The orders.
            at_s: Now, seconds UTC.
            key: Idempotency key of the batch; "" = its moment and a checksum of it.

        Raises:
            BadInput: The key was used for something else.
        """
        if not len(orders) and not key:
            return np.zeros(0, dtype=np.bool_)
        entry = Entry("placed", at_s, orders.told(), {})
        results = self._batch(entry, key or f"placed:{at_s!r}:{_content(entry):x}")
        if len(results) and results[0] == -1 - KEY_USED:
            raise BadInput(f"key {key!r} was used for another batch. Give each batch a key of its own.")
        return results == 1

    def offer(
        self,
        orders: NDArray[np.int64],
        drivers: NDArray[np.int64],
        *,
        key: str,
        at_s: float,
        until_s: float | NDArray[np.float64],
        requests: NDArray[Any] | None = None,
        capacity: int | NDArray[np.int64] = 1,
        broadcast: bool = False,
    ) -> NDArray[np.int64]:
        """The numbers of `offer_all`: shape (pairs,), -1 where no offer was made."""
        return self.offer_all(
            orders, drivers, key=key, at_s=at_s, until_s=until_s, requests=requests, capacity=capacity, broadcast=broadcast
        ).numbers

    def offer_all(
        self,
        orders: NDArray[np.int64],
        drivers: NDArray[np.int64],
        *,
        key: str,
        at_s: float,
        until_s: float | NDArray[np.float64],
        requests: NDArray[Any] | None = None,
        capacity: int | NDArray[np.int64] = 1,
        broadcast: bool = False,
    ) -> Offered:
        """Offer each order to its driver, shape (pairs,) each, until `until_s`, row by row in this order.

        Args:
            orders, drivers: The pairs.
            key: Idempotency key of the batch. A repeat is answered with the numbers of the first time; with other pairs or requests
                every row is refused.
            at_s: Now, seconds UTC.
            until_s: Last moment to accept, seconds UTC, for all or shape (pairs,).
            requests: Ids of the requests that the pairs were decided for, shape (pairs,); what feedback is joined by.
            capacity: How many orders the driver may have at once, this one included, for all or shape (pairs,).
            broadcast: Whether an order may be offered to several drivers, here or in a later broadcast: the first to accept has it.

        Returns:
            Numbers and reasons: an order that does not wait, a driver with no place left, who left, or who declined this order or
            gave it back, gets no offer; one whose earlier offer expired may be asked again.

        Raises:
            BadInput: Columns of other shapes or kinds, or `until_s` is NaN; nothing was written.
        """
        size = len(orders)
        asks = np.full(size, -1) if requests is None else np.asarray(requests)
        columns = {
            "order": whole(orders, "orders", (size,), np.int64),
            "driver": whole(drivers, "drivers", (size,), np.int64),
            "request": whole(asks, "requests", (size,), np.int64),
            "until_s": per_pair(until_s, "until_s", size, np.float64),
            "capacity": per_pair(capacity, "capacity", size, np.int32),
        }
        if np.isnan(columns["until_s"]).any():
            raise BadInput("until_s holds NaN; wanted seconds UTC, or inf for an offer without end.")
        results = self._batch(Entry("offered", at_s, columns, {"broadcast": broadcast}), key)
        made = results >= 0
        return Offered(np.where(made, results, -1), np.where(made, 0, -1 - results).astype(np.uint8))

    def _batch(self, entry: Entry, key: str) -> NDArray[np.int64]:
        key_bytes(key)
        content = _content(entry)
        with self._journal.lock:
            known = self._journal.ledger.batches.get(key)
            if known is not None and (len(known.answers) == 0 or known.answers.min() > -(2**63)):
                return _again(known, content, len(entry))
        facts = {**entry.facts, "key": key, "content": content}
        results = self._journal.commit([replace(entry, facts=facts)])
        return np.concatenate([r.answers for r in results])

    def tell(self, messages: Sequence[Message], *, at_s: float) -> list[Answer]:
        """Act on messages in their order and answer each; as `tell_all`, which takes columns.

        Raises:
            BadRow: A message is of a kind that does not exist, or has no key; nothing was written.
        """
        return self.tell_all(Messages.of(messages), at_s=at_s).each() if messages else []

    def tell_all(self, messages: Messages, *, at_s: float) -> Answers:
        """Act on messages in their order, and answer each; all that is new is one append.

        No message raises: what may not be done where it comes is answered with the reason, and the rest is done. A key that was used
        before is answered as it was then, and refused if it was used for something else.

        Args:
            messages: The messages.
            at_s: Now, seconds UTC: an acceptance counts until its offer's last moment.
        """
        journal, about = self._journal, messages.about()
        answers = np.empty(len(messages), dtype=np.uint8)
        with journal.lock:
            new = moves.seen(journal.ledger.tables, messages.keys, messages.kind, about, answers)
        rows = np.flatnonzero(answers == moves.UNSEEN)
        if not new:
            return _answers(answers, rows, [])
        some = messages if new == len(messages) else messages.take(rows)
        columns = {"a": some.keys[:, 0], "b": some.keys[:, 1], "kind": some.kind}
        columns |= {"order": some.order, "driver": some.driver, "offer": some.offer}
        return _answers(answers, rows, journal.commit([Entry("told", at_s, columns, {})]))

    def ready(
        self, orders: NDArray[np.int64], merchants: NDArray[np.int64], ready_s: NDArray[np.float64], *, at_s: float
    ) -> NDArray[np.bool_]:
        """Note when orders are ready, or will be, as their merchants tell, shape (orders,) each; true where the order is known.

        It changes no order's state, and the `ready_s` and `merchant` that later windows see of it; of an order that comes again the
        last word counts. `trips.prep_logged` reads it back.

        Raises:
            BadInput: Columns of other shapes or kinds, or a time that is not finite; nothing was written.
        """
        size = len(orders)
        when = np.asarray(ready_s, dtype=np.float64)
        if when.shape != (size,) or not np.isfinite(when).all():
            raise BadInput(f"ready_s has shape {when.shape}; wanted ({size},), finite seconds UTC.")
        columns = {
            "order": whole(orders, "orders", (size,), np.int64),
            "merchant": whole(merchants, "merchants", (size,), np.int64),
            "ready_s": when,
        }
        if not size:
            return np.zeros(0, dtype=np.bool_)
        return np.concatenate([r.answers for r in self._journal.commit([Entry("ready", at_s, columns, {})])]).astype(np.bool_)

    def expire(self, *, at_s: float) -> NDArray[np.int64]:
        """Take back every offer whose last moment is before `at_s`; returns the orders that wait again, shape (orders,), by offer."""
        with self._journal.lock:
            due = self._journal.ledger.due(at_s)
        if not len(due["order"]):
            return due["order"]
        results = self._journal.commit([Entry("clock", at_s, due, {})])
        ended = due["order"][np.concatenate([r.answers for r in results]) == 0]
        with self._journal.lock:
            orders = used(self._journal.ledger.tables, "orders")
            waiting = orders["id"][orders["state"] == WAITING]
        _, first = np.unique(ended, return_index=True)  # several offers of a broadcast end at once
        ended = ended[np.sort(first)]
        return ended[np.isin(ended, waiting)]

    def forget(self, *, before_s: float, at_s: float | None = None) -> int:
        """Drop orders finished and keys used before `before_s` from memory, the log keeps them; returns how many.

        Choose it further back than any sender repeats a message: a batch whose key is forgotten would be placed a second time. It is
        an entry of the log, so that a recovery forgets the same.

        Raises:
            BadInput: `before_s` is NaN.
        """
        if np.isnan(before_s):
            raise BadInput("before_s is nan; wanted seconds UTC.")
        at = before_s if at_s is None else at_s
        (result,) = self._journal.commit([Entry("forgot", at, {}, {"before_s": before_s})])
        return int(result.answers[0])

    def state(self, order: int) -> Held:
        """How an order stands; state `unknown` where it was never placed."""
        with self._journal.lock:
            return self._journal.ledger.held(order)

    def states(self) -> dict[int, Held]:
        """How every order stands that is not forgotten."""
        with self._journal.lock:
            return self._journal.ledger.states()

    def known(self) -> NDArray[np.int64]:
        """Numbers of all orders that are not forgotten, rising."""
        with self._journal.lock:
            return np.sort(used(self._journal.ledger.tables, "orders")["id"])

    def waiting(self) -> Orders:
        """Orders that want an offer, in the order of their ids."""
        with self._journal.lock:
            ledger = self._journal.ledger
            orders = used(ledger.tables, "orders")
            rows = np.flatnonzero(orders["state"] == WAITING)
            rows = rows[np.argsort(orders["id"][rows])]
            return _sound({name: column[rows] for name, column in ledger.columns.items()})

    def placed_by(
        self, merchants: NDArray[np.int64], *, since_s: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Every order that some of `merchants` got from `since_s` on, whatever became of it: id, merchant, moment, shape (found,) each.

        Cost:
            O(orders that are not forgotten).
        """
        with self._journal.lock:
            ledger = self._journal.ledger
            size = len(used(ledger.tables, "orders"))
            ids, merchant, placed_s = (ledger.columns[name][:size] for name in ("ids", "merchant", "placed_s"))
            rows = np.flatnonzero(placed_s >= since_s)
            rows = rows[np.isin(merchant[rows], merchants)]
            return ids[rows], merchant[rows], placed_s[rows]

    def orders(self, ids: NDArray[np.int64]) -> Orders:
        """Orders as they were placed, in the order asked; those that are unknown, or were forgotten, are left out.

        An order that ended before the log's last snapshot is known by its state alone and is left out as well.

        Raises:
            BadInput: `ids` are no whole numbers, or one comes twice.
        """
        asked = whole(ids, "ids", np.shape(ids), np.int64)
        with self._journal.lock:
            columns, known = self._journal.ledger.orders(asked)
        # A snapshot keeps no columns of orders that had ended: their rows are zeros, also where the order's number is 0.
        there = (columns["ids"] == asked[known]) & (columns["ids"] + columns["expire_s"] != 0.0)
        return _sound({name: column[there] for name, column in columns.items()})

    def holding_of(self, driver: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Order and offer number of every offer that stands to one driver and every order that he has, by number; shape (standing,) each."""
        with self._journal.lock:
            return self._journal.ledger.holding_of(driver)

    def held(self) -> dict[int, int]:
        """Driver -> the order that holds him; of several the latest. See `holding`."""
        drivers, orders, _ = self.holding()
        return dict(zip(drivers.tolist(), orders.tolist()))

    def holding(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Driver, order and offer number of every offer that stands and every order under way, by number; shape (standing,) each."""
        with self._journal.lock:
            return self._journal.ledger.holding()

    def gone(self) -> NDArray[np.int64]:
        """Drivers who said that they left and did not come back since, rising; they are offered nothing."""
        with self._journal.lock:
            drivers = used(self._journal.ledger.tables, "drivers")
            return np.sort(drivers["id"][drivers["gone"] != 0])

    def standing(self) -> Columns:
        """Every offer that stands and every order under way, by number: `driver`, `number` of the offer, `state` of the order by number and
        `since_s` when, and the columns of `Orders`; shape (standing,) each."""
        with self._journal.lock:
            return self._journal.ledger.standing()

    def freed(self) -> NDArray[np.int64]:
        """Drivers who had an order since this was asked last and have none now, rising; whoever put it into the log."""
        with self._journal.lock:
            return self._journal.ledger.freed()

    def refusals(self, *, expired_after_s: float = -np.inf) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs (order, driver) that were declined or given back, or expired after `expired_after_s`; of orders that are not finished.

        Returns:
            Orders and drivers, shape (pairs,) each, each pair once, rising.

        Cost:
            O(pairs and orders that are not forgotten), and the offers that ended lately.
        """
        with self._journal.lock:
            return refusals(self._journal.ledger.tables, expired_after_s)

    def answered(self) -> list[Answered]:
        """Every offer that was accepted, declined or expired and is not forgotten, in the log's order: what acceptance is learned by."""
        with self._journal.lock:
            rows = used(self._journal.ledger.tables, "ended").tolist()
        return [Answered(KINDS[kind], request, order, driver, time_s) for request, order, driver, time_s, kind in rows]


def _sound(columns: Columns) -> Orders:
    """Orders of the ledger, without those that an older version took in although no driver can go there."""
    try:
        return Orders(**columns)
    except BadRow:
        return Orders.sifted(columns)[0]


def _content(entry: Entry) -> int:
    """A checksum of what a batch says; its moments are no part of it, as a repeat is sent later."""
    x = len(entry) * 4 + 2 * (entry.kind == "offered") + bool(entry.facts.get("broadcast"))
    for name, column in entry.columns.items():
        if name not in ("until_s", "capacity"):
            x = checksum(np.ascontiguousarray(column).view(np.uint64), x)
    return x


def _again(known: Batch, content: int, size: int) -> NDArray[np.int64]:
    return known.answers.copy() if known.content == content else np.full(size, -1 - KEY_USED)


def _answers(answers: NDArray[np.uint8], rows: NDArray[np.int64], results: list[Result]) -> Answers:
    """Answers of all messages, where `rows` of them were new; the rows of a result count from its part's first."""
    if not results:
        nothing = np.zeros(0, dtype=np.int64)
        return Answers(answers, nothing, nothing, nothing, nothing)
    starts = np.cumsum([0, *(len(r.answers) for r in results)])
    answers[rows] = np.concatenate([r.answers for r in results])
    ended = np.concatenate([r.ended + np.array([start, 0, 0, 0]) for start, r in zip(starts, results)])
    return Answers(answers, rows[ended[:, 0]], ended[:, 1], ended[:, 2], ended[:, 3])
