"""What a driver is worth at a time and place: a table learned from trips by temporal difference, in batches or as they come."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput

__all__ = ["Moves", "Values", "backward", "backward_plain", "follow", "follow_plain", "learned"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moves:
    """What became of drivers: one row for each trip, and for each slot of time that a driver waited.

    Args:
        slot, cell: When and where it began, shape (moves,).
        reward: What it earned, shape (moves,); 0 for waiting.
        to_slot, to_cell: When and where the driver was free again, shape (moves,); later than `slot`.

    Raises:
        BadInput: columns of different lengths, or a move that ends no later than it began.
    """

    slot: Ints
    cell: Ints
    reward: Floats
    to_slot: Ints
    to_cell: Ints

    def __post_init__(self) -> None:
        if len({len(self.slot), len(self.cell), len(self.reward), len(self.to_slot), len(self.to_cell)}) != 1:
            raise BadInput("the columns of moves have different lengths; wanted one row a move.")
        early = np.flatnonzero(self.to_slot <= self.slot)
        if len(early):
            row = int(early[0])
            raise BadInput(f"move {row} goes from slot {self.slot[row]} to {self.to_slot[row]}; wanted a later slot.")

    def __len__(self) -> int:
        return len(self.slot)


@dataclass(frozen=True, slots=True)
class Values:
    """Expected discounted reward of a free driver from a slot of time on, by cell.

    Args:
        table: Shape (slots + 1, cells); the last row is the end of the day, worth nothing.
        gamma: What a reward one slot later is worth beside one now, above 0, at most 1.

    Raises:
        BadInput: a table of fewer than two rows, or gamma out of range.

    Example:
        >>> v = Values(np.array([[1.0, 3.0], [0.0, 2.0], [0.0, 0.0]]), gamma=0.5)
        >>> v.advantage(np.array([0]), np.array([0]), np.array([1.0]), np.array([1]), np.array([1])).tolist()
        [1.0]
    """

    table: Floats
    gamma: float = 0.9

    def __post_init__(self) -> None:
        if self.table.ndim != 2 or len(self.table) < 2 or not 0.0 < self.gamma <= 1.0:
            raise BadInput(
                f"values of shape {self.table.shape} with gamma {self.gamma}; wanted (slots + 1, cells), gamma in (0, 1]."
            )

    @classmethod
    def none(cls, slots: int, cells: int, *, gamma: float = 0.9) -> Values:
        """Nothing known: every driver is worth the same anywhere."""
        return cls(np.zeros((slots + 1, cells)), gamma)

    @property
    def slots(self) -> int:
        """Slots of a day."""
        return len(self.table) - 1

    def at(self, slot: Ints, cell: Ints) -> Floats:
        """Value of a driver who is free there then, shape as `slot`; 0 after the day's end."""
        return np.asarray(self.table[np.clip(slot, 0, self.slots), cell])

    def advantage(self, slot: Ints, cell: Ints, reward: Floats, to_slot: Ints, to_cell: Ints) -> Floats:
        """What a trip earns beyond waiting on: its reward, and the driver's worth where it ends, less his worth here.

        Source:
            Xu et al. (2018), "Large-Scale Order Dispatch in On-Demand Ride-Hailing Platforms", KDD, equation 8.
        """
        later = self.gamma ** (to_slot - slot).astype(np.float64)
        return np.asarray(reward + later * self.at(to_slot, to_cell) - self.at(slot, cell))

    def towards(self, other: Values, rate: float) -> Values:
        """These values, moved by `rate` (0..1) of the way to others: how a policy and its values are improved in turn without swinging."""
        return Values(self.table + rate * (other.table - self.table), self.gamma)

    def after(self, moves: Moves, *, rate: float = 0.05) -> Values:
        """These values with moves taken in one by one as they came, each by `rate` of its error: learning while the day runs.

        Source:
            Sutton, Barto (2018), "Reinforcement Learning", TD(0), 6.1; as Tang et al. (2019), KDD, use it between retrainings.

        Cost:
            About 10 ns a move, and a copy of the table.
        """
        table = self.table.copy()
        _check(moves, table)
        follow(table, moves.slot, moves.cell, moves.reward, moves.to_slot, moves.to_cell, self.gamma, rate)
        return Values(table, self.gamma)


