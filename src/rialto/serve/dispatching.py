"""What a dispatch team sends, row by row, and what it is answered: the columns that may come, and their checks."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from rialto.match.ledger import KINDS
from rialto.match.offers import Messages, keys_of
from rialto.match.records import CAPACITY, Drivers, Orders, Pings, Plane
from rialto.match.track import Judged
from rialto.serve.rows import NAMED, Column, Fault, Rows

__all__ = [
    "ANSWERS", "BLOCKED", "CODES", "DRIVERS", "EARNINGS", "LOADS", "ORDERS", "POSITIONS", "PROMISED_S", "READY", "AnswerOut", "BadRowOut", "Told",
    "drivers_of", "judged", "keys_given", "messages_of", "orders_of", "pings_of", "told",
]  # fmt: skip

NEWEST_S = 1e11
"""No time in seconds is as late as this; one in milliseconds is."""

AHEAD_S, BEHIND_S = 300.0, 86_400.0
"""How far in the future, and in the past, an order may have been placed."""

PROMISED_S = 86_400.0
"""How far ahead a merchant may tell when an order will be ready."""

_INF, _NAN = float("inf"), float("nan")
_ID = "a whole number from 0 to 2^63 - 1"
_SECONDS = "seconds since 1970, UTC (not milliseconds)"
_LOAD = [Column(n, "number", "a number of 0 or more", 0.0, 1e9, 0.0) for n in ("weight_kg", "volume_l", "seats")]
_ROOM = [Column(n, "number", "a number of 0 or more", 0.0, _INF, _INF) for n in ("weight_kg", "volume_l", "seats")]

DRIVERS = [
    Column("id", "whole", _ID, 0),
    Column("flags", "whole", "bits 0 to 62 as a whole number", 0, default=0),
    Column("shift_start_s", "number", _SECONDS, -_INF, NEWEST_S, -_INF),
    Column("shift_end_s", "number", _SECONDS, 0, NEWEST_S, _INF),
    Column("break_start_s", "number", _SECONDS, 0, NEWEST_S, _INF),
    Column("break_end_s", "number", _SECONDS, 0, NEWEST_S, _INF),
    Column("home_lat", "number", "degrees in -90..90", -90, 90, _NAN),
    Column("home_lon", "number", "degrees in -180..180", -180, 180, _NAN),
    *_ROOM,
]
"""Of an enrolment."""

POSITIONS = [
    Column("driver", "whole", _ID, checked=False),
    *(Column(n, checked=False) for n in ("lat", "lon", "time_s")),
    Column("accuracy_m", default=10.0, checked=False),
    Column("heading_deg", default=_NAN, checked=False),
]
"""Of positions; `Track` judges their values."""

ORDERS = [
    Column("id", "whole", _ID, 0, default=-1),
    Column("key", "text", "a printable text of 1 to 200 characters", default=""),
    Column("lat", "number", "degrees in -90..90", -90, 90),
    Column("lon", "number", "degrees in -180..180", -180, 180),
    Column("placed_s", "number", _SECONDS, 0, NEWEST_S, _NAN),
    Column("drop_lat", "number", "degrees in -90..90", -90, 90, _NAN),
    Column("drop_lon", "number", "degrees in -180..180", -180, 180, _NAN),
    Column("need", "whole", "bits 0 to 62 as a whole number", 0, default=0),
    Column("value_cents", "whole", "cents, a whole number of 0 or more", 0, 10**12, 0),
    Column("customer", "whole", "a whole number of -1 or more", -1, default=-1),
    Column("expire_s", "number", _SECONDS, 0, NEWEST_S, _INF),
    Column("due_s", "number", _SECONDS, 0, NEWEST_S, _INF),
    Column("merchant", "whole", "a whole number of -1 or more", -1, default=-1),
    Column("ready_s", "number", _SECONDS, 0, NEWEST_S, _NAN),
    Column("incentive_cents", "whole", "cents, a whole number of 0 or more", 0, 10**9, 0),
    *_LOAD,
]
"""Of orders."""

ANSWERS = [
    Column("key", "text", "a printable text of 1 to 200 characters", default=""),
    Column("kind", "text", "one of accepted, declined, released, picked_up, delivered, cancelled, left, came"),
    Column("order", "whole", _ID, 0, default=-1),
    Column("driver", "whole", _ID, 0, default=-1),
    Column("offer", "whole", _ID, 0, default=-1),
]
"""Of what drivers and customers say."""

BLOCKED = [
    Column("customer", "whole", _ID, 0),
    Column("driver", "whole", _ID, 0),
    Column("barred", "whole", "1 to keep them apart, 0 to let them meet again", 0, 1, 1),
]
"""Of pairs that must not meet."""

LOADS = [Column("driver", "whole", _ID, 0), *(Column(n, "number", "a number of 0 or more", 0.0, 1e9, 0.0) for n in CAPACITY)]
"""Of what drivers have on board."""

EARNINGS = [
    Column("key", "text", "a printable text of 1 to 200 characters", default=""),
    Column("driver", "whole", _ID, 0),
    Column("cents", "whole", "cents, a whole number of 0 to a million million", 0, 10**12),
]
"""Of what drivers were paid."""

READY = [
    Column("order", "whole", _ID, 0),
    Column("merchant", "whole", _ID, 0),
    Column("ready_s", "number", _SECONDS, 0, NEWEST_S),
]
"""Of when orders are ready, or will be."""

CODES = (
    "done", "unknown_order", "order_waiting", "order_offered", "order_assigned", "order_picked_up", "order_delivered", "order_cancelled",
    "another_driver_holds_it", "offer_over", "offer_expired", "another_was_faster", "key_used", "driver_full", "driver_left",
    "refused_before", "stands_already", "no_driver", "unknown_kind", "no_key",
)  # fmt: skip
"""What programs decide by: a name for each of the ledger's reasons."""


