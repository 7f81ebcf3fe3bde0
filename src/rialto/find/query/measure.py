"""How well queries are understood: exact corrections, and good queries that are changed, with intervals over queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.query.first import one_writing
from rialto.find.query.reader import Reader
from rialto.find.records import Rewrite

__all__ = ["Measured", "fold_of", "harm", "measure_folds", "measure_spelling"]

_DRAWS = 1000
_MENDS = ("spelling", "split", "join")


@dataclass(frozen=True, slots=True)
class Measured:
    """A mean over queries with its 95 % bootstrap interval; `each` holds 0 or 1 of every query, in order."""

    value: float
    low: float
    high: float
    each: NDArray[np.float64]


def measure_spelling(reader: Reader, pairs: Sequence[tuple[str, str]], *, seed: int = 0) -> Measured:
    """Share of misspelt queries that are read exactly as what was meant.

    Both are compared in the catalogue's writing of units: `36in` and `36 in` are the same, and "under $50" stays words.

    Args:
        pairs: (As typed, as meant).

    Raises:
        BadInput: there are no pairs.
    """
    return _measured(
        [float(_mended(reader, typed) == _written(reader, meant)) for typed, meant in pairs], seed, "pairs of spellings"
    )


def harm(reader: Reader, good: Sequence[str], *, seed: int = 0) -> Measured:
    """Share of good queries of which any word is respelt, split or joined; the writing of units and model numbers does not count."""
    return _measured([float(any(r.kind in _MENDS for r in _read(reader, q))) for q in good], seed, "good queries")


def fold_of(text: str, folds: int) -> int:
    """The part of `folds` that a correction falls into, by a hash of its text: the same correction always into the same.

    Example:
        >>> fold_of("garden hose", 5) == fold_of("garden hose", 5)
        True
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") % folds


def measure_folds(
    train: Callable[[Sequence[tuple[str, str]], Sequence[str]], Reader], pairs: Sequence[tuple[str, str]], good: Sequence[str], *,
    folds: int, seed: int = 0, parts: int | None = None,
) -> Mapping[str, Measured]:  # fmt: skip
    """Spelling and harm by cross-validation: each part's texts are read by a reader trained on the other parts'.

    `spelling_exact`; `spelling_harm` of the good queries; `spelling_harm_corrected`, of the corrected texts read again.

    Args:
        train: Makes a reader from training pairs and good queries; it must see nothing else of `pairs` and `good`.
        pairs: (As typed, as meant); split by what was meant, so that no correction is in both.
        good: Good queries; spread over the parts by hash, each read once, by the reader of its part.
        folds: Parts, 2 or more.
        parts: Parts that are tested, the first ones; None = all.

    Raises:
        BadInput: fewer than two folds, or a part without pairs.
    """
    if folds < 2:
        raise BadInput(f"folds is {folds}; wanted 2 or more.")
    exact, own, hurt = list[NDArray[np.float64]](), list[NDArray[np.float64]](), list[NDArray[np.float64]]()
    for part in range(folds if parts is None else parts):
        reader = train([p for p in pairs if fold_of(p[1], folds) != part], [q for q in good if fold_of(q, folds) != part])
        mine = [p for p in pairs if fold_of(p[1], folds) == part]
        exact.append(measure_spelling(reader, mine, seed=seed).each)
        own.append(harm(reader, [meant for _, meant in mine], seed=seed).each)
        others = [q for q in good if fold_of(q, folds) == part]
        hurt.append(harm(reader, others, seed=seed).each if others else np.zeros(0))
    out = {
        "spelling_exact": _measured(np.concatenate(exact).tolist(), seed, "pairs"),
        "spelling_harm_corrected": _measured(np.concatenate(own).tolist(), seed, "corrected queries"),
    }
    if good:
        out["spelling_harm"] = _measured(np.concatenate(hurt).tolist(), seed, "good queries")
    return out


def _read(reader: Reader, text: str) -> tuple[Rewrite, ...]:
    return reader.mend(text).rewrites


def _mended(reader: Reader, text: str) -> str:
    return reader.mend(text).text


def _written(reader: Reader, text: str) -> str:
    return reader.writings.write(one_writing(text))[0]


def _measured(each: Sequence[float], seed: int, what: str) -> Measured:
    if not each:
        raise BadInput(f"there are no {what} to measure on.")
    x = np.asarray(each, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(len(x), size=(_DRAWS, len(x)))
    low, high = np.quantile(x[drawn].mean(axis=1), [0.025, 0.975])
    return Measured(float(x.mean()), float(low), float(high), x)
