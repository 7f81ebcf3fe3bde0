"""Drives come from the log of offers as the state machine took them: refused, repeated and unfinished ones give none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rialto.errors import BadInput, EngineLost
from rialto.local.events import LocalEvents
from rialto.match.offers import Message, Offers
from rialto.match.records import Orders
from rialto.match.trips import prep_logged, trips_logged
from rialto.records import Event


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LocalEvents]:
    events = LocalEvents(tmp_path / "offers", sync=False)
    yield events
    events.close()


def placed(ids: list[int], *, drop: list[float] | None = None) -> Orders:
    size = len(ids)
    lon = np.array(drop if drop is not None else [13.02] * size)
    return Orders.of(
        np.array(ids),
        lat=np.full(size, 52.0),
        lon=np.full(size, 13.0),
        placed_s=np.zeros(size),
        drop_lat=np.full(size, 52.01),
        drop_lon=lon,
    )


def tell(offers: Offers, kind: str, order: int, driver: int, at_s: float, key: str = "") -> bool:
    return offers.tell([Message(key or f"{kind}{order}{driver}", kind, order, driver)], at_s=at_s)[0].done


def serve(offers: Offers, order: int, driver: int, at_s: float) -> None:
    offers.offer(np.array([order]), np.array([driver]), key=f"o{order}", at_s=at_s, until_s=at_s + 30.0)
    assert tell(offers, "accepted", order, driver, at_s + 1.0)


def test_a_drive_round_by_another_orders_stop_is_no_drive(log: LocalEvents) -> None:
    offers = Offers(log)
    offers.place(placed([7, 8, 9]), at_s=0.0)
    for order in (7, 8, 9):
        offers.offer(np.array([order]), np.array([3]), key=f"o{order}", at_s=1.0, until_s=31.0, capacity=3)
        assert tell(offers, "accepted", order, 3, 2.0)
    for kind, order, at_s in (("picked_up", 7, 10.0), ("picked_up", 8, 60.0), ("delivered", 8, 200.0), ("delivered", 7, 300.0)):
        assert tell(offers, kind, order, 3, at_s)
    assert tell(offers, "picked_up", 9, 3, 300.0) and tell(offers, "delivered", 9, 3, 500.0)
    found = trips_logged(log)
    assert (found.orders.tolist(), found.trips.seconds.tolist(), found.untold) == ([8, 9], [140.0, 200.0], 1)


def test_a_drive_is_from_the_pick_up_that_counted_to_the_delivery(log: LocalEvents) -> None:
    offers = Offers(log)
    offers.place(placed([7]), at_s=0.0)
    serve(offers, 7, 3, 10.0)
    assert not tell(offers, "picked_up", 7, 99, 50.0), "another driver's word does not count"
    assert tell(offers, "picked_up", 7, 3, 100.0)
    assert not tell(offers, "delivered", 7, 99, 150.0)
    assert tell(offers, "delivered", 7, 3, 400.0)
    assert tell(offers, "delivered", 7, 3, 900.0), "a repeat is answered as before"
    found = trips_logged(log)
    assert found.trips.seconds.tolist() == [300.0]
    assert found.trips.at_s.tolist() == [100.0]
    assert (found.trips.start.tolist(), found.trips.goal.tolist()) == ([[52.0, 13.0]], [[52.01, 13.02]])
    assert (found.orders.tolist(), found.drivers.tolist(), found.undelivered, found.untold) == ([7], [3], 0, 0)


def test_orders_that_give_no_drive_are_counted(log: LocalEvents) -> None:
    offers = Offers(log)
    offers.place(placed([1, 2, 3], drop=[np.nan, 13.02, 13.02]), at_s=0.0)
    for order in (1, 2):
        serve(offers, order, order, 10.0)
        tell(offers, "picked_up", order, order, 100.0)
        tell(offers, "delivered", order, order, 100.0 if order == 2 else 300.0)
    found = trips_logged(log)
    assert (len(found.trips.seconds), found.undelivered, found.untold) == (0, 1, 2)


def test_no_log_gives_no_drives_and_another_log_is_refused(log: LocalEvents) -> None:
    assert len(trips_logged(log).trips.seconds) == 0
    log.append([Event("a", "k", "click", 1.0, b"")])
    with pytest.raises(EngineLost):
        trips_logged(log)


def test_kitchens_are_learned_from_what_merchants_told_last_and_a_long_number_stays_whole(log: LocalEvents) -> None:
    offers, long = Offers(log), (1 << 62) + 12_345_677
    offers.place(placed([1, 2, long]), at_s=0.0)
    assert offers.ready(np.array([1, 99]), np.array([50, 50]), np.array([300.0, 300.0]), at_s=200.0).tolist() == [True, False]
    assert offers.ready(np.array([1, long]), np.array([50, 51]), np.array([400.0, 500.0]), at_s=400.0).all()
    for order in (1, 2, long):
        serve(offers, order, 3, 10.0)
        tell(offers, "picked_up", order, 3, 600.0)
        tell(offers, "delivered", order, 3, 900.0)
    with pytest.raises(BadInput, match="finite"):
        offers.ready(np.array([1]), np.array([5]), np.array([np.nan]), at_s=1.0)
    found = prep_logged(log)
    assert (found.orders.merchant.tolist(), found.ready_s.tolist(), found.untold) == ([50, 51], [400.0, 500.0], 1)
    assert trips_logged(log).orders.tolist() == [1, 2, long]
    assert Offers(log).state(long).state == "delivered", "a recovery reads over it"
