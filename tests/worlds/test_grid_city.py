"""The grid city: equal seeds live equal days, nobody is in two places, nothing is served twice."""

from __future__ import annotations

import numpy as np

from rialto.worlds.grid_city import CELLS, ORDERS, SIDE, STEPS, Window, make_orders, run_episode


def first_come(window: Window) -> np.ndarray:
    """Pairs in order, each driver and order once."""
    rows, drivers, orders = [], set[int](), set[int]()
    for row, (d, o) in enumerate(zip(window.driver.tolist(), window.order.tolist())):
        if d not in drivers and o not in orders:
            rows.append(row)
            drivers.add(d)
            orders.add(o)
    return np.array(rows, dtype=np.int64)


def test_orders_lie_in_the_grid_and_wait_at_most_five_steps() -> None:
    orders = make_orders(3)
    assert len(orders.x) == ORDERS and orders.trip.max() <= 2 * (SIDE - 1)
    assert ((orders.patience >= 0) & (orders.patience <= 5)).all() and (orders.step < STEPS).all()
    assert np.array_equal(orders.x, make_orders(3).x) and not np.array_equal(orders.x, make_orders(4).x)


def test_a_drivers_moves_follow_one_another_and_count_what_was_served() -> None:
    episode = run_episode(1, 25, first_come)
    slot, cell, served, to_slot, to_cell = episode.moves
    assert served.sum() == round(episode.served * ORDERS) > 20
    assert (to_slot > slot).all() and cell.max() < CELLS and to_cell.max() < CELLS
    # whoever is free at a step began a move there: as many as drivers, less those under way
    for step in range(STEPS):
        assert (slot == step).sum() + ((slot < step) & (to_slot > step)).sum() == 25


def test_pairs_are_within_reach_and_free() -> None:
    def looked_at(window: Window) -> np.ndarray:
        assert (window.pickup <= 2).all() and (window.to_step > window.step).all()
        return first_come(window)

    run_episode(2, 50, looked_at)
