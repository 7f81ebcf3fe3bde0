"""The mark of the local event log: what is durable and may be seen, and how it is found again after a crash."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.local.segments import HEADER, Segment, segments, survey

__all__ = ["FULL", "MARK_NAME", "Mark", "folder_of", "mark_of", "newer", "surveyed", "unborn"]

_MARK = struct.Struct("<QQQQI")
MARK_NAME = "mark"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Mark:
    """What readers may see: offsets below `end`, in the segment of offset `first` the bytes below `at`."""

    end: int
    first: int
    at: int
    synced: bool = True

    def pack(self) -> bytes:
        """The mark's bytes, with their CRC-32."""
        plain = _MARK.pack(self.end, self.first, self.at, self.synced, 0)[:-4]
        return plain + crc32(plain).to_bytes(4, "little")

    @classmethod
    def unpack(cls, raw: bytes) -> Mark | None:
        """The mark in `raw`, or None where it is not whole."""
        if len(raw) != _MARK.size or crc32(raw[:-4]).to_bytes(4, "little") != raw[-4:]:
            return None
        end, first, at, synced, _ = _MARK.unpack(raw)
        return cls(end, first, at, bool(synced))


def folder_of(folder: Path) -> Path:
    """Make `folder` where it is absent; `BadInput` where it is a file, `EngineLost` where this user may not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.listdir(folder)
    except (FileExistsError, NotADirectoryError):
        raise BadInput(f"{folder} is, or lies in, a file; wanted a folder for the event log. Give another path.") from None
    except OSError as error:
        kind = EngineBusy if error.errno in FULL else EngineLost
        raise kind(f"folder {folder} cannot be used: {error.strerror}. Give this user the right to, or another path.") from error
    return folder


def mark_of(folder: Path) -> Mark:
    """What is durable in `folder` now, as one who does not write may know it.

    While a writer lives its mark is the truth. With no writer the last segment is surveyed, because a mark may be older than the
    data after a loss of power; a writer that begins during the survey has put the truth into the mark by then.
    """
    if not _writer_lives(folder):
        found = surveyed(folder)
        if not _writer_lives(folder):
            return found
    for _ in range(1000):  # a mark read while it is written fails its checksum
        if mark := _peek(folder):
            return mark
    raise EngineBusy(f"the writer of event log {folder} is opening it. Try again.")


def newer(mark: Mark, folder: Path) -> Mark:
    """`mark`, or the one in the folder where a writer has gone on since."""
    there = _peek(folder)
    return there if there and there.end > mark.end else mark


def _peek(folder: Path) -> Mark | None:
    try:
        return Mark.unpack((folder / MARK_NAME).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineLost(f"event log {folder} cannot be read: {error.strerror}. Give this user the right to.") from error


def _writer_lives(folder: Path) -> bool:
    try:
        handle = os.open(folder / MARK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise EngineLost(f"event log {folder} cannot be read: {error.strerror}. Give this user the right to.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def surveyed(folder: Path) -> Mark:
    """The mark that the last segment gives, whatever the mark file says; `EngineLost` where acknowledged events are gone."""
    mark, found = _peek(folder), segments(folder)
    acknowledged = mark.end if mark and mark.synced else 0
    if found and unborn(found[-1]):
        found.pop()
    if not found and acknowledged:
        raise EngineLost(f"event log {folder} has no segments, yet offset {acknowledged - 1} was acknowledged. Restore them.")
    if not found:
        return Mark(0, 0, HEADER.size)
    end, at = survey(found[-1], acknowledged)
    return Mark(end, found[-1].first, at)


def unborn(segment: Segment) -> bool:
    """True where the file was torn while it was made: it holds less than a header, or a wrong one and no byte more."""
    there = segment.path.read_bytes() if segment.path.stat().st_size <= HEADER.size else None
    return there is not None and there != segment.header()
