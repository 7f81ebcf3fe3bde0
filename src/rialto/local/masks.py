"""Masks over pixels, for the critic: which are near a colour, which lie beyond a plane in colour, what a square window holds."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["beyond", "beyond_plain", "near", "near_plain", "window", "window_plain"]


@nb.njit(cache=True, nogil=True)
def near(pixels: NDArray[np.uint8], colour: NDArray[np.float64], most: int) -> NDArray[np.bool_]:
    """Pixels whose every channel is within `most` of `colour`: shape (height, width) from (height, width, 3) and (3,)."""
    high, wide, _ = pixels.shape
    mask = np.empty((high, wide), dtype=np.bool_)
    red, green, blue = int(colour[0]), int(colour[1]), int(colour[2])
    for y in range(high):
        for x in range(wide):
            r, g, b = int(pixels[y, x, 0]) - red, int(pixels[y, x, 1]) - green, int(pixels[y, x, 2]) - blue
            mask[y, x] = -most <= r <= most and -most <= g <= most and -most <= b <= most
    return mask


def near_plain(pixels: NDArray[np.uint8], colour: NDArray[np.float64], most: int) -> NDArray[np.bool_]:
    """`near` in plain numpy, for its test."""
    return np.abs(pixels.astype(np.int16) - colour.astype(np.int16)).max(axis=2) <= most


@nb.njit(cache=True, nogil=True)
def beyond(pixels: NDArray[np.uint8], axis: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
    """Pixels whose product with `axis` (3,) is at least `least`: shape (height, width)."""
    high, wide, _ = pixels.shape
    mask = np.empty((high, wide), dtype=np.bool_)
    for y in range(high):
        for x in range(wide):
            mask[y, x] = pixels[y, x, 0] * axis[0] + pixels[y, x, 1] * axis[1] + pixels[y, x, 2] * axis[2] >= least
    return mask


def beyond_plain(pixels: NDArray[np.uint8], axis: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
    """`beyond` in plain numpy, for its test."""
    p = pixels.astype(np.float64)
    return np.asarray(p[..., 0] * axis[0] + p[..., 1] * axis[1] + p[..., 2] * axis[2] >= least)


@nb.njit(cache=True, nogil=True)
def window(mask: NDArray[np.bool_], side: int, all_of: bool) -> NDArray[np.bool_]:
    """True where the square of `side` pixels around a pixel holds any true one, or only true ones (`all_of`).

    What lies past the edge is false. An even square reaches one pixel further up and left.

    Cost:
        O(pixels), whatever the side: running counts along rows, then along columns.
    """
    high, wide = mask.shape
    before, after = side // 2, side - 1 - side // 2
    rows = np.empty((high, wide), dtype=np.bool_)
    wanted = side if all_of else 1
    for y in range(high):
        held = 0
        for x in range(min(after, wide)):
            held += mask[y, x]
        for x in range(wide):
            if x + after < wide:
                held += mask[y, x + after]
            if x - before - 1 >= 0:
                held -= mask[y, x - before - 1]
            rows[y, x] = held >= wanted
    out = np.empty((high, wide), dtype=np.bool_)
    counts = np.zeros(wide, dtype=np.int64)
    for y in range(min(after, high)):
        for x in range(wide):
            counts[x] += rows[y, x]
    for y in range(high):
        for x in range(wide):
            if y + after < high:
                counts[x] += rows[y + after, x]
            if y - before - 1 >= 0:
                counts[x] -= rows[y - before - 1, x]
            out[y, x] = counts[x] >= wanted
    return out


def window_plain(mask: NDArray[np.bool_], side: int, all_of: bool) -> NDArray[np.bool_]:
    """`window` in plain numpy, by a summed-area table (Crow 1984), for its test."""
    before, after = side // 2, side - 1 - side // 2
    padded = np.pad(mask, ((before + 1, after), (before + 1, after)))
    total = padded.astype(np.int32).cumsum(axis=0).cumsum(axis=1)
    h, w = mask.shape
    count = total[side : side + h, side : side + w] - total[:h, side : side + w] - total[side : side + h, :w] + total[:h, :w]
    return np.asarray(count == side * side if all_of else count > 0)
