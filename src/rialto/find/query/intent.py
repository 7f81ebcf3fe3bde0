"""What a shopper wants of a query: one item, a kind of thing, a feature, a page of the shop, or to look around; with probabilities."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.query.roles import keys, role_names
from rialto.find.query.understood import Understood

__all__ = ["INTENTS", "Intents", "navigation_phrases"]

INTENTS = ("exact", "type", "attribute", "navigation", "browse")
"""One item; a kind of thing and nothing else; things with a feature; a page of the shop; anything broader, a brand among them."""

_FEATURES = (
    "one", "words", "long", "exact_id", "model", "model_share", "type", "type_share", "brand", "brand_share", "features", "number",
    "other_share", "bound", "negated", "top_type", "navigation", "navigation_part", "sure",
)  # fmt: skip
_FEATURE_KINDS = ("colour", "size", "material", "attribute")
_RIDGE = 1e-3


@cache
def navigation_phrases() -> frozenset[tuple[str, ...]]:
    """What shoppers type who want a page of the shop, by their words' keys.

    Example:
        >>> ("return", "policy") in navigation_phrases()
        True
    """
    data = tomllib.loads(files("rialto.find").joinpath("data/intent.toml").read_text(encoding="utf-8"))
    return frozenset(w for p in data["navigation"] if (w := keys(p)))


@dataclass(frozen=True)
class Intents:
    """A multinomial logistic model of a few features of what was understood.

    Args:
        weights: Shape (features, intents).
        ids: The catalogue's ids in lower case: a query that is one of them wants that item.
    """

    weights: NDArray[np.float64]
    ids: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def default(cls, ids: frozenset[str] = frozenset()) -> Intents:
        """The weights that ship: trained on made-up queries of the made-up shop."""
        return cls.load(files("rialto.find").joinpath("data/intent.json").read_bytes(), ids=ids)

    @classmethod
    def train(cls, seen: Sequence[Understood], right: Sequence[str], *, ids: frozenset[str] = frozenset()) -> Intents:
        """Train on queries as they are understood, and their intents; `BadInput` where there are none. Under a second for 3,000."""
        if not seen or len(seen) != len(right):
            raise BadInput(f"there are {len(seen)} queries and {len(right)} intents; wanted as many of both, and some.")
        blank = cls(np.zeros((len(_FEATURES), len(INTENTS))), ids)
        x, y = np.array([blank.features(u) for u in seen]), np.array([INTENTS.index(r) for r in right])
        hot = np.eye(len(INTENTS))[y]

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            w = flat.reshape(len(_FEATURES), len(INTENTS))
            z = x @ w
            z -= z.max(axis=1, keepdims=True)
            p = np.exp(z)
            p /= p.sum(axis=1, keepdims=True)
            value = -np.log(np.maximum(p[np.arange(len(y)), y], 1e-12)).mean() + _RIDGE * float((w * w).sum())
            return float(value), (x.T @ (p - hot) / len(y) + 2.0 * _RIDGE * w).ravel()

        from scipy.optimize import minimize  # 12 MB that whoever only serves need not hold

        found = minimize(loss, np.zeros(len(_FEATURES) * len(INTENTS)), jac=True, method="L-BFGS-B")
        weights = np.asarray(found.x, dtype=np.float64).reshape(len(_FEATURES), len(INTENTS)).round(4)
        return cls(weights.astype(np.float64), ids)

    def features(self, u: Understood) -> NDArray[np.float64]:
        """What the model sees, shape (features,)."""
        n = max(1, len(u.text.split()))
        sure = dict.fromkeys(("model", "type", "brand", "other", *_FEATURE_KINDS, "number"), 0.0)
        share = dict.fromkeys(sure, 0.0)
        for t in u.tags:
            if t.kind in sure:
                sure[t.kind] = max(sure[t.kind], t.probability)
                share[t.kind] += (t.stop - t.start) / n
        asked = tuple(k for k in keys(u.text) if k not in role_names("joining"))
        part = any(asked[i : i + m] in navigation_phrases() for m in (3, 2, 1) for i in range(len(asked) - m + 1))
        bound = u.low_cents == u.low_cents or u.high_cents == u.high_cents
        return np.array([
            1.0, min(n, 8) / 4.0, n >= 7, u.text in self.ids, sure["model"], share["model"], sure["type"], share["type"], sure["brand"],
            share["brand"], max(sure[k] for k in _FEATURE_KINDS), sure["number"], share["other"], bound, bool(u.without),
            u.types[0][1] if u.types else 0.0, keys(u.text) in navigation_phrases() or asked in navigation_phrases(), part,
            min((t.probability for t in u.tags), default=0.0),
        ], dtype=np.float64)  # fmt: skip

    def __call__(self, understood: Understood, /) -> tuple[tuple[str, float], ...]:
        """All intents with their probabilities, best first; an empty query browses."""
        if not understood.text:
            return (("browse", 1.0), *((i, 0.0) for i in INTENTS if i != "browse"))
        z = self.features(understood) @ self.weights
        p = np.exp(z - z.max())
        p /= p.sum()
        return tuple((INTENTS[i], float(p[i])) for i in np.argsort(-p, kind="stable").tolist())

    def save(self) -> bytes:
        """JSON; the ids belong to the catalogue and are not in it."""
        return json.dumps({"features": _FEATURES, "intents": INTENTS, "weights": self.weights.tolist()}).encode()

    @classmethod
    def load(cls, body: bytes, *, ids: frozenset[str] = frozenset()) -> Intents:
        """What `save` wrote; `BadInput` where it is something else."""
        try:
            data = json.loads(body)
            weights = np.array(data["weights"], dtype=np.float64)
            if (
                tuple(data["features"]) != _FEATURES
                or tuple(data["intents"]) != INTENTS
                or weights.shape != (len(_FEATURES), len(INTENTS))
            ):
                raise ValueError(f"features {data['features']} and intents {data['intents']}; wanted {_FEATURES} and {INTENTS}")
        except (ValueError, TypeError, KeyError) as e:
            raise BadInput(f"this is no model of intents: {e}; wanted what Intents.save wrote.") from None
        return cls(weights, ids)
