"""A page of results for people: one search, its facets, what was rewritten, how long each step took, and why on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cached_property
from time import monotonic
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, NothingHere
from rialto.find.catalogue import Catalogue
from rialto.find.decide import SIZE, SORTS
from rialto.find.facets import facets
from rialto.find.pipeline import Search
from rialto.find.records import BROWSE, Result, Rewrite, SearchPage, Selections
from rialto.find.retrieve import LEXICAL_K
from rialto.find.select import bounds_of, facet_mask, hard_mask, selections_of
from rialto.find.suggest import Suggester, Suggestion
from rialto.records import hash64
from rialto.spine.explain import Fate
from rialto.spine.explain import explain as fates_of
from rialto.spine.params import Value
from rialto.spine.pipeline import Outcome

__all__ = ["Pages", "answer", "explained"]

_MOST = 100  # results of one page


class Pages:
    """What pages call: a search with its facets, its reasons and its suggestions.

    Args:
        search: An indexed search.
        queries: Past queries and how often each was asked, for suggestions.
    """

    def __init__(self, search: Search, queries: Mapping[str, float] | None = None) -> None:
        self.search, self._queries = search, queries

    @cached_property
    def _suggester(self) -> Suggester:
        """Made when first asked for: a search that is never typed into needs none."""
        return Suggester(self.search.catalogue, self._queries)

    def page(self, text: str, *, watch: Callable[[Outcome], object] | None = None, **asked: Unpack[Asked]) -> SearchPage:
        """Answer one query with a page; `watch` is given the outcome behind it, for the decision log.

        Args:
            text: What was typed; "" browses what is selected.
            asked: As `Asked` says.

        Raises:
            BadInput: page, size or sort is out of range, or a tunable is unknown.
        """
        page, outcome = answer(self.search, text, **asked)
        if watch is not None:
            watch(outcome)
        return page

    def answer(self, text: str, **asked: Unpack[Asked]) -> tuple[SearchPage, Outcome]:
        """As `page`, with the outcome behind it."""
        return answer(self.search, text, **asked)

    def explain(self, text: str, product_id: str, *, selections: Selections | None = None) -> Mapping[str, Any]:
        """What became of one product for one query; see `explained`."""
        return explained(self.search, text, product_id, selections=selections)

    def suggest(self, prefix: str, *, limit: int = 8) -> list[Suggestion]:
        """Completions of what was typed so far."""
        return self._suggester.complete(prefix, limit=limit)


class Asked(TypedDict, total=False):
    """What may be said beside a query's text.

    `selections`: what is ticked. `page`: from 1; past the end it is empty. `size`: results a page, 1 to 100. `sort`: one of
    `rialto.find.decide.SORTS`. `explain`: True adds a row a candidate. `price_bounds`: False takes "under $50" for words, which
    is how a shopper undoes that rewrite. `request_id`: joins what follows to this answer; made of text and time where None.
    `time_s`, `seed`, `deadline_s`, `clock`, `params`: as in `Search.search`.
    """

    selections: Selections | None
    page: int
    size: int
    sort: str
    explain: bool
    price_bounds: bool
    request_id: int | None
    time_s: float
    seed: int
    deadline_s: float
    clock: Callable[[], float]
    params: Mapping[str, Value] | None


def answer(
    search: Search,
    text: str,
    *,
    selections: Selections | None = None,
    page: int = 1,
    size: int = 24,
    sort: str = "relevance",
    explain: bool = False,
    price_bounds: bool = True,
    request_id: int | None = None,
    time_s: float = 0.0,
    seed: int = 0,
    deadline_s: float = float("inf"),
    clock: Callable[[], float] = monotonic,
    params: Mapping[str, Value] | None = None,
) -> tuple[SearchPage, Outcome]:
    """Answer one query with a page, and the outcome behind it for the decision log; arguments as in `Search.page`."""
    if page < 1 or not 1 <= size <= _MOST or sort not in SORTS:
        raise BadInput(
            f"page {page}, size {size}, sort {sort!r}; wanted page >= 1, size 1 to {_MOST}, sort of {', '.join(SORTS)}."
        )
    start = clock()
    number = hash64(f"{text}|{time_s!r}|{seed}") if request_id is None else request_id
    requests, read = search.requests(
        [text], selections=[selections or Selections()], sort=sort, ids=np.array([number], dtype=np.uint64), time_s=time_s,
        params={**(params or {}), "find.decide.size": min(page * size, int(SIZE.high))}, price_bounds=price_bounds,
    )  # fmt: skip
    outcome = search.pipeline.run(requests, seed=seed, deadline_s=deadline_s, clock=clock, explain=True)
    return _page(search, outcome, read[0].rewrites, page=page, size=size, explain=explain, started_s=start, clock=clock), outcome


def explained(
    search: Search, text: str, product_id: str, *, selections: Selections | None = None, sort: str = "relevance"
) -> Mapping[str, Any]:
    """Say what became of one product for one query: its end, place, scores and features; arguments as in `Search.explain`."""
    number = search.catalogue.number_of(product_id)
    outcome = search.search([text], selections=[selections or Selections()], sort=sort, explain=True)
    for fate in fates_of(outcome):
        if fate.id == number:
            return _row(search, fate)
    return {"product": product_id, "end": "not_found", "place": 0, "scores": {}, "features": {}}


def _page(
    search: Search, outcome: Outcome, rewrites: tuple[Rewrite, ...], *, page: int, size: int, explain: bool,
    started_s: float, clock: Callable[[], float],
) -> SearchPage:  # fmt: skip
    catalogue, asked, groups = search.catalogue, outcome.requests, search.catalogue.group_code
    chosen = selections_of(str(asked.column("selections")[0]))
    before = clock()
    found = _found(catalogue, outcome)
    counted = facets(search.facet_table, catalogue, found, chosen)
    masks = [facet_mask(catalogue, found, f, chosen) for f in chosen.facets]
    left = found[np.logical_and.reduce(masks)] if masks else found
    times = {s.name: s.seconds * 1000.0 for s in outcome.trace.steps} | {"facets": (clock() - before) * 1000.0}
    return SearchPage(
        text=str(asked.column("asked")[0]),
        understood=str(asked.column("text")[0]),
        request_id=int(asked.ids[0]),
        results=_results(catalogue, outcome, groups[left], page, size),
        facets=counted,
        rewrites=rewrites,
        total=len(np.unique(groups[left])),
        total_exact=not _stopped(outcome),
        reachable=len(np.unique(groups[np.maximum(catalogue.rows(outcome.ranked.ids), 0)])),
        page=page,
        size=size,
        sort=str(asked.column("sort")[0]),
        took_ms=times | {"total": (clock() - started_s) * 1000.0},
        fallbacks=outcome.trace.fallbacks,
        explain=tuple(_row(search, f) for f in fates_of(outcome)) if explain else (),
    )


def _found(catalogue: Catalogue, outcome: Outcome) -> NDArray[np.int64]:
    """Catalogue rows that the query found, before anything was selected; a page without words found everything."""
    asked = outcome.requests
    every = str(asked.column("text")[0]) == BROWSE
    rows = np.arange(len(catalogue)) if every else catalogue.rows(outcome.trace.details["retrieve"].ids)
    rows = np.sort(rows[rows >= 0])
    stocked = selections_of(str(asked.column("selections")[0])).in_stock
    masks = list(hard_mask(catalogue, rows, in_stock=stocked, bounds=bounds_of(asked, 0)).values())
    return rows[np.logical_and.reduce(masks)] if masks else rows


def _results(catalogue: Catalogue, outcome: Outcome, groups: NDArray[np.int64], page: int, size: int) -> tuple[Result, ...]:
    d, first = outcome.decisions, (page - 1) * size
    shown = d.ids[first : page * size]
    codes = catalogue.group_code[catalogue.rows(shown)]
    alike = (groups[np.newaxis, :] == codes[:, np.newaxis]).sum(axis=1).tolist()
    scores = d.scores[first : page * size].tolist()
    return tuple(
        Result(catalogue.product(number), first + at, score, variants)
        for at, (number, score, variants) in enumerate(zip(shown.tolist(), scores, alike), start=1)
    )


def _stopped(outcome: Outcome) -> bool:
    """True where the lexical leg stopped at its limit, so that there may be more than was counted."""
    ranks = outcome.trace.details["retrieve"].columns["rank_lexical"]
    return int((~np.isnan(ranks)).sum()) >= int(LEXICAL_K.of(outcome.requests)[0])


def _row(search: Search, fate: Fate) -> Mapping[str, Any]:
    row = int(search.catalogue.rows(np.array([fate.id], dtype=np.int64))[0])
    if row < 0:
        raise NothingHere(f"candidate {fate.id} is in the index and not in the catalogue; index it again.")
    told = asdict(fate)
    return {
        "product": str(search.catalogue.ids[row]), "title": str(search.catalogue.text("title")[row]), "end": fate.end,
        "place": fate.place, "propensity": fate.propensity, "scores": told["scores"], "features": told["columns"],
    }  # fmt: skip
