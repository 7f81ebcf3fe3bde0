"""The log behind the ledger: owners, stand-bys, snapshots, logs that lost their beginning, and writers that meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.local.events import LocalEvents
from rialto.match.offers import Message, Messages, Offers, keys_of
from rialto.match.offers.entries import Entry, decode, encode, parts
from rialto.match.records import Orders
from rialto.records import Event

Make = Callable[..., Any]


def busy(offers: Offers, orders: Make, *, size: int = 40) -> None:
    """A history in which orders are in every state, with declined, expired and broadcast offers."""
    ids = np.arange(size)
    offers.place(orders(*range(size)), key="p", at_s=0.0)
    numbers = offers.offer(ids, ids + 100, key="o", at_s=1.0, until_s=5.0, requests=ids * 7)
    half = ids[::2]
    offers.tell([Message(f"a{i}", "accepted", i, i + 100, int(numbers[i])) for i in half.tolist()], at_s=2.0)
    offers.tell([Message(f"u{i}", "picked_up", i, i + 100) for i in half[::2].tolist()], at_s=3.0)
    offers.tell([Message(f"d{i}", "delivered", i, i + 100) for i in half[::4].tolist()], at_s=4.0)
    offers.tell([Message("no", "declined", 1, 101), Message("c", "cancelled", 3), Message("bye", "left", -1, 105)], at_s=4.0)
    offers.expire(at_s=6.0)
    offers.offer(np.array([7, 7, 9]), np.array([300, 301, 302]), key="again", at_s=7.0, until_s=99.0, broadcast=True)


def seen(offers: Offers) -> tuple[object, ...]:
    """All that a caller can see."""
    holding, refusals = [c.tolist() for c in offers.holding()], [c.tolist() for c in offers.refusals()]
    waiting = {name: column.tolist() for name, column in offers.waiting().columns().items()}
    return offers.states(), holding, refusals, offers.answered(), str(waiting), offers.owned


def test_recovery_with_and_without_snapshot_comes_to_the_same(list_log: Make, orders: Make) -> None:
    with_, without = list_log(), list_log()
    one, other = Offers(with_), Offers(without)
    for offers in (one, other):
        busy(offers, orders)
    one.snapshot(at_s=8.0)
    for offers in (one, other):
        offers.tell([Message("x", "accepted", 7, 301), Message("y", "cancelled", 11)], at_s=8.0)
    assert seen(one) == seen(other) == seen(Offers(with_)) == seen(Offers(without))
    again = Offers(with_)
    assert again.offer(np.arange(40), np.arange(40) + 100, key="o", at_s=9.0, until_s=9.0, requests=np.arange(40) * 7)[0] == 0
    assert [
        a.reason for a in again.tell([Message("a0", "accepted", 0, 100, 0), Message("no", "declined", 1, 101)], at_s=9.0)
    ] == [
        "",
        "",
    ]


def test_recovery_reads_from_the_snapshot_on_and_the_log_before_it_may_go(tmp_path: Path, orders: Make) -> None:
    log = LocalEvents(tmp_path, segment_bytes=4096, sync=False)
    offers = Offers(log)
    busy(offers, orders, size=200)
    assert offers.rows > 500
    log.forget(offers.snapshot(at_s=8.0))
    assert offers.rows < 10 and log.read(0, 1)[0][0] > 0
    offers.tell([Message("x", "accepted", 7, 300)], at_s=8.0)
    assert seen(Offers(log)) == seen(offers)
    log.close()


def test_snapshot_may_be_taken_after_forgetting_and_of_nothing(list_log: Make, orders: Make) -> None:
    log = list_log()
    offers = Offers(log)
    offers.snapshot(at_s=0.0)
    assert Offers(log).states() == {}
    busy(offers, orders)
    offers.forget(before_s=5.0)
    offers.snapshot(at_s=8.0)
    assert seen(Offers(log)) == seen(offers)
    offers.place(orders(*range(500, 600)), at_s=9.0)
    offers.offer(np.arange(500, 600), np.arange(500, 600), key="more", at_s=9.0, until_s=20.0)
    assert seen(Offers(log)) == seen(offers)


def test_log_whose_beginning_is_gone_is_not_taken_for_a_new_one(list_log: Make, orders: Make) -> None:
    log = list_log()
    busy(Offers(log), orders)
    del log.kept[:2]
    with pytest.raises(EngineLost, match="Restore the log's beginning"):
        Offers(log)


def test_snapshot_that_is_damaged_is_named(list_log: Make, orders: Make) -> None:
    log = list_log()
    offers = Offers(log)
    busy(offers, orders)
    at = offers.snapshot(at_s=8.0)
    log.kept = [(offset, event) for offset, event in log.kept if offset != at + 1]
    with pytest.raises(EngineLost, match="parts, which are not all there"):
        Offers(log)
    log.kept = [(offset, event) for offset, event in log.kept if offset != at]
    with pytest.raises(EngineLost, match=f"snapshot begins at offset {at}, yet it is not there"):
        Offers(log)


def test_stand_by_follows_and_takes_over_from_an_owner_who_hangs(list_log: Make, orders: Make) -> None:
    log = list_log()
    owner, stand_by = Offers(log), Offers(log)
    assert owner.take_over("ann", at_s=0.0) == 1
    busy(owner, orders)
    assert stand_by.recover() > 0 and seen(stand_by) == seen(owner)
    assert stand_by.take_over("bob", at_s=9.0) == 2
    with pytest.raises(EngineLost, match="'bob' took these offers over"):
        owner.tell([Message("late", "accepted", 7, 300)], at_s=9.0)
    assert stand_by.tell([Message("mine", "accepted", 7, 301)], at_s=9.0)[0].done
    assert stand_by.tell([Message("late", "accepted", 7, 300)], at_s=9.0)[0].reason == "another driver was faster"
    assert seen(Offers(log)) == seen(stand_by)
    with pytest.raises(BadInput, match="owner's name is empty"):
        stand_by.take_over("", at_s=9.0)


def test_of_several_who_take_over_at_once_one_has_it(list_log: Make, orders: Make) -> None:
    log = list_log()
    crowd, ready = [Offers(log) for _ in range(4)], Barrier(4)

    def claim(offers: Offers) -> int:
        ready.wait()
        try:
            return offers.take_over("somebody", at_s=0.0)
        except EngineBusy:
            return 0

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(claim, crowd))
    assert sorted(n for n in numbers if n) == list(range(1, sum(n > 0 for n in numbers) + 1))
    last = crowd[int(np.argmax(numbers))]
    assert last.place(orders(1), at_s=1.0).all()


class SlowLog:
    """A log whose next append waits until it is let go: what others do meanwhile comes between."""

    def __init__(self, log: Any) -> None:
        self.log, self.before = log, lambda: None

    def append(self, events: Sequence[Event]) -> NDArray[np.int64]:
        before, self.before = self.before, lambda: None
        before()
        return self.log.append(events)

    def read(self, start: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        return self.log.read(start, limit)

    def end(self) -> int:
        return self.log.end()

    def close(self) -> None:
        self.log.close()


def test_what_a_former_owner_still_appends_is_void(list_log: Make, orders: Make) -> None:
    log = list_log()
    slow = SlowLog(log)
    old, new = Offers(slow), Offers(log)
    old.take_over("ann", at_s=0.0)
    busy(old, orders)
    slow.before = lambda: new.take_over("bob", at_s=8.0) and None
    with pytest.raises(EngineLost, match="'bob' took these offers over"):
        old.tell([Message("late", "accepted", 7, 300)], at_s=9.0)
    assert new.recover() == 1 and new.state(7).state == "offered"
    assert new.tell([Message("late", "accepted", 7, 300)], at_s=9.0)[0].done


def test_writer_that_comes_between_is_obeyed_and_a_snapshot_gives_way(list_log: Make, orders: Make) -> None:
    log = list_log()
    slow = SlowLog(log)
    one, other = Offers(slow), Offers(log)
    busy(one, orders)
    other.recover()
    slow.before = lambda: other.tell([Message("o", "accepted", 7, 301)], at_s=9.0) and None
    assert one.tell([Message("m", "accepted", 7, 300)], at_s=9.0)[0].reason == "another driver was faster"
    slow.before = lambda: other.place(orders(700), at_s=9.0) is None or None
    with pytest.raises(EngineBusy, match="others write"):
        one.snapshot(at_s=9.0)
    one.snapshot(at_s=9.0)
    other.recover()
    assert seen(one) == seen(other) == seen(Offers(log))


def test_last_entry_names_the_snapshot_however_threads_meet(tmp_path: Path, orders: Make) -> None:
    log = LocalEvents(tmp_path, sync=False)
    offers = Offers(log)
    busy(offers, orders)
    ready = Barrier(5)

    def write(n: int) -> None:
        ready.wait()
        for i in range(20):
            if n:
                offers.tell([Message(f"{n}.{i}", "declined", 7, 300)], at_s=9.0)
            else:
                offers.snapshot(at_s=9.0)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(write, range(5)))
    at = log.end() - 1
    named = decode(log.read(at, 1)[0][1]).facts["snapshot"]
    kept = [decode(event).facts["snapshot"] for _, event in log.read(0, 10_000) if event.kind == "kept"]
    assert named == max(kept) and seen(Offers(log)) == seen(offers)
    log.close()


def test_entries_come_back_as_they_were_written() -> None:
    many = np.arange(50_000)
    columns = {
        "same": np.full(50_000, np.nan),
        "zero": np.where(many % 2 == 0, 0.0, -0.0),
        "inf": np.full(50_000, np.inf),
        "big": np.full(50_000, 2**64 - 1, dtype=np.uint64),
        "small": np.full(50_000, -(2**63), dtype=np.int64),
        "byte": (many % 3).astype(np.uint8),
    }
    for entry in (Entry("told", 1.5, columns, {"epoch": 3}), Entry("told", 1.5, {n: c[:5] for n, c in columns.items()}, {})):
        cuts = [decode(encode(part)) for part in parts(entry)]
        assert [cut.facts["first"] for cut in cuts] == list(np.cumsum([0, *(len(cut) for cut in cuts)])[:-1])
        for name, column in entry.columns.items():
            back = np.concatenate([cut.columns[name] for cut in cuts])
            assert back.dtype == column.dtype and back.tobytes() == column.tobytes()
    nothing = decode(encode(Entry("told", 0.0, {"a": many[:0]}, {})))
    assert len(nothing) == 0 and nothing.columns["a"].dtype == many.dtype


def test_all_columns_the_same_are_still_as_many_rows(list_log: Make, orders: Make) -> None:
    log = list_log()
    offers = Offers(log)
    offers.place(orders(1), at_s=0.0)
    size = 1000
    keys = np.repeat(keys_of(["k"]), size, axis=0)
    ones = np.ones(size, dtype=np.int64)
    answers = offers.tell_all(Messages(keys, np.full(size, 6, dtype=np.uint8), ones, -ones, -ones), at_s=1.0)
    assert answers.done.all() and Offers(log).states() == offers.states() and offers.state(1).state == "cancelled"


class Unchecked(Orders):
    """Orders as an older version took them in."""

    def __post_init__(self) -> None:
        pass


def test_order_of_an_older_log_that_is_nowhere_on_earth_keeps_nobody_from_the_others(list_log: Make, orders: Make) -> None:
    log = list_log()
    Offers(log).place(Unchecked(**{**orders(1, 2).columns(), "lat": np.array([913.4, 1.0])}), key="p", at_s=0.0)
    offers = Offers(log)
    offers.snapshot(at_s=1.0)
    again = Offers(log)
    assert again.waiting().ids.tolist() == [2] == again.orders(np.array([1, 2])).ids.tolist() and again.known().tolist() == [1, 2]
    assert again.tell([Message("c", "cancelled", 1)], at_s=2.0)[0].done
