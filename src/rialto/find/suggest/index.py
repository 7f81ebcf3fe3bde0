"""The index of completion: every word start of every line, sorted in bands by kind, over one array of letters."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.find.suggest.kernels import find, lowest, sort_starts, together
from rialto.find.suggest.phrases import word_data
from rialto.find.suggest.records import KINDS, LONGEST
from rialto.find.suggest.sources import Lines
from rialto.find.suggest.trie import Trie

__all__ = ["Index", "Matches"]

_LETTERS = 65_534  # codes of letters; all that are rarer in code order than these share the next one
_STARTS = 8  # words of a line at which a completion may begin
_BESIDE, _VOWEL = 0.6, 0.7


@dataclass(frozen=True)
class Matches:
    """Lines that a prefix leads to, shape (matches,) each.

    Args:
        line: Number of the line, int32.
        skipped: Letters of the line before the match, int32.
        typed: Letters that matched, int32.
        cost: Of the slips, float32; 0 = exactly as typed.
        moved: True where the words stand in another order, or others between them.
    """

    line: NDArray[np.int32]
    skipped: NDArray[np.int32]
    typed: NDArray[np.int32]
    cost: NDArray[np.float32]
    moved: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.line)

    def at(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Matches:
        """Some of the matches."""
        return Matches(self.line[rows], self.skipped[rows], self.typed[rows], self.cost[rows], self.moved[rows])


@dataclass(frozen=True)
class Index:
    """Lines as letters, and their word starts sorted.

    Args:
        code: Character -> its code, from 1 in code point order; shape (greatest character + 2,), uint16; 65,535 = not in any line.
        blob: Codes of all lines, each closed by 0, and `LONGEST` zeros, shape (letters,), uint16.
        start: Where each line begins, shape (lines,), int32.
        key: Places of the word starts, shape (starts,), int32, sorted within a band.
        line: Line of each, shape (starts,), int32.
        bands: Shape (2 x kinds + 1,), int64: band 2k holds the first words of kind k, band 2k+1 the others.
        table: Where the best line of a range stands, see `kernels.lowest`.
        trie: The words.
        beside: Cost of hitting one letter for another, shape (codes, codes), float32.
    """

    code: NDArray[np.uint16]
    blob: NDArray[np.uint16]
    start: NDArray[np.int32]
    key: NDArray[np.int32]
    line: NDArray[np.int32]
    bands: NDArray[np.int64]
    table: NDArray[np.int32]
    trie: Trie
    beside: NDArray[np.float32]

    @classmethod
    def of(cls, lines: Lines) -> Index:
        """Index lines; O(letters x log lines), about 5 s for 30 million letters."""
        cut = [k[: 3 * LONGEST] for k in lines.key]
        points = _points("\0".join([*cut, "\0" * (LONGEST + 1)]))
        code, blob = _coded(points)
        ends = np.cumsum(np.fromiter((len(k) + 1 for k in cut), dtype=np.int64, count=len(cut)))
        start = (np.concatenate([[0], ends[:-1]]) if len(cut) else ends).astype(np.int32)
        key, line, bands = _starts(blob, int(code[32]), start, lines.kind)
        for a, b in zip(bands[:-1], bands[1:]):
            sort_starts(blob, key, line, int(a), int(b), LONGEST)
        return cls(code, blob, start, key, line, bands, lowest(line), _trie(lines, code), _beside(code))

    @property
    def blank(self) -> int:
        """The code of a blank."""
        return int(self.code[32])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        t = self.trie
        parts = (
            self.code,
            self.blob,
            self.start,
            self.key,
            self.line,
            self.table,
            self.beside,
            t.code,
            t.depth,
            t.sibling,
            t.parent,
        )
        return sum(p.nbytes for p in parts) + t.ends.nbytes + t.best.nbytes

    def coded(self, text: str) -> NDArray[np.uint16]:
        """A text in codes, shape (characters,)."""
        points = _points(text)
        return self.code[np.minimum(points, len(self.code) - 1)]

    def exact(self, texts: list[NDArray[np.uint16]], offered: NDArray[np.bool_], most: int, cost: NDArray[np.float32]) -> Matches:
        """The best `most` lines a band that begin with each text, at its `cost`."""
        flat, offsets = _joined(texts)
        rows = find(flat, offsets, self.blob, self.key, self.line, self.bands, self.table, offered, most)
        return self._matches(rows, np.diff(offsets)[rows[:, 2]], cost[rows[:, 2]], moved=False)

    def anyhow(self, words: list[NDArray[np.uint16]], offered: NDArray[np.bool_], most: int) -> Matches:
        """Lines that hold words beginning with each of `words`, in any order."""
        flat, offsets = _joined(words)
        rows = together(
            flat, offsets, self.blob, self.start, self.blank, self.key, self.line, self.bands, self.table, offered, most
        )
        size = int(offsets[-1]) + len(words) - 1
        return self._matches(rows, np.full(len(rows), size), np.zeros(len(rows), dtype=np.float32), moved=True)

    def _matches(self, rows: NDArray[np.int32], typed: NDArray[np.int64], cost: NDArray[np.float32], *, moved: bool) -> Matches:
        line = rows[:, 0]
        return Matches(line, rows[:, 1] - self.start[line], typed.astype(np.int32), cost, np.full(len(rows), moved))


def _points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)


def _coded(points: NDArray[np.uint32]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    present = np.zeros(max(int(points.max(initial=0)), 127) + 2, dtype=bool)
    present[points] = True
    present[32], present[0] = True, False
    code = np.full(len(present), 65_535, dtype=np.uint16)
    code[present] = np.minimum(np.arange(1, present.sum() + 1), _LETTERS)
    code[0] = 0
    return code, code[points]


def _starts(
    blob: NDArray[np.uint16], blank: int, start: NDArray[np.int32], kind: NDArray[np.int8]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Places of word starts and their lines, in bands, not yet sorted within one."""
    used = int(start[-1]) + int(np.argmax(blob[start[-1] :] == 0)) if len(start) else 0
    inner = np.flatnonzero(blob[:used] == blank) + 1
    line = np.searchsorted(start, inner, side="right") - 1
    first = np.concatenate([[0], np.flatnonzero(np.diff(line)) + 1]) if len(line) else np.zeros(0, dtype=np.int64)
    nth = np.arange(len(line)) - np.repeat(first, np.diff(np.append(first, len(line))))
    inner, line = inner[nth < _STARTS - 1], line[nth < _STARTS - 1]
    places = np.concatenate([start, inner])
    owner = np.concatenate([np.arange(len(start)), line])
    band = 2 * kind[owner].astype(np.int64) + (np.arange(len(places)) >= len(start))
    order = np.argsort(band, kind="stable")
    bands = np.searchsorted(band[order], np.arange(2 * len(KINDS) + 1))
    return places[order].astype(np.int32), owner[order].astype(np.int32), bands.astype(np.int64)


