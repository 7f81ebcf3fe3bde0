"""A page of results for people: one search, its facets, what was rewritten, how long each step took, and why on request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import asdict
from time import monotonic
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, NothingHere
from rialto.find.decide import SIZE
from rialto.find.facets import Counts, check_selections, facet_values
from rialto.find.found import counted, facets_of, stopped
from rialto.find.offered import Offered, Typing
from rialto.find.pipeline import FUSION_KEEP, Search
from rialto.find.query import Understood
from rialto.find.records import FacetValue, Result, SearchPage, Selections
from rialto.find.retrieve import BROWSE_K
from rialto.find.rules import effects
from rialto.find.shelves import SORTS
from rialto.find.suggest import Suggestion
from rialto.records import hash64
from rialto.spine.explain import Fate
from rialto.spine.explain import explain as fates_of
from rialto.spine.params import Value
from rialto.spine.pipeline import Outcome

__all__ = ["Pages", "answer", "explained"]

_MOST = 100  # results of one page
_VARIANTS = 4  # candidates of one result, about, on a page without words
_AHEAD = 100  # results beyond a page's end, so that the next one is known to be there


class Pages:
    """What pages call: a search with its facets, its reasons and its suggestions.

    Args:
        search: An indexed search.
        queries: Past queries and how often each was asked, for suggestions.
    """

    def __init__(self, search: Search, queries: Mapping[str, float] | None = None) -> None:
        self.search, self._queries = search, queries
        self.typing, self._offered = Typing(search.catalogue, queries), Offered()

    def moved(self, search: Search) -> Pages:
        """The same pages over a search after a change of some products or rules.

        Suggestions stay as they were made, without the products that left since, are sold out or hidden; those that came are offered
        from the next `anew` on.
        """
        other = copy(self)
        other.search, other._offered = search, Offered()
        return other

    def anew(self, search: Search) -> Pages:
        """Pages over a search of a new index, with suggestions of its own, which are made before this returns."""
        made = Pages(search, self._queries)
        made.ready()
        return made

    def ready(self) -> None:
        """Make the suggestions now: without it whoever types first waits for that."""
        self.suggest("a")

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

    def values(
        self, text: str, facet: str, contains: str = "", *, limit: int = 20, **asked: Unpack[Asked]
    ) -> tuple[FacetValue, ...]:
        """Search inside one facet of what a query finds, over all of its values; see `rialto.find.facets.facet_values`."""
        return values(self.search, text, facet, contains, limit=limit, **asked)

    def suggest(self, prefix: str, *, limit: int = 8, time_s: float = 0.0) -> list[Suggestion]:
        """Completions of what was typed so far; what rules hide from every search at `time_s`, seconds since 1970, is not offered."""
        return self._offered.of(self.search, self.typing, time_s).complete(prefix, limit=limit)


class Asked(TypedDict, total=False):
    """What may be said beside a query's text.

    `selections`: what is ticked. `page`: from 1; past the end it is empty. `size`: results a page, 1 to 100. `sort`: one of
    `rialto.find.shelves.SORTS`. `explain`: True adds a row a candidate. `price_bounds`: False takes "under $50" for words, which
    is how a shopper undoes that rewrite. `undo`: ids of rewrites that are not to be made, "all" for every one. `shopper`: pseudonym of
    who asks; "" = nobody. `request_id`: joins what follows to this answer; made of text and time where None.
    `time_s`, `seed`, `deadline_s`, `clock`, `params`: as in `Search.search`.
    """

    selections: Selections | None
    page: int
    size: int
    sort: str
    explain: bool
    price_bounds: bool
    undo: Collection[str]
    shopper: str
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
    undo: Collection[str] = (),
    shopper: str = "",
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
    check_selections(search.facet_table, selections or Selections())
    start = clock()
    number = hash64(f"{text}|{time_s!r}|{seed}") if request_id is None else request_id
    requests, read = search.requests(
        [text], selections=[selections or Selections()], sort=sort, ids=np.array([number], dtype=np.uint64), time_s=time_s,
        params={**_reach(page * size, browse=not text.strip()), **(params or {}), "find.decide.size": min(page * size, int(SIZE.high))},
        price_bounds=price_bounds, undo=undo, shopper=shopper,
    )  # fmt: skip
    outcome = search.pipeline.run(requests, seed=seed, deadline_s=deadline_s, clock=clock, explain=explain)
    return _page(search, outcome, read[0], page=page, size=size, explain=explain, started_s=start, clock=clock), outcome


def _reach(results: int, *, browse: bool) -> dict[str, Value]:
    """Tunables of a page: what does not belong is left out, and the ranker keeps all that belongs, so that every page can be reached.

    A page without words takes as many candidates as lead up to its end: variants of a model are several candidates and one result.
    """
    reach: dict[str, Value] = {"find.facets.belongs": True, "find.rank.fusion_keep": int(FUSION_KEEP.high)}
    if browse:
        deep = _VARIANTS * (results + _AHEAD)
        reach["find.retrieve.browse"] = min(max(int(BROWSE_K.default), deep), int(BROWSE_K.high))
    return reach


def values(
    search: Search, text: str, facet: str, contains: str = "", *, limit: int = 20, **asked: Unpack[Asked]
) -> tuple[FacetValue, ...]:
    """Search inside one facet: its values that begin with, hold or nearly are `contains`, counted as on the page of the same query.

    Args:
        facet: Name of a facet of values, or `category`.
        contains: What was typed into the facet; "" = every value.
        limit: Values at most.
        asked: As for `answer`; page and size do not matter.

    Raises:
        BadInput: there is no such facet of values, or a selection or tunable is unknown.
    """
    selections = asked.get("selections") or Selections()
    check_selections(search.facet_table, selections)
    params: dict[str, Value] = {
        "find.facets.belongs": True,
        **(asked.get("params") or {}),
        "find.decide.size": 0,
        "find.rank.trees_depth": 1,
    }
    bounds = asked.get("price_bounds", True)
    requests, read = search.requests(
        [text], selections=[selections], params=params, price_bounds=bounds, undo=asked.get("undo", ()),
        time_s=asked.get("time_s", 0.0),
    )  # fmt: skip
    outcome = search.pipeline.run(requests, seed=asked.get("seed", 0), deadline_s=asked.get("deadline_s", float("inf")))
    return facet_values(counted(search, outcome, read[0]), facet, contains, limit=limit)


def explained(
    search: Search, text: str, product_id: str, *, selections: Selections | None = None, sort: str = "relevance"
) -> Mapping[str, Any]:
    """Say what became of one product for one query: its end, place, scores and features; arguments as in `Search.explain`."""
    number = search.catalogue.number_of(product_id)
    outcome = search.search(
        [text], selections=[selections or Selections()], sort=sort, params={"find.facets.belongs": True}, explain=True
    )
    for fate in fates_of(outcome):
        if fate.id == number:
            return _row(search, fate)
    return {"product": product_id, "end": "not_found", "place": 0, "scores": {}, "features": {}}


def _page(
    search: Search, outcome: Outcome, understood: Understood, *, page: int, size: int, explain: bool, started_s: float,
    clock: Callable[[], float],
) -> SearchPage:  # fmt: skip
    catalogue, asked, rules = search.catalogue, outcome.requests, search.fittings.rules
    before = clock()
    counts = counted(search, outcome, understood)
    shown = facets_of(search, counts, understood)
    times = {s.name: s.seconds * 1000.0 for s in outcome.trace.steps} | {"facets": (clock() - before) * 1000.0}
    return SearchPage(
        text=str(asked.column("asked")[0]),
        understood=str(asked.column("text")[0]),
        request_id=int(asked.ids[0]),
        results=_results(search, outcome, counts, page, size),
        facets=shown,
        rewrites=understood.rewrites,
        total=counts.found,
        total_exact=not stopped(outcome),
        reachable=_different(catalogue.group_code[np.maximum(catalogue.rows(outcome.ranked.ids), 0)]),
        page=page,
        size=size,
        sort=str(asked.column("sort")[0]),
        took_ms=times | {"total": (clock() - started_s) * 1000.0},
        fallbacks=outcome.trace.fallbacks,
        explain=tuple(_row(search, f) for f in fates_of(outcome)) if explain else (),
        redirect=rules.redirect(asked) if rules else "",
        rules=effects(rules, outcome) if rules else (),
    )


def _different(codes: NDArray[Any]) -> int:
    """How many different ones there are; a few hundred are sorted sooner than `numpy.unique` is called."""
    ordered = np.sort(codes)
    return int((ordered[1:] != ordered[:-1]).sum()) + 1 if len(codes) else 0


def _results(search: Search, outcome: Outcome, counts: Counts, page: int, size: int) -> tuple[Result, ...]:
    d, first = outcome.decisions, (page - 1) * size
    shown = d.ids[first : page * size]
    alike = counts.variants(search.catalogue.rows(shown)).tolist()
    scores = d.scores[first : page * size].tolist()
    return tuple(
        Result(search.product(number), first + at, score, variants)
        for at, (number, score, variants) in enumerate(zip(shown.tolist(), scores, alike), start=1)
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
