"""Text to terms: case, accents and endings folded away, model numbers and decimals kept whole beside their parts."""

from __future__ import annotations

import re
from unicodedata import is_normalized, normalize

import tantivy

from rialto.errors import BadInput, known

__all__ = ["LANGUAGES", "Analyser"]

LANGUAGES = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
"""BCP 47 language subtag -> Snowball stemmer; "" is no stemming."""

_WORD = r"\d+\.\d+|[\p{L}\p{M}\p{N}]+"
"""A decimal number, or a run of letters, marks and numbers (a Rust regular expression)."""
_PLAIN = re.compile(r"\d++\.\d++|[^\W_]++")
"""The same for text without marks (for Python, whose \\w has none)."""
_MARKED = re.compile("[\u0300-\u036f\u0483-\u0489\u0590-\u1dff\u20d0-\u20ff\u2c00-\U0010ffff]")
"""Where marks may be: combining accents and the scripts that write vowels with them."""
_INNER = re.compile(r"[^\W_][-/.][^\W_]")
_JOINED = re.compile(r"(?<![^\W_])(?:\d++\.\d++|[^\W_]++(?:[-/.][^\W_]++)+)")
"""What has a whole and parts: 15.6, dv7-1211ea, wi-fi; without steps back, as a word may be a megabyte."""
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")
_LONGEST = 200
_REMEMBERED = 500_000


class Analyser:
    """One analysis for documents and queries.

    `dv7-1211ea` gives `dv7`, `1211ea` and `dv71211ea`, so that it is found by a part and in any spelling; `wi-fi` also gives
    `wifi`; `15.6` stays whole and also gives `15`. Endings are cut by the Snowball stemmer of `language`.

    Args:
        language: Key of `LANGUAGES`, or "" to keep endings. A language without spaces between words needs its own splitting
            beforehand: a run of letters is one word here.

    Raises:
        BadInput: `language` is not known.

    Example:
        >>> Analyser("en").terms("Café chairs, dv7-1211ea")
        ['cafe', 'chair', 'dv7', '1211ea', 'dv71211ea']
    """

    __slots__ = ("_analyse", "_english", "_seen")

    def __init__(self, language: str = "en") -> None:
        if language and language not in LANGUAGES:
            raise BadInput(f"language is {language!r}; wanted one of {known(language, LANGUAGES, 20)}, or '' for no stemming.")
        fold = tantivy.Filter
        builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(_WORD)).filter(fold.ascii_fold()).filter(fold.lowercase())
        builder = builder.filter(fold.remove_long(_LONGEST))
        self._analyse = (builder.filter(fold.stemmer(LANGUAGES[language])) if language else builder).build().analyze
        self._english = language == "en"
        self._seen: dict[str, list[str]] = {}

    def terms(self, text: str) -> list[str]:
        """The terms of a document's text: its words in order, then the other forms of its joined words; none over 200 bytes.

        Cost: about 20 million characters a second; each different word is stemmed once.
        """
        text = self._clean(text)
        if _INNER.search(text):
            text = " ".join([text, *filter(None, (_other_form(joined[0]) for joined in _JOINED.finditer(text)))])
        return self._split(text)

    def words(self, text: str) -> list[tuple[str, ...]]:
        """The words of a query, each with the terms that stand for it (a part of a joined word, or the whole); none twice.

        Example:
            >>> Analyser("en").words("dv7-1211ea bags, bag")
            [('dv7', 'dv71211ea'), ('1211ea', 'dv71211ea'), ('bag',)]
        """
        text, found, at = self._clean(text), dict[tuple[str, ...], None](), 0
        for joined in _JOINED.finditer(text):
            found.update(dict.fromkeys((term,) for term in self._split(text[at : joined.start()])))
            whole = tuple(self._split(_other_form(joined[0])))
            found.update(dict.fromkeys((term, *whole) for term in self._split(joined[0])))
            at = joined.end()
        found.update(dict.fromkeys((term,) for term in self._split(text[at:])))
        return list(found)

    def _split(self, text: str) -> list[str]:
        """The terms of clean text; word by word through what was seen before, as stemming costs ten times a look-up."""
        if _MARKED.search(text):
            return self._analyse(text)
        if len(self._seen) > _REMEMBERED:
            self._seen = {}  # another, as another thread may be reading this one
        words, seen = _PLAIN.findall(text), self._seen
        for word in set(words).difference(seen):
            seen[word] = self._analyse(word)
        return [term for word in words for term in seen[word]]

    def _clean(self, text: str) -> str:
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot leave Python
            text = text if is_normalized("NFC", text) else normalize("NFC", text)
        text = text.lower()
        return _POSSESSIVE.sub("", text) if self._english and ("'" in text or "’" in text) else text


def _other_form(joined: str) -> str:
    """The form of a joined word that its parts do not give: `wi-fi` -> `wifi`, `15.6` -> `15`; "" for and/or, example.com."""
    head, dot, tail = joined.partition(".")
    if dot and head.isdecimal() and tail.isdecimal():
        return head
    if "/" in joined or "." in joined:
        if not any(c.isdecimal() for c in joined):
            return ""
        joined = joined.replace("/", "").replace(".", "")
    return joined.replace("-", "")
