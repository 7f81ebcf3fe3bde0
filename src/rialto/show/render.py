"""Layout to files: pixels by the Canvas, provenance in the metadata, names that are hashes of the content."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from xml.sax.saxutils import quoteattr

from rialto.errors import BadInput
from rialto.ports import Blobs, Canvas, Picture
from rialto.show.records import Creative, Surface

__all__ = ["Rendered", "keep", "render", "with_provenance"]

QUALITIES = (88, 80, 72, 64)
"""Qualities that are tried until the file is light enough; the gate on weight refuses the last where it is not."""
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/composite"
"""A mix of elements: a photo of the product, with words and areas set by a program."""
XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\x00"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A creative's pixels and its files.

    Args:
        creative: What was rendered.
        picture: Its pixels, for the critic.
        files: Format -> bytes of the file, provenance included.
        names: Format -> name in the Blobs, a hash of the bytes.
    """

    creative: Creative
    picture: Picture = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    names: Mapping[str, str]


def render(creative: Creative, surface: Surface, *, canvas: Canvas) -> Rendered:
    """Draw a creative and encode it in the formats that its surface asks for.

    Each format takes the best quality that keeps to the surface's weight. Equal input gives equal bytes: nothing of the time or
    the machine goes in.

    Raises:
        BadInput: text that does not fit, a picture that cannot be read, or a format that the canvas does not know.
    """
    picture = canvas.draw(creative.boxes, width=creative.width, height=creative.height)
    files = {kind: _encoded(creative, surface, picture, canvas, kind) for kind in surface.formats}
    names = {kind: f"creatives/{blake2b(body, digest_size=16).hexdigest()}.{kind}" for kind, body in files.items()}
    return Rendered(creative, picture, files, names)


def keep(rendered: Rendered, blobs: Blobs) -> Mapping[str, str]:
    """Put the files into `blobs` and return format -> name; the same content again is the same name."""
    for kind, body in rendered.files.items():
        blobs.put(rendered.names[kind], body)
    return rendered.names


def with_provenance(body: bytes, kind: str, creative: Creative) -> bytes:
    """The file with an XMP packet that says what it was made of, where the format has a place for one (JPEG, PNG).

    Source:
        Adobe XMP specification part 3 (JPEG APP1, PNG iTXt); IPTC Photo Metadata 2023.2, "Digital Source Type".

    Raises:
        BadInput: the bytes are not a file of that kind.
    """
    packet = _packet(creative).encode()
    if kind == "jpeg":
        if body[:2] != b"\xff\xd8" or len(packet) > 65_000:
            raise BadInput(f"{len(body)} bytes that begin {body[:4]!r} are not a JPEG, or its metadata is too long.")
        part = XMP_JPEG + packet
        return body[:2] + b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part + body[2:]
    if kind == "png":
        if body[:8] != b"\x89PNG\r\n\x1a\n":
            raise BadInput(f"{len(body)} bytes that begin {body[:8]!r} are not a PNG.")
        chunk = b"iTXt" + b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + packet
        framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        head = 8 + 25  # the signature, and the IHDR chunk that must come first
        return body[:head] + framed + body[head:]
    return body


def _encoded(creative: Creative, surface: Surface, picture: Picture, canvas: Canvas, kind: str) -> bytes:
    body = b""
    for quality in QUALITIES:
        body = with_provenance(canvas.encode(picture, kind=kind, quality=quality), kind, creative)
        if len(body) <= surface.max_bytes:
            break
    return body


def _packet(creative: Creative) -> str:
    words = {
        "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPE,
        "rialto:creative": str(creative.id),
        "rialto:campaign": creative.campaign,
        "rialto:product": creative.product_id,
        "rialto:facts": creative.fact_version,
        "rialto:layout": f"{creative.layout}/{creative.theme}",
    }
    said = " ".join(f"{name}={quoteattr(value)}" for name, value in words.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:rialto="urn:rialto:creative" '
        f'{said}/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )
