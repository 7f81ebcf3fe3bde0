"""The nouns of search: a product as people read it, what a shopper selected, and what a page of results is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, cast

from rialto.errors import BadInput

__all__ = [
    "BROWSE",
    "Bucket",
    "Facet",
    "FacetValue",
    "Product",
    "Result",
    "Rewrite",
    "RuleEffect",
    "SearchPage",
    "Selections",
    "Value",
    "join_path",
    "split_path",
]

Value = str | float | bool | tuple[str, ...]
"""An attribute's value: text (one or several), a number in the unit that stands in its name, or yes/no."""

BROWSE = ""
"""The query text of a category page: no words, everything that the selections leave."""


def split_path(path: str) -> tuple[str, ...]:
    """The levels of a category path, `Men/Tops` or `Men > Tops`.

    Example:
        >>> split_path("Men > Tops"), split_path("Men/Tops/"), split_path("")
        (('Men', 'Tops'), ('Men', 'Tops'), ())
    """
    divider = ">" if ">" in path else "/"
    return tuple(part.strip() for part in path.split(divider) if part.strip())


def join_path(levels: tuple[str, ...]) -> str:
    """The path of `levels`, divided by "/"; a "/" within a level becomes a "|"."""
    return "/".join(level.replace("/", "|") for level in levels)


@dataclass(frozen=True, slots=True)
class Product:
    """One product as people read it.

    Args:
        id: The shop's own name for it.
        number: Rialto's number for it, which it keeps for good.
        category: Levels of its category, widest first.
        price_cents: Price in cents; None = not known. `stock` likewise, in pieces, and `rating`.
        group: Variants of one model share it; "" = no variants.
        image: Where its picture is, as the catalogue says.
        released: Day it came out, `2024-05-17`; "" = not known.
        attributes: Name -> value.
    """

    id: str
    number: int
    title: str
    brand: str = ""
    category: tuple[str, ...] = ()
    description: str = ""
    price_cents: int | None = None
    stock: int | None = None
    rating: float | None = None
    rating_count: int | None = None
    group: str = ""
    image: str = ""
    released: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Selections:
    """What a shopper ticked: any of the values within a facet, all of the facets; ranges hold both their ends.

    Args:
        values: Facet -> values; facets are `brand`, `category` (a path, which holds what is below it) and attribute names.
        ranges: Facet -> (low, high), None = open; `price_cents`, `rating` and attributes that are numbers.
        in_stock: True leaves out what is known to be sold out.

    Example:
        >>> s = Selections(values={"brand": ("Acme", "Bolt")}, ranges={"price_cents": (None, 5000)})
        >>> Selections.of_json(s.to_json()) == s, Selections().to_json()
        (True, '')
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    in_stock: bool = False

    def __post_init__(self) -> None:
        for name, (low, high) in self.ranges.items():
            ends = [e for e in (low, high) if e is not None]
            if not all(isfinite(e) for e in ends) or (len(ends) == 2 and ends[0] > ends[1]):
                raise BadInput(f"range of {name!r} is {low}..{high}; wanted numbers, the low end first, None for an open end.")

    @property
    def facets(self) -> tuple[str, ...]:
        """Names of the facets in which something is selected, in order."""
        return tuple(sorted({k for k, v in self.values.items() if v} | {k for k, v in self.ranges.items() if v != (None, None)}))

    def to_json(self) -> str:
        """One canonical line, "" where nothing is selected; how a request carries it."""
        values = {k: sorted(v) for k, v in self.values.items() if v}
        ranges = {k: list(v) for k, v in self.ranges.items() if v != (None, None)}
        parts = {"values": values, "ranges": ranges, "in_stock": self.in_stock}
        return (
            json.dumps({k: v for k, v in parts.items() if v}, sort_keys=True, ensure_ascii=False) if any(parts.values()) else ""
        )

    @classmethod
    def of_json(cls, text: str) -> Selections:
        """The selections in `text`; `BadInput` says what is wrong with it."""
        if not text:
            return cls()
        try:
            data = cast("dict[str, Any]", json.loads(text))
            values = {str(k): tuple(str(x) for x in v) for k, v in data.get("values", {}).items()}
            ranges = {str(k): (_end(v[0]), _end(v[1])) for k, v in data.get("ranges", {}).items()}
            return cls(values, ranges, bool(data.get("in_stock", False)))
        except (ValueError, TypeError, AttributeError, IndexError, KeyError) as e:
            raise BadInput(
                f'selections are {text[:80]!r}: {e}; wanted {{"values": {{"brand": ["A"]}}, "ranges": {{}}}}.'
            ) from None


def _end(value: object) -> float | None:
    return None if value is None else float(cast("float", value))


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One thing that the query understanding did.

    Args:
        kind: `normalise`, `price`, `spelling`, `synonym`, ...
        before: What stood there.
        after: What came of it.
        id: Its name for undoing it, `spelling:labtop`; "" = it cannot be undone.
    """

    kind: str
    before: str
    after: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One line of a facet: its value, how it reads, its products, and whether it is selected.

    Args:
        value: What a selection holds: the text, the category path, or "low..high" of a range.
        label: What people read.
        count: Products (variants counted once) that this choice would show, other facets' selections kept.
        low, high: Ends of a range, for numbers; None = open.
    """

    value: str
    label: str
    count: int
    selected: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bar of a histogram: from `low` up to, not with, `high` (the last one with it), and its products."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """One facet: the name a selection uses, how it reads, its kind (`values`, `ranges`, `path`), and its lines.

    Args:
        known: Products that know it, other facets' selections kept.
        more: Values that were found besides these lines; search inside the facet reaches them.
        histogram: For a facet of numbers, the bars of a slider over all that the other facets' selections leave.
        low, high: For a facet of numbers, the least and the greatest value of those; None otherwise.
    """

    name: str
    label: str
    kind: str
    values: tuple[FacetValue, ...]
    known: int = 0
    more: int = 0
    histogram: tuple[Bucket, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One product on a page: its place from 1, its score, and the variants of it that were found beside it."""

    product: Product
    place: int
    score: float
    variants: int = 1


