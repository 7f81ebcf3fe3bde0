"""What is wrong with a catalogue, for the people who keep it: each finding with its products, its share, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rialto.find.alike import repeated
from rialto.find.catalogue import Catalogue
from rialto.find.missing import attributes_missing, fields_missing, titles_wrong
from rialto.find.odd import measures_odd, prices_odd
from rialto.find.spots import Spots
from rialto.find.strays import strays

__all__ = ["Finding", "Quality", "report"]

_MOST = 100  # products named with a finding


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with some products.

    Args:
        kind: What is wrong, in a word for programs: `missing_field`, `missing_attribute`, `duplicate`, `odd_price`, `odd_value`,
            `wrong_category`, `title`.
        about: The field, attribute or category that it is about; "" = the product as a whole.
        severity: `high` (shoppers see something wrong), `medium` (they find less), `low` (worth a look).
        count: Products that it is about.
        share: `count` over the products that it could have been about.
        says: A sentence that a person can act on.
        products: The shop's ids of the first 100.
        hints: Beside each of `products` what was found or is likely meant, where there is something to say; else empty.
    """

    kind: str
    about: str
    severity: str
    count: int
    share: float
    says: str
    products: tuple[str, ...]
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    """All findings, the gravest first, and how many products have none.

    Args:
        products: Products looked at.
        sound: Products with no finding of severity `high` or `medium`.
        findings: What was found.
    """

    products: int
    sound: int
    findings: tuple[Finding, ...]

    @property
    def share_sound(self) -> float:
        """Share of the products that are sound; 1 for none."""
        return self.sound / self.products if self.products else 1.0

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "share_sound": self.share_sound}


def report(catalogue: Catalogue) -> Quality:
    """Look a catalogue over.

    Returns:
        Findings about: fields and attributes that most products of a category know and some do not, titles, products that are there
        more than once, prices and numbers far from their like, products that read like another category's.

    Cost:
        Linear: about 1 s for 20,000 products of 20 attributes.

    Example:
        >>> from rialto.find.builder import Builder
        >>> report(Builder().finish()).findings
        ()
    """
    looks: tuple[Callable[[Catalogue], list[Spots]], ...] = (
        titles_wrong, fields_missing, attributes_missing, repeated, prices_odd, measures_odd, strays,
    )  # fmt: skip
    found = [s for look in looks for s in look(catalogue)] if len(catalogue) else []
    found.sort(key=lambda s: (_GRAVITY[s.severity], -len(s.rows), s.kind, s.about))
    wrong = np.zeros(len(catalogue), dtype=np.bool_)
    for spots in found:
        wrong[spots.rows] |= spots.severity != "low"
    return Quality(len(catalogue), int((~wrong).sum()), tuple(_finding(catalogue, s) for s in found))


_GRAVITY: Mapping[str, int] = {"high": 0, "medium": 1, "low": 2}


def _finding(catalogue: Catalogue, s: Spots) -> Finding:
    rows, count = s.rows[:_MOST], len(s.rows)
    ids = tuple(str(catalogue.ids[r]) for r in rows.tolist())
    return Finding(s.kind, s.about, s.severity, count, count / max(s.among, 1), s.says, ids, tuple(s.hints[:_MOST]))
