"""Counts by key and product: new ones added to old ones, and the best known kept where they are too many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CARTS", "CLICKS", "COUNTS", "LOOKS", "PURCHASES", "summed", "worthiest"]

LOOKS, CLICKS, CARTS, PURCHASES = 0, 1, 2, 3
COUNTS = 4
"""Columns of a table of counts."""


def summed(
    old: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
    key: NDArray[np.int64], product: NDArray[np.int64], column: NDArray[np.int64], worth: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """Old counts with new ones added, by (key, product), both rising."""
    keys, products = np.concatenate([old[0], key]), np.concatenate([old[1], product])
    order = np.lexsort((products, keys))
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (keys[order][1:] != keys[order][:-1]) | (products[order][1:] != products[order][:-1])
    slot = np.empty(len(order), dtype=np.int64)
    slot[order] = np.cumsum(starts) - 1
    first = order[starts]
    out = np.zeros((len(first), COUNTS))
    out[slot[: len(old[0])]] = old[2]
    np.add.at(out, (slot[len(old[0]) :], column), worth)
    return keys[first], products[first], out


def worthiest(pair: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """The `most` pairs that are known best, in the order that they stand in."""
    if len(pair) <= most:
        return np.arange(len(pair))
    order = np.argsort(-(pair[:, LOOKS] + 10.0 * pair[:, CLICKS]), kind="stable")
    return np.sort(order[:most])
