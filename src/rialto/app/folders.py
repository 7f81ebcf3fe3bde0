"""Folders of indexes: drafts that are whole or gone, which index a shop's is now, and what a killed process left behind."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast

from rialto.errors import EngineBusy, EngineLost

__all__ = ["Current", "Damaged", "Hold", "current_of", "drafted", "point", "sweep"]

_DRAFT = "index-"
_HELD = "in-use"


class Damaged(EngineLost):
    """An index on this machine cannot be read, or its files do not belong together; it can be made again."""


@dataclass(frozen=True, slots=True)
class Current:
    """Which index a shop is served from.

    Args:
        asked: What that index answers: the file as it was, its mapping, the engines, the version.
        file: The file alone as it was.
        folder: Name of the index's folder.
        before: Folders that it took the place of; they go once nobody uses them.
    """

    asked: str
    file: str
    folder: str
    before: tuple[str, ...] = ()


class Hold:
    """A folder in use: while this is open, or its process lives, no other process removes the folder."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / _HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise EngineBusy(f"{folder} is being removed by another process; open the shop again.") from None

    def close(self) -> None:
        """Let the folder go; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@contextmanager
def drafted(place: Path) -> Generator[Path, None, None]:
    """A folder to write an index in; what is left of it at the end is removed. A full disk is `EngineBusy`."""
    place.mkdir(parents=True, exist_ok=True)
    with _turn(place):  # else somebody might sweep it before it is held
        draft = Path(mkdtemp(prefix=_DRAFT, dir=place))
        hold = Hold(draft)
    try:
        yield draft
    except OSError as e:
        if isinstance(e, FileNotFoundError):
            raise
        raise EngineBusy(f"the index could not be written under {place}: {e.strerror or e}; make room and index again.") from e
    finally:
        hold.close()
        shutil.rmtree(draft, ignore_errors=True)


def sweep(place: Path) -> tuple[str, ...]:
    """Remove drafts whose process is gone and indexes that another took the place of; names what was removed."""
    if not place.is_dir():
        return ()
    with _turn(place):
        dead = [p for p in place.glob(f"{_DRAFT}*") if p.is_dir()]
        for name in (p.stem for p in (place / "current").glob("*.json")):
            now = current_of(place, name)
            dead += [place / old for old in now.before if old != now.folder and (place / old).is_dir()] if now else []
        return tuple(sorted(p.name for p in set(dead) if _removed(p)))


def _removed(folder: Path) -> bool:
    held = os.open(folder / _HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


@contextmanager
def _turn(place: Path) -> Generator[None, None, None]:
    """One process at a time makes, removes or points to folders."""
    handle = os.open(place / ".turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def current_of(place: Path, shop: str) -> Current | None:
    """Which index the shop is served from; None where there is none, or what says so cannot be read."""
    file = place / "current" / f"{shop}.json"
    try:
        told = cast("dict[str, Any]", json.loads(file.read_bytes()))
        made = Current(str(told["asked"]), str(told["file"]), str(told["folder"]), tuple(str(b) for b in told["before"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return made if (place / made.folder).is_dir() and "/" not in made.folder else None


def point(place: Path, shop: str, now: Current) -> None:
    """Say that the shop is served from another index, at once and durably."""
    with _turn(place):
        folder = place / "current"
        folder.mkdir(exist_ok=True)
        before = current_of(place, shop)
        older = tuple(dict.fromkeys((*before.before, before.folder))) if before else ()
        kept = tuple(b for b in older if b != now.folder and (place / b).is_dir())
        draft = folder / f"{shop}.new"
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps({**asdict(now), "before": kept}))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / f"{shop}.json")
