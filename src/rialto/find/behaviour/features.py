"""What the trees know of behaviour: how a candidate was clicked for this query, for queries like it, and for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.find.behaviour.counts import CARTS, CLICKS, LOOKS, PURCHASES
from rialto.find.behaviour.prior import Prior
from rialto.find.behaviour.store import Behaviour
from rialto.find.records import BROWSE
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features

__all__ = ["BEHAVIOUR", "behaviour_features"]

_OF_QUERY = ("clicks_lift", "clicks_share", "clicks_looks", "clicks_similar")
_OF_PRODUCT = ("product_coec", "product_carts", "product_purchases", "product_clicks", "product_age")
BEHAVIOUR = (*_OF_QUERY, *_OF_PRODUCT)
"""Columns that the features step makes, always; all NaN where there is no behaviour.

`clicks_lift` and `clicks_similar`: logarithm of clicks a look over the usual, for this query and for queries like it. `clicks_share`:
part of the query's attraction. `clicks_looks`: log of 1 + looks for this query. `product_coec`: logarithm of clicks over those expected
at its places, for all queries. `product_carts`, `product_purchases`: a click. `product_clicks`: log of 1 + clicks. `product_age`: days
since the last click.
"""


def behaviour_features(behaviour: Behaviour | None) -> Features:
    """The Features step; columns as `BEHAVIOUR`, float32, NaN where nothing is known.

    Train on these columns as the log has them, never on columns computed again from a later `Behaviour`: that one holds the very
    clicks that are the labels. The log keeps what the ranker saw when it served, made from a time before the click; so nothing leaks.
    """
    if behaviour is None:
        return Features("behaviour_features", BEHAVIOUR, _nothing)
    products = _products(behaviour)

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        out = _of_queries(behaviour, requests, candidates)
        if len(behaviour.ids):
            at = np.minimum(np.searchsorted(behaviour.ids, candidates.ids), len(behaviour.ids) - 1)
            known = behaviour.ids[at] == candidates.ids
            out[len(_OF_QUERY) :] = np.where(known, products[:, at], np.nan)
        # The last click is as old as it is now; a request without a time is asked as of the behaviour's own.
        now = np.maximum(requests.time_s, behaviour.until_s)[candidates.owner]
        out[-1] = np.log1p(np.maximum(now - out[-1], 0.0) / 86_400.0)
        return dict(zip(BEHAVIOUR, out.astype(np.float32)))

    return Features("behaviour_features", BEHAVIOUR, compute)


def _nothing(requests: Requests, candidates: Candidates, context: Context) -> Columns:
    return dict.fromkeys(BEHAVIOUR, np.full(len(candidates), np.nan, dtype=np.float32))


def _of_queries(behaviour: Behaviour, requests: Requests, candidates: Candidates) -> NDArray[np.float64]:
    out = np.full((len(BEHAVIOUR), len(candidates)), np.nan)
    for b, text in enumerate(requests.column("text").tolist()):
        known = behaviour.recall(str(text)) if text != BROWSE else None
        if known is None:
            continue
        rows = slice(int(candidates.offsets[b]), int(candidates.offsets[b + 1]))
        at = np.minimum(np.searchsorted(known.ids, candidates.ids[rows]), len(known.ids) - 1)
        held = known.ids[at] == candidates.ids[rows]
        made = (_log(known.lift[at]), known.share[at], np.log1p(known.looks[at]), _log(known.similar[at]))
        out[: len(_OF_QUERY), rows] = np.where(held, made, np.nan)
    return out


def _log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm; what was never clicked at all counts as one click in a million times as many."""
    return np.log(np.maximum(values, 1e-6))


def _products(behaviour: Behaviour) -> NDArray[np.float64]:
    """What is so of each product whatever is asked, shape (columns, products); the last is when it was last clicked."""
    looks, clicks, carts, purchases = (behaviour.product[:, c] for c in (LOOKS, CLICKS, CARTS, PURCHASES))
    usual = Prior.of(clicks, looks)
    coec = np.log(usual.rate(clicks, looks) / usual.mean) if usual.mean > 0.0 else np.zeros(len(clicks))
    rates = (Prior.of(happened, clicks).rate(happened, clicks) for happened in (carts, purchases))
    return np.stack([coec, *rates, np.log1p(clicks), behaviour.last_s])
