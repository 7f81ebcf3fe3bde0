"""Rules as people and programs write them, TOML or JSON: read with every wrong field named, written so that reading gives the same."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any, cast

import fsspec

from rialto.errors import BadInput, NothingHere, known
from rialto.find.rules.rule import Rule, Scope, When

__all__ = ["as_data", "parse", "read_rules", "rule_of", "to_json", "to_toml"]

_SCOPE, _WHEN = (tuple(f.name for f in fields(k)) for k in (Scope, When))
_TEXTS = ("id", "owner", "action", "name", "target", "note")
_RULE = (*_TEXTS, "products", "when", "place", "factor", "starts", "ends", "enabled", "priority")


def parse(text: str, *, toml: bool = False) -> tuple[Rule, ...]:
    """Read rules: `{"rules": [...]}` or a list in JSON, `[[rules]]` tables in TOML.

    Raises:
        BadInput: the text is neither, a key is unknown, a value is of a wrong type or out of range, or an id comes twice; each
            problem names the rule, the field and the value, ten at most.

    Example:
        >>> (rule,) = parse('[[rules]]\\nid="a"\\nowner="ann"\\naction="pin"\\nplace=1\\nproducts={ids=["7"]}', toml=True)
        >>> rule.products.ids, parse(to_toml([rule]), toml=True) == (rule,) == parse(to_json([rule]))
        (('7',), True)
    """
    kind = "TOML" if toml else "JSON"
    try:
        data = tomllib.loads(text) if toml else json.loads(text)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"the rules are no {kind}: {e}; wanted {'[[rules]] tables' if toml else 'a list of objects'}.") from None
    if isinstance(data, dict):
        extra = [k for k in data if k != "rules"]
        if extra:
            raise BadInput(f"the rules have the key {extra[0]!r:.80} beside 'rules'; wanted 'rules' alone, a list.")
        data = data.get("rules", [])
    if not isinstance(data, list):
        raise BadInput(f"the rules are {type(data).__name__}, {data!r:.80}; wanted a list of rules.")
    made, problems = list[Rule](), list[str]()
    for row, one in enumerate(cast("list[object]", data), start=1):
        try:
            made.append(rule_of(one, where=f"rule {row}"))
        except BadInput as e:
            problems.append(str(e))
    ids = [r.id for r in made]
    problems += [
        f"rule id {i!r} comes {ids.count(i)} times; wanted each once." for i in sorted({i for i in ids if ids.count(i) > 1})
    ]
    if problems:
        more = f" And {len(problems) - 10} more." if len(problems) > 10 else ""
        raise BadInput(" ".join(problems[:10]) + more)
    return tuple(made)


def read_rules(path: str) -> tuple[Rule, ...]:
    """Read a file of rules, TOML where its name ends in `.toml`, else JSON; `BadInput` as `parse`, with the path in front."""
    try:
        with fsspec.open(path, "rb") as stream:
            text = cast("Any", stream).read().decode()
        return parse(text, toml=path.endswith(".toml"))
    except FileNotFoundError:
        raise NothingHere(f"there is no file of rules at {path!r}.") from None
    except (UnicodeDecodeError, BadInput) as e:
        raise BadInput(f"{path}: {e}") from None


def rule_of(data: object, *, where: str = "rule") -> Rule:
    """One rule from its object as `as_data` makes it; `BadInput` names the field and the value."""
    given = _object(data, where, "", _RULE)
    absent = [n for n in ("id", "owner", "action") if n not in given]
    if absent:
        raise BadInput(f"{where} has no {absent[0]!r}; wanted id, owner and action.")
    name = given["id"]
    where = f"rule {name!r:.120}" if isinstance(name, str) else where
    texts = {n: _typed(given[n], where, n, str, "text") for n in _TEXTS if n in given}
    return Rule(
        **texts,
        products=_scope(given.get("products", {}), where),
        when=When(**{k: _list(v, where, f"when.{k}") for k, v in _object(given.get("when", {}), where, "when", _WHEN).items()}),
        place=_whole(given.get("place", 0), where, "place"),
        factor=_number(given.get("factor", 0.0), where, "factor"),
        starts_s=_time(given.get("starts"), where, "starts"),
        ends_s=_time(given.get("ends"), where, "ends"),
        enabled=_typed(given.get("enabled", True), where, "enabled", bool, "true or false"),
        priority=_whole(given.get("priority", 0), where, "priority"),
    )


def _scope(data: object, where: str) -> Scope:
    given = _object(data, where, "products", _SCOPE)
    out: dict[str, Any] = {}
    for name, value in given.items():
        at = f"products.{name}"
        if name == "words":
            out[name] = _typed(value, where, at, str, "text")
        elif name == "attributes":
            pairs = _typed(value, where, at, dict, "names with lists of values")
            out[name] = tuple((str(k), _list(v, where, f"{at}.{k}")) for k, v in sorted(cast("dict[str, object]", pairs).items()))
        elif name.startswith("price"):
            out[name] = None if value is None else _number(value, where, at)
        else:
            out[name] = _list(value, where, at)
    return Scope(**out)


def as_data(rule: Rule) -> dict[str, Any]:
    """The rule as JSON's own types, without what is left at its default; `rule_of` reads it back.

    Example:
        >>> as_data(Rule("a", "ann", "hide", products=Scope(ids=("7",)), ends_s=86400.0))
        {'id': 'a', 'owner': 'ann', 'action': 'hide', 'products': {'ids': ['7']}, 'ends': '1970-01-02T00:00:00Z'}
    """
    out: dict[str, Any] = {n: getattr(rule, n) for n in ("id", "owner", "action")}
    out |= {n: getattr(rule, n) for n in ("name",) if getattr(rule, n)}
    scope = {n: getattr(rule.products, n) for n in _SCOPE if getattr(rule.products, n) not in ((), "", None)}
    if "attributes" in scope:
        scope["attributes"] = {k: list(v) for k, v in rule.products.attributes}
    when = {n: list(getattr(rule.when, n)) for n in _WHEN if getattr(rule.when, n)}
    out |= {"products": {k: list(v) if isinstance(v, tuple) else v for k, v in scope.items()}} if scope else {}
    out |= {"when": when} if when else {}
    out |= {n: getattr(rule, n) for n in ("place", "factor", "target", "priority", "note") if getattr(rule, n)}
    out |= {n: _iso(t) for n, t in (("starts", rule.starts_s), ("ends", rule.ends_s)) if t is not None}
    return out if rule.enabled else {**out, "enabled": False}


def to_json(rules: Iterable[Rule]) -> str:
    """The rules as JSON for people: `{"rules": [...]}`."""
    return json.dumps({"rules": [as_data(r) for r in rules]}, indent=2, ensure_ascii=False) + "\n"


def to_toml(rules: Iterable[Rule]) -> str:
    """The rules as TOML: a `[[rules]]` table each."""
    return "\n".join("[[rules]]\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in as_data(r).items()) for r in rules)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's too, but for the one control character that JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return repr(value)


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat().replace("+00:00", "Z")


def _time(value: object, where: str, name: str) -> float | None:
    wanted = "a day or a time as 2026-05-01T08:00:00Z"
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _wrong(where, name, value, wanted) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise _wrong(where, name, value, wanted)
    try:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        raise _wrong(where, name, value, wanted) from None


def _object(data: object, where: str, name: str, keys: Sequence[str]) -> dict[str, object]:
    if not isinstance(data, dict) or not all(isinstance(k, str) for k in data):
        raise _wrong(where, name or "rule", data, f"an object with some of {', '.join(keys)}")
    given = cast("dict[str, object]", data)
    for key in given:
        if key not in keys:
            raise BadInput(f"{where}: there is no field {f'{name}.{key}'.strip('.')!r:.120}; known: {known(key, keys)}.")
    return given


def _typed(value: object, where: str, name: str, kind: Callable[..., Any], wanted: str) -> Any:
    if not isinstance(value, cast("type", kind)):
        raise _wrong(where, name, value, wanted)
    return value


def _number(value: object, where: str, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(where, name, value, "a number")
    return float(value)


def _whole(value: object, where: str, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(where, name, value, "a whole number")
    return value


def _list(value: object, where: str, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(x, str) for x in cast("list[object]", value)):
        raise _wrong(where, name, value, "a list of texts")
    return tuple(cast("list[str]", value))


def _wrong(where: str, name: str, value: object, wanted: str) -> BadInput:
    return BadInput(f"{where}, field {name!r}: got {value!r:.200}; wanted {wanted}.")
