"""From pairs to who bids for what: which pairs are worth their cost, drivers by slot, and the side of each component that bids."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.spine.decide.assign.rows import Bools, Floats, Ints

__all__ = ["bidders", "slots", "worth"]


@njit(cache=True, nogil=True)
def worth(owner: Ints, cost: Floats, unmatched: Floats, least: float) -> tuple[Bools, int]:
    """Which pairs cost less than waiting, and the first whose cost is NaN or below `least` (-1 = none)."""
    good, bad = np.empty(owner.size, np.bool_), -1
    for p in range(owner.size):
        good[p] = cost[p] < unmatched[owner[p]]
        if not cost[p] >= least and bad < 0:
            bad = p
    return good, bad


@njit(cache=True, nogil=True)
def _range(ids: Ints, use: Bools) -> tuple[np.int64, np.int64, int]:
    low, high, many = np.int64(np.iinfo(np.int64).max), np.int64(np.iinfo(np.int64).min), 0
    for p in range(ids.size):
        if use[p]:
            low, high, many = min(low, ids[p]), max(high, ids[p]), many + 1
    return (low, high, many) if many else (np.int64(0), np.int64(0), 0)


@njit(cache=True, nogil=True)
def slots(ids: Ints, use: Bools) -> tuple[NDArray[np.int32], Ints]:
    """Number each id among the pairs in use as it first comes: slot of each pair (pairs,), id of each slot (slots,).

    Ids that lie close together are looked up in a table, others by hashing.
    """
    low, high, many = _range(ids, use)
    close = high - low >= 0 and high - low < 4 * many + 1024  # the difference of far ids overflows to below zero
    rows = int(high - low + 1) if close else 16
    while not close and rows < 2 * many:
        rows *= 2
    table, found = np.full(rows, -1, np.int32), 0
    slot, names = np.zeros(ids.size, np.int32), np.empty(many, np.int64)
    for p in range(ids.size):
        if not use[p]:
            continue
        at = ids[p] - low
        if not close:
            at = np.int64((np.uint64(ids[p]) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & (rows - 1)
            while table[at] >= 0 and names[table[at]] != ids[p]:
                at = (at + 1) & (rows - 1)
        if table[at] < 0:
            table[at], names[found] = found, ids[p]
            found += 1
        slot[p] = table[at]
    return slot, names[:found]


@njit(cache=True, nogil=True)
def _root(parent: NDArray[np.int32], x: int) -> int:
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(cache=True, nogil=True)
def bidders(owner: Ints, slot: NDArray[np.int32], use: Bools, requests: int, drivers: int, least: int) -> Bools:
    """Requests in connected components where drivers are the fewer, and so had better bid, shape (requests,).

    Whoever bids for what is scarce has the others' places to dispute; who bids for what abounds finds a free one. Components of
    fewer than `least` requests are not worth turning.
    """
    turned = np.zeros(requests, np.bool_)
    if requests < least:
        return turned
    parent, root, last = np.arange(requests + drivers).astype(np.int32), 0, -1
    for p in range(owner.size):
        if use[p]:
            root, last = _root(parent, root if owner[p] == last else owner[p]), owner[p]
            if parent[requests + slot[p]] == root:
                continue
            other = _root(parent, requests + slot[p])
            if other < root:
                root, other = other, root
            parent[other] = root
    askers, balance = np.zeros(requests, np.int32), np.zeros(requests, np.int32)
    for x in range(requests + drivers):  # the root is the component's first request: each has one
        root = _root(parent, x)
        askers[root] += x < requests
        balance[root] += 1 if x < requests else -1
    for i in range(requests):
        root = _root(parent, i)
        turned[i] = balance[root] > 0 and askers[root] >= least and askers[root] > balance[root]
    return turned
