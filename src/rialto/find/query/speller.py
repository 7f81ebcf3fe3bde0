"""Spelling and the blanks between words, mended together: the likeliest words that a shopper may have meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from copy import copy
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rialto.find.query.accept import Acceptor
from rialto.find.query.changes import changes
from rialto.find.query.channel import SpellingModel
from rialto.find.query.edits import BLANK, START
from rialto.find.query.lattice import Edge, cheapest
from rialto.find.query.lexicon import Lexicon
from rialto.find.query.nearby import Nearby
from rialto.find.records import Rewrite
from rialto.find.terms import fold, stem

__all__ = ["Speller"]

_PIECE = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_GLUED = re.compile(r"(\d[\d./-]*)([^\W\d_]{4,})(\d*)")
_OPAQUE = re.compile(r"[\d@\\:_*?^|<>\[\]{}=~$#+]")
_MOST_PIECES = 40  # a longer text is no query: it is left as it is
_CHANGE = 2.0  # cost of changing a word that nothing knows
_KNOWN = (0.6, 18.0, 6.0)  # cost of changing a known word: for each unit of log P above -this, at most, ...
_SHOP = 2.0  # ... and more where the shop's own texts hold it
_UNKNOWN = (16.0, 1.4)  # cost of a word that nothing knows: at once, and for each letter
_WAYS = 10  # words near a word that are looked at
_KEPT = 8_000  # words, and pairs of words, whose readings are kept
_KEPT_TEXTS = 256  # texts whose readings are kept: one reading asks for the same more than once
_HEARD = -15.0  # least log P of a word that may be meant though no dictionary and no text of the shop holds it
_SHORT = -14.0  # least log P of a part of at most three letters
_ALPHABETS = chr(0x0590)  # letters below this one belong to alphabets whose words stand between blanks


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of letters of the text: where it stands, its folded form, whether a single blank joins it to the next, and digits beside it."""

    start: int
    stop: int
    word: str
    joined: bool = False
    glued: tuple[bool, bool] = (False, False)


Option = tuple[tuple[int, ...], float, str]
"""Words meant, what the change costs, and what is written."""


