"""The Features step: named float32 columns from the request and the candidate alone, the same for live, replay and training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Columns, Context, Requests

__all__ = ["Features", "matrix", "unknown"]


@dataclass(frozen=True, slots=True)
class Features:
    """A group of features made together.

    Args:
        name: What the trace calls it.
        names: The columns it makes; exactly these.
        compute: Makes them, shape (rows,) float32 each; NaN is "missing", which is not zero.
        otherwise: Declared fallback, the value that fills all of `names`; None = its failure fails the run.
        budget_s: Most seconds it may take, within the run's deadline.
    """

    name: str
    names: tuple[str, ...]
    compute: Callable[[Requests, Candidates, Context], Columns]
    otherwise: float | None = None
    budget_s: float = float("inf")


def unknown(name: str, names: tuple[str, ...]) -> Features:
    """A group whose columns are not known of anything: what a model may read whether or not it is there.

    Example:
        >>> made = unknown("profile", ("likes",)).compute(Requests.of({}), Candidates.none(0), Context())
        >>> list(made)
        ['likes']
    """

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        return dict(zip(names, np.full((len(names), len(candidates)), np.nan, dtype=np.float32)))

    return Features(name, names, compute)


def matrix(candidates: Candidates, names: Sequence[str]) -> NDArray[np.float32]:
    """The columns `names` side by side, shape (rows, names), float32, rows contiguous: a model's input.

    Example:
        >>> c = Candidates(np.array([0, 2]), np.array([1, 2]), {"a": np.array([1.0, 2.0]), "b": np.array([3, 4])})
        >>> matrix(c, ["b", "a"]).tolist()
        [[3.0, 1.0], [4.0, 2.0]]
    """
    if not names:
        return np.empty((len(candidates), 0), dtype=np.float32)
    known = candidates.columns
    columns = [known[n] if n in known else candidates.column(n) for n in names]
    flat = np.concatenate(columns, dtype=np.float32, casting="unsafe")  # one copy, and another in the order that a model reads
    return np.ascontiguousarray(flat.reshape(len(names), len(candidates)).T)
