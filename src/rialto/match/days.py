"""A courier day from two CSV files: who ordered what when and where, who works from when to when; each row is checked."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, known
from rialto.match.records import EARTH_RADIUS_M

__all__ = ["CourierDay", "Rejected", "day_of", "read_courier_day"]

WIDEST_M = 1_000_000.0
"""Places farther than this from the middle of the day's pickups are a slip of the pen."""

ORDER_TIMES, COURIER_TIMES = ("placed_s", "ready_s"), ("on_s", "off_s")
IN_METRES = {"orders": ("pickup_x_m", "pickup_y_m", "dropoff_x_m", "dropoff_y_m"), "couriers": ("x_m", "y_m")}
IN_DEGREES = {"orders": ("pickup_lat", "pickup_lon", "dropoff_lat", "dropoff_lon"), "couriers": ("lat", "lon")}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was left out: file, line (the heading is line 1), field, what came, and what was wanted."""

    file: str
    line: int
    field: str
    value: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, {self.field}: got {self.value!r}; wanted {self.wanted}."


@dataclass(frozen=True, slots=True)
class CourierDay:
    """A day in columns.

    Args:
        order_ids, courier_ids: Shape (orders,) and (couriers,), str, each once.
        placed_s, ready_s: From when on each order is known, and may be picked up, shape (orders,), s.
        pickup_m, dropoff_m: Where, shape (orders, 3), m: x, y and 0; or points of the globe, where the files hold degrees.
        on_s, off_s: Shifts, shape (couriers,), s.
        start_m: Where each courier begins, shape (couriers, 3), m.
        rejected: Rows that were left out on purpose.
    """

    order_ids: NDArray[np.str_]
    placed_s: Floats
    ready_s: Floats
    pickup_m: Floats
    dropoff_m: Floats
    courier_ids: NDArray[np.str_]
    on_s: Floats
    off_s: Floats
    start_m: Floats
    rejected: tuple[Rejected, ...] = ()

    @property
    def orders(self) -> int:
        """How many orders the day has."""
        return len(self.order_ids)

    @property
    def couriers(self) -> int:
        """How many couriers work."""
        return len(self.courier_ids)


@dataclass(frozen=True, slots=True)
class _Table:
    """Checked rows of one file: ids, times (rows, 2), places (rows, 2 or 4), the lines they stood on, and the rows refused."""

    ids: list[str]
    numbers: Floats
    lines: NDArray[np.int64]
    degrees: bool
    rejected: list[Rejected]


def read_courier_day(orders: Path, couriers: Path, *, keep_going: bool = False) -> CourierDay:
    """Read a day.

    Args:
        orders: CSV with a heading: `order_id,placed_s,ready_s` and `pickup_x_m,pickup_y_m,dropoff_x_m,dropoff_y_m`, or
            `pickup_lat,pickup_lon,dropoff_lat,dropoff_lon` in degrees. Columns in any order; others are not read.
        couriers: CSV with a heading: `courier_id,on_s,off_s` and `x_m,y_m`, or `lat,lon`.
        keep_going: Leave wrong rows out, and name them in `rejected`, instead of refusing the file.

    Raises:
        BadInput: a file has no heading, lacks a column, or has no good row; or one speaks of metres, the other of degrees.
        BadRow: a row is wrong (`row` is its line; further ones are counted in the text): a number that is none, a negative time,
            a meal ready before it is ordered, a shift that ends before it begins, a place off the globe or absurdly far, an id twice.

    Cost:
        O(rows).
    """
    first, second = _read(orders, "orders"), _read(couriers, "couriers")
    if first.degrees != second.degrees:
        spoken = ["degrees" if t.degrees else "metres" for t in (first, second)]
        raise BadInput(f"{orders.name} speaks of {spoken[0]}, {couriers.name} of {spoken[1]}; wanted one of the two in both.")
    first, second = _far(first, orders, first), _far(second, couriers, first)
    rejected = sorted([*first.rejected, *second.rejected], key=lambda r: (r.file != orders.name, r.line))
    if rejected and not keep_going:
        one, others = rejected[0], len(rejected) - 1
        more = f" ({others} more wrong rows; --rejects FILE leaves them out and lists them)" if others else ""
        raise BadRow(one.line, f"{one.file}: {one.field}", one.value, f"{one.wanted}{more}")
    for table, path in ((first, orders), (second, couriers)):
        if not table.ids:
            raise BadInput(f"{path} holds no {'good ' if table.rejected else ''}row; wanted one or more below its heading.")
    return _day(first, second, tuple(rejected))


def day_of(orders: Mapping[str, NDArray[np.generic]], couriers: Mapping[str, NDArray[np.generic]]) -> CourierDay:
    """The day of columns in metres, named as in the files; they are taken as they are.

    Example:
        >>> zero = np.zeros(1)
        >>> orders = {"order_id": np.array(["a"]), "placed_s": zero, "ready_s": zero + 600.0, "pickup_x_m": zero,
        ...           "pickup_y_m": zero, "dropoff_x_m": zero + 500.0, "dropoff_y_m": zero}
        >>> couriers = {"courier_id": np.array(["c"]), "on_s": zero, "off_s": zero + 3600.0, "x_m": zero, "y_m": zero}
        >>> day_of(orders, couriers).dropoff_m.tolist()
        [[500.0, 0.0, 0.0]]
    """
    return CourierDay(
        np.asarray(orders["order_id"], dtype=np.str_),
        np.asarray(orders["placed_s"], dtype=np.float64),
        np.asarray(orders["ready_s"], dtype=np.float64),
        _flat(orders["pickup_x_m"], orders["pickup_y_m"]),
        _flat(orders["dropoff_x_m"], orders["dropoff_y_m"]),
        np.asarray(couriers["courier_id"], dtype=np.str_),
        np.asarray(couriers["on_s"], dtype=np.float64),
        np.asarray(couriers["off_s"], dtype=np.float64),
        _flat(couriers["x_m"], couriers["y_m"]),
    )


def _flat(x_m: NDArray[np.generic], y_m: NDArray[np.generic]) -> Floats:
    x, y = np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64)
    return np.stack([x, y, np.zeros(len(x))], axis=1)


def _day(orders: _Table, couriers: _Table, rejected: tuple[Rejected, ...]) -> CourierDay:
    place: Callable[[Floats, Floats], Floats] = _on_globe if orders.degrees else _flat
    o, c = orders.numbers, couriers.numbers
    return CourierDay(
        np.array(orders.ids),
        o[:, 0],
        o[:, 1],
        place(o[:, 2], o[:, 3]),
        place(o[:, 4], o[:, 5]),
        np.array(couriers.ids),
        c[:, 0],
        c[:, 1],
        place(c[:, 2], c[:, 3]),
        rejected,
    )


def _on_globe(lat: Floats, lon: Floats) -> Floats:
    """Points of the globe, shape (rows, 3), m. The chord between two is the arc but for 1 part in 10^6 up to 30 km."""
    north, east = np.radians(lat), np.radians(lon)
    return EARTH_RADIUS_M * np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1)


def _read(path: Path, what: str) -> _Table:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as e:
        raise BadInput(f"cannot read {path}: {e.strerror or e}; wanted the CSV file of {what}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text; wanted a CSV file of {what}.") from None
    if "\0" in text:
        raise BadInput(f"{path} holds NUL bytes; wanted a CSV file of {what}.")
    reader = csv.reader(io.StringIO(text, newline=""))
    heads = [h.strip().lower() for h in next(reader, [])]
    name, times = ("order_id", ORDER_TIMES) if what == "orders" else ("courier_id", COURIER_TIMES)
    degrees = not set(IN_METRES[what]) <= set(heads) and bool(set(IN_DEGREES[what]) & set(heads))
    wanted = (name, *times, *(IN_DEGREES if degrees else IN_METRES)[what])
    for column in wanted:
        if heads.count(column) != 1:
            which = "twice" if heads.count(column) > 1 else f"not at all (nearest: {known(column, [h for h in heads if h], 3)})"
            raise BadInput(
                f"{path}: the heading has {column!r} {which}; wanted {','.join(wanted)}"
                f"{'' if degrees else ', or places in degrees: ' + ','.join(IN_DEGREES[what])}."
            )
    ids: list[str] = []
    rows: list[list[float]] = []
    lines: list[int] = []
    rejected: list[Rejected] = []
    first_at: dict[str, int] = {}
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        wrong = _wrong(row, heads, wanted)
        if wrong is None and row[heads.index(name)].strip() in first_at:
            number = row[heads.index(name)].strip()
            wrong = (name, number, f"each id once; line {first_at[number]} has it too")
        if wrong is not None:
            rejected.append(Rejected(path.name, reader.line_num, *wrong))
            continue
        ids.append(row[heads.index(name)].strip())
        rows.append([float(row[heads.index(c)]) for c in wanted[1:]])
        lines.append(reader.line_num)
        first_at[ids[-1]] = reader.line_num
    return _Table(ids, np.array(rows).reshape(-1, len(wanted) - 1), np.array(lines, dtype=np.int64), degrees, rejected)


def _wrong(row: Sequence[str], heads: Sequence[str], wanted: Sequence[str]) -> tuple[str, str, str] | None:
    """What is wrong with a row: field, value and what was wanted; None where it is right."""
    if len(row) != len(heads):
        return "row", ",".join(row)[:80], f"{len(heads)} fields, as the heading has; {len(row)} came"
    cells = {c: row[heads.index(c)].strip() for c in wanted}
    if not cells[wanted[0]]:
        return wanted[0], "", "an id"
    values: dict[str, float] = {}
    for column in wanted[1:]:
        try:
            values[column] = float(cells[column])
        except ValueError:
            return column, cells[column], "a number"
        if not np.isfinite(values[column]):
            return column, cells[column], "a finite number"
        if column.endswith("_s") and values[column] < 0.0:
            return column, cells[column], "seconds, 0 or more"
        top = 90.0 if column.endswith("lat") else 180.0 if column.endswith("lon") else np.inf
        if abs(values[column]) > top:
            return (
                column,
                cells[column],
                f"degrees in -{top:g}..{top:g}{'; are latitude and longitude swapped?' if top == 90.0 else ''}",
            )
    if wanted[0] == "order_id" and values["ready_s"] < values["placed_s"]:
        return "ready_s", cells["ready_s"], f"placed_s ({cells['placed_s']}) or later; are the two swapped?"
    if wanted[0] == "courier_id" and not values["off_s"] > values["on_s"]:
        return "off_s", cells["off_s"], f"after on_s ({cells['on_s']}); are the two swapped?"
    return None


def _far(table: _Table, path: Path, orders: _Table) -> _Table:
    """The table without the rows whose places lie absurdly far from the middle of the pickups: swapped columns, wrong units."""
    if not table.ids or not orders.ids:
        return table
    place = _on_globe if table.degrees else _flat
    middle = np.median(place(orders.numbers[:, 2], orders.numbers[:, 3]), axis=0)
    names = (IN_DEGREES if table.degrees else IN_METRES)["orders" if table.numbers.shape[1] == 6 else "couriers"]
    far = np.zeros(len(table.ids), dtype=np.bool_)
    found: list[Rejected] = []
    for k in range(2, table.numbers.shape[1], 2):
        away = np.linalg.norm(place(table.numbers[:, k], table.numbers[:, k + 1]) - middle, axis=1)
        for row in np.flatnonzero((away > WIDEST_M) & ~far).tolist():
            value = f"{table.numbers[row, k]:g}, {table.numbers[row, k + 1]:g}"
            wanted = f"a place within {WIDEST_M / 1000.0:g} km of the day's pickups; it is {away[row] / 1000.0:,.0f} km away"
            found.append(Rejected(path.name, int(table.lines[row]), f"{names[k - 2]}, {names[k - 1]}", value, wanted))
        far |= away > WIDEST_M
    if not found:
        return table
    ids = [i for i, gone in zip(table.ids, far.tolist()) if not gone]
    return replace(table, ids=ids, numbers=table.numbers[~far], lines=table.lines[~far], rejected=[*table.rejected, *found])
