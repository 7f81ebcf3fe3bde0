"""Chance for the kernels: numba's own generator is one for the process, this one is the caller's array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.kernels import kernel

__all__ = ["draw", "seeded", "unit"]


def seeded(seed: int) -> NDArray[np.uint64]:
    """The state of a generator, shape (1,), never zero.

    Example:
        >>> seeded(3).shape
        (1,)
    """
    mixed = (seed * 0x9E3779B97F4A7C15 + 0x2545F4914F6CDD1D) % 2**64
    return np.array([mixed or 1], dtype=np.uint64)


@kernel
def draw(rng: NDArray[np.uint64], below: int) -> int:
    """A number in 0..below-1, by xorshift64*; the state moves on."""
    x = rng[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    rng[0] = x
    return int(np.int64(((x * np.uint64(2685821657736338717)) >> np.uint64(33)) % np.uint64(below)))


@kernel
def unit(rng: NDArray[np.uint64]) -> float:
    """A number in [0, 1)."""
    return draw(rng, 1 << 30) / float(1 << 30)
