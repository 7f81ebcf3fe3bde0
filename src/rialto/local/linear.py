"""A linear model as bytes: one weight for each input, in JSON."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput

__all__ = ["Linear"]


class Linear:
    """Scores rows by the sum of their inputs, each times its weight; a NaN input counts as 0.

    Args:
        names: Inputs, in column order.
        weights: Of each, shape (inputs,).

    Raises:
        BadInput: there is not one finite weight for each input.

    Example:
        >>> model = Linear.of_bytes(Linear(("a", "b"), np.array([1.0, -2.0])).to_bytes())
        >>> model.names, model.score(np.array([[3.0, 1.0]], dtype=np.float32)).tolist()
        (('a', 'b'), [1.0])
    """

    def __init__(self, names: tuple[str, ...], weights: NDArray[np.float64]) -> None:
        if weights.shape != (len(names),) or not np.isfinite(weights).all():
            raise BadInput(f"a linear model has weights of shape {weights.shape}; wanted {len(names)} finite numbers.")
        self.names, self.weights = names, weights

    def score(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores, shape (rows,), of (rows, inputs)."""
        return np.nan_to_num(inputs.astype(np.float64)) @ self.weights

    def to_bytes(self) -> bytes:
        """Input -> weight, as JSON."""
        return json.dumps(dict(zip(self.names, self.weights.tolist()))).encode()

    @classmethod
    def of_bytes(cls, body: bytes) -> Linear:
        """What `to_bytes` wrote; `BadInput` where it is something else."""
        try:
            data = json.loads(body)
            return cls(tuple(data), np.array([float(w) for w in data.values()], dtype=np.float64))
        except (ValueError, TypeError, AttributeError) as e:
            raise BadInput(f"these {len(body)} bytes are no linear model ({e}); wanted input -> weight, as JSON.") from None
