"""The hot loops of facets: one pass counts every value of every facet in products; each beside a plain numpy twin."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["gather", "gather_plain", "spread", "spread_plain", "tally", "tally_plain", "within", "within_plain"]

Ints, Codes, Floats, Bools = NDArray[np.int64], NDArray[np.int32], NDArray[np.float64], NDArray[np.bool_]

PATH = 1  # the facet whose codes are categories


@nb.njit(cache=True, nogil=True)
def tally(
    at: Ints, miss: Codes, group: Ints, offsets: Ints, stop: Ints, code: Codes, facet: Codes, types: Codes,
    seen: Ints, count: Ints, seen_facet: Ints, known: Ints, seen_typed: Ints, typed: Ints, touched: Codes, near: Codes, base: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Count the groups that hold each code, for all facets at once.

    Args:
        at: Positions to count over, rising, so that the variants of a group stand together, shape (rows,).
        miss: Shape (rows,): -1 = every selection keeps the row; a facet = only that facet's selection drops it, so that it counts for
            this facet alone; -2 = two or more drop it.
        group: Group of every position, shape (products,).
        offsets, stop, code: Position i holds `code[offsets[i]:stop[i]]`.
        facet: Facet of each code, shape (codes,).
        types: Category codes that the query is likely about; few.
        seen, count: Scratch, shape (codes,); `count` answers, for the codes in `touched`.
        seen_facet, known, seen_typed, typed: Scratch, shape (facets,); `known` answers how many groups hold any code of a facet, `typed`
            how many of those within `types`.
        touched, near: Filled with the codes and the facets met, in order of meeting.
        base: Above every stamp that was left in the scratch, so that nothing need be cleared: cost is that of the rows alone.

    Returns:
        How many codes and facets were met, the groups kept by every selection, and those of them within `types`.

    Cost:
        One pass over the rows' entries.
    """
    codes, facets, stamp, last, found, among = 0, 0, base - 1, np.int64(-1), 0, 0
    counted, counted_typed = np.int64(-1), np.int64(-1)
    for i in range(len(at)):
        if miss[i] == -2:
            continue
        p = at[i]
        if group[p] != last:
            last = group[p]
            stamp += 1
        inside = False
        if len(types):
            for e in range(offsets[p], stop[p]):
                if facet[code[e]] > PATH:
                    break
                for t in range(len(types)):
                    inside |= types[t] == code[e]
        if miss[i] == -1:
            if counted != stamp:
                counted = stamp
                found += 1
            if inside and counted_typed != stamp:
                counted_typed = stamp
                among += 1
        for e in range(offsets[p], stop[p]):
            c = code[e]
            f = facet[c]
            if miss[i] >= 0 and f != miss[i]:
                continue
            if seen[c] != stamp:
                if seen[c] < base:
                    count[c] = 0
                    touched[codes] = c
                    codes += 1
                seen[c] = stamp
                count[c] += 1
            if seen_facet[f] != stamp:
                if seen_facet[f] < base:
                    known[f] = 0
                    typed[f] = 0
                    near[facets] = f
                    facets += 1
                seen_facet[f] = stamp
                known[f] += 1
            if inside and seen_typed[f] != stamp:
                seen_typed[f] = stamp
                typed[f] += 1
    return codes, facets, found, among


def tally_plain(
    at: Ints, miss: Codes, group: Ints, offsets: Ints, stop: Ints, code: Codes, facet: Codes, types: Codes
) -> tuple[Ints, Ints, Ints, int, int]:
    """`tally` in plain numpy, for its test: counts (codes,), known and typed (facets,), groups found, those within `types`."""
    facets = int(facet.max(initial=-1)) + 1
    sizes = (stop - offsets[:-1])[at]
    row = np.repeat(np.arange(len(at)), sizes)
    entry = np.concatenate([np.zeros(0, dtype=np.int64), *(np.arange(int(offsets[p]), int(stop[p])) for p in at.tolist())])
    held, groups = code[entry], group[at][row]
    inside = np.zeros(len(at), dtype=np.bool_)
    inside[row[np.isin(held, types)]] = True
    counts = (miss[row] == -1) | (miss[row] == facet[held])

    def distinct(mask: Bools, of: NDArray[np.int32], size: int) -> Ints:
        pairs = np.unique(np.stack([groups[mask], of[mask].astype(np.int64)], axis=1), axis=0)
        return np.bincount(pairs[:, 1], minlength=size).astype(np.int64)

    kept = miss == -1
    return (
        distinct(counts, held, len(facet)),
        distinct(counts, facet[held], facets),
        distinct(counts & inside[row], facet[held], facets),
        len(np.unique(group[at][kept])),
        len(np.unique(group[at][kept & inside])),
    )