class BadRowOut(BaseModel):
    """A row that was left out."""

    row: int = Field(description="Counted from 1.")
    field: str
    reason: str = Field(description="To decide by.")
    problem: str = Field(description="What came and what was wanted.")


class Told(BaseModel):
    """What became of a batch's rows."""

    rows: int
    taken: int = Field(description="Rows that went in now.")
    counts: dict[str, int] = Field(description="Reason -> rows; they add up to `rows`.")
    bad: list[BadRowOut] = Field(description=f"The first {NAMED} rows that were left out.")
    ids: list[int] = Field(
        default=[], description="Of orders that were sent by key: their numbers, row by row; -1 for a bad row."
    )


class AnswerOut(BaseModel):
    """Whether a message was acted on."""

    row: int
    done: bool
    code: str = Field(description=f"One of {', '.join(CODES)}, or `bad_row`.")
    reason: str = Field(description="The same in words; empty where it was done.")


def told(
    rows: Rows, counts: dict[str, int], *, taken: int, faults: list[Fault] | None = None, ids: list[int] | None = None
) -> dict[str, Any]:
    """A batch's answer as `Told` describes it."""
    both: list[Fault] = [*rows.faults, *(faults or [])]
    named = sorted(both, key=lambda f: f.row)[:NAMED]
    every = {k: counts.get(k, 0) + rows.counts.get(k, 0) for k in {**counts, **rows.counts}}
    every = {reason: n for reason, n in every.items() if n}
    bad = [{"row": f.row, "field": f.field, "reason": f.reason, "problem": f.problem} for f in named]
    return {"rows": rows.size, "taken": taken, "counts": every, "bad": bad, "ids": ids or []}


def drivers_of(rows: Rows) -> Drivers:
    """The drivers of an enrolment's good rows; refuses rows that come twice or end a break before it begins."""
    c = rows.columns
    _once(rows, c["id"])
    rows.refuse(c["break_end_s"] < c["break_start_s"], "break_end_s", "bad_value", "a break that ends after it began")
    rows.refuse(c["shift_end_s"] < c["shift_start_s"], "shift_end_s", "bad_value", "a shift that ends after it began")
    names = [col.name for col in DRIVERS if col.name not in ("id", "flags")]
    return Drivers.of(rows.of("id"), flags=rows.of("flags").astype(np.uint64), **{n: rows.of(n) for n in names})


def pings_of(rows: Rows) -> Pings:
    """The positions of the good rows."""
    return Pings.of(rows.of("driver"), **{c.name: rows.of(c.name) for c in POSITIONS[1:]})


def judged(rows: Rows, judgement: Judged) -> dict[str, Any]:
    """What became of positions, as `Told` describes it."""
    good, counts = rows.good, judgement.counts
    faults = [_hinted(Fault(int(good[e.row - 1]) + 1, e.field, str(e.wanted).rpartition("(")[2].rstrip(")"), f"{e}".partition(": ")[2]), e.value)
              for e in judgement.refused(NAMED)]  # fmt: skip
    return told(rows, counts, taken=counts.get("taken", 0), faults=faults)


def _hinted(fault: Fault, value: object) -> Fault:
    if fault.field == "time_s" and isinstance(value, float) and abs(value) >= NEWEST_S:
        return Fault(fault.row, fault.field, fault.reason, f"{fault.problem} It looks like milliseconds; send seconds.")
    return fault


