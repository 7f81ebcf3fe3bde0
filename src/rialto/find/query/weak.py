"""Queries made up from products, with what each of their words is: what tagging, types and intent are trained from without clicks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.query.classes import Classes
from rialto.find.query.first import one_writing
from rialto.find.query.gazetteer import parts_of_value
from rialto.find.query.nouns import sampled
from rialto.find.query.quantities import Quantities, find_quantities
from rialto.find.query.roles import KINDS, key, keys, name_words, role_names, roles
from rialto.find.records import split_path

__all__ = ["OTHER", "Example", "Maker", "is_model", "plural"]

OTHER = KINDS.index("other")

_LEVEL = re.compile(r"\s*(?:&|,|\||\band\b|\bund\b|\bet\b)\s*")
_LONG = 3  # words of a value that a shopper would type
_SAID = {"brand": 0.35, "colour": 0.35, "material": 0.2, "size": 0.2, "number": 0.2, "attribute": 0.35, "model": 0.04}
"""How often a shopper who wants a certain product says so of it."""
_SHAPES = (
    ("type", 0.27),
    ("attribute", 0.45),
    ("features", 0.06),
    ("brand", 0.05),
    ("exact", 0.08),
    ("title", 0.03),
    ("vague", 0.06),
)
_TYPO, _FILLER = 0.04, 0.05
_TITLE = 0.3  # weight of a whole title: most of its words are of no known kind, and shoppers type few


@dataclass(frozen=True, slots=True)
class Example:
    """A query and its truth.

    Args:
        words: Its words; `kinds` (places in `KINDS`) and `begins` (a new span starts here), one a word.
        type: Its product type, a place in the classes' names; -1 = none.
        intent: `exact`, `type`, `attribute`, `navigation` or `browse`.
        row: The product it was made from; -1 = none.
        weight: How much it counts.
    """

    words: tuple[str, ...]
    kinds: tuple[int, ...]
    begins: tuple[bool, ...]
    type: int
    intent: str
    row: int = -1
    weight: float = 1.0

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        """(start, stop, kind) of all spans that are not `other`."""
        out: list[tuple[int, int, int]] = []
        for i, (kind, begins) in enumerate(zip(self.kinds, self.begins)):
            if kind == OTHER:
                continue
            if out and not begins and out[-1][1] == i and out[-1][2] == kind:
                out[-1] = (out[-1][0], i + 1, kind)
            else:
                out.append((i, i + 1, kind))
        return out


_Piece = tuple[str, str]
"""Text and kind; "other" for words that join."""


@dataclass(frozen=True)
class Maker:
    """Makes queries from a catalogue's products."""

    catalogue: Catalogue
    classes: Classes
    quantities: Quantities
    codes: NDArray[np.int32]
    roles: tuple[str, ...]

    @classmethod
    def of(cls, catalogue: Catalogue, classes: Classes, quantities: Quantities) -> Maker:
        """A maker for a catalogue."""
        return cls(catalogue, classes, quantities, classes.codes(catalogue), roles(catalogue))

    def make(self, count: int, *, seed: int) -> list[Example]:
        """About `count` queries, spread over the models of the catalogue; the same seed makes the same. About 50 us each."""
        rng = np.random.default_rng((seed, 7))
        rows = sampled(self.catalogue, max(1, count))
        if not len(rows):
            return []
        picked = np.concatenate([rng.permutation(rows) for _ in range(-(-count // len(rows)))])[:count]
        return [e for row in picked.tolist() if (e := self._one(row, rng)) is not None]

    def _one(self, row: int, rng: np.random.Generator) -> Example | None:
        shape = str(rng.choice([s for s, _ in _SHAPES], p=[p for _, p in _SHAPES]))
        pieces, intent = (
            self._pieces(row, shape, rng),
            {"features": "attribute", "title": "exact", "vague": "browse", "brand": "browse"},
        )
        if not pieces:
            return None
        if shape == "attribute" and not any(k not in ("type", "other") for _, k in pieces):
            shape = "type"
        if shape in ("type", "attribute") and rng.random() < _FILLER:
            pieces = [(str(rng.choice(sorted(role_names("filler")))), "other"), *pieces]
        words, kinds, begins = list[str](), list[int](), list[bool]()
        for text, kind in pieces:
            for at, word in enumerate(text.split()):
                words.append(word)
                kinds.append(KINDS.index(kind))
                begins.append(at == 0 and kind != "other")
        words = [_typo(w, rng) if rng.random() < _TYPO and len(w) > 4 and w.isalpha() else w for w in words]
        told = any(k in ("type", "model") for _, k in pieces) or shape == "title"
        kind_of = int(self.codes[row]) if told else -1
        return Example(
            tuple(words), tuple(kinds), tuple(begins), kind_of, intent.get(shape, shape), row, _TITLE if shape == "title" else 1.0
        )

    def _pieces(self, row: int, shape: str, rng: np.random.Generator) -> list[_Piece]:
        if shape == "title":
            return self._title(row)
        if shape == "vague":
            return self._vague(row, rng)
        noun, brand = self._noun(row, rng), one_writing(str(self.catalogue.text("brand")[row]))
        if shape == "brand":
            return [(brand, "brand")] if brand else []
        if shape == "exact":
            models = self._models(row)
            if not models:
                return []
            model = _respelled(models[int(rng.integers(len(models)))], rng)
            return [(brand, "brand"), (model, "model")] if brand and rng.random() < 0.5 else [(model, "model")]
        if shape == "type":
            return [(noun, "type")] if noun else []
        said = self._said(row, rng, known=[k for k in ("brand",) if brand])
        if shape == "features":
            return [x for p in said[: int(rng.integers(1, 3))] for x in _split_number(p)]
        return _ordered(said[: int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))], noun, rng) if noun else []

    def _noun(self, row: int, rng: np.random.Generator) -> str:
        """What a shopper calls this product: the noun of its title, or the name of its category."""
        options = [self.classes.nouns.best(str(self.catalogue.text("title")[row]))]
        path = split_path(str(self.catalogue.text("category")[row]))
        if path:
            options += [one_writing(p) for p in _LEVEL.split(path[-1])]
        options = [o for o in options if o and len(o.split()) <= 4]
        if not options:
            return ""
        noun = options[0] if rng.random() < 0.55 else options[int(rng.integers(len(options)))]
        return plural(noun) if rng.random() < 0.35 else noun

    def _said(self, row: int, rng: np.random.Generator, *, known: Sequence[str]) -> list[_Piece]:
        """What a shopper says of this product beside its type, in an order of chance."""
        by_kind = self._features(row)
        if known:
            by_kind["brand"] = [one_writing(str(self.catalogue.text("brand")[row]))]
        out: list[_Piece] = []
        for kind in by_kind:
            if rng.random() < _SAID[kind]:
                options = by_kind[kind]
                out.append((options[int(rng.integers(len(options)))], kind))
        rng.shuffle(out)  # pyright: ignore[reportArgumentType]
        return out

    def _features(self, row: int) -> dict[str, list[str]]:
        labels = self.catalogue.labels
        out: dict[str, list[str]] = {}
        for pair in labels.pair[labels.offsets[row] : labels.offsets[row + 1]].tolist():
            name, text = int(labels.pair_name[pair]), str(labels.pair_text[pair])
            kind = self.roles[name]
            if text == "yes":
                out.setdefault("attribute", []).append(" ".join(name_words(labels.names[name])))
            elif text != "no" and kind in _SAID and len(text) < 80:
                for part in parts_of_value(one_writing(text)):
                    if len(part.split()) <= _LONG and any(c.isalpha() for c in part) and key(part.split()[0]):
                        out.setdefault(kind, []).append(part)
        numbers = [*self._numbers(row)]
        return {**out, "number": numbers} if numbers else out

    def _numbers(self, row: int) -> Iterator[str]:
        """Numbers with units of the title and of the attributes."""
        plain = one_writing(str(self.catalogue.text("title")[row]))[:200]
        words = plain.split()
        for f in find_quantities(plain):
            yield " ".join(words[f.start : f.stop]).strip(",;()")
        m = self.catalogue.measures
        unit = {b.name: f" {to}" for to, bound in self.quantities.bound.items() for b in bound if b.factor == 1.0}
        for at in range(int(m.offsets[row]), int(m.offsets[row + 1])):
            name = m.names[m.name[at]]
            if name in unit and "piece" not in unit[name]:
                yield f"{m.value[at]:g}{unit[name]}"

    def _models(self, row: int) -> list[str]:
        labels = self.catalogue.labels
        pairs = labels.pair[labels.offsets[row] : labels.offsets[row + 1]].tolist()
        stated = [one_writing(str(labels.pair_text[p])) for p in pairs if self.roles[int(labels.pair_name[p])] == "model"]
        words = one_writing(str(self.catalogue.text("title")[row])).split()
        return [m for m in (*stated, *(w.strip(",;()") for w in words if is_model(w))) if m and len(m.split()) <= 2]

    def _title(self, row: int) -> list[_Piece]:
        """The whole title; what is known of the product is marked in it, the rest is other."""
        words = [w for x in one_writing(str(self.catalogue.text("title")[row])).split() if key(w := x.strip(",;()"))][:12]
        known = {keys(text): kind for kind, texts in self._features(row).items() for text in texts if kind != "number"}
        known[keys(self.classes.nouns.best(" ".join(words)))] = "type"
        known[keys(str(self.catalogue.text("brand")[row]))] = "brand"
        out, at = list[_Piece](), 0
        while at < len(words):
            n = next((n for n in (4, 3, 2, 1) if keys(" ".join(words[at : at + n])) in known and key(words[at])), 0)
            kind = known[keys(" ".join(words[at : at + n]))] if n else "model" if is_model(words[at]) else "other"
            out.append((" ".join(words[at : at + max(n, 1)]), kind))
            at += max(n, 1)
        return out

    def _vague(self, row: int, rng: np.random.Generator) -> list[_Piece]:
        """A few words of the description, which say nothing in particular."""
        words = [w for w in one_writing(str(self.catalogue.text("description")[row])[:300]).split() if w.isalpha()]
        if len(words) < 4:
            return []
        start = int(rng.integers(len(words) - 2))
        picked = words[start : start + int(rng.integers(2, 5))]
        things = {p[0] for p in self.classes.nouns.of_class if len(p) == 1}
        return [] if things & {key(w) for w in picked} else [(w, "other") for w in picked]


def _ordered(said: Sequence[_Piece], noun: str, rng: np.random.Generator) -> list[_Piece]:
    """In an order that shoppers use: mostly the brand first, what it is last, numbers and joined words behind it."""
    before, behind = list[_Piece](), list[_Piece]()
    for text, kind in said:
        late = 0.5 if kind in ("number", "size") else 0.25 if kind in ("attribute", "material") else 0.15
        if rng.random() >= late:
            before.append((text, kind))
            continue
        if kind in ("attribute", "material") and rng.random() < 0.7:
            joining = [w for w in ("with", "for", "in") if w in role_names("joining")]
            behind.append((joining[int(rng.integers(len(joining)))], "other"))
        behind.append((text, kind))
    if rng.random() < 0.7:
        before.sort(key=lambda p: p[1] != "brand")
    pieces = [*before, (noun, "type"), *behind]
    return [x for p in pieces for x in _split_number(p)]


def _split_number(piece: _Piece) -> list[_Piece]:
    """A number of two words is a number and a unit."""
    words = piece[0].split()
    if piece[1] != "number" or len(words) < 2:
        return [piece]
    return [(w, "number" if any(c.isdigit() for c in w) else "unit") for w in words]


def is_model(word: str) -> bool:
    """True for letters and digits of a model number's length that are no number with a unit.

    Example:
        >>> is_model("dv7-1211ea"), is_model("15.6inch"), is_model("1080p"), is_model("laptop")
        (True, False, True, False)
    """
    bare = re.sub(r"[\W_]+", "", word)
    mixed = any(c.isdigit() for c in bare) and any(c.isalpha() for c in bare)
    return mixed and 4 <= len(bare) <= 30 and not find_quantities(word.lower().strip(",;()"))


def plural(noun: str) -> str:
    """The plural of an English noun phrase; other languages' words only get an s.

    Example:
        >>> plural("water bottle"), plural("dress"), plural("battery"), plural("jeans")
        ('water bottles', 'dresses', 'batteries', 'jeans')
    """
    if noun.endswith("s") and not noun.endswith("ss"):
        return noun
    if noun.endswith(("ss", "sh", "ch", "x")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"


def _respelled(model: str, rng: np.random.Generator) -> str:
    how = rng.random()
    if how < 0.25:
        return model.replace("-", "")
    return model.replace("-", " ") if how < 0.4 else model


def _typo(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, len(word) - 1))
    how = int(rng.integers(3))
    if how == 0:
        return word[:at] + word[at + 1 :]
    return word[:at] + (word[at + 1] + word[at] + word[at + 2 :] if how == 1 else word[at] + word[at:])
