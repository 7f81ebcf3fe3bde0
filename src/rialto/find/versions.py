"""A folder of versions: one file each, made whole or not at all and never changed, so that the folder is the audit trail."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast
from uuid import uuid4

import fsspec

from rialto.errors import BadInput, EngineError, EngineLost, NothingHere

__all__ = ["Change", "Objection", "Refused", "Stale", "Versions"]

_FORMAT = 1
_NAME = re.compile(r"(\d{8})\.json")
_KINDS = {"changes": list, "who": str, "note": str, "parent": int, "forced": bool, "time_s": (int, float)}


class Objection(Protocol):
    """Something that stands against a change."""

    @property
    def told(self) -> str:
        """What, as a sentence."""
        ...


class Stale(BadInput):
    """What is kept changed since the caller read it; `held` is the version that holds now."""

    def __init__(self, expected: int, held: int, what: str = "rules") -> None:
        self.expected, self.held = expected, held
        super().__init__(
            f"the {what} are at version {held}, and the change was made on {expected}; read them again and repeat it."
        )


class Refused(BadInput):
    """The change brings conflicts of severity `error`; `conflicts` lists them."""

    def __init__(self, conflicts: Sequence[Any]) -> None:
        self.conflicts = tuple(conflicts)
        told = " ".join(cast("Objection", c).told for c in self.conflicts[:5])
        super().__init__(f"{len(self.conflicts)} conflict(s) stand against it: {told} Mend them, or force the change.")


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the audit trail: version `version` was made from `parent` by `who` at `time_s` (UTC seconds).

    `changes` says what changed, one phrase a thing; `forced` that conflicts stood against it; `note` is the writer's own.
    """

    version: int
    parent: int
    who: str
    time_s: float
    changes: tuple[str, ...]
    forced: bool
    note: str


class Versions:
    """Versions of one thing in a folder.

    Version n is the file `0000000n.json`: the content, who made it, when, from which version and why. A file is written beside its
    place and given its name only where nobody has it yet, so of two writers from one version one gets `Stale`, a reader finds a
    whole version or none, and what was once saved stays to be read. Undoing is saving an old version's content as a new one.

    Args:
        folder: Any fsspec path. A store that cannot refuse to overwrite (old object stores) detects writers by looking first, and
            two within the same instant may then meet.
        what: What is kept, as people call it: `rules`.
        content: Name of the content in the file, and its kind once it is read as JSON.

    Cost:
        A read lists the folder; a save writes all content once.

    Example:
        >>> kept = Versions("memory://doc-versions", what="notes", content=("notes", list))
        >>> kept.save(["a"], expected=0, changes=("added a",), who="ann", at_s=1.0)
        1
        >>> kept.read(1), [c.who for c in kept.history()]
        (['a'], ['ann'])
    """

    def __init__(self, folder: str, *, what: str, content: tuple[str, type]) -> None:
        if not folder or "\x00" in folder:
            raise BadInput(f"the {what}' folder is {folder!r}; wanted a path or an address such as s3://bucket/{what}.")
        self._what, self._content = what, content
        self._files, root = fsspec.core.url_to_fs(folder)
        self._root = str(root).rstrip("/")
        protocol = self._files.protocol
        self._local = "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def newest(self) -> int:
        """The version that holds now; 0 where nothing was saved."""
        return max(self._all(), default=0)

    def read(self, version: int) -> Any:
        """The content of a version, as JSON has it.

        Raises:
            NothingHere: there is no such version.
            EngineLost: its file is damaged; the text names it.
        """
        return self._read(version)[self._content[0]]

    def save(
        self, content: object, *, expected: int, changes: Sequence[str], against: Sequence[Any] = (), who: str, at_s: float,
        note: str = "", force: bool = False,
    ) -> int:  # fmt: skip
        """Save the next version, and return its number; without any change the number that holds.

        Args:
            content: What is kept, as JSON.
            expected: The version that it was made on.
            changes: What changed, one phrase a thing.
            against: Conflicts that stand against it; any of them refuses it.
            who, at_s: Writer and time, for the audit.
            note: Why.
            force: Save in spite of conflicts; the audit says so.

        Raises:
            Stale: another version was saved meanwhile. Nothing was written.
            Refused: there are conflicts. Nothing was written.
            BadInput: `who` is empty.
            EngineError: the folder cannot be written.
        """
        self.checked(expected, who)
        if not changes:
            return expected
        if against and not force:
            raise Refused(against)
        self._create(Change(expected + 1, expected, who, at_s, tuple(changes), bool(against), note), content)
        return expected + 1

    def checked(self, expected: int, who: str) -> None:
        """Raise where nobody is named, or where the version that holds is another one; raises as `save`."""
        if not who.strip():
            raise BadInput(f"who is {who!r}; wanted the name of the one who changes the {self._what}, for the audit.")
        held = self.newest()
        if held != expected:
            raise Stale(expected, held, self._what)

    def history(self) -> tuple[Change, ...]:
        """The audit trail, oldest first."""
        out: list[Change] = []
        for at in sorted(self._all()):
            d = self._read(at)
            out.append(Change(at, d["parent"], d["who"], d["time_s"], tuple(d["changes"]), d["forced"], d["note"]))
        return tuple(out)

    def _all(self) -> list[int]:
        try:
            self._files.invalidate_cache()
            names = [str(n).rsplit("/", 1)[-1] for n in self._files.ls(self._root, detail=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as e:
            raise EngineError(f"the {self._what}' folder {self._root} cannot be read: {e}") from None
        return [int(m[1]) for m in map(_NAME.fullmatch, names) if m]

    def _read(self, version: int) -> dict[str, Any]:
        path = f"{self._root}/{version:08d}.json"
        try:
            data = cast("dict[str, Any]", json.loads(self._files.cat_file(path)))
            whole = data["format"] == _FORMAT and data["version"] == version
            kinds: Mapping[str, Any] = {**_KINDS, self._content[0]: self._content[1]}
            whole = whole and all(isinstance(data[k], kind) for k, kind in kinds.items())
        except FileNotFoundError:
            raise NothingHere(f"there is no version {version} of the {self._what}; the newest is {self.newest()}.") from None
        except (ValueError, KeyError, TypeError) as e:
            raise EngineLost(f"{path} is damaged ({e}); move it away, and the version before it holds again.") from None
        if not whole:
            raise EngineLost(f"{path} is of another format; move it away, and the version before it holds again.")
        return data

    def _create(self, line: Change, content: object) -> None:
        data = {
            "format": _FORMAT, "version": line.version, "parent": line.parent, "who": line.who, "time_s": line.time_s,
            "note": line.note, "forced": line.forced, "changes": list(line.changes), self._content[0]: content,
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
            raise Stale(line.parent, line.version, self._what) from None
        except OSError as e:
            raise EngineError(f"the {self._what} were not saved ({e}); version {line.parent} holds as before.") from e

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
