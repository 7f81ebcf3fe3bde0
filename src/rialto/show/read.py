"""JSON in: a brief or a brand kit is read whole or refused with every problem at once; catalogue rows become facts."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from rialto.errors import BadInput
from rialto.show.records import BrandKit, Brief, Product, Surface

__all__ = ["at_price", "brief_schema", "kit_schema", "luma_row", "product_of", "read_brief", "read_kit"]

T = TypeVar("T")
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
ROLES = ("ink", "ground", "accent", "muted")
FORMATS = ("jpeg", "png", "webp")
LARGEST_PX = 8192
MOST_FEATURES = 5


def brief_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a brief.

    Example:
        >>> sorted(brief_schema()["required"])
        ['audience', 'campaign', 'ends', 'goal', 'locales', 'products', 'starts', 'surfaces']
    """
    return _adapter(Brief).json_schema()


def kit_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a brand kit."""
    return _adapter(BrandKit).json_schema()


def read_brief(source: Mapping[str, Any] | str | bytes) -> Brief:
    """Read a brief from JSON text or its parsed form.

    Raises:
        BadInput: with every problem that was found, a line each: the place, what came, what was wanted.
    """
    brief = _read(Brief, source)
    _refuse("brief", _brief_problems(brief))
    return brief


def read_kit(source: Mapping[str, Any] | str | bytes) -> BrandKit:
    """Read a brand kit from JSON text or its parsed form; `BadInput` with every problem that was found."""
    kit = _read(BrandKit, source)
    _refuse("brand kit", _kit_problems(kit))
    return kit


def product_of(row: Mapping[str, Any], *, image: bytes = b"") -> Product:
    """Turn a catalogue row into the facts that copy may use.

    Args:
        row: `id, title, brand, category` ("Men/Tops/Hoodies"), `description` (prose, then lines or sentences behind "•"),
            `price_cents`, `attributes` (name -> text, number or bool). `currency` is USD where absent.
        image: Bytes of the photo.

    Raises:
        BadInput: `id`, `title` or `price_cents` is absent, empty or of another type.

    Example:
        >>> p = product_of({"id": "p1", "title": "Chaz Hoodie", "price_cents": 5200, "attributes": {"material": "Wool"}})
        >>> p.facts
        {'name': 'Chaz Hoodie', 'price': '$52.00', 'material': 'Wool'}
    """
    problems = [f"field {name!r} is {row.get(name)!r}; wanted text." for name in ("id", "title") if not _said(row.get(name))]
    price = row.get("price_cents")
    if isinstance(price, bool) or not isinstance(price, int) or price < 0:
        problems.append(f"field 'price_cents' is {price!r}; wanted a whole number of cents, 0 or more.")
        price = 0
    _refuse(f"product {row.get('id')!r}", problems)
    return _product(str(row["id"]), _facts(row, price), price, image, _plain(str(row.get("description", ""))))


def at_price(product: Product, price_cents: int, *, currency: str = "USD") -> Product:
    """The product as the catalogue would have it at another price: its fact and its version change with it.

    Example:
        >>> p = product_of({"id": "p1", "title": "Chaz Hoodie", "price_cents": 5200})
        >>> dearer = at_price(p, 5720)
        >>> dearer.facts["price"], dearer.version == p.version
        ('$57.20', False)
    """
    facts = {**product.facts, "price": _money(price_cents, currency)}
    return _product(product.id, facts, price_cents, product.image, product.description)


def _product(product_id: str, facts: Mapping[str, str], price_cents: int, image: bytes, description: str) -> Product:
    content = json.dumps([facts, price_cents, description], sort_keys=True, ensure_ascii=False).encode()
    version = blake2b(content + blake2b(image).digest(), digest_size=8).hexdigest()
    return Product(product_id, facts, price_cents, version, image, description)


def luma_row(row: Mapping[str, str], number: int) -> dict[str, Any]:
    """A row of the luma catalogue (`title, category, description, attributes, price_usd`) as `product_of` takes it."""
    pairs = (part.split("=", 1) for part in row["attributes"].split(",") if "=" in part)
    wanted = {k: _listed([_plain(v) for v in text.split("|") if v]) for k, text in pairs if k in ("material", "pattern") and text}
    return {
        "id": f"luma{number:04d}",
        "title": row["title"],
        "brand": "Luma",
        "category": row["category"].split(" | Collections")[0].replace(" | ", "/"),
        "description": row["description"],
        "price_cents": round(float(row["price_usd"]) * 100),
        "attributes": wanted,
    }


def _read(kind: type[T], source: Mapping[str, Any] | str | bytes) -> T:
    adapter = _adapter(kind)
    try:
        return adapter.validate_json(source) if isinstance(source, (str, bytes)) else adapter.validate_python(source)
    except ValidationError as e:
        problems = [f"{'.'.join(map(str, p['loc'])) or 'text'}: {p['msg']}; got {_short(p['input'])}." for p in e.errors()]
    raise BadInput(_together(kind.__name__, problems))


@cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


def _refuse(what: str, problems: list[str]) -> None:
    if problems:
        raise BadInput(_together(what, problems))


def _together(what: str, problems: list[str]) -> str:
    return f"{what}: {len(problems)} problem{'s' if len(problems) > 1 else ''}.\n" + "\n".join(f"- {p}" for p in problems)


def _brief_problems(brief: Brief) -> list[str]:
    found: list[str] = []
    lists = {"products": brief.products, "surfaces": brief.surfaces, "locales": brief.locales}
    found += [f"{name}: is empty; wanted at least one." for name, values in lists.items() if not values]
    if not brief.campaign.strip():
        found.append("campaign: is empty; wanted a name.")
    if brief.ends < brief.starts:
        found.append(f"ends: {brief.ends} is before starts {brief.starts}; wanted the same day or later.")
    names = [s.name for s in brief.surfaces]
    found += [
        f"surfaces: the name {n!r} is used twice; wanted one name a surface."
        for n in sorted({n for n in names if names.count(n) > 1})
    ]
    return found + [p for i, s in enumerate(brief.surfaces) for p in _surface_problems(f"surfaces.{i}", s)]


def _surface_problems(at: str, s: Surface) -> list[str]:
    found: list[str] = []
    if not (1 <= s.width <= LARGEST_PX and 1 <= s.height <= LARGEST_PX):
        found.append(f"{at}: {s.width} x {s.height} px; wanted 1 to {LARGEST_PX} a side.")
    z = s.safe_zone
    if z.x < 0 or z.y < 0 or z.width < 1 or z.height < 1 or z.x + z.width > s.width or z.y + z.height > s.height:
        found.append(f"{at}.safe_zone: {z.x}, {z.y}, {z.width} x {z.height} leaves the surface of {s.width} x {s.height} px.")
    found += [f"{at}.slots.{slot}: {most} characters; wanted 1 or more." for slot, most in s.slots.items() if most < 1]
    found += [f"{at}.formats: {kind!r} is unknown; wanted {', '.join(FORMATS)}." for kind in s.formats if kind not in FORMATS]
    if s.max_bytes < 1 or not s.formats:
        found.append(f"{at}: max_bytes is {s.max_bytes} and formats {list(s.formats)}; wanted at least 1 byte and one format.")
    return found


def _kit_problems(kit: BrandKit) -> list[str]:
    found = [f"colours.{role}: is absent; wanted #rrggbb." for role in ROLES if role not in kit.colours]
    found += [f"colours.{k}: {v!r}; wanted #rrggbb." for k, v in kit.colours.items() if not COLOUR.fullmatch(v)]
    if not kit.calls_to_action:
        found.append("calls_to_action: is empty; wanted at least one approved button text.")
    if not kit.name.strip():
        found.append("name: is empty; wanted the brand's name.")
    for i, d in enumerate(kit.disclaimers):
        if bool(d.label.strip()) != bool(d.text.strip()):
            found.append(f"disclaimers.{i}: has a {'label' if d.label.strip() else 'text'} alone; wanted both or neither.")
    mark = kit.logo
    if mark.width < 1 or mark.height < 1 or not 0 <= mark.clear_space <= 2 * mark.height:
        found.append(
            f"logo: {mark.width} x {mark.height} px, clear space {mark.clear_space}; wanted 1 px or more, space to twice that."
        )
    return found


def _facts(row: Mapping[str, Any], price_cents: int) -> dict[str, str]:
    attributes: Mapping[str, Any] = row.get("attributes") or {}
    facts = {"name": _plain(row["title"]), "brand": _plain(str(row.get("brand", "")))}
    facts["kind"] = _kind(str(row.get("category", "")), facts["name"])
    facts["price"] = _money(price_cents, str(row.get("currency", "USD")))
    facts |= {
        name: _plain(str(v)) for name, v in attributes.items() if isinstance(v, str | int | float) and not isinstance(v, bool)
    }
    bullets = [_plain(b).rstrip(".") for b in re.split(r"\s*•\s*", str(row.get("description", "")))[1:]]
    facts |= {f"feature_{i + 1}": b for i, b in enumerate([b for b in bullets if b][:MOST_FEATURES])}
    return {name: text for name, text in facts.items() if text}


def _kind(category: str, name: str) -> str:
    """What it is, in the catalogue's own word: the last word of the name where the category holds it ("Hoodies" - "Hoodie")."""
    last = name.split()[-1] if name.split() else ""
    return last if last and last.lower().rstrip("s") in category.lower() else ""


def _money(cents: int, currency: str) -> str:
    sign = {"USD": "$", "EUR": "€", "GBP": "£"}.get(currency, f"{currency} ")
    return f"{sign}{cents // 100:,}.{cents % 100:02d}"


def _listed(words: list[str]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def _plain(text: str) -> str:
    return " ".join(html.unescape(text).split())


def _said(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
