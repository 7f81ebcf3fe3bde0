"""The words that a shop's shoppers may mean, how likely each is, and how likely it stands behind another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from rialto.find.query.background import Background
from rialto.find.terms import fold, stem

__all__ = ["Lexicon", "Text", "follow", "follow_row", "follow_rows", "shape", "words_of"]

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SHARE = {"queries": 0.35, "catalogue": 0.25, "background": 0.40}  # of the mixture; renormalised over the sources that hold words
_HEARD = 0.5  # of the background's share, where there is a list of words heard
_BACK = 8.0  # pseudo-occurrences of "any other word" behind a word
_RARE = 5e-9  # probability of a known word that no source counts
_UNSEEN = 0.05  # pseudo-occurrences of any letter behind two others
_MOST = 500_000  # words kept, the likeliest


def words_of(text: str) -> list[str]:
    """The words of a text: runs of letters, folded.

    Example:
        >>> words_of("HP's 15.6in Café-TV x2")
        ["hp's", 'in', 'cafe', 'tv', 'x']
    """
    return _WORD.findall(fold(text))


@dataclass(frozen=True)
class Text:
    """Counts of one source's words, and of pairs of neighbours."""

    words: Mapping[str, float]
    pairs: Mapping[tuple[str, str], float]

    @classmethod
    def of(cls, texts: Iterable[tuple[str, float]]) -> Text:
        """Count texts with their weights; neighbours are words with at most blanks and punctuation between."""
        return cls({}, {}).and_also(texts)

    def and_also(self, texts: Iterable[tuple[str, float]]) -> Text:
        """These counts and those of more texts."""
        words = defaultdict[str, float](float, self.words)
        pairs = defaultdict[tuple[str, str], float](float, self.pairs)
        for text, weight in texts:
            found = words_of(text)
            for word in found:
                words[word] += weight
            for pair in zip(found, found[1:]):
                pairs[pair] += weight
        return Text(words, pairs)


@dataclass(frozen=True)
class Lexicon:
    """Words with log-probabilities, and an interpolated bigram model over them.

    Args:
        words: Every known word, sorted.
        log_p: log P(word), shape (words,), float64.
        shop: True where the shop's own texts or queries hold the word, shape (words,).
        checked: True where a dictionary holds the word, shape (words,).
        back: log of the share that unseen followers of a word get, shape (words,), float64.
        pair: Sorted keys first * words + second, shape (pairs,), int64.
        pair_log_p: log P(second | first), shape (pairs,), float32.
    """

    words: tuple[str, ...]
    log_p: NDArray[np.float64]
    shop: NDArray[np.bool_]
    back: NDArray[np.float64]
    pair: NDArray[np.int64]
    pair_log_p: NDArray[np.float32]
    checked: NDArray[np.bool_]

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Word -> its number."""
        return {w: i for i, w in enumerate(self.words)}

    @cached_property
    def stems(self) -> Mapping[str, int]:
        """Stem -> its likeliest word."""
        order = np.argsort(self.log_p, kind="stable")
        return {stem(self.words[i]): int(i) for i in order if self.checked[i] or self.shop[i]}

    @cached_property
    def letters(self) -> list[float]:
        """log P(letter | the two before it) within words, of (first * 27 + second) * 27 + third; letter 0 is an end of the word."""
        held = np.flatnonzero(self.checked | self.shop)
        ls = np.array([0, 0, *_letters("  ".join(self.words[i] for i in held)), 0, 0])
        count = np.bincount((ls[:-2] * 27 + ls[1:-1]) * 27 + ls[2:], minlength=27**3).reshape(27 * 27, 27) + _UNSEEN
        return np.log(count / count.sum(axis=1, keepdims=True)).ravel().tolist()

    def follows(self, first: str, second: str) -> bool:
        """Whether a source holds `second` right behind `first`."""
        a, b = self.index.get(first, -1), self.index.get(second, -1)
        return a >= 0 and b >= 0 and self.behind(a, b)

    def behind(self, first: int, second: int) -> bool:
        """`follows` of two words by their numbers."""
        key = first * len(self.words) + second
        at = int(np.searchsorted(self.pair, key))
        return at < len(self.pair) and int(self.pair[at]) == key

    def as_likely_apart(self, first: str, second: str, whole: str) -> bool:
        """Whether two words in a row are about as likely as the one that they make together; all three are known."""
        if not self.follows(first, second):
            return False
        a, b, w = self.index[first], self.index[second], self.index[whole]
        row = np.array([a, b])
        behind = follow_row(row, self.log_p, self.back, self.pair, self.pair_log_p, len(self.words))
        return float(self.log_p[a]) + float(behind) > float(self.log_p[w]) - 2.0

    @classmethod
    def of(cls, *, queries: Text, catalogue: Text, background: Background) -> Lexicon:
        """Mix the sources: each word's probability is the weighted mean of its shares of the sources."""
        sources = {"queries": queries, "catalogue": catalogue, "background": background}
        counts = {**{k: s.words for k, s in sources.items()}, "heard": background.heard}
        totals = {k: sum(c.values()) for k, c in counts.items()}
        share = {**_SHARE, "heard": _HEARD * _SHARE["background"] if background.heard else 0.0}
        share["background"] -= share["heard"]
        held = sum(share[k] for k, t in totals.items() if t > 0) or 1.0
        p: dict[str, float] = {}
        for k, words_of_it in counts.items():
            for word, count in words_of_it.items():
                p[word] = p.get(word, _RARE) + share[k] / held * count / max(totals[k], 1e-9)
        words = tuple(sorted(sorted(p, key=lambda w: (-p[w], w))[:_MOST]))
        index = {w: i for i, w in enumerate(words)}
        log_p = np.log([p[w] for w in words]) if words else np.zeros(0)
        shop = np.array([w in queries.words or w in catalogue.words for w in words], dtype=bool)
        checked = np.array([w in background.words for w in words], dtype=bool)
        back, pair, pair_log_p = _bigrams(sources, index, np.exp(log_p), held)
        return cls(words, log_p, shop, back, pair, pair_log_p, checked)


