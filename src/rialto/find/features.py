"""What the ranker knows of a query and a product: match by field, similarity, named values, agreement with the best found, price, age."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.asking import otherwise
from rialto.find.catalogue import Catalogue
from rialto.find.holders import held_shares
from rialto.find.kernels import MATCH, SHARES, cosine, match, of_query, valued
from rialto.find.phrases import Phrases
from rialto.find.retrieve import QueryVectors
from rialto.find.standing import ALIKE, STANDING, alike, standing
from rialto.find.terms import Terms, analyse
from rialto.find.weights import DEFAULT, Weights
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features
from rialto.spine.params import Param

__all__ = ["FEATURES", "FIRST", "LATE", "AskedTerms", "Knowledge", "asked_shares", "asked_terms", "features", "first", "shelf_of"]

FEEDBACK = Param(
    "find.features.feedback", 20, low=1, high=1000, unit="candidates", doc="Best candidates that the rest is compared with."
)
_MOST_TERMS = 32  # terms of a query that count
_NOTHING = np.zeros((0, 0), dtype=np.float32)  # vectors of products where there is no encoder

SHELF = ("price_log", "age_years", "rating_mean", "rating_log", "sold_out_flag", "facts")
"""Columns of a product whatever is asked."""

FIRST = (*SHARES, "other_share", "cosine", "query_terms")
"""Columns of every candidate: what the first phase scores by."""

LATE = (
    *(name for name in MATCH if name not in SHARES), "fused", *STANDING, *ALIKE, *SHELF, "value_hits", "value_misses", "brand_named",
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
        shelf: What is so of each product whatever is asked, shape (products, SHELF), float32, columns contiguous.
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
    shelf: NDArray[np.float32]

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
            shelf_of(catalogue),
        )


def first(knowledge: Knowledge) -> Features:
    """The Features step of every candidate; columns as `FIRST`, float32, NaN where something is not known."""

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        asked = asked_terms(knowledge, requests, candidates)
        terms = np.diff(asked.starts).astype(np.float32)[asked.owner]
        other = _other(knowledge, requests, candidates)
        return asked_shares(knowledge, asked) | {"other_share": other, "cosine": _cosine(knowledge, asked), "query_terms": terms}

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
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    owner: NDArray[np.int64]
    starts: NDArray[np.int64]
    terms: NDArray[np.int32]
    idf: NDArray[np.float64]


def asked_terms(k: Knowledge, requests: Requests, candidates: Candidates) -> AskedTerms:
    """The words of a batch's queries as numbers, and where their candidates stand in the catalogue."""
    texts = [str(t) for t in requests.column("text").tolist()]
    told = [k.terms.asked(_asked(t)) for t in texts]
    rows = np.maximum(k.catalogue.rows(candidates.ids), 0)
    if len(told) == 1:
        terms, idf = told[0]
        return AskedTerms(texts, candidates.offsets, rows, candidates.owner, np.array([0, len(terms)]), terms, idf)
    starts = np.concatenate([[0], np.cumsum([len(n) for n, _ in told])]).astype(np.int64)
    terms = np.concatenate([np.zeros(0, dtype=np.int32), *(n for n, _ in told)])
    idf = np.concatenate([np.zeros(0), *(w for _, w in told)])
    return AskedTerms(texts, candidates.offsets, rows, candidates.owner, starts, terms, idf)


def _compute(k: Knowledge, requests: Requests, candidates: Candidates) -> Columns:
    asked, offsets = asked_terms(k, requests, candidates), candidates.offsets
    rows, owner = asked.rows, asked.owner
    fused = candidates.column("score:fusion").astype(np.float64)
    given = {name: candidates.column(name) for name in FIRST} | {"fused": fused.astype(np.float32)}
    out: dict[str, NDArray[np.float32]] = _matched(k, asked) | given
    out |= dict(zip(STANDING, standing(offsets, candidates.ids, out["fused"], out["bm25f"], out["cosine"])))
    said = k.phrases.said(asked.texts)
    labels = k.catalogue.labels
    values = valued(
        rows, owner, said.offsets, said.pair, said.name, said.phrase, labels.offsets, labels.pair, labels.pair_name
    )  # fmt: skip
    out["value_hits"], out["value_misses"] = values[:, 0], values[:, 1]
    out["brand_named"] = k.phrases.brand_named(asked.texts, rows, owner)
    out |= _agreement(k, requests, candidates, rows, fused)
    out |= dict(zip(SHELF, k.shelf[rows].T))
    out |= _of_query(offsets, asked, out)
    return {name: out[name] for name in LATE}


