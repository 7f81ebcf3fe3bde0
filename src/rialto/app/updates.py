"""Calls that change a shop: rows checked, calls that wait for one another merged, each told what came of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rialto.errors import BadRow, RialtoError
from rialto.find.catalogue import Catalogue
from rialto.find.changes import checked
from rialto.find.ingest import Parsed
from rialto.find.mapping import FieldMap

__all__ = ["Batch", "Merged", "Updated"]


@dataclass(frozen=True, slots=True)
class Updated:
    """What came of one call: it is durable, and every search that begins from here on sees it.

    Args:
        added, replaced, removed: Products.
        unknown: Ids to take out that were not there.
        rejects: Rows that did not go in, each with why.
        products: Products of the shop now.
        version: Names the catalogue as it is now.
        pending: Changes since the last full index; they are read again whenever the shop is opened.
    """

    added: int
    replaced: int
    removed: int
    unknown: tuple[str, ...]
    rejects: tuple[BadRow, ...]
    products: int
    version: str
    pending: int

    def to_json(self) -> dict[str, object]:
        """As JSON has it: rejects as row, field, value and what was wanted."""
        return {
            "added": self.added, "replaced": self.replaced, "removed": self.removed, "unknown": list(self.unknown),
            "rejects": [e.to_json() for e in self.rejects], "products": self.products, "version": self.version, "pending": self.pending,
        }  # fmt: skip


@dataclass(slots=True)
class Batch:
    """One call that waits for its turn; `done` or `error` is set once it had it."""

    rows: Sequence[object]
    removed: Collection[str]
    done: Updated | None = None
    error: RialtoError | None = None


class Merged:
    """What several calls come to, one after the other.

    Args:
        catalogue: The products before them.
        mapping: Which column of a row is what.
    """

    def __init__(self, catalogue: Catalogue, mapping: FieldMap) -> None:
        self._catalogue, self._mapping = catalogue, mapping
        self._state: dict[str, Parsed | None] = {}
        self._told: dict[int, Updated] = {}

    def add(self, batch: Batch) -> None:
        """Take a call in: its ids leave, then its rows come; `BadInput` where it cannot be read at all."""
        found = checked(self._catalogue, batch.rows, self._mapping)
        unknown, removed = list[str](), 0
        for name in dict.fromkeys(str(i) for i in batch.removed):
            if self._there(name):
                removed += 1
                self._put(name, None)
            else:
                unknown.append(name)
        replaced = added = 0
        for name, row in {r[0]: r for r in found.rows}.items():
            replaced, added = (replaced + 1, added) if self._there(name) else (replaced, added + 1)
            self._put(name, row)
        self._told[id(batch)] = Updated(added, replaced, removed, tuple(unknown), found.rejects, 0, "", 0)

    def told(self, batch: Batch) -> Updated:
        """What came of one call, but for the shop as a whole."""
        return self._told[id(batch)]

    @property
    def rows(self) -> list[Parsed]:
        """Products that come, by their last row."""
        return [r for r in self._state.values() if r is not None]

    @property
    def removed(self) -> list[str]:
        """Ids that leave."""
        return [n for n, r in self._state.items() if r is None]

    def __len__(self) -> int:
        return len(self._state)

    def _there(self, name: str) -> bool:
        return self._state[name] is not None if name in self._state else name in self._catalogue.row_of_id

    def _put(self, name: str, row: Parsed | None) -> None:
        self._state.pop(name, None)
        self._state[name] = row
