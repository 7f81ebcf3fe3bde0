"""What may have been meant by a prefix with slips: each word mended, parted or joined, the cheapest few readings first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.find.suggest.index import Index

__all__ = ["edits_of", "readings"]

_READINGS = 12
_EACH = 4  # readings of one word that are combined
_BLANK = 0.5  # cost of a blank left out or too many
_WORDS = 8  # of a longer prefix only the last word is mended

Reading = tuple[list[NDArray[np.uint16]], float]


def edits_of(word: str) -> int:
    """Slips that a word of this length may have: none below 4 letters, 2 from 8; a number has none.

    Example:
        >>> [edits_of(w) for w in ("red", "lamp", "keyboard", "0815")]
        [0, 1, 2, 0]
    """
    return 0 if len(word) < 4 or word.isdigit() else 1 if len(word) < 8 else 2


def readings(index: Index, prefix: str) -> list[Reading]:
    """Texts near a keyed prefix as codes, with the cost of the slips, cheapest first; the prefix itself is none of them."""
    words = prefix.split()
    beam: list[Reading] = [([], 0.0)]
    for n, word in enumerate(words):
        last = n == len(words) - 1
        options = _options(index, word, last=last) if last or len(words) <= _WORDS else [([index.coded(word)], 0.0)]
        beam = sorted((([*parts, *more], cost + extra) for parts, cost in beam for more, extra in options), key=lambda r: r[1])[
            : 3 * _READINGS
        ]
    joined = [_together(index, words, n) for n in range(min(len(words) - 1, _WORDS))]
    found = sorted((r for r in (*beam, *joined) if r[1] > 0), key=lambda r: r[1])
    return [(parts, cost) for parts, cost in found][:_READINGS]


def _together(index: Index, words: list[str], at: int) -> Reading:
    return [index.coded(w) for w in (*words[:at], words[at] + words[at + 1], *words[at + 2 :])], _BLANK


def _options(index: Index, word: str, *, last: bool) -> list[Reading]:
    """A word as typed, mended and parted."""
    codes = index.coded(word)
    near = index.trie.near(codes, edits_of(word), index.beside, whole=not last) if edits_of(word) else []
    mended: list[Reading] = [([letters], cost) for letters, cost, _ in near if cost > 0][:_EACH]
    parted: list[Reading] = [([codes[:cut], codes[cut:]], _BLANK) for cut in index.trie.parted(codes, whole=not last)[:_EACH]]
    return [([codes], 0.0), *mended, *parted]