@nb.njit(cache=True, nogil=True)
def spread(codes: Codes, count: Ints, facet: Codes, facets: int, most: int) -> tuple[Ints, Floats, Floats]:
    """How a facet's products spread over its values.

    Args:
        codes: Codes met, rising, shape (codes,), so that a facet's stand together; `count` their groups, same shape.
        facet: Facet of every code; `facets` how many there are.
        most: Values that are shown.

    Returns:
        Values of each facet, shape (facets,); their evenness, 0 to 1 (entropy over its greatest for as many values); the share of
        all that its `most` greatest values hold.
    """
    values, even, shown = np.zeros(facets, dtype=np.int64), np.zeros(facets), np.zeros(facets)
    top = np.zeros(most, dtype=np.int64)
    i = 0
    while i < len(codes):
        f, j, total, bits = facet[codes[i]], i, 0.0, 0.0
        top[:] = 0
        while j < len(codes) and facet[codes[j]] == f:
            n = count[j]
            total += n
            bits += n * np.log(n) if n > 0 else 0.0
            if n > top[most - 1]:
                k = most - 1
                while k > 0 and top[k - 1] < n:
                    top[k] = top[k - 1]
                    k -= 1
                top[k] = n
            j += 1
        values[f] = j - i
        if total > 0:
            even[f] = (np.log(total) - bits / total) / np.log(j - i) if j - i > 1 else 0.0
            shown[f] = top.sum() / total
        i = j
    return values, even, shown


def spread_plain(codes: Codes, count: Ints, facet: Codes, facets: int, most: int) -> tuple[Ints, Floats, Floats]:
    """`spread` in plain numpy, for its test."""
    values, even, shown = np.zeros(facets, dtype=np.int64), np.zeros(facets), np.zeros(facets)
    for f in np.unique(facet[codes]).tolist():
        n = count[facet[codes] == f].astype(np.float64)
        values[f], share = len(n), n[n > 0] / max(n.sum(), 1.0)
        even[f] = -(share * np.log(share)).sum() / np.log(len(n)) if len(n) > 1 and n.sum() else 0.0
        shown[f] = np.sort(n)[::-1][:most].sum() / n.sum() if n.sum() else 0.0
    return values, even, shown


@nb.njit(cache=True, nogil=True)
def gather(
    at: Ints, miss: Codes, own: int, group: Ints, offsets: Ints, name: Codes, value: Floats, wanted: int
) -> tuple[Ints, Floats]:
    """Groups and values of one facet of numbers, for the rows that every other facet keeps; shape (entries,) each, by group.

    Args:
        at, miss, group: As in `tally`; `own` is the facet itself.
        offsets, name, value: Position i holds numbers `offsets[i]:offsets[i+1]`; `wanted` is the name that counts.
    """
    entries = 0
    for i in range(len(at)):
        if miss[i] == -1 or miss[i] == own:
            entries += offsets[at[i] + 1] - offsets[at[i]]
    groups, values = np.empty(entries, dtype=np.int64), np.empty(entries)
    n = 0
    for i in range(len(at)):
        if miss[i] == -1 or miss[i] == own:
            for e in range(offsets[at[i]], offsets[at[i] + 1]):
                if name[e] == wanted:
                    groups[n], values[n] = group[at[i]], value[e]
                    n += 1
    return groups[:n], values[:n]


def gather_plain(
    at: Ints, miss: Codes, own: int, group: Ints, offsets: Ints, name: Codes, value: Floats, wanted: int
) -> tuple[Ints, Floats]:
    """`gather` in plain numpy, for its test."""
    held = at[(miss == -1) | (miss == own)].tolist()
    pairs = [(group[p], value[e]) for p in held for e in range(offsets[p], offsets[p + 1]) if name[e] == wanted]
    return np.array([g for g, _ in pairs], dtype=np.int64), np.array([v for _, v in pairs], dtype=np.float64)


@nb.njit(cache=True, nogil=True)
def within(groups: Ints, values: Floats, low: Floats, high: Floats) -> Ints:
    """Groups with a value in each range, both ends in; ranges may overlap; shape (ranges,).

    Args:
        groups, values: As `gather` answers.
        low, high: Ends, shape (ranges,), -inf and +inf = open.
    """
    counts, last = np.zeros(len(low), dtype=np.int64), np.full(len(low), -1, dtype=np.int64)
    for i in range(len(groups)):
        for r in range(len(low)):
            if low[r] <= values[i] <= high[r] and last[r] != groups[i]:
                last[r] = groups[i]
                counts[r] += 1
    return counts


def within_plain(groups: Ints, values: Floats, low: Floats, high: Floats) -> Ints:
    """`within` in plain numpy, for its test."""
    return np.array(
        [len(np.unique(groups[(values >= a) & (values <= b)])) for a, b in zip(low.tolist(), high.tolist())], dtype=np.int64
    )