@dataclass(frozen=True, slots=True)
class RuleEffect:
    """What a merchandising rule did to one product of an answer.

    Args:
        rule, name, owner: Id of the rule, what people call it, who answers for it.
        action: `pin`, `hide`, `boost`, `bury` or `redirect`.
        product: The shop's id of the product; "" for a redirect.
        before: Its place without rules, from 1; 0 = not among the results.
        after: Its place now; 0 = not among the results.
        told: The sentence that people read.
    """

    rule: str
    name: str
    owner: str
    action: str
    product: str
    before: int
    after: int
    told: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of results, ready to be shown.

    Args:
        text: What was asked; `understood` is what was searched for.
        request_id: Joins the clicks that follow to this answer.
        total: Products found, variants counted once; `total_exact` is False where retrieval stopped at its limit.
        reachable: Of those, how many pages can show: what the ranker kept.
        took_ms: Step -> milliseconds, in order, `total` last.
        fallbacks: Steps that their fallback answered.
        explain: One row a candidate where asked for: id, end, place, scores, features.
        redirect: Where a rule sends the shopper: an address, a path, or `category:PATH`; "" = nowhere.
        rules: What merchandising rules did to the results.
    """

    text: str
    understood: str
    request_id: int
    results: tuple[Result, ...]
    facets: tuple[Facet, ...]
    rewrites: tuple[Rewrite, ...]
    total: int
    total_exact: bool
    reachable: int
    page: int
    size: int
    sort: str
    took_ms: Mapping[str, float]
    fallbacks: tuple[str, ...] = ()
    explain: tuple[Mapping[str, Any], ...] = ()
    redirect: str = ""
    rules: tuple[RuleEffect, ...] = ()
