"""The slate of a search: one product a group of variants, spread over brands, pins in their places, a known small chance of one swap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.diversity import POOL, broad, caps
from rialto.find.places import best_of_groups
from rialto.find.scale import falling
from rialto.find.shelves import SORTS
from rialto.records import Candidates, Context, Decisions, Requests, uniforms
from rialto.spine.decide import Decider, chosen
from rialto.spine.decide.slate import slate
from rialto.spine.params import Param
from rialto.spine.rank import Phase, best, previous_score

__all__ = ["SIZE", "SORTS", "Pins", "PinsOf", "decider", "placed", "sort_phase"]

SIZE = Param(
    "find.decide.size", 24, low=0, high=10_000, unit="results", doc="Results of a request, all its pages up to this one."
)
SWAP = Param(
    "find.decide.swap", 0.0, low=0, high=0.9, unit="share", doc="Share of requests in which one adjacent pair is exchanged."
)
COLLAPSE = Param("find.decide.collapse", True, doc="Show one product of each group of variants, the best.")


class Pins(Protocol):
    """Products with a place of their own: request b owns rows `offsets[b]:offsets[b+1]` of `ids` and `places`, by place, from 1."""

    @property
    def offsets(self) -> NDArray[np.int64]: ...
    @property
    def ids(self) -> NDArray[np.int64]: ...
    @property
    def places(self) -> NDArray[np.int64]: ...


PinsOf = Callable[[Requests], Pins]
"""The pins of each request of a batch."""


def decider(catalogue: Catalogue, pins: PinsOf | None = None) -> Decider:
    """Choose the best of each group of variants, then the best `find.decide.size` of those; the rest stays unchosen.

    In between, a broad request's first page is spread over brands (`rialto.find.diversity`), and pinned products take their
    places: counted over all pages, so that page 2 goes on where page 1 ended. A pinned product speaks for its group. A pin
    beyond the end stands last. Neither of an exchanged pair is pinned, and the propensity counts the pairs that could be.

    The decisions' scores fall along the list as it was before the exchange, so that a reader of the log knows that list.
    """
    inner, order = slate(SIZE, SWAP), caps(catalogue)

    def decide(requests: Requests, candidates: Candidates, context: Context) -> Decisions:
        place = _places(candidates, pins(requests)) if pins else np.zeros(len(candidates), dtype=np.int64)
        fewer, kept = candidates, None
        if (collapse := COLLAPSE.of(requests)).any():
            score = candidates.column("score")
            groups = catalogue.group_code[np.maximum(catalogue.rows(candidates.ids), 0)]
            alone = best_of_groups(candidates.offsets, candidates.ids, score, groups, place)
            kept = np.flatnonzero(alone if collapse.all() else alone | ~collapse[candidates.owner])
            # What it chooses by is all that it needs of the columns, which are many.
            fewer = Candidates(np.searchsorted(kept, candidates.offsets), candidates.ids[kept], {"score": score[kept]})
        wide = broad(requests)
        if not wide.any() and not place.any():
            made = inner.decide(requests, fewer, context)
        else:
            made = _arranged(requests, fewer, place if kept is None else place[kept], wide, catalogue, order, context)
        return made if kept is None else replace(made, rows=kept[made.rows])

    return Decider("slate", decide)


def _places(candidates: Candidates, pins: Pins) -> NDArray[np.int64]:
    """The place that each row is pinned to times `_ROOM`, plus its order among the pins; 0 = none; shape (rows,)."""
    out = np.zeros(len(candidates), dtype=np.int64)
    for b in np.flatnonzero(np.diff(pins.offsets)).tolist():
        own = slice(int(candidates.offsets[b]), int(candidates.offsets[b + 1]))
        mine = slice(int(pins.offsets[b]), int(pins.offsets[b + 1]))
        # Two pins to one place keep the order of `pins`: the row counts below the place.
        for number, key in zip(pins.ids[mine].tolist(), (pins.places[mine] * _ROOM + np.arange(mine.stop - mine.start)).tolist()):
            out[own][candidates.ids[own] == number] = key
    return out


_ROOM = 1_000_000  # pins of one request that can be told apart within a place


def _arranged(
    requests: Requests, candidates: Candidates, place: NDArray[np.int64], wide: NDArray[np.bool_], catalogue: Catalogue,
    order: Callable[[Requests, int, NDArray[np.int64], NDArray[np.float64]], NDArray[np.int64]], context: Context,
) -> Decisions:  # fmt: skip
    """The slate of a batch in which some request is broad or has pins; the others come out as `slate` makes them."""
    size, score = SIZE.of(requests).astype(np.int64), candidates.column("score")
    pinned = np.bincount(candidates.owner[place > 0], minlength=len(requests))
    rows, offsets = best(candidates.offsets, candidates.ids, score, np.maximum(size, POOL) + pinned)
    lists, scores = list[NDArray[np.int64]](), list[NDArray[np.float64]]()
    for b in range(len(requests)):
        old = rows[offsets[b] : offsets[b + 1]]
        if not wide[b] and not pinned[b]:
            lists.append(old[: size[b]])
            scores.append(score[lists[-1]])
            continue
        free = old[place[old] == 0]
        if wide[b]:
            free = free[order(requests, b, catalogue.rows(candidates.ids[free]), score[free])]
        made = (placed(free, *_fixed(candidates, place, b)) if pinned[b] else free)[: size[b]]
        lists.append(made)
        same = np.array_equal(made, old[: len(made)])
        scores.append(score[made] if same else falling(score[made]))
    ends = np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64)
    flat = np.concatenate([np.zeros(0, dtype=np.int64), *lists])
    chance = SWAP.of(requests).astype(np.float64)
    draws = uniforms(context.seed, requests.ids, "slate.swap", 2) if chance.any() else np.zeros((len(requests), 2))
    at, served = _exchanged(ends, place[flat] > 0, chance, draws)
    made = chosen(requests, candidates, flat[at], ends, np.repeat(served, np.diff(ends)))
    return replace(made, scores=np.concatenate([np.zeros(0), *scores])[at])


def _fixed(candidates: Candidates, place: NDArray[np.int64], request: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pinned rows of one request and their places, by place."""
    own = slice(int(candidates.offsets[request]), int(candidates.offsets[request + 1]))
    fixed = np.flatnonzero(place[own]) + own.start
    fixed = fixed[np.argsort(place[fixed])]
    return fixed, place[fixed] // _ROOM


