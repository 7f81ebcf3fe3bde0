"""The shop as the service uses it: pages that are logged, suggestions, pictures kept for a while, and events about what was shown."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from orjson import Fragment

from rialto.app.decisions import Decisions
from rialto.app.shop import Shop
from rialto.app.suggesting import suggestion_note
from rialto.errors import BadInput, BadRow, NothingHere
from rialto.find.category import CategoryPage, category
from rialto.find.page import Alike, loose_id
from rialto.find.personal import WORTH, pseudonym
from rialto.find.records import FacetValue, Product, SearchPage
from rialto.find.suggest import Suggestion
from rialto.find.suggest.ranking import Typed
from rialto.serve.again import Again
from rialto.serve.answers import Happened, Offered
from rialto.serve.ask import Ask, check_facets
from rialto.serve.encoded import as_json, product_data
from rialto.spine.log import Feedback, Note
from rialto.spine.pipeline import Outcome

__all__ = ["Counter", "Storefront"]

_PICTURES = 1024  # pictures kept in memory, about 35 kB each
_PRODUCTS = 8192  # products kept ready to be sent, about 2 kB each
_EXAMPLES = ("type_colour", "typo", "price", "synonym", "unit", "audience")


@dataclass(frozen=True)
class Counter:
    """What every storefront of one service shares.

    Args:
        decisions: Where every search served is written, behind its answer, and every event, before it.
        clock: Seconds since 1970, UTC.
        deadline_s: Seconds that a search may take before what can be left out is left out.
        keep_s: Seconds for which an answer is given again, see `Again`.
        key: From which shoppers' pseudonyms are made, 16 to 64 bytes.
        number: Makes ids of searches, 63 random bits, as they have to be unique over time and processes.
    """

    decisions: Decisions
    clock: Callable[[], float]
    deadline_s: float = float("inf")
    key: bytes = field(default=b"", repr=False)
    keep_s: float = 0.0
    number: Callable[[], int] = lambda: secrets.randbits(63)


class Storefront:
    """A shop as it is at one moment, with what its pages need besides; a shop that changed gets another.

    Args:
        shop: The shop.
        counter: What it shares with the storefronts before and after it.
    """

    def __init__(self, shop: Shop, counter: Counter) -> None:
        self.shop, self._counter, self._pages = shop, counter, shop.pages
        self._again = Again(counter.keep_s)
        self.picture = lru_cache(maxsize=_PICTURES)(shop.picture)
        self.product_json: Callable[[int], Fragment] = lru_cache(maxsize=_PRODUCTS)(
            lambda number: Fragment(as_json(product_data(shop.search.product(number))))
        )

    @cached_property
    def examples(self) -> tuple[str, ...]:
        """Past queries to begin with, of each kind one."""
        past = self.shop.past
        kinds = {kind: query for query, kind, _ in reversed(past)}
        return tuple(kinds[k] for k in _EXAMPLES if k in kinds) or tuple(q for q, _, _ in past[:6])

    def find(self, ask: Ask) -> SearchPage:
        """Answer one search and hand it to the decision log; `BadInput` names a facet that is not there.

        A log that cannot be written (another service holds it, the disk is full) does not fail the search: pages name
        `decision log` among their fallbacks from then on, and the program's log has the reason.
        """
        check_facets(ask, self.shop.search.catalogue)
        number, time_s = self._counter.number(), self._counter.clock()
        made = self._kept(ask, number, time_s)
        if made is not None:
            return self._logged(*made)
        page, outcome = self._pages.answer(ask.text, request_id=number, **self._alike(ask, time_s))
        return self._or_looser(ask, self._logged(page, outcome), outcome, 0, time_s)

    def find_all(self, asks: Sequence[Ask]) -> list[SearchPage]:
        """Answer searches that wait together, each as `find` does; those that differ in their words alone are searched in one go."""
        pages: dict[int, SearchPage] = {}
        alike: dict[Hashable, list[int]] = {}
        time_s = self._counter.clock()
        for at, ask in enumerate(asks):
            made = self._kept(ask, self._counter.number(), time_s)
            if made is not None:
                pages[at] = self._logged(*made)
            else:
                alike.setdefault((_named(ask)[1:], ask.explain, ask.shopper, bool(ask.text.strip())), []).append(at)
        for group in alike.values():
            like = asks[group[0]]
            check_facets(like, self.shop.search.catalogue)
            first = list({asks[at].text: at for at in reversed(group)}.values())  # who asks for the same again gets what is kept
            ids = [self._counter.number() for _ in first]
            found, outcome = self._pages.answers([asks[at].text for at in first], ids, **self._alike(like, time_s))
            logged = self._counter.decisions.put(outcome)
            for row, (at, page) in enumerate(zip(first, found)):
                pages[at] = self._or_looser(asks[at], page if logged else _unlogged(page), outcome, row, time_s)
        return [pages[at] if at in pages else self.find(ask) for at, ask in enumerate(asks)]

    def _or_looser(self, ask: Ask, page: SearchPage, outcome: Outcome, row: int, time_s: float) -> SearchPage:
        """The page, kept for who asks the same next; where it is empty, one of a looser reading, a decision of its own, if that finds more."""
        if not page.total:
            loose = self._pages.loosened(ask.text, request_id=loose_id(page.request_id), **self._alike(ask, time_s))
            if loose is not None:
                page, outcome, row = self._logged(*loose), loose[1], 0
        if not _own(ask):
            self._again.keep(_named(ask), page, outcome, row, time_s=time_s)
        return page

    def _kept(self, ask: Ask, number: int, time_s: float) -> tuple[SearchPage, Outcome] | None:
        return None if _own(ask) else self._again.get(_named(ask), number=number, time_s=time_s)

    def category(self, path: str, ask: Ask) -> CategoryPage:
        """The page of one category, logged as a search is; `NothingHere` where there is none."""
        check_facets(ask, self.shop.search.catalogue)
        made, outcome = category(
            self.shop.search, path, request_id=self._counter.number(), **self._alike(ask, self._counter.clock())
        )
        return replace(made, page=self._logged(made.page, outcome))

    def values(self, ask: Ask, facet: str, contains: str, *, limit: int) -> tuple[FacetValue, ...]:
        """Search inside one facet of what a search finds; nothing is logged."""
        check_facets(ask, self.shop.search.catalogue)
        return self._pages.values(ask.text, facet, contains, limit=limit, **self._alike(ask, self._counter.clock()))

    def product(self, name: str) -> Product:
        """A product by the shop's own id; `NothingHere` where there is none."""
        catalogue = self.shop.search.catalogue
        return catalogue.product(catalogue.number_of(name))

    def has(self, name: str) -> bool:
        """True where the shop has a product with this id."""
        return name in self.shop.search.catalogue.row_of_id

    def suggest(self, prefix: str, *, limit: int = 8) -> list[Suggestion]:
        """Completions of what was typed so far, of each kind a few, so that many past queries leave room for products."""
        return self._pages.suggest(prefix, limit=limit, time_s=self._counter.clock())

    def write(self, happened: Sequence[Happened | Offered]) -> int:
        """Write what shoppers did, durably, all of it or, where one event is wrong, nothing; then learn who likes what."""
        feedback = [
            self._feedback(row, h) if isinstance(h, Happened) else self._note(row, h) for row, h in enumerate(happened, start=1)
        ]
        self._counter.decisions.flushed().write_feedback(feedback)
        profiles = self.shop.search.fittings.profiles
        if profiles is not None:
            for h, f in zip(happened, feedback):
                if isinstance(h, Happened) and h.shopper and h.kind in WORTH:
                    profiles.learn(pseudonym(h.shopper, self._counter.key), h.kind, [h.product], at_s=f.time_s)
        return len(happened)

    def forget(self, shopper: str) -> bool:
        """Forget what a shopper has shown to like; True where profiles are kept at all. The log holds pseudonyms alone, and stays."""
        profiles = self.shop.search.fittings.profiles
        if profiles is None:
            return False
        profiles.forget(pseudonym(shopper, self._counter.key), at_s=self._counter.clock())
        return True

    def _alike(self, ask: Ask, time_s: float) -> Alike:
        """What a search asks for beside its words."""
        c = self._counter
        return Alike(
            selections=ask.selections, page=ask.page, size=ask.size, sort=ask.sort, explain=ask.explain,
            price_bounds=not ask.exact, undo=("all",) if ask.exact else ask.undo,
            shopper=pseudonym(ask.shopper, c.key) if ask.shopper else "", segments=ask.segments,
            time_s=time_s, deadline_s=c.deadline_s,
        )  # fmt: skip

    def _logged(self, page: SearchPage, outcome: Outcome) -> SearchPage:
        return page if self._counter.decisions.put(outcome) else _unlogged(page)

    def _feedback(self, row: int, h: Happened) -> Feedback:
        try:
            number = self.shop.search.catalogue.number_of(h.product)
        except NothingHere:
            raise BadRow(row, "product", h.product, "the id of a product of this catalogue") from None
        if int(h.request) >= 2**64:
            raise BadRow(row, "request", h.request, "the id of a search, below 2^64")
        return Feedback(h.kind, int(h.request), number, h.value, self._when(row, h), h.id)

    def _note(self, row: int, h: Offered) -> Note:
        if h.chosen and h.chosen not in h.shown:
            raise BadRow(row, "chosen", h.chosen, "one of the texts in shown, or nothing")
        look = Typed(h.prefix, tuple(h.shown), h.chosen)
        return suggestion_note(self.shop.search.ranker, look, time_s=self._when(row, h), name=h.id)

    def _when(self, row: int, h: Happened | Offered) -> float:
        """When it happened: a clock that is ahead would have all that follows count as older than what is known."""
        if "\x00" in h.id:
            raise BadInput(f"row {row}: the event's id holds a NUL; wanted text.")
        now = self._counter.clock()
        return now if h.time_s is None else min(h.time_s, now)


def _named(ask: Ask) -> tuple[object, ...]:
    """What an answer depends on, of what was asked."""
    return ask.text, ask.selections.to_json(), ask.page, ask.size, ask.sort, ask.exact, ask.undo, ask.segments


def _own(ask: Ask) -> bool:
    """Whether its answer is for nobody else."""
    return ask.explain or bool(ask.shopper)


def _unlogged(page: SearchPage) -> SearchPage:
    return replace(page, fallbacks=(*page.fallbacks, "decision log"))
