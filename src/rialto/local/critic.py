"""The pixel critic: contrast and presence of text measured on what was drawn, not on what was declared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.masks import beyond, near, window
from rialto.ports import Box, Opinion, Picture

__all__ = ["PixelCritic", "Reading", "read_text"]

T = TypeVar("T")
TEXT, LARGE = 4.5, 3.0
"""Least contrast of text, and of large text (WCAG 2.2, success criterion 1.4.3)."""
LARGE_PX, LARGE_BOLD_PX = 24.0, 18.66
"""18 pt, and 14 pt in bold, at 96 px an inch."""
SAME = 30
"""Greatest difference in any channel at which a pixel is the ink itself."""
THIN_PX = 24.0
"""Size below which letters are so thin that many of their pixels never reach the ink's colour."""
PARTLY = 0.4
"""Share of the way from the ground to the ink at which a pixel of thin letters counts as ink."""
WORST = 0.05
"""Share of the ground's pixels that may be worse than what is reported."""
STROKE = 0.36
"""Widest run of ink that letters have, as a share of the font size; a wider one is ground of the same colour."""
BLOBS = 0.02
INK = 0.025
"""Least inked pixels that one letter leaves, as a share of its size squared; letters have 0.1."""
SAMPLES = 40
"""Rows or columns of a picture that are looked at, at least, where it has as many."""
FLAT = 1.5
"""Standard deviation of pixels below which a picture shows nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the pixels of one text say: its contrast with the ground around the letters, and the share of the expected ink found."""

    box: Box
    contrast: float
    ink: float


class PixelCritic:
    """Critic engine in this process; knows the rules `contrast`, `ink` and `picture`.

    Example:
        >>> white = np.full((40, 80, 3), 255, dtype=np.uint8)
        >>> box = Box("headline", "text", 0, 0, 80, 40, text="Hidden", size_px=20, colour="#ffffff")
        >>> [(o.rule, o.passed) for o in PixelCritic().judge(Picture(white, (box,)))]
        [('contrast', False), ('ink', True), ('picture', True)]
    """

    def judge(self, picture: Picture) -> list[Opinion]:
        """One opinion a rule.

        `contrast`: the worst text's contrast over what it needs (1 or more passes). `ink`: the least share of the ink that letters
        leave; little means covered or cut text. `picture`: the least spread of pixels in a picture's box; none means it shows nothing.

        Raises:
            BadInput: the pixels are not (height, width, 3) uint8.

        Cost:
            O(pixels under text), about 2 ms for a 1200 x 628 creative.
        """
        pixels = picture.pixels
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise BadInput(f"pixels are {pixels.dtype} {pixels.shape}; wanted uint8 (height, width, 3).")
        texts = [read_text(pixels, b) for b in picture.boxes if b.kind in ("text", "button") and (b.text or b.lines)]
        images = [(b, _spread(pixels, b)) for b in picture.boxes if b.kind == "image"]
        return [_contrast(texts), _ink(texts), _picture(images)]


