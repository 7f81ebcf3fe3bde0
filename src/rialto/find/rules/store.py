"""Where rule books are kept: one file a version, made whole or not at all and never changed, so that the folder is the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rialto.find.rules.book import RuleBook
from rialto.find.rules.written import as_data, rule_of
from rialto.find.versions import Change, Refused, Stale, Versions

if TYPE_CHECKING:
    from rialto.find.rules.conflicts import Conflict

__all__ = ["Change", "Refused", "RuleStore", "Stale"]


class RuleStore:
    """Rule books in a folder, as `rialto.find.versions.Versions` keeps them.

    Args:
        folder: Any fsspec path.

    Cost:
        A read lists the folder; a save writes all rules once (about 300 bytes a rule).

    Example:
        >>> from rialto.find.rules.rule import Rule, Scope
        >>> store = RuleStore("memory://doc-rules")
        >>> book = store.book().with_rule(Rule("a", "ann", "hide", products=Scope(ids=("7",))))
        >>> store.save(book, who="ann", at_s=10.0).version, [c.changes for c in store.history()]
        (1, [('added a',)])
        >>> store.restore(0, expected=1, who="bo", at_s=20.0).version, len(store.book()), len(store.book(1))
        (2, 0, 1)
    """

    def __init__(self, folder: str) -> None:
        self._kept = Versions(folder, what="rules", content=("rules", list))

    def version(self) -> int:
        """The version that holds now; 0 where nothing was saved."""
        return self._kept.newest()

    def book(self, version: int | None = None) -> RuleBook:
        """The rules as they hold now, or of an earlier version; version 0 is empty.

        Raises:
            NothingHere: there is no such version.
            EngineLost: its file is damaged; the text names it.
        """
        at = self.version() if version is None else version
        return RuleBook() if at == 0 else RuleBook.of([rule_of(r) for r in self._kept.read(at)], version=at)

    def save(
        self, book: RuleBook, *, who: str, at_s: float, note: str = "", conflicts: Sequence[Conflict] = (), force: bool = False
    ) -> RuleBook:
        """Save `book` as the version after its own.

        Args:
            book: The rules; its version is the one that it was read at.
            who, at_s: Writer and time, for the audit.
            note: Why.
            conflicts: What `conflicts` found in the book. Errors that touch a rule which this save adds or changes refuse it.
            force: Save in spite of them; the audit says so.

        Returns:
            The book with its new version; the same book where nothing changed.

        Raises:
            Stale: another version was saved meanwhile. Nothing was written.
            Refused: conflicts of severity `error`. Nothing was written.
            BadInput: `who` is empty.
            EngineError: the folder cannot be written.
        """
        self._kept.checked(book.version, who)
        before = self.book(book.version)
        touched = book.changed_from(before)
        against = [c for c in conflicts if c.severity == "error" and touched.intersection(c.rules)]
        content = [as_data(r) for r in book.rules]
        version = self._kept.save(
            content, expected=book.version, changes=book.changes_from(before), against=against, who=who, at_s=at_s, note=note,
            force=force,
        )  # fmt: skip
        return before if version == book.version else RuleBook(book.rules, version)

    def restore(self, version: int, *, expected: int, who: str, at_s: float, note: str = "") -> RuleBook:
        """Save the rules of an earlier version as a new one; errors as `book` and `save`."""
        old = self.book(version)
        return self.save(
            RuleBook(old.rules, expected), who=who, at_s=at_s, note=note or f"restored version {version}", force=True
        )

    def history(self) -> tuple[Change, ...]:
        """The audit trail, oldest first."""
        return self._kept.history()
