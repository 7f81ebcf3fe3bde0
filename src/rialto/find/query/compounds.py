"""Compounds the other way round: one word as two, two as one, where the shop knows both writings."""

from __future__ import annotations

from collections.abc import Iterator

from rialto.find.query.lexicon import Lexicon

__all__ = ["compounds"]

_LINKS = ("", "s", "es", "n", "en", "er")  # between the parts of a German compound; "" = English
_PART = 3  # letters of a part at least


def compounds(text: str, lexicon: Lexicon) -> Iterator[tuple[str, str]]:
    """(Words of the text, their other writing): `lap top` -> `laptop`, `toolbox` -> `tool box`, `damenschuhe` -> `damen schuhe`.

    Only words of the shop's own texts count; a compound that the shop itself writes as one is split only where it also writes it as two.
    """
    words = text.split()
    for a, b in zip(words, words[1:]):
        if a.isalpha() and b.isalpha() and _holds(a + b, lexicon):
            yield f"{a} {b}", a + b
    for word in words:
        if word.isalpha():
            yield from ((word, parts) for parts in _parts(word, lexicon))


def _parts(word: str, lexicon: Lexicon) -> Iterator[str]:
    whole = _holds(word, lexicon)
    for cut in range(_PART, len(word) - _PART + 1):
        for link in _LINKS:
            a, b = word[:cut], word[cut + len(link) :]
            if not (word.startswith(link, cut) and len(b) >= _PART and _holds(a, lexicon) and _holds(b, lexicon)):
                continue
            if (not whole and (link == "" or len(word) > 8)) or (link == "" and lexicon.as_likely_apart(a, b, word)):
                yield f"{a} {b}"


def _holds(word: str, lexicon: Lexicon) -> bool:
    n = lexicon.index.get(word, -1)
    return n >= 0 and bool(lexicon.shop[n])