def read_text(pixels: NDArray[np.uint8], box: Box) -> Reading:
    """Measure one text on the pixels.

    Pixels of the ink's colour are the letters; those a little way around them are the ground. The reported contrast is the one
    that 95 % of that ground reaches. A patch of the ink's colour that is wider than any stroke is ground too, with contrast 1.

    Args:
        pixels: Shape (height, width, 3).
        box: A text or a button.

    Source:
        WCAG 2.2, "contrast ratio" and "relative luminance".
    """
    region = np.ascontiguousarray(_region(pixels, box))
    letters = sum(len(line.replace(" ", "")) for line in box.lines or (box.text,))
    if region.size == 0 or letters == 0:
        return Reading(box, 1.0, 0.0)
    ink = np.array([int(box.colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)
    strict = near(region, ink, SAME)
    if _patchy(strict, box):
        return Reading(box, 1.0, 1.0)
    inked = _with_thin(region, ink, strict) if box.size_px < THIN_PX else strict
    if inked is not strict and _patchy(inked, box):  # a shade between ground and ink: it is ground
        inked = strict
    found = np.count_nonzero(inked) / (INK * box.size_px**2 * letters)
    around = window(inked, 2 * max(4, round(0.3 * box.size_px)) + 1, False) & ~window(inked, 5, False)
    if found < 1.0 or not around.any():
        return Reading(box, 1.0, found)
    return Reading(box, _worst(region[around], ink), found)


def _patchy(mask: NDArray[np.bool_], box: Box) -> bool:
    """True where the mask holds patches that are wider than any stroke."""
    patches = np.count_nonzero(window(mask, int(STROKE * box.size_px) + 2, True))
    return bool(patches > BLOBS * np.count_nonzero(mask))


def _with_thin(region: NDArray[np.uint8], ink: NDArray[np.float64], strict: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The ink, and pixels that are part of the way to it from the usual ground: thin letters never reach their colour."""
    ground = np.median(region[::3, ::3].reshape(-1, 3), axis=0)
    axis = ink - ground
    length = float(axis @ axis)
    return strict | beyond(region, axis, float(axis @ ground) + PARTLY * length) if length >= 3 * SAME**2 else strict


def _worst(ground: NDArray[np.uint8], ink: NDArray[np.float64]) -> float:
    mine = float(_luminance(ink[np.newaxis, :].astype(np.uint8))[0])
    theirs = _luminance(ground)
    ratios = (np.maximum(theirs, mine) + 0.05) / (np.minimum(theirs, mine) + 0.05)
    rank = int(WORST * (len(ratios) - 1))
    return float(np.partition(ratios, rank)[rank])


_LINEAR = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (i / 255 for i in range(256))])


def _luminance(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Relative luminance of (pixels, 3) sRGB, shape (pixels,)."""
    return np.asarray(_LINEAR[colours] @ np.array([0.2126, 0.7152, 0.0722]))


def _region(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    top, left = max(round(box.y), 0), max(round(box.x), 0)
    return pixels[top : max(round(box.y + box.height), 0), left : max(round(box.x + box.width), 0)]


def _spread(pixels: NDArray[np.uint8], box: Box) -> float:
    whole = _region(pixels, box)
    step = max(1, min(whole.shape[:2]) // SAMPLES)
    region = whole[::step, ::step]
    return float(region.std(axis=(0, 1)).max()) if region.size else 0.0


def _needed(box: Box) -> float:
    large = box.size_px >= LARGE_PX or (box.weight >= 700 and box.size_px >= LARGE_BOLD_PX)
    return LARGE if large else TEXT


def _contrast(texts: list[Reading]) -> Opinion:
    def says(r: Reading) -> str:
        return (
            f"{r.box.name}: contrast measured on the pixels is {r.contrast:.2f}:1; wanted {_needed(r.box):g}:1. "
            f"Change its colour {r.box.colour} or the ground behind it."
        )

    return _opinion("contrast", texts, lambda r: r.contrast / _needed(r.box), 1.0, says)


def _ink(texts: list[Reading]) -> Opinion:
    def says(r: Reading) -> str:
        return f"{r.box.name}: {100 * r.ink:.0f} % of the ink that its letters leave is there. It is covered or cut; move what hides it."

    return _opinion("ink", texts, lambda r: r.ink, 1.0, says)


def _picture(images: list[tuple[Box, float]]) -> Opinion:
    def says(pair: tuple[Box, float]) -> str:
        return f"{pair[0].name}: its place is one flat colour (spread {pair[1]:.1f}). It is empty or covered; place the picture again."

    return _opinion("picture", images, lambda pair: pair[1], FLAT, says)


def _opinion(rule: str, seen: list[T], value: Callable[[T], float], least: float, says: Callable[[T], str]) -> Opinion:
    values = [value(x) for x in seen]
    failed = [x for x, v in zip(seen, values) if v < least]
    return Opinion(rule, not failed, float(min(values, default=least)), " ".join(says(x) for x in failed))
