"""What a shopper typed to what is searched for: one writing of the text, and price bounds taken out; every rewrite is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import category, normalize

import numpy as np

from rialto.errors import BadInput
from rialto.find.records import Rewrite

__all__ = ["Understood", "understand"]

_LONGEST = 500  # characters of a query that are read
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


@dataclass(frozen=True, slots=True)
class Understood:
    """A query as it is searched for.

    Args:
        asked: What was typed.
        text: What is searched for; "" = everything.
        low_cents, high_cents: Price bounds that the text named, both ends in; NaN = none.
        rewrites: What was done, for the shopper to see and undo.
    """

    asked: str
    text: str
    low_cents: float = float("nan")
    high_cents: float = float("nan")
    rewrites: tuple[Rewrite, ...] = ()


def understand(asked: str, *, price_bounds: bool = True) -> Understood:
    """Read a query: compatible characters made one (NFKC), lower case, blanks single, price bounds as bounds.

    Args:
        asked: Any text; control characters count as blanks, and what comes after 500 characters is left out.
        price_bounds: False searches for "under $50" as words: how a shopper undoes that rewrite.

    Raises:
        BadInput: `asked` is no text.

    Example:
        >>> u = understand("Red  SHOES under $50")
        >>> u.text, u.high_cents, [(r.kind, r.after) for r in u.rewrites]
        ('red shoes', 5000.0, [('price', 'price up to 50.00')])
        >>> understand("desk under 120 cm").text
        'desk under 120 cm'
    """
    if not isinstance(asked, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- a page's value
        raise BadInput(f"the query is {asked!r}; wanted text.")
    rewrites: list[Rewrite] = []
    plain = _plain(asked[:_LONGEST])
    if len(asked) > _LONGEST:
        rewrites.append(Rewrite("shorten", asked[:40] + "...", f"the first {_LONGEST} characters"))
    if plain != " ".join(asked[:_LONGEST].lower().split()):
        rewrites.append(Rewrite("normalise", asked[:_LONGEST], plain))
    low, high = float("nan"), float("nan")
    if price_bounds:
        plain, low, high, found = _bounds(plain)
        rewrites += found
    return Understood(asked, plain, low, high, tuple(rewrites))


def _plain(text: str) -> str:
    wide = normalize("NFKC", text.encode("utf-8", "replace").decode()).lower()
    return " ".join("".join(" " if category(c)[0] == "C" else c for c in wide).split())


def _bounds(text: str) -> tuple[str, float, float, list[Rewrite]]:
    """The text without its price bounds, the narrowest of them, and what was read as what."""
    low, high, rewrites = float("nan"), float("nan"), list[Rewrite]()
    while (found := _bound(text)) is not None:
        text, least, most, rewrite = found
        low, high = float(np.fmax(low, least)), float(np.fmin(high, most))
        rewrites.append(rewrite)
    return text, low, high, rewrites


def _bound(text: str) -> tuple[str, float, float, Rewrite] | None:
    for kind, rule in _RULES:
        found = rule.search(text)
        if found is None:
            continue
        cents = [round(float(g.replace(",", "")) * 100.0) for g in found.groups() if g]
        if kind == "between" and cents[0] > cents[1]:
            continue
        low = float(cents[0]) if kind in ("between", "above") else float("nan")
        high = float(cents[-1]) if kind in ("between", "below") else float("nan")
        rest = " ".join((text[: found.start()] + " " + text[found.end() :]).split())
        return rest, low, high, Rewrite("price", found[0].strip(), _said(low, high))
    return None


def _said(low: float, high: float) -> str:
    if low != low:
        return f"price up to {high / 100:.2f}"
    return f"price from {low / 100:.2f}" + ("" if high != high else f" to {high / 100:.2f}")