def _trie(lines: Lines, code: NDArray[np.uint16]) -> Trie:
    """The words of all lines; a word's use is the sum of its lines' popularity."""
    use: defaultdict[str, float] = defaultdict(float)
    for key, prior in zip(lines.key, lines.prior.tolist()):
        for word in key.split()[:_STARTS]:
            use[word] += 0.05 + prior
    words = sorted(w for w in use if len(w) <= LONGEST)
    letters = code[_points("".join(words))] if words else np.zeros(0, dtype=np.uint16)
    offsets = np.concatenate([[0], np.cumsum([len(w) for w in words])]).astype(np.int64)
    return Trie.of(letters, offsets, np.array([use[w] for w in words], dtype=np.float32))


def _beside(code: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Cost of hitting one key for another: less for neighbours on the keyboard, and for vowels."""
    known = [c for c in map(chr, range(33, 127)) if code[ord(c)] < 1000]
    out = np.ones((int(max((code[ord(c)] for c in known), default=0)) + 1,) * 2, dtype=np.float32)
    where = {c: (x + 0.5 * y, y) for y, row in enumerate(word_data()["keyboard"]) for x, c in enumerate(row)}
    for a in known:
        for b in known:
            if a in where and b in where and abs(where[a][0] - where[b][0]) <= 1 and abs(where[a][1] - where[b][1]) <= 1:
                out[code[ord(a)], code[ord(b)]] = _BESIDE
            elif a in "aeiou" and b in "aeiou":
                out[code[ord(a)], code[ord(b)]] = _VOWEL
    return out


def _joined(texts: list[NDArray[np.uint16]]) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    offsets = np.concatenate([[0], np.cumsum([len(t) for t in texts])]).astype(np.int64)
    return (np.concatenate(texts) if texts else np.zeros(0, dtype=np.uint16)), offsets
