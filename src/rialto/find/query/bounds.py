"""Price bounds in a query's words, "under $50", taken out of the text."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from rialto.find.records import Rewrite

__all__ = ["price_bounds"]

_NUMBER = r"(\d{1,7}(?:,\d{3})*(?:\.\d{1,2})?)"
_SIGN = r"(?:[$€£]|usd|eur|gbp)\s?"
_WORD = r"\s?(?:[$€£]|dollars?|bucks|euros?|pounds|usd|eur|gbp)(?!\w)"
_BELOW = r"(?:under|below|less than|cheaper than|up to|at most|max(?:imum)?|no more than|<=?)"
_ABOVE = r"(?:over|above|more than|at least|from|min(?:imum)?|>=?)"
_PRICED = rf"(?:{_SIGN}{_NUMBER}(?:{_WORD})?|{_NUMBER}{_WORD})"
# A bare number is a price only after "under" and its kind, at the end: "chair under 40", but not "desk over 120 cm".
_RULES = (
    (
        "between",
        re.compile(rf"(?<!\w)(?:between\s+)?{_SIGN}{_NUMBER}\s*(?:-|to|and|–)\s*(?:{_SIGN})?{_NUMBER}(?:{_WORD})?(?!\w)"),
    ),
    ("between", re.compile(rf"(?<!\w)(?:between\s+)?{_NUMBER}\s*(?:-|to|and|–)\s*{_NUMBER}{_WORD}")),
    ("below", re.compile(rf"(?<!\w){_BELOW}\s*{_PRICED}(?!\w)")),
    ("above", re.compile(rf"(?<!\w){_ABOVE}\s*{_PRICED}(?!\w)")),
    ("below", re.compile(rf"(?<!\w){_BELOW}\s*{_NUMBER}$")),
)


def price_bounds(text: str, *, undo: Collection[str] = ()) -> tuple[str, float, float, tuple[Rewrite, ...]]:
    """The text without its price bounds, the narrowest of them in cents (NaN = none), and what was read as what.

    Args:
        text: Lower case, blanks single.
        undo: Ids of bounds that stay words.

    Example:
        >>> text, low, high, rewrites = price_bounds("red shoes under $50")
        >>> text, high, rewrites[0].id
        ('red shoes', 5000.0, 'price:under $50')
    """
    low, high, rewrites = float("nan"), float("nan"), list[Rewrite]()
    while (found := _bound(text, undo)) is not None:
        text, least, most, rewrite = found
        low, high = float(np.fmax(low, least)), float(np.fmin(high, most))
        rewrites.append(rewrite)
    return text, low, high, tuple(rewrites)


def _bound(text: str, undo: Collection[str]) -> tuple[str, float, float, Rewrite] | None:
    for kind, rule in _RULES:
        found = rule.search(text)
        if found is None or f"price:{found[0].strip()}" in undo:
            continue
        cents = [round(float(g.replace(",", "")) * 100.0) for g in found.groups() if g]
        if kind == "between" and cents[0] > cents[1]:
            continue
        low = float(cents[0]) if kind in ("between", "above") else float("nan")
        high = float(cents[-1]) if kind in ("between", "below") else float("nan")
        rest = " ".join((text[: found.start()] + " " + text[found.end() :]).split())
        said = found[0].strip()
        return rest, low, high, Rewrite("price", said, _said(low, high), f"price:{said}")
    return None


def _said(low: float, high: float) -> str:
    if low != low:
        return f"price up to {high / 100:.2f}"
    return f"price from {low / 100:.2f}" + ("" if high != high else f" to {high / 100:.2f}")
