"""What a free driver is worth where and when, learned from the log of offers: in one batch, or while the day runs; kept as bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.jobs import JobLog, Jobs, Logs
from rialto.match.outlook import Ahead
from rialto.match.records import Plane
from rialto.match.value import Moves, Values, follow, learned
from rialto.ports import EventLog
from rialto.records import uniforms
from rialto.spine.learn import Gate, Verdict

__all__ = ["DAY_S", "Follower", "Rounds", "dump", "grid", "learn", "learn_from", "load", "worth_telling"]

DAY_S = 86_400.0
MOST_WAIT_S = 3600.0
"""Longest wait between two jobs that is believed to be waiting: after that a driver may as well have gone home."""

Reward = Literal["orders", "cents"]
_MOVES = ("slot", "cell", "reward", "to_slot", "to_cell")
_FIELDS = ("west_m", "south_m", "cell_m", "columns", "slot_s", "start_s")


def grid(
    x_m: NDArray[np.float64], y_m: NDArray[np.float64], *, cell_m: float = 1500.0, slot_s: float = 600.0, gamma: float = 0.9
) -> Ahead:
    """An empty table over the places given, which need be finite: nobody is worth more anywhere.

    Raises:
        BadInput: no place, one that is not finite, or sizes that are not above zero or do not divide a day.

    Example:
        >>> grid(np.array([0.0, 2900.0]), np.array([0.0, 100.0])).values.table.shape
        (145, 2)
    """
    if not len(x_m) or not (np.isfinite(x_m).all() and np.isfinite(y_m).all()) or not cell_m > 0.0 or not slot_s > 0.0:
        raise BadInput(f"a grid of {cell_m} m and {slot_s} s over {len(x_m)} places; wanted finite places, and sizes above 0.")
    slots = round(DAY_S / slot_s)
    if abs(slots * slot_s - DAY_S) > 1e-6:
        raise BadInput(f"slots of {slot_s} s do not divide a day; wanted 600, 900 or the like.")
    west, south = float(x_m.min()), float(y_m.min())
    columns, rows = (max(int(np.ceil((float(c.max()) - low) / cell_m)), 1) for c, low in ((x_m, west), (y_m, south)))
    return Ahead(Values.none(slots, columns * rows, gamma=gamma), west, south, cell_m, columns, slot_s)


@dataclass(slots=True)
class Rounds:
    """Turns jobs into moves on a grid: each job, and each slot of time that its driver had waited before it.

    A driver waits where he was last brought to, so that what is learned of a place is what an order ending there leads to.

    Args:
        ahead: The grid.
        plane: Map that degrees are laid on, as the grid's.
        reward: What a job earns: `orders` = 1, `cents` = its value.
    """

    ahead: Ahead
    plane: Plane
    reward: Reward = "orders"
    _free: dict[int, tuple[float, int]] = field(default_factory=dict[int, "tuple[float, int]"])

    def moves(self, jobs: Jobs) -> Moves:
        """The moves that `jobs` end, in order of time; called again with later jobs, it goes on from where drivers were left.

        Jobs whose drop is unknown are left out, and so is the wait after them: nobody knows where.
        """
        here = self.ahead.cells(*self.plane.xy(jobs.lat, jobs.lon))
        there = self.ahead.cells(*self.plane.xy(jobs.drop_lat, jobs.drop_lon))
        rows: list[tuple[float, int, int, float, int, int]] = []
        for i in np.argsort(jobs.delivered_s, kind="stable").tolist():
            driver, done_s = int(jobs.driver[i]), float(jobs.delivered_s[i])
            free_s, cell = self._free.get(driver, (float(jobs.accepted_s[i]), int(here[i])))
            begun_s = max(float(jobs.accepted_s[i]), free_s)
            if there[i] < 0:
                self._free.pop(driver, None)
                continue
            if begun_s - free_s > MOST_WAIT_S:
                rows += self._waits(free_s, free_s + MOST_WAIT_S, cell)
                cell = int(here[i])  # he has been elsewhere since
            else:
                rows += self._waits(free_s, begun_s, cell)
            rows.append(
                self._move(begun_s, cell, 1.0 if self.reward == "orders" else float(jobs.value_cents[i]), done_s, int(there[i]))
            )
            self._free[driver] = (done_s, int(there[i]))
        return _columns(rows)

    def waited(self, *, until_s: float) -> Moves:
        """The waits of those who have been free since their last job, up to `until_s`: the log's end."""
        rows: list[tuple[float, int, int, float, int, int]] = []
        for free_s, cell in self._free.values():
            rows += self._waits(free_s, min(until_s, free_s + MOST_WAIT_S), cell)
        return _columns(rows)

    def _waits(self, since_s: float, until_s: float, cell: int) -> list[tuple[float, int, int, float, int, int]]:
        step = self.ahead.slot_s
        return [
            self._move(since_s + step * n, cell, 0.0, since_s + step * (n + 1), cell)
            for n in range(self._slots(since_s, until_s))
        ]

    def _slots(self, since_s: float, until_s: float) -> int:
        start, step = self.ahead.start_s, self.ahead.slot_s
        return max(int((until_s - start) // step - (since_s - start) // step), 0)

    def _move(self, begun_s: float, cell: int, reward: float, done_s: float, to: int) -> tuple[float, int, int, float, int, int]:
        slot = int(self.ahead.slot(np.array([begun_s]))[0])
        return done_s, slot, cell, reward, slot + max(self._slots(begun_s, done_s), 1), to


def _columns(rows: list[tuple[float, int, int, float, int, int]]) -> Moves:
    rows.sort(key=lambda r: r[0])
    _, slot, cell, reward, to_slot, to_cell = zip(*rows) if rows else ((),) * 6
    ints = (np.array(c, dtype=np.int64) for c in (slot, cell, to_slot, to_cell))
    a, b, c, d = ints
    return Moves(a, b, np.array(reward, dtype=np.float64), c, d)


def learn(ahead: Ahead, moves: Moves, *, weight: float = 20.0) -> Ahead:
    """Values from moves, from the day's last slot back to its first, for the grid of `ahead`.

    Where few moves began, a cell is drawn to what the whole city was worth at that time: no place is held to be better by luck.

    Args:
        ahead: The grid; what it holds is not read.
        moves: From `Rounds`, of one day or of many.
        weight: How many moves the whole city's value counts for in each cell.
    """
    slots, cells, gamma = ahead.values.slots, ahead.values.table.shape[1], ahead.values.gamma
    zero = np.zeros(len(moves), dtype=np.int64)
    whole = learned(Moves(moves.slot, zero, moves.reward, moves.to_slot, zero), slots=slots, cells=1, gamma=gamma)
    prior = Values(np.repeat(whole.table, cells, axis=1), gamma)
    return replace(ahead, values=learned(moves, slots=slots, cells=cells, gamma=gamma, prior=prior, weight=weight))


class Follower:
    """Keeps values up to date while the day runs: reads what the log of offers has new, and moves each value by part of its error.

    Args:
        ahead: Where to begin; its table is changed in place, so a `Dispatch` that was built with it decides by it at once.
        plane: As the grid's.
        log: The log of offers.
        start, epoch: Where to begin, as in `JobLog`: what was learned from in a batch is not learned from again.
        rate: Part of its error that a value moves at each job or wait.
        reward: As in `Rounds`.

    Source:
        Tang et al. (2019), "A Deep Value-network Based Approach for Multi-Driver Order Dispatching", KDD: values are renewed online.
    """

    def __init__(
        self,
        ahead: Ahead,
        plane: Plane,
        log: EventLog,
        *,
        start: int = 0,
        epoch: int = 0,
        rate: float = 0.05,
        reward: Reward = "orders",
    ) -> None:
        if not 0.0 < rate <= 1.0:
            raise BadInput(f"rate is {rate}; wanted above 0, at most 1.")
        self.ahead, self._rate, self._plane = ahead, rate, plane
        self._reward: Reward = reward
        self._rounds: Rounds = Rounds(ahead, plane, reward)
        self._log = JobLog(log, start, epoch)

    def turn_to(self, ahead: Ahead) -> None:
        """Go on from another table, such as one learned anew; orders under way are not forgotten."""
        self.ahead, self._rounds = ahead, Rounds(ahead, self._plane, self._reward)

    def catch_up(self) -> int:
        """Learn from what is new in the log; returns how many moves that was."""
        moves, v = self._rounds.moves(self._log.more()), self.ahead.values
        if len(moves):
            follow(v.table, moves.slot, moves.cell, moves.reward, moves.to_slot, moves.to_cell, v.gamma, self._rate)
        return len(moves)


def dump(ahead: Ahead) -> bytes:
    """Values and their grid as bytes: numpy's own format for the table, JSON for the rest; no code is in it.

    Example:
        >>> a = grid(np.array([0.0, 3000.0]), np.zeros(2))
        >>> load(dump(a)).columns, np.array_equal(load(dump(a)).values.table, a.values.table)
        (2, True)
    """
    about = {name: getattr(ahead, name) for name in _FIELDS} | {"gamma": ahead.values.gamma}
    out = BytesIO()
    np.savez_compressed(out, table=ahead.values.table, about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8))
    return out.getvalue()


def load(body: bytes) -> Ahead:
    """What `dump` wrote; `BadInput` for anything else."""
    try:
        with np.load(BytesIO(body), allow_pickle=False) as kept:
            about = json.loads(kept["about"].tobytes())
            table = np.array(kept["table"], dtype=np.float64)
        if not np.isfinite(table).all():
            raise ValueError("a value is not finite")
        return Ahead(Values(table, float(about["gamma"])), **{name: about[name] for name in _FIELDS})
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile) as e:
        raise BadInput(f"{len(body)} bytes are no values of drivers ({type(e).__name__}: {e}); learn them again.") from None


