"""Attributes as catalogues write them in one column: objects, lists of names and values, `k=v,k=v`, `k:v|k:v`."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from rialto.find.values import blank

__all__ = ["literal", "pairs", "prose"]

_NO_NAME = re.compile(r"[.!?]\s|[<>{}\"]|https?$")
_NAME = 100  # characters of an attribute's name
_LITERAL = 100_000  # characters of a text that is tried as a Python literal
_KEYS = ("name", "key", "attribute", "attribute_name", "label", "property", "title", "k")
_VALUES = ("value", "values", "val", "attribute_value", "content", "text", "v")
_ORDERS: Mapping[str, tuple[str, ...]] = {"=": (",", ";", "|", "\n"), ":": ("|", ";", "\n", ",")}
Pair = tuple[str, Any]


def literal(text: str) -> Any:
    """The list or object that a text writes as JSON, or as Python or Ruby print one; None for any other text.

    Example:
        >>> literal('{"a": 1}'), literal("['x', 'y']"), literal("{'a': None}"), literal('{"a"=>"b"}'), literal("[sic] red")
        ({'a': 1}, ['x', 'y'], {'a': None}, {'a': 'b'}, None)
    """
    text = text.strip()
    if not (text[:1] == "{" and text[-1:] == "}") and not (text[:1] == "[" and text[-1:] == "]"):
        return None
    for body in (text, re.sub(r'"\s*=>\s*', '": ', text)) if "=>" in text else (text,):
        try:
            made = json.loads(body)
        except (ValueError, RecursionError):
            continue
        return made if isinstance(made, (dict, list)) else None
    if len(text) > _LITERAL:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python knows not
            made = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None
    return made if isinstance(made, (dict, list)) else None


def pairs(value: Any) -> list[Pair] | None:
    """The attributes in a cell, in order, a name's values together; None where it is no writing of attributes.

    Args:
        value: An object, a list of pairs, of one-entry objects, of objects with a name and a value or of `k: v` texts, or a text that
            writes one of these, or `k=v,k=v`, `k:v|k:v`, `k: v; k: v`, or a pair a line. A part without a name belongs to the one before.

    Example:
        >>> pairs("size=S, M,eco=Yes"), pairs("colour : red|width:64.7|colour:blue")
        ([('size', 'S, M'), ('eco', 'Yes')], [('colour', 'red|blue'), ('width', '64.7')])
        >>> pairs([{"name": "Size", "value": 4}, {"name": "Fit", "value": "slim"}]), pairs("A lamp: it shines.")
        ([('Size', 4), ('Fit', 'slim')], None)
    """
    if isinstance(value, str):
        made = literal(value)
        return _written(value) if made is None else pairs(made)
    if isinstance(value, Mapping):
        return _merged(_flat(cast("Mapping[Any, Any]", value), ""))
    if not isinstance(value, list):
        return None
    items = [x for x in cast("list[Any]", value) if not blank(x)]
    each = [_one(x) for x in items]
    return _merged(p for found in each if found for p in found) if items and all(e is not None for e in each) else None


def _one(item: Any) -> list[Pair] | None:
    """The attributes that one item of a list says."""
    if isinstance(item, Mapping):
        entry = {str(k).lower(): v for k, v in cast("Mapping[Any, Any]", item).items()}
        name, value = next((k for k in _KEYS if k in entry), ""), next((v for v in _VALUES if v in entry), "")
        if name and value:
            return [(str(entry[name]).strip(), entry[value])] if not blank(entry[name]) else []
        return list(_flat(cast("Mapping[Any, Any]", item), "")) if not name else None
    if isinstance(item, (list, tuple)):
        two = cast("list[Any]", item)
        return [(str(two[0]).strip(), two[1])] if len(two) == 2 and isinstance(two[0], str) else None  # a Parquet map
    if not isinstance(item, str):
        return None
    name, colon, text = item.partition(":" if ":" in item else "=")
    return [(name.strip(), text.strip())] if colon and _named(name) and text.strip() else None


def _flat(entries: Mapping[Any, Any], before: str) -> Iterator[Pair]:
    """Entries of an object; one within another has both names, and a number with its unit is one value."""
    for key, value in entries.items():
        name = f"{before}{key}".strip()
        if isinstance(value, Mapping):
            inner = cast("Mapping[Any, Any]", value)
            if set(inner) == {"value", "unit"}:
                yield name, f"{inner['value']} {inner['unit'] or ''}".strip()
            elif len(before) < 3 * _NAME:
                yield from _flat(inner, f"{name} ")
        elif isinstance(value, list) and value and all(isinstance(x, Mapping) for x in cast("list[Any]", value)):
            found = pairs(value)
            yield from found if found is not None else [(name, prose(value))]
        else:
            yield name, value


def _written(text: str) -> list[Pair] | None:
    """Pairs of `name=value` or `name:value`, by the divider under which most of the parts are pairs."""
    best, most = list[Pair](), 0
    for sign, dividers in _ORDERS.items():
        if sign not in text:
            continue
        for divider in dividers:
            if divider not in text and divider != dividers[0]:
                continue
            parts = text.split(divider)
            have = sum(sign in p and _named(p[: p.index(sign)]) != "" for p in parts)
            if 2 * have - len(parts) > most and sign in parts[0] and _named(parts[0][: parts[0].index(sign)]):
                best, most = list(_joined(parts, sign, divider)), 2 * have - len(parts)
    if len(best) == 1 and re.search(r"[.!?]\s|[.!?]$", str(best[0][1])):  # a sentence with a colon
        return None
    return _merged(best) if best else None


def _joined(parts: Iterable[str], sign: str, divider: str) -> Iterator[Pair]:
    """Pairs; a part that is none belongs to the value before it."""
    name, value = "", ""
    for part in parts:
        head, found, tail = part.partition(sign)
        if found and (named := _named(head)):
            if name:
                yield name, value
            name, value = named, tail.strip()
        elif part.strip():
            value += ("," if divider == "," else "|" if divider == "|" else f"{divider} ") + part.rstrip()
    if name:
        yield name, value


@lru_cache(maxsize=65_536)
def _named(text: str) -> str:
    """What may be an attribute's name, without blanks around it: short, a few words, no sentence; "" for anything else."""
    name = text.strip()
    fits = 0 < len(name) <= _NAME and len(name.split()) <= 6 and not _NO_NAME.search(name)
    return name if fits else ""


