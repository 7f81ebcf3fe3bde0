"""Which rules fire for a request: an index by whole query and by word, so that a request that no rule knows costs two look-ups."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from rialto.errors import BadInput
from rialto.find.records import BROWSE, split_path
from rialto.find.rules.rule import Rule, When
from rialto.find.select import selections_of
from rialto.find.terms import analyse, fold
from rialto.records import Requests
from rialto.spine.params import Param

__all__ = ["Ask", "Triggers", "below", "holds", "key_of", "said", "terms_of"]

TYPE_PROBABILITY = Param(
    "find.rules.type_probability",
    0.5,
    low=0,
    high=1,
    unit="share",
    doc="Least probability of a type that a rule's condition meets.",
)

Path = tuple[str, ...]


@lru_cache(maxsize=16_384)
def _read(text: str) -> tuple[str, frozenset[str], str]:
    terms = analyse(text)
    return " ".join(terms), frozenset(terms), fold(text)


def key_of(text: str) -> str:
    """What two queries share that a rule takes for the same: their terms in order.

    Example:
        >>> key_of("Desk  LAMPS!") == key_of("desk lamp")
        True
    """
    return _read(text)[0]


def terms_of(text: str) -> frozenset[str]:
    """The different terms of a text, folded and in one number."""
    return _read(text)[1]


def _unspaced(phrase: str) -> bool:
    """True for a phrase of a script that puts no blanks between words, which is looked for as it stands."""
    return any("\u2e80" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af" or "\u0e00" <= c <= "\u0eff" for c in phrase)


def said(phrase: str, text: str) -> bool:
    """True where `text` holds all words of `phrase`."""
    words = terms_of(phrase)
    return (bool(words) and words <= terms_of(text)) or (_unspaced(phrase) and fold(phrase).strip() in _read(text)[2])


def below(path: Path, wanted: str) -> bool:
    """True where `path` is the category `wanted` or lies below it, whatever the case.

    Example:
        >>> below(("Home", "Lamps"), "home"), below(("Home",), "Home/Lamps")
        (True, False)
    """
    levels = _levels(wanted)
    return bool(levels) and _levels_of(path)[: len(levels)] == levels


@lru_cache(maxsize=4096)
def _levels(path: str) -> Path:
    return tuple(fold(p) for p in split_path(path))


@lru_cache(maxsize=4096)
def _levels_of(path: Path) -> Path:
    return tuple(fold(p) for p in path)


@dataclass(frozen=True, slots=True)
class Ask:
    """What conditions read of one request; columns that it does not have count as empty."""

    texts: tuple[str, ...]
    browse: bool
    categories: tuple[Path, ...]
    tags: frozenset[str]
    types: tuple[Path, ...]
    intent: str
    segments: frozenset[str]

    @classmethod
    def of(cls, requests: Requests, at: int, least: float) -> Ask:
        """Request `at`; a type counts from probability `least` on."""
        text, asked = _cell(requests, "text", at), _cell(requests, "asked", at)
        browse = text == BROWSE and not asked.strip()
        chosen = selections_of(_cell(requests, "selections", at)).values.get("category", ()) if browse else ()
        return cls(
            (text,) if asked in (text, "") else (text, asked),
            browse,
            tuple(split_path(c) for c in chosen),
            _lines(_cell(requests, "tags", at)),
            _types(_cell(requests, "types", at), least),
            _cell(requests, "intent", at),
            _lines(_cell(requests, "segment", at)),
        )


def _cell(requests: Requests, name: str, at: int) -> str:
    column = requests.columns.get(name)
    return "" if column is None else str(column[at])


@lru_cache(maxsize=4096)
def _lines(text: str) -> frozenset[str]:
    return frozenset(fold(t) for t in text.split("\n") if t)


@lru_cache(maxsize=4096)
def _types(text: str, least: float) -> tuple[Path, ...]:
    if not text:
        return ()
    try:
        pairs = cast("list[Any]", json.loads(text))
        return tuple(split_path(str(path)) for path, probability in pairs if float(probability) >= least)
    except (ValueError, TypeError) as e:
        raise BadInput(f'the request\'s types are {text[:80]!r}: {e}; wanted [["Lamps/Desk", 0.7]].') from None


def holds(when: When, ask: Ask) -> bool:
    """True where the request meets every condition that is given."""
    if ask.browse and (when.queries or when.words):
        return False
    return (
        (not when.queries or any(key_of(q) == key_of(t) != "" for q in when.queries for t in ask.texts))
        and (not when.words or any(said(w, t) for w in when.words for t in ask.texts))
        and (not when.categories or (ask.browse and any(below(p, c) for c in when.categories for p in ask.categories)))
        and (not when.types or any(below(p, t) for t in when.types for p in ask.types))
        and (not when.intents or ask.intent in when.intents)
        and (not when.tags or any(fold(t) in ask.tags for t in when.tags))
        and (not when.segments or any(fold(s) in ask.segments for s in when.segments))
    )


class Triggers:
    """The index of a book's conditions.

    Args:
        rules: In the order in which those that fire are returned.

    Cost:
        Two look-ups and one a word of the query, and one check for each rule that has neither queries nor words among its conditions.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._by_query: dict[str, list[int]] = {}
        self._by_word: dict[str, list[int]] = {}
        self._browse: list[int] = []
        self._loose: list[int] = []
        for at, rule in enumerate(rules):
            if rule.enabled:
                self._enter(at, rule.when)

    def _enter(self, at: int, when: When) -> None:
        if when.queries:
            for key in {key_of(q) for q in when.queries}:
                self._by_query.setdefault(key, []).append(at)
        elif when.words and not any(_unspaced(w) for w in when.words):
            for word in {max(terms_of(w), key=lambda t: (len(t), t), default="") for w in when.words}:
                self._by_word.setdefault(word, []).append(at)
        else:
            (self._browse if when.categories else self._loose).append(at)

    def fired(self, requests: Requests, at: int) -> tuple[int, ...]:
        """Rows of the rules that fire for request `at`, rising."""
        texts = (_cell(requests, "text", at), _cell(requests, "asked", at))
        near: set[int] = set(self._loose)
        if texts[0] == BROWSE:
            near.update(self._browse)
        for text in dict.fromkeys(texts):
            if text:
                near.update(self._by_query.get(key_of(text), ()) if self._by_query else ())
                near.update(self._named(terms_of(text)) if self._by_word else ())
        if not near:
            return ()
        ask, time_s = Ask.of(requests, at, float(TYPE_PROBABILITY.of(requests)[at])), float(requests.time_s[at])
        return tuple(r for r in sorted(near) if self._rules[r].acts(time_s) and holds(self._rules[r].when, ask))

    def _named(self, terms: Iterable[str]) -> Iterable[int]:
        return (r for t in terms for r in self._by_word.get(t, ()))
