"""Where rule books are kept: one file a version, made whole or not at all and never changed, so that the folder is the audit trail."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import fsspec

from rialto.errors import BadInput, EngineError, EngineLost, NothingHere
from rialto.find.rules.book import RuleBook
from rialto.find.rules.written import as_data, rule_of

if TYPE_CHECKING:
    from rialto.find.rules.conflicts import Conflict

__all__ = ["Change", "Refused", "RuleStore", "Stale"]

_FORMAT = 1
_NAME = re.compile(r"(\d{8})\.json")


class Stale(BadInput):
    """The book changed since the caller read it; `held` is the version that holds now."""

    def __init__(self, expected: int, held: int) -> None:
        self.expected, self.held = expected, held
        super().__init__(
            f"the rules are at version {held}, and the change was made on {expected}; read them again and repeat it."
        )


class Refused(BadInput):
    """The change brings conflicts of severity `error`; `conflicts` lists them."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        self.conflicts = tuple(conflicts)
        told = " ".join(c.told for c in self.conflicts[:5])
        super().__init__(f"{len(self.conflicts)} conflict(s) stand against it: {told} Mend them, or force the change.")


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the audit trail: version `version` was made from `parent` by `who` at `time_s` (UTC seconds).

    `changes` says what changed, one phrase a rule; `forced` that conflicts stood against it; `note` is the writer's own.
    """

    version: int
    parent: int
    who: str
    time_s: float
    changes: tuple[str, ...]
    forced: bool
    note: str


class RuleStore:
    """Rule books in a folder.

    Version n is the file `0000000n.json`: the rules, who made it, when, from which version and why. A file is written beside its
    place and given its name only where nobody has it yet, so of two writers from one version one gets `Stale`, a reader finds a
    whole version or none, and what was once saved stays to be read. Undoing is saving an old version's rules as a new one.

    Args:
        folder: Any fsspec path. A store that cannot refuse to overwrite (old object stores) detects writers by looking first, and
            two within the same instant may then meet.

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
        if not folder or "\x00" in folder:
            raise BadInput(f"the rules' folder is {folder!r}; wanted a path or an address such as s3://bucket/rules.")
        self._files, root = fsspec.core.url_to_fs(folder)
        self._root = str(root).rstrip("/")
        protocol = self._files.protocol
        self._local = "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def version(self) -> int:
        """The version that holds now; 0 where nothing was saved."""
        return max(self._versions(), default=0)

    def book(self, version: int | None = None) -> RuleBook:
        """The rules as they hold now, or of an earlier version; version 0 is empty.

        Raises:
            NothingHere: there is no such version.
            EngineLost: its file is damaged; the text names it.
        """
        at = self.version() if version is None else version
        if at == 0:
            return RuleBook()
        data = self._read(at)
        return RuleBook.of([rule_of(r) for r in data["rules"]], version=at)

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
        if not who.strip():
            raise BadInput(f"who is {who!r}; wanted the name of the one who changes the rules, for the audit.")
        held = self.version()
        if held != book.version:
            raise Stale(book.version, held)
        before = self.book(held)
        changes = book.changes_from(before)
        if not changes:
            return before
        touched = book.changed_from(before)
        against = [c for c in conflicts if c.severity == "error" and touched.intersection(c.rules)]
        if against and not force:
            raise Refused(against)
        line = Change(held + 1, held, who, at_s, changes, bool(against), note)
        self._create(line, book)
        return RuleBook(book.rules, held + 1)

    def restore(self, version: int, *, expected: int, who: str, at_s: float, note: str = "") -> RuleBook:
        """Save the rules of an earlier version as a new one; errors as `book` and `save`."""
        old = self.book(version)
        return self.save(
            RuleBook(old.rules, expected), who=who, at_s=at_s, note=note or f"restored version {version}", force=True
        )

    def history(self) -> tuple[Change, ...]:
        """The audit trail, oldest first."""
        out: list[Change] = []
        for at in sorted(self._versions()):
            data = self._read(at)
            out.append(
                Change(at, data["parent"], data["who"], data["time_s"], tuple(data["changes"]), data["forced"], data["note"])
            )
        return tuple(out)

    def _versions(self) -> list[int]:
        try:
            self._files.invalidate_cache()
            names = [str(n).rsplit("/", 1)[-1] for n in self._files.ls(self._root, detail=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as e:
            raise EngineError(f"the rules' folder {self._root} cannot be read: {e}") from None
        return [int(m[1]) for m in map(_NAME.fullmatch, names) if m]

    def _read(self, version: int) -> dict[str, Any]:
        path = f"{self._root}/{version:08d}.json"
        try:
            data = cast("dict[str, Any]", json.loads(self._files.cat_file(path)))
            whole = data["format"] == _FORMAT and data["version"] == version
            kinds = {
                "rules": list,
                "changes": list,
                "who": str,
                "note": str,
                "parent": int,
                "forced": bool,
                "time_s": (int, float),
            }
            whole = whole and all(isinstance(data[k], kind) for k, kind in kinds.items())
        except FileNotFoundError:
            raise NothingHere(f"there is no version {version} of the rules; the newest is {self.version()}.") from None
        except (ValueError, KeyError, TypeError) as e:
            raise EngineLost(f"{path} is damaged ({e}); move it away, and the version before it holds again.") from None
        if not whole:
            raise EngineLost(f"{path} is of another format; move it away, and the version before it holds again.")
        return data

    def _create(self, line: Change, book: RuleBook) -> None:
        data = {
            "format": _FORMAT, "version": line.version, "parent": line.parent, "who": line.who, "time_s": line.time_s,
            "note": line.note, "forced": line.forced, "changes": list(line.changes), "rules": [as_data(r) for r in book.rules],
        }  # fmt: skip
        path, body = f"{self._root}/{line.version:08d}.json", json.dumps(data, indent=1, ensure_ascii=False).encode()
        try:
            if self._local:
                self._create_local(path, body)
            elif self._files.exists(path):
                raise FileExistsError(path)
            else:
                self._files.makedirs(self._root, exist_ok=True)
                self._pipe(path, body)
        except FileExistsError:
            raise Stale(line.parent, line.version) from None
        except OSError as e:
            raise EngineError(f"the rules were not saved ({e}); version {line.parent} holds as before.") from e

    def _pipe(self, path: str, body: bytes) -> None:
        try:
            self._files.pipe_file(path, body, mode="create")
        except (NotImplementedError, TypeError):  # a store that knows no exclusive writing: it was looked for just before
            self._files.pipe_file(path, body)

    def _create_local(self, path: str, body: bytes) -> None:
        try:
            os.makedirs(self._root, exist_ok=True)
        except FileExistsError as e:
            raise NotADirectoryError(f"{self._root} is a file") from e
        beside = f"{path}.unfinished-{uuid4().hex}"
        try:
            with open(beside, "xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.link(beside, path)  # fails where the name is taken, which is how two writers notice one another
        finally:
            with suppress(FileNotFoundError):
                os.unlink(beside)
