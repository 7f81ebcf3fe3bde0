"""No driver is held by two orders, no order by two drivers: whatever arrives, in any order, however often, after any crash."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineBusy
from rialto.local.events import LocalEvents
from rialto.match.ledger import MOVES
from rialto.match.offers import Message, Offers
from rialto.match.records import Orders
from rialto.records import Event


class ListLog:
    """An event log in a list; `lost` appends fail before, `mute` appends fail after they were kept."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.fault = ""

    def append(self, events: Sequence[Event]) -> NDArray[np.int64]:
        if self.fault == "lost":
            raise EngineBusy("the log is away.")
        self.events.extend(events)
        if self.fault == "mute":
            raise EngineBusy("the log's answer was lost.")
        return np.arange(len(self.events) - len(events), len(self.events))

    def read(self, start: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        return list(enumerate(self.events))[start : start + limit]

    def end(self) -> int:
        return len(self.events)

    def close(self) -> None:
        self.fault = "lost"


def orders(*ids: int) -> Orders:
    size = len(ids)
    return Orders.of(np.array(ids), lat=np.zeros(size), lon=np.zeros(size), placed_s=np.zeros(size))


def offered(log: ListLog | None = None) -> Offers:
    """Order 1 is offered to driver 7 until second 10; order 2 waits."""
    offers = Offers(ListLog() if log is None else log)
    offers.place(orders(1, 2), key="p", at_s=0.0)
    assert offers.offer(np.array([1]), np.array([7]), key="o", at_s=0.0, until_s=10.0).tolist() == [0]
    return offers


def test_order_goes_from_offer_to_delivery_and_frees_its_driver() -> None:
    offers = offered()
    for kind, state in (("accepted", "assigned"), ("picked_up", "picked_up"), ("delivered", "delivered")):
        assert offers.tell([Message(kind, kind, 1, 7)], at_s=1.0)[0].done
        assert offers.state(1).state == state
    assert offers.held() == {}


def test_declined_order_waits_again_and_remembers_who_declined() -> None:
    offers = offered()
    offers.tell([Message("d", "declined", 1, 7)], at_s=1.0)
    assert offers.waiting().ids.tolist() == [1, 2]
    assert [a.tolist() for a in offers.refusals()] == [[1], [7]]


def test_offer_that_nobody_answers_expires_and_a_late_acceptance_is_refused() -> None:
    offers = offered()
    assert offers.expire(at_s=10.0).tolist() == []
    assert offers.tell([Message("late", "accepted", 1, 7)], at_s=10.5)[0].reason == "the offer is over"
    assert offers.expire(at_s=10.5).tolist() == [1]
    assert offers.tell([Message("later", "accepted", 1, 7)], at_s=11.0)[0].reason == "the order is waiting"


def test_acceptance_of_an_earlier_offer_of_the_same_pair_is_refused() -> None:
    offers = offered()
    offers.tell([Message("d", "declined", 1, 7, 0)], at_s=1.0)
    assert offers.offer(np.array([1]), np.array([7]), key="o2", at_s=2.0, until_s=10.0).tolist() == [1]
    assert offers.tell([Message("a", "accepted", 1, 7, 0)], at_s=3.0)[0].reason == "the offer is over"


def test_held_driver_and_offered_order_are_not_offered_again() -> None:
    offers = offered()
    again = offers.offer(np.array([2, 1, 2, 2]), np.array([7, 8, 9, 8]), key="x", at_s=1.0, until_s=9.0)
    assert again.tolist() == [-1, -1, 1, -1]


def test_repeated_key_is_answered_the_same_and_acts_once() -> None:
    offers = offered()
    first = offers.tell([Message("k", "accepted", 1, 7), Message("k", "declined", 1, 7)], at_s=1.0)
    assert first[0] == first[1] == offers.tell([Message("k", "delivered", 1, 7)], at_s=2.0)[0]
    assert offers.state(1).state == "assigned"
    assert offers.offer(np.array([1]), np.array([7]), key="o", at_s=5.0, until_s=50.0).tolist() == [0]


def test_customer_may_cancel_until_the_driver_has_picked_up() -> None:
    offers = offered()
    offers.tell([Message("a", "accepted", 1, 7), Message("u", "picked_up", 1, 7)], at_s=1.0)
    assert offers.tell([Message("c", "cancelled", 1)], at_s=2.0)[0].reason == "the order is picked_up"
    assert offers.tell([Message("c2", "cancelled", 2)], at_s=2.0)[0].done
    assert len(offers.waiting()) == 0


def test_unknown_kind_is_refused_before_anything_is_written() -> None:
    offers = offered(log := ListLog())
    with pytest.raises(BadInput, match="known: accepted"):
        offers.tell([Message("a", "accepted", 1, 7), Message("b", "accept", 1, 7)], at_s=1.0)
    assert log.end() == 2


@pytest.mark.parametrize("fault", ["lost", "mute"])
def test_failed_append_is_settled_by_the_log(fault: str) -> None:
    offers = offered(log := ListLog())
    log.fault = fault
    with pytest.raises(EngineBusy):
        offers.tell([Message("a", "accepted", 1, 7)], at_s=1.0)
    log.fault = ""
    assert offers.tell([Message("a", "accepted", 1, 7)], at_s=2.0)[0].done
    assert offers.state(1).state == "assigned"
    assert [e.id for e in log.events].count("a") == 1


def test_two_writers_on_one_log_keep_the_law() -> None:
    one, other = offered(log := ListLog()), Offers(log)
    one.tell([Message("d", "declined", 1, 7)], at_s=1.0)
    assert other.offer(np.array([1]), np.array([8]), key="other", at_s=2.0, until_s=9.0).tolist() == [1]
    assert one.offer(np.array([1]), np.array([9]), key="one", at_s=2.0, until_s=9.0).tolist() == [-1]
    assert one.held() == other.held() == {8: 1}


def test_concurrent_accepts_hold_one_driver(tmp_path: Path) -> None:
    offers = Offers(LocalEvents(tmp_path, sync=False))
    offers.place(orders(*range(20)), key="p", at_s=0.0)

    def race(driver: int) -> int:
        numbers = offers.offer(np.arange(20), np.full(20, driver), key=f"o{driver}", at_s=0.0, until_s=9.0)
        rows = np.flatnonzero(numbers >= 0)
        messages = [Message(f"{driver}:{o}", "accepted", int(o), driver, int(numbers[o])) for o in rows]
        return sum(a.done for a in offers.tell(messages, at_s=1.0))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(race, range(8))) == [1] * 8
    assert sorted(offers.held()) == list(range(8)) and len(set(offers.held().values())) == 8


