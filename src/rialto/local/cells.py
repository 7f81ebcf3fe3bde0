"""What a feature store takes, checked before anything is written, and one write as bytes for its log."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from math import isfinite, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Columns

__all__ = ["checked_expiry", "checked_read", "checked_write", "packed", "unpacked"]

Write = tuple[NDArray[np.int64], list[str], NDArray[np.float64]]

_HEAD = struct.Struct("<dqq")


def checked_write(entities: NDArray[np.int64], columns: Columns, at_s: float) -> Write:
    """Entities (entities,) int64, names, and values (names, entities) float64 of a write.

    Raises:
        BadInput: A column has another length or no numbers, a name is empty, an entity no integer, `at_s` not finite.

    Example:
        >>> checked_write(np.array([7, 8]), {"clicks": np.array([1, 2])}, 3.0)
        (array([7, 8]), ['clicks'], array([[1., 2.]]))
    """
    wanted = _entities(entities)
    if not isinstance(at_s, (int, float, np.number)) or not isfinite(at_s):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(f"at_s is {at_s!r}; wanted finite seconds since 1970.")
    values = np.empty((len(columns), len(wanted)))
    for row, (name, column) in enumerate(columns.items()):
        _name(name)
        numbers = np.asarray(column)
        if numbers.dtype.kind not in "fiub":
            raise BadInput(f"column {name!r} holds {numbers.dtype}; wanted numbers, NaN where missing.")
        if numbers.shape != wanted.shape:
            raise BadInput(f"column {name!r} has shape {numbers.shape}; wanted {wanted.shape}, one value for each entity.")
        values[row] = numbers
    return wanted, list(columns), values


def checked_read(entities: NDArray[np.int64], names: Sequence[str], at_s: float) -> NDArray[np.int64]:
    """Entities (entities,) int64 of a read.

    Raises:
        BadInput: An entity is no integer, `names` is one text or holds an empty name, or `at_s` is NaN.
    """
    if isinstance(names, str):
        raise BadInput(f"names is the text {names!r}; wanted a sequence of names. For one name pass [{names!r}].")
    for name in names:
        _name(name)
    if not isinstance(at_s, (int, float, np.number)) or isnan(at_s):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(f"at_s is {at_s!r}; wanted seconds since 1970, or inf for the newest.")
    return _entities(entities)


def checked_expiry(before_s: float) -> None:
    """Refuse a time that is no number.

    Raises:
        BadInput: `before_s` is NaN.
    """
    if not isinstance(before_s, (int, float, np.number)) or isnan(before_s):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(f"before_s is {before_s!r}; wanted seconds since 1970.")


def _entities(entities: Any) -> NDArray[np.int64]:
    found = np.asarray(entities)
    if found.ndim != 1:
        raise BadInput(f"entities has shape {found.shape}; wanted (entities,). For one entity pass np.array([entity]).")
    if found.size and (found.dtype.kind not in "iu" or (found.dtype == np.uint64 and int(found.max()) >= 2**63)):
        raise BadInput(f"entities holds {found.dtype}, among them {found[0]!r}; wanted int64 numbers.")
    return np.ascontiguousarray(found, dtype=np.int64)


def _name(name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise BadInput(f"a feature is called {name!r}; wanted a text of one character or more.")
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise BadInput(f"a feature is called {name!r}; wanted a text without lone surrogates.") from None


def packed(entities: NDArray[np.int64], names: Sequence[str], values: NDArray[np.float64], at_s: float) -> bytes:
    """One write as bytes: its second, the sizes, the names as JSON, entities, values; little-endian."""
    texts = json.dumps(list(names)).encode()
    head = _HEAD.pack(at_s, len(texts), len(entities))
    return b"".join((head, texts, entities.astype("<i8").tobytes(), values.astype("<f8").tobytes()))


def unpacked(body: bytes) -> tuple[NDArray[np.int64], list[str], NDArray[np.float64], float]:
    """The inverse of `packed`.

    Example:
        >>> unpacked(packed(np.array([7]), ["clicks"], np.array([[2.0]]), 1.5))
        (array([7]), ['clicks'], array([[2.]]), 1.5)
    """
    at_s, length, count = _HEAD.unpack_from(body)
    begin = _HEAD.size + length
    names = [str(name) for name in json.loads(body[_HEAD.size : begin])]
    entities = np.frombuffer(body, "<i8", count, begin).astype(np.int64)
    values = np.frombuffer(body, "<f8", count * len(names), begin + 8 * count).astype(np.float64)
    return entities, names, values.reshape(len(names), count), at_s
