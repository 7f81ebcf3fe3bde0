"""Answers of the search API as data that goes out without another check: the typed answers in `answers` describe it.

Records whose fields are those of the typed answer, in their order, go out as they are: the encoder reads them itself.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any
from urllib.parse import quote

import orjson
from fastapi.responses import Response

from rialto.find.category import CategoryPage
from rialto.find.records import Facet, FacetValue, Product, SearchPage

__all__ = ["as_json", "category_data", "found_data", "lines_data", "product_data", "sent"]

Label = Callable[[Facet, FacetValue], str]
"""How a line of a facet reads."""


def as_json(data: object) -> bytes:
    """Data whose names are texts as JSON; a number that is not finite is null."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY)


def sent(data: object) -> Response:
    """Data as a JSON response; a number that is not finite is null."""
    body = orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    return Response(body, media_type="application/json")


def product_data(p: Product) -> dict[str, Any]:
    """A product as `ProductOut` describes it."""
    return {
        "id": p.id, "title": p.title, "brand": p.brand, "category": p.category, "description": p.description,
        "price_cents": p.price_cents, "stock": p.stock, "rating": p.rating, "rating_count": p.rating_count,
        "released": p.released, "attributes": dict(p.attributes), "picture": f"/shop/picture/{quote(p.id, safe='')}",
    }  # fmt: skip


def found_data(
    found: SearchPage, product: Callable[[int], orjson.Fragment], label: Label, reasons: list[dict[str, Any]]
) -> dict[str, Any]:
    """A page of results as `Found` describes it.

    Args:
        found: The page.
        product: A product by its number, as JSON that is made once.
        label: How facet lines read.
        reasons: Why each result stands where it stands, where it was asked for.
    """
    return {
        "request": str(found.request_id), "text": found.text, "understood": found.understood,
        "rewrites": found.rewrites,
        "total": found.total, "total_exact": found.total_exact, "reachable": found.reachable,
        "page": found.page, "size": found.size, "sort": found.sort,
        "results": [
            {"place": r.place, "score": r.score if isfinite(r.score) else None, "variants": r.variants,
             "product": product(r.product.number)}
            for r in found.results
        ],
        "facets": [_facet_data(f, label) for f in found.facets],
        "took_ms": found.took_ms, "fallbacks": found.fallbacks, "redirect": found.redirect,
        "rules": found.rules, "explain": reasons,
    }  # fmt: skip


def lines_data(facet: Facet, label: Label) -> list[FacetValue | dict[str, Any]]:
    """Lines of a facet as `FacetLine` describes them: as they are, where they read as they are."""
    return [v if (said := label(facet, v)) == v.label else _relabelled(v, said) for v in facet.values]


def _relabelled(v: FacetValue, said: str) -> dict[str, Any]:
    return {"value": v.value, "label": said, "count": v.count, "selected": v.selected, "low": v.low, "high": v.high}


def category_data(made: CategoryPage, found: dict[str, Any]) -> dict[str, Any]:
    """A category page as `CategoryOut` describes it, around its results."""
    trail, children = (
        [{"path": v.value, "label": v.label, "count": v.count} for v in lines] for lines in (made.trail, made.children)
    )
    return {"path": made.path, "trail": trail, "children": children, "found": found}


def _facet_data(f: Facet, label: Label) -> dict[str, Any]:
    return {
        "name": f.name, "label": f.label, "kind": f.kind, "values": lines_data(f, label), "known": f.known, "more": f.more,
        "histogram": f.histogram, "low": f.low, "high": f.high,
    }  # fmt: skip
