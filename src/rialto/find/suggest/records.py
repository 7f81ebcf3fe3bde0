"""The nouns of autocomplete: one suggestion, what must not be offered, and how many lines each kind may take."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rialto.errors import BadInput
from rialto.find.terms import fold
from rialto.spine.params import Param

__all__ = ["KINDS", "LONGEST", "ROOM", "Policy", "Suggestion", "keyed"]

KINDS = ("query", "phrase", "category", "brand", "product")
"""Where a line comes from: the log, the catalogue's own phrases, its category levels, its brands, its titles."""

LONGEST = 100
"""Characters of what is typed, and of a line from one of its words on, that are compared."""

ROOM = {
    "query": Param("find.suggest.room_query", 0.625, low=0, high=1, unit="share", doc="Most lines that are queries."),
    "category": Param("find.suggest.room_category", 0.25, low=0, high=1, unit="share", doc="Most lines that are categories."),
    "brand": Param("find.suggest.room_brand", 0.25, low=0, high=1, unit="share", doc="Most lines that are brands."),
    "product": Param("find.suggest.room_product", 0.375, low=0, high=1, unit="share", doc="Most lines that are products."),
    "scope": Param("find.suggest.room_scope", 0.25, low=0, high=1, unit="share", doc="Most lines within one category."),
}
"""Share of the lines below the box that each kind may take while another kind has something to offer; one line at least."""

_SPLITS = re.compile(
    r"""[\s\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff()\[\]{}<>"“”„«»,;:!?|*_=~^\\@–—…•®©]+"""
    r"|(?<!\w)[.'’/-]+|[.'’/-]+(?!\w)"
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line below the search box.

    Args:
        text: What it reads, and what is searched for when it is taken.
        kind: `query`, `brand`, `category`, or `product`.
        weight: Its score; higher stands first among the lines of one answer.
        product: The product's number; -1 for the other kinds.
        scope: Category path that the search is kept within ("Computers" in `laptop` in Computers); "" = everywhere.
        source: One of `KINDS`: `phrase` is a query that nobody asked yet and the catalogue can answer.
        corrected: True where the line does not hold what was typed, but something near it.
    """

    text: str
    kind: str
    weight: float
    product: int = -1
    scope: str = ""
    source: str = ""
    corrected: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What is never offered.

    Args:
        blocked: Words and phrases of the shop's own list; a line that holds one as whole words, in any case and singular or plural of its
            last word, is not offered.
        hidden: Numbers of products that are not offered; those out of stock are not either.
        results: Past query -> how many products it found; one of 0 is not offered. A query that is not named here is offered where the
            catalogue knows at least one of its words.

    Example:
        >>> p = Policy(blocked=("rude word",))
        >>> p.allows("A RUDE words mug"), p.allows("crude word")
        (False, True)
    """

    blocked: Collection[str] = ()
    hidden: Collection[int] = ()
    results: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.blocked, str):
            raise BadInput(f"blocked is one text, {self.blocked[:40]!r}; wanted a list of words and phrases.")

    def barrier(self) -> re.Pattern[str] | None:
        """Finds a blocked phrase in a keyed text; None where nothing is blocked. Make it once for many texts."""
        phrases = sorted({k for b in self.blocked if (k := keyed(b))})
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, phrases))})(?:e?s)?(?!\w)") if phrases else None

    def allows(self, text: str) -> bool:
        """False where the text holds a blocked phrase."""
        barrier = self.barrier()
        return barrier is None or barrier.search(keyed(text)) is None


def keyed(text: str) -> str:
    """The form in which lines and what is typed are compared: folded, punctuation that parts words made blank, single blanks.

    Example:
        >>> keyed('  Odd "one", (Café)  Wi-Fi 2.5" ')
        'odd one cafe wi-fi 2.5'
    """
    return " ".join(_SPLITS.sub(" ", fold(text.replace("\x00", " "))).split())
