"""The raster canvas: boxes to pixels with Pillow, letters from a font that comes with the install; equal input gives equal bytes.

Letters are placed with Pillow's own layout rather than the optional shaping library, as only that one is the same on every
machine; a character that the font does not hold is an error, never an empty rectangle. Scripts that need shaping are such.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib.resources import files
from math import ceil, floor, isfinite
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont, UnidentifiedImageError

from rialto.errors import BadInput, EngineMissing, known
from rialto.local.cmap import characters
from rialto.ports import Box, Picture

__all__ = ["LINE", "RasterCanvas"]

LINE = 1.22
"""Height of a line of text as a share of its font size; Manrope's letters with accents and descenders need 1.17."""
BASELINE = 0.93
"""Where the baseline stands in a line, as a share of the font size from the line's top."""
OPTICAL = 0.04
"""How far the middle of the capitals stands above a line's middle, as a share of the font size."""
SLACK_PX = 0.75
"""How far a text may pass its box: rounding of a solved layout."""
LOSSLESS = 85
"""PNG quality below which colours are reduced."""
SMALL_PX, FINE = 32, 4
"""Letters below this size are drawn this many times as large and reduced, as whole-pixel steps would space them unevenly."""
LARGEST_PX = 8192
ROUND = 0.5
"""Corner radius of a button as a share of its height."""
FONT_FILES = {400: "Manrope-Regular.ttf", 700: "Manrope-Bold.ttf"}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "jpeg": {"format": "JPEG", "subsampling": 0},
    "png": {"format": "PNG", "compress_level": 6},
    "webp": {"format": "WEBP", "method": 2},
}

T = TypeVar("T")


