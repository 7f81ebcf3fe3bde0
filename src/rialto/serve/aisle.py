"""What the shop's page shows around its results: what was understood and how to undo it, facets to narrow by, and help where nothing fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import isclose
from typing import Any
from urllib.parse import quote, urlencode

from rialto.find.asking import read
from rialto.find.category import CategoryPage
from rialto.find.page import answer
from rialto.find.query import Understood
from rialto.find.records import Facet, FacetValue, SearchPage, join_path, split_path
from rialto.serve import shown
from rialto.serve.ask import SORTS, Ask
from rialto.serve.storefront import Storefront

__all__ = ["Bar", "Note", "Numbers", "Way", "category_path", "helps", "notes", "numbers", "page_data", "redirected"]

REDIRECT = "redirect"
"""Undone under this id, a redirecting rule lets the shopper stay."""

_QUIET = (
    "normalise",
    "unit",
    "model",
    "synonym",
)  # the same thing in another writing; synonyms are told with what was searched too
_SAID = {"price": "Price", "spelling": "Spelling", "join": "Spelling", "split": "Spelling", "negation": "Without",
         "quantity": "Size", "shorten": "Shortened", "relax": "Left out"}  # fmt: skip
_WAYS = 5  # out of an empty page
_INSIDE = 8  # values from which on a facet can be searched


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that was made of the words.

    Args:
        what: What it is about: `Spelling`, `Price`.
        before, after: What was typed and what was made of it.
        href: The same search without it; "" = it cannot be undone alone.
    """

    what: str
    before: str
    after: str
    href: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a histogram in a box of 100 by 40: where it stands, how high, and whether what is chosen holds it."""

    x: float
    width: float
    height: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class Numbers:
    """A facet of numbers as inputs and a histogram: ends as the inputs show them, `scale` of the facet's units to one of theirs."""

    bars: tuple[Bar, ...]
    low: str
    high: str
    least: str
    greatest: str
    scale: int
    own: FacetValue | None
    """The range that is chosen where no line of the facet is it."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way out of an empty page: what to do, where it leads, and how many products stand there."""

    what: str
    href: str
    count: int


def page_data(
    store: Storefront, ask: Ask, found: SearchPage, *, fate: str = "", category: CategoryPage | None = None
) -> dict[str, Any]:
    """Everything that the shop's template needs for one page.

    Args:
        fate: Id of a product whose fate is told, with `ask.explain`.
        category: The category that this is the page of; None = a search.
    """
    path = category_path(category.path) if category else "/shop"
    told = shown.told(found, store, fate if store.has(fate) else "") if ask.explain else None
    facets = [f for f in found.facets if not (category and f.name == "category")]
    understood = read(store.shop.search.fittings.reader, ask.text, undo=("all",) if ask.exact else ask.undo)
    effects: dict[str, list[str]] = {}
    for e in found.rules:
        effects.setdefault(e.product, []).append(e.told)
    return {
        "here": "shop", "ask": ask, "found": found, "store": store, "fate": fate, "told": told, "sorts": SORTS, "path": path,
        "reasons": {r.product: r for r in told.results} if told else {}, "money": shown.money_of(store), "labels": shown.line_label,
        "chips": shown.chips(ask, replace(found, facets=tuple(facets)), store, path), "pages": shown.pages(found),
        "notes": list(notes(ask, found)), "too": list(searched_too(ask, understood)), "facets": facets, "category": category,
        "numbers": {f.name: numbers(ask, f) for f in facets if f.kind == "ranges"},
        "inside": {f.name for f in facets if f.kind != "ranges" and (f.more or len(f.values) > _INSIDE)},
        "effects": effects if ask.explain else {}, "departments": _departments(ask, found, category),
        "helps": helps(store, ask, path) if not found.total else [],
    }  # fmt: skip


def _departments(ask: Ask, found: SearchPage, category: CategoryPage | None) -> list[FacetValue]:
    """The categories to walk into: those below this one, or on the first page of the shop the widest ones."""
    if category is not None:
        return list(category.children)
    if replace(ask, segments=()) != Ask():
        return []
    return [v for f in found.facets if f.kind == "path" for v in f.values if len(split_path(v.value)) == 1]


def notes(ask: Ask, found: SearchPage) -> Iterator[Note]:
    """What was made of the words, each with the address that undoes it."""
    left_out = {r.before for r in found.rewrites if r.kind == "relax"}
    for r in found.rewrites:
        if r.kind not in _QUIET and not (r.kind == "price" and r.after in left_out):
            href = ask.undone(r.id).address() if r.id else ""
            after = r.before if r.kind == "relax" else r.after.removeprefix("price ") if r.kind == "price" else r.after
            yield Note(_SAID.get(r.kind, r.kind.replace("_", " ").capitalize()), r.before, after, href)


def searched_too(ask: Ask, understood: Understood) -> Iterator[tuple[str, str]]:
    """Texts that were searched beside what was asked, each with the address that undoes it, "" where that cannot be."""
    undoing = {f" {understood.text} ".replace(f" {r.before} ", f" {r.after} ", 1).strip(): r.id for r in understood.synonyms}
    for text in understood.alternatives:
        yield text, ask.undone(undoing[text]).address() if text in undoing else ""


