"""One row of a catalogue file as the builder wants it: cells read by their column's meaning; what is wrong is told with row, field and value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from sys import intern
from typing import Any, cast

from rialto.errors import BadRow
from rialto.find.attributes import literal, pairs, prose
from rialto.find.mapping import FieldMap
from rialto.find.markup import plain
from rialto.find.quantities import as_quantity
from rialto.find.records import join_path, split_path
from rialto.find.values import as_boolean, as_cents, as_count, as_day, as_number, as_stock, as_text, blank, unsaid

__all__ = ["Attribute", "Parsed", "parsed"]

_NAME = 1_000  # characters of an id, a brand, a group or a category's path
_WORDS = 120  # characters from which on a text that was to be attributes is searched with the description
_DIGITS = "0123456789+-"
_KEYS = ("name", "title", "label", "url", "link", "src", "id")  # what an object in a cell of text is called by
Attribute = tuple[str, str, Any]
"""Name, kind (`t` text, `n` number, `b` yes/no, `q` number and unit, `?` decided once the whole column is known) and value."""

Parsed = tuple[str, dict[str, str], dict[str, float], list[Attribute]]
"""A product as `Builder.add` takes it: id, texts, numbers, attributes."""

Cell = Callable[..., Any]


def parsed(number: int, row: Any, m: FieldMap) -> Parsed:
    """One row as the builder wants it; `BadRow` names the first field that is wrong."""
    if isinstance(row, BadRow):
        raise row

    def cell(column: str, read: Callable[[Any], Any], absent: Any, *, none: Callable[[Any], bool] = unsaid) -> Any:
        value = row.get(column) if column else None
        if none(value):
            return absent
        try:
            return read(value)
        except RecursionError:
            raise BadRow(number, column, value, "a text, or a list that is not so deep") from None
        except ValueError as e:
            raise BadRow(number, column, value, str(e)) from None

    name = cell(m.id, _short, "", none=blank) if m.id else f"row-{number:06d}"
    title = cell(m.title, _line, "", none=blank)
    for column, value in ((m.id, name), (m.title, title)):
        if not value:
            raise BadRow(number, column, row.get(column), "text that is not empty")
    attributes, words = _attributes(number, row, m, cell)
    prosaic = _prose if m.markup == "html" else _words
    spoken = (*(cell(c, prosaic, "") for c in dict.fromkeys((m.description, *m.more))), *words)
    texts = {
        "title": title, "brand": cell(m.brand, _short, ""), "category": cell(m.category, lambda v: _path(v, m.category_divider), ""),
        "description": "\n".join(filter(None, spoken)), "group": cell(m.group, _short, ""), "image": cell(m.image, _first, ""),
        "names": " ".join(filter(None, (cell(c, _line, "") for c in m.names))),
    }  # fmt: skip
    nan = float("nan")
    values = {
        "price_cents": cell(m.price, lambda v: as_cents(_value(v), m.price_unit), nan), "stock": cell(m.stock, as_stock, nan),
        "released_day": cell(m.released, as_day, nan), "rating": cell(m.rating, as_number, nan),
        "rating_count": cell(m.rating_count, as_count, nan), "margin": cell(m.margin, as_number, nan),
    }  # fmt: skip
    return name, texts, values, attributes


def _line(value: Any) -> str:
    """A title or a name, of one line; a list's parts are joined."""
    return as_text(value if isinstance(value, str) and value[:1] not in "[{" else prose(value))


def _words(value: Any) -> str:
    """A description: lists are joined."""
    return as_text(value if isinstance(value, str) and value.lstrip()[:1] not in "[{" else prose(value, "\n"))


def _prose(value: Any) -> str:
    """A description without its markup."""
    return plain(_words(value))


def _short(value: Any) -> str:
    text = as_text(value) if isinstance(value, str) else _first(value)
    if len(text) > _NAME:
        raise ValueError(f"text of at most {_NAME} characters")
    return text


