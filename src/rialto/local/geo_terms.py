"""What comes into the grid, checked: points with their amounts, queries with their terms, as the kernels read them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.grid import FARTHEST_M, Points
from rialto.ports import Positioned, Terms

__all__ = ["Checked", "checked_points", "checked_queries", "whole"]

_NOBODY = np.zeros(0, dtype=np.int64)


class Checked(NamedTuple):
    """Queries: places and needed bits (queries,), names asked for, and `least`, `per_m`, `bar_at`, `bar` as `Ask` has them."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    need: NDArray[np.uint64]
    names: list[str]
    least: NDArray[np.float64]
    per_m: NDArray[np.float64]
    bar_at: NDArray[np.int64]
    bar: NDArray[np.int64]


def checked_points(points: Positioned, kinds: dict[str, int]) -> Points:
    """Points as the kernels read them; new names of amounts are entered in `kinds`, name -> column, once all is right."""
    ids = whole("ids", points.ids)
    x, y = _place("x_m", points.x_m), _place("y_m", points.y_m)
    time = _finite("time_s", points.time_s, np.inf)
    flags = whole("flags", points.flags).astype(np.uint64) if len(points.flags) else np.zeros(len(ids), dtype=np.uint64)
    numbers = {name: _number(f"amounts[{name!r}]", column) for name, column in points.amounts.items()}
    _same_length(len(ids), x_m=x, y_m=y, time_s=time, flags=flags, **{f"amounts[{n!r}]": c for n, c in numbers.items()})
    for name in numbers:
        kinds.setdefault(name, len(kinds))
    amounts = np.full((len(ids), len(kinds)), -np.inf)
    for name, column in numbers.items():
        amounts[:, kinds[name]] = column
    return Points(x, y, time, flags, ids, ids, amounts)


def checked_queries(
    x_m: NDArray[np.float64], y_m: NDArray[np.float64], need: NDArray[np.uint64] | None, terms: Terms | None
) -> Checked:
    """Queries as the kernels read them."""
    x, y = _place("x_m", x_m), _place("y_m", y_m)
    size = len(x)
    bits = np.zeros(size, dtype=np.uint64) if need is None else whole("need", need).astype(np.uint64)
    _same_length(size, y_m=y, need=bits)
    wanted = terms or Terms()
    least = {name: _number(f"least[{name!r}]", column) for name, column in wanted.least.items()}
    _same_length(size, **{f"least[{n!r}]": c for n, c in least.items()})
    names = [name for name, column in least.items() if (column > -np.inf).any()]
    table = np.empty((size, len(names)))
    for j, name in enumerate(names):
        table[:, j] = least[name]
    return Checked(x, y, bits, names, table, _per_m(wanted, names), *_barred(size, wanted))


def _per_m(terms: Terms, names: list[str]) -> NDArray[np.float64]:
    for name, rate in terms.per_m.items():
        if name not in terms.least or not 0.0 <= rate < np.inf:
            raise BadInput(f"per_m[{name!r}] is {rate}; wanted 0 or more, finite, and a name of `least`: {sorted(terms.least)}.")
    return np.array([float(terms.per_m.get(name, 0.0)) for name in names])


def _barred(size: int, terms: Terms) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets (queries + 1,) and ids, rising within each query."""
    if terms.barred is not None and terms.barred.requests != size:
        raise BadInput(f"barred speaks of {terms.barred.requests} queries; wanted {size}, a row for each query.")
    if terms.barred is None or not len(terms.barred):
        return np.zeros(size + 1, dtype=np.int64), _NOBODY
    ids, owner = whole("barred", terms.barred.ids), terms.barred.owner
    falls = (ids[1:] < ids[:-1]) & (owner[1:] == owner[:-1])
    if falls.any():
        ids = ids[np.lexsort((ids, owner))]
    return np.asarray(terms.barred.offsets, dtype=np.int64), ids


def whole(name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    """One dimension of whole numbers, int64, or `BadInput`."""
    array = np.asarray(values)
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise BadInput(f"{name} has shape {array.shape} and type {array.dtype}; wanted one dimension of whole numbers.")
    return np.require(array.astype(np.int64, copy=False), requirements=["C", "W"])


def _number(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "fiub":
        raise BadInput(f"{name} has shape {array.shape} and type {array.dtype}; wanted one dimension of numbers.")
    numbers = array.astype(np.float64, copy=False)
    if np.isnan(numbers).any():
        row = int(np.flatnonzero(np.isnan(numbers))[0])
        raise BadInput(f"{name}[{row}] is nan; wanted a number, -inf for none.")
    return numbers


def _place(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    return _finite(name, values, FARTHEST_M)


def _finite(name: str, values: NDArray[Any], most: float) -> NDArray[np.float64]:
    array = np.require(values, np.float64, ["C", "W"])
    if array.ndim != 1:
        raise BadInput(f"{name} has shape {array.shape}; wanted one dimension.")
    wrong = ~(np.isfinite(array) & (np.abs(array) <= most))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise BadInput(
            f"{name}[{row}] is {array[row]:g}; wanted a finite number" + (f" within {most:g} m." if most < np.inf else ".")
        )
    return array


def _same_length(size: int, **columns: NDArray[Any]) -> None:
    for name, column in columns.items():
        if len(column) != size:
            raise BadInput(f"{name} has {len(column)} rows; wanted {size}, one for each point or query.")