def learn_from(log: Logs, plane: Plane, *, cell_m: float = 1500.0, weight: float = 20.0) -> Ahead | None:
    """Values from a whole log of offers, or from those of shards, a job being worth 1; None where it holds no delivery with a drop.

    Cost:
        One pass over the log, and about 20 us a job.
    """
    source = JobLog(log)
    jobs = source.more()
    known = np.isfinite(jobs.drop_lat)
    if not known.any():
        return None
    empty = grid(*plane.xy(jobs.drop_lat[known], jobs.drop_lon[known]), cell_m=cell_m)
    return learn(empty, _moved(empty, plane, jobs, source.end_s), weight=weight)


def worth_telling(
    log: Logs, plane: Plane, *, cell_m: float = 1500.0, weight: float = 20.0, seed: int = 0, gate: Gate | None = None
) -> Verdict:
    """Whether where a driver is free tells more of what he goes on to earn than the time of day alone does.

    Values are learned from half of the drivers; the others' earnings, discounted as the values are, are foretold by place and time and
    by time alone. The gate compares the squared errors, a driver being one unit.

    Args:
        log: The log of offers, or those of shards.
        plane: Map that degrees are laid on.
        cell_m, weight: As in `learn_from`.
        seed: Of the halves and the interval.
        gate: What must be shown; None = a smaller error, surely, for at least 30 drivers.
    """
    source = JobLog(log)
    jobs = source.more()
    known = np.isfinite(jobs.drop_lat)
    if not known.any():
        return Verdict(False, "too little data: no delivery with a known drop")
    empty = grid(*plane.xy(jobs.drop_lat[known], jobs.drop_lon[known]), cell_m=cell_m)
    half = uniforms(seed, jobs.driver.astype(np.uint64), "ahead.half", 1)[:, 0] < 0.5
    taught = _moved(empty, plane, jobs.take(half), source.end_s)
    v = learn(empty, taught, weight=weight).values
    zero = np.zeros(len(taught), dtype=np.int64)
    whole = learned(Moves(taught.slot, zero, taught.reward, taught.to_slot, zero), slots=v.slots, cells=1, gamma=v.gamma)
    errors: list[tuple[float, float]] = []
    for driver in np.unique(jobs.driver[~half]).tolist():
        m = _moved(empty, plane, jobs.take(jobs.driver == driver), source.end_s)
        earned = _earned(m, v.gamma)
        errors.append((_squared(whole.table[m.slot, 0], earned), _squared(v.table[m.slot, m.cell], earned)))
    by_time, by_place = np.array(errors, dtype=np.float64).reshape(-1, 2).T
    return (gate or Gate(least=30)).judge(-by_time, -by_place, seed=seed)


def _moved(ahead: Ahead, plane: Plane, jobs: Jobs, end_s: float) -> Moves:
    rounds = Rounds(ahead, plane)
    parts = rounds.moves(jobs), rounds.waited(until_s=end_s)
    return Moves(*(np.concatenate([getattr(m, name) for m in parts]) for name in _MOVES))


def _earned(moves: Moves, gamma: float) -> NDArray[np.float64]:
    """What one driver went on to earn from each of his moves on, discounted, shape (moves,)."""
    out, later = np.zeros(len(moves)), 0.0
    for i in range(len(moves) - 1, -1, -1):
        later = float(moves.reward[i]) + gamma ** float(moves.to_slot[i] - moves.slot[i]) * later
        out[i] = later
    return out


def _squared(foretold: NDArray[np.float64], earned: NDArray[np.float64]) -> float:
    return float(((foretold - earned) ** 2).mean())
