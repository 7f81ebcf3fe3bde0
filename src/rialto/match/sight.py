"""The first look at a pair: a linear model of acceptance, cheap enough for every driver that the search found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.spine.learn import Examples
from rialto.threads import spread

__all__ = ["SIGHT", "Linear"]

SIGHT = "sight"
"""Name of the linear model among the params of an acceptance model's card."""

_RIDGE = 1.0  # examples of "no difference" that every feature begins with
_STEPS = 25
_GRAIN = 8192  # pairs worth a call

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Linear:
    """Log-odds of acceptance, linear in the features; a missing one counts as its mean.

    Args:
        names: Features, in order.
        mean: What each is on average, shape (names,).
        weight: What one unit of it is worth, shape (names,).
        bias: Log-odds of the average pair.

    Raises:
        BadInput: other lengths, or a number that is not finite.

    Example:
        >>> sight = Linear(("pickup_s",), np.array([300.0]), np.array([-0.01]), 1.0)
        >>> sight.odds({"pickup_s": np.array([300.0, 500.0, np.nan], dtype=np.float32)}).tolist()
        [1.0, -1.0, 1.0]
    """

    names: tuple[str, ...]
    mean: Floats
    weight: Floats
    bias: float

    def __post_init__(self) -> None:
        numbers = np.concatenate([self.mean, self.weight, [self.bias]])
        if not len(self.mean) == len(self.weight) == len(self.names) or not len(self.names) or not np.isfinite(numbers).all():
            raise BadInput(
                f"a linear model of {len(self.names)} features has {len(self.mean)} means and {len(self.weight)} weights; "
                "wanted a finite one of each for every feature."
            )

    @classmethod
    def fit(cls, examples: Examples) -> Linear:
        """Logistic regression on examples whose label is 1 = accepted, 0 = not.

        Cost:
            Some ten passes over the rows.

        Source:
            Hastie, Tibshirani, Friedman (2009), "The Elements of Statistical Learning", 4.4.1: iteratively reweighted least squares.
        """
        x = examples.features.astype(np.float64)
        there = np.isfinite(x)
        count = np.maximum(there.sum(axis=0), 1)
        mean = np.where(there, x, 0.0).sum(axis=0) / count
        away = np.where(there, x - mean, 0.0)
        wide = np.sqrt((away * away).sum(axis=0) / count)
        wide = np.where(wide > 1e-9, wide, 1.0)
        table = np.concatenate([np.ones((len(x), 1)), away / wide], axis=1)
        pull = np.full(table.shape[1], _RIDGE)
        pull[0] = 1e-6
        beta = np.zeros(table.shape[1])
        for _ in range(_STEPS):
            p = 1.0 / (1.0 + np.exp(-np.clip(table @ beta, -30.0, 30.0)))
            slope = table.T @ (examples.weights * (examples.label - p)) - pull * beta
            bend = (table * (examples.weights * np.maximum(p * (1.0 - p), 1e-6))[:, None]).T @ table + np.diag(pull)
            step = np.linalg.solve(bend, slope)
            beta += step
            if float(np.abs(step).max()) < 1e-8:
                break
        return cls(examples.names, mean, beta[1:] / wide, float(beta[0]))

    def odds(self, columns: Mapping[str, NDArray[Any]]) -> Floats:
        """Log-odds of every pair, shape (pairs,)."""
        read = tuple(np.ascontiguousarray(columns[name], dtype=np.float32) for name in self.names)
        out = np.empty(len(read[0]))
        spread(lambda low, high: _add(low, high, read, self.mean, self.weight, self.bias, out), len(out), grain=_GRAIN)
        return out

    def odds_plain(self, columns: Mapping[str, NDArray[Any]]) -> Floats:
        """`odds` in plain numpy, for its test."""
        table = np.stack([np.asarray(columns[name], dtype=np.float64) for name in self.names], axis=1) - self.mean
        return self.bias + np.where(np.isnan(table), 0.0, table) @ self.weight

    def to_json(self) -> str:
        """One line."""
        return json.dumps({"names": self.names, "mean": self.mean.tolist(), "weight": self.weight.tolist(), "bias": self.bias})

    @classmethod
    def of_json(cls, text: str) -> Linear:
        """What `to_json` wrote; `BadInput` for anything else."""
        try:
            held = json.loads(text)
            return cls(tuple(held["names"]), np.array(held["mean"], float), np.array(held["weight"], float), float(held["bias"]))
        except (ValueError, KeyError, TypeError) as e:
            raise BadInput(f"a linear model is {text[:80]!r}: {e!r}; wanted what to_json wrote.") from None


@nb.njit(cache=True, nogil=True)
def _add(low: int, high: int, columns: Any, mean: Floats, weight: Floats, bias: float, out: Floats) -> None:
    out[low:high] = bias
    for c in range(len(columns)):
        column, m, w = columns[c], mean[c], weight[c]
        for i in range(low, high):
            value = column[i] - m
            if value == value:
                out[i] += w * value
