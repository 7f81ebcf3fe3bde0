"""A timeline tells of any moment what the offers themselves told then."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rialto.local.events import LocalEvents
from rialto.match.ledger import STATES
from rialto.match.offers import Message, Offers
from rialto.match.records import Orders
from rialto.match.timeline import Timeline


def orders(ids: list[int], at_s: float) -> Orders:
    size = len(ids)
    return Orders.of(np.array(ids), lat=np.full(size, 52.5), lon=np.full(size, 13.4), placed_s=np.full(size, at_s))


def test_each_moment_is_as_it_was_and_counts_add_up(tmp_path: Path) -> None:
    log, chance = LocalEvents(tmp_path, sync=False), np.random.default_rng(2)
    offers, line = Offers(log), Timeline([log])
    then: dict[float, dict[int, tuple[str, int]]] = {}
    for step in range(60):
        at_s = 10.0 * step
        offers.place(orders([3 * step, 3 * step + 1, 3 * step + 2], at_s), at_s=at_s)
        waiting = offers.waiting().ids
        drivers = chance.integers(0, 12, len(waiting))
        offers.offer_all(
            waiting, drivers, key=f"w{step}", at_s=at_s, until_s=at_s + 25.0, capacity=2, broadcast=bool(step % 3 == 0)
        )
        said: list[Message] = []
        for driver, order, number in zip(*(c.tolist() for c in offers.holding())):
            kind = str(chance.choice(["accepted", "declined", "picked_up", "delivered", "cancelled", "left", "", ""]))
            if kind:
                said.append(Message(f"{kind}{order}{driver}{step}", kind, order, driver, number if kind == "accepted" else -1))
        offers.tell(said, at_s=at_s + 1.0)
        offers.tell([Message(f"back{d}{step}", "came", -1, d) for d in range(12)], at_s=at_s + 2.0)
        offers.expire(at_s=at_s + 2.0)
        then[at_s + 2.0] = {o: (h.state, h.driver) for o, h in offers.states().items()}
        if step % 7 == 0:
            line.follow()
    line.follow()
    assert line.follow() == 0 and line.span_s[0] == 0.0
    for at_s, states in then.items():
        found = line.at(at_s)
        told = {o: (STATES[s], d) for o, s, d in zip(found.order.tolist(), found.state.tolist(), found.driver.tolist())}
        assert told == states
        counts = line.counts(np.array([at_s]))
        assert counts["waiting"][0] == sum(s == "waiting" for s, _ in states.values())
        assert counts["busy"][0] == sum(s in ("offered", "assigned", "picked_up") for s, _ in states.values())
    log.close()


def test_an_empty_log_has_no_span(tmp_path: Path) -> None:
    log = LocalEvents(tmp_path, sync=False)
    line = Timeline([log])
    assert line.follow() == 0 and np.isnan(line.span_s).all() and len(line.at(5.0).order) == 0
    log.close()
