"""Rows of orders that cannot be: in which column, and what was wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LATER", "faults"]

LATER: Mapping[str, Any] = {
    "weight_kg": 0.0, "volume_l": 0.0, "seats": 0.0, "due_s": np.inf, "merchant": np.int64(-1), "ready_s": np.nan, "incentive_cents": 0.0,
}  # fmt: skip
"""Columns that orders did not always have -> what changes nothing: what a log holds that is older than they are."""

_FINITE = ("placed_s", "lat", "lon", "weight_kg", "volume_l", "seats", "incentive_cents")
_DEGREES = {"lat": 90.0, "lon": 180.0, "drop_lat": 90.0, "drop_lon": 180.0}


def faults(columns: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[np.bool_], str]]:
    """Each thing that may be wrong with orders: the column, in which rows it is, shape (orders,), and what was wanted instead.

    Args:
        columns: Those of `Orders`, or some of them.

    Example:
        >>> [(name, wrong.tolist()) for name, wrong, _ in faults({"lat": np.array([913.4, 52.0])}) if wrong.any()]
        [('lat', [True, False])]
    """
    for name in _FINITE:
        if name in columns:
            yield name, ~np.isfinite(columns[name]), "a finite number"
    for name, most in _DEGREES.items():
        if name in columns:
            unknown = ", or NaN for unknown" if name.startswith("drop") else ""
            yield name, np.abs(columns[name]) > most, f"degrees in {-most:.0f}..{most:.0f}{unknown}"
    if "ready_s" in columns:
        yield "ready_s", np.isinf(columns["ready_s"]), "seconds UTC, or NaN for not told"
    if "ids" in columns:
        yield "ids", _again(columns["ids"]), "each order once; the first one may stay"
    for name in ("expire_s", "due_s"):
        if name in columns:
            yield name, np.isnan(columns[name]), "a number, or inf for none"


def _again(ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Rows whose id came before."""
    rows = np.argsort(ids, kind="stable")
    again = np.zeros(len(ids), dtype=np.bool_)
    again[rows[1:]] = ids[rows[1:]] == ids[rows[:-1]]
    return again
