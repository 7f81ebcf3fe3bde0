"""Products with which the same thing is wrong: what every look at a catalogue's quality returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue

__all__ = ["Spots", "kinds"]


@dataclass(frozen=True, slots=True)
class Spots:
    """Rows of a catalogue, the worst first, and what is wrong with them; `among` rows could have been, `hints` stand beside `rows`."""

    kind: str
    about: str
    severity: str
    rows: NDArray[np.int64]
    among: int
    says: str
    hints: Sequence[str] = ()


def kinds(catalogue: Catalogue, least: int) -> list[tuple[str, NDArray[np.int64]]]:
    """Categories with at least `least` products, and their rows; a smaller one counts to the one above it, and "" is the rest."""
    codes, paths = catalogue.paths
    count = np.bincount(codes, minlength=len(paths))
    total: dict[tuple[str, ...], int] = {}
    for path, n in zip(paths, count.tolist()):
        for depth in range(len(path) + 1):
            total[path[:depth]] = total.get(path[:depth], 0) + n
    home: dict[tuple[str, ...], int] = {}
    of = np.empty(len(paths), dtype=np.int64)
    for at, path in enumerate(paths):
        while path and total[path] < least:
            path = path[:-1]
        of[at] = home.setdefault(path, len(home))
    mine = of[codes] if len(codes) else codes.astype(np.int64)
    order = np.argsort(mine, kind="stable")
    ends = np.searchsorted(mine[order], np.arange(len(home) + 1))
    return [("/".join(p), order[ends[n] : ends[n + 1]]) for p, n in home.items()]
