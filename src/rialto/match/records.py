"""What `match` speaks of, in columns: Drivers, Orders, Pings, and the Plane they stand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, known
from rialto.match.order_rows import LATER, faults
from rialto.match.plane import EARTH_RADIUS_M, Plane
from rialto.records import Columns, Requests

__all__ = ["CAPACITY", "EARTH_RADIUS_M", "FREE", "Drivers", "Orders", "Pings", "Plane", "request_ids"]

FREE = np.uint64(1 << 63)
"""Eligibility bit of a driver whom no order holds, or, in the index, who has a place left for one more; every search asks for it.

Bits 0..62 are the fleet's.
"""

CAPACITY = ("weight_kg", "volume_l", "seats")
"""What a driver can carry and an order takes up: columns of both."""


def _absent() -> NDArray[np.float64]:
    return np.zeros(0)


def _unmade() -> NDArray[np.int64]:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns of one length: takes rows, joins, checks. Every field of a subclass is a column."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def columns(self) -> dict[str, NDArray[Any]]:
        """Every column by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Self:
        """The rows at `rows`, in that order."""
        return type(self)(**{k: v[rows] for k, v in self.columns().items()})

    @classmethod
    def join(cls, first: Self, second: Self) -> Self:
        """The rows of `first`, then those of `second`."""
        other = second.columns()
        return cls(**{k: np.concatenate([v, other[k]]) for k, v in first.columns().items()})

    def _check(self, what: str) -> None:
        columns = self.columns()
        size = len(self)
        for name, values in columns.items():
            if np.ndim(values) != 1 or len(values) != size:
                raise BadInput(
                    f"{what}: column {name!r} has shape {np.shape(values)}; wanted ({size},), as the first column has."
                )

    def _fill(self, value: float | np.int64, *names: str) -> None:
        """Columns that were not given, as by a log older than they are, hold `value`."""
        for name in names:
            if len(getattr(self, name)) == 0:
                object.__setattr__(self, name, np.full(len(self), value))

    def _known(self, *names: str) -> None:
        for name in names:
            bad = np.flatnonzero(np.isnan(getattr(self, name)))
            if len(bad):
                raise BadRow(int(bad[0]) + 1, name, float("nan"), "a number, or inf for none")

    def _unique(self, what: str) -> None:
        ids: NDArray[np.int64] = self.columns()["ids"]
        numbers, first, counts = np.unique(ids, return_index=True, return_counts=True)
        if len(numbers) != len(ids):
            twice = int(np.argmax(counts > 1))
            raise BadRow(int(first[twice]) + 1, "ids", int(numbers[twice]), f"each {what} once; it came {counts[twice]} times")