def _first(value: Any) -> str:
    """One text of a cell: the first of a list, the name of an object."""
    made = literal(value) if isinstance(value, str) else value
    if isinstance(made, list):
        items = cast("list[Any]", made)
        return next((t for t in (_first(v) for v in items if not blank(v)) if t), "")
    if isinstance(made, Mapping):
        entry = {str(k).lower(): v for k, v in cast("Mapping[Any, Any]", made).items()}
        return next((_first(entry[k]) for k in _KEYS if not blank(entry.get(k))), "")
    return as_text(value)


def _value(price: Any) -> Any:
    """The number of a price that is an object with its currency."""
    return next((v for k, v in price.items() if k in ("value", "amount", "price")), price) if isinstance(price, dict) else price  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def _path(value: Any, divider: str) -> str:
    made = literal(value) if isinstance(value, str) else value
    if isinstance(made, list) and made and isinstance(made[0], list):
        made = cast("list[Any]", made[0])  # of several paths the first
    if isinstance(made, list):
        items = [_first(v) for v in cast("list[Any]", made) if not blank(v)]
        several = len(items) == 1 or bool(divider and any(divider in i for i in items))
        levels = _levels(items[0], divider) if several and items else tuple(items)
    else:
        levels = _levels(_first(value), divider)
    path = join_path(tuple(t for t in (level.replace(">", "›").strip() for level in levels) if t))
    if len(path) > _NAME:
        raise ValueError(f"a path of at most {_NAME} characters")
    return path


def _levels(text: str, divider: str) -> tuple[str, ...]:
    text = plain(text)
    return split_path(text) if not divider else tuple(part.strip() for part in text.split(divider))


def _attributes(number: int, row: Mapping[str, Any], m: FieldMap, cell: Cell) -> tuple[list[Attribute], list[str]]:
    """The attributes of a row, and texts that were to be attributes and are none.

    An attribute that is written as a number with a unit is that number too.
    """
    out, words = list[Attribute](), list[str]()
    for attribute in _written(number, row, m, cell, words):
        out.append(attribute)
        name, kind, value = attribute
        text = value if kind == "?" else value[0] if kind == "t" and len(value) == 1 else ""
        if text[:1] in _DIGITS and text and (found := as_quantity(text)):
            out.append((name, "q", found))
    return out, words


def _written(number: int, row: Mapping[str, Any], m: FieldMap, cell: Cell, words: list[str]) -> Iterator[Attribute]:
    for column, value in row.items():
        if blank(value):
            continue
        if column.startswith(("attr_t_", "attr_n_", "attr_b_")):
            kind = column[5]
            yield column[7:], kind, cell(column, {"t": _several, "n": as_number, "b": as_boolean}[kind], None, none=blank)
        elif column == m.attributes or (column in m.extra and isinstance(value, (dict, list))):
            yield from _nested(column, value, cell, words)
        elif column in m.extra:
            yield from cell(column, lambda v, c=column: _native(c, v), ())


def _nested(column: str, value: Any, cell: Cell, words: list[str]) -> Iterator[Attribute]:
    found = cell(column, pairs, None)
    if found is None:  # not written as attributes: its text counts all the same
        texts = [t for t in cell(column, _several, ()) if t]
        if sum(map(len, texts)) > _WORDS:
            words.append(plain("\n".join(texts)))
        elif texts:
            yield column, "t", tuple(texts)
        return
    typed = isinstance(literal(value) if isinstance(value, str) else value, Mapping)
    yield from cell(column, lambda _: [a for name, v in found if not unsaid(v) for a in _native(name, v, typed=typed)], ())


def _native(name: str, value: Any, *, typed: bool = False) -> tuple[Attribute, ...]:
    """One attribute; `typed` where the file's own types say what it is, so that a text stays one."""
    if isinstance(value, bool):
        return ((name, "b", value),)
    if isinstance(value, (int, float)):
        return ((name, "n", as_number(value)),)
    if isinstance(value, str) and not typed:
        return ((name, "?", intern(as_text(value))),)  # the same few words, many times over
    texts = _several(value)
    return ((name, "t", texts),) if texts else ()


def _several(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(t for t in (as_text(prose(v)) for v in cast("list[Any]", value) if not blank(v)) if t)
    return (as_text(value if isinstance(value, str) else prose(value)),)
