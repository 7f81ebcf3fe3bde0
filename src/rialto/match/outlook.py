"""What a pair is worth besides its drive: a customer who may give up, a door reached late, drivers' pay, and where the driver ends up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.durations import Band
from rialto.match.patience import Patience
from rialto.match.ready import left_s
from rialto.match.retrieve import SPEED_MPS
from rialto.match.sure import lateness
from rialto.match.track import Track
from rialto.match.value import Values
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features
from rialto.spine.params import Param

__all__ = [
    "AHEAD_S",
    "CANCEL_S",
    "CENTS_S",
    "FAIR_S",
    "LATE",
    "LATE_DOOR_S",
    "NAMES",
    "PATIENCE_S",
    "Ahead",
    "doors",
    "outlook",
    "worth_s",
]

NAMES = (
    "cancel",  # probability that the customer gives up before the driver is there
    "late_s",  # expected seconds after the promised time at the door; NaN = nothing was promised
    "late",  # probability of being there after the promised time; NaN = nothing was promised
    "underpaid",  # how far the driver's pay an hour lies below the fleet's mean, as a share of it, -1..1; NaN = nobody has earned yet
    "ahead",  # what the driver is worth at the drop, less what he is worth here; NaN = unknown
)

CANCEL_S = Param(
    "match.decide.cancel_s", 0.0, low=0.0, high=86_400.0, unit="s", doc="What a customer who gives up costs, in seconds of drive."
)
PATIENCE_S = Param(
    "match.decide.patience_s",
    2700.0,
    low=1.0,
    high=86_400.0,
    unit="s",
    doc="Mean time after which a customer gives up on a driver.",
)
LATE = Param(
    "match.decide.late",
    0.0,
    low=0.0,
    high=100.0,
    unit="s/s",
    doc="Seconds of drive that an expected second late at the door costs.",
)
LATE_DOOR_S = Param(
    "match.decide.late_door_s",
    0.0,
    low=0.0,
    high=86_400.0,
    unit="s",
    doc="What a door reached after its promised time costs, in seconds of drive, by how probable that is.",
)
FAIR_S = Param(
    "match.decide.fair_s", 0.0, low=0.0, high=86_400.0, unit="s", doc="Head start of a driver with no pay over one with mean pay."
)
AHEAD_S = Param(
    "match.decide.ahead_s",
    0.0,
    low=0.0,
    high=1e6,
    unit="s",
    doc="Seconds of drive that a unit of the driver's later worth makes good.",
)
CENTS_S = Param(
    "match.decide.cents_s",
    0.0,
    low=0.0,
    high=1e4,
    unit="s/cent",
    doc="Seconds of drive that a cent costs which an order pays its driver on top.",
)
_WEIGHTS = (CANCEL_S, LATE, LATE_DOOR_S, FAIR_S, AHEAD_S)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Where and when drivers are worth what: learned values on a square grid over the plane.

    Args:
        values: By slot of the day and cell; cells count from the south-west corner, eastwards first.
        west_m, south_m: The grid's corner on the plane.
        cell_m: Width of a cell.
        columns: Cells from west to east.
        slot_s: Length of a slot; the day has `values.slots` of them, the first begins at `start_s`.
        start_s: Seconds since 1970 in UTC of any day's first slot.

    Raises:
        BadInput: a size that is not above zero, or cells that do not fill the rows.
    """

    values: Values
    west_m: float
    south_m: float
    cell_m: float
    columns: int
    slot_s: float
    start_s: float = 0.0

    def __post_init__(self) -> None:
        if self.cell_m <= 0 or self.slot_s <= 0 or self.columns < 1 or self.values.table.shape[1] % self.columns:
            raise BadInput(
                f"a grid of {self.values.table.shape[1]} cells in {self.columns} columns of {self.cell_m} m, slots of {self.slot_s} s; "
                "wanted whole rows, and sizes above zero."
            )

    def cells(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.int64]:
        """Cell of each place, shape (places,); beyond the grid, the nearest one on its edge; -1 for a place that is unknown."""
        rows = self.values.table.shape[1] // self.columns
        with np.errstate(invalid="ignore"):
            east = np.clip(np.floor((x_m - self.west_m) / self.cell_m), 0, self.columns - 1)
            north = np.clip(np.floor((y_m - self.south_m) / self.cell_m), 0, rows - 1)
        known = np.isfinite(east) & np.isfinite(north)
        return np.where(known, np.where(known, north, 0) * self.columns + np.where(known, east, 0), -1).astype(np.int64)

    def slot(self, at_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """Slot of the day of each moment, shape as given."""
        day_s = self.slot_s * self.values.slots
        return (((at_s - self.start_s) % day_s) // self.slot_s).astype(np.int64)

    def gain(
        self, here: NDArray[np.int64], there: NDArray[np.int64], now_s: NDArray[np.float64], took_s: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Worth at cell `there` after `took_s`, less that at cell `here` now, shape (pairs,); NaN where a cell is unknown.

        Source:
            Xu et al. (2018), KDD, equation 8, without the trip's own reward: every driver would earn that.
        """
        slot = self.slot(now_s)
        later = slot + np.maximum(took_s // self.slot_s, 0.0).astype(np.int64)
        made = self.values.advantage(slot, np.maximum(here, 0), np.zeros(len(here)), later, np.maximum(there, 0))
        return np.where((here < 0) | (there < 0), np.nan, made)


def outlook(
    track: Track, ahead: Ahead | None = None, *, band: Band | None = None, patience: Callable[[], Patience | None] = lambda: None
) -> Features:
    """The columns `NAMES`, where a weight asks for them; NaN where none does, which costs nothing.

    Args:
        track: The fleet.
        ahead: What drivers are worth where.
        band: How sure drives are; None = nobody knows, and a door's time is taken for sure.
        patience: The live hazard of a customer who gives up, asked in each window; None = the formula by `PATIENCE_S`.
    """

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        made = {name: np.full(len(candidates), np.nan, dtype=np.float32) for name in NAMES}
        if not len(candidates) or not any(w.of(requests).any() for w in _WEIGHTS):
            return made
        owner, now_s = candidates.owner, requests.time_s[candidates.owner]
        aboard_s, trip_s, drive_s = doors(requests, candidates)
        took_s = aboard_s + trip_s
        if CANCEL_S.of(requests).any():
            gives_up = patience()
            rate = 1.0 / PATIENCE_S.of(requests) if gives_up is None else gives_up.rate(requests)
            made["cancel"] = (1.0 - np.exp(-aboard_s * rate[owner])).astype(np.float32)
        due_s = requests.columns.get("due_s")
        if due_s is not None and np.isfinite(due_s).any():
            spare_s = np.where(np.isfinite(due_s), due_s - requests.time_s, np.nan)[owner]
            late, late_s = lateness(band, took_s, drive_s + trip_s, spare_s)
            made |= {"late": late.astype(np.float32), "late_s": late_s.astype(np.float32)}
        made["underpaid"] = track.underpaid(candidates.ids, now_s=float(now_s[0])).astype(np.float32)
        if ahead is not None:
            drops = ahead.cells(requests.column("drop_x_m"), requests.column("drop_y_m"))
            slots, fleet = track.shown(candidates.ids)  # where the window saw them
            here = ahead.cells(fleet.place[slots, 0], fleet.place[slots, 1])
            made["ahead"] = ahead.gain(here, drops[owner], now_s, np.nan_to_num(took_s)).astype(np.float32)
        return made

    return Features("outlook", NAMES, compute, otherwise=float("nan"))


def doors(requests: Requests, candidates: Candidates) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Seconds until the order is on board, of the trip to its door, and of the drive to its pickup, shape (rows,) each; see `left_s`."""
    owner = candidates.owner
    near_m = candidates.column("distance_m").astype(np.float64)
    drive_s = candidates.column("pickup_s").astype(np.float64)
    drive_s = np.where(np.isfinite(drive_s), drive_s, near_m / SPEED_MPS.of(requests)[owner])
    # The trip runs at the pace of the way to the pickup, as the same engine would tell; too short a way tells nothing.
    pace = np.where(near_m > 200.0, drive_s / np.maximum(near_m, 1.0), 1.0 / SPEED_MPS.of(requests)[owner])
    left = left_s(requests)
    aboard_s = drive_s if left is None else np.maximum(drive_s, left[owner])
    return aboard_s, candidates.column("trip_m") * pace, drive_s


def worth_s(requests: Requests, candidates: Candidates) -> NDArray[np.float64] | None:
    """What the outlook is worth in seconds of drive, less what the order pays on top, shape (rows,), by the declared weights; None = all are 0."""
    signs = {
        "cancel": (CANCEL_S, -1.0),
        "late_s": (LATE, -1.0),
        "late": (LATE_DOOR_S, -1.0),
        "underpaid": (FAIR_S, 1.0),
        "ahead": (AHEAD_S, 1.0),
    }
    total: NDArray[np.float64] | None = None
    for name, (param, sign) in signs.items():
        weight = param.of(requests)
        if not weight.any() or name not in candidates.columns:
            continue
        part = sign * np.repeat(weight, candidates.counts) * np.nan_to_num(candidates.column(name).astype(np.float64))
        total = part if total is None else total + part
    cents = requests.columns.get("incentive_cents")
    if cents is not None and (weight := CENTS_S.of(requests)).any():
        part = np.repeat(-weight * cents, candidates.counts)
        total = part if total is None else total + part
    return total
