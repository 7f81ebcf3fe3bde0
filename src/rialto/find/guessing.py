"""Which column is what, guessed from names and from the values of the first rows; each guess that may be wrong is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import unescape
from typing import Any, cast

from rialto.errors import BadInput, known
from rialto.find.attributes import literal, pairs, prose
from rialto.find.columns import by_folded, folded, known_names
from rialto.find.mapping import FieldMap
from rialto.find.markup import plain as unmarked
from rialto.find.values import as_cents, as_count, as_day, as_number, as_stock, blank

__all__ = ["guess"]

Rows = Sequence[Mapping[str, Any]]
_NO_ATTRIBUTE = re.compile(
    r"^(img|image|thumb|url|link)|_(url|urls|link|links|image|images)$|^(ean|gtin|upc|barcode)s?$|_html$|^column_\d+$|^unnamed"
)
_LONG = 120  # characters of a text on average, from which on it is no attribute
_MANY = 20  # rows from which on shares say something
_DIVIDERS = (">", "›", "»", " / ", "|", "/", "::", ":")  # what parts the levels of a category, the surest first
_READERS: Mapping[str, Callable[[Any], object]] = {
    "price": lambda v: as_cents(v, "units"), "stock": as_stock, "released": as_day, "rating": as_number, "rating_count": as_count,
    "margin": as_number,
}  # fmt: skip


def guess(rows: Rows) -> FieldMap:
    """Guess the mapping from the first rows of a file.

    Raises:
        BadInput: there are no rows, or nothing that could be a title.

    Example:
        >>> m = guess([{"sku": "a1", "Product Name": "Lamp", "price_usd": "12.50", "colour": "red"}])
        >>> m.id, m.title, m.price, m.price_unit, m.extra
        ('sku', 'Product Name', 'price_usd', 'units', ('colour',))
    """
    if not rows:
        raise BadInput("the catalogue has no rows; wanted at least one to guess the mapping from. Give a mapping file.")
    columns = list(dict.fromkeys(k for row in rows for k in row))
    plain = [c for c in columns if not re.match(r"attr_[tnb]_", c)]
    known_as, notes = known_names("catalogue"), list[str]()
    found = _found(by_folded(plain), known_as, rows)
    if not found["title"]:
        found["title"] = _title(plain, rows, notes)
        found = {f: c if f == "title" or c != found["title"] else "" for f, c in found.items()}
    if not found["id"]:
        notes.append("no column of its own for ids: rows are numbered, so a row that moves is another product")
    unit, why = _price_unit(found["price"], rows)
    notes += [why] if why else []
    taken = {c for c in found.values() if c}
    rest = [c for c in plain if c not in taken and not _NO_ATTRIBUTE.search(folded(c)) and not _of_links(c, rows)]
    names = tuple(c for c in rest if folded(c) in known_as["names"] or (folded(c) in known_as["id"] and _code(c, rows)))
    rest = [c for c in rest if c not in names and folded(c) not in known_as["id"]]
    spoken = {*known_as["more"], *known_as["description"]}
    more = tuple(c for c in rest if _long(c, rows) or (folded(c) in spoken and not _numeric(c, rows)))
    if more:
        notes.append(f"{', '.join(more)}: long texts, searched with the description")
    divider = _divider(found["category"], rows)
    extra = tuple(c for c in rest if c not in more)
    markup = "html" if _marked([c for c in (found["description"], *more) if c], rows) else "text"
    return FieldMap(
        **found, markup=markup, category_divider=divider, price_unit=unit, extra=extra, names=names, more=more, notes=tuple(notes)
    )


def _found(columns: Mapping[str, str], known_as: Mapping[str, tuple[str, ...]], rows: Rows) -> dict[str, str]:
    """Field -> its column, or ""; a column is one field's only."""
    out: dict[str, str] = {}
    for field, names in known_as.items():
        if field in ("more", "names"):
            continue
        fitting = [
            columns[n] for n in names if n in columns and columns[n] not in out.values() and _fits(field, columns[n], rows)
        ]
        if field == "id":
            fitting = [c for c in fitting if _distinct(c, rows) >= 0.98] or fitting
        elif field == "category":
            fitting = [c for c in fitting if _divider(c, rows)] or fitting
        out[field] = fitting[0] if fitting else ""
    return out


def _values(column: str, rows: Rows) -> list[Any]:
    return [row[column] for row in rows if not blank(row.get(column))]


def _distinct(column: str, rows: Rows) -> float:
    return len({str(v) for v in _values(column, rows)}) / max(len(rows), 1)


