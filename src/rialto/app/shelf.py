"""Versions of a shop's models as people look at them: listed, promoted by hand, and rolled back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rialto.app.cross import shelf_of
from rialto.app.engines import Engines
from rialto.app.suggesting import ranking_name
from rialto.errors import EngineError
from rialto.local.cross_model import CrossShelf
from rialto.local.models import LocalModels

__all__ = ["Kept", "Shelf", "shelves"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A version that is kept.

    Args:
        version: Its name.
        live: Whether it is the one that serves.
        time_s: When it was kept, seconds since 1970; 0 = not known.
        parent: The version that it was trained to replace; "" = none.
        about: What it is, for people.
    """

    version: str
    live: bool
    time_s: float
    parent: str
    about: str


class Shelf(Protocol):
    """Versions of one model."""

    def versions(self) -> tuple[Kept, ...]:
        """All that are kept, the newest first."""
        ...

    def promote(self, version: str) -> None:
        """Let a version serve; `NothingHere` where there is none of this name."""
        ...

    def back(self) -> str:
        """Let the version serve that did before the live one; "" = none did, and none does now."""
        ...


def shelves(engines: Engines, ranker: str) -> Mapping[str, Shelf]:
    """The shelves of a shop's models, by kind: `ranker`, `suggestions` and `cross`; `EngineError` where versions cannot be listed."""
    models = engines.models()
    if not isinstance(models, LocalModels):
        raise EngineError(f"the models of {type(models).__name__} cannot be listed here; use its own tools.")
    cross = shelf_of(engines.settings.home, ranker)
    return {"ranker": _Named(models, ranker), "suggestions": _Named(models, ranking_name(ranker)), "cross": _Crosses(cross)}


class _Named:
    def __init__(self, models: LocalModels, name: str) -> None:
        self._models, self._name = models, name

    def versions(self) -> tuple[Kept, ...]:
        live = self._models.live(self._name)
        return tuple(
            Kept(v, live is not None and v == live[0], at_s, card.parent, f"{card.kind} over {len(card.inputs)} inputs")
            for v, card, at_s in self._models.kept(self._name)
        )

    def promote(self, version: str) -> None:
        self._models.promote(self._name, version)

    def back(self) -> str:
        return self._models.back(self._name)


class _Crosses:
    def __init__(self, shelf: CrossShelf) -> None:
        self._shelf = shelf

    def versions(self) -> tuple[Kept, ...]:
        live, out = self._shelf.serving(), list[Kept]()
        for version in self._shelf.versions():
            model, at_s = self._shelf.read(version)
            layers = f"{model.shape.layers} layers, trained {model.params.get('steps', '?')} steps"
            out.append(Kept(version, version == live, at_s, model.params.get("start", ""), layers))
        return tuple(sorted(out, key=lambda k: (-k.time_s, k.version)))

    def promote(self, version: str) -> None:
        self._shelf.promote(version)

    def back(self) -> str:
        return self._shelf.back()
