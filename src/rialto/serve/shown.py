"""Records as people and programs read them: prices, facet lines, chips, page numbers, and the search API's typed answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from urllib.parse import quote

import numpy as np

from rialto.find.records import Facet, FacetValue, Product, SearchPage, Selections, split_path
from rialto.find.suggest import Suggestion
from rialto.serve.answers import ProductOut, Reason, SuggestionOut, Told
from rialto.serve.ask import Ask
from rialto.serve.storefront import Storefront

__all__ = [
    "Chip",
    "chips",
    "ended",
    "facet_label",
    "fact",
    "line_label",
    "media_type",
    "money_of",
    "pages",
    "paragraphs",
    "picture_path",
    "product_out",
    "product_path",
    "suggestion_out",
    "told",
]

_APART = 6  # features named for a result
_SAID = {"yes": "Yes", "no": "No"}


@dataclass(frozen=True, slots=True)
class Chip:
    """Something that is ticked: how it reads, and the address without it."""

    label: str
    href: str


def money_of(store: Storefront) -> Callable[[float | None], str]:
    """Cents as people read them; the made-up shop has dollars, a catalogue does not say which money it means."""
    return _dollars if store.shop.made_up else _bare


def _dollars(cents: float | None) -> str:
    return "" if cents is None else f"${_bare(cents)}"


def _bare(cents: float | None) -> str:
    return "" if cents is None else f"{cents / 100:,.2f}"


def picture_path(product: Product) -> str:
    """Where a product's picture is served."""
    return f"/shop/picture/{quote(product.id, safe='')}"


def product_path(product: Product) -> str:
    """Where a product's page is."""
    return f"/shop/product/{quote(product.id, safe='')}"


def media_type(picture: bytes) -> str:
    """The type of a picture by its first bytes.

    Example:
        >>> media_type(b"RIFF...."), media_type(bytes([0xFF, 0xD8, 0xFF]))
        ('image/webp', 'image/jpeg')
    """
    return {b"\x89P": "image/png", b"RI": "image/webp"}.get(picture[:2], "image/jpeg")


def line_label(facet: Facet, value: FacetValue, money: Callable[[float | None], str]) -> str:
    """How a line of a facet reads: ranges with their ends, prices as money."""
    if facet.kind != "ranges":
        return _SAID.get(value.label, value.label)
    return _range_label(facet.name, value.low, value.high, money)


@lru_cache(maxsize=8192)  # pages of one shop show the same ranges again and again
def _range_label(facet: str, low: float | None, high: float | None, money: Callable[[float | None], str]) -> str:
    said = money if facet.endswith("_cents") else lambda n: "" if n is None else f"{n:,.10g}"
    if low is None or high is None:
        return f"up to {said(high)}" if low is None else f"{said(low)} and more"
    return said(low) if low == high else f"{said(low)} – {said(high)}"


def facet_label(facet: Facet) -> str:
    """How a facet's name reads, a unit at its end in brackets.

    Example:
        >>> facet_label(Facet("drop_mm", "Drop mm", "ranges", ())), facet_label(Facet("brand", "Brand", "values", ()))
        ('Drop (mm)', 'Brand')
    """
    words = facet.label.split()
    unit = len(words) > 1 and facet.kind == "ranges" and len(words[-1]) <= 3
    return " ".join([*words[:-1], f"({words[-1]})"]) if unit else facet.label


