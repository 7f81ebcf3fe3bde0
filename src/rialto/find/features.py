"""What the ranker knows of a query and a product: match by field, similarity, named values, agreement with the best found, price, age."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.kernels import MATCH, cosine, match, overlap, valued
from rialto.find.phrases import Phrases
from rialto.find.retrieve import TEXT_FIELDS, QueryVectors
from rialto.find.terms import FIELDS, Terms, analyse
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features
from rialto.spine.params import Param

__all__ = ["FEATURES", "Knowledge", "blend", "features"]

COSINE_WEIGHT = Param("find.features.cosine", 0.3, low=0, high=10, unit="shares", doc="Weight of cosine beside the BM25F share.")
FEEDBACK = Param(
    "find.features.feedback", 20, low=1, high=1000, unit="candidates", doc="Best candidates that the rest is compared with."
)
_MOST_TERMS = 32  # terms of a query that count

FEATURES = (
    *MATCH, "cosine", "blend", "blend_share", "bm25f_top", "cosine_top", "rank_text", "rank_cosine", "rrf",
    "value_hits", "value_misses", "brand_named", "centroid", "profile", "type_share",
    "price_log", "price_typical", "age_years", "rating_mean", "rating_log", "sold_out_flag", "facts",
    "query_terms", "query_idf", "query_full", "query_top",
)  # fmt: skip
"""Columns that the features step makes; a model names those that it reads."""


@dataclass(frozen=True)
class Knowledge:
    """What features read besides the request and the candidates; made once for a catalogue.

    Args:
        catalogue: The products.
        terms: Their words by field.
        phrases: Brands and attribute values as queries name them.
        units: Unit vectors of the products, shape (products, dimensions) float32, zero rows where there is none; or None.
        vectors: Unit vectors of queries; None where there is no encoder.
        fact_offsets, fact_name: Attribute names (labels and measures) of each product, compressed sparse rows.
        fact_weight: How telling each name is, shape (names,).
        type_code: Category of each product, shape (products,), int64; -1 = none.
    """

    catalogue: Catalogue
    terms: Terms
    phrases: Phrases
    units: NDArray[np.float32] | None
    vectors: QueryVectors | None
    fact_offsets: NDArray[np.int64]
    fact_name: NDArray[np.int32]
    fact_weight: NDArray[np.float64]
    type_code: NDArray[np.int64]

    @classmethod
    def of(
        cls, catalogue: Catalogue, *, vectors: QueryVectors | None = None, units: NDArray[np.float32] | None = None
    ) -> Knowledge:
        """Read a catalogue; about 10,000 products a second."""
        if (units is None) != (vectors is None) or (units is not None and len(units) != len(catalogue)):
            raise BadInput(
                f"there are {0 if units is None else len(units)} vectors for {len(catalogue)} products; wanted one each."
            )
        a, m = catalogue.labels, catalogue.measures
        names = {n: at for at, n in enumerate(dict.fromkeys((*a.names, *m.names)))}
        of_label = (
            np.array([names[n] for n in a.names], dtype=np.int32)[a.pair_name[a.pair]] if len(a.pair) else np.zeros(0, np.int32)
        )
        of_measure = np.array([names[n] for n in m.names], dtype=np.int32)[m.name] if len(m.name) else np.zeros(0, np.int32)
        owner = np.concatenate([_owner(a.offsets), _owner(m.offsets)])
        facts = np.unique(owner * max(len(names), 1) + np.concatenate([of_label, of_measure]))
        rows, name = facts // max(len(names), 1), (facts % max(len(names), 1)).astype(np.int32)
        held = np.bincount(name, minlength=max(len(names), 1))
        weight = np.log1p((len(catalogue) - held + 0.5) / (held + 0.5))
        offsets = np.searchsorted(rows, np.arange(len(catalogue) + 1)).astype(np.int64)
        paths = catalogue.text("category").astype(str)
        codes = np.unique(paths, return_inverse=True)[1].astype(np.int64) if len(paths) else np.zeros(0, dtype=np.int64)
        types = np.where(paths == "", -1, codes)
        return cls(catalogue, Terms.of(catalogue), Phrases.of(catalogue), units, vectors, offsets, name, weight, types)


def features(knowledge: Knowledge) -> Features:
    """The Features step; columns as `FEATURES`, float32, NaN where something is not known."""

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        return _compute(knowledge, requests, candidates)

    return Features("features", FEATURES, compute)


def blend(share: NDArray[np.float32], cos: NDArray[np.float32], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """BM25F as a share of the most it could be, plus `weight` x cosine; shape (rows,). What is missing counts nothing.

    Both parts lie in about 0..1 whatever the query, so that one weight suits all, unlike sums of raw scores.
    """
    return np.nan_to_num(share.astype(np.float64), nan=0.0) + weight * np.nan_to_num(cos.astype(np.float64), nan=0.0)


@lru_cache(maxsize=10_000)
def _asked(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(analyse(text)))[:_MOST_TERMS]


def _compute(k: Knowledge, requests: Requests, candidates: Candidates) -> Columns:
    texts = [str(t) for t in requests.column("text").tolist()]
    rows, owner, offsets = np.maximum(k.catalogue.rows(candidates.ids), 0), candidates.owner, candidates.offsets
    asked = [k.terms.numbers(_asked(t)) for t in texts]
    told = [k.terms.idf(n) for n in asked]
    out: dict[str, NDArray[np.float32]] = _matched(k, rows, owner, asked, told)
    out["cosine"] = _cosine(k, texts, rows, owner)
    blended = blend(out["bm25f_share"], out["cosine"], COSINE_WEIGHT.of(requests)[owner])
    out["blend"] = blended.astype(np.float32)
    out |= _within(offsets, candidates.ids, out, blended)
    said = k.phrases.said(texts)
    labels = k.catalogue.labels
    values = valued(
        rows, owner, said.offsets, said.pair, said.name, said.phrase, labels.offsets, labels.pair, labels.pair_name, len(labels.names)
    )  # fmt: skip
    out["value_hits"], out["value_misses"] = values[:, 0], values[:, 1]
    out["brand_named"] = k.phrases.brand_named(texts, rows, owner)
    out |= _agreement(k, requests, candidates, rows, blended)
    out |= _shelf(k.catalogue, rows)
    out |= _of_query(offsets, owner, asked, told, out)
    return {name: out[name] for name in FEATURES}


def _matched(
    k: Knowledge,
    rows: NDArray[np.int64],
    owner: NDArray[np.int64],
    asked: list[NDArray[np.int32]],
    told: list[NDArray[np.float64]],
) -> dict[str, NDArray[np.float32]]:
    weight = np.array([f.boost for name in FIELDS for f in TEXT_FIELDS if f.name == name])
    b = np.array([f.b for name in FIELDS for f in TEXT_FIELDS if f.name == name])
    starts = np.concatenate([[0], np.cumsum([len(a) for a in asked])]).astype(np.int64)
    terms = np.concatenate([np.zeros(0, dtype=np.int32), *asked]).astype(np.int32)
    idf = np.concatenate([np.zeros(0), *told])
    t = k.terms
    table = match(rows, owner, starts, terms, idf, t.offsets, t.terms, t.mean_length, weight, b, TEXT_FIELDS[0].k1)
    return {name: table[:, at] for at, name in enumerate(MATCH)}


def _cosine(k: Knowledge, texts: list[str], rows: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.float32]:
    if k.units is None or k.vectors is None or not len(rows):
        return np.full(len(rows), np.nan, dtype=np.float32)
    return cosine(rows, owner, np.ascontiguousarray(k.vectors.of(texts)), k.units)


def _within(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], out: dict[str, NDArray[np.float32]], blended: NDArray[np.float64]
) -> dict[str, NDArray[np.float32]]:
    """Where a candidate stands among its request's: scores next to the best one's, and ranks (missing last)."""
    text, cos = _ranks(offsets, ids, out["bm25f"]), _ranks(offsets, ids, out["cosine"])
    return {
        "blend_share": _to_best(offsets, blended.astype(np.float32), ratio=True),
        "bm25f_top": _to_best(offsets, out["bm25f"], ratio=True),
        "cosine_top": _to_best(offsets, out["cosine"], ratio=False),
        "rank_text": text,
        "rank_cosine": cos,
        "rrf": np.nansum([1 / (60 + text), 1 / (60 + cos)], axis=0).astype(np.float32),
    }


def _to_best(offsets: NDArray[np.int64], values: NDArray[np.float32], *, ratio: bool) -> NDArray[np.float32]:
    best = np.repeat(_segment_max(offsets, values), np.diff(offsets))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(best > 0, values / best, np.nan).astype(np.float32) if ratio else (values - best).astype(np.float32)


def _segment_max(offsets: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.full(len(offsets) - 1, np.nan, dtype=np.float32)
    filled = np.flatnonzero(np.diff(offsets))
    if len(filled):
        out[filled] = np.fmax.reduceat(values, offsets[filled])
    return out


def _ranks(offsets: NDArray[np.int64], ids: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Place of each row among its request's by falling value, ties by id, from 1; NaN where the value is not known."""
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((ids, -values, owner))  # NaN sorts last
    out = np.empty(len(values), dtype=np.float32)
    out[order] = np.arange(len(values)) - offsets[owner] + 1
    return np.where(np.isnan(values), np.nan, out).astype(np.float32)


