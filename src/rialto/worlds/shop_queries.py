"""What shoppers type into the made-up shop, what they mean by it, and how relevant each product therefore is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.worlds.chance import Chance
from rialto.worlds.shop_data import AttributeValue, ProductType, product_types, words
from rialto.worlds.shop_grades import Constraint, Intent, grades
from rialto.worlds.shop_products import ProductTruth

__all__ = ["KINDS", "Queries", "make_queries"]


@dataclass(frozen=True, slots=True)
class Queries:
    """Queries as columns, shape (queries,), object arrays of str but `frequency`.

    Args:
        id: "q0000", ...
        text: What was typed.
        kind: One of `KINDS`.
        frequency: Share of all searches, float64, sums to 1, long tail.
        intents: What each means: the truth.
    """

    id: NDArray[np.object_]
    text: NDArray[np.object_]
    kind: NDArray[np.object_]
    frequency: NDArray[np.float64]
    intents: tuple[Intent, ...]

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One product as a shopper has it in mind, from which a query is made."""

    type: ProductType
    type_number: int
    brand: int
    brand_name: str
    colour: int
    colour_name: str
    group: int
    price_cents: int
    code: str
    attributes: dict[str, AttributeValue]


_Maker = Callable[[_Seen, Chance], tuple[str, Intent] | None]


def make_queries(seed: int, truth: ProductTruth, codes: list[str], *, scale: float = 1.0) -> tuple[Queries, NDArray[np.int8]]:
    """Make queries of all kinds, each with at least one product of grade 3, and the grades (queries, products)."""
    chance = Chance(seed, 3)
    found: dict[str, tuple[str, Intent]] = {}
    for kind, (maker, wanted, _) in KINDS.items():
        target = len(found) + max(1, round(wanted * scale))
        for seen in _visits(truth, codes, chance, 12 * wanted):
            if len(found) >= target:
                break
            made = maker(seen, chance)
            if made is not None and made[0] not in found:
                found[made[0]] = (kind, made[1])
    relevance = np.stack([grades(intent, truth) for _, intent in found.values()])
    keep = np.flatnonzero((relevance == 3).any(axis=1))
    texts, meant = list(found), list(found.values())
    kinds = [meant[i][0] for i in keep]
    queries = Queries(
        np.array([f"q{n:04d}" for n in range(len(keep))], dtype=object),
        np.array([texts[i] for i in keep], dtype=object),
        np.array(kinds, dtype=object),
        _frequency(kinds, chance),
        tuple(meant[i][1] for i in keep),
    )
    return queries, relevance[keep]


def _frequency(kinds: list[str], chance: Chance) -> NDArray[np.float64]:
    weights = np.array([KINDS[kind][2] * chance.lognormal(1.0, 1.3) for kind in kinds])
    return weights / weights.sum()


def _visits(truth: ProductTruth, codes: list[str], chance: Chance, count: int) -> Iterator[_Seen]:
    # Shoppers think of what is popular, but not only: the square root spreads them over the shelves.
    ends = np.cumsum(np.sqrt(truth.popularity))
    types = {t.name: t for t in product_types()}
    for _ in range(count):
        row = min(int(np.searchsorted(ends, chance.unit() * ends[-1])), len(ends) - 1)
        kind = types[truth.type_names[truth.type[row]]]
        colour = int(truth.colour[row])
        yield _Seen(
            kind, int(truth.type[row]), int(truth.brand[row]), truth.brand_names[truth.brand[row]], colour,
            truth.colour_names[colour], int(truth.group[row]), int(truth.price_cents[row]), codes[row],
            {name: column[row] for name, column in truth.attributes.items() if name in kind.attributes},
        )  # fmt: skip


def _noun(seen: _Seen, chance: Chance) -> str:
    noun = seen.type.nouns[0] if chance.happens(0.6) else chance.pick(seen.type.nouns)
    return words().plural(noun) if chance.happens(0.4) else noun


def _of(seen: _Seen, *constraints: Constraint) -> Intent:
    return Intent(types=(seen.type_number,), constraints=constraints)


