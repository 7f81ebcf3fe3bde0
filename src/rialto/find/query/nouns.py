"""What things are called: noun phrases of titles that belong to one category, or, without categories, to one profile of attributes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.query.plain import units
from rialto.find.query.roles import key, keys, name_words, role_names, roles, value_words

__all__ = ["Nouns", "sampled"]

Phrase = tuple[str, ...]

_MOST = 40_000  # products whose titles are read
_LONGEST = 3  # words of a noun phrase
_SEEN = 3  # models that must be called so
_HEAD = 0.3  # share of a phrase's occurrences that end a run of words
_PURE = 0.5  # share of a phrase's products in its commonest class
_WORD = 1.5  # log of how much commoner a shorter phrase must be to be preferred
_TOLD = 0.4  # the same for a phrase that tells a nat less of the class
_TELLING = 0.8  # nats that a phrase must tell of the class, where classes are guessed
_MEMBERS = 0.02  # share of a class's products that bear the phrase
_BRANDS = 2  # brands that must use it, where the shop has five and more
_LONG = 40  # characters of a value that is prose
_NUMBER = re.compile(r"[\d.,/]+")
_ENDS = re.compile(r"[,;:()\[\]|–—/]$")


@dataclass(frozen=True)
class Nouns:
    """Noun phrases of a catalogue.

    Args:
        of_class: Phrase -> (class, products that bear it).
        spelled: Phrase -> how titles write it, in lower case.
        tells: Phrase -> what it tells of the class, nats.
    """

    of_class: dict[Phrase, tuple[int, int]]
    spelled: dict[Phrase, str]
    tells: dict[Phrase, float]

    @classmethod
    def of(cls, catalogue: Catalogue, classes: NDArray[np.int64], *, guessed: bool) -> Nouns:
        """Find them.

        Args:
            classes: Class of each product, shape (products,); -1 = none. Categories, or with `guessed` clusters of attribute profiles.

        Cost:
            About 50 us a product, for 40,000 products at most.
        """
        rows = sampled(catalogue, _MOST)
        brands, _ = catalogue.brands
        seen: dict[Phrase, Counter[int]] = {}
        by_brand: dict[Phrase, set[int]] = {}
        ends: Counter[Phrase] = Counter()
        spelled: dict[Phrase, Counter[str]] = {}
        for row, runs in zip(rows.tolist(), _runs(catalogue, rows, attributes=not guessed)):
            for phrase, text, last in _phrases(runs):
                seen.setdefault(phrase, Counter())[int(classes[row])] += 1
                by_brand.setdefault(phrase, set()).add(int(brands[row]))
                spelled.setdefault(phrase, Counter())[text] += 1
                ends[phrase] += last
        size = np.bincount(classes[rows][classes[rows] >= 0], minlength=1)
        enough = _BRANDS if len(set(brands[rows].tolist())) >= 5 else 1
        of_class: dict[Phrase, tuple[int, int]] = {}
        makers = {keys(b) for b in catalogue.brands[1]}
        for phrase, counts in seen.items():
            total = counts.total()
            if phrase in makers or total < _SEEN or len(by_brand[phrase]) < enough or ends[phrase] < _HEAD * total:
                continue
            where, n = counts.most_common(1)[0]
            if where >= 0 and (_tells(counts, size) >= _TELLING if guessed else n >= max(_PURE * total, _MEMBERS * size[where])):
                of_class[phrase] = (where, total)
        # its last word says what a thing is: "cartridge original" is no noun where "original" alone is none
        of_class = {p: w for p, w in of_class.items() if len(p) == 1 or p[-1:] in of_class}
        return cls(of_class, {p: spelled[p].most_common(1)[0][0] for p in of_class}, {p: _tells(seen[p], size) for p in of_class})

    def only(self, kept: Collection[str]) -> Nouns:
        """Those that titles write as one of `kept`."""
        phrases = [p for p in self.of_class if self.spelled[p] in kept]
        return Nouns(
            {p: self.of_class[p] for p in phrases}, {p: self.spelled[p] for p in phrases}, {p: self.tells[p] for p in phrases}
        )

    def best(self, text: str) -> str:
        """The phrase that says best what a title names, as titles write it; "" where it names none.

        Commoner phrases tell the kind of thing, longer ones tell it more exactly.
        """
        bare = keys(text)
        found = {
            bare[i:j] for i in range(len(bare)) for j in range(i + 1, min(i + _LONGEST, len(bare)) + 1)
        } & self.of_class.keys()
        if not found:
            return ""
        return self.spelled[max(found, key=lambda p: (log(self.of_class[p][1]) + _WORD * len(p) + _TOLD * self.tells[p], p))]


def _tells(counts: Counter[int], size: NDArray[np.int64]) -> float:
    """How far the classes of the products that bear it are from those of all: Kullback-Leibler divergence in nats."""
    inside = {c: n for c, n in counts.items() if c >= 0}
    total, everything = sum(inside.values()), float(size.sum())
    return sum(n / total * log(n / total * everything / size[c]) for c, n in inside.items()) if total else 0.0


def sampled(catalogue: Catalogue, most: int) -> NDArray[np.int64]:
    """One product of each group of variants, an even sample of at most `most` of them, ascending."""
    rows = np.sort(np.unique(catalogue.group_code, return_index=True)[1]).astype(np.int64)
    return rows[:: max(1, -(-len(rows) // most))]


def _runs(catalogue: Catalogue, rows: NDArray[np.int64], *, attributes: bool) -> Iterator[list[list[str]]]:
    """The runs of words of each title that are no brand, value, number or joining word."""
    titles, brands, own = catalogue.text("title"), catalogue.text("brand"), _own_words(catalogue, named=attributes)
    general = role_names("joining") | value_words("colour") | {key(w) for u in units() for w in u.writings}
    labels = catalogue.labels
    for row in rows.tolist():
        pairs = labels.pair[labels.offsets[row] : labels.offsets[row + 1]].tolist()
        gone = {w for p in pairs for w in own[p]}
        gone.update(keys(str(brands[row])))
        runs, number = list[list[str]]([[]]), False
        for word in str(titles[row]).split():
            k, counted = key(word), number
            number = _NUMBER.fullmatch(k) is not None  # the word behind a number is what is counted: "18 vents"
            if not k or any(c.isdigit() for c in k) or counted or k in gone or k in general or (len(k) == 1 and k.isascii()):
                runs.append([])
                continue
            runs[-1].append(word)
            if _ENDS.search(word):
                runs.append([])
        yield [r for r in runs if r]


def _own_words(catalogue: Catalogue, *, named: bool) -> list[frozenset[str]]:
    """The words of each pair of the labels that tell a feature, not what the thing is; with `named` those of the attribute's name too."""
    labels, role = catalogue.labels, roles(catalogue)
    out: list[frozenset[str]] = []
    for name, text in zip(labels.pair_name.tolist(), labels.pair_text.tolist()):
        if role[name] == "type" or len(text) > _LONG:
            out.append(frozenset())
            continue
        words = keys(text.replace(",", " "))
        short = len(words) == 1 or named or role[name] != "attribute"
        out.append(frozenset([*(words if short else ()), *((key(w) for w in name_words(labels.names[name])) if named else ())]))
    return out


def _phrases(runs: Sequence[Sequence[str]]) -> Iterator[tuple[Phrase, str, bool]]:
    """Phrases of the runs' words, as written, and whether each ends its run; each phrase once."""
    seen: set[Phrase] = set()
    for run in runs:
        bare = [key(w) for w in run]
        for start in range(len(run)):
            for stop in range(start + 1, min(start + _LONGEST, len(run)) + 1):
                phrase = tuple(bare[start:stop])
                if phrase not in seen and len(set(phrase)) == len(phrase):
                    seen.add(phrase)
                    text = " ".join(w.strip(",;:()[]|–—/") for w in run[start:stop]).lower()
                    yield phrase, text, stop == len(run)
