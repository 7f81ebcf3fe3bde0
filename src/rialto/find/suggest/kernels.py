"""The hot loops of completion: sorting the word starts, the best few lines of a range, and lines that hold all words in any order."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "agree", "best_of", "best_plain", "find", "lowest", "sort_starts", "together"]

BLOCK = 32
"""Keys whose lowest line is kept as one entry of the table."""

Codes = NDArray[np.uint16]
Ints = NDArray[np.int32]


@nb.njit(cache=True, nogil=True)
def sort_starts(blob: Codes, key: Ints, line: Ints, lo: int, hi: int, longest: int) -> None:
    """Sort `key[lo:hi]` (places in `blob`) by the text that begins there, at most `longest` codes; `line` moves along. Equal
    ones stand in no order that matters, but the same every time.

    Source:
        Bentley, Sedgewick (1997), "Fast algorithms for sorting and searching strings", SODA: multikey quicksort.
    """
    stack = np.empty((8192, 3), dtype=np.int64)
    stack[0] = lo, hi, 0
    top = 1
    while top:
        top -= 1
        a, b, depth = stack[top]
        while b - a > 1:
            if depth >= longest or b - a <= 8 or top > 8180:
                for i in range(a + 1, b):  # few keys, or equal as far as is compared
                    k, n, at = key[i], line[i], i
                    while at > a and _before(blob, k, n, key[at - 1], line[at - 1], depth, longest):
                        key[at], line[at] = key[at - 1], line[at - 1]
                        at -= 1
                    key[at], line[at] = k, n
                break
            x, y, z = blob[key[a] + depth], blob[key[(a + b) // 2] + depth], blob[key[b - 1] + depth]
            pivot = max(min(x, y), min(max(x, y), z))
            low, at, high = a, a, b
            while at < high:
                c = blob[key[at] + depth]
                if c < pivot:
                    key[at], key[low], line[at], line[low] = key[low], key[at], line[low], line[at]
                    low += 1
                    at += 1
                elif c > pivot:
                    high -= 1
                    key[at], key[high], line[at], line[high] = key[high], key[at], line[high], line[at]
                else:
                    at += 1
            stack[top] = a, low, depth
            stack[top + 1] = high, b, depth
            top += 2
            a, b = low, high
            if pivot == 0 or depth + 1 >= longest:
                break
            depth += 1


@nb.njit(cache=True, nogil=True)
def _before(blob: Codes, k: int, n: int, other: int, m: int, depth: int, longest: int) -> bool:
    for d in range(depth, longest):
        x, y = blob[k + d], blob[other + d]
        if x != y:
            return x < y
        if x == 0:
            break
    return n < m


@nb.njit(cache=True, nogil=True)
def lowest(line: Ints) -> Ints:
    """Where the lowest line stands, by blocks: row p holds it for 2^p blocks from each on, shape (powers, blocks), int32."""
    blocks = max((len(line) + BLOCK - 1) // BLOCK, 1)
    powers = 1
    while (1 << powers) <= blocks:
        powers += 1
    table = np.zeros((powers, blocks), dtype=np.int32)
    for b in range(blocks):
        at = b * BLOCK
        for i in range(at + 1, min(at + BLOCK, len(line))):
            if line[i] < line[at]:
                at = i
        table[0, b] = at
    for p in range(1, powers):
        for b in range(blocks - (1 << p) + 1):
            x, y = table[p - 1, b], table[p - 1, b + (1 << (p - 1))]
            table[p, b] = x if line[x] <= line[y] else y
    return table


@nb.njit(cache=True, nogil=True)
def _lowest_of(line: Ints, table: Ints, lo: int, hi: int) -> int:
    first, last = (lo + BLOCK - 1) // BLOCK, hi // BLOCK
    if first >= last:
        at = lo
        for i in range(lo + 1, hi):
            if line[i] < line[at]:
                at = i
        return at
    p = 0
    while (1 << (p + 1)) <= last - first:
        p += 1
    x, y = table[p, first], table[p, last - (1 << p)]
    at = x if line[x] <= line[y] else y
    for i in range(lo, first * BLOCK):
        if line[i] < line[at]:
            at = i
    for i in range(last * BLOCK, hi):
        if line[i] < line[at]:
            at = i
    return at


@nb.njit(cache=True, nogil=True)
def best_of(line: Ints, table: Ints, offered: NDArray[np.bool_], lo: int, hi: int, out: Ints) -> int:
    """Fill `out` with places of `line[lo:hi]` that hold the lowest offered lines, each line once, lowest first; how many.

    Cost:
        About 3 looks at a block a place; gives up after four times as many as wanted, where most are not offered.
    """
    most, found, tries = len(out), 0, 4 * len(out) + 32
    heap = np.empty((2 * tries + 2, 3), dtype=np.int64)
    size = 0
    if lo < hi and most > 0:
        heap[0] = _lowest_of(line, table, lo, hi), lo, hi
        size = 1
    last = -1
    while size and found < most and tries:
        tries -= 1
        pick = 0
        for i in range(1, size):
            if line[heap[i, 0]] < line[heap[pick, 0]]:
                pick = i
        at, a, b = heap[pick]
        size -= 1
        heap[pick] = heap[size]
        if a < at:
            heap[size] = _lowest_of(line, table, a, at), a, at
            size += 1
        if at + 1 < b:
            heap[size] = _lowest_of(line, table, at + 1, b), at + 1, b
            size += 1
        if line[at] != last and offered[line[at]]:
            out[found] = at
            found += 1
        last = line[at]
    return found


def best_plain(line: Ints, offered: NDArray[np.bool_], lo: int, hi: int, most: int) -> list[int]:
    """The lines that `best_of` finds where it need not give up, by a plain sort."""
    return [int(n) for n in np.unique(line[lo:hi]) if offered[n]][:most]


@nb.njit(cache=True, nogil=True)
def _bound(blob: Codes, key: Ints, lo: int, hi: int, text: Codes, above: bool) -> int:
    """First place of `key[lo:hi]` whose text does not stand before `text`; with `above`, first that does not begin with it either."""
    while lo < hi:
        mid = (lo + hi) // 2
        before = above
        for d in range(len(text)):
            x = blob[key[mid] + d]
            if x != text[d]:
                before = x < text[d]
                break
        if before:
            lo = mid + 1
        else:
            hi = mid
    return lo


@nb.njit(cache=True, nogil=True)
def find(
    texts: Codes, offsets: NDArray[np.int64], blob: Codes, key: Ints, line: Ints, bands: NDArray[np.int64], table: Ints,
    offered: NDArray[np.bool_], most: int,
) -> Ints:  # fmt: skip
    """The best `most` lines a band that begin with each text, and a line that is the text; rows (line, place, text), int32."""
    count = len(offsets) - 1
    out = np.empty((count * (len(bands) - 1) * (most + 1), 3), dtype=np.int32)
    places = np.empty(most, dtype=np.int32)
    n = 0
    for t in range(count):
        text = texts[offsets[t] : offsets[t + 1]]
        if len(text) == 0:
            continue
        for band in range(len(bands) - 1):
            lo = _bound(blob, key, bands[band], bands[band + 1], text, False)
            if lo == bands[band + 1]:
                continue
            hi = _bound(blob, key, lo, bands[band + 1], text, True)
            if lo == hi:
                continue
            if blob[key[lo] + len(text)] == 0 and offered[line[lo]]:
                out[n, 0], out[n, 1], out[n, 2] = line[lo], key[lo], t
                n += 1
            for i in range(best_of(line, table, offered, lo, hi, places)):
                out[n, 0], out[n, 1], out[n, 2] = line[places[i]], key[places[i]], t
                n += 1
    return out[:n].copy()


@nb.njit(cache=True, nogil=True)
def agree(blob: Codes, start: int, texts: Codes, offsets: NDArray[np.int64], blank: int) -> bool:
    """Whether the line that starts at `start` has, for each text, a word of its own that begins with it."""
    taken = np.int64(0)
    for t in range(len(offsets) - 1):
        at, word, met = start, 0, False
        while blob[at] != 0 and word < 60 and not met:
            if not taken >> word & 1:
                met = True
                for d in range(offsets[t], offsets[t + 1]):
                    if blob[at + d - offsets[t]] != texts[d]:
                        met = False
                        break
            if met:
                taken |= np.int64(1) << word
            while blob[at] != 0 and blob[at] != blank:
                at += 1
            if blob[at] == blank:
                at += 1
            word += 1
        if not met:
            return False
    return True


@nb.njit(cache=True, nogil=True)
def together(
    texts: Codes, offsets: NDArray[np.int64], blob: Codes, start: Ints, blank: int, key: Ints, line: Ints, bands: NDArray[np.int64],
    table: Ints, offered: NDArray[np.bool_], most: int,
) -> Ints:  # fmt: skip
    """Up to `most` lines a kind (two bands) that hold words beginning with the texts in any order: rows (line, place, 0), int32.

    Cost:
        Looks at the best 8 x `most` lines of the rarest text in each band.
    """
    out = np.empty(((len(bands) - 1) * most, 3), dtype=np.int32)
    places = np.empty(8 * most, dtype=np.int32)
    lows, highs = np.empty(2, dtype=np.int64), np.empty(2, dtype=np.int64)
    n = 0
    for kind in range((len(bands) - 1) // 2):
        fewest = np.int64(2**62)
        for t in range(len(offsets) - 1):
            text = texts[offsets[t] : offsets[t + 1]]
            total = np.int64(0)
            low, high = np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64)
            for side in range(2):
                a, b = bands[2 * kind + side], bands[2 * kind + side + 1]
                low[side] = _bound(blob, key, a, b, text, False)
                high[side] = _bound(blob, key, low[side], b, text, True)
                total += high[side] - low[side]
            if total < fewest:
                fewest = total
                lows, highs = low, high
        if fewest == 0:
            continue
        for side in range(2):
            met = 0
            for i in range(best_of(line, table, offered, lows[side], highs[side], places)):
                at = line[places[i]]
                if met < most and agree(blob, int(start[at]), texts, offsets, blank):
                    out[n, 0], out[n, 1], out[n, 2] = at, start[at], 0
                    n += 1
                    met += 1
    return out[:n].copy()
