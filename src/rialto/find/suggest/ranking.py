"""How suggestions are ranked: features of a line for a prefix, a linear model over them, and what was chosen for the prefix before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, known
from rialto.find.suggest.index import Matches
from rialto.find.suggest.records import KINDS, keyed
from rialto.find.suggest.sources import Lines

__all__ = ["FEATURES", "Choices", "Model", "Ranking", "Typed", "features"]

FEATURES = (
    "popular", "phrase", "category", "brand", "product", "recent", "inside", "moved", "left", "done", "slips", "agrees",
    "chosen", "popular_early", "product_late", "popular_product", "popular_phrase",
)  # fmt: skip
"""What the model sees of a line for a prefix, in the order of the columns."""

Scorer = Callable[[NDArray[np.float32]], NDArray[np.float64]]
_SHOWN = 4.0  # showings that a line without any is given, at no choice


@dataclass(frozen=True, slots=True)
class Typed:
    """One look at the list: what was typed, which texts stood below it, and which was taken ("" = none).

    Args:
        prefix: As typed.
        shown: Texts from the first line on.
        chosen: One of `shown`, or "".
    """

    prefix: str
    shown: tuple[str, ...]
    chosen: str = ""


@dataclass(frozen=True)
class Choices:
    """How often each line was taken where it was shown for a prefix: (prefix, line) -> rate, drawn towards 0 by four showings.

    Example:
        >>> c = Choices.of([Typed("la", ("lamp", "lace"), "lace"), Typed("LA ", ("lamp", "lace"), "lace")])
        >>> c.rates["la"]["lace"].__round__(3), c.rates["la"]["lamp"]
        (0.333, 0.0)
    """

    rates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[Typed]) -> Choices:
        """Count; lines below the chosen one were perhaps not looked at, and are not counted."""
        counts: dict[str, dict[str, list[float]]] = {}
        for e in events:
            own = counts.setdefault(keyed(e.prefix), {})
            keys = [keyed(s) for s in e.shown]
            chosen = keyed(e.chosen)
            for key in keys[: keys.index(chosen) + 1] if e.chosen and chosen in keys else keys:
                seen = own.setdefault(key, [0.0, 0.0])
                seen[0] += 1.0
                seen[1] += bool(e.chosen) and key == chosen
        return cls({p: {k: c / (n + _SHOWN) for k, (n, c) in own.items()} for p, own in counts.items()})


@dataclass(frozen=True)
class Model:
    """A linear model: `weight` of each feature, shape (FEATURES,), float64.

    Example:
        >>> Model.of_json(Model.default().to_json()).weight.shape == (len(FEATURES),)
        True
    """

    weight: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.weight.shape != (len(FEATURES),) or not np.isfinite(self.weight).all():
            raise BadInput(
                f"the model of suggestions has weights of shape {self.weight.shape}; wanted {len(FEATURES)} finite numbers."
            )

    def __call__(self, table: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores, shape (rows,), of features, shape (rows, FEATURES)."""
        return table @ self.weight

    def to_json(self) -> str:
        """One line: feature -> weight."""
        return json.dumps(dict(zip(FEATURES, [round(w, 6) for w in self.weight.tolist()])))

    @classmethod
    def of_json(cls, text: str) -> Model:
        """What `to_json` wrote; `BadInput` says what is wrong with it."""
        try:
            data = json.loads(text)
            odd = set(data if isinstance(data, dict) else ()) - set(FEATURES)
            if odd:
                raise BadInput(f"the model of suggestions names {sorted(odd)[0]!r}; known: {known(sorted(odd)[0], FEATURES)}.")
            return cls(np.array([float(data[name]) for name in FEATURES]))
        except (ValueError, KeyError, TypeError) as e:
            raise BadInput(
                f"the model of suggestions is {text[:80]!r}: {e!r}; wanted a weight for each of {', '.join(FEATURES)}."
            ) from None

    @classmethod
    def popularity(cls, *, begins: bool = True) -> Model:
        """The baseline: kinds in layers (queries, then categories and brands, then products), the most popular first within one.

        Args:
            begins: Lines that begin as typed stand before all others, which is most popular completion; False goes by popularity alone.

        Source:
            Bar-Yossef, Kraus (2011), "Context-sensitive query auto-completion", WWW, section 3.
        """
        layer = {"popular": 1.0, "phrase": -1.0, "category": -2.0, "brand": -2.0, "product": -4.0, "slips": -32.0}
        layer |= {"inside": -8.0, "moved": -16.0} if begins else {}
        return cls(np.array([layer.get(name, 0.0) for name in FEATURES]))

    @classmethod
    def default(cls) -> Model:
        """What ships: learned from simulated typing in made-up shops, see `learn.simulated`."""
        return _default()


@lru_cache(maxsize=1)
def _default() -> Model:
    return Model.of_json(files("rialto.find").joinpath("data/suggest.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Ranking:
    """What ranks: a scorer over the features (a `Model`, or trees), and past choices; `version` is "" for what ships."""

    scorer: Scorer = field(default_factory=Model.default)
    choices: Choices = field(default_factory=Choices)
    version: str = ""


def features(lines: Lines, lengths: NDArray[np.int32], matches: Matches, prefix: str, choices: Choices) -> NDArray[np.float32]:
    """What the model sees, shape (matches, FEATURES), float32; see `FEATURES`.

    Args:
        lines: All lines.
        lengths: Letters of each line's key, shape (lines,), int32.
        matches: The candidates.
        prefix: What was typed, keyed.
        choices: Past choices.
    """
    at = matches.line
    out = np.zeros((len(at), len(FEATURES)), dtype=np.float32)
    kind, popular = lines.kind[at], lines.prior[at]
    left = np.maximum(lengths[at] - matches.skipped - matches.typed, 0)
    early = np.float32(1.0 / max(len(prefix), 1))
    product = kind == KINDS.index("product")
    out[:, 0] = popular
    for column, name in enumerate(KINDS[1:], start=1):
        out[:, column] = kind == KINDS.index(name)
    out[:, 5] = lines.recent[at]
    out[:, 6] = (matches.skipped > 0) & ~matches.moved
    out[:, 7] = matches.moved
    out[:, 8] = np.log1p(left) / 4.0
    out[:, 9] = left == 0
    out[:, 10] = matches.cost
    out[:, 11] = lines.agrees[at]
    rates = choices.rates.get(prefix.rstrip())
    if rates:
        out[:, 12] = [rates.get(lines.key[i], 0.0) for i in at.tolist()]
    out[:, 13] = popular * early
    out[:, 14] = product * min(len(prefix), 24) / 24.0
    out[:, 15] = popular * product
    out[:, 16] = popular * (kind == KINDS.index("phrase"))
    return out
