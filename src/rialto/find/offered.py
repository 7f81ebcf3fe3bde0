"""What is offered to those who type: one suggester for as long as an index serves, less what left, sold out or is hidden since."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.rules import Compiled
from rialto.find.suggest import Suggester
from rialto.find.suggest.ranking import Ranking

if TYPE_CHECKING:
    from rialto.find.pipeline import Search

__all__ = ["Offered", "Typing"]


class Typing:
    """A suggester that is made when first asked for, once, whoever asks: a search that is never typed into needs none.

    Args:
        catalogue: The products.
        queries: Past queries and how often each was asked.
        ranking: What ranks; as it ships where None.
    """

    def __init__(self, catalogue: Catalogue, queries: Mapping[str, float] | None, ranking: Ranking | None = None) -> None:
        self._of: tuple[Catalogue, Mapping[str, float] | None] | None = (catalogue, queries)
        self._made: Suggester | None = None
        self.ranking, self._lock = ranking or Ranking(), Lock()

    def ranked_by(self, ranking: Ranking) -> Typing:
        """The same lines under another ranking: O(1) where they are made."""
        other = copy(self)
        other.ranking, other._lock = ranking, Lock()
        other._made = self._made.ranked_by(ranking) if self._made is not None else None
        return other

    @property
    def made(self) -> bool:
        """True where nobody waits for it any more."""
        return self._made is not None

    @property
    def suggester(self) -> Suggester:
        """The suggester; 150 µs a product where nobody asked before."""
        if self._made is None:
            with self._lock:
                if self._of is not None:
                    self._made, self._of = Suggester(*self._of, ranking=self.ranking), None
        assert self._made is not None
        return self._made


class Offered:
    """A suggester for one state of the products and the rules: looked at again when a rule's dates begin or end, not at every key."""

    def __init__(self) -> None:
        self._held: tuple[tuple[int, ...], Suggester] | None = None

    def of(self, search: Search, typing: Typing, time_s: float) -> Suggester:
        """The suggester of `typing` without the products that `search` has no more, that are sold out, and that rules hide from all.

        Cost:
            Nothing but at the first call and when a rule begins or ends: then a few passes over the products.
        """
        rules = search.fittings.rules
        acting = _acting(rules, time_s) if rules else ()
        held = self._held  # another thread makes the same
        if held is None or held[0] != acting:
            self._held = held = (acting, _narrowed(typing.suggester, search.catalogue, rules, acting))
        return held[1]


def _acting(rules: Compiled, time_s: float) -> tuple[int, ...]:
    """Rules that hide products from every search at this time."""
    return tuple(at for at, r in enumerate(rules.rules) if r.action == "hide" and r.when.empty and r.acts(time_s))


def _narrowed(made: Suggester, now: Catalogue, rules: Compiled | None, acting: tuple[int, ...]) -> Suggester:
    rows = now.rows(made.numbers)
    gone = rows < 0
    here: NDArray[np.bool_] = ~(np.nan_to_num(now.value("stock"), nan=1.0) <= 0)
    if rules is not None:
        for at in acting:
            here[rules.rows(at)] = False
    gone[~gone] = ~here[rows[~gone]]
    return made.without(made.numbers[gone]) if gone.any() else made
