"""All ways to read a row of words, mistyped, run together or torn apart, and the cheapest of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.find.query.lexicon import Lexicon, follow

__all__ = ["Edge", "cheapest"]


@dataclass(frozen=True, slots=True)
class Edge:
    """One reading of pieces `start` up to `stop`.

    Args:
        words: Numbers of the words meant; (-1,) = what was typed, which is no known word.
        cost: -log P(typed | meant), and for an unknown word its own -log probability.
        text: What is written for it; None = what was typed.
        taught: Share of the times that this was meant where the same was typed in training; 0 = never seen.
    """

    start: int
    stop: int
    words: tuple[int, ...]
    cost: float
    text: str | None = None
    taught: float = 0.0


def cheapest(edges: Sequence[Edge], pieces: int, lexicon: Lexicon) -> list[Edge]:
    """The path of least cost from piece 0 to the end, words' bigram costs included; edges must make one path at least.

    Cost:
        O(sum over pieces of readings that end x readings that start there).

    Source:
        Viterbi (1967), over a word lattice.
    """
    starting: list[list[Edge]] = [[] for _ in range(pieces + 1)]
    for edge in edges:
        starting[edge.start].append(edge)
    ends: list[list[tuple[float, Edge | None, int]]] = [[] for _ in range(pieces + 1)]
    ends[0] = [(0.0, None, -1)]
    for at in range(pieces):
        here, onward = ends[at], starting[at]
        if not here or not onward:
            continue
        last = np.array([e.words[-1] if e is not None else -1 for _, e, _ in here])
        first = np.array([e.words[0] for e in onward])
        so_far = np.array([c for c, _, _ in here])
        total = so_far[:, None] - _follow(last, first, lexicon)
        best = total.argmin(axis=0)
        for k, edge in enumerate(onward):
            inner = 0.0
            if len(edge.words) > 1:
                w = np.array(edge.words)
                inner = -float(np.trace(_follow(w[:-1], w[1:], lexicon)))
            ends[edge.stop].append((float(total[best[k], k]) + edge.cost + inner, edge, int(best[k])))
    path: list[Edge] = []
    at, which = pieces, min(range(len(ends[pieces])), key=lambda i: ends[pieces][i][0])
    while at > 0:
        _, edge, before = ends[at][which]
        assert edge is not None
        path.append(edge)
        at, which = edge.start, before
    return path[::-1]


def _follow(first: NDArray[np.int64], second: NDArray[np.int64], lexicon: Lexicon) -> NDArray[np.float64]:
    return follow(first, second, lexicon.log_p, lexicon.back, lexicon.pair, lexicon.pair_log_p, len(lexicon.words))
