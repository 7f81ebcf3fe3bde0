"""Source and Filter: the contracts of retrieval; legs merged, doubles dropped, every removal with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Candidates, Context, Requests

__all__ = ["Filter", "Source", "empty", "merge", "strike", "strike_plain"]

INFINITE = float("inf")


def empty(requests: Requests) -> Candidates:
    """The fallback of a leg that may be missing: no candidates."""
    return Candidates.none(len(requests))


@dataclass(frozen=True, slots=True)
class Source:
    """One leg of retrieval.

    Args:
        name: What the trace calls it.
        fetch: Finds each request's candidates; its columns are its own (`bm25`, `distance_m`).
        otherwise: Declared fallback when it raises or overruns; None = its failure fails the run.
        budget_s: Most seconds it may take, within the run's deadline.
        aside: True = it runs in a thread beside the other such legs and is abandoned at its deadline.
        share: Of the time that a run has left when its legs begin, what it may take at most, so that the steps after it have some.
        idle: True where it has nothing to say to any request of the batch; then it is not asked, and its columns are not there.
    """

    name: str
    fetch: Callable[[Requests, Context], Candidates]
    otherwise: Callable[[Requests], Candidates] | None = None
    budget_s: float = INFINITE
    aside: bool = False
    share: float = 1.0
    idle: Callable[[Requests], bool] | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """One reason to remove candidates.

    Args:
        name: The reason that the trace keeps, `out_of_stock`.
        keep: Says which rows stay, shape (rows,), bool; it removes nothing itself.
        otherwise: Declared fallback: True lets all stay, False removes all; None = its failure fails the run.
        budget_s: Most seconds it may take, within the run's deadline.
        idle: True where it removes nothing whatever the candidates of this batch; then it is not asked.
    """

    name: str
    keep: Callable[[Requests, Candidates, Context], NDArray[np.bool_]]
    otherwise: bool | None = None
    budget_s: float = INFINITE
    idle: Callable[[Requests], bool] | None = None


def merge(parts: Sequence[Candidates]) -> Candidates:
    """Unite the legs' candidates of each request: one row an id, ids rising, all columns.

    Where a leg did not fetch an id, its columns are missing there: NaN for floats, -1 for integers, False, "". Where two legs have
    a column of one name, the first that has the id wins. A leg that fetched one id twice for a request keeps its first.

    Args:
        parts: At least one leg's Candidates over the same requests.

    Raises:
        BadInput: the legs speak of different numbers of requests.

    Cost:
        O(rows log rows); a single leg without doubles keeps its own order and costs one scan.

    Example:
        >>> text = Candidates(np.array([0, 2]), np.array([7, 3]), {"bm25": np.array([2.0, 1.0])})
        >>> near = Candidates(np.array([0, 2]), np.array([3, 5]), {"cosine": np.array([0.9, 0.8])})
        >>> both = merge([text, near])
        >>> both.ids.tolist(), both.column("bm25").tolist(), both.column("cosine").tolist()
        ([3, 5, 7], [1.0, nan, 2.0], [0.9, 0.8, nan])
    """
    if len({p.requests for p in parts}) != 1:
        raise BadInput(f"legs hold {[p.requests for p in parts]} requests; wanted the same number, and at least one leg.")
    if len(parts) == 1 and not _doubled(parts[0]):
        return parts[0]
    full = [p for p in parts if len(p)]
    if len(full) == 1 and not _doubled(full[0]):
        only = full[0].at(_order(full[0].ids, full[0].owner), full[0].offsets)
        absent = {n: v.dtype for p in reversed(parts) for n, v in p.columns.items() if n not in only.columns}
        return only.with_columns({n: np.full(len(only), _missing(kind), dtype=kind) for n, kind in absent.items()})
    owner = np.concatenate([p.owner for p in parts])
    ids = np.concatenate([p.ids for p in parts])
    order = _order(ids, owner)
    fresh = np.ones(len(order), dtype=np.bool_)
    if len(order):
        sorted_ids, sorted_owner = ids[order], owner[order]
        fresh[1:] = (sorted_owner[1:] != sorted_owner[:-1]) | (sorted_ids[1:] != sorted_ids[:-1])
    slot = np.empty(len(order), dtype=np.int64)  # row in the union of each input row
    slot[order] = np.cumsum(fresh) - 1
    first = order[fresh]
    offsets = np.searchsorted(owner[first], np.arange(parts[0].requests + 1)).astype(np.int64)
    return Candidates(offsets, ids[first], _united(parts, slot, len(first)))


def _order(ids: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows by request, then by id, then as they stand, so that within an id legs stay in their order.

    Request, id and row as one number each, where they fit, are sorted in vector instructions: thirty times sooner than by columns.
    """
    if not len(ids):
        return np.zeros(0, dtype=np.int64)
    least, bits = int(ids.min()), len(ids).bit_length()
    span = int(ids.max()) - least + 1
    if (int(owner.max()) + 1) * span >= 1 << (63 - bits):
        return np.lexsort((ids, owner))
    keys = ((owner * span + (ids - least)) << bits) | np.arange(len(ids))
    keys.sort()
    return keys & ((1 << bits) - 1)


