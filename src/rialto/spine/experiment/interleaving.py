"""Interleaving: two rankers share one page, and clicks say whose results are wanted; needs fewer shoppers than an A/B test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rialto.errors import BadInput
from rialto.records import uniforms
from rialto.spine.evaluate.intervals import Difference, paired

__all__ = ["Draft", "credit", "preference", "team_draft"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A mixed list: `ids` (results,) int64, best first, and `team` (results,) int8, 0 = a pick of the first list, 1 = of the second."""

    ids: NDArray[np.int64]
    team: NDArray[np.int8]


def team_draft(first: ArrayLike, second: ArrayLike, *, seed: int, size: int) -> Draft:
    """Mix two ranked lists as two captains pick teams: whoever has fewer picks takes its best result left, a coin breaks ties.

    Args:
        first: Ids by the ranker in place, best first, none twice, shape (results,).
        second: By the challenger.
        seed: Of this one page; derive it from the request's id, so that a replay mixes alike.
        size: Results wanted; fewer come back where the lists hold fewer.

    Raises:
        BadInput: an id twice within a list, or a size below 0.

    Cost:
        O(size).

    Source:
        Radlinski, Kurup, Joachims (2008), "How does clickthrough data reflect retrieval quality?", CIKM.

    Example:
        >>> draft = team_draft([1, 2, 3], [3, 1, 4], seed=1, size=4)
        >>> sorted(draft.ids.tolist()), draft.team.tolist()
        ([1, 2, 3, 4], [1, 0, 1, 0])
    """
    lists = [np.asarray(ids, dtype=np.int64).tolist() for ids in (first, second)]
    if size < 0 or any(len(set(ids)) != len(ids) for ids in lists):
        raise BadInput(
            f"size is {size}, lists {lists[0][:10]} and {lists[1][:10]}; wanted a size of at least 0, no id twice in a list."
        )
    coins = uniforms(seed, np.zeros(1, dtype=np.uint64), "interleave.coin", max(size, 1))[0] < 0.5
    taken: dict[int, int] = {}
    picks, at = [0, 0], [0, 0]
    while len(taken) < size:
        for team in (0, 1):
            while at[team] < len(lists[team]) and lists[team][at[team]] in taken:
                at[team] += 1
        team = int(coins[len(taken)]) if picks[0] == picks[1] else int(picks[0] > picks[1])
        team = team if at[team] < len(lists[team]) else 1 - team
        if at[team] == len(lists[team]):
            break
        taken[lists[team][at[team]]] = team
        picks[team] += 1
    return Draft(np.array(list(taken), dtype=np.int64), np.array(list(taken.values()), dtype=np.int8))


def credit(offsets: NDArray[np.int64], team: NDArray[np.int8], clicked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Say who won each page: +1 the second list (more of its results clicked), -1 the first, 0 neither.

    Args:
        offsets: Shape (pages + 1,), rows of each page.
        team: Team of each result, shape (rows,).
        clicked: Shape (rows,).

    Raises:
        BadInput: lengths differ.

    Example:
        >>> credit(np.array([0, 2, 3]), np.array([0, 1, 0]), np.array([False, True, False])).tolist()
        [1, 0]
    """
    if not len(team) == len(clicked) == offsets[-1]:
        raise BadInput(f"rows: {len(team)} teams, {len(clicked)} clicks, offsets to {offsets[-1]}; wanted equal.")
    page = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    votes = np.bincount(page, weights=np.where(clicked, 2.0 * team - 1.0, 0.0), minlength=len(offsets) - 1)
    return np.sign(votes).astype(np.int64)


def preference(credits: NDArray[np.int64], *, seed: int, level: float = 0.95) -> Difference:
    """Find how much more often the second list wins than the first, -1..1, over all pages, ties included.

    The p-value is of the sign test. A shopper's pages are not independent: sum the credits by shopper first.

    Example:
        >>> preference(np.array([1, 1, 1, 0, -1]), seed=1).value
        0.4
    """
    return paired(np.zeros(len(credits)), credits, seed=seed, level=level)
