"""The grid city of KDD 2018: share of orders served by the nearest driver, by the longest trip, and by learned values, beside what was published."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.cli.bench import Metric
from rialto.match.value import Moves, Values, learned
from rialto.spine.decide.assign import cheapest
from rialto.worlds.grid_city import CELLS, STEPS, Choose, Window, run_episode

PUBLISHED = {25: (0.48, 0.485, 0.51), 50: (0.745, 0.74, 0.79), 75: (0.90, 0.905, 0.92)}
"""Drivers -> share served by distance, myopic and value (Xu et al. 2018, figure 4)."""

ROUNDS, DAYS = 8, 100


def assigned(window: Window, gain: NDArray[np.float64]) -> NDArray[np.int64]:
    """The matching of the greatest total gain; what gains nothing waits."""
    orders = np.unique(window.order, return_inverse=True)[1].reshape(-1)
    asked = np.arange(orders.max() + 1, dtype=np.uint64)
    return cheapest(orders.astype(np.int64), window.driver, -gain, np.zeros(len(asked)), asked)


def nearest(window: Window) -> NDArray[np.int64]:
    return assigned(window, 100.0 - window.pickup.astype(np.float64))


def myopic(window: Window) -> NDArray[np.int64]:
    return assigned(window, 1.0 + window.trip - 0.001 * window.pickup)


def by(values: Values) -> Choose:
    """The policy that values give: what a trip earns beyond waiting, every order worth one."""

    def choose(window: Window) -> NDArray[np.int64]:
        now, one = np.full(len(window.driver), window.step), np.ones(len(window.driver))
        return assigned(window, values.advantage(now, window.cell, one, window.to_step, window.to_cell))

    return choose


def taught(drivers: int, *, rounds: int, days: int) -> Values:
    """Values and policy improved in turn: each round lives `days` days of its own under the values so far, and moves towards theirs."""
    values = Values.none(STEPS, CELLS)
    for turn in range(rounds):
        first = 10_000 + days * turn
        lived = [run_episode(first + d, drivers, by(values) if turn else nearest).moves for d in range(days)]
        slot, cell, served, to_slot, to_cell = np.concatenate(lived, axis=1)
        fresh = learned(Moves(slot, cell, served.astype(np.float64), to_slot, to_cell), slots=STEPS, cells=CELLS)
        values = values.towards(fresh, max(0.15, 1.0 / (turn + 1)))
    return values


def run(*, quick: bool = False) -> list[Metric]:
    """Share served with each fleet, on days that no value was learned from."""
    found: list[Metric] = []
    days = range(4 if quick else 200)
    for drivers, published in PUBLISHED.items():
        values = taught(drivers, rounds=2 if quick else ROUNDS, days=8 if quick else DAYS)
        for name, choose, known in zip(("distance", "myopic", "value"), (nearest, myopic, by(values)), published):
            shares = np.array([run_episode(d, drivers, choose).served for d in days])
            mean, error = float(shares.mean()), float(1.96 * shares.std(ddof=1) / len(shares) ** 0.5)
            found.append(Metric(f"served_{name}_{drivers}", mean, "share", error, "published", known, mean / known))
    return found
