"""Offers against the plain ledger through accepts at once, repeats, crashes, torn tails, snapshots and a new owner."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from rialto.local.events import LocalEvents
from rialto.match.ledger import KINDS, REASONS, Answer
from rialto.match.offers import Message, Offers
from rialto.match.records import Orders

kinds, few = st.sampled_from(KINDS), st.integers(0, 5)


class Machine(RuleBasedStateMachine):
    """Everything that may happen to a log and its one writer; the plain ledger reads the log and must come to the same."""

    spec: Callable[[], Any]
    orders: Callable[..., Orders]
    sent: Bundle[tuple[Message, object]] = Bundle("sent")

    @initialize()
    def begin(self) -> None:
        self.on_disk = TemporaryDirectory()
        self.now, self.count, self.places = 0.0, 0, dict[int, int]()
        self.winner = dict[int, int]()  # order -> who was told that he has it, whatever the ledger says
        self.open()
        self.offers.place(type(self).orders(*range(5)), at_s=0.0)

    def open(self) -> None:
        self.log = LocalEvents(Path(self.on_disk.name), sync=False)
        self.offers = Offers(self.log)

    def key(self) -> str:
        self.count += 1
        return f"k{self.count}"

    @rule(pairs=st.lists(st.tuples(few, few), min_size=1, max_size=6), shared=st.booleans(), capacity=st.sampled_from([1, 1, 2]))
    def offer(self, pairs: list[tuple[int, int]], shared: bool, capacity: int) -> None:
        key, (left, right) = self.key(), np.array(pairs).T
        until_s = self.now + 5.0
        first, again = (
            self.offers.offer(left, right, key=key, at_s=self.now, until_s=until_s, capacity=capacity, broadcast=shared)
            for _ in range(2)
        )
        assert first.tolist() == again.tolist()
        for driver in right.tolist():
            self.places[driver] = max(self.places.get(driver, 1), capacity)

    def tell(self, message: Message, skew_s: float = 0.0) -> Answer:
        held, at_s = self.offers.state(message.order), self.now + skew_s
        answer = self.offers.tell([message], at_s=at_s)[0]
        if answer.done and message.kind == "accepted" and message.driver == held.driver:
            assert at_s <= held.until_s, "an acceptance after the offer's end"
        self.note(message, answer)
        return answer

    def note(self, message: Message, answer: Answer) -> None:
        """Believe nothing but answers: whoever was told that he has an order keeps it until he or the customer gives it up."""
        if not answer.done:
            return
        if message.kind == "accepted":
            assert message.order not in self.winner, "an order went to a second driver"
            self.winner[message.order] = message.driver
        elif message.kind in ("picked_up", "delivered"):
            assert self.winner[message.order] == message.driver, "an order was moved by another driver"
        elif message.kind == "released":
            assert self.winner.pop(message.order) == message.driver, "an order was given back by another driver"
        elif message.kind == "left":
            gave = [
                o for o, d in self.winner.items() if d == message.driver and self.offers.state(o).state in ("waiting", "offered")
            ]
            for order in gave:
                del self.winner[order]

    @rule(
        target=sent,
        kind=kinds,
        order=few,
        driver=st.integers(-1, 5),
        offer=st.integers(-1, 9),
        skew_s=st.sampled_from([0, 0, 0, -7, 7, -1e9, 1e9]),
    )
    def tell_anything(self, kind: str, order: int, driver: int, offer: int, skew_s: float) -> tuple[Message, object]:
        message = Message(self.key(), kind, order, driver, offer)
        return message, self.tell(message, skew_s)

    @rule(target=sent, kind=st.sampled_from(["accepted", "accepted", *KINDS[:7]]), pick=few, skew_s=st.sampled_from([0, 0, 0, 6]))
    def tell_what_fits(self, kind: str, pick: int, skew_s: float) -> tuple[Message, object]:
        driver, order = (sorted(self.offers.held().items()) or [(0, 0)])[pick % max(len(self.offers.held()), 1)]
        message = Message(self.key(), kind, order, driver)
        return message, self.tell(message, skew_s)

    @rule(kind=st.sampled_from(["accepted", "accepted", "declined", "cancelled"]), order=few)
    def everybody_at_once(self, kind: str, order: int) -> None:
        drivers = [d for d, o in zip(*(c.tolist() for c in self.offers.holding()[:2])) if o == order] + [0, 1]
        messages = [Message(self.key(), kind, order, driver) for driver in drivers for _ in range(2)]
        ready = Barrier(len(messages))

        def send(message: Message) -> list[Answer]:
            ready.wait()
            return self.offers.tell([message, message], at_s=self.now)

        with ThreadPoolExecutor(len(messages)) as pool:
            answers = list(pool.map(send, messages))
        assert all(a == b for a, b in answers)
        for message, (answer, _) in zip(messages, answers):
            self.note(message, answer)

    @rule(order=few)
    def same_message_from_several_threads_acts_once(self, order: int) -> None:
        before, message = self.log.end(), Message(self.key(), "accepted", order, self.offers.state(order).driver)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: self.offers.tell([message], at_s=self.now)[0], range(4)))
        assert len(set(answers)) == 1 and self.log.end() > before
        self.note(message, answers[0])

    @rule(sent=sent)
    def repeat_late(self, sent: tuple[Message, object]) -> None:
        assert self.offers.tell([sent[0]], at_s=self.now)[0] == sent[1]
        other = Message(sent[0].key, sent[0].kind, sent[0].order + 1, sent[0].driver)
        assert self.offers.tell([other], at_s=self.now)[0].reason == REASONS[12]

    @rule(by_s=st.floats(0.5, 6.0))
    def time_passes(self, by_s: float) -> None:
        self.now += by_s
        again = self.offers.expire(at_s=self.now)
        assert not set(again.tolist()) & set(self.winner), "an order that somebody has expired"
        assert all(h.until_s >= self.now for h in self.offers.states().values() if h.state == "offered")

    @rule(torn=st.sampled_from([b"", b"", b"\xf5RLF", b"\xf5RLF" + bytes(60), bytes(7)]), owner=st.booleans())
    def crash_and_recover(self, torn: bytes, owner: bool) -> None:
        before = self.seen()
        for order, driver in self.winner.items():
            held = self.offers.state(order)
            assert held.state == "cancelled" or (held.driver == driver and held.state not in ("waiting", "offered"))
        self.log.close()
        with max(Path(self.on_disk.name).glob("*.events")).open("ab") as file:
            file.write(torn)
        self.open()
        assert before == self.seen()
        if owner or self.offers.owned > 0:
            self.offers.take_over("next", at_s=self.now)

    @rule()
    def snapshot(self) -> None:
        self.offers.snapshot(at_s=self.now)

    def seen(self) -> tuple[object, ...]:
        o = self.offers
        return o.states(), [c.tolist() for c in o.holding()], o.answered(), o.waiting().ids.tolist()

    @invariant()
    def nobody_has_more_than_his_places(self) -> None:
        if hasattr(self, "offers"):
            drivers, orders, _ = self.offers.holding()
            assert all(count <= self.places[d] for d, count in zip(*np.unique(drivers, return_counts=True)))
            taken = [o for o in orders.tolist() if self.offers.state(o).state in ("assigned", "picked_up")]
            assert len(set(taken)) == len(taken)

    def teardown(self) -> None:
        if not hasattr(self, "offers"):
            return
        plain = type(self).spec().read(self.log)
        assert self.offers.states() == {i: plain.held(i) for i in plain.orders}
        assert [(KINDS.index(a.kind), a.request, a.order, a.driver) for a in self.offers.answered()] == plain.answered
        assert len(self.offers.holding()[0]) == sum(plain.load.values())
        self.log.close()
        self.on_disk.cleanup()


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_whatever_happens_the_ledger_is_what_its_log_says(spec: Callable[[], Any], orders: Callable[..., Orders]) -> None:
    machine = type("Bound", (Machine,), {"spec": staticmethod(spec), "orders": staticmethod(orders)})
    run_state_machine_as_test(machine, settings=settings(max_examples=50, stateful_step_count=30, deadline=None))