def numbers(ask: Ask, facet: Facet) -> Numbers:
    """A facet of numbers as inputs and a histogram.

    Example:
        >>> from rialto.find.records import Bucket, Selections
        >>> price = Facet("price_cents", "Price", "ranges", (), 3, 0, (Bucket(0, 1000, 2), Bucket(1000, 2000, 1)), 250.0, 1999.0)
        >>> n = numbers(Ask("lamp", Selections(ranges={"price_cents": (None, 999.0)})), price)
        >>> n.low, n.high, n.least, n.greatest, [(b.x, b.height, b.chosen) for b in n.bars]
        ('', '9.99', '2.50', '19.99', [(0.0, 40.0, True), (50.0, 20.0, False)])
    """
    scale = 100 if facet.name.endswith("_cents") else 1
    low, high = ask.selections.ranges.get(facet.name, (None, None))
    own = None
    if (low, high) != (None, None) and not any(_same(v.low, low) and _same(v.high, high) for v in facet.values):
        written = f"{'' if low is None else f'{low:.15g}'}..{'' if high is None else f'{high:.15g}'}"
        own = FacetValue(written, "", 0, True, low, high)
    return Numbers(
        tuple(_bars(facet, low, high)), _shown(low, scale), _shown(high, scale), _shown(facet.low, scale), _shown(facet.high, scale),
        scale, own,
    )  # fmt: skip


def _bars(facet: Facet, low: float | None, high: float | None) -> Iterator[Bar]:
    most = max((b.count for b in facet.histogram), default=0)
    width = 100.0 / max(len(facet.histogram), 1)
    for at, b in enumerate(facet.histogram):
        chosen = (low is None or b.high > low) and (high is None or b.low <= high)
        yield Bar(round(at * width, 3), round(width, 3), round(max(40.0 * b.count / most, 1.5 if b.count else 0.0), 2), chosen)


def _same(a: float | None, b: float | None) -> bool:
    return a is b if a is None or b is None else isclose(a, b, rel_tol=1e-12)


def _shown(value: float | None, scale: int) -> str:
    return "" if value is None else f"{value / scale:.2f}" if scale > 1 else f"{value:.10g}"


def category_path(levels: tuple[str, ...]) -> str:
    """Where a category's page is.

    Example:
        >>> category_path(("Home & garden", "Lamps")), category_path(())
        ('/shop/category/Home%20%26%20garden/Lamps', '/shop/category/')
    """
    return f"/shop/category/{quote(join_path(levels))}"


def redirected(ask: Ask, found: SearchPage) -> str:
    """Where a rule sends this shopper; "" = nowhere, as on every page but the plain first one, and where they asked to stay."""
    plain = not (ask.selections.facets or ask.selections.in_stock or ask.explain or ask.exact or ask.page > 1)
    if not (found.redirect and plain) or REDIRECT in ask.undo or "all" in ask.undo:
        return ""
    kind, _, path = found.redirect.partition("category:")
    target = category_path(split_path(path)) if not kind and path else found.redirect
    if not target.startswith("/shop"):
        return target
    return f"{target}{'&' if '?' in target else '?'}{urlencode({'from': ask.text})}"


def helps(store: Storefront, ask: Ask, path: str) -> list[Way]:
    """Ways out of an empty page that lead to products: without one of the things ticked, one of the rewrites, or one condition of the words.

    Cost:
        A search for each, ten at most, none of them logged: nobody asked for them.
    """
    ways: list[Way] = []
    for what, other in _tries(store, ask):
        page, _ = answer(
            store.shop.search, other.text, selections=other.selections, size=1, segments=ask.segments,
            undo=("all",) if other.exact else other.undo,
        )  # fmt: skip
        if page.total and all(w.href != other.address(path) for w in ways):
            ways.append(Way(what, other.address(path), page.total))
    return ways[:_WAYS]


def _tries(store: Storefront, ask: Ask) -> Iterator[tuple[str, Ask]]:
    chosen = ask.selections
    ticked: list[tuple[str, Callable[[], Ask]]] = []
    ticked += [
        (f"Without “{' › '.join(split_path(v)) if f == 'category' else v}”", lambda f=f, v=v: ask.ticked(f, v))
        for f, values in sorted(chosen.values.items())
        for v in values
    ]
    ticked += [(f"Without the range of {_plain(f)}", lambda f=f: ask.unbounded(f)) for f in sorted(chosen.ranges)]
    ticked += [("With what is sold out", ask.any_stock)] if chosen.in_stock else []
    yield from ((what, make()) for what, make in ticked[:4])
    if len(ticked) > 1:
        yield "With nothing ticked", ask.cleared()
    reader = store.shop.search.fittings.reader
    if reader is None or not ask.text or ask.exact:
        return
    understood = reader.read(ask.text, undo=ask.undo)
    for text in understood.alternatives[:2]:
        yield f"“{text}”", replace(ask, text=text, page=1)
    for loose in reader.relaxations(understood)[:4]:
        if loose.text and loose.text != understood.text:
            yield f"“{loose.text}”", replace(ask, text=loose.text, selections=replace(chosen), page=1)


def _plain(facet: str) -> str:
    return facet.removesuffix("_cents").replace("_", " ")
