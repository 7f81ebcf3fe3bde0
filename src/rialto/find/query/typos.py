"""Made-up mistypings of words, for training where no real ones are at hand; the ways of mistyping are data."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

__all__ = ["make_typos", "mistype"]

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_VOWELS = "aeiou"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_THREE = 0.25  # share of words run together that are three


def make_typos(words: Sequence[str], weights: NDArray[np.float64], *, count: int, seed: int) -> list[tuple[str, str]]:
    """Pairs (as typed, as meant) of three words of which one is mistyped, as in a query.

    Args:
        words: Words of letters; those of fewer than four are left alone.
        weights: How often each is drawn, shape (words,).
        count: Pairs tried; those where nothing changed are left out.

    Example:
        >>> make_typos(["battery"], np.ones(1), count=2, seed=1)
        [('battary battery battery', 'battery battery battery'), ('battery battefy battery', 'battery battery battery')]
    """
    rng = np.random.default_rng(seed)
    held = [(w, p) for w, p in zip(words, weights) if len(w) > 3 and w.isascii() and w.isalpha()]
    if not held:
        return []
    p = np.array([x for _, x in held])
    drawn = rng.choice(len(held), size=(count, 3), p=p / p.sum())
    ways = _ways()
    pairs = (_mistyped([held[k][0] for k in row], ways, rng) for row in drawn.tolist())
    return [(typed, meant) for typed, meant in pairs if typed != meant]


def mistype(text: str, rng: np.random.Generator) -> str:
    """A text with one of its words mistyped, or two run together; as it was where it has no word of four letters."""
    words = text.split()
    return _mistyped(words, _ways(), rng)[0] if words and any(len(w) > 3 for w in words) else text


@lru_cache(maxsize=1)
def _ways() -> _Ways:
    return _Ways()


class _Ways:
    """Shares of the ways, and what is typed for what by ear."""

    def __init__(self) -> None:
        data = tomllib.loads(files("rialto.find").joinpath("data/typos.toml").read_text(encoding="utf-8"))
        self.names = tuple(data["share"])
        share = np.array([float(v) for v in data["share"].values()])
        self.share = share / share.sum()
        self.sound: dict[str, list[str]] = data["sound"]


def _mistyped(words: list[str], ways: _Ways, rng: np.random.Generator) -> tuple[str, str]:
    way, at, meant = (
        str(rng.choice(ways.names, p=ways.share)),
        int(rng.choice([i for i, w in enumerate(words) if len(w) > 3])),
        " ".join(words),
    )
    word = words[at]
    if way == "joined" and len(words) > 1:
        many = 3 if len(words) > 2 and rng.random() < _THREE else 2
        at = min(at, len(words) - many)
        return " ".join([*words[:at], "".join(words[at : at + many]), *words[at + many :]]), meant
    if way in ("parted", "joined"):
        cut = int(rng.integers(2, len(word) - 1))
        return " ".join([*words[:at], word[:cut], word[cut:], *words[at + 1 :]]), meant
    singles = len(ways.names) - 3
    for _ in range(2 if way == "twice" and len(word) > 6 else 1):
        single = (
            way if way != "twice" else str(rng.choice(ways.names[:singles], p=ways.share[:singles] / ways.share[:singles].sum()))
        )
        word = _one(word, single, ways, rng)
    return " ".join([*words[:at], word, *words[at + 1 :]]), meant


def _one(word: str, way: str, ways: _Ways, rng: np.random.Generator) -> str:
    if way == "sound":
        return _by_ear(word, ways, rng)
    places = [i for i in range(len(word)) if _may(word, i, way)]
    if not places:
        return word
    weights = np.array([0.3 if i == 0 else 1.0 for i in places])
    i = int(rng.choice(places, p=weights / weights.sum()))
    a = word[i]
    if way in ("left_out", "undoubled"):
        return word[:i] + word[i + 1 :]
    if way == "swapped":
        return word[:i] + word[i + 1] + a + word[i + 2 :]
    if way == "doubled":
        return word[: i + 1] + word[i:]
    any_letter = way == "any" or (way == "added" and rng.random() < 0.5)
    new = str(rng.choice([v for v in _VOWELS if v != a] if way == "vowel" else list(_LETTERS) if any_letter else _beside(a)))
    return word[:i] + new + word[i + (way != "added") :]


def _may(word: str, i: int, way: str) -> bool:
    if way == "undoubled":
        return i > 0 and word[i] == word[i - 1]
    if way == "swapped":
        return i + 1 < len(word) and word[i] != word[i + 1]
    return word[i] in _VOWELS if way == "vowel" else True


def _by_ear(word: str, ways: _Ways, rng: np.random.Generator) -> str:
    marked = f"_{word}_"  # the ends of the word
    places = [
        (at, m)
        for m in ways.sound
        for at in range(len(marked))
        if (marked.startswith(m, at) and m != "_") or (m == "_" and at == len(marked) - 1)
    ]
    if not places:
        return word
    at, meant = places[int(rng.integers(len(places)))]
    typed = str(rng.choice(ways.sound[meant]))
    return (marked[:at] + typed + marked[at + len(meant) :]).strip("_")


def _beside(letter: str) -> list[str]:
    for r, row in enumerate(_KEYS):
        if letter in row:
            x = row.index(letter)
            rows = [(r, x - 1), (r, x + 1), (r - 1, x), (r - 1, x + 1), (r + 1, x - 1), (r + 1, x)]
            return [_KEYS[a][b] for a, b in rows if 0 <= a < 3 and 0 <= b < len(_KEYS[a])]
    return list(_VOWELS)
