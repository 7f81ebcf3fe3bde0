"""The products that hold as many of a query's words as belonging demands, found by their words without reading all that match."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.find.asking import otherwise
from rialto.find.belong import BELONGS, WORDS, known_share
from rialto.find.features import Knowledge, asked_terms
from rialto.find.records import BROWSE
from rialto.records import Candidates, Requests

__all__ = ["covering", "covering_plain", "demanded"]

_FEW = 4096  # rows up to which each is looked at by itself
_PART = 16  # as many entries of the words for each row: with fewer, reading all that match is quicker
_WINDOW = 32_768  # rows whose sums are kept at a time: 256 kB
_SLACK = 1e-4  # of a share: what decides afterwards reckons in single precision


def demanded(knowledge: Knowledge, asked: Requests) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Rows of all products that may belong to one request by their words, and what they cover of these.

    Belonging asks of each product for a part of what the best covers. So where the best of all products is among those that are
    counted, the same belong of these rows as of all that match.

    Args:
        knowledge: Of the catalogue.
        asked: One request.

    Returns:
        Rows, shape (rows,), and the share of the query's words, by idf, that each holds; 0 for products that came since the words
        were turned over, which are all there. None where that is no short way: nothing is demanded, or thousands have it.

    Cost:
        A nanosecond or two for each time that one of the words stands in a product.
    """
    if not BELONGS.of(asked)[0] or str(asked.column("text")[0]) == BROWSE:
        return None
    place, share = knowledge.terms.holders.place, float(WORDS.of(asked)[0])
    old = len(place)  # what came since stands behind the others
    if old and place[-1] < 0:
        old = bisect_left(range(old), True, key=lambda i: bool(place[i] < 0))
    if len(place) - old > _FEW:
        return None
    words = [_words(knowledge, one) for one in (asked, *otherwise(asked))]
    if any(len(terms) == 1 for terms, _ in words):  # every product that holds it is as good as the best
        return None
    first, row = knowledge.terms.holders.first, knowledge.terms.holders.row
    parts = [covering(first, row, terms, worth, share, _WINDOW) for terms, worth in words]
    entries = sum(int((first[terms + 1] - first[terms]).sum()) for terms, _ in words)
    then, cover = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    best = float(cover.max(initial=0.0))
    near = cover >= share * best**2 - _SLACK
    if near.sum() > min(_FEW, entries // _PART):
        return None
    rows = np.searchsorted(place[:old], then[near])
    here = (rows < old) & (place[np.minimum(rows, len(place) - 1)] == then[near]) if len(place) else rows > 0
    rows, cover = rows[here], cover[near][here]
    if float(cover.max(initial=0.0)) < best:  # the best was withdrawn
        return None
    fresh = np.arange(old, len(place))
    return np.concatenate([rows, fresh]), np.concatenate([cover, np.zeros(len(fresh))])


def _words(knowledge: Knowledge, asked: Requests) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The words of one request that some product holds, and the share of them, by idf, that each is."""
    told, first = asked_terms(knowledge, asked, Candidates.none(1)), knowledge.terms.holders.first
    there = (told.terms >= 0) & (told.terms < len(first) - 1)
    return told.terms[there], told.idf[there] / max(float(told.idf.sum()) * known_share(told.terms, told.idf), 1e-300)


@nb.njit(cache=True, nogil=True, error_model="numpy")
def covering(
    first: NDArray[np.int64],
    row: NDArray[np.int32],
    terms: NDArray[np.int32],
    worth: NDArray[np.float64],
    share: float,
    window: int,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Rows that hold at least `share` of the square of what the best row holds, or a little less, and what they hold.

    Args:
        first, row: As `rialto.find.holders.Holders`.
        terms, worth: Terms, each once, and what a row gets for holding one.
        share: 0 to 1.
        window: Rows gone through at a time.

    Returns:
        Rows, each once, and their sums; rows that hold less may be among them, as the best was not known from the beginning.

    Cost: one step an entry.
    """
    total, found = np.zeros(window), np.empty(window + 1, np.int32)
    at, stop, best, size = first[terms], first[terms + 1], 0.0, 0
    rows, sums = np.empty(1024, np.int32), np.empty(1024)
    while True:
        low = -1
        for t in range(len(terms)):
            if at[t] < stop[t] and (low < 0 or row[at[t]] < low):
                low = np.int64(row[at[t]])
        if low < 0:
            return rows[:size], sums[:size]
        met = 0
        for t in range(len(terms)):
            at[t], met = _add(row, at[t], stop[t], worth[t], low, total, found, met)
        best = max(best, _most(total, found[:met]))
        if size + met > len(rows):
            rows, sums = np.concatenate((rows, np.empty(size + met, np.int32))), np.concatenate((sums, np.empty(size + met)))
        size = _taken(total, found[:met], low, share * best * best - _SLACK, rows, sums, size)


@nb.njit(cache=True, nogil=True)
def _most(total: NDArray[np.float64], found: NDArray[np.int32]) -> float:
    most = 0.0
    for i in found:
        most = max(most, float(total[i]))
    return most


@nb.njit(cache=True, nogil=True)
def _taken(
    total: NDArray[np.float64], found: NDArray[np.int32], low: Any, least: float, rows: NDArray[np.int32], sums: NDArray[np.float64],
    size: Any,
) -> Any:  # fmt: skip
    """Append the rows of a window that hold at least `least`, and clear it; how many there are now."""
    for i in found:
        have, total[i] = total[i], 0.0
        if have >= least:
            rows[size], sums[size] = low + i, have
            size += 1
    return size


@nb.njit(cache=True, nogil=True)
def _add(
    row: NDArray[np.int32], begin: Any, end: Any, worth: float, low: Any, total: NDArray[np.float64], found: NDArray[np.int32],
    met: Any,
) -> tuple[Any, Any]:  # fmt: skip
    """Add one term to the rows of the window from `low` on; where its entries go on, and how many rows were met."""
    high, at, stop, size = low + len(total), np.uint64(begin), np.uint64(end), np.uint64(met)
    while at < stop and row[at] < high:
        one = row[at]
        while at < stop and row[at] == one:
            at += np.uint64(1)
        i = np.uint64(one - low)
        have = total[i]
        found[size] = i
        size += np.uint64(have == 0.0)
        total[i] = have + worth
    return np.int64(at), np.int64(size)


def covering_plain(
    first: NDArray[np.int64], row: NDArray[np.int32], terms: NDArray[np.int32], worth: NDArray[np.float64], share: float
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Those of `covering` that hold enough, rising, in plain numpy, for its test."""
    total = np.zeros(int(row.max(initial=-1)) + 1)
    for t, own in zip(terms.tolist(), worth.tolist()):
        total[np.unique(row[first[t] : first[t + 1]])] += own
    rows = np.flatnonzero((total > 0.0) & (total >= share * total.max(initial=0.0) ** 2 - _SLACK))
    return rows.astype(np.int32), total[rows]
