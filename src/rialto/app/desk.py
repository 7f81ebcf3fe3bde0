"""A live shop under its merchandising rules: the shop as it is served now, and the desk that changes the rules."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from threading import Lock
from time import monotonic, time
from uuid import uuid4

from rialto.app.engines import Engines
from rialto.app.live import LiveShop
from rialto.app.past import joined
from rialto.app.shop import Shop
from rialto.errors import RialtoError
from rialto.find.catalogue import Catalogue
from rialto.find.cross import UNREAD
from rialto.find.page import Pages
from rialto.find.query import Reader
from rialto.find.rules import Compiled, Past, RuleDesk, RuleStore
from rialto.find.synonyms import SynonymBook, SynonymDesk, SynonymStore
from rialto.records import Requests

__all__ = ["Desk", "rules_folder", "synonyms_folder"]

_LOOK_S = 1.0  # how often the folder is looked at for what another process saved


def synonyms_folder(engines: Engines, catalogue: str = "") -> str:
    """Where the synonyms of a shop are kept, as `rules_folder`."""
    home = engines.settings.home / "synonyms"
    return str(home / blake2b(catalogue.encode(), digest_size=6).hexdigest() if catalogue else home)


def rules_folder(engines: Engines, catalogue: str = "") -> str:
    """Where the rules of a shop are kept under the home folder; each catalogue has its own, the made-up shop's stand above them."""
    home = engines.settings.home / "rules"
    return str(home / blake2b(catalogue.encode(), digest_size=6).hexdigest() if catalogue else home)


class Desk:
    """A live shop served under its rules, with its own synonyms.

    Args:
        live: The shop without rules.
        store: Where its rules are kept.
        synonyms: Where its synonyms are kept; None = in this process alone.
        clock: Seconds since 1970 in UTC.

    Raises:
        EngineLost: the newest rules or synonyms are damaged; the text names the file.
    """

    def __init__(
        self, live: LiveShop, store: RuleStore, synonyms: SynonymStore | None = None, *, clock: Callable[[], float] = time
    ) -> None:
        self.live, self._store = live, store
        self._words = synonyms or SynonymStore(f"memory://synonyms-{uuid4().hex}")
        self.synonyms = SynonymDesk(self._words, self._knows, clock=clock)
        self._reader: tuple[Reader, SynonymBook, Reader] | None = None
        self._worded_as: tuple[Shop, SynonymBook, Shop] | None = None
        self._lock, self._looked_s, self._told = Lock(), monotonic(), ""
        self._asked: tuple[Reader | None, tuple[str, ...], Requests] | None = None
        now = live.shop
        self._rules = Compiled(store.book(), now.search.catalogue)
        past = Past(lambda: self._worded().search.bare, self._requests, self._queries)
        self.rules = RuleDesk(store, self._rules, past, serve=self._serve, clock=clock)
        worded = self._worded()
        self._served = (now, self.synonyms.live, self._rules, _ruled(worded, self._rules))

    @property
    def shop(self) -> Shop:
        """The shop as it is now, rules included; whoever begins a request takes it once and keeps it to the request's end.

        Cost:
            Nothing between changes; the first request after one compiles the rules, which is a few milliseconds for a small book.
        """
        if monotonic() - self._looked_s > _LOOK_S:
            self._look()
        bare, words, rules, made = self._served
        same = bare is self.live.shop and words is self.synonyms.live and rules is self._rules
        return made if same else self._renewed()

    def close(self) -> None:
        """Let go of the shop."""
        self.live.close()

    def _renewed(self) -> Shop:
        with self._lock:
            now = self.live.shop
            if self._rules.catalogue is not now.search.catalogue:
                self.rules.reload(Compiled(self._rules.book, now.search.catalogue))
            rules, words = self._rules, self.synonyms.live
            held = self._served
            if held[0] is not now or held[1] is not words or held[2] is not rules:
                self._served = (now, words, rules, _ruled(self._worded(), rules))
            return self._served[3]

    def _worded(self) -> Shop:
        """The shop with its own synonyms; the very shop where there are none. Its reader is made once for each set of them."""
        now, book, held = self.live.shop, self.synonyms.live, self._worded_as
        if held is not None and held[0] is now and held[1] is book:
            return held[2]
        reader, kept = now.search.fittings.reader, self._reader
        made = now
        if reader is not None and book.entries:
            if kept is None or kept[0] is not reader or kept[1] is not book:
                self._reader = kept = (reader, book, book.worded(reader))
            search = now.search.fitted(reader=kept[2])
            made = replace(now, search=search, pages=now.pages.moved(search))
        self._worded_as = (now, book, made)
        return made

    def _knows(self) -> tuple[Reader | None, Catalogue]:
        search = self.live.shop.search
        return search.fittings.reader, search.catalogue

    def _look(self) -> None:
        """Take over what another process saved; rules or synonyms that cannot be read leave those that are served."""
        self._looked_s = monotonic()
        try:
            if self._store.version() != self._rules.book.version:  # else nobody waits for a change that is being checked
                self.rules.reload()
            self.synonyms.reload()
            self._told = ""
        except RialtoError as e:
            if str(e) != self._told:
                logging.getLogger("rialto").error("what is served stays, as the kept rules or synonyms cannot be read: %s", e)
            self._told = str(e)

    def _serve(self, rules: Compiled) -> None:
        self._rules = rules  # the next request makes its search of it

    def _queries(self) -> Mapping[str, float]:
        """Past queries and how often each was asked, as far as searches know by now."""
        shop = self.live.shop
        behaviour = shop.search.fittings.behaviour
        past = shop.past if behaviour is None else joined(shop.beside, behaviour).queries
        return {query: often for query, _, often in past}

    def _requests(self, texts: Sequence[str]) -> Requests:
        """Past queries as a batch, for which the cross-encoder reads nothing: what rules do to a list can be told without.

        Those of the last call are kept, as each check of the rules asks the same ones.
        """
        search, names = self._worded().search, tuple(texts)
        held = self._asked
        if held is None or held[0] is not search.fittings.reader or held[1] != names:
            self._asked = held = (search.fittings.reader, names, search.requests(list(texts), params=UNREAD)[0])
        return held[2]


def _ruled(shop: Shop, rules: Compiled) -> Shop:
    """The shop under rules; the very shop where there are none."""
    if not rules.rules:
        return shop
    search = shop.search.fitted(rules=rules)
    pages: Pages = shop.pages.moved(search)
    return replace(shop, search=search, pages=pages)