def _colour_word(seen: _Seen, chance: Chance) -> str:
    others = words().colour_words.get(seen.colour_name, [])
    return chance.pick(others) if others and chance.happens(0.25) else seen.colour_name


def _type(seen: _Seen, chance: Chance) -> tuple[str, Intent]:
    return _noun(seen, chance), _of(seen)


def _type_colour(seen: _Seen, chance: Chance) -> tuple[str, Intent] | None:
    if seen.colour_name == "clear":
        return None
    return f"{_colour_word(seen, chance)} {_noun(seen, chance)}", _of(seen, Constraint("colour", "is", seen.colour_name))


def _brand_type(seen: _Seen, chance: Chance) -> tuple[str, Intent]:
    parts = [seen.brand_name.lower(), _noun(seen, chance)]
    return " ".join(parts if chance.happens(0.8) else parts[::-1]), _of(seen, Constraint("brand", "is", seen.brand_name))


def _brand(seen: _Seen, chance: Chance) -> tuple[str, Intent]:
    return seen.brand_name.lower(), Intent(constraints=(Constraint("brand", "is", seen.brand_name),))


def _synonym(seen: _Seen, chance: Chance) -> tuple[str, Intent] | None:
    if not seen.type.asks:
        return None
    asked = chance.pick(seen.type.asks)
    types = tuple(number for number, t in enumerate(product_types()) if asked in t.asks)
    if chance.happens(0.3) and seen.colour_name != "clear":
        return f"{_colour_word(seen, chance)} {asked}", Intent(types, (Constraint("colour", "is", seen.colour_name),))
    return asked, Intent(types)


def _vague(seen: _Seen, chance: Chance) -> tuple[str, Intent] | None:
    if not seen.type.uses:
        return None
    use = chance.pick(seen.type.uses)
    return use, Intent(tuple(number for number, t in enumerate(product_types()) if use in t.uses))


def _typo(seen: _Seen, chance: Chance) -> tuple[str, Intent] | None:
    made = chance.pick((_type, _type_colour, _brand_type))(seen, chance)
    return None if made is None else (_misspelt(made[0], chance), made[1])


def _misspelt(text: str, chance: Chance) -> str:
    """`text` with one slip of the finger in its longest word: a letter swapped, dropped or doubled, or a neighbour's hit."""
    parts = text.split()
    longest = max(range(len(parts)), key=lambda i: len(parts[i]))
    word = parts[longest]
    place = 1 + chance.below(max(1, len(word) - 2))
    head, at, tail = word[:place], word[place : place + 1], word[place + 1 :]
    slips = (head + tail[:1] + at + tail[1:], head + tail, head + at + at + tail, head + chance.pick("aeioustrn") + tail)
    parts[longest] = next((slip for slip in chance.some(slips, 4) if slip != word), word + word[-1])
    return " ".join(parts)


def _model(seen: _Seen, chance: Chance) -> tuple[str, Intent]:
    code = chance.pick((seen.code, seen.code.lower(), seen.code.replace("-", " "), f"{seen.brand_name.lower()} {seen.code}"))
    return code, Intent(group=seen.group, types=(seen.type_number,), constraints=(Constraint("brand", "is", seen.brand_name),))


