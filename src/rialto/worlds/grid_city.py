"""The grid city that order dispatch by values was first shown on: nine by nine cells, twenty steps, a hundred orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELLS", "ORDERS", "SIDE", "STEPS", "Episode", "GridOrders", "Window", "make_orders", "run_episode"]

SIDE, STEPS, ORDERS, RADIUS = 9, 20, 100, 2
CELLS = SIDE * SIDE
_MEANS, _SPREAD = ((3.0, 3.0, 5.0), (6.0, 6.0, 15.0)), (2.0, 2.0, 3.0)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GridOrders:
    """Orders of one day: where (x, y) and at which step they come, where they go, and after how many steps they are given up."""

    x: Ints
    y: Ints
    step: Ints
    to_x: Ints
    to_y: Ints
    patience: NDArray[np.float64]

    @property
    def trip(self) -> Ints:
        """Steps from start to goal; a driver moves one cell along x or y a step."""
        return np.asarray(np.abs(self.to_x - self.x) + np.abs(self.to_y - self.y))


@dataclass(frozen=True, slots=True)
class Window:
    """What a policy sees in one step: pairs of a free driver and a waiting order within reach.

    Args:
        step: Now.
        driver, order: Numbers of the pair, shape (pairs,).
        cell: Where the driver is, shape (pairs,).
        pickup: Steps to the order, shape (pairs,).
        trip: Steps of the order itself, shape (pairs,).
        to_cell: Where the order goes, shape (pairs,).
        to_step: When the driver would be free again, shape (pairs,).
    """

    step: int
    driver: Ints
    order: Ints
    cell: Ints
    pickup: Ints
    trip: Ints
    to_cell: Ints
    to_step: Ints


@dataclass(frozen=True, slots=True)
class Episode:
    """What came of a day: the share of orders served, and every driver's moves as columns slot, cell, served, to_slot, to_cell."""

    served: float
    moves: Ints


Choose = Callable[[Window], Ints]
"""The rows of the window that are assigned; each driver and each order at most once."""


def make_orders(seed: int) -> GridOrders:
    """A day's orders: one in three around (3, 3) in the morning, two in three around (6, 6) later, to anywhere.

    Source:
        Xu et al. (2018), "Large-Scale Order Dispatch in On-Demand Ride-Hailing Platforms: A Learning and Planning Approach", KDD,
        section 5.1. What it leaves open is decided here: places and times are rounded and kept within the grid, an idle driver stays.
    """
    rng = np.random.default_rng((seed, 0))
    later = rng.random(ORDERS) < 2.0 / 3.0
    drawn = np.rint(rng.normal(np.array(_MEANS)[later.astype(np.int64)], np.array(_SPREAD))).astype(np.int64)
    x, y, step = (np.clip(drawn[:, axis], 0, top - 1) for axis, top in enumerate((SIDE, SIDE, STEPS)))
    patience = rng.normal(2.5, 2.0, ORDERS)
    while (out := (patience < 0.0) | (patience > 5.0)).any():  # a normal distribution cut off at both ends
        patience[out] = rng.normal(2.5, 2.0, int(out.sum()))
    return GridOrders(x, y, step, rng.integers(0, SIDE, ORDERS), rng.integers(0, SIDE, ORDERS), patience)


def run_episode(seed: int, drivers: int, choose: Choose) -> Episode:
    """Live through one day under a policy; equal seeds meet equal orders and drivers.

    Args:
        seed: Of the day.
        drivers: How many, at uniform places.
        choose: The policy.
    """
    orders, rng = make_orders(seed), np.random.default_rng((seed, 1))
    x, y = rng.integers(0, SIDE, drivers), rng.integers(0, SIDE, drivers)
    free, served = np.zeros(drivers, dtype=np.int64), np.zeros(ORDERS, dtype=np.bool_)
    moves: list[Ints] = []
    for step in range(STEPS):
        open_ = np.flatnonzero((orders.step <= step) & ~served & (step <= orders.step + orders.patience))
        idle = np.flatnonzero(free <= step)
        window = _window(step, orders, open_, idle, x, y)
        rows = choose(window) if len(window.driver) else np.zeros(0, dtype=np.int64)
        d, o = window.driver[rows], window.order[rows]
        waits = np.setdiff1d(idle, d)
        here = x[waits] * SIDE + y[waits]
        taken = [np.full(len(rows), step), window.cell[rows], np.ones(len(rows)), window.to_step[rows], window.to_cell[rows]]
        stays = [np.full(len(waits), step), here, np.zeros(len(waits)), np.full(len(waits), step + 1), here]
        moves += [np.stack(taken).astype(np.int64), np.stack(stays).astype(np.int64)]
        x[d], y[d], free[d], served[o] = orders.to_x[o], orders.to_y[o], window.to_step[rows], True
    return Episode(float(served.mean()), np.concatenate(moves, axis=1))


def _window(step: int, orders: GridOrders, open_: Ints, idle: Ints, x: Ints, y: Ints) -> Window:
    far = np.abs(x[idle][:, np.newaxis] - orders.x[open_]) + np.abs(y[idle][:, np.newaxis] - orders.y[open_])
    a, b = np.nonzero(far <= RADIUS)
    driver, order, pickup, trip = idle[a], open_[b], far[a, b], orders.trip[open_[b]]
    to_cell = orders.to_x[order] * SIDE + orders.to_y[order]
    return Window(step, driver, order, x[driver] * SIDE + y[driver], pickup, trip, to_cell, step + np.maximum(pickup + trip, 1))
