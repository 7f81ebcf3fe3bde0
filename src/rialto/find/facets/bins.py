"""Ranges of numbers: about as many products in each, their ends round, and a histogram for a slider."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rialto.find.facets.tally import within
from rialto.find.records import Bucket

__all__ = ["edges", "histogram", "roundest"]

_BINS = 5
_FEW = 6  # different numbers that are shown as they are
_SAMPLE = 4096  # values that quantiles are read off
_SLACK = 0.08  # share of the products by which an edge may miss its quantile in order to be round
_BUCKETS = 24

Floats = NDArray[np.float64]


def edges(values: Floats, step: float, *, money: bool) -> list[tuple[float, float]]:
    """Ends of ranges, both in; -inf and +inf = open; empty where all values are one.

    Args:
        values: Rising, at least one, shape (values,).
        step: What nearly all neighbouring values differ by at least, 0 = nothing: what stands between the end of one range and the
            next, unless a value lies in between, which then is the end.
        money: True makes ranges even of few different values.

    Example:
        >>> edges(np.array([4.0, 8.0, 8.0, 16.0]), 1.0, money=False)
        [(4.0, 4.0), (8.0, 8.0), (16.0, 16.0)]
        >>> edges(np.arange(137.0, 1000.0), 1.0, money=True)
        [(-inf, 299.0), (300.0, 499.0), (500.0, 599.0), (600.0, 799.0), (800.0, inf)]
    """
    least, most = values.item(0), values.item(-1)
    if least == most:
        return []
    if not money and (changes := (values[1:] != values[:-1]).nonzero()[0]).size < _FEW:
        return [(v, v) for v in (*values[changes].tolist(), most)]
    few = values[:: max(len(values) // _SAMPLE, 1)]
    cuts: list[float] = []
    for n in range(1, _BINS):
        low, high = (few.item(int((n / _BINS + slack) * (len(few) - 1))) for slack in (-_SLACK, _SLACK))
        cut = roundest(low, high, step) if low < high else high
        if least < cut <= most and (not cuts or cut > cuts[-1]):
            cuts.append(cut)
    if not cuts:
        cuts = [roundest(least, most, step)]
    below = values[values.searchsorted(cuts) - 1].tolist()
    tops = [_end(c, b, step, money=money) for c, b in zip(cuts, below)]
    return list(zip([-math.inf, *cuts], [*tops, math.inf]))


def _end(cut: float, below: float, step: float, *, money: bool) -> float:
    """The end of the range before `cut`: the shortest number that no value lies behind; `below` is the greatest value before `cut`."""
    coarse = 0.0 if money or cut <= 0.0 else 10.0 ** math.floor(math.log10(cut / 100.0))
    for least in (coarse, step):
        if least >= step > 0.0 and below <= (end := round(cut - least, 10)):
            return end
    return below


@lru_cache(maxsize=8192)  # pages of one shop ask about the same few ends again and again
def roundest(low: float, high: float, step: float) -> float:
    """The number with the fewest digits above `low` and up to `high`, a multiple of `step` where that is not 0; `low` < `high`.

    Example:
        >>> roundest(137.0, 262.0, 1.0), roundest(4.2, 4.4, 0.1), roundest(-3.0, 5.0, 1.0)
        (200.0, 4.4, 0.0)
    """
    if low < 0.0 <= high:
        return 0.0
    power = math.ceil(math.log10(max(abs(low), abs(high), 1e-9)))
    while power > -12 and (step == 0.0 or 10.0**power >= step * 0.999):
        for part in (1.0, 0.5, 0.2):
            unit = part * 10.0**power
            last = round(math.floor(high / unit + 1e-9) * unit, 10)
            if low < last <= high and (not step or abs(unit / step - round(unit / step)) < 1e-9):
                near = round(round((low + high) / 2.0 / unit) * unit, 10)
                return near if low < near <= high else last
        power -= 1
    return high


def histogram(groups: NDArray[np.int64], values: Floats, ordered: Floats, step: float) -> tuple[Bucket, ...]:
    """Buckets of one round width over all values, for a slider; the last holds what lies beyond 98 % of a long tail.

    Args:
        groups, values: As `rialto.find.facets.tally.gather` answers; `ordered` the values, rising.
        step: As in `edges`.

    Returns:
        At most 25 buckets; empty where all values are one. A value on an inner edge is in the bucket above.
    """
    least, most, common = (ordered.item(at) for at in (0, -1, int(0.98 * (len(ordered) - 1))))
    top = common if most - least > 3.0 * (common - least) > 0.0 else most
    if top <= least:
        return ()
    lows, inside, low, high = _buckets(least, top, most, step)
    return tuple(map(Bucket, low, high, within(groups, values, lows, inside).tolist()))


@lru_cache(maxsize=1024)  # as of `roundest`
def _buckets(least: float, top: float, most: float, step: float) -> tuple[Floats, Floats, list[float], list[float]]:
    """Ends of buckets: from, and the last number inside, shape (buckets,) each; then from and to, as they are shown."""
    width = _round_up((top - least) / (_BUCKETS - 1), step)
    first = math.floor(least / width + 1e-9) * width
    lows: Floats = np.round(first + np.arange(int((top - first) / width + 1e-9) + 1) * width, 10).astype(np.float64)
    ends = np.append(lows[1:], max(most, round(float(lows[-1]) + width, 10)))
    inside = np.append(np.nextafter(ends[:-1], -math.inf), math.inf)
    return lows, inside, lows.tolist(), ends.tolist()


def _round_up(width: float, step: float) -> float:
    """The least of 1, 2, 2.5 and 5 times a power of ten that is `width` or more, and `step` or more."""
    wanted = max(width, step)
    power = 10.0 ** math.floor(math.log10(wanted))
    good = [p * power for p in (1.0, 2.0, 2.5, 5.0, 10.0) if p * power >= wanted * (1.0 - 1e-9)]
    fit = [g for g in good if step == 0.0 or abs(g / step - round(g / step)) < 1e-6]
    return (fit or good)[0]