def paragraphs(text: str) -> tuple[list[str], list[str]]:
    """A description's paragraphs, and the points of its list.

    Example:
        >>> paragraphs("A lamp.\\n\\n• Dimmable\\n• Brass")
        (['A lamp.'], ['Dimmable', 'Brass'])
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    points = [line for line in lines if line.startswith(("•", "- ", "* "))]
    return [line for line in lines if line not in points], [line[1:].strip() for line in points]


def ended(end: str) -> str:
    """What became of a candidate, in words.

    Example:
        >>> ended("chosen"), ended("removed: out_of_stock"), ended("cut: fusion")
        ('shown', 'removed (out of stock)', 'cut by fusion')
    """
    kind, _, what = end.replace("_", " ").partition(": ")
    words = {"chosen": "shown", "unchosen": "ranked further down", "not found": "not fetched by any leg of retrieval"}
    return words.get(kind, f"{kind} by {what}" if kind == "cut" else f"{kind} ({what})" if what else kind)


def fact(value: object) -> str:
    """An attribute's value as people read it.

    Example:
        >>> fact(True), fact(8.0), fact(("red", "blue"))
        ('yes', '8', 'red, blue')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.10g}"
    return ", ".join(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else str(value)


def chips(ask: Ask, found: SearchPage, store: Storefront, path: str = "/shop") -> list[Chip]:
    """Everything that is ticked, each with the address of the same search, at `path`, without it."""
    return list(_chips(ask, {f.name: facet_label(f) for f in found.facets}, money_of(store), path))


def _chips(ask: Ask, labels: Mapping[str, str], money: Callable[[float | None], str], path: str) -> Iterator[Chip]:
    chosen = ask.selections
    for facet, values in sorted(chosen.values.items()):
        for v in values:
            said = " › ".join(split_path(v)) if facet == "category" else v
            yield Chip(f"{labels.get(facet, facet)}: {said}", ask.ticked(facet, v).address(path))
    for facet, (low, high) in sorted(chosen.ranges.items()):
        yield Chip(f"{labels.get(facet, facet)}: {_range_label(facet, low, high, money)}", ask.unbounded(facet).address(path))
    if chosen.in_stock:
        yield Chip("In stock", ask.any_stock().address(path))


def pages(found: SearchPage) -> list[int]:
    """Page numbers to offer, 0 for a gap: the first, the last, and those around this one."""
    last = max(-(-min(found.total, found.reachable) // found.size), 1)
    near = sorted({1, last, *range(max(found.page - 1, 1), min(found.page + 1, last) + 1)})
    out: list[int] = []
    for n in near:
        if out and n - out[-1] > 1:
            out.append(0)
        out.append(n)
    return out


def product_out(p: Product) -> ProductOut:
    """A product for the API."""
    attributes: dict[str, str | float | bool | list[str]] = {
        k: list(v) if isinstance(v, tuple) else v for k, v in p.attributes.items()
    }
    return ProductOut(
        id=p.id, title=p.title, brand=p.brand, category=list(p.category), description=p.description, price_cents=p.price_cents,
        stock=p.stock, rating=p.rating, rating_count=p.rating_count, released=p.released, attributes=attributes,
        picture=picture_path(p),
    )  # fmt: skip


def suggestion_out(s: Suggestion, store: Storefront) -> SuggestionOut:
    """A suggestion for the API; a product's leads to its page, another's to a search, within its category where it has one."""
    kind = cast("Any", s.kind)
    if s.product < 0:
        chosen = Selections({"category": (s.scope,)} if s.scope else {})
        return SuggestionOut(text=s.text, kind=kind, scope=s.scope, href=Ask(s.text, chosen).address(), picture="", price="")
    p = store.shop.search.catalogue.product(s.product)
    price = money_of(store)(p.price_cents)
    return SuggestionOut(text=s.text, kind=kind, href=product_path(p), scope="", picture=picture_path(p), price=price)


def told(found: SearchPage, store: Storefront, product: str = "") -> Told:
    """Why a page reads as it does, and the fate of one product; the page was made with `explain`."""
    rows = {str(r["product"]): r for r in found.explain}
    apart = _apart(found)
    named = Counter(str(r["end"]) for r in found.explain)
    results = [_reason(r.product, rows[r.product.id], apart) for r in found.results if r.product.id in rows]
    asked = None
    if product:
        p = store.product(product)
        asked = _reason(p, rows.get(p.id, {"end": "not found", "place": 0, "scores": {}, "features": {}}), apart)
    return Told(
        request=str(found.request_id), understood=found.understood, ends=dict(named.most_common()), results=results, asked=asked
    )


def _reason(p: Product, row: Mapping[str, Any], apart: Mapping[str, tuple[float, float]]) -> Reason:
    features = {k: float(v) for k, v in row["features"].items() if v == v}
    marks = {k: (v - apart[k][0]) / apart[k][1] for k, v in features.items() if k in apart}
    best = sorted(marks, key=lambda k: -abs(marks[k]))[:_APART]
    scores = {k: float(v) for k, v in row["scores"].items() if abs(v) < float("inf")}
    return Reason(
        product=p.id, title=p.title, end=row["end"], place=row["place"], scores=scores, features=features,
        apart={k: round(marks[k], 2) for k in best},
    )  # fmt: skip


def _apart(found: SearchPage) -> dict[str, tuple[float, float]]:
    """Feature -> mean and standard deviation over all candidates of the search, for those that differ at all."""
    names = list(dict.fromkeys(k for r in found.explain for k in r["features"]))
    values = np.array([[r["features"].get(k, np.nan) for k in names] for r in found.explain], dtype=np.float64)
    out: dict[str, tuple[float, float]] = {}
    for at, name in enumerate(names):
        held = values[np.isfinite(values[:, at]), at]
        if len(held) > 1 and held.std() > 0:
            out[name] = (float(held.mean()), float(held.std()))
    return out
