"""Negation: "case without magnet" taken out of a query, and the products that hold what is not wanted."""

from __future__ import annotations

import json
import re
import tomllib
import weakref
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query.nouns import sampled
from rialto.find.query.roles import key, keys, name_words
from rialto.find.records import Rewrite

__all__ = ["Negation", "holds"]

Phrase = tuple[str, ...]

_WORDS = 3  # of what is not wanted
_SEEN = 2  # titles that must write "no show" for it to be one thing
_MOST = 40_000  # titles that are read for that
_PARTED = re.compile(r"[,;:/|()\[\]]|\s[–—-]\s")  # nothing is denied across these
_MASKS = 64  # phrases whose masks are kept


@cache
def _data() -> Mapping[str, tuple[str, ...]]:
    raw = tomllib.loads(files("rialto.find").joinpath("data/negation.toml").read_text(encoding="utf-8"))
    return {k: tuple(v) for k, v in raw.items()}


@dataclass(frozen=True)
class Negation:
    """Takes what is not wanted out of a query.

    Args:
        values: Phrases that the catalogue knows, so that "no leather jacket" negates leather alone.
        whole: Phrases with "no", "not" or "free" that titles and values use as one thing: "no show", "sugar free".
    """

    values: frozenset[Phrase] = frozenset()
    whole: frozenset[Phrase] = frozenset()

    @classmethod
    def of(cls, catalogue: Catalogue, phrases: Collection[Phrase]) -> Negation:
        """Learn which phrases are one thing; `phrases` are the known values, brands and kinds of thing. Linear, at most 40,000 titles."""
        seen: Counter[Phrase] = Counter()
        texts = [str(catalogue.text("title")[r]) for r in sampled(catalogue, _MOST).tolist()]
        labels = catalogue.labels
        texts += [t for t in labels.pair_text.tolist() if len(t) < 80] * _SEEN
        texts += [" ".join(name_words(n)) for n in labels.names] * _SEEN
        for text in texts:
            seen.update(_wholes(text))
        return cls(frozenset(phrases), frozenset(p for p, n in seen.items() if n >= _SEEN))

    def __call__(self, text: str) -> tuple[str, tuple[str, ...], tuple[Rewrite, ...]]:
        """The text without its negations, what is not wanted, and what was read as what.

        Args:
            text: Lower case, blanks single.

        Returns:
            As it came where nothing is negated, or where nothing else would be left.

        Example:
            >>> text, without, rewrites = Negation()("phone case without magnet for iphone")
            >>> text, without, rewrites[0].id
            ('phone case for iphone', ('magnet',), 'negation:without magnet')
            >>> Negation()("no 7 serum")[0], Negation()("laptop -dell")[:2]
            ('no 7 serum', ('laptop', ('dell',)))
        """
        words = text.split()
        kept, without, rewrites, at = list[str](), list[str](), list[Rewrite](), 0
        while at < len(words):
            stop, wanted_not = self._negated(words, at)
            if not wanted_not:
                kept.append(words[at])
                at += 1
                continue
            without += wanted_not
            said = " ".join(words[at:stop])
            rewrites.append(Rewrite("negation", said, "none with " + " or ".join(wanted_not), f"negation:{said}"))
            at = stop
        if not rewrites or not any(key(w) for w in kept):
            return text, (), ()
        return " ".join(kept), tuple(dict.fromkeys(without)), tuple(rewrites)

    def _negated(self, words: Sequence[str], at: int) -> tuple[int, list[str]]:
        """Where a negation that starts here ends, and what is not wanted; nothing where none starts."""
        word = words[at]
        if word[0] == "-" and word[1:2].isalpha() and at > 0 and not words[at - 1][-1].isdigit():
            return at + 1, [word[1:].strip('"')]
        if self._is_freed(words, at):
            return at + 2, [word]
        head = self._head(words, at)
        return self._things(words, at + head, first=at == 0) if head else (at, [])

    def _is_freed(self, words: Sequence[str], at: int) -> bool:
        """True for "magnet free" before a known thing or at the end: a known value that the catalogue does not write with "free"."""
        if at == 0 or at + 1 >= len(words) or words[at + 1] not in ("free", "-free") or self._is_whole((words[at], "free")):
            return False
        follows = at + 2 == len(words) or (key(words[at + 2]),) in self.values
        return follows and (key(words[at]),) in self.values

    def _head(self, words: Sequence[str], at: int) -> int:
        """Words of the negating word or words that stand here; 0 = none."""
        data = _data()
        for n in (2, 1):
            said = " ".join(words[at : at + n])
            if n == 2 and said in data["idioms"]:
                return 0
            if said in data["always"] and at + n < len(words):
                return n
            if (
                said in data["unless_known"]
                and at + n < len(words)
                and _word(words[at + n])
                and not self._is_whole(words[at : at + 2])
            ):
                return n
        return 0

    def _is_whole(self, words: Sequence[str]) -> bool:
        return tuple(key(w) for w in words) in self.whole

    def _things(self, words: Sequence[str], at: int, *, first: bool) -> tuple[int, list[str]]:
        """What is not wanted from here on, one phrase or several joined by "and"; and where it ends."""
        data, out = _data(), list[str]()
        while at < len(words):
            while at < len(words) - 1 and words[at] in data["skip"]:
                at += 1
            stop = at
            while (
                stop < len(words) and stop - at < _WORDS and _word(words[stop]) and words[stop] not in data["ends"] + data["more"]
            ):
                stop += 1
                if words[stop - 1].endswith(","):
                    break
            stop = self._known_end(words, at, stop, first=first)
            if stop == at:
                break
            out.append(" ".join(words[at:stop]).rstrip(","))
            at = stop
            if not (at < len(words) - 1 and words[at] in data["more"] and _word(words[at + 1])):
                break
            following = self._known_end(words, at + 1, min(at + 1 + _WORDS, len(words)), first=True)
            if tuple(key(w) for w in words[at + 1 : following]) not in self.values:
                break  # "without zip and pockets", but not "without zip and then some"
            at += 1
        return at, out

    def _known_end(self, words: Sequence[str], start: int, stop: int, *, first: bool) -> int:
        """End of the longest known phrase from `start`; where none is known, one word at a query's beginning, all elsewhere."""
        for end in range(min(start + _WORDS + 1, len(words)), stop, -1):  # "plug and play" is one thing, whatever joins it
            if key(words[end - 1]) and self._known(words[start:end]):
                return end
        for end in range(stop, start, -1):
            if self._known(words[start:end]):
                # "not leather wallet" keeps the wallet; a word that nobody knows belongs to what is not wanted
                return end if first or any((key(w),) in self.values for w in words[end:stop]) else stop
        return min(start + 1, stop) if first else stop

    def _known(self, words: Sequence[str]) -> bool:
        return tuple(k for w in words if (k := key(w))) in self.values

    def save(self) -> bytes:
        """JSON."""
        return json.dumps({"values": sorted(self.values), "whole": sorted(self.whole)}, ensure_ascii=False).encode()

    @classmethod
    def load(cls, body: bytes) -> Negation:
        """What `save` wrote; `BadInput` where it is something else."""
        try:
            data = json.loads(body)
            return cls(frozenset(map(tuple, data["values"])), frozenset(map(tuple, data["whole"])))
        except (ValueError, TypeError, KeyError) as e:
            raise BadInput(f"this is no negation: {e}; wanted what Negation.save wrote.") from None


