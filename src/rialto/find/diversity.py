"""A page for a broad query that is not all of one brand or category: gently, and never at more than a stated loss of relevance."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, cast

import numba as nb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.records import BROWSE
from rialto.find.scale import discounted, relative
from rialto.find.select import selections_of
from rialto.records import Requests
from rialto.spine.params import Param

__all__ = ["POOL", "Caps", "broad", "capped", "caps", "within", "within_plain"]

POOL = 48
"""Candidates of a request, the best, among which places are exchanged."""

PAGE = Param("find.diversity.page", 12, low=2, high=POOL, unit="results", doc="First results that diversity looks after.")
BRAND = Param("find.diversity.brand", 4, low=0, high=POOL, unit="results", doc="Of those, at most so many of one brand; 0 = any.")
CATEGORY = Param("find.diversity.category", 0, low=0, high=POOL, unit="results", doc="At most so many of one category; 0 = any.")
LOSS = Param("find.diversity.loss", 0.02, low=0, high=1, unit="share", doc="Relevance of those results that may be lost for it.")
SURE = Param("find.diversity.sure", 0.5, low=0, high=1, unit="share", doc="A product type this probable makes a query narrow.")

Caps = Callable[[Requests, int, NDArray[np.int64], NDArray[np.float64]], NDArray[np.int64]]
"""Request, its candidates' catalogue rows best first, their scores -> a new order of them, shape (candidates,)."""


def broad(requests: Requests) -> NDArray[np.bool_]:
    """Which requests leave open what is wanted, shape (requests,): no words, intent `browse` or `type`, or no type that is sure.

    A request whose list is sorted by the shopper, or that names brands among its selections, is never broad.
    """
    out = np.zeros(len(requests), dtype=np.bool_)
    intents, types, sort = (requests.columns.get(n) for n in ("intent", "types", "sort"))
    text, selections, sure = requests.column("text"), requests.columns.get("selections"), SURE.of(requests)
    for at in range(len(requests)):
        intent = "" if intents is None else str(intents[at])
        spread = types is not None and intent in ("", "type") and _spread(str(types[at]), float(sure[at]))
        if text[at] == BROWSE or intent in ("browse", "type") or spread:
            chosen = "" if selections is None else str(selections[at])
            plain = sort is None or sort[at] == "relevance"
            out[at] = plain and not (chosen and selections_of(chosen).values.get("brand"))
    return out


@lru_cache(maxsize=4096)
def _spread(types: str, sure: float) -> bool:
    """True where several types are likely and none is sure."""
    if not types:
        return False
    try:
        told = [float(probability) for _, probability in cast("list[Any]", json.loads(types))]
    except (ValueError, TypeError) as e:
        raise BadInput(f'the request\'s types are {types[:80]!r}: {e}; wanted [["Lamps/Desk", 0.7]].') from None
    return len(told) >= 2 and max(told) < sure


def caps(catalogue: Catalogue) -> Caps:
    """The order of a request's candidates under `find.diversity.brand` and `find.diversity.category`; codes are made on first use."""
    made: dict[str, NDArray[np.int64]] = {}

    def order(requests: Requests, at: int, rows: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
        if not made:
            made.update({name: _codes(catalogue.text(name)) for name in ("brand", "category")})  # both at once: threads look
        limits = [(made[n][rows[:POOL]], int(p.of(requests)[at])) for n, p in (("brand", BRAND), ("category", CATEGORY))]
        first = capped(
            scores[:POOL], [x for x in limits if x[1]], page=int(PAGE.of(requests)[at]), loss=float(LOSS.of(requests)[at])
        )
        return np.concatenate([first, np.arange(len(first), len(rows))])

    return order


def _codes(values: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each different text, -1 for none, shape of `values`."""
    coded = pa.array(values, type=pa.string()).dictionary_encode()
    numbers = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    empty = [at for at, text in enumerate(coded.dictionary.to_pylist()) if not text]
    return np.where(np.isin(numbers, empty), -1, numbers)


def capped(
    scores: NDArray[np.float64], limits: Sequence[tuple[NDArray[np.int64], int]], *, page: int, loss: float
) -> NDArray[np.int64]:
    """Reorder candidates so that the first `page` hold at most so many of one code, at a bounded loss of relevance.

    Who is over a limit waits behind the page; the others keep their order. Where that costs more than `loss` of the page's
    discounted relevance, every limit is raised by one and it is tried again, so that a limit of `page`, the old order, ends it.

    Args:
        scores: Falling, shape (candidates,).
        limits: Codes of the candidates, shape (candidates,), -1 = not known, which no limit counts; and how many of one.
        page: Places looked after.
        loss: Share of relevance, as `rialto.find.scale.relative` counts it, that may be lost.

    Returns:
        The new order as rows of `scores`, shape (candidates,).

    Cost:
        O(candidates x rounds), at most `page` rounds.

    Example:
        >>> brand = np.array([0, 0, 0, 1, 2])
        >>> capped(np.array([5.0, 4.9, 4.8, 4.7, 4.6]), [(brand, 2)], page=3, loss=0.3).tolist()
        [0, 1, 3, 2, 4]
        >>> capped(np.array([5.0, 4.9, 4.8, 4.7, 4.6]), [(brand, 2)], page=3, loss=0.01).tolist()
        [0, 1, 2, 3, 4]
    """
    if all(np.bincount(codes[:page][codes[:page] >= 0], minlength=1).max() <= most for codes, most in limits):
        return np.arange(len(scores))
    known = relative(scores)
    whole, size = discounted(known[:page]), min(page, len(scores))
    codes, most = np.stack([c for c, _ in limits], dtype=np.int64), np.array([m for _, m in limits], dtype=np.int64)
    for more in range(page):
        made = within(codes, most + more, size)
        if discounted(known[made[:page]]) >= (1.0 - loss) * whole - 1e-12:
            return made
    return np.arange(len(scores))


@nb.njit(cache=True, nogil=True)
def within(codes: NDArray[np.int64], most: NDArray[np.int64], page: int) -> NDArray[np.int64]:
    """The order in which the first `page` candidates hold at most `most` of one code, those over a limit behind them.

    Args:
        codes: Shape (limits, candidates); -1 = not known, which no limit counts.
        most: Shape (limits,).
        page: Places looked after, at most as many as there are candidates.

    Returns:
        Candidates, shape (candidates,).
    """
    size = codes.shape[1]
    first, later = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    shown, waiting = 0, 0
    for row in range(size):
        over = shown >= page
        for limit in range(len(most)):
            held = 0
            for k in range(shown):
                held += codes[limit, first[k]] == codes[limit, row]
            over |= codes[limit, row] >= 0 and held >= most[limit]
        if over:
            later[waiting] = row
            waiting += 1
        else:
            first[shown] = row
            shown += 1
    first[shown:] = later[:waiting]
    return first


def within_plain(codes: NDArray[np.int64], most: NDArray[np.int64], page: int) -> NDArray[np.int64]:
    """`within` without a kernel, for its test."""
    held = [Counter[int]() for _ in most]
    first, later = list[int](), list[int]()
    for row in range(codes.shape[1]):
        own = codes[:, row].tolist()
        if len(first) >= page or any(c >= 0 and mine[c] >= m for c, m, mine in zip(own, most.tolist(), held)):
            later.append(row)
            continue
        first.append(row)
        for c, mine in zip(own, held):
            mine[c] += 1
    return np.array(first + later, dtype=np.int64)
