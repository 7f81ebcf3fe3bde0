"""Whether a mending is believed: a logistic model of its gain, its cost and what the words are, learned from right and wrong ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from rialto.errors import BadInput

__all__ = ["FEATURES", "Acceptor", "Mending"]

FEATURES = (
    "gain", "cost", "likely", "shop", "known", "known_likely", "known_shop", "letters", "around", "others", "words", "pieces", "first",
    "gain_letter", "cost_letter", "shop_around", "one",
)  # fmt: skip
_SCALE = np.array([10.0, 5.0, 3.0, 1.0, 1.0, 3.0, 1.0, 3.0, 0.5, 2.0, 0.5, 0.5, 0.5, 1.0, 0.5, 0.5, 1.0])
_RIDGE = 0.3
_UNKNOWN = -22.0  # log P of a word that nothing knows


@dataclass(frozen=True, slots=True)
class Mending:
    """One change that the cheapest reading makes.

    Args:
        gain: Cost of leaving it as typed, less the cost of the change, in context.
        cost: -log P(typed | meant).
        likely: Least log P of the words meant; `shop`: the shop's own texts hold them all.
        typed_likely: Greatest log P of the words typed, NaN = nothing knows one of them; `typed_shop`: the shop holds one of them.
        letters: Letters typed. `around`: share of the other words that the shop holds, of `others`.
        words, pieces: Words meant and typed. `first`: the first letter stays.
    """

    gain: float
    cost: float
    likely: float
    shop: bool
    typed_likely: float
    typed_shop: bool
    letters: int
    around: float
    others: int
    words: int
    pieces: int
    first: bool

    def features(self) -> NDArray[np.float64]:
        """What the model sees, shape (features,), scaled."""
        known = self.typed_likely == self.typed_likely
        row = [
            min(self.gain, 40.0), self.cost, self.likely + 11.0, self.shop, known, (self.typed_likely if known else _UNKNOWN) + 17.0,
            self.typed_shop, self.letters - 7.0, self.around, min(self.others, 6), self.words - 1, self.pieces - 1, self.first,
            self.gain / self.letters, self.cost / self.letters, self.shop * self.around, 1.0,
        ]  # fmt: skip
        return np.array(row, dtype=np.float64) / _SCALE


@dataclass(frozen=True)
class Acceptor:
    """Weights of a logistic model, shape (features,), and how sure they are: the inverse of their covariance, (features, features)."""

    weights: NDArray[np.float64]
    precision: NDArray[np.float64]

    @classmethod
    def default(cls) -> Acceptor:
        """The one that ships: learned from made-up mistypings, with words among them that the lexicon does not know."""
        return cls.of_json(files("rialto.find").joinpath("data/accept.json").read_text(encoding="utf-8"))

    @classmethod
    def untrained(cls) -> Acceptor:
        """Believes everything that gains."""
        size = len(FEATURES)
        return cls(np.eye(size)[-1] * 9.0, np.eye(size) * _RIDGE)

    def log_odds(self, mending: Mending) -> float:
        """log(P(right) / P(wrong)) of a mending."""
        return float(mending.features() @ self.weights)

    def train(self, x: NDArray[np.float64], right: NDArray[np.bool_], *, fresh: bool = False) -> Acceptor:
        """Learn from mendings, rows of features, and whether each was right, with this model as Gaussian prior (`fresh`: none).

        Source:
            Spiegelhalter & Lauritzen (1990), "Sequential updating of conditional probabilities", Networks 20: Laplace's approximation.
        """
        if not len(x):
            return self
        size = len(FEATURES)
        at, sure = (np.zeros(size), np.eye(size) * _RIDGE) if fresh else (self.weights, self.precision)
        y = right.astype(np.float64)

        def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            z, away = x @ w, w - at
            value = np.sum(np.logaddexp(0.0, z) - y * z) + 0.5 * away @ sure @ away
            return float(value), x.T @ (1.0 / (1.0 + np.exp(-z)) - y) + sure @ away

        w = np.asarray(minimize(loss, at, jac=True, method="L-BFGS-B").x)
        p = 1.0 / (1.0 + np.exp(-(x @ w)))
        return Acceptor(w, sure + (x * (p * (1.0 - p))[:, None]).T @ x)

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(
            {
                "features": FEATURES,
                "weights": np.round(self.weights, 3).tolist(),
                "precision": np.round(self.precision, 2).tolist(),
            }
        )

    @classmethod
    def of_json(cls, text: str) -> Acceptor:
        """What `to_json` wrote; `BadInput` says what is wrong with it."""
        try:
            data = json.loads(text)
            weights, precision = np.array(data["weights"], dtype=np.float64), np.array(data["precision"], dtype=np.float64)
            if (
                tuple(data["features"]) != FEATURES
                or weights.shape != (len(FEATURES),)
                or precision.shape != (len(FEATURES),) * 2
            ):
                raise ValueError(f"of features {data['features']}; wanted {FEATURES}")
        except (ValueError, TypeError, KeyError) as e:
            raise BadInput(f"this is no acceptor: {e}; wanted what Acceptor.to_json wrote.") from None
        return cls(weights, precision)
