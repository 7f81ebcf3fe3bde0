"""What drivers were paid in the shifts under way, out of a fleet's logs: there again after a restart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.app.enrolled import Enrolled
from rialto.app.terms import Terms
from rialto.match.records import Drivers

__all__ = ["Paid", "paid_in_shifts"]


@dataclass(frozen=True, slots=True)
class Paid:
    """Drivers whose shift is under way.

    Args:
        drivers: Shape (drivers,).
        cents: What each was paid since it began, shape (drivers,).
        since_s: When each was enrolled first, shape (drivers,), seconds UTC.
    """

    drivers: NDArray[np.int64]
    cents: NDArray[np.float64]
    since_s: NDArray[np.float64]


def paid_in_shifts(terms: Terms, enrolled: Enrolled, fleet: Drivers, *, now_s: float) -> Paid:
    """Pay of those of `fleet`, which `enrolled` gave, whose shift has a beginning and is under way."""
    begun = np.isfinite(fleet.shift_start_s) & (fleet.shift_start_s <= now_s) & (now_s < fleet.shift_end_s)
    drivers, start_s = fleet.ids[begun], fleet.shift_start_s[begun]
    first_s = np.array([enrolled.first_s.get(driver, now_s) for driver in drivers.tolist()], dtype=np.float64)
    return Paid(drivers, terms.paid(drivers, start_s), first_s)
