"""What a search may be fitted with beside its engines: a reader of queries, rules, shoppers' profiles, behaviour, a cross-encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rialto.find.behaviour import Behaviour
from rialto.find.catalogue import Catalogue
from rialto.find.cross import CROSS, Pace, Read
from rialto.find.personal import Profiles
from rialto.find.query import Reader
from rialto.find.rules import Compiled

__all__ = ["Fittings"]


@dataclass(frozen=True, slots=True)
class Fittings:
    """Parts that a search goes without where they are None.

    Args:
        reader: Understands queries; without it text is normalised and price bounds are taken.
        rules: Merchandising rules, compiled for the catalogue.
        profiles: What is known of shoppers.
        cross: Reads the query together with the best few candidates.
        cross_version: Which one, pinned in every decision.
        pace: How long the cross-encoder takes for a pair, as measured here; None = a guess, until it has read some.
        behaviour: What shoppers did, as of a moment.
        cross_base: After a change of products: the cross-encoder as it was made, and its row of each product now, -1 = none.
    """

    reader: Reader | None = None
    rules: Compiled | None = None
    profiles: Profiles | None = None
    cross: Read | None = None
    cross_version: str = ""
    pace: Pace | None = None
    behaviour: Behaviour | None = None
    cross_base: tuple[Read, NDArray[np.int64]] | None = None

    def moved(self, catalogue: Catalogue, kept: NDArray[np.int64]) -> Fittings:
        """The same parts over a changed catalogue, whose first rows are the rows `kept` of the one before.

        The cross-encoder goes on with the products that it knows; to those that came it says nothing until the next full index.
        """
        made = replace(
            self,
            rules=Compiled(self.rules.book, catalogue) if self.rules else None,
            profiles=self.profiles.over(catalogue, kept) if self.profiles else None,
        )
        if self.cross is None:
            return made
        read, rows = self.cross_base or (self.cross, None)
        known = kept if rows is None else rows[kept]
        rows = np.concatenate([known, np.full(len(catalogue) - len(kept), -1, dtype=np.int64)])
        return replace(made, cross=_read_where_known(read, rows), cross_base=(read, rows))


def _read_where_known(read: Read, rows: NDArray[np.int64]) -> Read:
    def where_known(query: str, asked: NDArray[np.int64], left_s: Callable[[], float]) -> NDArray[np.float32]:
        own = rows[asked]
        known = own >= 0
        out = np.full((len(asked), len(CROSS) - 1), np.nan, dtype=np.float32)
        if known.any():
            out[known] = read(query, own[known], left_s)
        return out

    return where_known
