"""Numbers far from their like: prices within a category, attributes within theirs, and values a unit apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.spots import Spots, kinds

__all__ = ["measures_odd", "prices_odd"]

_FEW = 20  # numbers from which on one can be odd
_FAR = 6.0  # robust deviations from the middle, from which on it is
_TIMES = 4.0  # and at least so many times greater or smaller
_PLACEHOLDERS = (
    99_999,
    999_999,
    9_999_999,
    99_999_900,
    999_900,
    9_999_900,
    999_999_900,
    123_456,
    111_111,
    12_345_600,
    1_234_500,
)  # cents
_REPEATS = 3  # products at a placeholder's price, from which on it is one
_COUNTS = 20  # whole numbers that are usually no more than this count things
_SHIFTS = (100.0, 1000.0, 2.54, 25.4, 0.453_592, 453.592, 28.3495, 1024.0)  # factors between units that get mixed up


def prices_odd(c: Catalogue) -> list[Spots]:
    """Prices of nothing, placeholders, and those far from their category's, on the scale of ratios."""
    price = c.value("price_cents")
    free = np.flatnonzero(price == 0)
    out: list[Spots] = []
    if len(free):
        says = f"{len(free):,} products cost nothing. Set the price, or leave it out where it is not known."
        out.append(Spots("odd_price", "0", "high", free, len(c), says))
    for value in _PLACEHOLDERS:
        rows = np.flatnonzero(price == value)
        if len(rows) >= _REPEATS:
            says = f"{len(rows):,} products cost {value / 100:,.2f}, which looks like a placeholder. Set their prices."
            out.append(Spots("odd_price", f"{value / 100:.2f}", "high", rows, len(c), says))
    rows, hints = list[int](), list[str]()
    for kind, held in kinds(c, _FEW):
        values = price[held]
        far, middle = _far(values)
        rows += held[far].tolist()
        hints += [f"{v / 100:,.2f}; in {kind or 'the catalogue'} {middle / 100:,.2f} is usual" for v in values[far].tolist()]
    if rows:
        says = f"{len(rows):,} products cost far more or far less than others of their category. See whether a digit or the currency is wrong."
        out.append(
            Spots("odd_price", "far", "medium", np.array(rows, dtype=np.int64), int((~np.isnan(price)).sum()), says, hints)
        )
    return out


def measures_odd(c: Catalogue) -> list[Spots]:
    """Numbers of attributes that are far from those of the same name in the same category: negative, or a unit apart."""
    m = c.measures
    kind_of, groups = np.zeros(len(c), dtype=np.int64), kinds(c, _FEW)
    for at, (_, rows) in enumerate(groups):
        kind_of[rows] = at
    owner = np.repeat(np.arange(len(c)), np.diff(m.offsets))
    key = m.name * len(groups) + kind_of[owner]
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1)) if len(order) else np.zeros(0, dtype=np.int64)
    found: dict[int, list[tuple[int, str]]] = {}
    for first, last in zip(starts.tolist(), [*starts[1:].tolist(), len(order)]):
        if last - first >= _FEW:
            held = order[first:last]
            spots = _odd(m.value[held])
            if spots:
                found.setdefault(int(m.name[held[0]]), []).extend((int(owner[held[at]]), hint) for at, hint in spots)
    known = np.bincount(m.name, minlength=len(m.names))
    return [_spots(m.names[n], spots, int(known[n])) for n, spots in sorted(found.items())]


def _spots(name: str, spots: list[tuple[int, str]], known: int) -> Spots:
    spots = sorted(spots, key=lambda s: "unit" not in s[1])
    shifted = sum("unit" in hint for _, hint in spots)
    says = (
        f"{len(spots):,} of {known:,} products have a {name} far from that of others like them"
        + (f"; {shifted} look like another unit" if shifted else "")
        + ". See whether the number or its unit is wrong."
    )
    rows = np.array([row for row, _ in spots], dtype=np.int64)
    return Spots("odd_value", name, "medium" if shifted else "low", rows, known, says, [hint for _, hint in spots])


def _odd(values: NDArray[np.float64]) -> list[tuple[int, str]]:
    """Places of odd values among those of like products, and what may be meant; counts, which spread by nature, are not judged."""
    positive = values[values > 0]
    less = np.flatnonzero(values < 0) if (values < 0).mean() < 0.05 else np.zeros(0, dtype=np.int64)
    if len(positive) and np.median(positive) <= _COUNTS and np.all(positive == np.round(positive)):
        return [(at, f"{values[at]:g} is below 0") for at in less.tolist()]
    far, middle = _far(values)
    return [(at, _hint(float(values[at]), positive, middle)) for at in [*less.tolist(), *far.tolist()]]


def _far(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], float]:
    """Where values are far from their middle by ratio, the farthest first, and that middle; NaN and what is not above 0 is left out.

    Source:
        Iglewicz, Hoaglin (1993), "How to detect and handle outliers": median and median absolute deviation.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.where(values > 0, np.log(np.where(values > 0, values, 1.0)), np.nan)
    known = np.flatnonzero(~np.isnan(logs))
    if len(known) < _FEW:
        return np.zeros(0, dtype=np.int64), 0.0
    middle = float(np.median(logs[known]))
    off = np.abs(logs[known] - middle)
    spread = max(1.4826 * float(np.median(off)), 0.05)
    far = known[(off > _FAR * spread) & (off > np.log(_TIMES))]
    return far[np.argsort(-np.abs(logs[far] - middle), kind="stable")], float(np.exp(middle))


def _hint(value: float, others: NDArray[np.float64], middle: float) -> str:
    """What the value would be a unit apart, where products have just that one, or nearly the middle."""
    if value < 0:
        return f"{value:g} is below 0"
    for shift in _SHIFTS:
        for meant in (value / shift, value * shift):
            near = np.isclose(others, meant, rtol=1e-6).sum()
            if near >= 2 and abs(np.log(meant / middle)) < np.log(_TIMES):
                return f"{value:g} may be {meant:g}, in another unit; {near} others have that"
    return f"{value:g}"
