"""What a reader is trained from, counted once: the words of catalogue, past queries and language, so that folds can share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rialto.find.catalogue import Catalogue
from rialto.find.query.background import Background
from rialto.find.query.first import understand
from rialto.find.query.lexicon import Text, words_of
from rialto.find.query.plain import Writings, units
from rialto.find.query.synonyms import Synonyms

__all__ = ["Sources"]

_MOST_TEXTS = 60_000  # products whose descriptions are read for words; an even sample of a larger catalogue
_PLAIN = ("under", "below", "over", "between", "without", "for", "with", "and", "inch", "foot")  # always known


@dataclass(frozen=True)
class Sources:
    """Counts and lists of one shop.

    Args:
        queries, catalogue: Counts of what shoppers asked and of what the products say.
        background: Words of the language.
        never: Brands of one word, folded: never respelt.
        writings: How the catalogue writes units and models.
        synonyms: The shop's own; those of the language come after them.
    """

    queries: Text
    catalogue: Text
    background: Background
    never: frozenset[str]
    writings: Writings
    synonyms: Synonyms

    @classmethod
    def of(
        cls, catalogue: Catalogue, *, queries: Mapping[str, float] | None = None, texts: Mapping[str, float] | None = None,
        synonyms: str = "", background: Background | None = None, seed: int = 0,
    ) -> Sources:  # fmt: skip
        """Count a catalogue; arguments as `Reader.of`."""
        own = Synonyms.of_toml(synonyms)
        always = own.words | Synonyms.general().words | {w for u in units() for w in u.writings if w.isalpha()} | set(_PLAIN)
        brands = (words_of(b) for b in set(catalogue.text("brand").tolist()))
        return cls(
            Text.of((understand(q, price_bounds=False).text, w) for q, w in (queries or {}).items() if w > 0),
            Text.of([*_texts(catalogue, seed), *(texts or {}).items()]),
            (Background.english() if background is None else background).with_words(always),
            frozenset(b[0] for b in brands if len(b) == 1),
            Writings.of(
                (t for t, _ in _texts(catalogue, seed)), [*catalogue.text("title").tolist(), *catalogue.text("names").tolist()]
            ),
            own,
        )


def _texts(catalogue: Catalogue, seed: int) -> Iterator[tuple[str, float]]:
    """What the products say, with how often: short fields of all, descriptions of an even sample."""
    for name in ("title", "names", "brand", "category"):
        values, counts = np.unique(catalogue.text(name).astype(str), return_counts=True)
        yield from ((str(v), float(c)) for v, c in zip(values, counts) if v)
    step = max(1, len(catalogue) // _MOST_TEXTS)
    yield from ((t, float(step)) for t in catalogue.text("description")[seed % step :: step].tolist() if t)
    used = np.bincount(catalogue.labels.pair, minlength=len(catalogue.labels.pair_text))
    yield from ((str(t), float(n)) for t, n in zip(catalogue.labels.pair_text, used) if n and t not in ("yes", "no"))