class RasterCanvas:
    """Canvas engine in this process.

    Args:
        fonts: Weight -> bytes of a TrueType or OpenType font; Manrope 400 and 700 (SIL OFL 1.1) where none are given.
        remember: Scaled pictures and drawn lines that are kept for the next creative.

    Raises:
        BadInput: a font cannot be read.

    Cost:
        About 3 ms for a 1200 x 628 creative with its picture known, 4 ms more for the JPEG; see `benchmarks/bench_render.py`.

    Example:
        >>> canvas = RasterCanvas()
        >>> width, height = canvas.measure("Made to move", size_px=40, weight=700)
        >>> box = Box("headline", "text", 10, 10, 300, 60, text="Made to move", size_px=40, weight=700)
        >>> picture = canvas.draw([box], width=400, height=100)
        >>> picture.pixels.shape, canvas.encode(picture, kind="png")[1:4]
        ((100, 400, 3), b'PNG')
    """

    def __init__(self, *, fonts: Mapping[int, bytes] | None = None, remember: int = 256) -> None:
        self._files = dict(fonts) if fonts else _own_fonts()
        self._kept = Kept(remember)
        self._glyphs = {weight: _characters(body, weight) for weight, body in self._files.items()}

    def measure(self, text: str, *, size_px: float, weight: int) -> tuple[float, float]:
        """Width and height in pixels of one line of `text`; `BadInput` for a size, weight or character that cannot be drawn."""
        return self._width(text, size_px, weight), LINE * size_px

    def draw(self, boxes: Sequence[Box], *, width: int, height: int) -> Picture:
        """Draw `boxes` in order on white.

        Raises:
            BadInput: a text that does not fit its box, an unknown kind of box, a picture that cannot be read, a colour that is
                not #rrggbb, or a size out of range; nothing was drawn.
        """
        if not (1 <= width <= LARGEST_PX and 1 <= height <= LARGEST_PX):
            raise BadInput(f"a canvas of {width} x {height} px was asked for; wanted 1 to {LARGEST_PX} a side.")
        page = Image.new("RGB", (width, height), "#ffffff")
        pen = ImageDraw.Draw(page)
        for box in boxes:
            _refuse_nowhere(box)
            match box.kind:
                case "fill":
                    pen.rectangle(_pixels(box), fill=_colour(box.colour, box))
                case "image":
                    self._image(page, box)
                case "button":
                    self._ground(page, box)
                    self._text(pen, box, centred=True)
                case "text":
                    self._text(pen, box, centred=False)
                case _:
                    kinds = ["fill", "image", "button", "text"]
                    raise BadInput(f"box {box.name!r} is of kind {box.kind!r}; wanted one of {known(box.kind, kinds)}.")
        return Picture(np.asarray(page), tuple(boxes))

    def encode(self, picture: Picture, *, kind: str, quality: int = 85) -> bytes:
        """The file's bytes; `kind` is `jpeg`, `png` or `webp`, `quality` 1 to 95.

        A PNG of quality below 85 has 256 colours, of 85 and more loses nothing.
        """
        if kind not in KINDS:
            raise BadInput(f"cannot encode to {kind!r}; this canvas knows {known(kind, KINDS)}.")
        if not 1 <= quality <= 95:
            raise BadInput(f"quality is {quality}; wanted 1 to 95.")
        settings: dict[str, Any] = dict(KINDS[kind]) | ({} if kind == "png" else {"quality": quality})
        out, image = io.BytesIO(), Image.fromarray(picture.pixels)
        if kind == "png" and quality < LOSSLESS:
            image = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.FLOYDSTEINBERG)
        image.save(out, **settings)
        return out.getvalue()

    def _font(self, size_px: float, weight: int) -> ImageFont.FreeTypeFont:
        if weight not in self._files:
            raise BadInput(f"there is no font of weight {weight}; known: {', '.join(map(str, sorted(self._files)))}.")
        if not 1 <= size_px <= LARGEST_PX:
            raise BadInput(f"font size is {size_px} px; wanted 1 to {LARGEST_PX}.")
        body = self._files[weight]
        return self._kept.get(
            ("font", size_px, weight),
            lambda: ImageFont.truetype(io.BytesIO(body), size_px * _fineness(size_px), layout_engine=ImageFont.Layout.BASIC),
        )

    def _width(self, text: str, size_px: float, weight: int) -> float:
        font = self._font(size_px, weight)
        missing = sorted(set(text) - self._glyphs[weight])
        if missing:
            shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in missing[:10])
            raise BadInput(f"the font has no letter for {shown} in {text!r}; reword it, or pass a font that has them.")
        return float(font.getlength(text)) / _fineness(size_px)

    def _text(self, pen: ImageDraw.ImageDraw, box: Box, *, centred: bool) -> None:
        lines = box.lines or (box.text,)
        pitch, colour = LINE * box.size_px, _colour(box.colour, box)
        widths = [self._width(line, box.size_px, box.weight) for line in lines]
        _refuse_overflow(box, lines, widths, pitch * len(lines))
        top = box.y + (box.height - pitch * len(lines)) / 2 + OPTICAL * box.size_px if centred else box.y
        for i, (line, wide) in enumerate(zip(lines, widths)):
            left = box.x + (box.width - wide) / 2 if centred else box.x
            mask, shift_x, shift_y = self._line(line, box.size_px, box.weight)
            at = (round(left) + shift_x, round(top + i * pitch + BASELINE * box.size_px) + shift_y)
            if mask is not None:
                pen.bitmap(at, mask, fill=colour)

    def _line(self, text: str, size_px: float, weight: int) -> tuple[Image.Image | None, int, int]:
        """One line's coverage, and where its corner stands from the left end of the baseline; kept, as variants share lines."""

        def make() -> tuple[Image.Image | None, int, int]:
            font, fine = self._font(size_px, weight), _fineness(size_px)
            ends = font.getbbox(text, anchor="ls")
            left, top, right, bottom = floor(ends[0] / fine), floor(ends[1] / fine), ceil(ends[2] / fine), ceil(ends[3] / fine)
            if right <= left or bottom <= top:
                return None, 0, 0
            mask = Image.new("L", ((right - left) * fine, (bottom - top) * fine), 0)
            ImageDraw.Draw(mask).text((-left * fine, -top * fine), text, font=font, fill=255, anchor="ls")
            return (mask if fine == 1 else mask.reduce(fine)), left, top

        return self._kept.get(("line", text, size_px, weight), make)

    def _ground(self, page: Image.Image, box: Box) -> None:
        left, top, right, bottom = _pixels(box)
        size = (right - left + 1, bottom - top + 1)
        mask = self._kept.get(("round", size), lambda: _rounded(size))
        page.paste(_colour(box.ground or "#000000", box), (left, top), mask)

    def _image(self, page: Image.Image, box: Box) -> None:
        """The picture at the largest size that fits the box, in its middle; transparent parts let the page through."""
        left, top, right, bottom = _pixels(box)
        room = (right - left + 1, bottom - top + 1)
        picture = self._kept.get(("image", box.source, room), lambda: _fitted(box, room))
        at = (left + (room[0] - picture.width) // 2, top + (room[1] - picture.height) // 2)
        page.paste(picture, at, picture if picture.mode == "RGBA" else None)


class Kept:
    """The last few things made, by what they were made from; the least lately used goes first."""

    def __init__(self, most: int) -> None:
        self._most, self._held = most, OrderedDict[Hashable, Any]()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was kept under `key`, else what `make` makes."""
        if key in self._held:
            self._held.move_to_end(key)
        else:
            self._held[key] = make()
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        return self._held[key]


def _fineness(size_px: float) -> int:
    return FINE if size_px < SMALL_PX else 1


def _own_fonts() -> dict[int, bytes]:
    try:
        folder = files("font_manrope") / "files"
    except ModuleNotFoundError:
        raise EngineMissing("the font Manrope", "pip install font-manrope") from None
    return {weight: (folder / name).read_bytes() for weight, name in FONT_FILES.items()}


def _characters(body: bytes, weight: int) -> frozenset[str]:
    """The characters that a font maps to a glyph, read from its `cmap` table (OpenType 1.9, formats 4 and 12)."""
    found = characters(body)
    if not found:
        raise BadInput(
            f"the font of weight {weight} ({len(body)} bytes) has no readable character map; wanted TrueType or OpenType."
        )
    return found


def _fitted(box: Box, room: tuple[int, int]) -> Image.Image:
    try:
        with Image.open(io.BytesIO(box.source)) as source:
            source.load()
            picture = source.convert("RGBA" if "A" in source.getbands() or source.mode == "P" else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise BadInput(f"box {box.name!r} holds {len(box.source)} bytes that are not a readable picture: {e}.") from e
    scale = min(room[0] / picture.width, room[1] / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _rounded(size: tuple[int, int]) -> Image.Image:
    """Coverage of a rounded rectangle, smoothed by drawing it four times as large."""
    large = Image.new("L", (size[0] * 4, size[1] * 4), 0)
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), radius=ROUND * large.height, fill=255)
    return large.resize(size, Image.Resampling.BOX)


def _pixels(box: Box) -> tuple[int, int, int, int]:
    """The box's corners as whole pixels, both ends in; `BadInput` where it holds none."""
    left, top, right, bottom = (round(e) for e in (box.x, box.y, box.x + box.width, box.y + box.height))
    if right <= left or bottom <= top:
        raise BadInput(f"box {box.name!r} is {box.width:g} x {box.height:g} px; wanted at least one pixel each way.")
    return left, top, right - 1, bottom - 1


def _refuse_nowhere(box: Box) -> None:
    edges = (box.x, box.y, box.x + box.width, box.y + box.height)
    if not all(isfinite(e) and abs(e) <= 2 * LARGEST_PX for e in edges):
        raise BadInput(f"box {box.name!r} stands at {edges}; wanted finite pixels within {2 * LARGEST_PX}.")


def _colour(text: str, box: Box) -> tuple[int, int, int]:
    try:
        if len(text) != 7:
            raise ValueError(text)
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise BadInput(f"box {box.name!r} has colour {text!r}; wanted #rrggbb.") from None
    return red, green, blue


def _refuse_overflow(box: Box, lines: Sequence[str], widths: Sequence[float], tall: float) -> None:
    wide = max(widths)
    if wide > box.width + SLACK_PX:
        line = lines[widths.index(wide)]
        raise BadInput(
            f"box {box.name!r}: {line!r} is {wide:.0f} px wide at {box.size_px:g} px; the box has {box.width:.0f}. "
            "Shorten it, break it, or make it smaller."
        )
    if tall > box.height + SLACK_PX:
        raise BadInput(
            f"box {box.name!r}: {len(lines)} lines are {tall:.0f} px high at {box.size_px:g} px; the box has {box.height:.0f}."
        )
