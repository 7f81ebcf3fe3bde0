"""Which column of a catalogue file is what: guessed from names and values, shown, kept in a small file that people edit."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import fsspec

from rialto.errors import BadInput, known
from rialto.find.values import as_number, blank

__all__ = ["FieldMap", "guess", "read_mapping", "write_mapping"]

# Lower-case names that mean a field, the likeliest first; data, so that another language is another line.
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "product_id", "productid", "sku", "docid", "doc_id", "item_id", "article", "asin", "ean", "gtin", "handle"),
    "title": ("title", "product_title", "product_name", "name", "label"),
    "brand": ("brand", "product_brand", "supplier", "manufacturer", "vendor", "maker"),
    "category": ("category", "categories", "category_path", "category_hierarchy", "product_category", "product_class", "type"),
    "description": ("description", "product_description", "short_description", "long_description", "body", "summary"),
    "price": ("price_cents", "price", "price_usd", "price_eur", "price_gbp", "sale_price", "amount"),
    "stock": ("stock", "quantity", "inventory", "qty", "stock_level", "in_stock", "available", "availability"),
    "released": ("released", "date_released", "release_date", "created", "created_at", "date_added", "published"),
    "rating": ("rating", "average_rating", "stars", "rating_mean"),
    "rating_count": ("rating_count", "review_count", "reviews", "ratings", "num_ratings"),
    "group": ("group", "group_id", "item_group_id", "parent", "parent_id", "variant_of", "model_id"),
    "image": ("image", "image_url", "img_500x500", "img_high", "picture", "photo", "thumbnail", "img_low", "img_thumb"),
    "attributes": ("attributes", "additional_attributes", "product_features", "features", "specs", "properties"),
}
_NO_ATTRIBUTE = re.compile(r"(?i)^(img|image|thumb|url|link)|_(url|link)$|^(ean|gtin|upc|barcode)s?$|_html$")


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Which column of the file is what; "" = the file has no such column.

    Args:
        id: "" numbers the rows, so that a moved row becomes another product.
        price_unit: What a bare number in the price column counts: `cents` or `units` (dollars, euros).
        attributes: Column that holds a dictionary or "k=v,k=v" text.
        extra: Further columns that become attributes of their own; `attr_t_*`, `attr_n_*`, `attr_b_*` always do.
        names: Further columns whose text counts as names of the product (model number, alternative title).
        notes: What was guessed and why; for people, never read back.
    """

    id: str = ""
    title: str = ""
    brand: str = ""
    category: str = ""
    description: str = ""
    price: str = ""
    price_unit: str = "units"
    stock: str = ""
    released: str = ""
    rating: str = ""
    rating_count: str = ""
    group: str = ""
    image: str = ""
    attributes: str = ""
    extra: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.title or self.price_unit not in ("cents", "units"):
            raise BadInput(
                f"mapping has title={self.title!r}, price_unit={self.price_unit!r}; wanted the column that holds titles, "
                "and cents or units. Name them in the mapping file."
            )


def guess(rows: Sequence[Mapping[str, Any]]) -> FieldMap:
    """Guess the mapping from the first rows of a file.

    Raises:
        BadInput: there are no rows, or nothing that could be a title.

    Example:
        >>> m = guess([{"sku": "a1", "name": "Lamp", "price_usd": "12.50", "colour": "red"}])
        >>> m.id, m.title, m.price, m.price_unit, m.extra
        ('sku', 'name', 'price_usd', 'units', ('colour',))
    """
    if not rows:
        raise BadInput("the catalogue has no rows; wanted at least one to guess the mapping from. Give a mapping file.")
    columns = list(dict.fromkeys(k for row in rows for k in row))
    lower = {c.lower(): c for c in reversed(columns)}
    found = {f: next((lower[n] for n in names if n in lower and _fits(f, lower[n], rows)), "") for f, names in NAMES.items()}
    if not found["title"]:
        raise BadInput(f"no column looks like a title; the file has {known('title', columns)}. Name it in a mapping file.")
    notes = [] if found["id"] else ["no column of its own for ids: rows are numbered, so a row that moves is another product"]
    unit, why = _price_unit(found["price"], rows)
    taken = {c for c in found.values() if c}
    rest = [c for c in columns if c not in taken and not re.match(r"attr_[tnb]_", c) and not _NO_ATTRIBUTE.search(c)]
    names = tuple(c for c in rest if c.lower() in ("name", "model", "model_number", "mpn", "part_number"))
    extra = tuple(c for c in rest if c not in names and not _long(c, rows))
    return FieldMap(**found, price_unit=unit, extra=extra, names=names, notes=(*notes, *([why] if why else [])))