def test_forgetting_keeps_what_is_not_finished() -> None:
    offers = offered()
    offers.tell([Message("c", "cancelled", 2)], at_s=1.0)
    offers.forget(before_s=5.0)
    assert offers.state(2).state == "unknown" and offers.state(1).state == "offered"


class Everything(RuleBasedStateMachine):
    """Random offers and messages, repeats and old messages sent late, crashes and lost answers included."""

    keys: Bundle[tuple[Message, object]] = Bundle("keys")

    @initialize()
    def begin(self) -> None:
        self.place_on_disk = TemporaryDirectory()
        self.folder = Path(self.place_on_disk.name)
        self.log = LocalEvents(self.folder, sync=False)
        self.offers = Offers(self.log)
        self.now = 0.0
        self.count = 0
        self.sent: dict[str, object] = {}

    @rule(ids=st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
    def place(self, ids: list[int]) -> None:
        self.count += 1
        self.offers.place(orders(*ids), key=f"p{self.count}", at_s=self.now)

    @rule(pairs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=5))
    def offer(self, pairs: list[tuple[int, int]]) -> None:
        self.count += 1
        key = f"o{self.count}"
        left, right = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
        first = self.offers.offer(left, right, key=key, at_s=self.now, until_s=self.now + 5.0)
        again = self.offers.offer(left, right, key=key, at_s=self.now + 1.0, until_s=self.now + 50.0)
        assert first.tolist() == again.tolist()

    @rule(
        target=keys,
        kind=st.sampled_from(sorted(MOVES)),
        order=st.integers(0, 6),
        driver=st.integers(-1, 4),
        offer=st.integers(-1, 8),
    )
    def tell(self, kind: str, order: int, driver: int, offer: int) -> tuple[Message, object]:
        self.count += 1
        message = Message(f"m{self.count}", kind, order, driver, offer)
        return message, self.offers.tell([message], at_s=self.now)[0]

    @rule(target=keys, kind=st.sampled_from(sorted(MOVES)), pick=st.integers(0, 20))
    def tell_what_fits(self, kind: str, pick: int) -> tuple[Message, object]:
        held = sorted(self.offers.held().items()) or [(0, 0)]
        driver, order = held[pick % len(held)]
        self.count += 1
        message = Message(f"m{self.count}", kind, order, driver)
        return message, self.offers.tell([message], at_s=self.now)[0]

    @rule(sent=keys)
    def repeat_late(self, sent: tuple[Message, object]) -> None:
        assert self.offers.tell([sent[0]], at_s=self.now)[0] == sent[1]

    @rule(by_s=st.floats(0.5, 6.0))
    def time_passes(self, by_s: float) -> None:
        self.now += by_s
        self.offers.expire(at_s=self.now)
        assert all(h.until_s >= self.now for h in self.offers.states().values() if h.state == "offered")

    @rule()
    def crash_and_recover(self) -> None:
        before = (self.offers.states(), self.offers.held(), self.offers.answered(), self.offers.waiting().ids.tolist())
        self.log.close()
        self.log = LocalEvents(self.folder, sync=False)
        self.offers = Offers(self.log)
        after = (self.offers.states(), self.offers.held(), self.offers.answered(), self.offers.waiting().ids.tolist())
        assert before == after

    @invariant()
    def nobody_is_held_twice(self) -> None:
        if not hasattr(self, "offers"):
            return
        holding = {o: h.driver for o, h in self.offers.states().items() if h.state in ("offered", "assigned", "picked_up")}
        assert len(set(holding.values())) == len(holding)
        assert self.offers.held() == {d: o for o, d in holding.items()}

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            self.place_on_disk.cleanup()


Everything.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestEverything = Everything.TestCase
