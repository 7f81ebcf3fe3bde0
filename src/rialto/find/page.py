"""A page of results for people: one search, its facets, what was rewritten, how long each step took, and why on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, NothingHere
from rialto.find.decide import SORTS
from rialto.find.facets import FacetTable, facets
from rialto.find.pipeline import Search
from rialto.find.records import Result, SearchPage, Selections
from rialto.find.retrieve import BROWSE_K, LEXICAL_K
from rialto.find.select import bounds_of, hard_mask, selections_of
from rialto.find.suggest import Suggester, Suggestion
from rialto.records import hash64
from rialto.spine.explain import Fate
from rialto.spine.explain import explain as fates_of
from rialto.spine.params import Value
from rialto.spine.pipeline import Outcome

__all__ = ["Shop", "page_of"]

_MOST = 100  # results of one page


class Shop:
    """What pages call: a search with its facets and suggestions.

    Args:
        search: An indexed search.
        queries: Past queries and how often each was asked, for suggestions.
    """

    def __init__(self, search: Search, queries: Mapping[str, float] | None = None) -> None:
        self.search = search
        self._table = FacetTable.of(search.catalogue)
        self._suggester = Suggester(search.catalogue, queries)

    def page(
        self,
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
        watch: Callable[[Outcome], object] | None = None,
    ) -> SearchPage:
        """Answer one query with a page.

        Args:
            text: What was typed; "" browses what is selected.
            page: From 1; past the end it is empty.
            size: Results a page, 1 to 100.
            sort: One of `SORTS`.
            explain: True adds a row a candidate: what became of it and why.
            price_bounds: False takes "under $50" for words, which is how a shopper undoes that rewrite.
            request_id: Joins what follows to this answer; made of the text and time where None.
            time_s, seed, deadline_s, clock, params: As in `Search.search`.
            watch: Is given the outcome, for the decision log.

        Raises:
            BadInput: page, size or sort is out of range, or a tunable is unknown.

        Cost:
            A search, and a pass over what it found for each facet with a selection.
        """
        if page < 1 or not 1 <= size <= _MOST or sort not in SORTS:
            raise BadInput(f"page {page}, size {size}, sort {sort!r}; wanted page >= 1, size 1 to {_MOST}, sort of {', '.join(SORTS)}.")
        number = hash64(f"{text}|{time_s!r}|{seed}") if request_id is None else request_id
        start = clock()
        requests, read = self.search.requests(
            [text], selections=[selections or Selections()], sort=sort, ids=np.array([number], dtype=np.uint64), time_s=time_s,
            params={**(params or {}), "find.decide.size": page * size}, price_bounds=price_bounds,
        )  # fmt: skip
        outcome = self.search.pipeline.run(requests, seed=seed, deadline_s=deadline_s, clock=clock, explain=True)
        if watch is not None:
            watch(outcome)
        return page_of(
            self.search, self._table, outcome, page=page, size=size, rewrites=read[0].rewrites, asked=text,
            sort=sort, explain=explain, started_s=start, clock=clock,
        )  # fmt: skip

    def explain(self, text: str, product_id: str, *, selections: Selections | None = None, sort: str = "relevance") -> Mapping[str, Any]:
        """Say what became of one product for one query: its end, place, scores and features; `not_found` where no leg brought it.

        Raises:
            NothingHere: the catalogue has no such product.
        """
        number = self.search.catalogue.number_of(product_id)
        outcome = self.search.search([text], selections=[selections or Selections()], sort=sort, explain=True)
        for fate in fates_of(outcome):
            if fate.id == number:
                return _row(self.search, fate)
        return {"product": product_id, "end": "not_found", "place": 0, "scores": {}, "features": {}}

    def suggest(self, prefix: str, *, limit: int = 8) -> list[Suggestion]:
        """Completions of what was typed so far."""
        return self._suggester.complete(prefix, limit=limit)


def page_of(
    search: Search,
    table: FacetTable,
    outcome: Outcome,
    *,
    page: int,
    size: int,
    rewrites: tuple[Any, ...],
    asked: str,
    sort: str,
    explain: bool,
    started_s: float,
    clock: Callable[[], float],
) -> SearchPage:
    """The page that an outcome of one request, run with its details kept, amounts to; `size` x `page` results were decided."""
    catalogue, requests = search.catalogue, outcome.requests
    chosen = selections_of(str(requests.column("selections")[0]))
    found = catalogue.rows(outcome.trace.details["retrieve"].ids)
    found = np.sort(found[found >= 0])
    for mask in (hard_mask(catalogue, found, in_stock=chosen.in_stock, bounds=bounds_of(requests, 0)),):
        found = found[np.logical_and.reduce(list(mask.values()))] if mask else found
    groups = catalogue.group_code
    kept = np.maximum(catalogue.rows(outcome.record.seen.ids), 0)
    before = clock()
    counted = facets(table, catalogue, found, chosen)
    times = {s.name: s.seconds * 1000.0 for s in outcome.trace.steps} | {"facets": (clock() - before) * 1000.0}
    return SearchPage(
        text=asked,
        understood=str(requests.column("text")[0]),
        request_id=int(requests.ids[0]),
        results=_results(search, outcome, groups[kept], page, size),
        facets=counted,
        rewrites=rewrites,
        total=len(np.unique(groups[kept])),
        total_exact=not _stopped(outcome),
        reachable=len(np.unique(groups[np.maximum(catalogue.rows(outcome.ranked.ids), 0)])),
        page=page,
        size=size,
        sort=sort,
        took_ms=times | {"total": (clock() - started_s) * 1000.0},
        fallbacks=outcome.trace.fallbacks,
        explain=tuple(_row(search, f) for f in fates_of(outcome)) if explain else (),
    )


def _results(search: Search, outcome: Outcome, groups: NDArray[np.int64], page: int, size: int) -> tuple[Result, ...]:
    d, catalogue = outcome.decisions, search.catalogue
    codes = catalogue.group_code
    made: list[Result] = []
    for at in range((page - 1) * size, min(page * size, len(d.ids))):
        product = catalogue.product(int(d.ids[at]))
        code = codes[catalogue.rows(d.ids[at : at + 1])[0]]
        made.append(Result(product, at + 1, float(d.scores[at]), int((groups == code).sum())))
    return tuple(made)


def _stopped(outcome: Outcome) -> bool:
    """True where a leg stopped at its limit, so that there may be more than was counted."""
    found, requests = outcome.trace.details["retrieve"], outcome.requests
    legs = {"rank_lexical": LEXICAL_K, "rank_browse": BROWSE_K}
    return any(
        int((~np.isnan(found.columns[name])).sum()) >= int(limit.of(requests)[0]) for name, limit in legs.items() if name in found.columns
    )


def _row(search: Search, fate: Fate) -> Mapping[str, Any]:
    row = int(search.catalogue.rows(np.array([fate.id], dtype=np.int64))[0])
    if row < 0:
        raise NothingHere(f"candidate {fate.id} is in the index and not in the catalogue; index it again.")
    told = asdict(fate)
    return {
        "product": str(search.catalogue.ids[row]), "title": str(search.catalogue.text("title")[row]), "end": fate.end,
        "place": fate.place, "propensity": fate.propensity, "scores": told["scores"], "features": told["columns"],
    }  # fmt: skip
