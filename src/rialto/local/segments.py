"""The files of the local event log: how events become frames, and how frames are found, checked and surveyed after a crash.

A segment is called `<offset of its first event, 20 digits>.events` and holds a header and then frames. A frame holds the events
of one commit: all of its batches or, when it is torn, none of them. All numbers are little-endian:

    segment   "RLTOEV01"  first offset u64  CRC-32 of both u32
    frame     F5 'R' 'L' 'F'  payload bytes u32  first offset u64  events u32  CRC-32 of the payload u32  CRC-32 of these 24 u32
    payload   for each event: time f64, bytes of id, key, kind and body u32 each, then the four of them

A frame header's CRC starts from the segment and the byte that it stands at, so a copy of a log inside an event's body is never
taken for a frame. That lets a reader jump into the middle of a file and find the next frame, with no index to keep.

Source: the frame and its torn tail follow the LevelDB and Kafka log formats; CRC-32 is that of zlib (IEEE 802.3).
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.records import Event

__all__ = [
    "HEADER",
    "Frame",
    "Segment",
    "decode",
    "encode",
    "frame_bytes",
    "mapped",
    "search",
    "segments",
    "survey",
    "walk",
]

HEADER = struct.Struct("<8sQI")
_FRAME = struct.Struct("<4sIQIII")
_SIGN, _FRAME_SIGN = b"RLTOEV01", b"\xf5RLF"
_EVENT = struct.Struct("<dIIII")
_PLACE = struct.Struct("<QQ")
_SUFFIX = ".events"
_MOST_BYTES = 1 << 30
_NEAR_BYTES = 1 << 12  # a search walks frame by frame once it is this near


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the log; `first` is the offset of its first event."""

    path: Path
    first: int

    @classmethod
    def at(cls, folder: Path, first: int) -> Segment:
        """The segment of `folder` whose first event has offset `first`, there or not."""
        return cls(folder / f"{first:020d}{_SUFFIX}", first)

    def header(self) -> bytes:
        """The bytes that the file begins with."""
        plain = HEADER.pack(_SIGN, self.first, 0)[:-4]
        return plain + crc32(plain).to_bytes(4, "little")

    def damaged(self, at: int, why: str) -> EngineLost:
        """The error to raise for damage at byte `at`."""
        return EngineLost(f"event log {self.path}, byte {at}: {why}. Restore the file from a copy; nothing was changed.")


@dataclass(frozen=True, slots=True)
class Frame:
    """One commit in a segment: its events are `first .. first + count - 1`, its payload the bytes `begin .. end - 1`."""

    at: int
    first: int
    count: int
    begin: int
    end: int
    crc: int


def encode(events: Sequence[Event]) -> bytes:
    """Events as a frame's payload.

    Raises:
        BadRow: One of them is not an `Event`, has an empty id, a field of another type, text that is not Unicode or a time
            that is not finite; the row counts from 1.
        BadInput: All together are larger than 1 GiB.

    Example:
        >>> decode(encode([Event("a1", "ann", "click", 2.5, b"{}")]))
        [Event(id='a1', key='ann', kind='click', time_s=2.5, body=b'{}')]
    """
    parts: list[bytes] = []
    for row, event in enumerate(events, 1):
        texts = Event.checked(row, event)
        parts.append(_EVENT.pack(event.time_s, *map(len, texts), len(event.body)))
        parts.extend(texts)
        parts.append(event.body)
    payload = b"".join(parts)
    if len(payload) > _MOST_BYTES:
        raise BadInput(f"the batch has {len(payload)} bytes; wanted at most {_MOST_BYTES}. Append it in parts.")
    return payload


def decode(payload: bytes) -> list[Event]:
    """The events of a frame's payload; the inverse of `encode`."""
    events: list[Event] = []
    at = 0
    while at < len(payload):
        time_s, *sizes = _EVENT.unpack_from(payload, at)
        i = at + _EVENT.size
        k, n, b, at = i + sizes[0], i + sum(sizes[:2]), i + sum(sizes[:3]), i + sum(sizes)
        events.append(Event(payload[i:k].decode(), payload[k:n].decode(), payload[n:b].decode(), time_s, payload[b:at]))
    return events


def frame_bytes(segment: Segment, at: int, first: int, count: int, payload: bytes) -> bytes:
    """The frame that holds `payload` at byte `at` of `segment`."""
    plain = _FRAME.pack(_FRAME_SIGN, len(payload), first, count, crc32(payload), 0)[:-4]
    return plain + crc32(plain, crc32(_PLACE.pack(segment.first, at))).to_bytes(4, "little") + payload


