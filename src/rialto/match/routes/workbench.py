"""What the search for shorter routes works with beside the sheet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.kernels import kernel
from rialto.match.routes.pool import Pool
from rialto.match.routes.records import HOME, LENGTH, START
from rialto.match.routes.sheet import Sheet

__all__ = ["Bench", "idle", "keep"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Rng = NDArray[np.uint64]


class Bench(NamedTuple):
    """What the search works with beside the sheet.

    Args:
        near: Stops by their distance from each, near ones first, shape (stops, few).
        movable: Orders that may leave their row, shape (orders,).
        active: Rows in use; the first `in_use[0]` stand.
        in_use: Shape (1,).
        out: Orders taken out. `touched`, `saved`, `lengths`: rows changed in a round, as they were; `seen`: 1 where kept, shape (rows,).
        best_stops, best_lengths: The best plan so far. `value`: travel of the plan as it is, and of the best, shape (2,).
        weight: How well each ruin and each repair has done, shape (2, 4); `used`, `earned`: since it was last worked out.
        bank: Orders that no row takes now, and those before the round, shape (2, orders); the first `banked[0]` stand.
        whole: Rounds that ended with an empty bank since weights were worked out, and those since it last was empty, shape (2,).
        penalty: What an order in the bank counts for, in travel, shape (1,).
        hard, waiting, pool: How hard each order has been to place; room for `force`; the routes seen.
    """

    near: Ints
    movable: NDArray[np.bool_]
    active: Ints
    in_use: Ints
    out: Ints
    touched: Ints
    saved: Ints
    lengths: Ints
    seen: Ints
    best_stops: Ints
    best_lengths: Ints
    value: Floats
    weight: Floats
    used: Floats
    earned: Floats
    bank: Ints
    banked: Ints
    whole: Ints
    penalty: Floats
    hard: Floats
    waiting: Ints
    pool: Pool


@kernel
def keep(s: Sheet, b: Bench, r: int, touched: int) -> int:
    """Note what row `r` is before it changes, once a round; returns how many are noted."""
    if b.seen[r] == 1:
        return touched
    b.seen[r] = 1
    b.touched[touched] = r
    b.lengths[touched] = s.whole[r, LENGTH]
    for k in range(b.lengths[touched]):
        b.saved[touched, k] = s.stops[r, k]
    return touched + 1


@kernel
def idle(s: Sheet, r: int) -> bool:
    """Whether row `r` has nothing to do and its vehicle stands at home, or wherever where it has none."""
    return s.whole[r, LENGTH] == 0 and (s.whole[r, HOME] < 0 or s.whole[r, HOME] == s.whole[r, START])