def _word(word: str) -> bool:
    return word[:1].isalpha() and key(word) != ""


def _wholes(text: str) -> set[Phrase]:
    runs = [keys(part.replace("-", " ")) for part in _PARTED.split(text)]
    return {(a, b) for words in runs for a, b in zip(words, words[1:]) if a in ("no", "not") or b == "free"}


def holds(catalogue: Catalogue, phrases: Sequence[str], rows: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
    """Which products hold any of the phrases, in title, names, brand, category or attributes.

    A phrase is held where its words stand next to one another and the text does not deny them ("without zip", "sugar free"); a yes/no
    attribute is held where it is yes. Singular and plural are one.

    Args:
        rows: Rows of the catalogue to be looked at, shape (rows,); None = all.

    Returns:
        Shape (rows,), or (products,) for all.

    Cost:
        With `rows` about 1 us a row once its words were made, which takes 20 us; without, all products are looked at once a phrase.

    Example:
        >>> from rialto.find.builder import Builder
        >>> b, blank = Builder(), {k: "" for k in ("title", "brand", "category", "description", "group", "image", "names")}
        >>> none = {k: float("nan") for k in ("price_cents", "stock", "released_day", "rating", "rating_count")}
        >>> b.add("1", blank | {"title": "Hoodie with zips"}, none, [])
        >>> b.add("2", blank | {"title": "Hoodie without zip"}, none, [])
        >>> b.add("3", blank | {"title": "Hoodie"}, none, [("zip", "b", True)])
        >>> holds(b.finish(), ["zip"]).tolist()
        [True, False, True]
    """
    wanted = [w for p in phrases if (w := " ".join(keys(p)))]
    texts = _texts(catalogue)
    if rows is None:
        out = np.zeros(len(catalogue), dtype=bool)
        for phrase in wanted:
            out |= texts.mask(phrase)
        return out
    return np.array([any(_held(texts.of(r), p) for p in wanted) for r in rows.tolist()], dtype=bool)


@dataclass
class _Texts:
    """The words of a catalogue's products, made when they are asked for."""

    catalogue: weakref.ref[Catalogue]
    made: dict[int, str] = field(default_factory=dict)
    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    pairs: dict[int, str] = field(default_factory=dict)

    def of(self, row: int) -> str:
        text = self.made.get(row)
        if text is None:
            text = self.made[row] = self._words(row)
        return text

    def mask(self, phrase: str) -> NDArray[np.bool_]:
        found = self.masks.get(phrase)
        if found is None:
            catalogue = self.catalogue()
            count = 0 if catalogue is None else len(catalogue)
            found = np.fromiter((_held(self.of(r), phrase) for r in range(count)), dtype=bool, count=count)
            if len(self.masks) >= _MASKS:
                del self.masks[next(iter(self.masks))]
            self.masks[phrase] = found
        return found

    def _words(self, row: int) -> str:
        catalogue = self.catalogue()
        if catalogue is None:
            return ""
        labels = catalogue.labels
        parts = [str(catalogue.text(name)[row]) for name in ("title", "names", "brand", "category")]
        said = [" ".join(keys(run)) for p in parts for run in _PARTED.split(p)]
        said += [self._pair(catalogue, p) for p in labels.pair[labels.offsets[row] : labels.offsets[row + 1]].tolist()]
        return " | ".join(["", *filter(None, said), ""])

    def _pair(self, catalogue: Catalogue, pair: int) -> str:
        found = self.pairs.get(pair)
        if found is None:
            labels = catalogue.labels
            text = str(labels.pair_text[pair])
            name = " ".join(name_words(labels.names[labels.pair_name[pair]]))
            text = {"yes": name, "no": ""}.get(text, text)
            found = self.pairs[pair] = " | ".join(" ".join(keys(run)) for run in _PARTED.split(text))
        return found


_held_texts: list[_Texts] = []


def _texts(catalogue: Catalogue) -> _Texts:
    for texts in _held_texts:
        if texts.catalogue() is catalogue:
            return texts
    _held_texts[:] = [t for t in _held_texts[-1:] if t.catalogue() is not None] + [_Texts(weakref.ref(catalogue))]
    return _held_texts[-1]


def _held(text: str, phrase: str) -> bool:
    """True where the phrase stands in the text and is not denied there."""
    look, at, data = f" {phrase} ", 0, _data()
    while (at := text.find(look, at)) >= 0:
        before = text[:at].rpartition(" ")[2]
        behind = text[at + len(look) :].partition(" ")[0]
        if before not in data["before_in_text"] and behind not in data["behind_in_text"]:
            return True
        at += 1
    return False
