"""Which products hold a term: what the words of a query are worth to many candidates, without reading all that these hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["Holders", "held_shares", "turned", "turned_plain"]

_MOVED_MOST = 256  # products that came since the rows were turned over, and a sixty-fourth of all
_MANY = 16  # entries a candidate from which on bisection is quicker than reading them


@dataclass(frozen=True, slots=True)
class Holders:
    """A forward index turned over, as it was at one moment.

    Args:
        first: Shape (terms + 1,), int64: term t stands in the entries `first[t]:first[t+1]`.
        row: Product of each entry, rising within a term, int32; one entry for each time that it stands there.
        field: Field of each entry, rising within a product, uint8.
        length: Terms of that field, uint16.
        place: Row then of each row now, shape (products,), int32; -1 = it came since.
    """

    first: NDArray[np.int64]
    row: NDArray[np.int32]
    field: NDArray[np.uint8]
    length: NDArray[np.uint16]
    place: NDArray[np.int32]

    @classmethod
    def of(cls, offsets: NDArray[np.int64], terms: NDArray[np.int32], vocabulary: int, fields: int) -> Holders:
        """Turn over what `rialto.find.terms.Terms` holds; about 20 ms for 20,000 products, 7 bytes an entry."""
        rows = (len(offsets) - 1) // fields
        return cls(*turned(offsets, terms, vocabulary, fields), np.arange(rows, dtype=np.int32))

    def moved(self, kept: NDArray[np.int64], fresh: int) -> Holders | None:
        """The same after the rows `kept` moved up and `fresh` came behind them; None where it is time to make it anew."""
        place = np.concatenate([self.place[kept], np.full(fresh, -1, dtype=np.int32)])
        return None if int((place < 0).sum()) > _MOVED_MOST + len(place) // 64 else replace(self, place=place)


@nb.njit(cache=True, nogil=True)
def turned(
    offsets: NDArray[np.int64], terms: NDArray[np.int32], vocabulary: int, fields: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint16]]:
    """Rows with their terms into terms with their rows, by counting: `first`, `row`, `field` and `length` of `Holders`."""
    first = np.zeros(vocabulary + 1, dtype=np.int64)
    for term in terms:
        first[term + 1] += 1
    for t in range(vocabulary):
        first[t + 1] += first[t]
    free = first.copy()
    row, field = np.empty(len(terms), dtype=np.int32), np.empty(len(terms), dtype=np.uint8)
    length = np.empty(len(terms), dtype=np.uint16)
    for cell in range(len(offsets) - 1):
        for at in range(offsets[cell], offsets[cell + 1]):
            to = free[terms[at]]
            row[to], field[to], length[to] = cell // fields, cell % fields, offsets[cell + 1] - offsets[cell]
            free[terms[at]] = to + 1
    return first, row, field, length


def turned_plain(
    offsets: NDArray[np.int64], terms: NDArray[np.int32], vocabulary: int, fields: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint16]]:
    """`turned` in plain numpy, for its test."""
    lengths = np.diff(offsets)
    cell = np.repeat(np.arange(len(lengths)), lengths)
    order = np.argsort(terms, kind="stable")
    first = np.searchsorted(terms[order], np.arange(vocabulary + 1)).astype(np.int64)
    row, field = (cell[order] // fields).astype(np.int32), (cell[order] % fields).astype(np.uint8)
    return first, row, field, lengths[cell[order]].astype(np.uint16)


def held_shares(
    candidates: NDArray[np.int64], rows: NDArray[np.int64], starts: NDArray[np.int64], asked: NDArray[np.int32],
    idf: NDArray[np.float64], offsets: NDArray[np.int64], terms: NDArray[np.int32], mean_length: NDArray[np.float64],
    weight: NDArray[np.float64], b: NDArray[np.float64], k1: float, holders: Holders,
) -> NDArray[np.float32]:  # fmt: skip
    """What the first phase asks of the many candidates: columns `SHARES`, shape (SHARES, rows); NaN for a query without terms.

    Args:
        candidates: Query q has the candidates `candidates[q]:candidates[q+1]`, shape (queries + 1,).
        rows: Catalogue row of each candidate, shape (rows,).
        starts, asked, idf: Query q asks for the terms `asked[starts[q]:starts[q+1]]`; -1 = no product holds it.
        offsets, terms, mean_length, weight, b, k1: As for `rialto.find.kernels.match`.
        holders: The same terms turned over.

    Cost:
        For each of the query's terms one step a candidate and one an entry, or by bisection where the entries are many.
    """
    then = holders.place[rows]
    rising = then[1:] >= then[:-1]
    inner = candidates[1:-1]
    rising[inner[(inner > 0) & (inner < len(then))] - 1] = True  # between two queries it may fall
    if rising.all():
        order = np.arange(len(then))
    else:
        owner = np.repeat(np.arange(len(candidates) - 1), np.diff(candidates))
        order = np.argsort(owner * (int(then.max()) + 2) + then)  # one number each: sorted in vector instructions
    return _held_shares(candidates, rows, then, order, starts, asked, idf, offsets, terms, mean_length, weight, b, k1,
                        holders.first, holders.row, holders.field, holders.length)  # fmt: skip


@nb.njit(cache=True, nogil=True)
def _held_shares(
    candidates: NDArray[np.int64], rows: NDArray[np.int64], then: NDArray[np.int32], order: NDArray[np.int64],
    starts: NDArray[np.int64], asked: NDArray[np.int32], idf: NDArray[np.float64], offsets: NDArray[np.int64],
    terms: NDArray[np.int32], mean_length: NDArray[np.float64], weight: NDArray[np.float64], b: NDArray[np.float64], k1: float,
    first: NDArray[np.int64], held: NDArray[np.int32], field: NDArray[np.uint8], length: NDArray[np.uint16],
) -> NDArray[np.float32]:  # fmt: skip
    """`order` are the rows by query and then by `then`."""
    sums = np.zeros((3, len(rows)))
    out = np.full((3, len(rows)), np.nan, dtype=np.float32)
    for q in range(len(candidates) - 1):
        low, high = candidates[q], candidates[q + 1]
        own, worth = asked[starts[q] : starts[q + 1]], idf[starts[q] : starts[q + 1]]
        if low == high or len(own) == 0:
            continue
        for i in range(low, high):
            if then[i] < 0:
                _by_terms(sums, i, rows[i] * len(weight), own, worth, offsets, terms, mean_length, weight, b, k1)
        for t in range(len(own)):
            if own[t] >= 0 and own[t] + 1 < len(first):
                of = slice(first[own[t]], first[own[t] + 1])
                _by_entries(sums, order[low:high], then, held[of], field[of], length[of], worth[t], mean_length, weight, b, k1)
        most = 0.0
        for w in worth:
            most += w
        for c in range(3):
            for i in range(low, high):
                out[c, i] = sums[c, i] / most
    return out


@nb.njit(cache=True, nogil=True)
def _by_entries(
    sums: NDArray[np.float64], order: NDArray[np.int64], then: NDArray[np.int32], held: NDArray[np.int32],
    field: NDArray[np.uint8], length: NDArray[np.uint16], worth: float, mean_length: NDArray[np.float64],
    weight: NDArray[np.float64], b: NDArray[np.float64], k1: float,
) -> None:  # fmt: skip
    """Add one term, which stands in the entries `held`, to the sums (SHARES, rows) of the rows `order`, `then` rising."""
    at, stop, many = 0, len(held), len(held) > _MANY * len(order)
    for i in order:
        row = then[i]
        if row < 0:
            continue
        if many:
            at = _from(held, at, row)
        else:
            while at < stop and held[at] < row:
                at += 1
        if at == stop:
            return
        if held[at] != row:
            continue
        frequency, e = 0.0, at  # `at` stays: rows of withdrawn products may come twice
        while e < stop and held[e] == row:
            f = field[e]
            gain = weight[f] / (1.0 - b[f] + b[f] * length[e] / mean_length[f])
            while e < stop and held[e] == row and field[e] == f:
                frequency += gain
                e += 1
        if frequency > 0.0:
            sums[0, i] += worth * frequency / (k1 + frequency)
            sums[1, i] += worth
        if field[at] == 0:
            sums[2, i] += worth


@nb.njit(cache=True, nogil=True)
def _from(held: NDArray[np.int32], at: int, row: Any) -> int:
    """The first entry from `at` on that is not below `row`: steps that double, then bisection."""
    step, low = 1, at
    while at < len(held) and held[at] < row:
        low = at + 1
        at += step
        step *= 2
    high = min(at, len(held))
    while low < high:
        middle = (low + high) >> 1
        if held[middle] < row:
            low = middle + 1
        else:
            high = middle
    return low


@nb.njit(cache=True, nogil=True)
def _by_terms(
    sums: NDArray[np.float64], i: int, base: int, own: NDArray[np.int32], worth: NDArray[np.float64],
    offsets: NDArray[np.int64], terms: NDArray[np.int32], mean_length: NDArray[np.float64], weight: NDArray[np.float64],
    b: NDArray[np.float64], k1: float,
) -> None:  # fmt: skip
    """Read the terms of one candidate for its sums."""
    frequency, titled = np.zeros(len(own)), np.zeros(len(own), dtype=np.bool_)
    for f in range(len(weight)):
        start, stop = offsets[base + f], offsets[base + f + 1]
        if start == stop:
            continue
        gain = weight[f] / (1.0 - b[f] + b[f] * (stop - start) / mean_length[f])
        for at in range(start, stop):
            for t in range(len(own)):
                if own[t] == terms[at]:
                    frequency[t] += gain
                    titled[t] |= f == 0
                    break
    for t in range(len(own)):
        if frequency[t] > 0.0:
            sums[0, i] += worth[t] * frequency[t] / (k1 + frequency[t])
            sums[1, i] += worth[t]
        if titled[t]:
            sums[2, i] += worth[t]