def orders_of(rows: Rows, plane: Plane, *, now_s: float, reach_m: float, key: str = "") -> Orders:
    """The orders of the good rows; refuses those that are out of reach, out of time, out of order, or come twice.

    Args:
        rows: As they were read; `id` is filled in where a row has a key instead.
        plane: The fleet's map.
        now_s: Now; an order without a time was placed now.
        reach_m: How far from the middle of the map a pickup may be.
        key: The batch's own key: a row without number and key is known by it and its place.
    """
    c = rows.columns
    _numbered(rows, key)
    _placed(rows, plane, reach_m)
    c["placed_s"] = np.where(np.isnan(c["placed_s"]), now_s, c["placed_s"])
    rows.refuse(c["placed_s"] > now_s + AHEAD_S, "placed_s", "future", f"a time up to now, {now_s:.0f} s: set the clock")
    rows.refuse(c["placed_s"] < now_s - BEHIND_S, "placed_s", "stale", f"a time of the last day; it is {now_s:.0f} s")
    rows.refuse(c["expire_s"] < np.maximum(now_s, c["placed_s"]), "expire_s", "over", f"a time to come; it is {now_s:.0f} s")
    rows.refuse(c["due_s"] < c["placed_s"], "due_s", "impossible", "a time after the order was placed")
    _once(rows, c["id"])
    names = [col.name for col in ORDERS if col.name not in ("id", "key", "need")]
    return Orders.of(rows.of("id"), need=rows.of("need").astype(np.uint64), **{n: rows.of(n) for n in names})


def _numbered(rows: Rows, key: str) -> None:
    c = rows.columns
    unnamed = ~rows.given["id"]
    keyed = np.array([bool(k) for k in c["key"].tolist()], dtype=np.bool_)
    rows.refuse(unnamed & ~keyed & (not key), "id", "no_id", "a number `id`, a text `key`, or the header Idempotency-Key")
    rows.refuse(keyed & ~unnamed, "key", "id_and_key", "`id` or `key`, not both")
    names = c["key"].tolist()
    for row in np.flatnonzero(unnamed & ~rows.bad).tolist():
        c["id"][row] = number_of(names[row] or f"{key}#{row + 1}")


def number_of(key: str) -> int:
    """The order's number that stands for a key: 62 bits, with bit 62 set, so that it is no number that people count with.

    Example:
        >>> number_of("shop-7-order-12") == number_of("shop-7-order-12")
        True
    """
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") >> 2 | 1 << 62


def _placed(rows: Rows, plane: Plane, reach_m: float) -> None:
    c = rows.columns
    for lat, lon in (("lat", "lon"), ("drop_lat", "drop_lon")):
        x_m, y_m = plane.xy(c[lat], c[lon])
        far = np.hypot(x_m, y_m) > reach_m
        with np.errstate(invalid="ignore"):
            x_m, y_m = plane.xy(c[lon], c[lat])
            swapped = far & (np.abs(c[lon]) <= 90.0) & (np.hypot(x_m, y_m) <= reach_m)
        came = list(zip(c[lat].tolist(), c[lon].tolist())) if far.any() else None
        rows.refuse(swapped, f"{lat}, {lon}", "swapped", "latitude first: these two are the wrong way round", came=came)
        rows.refuse(far, f"{lat}, {lon}", "out_of_range", f"degrees within {reach_m:.0f} m of the map's middle", came=came)
    half = np.isnan(c["drop_lat"]) != np.isnan(c["drop_lon"])
    rows.refuse(half, "drop_lat, drop_lon", "bad_value", "both, or neither")


def _once(rows: Rows, ids: NDArray[np.int64]) -> None:
    good = rows.good
    _, first = np.unique(ids[good], return_index=True)
    again = np.zeros(rows.size, dtype=np.bool_)
    again[np.delete(good, first)] = True
    rows.refuse(again, "id", "twice", "each id once in a batch; the first one goes in")


def keys_given(rows: Rows, *, key: str = "") -> list[str]:
    """A key for each row: its own, or the batch's and its place; refuses the rows that have neither."""
    keys = [k or (f"{key}#{row}" if key else "") for row, k in enumerate(rows.columns["key"].tolist(), 1)]
    no_key = np.array([not k for k in keys], dtype=np.bool_)
    rows.refuse(no_key, "key", "no_key", "a key in each row, or the header Idempotency-Key: a repeat must not act twice")
    return keys


def messages_of(rows: Rows, *, key: str = "") -> Messages:
    """The messages of the good rows; refuses those without a key, a kind that is said here, or whom they are about."""
    c = rows.columns
    kinds: list[str] = c["kind"].tolist()
    wrong = np.array([k not in KINDS or k == "expired" for k in kinds], dtype=np.bool_)
    rows.refuse(wrong, "kind", "unknown_kind", ANSWERS[1].wanted)
    keys = keys_given(rows, key=key)
    alone = np.array([k in ("left", "came") for k in kinds], dtype=np.bool_)
    rows.refuse((c["order"] < 0) & ~alone, "order", "no_order", _ID)
    needed = np.array([k != "cancelled" for k in kinds], dtype=np.bool_)
    rows.refuse((c["driver"] < 0) & needed, "driver", "no_driver", _ID)
    good = rows.good.tolist()
    number = np.array([KINDS.index(kinds[row]) for row in good], dtype=np.uint8)
    return Messages(keys_of([keys[row] for row in good]), number, *(rows.of(n) for n in ("order", "driver", "offer")))
