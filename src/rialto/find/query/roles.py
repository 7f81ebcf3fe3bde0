"""Which attributes are colours, sizes, materials, models and product types: by their names, and by what their values say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from rialto.find.catalogue import Catalogue
from rialto.find.terms import fold, stem

__all__ = ["KINDS", "key", "keys", "name_words", "role_names", "roles", "value_words"]

KINDS = ("brand", "type", "colour", "size", "material", "model", "number", "unit", "attribute", "other")
"""What a word of a query can be."""

_CAPITAL = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])")
_CUT = re.compile(r"[\W_]+")
_ENDS = re.compile(r"^[^\w#+]+|[^\w+]+$|(?<=\w)['’]s$")
_TAIL = re.compile(r"[^\W\d_]+$")
_BY_NAME = 0.15  # share of an attribute's products with a telling value from which its name is believed
_BY_VALUE = 0.8  # the same, where the name says nothing
_SEVERAL = 4  # telling values that a name which says nothing needs, where it has as many
_PREFIXES = ("attr_t_", "attr_", "attribute_", "spec_")
_PART = 6  # letters of a name's word from which it may be a part of another: "produktfarbe"


@cache
def key(word: str) -> str:
    """One form of a word as typed: accents, case, possessive, plural and outer punctuation off; "" where nothing stays.

    Example:
        >>> [key(w) for w in ("Women's", "T-Shirts", '17"', "&")]
        ['women', 't-shirt', '17', '']
    """
    bare = _ENDS.sub("", _ENDS.sub("", "".join(fold(word).split())))
    tail = _TAIL.search(bare)
    return bare if tail is None else bare[: tail.start()] + stem(tail[0])


def keys(text: str) -> tuple[str, ...]:
    """The forms of a text's words.

    Example:
        >>> keys("Hoodies & Sweatshirts")
        ('hoody', 'sweatshirt')
    """
    return tuple(k for k in map(key, text.split()) if k)


def name_words(name: str) -> tuple[str, ...]:
    """The words of an attribute's name.

    Example:
        >>> name_words("attr_t_productColour")
        ('attr', 't', 'product', 'colour')
    """
    return tuple(w for w in _CUT.split(fold(_CAPITAL.sub(" ", name))) if w)


@dataclass(frozen=True, slots=True)
class _Role:
    names: tuple[str, ...]
    values: frozenset[str]


@cache
def _data() -> Mapping[str, _Role]:
    raw = tomllib.loads(files("rialto.find").joinpath("data/roles.toml").read_text(encoding="utf-8"))
    return {k: _Role(tuple(fold(n) for n in v["names"]), frozenset(map(key, v.get("values", ())))) for k, v in raw.items()}


def value_words(kind: str) -> frozenset[str]:
    """The general words of a kind, by their `key`: colours, sizes or materials; empty for other kinds."""
    role = _data().get(kind)
    return role.values if role else frozenset()


def role_names(kind: str) -> frozenset[str]:
    """The words of `[kind]` of the data file that stand under `names`.

    Example:
        >>> "with" in role_names("joining")
        True
    """
    role = _data().get(kind)
    return frozenset(role.names) if role else frozenset()


def roles(catalogue: Catalogue) -> tuple[str, ...]:
    """What each text attribute is, in the order of `catalogue.labels.names`: `colour`, `size`, `material`, `model`, `type` or `attribute`.

    A name that says so is believed where some values agree; a name that says nothing where nearly all do.

    Cost:
        Linear in the labels.

    Example:
        >>> from rialto.find.builder import Builder
        >>> b, blank = Builder(), {k: "" for k in ("title", "brand", "category", "description", "group", "image", "names")}
        >>> none = {k: float("nan") for k in ("price_cents", "stock", "released_day", "rating", "rating_count")}
        >>> b.add("1", blank, none, [("Farbe", "t", ("blau",)), ("rollen", "t", ("zwei",)), ("surface", "t", ("oak",))])
        >>> roles(b.finish())
        ('colour', 'attribute', 'material')
    """
    labels = catalogue.labels
    count = np.bincount(labels.pair, minlength=len(labels.pair_name)).astype(np.float64)
    values: list[list[tuple[str, float]]] = [[] for _ in labels.names]
    for name, text, n in zip(labels.pair_name.tolist(), labels.pair_text.tolist(), count.tolist()):
        values[name].append((text, n))
    return tuple(_role(name, found) for name, found in zip(labels.names, values))


def _role(name: str, values: Sequence[tuple[str, float]]) -> str:
    named = _named(name)
    if named in ("model", "type"):
        return named if all(v not in ("yes", "no") for v, _ in values) else "attribute"
    total = sum(n for _, n in values) or 1.0
    for kind in ("colour", "size", "material"):
        telling = [n for v, n in values if _tells(v, kind, numbers=named == kind)]
        needed, several = (_BY_NAME, 1) if named == kind else (_BY_VALUE, _SEVERAL)
        if named in (kind, "") and len(telling) >= min(several, len(values)) and sum(telling) / total >= needed:
            return kind
    return "attribute"


def _tells(value: str, kind: str, *, numbers: bool) -> bool:
    words = set(keys(value.replace(",", " ").replace("/", " "))) if len(value) < 80 else set[str]()
    digits = numbers and kind == "size" and bool(words) and all(w.replace(".", "").isdigit() for w in words)
    return digits or bool(words & value_words(kind))


def _named(name: str) -> str:
    """The role that a name speaks of; "" where it speaks of none, "-" where it speaks of something else."""
    words, whole, data = name_words(name), "_".join(name_words(name)), _data()
    if set(words) & set(data["none"].names):
        return "-" if whole not in data["model"].names + data["type"].names else "model"
    for kind in ("colour", "size", "material", "model", "type"):
        names = data[kind].names
        if any(_hit(word, hint) for hint in names for word in (*words, whole)):
            return kind if kind not in ("model", "type") or _mostly(whole, names) else ""
    return ""


def _hit(word: str, hint: str) -> bool:
    return word == hint or (len(hint) >= _PART - 1 and len(word) > len(hint) and hint in word)


def _mostly(whole: str, names: Sequence[str]) -> bool:
    """The whole name is a hint, or a hint behind a prefix such as "attr_t_": "model_year" is no model, "bus_type" no type."""
    return any(whole == n or whole in {p + n for p in _PREFIXES} for n in names)
