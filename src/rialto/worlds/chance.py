"""Seeded draws one at a time, for worlds that are built row by row; a buffer of numpy draws, so that a draw costs no more than a list look-up."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, exp, log, sqrt, tau
from typing import TypeVar

import numpy as np

from rialto.errors import BadInput

__all__ = ["Chance"]

T = TypeVar("T")


class Chance:
    """A stream of chance that depends on `keys` alone.

    Args:
        keys: Non-negative integers; the same keys give the same stream on every machine.

    Raises:
        BadInput: a key is negative.

    Example:
        >>> first, again = Chance(1, 2), Chance(1, 2)
        >>> [first.pick("abc") for _ in range(5)] == [again.pick("abc") for _ in range(5)]
        True
    """

    def __init__(self, *keys: int) -> None:
        if min(keys, default=0) < 0:
            raise BadInput(f"a seed is {min(keys)}; wanted 0 or more.")
        self._rng = np.random.default_rng(keys)
        self._buffer: list[float] = []

    def unit(self) -> float:
        """A number in [0, 1)."""
        if not self._buffer:
            self._buffer = self._rng.random(4096).tolist()
        return self._buffer.pop()

    def happens(self, probability: float) -> bool:
        """True with `probability`."""
        return self.unit() < probability

    def below(self, end: int) -> int:
        """A whole number in [0, end)."""
        return int(self.unit() * end)

    def pick(self, options: Sequence[T]) -> T:
        """One of `options`, all equally likely."""
        return options[int(self.unit() * len(options))]

    def normal(self, spread: float = 1.0) -> float:
        """A normal number of mean 0 (Box and Muller, 1958, "A note on the generation of random normal deviates")."""
        radius = sqrt(-2.0 * log(1.0 - self.unit()))
        return spread * radius * cos(tau * self.unit())

    def lognormal(self, median: float, spread: float) -> float:
        """A number whose logarithm is normal around that of `median`."""
        return median * exp(self.normal(spread))

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """Up to `count` different places of `options`, in chance order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]