def _fits(field: str, column: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row.get(column) for row in rows if not blank(row.get(column))]
    if field == "id":
        # Half of them may be absent or repeated: those rows are reported, while numbering the rows would hide them.
        return len({str(v) for v in values}) >= 0.5 * len(rows)
    if field in ("rating", "rating_count"):
        return bool(values) and all(_numeric(v) for v in values)
    return bool(values)


def _numeric(value: Any) -> bool:
    try:
        as_number(value)
    except ValueError:
        return False
    return True


def _price_unit(column: str, rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    values = [row[column] for row in rows if column and not blank(row.get(column))]
    if "cent" in column.lower():
        return "cents", ""
    if not values or not all(isinstance(v, int) or (isinstance(v, str) and v.strip().isdigit()) for v in values):
        return "units", ""
    numbers = sorted(int(v) for v in values)
    ends = sum(n % 100 in (0, 49, 50, 90, 95, 98, 99) for n in numbers) / len(numbers)
    if numbers[len(numbers) // 2] >= 1000 or (numbers[0] >= 100 and ends > 0.8):
        return "cents", f"{column}: whole numbers around {numbers[len(numbers) // 2]} were read as cents"
    return "units", f"{column}: whole numbers around {numbers[len(numbers) // 2]} were read as units of money"


def _long(column: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    texts = [str(row[column]) for row in rows if not blank(row.get(column))]
    return bool(texts) and sum(map(len, texts)) / len(texts) > 120


def read_mapping(path: str) -> FieldMap:
    """Read a mapping from a JSON or TOML file; `BadInput` names every key that is unknown or of a wrong type."""
    with fsspec.open(path, "rb") as stream:
        body = cast("Any", stream).read()
    try:
        data = tomllib.loads(body.decode()) if path.endswith(".toml") else json.loads(body)
    except (ValueError, UnicodeDecodeError) as e:
        raise BadInput(f"mapping file {path} cannot be read: {e}; wanted JSON, or TOML where its name ends in .toml.") from None
    if not isinstance(data, dict):
        raise BadInput(f"mapping file {path} holds {type(data).__name__}; wanted an object of field names and column names.")
    names = {f.name for f in fields(FieldMap)}
    problems = [f"unknown {k!r}, known: {known(k, names)}" for k in data if k not in names]
    lists = {"extra", "names", "notes"}
    problems += [f"{k!r} is {v!r}" for k, v in data.items() if k in names and not _typed(v, many=k in lists)]
    if problems:
        raise BadInput(
            f"mapping file {path}: {'; '.join(problems)}; wanted a column's name, or a list of them for {sorted(lists)}."
        )
    typed: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in data.items()}
    return FieldMap(**typed)


def _typed(value: object, *, many: bool) -> bool:
    if not many:
        return isinstance(value, str)
    return isinstance(value, list) and all(isinstance(x, str) for x in cast("Iterable[object]", value))


def write_mapping(mapping: FieldMap, path: str) -> None:
    """Write the mapping as JSON, for people to edit."""
    with fsspec.open(path, "w", encoding="utf-8") as stream:
        cast("Any", stream).write(json.dumps(asdict(mapping), indent=2, ensure_ascii=False) + "\n")
