"""More than relevance: declared weights on margin, stock, demand and freshness, under a bound on the relevance that they may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.scale import discounted, falling, relative
from rialto.records import Candidates, Context, Requests
from rialto.spine.params import Param
from rialto.spine.rank import Phase, previous_score

__all__ = ["WEIGHTS", "Objectives", "balanced", "objectives", "standardised"]

WEIGHTS: Mapping[str, Param] = {
    "margin": Param("find.objectives.margin", 0.0, low=0, high=10, unit="sd", doc="Weight of margin beside relevance."),
    "stock": Param("find.objectives.stock", 0.0, low=0, high=10, unit="sd", doc="Weight of being in stock."),
    "demand": Param("find.objectives.demand", 0.0, low=0, high=10, unit="sd", doc="Weight of popularity or conversion."),
    "freshness": Param("find.objectives.freshness", 0.0, low=0, high=10, unit="sd", doc="Weight of being new."),
}
"""Objective -> its weight: standard deviations of relevance that one standard deviation of the objective is worth."""

DEPTH = Param("find.objectives.depth", 48, low=2, high=1000, unit="candidates", doc="Candidates that objectives reorder.")
PAGE = Param("find.objectives.page", 10, low=1, high=1000, unit="results", doc="First results that the bounds speak of.")
LOSS = Param(
    "find.objectives.loss", 0.05, low=0, high=1, unit="share", doc="Relevance of those results that objectives may cost."
)
IN_STOCK = Param("find.objectives.in_stock", 0.0, low=0, high=1, unit="share", doc="Least share of those results in stock.")
_ASKED = (*WEIGHTS.values(), IN_STOCK)  # 0 unless set
_HALVINGS = 6


@dataclass(frozen=True, slots=True)
class Objectives:
    """What each product is worth besides relevance, by row of the catalogue, NaN = not known; higher is better.

    Args:
        values: Objective of `WEIGHTS` -> shape (products,).
        sold_out: Shape (products,), True where stock is known to be none.
    """

    values: Mapping[str, NDArray[np.float64]]
    sold_out: NDArray[np.bool_]

    @classmethod
    def of(cls, catalogue: Catalogue, *, demand: NDArray[np.float64] | None = None) -> Objectives:
        """Read a catalogue.

        Args:
            catalogue: The products.
            demand: Popularity or conversion by row, shape (products,); from ratings where None: mean times log of their number.

        Raises:
            BadInput: `demand` is of another length.
        """
        if demand is not None and len(demand) != len(catalogue):
            raise BadInput(f"demand has {len(demand)} values; wanted one for each of {len(catalogue)} products.")
        stock = catalogue.value("stock")
        rated = catalogue.value("rating") * np.log1p(catalogue.value("rating_count"))
        values = {
            "margin": catalogue.value("margin"),
            "stock": np.where(np.isnan(stock), np.nan, (stock > 0).astype(np.float64)),
            "demand": rated if demand is None else np.asarray(demand, dtype=np.float64),
            "freshness": catalogue.value("released_day"),
        }
        return cls(values, stock <= 0)


def objectives(catalogue: Catalogue, known: Objectives) -> Phase:
    """The phase after those that rank; with every weight and share at 0 it leaves the scores as they are, bit for bit.

    Relevance and objectives are standardised within the request's best `find.objectives.depth`; the sum orders them. What is not
    known counts as the mean. Then the share in stock is met by moving sold-out products behind the page, and the weights shrink
    together until the page keeps 1 - `find.objectives.loss` of the relevance of the best page with that share.
    A list that the shopper sorted is left alone.
    """

    def score(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
        out = previous_score(requests, candidates)
        if not any(p.name in requests.overrides for p in _ASKED):  # a run puts the settings' values there too
            return out
        weights = {n: p.of(requests).astype(np.float64) for n, p in WEIGHTS.items()}
        least, loss, page, depth = (p.of(requests) for p in (IN_STOCK, LOSS, PAGE, DEPTH))
        sort = requests.columns.get("sort")
        asks = (sum(weights.values()) > 0) | (least > 0)
        asks = asks & (True if sort is None else sort == "relevance")
        if not np.any(asks):
            return out
        out = out.copy()
        for b in np.flatnonzero(asks & (candidates.counts > 1)).tolist():
            own = slice(int(candidates.offsets[b]), int(candidates.offsets[b + 1]))
            order = np.lexsort((candidates.ids[own], -out[own]))
            order = order[np.isfinite(out[own][order])][: int(depth[b])]
            rows = np.maximum(catalogue.rows(candidates.ids[own][order]), 0)
            gain = sum(w[b] * standardised(known.values[n][rows]) for n, w in weights.items() if w[b] > 0)
            made = balanced(
                out[own][order], gain + np.zeros(len(order)), known.sold_out[rows],
                page=int(page[b]), loss=float(loss[b]), in_stock=float(least[b]),
            )  # fmt: skip
            if not np.array_equal(made, np.arange(len(made))):
                out[own][order[made]] = falling(out[own][order])
        return out

    return Phase("objectives", score, otherwise=previous_score)


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values in standard deviations from the mean of those known; 0 where not known, or where all are alike.

    Example:
        >>> standardised(np.array([1.0, 3.0, np.nan])).tolist()
        [-1.0, 1.0, 0.0]
    """
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(len(values))
    mean, spread = values[known].mean(), values[known].std()
    return (
        np.where(known, (values - mean) / spread, 0.0) if spread > 1e-9 * np.abs(values[known]).max() else np.zeros(len(values))
    )