@dataclass(frozen=True, slots=True)
class Drivers(_Table):
    """A fleet, a row a driver.

    Args:
        ids: Shape (drivers,), int64, unique, >= 0.
        flags: Eligibility bits (vehicle, skills, zones to work in ...), shape (drivers,), uint64; bit 63 (`FREE`) is the system's.
        shift_end_s: When each must be free of orders, shape (drivers,), seconds UTC; inf = open.
        home_lat, home_lon: Where each wants to end the day, shape (drivers,), degrees; NaN = unknown.
        shift_start_s: When each begins, shape (drivers,), seconds UTC; -inf = open.
        break_start_s, break_end_s: Their break, shape (drivers,), seconds UTC; inf = none.
        weight_kg, volume_l, seats: What each can carry at once, shape (drivers,); inf = whatever comes.

    Raises:
        BadInput: ids are not whole numbers, or a column has another length.
        BadRow: an id comes twice or is negative, a time or a capacity is NaN, or a break ends before it begins.

    Example:
        >>> Drivers.of(np.array([4, 9])).shift_end_s.tolist()
        [inf, inf]
    """

    ids: NDArray[np.int64]
    flags: NDArray[np.uint64]
    shift_end_s: NDArray[np.float64]
    home_lat: NDArray[np.float64]
    home_lon: NDArray[np.float64]
    shift_start_s: NDArray[np.float64] = field(default_factory=_absent)
    break_start_s: NDArray[np.float64] = field(default_factory=_absent)
    break_end_s: NDArray[np.float64] = field(default_factory=_absent)
    weight_kg: NDArray[np.float64] = field(default_factory=_absent)
    volume_l: NDArray[np.float64] = field(default_factory=_absent)
    seats: NDArray[np.float64] = field(default_factory=_absent)

    def __post_init__(self) -> None:
        self._fill(-np.inf, "shift_start_s")
        self._fill(np.inf, "break_start_s", "break_end_s", *CAPACITY)
        self._check("drivers")
        self._unique("driver")
        self._known("shift_start_s", "shift_end_s", "break_start_s", "break_end_s", *CAPACITY)
        wrong = np.flatnonzero(self.break_end_s < self.break_start_s)
        if len(wrong):
            raise BadRow(int(wrong[0]) + 1, "break_end_s", float(self.break_end_s[wrong[0]]), "a break that ends after it began")
        if len(self) and self.ids.min() < 0:
            raise BadRow(int(self.ids.argmin()) + 1, "ids", int(self.ids.min()), "a driver number of 0 or more")

    @classmethod
    def of(
        cls,
        ids: NDArray[Any],
        *,
        flags: NDArray[Any] | None = None,
        shift_end_s: NDArray[Any] | None = None,
        home_lat: NDArray[Any] | None = None,
        home_lon: NDArray[Any] | None = None,
        **more: NDArray[Any],
    ) -> Drivers:
        """Drivers with no special bits, open shifts, no breaks, room for whatever comes and unknown homes, as far as not given."""
        size = len(ids)
        return cls(
            _ids(ids, "ids"),
            _or(flags, size, np.uint64(0)),
            _or(shift_end_s, size, np.float64(np.inf)),
            _or(home_lat, size, np.float64(np.nan)),
            _or(home_lon, size, np.float64(np.nan)),
            **_given(more, cls, "shift_start_s", "break_start_s", "break_end_s", *CAPACITY),
        )


