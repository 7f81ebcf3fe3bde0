"""`rialto bench NAME`: runs one of `benchmarks/`, prints a table with the peer beside it, or the list as JSON."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Metric"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured figure.

    Args:
        metric: Its name, `trees_rows_per_s`.
        value: Median of repeated runs.
        unit: What one is, `rows/s`.
        spread: (maximum - minimum) / median of the repeated runs.
        peer: What was measured beside it in the same run, or "".
        peer_value: The peer's median in the same unit.
        ratio: How many times better than the peer, as the metric's definition says; above 1 is ahead.
    """

    metric: str
    value: float
    unit: str
    spread: float
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