def _agreement(
    k: Knowledge, requests: Requests, candidates: Candidates, rows: NDArray[np.int64], blended: NDArray[np.float64]
) -> dict[str, NDArray[np.float32]]:
    """How alike a candidate is to the best few found: in meaning, in the attributes it has, in category, in price."""
    size, most = len(rows), FEEDBACK.of(requests)
    profile = np.zeros((candidates.requests, len(k.fact_weight)))
    centre = None if k.units is None else np.zeros((candidates.requests, k.units.shape[1]), dtype=np.float32)
    share, typical = np.full(size, np.nan, dtype=np.float32), np.full(size, np.nan, dtype=np.float32)
    price = np.log1p(k.catalogue.value("price_cents")[rows])
    for at in range(candidates.requests):
        part = slice(int(candidates.offsets[at]), int(candidates.offsets[at + 1]))
        if part.start == part.stop:
            continue
        order = np.lexsort((candidates.ids[part], -blended[part]))[: int(most[at])]
        best, weight = rows[part][order], np.maximum(blended[part][order], 0.0)
        for row in best.tolist():
            profile[at, k.fact_name[k.fact_offsets[row] : k.fact_offsets[row + 1]]] += 1.0 / len(best)
        if centre is not None and k.units is not None:
            mean = (k.units[best] * weight[:, np.newaxis].astype(np.float32)).sum(axis=0)
            centre[at] = mean / max(float(np.sqrt((mean * mean).sum())), 1e-12)
        types = k.type_code[best]
        if weight.sum() > 0 and (types >= 0).any():
            held = np.bincount(types[types >= 0], weights=weight[types >= 0], minlength=int(k.type_code.max()) + 1) / weight.sum()
            own = k.type_code[rows[part]]
            share[part] = np.where(own >= 0, held[np.maximum(own, 0)], np.nan)
        known = price[part][order][~np.isnan(price[part][order])]
        typical[part] = price[part] - np.median(known) if len(known) else np.nan
    nothing = np.full(size, np.nan, dtype=np.float32)
    owner = candidates.owner
    return {
        "centroid": nothing if centre is None or k.units is None else cosine(rows, owner, centre, k.units),
        "profile": overlap(rows, owner, profile, k.fact_weight, k.fact_offsets, k.fact_name),
        "type_share": share,
        "price_typical": typical,
    }


