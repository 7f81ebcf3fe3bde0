"""The desk where rules are edited: each call that a page or a program makes, over the kept rules and the search that serves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from rialto.find.rules.book import RuleBook
from rialto.find.rules.compiled import Compiled
from rialto.find.rules.conflicts import Conflict, conflicts
from rialto.find.rules.preview import Impact, preview
from rialto.find.rules.rule import Rule
from rialto.find.rules.store import Change, RuleStore
from rialto.records import Requests
from rialto.spine.pipeline import Pipeline

__all__ = ["Past", "RuleDesk", "Saved"]

_COVERED = 2000  # queries, the heaviest, by which a rule is called broad


@dataclass(frozen=True, slots=True)
class Saved:
    """What a change came to: the version that holds now, what changed, and what is wrong with the book, errors first."""

    version: int
    changes: tuple[str, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """The queries that shoppers asked, and the chain that answers them without rules.

    Args:
        bare: The search pipeline without rules, as it is now.
        requests: Makes a batch of texts.
        queries: Text -> how often it was asked, or clicked, as is known by now.
    """

    bare: Callable[[], Pipeline]
    requests: Callable[[Sequence[str]], Requests]
    queries: Callable[[], Mapping[str, float]]


class RuleDesk:
    """Rules as an editor sees them. Each change is checked, saved as a version, compiled and served before the call returns.

    Args:
        store: Where rules are kept.
        live: The book that is served now, compiled; `Compiled(store.book(), catalogue)` at the start.
        past: What previews and the check for broad rules ask.
        serve: Told the new book after each change, to serve it from then on.
        clock: Seconds since 1970 in UTC.
    """

    def __init__(
        self, store: RuleStore, live: Compiled, past: Past, *, serve: Callable[[Compiled], object], clock: Callable[[], float]
    ) -> None:
        self._store, self._live, self._past, self._serve, self._clock = store, live, past, serve, clock
        self._lock = Lock()

    @property
    def live(self) -> Compiled:
        """What is served now."""
        return self._live

    def book(self, version: int | None = None) -> RuleBook:
        """The rules as they hold, or of an earlier version; `NothingHere` where there is none."""
        return self._store.book(version)

    def rule(self, rule_id: str) -> Rule:
        """One rule; `NothingHere` names the nearest ids."""
        return self._store.book().rule(rule_id)

    def put(self, rules: Sequence[Rule], *, expected: int, who: str, note: str = "", force: bool = False) -> Saved:
        """Add rules, or put them in the place of those of the same ids, as one version.

        Raises:
            Stale: the rules are no longer at version `expected`.
            Refused: they bring conflicts of severity `error`, and `force` is False.
            BadInput: `who` is empty.
        """
        return self._change(lambda book: _with(book, rules), expected=expected, who=who, note=note, force=force)

    def delete(self, rule_id: str, *, expected: int, who: str, note: str = "") -> Saved:
        """Remove a rule; `NothingHere` where it is absent, and errors as `put`."""
        return self._change(lambda book: book.without(rule_id), expected=expected, who=who, note=note, force=True)

    def restore(self, version: int, *, expected: int, who: str, note: str = "") -> Saved:
        """Let an earlier version's rules hold again; errors as `put`."""
        old = self._store.book(version).rules
        note = note or f"restored version {version}"
        return self._change(lambda book: RuleBook(old, book.version), expected=expected, who=who, note=note, force=True)

    def conflicts(self, rules: Sequence[Rule] = ()) -> tuple[Conflict, ...]:
        """What is wrong with the rules that hold, or would be with `rules` added; nothing is saved."""
        return self._checked(self._live.again(_with(self._store.book(), rules)))

    def preview(self, rules: Sequence[Rule], *, without: Sequence[str] = (), top: int = 10, most: int = 200) -> Impact:
        """What adding `rules`, and removing those of the ids `without`, would change on past queries; nothing is saved."""
        now = self._store.book()
        new = _with(now, rules)
        for rule_id in without:
            new = new.without(rule_id)
        books = self._live.again(now), self._live.again(new)
        return preview(
            self._past.bare(), self._past.requests, *books, self._past.queries(), top=top, most=most, at_s=self._clock()
        )

    def audit(self) -> tuple[Change, ...]:
        """Who changed what, when, from which version and why, oldest first."""
        return self._store.history()

    def reload(self, live: Compiled | None = None) -> bool:
        """Serve what another process saved; True where there was something. `live` is over a catalogue that was exchanged."""
        with self._lock:
            if live is None and self._store.version() == self._live.book.version:
                return False
            self._take((live or self._live).again(self._store.book()))
            return True

    def _change(self, how: Callable[[RuleBook], RuleBook], *, expected: int, who: str, note: str, force: bool) -> Saved:
        with self._lock:
            before = self._store.book()
            book = RuleBook(how(before).rules, expected)
            compiled = self._live.again(book)
            found = self._checked(compiled)
            saved = self._store.save(book, who=who, at_s=self._clock(), note=note, conflicts=found, force=force)
            self._take(compiled.again(saved))
            return Saved(saved.version, saved.changes_from(before), found)

    def _take(self, compiled: Compiled) -> None:
        self._live = compiled
        self._serve(compiled)

    def _checked(self, compiled: Compiled) -> tuple[Conflict, ...]:
        heavy = sorted(self._past.queries().items(), key=lambda kv: (-kv[1], kv[0]))[:_COVERED]
        asked = self._past.requests([t for t, _ in heavy]) if heavy else None
        return conflicts(compiled, at_s=self._clock(), asked=asked, weights=[w for _, w in heavy] if heavy else None)


def _with(book: RuleBook, rules: Sequence[Rule]) -> RuleBook:
    for rule in rules:
        book = book.with_rule(rule)
    return book
