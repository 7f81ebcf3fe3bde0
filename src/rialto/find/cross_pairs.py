"""What a cross-encoder learns from: queries made up from a catalogue's own words with graded products, and judged queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.judgments import Judged
from rialto.find.pipeline import Search
from rialto.find.terms import analyse
from rialto.records import Candidates, hash64

__all__ = ["Lists", "judged_lists", "made_up_lists"]

_OWN, _FULL, _PARTLY = 3.0, 2.0, 1.0
_MOST_SHARE, _RARE = 0.2, 3  # words of more than a fifth of all products, or of fewer than three, say little to shoppers


@dataclass(frozen=True, slots=True)
class Lists:
    """Queries, each with graded products: query `i` owns entries `offsets[i]:offsets[i+1]`.

    Args:
        queries: Texts.
        offsets: Shape (queries + 1,), int64.
        rows: Product rows of the catalogue, shape (entries,), int64.
        grades: 0 = not wanted, shape (entries,), float64.
    """

    queries: tuple[str, ...]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    grades: NDArray[np.float64]

    @property
    def fingerprint(self) -> str:
        """A hash of the content, 16 hexadecimal digits; a model's card names what it was trained on by it."""
        text = "\n".join([*self.queries, self.offsets.tobytes().hex(), self.rows.tobytes().hex(), self.grades.tobytes().hex()])
        return f"{int(hash64(text)):016x}"


def judged_lists(search: Search, judged: Judged, *, depth: int = 100) -> Lists:
    """Judged queries with the best `depth` candidates that the search finds for each and the judged products; unjudged ones have grade 0."""
    c, made = search.catalogue, list[tuple[str, NDArray[np.int64], NDArray[np.float64]]]()
    for at, text in enumerate(judged.texts):
        known = slice(int(judged.judgments.offsets[at]), int(judged.judgments.offsets[at + 1]))
        grade = dict(zip(c.rows(judged.judgments.ids[known]).tolist(), judged.judgments.grades[known].tolist()))
        rows = dict.fromkeys([*_best(search, text, depth).tolist(), *grade])
        rows.pop(-1, None)
        made.append((text, np.array(list(rows), dtype=np.int64), np.array([grade.get(row, 0.0) for row in rows])))
    return _lists(made)


def made_up_lists(search: Search, *, lists: int = 1500, entries: int = 24, seed: int = 0) -> Lists:
    """Queries made up from products' own words, each with what the search finds for it, graded by how fully a product answers.

    A query is some telling words of one product (title, brand, a text attribute, now and then its description), sometimes in
    another order or with a slip of the keys. That product has grade 3, another that holds all words in title, brand, category or
    attributes 2, one that holds most of them anywhere 1, the rest 0: hard ones, as the search found them for these very words.

    Args:
        lists: Queries to make; fewer come back where some find nothing to tell apart.
        entries: Most products a query.
        seed: Same catalogue and seed, same lists.

    Raises:
        BadInput: the catalogue is empty.

    Cost: a search for each query, and 0.1 ms for each product found.
    """
    c = search.catalogue
    if not len(c):
        raise BadInput("the catalogue is empty; wanted products to make queries from.")
    rng, made = np.random.default_rng(seed), list[tuple[str, NDArray[np.int64], NDArray[np.float64]]]()
    telling = _Telling(search)
    for row in rng.choice(len(c), lists, replace=lists > len(c)).tolist():
        text = telling.query(row, rng)
        rows = (
            np.array(list(dict.fromkeys([row, *_best(search, text, entries).tolist()])), dtype=np.int64)[:entries] if text else []
        )
        grades = np.array([_OWN if r == row else telling.grade(text, r) for r in rows])
        if len(rows) and grades.min() < grades.max():
            made.append((text, np.asarray(rows, dtype=np.int64), grades))
    return _lists(made)


