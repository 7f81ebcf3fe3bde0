"""How long a search may take: by a clock that the caller brings, or by rounds, and then a seed gives the same plan every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rialto.errors import BadInput

__all__ = ["Effort"]


@dataclass(slots=True)
class Effort:
    """A budget that is used up.

    Args:
        most: Seconds by `clock`, or rounds without one, >= 0.
        clock: Reads seconds; None = rounds are counted.

    Example:
        >>> effort = Effort.rounds(10)
        >>> effort.spend(4)
        >>> effort.used
        0.4
    """

    most: float
    clock: Callable[[], float] | None = None
    done: int = 0
    start_s: float = 0.0

    @classmethod
    def rounds(cls, rounds: int) -> Effort:
        """So many rounds of search."""
        return cls(_checked(rounds, "rounds"))

    @classmethod
    def seconds(cls, seconds: float, clock: Callable[[], float]) -> Effort:
        """So many seconds from now on."""
        return cls(_checked(seconds, "seconds"), clock, start_s=clock())

    def spend(self, rounds: int) -> None:
        """Rounds that were made."""
        self.done += rounds

    @property
    def used(self) -> float:
        """Share of the budget that is used up, >= 1 when nothing is left."""
        if self.most == 0.0:
            return 1.0
        return (self.done if self.clock is None else self.clock() - self.start_s) / self.most


def _checked(value: float, unit: str) -> float:
    if not 0.0 <= value < float("inf"):
        raise BadInput(f"the effort is {value} {unit}; wanted 0 or more.")
    return float(value)
