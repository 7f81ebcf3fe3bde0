"""The last phase: a cross-encoder reads the query together with the best few candidates, as many as the time left allows."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.records import BROWSE, split_path
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features
from rialto.spine.params import Param, Value

__all__ = ["CROSS", "CROSS_DEPTH", "UNREAD", "Pace", "Read", "blended", "cross_features", "in_place", "text_of"]

UNREAD: dict[str, Value] = {"find.cross.depth": 0}
"""Params of a search whose cross-encoder reads nothing."""

CROSS_DEPTH = Param(
    "find.cross.depth", 32, low=0, high=1000, unit="candidates", doc="Most candidates that the cross-encoder reads."
)
CROSS_WEIGHT = Param(
    "find.cross.weight", 0.25, low=0, high=10, unit="shares", doc="Weight of its score beside the phase before, both in spreads."
)
CROSS_TIME = Param("find.cross.time", 0.8, low=0.01, high=1, unit="share", doc="Share of the time left that it may take.")

CROSS = ("cross", "cross_cos", "cross_sim", "cross_least", "cross_back", "cross_depth")
"""Columns that it makes: its score; the likeness of query and product as wholes, of the query's words to the product's on the
mean and at the least, and the other way round; and how many candidates of the request it read."""

Read = Callable[[str, NDArray[np.int64], Callable[[], float]], NDArray[np.float32]]
"""(query, product rows with the best first, seconds left) -> the columns before `cross_depth`, shape (rows, 5); NaN = not read."""

_VALUES, _DESCRIPTION = 6, 160


class Pace:
    """Seconds a pair, as a running mean of what was measured; safe to use from several threads.

    Args:
        pair_s: The first guess.

    Example:
        >>> pace = Pace(0.002)
        >>> pace.learn(0.1, pairs=20)
        >>> pace.pairs(0.05) < pace.pairs(0.1) < pace.pairs(float("inf"))
        True
    """

    _MOST = 1 << 30
    _NEW = 0.2

    def __init__(self, pair_s: float = 0.002) -> None:
        if not pair_s > 0.0:
            raise BadInput(f"pair_s is {pair_s}; wanted seconds above 0.")
        self.pair_s, self._lock = pair_s, Lock()

    def pairs(self, left_s: float) -> int:
        """How many pairs `left_s` seconds are enough for."""
        return int(min(max(left_s, 0.0) / self.pair_s, self._MOST))

    def learn(self, seconds: float, *, pairs: int) -> None:
        """Take in that `pairs` pairs took `seconds`."""
        if pairs > 0 and seconds > 0.0:
            with self._lock:
                self.pair_s += self._NEW * (seconds / pairs - self.pair_s)


def text_of(catalogue: Catalogue) -> Callable[[int], str]:
    """A function that gives the text of a product row: brand, category and title, description's beginning, telling attribute values.

    Telling are text values that other products have too; a yes says its attribute's name.
    """
    labels = catalogue.labels
    shared = np.bincount(labels.pair, minlength=len(labels.pair_name)) > 1
    titles, brands, paths, descriptions = (catalogue.text(n) for n in ("title", "brand", "category", "description"))

    def text(row: int) -> str:
        title, brand, path = str(titles[row]), str(brands[row]), " ".join(split_path(str(paths[row]))[-2:])
        values: list[str] = []
        for pair in labels.pair[labels.offsets[row] : labels.offsets[row + 1]].tolist():
            value = str(labels.pair_text[pair])
            if shared[pair] and value not in ("yes", "no") and len(value) < 40 and len(values) < _VALUES:
                values.append(value)
        parts = (
            "" if brand.lower() in title.lower() else brand,
            path,
            title,
            str(descriptions[row])[:_DESCRIPTION],
            " , ".join(values),
        )
        return " . ".join(part for part in parts if part)

    return text


def cross_features(catalogue: Catalogue, read: Read, *, pace: Pace | None = None, budget_s: float = float("inf")) -> Features:
    """The columns `CROSS` of the candidates that it is given; a phase gives it the best few.

    Each request's candidates are read best first, by the score of the phase before: at most `find.cross.depth` of them, as many
    as `pace` says that its share of the time left is enough for, and none once the time is up. The rest are NaN. A page without words
    is not read. A failure fills all columns with NaN, and the trace says so.

    Args:
        catalogue: The products.
        read: The cross-encoder.
        pace: Kept from run to run; None = a new one.
        budget_s: Most seconds, within the run's deadline.
    """
    kept = pace or Pace()

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        texts, rows = requests.column("text").tolist(), catalogue.rows(candidates.ids)
        out = np.full((len(candidates), len(CROSS)), np.nan, dtype=np.float32)
        order = np.lexsort((candidates.ids, -candidates.column("score"), candidates.owner))
        shares, depths = CROSS_TIME.of(requests), CROSS_DEPTH.of(requests)
        for at, text in enumerate(texts):
            own = order[int(candidates.offsets[at]) : int(candidates.offsets[at + 1])]
            until = context.clock() + float(shares[at]) * context.left_s() / (len(texts) - at)
            own = own[rows[own] >= 0][: min(int(depths[at]), kept.pairs(until - context.clock()))]
            if str(text) != BROWSE and len(own):
                out[own, :-1] = _timed(read, kept, context.clock, until)(str(text), rows[own])
            whole = slice(int(candidates.offsets[at]), int(candidates.offsets[at + 1]))
            out[whole, -1] = np.count_nonzero(~np.isnan(out[whole, 0]))
        return {name: np.ascontiguousarray(out[:, column]) for column, name in enumerate(CROSS)}

    return Features("cross", CROSS, compute, otherwise=float("nan"), budget_s=budget_s)


def blended(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
    """A score without a trained last ranker: the phase before's plus `find.cross.weight` x the cross-encoder's, each in its spreads.

    What was not read keeps its place, see `in_place`.
    """
    before, cross = candidates.column("score").astype(np.float64), candidates.column("cross").astype(np.float64)
    weight, out = CROSS_WEIGHT.of(requests), before.copy()
    for at in range(candidates.requests):
        part = slice(int(candidates.offsets[at]), int(candidates.offsets[at + 1]))
        known = np.isfinite(cross[part]) & np.isfinite(before[part])
        if known.any():
            out[part][known] = _spread(before[part][known]) + float(weight[at]) * _spread(cross[part][known])
    return in_place(candidates, out, np.isfinite(cross) & np.isfinite(before))


def in_place(candidates: Candidates, scores: NDArray[np.float64], read: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Scores under which the candidates that were not read keep their places, and those that were fill the others by `scores`.

    A product that came or changed a moment ago is not read yet: it stands where the phase before saw it, neither behind all that were
    read nor before them. Where the time ended, all that was not read is the tail, and stays it.

    Args:
        candidates: Their `score` is the phase before's.
        scores: Shape (rows,); counts where `read`.
        read: Shape (rows,).

    Returns:
        Shape (rows,): `scores` where they were read, between or behind them for the others.

    Example:
        >>> rows = Candidates(np.array([0, 4]), np.arange(4), {"score": np.array([9.0, 8.0, 7.0, 6.0])})
        >>> in_place(rows, np.array([1.0, 0.0, 5.0, 0.0]), np.array([True, False, True, False])).tolist()
        [1.0, 3.0, 5.0, 0.0]
    """
    before, out = candidates.column("score").astype(np.float64), scores.astype(np.float64)
    order = np.lexsort((candidates.ids, -np.nan_to_num(before, nan=-np.inf), candidates.owner))
    for at in range(candidates.requests):
        own = order[int(candidates.offsets[at]) : int(candidates.offsets[at + 1])]
        known = read[own]
        if not known.any():
            out[own] = before[own]
        if known.all() or not known.any():
            continue
        ranked = np.sort(scores[own[known]])[::-1]
        above = np.cumsum(known)  # how many that were read stand above each place, itself included
        for run in np.split(np.flatnonzero(~known), np.flatnonzero(np.diff(np.flatnonzero(~known)) > 1) + 1):
            out[own[run]] = _between(ranked, int(above[run[0]]), len(run))
    return out


def _between(ranked: NDArray[np.float64], place: int, size: int) -> NDArray[np.float64]:
    """`size` falling scores between those before and behind a place of falling scores."""
    steps = np.arange(1.0, size + 1.0)
    if place == len(ranked):
        return np.asarray(ranked[-1] - steps, dtype=np.float64)
    if place == 0:
        return np.asarray(ranked[0] + steps[::-1], dtype=np.float64)
    return np.asarray(np.linspace(ranked[place - 1], ranked[place], size + 2)[1:-1], dtype=np.float64)


def _timed(
    read: Read, pace: Pace, clock: Callable[[], float], until: float
) -> Callable[[str, NDArray[np.int64]], NDArray[np.float32]]:
    def timed(text: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        start = clock()
        table = np.asarray(read(text, rows, lambda: until - clock()), dtype=np.float32)
        if table.shape != (len(rows), len(CROSS) - 1):
            raise BadInput(f"the cross-encoder answered shape {table.shape}; wanted ({len(rows)}, {len(CROSS) - 1}).")
        pace.learn(clock() - start, pairs=int(np.count_nonzero(~np.isnan(table[:, 0]))))
        return table

    return timed


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (values - values.mean()) / max(float(values.std()), 1e-9)
