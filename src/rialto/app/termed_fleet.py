"""A fleet in one process that keeps to terms: pairs that must not meet, loads, pay, zones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.fleet import Fleet
from rialto.app.pay import paid_in_shifts
from rialto.app.terms import Barred, Terms, Zone, log_beside
from rialto.match.records import Drivers, Orders

__all__ = ["TermedFleet"]


class TermedFleet(Fleet):
    """`Fleet`, and what a dispatch team says of it besides orders.

    Args:
        engines, clock: As `Fleet`.
    """

    def __init__(self, engines: Engines, *, clock: Callable[[], float] = time) -> None:
        self._barred = Barred()
        super().__init__(engines, clock=clock, blocked=self._barred)
        try:
            self._logs["terms"] = log = log_beside(engines, "terms")
            self.terms = Terms(log, self.plane)
            self._barred.put(*self.terms.pairs)
            self._laden()
            paid = paid_in_shifts(self.terms, self._enrolled, self._before, now_s=clock())
            self._dispatch.track.resume(paid.drivers, paid.cents, paid.since_s)
        except BaseException:
            self.stop()
            raise

    def _laden(self) -> None:
        drivers, load = self.terms.loads
        known, _ = self._dispatch.track.slots(drivers)
        self._dispatch.track.carry(drivers[known], load[known])

    def enrol(self, drivers: Drivers) -> None:
        """As `Fleet.enrol`; what was said to be on board before stays so."""
        super().enrol(drivers)
        with self._turns.alone():
            self._laden()

    def place(self, orders: Orders) -> NDArray[np.bool_]:
        """As `Fleet.place`; an order picked up in a zone wants a driver who may work there."""
        return super().place(self.terms.needed(orders))

    def block(self, customer: NDArray[np.int64], driver: NDArray[np.int64], barred: NDArray[np.bool_]) -> int:
        """Bar pairs from the next window on, or let them meet again; returns how many are barred now. Durable."""
        with self._deciding, self._turns.alone():  # a window that decides reads the pairs
            count = self.terms.block(customer, driver, barred, at_s=self._clock())
            self._barred.put(*self.terms.pairs)
        return count

    def carry(self, drivers: NDArray[np.int64], load: NDArray[np.float64]) -> None:
        """Say what drivers have on board, shape (drivers, 3); the rest of their room is what they can take. Durable."""
        with self._turns.alone():
            self._dispatch.track.carry(drivers, load)
            self.terms.carry(drivers, load, at_s=self._clock())

    def earn(self, keys: Sequence[str], drivers: NDArray[np.int64], cents: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say what drivers were paid, each by its key once; true where it is new. `match.decide.fair_s` weighs it, by shift.

        Who is enrolled with a shift keeps his pay of it over a restart; who has none is paid from the start of this process on.
        """
        with self._turns.alone():
            new = self.terms.earn(keys, drivers, cents, at_s=self._clock())
            self._dispatch.track.earn(drivers[new], cents[new].astype(np.float64))
        return new

    def draw(self, zones: Sequence[Zone]) -> None:
        """Have these zones, for orders placed from now on. Durable."""
        with self._turns.alone():
            self.terms.draw(zones, at_s=self._clock())

    def told_ready(
        self, orders: NDArray[np.int64], merchants: NDArray[np.int64], ready_s: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Note when orders were ready, as their merchants tell; true where the order is known. Durable."""
        with self._turns.together():
            return self._dispatch.offers.ready(orders, merchants, ready_s, at_s=self._clock())
