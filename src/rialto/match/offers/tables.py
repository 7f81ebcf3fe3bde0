"""Where the ledger's state lies: tables of records that only grow, and the indexes that find an order, a driver, a key or a pair."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DRIVER",
    "ENDED",
    "KEY",
    "OFFER",
    "ORDER",
    "PAIR",
    "TABLES",
    "Tables",
    "empty",
    "indexed",
    "mixed",
    "roomy",
    "used",
]

Records = NDArray[Any]

ORDER = np.dtype(
    {
        "names": ["id", "since_s", "until_s", "request", "driver", "number", "head", "tail", "state", "shared", "ended"],
        "formats": ["i8", "f8", "f8", "i8", "i8", "i8", "i4", "i4", "u1", "u1", "u1"],
    },
    align=True,
)
"""An order: `head` and `tail` of its standing offers (rows, -1 = none), and of the first of them, or of the last that there was,
its driver, number, request and `until_s`; `ended` is 1 once an offer of it ended, so that its pairs must be looked up."""

OFFER = np.dtype(
    {
        "names": ["number", "request", "until_s", "order", "driver", "after", "before", "next", "prev"],
        "formats": ["i8", "i8", "f8", "i4", "i4", "i4", "i4", "i4", "i4"],
    },
    align=True,
)
"""A standing offer, in a row that is used again once it has ended (`number` -1): rows of its order and driver, the neighbours in
its order's list (`before`, `after`) and in its driver's (`prev`, `next`)."""

DRIVER = np.dtype([("id", "i8"), ("head", "i4"), ("load", "i4"), ("gone", "u1"), ("freed", "u1")], align=True)
"""A driver: the first of his offers, how many there are, whether he left, and whether a place of his became free since asked."""

KEY = np.dtype([("a", "u8"), ("b", "u8"), ("at_s", "f8"), ("content", "u4"), ("answer", "u1")], align=True)
"""A key that was used: 128 bits of it, when, a checksum of what it was used for, and the reason's number that was answered."""

PAIR = np.dtype([("order", "i8"), ("driver", "i8"), ("kind", "u1")], align=True)
"""An order and a driver between whom an offer ended, and by what kind of message the last one did."""

ENDED = np.dtype([("request", "i8"), ("order", "i8"), ("driver", "i8"), ("time_s", "f8"), ("kind", "u1")], align=True)
"""An offer that was accepted, declined or expired."""

TABLES = {"orders": ORDER, "offers": OFFER, "drivers": DRIVER, "keys": KEY, "pairs": PAIR, "ended": ENDED}
"""Table -> its record; `counts[i]` rows of the i-th are in use."""

N_ORDERS, N_OFFERS, N_DRIVERS, N_KEYS, N_PAIRS, N_ENDED, FREE_OFFER, NEXT, LIVE = range(9)
"""Places in `counts`: rows in use a table, the first offer row to be used again, the next offer's number, offers that stand."""


class Tables(NamedTuple):
    """Everything a kernel needs; a named tuple, because numba takes one as an argument."""

    counts: NDArray[np.int64]
    orders: Records
    offers: Records
    drivers: Records
    keys: Records
    pairs: Records
    ended: Records
    order_at: NDArray[np.int32]
    driver_at: NDArray[np.int32]
    key_at: NDArray[np.int32]
    pair_at: NDArray[np.int32]


INDEXES = {"orders": "order_at", "drivers": "driver_at", "keys": "key_at", "pairs": "pair_at"}


def empty() -> Tables:
    """Tables with nothing in them."""
    counts = np.zeros(9, dtype=np.int64)
    counts[FREE_OFFER] = -1
    records: list[Records] = [np.zeros(64, dtype=record) for record in TABLES.values()]
    indexes: list[Any] = [np.zeros(128, dtype=np.int32) for _ in INDEXES]
    return Tables(counts, *records, *indexes)


def used(tables: Tables, name: str) -> Records:
    """The rows of a table that are in use; a view."""
    return getattr(tables, name)[: tables.counts[list(TABLES).index(name)]]


def roomy(tables: Tables, **more: int) -> Tables:
    """The same tables with room for `more` further rows, table by table.

    Cost:
        A table that is full is copied into one of twice the size: O(1) a row over time.
    """
    new: dict[str, Any] = {}
    for name, rows in more.items():
        old = getattr(tables, name)
        wanted = len(used(tables, name)) + rows
        if wanted > len(old):
            new[name] = np.zeros(1 << int(wanted - 1).bit_length(), dtype=old.dtype)
            new[name][: len(old)] = old
    if not new:
        return tables
    return indexed(tables._replace(**new), *(name for name in new if name in INDEXES))


def indexed(tables: Tables, *names: str) -> Tables:
    """The same tables with the indexes of `names` built anew, at most half full."""
    new: dict[str, Any] = {}
    for name in names:
        rows = used(tables, name)
        index = np.zeros(2 * len(getattr(tables, name)), dtype=np.int32)
        first, second = {"keys": ("a", "b"), "pairs": ("order", "driver")}.get(name, ("id", ""))
        left = rows[first].astype(np.uint64)
        _enter(index, left, rows[second].astype(np.uint64) if second else left)
        new[INDEXES[name]] = index
    return tables._replace(**new)


@nb.njit(cache=True, nogil=True, inline="always")
def mixed(a: Any, b: Any) -> Any:
    """A hash of two 64-bit numbers; an index of ids alone gives the id twice."""
    x = (a ^ (b << np.uint64(32)) ^ (b >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return x ^ (x >> np.uint64(32))


@nb.njit(cache=True, nogil=True)
def _enter(index: NDArray[np.int32], a: NDArray[np.uint64], b: NDArray[np.uint64]) -> None:
    mask = np.uint64(index.size - 1)
    for row in range(a.size):
        i = mixed(a[row], b[row]) & mask
        while index[i] != 0:
            i = (i + np.uint64(1)) & mask
        index[i] = row + 1
