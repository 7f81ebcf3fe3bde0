"""Titles, descriptions and bullet points of the made-up shop, with the variety of real ones: synonyms, shades, units, gaps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rialto.worlds.chance import Chance
from rialto.worlds.shop_data import AttributeValue, Brand, ProductType, words

__all__ = ["Facts", "describe", "say", "title"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of one product, before anybody writes about it. `colour` and `shade` are "" where the type has none."""

    type: ProductType
    brand: Brand
    noun: str
    model: str
    code: str
    colour: str
    shade: str
    attributes: Mapping[str, AttributeValue]


def say(name: str, value: AttributeValue, chance: Chance) -> str:
    """How a seller says one attribute; "" for a flag that is false.

    Example:
        >>> say("capacity_ml", 500, Chance(1)) in {"500 ml", "500ml"}
        True
    """
    book = words()
    if name == "audience":
        return chance.pick(book.audiences[str(value)])
    if isinstance(value, bool):
        return chance.pick(book.flags.get(name, [name.replace("_", " ")])) if value else ""
    return chance.pick(book.say[name]).format(v=value)


def title(facts: Facts, chance: Chance) -> str:
    """The product's title in its brand's style."""
    told = {k: v for k, v in facts.attributes.items() if k not in ("audience", "material", "pattern") and v is not False}
    extras = [say(k, told[k], chance) for k in chance.some(list(told), 1 + chance.below(3))]
    extras = [say(k, told[k], chance) for k in facts.type.variants if k in told] + extras
    parts = list(dict.fromkeys(part for part in extras if part))
    return " ".join(_STYLES[facts.brand.style](facts, parts, chance).split()).replace(" ,", ",").strip(" ,–")


def _colour(facts: Facts, chance: Chance) -> str:
    # One title in eight leaves the colour out, as sellers do; the attribute still has it.
    if not facts.colour or chance.happens(0.12):
        return ""
    return facts.shade if chance.happens(0.45) else facts.colour


def _audience(facts: Facts, chance: Chance) -> str:
    return say("audience", facts.attributes["audience"], chance) if "audience" in facts.attributes else ""


def _material(facts: Facts) -> str:
    return str(facts.attributes.get("material", ""))


def _model_style(facts: Facts, extras: list[str], chance: Chance) -> str:
    tail = ", ".join(part for part in (*extras[:2], _colour(facts, chance)) if part)
    return f"{facts.brand.name} {facts.model} {facts.noun} {_audience(facts, chance)} – {tail}"


def _plain_style(facts: Facts, extras: list[str], chance: Chance) -> str:
    colour = _colour(facts, chance)
    told = f"{extras[0] if extras else ''} {'in ' + colour if colour else ''}"
    return f"{facts.brand.name} {_material(facts)} {facts.noun} {_audience(facts, chance)} {told}"


def _comma_style(facts: Facts, extras: list[str], chance: Chance) -> str:
    parts = (
        facts.noun.capitalize(),
        _audience(facts, chance),
        _colour(facts, chance),
        _material(facts),
        *extras,
        facts.brand.name,
    )
    return ", ".join(part for part in parts if part)


def _code_style(facts: Facts, extras: list[str], chance: Chance) -> str:
    return f"{facts.brand.name} {facts.code} {facts.noun} {' '.join(extras)} {_colour(facts, chance)}"


def _wordy_style(facts: Facts, extras: list[str], chance: Chance) -> str:
    prose = words().prose
    colour = _colour(facts, chance)
    filler = f"– {chance.pick(prose['filler'])}" if chance.happens(0.3) else ""
    head = f"{chance.pick(prose['adjectives']).capitalize()} {colour} {_material(facts)} {facts.noun} {_audience(facts, chance)}"
    return f"{head}{', ' + ', '.join(extras) if extras else ''} by {facts.brand.name} {filler}"


_STYLES = {"model": _model_style, "plain": _plain_style, "comma": _comma_style, "code": _code_style, "wordy": _wordy_style}


def describe(facts: Facts, withheld: Mapping[str, AttributeValue], chance: Chance) -> str:
    """Two to four sentences, then bullet points; whatever is `withheld` from the attributes is always told here."""
    prose = words().prose
    others = [noun for noun in facts.type.nouns if noun != facts.noun] or [facts.noun]
    slots = {
        "brand": facts.brand.name, "model": facts.model, "noun": facts.noun, "adjective": chance.pick(prose["adjectives"]),
        "shade": facts.shade or "natural", "material": _material(facts) or "sound parts",
        "other": chance.pick(facts.type.asks if chance.happens(0.3) else others),
    }  # fmt: skip
    lines = [chance.pick(prose["openings"]), *chance.some(prose["middles"], 1 + chance.below(3))]
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", " ".join(line.format(**slots) for line in lines))
    shown = chance.some([k for k in facts.attributes if k not in withheld], 2 + chance.below(3))
    bullets = [_bullet(k, facts.attributes[k], chance) for k in (*withheld, *shown)]
    return "\n".join((text, *(f"• {bullet}" for bullet in bullets)))


def _bullet(name: str, value: AttributeValue, chance: Chance) -> str:
    label = name.replace("_", " ")
    if isinstance(value, bool):
        return say(name, value, chance).capitalize() if value else f"Not {label}"
    shown = label if isinstance(value, str) else label.rsplit(" ", 1)[0]
    return f"{shown.capitalize()}: {say(name, value, chance)}"
