"""The made-up shop's types, brands and words, as read from `data/shop_types.toml` and `data/shop_words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from rialto.errors import NothingHere

__all__ = ["AttributeValue", "Brand", "ProductType", "Words", "inks", "product_types", "words"]

AttributeValue: TypeAlias = str | int | float | bool
"""What an attribute may hold: text, a number in the unit that its name ends in, or a flag."""


@dataclass(frozen=True, slots=True)
class ProductType:
    """A shelf of the shop; the fields are explained at the top of `data/shop_types.toml`."""

    name: str
    path: str
    nouns: tuple[str, ...]
    asks: tuple[str, ...]
    uses: tuple[str, ...]
    guild: str
    price: tuple[int, float]
    palette: str
    silhouette: str
    variants: tuple[str, ...]
    attributes: Mapping[str, tuple[AttributeValue, ...] | float]

    @property
    def aisle(self) -> str:
        """The path without its last part: types of one aisle are near one another."""
        return self.path.rsplit("/", 1)[0]


@dataclass(frozen=True, slots=True)
class Brand:
    """A maker: the guilds it works in, its price `level`, its mean liking `prestige` and the `style` of its titles."""

    name: str
    guilds: tuple[str, ...]
    level: float
    prestige: float
    style: str


@dataclass(frozen=True, slots=True)
class Words:
    """Ways to say things; the fields are explained in `data/shop_words.toml`."""

    today: str
    colours: Mapping[str, Mapping[str, str]]
    colour_words: Mapping[str, list[str]]
    near: frozenset[tuple[str, str]]
    palettes: Mapping[str, list[str]]
    brands: tuple[Brand, ...]
    say: Mapping[str, list[str]]
    flags: Mapping[str, list[str]]
    units: Mapping[str, list[tuple[str, float]]]
    prose: Mapping[str, list[str]]
    audiences: Mapping[str, list[str]]
    plurals: Mapping[str, str]

    def plural(self, noun: str) -> str:
        """The plural that a shopper would type.

        Example:
            >>> [words().plural(noun) for noun in ("sofa", "dress", "water bottle", "jeans", "computer mouse")]
            ['sofas', 'dresses', 'water bottles', 'jeans', 'computer mice']
        """
        if noun in self.plurals:
            return self.plurals[noun]
        if noun.endswith(("ss", "sh", "ch", "x")):
            return noun + "es"
        if noun.endswith("y") and noun[-2] not in "aeiou":
            return noun[:-1] + "ies"
        return noun if noun.endswith("s") else noun + "s"


@cache
def product_types() -> tuple[ProductType, ...]:
    """All types, in the file's order; read once."""
    return tuple(_type(raw) for raw in read("shop_types.toml")["type"])


@cache
def words() -> Words:
    """All words; read once."""
    raw = read("shop_words.toml")
    pairs = {(a, b) for a, b in raw["near"]["pairs"]}
    brands = tuple(Brand(b["name"], tuple(b["guilds"]), b["level"], b["prestige"], b["style"]) for b in raw["brand"])
    return Words(
        raw["today"], raw["colours"], raw["colour_words"], frozenset(pairs | {(b, a) for a, b in pairs}), raw["palettes"], brands,
        raw["say"], raw["flags"], {k: [(u, f) for u, f in v] for k, v in raw["units"].items()}, raw["prose"], raw["audiences"],
        raw["plurals"],
    )  # fmt: skip


@cache
def inks() -> Mapping[str, str]:
    """Colour or shade name -> ink as #rrggbb; a colour's own ink is that of its first shade, a shade shared by two is the first's."""
    found: dict[str, str] = {}
    for colour, shades in words().colours.items():
        found.setdefault(colour, next(iter(shades.values())))
        for shade, ink in shades.items():
            found.setdefault(shade, ink)
    return found


@cache
def read(name: str) -> Mapping[str, Any]:
    """The content of one of the package's TOML data files, read once, to be left as it is; `NothingHere` where there is no such file."""
    path = files("rialto.worlds").joinpath("data", name)
    if not path.is_file():
        raise NothingHere(f"the package holds no data file {name!r}; it may be installed without its data. Install rialto again.")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _type(raw: dict[str, Any]) -> ProductType:
    attributes = {k: tuple(v) if isinstance(v, list) else float(v) for k, v in raw["attributes"].items()}
    return ProductType(
        raw["name"], raw["path"], tuple(raw["nouns"]), tuple(raw["asks"]), tuple(raw["uses"]), raw["guild"],
        (int(raw["price"][0]), float(raw["price"][1])), raw["palette"], raw["silhouette"], tuple(raw.get("variants", ())), attributes,
    )  # fmt: skip
