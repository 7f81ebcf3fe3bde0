"""What a log of offers says by area: orders, waits, drives and pay in each H3 cell of a declared resolution."""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.hexagons import cells_of, counted, middles, told
from rialto.match.jobs import Jobs
from rialto.ports import TravelTimes

__all__ = ["Areas", "areas", "write_areas"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Areas:
    """Delivered orders by the cell that they were picked up in, a row a cell, the busiest first.

    Args:
        cell: Its name, shape (cells,).
        lat, lon: Its middle, degrees.
        orders: How many were delivered.
        response_s: Mean seconds from the order to the acceptance.
        pickup_s: Mean seconds from the acceptance to the pick-up.
        drive_s: Mean seconds from the pick-up to the door, of those whose door is known.
        factor: What drives took over what the engine of travel times expected, both summed; NaN where no door is known.
        pay_hour_cents: Worth of the orders an hour of their drivers' time, from acceptance to delivery.
    """

    cell: NDArray[np.str_]
    lat: Floats
    lon: Floats
    orders: NDArray[np.int64]
    response_s: Floats
    pickup_s: Floats
    drive_s: Floats
    factor: Floats
    pay_hour_cents: Floats

    def __len__(self) -> int:
        return len(self.cell)

    def rows(self) -> list[dict[str, Any]]:
        """A dictionary a cell."""
        names = [f.name for f in fields(self)]
        return [dict(zip(names, row)) for row in zip(*(getattr(self, name).tolist() for name in names))]


def areas(jobs: Jobs, travel: TravelTimes, *, resolution: int) -> Areas:
    """Sum up deliveries by the cell of their pick-up.

    Args:
        jobs: What drivers did, as `jobs_logged` reads it.
        travel: What the engine would have expected of each drive.
        resolution: Of the cells, 0 to 15.

    Raises:
        BadInput: A resolution that does not exist.
        EngineMissing: `h3` is not installed.

    Cost:
        Some 2 us an order, and the engine's own.
    """
    told_s, known = _expected(jobs, travel)
    took_s = np.where(known, jobs.delivered_s - jobs.picked_s, 0.0)
    held_s = jobs.delivered_s - jobs.accepted_s
    found = counted(
        cells_of(jobs.lat, jobs.lon, resolution),
        response=jobs.accepted_s - jobs.placed_s,
        pickup=jobs.picked_s - jobs.accepted_s,
        took=took_s,
        told=told_s,
        known=known.astype(np.float64),
        cents=jobs.value_cents,
        held=held_s,
    )
    s = found.columns
    first = np.lexsort((found.cells, -s["count"]))
    lat, lon = middles(found.cells)
    names = np.array(told(found.cells), dtype=np.str_)
    return Areas(
        names[first], lat[first], lon[first], s["count"].astype(np.int64)[first], _over(s["response"], s["count"])[first],
        _over(s["pickup"], s["count"])[first], _over(s["took"], s["known"])[first], _over(s["took"], s["told"])[first],
        3600.0 * _over(s["cents"], s["held"])[first],
    )  # fmt: skip


def _expected(jobs: Jobs, travel: TravelTimes) -> tuple[Floats, NDArray[np.bool_]]:
    """Seconds that each drive was expected to take, and whether that is known; a drive of no time tells nothing."""
    known = np.isfinite(jobs.drop_lat) & np.isfinite(jobs.drop_lon) & (jobs.delivered_s > jobs.picked_s)
    out = np.zeros(len(jobs))
    if known.any():
        starts, goals = (
            np.stack([a[known], b[known]], axis=1) for a, b in ((jobs.lat, jobs.lon), (jobs.drop_lat, jobs.drop_lon))
        )
        out[known] = travel.seconds(starts, goals, at_s=jobs.picked_s[known])
    known &= np.isfinite(out) & (out > 0.0)
    return np.where(known, out, 0.0), known


def _over(above: Floats, below: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0.0, above / below, np.nan)


def write_areas(file: Path, found: Areas) -> None:
    """The rows as CSV; `BadInput` where the file cannot be written."""
    names = [f.name for f in fields(found)]
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            lines = csv.DictWriter(out, names)
            lines.writeheader()
            lines.writerows({name: round(v, 6) if isinstance(v, float) else v for name, v in row.items()} for row in found.rows())
    except OSError as e:
        raise BadInput(f"{str(file)!r} cannot be written: {e.strerror}.") from None