@dataclass(frozen=True, slots=True)
class Orders(_Table):
    """Orders that want a driver, a row each.

    Args:
        ids: Shape (orders,), int64, unique.
        placed_s: When each was placed, shape (orders,), seconds UTC.
        lat, lon: Where it is picked up, shape (orders,), degrees.
        need: Bits that its driver must hold, shape (orders,), uint64.
        value_cents: What it is worth, shape (orders,), int64.
        customer: Who placed it, shape (orders,), int64; blocked pairs are looked up by it.
        expire_s: When the customer gives up, shape (orders,), seconds UTC; inf = never.
        drop_lat, drop_lon: Where it goes, shape (orders,), degrees; NaN = unknown.
        weight_kg, volume_l, seats: What its driver must have free, shape (orders,).
        due_s: When it was promised at its drop, shape (orders,), seconds UTC; inf = nothing was promised.
        merchant: Who makes it, shape (orders,), int64; -1 = nobody: it lies ready.
        ready_s: When it can be picked up, shape (orders,), seconds UTC; NaN = not told.
        incentive_cents: What its driver is paid on top, shape (orders,).

    Raises:
        BadInput: ids are not whole numbers, or a column has another length.
        BadRow: an id comes twice, a place is none on Earth, a time, load or incentive is not finite, `expire_s` or `due_s` is NaN, or
            `ready_s` is inf. `sifted` leaves such rows out instead.

    Example:
        >>> orders = Orders.of(np.array([1, 2]), lat=np.array([52.0, 52.1]), lon=np.array([13.0, 13.1]), placed_s=np.zeros(2))
        >>> len(orders), orders.take(np.array([1])).ids.tolist()
        (2, [2])
    """

    ids: NDArray[np.int64]
    placed_s: NDArray[np.float64]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    need: NDArray[np.uint64]
    value_cents: NDArray[np.int64]
    customer: NDArray[np.int64]
    expire_s: NDArray[np.float64]
    drop_lat: NDArray[np.float64]
    drop_lon: NDArray[np.float64]
    weight_kg: NDArray[np.float64] = field(default_factory=_absent)
    volume_l: NDArray[np.float64] = field(default_factory=_absent)
    seats: NDArray[np.float64] = field(default_factory=_absent)
    due_s: NDArray[np.float64] = field(default_factory=_absent)
    merchant: NDArray[np.int64] = field(default_factory=_unmade)
    ready_s: NDArray[np.float64] = field(default_factory=_absent)
    incentive_cents: NDArray[np.float64] = field(default_factory=_absent)

    def __post_init__(self) -> None:
        for name, value in LATER.items():
            self._fill(value, name)
        self._check("orders")
        self._unique("order")
        for name, wrong, wanted in faults({k: v for k, v in self.columns().items() if k != "ids"}):
            if wrong.any():
                row = int(wrong.argmax())
                raise BadRow(row + 1, name, getattr(self, name)[row].item(), wanted)

    @classmethod
    def of(
        cls,
        ids: NDArray[Any],
        *,
        lat: NDArray[Any],
        lon: NDArray[Any],
        placed_s: NDArray[Any],
        need: NDArray[Any] | None = None,
        value_cents: NDArray[Any] | None = None,
        customer: NDArray[Any] | None = None,
        expire_s: NDArray[Any] | None = None,
        drop_lat: NDArray[Any] | None = None,
        drop_lon: NDArray[Any] | None = None,
        merchant: NDArray[Any] | None = None,
        **more: NDArray[Any],
    ) -> Orders:
        """Orders with no needs, no load, no value, nobody's, ready, never given up and going who knows where, as far as not given."""
        size = len(ids)
        return cls(
            _ids(ids, "ids"),
            np.asarray(placed_s, dtype=np.float64),
            np.asarray(lat, dtype=np.float64),
            np.asarray(lon, dtype=np.float64),
            _or(need, size, np.uint64(0)),
            _or(value_cents, size, np.int64(0)),
            _or(customer, size, np.int64(-1)),
            _or(expire_s, size, np.float64(np.inf)),
            _or(drop_lat, size, np.float64(np.nan)),
            _or(drop_lon, size, np.float64(np.nan)),
            merchant=_or(merchant, size, np.int64(-1)),
            **_given(more, cls, *CAPACITY, "due_s", "ready_s", "incentive_cents"),
        )

    @classmethod
    def sifted(cls, columns: Mapping[str, NDArray[Any]]) -> tuple[Orders, list[BadRow]]:
        """The orders of the good rows of a batch, and what is wrong with each of the others.

        Args:
            columns: By name, as `of` takes them, shape (rows,) each; `ids`, `lat`, `lon` and `placed_s` must be there. Of an id that comes
                twice the first row is good.

        Raises:
            BadInput: a column is missing, unknown, or of another length, or ids are not whole numbers: no row can be told.

        Example:
            >>> good, bad = Orders.sifted({"ids": np.array([1, 2]), "lat": np.array([913.4, 52.0]), "lon": np.zeros(2), "placed_s": np.zeros(2)})
            >>> good.ids.tolist(), str(bad[0])
            ([2], "row 1, field 'lat': got 913.4; wanted degrees in -90..90.")
        """
        given = {name: np.asarray(values) for name, values in columns.items()}
        lacking = [name for name in ("ids", "lat", "lon", "placed_s") if name not in given]
        if lacking:
            raise BadInput(f"the orders have no column {lacking[0]!r}; they have {', '.join(given) or 'none'}. Give one.")
        ids = _ids(given["ids"], "ids")
        for name, values in given.items():
            if values.shape != ids.shape:
                raise BadInput(f"orders: column {name!r} has shape {values.shape}; wanted {ids.shape}, as `ids` has.")
        bad: dict[int, BadRow] = {}
        for name, wrong, wanted in faults({**given, "ids": ids}):
            for row in np.flatnonzero(wrong).tolist():
                bad.setdefault(row, BadRow(row + 1, name, given[name][row].item(), wanted))
        good = np.ones(len(ids), dtype=np.bool_)
        good[list(bad)] = False
        rest = {name: values[good] for name, values in given.items() if name != "ids"}
        return cls.of(ids[good], **rest), [bad[row] for row in sorted(bad)]

    @staticmethod
    def filled(columns: Columns) -> Columns:
        """The columns of a log's orders, with those that it is too old to have; not checked, as what was taken once stays taken."""
        size = len(columns["ids"])
        return {f.name: columns[f.name] if f.name in columns else np.full(size, LATER[f.name]) for f in fields(Orders)}

    def told(self) -> dict[str, NDArray[Any]]:
        """Columns by name; `merchant`, `ready_s` and `incentive_cents` are left out where no order has any: neither logs nor windows carry them."""
        plain = {"merchant": self.merchant.max(initial=-1) < 0, "ready_s": bool(np.isnan(self.ready_s).all())}
        plain["incentive_cents"] = not self.incentive_cents.any()
        return {name: column for name, column in self.columns().items() if not plain.get(name)}

    @classmethod
    def none(cls) -> Orders:
        """No orders."""
        nothing = np.zeros(0)
        return cls.of(nothing, lat=nothing, lon=nothing, placed_s=nothing)

    def requests(self, plane: Plane, *, at_s: float) -> Requests:
        """The batch that the spine sees at `at_s`: the columns of `told`, `order` for its id, its places on `plane`."""
        x_m, y_m = plane.xy(self.lat, self.lon)
        drop_x_m, drop_y_m = plane.xy(self.drop_lat, self.drop_lon)
        columns = {k: v for k, v in self.told().items() if k != "ids"}
        ids = request_ids(self.ids, at_s)
        placed = {"order": self.ids, "x_m": x_m, "y_m": y_m, "drop_x_m": drop_x_m, "drop_y_m": drop_y_m}
        return Requests.of({**columns, **placed}, ids=ids, time_s=at_s)