def _merged(found: Iterable[Pair]) -> list[Pair]:
    """Each name once, its texts divided by "|"; blank values left out."""
    out: dict[str, Any] = {}
    for name, value in found:
        if name[:1].isspace() or name[-1:].isspace() or len(name) > _NAME:
            name = name.strip()[:_NAME].strip()
        if not name or blank(value):
            continue
        held = out.get(name)
        if held is None:
            out[name] = value
        elif isinstance(held, list) or isinstance(value, list):
            out[name] = [*_several(held), *_several(value)]
        elif str(value) not in str(held).split("|"):
            out[name] = f"{held}|{value}"
    return list(out.items())


def _several(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def prose(value: Any, divider: str = " ") -> str:
    """Any cell as text: lists and objects, also those that a text writes, are joined; `ValueError` for what holds no text.

    Example:
        >>> prose('["Oak", "Solid"]'), prose({"top": "oak", "legs": ["ash", "pine"]}), prose(12)
        ('Oak Solid', 'top: oak legs: ash pine', '12')
    """
    if isinstance(value, str):
        made = literal(value)
        return value if made is None else prose(made, divider)
    if isinstance(value, Mapping):
        parts = ((str(k), prose(v, divider)) for k, v in cast("Mapping[Any, Any]", value).items() if not blank(v))
        return divider.join(f"{k}: {v}" for k, v in parts)
    if isinstance(value, (list, tuple)):
        return divider.join(t for t in (prose(v, divider) for v in cast("list[Any]", value) if not blank(v)) if t)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, float)):
        return str(value)
    raise ValueError("text")
