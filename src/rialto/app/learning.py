"""How models are trained and scored when a system learns: CatBoost trains, our kernel scores; the spine knows neither."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rialto.errors import NothingHere
from rialto.match.ahead import dump, load
from rialto.match.outlook import Ahead
from rialto.match.records import Plane
from rialto.ports import Blobs, Models
from rialto.spine.learn import Examples, Fit, Score

__all__ = ["ahead_name", "fitter", "keep_ahead", "kept_ahead", "scorer"]


def fitter(
    loss: Literal["YetiRank", "Logloss", "RMSE"], *, trees: int = 100, depth: int = 6, learning_rate: float | None = None
) -> Fit:
    """A trainer of oblivious trees with the given loss; `EngineMissing` on its first call where CatBoost is absent."""

    def fit(examples: Examples, seed: int) -> bytes:
        from rialto.local.trees import fit as grow

        return grow(
            examples.features,
            examples.label,
            examples.group,
            loss=loss,
            trees=trees,
            depth=depth,
            learning_rate=learning_rate,
            seed=seed,
            weights=examples.weights,
            names=examples.names,
        ).to_bytes()

    return fit


def scorer(models: Models) -> Score:
    """Scores rows by a body that is not registered yet, or by a version's name."""

    def score(model: bytes | str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        if isinstance(model, str):
            return models.score(model, inputs)
        from rialto.local.trees import Trees

        return Trees.from_bytes(model).score(inputs)

    return score


def keep_ahead(blobs: Blobs, plane: Plane, ahead: Ahead) -> None:
    """Keep what drivers are worth where, for dispatch systems on the same plane: cells mean other places on another."""
    blobs.put(ahead_name(plane), dump(ahead))


def kept_ahead(blobs: Blobs, plane: Plane) -> Ahead | None:
    """What `keep_ahead` kept; None where nothing was, `BadInput` where it is damaged."""
    try:
        return load(blobs.get(ahead_name(plane)))
    except NothingHere:
        return None


def ahead_name(plane: Plane) -> str:
    """Name of the blob that `keep_ahead` writes."""
    return f"match/ahead/{plane.lat:.6f}_{plane.lon:.6f}.npz"
