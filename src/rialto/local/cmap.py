"""Which characters a font can draw: the `cmap` table of a TrueType or OpenType file, formats 4 and 12."""

from __future__ import annotations

import struct
from collections.abc import Iterator

__all__ = ["characters"]


def characters(font: bytes) -> frozenset[str]:
    """Read the characters that `font` maps to a glyph; empty where it holds no table that can be read.

    Source:
        OpenType 1.9, "cmap — Character to Glyph Index Mapping Table", formats 4 and 12.

    Example:
        >>> characters(b"not a font")
        frozenset()
    """
    try:
        return frozenset(chr(c) for start in _tables(font) for c in _codes(font, start) if c < 0x110000)
    except (struct.error, IndexError):
        return frozenset()


def _tables(font: bytes) -> list[int]:
    """Where the subtables of `cmap` for Unicode begin."""
    for i in range(struct.unpack_from(">H", font, 4)[0]):
        tag, _, offset, _ = struct.unpack_from(">4sIII", font, 12 + 16 * i)
        if tag == b"cmap":
            count = struct.unpack_from(">H", font, offset + 2)[0]
            records = [struct.unpack_from(">HHI", font, offset + 4 + 8 * j) for j in range(count)]
            return sorted(
                {offset + where for platform, encoding, where in records if (platform, encoding) != (3, 0) and platform != 1}
            )
    return []


def _codes(font: bytes, at: int) -> Iterator[int]:
    layout = struct.unpack_from(">H", font, at)[0]
    if layout == 12:
        for i in range(struct.unpack_from(">I", font, at + 12)[0]):
            first, last, _ = struct.unpack_from(">III", font, at + 16 + 12 * i)
            yield from range(first, min(last, 0x10FFFF) + 1)
    elif layout == 4:
        yield from _segments(font, at)


def _segments(font: bytes, at: int) -> Iterator[int]:
    count = struct.unpack_from(">H", font, at + 6)[0] // 2
    words = f">{count}H"
    ends = struct.unpack_from(words, font, at + 14)
    starts, deltas, ranges = (struct.unpack_from(words, font, at + 16 + 2 * count * k) for k in (1, 2, 3))
    for i, (first, last, delta, shift) in enumerate(zip(starts, ends, deltas, ranges)):
        for code in range(first, last + 1):
            if shift:
                where = at + 16 + 6 * count + 2 * i + shift + 2 * (code - first)
                if struct.unpack_from(">H", font, where)[0] and code != 0xFFFF:
                    yield code
            elif (code + delta) & 0xFFFF and code != 0xFFFF:
                yield code