def placed(free: NDArray[np.int64], fixed: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Put `fixed` at their `places` among `free`, which keep their order.

    Args:
        free, fixed: Rows, shape (free,) and (fixed,).
        places: From 1, not falling, shape (fixed,). Where one is taken the next is used; beyond the end they stand last.

    Example:
        >>> placed(np.array([10, 11, 12]), np.array([7, 8, 9]), np.array([1, 3, 99])).tolist()
        [7, 10, 8, 11, 12, 9]
    """
    want = places.tolist()
    out, used, free_left = list[int](), 0, free.tolist()
    for row in free_left:
        while used < len(want) and want[used] <= len(out) + 1:
            out.append(int(fixed[used]))
            used += 1
        out.append(row)
    return np.array(out + fixed[used:].tolist(), dtype=np.int64)


def _exchanged(
    offsets: NDArray[np.int64], fixed: NDArray[np.bool_], chance: NDArray[np.float64], draws: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which choice stands at each place after at most one exchange a request, shape (chosen,), and how probable that list was."""
    at, served = np.arange(len(fixed)), np.ones(len(offsets) - 1)
    for b in np.flatnonzero((chance > 0.0) & (np.diff(offsets) > 1)).tolist():
        own = np.arange(offsets[b], offsets[b + 1] - 1)
        pairs = own[~fixed[own] & ~fixed[own + 1]]
        if not len(pairs):
            continue
        served[b] = 1.0 - chance[b]
        if draws[b, 0] < chance[b]:
            upper = pairs[min(int(draws[b, 1] * len(pairs)), len(pairs) - 1)]
            at[upper], at[upper + 1] = at[upper + 1], at[upper]
            served[b] = chance[b] / len(pairs)
    return at, served


def sort_phase(catalogue: Catalogue) -> Phase:
    """The last phase: keeps the ranking, or orders what the ranker kept by price, day or rating where a request says so."""

    def score(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
        out = previous_score(requests, candidates)
        asked = requests.column("sort")
        for name in np.unique(asked.astype(str)).tolist():
            column, sign = _known(name)
            if column:
                rows = np.flatnonzero((asked == name)[candidates.owner])
                out = out.copy()
                out[rows] = sign * catalogue.value(column)[np.maximum(catalogue.rows(candidates.ids[rows]), 0)]
        return out

    return Phase("sort", score)


def _known(name: str) -> tuple[str, float]:
    if name not in SORTS:
        raise BadInput(f"there is no sort {name!r}; known: {', '.join(SORTS)}.")
    return SORTS[name]
