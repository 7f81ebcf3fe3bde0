"""The growing end of the local event log: one writer's lock, the write itself, and its undoing when the disk is full."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from time import sleep

from rialto.errors import EngineBusy, EngineLost
from rialto.local.mark import FULL, MARK_NAME, Mark, surveyed, unborn
from rialto.local.segments import HEADER, Segment, frame_bytes, segments

__all__ = ["Tail", "sync_folder"]


class Tail:
    """The one writer of a folder: takes its lock, mends the last segment, then writes frame after frame.

    Raises:
        EngineBusy: Another process (or another log object of this one) writes to the folder.
        EngineLost: The log is damaged, or this user may not write there.
    """

    def __init__(self, folder: Path, *, segment_bytes: int, sync: bool) -> None:
        self._folder, self._segment_bytes, self._sync = folder, segment_bytes, sync
        self._broken = ""
        self._lock = _lock(folder)
        self._file = -1
        try:
            self._open(surveyed(folder))
        except OSError as error:
            self.close()
            raise self._failure(error, HEADER.size) from error
        except BaseException:
            self.close()
            raise

    def _open(self, mark: Mark) -> None:
        for segment in segments(self._folder):
            if unborn(segment):
                segment.path.unlink()
        self._segment = Segment.at(self._folder, mark.first)
        if self._segment.path.exists():
            self._file = os.open(self._segment.path, os.O_RDWR | os.O_CLOEXEC)
            os.ftruncate(self._file, mark.at)
            os.fsync(self._file)  # what is about to be shown may only have reached the page cache
        else:
            self._file = self._create(self._segment)
        self._publish(Mark(mark.end, mark.first, mark.at, self._sync))

    def _create(self, segment: Segment) -> int:
        file = os.open(segment.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            _write(file, segment.header(), 0)
            os.fsync(file)
            sync_folder(self._folder)
        except BaseException:
            os.close(file)
            segment.path.unlink()
            raise
        return file

    def _publish(self, mark: Mark) -> None:
        _write(self._lock, mark.pack(), 0)
        self.mark = mark

    def write(self, payloads: list[bytes], count: int) -> int:
        """Write `payloads`, which hold `count` events, as one frame, wait until it is durable, and return its first offset.

        Raises:
            EngineBusy: The disk is full; nothing of the frame was kept.
            EngineLost: The disk failed; the log must be opened again.
        """
        if self._broken:
            raise EngineLost(f"event log {self._folder} was lost to an earlier failure ({self._broken}). Open it again.")
        payload = b"".join(payloads)
        try:
            return self._write(payload, count)
        except OSError as error:
            self._undo(error.strerror or str(error))
            raise self._failure(error, len(payload)) from error
        except BaseException:
            self._undo("the write was interrupted")
            raise

    def _write(self, payload: bytes, count: int) -> int:
        mark = self.mark
        frame = frame_bytes(self._segment, mark.at, mark.end, count, payload)
        if mark.at > HEADER.size and mark.at + len(frame) > self._segment_bytes:
            mark = self._roll(mark)
            frame = frame_bytes(self._segment, mark.at, mark.end, count, payload)
        _write(self._file, frame, mark.at)
        if self._sync:
            self._durable(os.fdatasync, self._file)
        self._publish(Mark(mark.end + count, mark.first, mark.at + len(frame), self._sync))
        return mark.end

    def _durable(self, sync: Callable[[int], None], file: int) -> None:
        try:
            sync(file)
        except OSError as error:
            # After a failed fsync the kernel may have dropped the pages and marked them clean: a second try would lie.
            self._broken = f"fsync: {error.strerror}"
            raise

    def _roll(self, mark: Mark) -> Mark:
        self._durable(os.fsync, self._file)  # also without `sync`: only the last segment may ever be torn
        segment = Segment.at(self._folder, mark.end)
        file = self._create(segment)
        try:
            self._publish(Mark(mark.end, mark.end, HEADER.size, self._sync))
        except BaseException:
            os.close(file)
            segment.path.unlink()
            raise
        os.close(self._file)
        self._file, self._segment = file, segment
        return self.mark

    def _undo(self, why: str) -> None:
        try:
            os.ftruncate(self._file, self.mark.at)
        except OSError:
            self._broken = self._broken or why

    def _failure(self, error: OSError, size: int) -> EngineBusy | EngineLost:
        if error.errno in FULL and not self._broken:
            return EngineBusy(
                f"event log {self._folder}: no room for {size} bytes ({error.strerror}). Nothing of the batch was kept: "
                "make room and append it again."
            )
        self._broken = self._broken or error.strerror or str(error)
        return EngineLost(f"event log {self._folder}: the disk failed ({self._broken}). Open the log again once it is well.")

    def forget(self, before: int) -> None:
        """Delete the segments all of whose events have offsets below `before`."""
        found = segments(self._folder)
        for segment, following in pairwise(found):
            if following.first <= before:
                segment.path.unlink()
        sync_folder(self._folder)

    def close(self) -> None:
        """Close the file and let go of the lock."""
        for handle in (self._file, self._lock):
            if handle >= 0:
                os.close(handle)
        self._file = self._lock = -1


def _lock(folder: Path) -> int:
    try:
        handle = os.open(folder / MARK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise EngineLost(f"event log {folder} cannot be written: {error.strerror}. Give this user the right to.") from error
    for attempt in range(50):  # a reader that asks whether a writer lives holds the lock for microseconds
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(0.0001 * attempt)
        else:
            return handle
    os.close(handle)
    raise EngineBusy(f"event log {folder} has another writer, and there may be one. Close that one, or append through it.")


def _write(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
