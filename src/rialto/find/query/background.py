"""Lists of English words and pairs of words with their frequencies, and of words only heard, from the packages that hold them where installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["Background"]

_WORDS = "frequency_dictionary_en_82_765.txt"
_HEARD = "unigrams.txt"
_PAIRS = "frequency_bigramdictionary_en_243_342.txt"


@dataclass(frozen=True)
class Background:
    """Words of a language and how often they stand in a large body of text.

    Args:
        words: Word -> count.
        pairs: Word and the word behind it -> count.
        heard: Word of a wider, unchecked list -> count: names and brands, and mistypings among them.
    """

    words: Mapping[str, float] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], float] = field(default_factory=dict)
    heard: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def english(cls) -> Background:
        """Words of English and pairs of them: symspellpy's, and wordsegment's as heard, where they are installed; read once.

        Source:
            symspellpy (MIT): Google Books Ngram counts of the 82,834 words in SCOWL and 242,342 pairs.
            wordsegment (Apache 2.0): counts of 333,333 words of the Google Web Trillion Word Corpus. They are not copied.
        """
        return _symspell()

    def with_words(self, words: Iterable[str]) -> Background:
        """These and `words`, each at least as common as one word in ten million."""
        least = 1e-7 * max(sum(self.words.values()), 1e7)
        more = {w: max(self.words.get(w, 0.0), least) for w in words}
        return Background({**self.words, **more}, self.pairs, self.heard)


@cache
def _symspell() -> Background:
    found = _lists("symspellpy", _WORDS, _PAIRS)
    if found is None:
        return Background()
    words = {w[0]: float(w[1]) for w in _lines(found[0], 2)}
    return Background(words, {(p[0], p[1]): float(p[2]) for p in _lines(found[1], 3)}, _heard())


def _heard() -> dict[str, float]:
    """Words of the web, common and rare, right and mistyped."""
    found = _lists("wordsegment", _HEARD, _HEARD)
    if found is None:
        return {}
    return {w[0]: float(w[1]) for w in _lines(found[0], 2) if w[0].isalpha()}


def _lists(package: str, words: str, pairs: str) -> tuple[Path, Path] | None:
    """The two files of an installed package; it is never imported."""
    found = find_spec(package)
    if found is None or found.origin is None:
        return None
    files = Path(found.origin).parent / words, Path(found.origin).parent / pairs
    return files if all(f.is_file() for f in files) else None


def _lines(file: Path, parts: int) -> list[list[str]]:
    lines = (line.split() for line in file.read_text(encoding="utf-8-sig").splitlines())
    return [line for line in lines if len(line) == parts]