def _doubled(part: Candidates) -> bool:
    """As `has_doubles`; numpy sorts the ids of one request in vector instructions."""
    if part.requests != 1 or len(part) <= 16:
        return has_doubles(part.offsets, part.ids)
    own = np.sort(part.ids)
    return bool((own[1:] == own[:-1]).any())


def _united(parts: Sequence[Candidates], slot: NDArray[np.int64], size: int) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for name in dict.fromkeys(name for p in parts for name in p.columns):
        start = sum(len(p) for p in parts)
        target: NDArray[Any] | None = None
        for part in reversed(parts):  # the first leg writes last, and its first double last of all
            start -= len(part)
            values = part.columns.get(name)
            if values is None:
                continue
            if target is None:
                kind = np.result_type(*(p.columns[name].dtype for p in parts if name in p.columns))
                target = np.full(size, _missing(kind), dtype=kind)
            target[slot[start : start + len(part)][::-1]] = values[::-1]
        assert target is not None
        columns[name] = target
    return columns


def _missing(dtype: np.dtype[Any]) -> Any:
    """What stands for "this leg does not know": NaN, -1, False or the empty string, by type."""
    return {"f": np.nan, "i": -1, "b": False, "u": 0}.get(dtype.kind, "")


@nb.njit(cache=True, nogil=True)
def strike(offsets: NDArray[np.int64], alive: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Clear the rows of `alive` that `mask` removes, in place, and count them for each request.

    Args:
        offsets: Shape (requests + 1,).
        alive: Rows not removed so far, shape (rows,); changed.
        mask: Rows that one filter keeps, shape (rows,).

    Returns:
        Rows removed now, shape (requests,).

    Cost:
        One pass over the rows.
    """
    removed = np.zeros(len(offsets) - 1, dtype=np.int64)
    for b in range(len(removed)):
        gone = 0
        for row in range(offsets[b], offsets[b + 1]):
            gone += alive[row] & ~mask[row] & 1
            alive[row] &= mask[row]
        removed[b] = gone
    return removed


def strike_plain(offsets: NDArray[np.int64], alive: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """`strike` in plain numpy, for its test."""
    running = np.concatenate([[0], np.cumsum(alive & ~mask)])
    alive &= mask
    return np.asarray(running[offsets[1:]] - running[offsets[:-1]])


@nb.njit(cache=True, nogil=True)
def has_doubles(offsets: NDArray[np.int64], ids: NDArray[np.int64]) -> bool:
    """True where a request has one id twice.

    A few candidates are hashed to bits first, and compared pair by pair only where two bits fall together; many go through a sort.
    """
    for b in range(len(offsets) - 1):
        start, stop = offsets[b], offsets[b + 1]
        if stop - start > 16:
            own = np.sort(ids[start:stop])
            for i in range(1, len(own)):
                if own[i] == own[i - 1]:
                    return True
            continue
        bits = np.uint64(0)
        for i in range(start, stop):
            bits |= np.uint64(1) << (np.uint64(ids[i] * 0x9E3779B97F4A7C1) >> np.uint64(58))
        if _ones(bits) == stop - start:
            continue
        for i in range(start, stop):
            for j in range(i + 1, stop):
                if ids[i] == ids[j]:
                    return True
    return False


@nb.njit(cache=True, nogil=True, inline="always")
def _ones(bits: np.uint64) -> int:
    """Bits set (Warren, "Hacker's Delight", 5-1)."""
    x = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((x * np.uint64(0x0101010101010101)) >> np.uint64(56))
