"""Product photos: cut from their white ground with their soft shadow kept, and the disc that stands behind them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, UnidentifiedImageError
from scipy import ndimage

from rialto.errors import BadInput

__all__ = ["Cutout", "cut_out", "disc"]

WHITE = 225
"""Least channel value of a border pixel that may be ground."""
PLAIN = 238
"""Least channel value that is ground on a pure white photo, whose compression leaves noise around the product."""
DARKEST_SHADOW, GREY, STEP = 170, 14, 7
"""A shadow is at least this light, no more coloured than this, and changes by no more than this from pixel to pixel."""
BORDER_SHARE = 0.4
"""Share of the photo's border that must be white for it to be cut at all."""
TOUCH_SHARE = 0.03
"""Share of an edge that the product must cover to count as cut by the photo's frame."""
RETOUCHED, MOST_SHADOW = 250, 0.5
"""Ground level from which a photo was set on pure white and has no shadow left; most of a product's area that a shadow may have."""
EDGE_PX = 2
"""How far a product's edge is mixed with the ground."""
HOLE_PIXELS, HOLE_WHITE = 300, 253.0
"""Least area and whiteness of ground that shows through a product: a handle's loop, a rope's."""
MOST_PIXELS = 40_000_000


@dataclass(frozen=True, slots=True)
class Cutout:
    """A product on nothing.

    Args:
        png: The picture with transparency, trimmed to the product.
        width, height: Its size in pixels.
        edges: Sides at which the photo's frame cuts the product: `top`, `bottom`, `left`, `right`; a layout hides them.
    """

    png: bytes = field(repr=False)
    width: int
    height: int
    edges: frozenset[str]


def cut_out(photo: bytes) -> Cutout:
    """Cut the product of a photo from its white ground; a photo without such a ground stays whole.

    The ground is what is near white and joined to the border. In it, grey is kept as a black of that strength, so that a shadow
    falls on any colour; at the product's edge the white that was mixed in is taken out again.

    Args:
        photo: An encoded picture; one with transparency is taken as it is.

    Raises:
        BadInput: the bytes are no picture, or one of more than 40 megapixels.

    Cost:
        O(pixels), about 60 ms for 645 x 800; done once a product.
    """
    rgba = _opened(photo)
    if int(rgba[..., 3].min()) == 255:
        rgba = _without_ground(rgba)
    return _trimmed(rgba)


def disc(size: int, colour: str) -> bytes:
    """A smooth disc of `colour` (#rrggbb) as a PNG with transparency, `size` pixels wide."""
    large = Image.new("L", (size * 4, size * 4), 0)
    ImageDraw.Draw(large).ellipse((0, 0, size * 4 - 1, size * 4 - 1), fill=255)
    picture = Image.new("RGBA", (size, size), colour)
    picture.putalpha(large.resize((size, size), Image.Resampling.BOX))
    return _png(picture)


def _opened(photo: bytes) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(photo)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise BadInput(f"the photo is {picture.width} x {picture.height}; wanted at most {MOST_PIXELS} pixels.")
            return np.array(picture.convert("RGBA"))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as e:
        raise BadInput(f"the product photo of {len(photo)} bytes is not a readable picture: {e}.") from e


def _without_ground(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    low = rgba[..., :3].min(axis=2)
    border = _rim(low)
    if (border >= WHITE).mean() < BORDER_SHARE:
        return rgba
    level = int(np.quantile(border[border >= WHITE], 0.02))  # a lit ground is a little darker in its corners
    plain = low >= min(level - 2, PLAIN)
    ground = _joined(plain, low, level)
    if level < RETOUCHED:
        wider = _joined(plain | _shadow(rgba, low), low, level)
        if np.count_nonzero(wider) - np.count_nonzero(ground) <= MOST_SHADOW * np.count_nonzero(~ground):
            ground = wider  # more than that would be a light product taken for its shadow
    edge = np.asarray(ndimage.binary_dilation(ground, iterations=EDGE_PX), dtype=np.bool_) & ~ground
    return _unmixed(rgba, np.clip(1.0 - low / np.float32(level), 0.0, 1.0), ground, edge)


def _joined(light: NDArray[np.bool_], low: NDArray[np.uint8], level: int) -> NDArray[np.bool_]:
    """The light pixels that are joined to the light border, or that show through a hole in the product."""
    labels = np.asarray(ndimage.label(light)[0], dtype=np.int32)  # pyright: ignore[reportIndexIssue]
    rims = _rim(labels)[np.greater_equal(_rim(low), level - 2)]
    of_ground = np.zeros(int(labels.max()) + 1, dtype=np.bool_)
    of_ground[np.concatenate([rims, _holes(labels, low, level)])] = True
    of_ground[0] = False
    return of_ground[labels]


def _rim(values: NDArray[np.generic]) -> NDArray[Any]:
    """The values along the picture's border, corners twice."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _shadow(rgba: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels that may be a soft shadow on the ground: light, grey, and smooth, which the edge of a light product is not."""
    level = ndimage.uniform_filter(low.astype(np.float32), 3)
    down, right = np.gradient(level)
    coloured = rgba[..., :3].max(axis=2).astype(np.int16) - low
    return (low >= DARKEST_SHADOW) & (coloured <= GREY) & (np.abs(down) <= STEP) & (np.abs(right) <= STEP)


def _unmixed(
    rgba: NDArray[np.uint8], strength: NDArray[np.float32], ground: NDArray[np.bool_], edge: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The ground as black of its own strength; at the edge, the product's colour without the white that was mixed in."""
    out = rgba.astype(np.float32)
    out[ground, :3] = 0.0
    out[ground, 3] = 255.0 * strength[ground]
    alpha = np.clip(strength[edge] / 0.35, 0.0, 1.0)[:, np.newaxis]  # an edge darker than 35 % is taken as wholly product
    out[edge, :3] = np.clip((out[edge, :3] - (1.0 - alpha) * 255.0) / np.maximum(alpha, 1e-3), 0.0, 255.0)
    out[edge, 3] = 255.0 * alpha[:, 0]
    return out.round().astype(np.uint8)


def _holes(labels: NDArray[np.int32], low: NDArray[np.uint8], level: int) -> NDArray[np.int64]:
    """Labels of white patches that the product encloses and that are ground all the same: large, and white through and through."""
    area = np.bincount(labels.ravel())
    mean = np.bincount(labels.ravel(), weights=low.ravel()) / np.maximum(area, 1)
    area[0] = 0
    return np.flatnonzero((area >= HOLE_PIXELS) & (mean >= min(level, HOLE_WHITE)))


def _trimmed(rgba: NDArray[np.uint8]) -> Cutout:
    solid = rgba[..., 3] > 64
    if not solid.any():
        raise BadInput("the product photo shows nothing but its ground; wanted a product on white.")
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    frame = {"top": solid[0], "bottom": solid[-1], "left": solid[:, 0], "right": solid[:, -1]}
    edges = frozenset(side for side, line in frame.items() if line.mean() >= TOUCH_SHARE)
    part = rgba[top : bottom + 1, left : right + 1]
    return Cutout(_png(Image.fromarray(part)), part.shape[1], part.shape[0], edges)


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()
