"""The natural order of values: sizes from small to large, numbers with units by what they measure, so that 1 TB follows 512 GB."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from rialto.find.query.plain import units
from rialto.find.terms import fold

__all__ = ["keys"]

_NUMBER = r"\d+(?:[.,]\d+)*"
_FIRST = re.compile(rf"^\s*(?:[<>≤≥~±+-]\s*)?({_NUMBER})\s*([^\d\s,;/x×()-]*)")
_REST = re.compile(rf"^\s*[/x×:-]\s*({_NUMBER})")
_GROUPED = re.compile(r"^\d{1,3}(?:,\d{3})+(?:\.\d+)?$")
_SHARE = 0.8  # of the values that must have a place in the order


@cache
def _sizes() -> dict[str, int]:
    data = tomllib.loads(files("rialto.find").joinpath("data/sizes.toml").read_text(encoding="utf-8"))
    return {w: at for at, line in enumerate(data["order"]) for w in line}


@cache
def _factors() -> dict[str, tuple[str, float]]:
    return {w: (u.to, u.factor) for u in units() for w in (*u.writings, *u.joined)}


def keys(values: Sequence[str]) -> NDArray[np.float64] | None:
    """What to sort values by, shape (values,), NaN for a value without a place; None where most have none: then counts decide.

    Example:
        >>> def ordered(v): return [v[i] for i in np.argsort(keys(v))]
        >>> ordered(["1 TB", "512 GB", "64 GB"]), ordered(["XL", "S", "M"]), ordered(["34", "32"])
        (['64 GB', '512 GB', '1 TB'], ['S', 'M', 'XL'], ['32', '34'])
        >>> keys(["red", "blue"]) is None
        True
    """
    if not values:
        return None
    sized = [float(_sizes().get(fold(v).strip(), np.nan)) for v in values]
    if 2 <= np.count_nonzero(~np.isnan(sized)) >= _SHARE * len(values):
        return np.array(sized)
    read = [_measured(v) for v in values]
    kinds = Counter(r[0] for r in read if r)
    if not kinds or sum(kinds.values()) < _SHARE * len(values):
        return None
    usual, often = kinds.most_common(1)[0]
    if often < _SHARE * len(values):
        return None
    return np.array([r[1] if r and r[0] == usual else np.nan for r in read])


def _measured(text: str) -> tuple[str, float] | None:
    """What a value measures and how much, `("mb", 1e6)`; a second number, as in 32 x 34, decides between equals."""
    found = _FIRST.match(text)
    if not found:
        return None
    unit = fold(found[2])
    to, factor = _factors().get(unit, (unit, 1.0))
    rest = _REST.match(text[found.end() :])
    second = _number(rest[1]) if rest else 0.0
    return to, _number(found[1]) * factor * (1.0 + 1e-12) + min(second, 1e6) * 1e-7


def _number(text: str) -> float:
    whole = text.replace(",", "") if _GROUPED.match(text) else text.replace(",", ".")
    return float(whole) if whole.count(".") <= 1 else float(whole.replace(".", "")[:15])