def _shelf(catalogue: Catalogue, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
    """What is so of a product whatever is asked."""
    day, stock = catalogue.value("released_day"), catalogue.value("stock")[rows]
    newest = np.nanmax(day) if np.isfinite(day).any() else np.nan
    facts = np.diff(catalogue.labels.offsets) + np.diff(catalogue.measures.offsets)
    made = {
        "price_log": np.log1p(catalogue.value("price_cents")[rows]),
        "age_years": (newest - day[rows]) / 365.25,
        "rating_mean": catalogue.value("rating")[rows],
        "rating_log": np.log1p(catalogue.value("rating_count")[rows]),
        "sold_out_flag": np.where(np.isnan(stock), np.nan, stock <= 0),
        "facts": np.log1p(facts[rows]),
    }
    return {name: values.astype(np.float32) for name, values in made.items()}


def _of_query(
    offsets: NDArray[np.int64], owner: NDArray[np.int64], asked: list[NDArray[np.int32]], told: list[NDArray[np.float64]],
    out: dict[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.float32]]:  # fmt: skip
    """What is so of the query: alike for all of its candidates, so that trees can ask about both at once."""
    full = np.add.reduceat(np.append(np.nan_to_num(out["all_terms"], nan=0.0), 0.0), offsets[:-1]) * (np.diff(offsets) > 0)
    made = {
        "query_terms": np.array([len(a) for a in asked], dtype=np.float32),
        "query_idf": np.array([t.max(initial=0.0) for t in told], dtype=np.float32),
        "query_full": np.log1p(full),
        "query_top": _segment_max(offsets, out["bm25f_share"]),
    }
    return {name: values[owner].astype(np.float32) for name, values in made.items()}


def _owner(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
