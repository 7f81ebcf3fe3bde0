"""What the words of the made-up shop's queries say: the truth of tags, types, intent and negation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rialto.worlds.shop import Shop
from rialto.worlds.shop_data import product_types, words
from rialto.worlds.shop_grades import Constraint, Intent

__all__ = ["Said", "said"]

_PRICE = re.compile(r"\s*(?:under|below|up to) \$?\d+(?: dollars)?$")
_NEGATED = re.compile(r"\s*\b(?:without|no|not) (.+)$")
_NUMBER = re.compile(r"^(\d[\d.]*)(\s?)(\S+)")
_INTENT = {"type": "type", "synonym": "type", "vague": "browse", "brand": "browse", "model": "exact"}


@dataclass(frozen=True, slots=True)
class Said:
    """The truth of one query.

    Args:
        text: What was typed, in lower case, without its price bound and without what is not wanted.
        asked: What was typed.
        spans: (start, stop, kind): words [start, stop) of `text` are a `kind`; the other words say nothing in particular.
        types: Category paths that were meant; empty = any.
        intent: `exact`, `type`, `attribute` or `browse`.
        without: What is not wanted.
    """

    text: str
    asked: str
    spans: tuple[tuple[int, int, str], ...]
    types: frozenset[str]
    intent: str
    without: tuple[str, ...]


def said(shop: Shop) -> tuple[Said, ...]:
    """The truth of every query, in their order.

    Example:
        >>> from rialto.worlds.shop import make_shop
        >>> truth = said(make_shop(seed=1, products=300))
        >>> one = next(s for s in truth if s.asked == "black garden hoses" or s.without)
        >>> len(truth) > 50, bool(one.spans)
        (True, True)
    """
    q = shop.queries
    return tuple(_said(str(t), str(k), i) for t, k, i in zip(q.text, q.kind, q.intents, strict=True))


def _said(asked: str, kind: str, intent: Intent) -> Said:
    text, without = _PRICE.sub("", asked.lower()), tuple[str, ...]()
    if kind == "negation":
        found = _NEGATED.search(text)
        if found is not None:
            text, without = text[: found.start()], (found[1],)
    free = text.split()
    taken = [""] * len(free)
    for name, phrase in _phrases(kind, intent):
        _mark(free, taken, phrase.split(), name)
    _numbers(text, kind, taken)
    if kind == "model":
        taken = [t or "model" for t in taken]
    elif kind not in ("vague", "brand"):
        taken = [t or ("other" if w in ("cheap", "for", "with") else "type") for t, w in zip(taken, free)]
    paths = frozenset(product_types()[t].path for t in intent.types)
    wants = _INTENT.get(kind, "attribute") if kind in ("model", "brand", "vague") or not intent.constraints else "attribute"
    return Said(text, asked, tuple(_spans(taken)), paths, "type" if kind == "typo" and not intent.constraints else wants, without)


def _phrases(kind: str, intent: Intent) -> Iterator[tuple[str, str]]:
    """Kind and phrase of all that the constraints may have been put in, longest first."""
    found: list[tuple[str, str]] = []
    for c in intent.constraints:
        if c.name == "brand":
            found.append(("brand", str(c.value).lower()))
        elif c.name == "colour":
            found += [("colour", w) for w in (str(c.value), *words().colour_words.get(str(c.value), []))]
        elif c.name == "material" and c.relation == "is":
            found.append(("material", str(c.value).lower()))
        elif c.name == "audience":
            found += [("attribute", w.lower().removeprefix("for ")) for w in (*words().audiences[str(c.value)], str(c.value))]
        elif kind == "attribute":
            found += [("attribute", w) for w in _attribute(c)]
    yield from sorted(found, key=lambda f: -len(f[1].split()))


def _attribute(constraint: Constraint) -> list[str]:
    said = words().flags[constraint.name] if constraint.value is True else words().say[constraint.name]
    return [s.format(v=constraint.value).lower().removeprefix("with ").removeprefix("for ") for s in said]


def _mark(text: list[str], taken: list[str], phrase: list[str], name: str) -> None:
    for i in range(len(text) - len(phrase) + 1):
        if phrase and text[i : i + len(phrase)] == phrase and not any(taken[i : i + len(phrase)]):
            taken[i : i + len(phrase)] = [name] * len(phrase)
            return


def _numbers(text: str, kind: str, taken: list[str]) -> None:
    found = _NUMBER.match(text) if kind == "unit" else None
    if found is not None:
        taken[0] = "number"
        if found[2]:
            taken[1] = "unit"


def _spans(taken: list[str]) -> Iterator[tuple[int, int, str]]:
    start = 0
    for i in range(1, len(taken) + 1):
        if i == len(taken) or taken[i] != taken[start]:
            if taken[start] not in ("", "other"):
                yield start, i, taken[start]
            start = i
