"""The shop as the service uses it: pages that are logged, suggestions, pictures kept for a while, and events about what was shown."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from rialto.app.shop import Shop
from rialto.errors import BadRow, EngineError, NothingHere
from rialto.find.page import Pages
from rialto.find.records import Product, SearchPage
from rialto.find.suggest import Suggestion
from rialto.serve.answers import Happened
from rialto.serve.ask import Ask, check_facets
from rialto.spine.log import DecisionLog, Feedback

__all__ = ["Storefront"]

_PICTURES = 1024  # pictures kept in memory, about 35 kB each
_ROOM = {"query": 0.5, "category": 0.25, "brand": 0.25, "product": 0.375}  # of the suggestions' lines
_EXAMPLES = ("type_colour", "typo", "price", "synonym", "unit", "audience")


class Storefront:
    """A shop with what its pages need besides.

    Args:
        shop: The shop.
        log: Where every search served and every event is written.
        clock: Seconds since 1970, UTC.
        number: Makes ids of searches, 64 random bits, as they have to be unique over time and processes.
    """

    def __init__(
        self, shop: Shop, log: DecisionLog, clock: Callable[[], float], number: Callable[[], int] = lambda: secrets.randbits(63)
    ) -> None:
        self.shop, self._log, self._clock, self._number = shop, log, clock, number
        self.picture = lru_cache(maxsize=_PICTURES)(shop.picture)
        past = shop.past_queries()
        self._pages = Pages(shop.search, {q: n for q, kind, n in past if kind != "typo"})
        kinds = {kind: query for query, kind, _ in reversed(past)}
        self.examples = tuple(kinds[k] for k in _EXAMPLES if k in kinds) or tuple(q for q, _, _ in past[:6])

    def find(self, ask: Ask) -> SearchPage:
        """Answer one search and write it to the decision log; `BadInput` names a facet that is not there.

        A log that cannot be written (another service holds it, the disk is full) does not fail the search: the page names
        `decision log` among its fallbacks, and the program's log has the reason.
        """
        check_facets(ask, self.shop.search.catalogue)
        page, outcome = self._pages.answer(
            ask.text,
            selections=ask.selections,
            page=ask.page,
            size=ask.size,
            sort=ask.sort,
            explain=ask.explain,
            price_bounds=not ask.exact,
            request_id=self._number(),
            time_s=self._clock(),
        )
        try:
            self._log.write([outcome])
        except EngineError as e:
            logging.getLogger("rialto").error("a search was not logged: %s", e)
            return replace(page, fallbacks=(*page.fallbacks, "decision log"))
        return page

    def product(self, name: str) -> Product:
        """A product by the shop's own id; `NothingHere` where there is none."""
        catalogue = self.shop.search.catalogue
        return catalogue.product(catalogue.number_of(name))

    def has(self, name: str) -> bool:
        """True where the shop has a product with this id."""
        return name in self.shop.search.catalogue.row_of_id

    def suggest(self, prefix: str, *, limit: int = 8) -> list[Suggestion]:
        """Completions of what was typed so far, of each kind a few, so that many past queries leave room for products."""
        found = self._pages.suggest(prefix, limit=8 * limit)
        room = {kind: max(round(share * limit), 1) for kind, share in _ROOM.items()}
        first = [s for n, s in enumerate(found) if sum(t.kind == s.kind for t in found[:n]) < room[s.kind]][:limit]
        more = [s for s in found if s not in first][: limit - len(first)]
        return [s for s in found if s in first or s in more]

    def write(self, happened: Sequence[Happened]) -> int:
        """Write what shoppers did, all of it or, where one event is wrong, nothing."""
        self._log.write_feedback([self._feedback(row, h) for row, h in enumerate(happened, start=1)])
        return len(happened)

    def _feedback(self, row: int, h: Happened) -> Feedback:
        try:
            number = self.shop.search.catalogue.number_of(h.product)
        except NothingHere:
            raise BadRow(row, "product", h.product, "the id of a product of this catalogue") from None
        if int(h.request) >= 2**64:
            raise BadRow(row, "request", h.request, "the id of a search, below 2^64")
        return Feedback(h.kind, int(h.request), number, h.value, self._clock() if h.time_s is None else h.time_s, h.id)
