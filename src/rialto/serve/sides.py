"""One query under one configuration as the desk shows it: the list, what was understood, times, facets, rules, and a product's way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from rialto.errors import BadInput
from rialto.find.asking import read
from rialto.find.page import answer
from rialto.find.pipeline import Search
from rialto.find.query import Understood
from rialto.find.records import SearchPage
from rialto.records import Candidates, Context
from rialto.serve.shown import ended, facet_label, picture_path, product_path
from rialto.spine.params import Value, params
from rialto.spine.pipeline import Outcome

__all__ = ["HIDDEN", "Run", "Seen", "Side", "Way", "WhatFor", "overrides", "run", "side", "way"]

_VALUES, _FACETS = 3, 8  # of each facet, and facets, that the desk shows
HIDDEN = ("find.decide.size",)  # a page sets them


class Seen(BaseModel):
    """One result, and where the other configuration has it."""

    place: int
    other: int = Field(description="Its place in the other list; 0 = not in it.")
    id: str
    title: str
    brand: str
    price_cents: int | None
    score: float
    picture: str
    href: str
    rules: list[str] = Field(description="What merchandising rules did to it.")


class TagOut(BaseModel):
    """What a run of words is."""

    words: str
    kind: str
    value: str
    probability: float


class Undoable(BaseModel):
    """A rewrite; `id` undoes it where it is not empty."""

    kind: str
    before: str
    after: str
    id: str


class WhatFor(BaseModel):
    """What the query was understood as."""

    text: str = Field(description="What was searched for.")
    rewrites: list[Undoable]
    tags: list[TagOut]
    types: list[tuple[str, float]]
    intents: list[tuple[str, float]]
    alternatives: list[str] = Field(description="Whole texts searched too.")
    without: list[str] = Field(description="Phrases that no result may hold.")
    quantities: list[str]


class PhasePlace(BaseModel):
    """Where one phase put a product."""

    phase: str
    score: float
    place: int = Field(description="Among the candidates that this phase saw; equals share a place.")
    of: int


class FeatureOut(BaseModel):
    """One number that was known of a product, next to the other candidates."""

    name: str
    value: float
    mean: float
    apart: float | None = Field(description="Standard deviations from the candidates' mean; null where they do not differ.")


class Way(BaseModel):
    """A product's way through one search."""

    end: str
    said: str = Field(description="What became of it, in words.")
    place: int
    phases: list[PhasePlace]
    features: list[FeatureOut]
    why: list[str] = Field(description="Sentences: how it was found, what each phase and rule did to it.")


class FacetBrief(BaseModel):
    """A facet with its first values."""

    label: str
    values: list[tuple[str, int]]


class Side(BaseModel):
    """One query under one configuration."""

    results: list[Seen]
    total: int
    total_exact: bool
    understood: WhatFor
    took_ms: list[tuple[str, float]] = Field(description="Steps in order.")
    total_ms: float
    fallbacks: list[str]
    ends: dict[str, int] = Field(description="What became of all candidates: how many of each.")
    facets: list[FacetBrief]
    redirect: str
    rules: list[str] = Field(description="What rules did to products, a sentence each.")
    way: Way | None = Field(default=None, description="The way of the product that was asked for.")


@dataclass(frozen=True, slots=True)
class Run:
    """A search that was made, and everything that explains it."""

    page: SearchPage
    understood: Understood
    told: Mapping[str, tuple[str, ...]]
    """Product id -> what rules did to it; "" for a redirect."""
    search: Search
    outcome: Outcome


def overrides(given: Mapping[str, Value]) -> dict[str, Value]:
    """Overrides that the desk may set: declared tunables of the search; `BadInput` names the others."""
    strange = sorted(n for n in given if not n.startswith("find.") or n in HIDDEN or n not in params())
    if strange:
        raise BadInput(f"the desk cannot set {', '.join(repr(n[:60]) for n in strange[:5])}; wanted tunables of the search.")
    return dict(given)


def run(
    search: Search, text: str, given: Mapping[str, Value], *, size: int, undo: Collection[str], time_s: float,
    segments: Collection[str] = (), deadline_s: float = float("inf"),
) -> Run:  # fmt: skip
    """Search once as shoppers do, with overrides, explained; nothing is logged, as nobody shops here."""
    made, outcome = answer(
        search, text, size=size, undo=undo, explain=True, params=overrides(given), time_s=time_s, segments=segments,
        deadline_s=deadline_s,
    )  # fmt: skip
    told: dict[str, tuple[str, ...]] = {}
    for e in made.rules:
        told[e.product] = (*told.get(e.product, ()), e.told)
    return Run(made, read(search.fittings.reader, text, undo=undo), told, search, outcome)


def side(made: Run, other: Run, product: str) -> Side:
    """A run as the desk shows it beside another."""
    page = made.page
    places = {r.product.id: r.place for r in other.page.results}
    return Side(
        results=[
            Seen(
                place=r.place, other=places.get(r.product.id, 0), id=r.product.id, title=r.product.title, brand=r.product.brand,
                price_cents=r.product.price_cents, score=_finite(r.score), picture=picture_path(r.product),
                href=product_path(r.product), rules=list(made.told.get(r.product.id, ())),
            )
            for r in page.results
        ],
        total=page.total, total_exact=page.total_exact, understood=_understood(made.understood),
        took_ms=[(n, ms) for n, ms in page.took_ms.items() if n != "total"], total_ms=page.took_ms.get("total", 0.0),
        fallbacks=list(page.fallbacks), ends=dict(Counter(ended(str(r["end"])) for r in page.explain).most_common()),
        facets=[FacetBrief(label=facet_label(f), values=[(v.label, v.count) for v in f.values[:_VALUES]]) for f in page.facets[:_FACETS]],
        redirect=page.redirect, rules=[t for told in made.told.values() for t in told],
        way=way(made, product) if product else None,
    )  # fmt: skip


