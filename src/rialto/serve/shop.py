"""The shop's pages and API: search, suggestions, why each result stands where it stands, products, pictures, events."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates

from rialto.app.systems import Systems
from rialto.serve import shown
from rialto.serve.answers import Counted, Found, Happened, ProductOut, SuggestionOut, Told
from rialto.serve.ask import SORTS, Ask, asked
from rialto.serve.storefront import Storefront

__all__ = ["router"]

Asked = Annotated[Ask, Depends(asked)]


def router(systems: Systems, templates: Jinja2Templates, clock: Callable[[], float]) -> APIRouter:
    """Routes under /shop and /api/find; times come from `clock`, seconds since 1970."""
    front = _front(systems, clock)
    routes = APIRouter(tags=["find"])
    _pages(routes, front, templates)
    _api(routes, front)
    return routes


def _front(systems: Systems, clock: Callable[[], float]) -> Callable[[], Storefront]:
    """The storefront of the shop that is there now, made when first asked for; `EngineBusy` before the shop is built."""
    held: list[Storefront] = []
    lock = Lock()

    def front() -> Storefront:
        shop = systems.shop
        if not held or held[0].shop is not shop:
            with lock:
                if not held or held[0].shop is not shop:
                    held[:] = [Storefront(shop, systems.log, clock)]
        return held[0]

    return front


def _pages(routes: APIRouter, front: Callable[[], Storefront], templates: Jinja2Templates) -> None:
    @routes.get("/shop", response_class=HTMLResponse, include_in_schema=False)
    def page(request: Request, ask: Asked, fate: Annotated[str, Query(max_length=500)] = "") -> Response:
        store = front()
        found = store.find(ask)
        told = shown.told(found, store, fate if store.has(fate) else "") if ask.explain else None
        data = {
            "here": "shop", "ask": ask, "found": found, "store": store, "fate": fate, "told": told, "sorts": SORTS,
            "reasons": {r.product: r for r in told.results} if told else {}, "money": shown.money_of(store),
            "labels": shown.line_label, "chips": shown.chips(ask, found, store), "pages": shown.pages(found),
        }  # fmt: skip
        return templates.TemplateResponse(request, "shop.html", data)

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


def _api(routes: APIRouter, front: Callable[[], Storefront]) -> None:
    @routes.get("/api/find/search")
    def search(ask: Asked) -> Found:
        """Search: a page of results with facets and rewrites; it is written to the decision log under `request`."""
        store = front()
        return shown.found_out(store.find(ask), store)

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

    @routes.post("/api/find/events", status_code=202)
    def events(happened: Annotated[list[Happened], Body(min_length=1, max_length=1000)]) -> Counted:
        """Take impressions, clicks, carts and purchases; durable when answered, all of them or, where one is wrong, none."""
        return Counted(counted=front().write(happened))
