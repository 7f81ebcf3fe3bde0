"""Kernels that find a row by hashing, and add one where there is none."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.kernels import kernel
from rialto.match.offers.tables import N_DRIVERS, N_KEYS, N_PAIRS, mixed

__all__ = [
    "checksum",
    "content_of",
    "driver_row",
    "key_place",
    "key_put",
    "order_place",
    "pair_kind",
    "pair_put",
    "warm",
    "warm_keys",
]

_ONE = np.uint64(1)


@kernel
def order_place(t: Any, order: int) -> tuple[Any, Any]:
    """The row of an order (-1 = unknown), and the place in the index where it is or would be."""
    index, mask, ident = t.order_at, np.uint64(t.order_at.size - 1), np.uint64(order)
    i = mixed(ident, ident) & mask
    while index[i] != 0:
        if t.orders[index[i] - 1].id == order:
            break
        i = (i + _ONE) & mask
    return np.int64(index[i]) - 1, np.int64(i)


@kernel
def driver_row(t: Any, driver: int, add: bool) -> Any:
    """The row of a driver; where he is unknown, -1, or with `add` a new one."""
    index, mask, ident = t.driver_at, np.uint64(t.driver_at.size - 1), np.uint64(driver)
    i = mixed(ident, ident) & mask
    while index[i] != 0:
        if t.drivers[index[i] - 1].id == driver:
            return np.int64(index[i]) - 1
        i = (i + _ONE) & mask
    if not add:
        return -1
    row = t.counts[N_DRIVERS]
    t.counts[N_DRIVERS] = row + 1
    d = t.drivers[row]
    d.id, d.head, d.load, d.gone, d.freed = driver, -1, 0, 0, 0
    index[i] = row + 1
    return row


@kernel
def key_place(t: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """The row of a key (-1 = never used), and the place in the index where it is or would be."""
    index, mask = t.key_at, np.uint64(t.key_at.size - 1)
    i = mixed(a, b) & mask
    while index[i] != 0:
        k = t.keys[index[i] - 1]
        if k.a == a and k.b == b:
            break
        i = (i + _ONE) & mask
    return np.int64(index[i]) - 1, np.int64(i)


@kernel
def key_put(t: Any, place: int, a: Any, b: Any, content: Any, answer: int, at_s: float) -> None:
    """Remember the answer to a key at the place that `key_place` gave."""
    row = t.counts[N_KEYS]
    t.counts[N_KEYS] = row + 1
    k = t.keys[row]
    k.a, k.b, k.at_s, k.content, k.answer = a, b, at_s, content, answer
    t.key_at[place] = row + 1


@kernel
def _pair_place(t: Any, order: int, driver: int) -> tuple[Any, Any]:
    index, mask = t.pair_at, np.uint64(t.pair_at.size - 1)
    i = mixed(np.uint64(order), np.uint64(driver)) & mask
    while index[i] != 0:
        p = t.pairs[index[i] - 1]
        if p.order == order and p.driver == driver:
            break
        i = (i + _ONE) & mask
    return np.int64(index[i]) - 1, np.int64(i)


@kernel
def pair_kind(t: Any, order: int, driver: int) -> Any:
    """The kind of message that ended the last offer of a pair; -1 where none has ended."""
    row, _ = _pair_place(t, order, driver)
    return np.int64(t.pairs[row].kind) if row >= 0 else -1


@kernel
def pair_put(t: Any, order: int, driver: int, kind: int) -> None:
    """Remember what ended the last offer of a pair."""
    row, place = _pair_place(t, order, driver)
    if row < 0:
        row = t.counts[N_PAIRS]
        t.counts[N_PAIRS] = row + 1
        p = t.pairs[row]
        p.order, p.driver = order, driver
        t.pair_at[place] = row + 1
    t.pairs[row].kind = kind


@kernel
def warm(t: Any, orders: NDArray[np.int64], drivers: NDArray[np.int64]) -> Any:
    """Read what rows about these orders and drivers will need, so that the processor has it near; what it returns means nothing."""
    order_mask, driver_mask = np.uint64(t.order_at.size - 1), np.uint64(t.driver_at.size - 1)
    found = np.int64(0)
    for i in range(orders.size):  # indexes first: none of these reads waits for another
        order, driver = np.uint64(orders[i]), np.uint64(drivers[i])
        found += t.order_at[mixed(order, order) & order_mask] ^ t.driver_at[mixed(driver, driver) & driver_mask]
    for i in range(orders.size):
        order, driver = np.uint64(orders[i]), np.uint64(drivers[i])
        found ^= t.orders[max(t.order_at[mixed(order, order) & order_mask] - 1, 0)].head
        found ^= t.drivers[max(t.driver_at[mixed(driver, driver) & driver_mask] - 1, 0)].load
    for i in range(orders.size):
        order = np.uint64(orders[i])
        found ^= t.offers[max(t.orders[max(t.order_at[mixed(order, order) & order_mask] - 1, 0)].head, 0)].number
    return found


@kernel
def warm_keys(t: Any, keys: NDArray[np.uint64]) -> Any:
    """Read where these keys are or would be; as `warm`."""
    mask, found = np.uint64(t.key_at.size - 1), np.int64(0)
    for i in range(keys.shape[0]):
        found ^= t.key_at[mixed(keys[i, 0], keys[i, 1]) & mask]
    return found


@nb.njit(cache=True, nogil=True, inline="always")
def content_of(kind: int, order: int, driver: int, offer: int) -> Any:
    """32 bits of what a message says: the same key with another content is told from a repeat."""
    x = mixed(np.uint64(order), np.uint64(driver))
    return np.uint32(mixed(x, np.uint64(offer) * np.uint64(16) + np.uint64(kind)) & np.uint64(0xFFFFFFFF))


@kernel
def checksum(words: NDArray[np.uint64], seed: int) -> Any:
    """63 bits of a column of 64-bit words; not for keeping out an enemy, only for telling what differs."""
    x = np.uint64(seed) ^ np.uint64(words.size)
    for word in words:
        x = (x ^ word) * np.uint64(0x9E3779B97F4A7C15)
        x = x ^ (x >> np.uint64(29))
    return np.int64(mixed(x, x) >> np.uint64(1))
