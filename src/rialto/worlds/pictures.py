"""Pictures of the made-up shop's products: drawn silhouettes in the product's own colour on a clean light ground."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageColor, ImageDraw

from rialto.errors import BadInput
from rialto.records import hash64
from rialto.worlds.shop_data import inks, product_types
from rialto.worlds.silhouettes import Part, fixed_inks, silhouettes

__all__ = ["draw_product"]

_FINER = 3  # drawn this much larger, then averaged: that smooths the edges
_MARGIN = 0.05
_TONES = {"main": 0.0, "light": 0.16, "lighter": 0.34, "dark": -0.14, "darker": -0.34}

Ink = tuple[int, int, int]


def draw_product(product: Mapping[str, Any], *, size: int = 400) -> bytes:
    """Draw one product.

    Args:
        product: A line of a catalogue; `category` chooses the silhouette (a box where it is unknown), the attributes `shade`, `colour`
            and `pattern` the ink (a quiet colour by `id` where there is none).
        size: Width and height, pixels, 16 to 1200.

    Returns:
        A PNG file; equal products give equal bytes.

    Raises:
        BadInput: `size` is out of range.

    Cost:
        About 10 ms at 400 pixels.

    Example:
        >>> draw_product({"id": "p1", "category": "Kitchen/Drinkware/Mugs", "attributes": {"colour": "red"}})[:4]
        b'\\x89PNG'
    """
    if not 16 <= size <= 1200:
        raise BadInput(f"size is {size}; wanted 16 to 1200 pixels.")
    told = product.get("attributes", {})
    main = _ink(told, str(product.get("id", "")))
    parts = silhouettes()[_shelves().get(str(product.get("category", "")), "box")]
    body, cover = _layer(parts, main, str(told.get("pattern", "plain")), size)
    picture = _ground(size).copy()
    picture.paste((82, 82, 92), (0, 0, size, size), _shadow(cover, size))
    picture.paste(ImageChops.multiply(body, _light(size)), (0, 0), cover)
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=3)
    return out.getvalue()


@cache
def _shelves() -> Mapping[str, str]:
    return {t.path: t.silhouette for t in product_types()}


def _ink(told: Mapping[str, Any], name: str) -> Ink:
    for key in ("shade", "colour"):
        if str(told.get(key, "")) in inks():
            return _rgb(inks()[str(told[key])])
    quiet = ("#8a9bb0", "#b08a8a", "#8ab09b", "#b0a58a", "#9b8ab0")
    return _rgb(quiet[hash64(name) % len(quiet)])


def _rgb(ink: str) -> Ink:
    red, green, blue = ImageColor.getrgb(ink)[:3]
    return red, green, blue


def _tone(ink: Ink, change: float) -> Ink:
    """`ink` mixed with white (`change` above 0) or black; very dark and very light inks get stronger steps, so that parts stay apart."""
    brightness = (0.299 * ink[0] + 0.587 * ink[1] + 0.114 * ink[2]) / 255.0
    part = abs(change) * (1.0 + (0.35 if (brightness < 0.3) == (change > 0) else -0.35) * (abs(brightness - 0.5) * 2) ** 2)
    goal = 255 if change > 0 else 0
    red, green, blue = (round(channel + (goal - channel) * part) for channel in ink)
    return red, green, blue


def _layer(parts: tuple[Part, ...], main: Ink, pattern: str, size: int) -> tuple[Image.Image, Image.Image]:
    """The product alone, with smooth edges, and how far it covers each pixel."""
    big = size * _FINER
    # Red, green, blue and cover in Pillow's plain four-band mode: RGBA would be multiplied by its alpha and back, at three times the cost.
    # What is not drawn has the ground's colour, so that averaging edges mixes in no dark.
    layer = Image.new("CMYK", (big, big), (244, 244, 242, 0))
    pen = ImageDraw.Draw(layer)
    tones = {name: _tone(main, change) for name, change in _TONES.items()}
    scale, shift = big * (1 - 2 * _MARGIN) / 100.0, big * _MARGIN
    for number, part in enumerate(parts):
        ink = tones[part.ink] if part.ink in tones else _rgb(fixed_inks()[part.ink])
        corners = part.points * scale + shift
        _draw_part(pen, part, corners, ink, scale)
        if pattern != "plain" and part.ink in tones and part.width == 0.0 and number < 3:
            _weave(layer, corners, pattern, tones["lighter" if sum(main) < 480 else "dark"], big)
    red, green, blue, cover = layer.reduce(_FINER).split()
    return Image.merge("RGB", (red, green, blue)), cover


def _draw_part(pen: ImageDraw.ImageDraw, part: Part, corners: NDArray[np.float64], ink: Ink, scale: float) -> None:
    places = [(float(x), float(y)) for x, y in corners]
    if part.width == 0.0:
        pen.polygon(places, fill=(*ink, 255))
        return
    width = max(1, round(part.width * scale))
    pen.line([*places, *places[:2]] if part.closed else places, fill=(*ink, 255), width=width, joint="curve")
    if not part.closed:  # round ends
        for x, y in (places[0], places[-1]):
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=(*ink, 255))


def _weave(layer: Image.Image, corners: NDArray[np.float64], pattern: str, ink: Ink, big: int) -> None:
    """Stripes, checks or dots inside one area."""
    area = Image.new("L", (big, big), 0)
    ImageDraw.Draw(area).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    layer.paste((*ink, 255), (0, 0), ImageChops.multiply(area, _threads(pattern, big)))


@lru_cache(maxsize=8)
def _threads(pattern: str, big: int) -> Image.Image:
    woven = Image.new("L", (big, big), 0)
    pen = ImageDraw.Draw(woven)
    step = big // 16
    for place in range(0, big, step):
        if pattern in ("striped", "checked"):
            pen.rectangle((0, place, big, place + step // 3), fill=200 if pattern == "striped" else 110)
        if pattern == "checked":
            pen.rectangle((place, 0, place + step // 3, big), fill=110)
        if pattern == "dotted":
            for column in range(0, big, step):
                x = column + (step // 2 if (place // step) % 2 else 0)
                pen.ellipse((x, place, x + step // 3, place + step // 3), fill=220)
    return woven


@lru_cache(maxsize=8)
def _ground(size: int) -> Image.Image:
    """A light ground, a little darker towards the corners."""
    y, x = np.mgrid[0:size, 0:size] / size - 0.5
    fade = 248.0 - 16.0 * np.clip(np.hypot(x, y + 0.08) - 0.25, 0.0, 1.0)
    return Image.fromarray(np.stack((fade, fade, fade - 2.0), axis=-1).astype(np.uint8), "RGB")


@lru_cache(maxsize=8)
def _light(size: int) -> Image.Image:
    """Light from the upper left, as a picture to multiply with."""
    y, x = np.mgrid[0:size, 0:size] / size
    shade = np.clip(262.0 - 46.0 * (0.35 * x + 0.65 * y) ** 1.5, 0.0, 255.0)
    return Image.fromarray(np.stack((shade, shade, shade), axis=-1).astype(np.uint8), "RGB")


def _shadow(alpha: Image.Image, size: int) -> Image.Image:
    """A soft shadow of the product, a little below it; blurred by shrinking and enlarging, which is cheap."""
    few = max(4, size // 16)
    small = alpha.resize((few, few), Image.Resampling.BOX)
    soft = small.resize((size, size), Image.Resampling.BICUBIC)
    moved = ImageChops.offset(soft, 0, max(1, size // 40))
    return moved.point(_FAINT)


_FAINT = [value * 84 // 255 for value in range(256)]