def segments(folder: Path) -> list[Segment]:
    """The log's segments, oldest first."""
    names = (name.removesuffix(_SUFFIX) for name in os.listdir(folder) if name.endswith(_SUFFIX))
    return [Segment.at(folder, first) for first in sorted(int(name) for name in names if name.isdecimal())]


@contextmanager
def mapped(segment: Segment, size: int | None = None) -> Generator[mmap.mmap]:
    """The first `size` bytes of a segment (all: None) for reading, once its header was checked."""
    try:
        handle = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        raise EngineLost(f"event log {segment.path} cannot be read: {error.strerror}. Give this user the right to.") from error
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise segment.damaged(0, "the file is missing") from error
        raise EngineBusy(f"event log {segment.path} cannot be opened now: {error.strerror}. Try again.") from error
    try:
        there = os.fstat(handle).st_size
        wanted = there if size is None else size
        if there < max(wanted, HEADER.size):
            raise segment.damaged(there, f"the file ends here; wanted {max(wanted, HEADER.size)} bytes")
        view = mmap.mmap(handle, wanted, access=mmap.ACCESS_READ)
    finally:
        os.close(handle)
    with view:
        if view[: HEADER.size] != segment.header():
            raise segment.damaged(0, "the header is not that of this segment")
        yield view


def _frame_at(view: mmap.mmap, segment: Segment, at: int) -> Frame | None:
    """The frame whose header is sound at byte `at` and that ends within `view`, or None; its payload is not checked."""
    if at + _FRAME.size > len(view):
        return None
    sign, size, first, count, crc, own = _FRAME.unpack_from(view, at)
    seed = crc32(_PLACE.pack(segment.first, at))
    if sign != _FRAME_SIGN or own != crc32(view[at : at + _FRAME.size - 4], seed):
        return None
    begin = at + _FRAME.size
    return Frame(at, first, count, begin, begin + size, crc) if begin + size <= len(view) else None


def walk(view: mmap.mmap, segment: Segment, at: int, first: int | None = None) -> Iterator[tuple[Frame, bytes]]:
    """Sound frames with their payloads from byte `at` on, up to the end or to the first that is damaged or out of order."""
    while frame := _frame_at(view, segment, at):
        payload = view[frame.begin : frame.end]
        if crc32(payload) != frame.crc or (first is not None and frame.first != first):
            return
        yield frame, payload
        at, first = frame.end, frame.first + frame.count


def _next_frame(view: mmap.mmap, segment: Segment, at: int) -> Frame | None:
    """The first frame with a sound header at byte `at` or later, or None."""
    while (at := view.find(_FRAME_SIGN, at)) >= 0:
        if frame := _frame_at(view, segment, at):
            return frame
        at += 1
    return None


def _sound_frame(view: mmap.mmap, segment: Segment, at: int) -> Frame | None:
    while frame := _next_frame(view, segment, at):
        if next(walk(view, segment, frame.at), None):
            return frame
        at = frame.at + 1
    return None


def search(view: mmap.mmap, segment: Segment, start: int) -> int:
    """The byte at which to begin a walk towards offset `start`: its frame begins less than 4 KiB later, or is the one there.

    Cost:
        O(log(bytes)) reads of a frame header; no index.
    """
    low, high = HEADER.size, len(view)
    while high - low > _NEAR_BYTES:
        middle = (low + high) // 2
        frame = _next_frame(view, segment, middle)
        if frame is None or frame.first > start:
            high = middle
        else:
            low = frame.at
            if start < frame.first + frame.count:
                break
    return low


def survey(segment: Segment, acknowledged: int = 0) -> tuple[int, int]:
    """Where the last segment's sound frames end: `(offset, byte)`; what follows was torn by a crash.

    Args:
        segment: The log's last segment.
        acknowledged: One past the last offset known to have been acknowledged; 0 where that is unknown.

    Raises:
        EngineLost: Damage stands before a sound frame, or an acknowledged event is not there; names the file and the byte.

    Cost:
        One pass over the segment.
    """
    with mapped(segment) as view:
        end, at = segment.first, HEADER.size
        for frame, _ in walk(view, segment, at, end):
            end, at = frame.first + frame.count, frame.end
        if later := _sound_frame(view, segment, at + 1):
            raise segment.damaged(at, f"the frame here is damaged, and a sound one follows at byte {later.at}")
    if end < acknowledged:
        raise segment.damaged(at, f"sound frames end here with offset {end}, yet offset {acknowledged - 1} was acknowledged")
    return end, at