def shape(word: str, letters: Sequence[float]) -> tuple[float, float]:
    """Mean and least log P of a word's letters, each behind the two before it: how much it looks like a word of `Lexicon.letters`."""
    ls = [0, 0, *_letters(word), 0]
    p = [letters[(a * 27 + b) * 27 + c] for a, b, c in zip(ls, ls[1:], ls[2:])]
    return sum(p) / len(p), min(p)


def _letters(word: str) -> list[int]:
    return [ord(c) - 96 if "a" <= c <= "z" else 0 for c in word]


def _bigrams(
    sources: Mapping[str, Text | Background], index: Mapping[str, int], p: NDArray[np.float64], held: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float32]]:
    """P(w|v) = sum over sources of share x c(v,w)/(c(v)+k), and what is left for P(w): Jelinek-Mercer with Witten-Bell-like weights."""
    size = len(index)
    seen = np.zeros(size)
    keys, values = list[NDArray[np.int64]](), list[NDArray[np.float64]]()
    for k, source in sources.items():
        found = [(index[a] * size + index[b], n) for (a, b), n in source.pairs.items() if a in index and b in index]
        if not found:
            continue
        key = np.array([f for f, _ in found], dtype=np.int64)
        count = np.array([n for _, n in found])
        first = np.bincount(key // size, weights=count, minlength=size)
        whole = np.maximum(first, [source.words.get(w, 0.0) for w in index])
        scale = _BACK if k != "background" else 5e6
        share = _SHARE[k] / held / (whole + scale)
        keys.append(key)
        values.append(count * share[key // size])
        seen += first * share
    if not keys:
        return np.zeros(size), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    pair, where = np.unique(np.concatenate(keys), return_inverse=True)
    mass = np.bincount(where, weights=np.concatenate(values))
    left = 1.0 - seen
    return np.log(left), pair, np.log(mass + left[pair // size] * p[pair % size]).astype(np.float32)


@njit(cache=True)
def follow(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    log_p: NDArray[np.float64],
    back: NDArray[np.float64],
    pair: NDArray[np.int64],
    pair_log_p: NDArray[np.float32],
    size: int,
) -> NDArray[np.float64]:
    """log P(second | first), shape (first, second); a number of -1 is an unknown word: `second` then counts 0."""
    out = np.empty((len(first), len(second)))
    for i in range(len(first)):
        for j in range(len(second)):
            a, b = first[i], second[j]
            if b < 0:
                out[i, j] = back[a] if a >= 0 else 0.0
                continue
            if a < 0:
                out[i, j] = log_p[b]
                continue
            key = a * size + b
            at = np.searchsorted(pair, key)
            if at < len(pair) and pair[at] == key:
                out[i, j] = pair_log_p[at]
            else:
                out[i, j] = back[a] + log_p[b]
    return out


@njit(cache=True)
def follow_row(
    words: NDArray[np.int64],
    log_p: NDArray[np.float64],
    back: NDArray[np.float64],
    pair: NDArray[np.int64],
    pair_log_p: NDArray[np.float32],
    size: int,
) -> float:
    """log P of a row of words, each behind the one before it; the first one's own is left out."""
    out = 0.0
    for i in range(len(words) - 1):
        out += follow(words[i : i + 1], words[i + 1 : i + 2], log_p, back, pair, pair_log_p, size)[0, 0]
    return out


@njit(cache=True)
def follow_rows(
    words: NDArray[np.int64],
    ends: NDArray[np.int64],
    log_p: NDArray[np.float64],
    back: NDArray[np.float64],
    pair: NDArray[np.int64],
    pair_log_p: NDArray[np.float32],
    size: int,
) -> NDArray[np.float64]:
    """`follow_row` of many rows behind one another: row r is `words[ends[r]:ends[r+1]]`; shape (rows,)."""
    out = np.empty(len(ends) - 1)
    for r in range(len(out)):
        out[r] = follow_row(words[ends[r] : ends[r + 1]], log_p, back, pair, pair_log_p, size)
    return out
