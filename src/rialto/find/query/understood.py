"""What a query was understood as: the records that the parts of query understanding hand on."""

from __future__ import annotations

from dataclasses import dataclass

from rialto.find.records import Rewrite

__all__ = ["Quantity", "Tag", "Understood"]


@dataclass(frozen=True, slots=True)
class Tag:
    """What a run of words is: words `start` up to, not with, `stop` of `Understood.text.split()`.

    Args:
        start, stop: Words, from 0.
        kind: `brand`, `type`, `colour`, `size`, `material`, `model`, `number`, `unit`, `attribute` or `other`.
        value: What the catalogue calls it; the words themselves where it has no name for them.
        probability: Of the kind, 0 to 1.
    """

    start: int
    stop: int
    kind: str
    value: str
    probability: float


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit as it was asked for.

    Args:
        name: The attribute it bounds; "" = bound to none.
        low, high: Both ends in; -inf or +inf = open.
        unit: As the units file writes it, `gb`; "" = none.
    """

    name: str
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True)
class Understood:
    """A query as it is searched for.

    Args:
        asked: What was typed.
        text: What is searched for; "" = everything.
        low_cents, high_cents: Price bounds that the text named, both ends in; NaN = none.
        rewrites: What was done, for the shopper to see and undo by id.
        alternatives: Whole texts beside `text`, a synonym or compound exchanged, best first, at most 4: searched too.
        synonyms: Those that were exchanged in `alternatives`, to be undone by id.
        without: Phrases that no result may hold.
        quantities: Numbers with units that were asked for.
        tags: What the words are.
        types: Category path or product type and its probability, best first, at most 5.
        intents: `exact`, `type`, `attribute`, `navigation`, `browse` with their probabilities, best first.
    """

    asked: str
    text: str
    low_cents: float = float("nan")
    high_cents: float = float("nan")
    rewrites: tuple[Rewrite, ...] = ()
    alternatives: tuple[str, ...] = ()
    synonyms: tuple[Rewrite, ...] = ()
    without: tuple[str, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    tags: tuple[Tag, ...] = ()
    types: tuple[tuple[str, float], ...] = ()
    intents: tuple[tuple[str, float], ...] = ()

    @property
    def intent(self) -> str:
        """The likeliest intent; "" where none was predicted.

        Example:
            >>> Understood("tv", "tv", intents=(("type", 0.8), ("browse", 0.2))).intent
            'type'
        """
        return self.intents[0][0] if self.intents else ""