class _Telling:
    """What words of a product say, by how many products hold them."""

    def __init__(self, search: Search) -> None:
        self._c, self._terms = search.catalogue, search.knowledge.terms
        low = np.log1p((1.0 - _MOST_SHARE) / _MOST_SHARE)
        self._range = low, np.log(max(len(self._c), 1) / _RARE + 1.0)
        self._held: dict[int, tuple[frozenset[str], frozenset[str]]] = {}

    def query(self, row: int, rng: np.random.Generator) -> str:
        """A made-up query for a product; "" where it holds no telling word."""
        c = self._c
        words = self._usable(str(c.text("title")[row]))
        values = [v for value in c.attributes(row).values() if isinstance(value, str) for v in self._usable(value)]
        size = int(rng.choice([1, 2, 3, 4], p=[0.35, 0.35, 0.2, 0.1]))
        chosen = _some(words, size, rng)
        if values and rng.random() < 0.25:
            chosen = [*_some(values, 1, rng), *chosen[: max(size - 1, 1)]]
        if c.text("brand")[row] and rng.random() < 0.2:
            chosen = [str(c.text("brand")[row]), *chosen]
        if rng.random() < 0.1:
            chosen += _some(self._usable(str(c.text("description")[row])), 1, rng)
        chosen = list(dict.fromkeys(word.lower() for word in chosen))
        if rng.random() < 0.2:
            chosen = [chosen[at] for at in rng.permutation(len(chosen))]
        return " ".join(_slip(word, rng) if rng.random() < 0.05 else word for word in chosen)

    def grade(self, text: str, row: int) -> float:
        """How fully another product answers."""
        asked, (strong, every) = frozenset(analyse(text)), self._words(row)
        if asked <= strong:
            return _FULL
        return _PARTLY if len(asked & every) >= 0.6 * len(asked) else 0.0

    def _usable(self, text: str) -> list[str]:
        low, high = self._range
        words = [word.strip(".,;:()[]\"'!?/") for word in text.split()]
        found = [(word, analyse(word)) for word in words if len(word) > 1]
        kept = [
            (word, float(self._terms.idf(self._terms.numbers(tuple(terms))).max(initial=0.0))) for word, terms in found if terms
        ]
        return [word for word, idf in kept if low <= idf <= high and not word.isdigit()]

    def _words(self, row: int) -> tuple[frozenset[str], frozenset[str]]:
        if row not in self._held:
            c = self._c
            values = " ".join(v for v in c.attributes(row).values() if isinstance(v, str))
            strong = analyse(" ".join([*(str(c.text(n)[row]) for n in ("title", "brand", "category")), values]))
            self._held[row] = frozenset(strong), frozenset([*strong, *analyse(str(c.text("description")[row]))])
        return self._held[row]


def _some(words: Sequence[str], size: int, rng: np.random.Generator) -> list[str]:
    """Up to `size` of the words, in their order."""
    chosen: list[int] = rng.permutation(len(words))[:size].tolist()
    return [words[at] for at in sorted(chosen)]


def _slip(word: str, rng: np.random.Generator) -> str:
    """The word with two letters exchanged or one left out; short words stay."""
    if len(word) < 5:
        return word
    at = int(rng.integers(1, len(word) - 2))
    return word[:at] + (word[at + 1] + word[at] + word[at + 2 :] if rng.random() < 0.5 else word[at + 1 :])


def _best(search: Search, text: str, depth: int) -> NDArray[np.int64]:
    """Rows of the best `depth` candidates by the fusion score."""
    found: Candidates = search.search([text]).ranked
    order = np.lexsort((found.ids, -found.column("score:fusion")))[:depth]
    return search.catalogue.rows(found.ids[order])


def _lists(made: Sequence[tuple[str, NDArray[np.int64], NDArray[np.float64]]]) -> Lists:
    offsets = np.concatenate([[0], np.cumsum([len(rows) for _, rows, _ in made])]).astype(np.int64)
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *(rows for _, rows, _ in made)])
    return Lists(tuple(text for text, _, _ in made), offsets, rows, np.concatenate([np.zeros(0), *(g for _, _, g in made)]))
