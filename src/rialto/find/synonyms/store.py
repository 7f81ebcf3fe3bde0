"""Where a shop's synonyms are kept: one file a version, never changed, so that the folder is the audit trail."""

from __future__ import annotations

from collections.abc import Sequence

from rialto.errors import BadInput, EngineLost
from rialto.find.synonyms.book import SynonymBook
from rialto.find.synonyms.findings import Finding
from rialto.find.versions import Change, Versions

__all__ = ["SynonymStore"]


class SynonymStore:
    """Synonyms in a folder, as `rialto.find.versions.Versions` keeps them.

    Args:
        folder: Any fsspec path.

    Example:
        >>> store = SynonymStore("memory://doc-synonyms")
        >>> store.save(SynonymBook.of_text("tv, television"), who="ann", at_s=10.0).version
        1
        >>> store.book().text, [c.changes for c in store.history()]
        ('tv, television\\n', [('added tv, television',)])
    """

    def __init__(self, folder: str) -> None:
        self._kept = Versions(folder, what="synonyms", content=("synonyms", list))

    def version(self) -> int:
        """The version that holds now; 0 where nothing was saved."""
        return self._kept.newest()

    def book(self, version: int | None = None) -> SynonymBook:
        """The synonyms as they hold now, or of an earlier version; version 0 is empty.

        Raises:
            NothingHere: there is no such version.
            EngineLost: its file is damaged.
        """
        at = self.version() if version is None else version
        if at == 0:
            return SynonymBook()
        try:
            return SynonymBook.of_text("\n".join(map(str, self._kept.read(at))), version=at)
        except BadInput as e:
            raise EngineLost(f"version {at} of the synonyms is damaged: {e} Restore another version.") from e

    def save(
        self, book: SynonymBook, *, who: str, at_s: float, note: str = "", found: Sequence[Finding] = (), force: bool = False
    ) -> SynonymBook:
        """Save `book` as the version after its own; what is wrong with lines that this save adds refuses it where it is an error.

        Raises:
            Stale, Refused, BadInput, EngineError: as `rialto.find.versions.Versions.save`.
        """
        self._kept.checked(book.version, who)
        before = self.book(book.version)
        new = {e.line for e in book.entries} - {e.line for e in before.entries}
        against = [f for f in found if f.severity == "error" and new.intersection(f.lines)]
        version = self._kept.save(
            [e.line for e in book.entries], expected=book.version, changes=book.changes_from(before), against=against, who=who,
            at_s=at_s, note=note, force=force,
        )  # fmt: skip
        return SynonymBook(book.entries, version)

    def history(self) -> tuple[Change, ...]:
        """The audit trail, oldest first."""
        return self._kept.history()