class Speller:
    """Mends the spelling of queries against a lexicon.

    Args:
        lexicon: Words that may be meant.
        model: How people mistype.
        never: Words that are left as they are, folded: brands.
        acceptor: Which changes are believed; None = the one that ships.

    Source:
        Kernighan, Church & Gale (1990), "A spelling correction program based on a noisy channel model", COLING.
    """

    def __init__(
        self, lexicon: Lexicon, model: SpellingModel, *, never: Collection[str] = (), acceptor: Acceptor | None = None
    ) -> None:
        self.lexicon, self.model, self.never = lexicon, model, frozenset(never)
        self.acceptor = acceptor or Acceptor.default()
        self._meant = lexicon.checked | lexicon.shop | (lexicon.log_p > _HEARD)
        held = np.argsort(-lexicon.log_p, kind="stable")
        held = held[self._meant[held]]
        held = held[[_spells(lexicon.words[i]) for i in held]] if len(held) else held
        self._near = Nearby.of([lexicon.words[i] for i in held], held.astype(np.int32))
        self._remember()

    def leaving(self, words: Collection[str]) -> Speller:
        """The same speller that leaves these words, folded, as they are; cheap."""
        other = copy(self)
        other.never = self.never | frozenset(words)
        other._remember()
        return other

    def _remember(self) -> None:
        self._options = lru_cache(maxsize=_KEPT)(self._word_options)
        self._pair_options = lru_cache(maxsize=_KEPT)(self._two_word_options)
        self._lattice = lru_cache(maxsize=_KEPT_TEXTS)(self._all_ways)

    def mend(self, text: str, *, undo: Collection[str] = (), believed: float | None = None) -> tuple[str, tuple[Rewrite, ...]]:
        """The text as it was probably meant, and what was rewritten.

        Args:
            text: Lower case, blanks single.
            undo: Ids of rewrites that are not to be made.
            believed: Least log-odds of being right for a change to be made; None = what rewrites need.
        """
        pieces, ways, x = self._lattice(text)
        if not ways:
            return text, ()
        gains = self.acceptor.log_odds(x) - (self.acceptor.believed if believed is None else believed)
        taken = [(e, g) for e, g in zip(ways, gains.tolist()) if g > 0 and not (undo and _id(text, pieces, e) in undo)]
        out, rewrites, at = list[str](), list[Rewrite](), 0
        for edge in _best(taken, len(pieces)):
            assert edge.text is not None
            a, b = pieces[edge.start], pieces[edge.stop - 1]
            left, right = " " * a.glued[0], " " * b.glued[1]
            out += [text[at : a.start], left, edge.text, right]
            at = b.stop
            before = text[a.start : b.stop]
            rewrites.append(Rewrite(_kind(before, edge.text), before, edge.text, _id(text, pieces, edge)))
        return "".join([*out, text[at:]]), tuple(rewrites)

    def ways(self, text: str) -> tuple[list[tuple[str, str]], NDArray[np.float64]]:
        """What may be changed, believed or not: what stands there and what would; and the features of each, for the acceptor."""
        pieces, ways, x = self._lattice(text)
        return [(text[pieces[e.start].start : pieces[e.stop - 1].stop], e.text or "") for e in ways], x

    def _all_ways(self, text: str) -> tuple[list[Piece], list[Edge], NDArray[np.float64]]:
        """The pieces of a text, the likeliest ways to change them, and their features; none of a text too long to be a query."""
        pieces = list(_pieces(text))
        if not pieces or len(pieces) > _MOST_PIECES:
            return [], [], np.zeros((0, 0))
        numbers = [self._number(p.word) for p in pieces]
        kept = [Edge(i, i + 1, (n,), 0.0 if n >= 0 else self._unknown(p.word)) for i, (p, n) in enumerate(zip(pieces, numbers))]
        ways = [e for i in range(len(pieces)) for e in self._edges(pieces, i)]
        dear = [self._change(p.word, n) for p, n in zip(pieces, numbers)]
        priced = [Edge(e.start, e.stop, e.words, e.cost + max(dear[e.start : e.stop]), e.text, e.taught) for e in ways]
        typed = [(p.word, n, self.lexicon.index.get(p.word, -1), p.glued[0]) for p, n in zip(pieces, numbers)]
        return pieces, *changes(ways, typed, cheapest([*kept, *priced], len(pieces), self.lexicon), self.lexicon)

    def knows(self, word: str) -> bool:
        """Whether a folded word, or its singular or possessive, is known."""
        return self._number(word) >= 0

    def _number(self, word: str) -> int:
        n = self.lexicon.index.get(word, -1)
        if n < 0 and ("'" in word or "’" in word):
            n = self.lexicon.index.get(re.split("['’]", word)[0], -1)
        return n if n >= 0 else self.lexicon.stems.get(stem(word), -1)

    def _well(self, word: str) -> bool:
        """Whether a word, or its singular or possessive, is known as one that may be meant."""
        number = self._number(word)
        return number >= 0 and bool(self._meant[number])

    def _edges(self, pieces: list[Piece], i: int) -> Iterator[Edge]:
        piece = pieces[i]
        taught = self.model.known.get(piece.word, {})
        yield from (Edge(i, i + 1, words, cost, said, taught.get(said, 0.0)) for words, cost, said in self._options(piece.word))
        if piece.joined:
            yield from (
                Edge(i, i + 2, words, cost, said) for words, cost, said in self._pair_options(piece.word, pieces[i + 1].word)
            )

    def _may(self, word: str) -> bool:
        return word not in self.never and _spells(word)

    def _word_options(self, word: str) -> list[Option]:
        """What a word may be changed to."""
        return [(w, c, self._said(w)) for w, c in self._found(word, self._well(word))] if self._may(word) else []

    def _two_word_options(self, a: str, b: str) -> list[Option]:
        """What two neighbours may be changed to."""
        if not (self._may(a) and self._may(b)):
            return []
        known = self._well(a) and self._well(b)
        return [(w, c, self._said(w)) for w, c in self._joins(a, b, known)]

    def _change(self, word: str, number: int) -> float:
        """Cost of changing a word at all: the better it is known the dearer."""
        if number < 0:
            return _CHANGE
        well = _KNOWN[0] * (float(self.lexicon.log_p[number]) + _KNOWN[1])
        return _CHANGE + min(max(well, 0.0), _KNOWN[2]) + _SHOP * bool(self.lexicon.shop[number])

    def _said(self, words: tuple[int, ...]) -> str:
        return " ".join(self.lexicon.words[w] for w in words)

    def _unknown(self, word: str) -> float:
        return _UNKNOWN[0] + _UNKNOWN[1] * len(word)

    def _found(self, word: str, known: bool) -> list[tuple[tuple[int, ...], float]]:
        """Words that `word` may be a mistyping of, with their channel costs."""
        if len(word) < 2:
            return []
        out = {(w,): c for w, c in self._nearest(word, _WAYS)}
        for meant, share in self.model.known.get(word, {}).items():
            number = self.lexicon.index.get(meant, -1)
            if number >= 0:
                out[(number,)] = min(out.get((number,), np.inf), 1.0 - float(np.log(share)))
        out |= self._split(word)
        if not known and len(word) >= 7:
            out |= self._loose_split(word)
        return list(out.items())

    def _nearest(self, word: str, most: int) -> list[tuple[int, float]]:
        numbers, costs = self._near.near(word, self.model.tables, self.lexicon.log_p, most=most)
        return [(n, c) for n, c in zip(numbers.tolist(), costs.tolist()) if self.lexicon.words[n] != word]

    def _part(self, word: str) -> int:
        n = self.lexicon.index.get(word, -1)
        if n < 0 or not self._meant[n]:
            return -1
        return -1 if len(word) <= 3 and self.lexicon.log_p[n] < _SHORT else n

    def _blank(self, before: str) -> float:
        """Cost of having left out the blank behind a letter."""
        return float(self.model.leave[BLANK, _class(before)])

    def _split(self, word: str) -> dict[tuple[int, ...], float]:
        """The cheapest exact splits into two to five known words."""
        best: list[list[tuple[float, tuple[int, ...], float]]] = [[] for _ in range(len(word) + 1)]
        best[0] = [(0.0, (), 0.0)]
        for stop in range(2, len(word) + 1):
            for start in range(max(0, stop - 16), stop - 1):
                n = self._part(word[start:stop]) if best[start] else -1
                if n < 0:
                    continue
                for total, words, channel in best[start]:
                    blank = self._blank(word[start - 1]) if start else 0.0
                    if len(words) < 5:
                        best[stop].append((total + blank - float(self.lexicon.log_p[n]), (*words, n), channel + blank))
            best[stop] = sorted(best[stop])[:3]
        return {words: channel for _, words, channel in best[-1] if len(words) > 1}

    def _loose_split(self, word: str) -> dict[tuple[int, ...], float]:
        """Two words of which one is mistyped."""
        out: dict[tuple[int, ...], float] = {}
        for cut in range(3, len(word) - 2):
            a, b = self._part(word[:cut]), self._part(word[cut:])
            if (a >= 0) == (b >= 0):
                continue
            other = word[cut:] if a >= 0 else word[:cut]
            if len(other) < 4:
                continue
            blank = self._blank(word[cut - 1])
            for n, c in self._nearest(other, 2):
                out[(a, n) if a >= 0 else (n, b)] = c + blank
        return out

    def _joins(self, a: str, b: str, known: bool) -> Iterator[tuple[tuple[int, ...], float]]:
        """Readings of two neighbours as one word, or as two with the blank elsewhere."""
        extra = float(self.model.put[BLANK, _class(a[-1])])
        whole = self._part(a + b)
        if whole >= 0:
            yield (whole,), extra
        if known or len(a) + len(b) > 30:
            return
        if len(a) + len(b) >= 5:
            for n, c in self._nearest(a + b, 3):
                yield (n,), extra + c
        joined = a + b
        for cut in (len(a) - 2, len(a) - 1, len(a) + 1, len(a) + 2):
            if 2 <= cut <= len(joined) - 2:
                x, y = self._part(joined[:cut]), self._part(joined[cut:])
                if x >= 0 and y >= 0:
                    yield (x, y), extra + self._blank(joined[cut - 1])