@dataclass(frozen=True, slots=True)
class Pings(_Table):
    """Positions as they arrive: any order, repeats and nonsense included; `Track` judges each row.

    Args:
        driver: Shape (pings,), int64.
        lat, lon: Degrees, shape (pings,).
        time_s: When the phone measured it, shape (pings,), seconds UTC.
        accuracy_m: Radius that holds the truth in 68 % of cases, shape (pings,).
        heading_deg: Direction of travel, clockwise from north, shape (pings,); NaN = unknown.
    """

    driver: NDArray[np.int64]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    time_s: NDArray[np.float64]
    accuracy_m: NDArray[np.float64]
    heading_deg: NDArray[np.float64]

    def __post_init__(self) -> None:
        self._check("pings")

    @classmethod
    def of(
        cls,
        driver: NDArray[Any],
        *,
        lat: NDArray[Any],
        lon: NDArray[Any],
        time_s: NDArray[Any],
        accuracy_m: NDArray[Any] | None = None,
        heading_deg: NDArray[Any] | None = None,
    ) -> Pings:
        """Pings of 10 m accuracy and unknown heading where those are not given."""
        size = len(driver)
        return cls(
            _ids(driver, "driver"),
            np.asarray(lat, dtype=np.float64),
            np.asarray(lon, dtype=np.float64),
            np.asarray(time_s, dtype=np.float64),
            _or(accuracy_m, size, np.float64(10.0)),
            _or(heading_deg, size, np.float64(np.nan)),
        )


def _ids(values: NDArray[Any], name: str) -> NDArray[np.int64]:
    if len(values) and np.asarray(values).dtype.kind not in "iu":
        raise BadInput(
            f"{name} are {np.asarray(values).dtype}, the first {values[0]!r}; wanted whole numbers: cast them where they are."
        )
    return np.asarray(values, dtype=np.int64)


def _given(more: dict[str, NDArray[Any]], table: type, *names: str) -> dict[str, NDArray[np.float64]]:
    """Columns given by name, as numbers; another name is an error."""
    unknown = sorted(more.keys() - set(names))
    if unknown:
        raise BadInput(
            f"{table.__name__} have no column {unknown[0]!r}; known: {known(unknown[0], [f.name for f in fields(table)])}."
        )
    return {name: np.asarray(values, dtype=np.float64) for name, values in more.items()}


def _or(values: NDArray[Any] | None, size: int, fill: np.generic) -> NDArray[Any]:
    """`values` in the type of `fill`, or a column of `fill` where there are none."""
    return np.full(size, fill) if values is None else np.asarray(values, dtype=fill.dtype)


def request_ids(orders: NDArray[np.int64], at_s: float) -> NDArray[np.uint64]:
    """One id for each order in the window at `at_s`, shape (orders,): an order that waits asks anew in each window.

    Example:
        >>> now, later = request_ids(np.array([5]), 10.0), request_ids(np.array([5]), 12.0)
        >>> bool(now[0] != later[0]), bool(now[0] == request_ids(np.array([4, 5]), 10.0)[1])
        (True, True)
    """
    window = np.uint64(round(at_s * 1000.0) & 0xFFFFFFFFFFFFFFFF)
    with np.errstate(over="ignore"):
        mixed = np.asarray(orders).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + window * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0x94D049BB133111EB)
        # 63 bits: outcome events carry the id as a JSON integer, and some readers hold signed 64-bit numbers only
        return (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(1)
