"""The trained parts that a reader asks beside spelling: negation, quantities, tags, product types, intent; each may be absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from rialto.find.query.understood import Quantity, Tag, Understood
from rialto.find.records import Rewrite

__all__ = ["Parts"]


class Negation(Protocol):
    """Takes "without magnet" out of a text: what is left, the phrases, and the rewrites."""

    def __call__(self, text: str, /) -> tuple[str, tuple[str, ...], tuple[Rewrite, ...]]: ...


class Measures(Protocol):
    """Finds the numbers with units of a text."""

    def __call__(self, text: str, /) -> tuple[Quantity, ...]: ...


class Tagging(Protocol):
    """Says what each word is."""

    def tag(self, words: Sequence[str], /) -> tuple[Tag, ...]: ...


class Typing(Protocol):
    """Product types of a text with their probabilities, best first."""

    def predict(self, text: str, /) -> tuple[tuple[str, float], ...]: ...


class Intent(Protocol):
    """Intents of what was understood so far, with their probabilities, best first."""

    def __call__(self, understood: Understood, /) -> tuple[tuple[str, float], ...]: ...


@dataclass(frozen=True)
class Parts:
    """What is there of them; None = the field of `Understood` stays empty.

    Args:
        kept: Name -> saved bytes of those that were trained, for `Reader.save`.
    """

    negation: Negation | None = None
    measures: Measures | None = None
    tagging: Tagging | None = None
    typing: Typing | None = None
    intent: Intent | None = None
    kept: Mapping[str, bytes] = field(default_factory=dict)

    def cut(self, now: Understood, undo: frozenset[str]) -> Understood:
        """`now` with its negations taken out of the text; those whose rewrites are undone stay words."""
        if self.negation is None:
            return now
        text, without, rewrites = self.negation(now.text)
        if not rewrites or any(r.id in undo for r in rewrites):
            return now
        return replace(now, text=text, without=(*now.without, *without), rewrites=(*now.rewrites, *rewrites))

    def fill(self, now: Understood) -> Understood:
        """`now` with quantities, tags, types and intents, in this order: each sees those before it."""
        if self.measures is not None:
            now = replace(now, quantities=self.measures(now.text))
        if self.tagging is not None:
            now = replace(now, tags=self.tagging.tag(now.text.split()))
        if self.typing is not None:
            now = replace(now, types=self.typing.predict(now.text)[:5])
        return now if self.intent is None else replace(now, intents=self.intent(now))
