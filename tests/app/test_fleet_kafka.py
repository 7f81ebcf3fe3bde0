"""A fleet whose logs are Kafka topics: what was acknowledged is there again after a restart, in one process and over shards."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from rialto.app.engines import Engines
from rialto.app.sharded_fleet import ShardedFleet, open_fleet
from rialto.app.termed_fleet import TermedFleet
from rialto.config import Fleet as Chosen
from rialto.config import Settings
from rialto.errors import EngineLost
from rialto.match.offers import Message, Messages
from rialto.match.records import Drivers, Orders, Pings

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("kafka")]

NOW_S = 1_800_000_000.0


@pytest.mark.parametrize("shards", ["none://", "process://1"])
def test_orders_offers_answers_and_terms_outlive_a_restart_on_kafka(kafka_address: str, tmp_path: Path, shards: str) -> None:
    url = f"kafka://{kafka_address}/day-{uuid4().hex}"

    def opened(now_s: float) -> TermedFleet | ShardedFleet:
        chosen = Settings(home=tmp_path, events=url, shards=shards, fleet=Chosen(on=True, lat=52.5, lon=13.4, window_s=0.0))
        return open_fleet(Engines(chosen), clock=lambda: now_s)

    def seen(fleet: TermedFleet | ShardedFleet, time_s: float) -> None:
        fleet.pings(Pings.of(np.array([1, 2]), lat=np.full(2, 52.5), lon=np.full(2, 13.4), time_s=np.full(2, time_s)))

    def orders(*ids: int) -> Orders:
        size = len(ids)
        return Orders.of(
            np.array(ids),
            lat=np.full(size, 52.5),
            lon=np.full(size, 13.4),
            placed_s=np.full(size, NOW_S),
            customer=np.full(size, 5),
        )

    fleet = opened(NOW_S)
    fleet.enrol(Drivers.of(np.array([1, 2])))
    seen(fleet, NOW_S)
    assert fleet.block(np.array([5]), np.array([2]), np.array([True])) == 1
    assert fleet.place(orders(7, 8)).tolist() == [True, True]
    made = fleet.window()
    assert made.drivers.tolist() == [1], "driver 2 must not meet the customer"
    taken = int(made.orders[0])
    assert fleet.tell(Messages.of([Message("yes", "accepted", taken, 1)])).done.all()
    if shards == "none://":  # another process takes over, as Kafka has no lock: this one is told, and nothing is done twice
        other = opened(NOW_S + 1.0)
        with pytest.raises(EngineLost, match="took these offers over"):
            fleet.place(orders(9))
        other.stop()
    fleet.stop()
    again = opened(NOW_S + 5.0)
    assert (again.held(taken).state, again.held(taken).driver, again.held(15 - taken).state) == ("assigned", 1, "waiting")
    assert again.tell(Messages.of([Message("yes", "accepted", taken, 1)])).done.all(), "a repeat is answered as it was"
    seen(again, NOW_S + 5.0)
    assert len(again.window().orders) == 0, "driver 1 is held by the log, and driver 2 barred"
    again.stop()
