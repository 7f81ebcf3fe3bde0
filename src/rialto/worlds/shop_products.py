"""Products of the made-up shop: models of a type by a brand, and the variants of each, with the truth behind them as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rialto.worlds.chance import Chance
from rialto.worlds.shop_data import AttributeValue, ProductType, product_types, words
from rialto.worlds.shop_text import Facts, describe, title

__all__ = ["Product", "ProductTruth", "make_products"]

Product: TypeAlias = dict[str, Any]
"""A line of a catalogue: id, title, brand, category, description, price_cents, stock, released, rating, rating_count, attributes, group, image."""

_WITHHELD = 0.06  # share of attributes that a seller forgot to fill in (they stand in the description)


@dataclass(frozen=True, slots=True)
class ProductTruth:
    """What is true of the products, shape (products,) each, whatever the catalogue says.

    Args:
        type, brand: Index into `type_names`, `brand_names`.
        colour: Index into `colour_names`; -1 where the type has no colour.
        group: Number of the model; variants share it.
        price_cents: int64.
        popularity: How often it is looked at, whatever was asked; sums to 1, long tail.
        quality: About normal; well-liked brands are better on average.
        attributes: Name -> object column, None where the type has no such attribute; complete, unlike the catalogue's.
    """

    type: NDArray[np.int64]
    brand: NDArray[np.int64]
    colour: NDArray[np.int64]
    group: NDArray[np.int64]
    price_cents: NDArray[np.int64]
    popularity: NDArray[np.float64]
    quality: NDArray[np.float64]
    attributes: Mapping[str, NDArray[np.object_]]
    type_names: tuple[str, ...]
    brand_names: tuple[str, ...]
    colour_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    facts: Facts
    group: int
    price_cents: int
    quality: float
    appeal: float


def make_products(seed: int, count: int) -> tuple[tuple[Product, ...], ProductTruth]:
    """Make `count` products and what is true of them; about 0.1 ms each."""
    chance = Chance(seed, 1)
    made: list[_Made] = []
    for group, model in enumerate(_models(chance)):
        made.extend(_variants(model, group, chance))
        if len(made) >= count:
            break
    made = made[:count]
    appeal = np.array([m.appeal for m in made])
    popularity = appeal / appeal.sum()
    rows = tuple(_row(m, number, float(popularity[number]) * count, Chance(seed, 2, number)) for number, m in enumerate(made))
    return rows, _truth(made, popularity)


def _models(chance: Chance) -> Iterator[Facts]:
    # The first round visits every type once, so that even a small shop has many shelves; then some shelves are fuller than others.
    types = chance.some(product_types(), len(product_types()))
    shares = [chance.lognormal(1.0, 0.5) for _ in types]
    ends = np.cumsum(shares) / sum(shares)
    for kind in types:
        yield _model(kind, chance)
    while True:
        yield _model(types[int(np.searchsorted(ends, chance.unit()))], chance)


def _model(kind: ProductType, chance: Chance) -> Facts:
    brand = chance.pick([b for b in words().brands if kind.guild in b.guilds])
    # A brand keeps to one word for a thing most of the time, and brands differ: a shopper's word finds only some of them.
    habit = (len(brand.name) + len(kind.name)) % len(kind.nouns)
    noun = kind.nouns[habit] if chance.happens(0.7) else chance.pick(kind.nouns)
    model = f"{chance.pick(words().prose['models'])}{chance.pick(['', '', ' 2', ' Pro', ' Mini', ' Plus', ' X'])}"
    initials = "".join(part[0] for part in brand.name.replace("&", "").split()).upper() + kind.name[0].upper()
    code = f"{initials}{'-' if chance.happens(0.6) else ''}{100 + 10 * chance.below(890)}{chance.pick('ABKSX') if chance.happens(0.4) else ''}"
    attributes = {name: _value(spec, chance) for name, spec in kind.attributes.items()}
    return Facts(kind, brand, noun, model, code, "", "", attributes)


def _value(spec: tuple[AttributeValue, ...] | float, chance: Chance) -> AttributeValue:
    return chance.pick(spec) if isinstance(spec, tuple) else chance.happens(spec)


def _variants(model: Facts, group: int, chance: Chance) -> list[_Made]:
    kind, brand, book = model.type, model.brand, words()
    colours = chance.some(list(dict.fromkeys(book.palettes[kind.palette])), 1 + chance.below(5))
    if not chance.happens(0.3):  # common colours first: draw again from the palette with its repeats
        colours[0] = chance.pick(book.palettes[kind.palette])
    quality = 0.6 * brand.prestige + chance.normal(0.8)
    base = chance.lognormal(kind.price[0], 0.7 * kind.price[1]) * brand.level**0.8 * (1.0 + 0.08 * quality)
    appeal = chance.lognormal(1.0, 1.2) * np.exp(0.4 * brand.prestige + 0.3 * quality)
    made: list[_Made] = []
    for colour in dict.fromkeys(colours):
        own = {name: _value(kind.attributes[name], chance) for name in kind.variants}
        facts = Facts(
            kind, brand, model.noun, model.model, model.code, colour, chance.pick(list(book.colours[colour])),
            {**model.attributes, **own},
        )  # fmt: skip
        share = 0.35 + 0.65 * chance.unit()
        made.append(_Made(facts, group, _price(base * _premium(facts), group), quality, float(appeal) * share))
    return made


def _premium(facts: Facts) -> float:
    factor = 1.0
    for name, spec in facts.type.attributes.items():
        value = facts.attributes[name]
        if not isinstance(spec, tuple):
            factor *= 1.06 if value else 1.0
        elif len(spec) > 1 and not isinstance(spec[0], str):
            place = spec.index(value) / (len(spec) - 1) - 0.5
            factor *= 1.0 + (0.8 if name in facts.type.variants else 0.2) * place
    return factor


def _price(cents: float, group: int) -> int:
    # Prices end as shops' prices do, alike within a model.
    whole = max(1, round(cents / 100))
    if whole >= 200:
        return (whole // 10) * 1000 + 900
    return whole * 100 - (1, 1, 1, 5, 0, 50)[group % 6] if whole > 1 else 99


def _row(made: _Made, number: int, popularity: float, chance: Chance) -> Product:
    facts = made.facts
    withheld = {k: v for k, v in facts.attributes.items() if k not in ("audience", "pattern") and chance.happens(_WITHHELD)}
    age_days = int(2200 * chance.unit() ** 1.6)
    rating_count = 1 + int(chance.lognormal(40.0 * popularity, 0.5) * (0.15 + age_days / 1500))
    rating = 3.9 + 0.35 * made.quality + chance.normal(0.9) / rating_count**0.5
    attributes: dict[str, AttributeValue] = {"colour": facts.colour, "shade": facts.shade, "model": facts.code}
    attributes |= {k: v for k, v in facts.attributes.items() if k not in withheld}
    return {
        "id": f"p{number:05d}",
        "title": title(facts, chance),
        "brand": facts.brand.name,
        "category": facts.type.path,
        "description": describe(facts, withheld, chance),
        "price_cents": made.price_cents,
        "stock": 0 if chance.happens(0.06) else 1 + int(chance.lognormal(18.0, 1.0)),
        "released": (date.fromisoformat(words().today) - timedelta(days=age_days)).isoformat(),
        "rating": round(min(5.0, max(1.0, rating)), 1),
        "rating_count": rating_count,
        "attributes": attributes,
        "group": f"g{made.group:05d}",
        "image": f"images/p{number:05d}.png",
    }


def _truth(made: list[_Made], popularity: NDArray[np.float64]) -> ProductTruth:
    types = tuple(t.name for t in product_types())
    brands = tuple(b.name for b in words().brands)
    colours = tuple(words().colours)
    names = {name for m in made for name in m.facts.attributes}
    attributes = {name: np.array([m.facts.attributes.get(name) for m in made], dtype=object) for name in sorted(names)}
    return ProductTruth(
        _places(types, [m.facts.type.name for m in made]),
        _places(brands, [m.facts.brand.name for m in made]),
        _places(colours, [m.facts.colour for m in made]),
        np.array([m.group for m in made], dtype=np.int64),
        np.array([m.price_cents for m in made], dtype=np.int64),
        popularity,
        np.array([m.quality for m in made]),
        attributes, types, brands, colours,
    )  # fmt: skip


def _places(names: tuple[str, ...], wanted: list[str]) -> NDArray[np.int64]:
    place = {name: number for number, name in enumerate(names)}
    return np.array([place.get(name, -1) for name in wanted], dtype=np.int64)
