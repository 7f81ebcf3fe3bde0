"""One count of what was found: every value of every facet, each under the other facets' selections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.facets.table import FacetTable
from rialto.find.facets.tally import tally
from rialto.find.records import Selections, join_path, split_path
from rialto.find.select import facet_mask

__all__ = ["Counts", "count"]

_NO_CODES = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True)
class Counts:
    """What was found, counted in products: the variants of a group are one, and it counts where any of them fits.

    Args:
        at: Positions found, rising, shape (rows,).
        miss: Shape (rows,), int32: -1 = selected by everything that is ticked; f = dropped by facet f alone; -2 = by more.
        codes: Codes met, rising; `count` products of each.
        facets: Facets met, shape (met,); `known` products that know each, `typed` those of them of a likely type, same shape.
        found: Products that all selections keep; `among` those of them of a likely type.
    """

    table: FacetTable
    selections: Selections
    at: NDArray[np.int64]
    miss: NDArray[np.int32]
    codes: NDArray[np.int32]
    count: NDArray[np.int64]
    facets: NDArray[np.int32]
    known: NDArray[np.int64]
    typed: NDArray[np.int64]
    found: int
    among: int

    def of(self, facet: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The codes of one facet that were met, rising, and their counts."""
        low, high = self._ends[facet], self._ends[facet + 1]
        return self.codes[low:high], self.count[low:high]

    def known_of(self, facet: int) -> int:
        """Products that know one facet."""
        return self._known.get(facet, 0)

    @cached_property
    def _ends(self) -> list[int]:
        return np.searchsorted(self.codes, self.table.start).tolist()

    @cached_property
    def _known(self) -> dict[int, int]:
        return dict(zip(self.facets.tolist(), self.known.tolist()))

    def joined(self, other: Counts, facet: int) -> Counts:
        """These counts, but for one facet those of `other`: of a wider count in which the facet's own selection is left aside."""
        ends = np.searchsorted(self.codes, self.table.start[facet : facet + 2])
        codes, count = other.of(facet)
        kept, here = self.facets != facet, other.facets == facet
        return replace(
            self,
            codes=np.concatenate([self.codes[: ends[0]], codes, self.codes[ends[1] :]]),
            count=np.concatenate([self.count[: ends[0]], count, self.count[ends[1] :]]),
            facets=np.concatenate([self.facets[kept], other.facets[here]]),
            known=np.concatenate([self.known[kept], other.known[here]]),
            typed=np.concatenate([self.typed[kept], other.typed[here]]),
        )

    def variants(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many rows that all selections keep are of the group of each of these catalogue rows, same shape."""
        groups = self.table.group[self.at[self.miss == -1]]
        own = self.table.group[self.table.position[rows]]
        return np.searchsorted(groups, own, side="right") - np.searchsorted(groups, own)


def count(
    table: FacetTable, catalogue: Catalogue, rows: NDArray[np.int64], selections: Selections, *, types: Sequence[str] = ()
) -> Counts:
    """Count all facets of what was found in one pass.

    Args:
        rows: Catalogue rows found, before selections, each once, in any order, shape (rows,).
        selections: What is ticked.
        types: Category paths that the query is likely about.

    Cost:
        One pass over the rows' values, whatever the catalogue's size; a mask for each facet that has a selection.
    """
    at = np.sort(table.position[rows])
    miss = _missed(table, catalogue, at, selections)
    wanted = [table.code_of.get((1, join_path(split_path(t))), -1) for t in types] if types else []
    about = np.array([c for c in wanted if c >= 0], dtype=np.int32) if wanted else _NO_CODES
    # A selected facet that is never shown unasked is counted too: then the whole rows are read.
    asked = [table.number_of.get(f, -1) for f in selections.facets]
    stop = table.offsets[1:] if any(f >= 0 and not table.usable[f] for f in asked) else table.stop
    s = table.scratch()
    seen, known, seen_typed, typed = s.of_facet
    codes, facets, found, among = tally(
        at, miss, table.group, table.offsets, stop, table.code, table.facet, about, s.seen, s.count, seen, known, seen_typed, typed,
        s.touched, s.near, s.base[0],
    )  # fmt: skip
    s.base[0] += len(at) + 1
    touched, near = np.sort(s.touched[:codes]), s.near[:facets].copy()
    return Counts(table, selections, at, miss, touched, s.count[touched], near, known[near], typed[near], found, among)


def _missed(table: FacetTable, catalogue: Catalogue, at: NDArray[np.int64], selections: Selections) -> NDArray[np.int32]:
    out = np.full(len(at), -1, dtype=np.int32)
    if not selections.facets:
        return out
    rows = table.row[at]
    for name in selections.facets:
        dropped = ~facet_mask(catalogue, rows, name, selections)
        out[dropped] = np.where(out[dropped] == -1, table.number_of.get(name, -2), -2)
    return out