def _price(seen: _Seen, chance: Chance) -> tuple[str, Intent]:
    dollars = max(2, round(seen.price_cents / 100 * (1.0 + 0.4 * chance.unit())))
    size = 10 ** max(0, len(str(dollars)) - 2) * (5 if dollars >= 10 else 1)
    bound = (dollars // size + 1) * size
    words_for = chance.pick(("{n} under ${b}", "{n} below {b} dollars", "{n} up to ${b}", "cheap {n} under {b}"))
    return words_for.format(n=_noun(seen, chance), b=bound), _of(seen, Constraint("price_cents", "at most", bound * 100))


def _unit(seen: _Seen, chance: Chance) -> tuple[str, Intent] | None:
    names = [k for k, v in seen.attributes.items() if k in words().units and not isinstance(v, bool | str) and v]
    if not names:
        return None
    name = chance.pick(names)
    value = float(seen.attributes[name])
    text = f"{value:g} {name.rsplit('_', 1)[1]}"
    if chance.happens(0.6):
        unit, factor = chance.pick(words().units[name])
        text = f"{value / factor:g}{' ' if chance.happens(0.6) else ''}{unit}"
    return f"{text} {_noun(seen, chance)}", _of(seen, Constraint(name, "about", value))


def _attribute(seen: _Seen, chance: Chance) -> tuple[str, Intent] | None:
    flags = [k for k, v in seen.attributes.items() if v is True and k in words().flags]
    texts = [
        k for k in ("fit", "pattern", "hem", "filling", "skin", "hair", "nib", "paper", "format", "fuel") if k in seen.attributes
    ]
    if not flags and not texts:
        return None
    name = chance.pick(flags or texts) if not texts or chance.happens(0.65) else chance.pick(texts)
    value = seen.attributes[name]
    said = chance.pick(words().flags[name]) if value is True else chance.pick(words().say[name]).format(v=value)
    if said.startswith(("with ", "for ")):
        return f"{_noun(seen, chance)} {said}", _of(seen, Constraint(name, "is", value))
    return f"{said} {_noun(seen, chance)}".lower(), _of(seen, Constraint(name, "is", value))


def _material(seen: _Seen, chance: Chance) -> tuple[str, Intent] | None:
    if "material" not in seen.attributes:
        return None
    value = str(seen.attributes["material"])
    return f"{value} {_noun(seen, chance)}", _of(seen, Constraint("material", "is", value))


def _audience(seen: _Seen, chance: Chance) -> tuple[str, Intent] | None:
    if "audience" not in seen.attributes:
        return None
    who = str(seen.attributes["audience"])
    said = chance.pick((*words().audiences[who], who))
    wants = [Constraint("audience", "is", who)]
    noun = _noun(seen, chance)
    if chance.happens(0.5):
        noun, wants = f"{seen.colour_name} {noun}", [*wants, Constraint("colour", "is", seen.colour_name)]
    return f"{noun} {said}" if said.startswith("for ") else f"{said} {noun}", _of(seen, *wants)


def _negation(seen: _Seen, chance: Chance) -> tuple[str, Intent] | None:
    flags = [
        k for k, v in seen.attributes.items() if v is False and k in ("zip", "hood", "pockets", "pompom", "light", "lid", "lock")
    ]
    if flags and chance.happens(0.7):
        name = chance.pick(flags)
        return f"{_noun(seen, chance)} {chance.pick(('without', 'no'))} {name}", _of(seen, Constraint(name, "is not", True))
    if "material" not in seen.attributes:
        return None
    others = [v for v in _texts(seen.type, "material") if v != seen.attributes["material"]]
    name = str(chance.pick(others))
    return f"{_noun(seen, chance)} {chance.pick(('not', 'without'))} {name}", _of(seen, Constraint("material", "is not", name))


def _texts(kind: ProductType, name: str) -> tuple[AttributeValue, ...]:
    spec = kind.attributes[name]
    return spec if isinstance(spec, tuple) else (True, False)


KINDS: dict[str, tuple[_Maker, int, float]] = {
    "type": (_type, 90, 5.0),
    "type_colour": (_type_colour, 80, 2.5),
    "brand_type": (_brand_type, 60, 2.5),
    "brand": (_brand, 20, 2.0),
    "synonym": (_synonym, 80, 2.5),
    "vague": (_vague, 50, 1.0),
    "typo": (_typo, 60, 1.0),
    "model": (_model, 30, 0.7),
    "price": (_price, 40, 1.0),
    "unit": (_unit, 40, 1.0),
    "attribute": (_attribute, 50, 1.2),
    "material": (_material, 40, 1.2),
    "audience": (_audience, 30, 2.0),
    "negation": (_negation, 20, 0.4),
}
"""Kind -> how it is made, how many of it, and how often one is asked compared with the others."""
