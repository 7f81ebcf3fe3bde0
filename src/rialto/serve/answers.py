"""What the search API answers and takes, typed for its description: results, facets, rewrites, reasons, suggestions, events."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "BucketOut",
    "CategoryLine",
    "CategoryOut",
    "Counted",
    "EffectOut",
    "FacetLine",
    "FacetOut",
    "FacetsOut",
    "Found",
    "Happened",
    "Hit",
    "Offered",
    "ProductOut",
    "Reason",
    "RewriteOut",
    "SuggestionOut",
    "Told",
]


class ProductOut(BaseModel):
    """A product of the catalogue."""

    id: str = Field(description="The shop's own name for it.")
    title: str
    brand: str
    category: list[str] = Field(description="Levels, widest first.")
    description: str
    price_cents: int | None = Field(description="null = not known; likewise stock and rating.")
    stock: int | None
    rating: float | None
    rating_count: int | None
    released: str = Field(description="Day it came out, 2024-05-17; empty = not known.")
    attributes: dict[str, str | float | bool | list[str]]
    picture: str = Field(description="Path of its picture.")


class Hit(BaseModel):
    """One result."""

    place: int = Field(description="From 1, over all pages.")
    score: float | None = Field(description="null where the last phase set it aside.")
    variants: int = Field(description="Variants of it that were found beside it.")
    product: ProductOut


class FacetLine(BaseModel):
    """One value or range of a facet."""

    value: str = Field(description="What `select` or `range` takes.")
    label: str
    count: int = Field(description="Products that ticking it would show.")
    selected: bool
    low: float | None = None
    high: float | None = None


class BucketOut(BaseModel):
    """One bar of a histogram: from `low` up to, not with, `high`."""

    low: float
    high: float
    count: int


class FacetOut(BaseModel):
    """One facet of what was found."""

    name: str
    label: str
    kind: Literal["values", "ranges", "path"]
    values: list[FacetLine]
    known: int = Field(description="Products that know it, other facets' selections kept.")
    more: int = Field(description="Values besides these lines; /api/find/facets reaches them.")
    histogram: list[BucketOut] = Field(description="Bars of a slider, for a facet of numbers.")
    low: float | None = Field(description="Least and greatest value, for a facet of numbers.")
    high: float | None


class EffectOut(BaseModel):
    """What a merchandising rule did to one product of the answer."""

    rule: str
    name: str
    owner: str
    action: Literal["pin", "hide", "boost", "bury", "redirect"]
    product: str = Field(description="Empty for a redirect.")
    before: int = Field(description="Its place without rules; 0 = not among the results.")
    after: int
    told: str = Field(description="The sentence that people read.")


class RewriteOut(BaseModel):
    """One thing that the query understanding did; `undo=ID` undoes it, `exact=true` all of them."""

    kind: str
    before: str
    after: str
    id: str = Field(description="What `undo` takes; empty = it cannot be undone alone.")


class Reason(BaseModel):
    """What became of one product."""

    product: str
    title: str
    end: str = Field(description="`chosen`, `unchosen`, `removed: REASON`, `cut: PHASE` or `not found`.")
    place: int = Field(description="Its place, 0 where it was not chosen.")
    scores: dict[str, float] = Field(description="Phase -> score, in order.")
    features: dict[str, float] = Field(description="What retrieval and the features said of it.")
    apart: dict[str, float] = Field(
        description="Features that set it most apart from the other candidates, in standard deviations from their mean."
    )


class Found(BaseModel):
    """A page of results."""

    request: str = Field(description="Id of this search; give it back with the events that follow.")
    text: str
    understood: str = Field(description="What was searched for.")
    rewrites: list[RewriteOut]
    total: int = Field(description="Products found, variants counted once.")
    total_exact: bool = Field(description="False where retrieval stopped at its limit: at least `total`.")
    reachable: int = Field(description="How many of them pages can show.")
    page: int
    size: int
    sort: str
    results: list[Hit]
    facets: list[FacetOut]
    took_ms: dict[str, float] = Field(description="Step -> milliseconds.")
    fallbacks: list[str] = Field(description="Steps that their fallback answered.")
    redirect: str = Field(description="Where a rule sends the shopper: an address, a path, or `category:PATH`; empty = nowhere.")
    rules: list[EffectOut] = Field(description="What merchandising rules did.")
    explain: list[Reason] = Field(default=[], description="With `explain=true`: why each result of this page stands there.")


class CategoryLine(BaseModel):
    """A category on the way to this one, or below it."""

    path: str
    label: str
    count: int


class CategoryOut(BaseModel):
    """A category as people walk through it."""

    path: list[str] = Field(description="Levels, widest first; none = the whole shop.")
    trail: list[CategoryLine] = Field(description="From the widest down to this one.")
    children: list[CategoryLine] = Field(description="Right below it, the fullest first.")
    found: Found


class FacetsOut(BaseModel):
    """What a search inside one facet found."""

    facet: str
    values: list[FacetLine]


class Told(BaseModel):
    """Why a search answered as it did."""

    request: str
    understood: str
    ends: dict[str, int] = Field(description="What became of all candidates: end -> how many.")
    results: list[Reason]
    asked: Reason | None = Field(description="The fate of the product that was asked about.")


class SuggestionOut(BaseModel):
    """One line below the search box."""

    text: str
    kind: Literal["query", "brand", "category", "product"]
    href: str = Field(description="Where it leads.")
    scope: str = Field("", description="Category path that the search stays within; empty = everywhere.")
    picture: str = Field("", description="Path of a product's picture; empty for the other kinds.")
    price: str = Field("", description="A product's price as people read it.")


class Happened(BaseModel):
    """Something that a shopper did with a result."""

    model_config = ConfigDict(extra="forbid")
    request: str = Field(pattern=r"^\d{1,20}$", description="Id of the search that showed it.")
    product: str = Field(max_length=500, description="The shop's id of the product.")
    kind: Literal["impression", "click", "cart", "purchase"]
    value: float = Field(1.0, allow_inf_nan=False, description="How much of it: 1, or cents of a purchase.")
    time_s: float | None = Field(
        None, ge=0, le=1e11, allow_inf_nan=False, description="Seconds since 1970, UTC; now where absent."
    )
    id: str = Field("", max_length=64, description="The event's own name; the same name twice is a repeat.")
    shopper: str = Field(
        "", max_length=200, description="The shop's own id of who did it; kept as a pseudonym, for their profile."
    )


class Offered(BaseModel):
    """That completions were offered, and which of them a shopper took: how they are ranked is learned from it."""

    model_config = ConfigDict(extra="forbid")
    kind: Literal["suggestion"]
    prefix: str = Field(min_length=1, max_length=200, description="What was typed when they were offered.")
    shown: list[Annotated[str, Field(max_length=300)]] = Field(
        min_length=1, max_length=20, description="Their texts, from the top."
    )
    chosen: str = Field("", max_length=300, description="The text that was taken, one of `shown`; empty = none was.")
    time_s: float | None = Field(
        None, ge=0, le=1e11, allow_inf_nan=False, description="Seconds since 1970, UTC; now where absent."
    )
    id: str = Field("", max_length=64, description="The event's own name; the same name twice is a repeat.")


class Counted(BaseModel):
    """How many events were written."""

    counted: int
