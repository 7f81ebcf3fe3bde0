"""What offers answer: to drivers in time and late, to repeats, to keys used twice, to the impossible, in batches that go on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rialto.errors import BadInput, BadRow, EngineBusy, EngineLost
from rialto.local.events import LocalEvents
from rialto.match.ledger import REASONS
from rialto.match.offers import Message, Messages, Offers, keys_of
from rialto.match.records import Orders
from rialto.records import Event

Make = Callable[..., Any]


def one(offers: Offers, kind: str, order: int = 1, driver: int = 7, *, at_s: float = 1.0, key: str = "") -> str:
    """Tell one message; "" where it was done, else the reason."""
    answer = offers.tell([Message(key or f"{kind}:{order}:{driver}:{at_s}", kind, order, driver)], at_s=at_s)[0]
    assert answer.done == (answer.reason == "")
    return answer.reason


def ask(offers: Offers, *pairs: tuple[int, int], at_s: float = 1.0, **more: Any) -> list[str]:
    """Offer pairs until ten seconds later; a reason for each, "" where the offer was made."""
    left, right = np.array(pairs).T
    made = offers.offer_all(left, right, key=f"{pairs}{at_s}", at_s=at_s, until_s=at_s + 10.0, **more)
    assert ((made.numbers >= 0) == (made.reasons == 0)).all()
    return [REASONS[r] for r in made.reasons.tolist()]


@pytest.fixture
def offers(list_log: Make, orders: Make) -> Offers:
    """Order 1 is offered to driver 7 until second 10; order 2 waits."""
    offers = Offers(list_log())
    offers.place(orders(1, 2), key="p", at_s=0.0)
    assert ask(offers, (1, 7), at_s=0.0) == [""]
    return offers


def test_order_goes_from_offer_to_delivery_and_frees_its_driver(offers: Offers) -> None:
    for kind, state in (("accepted", "assigned"), ("picked_up", "picked_up"), ("delivered", "delivered")):
        assert one(offers, kind) == ""
        assert offers.state(1).state == state and offers.state(1).driver == 7
    assert offers.held() == {} and offers.freed().tolist() == [7] and offers.freed().tolist() == []


def test_orders_come_back_as_they_were_placed_and_unknown_ones_are_left_out(list_log: Make, orders: Make) -> None:
    offers = Offers(log := list_log())
    offers.place(orders(0, 5, 9), key="p", at_s=0.0)
    found = offers.orders(np.array([9, 3, 0]))
    assert found.ids.tolist() == [9, 0] and found.placed_s.tolist() == orders(9, 0).placed_s.tolist()
    assert len(offers.orders(np.zeros(0, dtype=np.int64))) == 0
    assert one(offers, "cancelled", 0, -1) == ""
    offers.snapshot(at_s=5.0)
    assert Offers(log).orders(np.array([0, 5, 9])).ids.tolist() == [5, 9], (
        "of one that ended before the snapshot its state alone is kept"
    )
    with pytest.raises(BadInput):
        offers.orders(np.array([1.5]))


def test_what_one_driver_holds_is_what_all_hold_of_him(offers: Offers, orders: Make) -> None:
    offers.place(orders(*range(10, 60)), key="q", at_s=0.0)
    chance = np.random.default_rng(1)
    pairs = [(int(o), int(d)) for o, d in zip(chance.permutation(np.arange(10, 60)), chance.integers(7, 12, 50))]
    ask(offers, *pairs, capacity=9)
    for order, driver in pairs[::3]:
        one(offers, "declined", order, driver)
    drivers, held, numbers = offers.holding()
    for driver in (7, 8, 9, 10, 11, 99):
        of = drivers == driver
        assert [c.tolist() for c in offers.holding_of(driver)] == [held[of].tolist(), numbers[of].tolist()]


def test_declined_order_waits_again_and_is_not_offered_to_who_declined(offers: Offers) -> None:
    one(offers, "declined")
    assert offers.waiting().ids.tolist() == [1, 2]
    assert [a.tolist() for a in offers.refusals()] == [[1], [7]]
    assert ask(offers, (1, 7), (1, 8)) == ["the driver gave the order back or declined it before", ""]


def test_order_given_back_after_acceptance_waits_for_somebody_else(offers: Offers) -> None:
    one(offers, "accepted")
    assert one(offers, "released") == ""
    assert offers.state(1).state == "waiting" and offers.held() == {}
    assert ask(offers, (1, 7), (1, 8)) == ["the driver gave the order back or declined it before", ""]


def test_offer_that_nobody_answers_expires_and_a_late_acceptance_is_refused(offers: Offers) -> None:
    assert offers.expire(at_s=10.0).tolist() == []
    assert one(offers, "accepted", at_s=10.5) == "the offer has expired"
    assert offers.expire(at_s=10.5).tolist() == [1] and offers.expire(at_s=10.5).tolist() == []
    assert one(offers, "accepted", at_s=11.0) == "the offer has expired"
    assert ask(offers, (1, 7), at_s=12.0) == [""]


def test_acceptance_of_an_earlier_offer_of_the_same_pair_is_refused(offers: Offers) -> None:
    offers.expire(at_s=11.0)
    assert ask(offers, (1, 7), at_s=12.0) == [""]
    assert offers.tell([Message("a", "accepted", 1, 7, 0)], at_s=13.0)[0].reason == "the offer is over"
    assert offers.tell([Message("b", "accepted", 1, 7, 1)], at_s=13.0)[0].done


def test_clock_that_goes_back_gives_no_expired_offer_back(offers: Offers) -> None:
    offers.expire(at_s=11.0)
    assert one(offers, "accepted", at_s=5.0) == "the offer has expired"
    assert offers.state(1).state == "waiting" and offers.expire(at_s=-1e12).tolist() == []


def test_clock_far_ahead_ends_offers_and_nothing_that_was_accepted(offers: Offers) -> None:
    ask(offers, (2, 8))
    one(offers, "accepted")
    assert one(offers, "accepted", 2, 8, at_s=4e9) == "the offer has expired"
    assert offers.expire(at_s=1e300).tolist() == [2]
    assert (offers.state(1).state, offers.state(2).state) == ("assigned", "waiting")
    assert ask(offers, (2, 8), at_s=3.0) == [""] and one(offers, "accepted", 2, 8, at_s=4.0) == ""


def test_offer_that_ended_before_it_was_made_cannot_be_accepted(offers: Offers) -> None:
    assert offers.offer(np.array([2]), np.array([8]), key="o", at_s=5.0, until_s=4.0).tolist() == [1]
    assert one(offers, "accepted", 2, 8, at_s=5.0) == "the offer has expired"
    assert offers.expire(at_s=5.0).tolist() == [2]


def test_offer_without_end_is_never_over(offers: Offers) -> None:
    assert offers.offer(np.array([2]), np.array([8]), key="o", at_s=5.0, until_s=np.inf).tolist() == [1]
    assert 2 not in offers.expire(at_s=1e300).tolist() and one(offers, "accepted", 2, 8, at_s=1e300) == ""


def test_order_offered_to_several_comes_back_once_when_all_offers_expire(offers: Offers) -> None:
    ask(offers, (2, 8), (2, 9), broadcast=True)
    assert offers.expire(at_s=99.0).tolist() == [1, 2]


@pytest.mark.parametrize("driver", [99, -1, -9, 2**62])
def test_driver_who_is_unknown_moves_nothing(offers: Offers, driver: int) -> None:
    for kind in ("accepted", "declined", "expired", "cancelled"):
        if kind != "cancelled" or driver >= 0:  # a customer, who is no driver, may cancel
            assert one(offers, kind, 1, driver) == "another driver holds the order"
    assert offers.state(1).state == "offered" and offers.held() == {7: 1}


@pytest.mark.parametrize("order", [99, -1, 2**62, -(2**63)])
def test_order_that_is_unknown_is_named_for_every_kind(offers: Offers, order: int) -> None:
    kinds = ("accepted", "declined", "expired", "released", "picked_up", "delivered", "cancelled")
    assert {one(offers, kind, order) for kind in kinds} == {"the order is unknown"}
    assert ask(offers, (order, 8)) == ["the order is unknown"]


@pytest.mark.parametrize("capacity", [0, -5])
def test_driver_without_a_place_is_offered_nothing(offers: Offers, capacity: int) -> None:
    assert ask(offers, (2, 8), capacity=capacity) == ["the driver has no place left"]


def test_capacity_beyond_every_number_is_no_capacity_below_zero(offers: Offers) -> None:
    assert ask(offers, (2, 7), capacity=2**62) == [""]


def test_bad_rows_of_a_batch_of_offers_are_named_and_the_rest_is_made(offers: Offers, orders: Make) -> None:
    offers.place(orders(*range(10, 15)), at_s=0.0)
    made = offers.offer_all(np.array([10, 99, 11, 1, 12, 13]), np.array([20, 21, -1, 22, 20, 23]), key="b", at_s=1.0, until_s=9.0)
    reasons = [REASONS[r] for r in made.reasons.tolist()]
    full, none = "the driver has no place left", "the message names no driver"
    assert reasons == ["", "the order is unknown", none, "the order is offered", full, ""]
    assert made.numbers.tolist() == [1, -1, -1, -1, -1, 2]
    assert sorted(offers.held().items()) == [(7, 1), (20, 10), (23, 13)]


def test_first_to_accept_a_broadcast_has_it_and_the_others_are_told(offers: Offers) -> None:
    assert ask(offers, (2, 8), (2, 9), (2, 9), broadcast=True) == ["", "", "the offer stands already"]
    assert ask(offers, (2, 5), at_s=2.0, broadcast=True) == [""]
    assert ask(offers, (2, 6)) == ["the order is offered"]
    assert ask(offers, (1, 6), broadcast=True) == ["the order is offered"]
    assert offers.holding()[0].tolist() == [7, 8, 9, 5]
    answers = offers.tell_all(Messages.of([Message("x", "declined", 2, 5), Message("y", "accepted", 2, 9)]), at_s=3.0)
    assert answers.done.all()
    assert [c.tolist() for c in (answers.row, answers.order, answers.driver, answers.offer)] == [[1], [2], [8], [1]]
    assert one(offers, "accepted", 2, 8) == "another driver was faster"
    assert offers.held() == {7: 1, 9: 2} and offers.freed().tolist() == [5, 8]


def test_broadcast_order_waits_again_only_when_its_last_offer_ends(offers: Offers) -> None:
    ask(offers, (2, 8), (2, 9), broadcast=True)
    one(offers, "declined", 2, 8)
    assert (offers.state(2).state, offers.state(2).driver) == ("offered", 9)
    assert offers.expire(at_s=20.0).tolist() == [1, 2]


def test_held_driver_and_offered_order_are_not_offered_again(offers: Offers) -> None:
    made = ask(offers, (2, 7), (1, 8), (2, 9), (2, 8), (3, 8), (2, -1))
    full, taken, state = "the driver has no place left", "the order is unknown", "the order is offered"
    assert made == [full, state, "", state, taken, "the message names no driver"]


def test_driver_with_two_places_takes_two_orders_and_no_third(offers: Offers, orders: Make) -> None:
    offers.place(orders(3), at_s=0.0)
    assert ask(offers, (2, 7), (3, 7), capacity=2) == ["", "the driver has no place left"]
    assert ask(offers, (3, 7), at_s=2.0, capacity=np.array([3])) == [""]
    one(offers, "cancelled", 1, -1)
    assert sorted(offers.holding()[1].tolist()) == [2, 3] and offers.freed().tolist() == []


def test_customer_may_cancel_until_the_driver_has_picked_up(offers: Offers) -> None:
    one(offers, "accepted")
    one(offers, "picked_up")
    assert one(offers, "cancelled", 1, -1) == "the order is picked_up"
    assert one(offers, "cancelled", 2, 9) == "another driver holds the order"
    assert one(offers, "cancelled", 2, -1) == "" and len(offers.waiting()) == 0


def test_driver_of_a_cancelled_offer_is_told_and_cannot_accept(offers: Offers) -> None:
    answers = offers.tell_all(Messages.of([Message("c", "cancelled", 1)]), at_s=1.0)
    assert (answers.driver.tolist(), answers.offer.tolist()) == ([7], [0])
    assert one(offers, "accepted") == "the order is cancelled" and offers.freed().tolist() == [7]


def test_driver_who_leaves_gives_back_what_he_did_not_pick_up(offers: Offers, orders: Make) -> None:
    offers.place(orders(3), at_s=0.0)
    ask(offers, (2, 7), (3, 7), capacity=3)
    one(offers, "accepted", 2)
    one(offers, "accepted", 3)
    one(offers, "picked_up", 3)
    answers = offers.tell_all(Messages.of([Message("bye", "left", -1, 7)]), at_s=2.0)
    assert sorted(answers.order.tolist()) == [1, 2]
    assert offers.held() == {7: 3} and offers.waiting().ids.tolist() == [1, 2]
    assert ask(offers, (1, 7), capacity=9) == ["the driver has left"]
    assert one(offers, "delivered", 3) == ""
    assert one(offers, "came", -1) == "" and ask(offers, (1, 7), at_s=3.0) == [""]


def test_repeated_key_is_answered_the_same_and_with_anything_else_refused(offers: Offers) -> None:
    used = "the key was used for something else"
    first = offers.tell(
        [Message("k", "accepted", 1, 7), Message("k", "accepted", 1, 7), Message("k", "declined", 1, 7)], at_s=1.0
    )
    assert [a.reason for a in first] == ["", "", used]
    assert [one(offers, kind, key="k", at_s=99.0) for kind in ("accepted", "picked_up")] == ["", used]
    assert [one(offers, "accepted", order, key="k") for order in (1, 2)] == ["", used]
    assert offers.state(1).state == "assigned"


def test_repeated_batch_is_answered_as_the_first_time(offers: Offers, orders: Make, list_log: Make) -> None:
    pairs = np.array([2, 9]), np.array([8, 8])
    assert offers.offer(*pairs, key="b", at_s=1.0, until_s=5.0).tolist() == [1, -1]
    one(offers, "declined", 2, 8)
    assert offers.offer(*pairs, key="b", at_s=9.0, until_s=50.0).tolist() == [1, -1]
    assert set(offers.offer_all(pairs[1], pairs[0], key="b", at_s=1.0, until_s=5.0).reasons.tolist()) == {12}
    assert offers.place(orders(1, 2), key="p", at_s=5.0).tolist() == [True, True]
    assert offers.place(orders(1, 2, 3), at_s=5.0).tolist() == [False, False, True]
    with pytest.raises(BadInput, match="key 'p' was used for another batch"):
        offers.place(orders(4), key="p", at_s=5.0)
    assert offers.state(4).state == "unknown"


def test_impossible_messages_name_their_rows_and_the_rest_goes_in(offers: Offers) -> None:
    keys = np.vstack([keys_of(["a", "b", "c", "d", "e"]), np.zeros((1, 2), dtype=np.uint64)])
    kind = np.array([5, 200, 0, 0, 7, 0], dtype=np.uint8)
    order, driver = np.array([1, 1, 99, 1, 1, 1]), np.array([7, 7, 7, 7, -1, 7])
    answers = offers.tell_all(Messages(keys, kind, order, driver, np.full(6, -1)), at_s=1.0)
    reasons = [REASONS[r] for r in answers.reasons.tolist()]
    unknown = "the message is of no known kind"
    none = "the message names no driver"
    assert reasons == ["the order is offered", unknown, "the order is unknown", "", none, "the message has no key"]


def test_numbers_too_wide_for_their_column_do_not_become_others() -> None:
    one_ = np.array([1])
    assert Messages(keys_of(["a"]), np.array([256]), one_, one_, one_).kind.tolist() == [255]
    with pytest.raises(BadInput, match=r"'order'.*wanted numbers below 2"):
        Messages(keys_of(["a"]), one_, np.array([2**63], dtype=np.uint64), one_, one_)


def test_unknown_kind_missing_key_and_wide_number_are_refused_before_anything_is_written(offers: Offers) -> None:
    with pytest.raises(BadRow, match="row 2, field 'kind': got 'accept'; wanted one of these: accepted"):
        offers.tell([Message("a", "accepted", 1, 7), Message("b", "accept", 1, 7)], at_s=1.0)
    for key in ("", "\ud800", 5):
        with pytest.raises(BadRow, match="field 'key'"):
            offers.tell([Message(key, "accepted", 1, 7)], at_s=1.0)  # type: ignore[arg-type]
    with pytest.raises(BadRow, match=r"field 'order'.*wanted a whole number of 64 bits"):
        offers.tell([Message("w", "accepted", 2**63, 7)], at_s=1.0)
    with pytest.raises(BadInput, match="at_s is nan"):
        offers.tell([Message("t", "accepted", 1, 7)], at_s=float("nan"))
    assert offers.state(1).state == "offered"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"drivers": np.array([1, 2])}, r"'drivers' has shape \(2,\)"),
        ({"orders": np.array([0.5])}, "'orders'.*float64; wanted whole numbers"),
        ({"until_s": float("nan")}, "until_s holds NaN"),
        ({"until_s": np.zeros(3)}, r"until_s has shape \(3,\)"),
        ({"capacity": 1.5}, "capacity has shape"),
        ({"key": ""}, "field 'key'"),
        ({"at_s": float("inf")}, "at_s is inf"),
    ],
)
def test_offers_of_wrong_shape_write_nothing(offers: Offers, change: dict[str, Any], text: str) -> None:
    asked = {"orders": np.array([2]), "drivers": np.array([8]), "key": "x", "at_s": 1.0, "until_s": 2.0, **change}
    with pytest.raises(BadInput, match=text):
        offers.offer(asked.pop("orders"), asked.pop("drivers"), **asked)
    assert offers.state(2).state == "waiting"


@pytest.mark.parametrize("fault", ["lost", "mute"])
def test_failed_append_is_settled_by_the_log(fault: str, list_log: Make, orders: Make) -> None:
    offers = Offers(log := list_log())
    offers.place(orders(1), at_s=0.0)
    ask(offers, (1, 7), at_s=0.0)
    log.fault = fault
    with pytest.raises(EngineBusy):
        one(offers, "accepted", key="a")
    log.fault = ""
    assert one(offers, "accepted", key="a", at_s=2.0) == ""
    assert offers.state(1).state == "assigned" and offers.states() == Offers(log).states()


def test_batch_is_one_append_however_many_its_parts(list_log: Make) -> None:
    offers, size = Offers(log := list_log()), 50_000
    ids = np.arange(size)
    offers.place(Orders.of(ids, lat=ids * 0.0, lon=ids * 0.0, placed_s=ids * 0.0), at_s=0.0)
    assert log.appends == 1 and max(len(event.body) for _, event in log.kept) < 500_000
    assert offers.offer(ids, ids, key="o", at_s=1.0, until_s=9.0).tolist() == ids.tolist()
    keys = np.stack([ids + 1, ids], axis=1)
    told = offers.tell_all(Messages(keys, np.zeros(size, dtype=np.uint8), ids, ids[::-1].copy(), np.full(size, -1)), at_s=2.0)
    assert log.appends == 3 and int(told.done.sum()) == 0
    told = offers.tell_all(Messages(keys + 2**40, np.zeros(size, dtype=np.uint8), ids, ids, ids), at_s=2.0)
    assert told.done.all() and Offers(log).states() == offers.states()


def test_two_writers_on_one_log_keep_the_law(list_log: Make, orders: Make) -> None:
    log = list_log(gap=1)
    one_, other = Offers(log), Offers(log)
    one_.place(orders(1), at_s=0.0)
    assert other.offer(np.array([1]), np.array([8]), key="other", at_s=2.0, until_s=9.0).tolist() == [0]
    assert one_.offer(np.array([1]), np.array([9]), key="one", at_s=2.0, until_s=9.0).tolist() == [-1]
    assert one_.held() == other.held() == {8: 1}


def test_concurrent_accepts_hold_one_driver(tmp_path: Path, orders: Make) -> None:
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


def test_concurrent_accepts_of_a_broadcast_have_one_winner(tmp_path: Path, orders: Make) -> None:
    offers = Offers(LocalEvents(tmp_path, sync=False))
    offers.place(orders(*range(10)), at_s=0.0)
    pairs = np.divmod(np.arange(80), 8)
    assert (offers.offer(*pairs, key="o", at_s=0.0, until_s=9.0, capacity=10, broadcast=True) >= 0).all()
    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(lambda d: [one(offers, "accepted", order, d) for order in range(10)], range(8)))
    assert [sum(w[order] == "" for w in wins) for order in range(10)] == [1] * 10
    assert {reason for w in wins for reason in w} <= {"", "another driver was faster"}
    assert sorted(offers.holding()[1].tolist()) == list(range(10))


def test_forgetting_keeps_what_is_not_finished(offers: Offers) -> None:
    one(offers, "cancelled", 2, -1, key="c")
    assert offers.forget(before_s=5.0) == 4  # order 2, and the keys "p", of the offer and "c"
    assert offers.state(2).state == "unknown" and offers.state(1).state == "offered"
    assert one(offers, "accepted", at_s=6.0) == "" and offers.held() == {7: 1}
    with pytest.raises(BadInput, match="before_s is nan"):
        offers.forget(before_s=float("nan"), at_s=6.0)


def test_expired_offers_bar_their_pair_for_a_while_and_declined_ones_for_good(offers: Offers) -> None:
    assert ask(offers, (2, 8)) == [""] and one(offers, "declined", 1, 7) == ""
    assert offers.expire(at_s=12.0).tolist() == [2]
    for after_s, barred in ((-np.inf, [[1, 2], [7, 8]]), (11.0, [[1, 2], [7, 8]]), (12.0, [[1], [7]])):
        assert [a.tolist() for a in offers.refusals(expired_after_s=after_s)] == barred
    assert ask(offers, (2, 8), at_s=20.0) == [""] and offers.expire(at_s=31.0).tolist() == [2]
    assert [a.tolist() for a in offers.refusals(expired_after_s=0.0)] == [[1, 2], [7, 8]]  # each pair once


def test_who_left_is_known_until_he_comes(offers: Offers) -> None:
    assert [one(offers, kind, -1, driver) for kind, driver in (("left", 9), ("left", 7), ("came", 9))] == ["", "", ""]
    assert offers.gone().tolist() == [7]


def test_log_of_something_else_is_refused_by_name(list_log: Make) -> None:
    log = list_log()
    log.append([Event("e1", "ann", "click", 1.0, b'{"product": 1}')])
    with pytest.raises(EngineLost, match="event 'e1' of kind 'click' is no entry of the offers' log"):
        Offers(log)
