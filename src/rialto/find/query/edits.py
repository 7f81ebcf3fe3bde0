"""Kernels of the error model: what it costs to have typed one word for another, and how the two line up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["BLANK", "CLASSES", "START", "align", "cost", "edits", "points"]

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]
_Points = NDArray[np.uint32]

CLASSES = 29  # a-z, digit, blank, other
BLANK = 27
START = 29  # in place of a previous class at the start of a text

# Operations of `align`, one row each: kind, place in the intended text, place in the typed text.
MATCH, CHANGED, LEFT_OUT, PUT_IN, SWAPPED, RULE = 0, 1, 2, 3, 4, 5


def points(text: str) -> NDArray[np.uint32]:
    """The code points of a text, shape (characters,)."""
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


@njit(cache=True, nogil=True)
def _class_of(p: Any) -> int:
    if 97 <= p <= 122:
        return p - 97
    if 48 <= p <= 57:
        return 26
    return 27 if p == 32 else 28


@njit(cache=True, nogil=True)
def _classes(a: _Points) -> NDArray[np.int64]:
    out = np.empty(len(a), dtype=np.int64)
    for i in range(len(a)):
        out[i] = _class_of(np.int64(a[i]))
    return out


@njit(cache=True, nogil=True)
def table(
    a: _Points,
    b: _Points,
    change: _Floats,
    leave: _Floats,
    put: _Floats,
    swap: _Floats,
    rule: _Ints,
    rule_cost: _Floats,
    rule_start: _Ints,
    limit: float,
) -> NDArray[np.float64]:
    """Least cost of typing b's first j for a's first i, shape (len(a) + 1, len(b) + 1); stops, last cell +inf, once past `limit`."""
    n, m = len(a), len(b)
    x, y = _classes(a), _classes(b)
    d = np.full((n + 1, m + 1), np.inf)
    d[0, 0] = 0.0
    for i in range(n + 1):
        least = np.inf
        before = x[i - 1] if i > 0 else 29
        for j in range(m + 1):
            best = d[i, j]
            if i > 0:
                best = min(best, d[i - 1, j] + leave[x[i - 1], x[i - 2] if i > 1 else 29])
            if j > 0:
                best = min(best, d[i, j - 1] + put[y[j - 1], before])
            if i > 0 and j > 0:
                same = a[i - 1] == b[j - 1]
                best = min(best, d[i - 1, j - 1] + (0.0 if same else change[x[i - 1], y[j - 1]]))
                if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1] and not same:
                    best = min(best, d[i - 2, j - 2] + swap[x[i - 2], x[i - 1]])
                bucket = x[i - 1] * 29 + y[j - 1]
                for k in range(rule_start[bucket], rule_start[bucket + 1]):
                    p, q = rule[k, 0], rule[k, 1]
                    if p <= i and q <= j and _fits(x, y, i - p, j - q, rule, k):
                        best = min(best, d[i - p, j - q] + rule_cost[k])
            d[i, j] = best
            least = min(least, best)
        if least > limit:
            d[n, m] = np.inf
            return d
    return d


@njit(cache=True, nogil=True)
def _fits(x: _Ints, y: _Ints, i: int, j: int, rule: _Ints, k: int) -> bool:
    for s in range(rule[k, 0]):
        if x[i + s] != rule[k, 2 + s]:
            return False
    for t in range(rule[k, 1]):  # noqa: SIM110 -- numba takes no `all` of a generator
        if y[j + t] != rule[k, 5 + t]:
            return False
    return True


@njit(cache=True, nogil=True)
def cost(
    a: _Points,
    b: _Points,
    change: _Floats,
    leave: _Floats,
    put: _Floats,
    swap: _Floats,
    rule: _Ints,
    rule_cost: _Floats,
    rule_start: _Ints,
    limit: float,
) -> float:
    """Cost, -log probability, of having typed b where a was meant; +inf past `limit`. O(len(a) x len(b))."""
    return table(a, b, change, leave, put, swap, rule, rule_cost, rule_start, limit)[len(a), len(b)]


@njit(cache=True, nogil=True)
def align(
    a: _Points,
    b: _Points,
    change: _Floats,
    leave: _Floats,
    put: _Floats,
    swap: _Floats,
    rule: _Ints,
    rule_cost: _Floats,
    rule_start: _Ints,
) -> NDArray[np.int64]:
    """The likeliest way from a to b, last operation first, shape (operations, 4): kind, place in a, place in b, rule."""
    d = table(a, b, change, leave, put, swap, rule, rule_cost, rule_start, np.inf)
    x, y = _classes(a), _classes(b)
    out = np.empty((len(a) + len(b), 4), dtype=np.int64)
    i, j, n = len(a), len(b), 0
    while i > 0 or j > 0:
        kind, p, q, which = -1, 0, 0, -1
        now = d[i, j] + 1e-9
        if i > 0 and j > 0:
            same = a[i - 1] == b[j - 1]
            if d[i - 1, j - 1] + (0.0 if same else change[x[i - 1], y[j - 1]]) <= now:
                kind, p, q = (0 if same else 1), 1, 1
            elif (
                i > 1
                and j > 1
                and a[i - 1] == b[j - 2]
                and a[i - 2] == b[j - 1]
                and d[i - 2, j - 2] + swap[x[i - 2], x[i - 1]] <= now
            ):
                kind, p, q = 4, 2, 2
            else:
                bucket = x[i - 1] * 29 + y[j - 1]
                for k in range(rule_start[bucket], rule_start[bucket + 1]):
                    fits = rule[k, 0] <= i and rule[k, 1] <= j and _fits(x, y, i - rule[k, 0], j - rule[k, 1], rule, k)
                    if fits and d[i - rule[k, 0], j - rule[k, 1]] + rule_cost[k] <= now:
                        kind, p, q, which = 5, rule[k, 0], rule[k, 1], k
                        break
        if kind < 0 and i > 0 and d[i - 1, j] + leave[x[i - 1], x[i - 2] if i > 1 else 29] <= now:
            kind, p, q = 2, 1, 0
        if kind < 0:
            kind, p, q = 3, 0, 1
        i -= p
        j -= q
        out[n] = (kind, i, j, which)
        n += 1
    return out[:n]


@njit(cache=True, nogil=True)
def edits(a: _Points, b: _Points) -> int:
    """Letters changed, left out, put in, or swapped with their neighbour between a and b, at least."""
    d = np.zeros((len(a) + 1, len(b) + 1), dtype=np.int64)
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            if i == 0 or j == 0:
                d[i, j] = i + j
                continue
            best = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                best = min(best, d[i - 2, j - 2] + 1)
            d[i, j] = best
    return int(d[len(a), len(b)])