def learned(
    moves: Moves, *, slots: int, cells: int, gamma: float = 0.9, prior: Values | None = None, weight: float = 0.0
) -> Values:
    """Learn values from a day's moves, or from many days', from the last slot back to the first.

    Every move's worth is its reward and the discounted value of where it ended, which is known by then: one pass is enough.

    Args:
        moves: In any order.
        slots, cells: Size of the table.
        gamma: Discount a slot.
        prior: What is believed where there are few moves; None = worth nothing.
        weight: How many moves the prior counts for.

    Raises:
        BadInput: a move is outside the table.

    Cost:
        A sort of the moves, and about 10 ns a move.

    Source:
        Xu et al. (2018), KDD, algorithm 1: policy evaluation by dynamic programming over time and cell.

    Example:
        >>> moves = Moves(np.array([0, 1]), np.array([0, 1]), np.array([1.0, 2.0]), np.array([1, 2]), np.array([1, 0]))
        >>> learned(moves, slots=2, cells=2, gamma=0.5).table.tolist()
        [[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]]
    """
    table = np.zeros((slots + 1, cells)) if prior is None else prior.table.copy()
    if table.shape != (slots + 1, cells):
        raise BadInput(f"the prior has shape {table.shape}; wanted {(slots + 1, cells)}.")
    _check(moves, table)
    order = np.argsort(-moves.slot, kind="stable")
    slot, to_slot = moves.slot[order], moves.to_slot[order]
    backward(
        table,
        slot,
        moves.cell[order],
        moves.reward[order],
        np.minimum(to_slot, slots),
        moves.to_cell[order],
        to_slot - slot,
        gamma,
        weight,
    )
    return Values(table, gamma)


def _check(moves: Moves, table: Floats) -> None:
    slots, cells = len(table) - 1, table.shape[1]
    cell = np.concatenate([moves.cell, moves.to_cell])
    if len(moves) and (moves.slot.min() < 0 or moves.slot.max() >= slots or cell.min() < 0 or cell.max() >= cells):
        raise BadInput(f"a move lies outside of {slots} slots and {cells} cells; number slots from the day's beginning.")
    if not np.isfinite(moves.reward).all():
        raise BadInput("a move's reward is not finite; wanted a number.")


@nb.njit(cache=True, nogil=True)
def backward(
    table: Floats, slot: Ints, cell: Ints, reward: Floats, to_slot: Ints, to_cell: Ints, taken: Ints, gamma: float, weight: float
) -> None:
    """Fill `table` (slots + 1, cells) in place from moves sorted by falling slot; where no move began, it stays as it was."""
    total, count = np.zeros(table.shape[1]), np.zeros(table.shape[1])
    start = 0
    while start < len(slot):
        stop = start
        while stop < len(slot) and slot[stop] == slot[start]:
            worth = reward[stop] + gamma ** taken[stop] * table[to_slot[stop], to_cell[stop]]
            total[cell[stop]] += worth
            count[cell[stop]] += 1.0
            stop += 1
        for at in range(start, stop):
            c = cell[at]
            if count[c] > 0.0:
                table[slot[start], c] = (total[c] + weight * table[slot[start], c]) / (count[c] + weight)
                total[c] = count[c] = 0.0
        start = stop


def backward_plain(
    table: Floats, slot: Ints, cell: Ints, reward: Floats, to_slot: Ints, to_cell: Ints, taken: Ints, gamma: float, weight: float
) -> None:
    """`backward` in plain numpy, for its test."""
    for s in np.unique(slot)[::-1]:
        rows = slot == s
        worth = reward[rows] + gamma ** taken[rows] * table[to_slot[rows], to_cell[rows]]
        count = np.bincount(cell[rows], minlength=table.shape[1])
        total = np.bincount(cell[rows], worth, minlength=table.shape[1])
        held = count > 0
        table[s, held] = (total[held] + weight * table[s, held]) / (count[held] + weight)


@nb.njit(cache=True, nogil=True)
def follow(
    table: Floats, slot: Ints, cell: Ints, reward: Floats, to_slot: Ints, to_cell: Ints, gamma: float, rate: float
) -> None:  # fmt: skip
    """Take moves into `table` in place, in their order; the end of the day is worth nothing."""
    last = len(table) - 1
    for i in range(len(slot)):
        worth = reward[i] + gamma ** (to_slot[i] - slot[i]) * table[min(to_slot[i], last), to_cell[i]]
        table[slot[i], cell[i]] += rate * (worth - table[slot[i], cell[i]])


def follow_plain(
    table: Floats, slot: Ints, cell: Ints, reward: Floats, to_slot: Ints, to_cell: Ints, gamma: float, rate: float
) -> None:  # fmt: skip
    """`follow` in plain Python, for its test."""
    for s, c, r, t, to in zip(slot.tolist(), cell.tolist(), reward.tolist(), to_slot.tolist(), to_cell.tolist()):
        worth = r + gamma ** (t - s) * table[min(t, len(table) - 1), to]
        table[s, c] += rate * (worth - table[s, c])