def _fits(field: str, column: str, rows: Rows) -> bool:
    values = _values(column, rows)
    if not values:
        return False
    if field == "id":
        # Half of them may be absent or repeated: those rows are reported, while numbering the rows would hide them.
        return _distinct(column, rows) >= 0.5 and not any(isinstance(v, (list, dict)) for v in values) and not _long(column, rows)
    if field == "title":
        varied = len(rows) < _MANY or _distinct(column, rows) >= 0.3
        return 2 * len(values) >= len(rows) and varied and not _numeric(column, rows)
    if field in _READERS:
        return 2 * sum(_reads(_READERS[field], v) for v in values) >= len(values)
    if field == "attributes":
        return 2 * sum(pairs(v) is not None for v in values) >= len(values)
    if field == "group":  # a few that are shared by many are kinds of products, not variants of one
        return len(values) < _MANY or len({str(v) for v in values}) >= 0.1 * len(values)
    return field not in ("category", "description", "brand") or not _numeric(column, rows)


def _reads(read: Callable[[Any], object], value: Any) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


def _numeric(column: str, rows: Rows) -> bool:
    values = _values(column, rows)
    return bool(values) and all(_reads(as_number, v) for v in values)


def _title(columns: Sequence[str], rows: Rows, notes: list[str]) -> str:
    """A column that may serve as titles where none is called so: one with a likely name, else the most telling texts."""
    words = [c for c in columns if not _numeric(c, rows) and 2 * len(_values(c, rows)) >= len(rows) and not _of_links(c, rows)]
    named = [
        c
        for c in words
        if re.search(r"(^|_)(title|name)(_|$)", folded(c)) and not re.search(r"brand|categ|store|shop|file", folded(c))
    ]
    telling = [
        c for c in words if _distinct(c, rows) >= 0.5 and sum(" " in t.strip() for t in _texts(c, rows)) >= 0.5 * len(rows)
    ]
    for c in (*named, *(c for c in telling if not _long(c, rows)), *telling):
        notes.append(f"no column is called a title; {c} serves as one")
        return c
    raise BadInput(f"no column looks like a title; the file has {known('title', columns)}. Name it in a mapping file.")


def _texts(column: str, rows: Rows) -> list[str]:
    out: list[str] = []
    for v in _values(column, rows):
        try:
            out.append(prose(v))
        except (ValueError, RecursionError):
            out.append("")
    return out


def _of_links(column: str, rows: Rows) -> bool:
    values = _values(column, rows)
    return bool(values) and all(re.match(r"(\[\s*\"|\[')?(https?:)?//\S+$", str(v).strip()) for v in values)


def _code(column: str, rows: Rows) -> bool:
    """True where a column's values look like codes that somebody may search for."""
    return all(isinstance(v, (str, int)) and len(str(v)) >= 5 and " " not in str(v).strip() for v in _values(column, rows))


def _long(column: str, rows: Rows) -> bool:
    values = _values(column, rows)
    return bool(values) and sum(len(str(v)) for v in values) / len(values) > _LONG


def _marked(columns: Sequence[str], rows: Rows) -> bool:
    """True where texts are written in HTML: at least one row in twenty holds a tag or an entity."""
    texts = ["\n".join(t for c in columns for t in _texts(c, [row])) for row in rows]
    return sum(t != unmarked(t) for t in texts if t) > 0.05 * sum(bool(t) for t in texts)


def _divider(column: str, rows: Rows) -> str:
    """What parts the levels in a category's column, by the whole column; "" where nothing does."""
    texts = [t for t in _first_paths(_values(column, rows) if column else []) if t]
    shares = {d: sum(d in t.strip(" /") for t in texts) / max(len(texts), 1) for d in _DIVIDERS}
    arrow = next((d for d in _DIVIDERS[:3] if shares[d] > 0.05), "")
    most = max(shares.values())
    return arrow or (next(d for d in _DIVIDERS if shares[d] >= 0.9 * most) if most > 0.2 else "")


def _first_paths(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        made = literal(value) if isinstance(value, str) else value
        items = cast("list[Any]", made) if isinstance(made, list) else [value if made is None else made]
        yield unescape(str(items[0])) if items and isinstance(items[0], str) else ""


def _price_unit(column: str, rows: Rows) -> tuple[str, str]:
    values = _values(column, rows) if column else []
    if "cent" in column.lower():
        return "cents", ""
    if not values or not all(isinstance(v, int) or (isinstance(v, str) and v.strip().isdigit()) for v in values):
        return "units", ""
    numbers = sorted(int(v) for v in values)
    ends = sum(n % 100 in (0, 49, 50, 90, 95, 98, 99) for n in numbers) / len(numbers)
    if numbers[len(numbers) // 2] >= 1000 or (numbers[0] >= 100 and ends > 0.8):
        return "cents", f"{column}: whole numbers around {numbers[len(numbers) // 2]} were read as cents"
    return "units", f"{column}: whole numbers around {numbers[len(numbers) // 2]} were read as units of money"
