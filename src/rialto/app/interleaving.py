"""Two searches on one page: their results mixed by team draft, and shoppers' clicks say whose are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.pipeline import Search
from rialto.records import hash64
from rialto.spine.evaluate import Difference
from rialto.spine.experiment import Draft, by_unit, credit, preference, team_draft
from rialto.spine.params import Value

__all__ = ["mixed", "preferred"]


def mixed(
    live: Search, new: Search, texts: Sequence[str], *, ids: NDArray[np.uint64], size: int = 10, seed: int = 0,
    params: Mapping[str, Value] | None = None, only_new: Mapping[str, Value] | None = None,
) -> list[Draft]:  # fmt: skip
    """Answer each query with one page that both searches picked by turns; team 0 is the live search's.

    Args:
        live, new: Over the same catalogue.
        texts: Queries.
        ids: Request ids, shape (queries,); a page's coins depend on its id and `seed` alone.
        size: Results of a page.
        seed: Of the coins.
        params: Overrides of tunables, for both.
        only_new: Overrides above these for the new one, where it is these that are tried.

    Raises:
        BadInput: there are not as many ids as queries, or the catalogues differ.
    """
    if len(ids) != len(texts) or live.catalogue.version != new.catalogue.version:
        raise BadInput(
            f"there are {len(ids)} ids for {len(texts)} queries, catalogues {live.catalogue.version!r} and "
            f"{new.catalogue.version!r}; wanted an id for each query, and one catalogue."
        )
    asked = {**(params or {}), "find.decide.size": size}
    sides = ((live, asked), (new, {**asked, **(only_new or {}), "find.decide.size": size}))
    lists = [s.search(texts, ids=ids, params=p, seed=seed).decisions for s, p in sides]
    coins = [hash64(f"{seed}:{i}") >> 1 for i in ids.tolist()]
    return [team_draft(lists[0].of(b), lists[1].of(b), seed=coins[b], size=size) for b in range(len(texts))]


def preferred(
    pages: Sequence[Draft], clicked: Sequence[NDArray[np.bool_]], *, shopper: NDArray[np.int64], seed: int = 0
) -> Difference:
    """How much more often shoppers want the new search's results than the live one's, -1..1 a shopper, with interval and p-value.

    Args:
        pages: From `mixed`.
        clicked: Results clicked of each page, shape (results,).
        shopper: Who looked, shape (pages,); a shopper's pages are one unit, as they are not independent.
        seed: Of the interval.

    Raises:
        BadInput: lengths differ.

    Source:
        Chapelle, Joachims, Radlinski, Yue (2012), "Large-scale validation and analysis of interleaved search evaluation", TOIS 30(1).

    Example:
        >>> page = Draft(np.array([7, 8]), np.array([0, 1], dtype=np.int8))
        >>> preferred([page] * 20, [np.array([False, True])] * 20, shopper=np.arange(20)).value
        1.0
    """
    if not len(pages) == len(clicked) == len(shopper):
        raise BadInput(f"there are {len(pages)} pages, {len(clicked)} with clicks, {len(shopper)} shoppers; wanted one each.")
    offsets = np.concatenate([[0], np.cumsum([len(p.ids) for p in pages])]).astype(np.int64)
    team = np.concatenate([np.zeros(0, dtype=np.int8), *(p.team for p in pages)])
    wins = credit(offsets, team, np.concatenate([np.zeros(0, dtype=np.bool_), *clicked]))
    _, sums = by_unit(shopper, wins)
    return preference(np.sign(sums[0]).astype(np.int64), seed=seed)