def _pieces(text: str) -> Iterator[Piece]:
    """The runs of letters that may be mended; words with digits or signs of a syntax hold none."""
    held: list[Piece] = []
    for token in re.finditer(r"\S+", text):
        at = token.start()
        glued = _GLUED.fullmatch(token[0])
        if glued is not None:
            held.append(Piece(at + glued.start(2), at + glued.end(2), fold(glued[2]), glued=(True, bool(glued[3]))))
        elif _OPAQUE.search(token[0]) is None:
            held += [Piece(at + p.start(), at + p.end(), fold(p[0])) for p in _PIECE.finditer(token[0])]
    for a, b in zip(held, [*held[1:], None]):
        blank = b is not None and text[a.stop : b.start] == " " and not (a.glued[1] or b.glued[0] or a.glued[0])
        yield Piece(a.start, a.stop, a.word, blank, a.glued)


def _best(ways: list[tuple[Edge, float]], pieces: int) -> list[Edge]:
    """The changes that gain most together, none over another, from left to right."""
    ends: list[tuple[float, list[Edge]]] = [(0.0, [])]
    for stop in range(1, pieces + 1):
        onto = ((ends[e.start][0] + gain, [*ends[e.start][1], e]) for e, gain in ways if e.stop == stop)
        ends.append(max([ends[-1], *onto], key=lambda end: end[0]))
    return ends[-1][1]


def _spells(word: str) -> bool:
    return word.isalpha() and max(word) < _ALPHABETS


def _id(text: str, pieces: list[Piece], edge: Edge) -> str:
    if edge.text is None:
        return ""
    before = text[pieces[edge.start].start : pieces[edge.stop - 1].stop]
    return f"{_kind(before, edge.text)}:{before}"


def _kind(before: str, after: str) -> str:
    if before.replace(" ", "") == after.replace(" ", ""):
        return "join" if " " in before and " " not in after else "split"
    return "spelling"


def _class(letter: str) -> int:
    return ord(letter) - 97 if "a" <= letter <= "z" else START - 1
