"""What the ranker knows of a query and a product: match by field, similarity, named values, agreement with the best found, price, age."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.kernels import MATCH, SHARES, cosine, match, overlap, shares, valued
from rialto.find.phrases import Phrases
from rialto.find.retrieve import QueryVectors
from rialto.find.terms import Terms, analyse
from rialto.find.weights import DEFAULT, Weights
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features
from rialto.spine.params import Param

__all__ = ["FEATURES", "FIRST", "LATE", "AskedTerms", "Knowledge", "asked_terms", "features", "first"]

FEEDBACK = Param(
    "find.features.feedback", 20, low=1, high=1000, unit="candidates", doc="Best candidates that the rest is compared with."
)
_MOST_TERMS = 32  # terms of a query that count

FIRST = (*SHARES, "cosine", "query_terms")
"""Columns of every candidate: what the first phase scores by."""

LATE = (
    *(name for name in MATCH if name not in SHARES), "fused", "blend_share", "bm25f_top", "cosine_top", "rank_text", "rank_cosine", "rrf",
    "value_hits", "value_misses", "brand_named", "centroid", "profile", "type_share",
    "price_log", "price_typical", "age_years", "rating_mean", "rating_log", "sold_out_flag", "facts",
    "query_idf", "query_full", "query_top",
)  # fmt: skip
"""Columns of the best candidates by the first phase: what only the trees read."""

FEATURES = FIRST + LATE
"""All columns that a model may name as its inputs."""


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
        weights: How BM25F weighs the fields.
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
    weights: Weights

    @classmethod
    def of(
        cls, catalogue: Catalogue, *, vectors: QueryVectors | None = None, units: NDArray[np.float32] | None = None,
        weights: Weights | None = None,
    ) -> Knowledge:  # fmt: skip
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
        return cls(
            catalogue,
            Terms.of(catalogue),
            Phrases.of(catalogue),
            units,
            vectors,
            offsets,
            name,
            weight,
            types,
            weights or DEFAULT,
        )


def first(knowledge: Knowledge) -> Features:
    """The Features step of every candidate; columns as `FIRST`, float32, NaN where something is not known."""

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        asked = asked_terms(knowledge, requests, candidates)
        terms = np.diff(asked.starts).astype(np.float32)[asked.owner]
        return _shares(knowledge, asked) | {"cosine": _cosine(knowledge, asked), "query_terms": terms}

    return Features("first", FIRST, compute)


def features(knowledge: Knowledge) -> Features:
    """The Features step of the best candidates; columns as `LATE`, float32, NaN where something is not known."""

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        return _compute(knowledge, requests, candidates)

    return Features("features", LATE, compute)


@lru_cache(maxsize=10_000)
def _asked(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(analyse(text)))[:_MOST_TERMS]


@dataclass(frozen=True, slots=True)
class AskedTerms:
    """Queries as term numbers, behind one another, and the catalogue rows that they are compared with."""

    texts: list[str]
    rows: NDArray[np.int64]
    owner: NDArray[np.int64]
    starts: NDArray[np.int64]
    terms: NDArray[np.int32]
    idf: NDArray[np.float64]


def asked_terms(k: Knowledge, requests: Requests, candidates: Candidates) -> AskedTerms:
    """The words of a batch's queries as numbers, and where their candidates stand in the catalogue."""
    texts = [str(t) for t in requests.column("text").tolist()]
    numbers = [k.terms.numbers(_asked(t)) for t in texts]
    starts = np.concatenate([[0], np.cumsum([len(n) for n in numbers])]).astype(np.int64)
    terms = np.concatenate([np.zeros(0, dtype=np.int32), *numbers]).astype(np.int32)
    rows = np.maximum(k.catalogue.rows(candidates.ids), 0)
    return AskedTerms(texts, rows, candidates.owner, starts, terms, k.terms.idf(terms))


def _compute(k: Knowledge, requests: Requests, candidates: Candidates) -> Columns:
    asked, offsets = asked_terms(k, requests, candidates), candidates.offsets
    rows, owner = asked.rows, asked.owner
    fused = candidates.column("score:fusion").astype(np.float64)
    given = {name: candidates.column(name) for name in FIRST} | {"fused": fused.astype(np.float32)}
    out: dict[str, NDArray[np.float32]] = _matched(k, asked) | given
    out |= _within(offsets, candidates.ids, out)
    said = k.phrases.said(asked.texts)
    labels = k.catalogue.labels
    values = valued(
        rows, owner, said.offsets, said.pair, said.name, said.phrase, labels.offsets, labels.pair, labels.pair_name, len(labels.names)
    )  # fmt: skip
    out["value_hits"], out["value_misses"] = values[:, 0], values[:, 1]
    out["brand_named"] = k.phrases.brand_named(asked.texts, rows, owner)
    out |= _agreement(k, requests, candidates, rows, fused)
    out |= _shelf(k.catalogue, rows)
    out |= _of_query(offsets, asked, out)
    return {name: out[name] for name in LATE}


def _shares(k: Knowledge, asked: AskedTerms) -> dict[str, NDArray[np.float32]]:
    t, w = k.terms, k.weights
    table = shares(
        asked.rows, asked.owner, asked.starts, asked.terms, asked.idf, t.offsets, t.terms, t.mean_length, w.boost, w.b, w.k1
    )
    return {name: np.ascontiguousarray(table[:, at]) for at, name in enumerate(SHARES)}


def _matched(k: Knowledge, asked: AskedTerms) -> dict[str, NDArray[np.float32]]:
    t, w = k.terms, k.weights
    table = match(
        asked.rows, asked.owner, asked.starts, asked.terms, asked.idf, t.offsets, t.terms, t.mean_length, w.boost, w.b, w.k1
    )
    return {name: table[:, at] for at, name in enumerate(MATCH)}


def _cosine(k: Knowledge, asked: AskedTerms) -> NDArray[np.float32]:
    if k.units is None or k.vectors is None or not len(asked.rows):
        return np.full(len(asked.rows), np.nan, dtype=np.float32)
    return cosine(asked.rows, asked.owner, np.ascontiguousarray(k.vectors.of(asked.texts)), k.units)


def _within(
    offsets: NDArray[np.int64], ids: NDArray[np.int64], out: dict[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Where a candidate stands among its request's: scores next to the best one's, and ranks (missing last)."""
    text, cos = _ranks(offsets, ids, out["bm25f"]), _ranks(offsets, ids, out["cosine"])
    return {
        "blend_share": _to_best(offsets, out["fused"], ratio=True),
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
    offsets: NDArray[np.int64], asked: AskedTerms, out: dict[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """What is so of the query: alike for all of its candidates, so that trees can ask about both at once."""
    full = np.add.reduceat(np.append(np.nan_to_num(out["all_terms"], nan=0.0), 0.0), offsets[:-1]) * (np.diff(offsets) > 0)
    made = {
        "query_idf": np.array(
            [asked.idf[a:b].max(initial=0.0) for a, b in zip(asked.starts, asked.starts[1:])], dtype=np.float32
        ),
        "query_full": np.log1p(full),
        "query_top": _segment_max(offsets, out["bm25f_share"]),
    }
    return {name: values[asked.owner].astype(np.float32) for name, values in made.items()}


def _owner(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
