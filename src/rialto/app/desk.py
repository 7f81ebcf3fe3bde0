"""A live shop under its merchandising rules: the shop as it is served now, and the desk that changes the rules."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from threading import Lock
from time import monotonic, time

from rialto.app.engines import Engines
from rialto.app.live import LiveShop
from rialto.app.shop import Shop
from rialto.errors import RialtoError
from rialto.find.cross import UNREAD
from rialto.find.page import Pages
from rialto.find.query import Reader
from rialto.find.rules import Compiled, Past, RuleDesk, RuleStore
from rialto.records import Requests

__all__ = ["Desk", "rules_folder"]

_LOOK_S = 1.0  # how often the folder is looked at for what another process saved


def rules_folder(engines: Engines, catalogue: str = "") -> str:
    """Where the rules of a shop are kept under the home folder; each catalogue has its own, the made-up shop's stand above them."""
    home = engines.settings.home / "rules"
    return str(home / blake2b(catalogue.encode(), digest_size=6).hexdigest() if catalogue else home)


class Desk:
    """A live shop served under its rules.

    Args:
        live: The shop without rules.
        store: Where its rules are kept.
        clock: Seconds since 1970 in UTC.

    Raises:
        EngineLost: the newest rules are damaged; the text names the file.
    """

    def __init__(self, live: LiveShop, store: RuleStore, *, clock: Callable[[], float] = time) -> None:
        self.live, self._store = live, store
        self._lock, self._looked_s, self._told = Lock(), monotonic(), ""
        self._asked: tuple[Reader | None, tuple[str, ...], Requests] | None = None
        now = live.shop
        self._rules = Compiled(store.book(), now.search.catalogue)
        queries = {query: often for query, _, often in now.past}
        past = Past(lambda: self.live.shop.search.bare, self._requests, queries)
        self.rules = RuleDesk(store, self._rules, past, serve=self._serve, clock=clock)
        self._served = (now, self._rules, _ruled(now, self._rules))

    @property
    def shop(self) -> Shop:
        """The shop as it is now, rules included; whoever begins a request takes it once and keeps it to the request's end.

        Cost:
            Nothing between changes; the first request after one compiles the rules, which is a few milliseconds for a small book.
        """
        if monotonic() - self._looked_s > _LOOK_S:
            self._look()
        bare, rules, made = self._served
        return made if bare is self.live.shop and rules is self._rules else self._renewed()

    def close(self) -> None:
        """Let go of the shop."""
        self.live.close()

    def _renewed(self) -> Shop:
        with self._lock:
            now = self.live.shop
            if self._rules.catalogue is not now.search.catalogue:
                self.rules.reload(Compiled(self._rules.book, now.search.catalogue))
            rules = self._rules
            if self._served[0] is not now or self._served[1] is not rules:
                self._served = (now, rules, _ruled(now, rules))
            return self._served[2]

    def _look(self) -> None:
        """Take over what another process saved; rules that cannot be read leave those that are served."""
        self._looked_s = monotonic()
        try:
            if self._store.version() != self._rules.book.version:  # else nobody waits for a change that is being checked
                self.rules.reload()
            self._told = ""
        except RialtoError as e:
            if str(e) != self._told:
                logging.getLogger("rialto").error("the rules that are served stay, as the kept ones cannot be read: %s", e)
            self._told = str(e)

    def _serve(self, rules: Compiled) -> None:
        self._rules = rules  # the next request makes its search of it

    def _requests(self, texts: Sequence[str]) -> Requests:
        """Past queries as a batch, for which the cross-encoder reads nothing: what rules do to a list can be told without.

        Those of the last call are kept, as each check of the rules asks the same ones.
        """
        search, names = self.live.shop.search, tuple(texts)
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