def balanced(
    scores: NDArray[np.float64], gain: NDArray[np.float64], sold_out: NDArray[np.bool_],
    *, page: int, loss: float, in_stock: float,
) -> NDArray[np.int64]:  # fmt: skip
    """Order one request's candidates by relevance plus `gain` under both bounds.

    Args:
        scores: Falling, shape (candidates,).
        gain: Weighted sum of standardised objectives, shape (candidates,).
        sold_out: Shape (candidates,).
        page: First results that the bounds speak of.
        loss: Share of the page's relevance that may be lost, next to the best page with the share in stock.
        in_stock: Least share of the page in stock, as far as there are such candidates.

    Returns:
        The new order as rows of `scores`, shape (candidates,).

    Cost:
        At most eight sorts of the candidates.

    Example:
        >>> scores, gain, here = np.array([3.0, 2.9, 2.0]), np.array([-1.0, 1.0, 0.0]), np.zeros(3, dtype=bool)
        >>> balanced(scores, gain, here, page=2, loss=0.2, in_stock=0.0).tolist()
        [1, 0, 2]
        >>> balanced(scores, gain, here, page=2, loss=0.0, in_stock=0.0).tolist()
        [0, 1, 2]
    """
    known = relative(scores)
    arranged: Callable[[NDArray[np.int64]], NDArray[np.int64]] = lambda order: _stocked(order, sold_out, page, in_stock)  # noqa: E731
    plain = arranged(np.arange(len(scores)))
    if not gain.any():
        return plain
    least, worth = (1.0 - loss) * discounted(known[plain[:page]]) - 1e-12, standardised(known)
    share = 1.0
    for _ in range(_HALVINGS):
        made = arranged(np.lexsort((np.arange(len(scores)), -(worth + share * gain))))
        if discounted(known[made[:page]]) >= least:
            return made
        share /= 2.0
    return plain


def _stocked(order: NDArray[np.int64], sold_out: NDArray[np.bool_], page: int, least: float) -> NDArray[np.int64]:
    """`order` with the last sold-out ones of the page exchanged for the first others behind it, until the share is met."""
    wanted = int(np.ceil(least * min(page, len(order)) - 1e-9))
    there = ~sold_out[order]
    short = wanted - int(there[:page].sum())
    if short <= 0:
        return order
    come = page + np.flatnonzero(there[page:])[:short]
    go = np.flatnonzero(~there[:page])[::-1][: len(come)]
    first = np.sort(np.concatenate([np.setdiff1d(np.arange(min(page, len(order))), go), come]))
    rest = np.setdiff1d(np.arange(len(order)), first)
    return order[np.concatenate([first, rest])]
