"""Synonyms as people write them, a line each: `tv, television` both ways, `xmas => christmas` one way; and the set at one version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from rialto.errors import BadInput
from rialto.find.query import Reader
from rialto.find.query.synonyms import Synonyms
from rialto.find.terms import fold, stem

__all__ = ["Synonym", "SynonymBook", "read_synonyms", "stems"]

_LINES, _PHRASES, _LETTERS = 10_000, 30, 200


def stems(phrase: str) -> tuple[str, ...]:
    """What two phrases share that count as the same: their words' stems in order.

    Example:
        >>> stems("Desk Lamps") == stems("desk lamp")
        True
    """
    return tuple(stem(w) for w in fold(phrase).replace("-", " ").split())


@dataclass(frozen=True, slots=True)
class Synonym:
    """One line.

    Args:
        words: Phrases that may stand for one another; where `meant` is given, those that are asked for.
        meant: Phrases that are searched for too where one of `words` is asked for, and not the other way round; () = two-way.

    Example:
        >>> Synonym(("xmas",), ("christmas",)).line
        'xmas => christmas'
    """

    words: tuple[str, ...]
    meant: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """As people write it."""
        return ", ".join(self.words) + (f" => {', '.join(self.meant)}" if self.meant else "")

    def pairs(self) -> Iterator[tuple[str, str]]:
        """What is asked for, and what is searched for too."""
        for a in self.words:
            yield from ((a, b) for b in (self.meant or self.words) if a != b)


@dataclass(frozen=True, slots=True)
class SynonymBook:
    """Synonyms in the order in which they were written, and the version of the set; 0 = never saved.

    Example:
        >>> book = SynonymBook.of_text("# lights\\ntv, television\\nxmas => christmas")
        >>> len(book), book.synonyms().others("old tv")
        (2, [('tv', 'television')])
    """

    entries: tuple[Synonym, ...] = ()
    version: int = 0

    def __len__(self) -> int:
        return len(self.entries)

    @classmethod
    def of_text(cls, text: str, *, version: int = 0) -> SynonymBook:
        """Read lines; empty ones and those that begin with # say nothing.

        Raises:
            BadInput: a line is of another form, or there is too much of something; the line's number is told.
        """
        lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1)]
        made = tuple(_entry(n, line) for n, line in lines if line and not line.startswith("#"))
        if len(made) > _LINES:
            raise BadInput(f"there are {len(made)} synonyms; wanted at most {_LINES}.")
        return cls(made, version)

    @property
    def text(self) -> str:
        """As `of_text` reads it."""
        return "".join(f"{e.line}\n" for e in self.entries)

    @property
    def stamp(self) -> str:
        """Version and a checksum, pinned in every decision; "" for a book without synonyms."""
        return f"{self.version}-{blake2b(self.text.encode(), digest_size=6).hexdigest()}" if self.entries else ""

    def worded(self, reader: Reader) -> Reader:
        """A reader of queries with these synonyms before its own; the very reader where there are none."""
        if not self.entries:
            return reader
        return reader.with_synonyms(self.synonyms(), asked=(w for e in self.entries for w in e.words), name=self.stamp)

    def synonyms(self) -> Synonyms:
        """As query understanding reads them."""
        return Synonyms.of_pairs(pair for e in self.entries for pair in e.pairs())

    def changes_from(self, before: SynonymBook) -> tuple[str, ...]:
        """What changed, a phrase a line: `added tv, television`, `removed ...`."""
        old, new = [e.line for e in before.entries], [e.line for e in self.entries]
        gone, come = set(old) - set(new), set(new) - set(old)
        told = [f"added {line}" for line in dict.fromkeys(new) if line in come]
        told += [f"removed {line}" for line in dict.fromkeys(old) if line in gone]
        return tuple(told) or (("changed their order",) if old != new else ())


def read_synonyms(path: str) -> SynonymBook:
    """Read a file of lines; `BadInput` tells what is wrong with it."""
    try:
        return SynonymBook.of_text(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"{path} cannot be read: {e}; wanted a text file with lines such as: tv, television.") from None


def _entry(number: int, line: str) -> Synonym:
    left, arrow, right = line.partition("=>")
    words, meant = _phrases(left), _phrases(right)
    wanted = 1 if arrow else 2
    if "=>" in right or len(words) < wanted or (arrow and not meant):
        raise BadInput(f"line {number} of the synonyms is {line[:80]!r}; wanted tv, television or xmas => christmas.")
    if len(words) + len(meant) > _PHRASES or any(len(p) > _LETTERS for p in (*words, *meant)):
        raise BadInput(f"line {number} of the synonyms is too long; wanted at most {_PHRASES} phrases of {_LETTERS} letters.")
    if bad := next((p for p in (*words, *meant) if not p.isprintable() or not any(map(str.isalnum, p))), None):
        raise BadInput(f"line {number} of the synonyms holds {bad[:40]!r}; wanted phrases of words.")
    return Synonym(words, meant)


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(p.split()).lower() for p in text.split(",") if p.strip()))
