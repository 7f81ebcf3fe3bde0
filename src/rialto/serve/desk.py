"""The relevance desk: one query under two configurations side by side, the rules editor and the catalogue's quality."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict, Field

from rialto.app.systems import Systems
from rialto.errors import NothingHere
from rialto.find.pipeline import Search
from rialto.find.rules.rule import ACTIONS, INTENTS
from rialto.serve.shown import picture_path, product_path
from rialto.serve.sides import HIDDEN, Side, run, side
from rialto.spine.params import Param, Value, params

__all__ = ["router"]


class Configuration(BaseModel):
    """How a search is to run, apart from what the shop has live."""

    model_config = ConfigDict(extra="forbid")
    params: dict[str, bool | int | float | str] = Field(default={}, max_length=100, description="Tunable -> value.")
    rules: bool = Field(True, description="Whether merchandising rules act.")


class Comparing(BaseModel):
    """One query under two configurations."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(max_length=2000, description="What a shopper would type; empty browses.")
    a: Configuration = Configuration(rules=True)
    b: Configuration = Configuration(rules=True)
    size: int = Field(10, ge=1, le=50, description="Results of each list.")
    undo: list[str] = Field(default=[], max_length=50, description="Ids of rewrites that are not made; `all` makes none.")
    segments: list[Annotated[str, Field(max_length=1000)]] = Field(
        default=[], max_length=50, description="Audiences that the shopper belongs to, for rules that are for some."
    )
    product: str = Field("", max_length=500, description="Also tell this product's way under both.")


class ProductBrief(BaseModel):
    """A product that was asked about."""

    id: str
    title: str
    picture: str
    href: str


class Compared(BaseModel):
    """Both answers."""

    a: Side
    b: Side
    shared: int = Field(description="Results that both lists have.")
    product: ProductBrief | None


def router(systems: Systems, templates: Jinja2Templates, clock: Callable[[], float]) -> APIRouter:
    """Routes under /desk, and /api/find/compare; times come from `clock`, seconds since 1970."""
    routes = APIRouter(tags=["find"])
    _pages(routes, systems, templates)
    _quality(routes, systems, templates)
    bare, deadline_s = _Bare(), systems.engines.settings.serve.deadline_ms / 1000.0

    @routes.post("/api/find/compare")
    def compare(asked: Annotated[Comparing, Body()]) -> Compared:
        """Search for one text under two configurations, explained; nothing is logged.

        With `product`, what became of it under each: phases with places, features next to the other candidates, and why.
        """
        search, time_s = systems.shop.search, clock()
        a, b = (
            run(
                search if c.rules else bare.of(search), asked.text, c.params, size=asked.size, undo=asked.undo, time_s=time_s,
                segments=asked.segments, deadline_s=deadline_s,
            )
            for c in (asked.a, asked.b)
        )  # fmt: skip
        ids = [{r.product.id for r in made.page.results} for made in (a, b)]
        product = _brief(search, asked.product) if asked.product else None
        return Compared(a=side(a, b, asked.product), b=side(b, a, asked.product), shared=len(ids[0] & ids[1]), product=product)

    return routes


class _Bare:
    """The search without rules, made once for each search."""

    def __init__(self) -> None:
        self._held: tuple[Search, Search] | None = None

    def of(self, search: Search) -> Search:
        held = self._held
        if search.fittings.rules is None:
            return search
        if held is None or held[0] is not search:
            self._held = held = (search, search.fitted(rules=None))
        return held[1]


def _brief(search: Search, name: str) -> ProductBrief:
    if name not in search.catalogue.row_of_id:
        raise NothingHere(f"there is no product {name[:80]!r} in this shop.")
    p = search.catalogue.product(search.catalogue.number_of(name))
    return ProductBrief(id=p.id, title=p.title, picture=picture_path(p), href=product_path(p))


def _pages(routes: APIRouter, systems: Systems, templates: Jinja2Templates) -> None:
    @routes.get("/desk", response_class=HTMLResponse, include_in_schema=False)
    def desk(request: Request) -> Response:
        shop = systems.shop
        tunables = [_tunable(p) for name, p in params().items() if name.startswith("find.") and name not in HIDDEN]
        fitted = shop.search.fittings
        about = {
            "examples": [q for q, _, _ in shop.past[:6]], "tunables": json.dumps(tunables).replace("<", "\\u003c"),
            "cross": fitted.cross is not None, "rules": len(fitted.rules.rules) if fitted.rules else 0,
            "ranker": shop.search.pipeline.versions.get(shop.search.ranker, ""), "money": "$" if shop.made_up else "",
        }  # fmt: skip
        return templates.TemplateResponse(request, "desk.html", {"here": "desk", "tab": "compare", **about})

    @routes.get("/desk/rules", response_class=HTMLResponse, include_in_schema=False)
    def rules(request: Request) -> Response:
        systems.shop  # noqa: B018  (the page says "being built" before its scripts ask in vain)
        return templates.TemplateResponse(
            request, "desk_rules.html", {"here": "desk", "tab": "rules", "actions": ACTIONS, "intents": INTENTS}
        )

    @routes.get("/desk/synonyms", response_class=HTMLResponse, include_in_schema=False)
    def synonyms(request: Request) -> Response:
        systems.shop  # noqa: B018  (as above)
        return templates.TemplateResponse(request, "desk_synonyms.html", {"here": "desk", "tab": "synonyms"})


_FINDINGS = {
    "missing_field": "Missing field", "missing_attribute": "Missing attribute", "duplicate": "Duplicate", "odd_price": "Odd price",
    "odd_value": "Odd value", "wrong_category": "Wrong category", "title": "Title",
}  # fmt: skip
_NAMED = 24  # products shown with a finding


def _quality(routes: APIRouter, systems: Systems, templates: Jinja2Templates) -> None:
    @routes.get("/desk/quality", response_class=HTMLResponse, include_in_schema=False)
    def quality(request: Request, kind: Annotated[str, Query(max_length=100)] = "") -> Response:
        catalogue = systems.shop.search.catalogue
        found = systems.inspected.of(catalogue)
        some = [f for f in found.findings if not kind or f.kind == kind]
        rows = {i: catalogue.row_of_id.get(i) for f in some for i in f.products[:_NAMED]}
        titles = {i: str(catalogue.text("title")[row]) for i, row in rows.items() if row is not None}
        data = {"quality": found, "findings": some, "titles": titles, "kind": kind, "said": _FINDINGS, "version_of": catalogue.version,
                "kinds": dict(Counter(f.kind for f in found.findings).most_common())}  # fmt: skip
        return templates.TemplateResponse(request, "desk_quality.html", {"here": "desk", "tab": "quality", **data})


def _tunable(p: Param) -> dict[str, Value | None]:
    kind = "yes/no" if isinstance(p.default, bool) else "number" if isinstance(p.default, int | float) else "text"
    whole = isinstance(p.default, int) and not isinstance(p.default, bool)
    ends = (p.low, p.high) if kind == "number" and abs(p.low) < 1e300 and abs(p.high) < 1e300 else (None, None)
    return {"name": p.name, "default": p.default, "low": ends[0], "high": ends[1], "unit": p.unit, "doc": p.doc, "kind": kind,
            "whole": whole}  # fmt: skip
