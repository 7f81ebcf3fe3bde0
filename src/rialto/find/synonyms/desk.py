"""The desk where a shop's synonyms are edited: each call that a page or a program makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from rialto.find.catalogue import Catalogue
from rialto.find.query import Reader
from rialto.find.synonyms.book import SynonymBook
from rialto.find.synonyms.findings import Finding, findings
from rialto.find.synonyms.store import SynonymStore
from rialto.find.terms import fold
from rialto.find.versions import Change

__all__ = ["Saved", "SynonymDesk"]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a change came to: the version that holds now, what changed, and what is wrong with the synonyms, errors first."""

    version: int
    changes: tuple[str, ...]
    findings: tuple[Finding, ...]


class SynonymDesk:
    """Synonyms as an editor sees them. Each change is checked, saved as a version and served before the call returns.

    Args:
        store: Where they are kept.
        knows: The reader of queries and the catalogue as they are now; a shop without a reader has no use for synonyms.
        clock: Seconds since 1970 in UTC.
    """

    def __init__(
        self, store: SynonymStore, knows: Callable[[], tuple[Reader | None, Catalogue]], *, clock: Callable[[], float]
    ) -> None:
        self._store, self._knows, self._clock, self._lock = store, knows, clock, Lock()
        self.live = store.book()

    def book(self, version: int | None = None) -> SynonymBook:
        """The synonyms as they hold, or of an earlier version; `NothingHere` where there is none."""
        return self._store.book(version)

    def check(self, text: str) -> tuple[Finding, ...]:
        """What would be wrong with these synonyms; nothing is saved. `BadInput` where a line cannot be read."""
        return self._found(SynonymBook.of_text(text))

    def save(self, text: str, *, expected: int, who: str, note: str = "", force: bool = False) -> Saved:
        """Let these synonyms hold from here on.

        Raises:
            Stale: the synonyms are no longer at version `expected`.
            Refused: a new line is wrong, and `force` is False.
            BadInput: a line cannot be read, or `who` is empty.
        """
        return self._saved(SynonymBook.of_text(text, version=expected), who=who, note=note, force=force)

    def restore(self, version: int, *, expected: int, who: str, note: str = "") -> Saved:
        """Let an earlier version's synonyms hold again; errors as `save`."""
        old = SynonymBook(self._store.book(version).entries, expected)
        return self._saved(old, who=who, note=note or f"restored version {version}", force=True)

    def audit(self) -> tuple[Change, ...]:
        """Who changed what, when, from which version and why, oldest first."""
        return self._store.history()

    def reload(self) -> bool:
        """Serve what another process saved; True where there was something."""
        with self._lock:
            if self._store.version() == self.live.version:
                return False
            self.live = self._store.book()
            return True

    def _saved(self, book: SynonymBook, *, who: str, note: str, force: bool) -> Saved:
        with self._lock:
            found = self._found(book)
            made = self._store.save(book, who=who, at_s=self._clock(), note=note, found=found, force=force)
            changes = made.changes_from(self._store.book(book.version)) if made.version != book.version else ()
            self.live = made
            return Saved(made.version, changes, found)

    def _found(self, book: SynonymBook) -> tuple[Finding, ...]:
        reader, catalogue = self._knows()
        brands = {fold(b) for b in set(catalogue.text("brand").tolist()) if b}
        return findings(book, held=reader.holds if reader else lambda phrase: True, brands=brands)
