"""How OpenSearch is told to turn text into terms: case, accents and endings folded, model numbers whole beside their parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["LANGUAGES", "analysis"]

LANGUAGES: Mapping[str, str] = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "porter2", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
"""BCP 47 language subtag -> OpenSearch's stemmer."""

_MOST_WORDS = 256
_POINT = "\u2024"
"""Stands for the point of a decimal number while words are divided at points."""


def analysis(language: str) -> dict[str, Any]:
    """The `analysis` settings of an index: `rialto` for documents, `rialto_query` for queries.

    A joined word gives its parts and, at the place of one of them, the whole: `wi-fi` is `wi`, `fi` and `wifi`. In a query each
    word counts once, and the first so many.

    Args:
        language: Key of `LANGUAGES`, or "" to keep endings.

    Example:
        >>> analysis("")["analyzer"]["rialto"]["filter"]
        ['asciifolding', 'parts', 'lowercase']
    """
    parts = {
        "type": "word_delimiter",
        "catenate_all": True,
        "split_on_numerics": False,
        "split_on_case_change": False,
        "stem_english_possessive": language == "en",
        "type_table": [f"{_POINT} => DIGIT"],
    }
    filters: dict[str, Any] = {"parts": parts, "few": {"type": "limit", "max_token_count": _MOST_WORDS}}
    chain = ["asciifolding", "parts", "lowercase"]
    if language:
        filters["endings"] = {"type": "stemmer", "language": LANGUAGES[language]}
        chain = [*chain, "endings"]
    decimal = {"type": "pattern_replace", "pattern": r"(?<=\d)\.(?=\d)", "replacement": _POINT}
    whole = {"type": "custom", "char_filter": ["decimal"], "tokenizer": "whitespace"}
    return {
        "char_filter": {"decimal": decimal},
        "filter": filters,
        "analyzer": {"rialto": {**whole, "filter": chain}, "rialto_query": {**whole, "filter": [*chain, "unique", "few"]}},
    }
