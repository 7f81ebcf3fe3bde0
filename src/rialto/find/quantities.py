"""Numbers with a unit as catalogues write them: "15.6 in", "2 kg"."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast

__all__ = ["as_quantity", "dimension", "measured", "named_in", "units_of"]


@lru_cache(maxsize=1)
def _units() -> list[dict[str, Any]]:
    data = tomllib.loads(files("rialto.find").joinpath("data/units.toml").read_text(encoding="utf-8"))
    return cast("list[dict[str, Any]]", data["unit"])


@lru_cache(maxsize=1)
def _dimensions() -> dict[str, tuple[str, float]]:
    # Packs and pieces count different things: neither is so many of the other.
    return {u["name"]: (u["name"] if u["to"] == "piece" else u["to"], float(u["factor"])) for u in _units()}


def dimension(unit: str) -> tuple[str, float]:
    """What a unit measures, by the unit that all of its kind are told in, and how many of that one of it is.

    Example:
        >>> dimension("kg"), dimension("g"), dimension("pack")
        (('g', 1000.0), ('g', 1.0), ('pack', 1.0))
    """
    return _dimensions()[unit]


def units_of(kind: str) -> tuple[str, ...]:
    """The units of a dimension.

    Example:
        >>> units_of("w")
        ('w', 'kw')
    """
    return tuple(u for u, (to, _) in _dimensions().items() if to == kind)


def named_in(name: str, unit: str) -> str:
    """An attribute's name with its unit.

    Example:
        >>> named_in("screen_size", "in"), named_in("weight_kg", "kg")
        ('screen_size_in', 'weight_kg')
    """
    return name if name.lower().endswith((f"_{unit}", f" {unit}")) else f"{name}_{unit}"


@lru_cache(maxsize=1)
def _pattern() -> tuple[re.Pattern[str], dict[str, str]]:
    of: dict[str, str] = {}
    for unit in _units():
        for word in (unit["name"], *unit["writings"]):  # "10a" alone may be a size
            of.setdefault(str(word).lower(), str(unit["name"]))
    words = "|".join(re.escape(w) for w in sorted(of, key=len, reverse=True))
    return re.compile(rf"([+-]?\d{{1,9}}(?:\.\d{{1,6}})?)[\s-]?({words})\.?", re.IGNORECASE), of


@lru_cache(maxsize=65_536)
def as_quantity(text: str) -> tuple[float, str] | None:
    """The number and the unit of a text that is just these; None for any other text.

    Example:
        >>> as_quantity("15.6 in"), as_quantity("2kg"), as_quantity("2 or 3 kg"), as_quantity("red")
        ((15.6, 'in'), (2.0, 'kg'), None, None)
    """
    if not text or not (text[0].isdigit() or text[0] in "+-") or len(text) > 40:
        return None
    pattern, of = _pattern()
    found = pattern.fullmatch(text.strip())
    return (float(found[1]), of[found[2].lower()]) if found else None


def measured(name: str, text: str) -> tuple[str, float] | None:
    """An attribute's text as a number whose unit stands in the attribute's name; None for text that is no quantity.

    Example:
        >>> measured("screen_size", "15.6 in"), measured("weight_kg", "2 kg"), measured("colour", "red")
        (('screen_size_in', 15.6), ('weight_kg', 2.0), None)
    """
    found = as_quantity(text)
    if found is None:
        return None
    number, unit = found
    return named_in(name, unit), number
