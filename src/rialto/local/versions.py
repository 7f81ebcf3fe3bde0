"""Kernels of the local feature store: entities to slots by open addressing, and the versions of each value, newest first.

A store of S entities and N names is `cells` (slots, names, 2): the newest value and the second it was written at (-inf: never),
side by side, so that reading the newest touches one run of memory an entity. Older versions hang on `older` (slots, names), the
head of a chain through `links` (versions,) -> next older version, with `past` (versions, 2) value and second; -1 ends a chain.
`free[0]` heads the chain of unused versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["expire", "find", "find_plain", "insert", "read", "read_plain", "write"]

Ints, Floats = NDArray[np.int64], NDArray[np.float64]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth, TAOCP 3, section 6.4


@njit(cache=True, nogil=True)
def _place(key: Any, keys: Any, slots: Any) -> Any:
    mask = len(slots) - 1
    at = np.int64((np.uint64(key) * _SPREAD) >> np.uint64(32)) & mask
    while slots[at] >= 0 and keys[at] != key:
        at = (at + 1) & mask
    return at


@njit(cache=True, nogil=True)
def find(wanted: Ints, keys: Ints, slots: Ints) -> Ints:
    """Slot of each entity, shape (wanted,), -1 where unknown; `keys` and `slots` (places,) are a table of 2^n places, half full."""
    out = np.empty(len(wanted), dtype=np.int64)
    for row in range(len(wanted)):
        out[row] = slots[_place(wanted[row], keys, slots)]
    return out


def find_plain(wanted: Ints, known: Mapping[int, int]) -> Ints:
    """What `find` answers, from a dictionary of entity -> slot."""
    return np.array([known.get(int(entity), -1) for entity in wanted], dtype=np.int64)


@njit(cache=True, nogil=True)
def insert(wanted: Ints, used: int, keys: Ints, slots: Ints) -> tuple[Ints, int]:
    """Slot of each entity, a new one from `used` on where unknown, and how many slots are used then."""
    out = np.empty(len(wanted), dtype=np.int64)
    for row in range(len(wanted)):
        at = _place(wanted[row], keys, slots)
        if slots[at] < 0:
            keys[at] = wanted[row]
            slots[at] = used
            used += 1
        out[row] = slots[at]
    return out, used


@njit(cache=True, nogil=True)
def read(slots: Ints, columns: Ints, at_s: float, cells: Any, older: Any, past: Any, links: Any) -> Floats:
    """Values as of `at_s`, shape (slots, columns); NaN where slot or column is -1 or nothing was written by then."""
    out = np.full((len(slots), len(columns)), np.nan)
    for row in range(len(slots)):
        slot = slots[row]
        if slot < 0:
            continue
        for column in range(len(columns)):
            name = columns[column]
            if name < 0:
                continue
            if cells[slot, name, 1] <= at_s:
                out[row, column] = cells[slot, name, 0]
                continue
            version = older[slot, name]
            while version >= 0 and past[version, 1] > at_s:
                version = links[version]
            if version >= 0:
                out[row, column] = past[version, 0]
    return out


def read_plain(slots: Ints, columns: Ints, at_s: float, cells: Any, older: Any, past: Any, links: Any) -> Floats:
    """What `read` answers, in plain numpy: all cells take one step down their chains at a time."""
    known = (slots[:, None] >= 0) & (columns[None, :] >= 0)
    newest = cells[slots[:, None], columns[None, :]]
    out = np.where(known & (newest[..., 1] <= at_s), newest[..., 0], np.nan)
    version = np.where(known & (newest[..., 1] > at_s), older[slots[:, None], columns[None, :]], -1)
    while (version >= 0).any():
        here = version >= 0
        there = past[version]
        hit = here & (there[..., 1] <= at_s)
        out[hit] = there[hit][:, 0]
        version = np.where(here & ~hit, links[version], -1)
    return out


@njit(cache=True, nogil=True)
def _set(
    slot: Any, name: Any, value: Any, at_s: Any, depth: Any, cells: Any, older: Any, past: Any, links: Any, free: Any
) -> None:
    newest = cells[slot, name, 1]
    if at_s >= newest:
        if at_s > newest and newest > -np.inf:
            version = _taken(free, links)
            past[version, 0] = cells[slot, name, 0]
            past[version, 1] = newest
            links[version] = older[slot, name]
            older[slot, name] = version
        cells[slot, name, 0] = value
        cells[slot, name, 1] = at_s
    else:
        _insert_older(slot, name, value, at_s, older, past, links, free)
    _cut(slot, name, depth, older, links, free)


@njit(cache=True, nogil=True)
def write(
    slots: Ints,
    columns: Ints,
    values: Floats,
    at_s: float,
    depth: int,
    cells: Any,
    older: Any,
    past: Any,
    links: Any,
    free: Any,
) -> None:
    """Set `values` (columns, slots) as of `at_s` and keep `depth` older versions of each; the caller sees to free ones."""
    for row in range(len(slots)):
        slot = slots[row]
        for column in range(len(columns)):
            _set(slot, columns[column], values[column, row], at_s, depth, cells, older, past, links, free)


@njit(cache=True, nogil=True)
def _taken(free: Any, links: Any) -> Any:
    version = free[0]
    free[0] = links[version]
    free[1] -= 1
    return version


@njit(cache=True, nogil=True)
def _insert_older(slot: Any, name: Any, value: Any, at_s: Any, older: Any, past: Any, links: Any, free: Any) -> None:
    before, version = np.int64(-1), older[slot, name]
    while version >= 0 and past[version, 1] > at_s:
        before, version = version, links[version]
    if version >= 0 and past[version, 1] == at_s:
        past[version, 0] = value
        return
    fresh = _taken(free, links)
    past[fresh, 0] = value
    past[fresh, 1] = at_s
    links[fresh] = version
    if before < 0:
        older[slot, name] = fresh
    else:
        links[before] = fresh


@njit(cache=True, nogil=True)
def _cut(slot: Any, name: Any, depth: Any, older: Any, links: Any, free: Any) -> None:
    """Free all versions of a chain past the first `depth`."""
    before, version = np.int64(-1), older[slot, name]
    while version >= 0 and depth > 0:
        before, version = version, links[version]
        depth -= 1
    if version < 0:
        return
    if before < 0:
        older[slot, name] = -1
    else:
        links[before] = -1
    while version >= 0:
        following = links[version]
        links[version] = free[0]
        free[0] = version
        free[1] += 1
        version = following


@njit(cache=True, nogil=True)
def expire(before_s: float, used: int, cells: Any, older: Any, past: Any, links: Any, free: Any) -> NDArray[np.bool_]:
    """Forget all versions written before `before_s`; true for the slots that hold something still, shape (used,)."""
    alive = np.zeros(used, dtype=np.bool_)
    for slot in range(used):
        for name in range(cells.shape[1]):
            keep, version = 0, older[slot, name]
            while version >= 0 and past[version, 1] >= before_s:
                keep, version = keep + 1, links[version]
            if version >= 0:
                _cut(slot, name, keep, older, links, free)
            if cells[slot, name, 1] < before_s:
                cells[slot, name, 0] = np.nan
                cells[slot, name, 1] = -np.inf
            elif cells[slot, name, 1] > -np.inf:
                alive[slot] = True
    return alive
