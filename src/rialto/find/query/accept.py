"""Whether a mending is believed: a logistic model over steps of what is known of a change, learned from right and wrong ones."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput

__all__ = ["FEATURES", "Acceptor"]

FEATURES = (
    "cost", "context_known", "context_unknown", "likely", "typed_likely", "typed_unknown", "typed_checked", "typed_shop", "shop", "checked",
    "follows", "followed", "typed_follows", "typed_followed", "letters", "distance", "first", "last", "same_length", "same_letters", "undoubled",
    "sound", "plural", "words", "pieces", "others", "others_shop", "gap", "rank", "lead", "share", "glued", "by_stem", "per_word",
    "taught", "ratio", "longer", "dear", "typed_shape", "typed_worst", "shape", "worst", "texts", "known_others", "odd",
)  # fmt: skip
_RIDGE = 1.0
_STEPS = 9  # of a feature at most
_HARM = 0.018  # share of good queries that may be changed
_ENOUGH_GOOD = 200  # good queries from which the threshold is read
_TURNS = 8  # of Newton's method


@dataclass(frozen=True)
class Acceptor:
    """A logistic model: each feature as it is, and one weight more for each step that it is past.

    Args:
        edges: Feature -> its steps, rising.
        weights: Of the constant, the features, and all steps in order, shape (1 + features + steps,).
        believed: Least log-odds for a change to be made.
    """

    edges: tuple[tuple[float, ...], ...]
    weights: NDArray[np.float64]
    believed: float

    @classmethod
    def default(cls) -> Acceptor:
        """The one that ships: learned from made-up mistypings, with words among them that the lexicon does not know."""
        return cls.of_json(files("rialto.find").joinpath("data/accept.json").read_text(encoding="utf-8"))

    @classmethod
    def fitted(cls, x: NDArray[np.float64], right: NDArray[np.bool_], *, believed: float) -> Acceptor:
        """Learn from changes, rows of features, and whether each was right: ridge regression of the log-odds.

        About a second for 40,000 changes.

        Raises:
            BadInput: there are no rows, or they are not of `FEATURES`.
        """
        if not len(x) or x.shape[1] != len(FEATURES):
            raise BadInput(f"changes of shape {x.shape}; wanted rows of {len(FEATURES)} features.")
        steps = np.quantile(x, np.linspace(0.0, 1.0, _STEPS + 2)[1:-1], axis=0).T
        edges = tuple(tuple(np.unique(np.round(s, 3)).tolist()) for s in steps)
        made = cls(edges, np.zeros(1 + len(FEATURES) + sum(map(len, edges))), believed)
        return replace(made, weights=_newton(made._spread(x), right.astype(np.float32)))

    def log_odds(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """log(P(right) / P(wrong)) of changes, rows of features; shape (changes,)."""
        return (self._spread(x) @ self.weights).astype(np.float64)

    def careful(self, best: NDArray[np.float64]) -> Acceptor:
        """This one, believing what at most 1.8 % of good queries reach; `best`: the greatest log-odds of a change of each."""
        if len(best) < _ENOUGH_GOOD:
            return self
        return replace(self, believed=float(np.quantile(best, 1.0 - _HARM)))

    def _spread(self, x: NDArray[np.float64]) -> NDArray[np.float32]:
        which, least = self._steps
        return np.concatenate([np.ones((len(x), 1)), x / 10.0, x[:, which] > least], axis=1, dtype=np.float32)

    @cached_property
    def _steps(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Feature of each step in order, and where it lies, shape (steps,) each."""
        which = np.repeat(np.arange(len(self.edges)), [len(e) for e in self.edges])
        return which, np.array([step for e in self.edges for step in e], dtype=np.float64)

    def to_json(self) -> str:
        """One JSON object."""
        edges = [list(e) for e in self.edges]
        weights = np.round(self.weights, 3).tolist()
        return json.dumps({"features": FEATURES, "edges": edges, "weights": weights, "believed": round(self.believed, 3)})

    @classmethod
    def of_json(cls, text: str) -> Acceptor:
        """What `to_json` wrote; `BadInput` says what is wrong with it."""
        try:
            data = json.loads(text)
            edges = tuple(tuple(float(v) for v in e) for e in data["edges"])
            weights, believed = np.array(data["weights"], dtype=np.float64), float(data["believed"])
            wanted = (1 + len(FEATURES) + sum(map(len, edges)),)
            if tuple(data["features"]) != FEATURES or len(edges) != len(FEATURES) or weights.shape != wanted:
                raise ValueError(f"of features {data['features']} and {weights.shape} weights; wanted {FEATURES} and {wanted}")
        except (ValueError, TypeError, KeyError) as e:
            raise BadInput(f"this is no acceptor: {e}; wanted what Acceptor.to_json wrote.") from None
        return cls(edges, weights, believed)


def _newton(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weights of a logistic ridge regression, by iteratively reweighted least squares."""
    w = np.zeros(x.shape[1])
    for _ in range(_TURNS):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ w.astype(np.float32), -30.0, 30.0)))
        slope = x.T @ (p - y) + _RIDGE * w
        curve = (x * (p * (1.0 - p))[:, None]).T @ x + _RIDGE * np.eye(len(w))
        step = np.linalg.solve(curve.astype(np.float64), slope)
        w -= step
        if float(np.abs(step).max()) < 1e-3:
            break
    return w
