"""A page of results for people: one search, its facets, what was rewritten, how long each step took, and why on request."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import asdict, replace
from time import monotonic
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, NothingHere
from rialto.find.asking import batch, read
from rialto.find.decide import SIZE
from rialto.find.facets import Counts, check_selections, facet_values
from rialto.find.found import counted, counts_all, facets_of, stopped
from rialto.find.offered import Offered, Typing
from rialto.find.pipeline import FUSION_KEEP, Search
from rialto.find.query import Understood
from rialto.find.records import BROWSE, FacetValue, Result, SearchPage, Selections
from rialto.find.retrieve import BROWSE_K, LEXICAL_K
from rialto.find.rules import effects
from rialto.find.shelves import SORTS
from rialto.find.suggest import Suggestion
from rialto.find.suggest.ranking import Ranking
from rialto.records import hash64
from rialto.spine.explain import Fate
from rialto.spine.explain import explain as fates_of
from rialto.spine.params import Value
from rialto.spine.pipeline import Outcome

__all__ = ["Alike", "Asked", "Pages", "answer", "answers", "explained", "loose_id", "loosened"]

_MOST = 100  # results of one page
_READINGS = 4  # looser readings that are tried
_VARIANTS = 4  # candidates of one result, about, on a page without words
_AHEAD = 100  # results beyond a page's end, so that the next one is known to be there


class Pages:
    """What pages call: a search with its facets, its reasons and its suggestions.

    Args:
        search: An indexed search.
        queries: Past queries and how often each was asked, for suggestions.
        ranking: How suggestions are ranked; as it ships where None.
    """

    def __init__(self, search: Search, queries: Mapping[str, float] | None = None, ranking: Ranking | None = None) -> None:
        self.search, self._queries = search, queries
        self.typing, self._offered = Typing(search.catalogue, queries, ranking), Offered()

    def moved(self, search: Search) -> Pages:
        """The same pages over a search after a change of some products or rules.

        Suggestions stay as they were made, without the products that left since, are sold out or hidden; those that came are offered
        from the next `anew` on.
        """
        other = copy(self)
        other.search, other._offered = search, Offered()
        return other

    def ranked_by(self, ranking: Ranking) -> Pages:
        """The same pages with suggestions ranked otherwise; these very pages where they are ranked like that."""
        if ranking.version == self.typing.ranking.version:
            return self
        other = copy(self)
        other.typing, other._offered = self.typing.ranked_by(ranking), Offered()
        return other

    def anew(self, search: Search, queries: Mapping[str, float] | None = None) -> Pages:
        """Pages over a search of a new index, with suggestions of its own, which are made before this returns.

        `queries` are the past queries as they are known by now; those known before where None.
        """
        made = Pages(search, self._queries if queries is None else queries, self.typing.ranking)
        made.ready()
        return made

    def ready(self) -> None:
        """Make the suggestions now: without it whoever types first waits for that."""
        self.suggest("a")

    def page(self, text: str, *, watch: Callable[[Outcome], object] | None = None, **asked: Unpack[Asked]) -> SearchPage:
        """Answer one query with a page; `watch` is given the outcome behind it, for the decision log.

        Where nothing is found, the query is searched for without its least telling conditions, and the page says so, see `loosened`;
        that is another outcome, under an id of its own.

        Args:
            text: What was typed; "" browses what is selected.
            asked: As `Asked` says.

        Raises:
            BadInput: page, size or sort is out of range, or a tunable is unknown.
        """
        page, outcome = answer(self.search, text, **asked)
        if watch is not None:
            watch(outcome)
        if page.total:
            return page
        asked["request_id"] = loose_id(page.request_id)
        loose = loosened(self.search, text, **asked)
        if loose is not None and watch is not None:
            watch(loose[1])
        return page if loose is None else loose[0]

    def answer(self, text: str, **asked: Unpack[Asked]) -> tuple[SearchPage, Outcome]:
        """As `page`, with the outcome behind it."""
        return answer(self.search, text, **asked)

    def loosened(self, text: str, **asked: Unpack[Asked]) -> tuple[SearchPage, Outcome] | None:
        """A page for a query that found nothing, without its least telling conditions; see `rialto.find.page.loosened`."""
        return loosened(self.search, text, **asked)

    def answers(
        self, texts: Sequence[str], request_ids: Sequence[int], **asked: Unpack[Alike]
    ) -> tuple[list[SearchPage], Outcome]:
        """Pages of several queries that ask for the same in other words, and the outcome of all; see `rialto.find.page.answers`."""
        return answers(self.search, texts, request_ids, **asked)

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


class Alike(TypedDict, total=False):
    """What may be said beside queries' texts.

    `selections`: what is ticked. `page`: from 1; past the end it is empty. `size`: results a page, 1 to 100. `sort`: one of
    `rialto.find.shelves.SORTS`. `explain`: True adds a row a candidate. `price_bounds`: False takes "under $50" for words, which
    is how a shopper undoes that rewrite. `undo`: ids of rewrites that are not to be made, "all" for every one. `shopper`: pseudonym of
    who asks; "" = nobody. `segments`: audiences that they belong to, for rules that are for some. `time_s`,
    `seed`, `deadline_s`, `clock`, `params`: as in `Search.search`.
    """

    selections: Selections | None
    page: int
    size: int
    sort: str
    explain: bool
    price_bounds: bool
    undo: Collection[str]
    shopper: str
    segments: Collection[str]
    time_s: float
    seed: int
    deadline_s: float
    clock: Callable[[], float]
    params: Mapping[str, Value] | None


class Asked(Alike, total=False):
    """As `Alike`. `request_id`: joins what follows to this answer; made of text and time where None."""

    request_id: int | None


def answer(search: Search, text: str, **asked: Unpack[Asked]) -> tuple[SearchPage, Outcome]:
    """Answer one query with a page, and the outcome behind it for the decision log; arguments as in `Pages.page`."""
    pages, outcome = _served(search, _read(search, [text], asked), [_number(text, asked)], asked)
    return pages[0], outcome


def answers(
    search: Search, texts: Sequence[str], request_ids: Sequence[int], **asked: Unpack[Alike]
) -> tuple[list[SearchPage], Outcome]:
    """Answer queries that ask for the same in other words, all at once: each page is as if it had been asked for alone.

    Args:
        texts: What was typed, one a page.
        request_ids: An id for each, different ones.
        asked: As in `Alike`.

    Returns:
        The pages, and the outcome of the batch. Their `took_ms` is what the batch took for each step.

    Raises:
        BadInput: As in `Pages.page`.

    Cost:
        Sixteen pages cost about half of sixteen times one, as much of a page is the same steps once more.
    """
    return _served(search, _read(search, texts, asked), request_ids, asked)


def loosened(search: Search, text: str, **asked: Unpack[Asked]) -> tuple[SearchPage, Outcome] | None:
    """A page for a query that found nothing, without the conditions that tell least: the strictest reading that finds something.

    The page's rewrites say what was left out, kind `relax`; where one of them is undone, nothing is left out.

    Returns:
        The page and the outcome behind it; None where something is ticked, where the shopper undid it, or nothing is found anyway.

    Cost:
        A search for each reading, four at most.
    """
    reader, undo = search.fittings.reader, asked.get("undo", ())
    chosen = asked.get("selections") or Selections()
    ticked = chosen.facets or chosen.in_stock
    if reader is None or ticked or not text.strip() or any(u == "all" or u.startswith("relax:") for u in undo):
        return None
    understood = _read(search, [text], asked)[0]
    for loose in reader.relaxations(replace(understood, without=()))[:_READINGS]:
        loose = replace(loose, without=understood.without)  # what must not be there is never shown instead
        pages, outcome = _served(search, [loose], [_number(text, asked)], asked)
        if pages[0].total:
            return pages[0], outcome
    return None


def _read(search: Search, texts: Sequence[str], asked: Alike) -> list[Understood]:
    undo, bounds = asked.get("undo", ()), asked.get("price_bounds", True)
    return [read(search.fittings.reader, text, undo=undo, price_bounds=bounds) for text in texts]


def _number(text: str, asked: Asked) -> int:
    """The id of a request: as it was given, or made of text and time."""
    given = asked.get("request_id")
    return hash64(f"{text}|{asked.get('time_s', 0.0)!r}|{asked.get('seed', 0)}") if given is None else given


def loose_id(request_id: int) -> int:
    """The id of the looser search that follows one that found nothing."""
    return hash64(f"relaxed|{request_id}") >> 1


def _served(
    search: Search, understood: Sequence[Understood], numbers: Sequence[int], asked: Alike
) -> tuple[list[SearchPage], Outcome]:
    page, size, sort = asked.get("page", 1), asked.get("size", 24), asked.get("sort", "relevance")
    if page < 1 or not 1 <= size <= _MOST or sort not in SORTS:
        raise BadInput(
            f"page {page}, size {size}, sort {sort!r}; wanted page >= 1, size 1 to {_MOST}, sort of {', '.join(SORTS)}."
        )
    chosen, clock, explain = asked.get("selections") or Selections(), asked.get("clock", monotonic), asked.get("explain", False)
    check_selections(search.facet_table, chosen)
    start = clock()
    reach = _reach(page * size, browse=any(u.text == BROWSE for u in understood))
    requests = batch(
        understood, selections=[chosen] * len(understood), sort=sort, shopper=asked.get("shopper", ""),
        segments=asked.get("segments", ()), ids=np.array(numbers, dtype=np.uint64), time_s=asked.get("time_s", 0.0),
        params={**reach, **(asked.get("params") or {}), "find.decide.size": min(page * size, int(SIZE.high))},
    )  # fmt: skip
    outcome = search.pipeline.run(
        requests, seed=asked.get("seed", 0), deadline_s=asked.get("deadline_s", float("inf")), clock=clock, explain=explain
    )
    pages = [
        _page(search, outcome, row, one, page=page, size=size, explain=explain, started_s=start, clock=clock)
        for row, one in enumerate(understood)
    ]
    return pages, outcome


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
        time_s=asked.get("time_s", 0.0), segments=asked.get("segments", ()),
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
    search: Search, outcome: Outcome, row: int, understood: Understood, *, page: int, size: int, explain: bool, started_s: float,
    clock: Callable[[], float],
) -> SearchPage:  # fmt: skip
    catalogue, asked, rules = search.catalogue, outcome.requests, search.fittings.rules
    before = clock()
    counts = counted(search, outcome, understood, row)
    shown = facets_of(search, counts, understood)
    times = {s.name: s.seconds * 1000.0 for s in outcome.trace.steps} | {"facets": (clock() - before) * 1000.0}
    own = slice(int(outcome.ranked.offsets[row]), int(outcome.ranked.offsets[row + 1]))
    return SearchPage(
        text=str(asked.column("asked")[row]),
        understood=str(asked.column("text")[row]),
        request_id=int(asked.ids[row]),
        results=_results(search, outcome, row, counts, page, size),
        facets=shown,
        rewrites=(*understood.rewrites, *understood.synonyms),
        total=counts.found,
        total_exact=not stopped(outcome, row) or (counts_all(search, asked, row) and counts.found < LEXICAL_K.high),
        reachable=_different(catalogue.group_code[np.maximum(catalogue.rows(outcome.ranked.ids[own]), 0)]),
        page=page,
        size=size,
        sort=str(asked.column("sort")[row]),
        took_ms=times | {"total": (clock() - started_s) * 1000.0},
        fallbacks=outcome.trace.fallbacks,
        explain=tuple(_row(search, f) for f in fates_of(outcome, row)) if explain else (),
        redirect=rules.redirect(asked, row) if rules else "",
        rules=effects(rules, outcome, row) if rules else (),
    )


def _different(codes: NDArray[Any]) -> int:
    """How many different ones there are; a few hundred are sorted sooner than `numpy.unique` is called."""
    ordered = np.sort(codes)
    return int((ordered[1:] != ordered[:-1]).sum()) + 1 if len(codes) else 0


def _results(search: Search, outcome: Outcome, row: int, counts: Counts, page: int, size: int) -> tuple[Result, ...]:
    d, first = outcome.decisions, (page - 1) * size
    start, end = int(d.offsets[row]), int(d.offsets[row + 1])
    shown = d.ids[start:end][first : page * size]
    alike = counts.variants(search.catalogue.rows(shown)).tolist()
    scores = d.scores[start:end][first : page * size].tolist()
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