def asked_shares(k: Knowledge, asked: AskedTerms) -> dict[str, NDArray[np.float32]]:
    """The columns `SHARES` of every candidate; NaN for a query without terms."""
    t, w = k.terms, k.weights
    table = held_shares(
        asked.offsets, asked.rows, asked.starts, asked.terms, asked.idf, t.offsets, t.terms, t.mean_length, w.boost, w.b, w.k1,
        t.holders,
    )  # fmt: skip
    return dict(zip(SHARES, table))


def _other(k: Knowledge, requests: Requests, candidates: Candidates) -> NDArray[np.float32]:
    """BM25F's share for the best of the query's other writings, shape (rows,); NaN where it has none."""
    out = np.full(len(candidates), np.nan, dtype=np.float32)
    for other in otherwise(requests):
        out = np.fmax(out, asked_shares(k, asked_terms(k, other, candidates))["bm25f_share"])
    return out


def _matched(k: Knowledge, asked: AskedTerms) -> dict[str, NDArray[np.float32]]:
    t, w = k.terms, k.weights
    table = match(
        asked.rows, asked.owner, asked.starts, asked.terms, asked.idf, t.offsets, t.terms, t.mean_length, w.boost, w.b, w.k1
    )
    return dict(zip(MATCH, np.ascontiguousarray(table.T)))


def _cosine(k: Knowledge, asked: AskedTerms) -> NDArray[np.float32]:
    if k.units is None or k.vectors is None or not len(asked.rows):
        return np.full(len(asked.rows), np.nan, dtype=np.float32)
    return cosine(asked.rows, asked.owner, np.ascontiguousarray(k.vectors.of(asked.texts)), k.units)


def _agreement(
    k: Knowledge, requests: Requests, candidates: Candidates, rows: NDArray[np.int64], fused: NDArray[np.float64]
) -> dict[str, NDArray[np.float32]]:
    """How alike a candidate is to the best few found: in category, in price, in the attributes it has, in meaning."""
    table = alike(
        candidates.offsets, candidates.ids, rows, fused, FEEDBACK.of(requests).astype(np.int64), k.shelf[:, 0], k.type_code,
        k.fact_offsets, k.fact_name, k.fact_weight, _NOTHING if k.units is None else k.units,
    )  # fmt: skip
    return dict(zip(ALIKE, table))


def shelf_of(catalogue: Catalogue) -> NDArray[np.float32]:
    """What is so of each product whatever is asked, shape (products, SHELF), columns contiguous."""
    day, stock = catalogue.value("released_day"), catalogue.value("stock")
    newest = np.nanmax(day) if np.isfinite(day).any() else np.nan
    facts = np.diff(catalogue.labels.offsets) + np.diff(catalogue.measures.offsets)
    columns = (
        np.log1p(catalogue.value("price_cents")),
        (newest - day) / 365.25,
        catalogue.value("rating"),
        np.log1p(catalogue.value("rating_count")),
        np.where(np.isnan(stock), np.nan, stock <= 0),
        np.log1p(facts),
    )
    return np.asfortranarray(np.stack(columns, axis=1), dtype=np.float32)


def _of_query(
    offsets: NDArray[np.int64], asked: AskedTerms, out: dict[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """What is so of the query: alike for all of its candidates, so that trees can ask about both at once."""
    made = of_query(offsets, asked.starts, asked.idf, out["all_terms"], out["bm25f_share"])
    made[1] = np.log1p(made[1])
    return dict(zip(("query_idf", "query_full", "query_top"), made.astype(np.float32)[:, asked.owner]))


def _owner(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
