"""Names of attributes as people read them: prefixes that say nothing, underscores and camel case taken away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

__all__ = ["labels_of", "spoken"]

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_GAP = re.compile(r"[\s_.:]+")
_SHARED = 0.3  # share of all names that begin with a word before that word says nothing


def spoken(name: str) -> str:
    """An attribute's name as people read it.

    Example:
        >>> spoken("screen_size_in"), spoken("screenSize"), spoken("price_cents")
        ('Screen size in', 'Screen size', 'Price')
    """
    return _sentence(_words(name)) or name


def labels_of(names: Sequence[str]) -> list[str]:
    """The names of one catalogue as people read them: a prefix that many share and a type letter behind it go, unless two would read alike.

    Example:
        >>> labels_of(["attr_t_product_colour", "attr_n_weight", "attr_b_touch", "attr_t_type", "brand"])
        ['Product colour', 'Weight', 'Touch', 'Type', 'Brand']
        >>> labels_of(["size_eu", "size_us", "colour"])
        ['Size eu', 'Size us', 'Colour']
    """
    words = [_words(n) for n in names]
    first = Counter(w[0] for w in words if len(w) > 1)
    empty = {w for w, n in first.items() if n >= max(4, _SHARED * len(words))}
    short = [_without(w, empty) for w in words]
    said = Counter(_sentence(w) for w in short)
    return [_sentence(s if said[_sentence(s)] == 1 else w) or n for s, w, n in zip(short, words, names)]


def _words(name: str) -> list[str]:
    words = [w for w in _GAP.split(_HUMP.sub(" ", name)) if w]
    return words[:-1] if len(words) > 1 and words[-1] == "cents" else words


def _without(words: list[str], empty: set[str]) -> list[str]:
    if len(words) < 2 or words[0] not in empty:
        return words
    rest = words[1:]
    return rest[1:] if len(rest) > 1 and len(rest[0]) == 1 and rest[0].isalpha() else rest


def _sentence(words: list[str]) -> str:
    lower = [w.lower() if w[:1].isupper() and w[1:].islower() else w for w in words]
    text = " ".join(lower)
    return text[:1].upper() + text[1:]
