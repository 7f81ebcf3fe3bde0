"""The shop's pages and API: search, suggestions, facets, categories, why each result stands where it stands, products, events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field
from starlette.types import ASGIApp

from rialto.app.secret import shopper_key
from rialto.app.systems import Systems
from rialto.find.records import Facet, SearchPage
from rialto.serve import aisle, shown
from rialto.serve.answers import CategoryOut, Counted, FacetsOut, Found, Happened, Offered, ProductOut, SuggestionOut, Told
from rialto.serve.ask import Ask, asked
from rialto.serve.direct import Direct
from rialto.serve.encoded import as_json, category_data, found_data, lines_data, sent
from rialto.serve.storefront import Counter, Storefront

__all__ = ["SEARCH", "direct", "router", "storefronts"]

SEARCH = "/api/find/search"
"""Where searches are asked for."""

Asked = Annotated[Ask, Depends(asked)]
Event = Annotated[Happened | Offered, Field(discriminator="kind")]


class Forgotten(BaseModel):
    """That nothing is known of a shopper any more."""

    forgotten: bool = Field(description="False where the service keeps no profiles at all.")


def router(front: Callable[[], Storefront], templates: Jinja2Templates) -> APIRouter:
    """Routes under /shop and /api/find."""
    routes = APIRouter(tags=["find"])
    _pages(routes, front, templates)
    _api(routes, front)
    _shoppers(routes, front)
    return routes


def storefronts(systems: Systems, clock: Callable[[], float]) -> Callable[[], Storefront]:
    """The storefront of the shop that is there now, made when first asked for; `EngineBusy` before the shop is built.

    Times come from `clock`, seconds since 1970.
    """
    held: list[Storefront] = []
    lock, settings = Lock(), systems.engines.settings
    # Where lists are drawn anew for each request, to tell place from taste, none is given again.
    keep_s = 0.0 if settings.params.get("find.decide.swap") else settings.serve.keep_s
    deadline_s = settings.serve.deadline_ms / 1000.0
    counter = Counter(systems.decisions, clock, deadline_s, shopper_key(settings.home), keep_s)

    def front() -> Storefront:
        shop = systems.shop
        if not held or held[0].shop is not shop:
            with lock:
                if not held or held[0].shop is not shop:
                    held[:] = [Storefront(shop, counter)]
        return held[0]

    return front


def _pages(routes: APIRouter, front: Callable[[], Storefront], templates: Jinja2Templates) -> None:
    @routes.get("/shop", response_class=HTMLResponse, include_in_schema=False)
    def page(
        request: Request,
        ask: Asked,
        fate: Annotated[str, Query(max_length=500)] = "",
        came: Annotated[str, Query(alias="from", max_length=10_000)] = "",
    ) -> Response:
        store = front()
        found = store.find(ask)
        if target := aisle.redirected(ask, found):
            return RedirectResponse(target, status_code=303)
        return templates.TemplateResponse(request, "shop.html", aisle.page_data(store, ask, found, fate=fate) | {"came": came})

    @routes.get("/shop/category/{path:path}", response_class=HTMLResponse, include_in_schema=False)
    def aisle_page(
        request: Request,
        path: str,
        ask: Asked,
        fate: Annotated[str, Query(max_length=500)] = "",
        came: Annotated[str, Query(alias="from", max_length=10_000)] = "",
    ) -> Response:
        store, ask = front(), replace(ask, text="")
        made = store.category(path, ask)
        data = aisle.page_data(store, ask, made.page, fate=fate, category=made)
        return templates.TemplateResponse(request, "shop.html", data | {"came": came})

    @routes.get("/shop/product/{name:path}", response_class=HTMLResponse, include_in_schema=False)
    def product(request: Request, name: str) -> Response:
        store = front()
        data = {"here": "shop", "product": store.product(name), "money": shown.money_of(store), "ask": Ask(), "store": store}
        return templates.TemplateResponse(request, "product.html", data)

    @routes.get("/shop/picture/{name:path}", include_in_schema=False)
    def picture(name: str) -> Response:
        body = front().picture(name)
        headers = {"Cache-Control": "public, max-age=86400"}
        return Response(body, media_type=shown.media_type(body), headers=headers)


def direct(systems: Systems, front: Callable[[], Storefront]) -> Callable[[ASGIApp], ASGIApp]:
    """What answers plain searches before the framework looks at them."""
    settings = systems.engines.settings
    here = settings.url("text").scheme == "local" and settings.url("vectors").scheme in ("local", "flat")

    def answer(asks: Sequence[Ask]) -> list[bytes]:
        store = front()
        return [as_json(_found(found, store)) for found in store.find_all(asks)]

    def inline() -> bool:
        return here and systems.searches_at_once

    return lambda app: Direct(app, answer=answer, inline=inline, path=SEARCH)


def _found(found: SearchPage, store: Storefront) -> dict[str, Any]:
    money = shown.money_of(store)
    reasons = [r.model_dump() for r in shown.told(found, store).results] if found.explain else []
    return found_data(found, store.product_json, lambda f, v: shown.line_label(f, v, money), reasons)


def _api(routes: APIRouter, front: Callable[[], Storefront]) -> None:
    @routes.get(SEARCH, response_model=Found)
    def search(ask: Asked) -> Response:
        """Search: a page of results with facets and rewrites; it is written to the decision log under `request`."""
        store = front()
        return sent(_found(store.find(ask), store))

    @routes.get("/api/find/category/{path:path}", response_model=CategoryOut)
    def category(path: str, ask: Asked) -> Response:
        """A category's page: the way to it, what lies below it, its products with facets; levels are divided by `/`.

        The most popular come first unless a sort is asked for; words (`q`) are not searched for here.
        """
        store = front()
        made = store.category(path, ask)
        return sent(category_data(made, _found(made.page, store)))

    @routes.get("/api/find/facets", response_model=FacetsOut)
    def facets(
        ask: Asked,
        facet: Annotated[str, Query(min_length=1, max_length=500, description="Name of a facet of values, or `category`.")],
        contains: Annotated[str, Query(max_length=200, description="What its values begin with, hold or nearly are.")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    ) -> Response:
        """Search inside one facet, over all of its values; counts as on the page of the same search."""
        values = front().values(ask, facet, contains, limit=limit)
        return sent({"facet": facet, "values": lines_data(Facet(facet, facet, "values", values), lambda f, v: v.label)})

    @routes.get("/api/find/explain")
    def explain(
        ask: Asked,
        product: Annotated[str, Query(max_length=500, description="Whose fate to tell, whether it was found or not.")] = "",
    ) -> Told:
        """Why a search answers as it does: scores by phase and features of each result, and what became of one product."""
        store = front()
        return shown.told(store.find(ask.explained(explain=True)), store, product)

    @routes.get("/api/find/suggest")
    def suggest(
        q: Annotated[str, Query(max_length=1000, description="What was typed so far.")] = "",
        limit: Annotated[int, Query(ge=1, le=20)] = 8,
    ) -> list[SuggestionOut]:
        """Completions: past queries first, then categories and brands, then products."""
        store = front()
        return [shown.suggestion_out(s, store) for s in store.suggest(q, limit=limit)]

    @routes.get("/api/find/product/{name:path}")
    def product(name: str) -> ProductOut:
        """One product by the shop's own id."""
        return shown.product_out(front().product(name))


def _shoppers(routes: APIRouter, front: Callable[[], Storefront]) -> None:
    @routes.post("/api/find/events", status_code=202)
    def events(happened: Annotated[list[Event], Body(min_length=1, max_length=1000)]) -> Counted:
        """Take impressions, clicks, carts, purchases, and completions taken; durable when answered, all or, where one is wrong, none."""
        return Counted(counted=front().write(happened))

    @routes.delete("/api/find/shoppers/{shopper:path}")
    def forget(
        shopper: Annotated[str, Path(min_length=1, max_length=200, description="The shop's own id, as in events.")],
    ) -> Forgotten:
        """Forget what a shopper has shown to like; a shopper of whom nothing is known is no error.

        A shopper who wants no profile is one whose `shopper` the shop leaves out: searches and events are then nobody's.
        """
        return Forgotten(forgotten=front().forget(shopper))
