"""Products as judgments name them found in a catalogue, though one of the two was written by a program that changes ids a little."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from rialto.find.catalogue import Catalogue

__all__ = ["Found", "found", "harmless"]


@dataclass(frozen=True, slots=True)
class Found:
    """Judged ids in a catalogue.

    Args:
        rows: Judged id -> row of the catalogue; one that is not there has none.
        alike: How many were found only by a harmless difference.
        by_name: True where they are no ids of the catalogue but codes among its products' names (article numbers).
    """

    rows: Mapping[str, int]
    alike: int = 0
    by_name: bool = False


def harmless(text: str) -> str:
    """An id without what programs change: blanks around it, case, leading zeros and the `.0` of a number read as a fraction.

    Example:
        >>> harmless(" 00123.0 "), harmless("B00ABC"), harmless("1.50"), harmless("000")
        ('123', 'b00abc', '1.50', '0')
    """
    text = text.strip().casefold()
    digits = re.fullmatch(r"0*(\d+)(?:\.0+)?", text)
    return digits[1] if digits else text


def found(catalogue: Catalogue, products: Collection[str]) -> Found:
    """Which of `products` are in the catalogue; two of its ids that differ harmlessly are found by their very writing only."""
    exact = {p: row for p in products if (row := catalogue.row_of_id.get(p)) is not None}
    if len(exact) == len(products):
        return Found(exact)
    folded = _unique((harmless(i), row) for i, row in catalogue.row_of_id.items())
    alike = {p: row for p in products if p not in exact and (row := folded.get(harmless(p), -1)) >= 0}
    if exact or alike:
        return Found({**exact, **alike}, len(alike))
    codes = _unique(
        (harmless(t), row) for row, names in enumerate(catalogue.text("names").tolist()) for t in set(str(names).split())
    )
    named = {p: row for p in products if (row := codes.get(harmless(p), -1)) >= 0}
    return Found(named, by_name=True) if 2 * len(named) >= len(products) else Found({})


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Key -> row; -1 for a key of several rows."""
    out: dict[str, int] = {}
    for key, row in pairs:
        out[key] = -1 if key in out and out[key] != row else row
    return out
