"""A rule book made ready for one catalogue: rules in order of priority, their products as rows, their conditions indexed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.decide import decider
from rialto.find.rules.book import RuleBook
from rialto.find.rules.matching import Triggers
from rialto.find.rules.rule import Rule
from rialto.find.rules.scope import Scopes
from rialto.records import Requests
from rialto.spine.decide import Decider
from rialto.spine.params import Param

__all__ = ["Compiled", "Pinned"]

PIN_SOLD_OUT = Param("find.rules.pin_sold_out", False, doc="Pins hold for products that are known to be sold out too.")


@dataclass(frozen=True, slots=True)
class Pinned:
    """The products that have places in each request, by place: request b owns rows `offsets[b]:offsets[b+1]`.

    Args:
        offsets: Shape (requests + 1,).
        ids: Product numbers, shape (pins,); no product twice in a request.
        places: From 1, not falling within a request, shape (pins,).
        rules: Row in `Compiled.rules` of the rule behind each, shape (pins,).
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    places: NDArray[np.int64]
    rules: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class _Fired:
    """Which rules fire for each request of a batch."""

    requests: Requests
    rules: tuple[tuple[int, ...], ...]
    pins: Pinned


class Compiled:
    """A book over a catalogue; make it again when either changes.

    Args:
        book: The rules.
        catalogue: The products that they name.
        scopes: Where selections of this very catalogue were looked up before.

    Cost:
        About 50 ms a named column for 500,000 products, then one pass a rule; a request that no rule fires for costs a few
        microseconds. A selection that holds many products is a bit a product, one that holds few a sorted list.
    """

    def __init__(self, book: RuleBook, catalogue: Catalogue, *, scopes: Scopes | None = None) -> None:
        self.book, self.catalogue = book, catalogue
        self.rules: tuple[Rule, ...] = tuple(sorted(book.rules, key=lambda r: (-r.priority, r.id)))
        self._scopes = scopes = scopes or Scopes(catalogue)
        self._rows: Mapping[int, NDArray[np.int64]] = {
            at: scopes.rows(r.products) for at, r in enumerate(self.rules) if r.action in ("hide", "boost", "bury") and r.enabled
        }
        self._masks: dict[int, NDArray[np.bool_]] = {}
        for at, rows in self._rows.items():
            if 64 * len(rows) > len(catalogue):  # a byte a product is then no more than 8 bytes a row, and quicker to look up
                self._masks[at] = np.zeros(len(catalogue), dtype=np.bool_)
                self._masks[at][rows] = True
        self._triggers = Triggers(self.rules)
        self._last: _Fired | None = None

    def again(self, book: RuleBook) -> Compiled:
        """Another book over the same catalogue; selections that this one found are not looked for again."""
        return Compiled(book, self.catalogue, scopes=self._scopes)

    @cached_property
    def without_pins(self) -> Decider:
        """The decider of a search over this catalogue without rules, to say where products would stand."""
        return decider(self.catalogue)

    @property
    def stamp(self) -> str:
        """What a decision pins: the book's version and checksum; "" without rules."""
        return self.book.stamp

    def rows(self, rule: int) -> NDArray[np.int64]:
        """Catalogue rows that rule `rule` of `rules` acts upon, rising; none for a pin, a redirect or a rule that is off."""
        return self._rows.get(rule, np.zeros(0, dtype=np.int64))

    def holds(self, rule: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the catalogue's `rows` the rule acts upon, same shape; O(1) or O(log products of the rule) a row."""
        mask = self._masks.get(rule)
        if mask is not None:
            return mask[rows]
        own = self.rows(rule)
        if not len(own):
            return np.zeros(len(rows), dtype=np.bool_)
        at = np.minimum(np.searchsorted(own, rows), len(own) - 1)
        return own[at] == rows

    def fired(self, requests: Requests) -> tuple[tuple[int, ...], ...]:
        """For each request the rules that fire, rows of `rules`, the highest priority first."""
        return self._fire(requests).rules

    def pins(self, requests: Requests) -> Pinned:
        """The products that have places. A sorted list has none: the shopper asked for another order than the shop's."""
        return self._fire(requests).pins

    def hidden(self, requests: Requests, at: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the catalogue's `rows` are hidden from request `at`, same shape; for counts over all that was found."""
        out = np.zeros(len(rows), dtype=np.bool_)
        for rule in self.fired(requests)[at]:
            if self.rules[rule].action == "hide":
                out |= self.holds(rule, rows)
        return out

    def redirect(self, requests: Requests, at: int = 0) -> str:
        """Where request `at` is sent: the target of the first redirect that fires; "" = nowhere."""
        return next((self.rules[r].target for r in self.fired(requests)[at] if self.rules[r].action == "redirect"), "")

    def _fire(self, requests: Requests) -> _Fired:
        last = self._last  # steps of one run ask one after another; another thread's batch only costs the look-ups again
        if last is not None and last.requests is requests:
            return last
        fired = tuple(self._triggers.fired(requests, at) for at in range(len(requests))) if self.rules else ((),) * len(requests)
        made = _Fired(requests, fired, self._pins(requests, fired))
        self._last = made
        return made

    def _pins(self, requests: Requests, fired: tuple[tuple[int, ...], ...]) -> Pinned:
        counts, found = np.zeros(len(requests), dtype=np.int64), list[tuple[int, int, int]]()
        sold_out, sort = PIN_SOLD_OUT.of(requests), requests.columns.get("sort")
        for b, rules in enumerate(fired):
            if rules and (sort is None or sort[b] == "relevance"):
                own = self._places(rules, sold_out=bool(sold_out[b]))
                counts[b] = len(own)
                found += own
        table = np.array(found, dtype=np.int64).reshape(-1, 3)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Pinned(offsets, table[:, 1].copy(), table[:, 0].copy(), table[:, 2].copy())

    def _places(self, rules: tuple[int, ...], *, sold_out: bool) -> list[tuple[int, int, int]]:
        """(place, product number, rule) by place, then by priority; of two places of one product the higher rule's holds."""
        taken: dict[int, tuple[int, int, int]] = {}
        stock, row_of = self.catalogue.value("stock"), self.catalogue.row_of_id
        for rule in rules:
            r = self.rules[rule]
            for place, product in enumerate(r.products.ids if r.action == "pin" else (), start=r.place):
                row = row_of.get(product, -1)
                if row >= 0 and (sold_out or not stock[row] <= 0):
                    number = int(self.catalogue.numbers[row])
                    taken.setdefault(number, (place, number, rule))
        return sorted(taken.values(), key=lambda t: (t[0], t[2], t[1]))
