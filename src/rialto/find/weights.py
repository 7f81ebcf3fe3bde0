"""How BM25F weighs the fields: boost and b of each, one k1; the defaults, what tuning found, and how both are kept."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.terms import FIELDS
from rialto.ports import TextField

__all__ = ["DEFAULT", "Weights"]


@dataclass(frozen=True)
class Weights:
    """BM25F's parameters.

    Args:
        boost: Weight of each field of `rialto.find.terms.FIELDS`, shape (fields,), 0 or more.
        b: How far a field's length counts, shape (fields,), 0..1.
        k1: How soon more of a word adds nothing; one for all, as BM25F saturates once, after the fields are summed.

    Source:
        Robertson, Zaragoza (2009), "The probabilistic relevance framework: BM25 and beyond", section 3.6.

    Example:
        >>> Weights.of_json(DEFAULT.to_json()).same(DEFAULT)
        True
    """

    boost: NDArray[np.float64]
    b: NDArray[np.float64]
    k1: float

    def __post_init__(self) -> None:
        sane = self.boost.shape == self.b.shape == (len(FIELDS),) and np.isfinite(self.boost).all() and (self.boost >= 0).all()
        if not (sane and self.boost.any() and ((self.b >= 0) & (self.b <= 1)).all() and 0 <= self.k1 <= 100):
            raise BadInput(
                f"BM25F has boosts {self.boost.tolist()}, b {self.b.tolist()}, k1 {self.k1}; wanted {len(FIELDS)} boosts of 0 or "
                f"more, not all 0, for {', '.join(FIELDS)}, as many b in 0..1, and k1 in 0..100."
            )

    def same(self, other: Weights) -> bool:
        """True where every number is the same."""
        return bool(np.array_equal(self.boost, other.boost) and np.array_equal(self.b, other.b) and self.k1 == other.k1)

    def fields(self) -> tuple[TextField, ...]:
        """As the fields of a text index; a field of no weight keeps a little, so that it is found by its words alone."""
        rows = zip(FIELDS, self.boost.tolist(), self.b.tolist())
        return tuple(TextField(name, boost=max(boost, 0.01), k1=self.k1, b=b) for name, boost, b in rows)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(
            {"boost": dict(zip(FIELDS, self.boost.tolist())), "b": dict(zip(FIELDS, self.b.tolist())), "k1": self.k1}
        )

    @classmethod
    def of_json(cls, text: str) -> Weights:
        """What `to_json` wrote; `BadInput` says what is wrong with it."""
        try:
            data = json.loads(text)
            boost, b = (np.array([float(data[what][name]) for name in FIELDS]) for what in ("boost", "b"))
            return cls(boost, b, float(data["k1"]))
        except (ValueError, KeyError, TypeError) as e:
            raise BadInput(f"BM25F weights are {text[:80]!r}: {e!r}; wanted boost and b by field, and k1.") from None


DEFAULT = Weights(np.array([3.0, 2.0, 2.0, 2.0, 1.0, 0.5]), np.full(len(FIELDS), 0.75), 0.9)
"""What serves where nothing was tuned: the fields in the order of `FIELDS`."""