def _understood(u: Understood) -> WhatFor:
    words = u.text.split()
    tags = [
        TagOut(words=" ".join(words[t.start : t.stop]), kind=t.kind, value=t.value, probability=round(t.probability, 3))
        for t in u.tags
    ]
    return WhatFor(
        text=u.text, rewrites=[Undoable(kind=r.kind, before=r.before, after=r.after, id=r.id) for r in (*u.rewrites, *u.synonyms)], tags=tags,
        types=[(path, round(p, 3)) for path, p in u.types], intents=[(i, round(p, 3)) for i, p in u.intents],
        alternatives=list(u.alternatives), without=list(u.without),
        quantities=[_bounded(q.name or "any attribute", q.low, q.high, q.unit) for q in u.quantities],
    )  # fmt: skip


def _bounded(name: str, low: float, high: float, unit: str) -> str:
    """A quantity as people read it.

    Example:
        >>> _bounded("storage", 256.0, float("inf"), "gb"), _bounded("length", 2.0, 2.0, "m")
        ('storage: 256 gb and more', 'length: 2 m')
    """
    if not isfinite(low):
        said = f"up to {high:.6g} {unit}"
    elif not isfinite(high):
        said = f"{low:.6g} {unit} and more"
    else:
        said = f"{low:.6g} {unit}" if low == high else f"{low:.6g} to {high:.6g} {unit}"
    return f"{name}: {said.replace('  ', ' ').strip()}"


def way(made: Run, product: str) -> Way:
    """What became of one product: every phase with its place, every feature next to the other candidates'."""
    rows = made.page.explain
    own = next((r for r in rows if r["product"] == product), None)
    if own is None:
        return _absent(made, product)
    phases = [_phase(rows, name, float(score)) for name, score in own["scores"].items() if isfinite(score)]
    features = list(_features(rows, own["features"]))
    why = list(_why(own, phases, made.told.get(product, ())))
    return Way(end=own["end"], said=ended(own["end"]), place=own["place"], phases=phases, features=features, why=why)


def _absent(made: Run, product: str) -> Way:
    """Why a product is not even among the candidates: what would remove it, as the legs leave out what the filters would."""
    number = made.search.catalogue.number_of(product)
    one = Candidates(np.array([0, 1], dtype=np.int64), np.array([number], dtype=np.int64))
    hard = [f for f in made.search.pipeline.filters if f.name != _JUDGING]
    names = [f.name for f in hard if not f.keep(made.outcome.requests, one, Context())[0]]
    reasons = [f"It would be {ended(f'removed: {name}')}." for name in names]
    why = [
        "No leg of retrieval fetched it.",
        *(reasons or ["No filter stands against it: its text and its vector are too far away."]),
    ]
    return Way(end="not found", said=ended("not found"), place=0, phases=[], features=[], why=[*why, *made.told.get(product, ())])


_JUDGING = "does_not_belong"  # judges a candidate by what its legs said


def _phase(rows: Sequence[Mapping[str, Any]], name: str, score: float) -> PhasePlace:
    others = [float(r["scores"][name]) for r in rows if name in r["scores"]]
    return PhasePlace(phase=name, score=score, place=1 + sum(s > score for s in others), of=len(others))


def _features(rows: Sequence[Mapping[str, Any]], own: Mapping[str, float]) -> Iterator[FeatureOut]:
    for name, value in own.items():
        if not isfinite(value):
            continue
        held = np.array([r["features"].get(name, np.nan) for r in rows], dtype=np.float64)
        held = held[np.isfinite(held)]
        sd = float(held.std())
        mean = float(held.mean())
        yield FeatureOut(name=name, value=value, mean=mean, apart=(value - mean) / sd if sd > 1e-12 else None)


def _why(own: Mapping[str, Any], phases: Sequence[PhasePlace], told: Sequence[str]) -> Iterator[str]:
    legs = {n.removeprefix("rank_"): int(v) for n, v in own["features"].items() if n in _LEGS and isfinite(v)}
    found = " and ".join(f"place {place:,} of the {leg} leg" for leg, place in legs.items())
    yield f"Fetched at {found}." if found else "Brought in by a rule or a shelf, not by the words."
    before: PhasePlace | None = None
    for p in phases:
        if before is None:
            yield f"{_named(p.phase)} put it at {p.place} of {p.of}."
        elif p.place != before.place:
            yield f"{_named(p.phase)} {'raised' if p.place < before.place else 'lowered'} it from {before.place} to {p.place}."
        before = p
    if before and own["place"] and own["place"] != before.place:
        yield f"The slate shows it at {own['place']}: of variants one is shown, and rules and diversity have their say."
    if not own["place"]:
        yield f"It was {ended(own['end'])}."
    yield from (f"{t[:1].upper()}{t[1:]}." for t in told)


_LEGS = ("rank_lexical", "rank_vector", "rank_behaviour", "rank_browse")


def _named(phase: str) -> str:
    return {"fusion": "Fusion", "trees": "The trees", "last": "The cross-encoder", "objectives": "Objectives", "sort": "The sort",
            "rules": "The rules"}.get(phase, phase.capitalize())  # fmt: skip


def _finite(score: float) -> float:
    return score if isfinite(score) else 0.0
