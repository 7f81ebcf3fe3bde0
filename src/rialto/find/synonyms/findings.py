"""What is wrong with a shop's synonyms before anybody is served by them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from rialto.find.query.synonyms import LONGEST
from rialto.find.synonyms.book import Synonym, SynonymBook, stems

__all__ = ["Finding", "findings"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Args:
        kind: `long`, `same`, `twice`, `circle`, `unknown` or `brand`.
        severity: `error` refuses a save that is not forced; `warning` does not.
        lines: The lines concerned, as they are written.
        told: The sentence for people.
    """

    kind: str
    severity: str
    lines: tuple[str, ...]
    told: str


def findings(book: SynonymBook, *, held: Callable[[str], bool], brands: Collection[str] = ()) -> tuple[Finding, ...]:
    """What is wrong with a book, errors first.

    Args:
        book: The synonyms.
        held: Whether the shop's texts hold all words of a phrase: others are never searched for.
        brands: Names of brands, folded.

    Cost:
        A few microseconds a pair of phrases.
    """
    found = [*_each(book, held, frozenset(brands)), *_together(book)]
    return tuple(sorted(found, key=lambda f: f.severity != "error"))


def _each(book: SynonymBook, held: Callable[[str], bool], brands: frozenset[str]) -> Iterator[Finding]:
    for e in book.entries:
        line, targets = (e.line,), e.meant or e.words
        long = [w for w in e.words if len(stems(w)) > LONGEST]
        if long:
            yield Finding("long", "error", line, f"“{long[0]}” has more than {LONGEST} words, and is never looked for.")
        if not any(stems(a) != stems(b) for a, b in e.pairs()):
            yield Finding("same", "error", line, f"“{e.line}” does nothing: singular and plural are searched for as it is.")
        unknown = [t for t in targets if not held(t)]
        if unknown and len(unknown) == len(targets):
            yield Finding("unknown", "warning", line, f"“{e.line}” finds nothing more: no product holds {_quoted(unknown)}.")
        elif unknown and e.meant:
            yield Finding("unknown", "warning", line, f"no product holds {_quoted(unknown)}, which “{e.line}” would search for.")
        named = [w for w in e.words if " ".join(w.split()) in brands]
        if named:
            yield Finding("brand", "warning", line, f"{_quoted(named)} is a brand: who asks for it gets other things beside it.")


def _together(book: SynonymBook) -> Iterator[Finding]:
    seen: dict[tuple[tuple[str, ...], tuple[str, ...]], Synonym] = {}
    told: set[frozenset[str]] = set()
    for e in book.entries:
        for a, b in e.pairs():
            other, back = seen.get((stems(a), stems(b))), seen.get((stems(b), stems(a)))
            if other is not None and other is not e and (lines := frozenset((other.line, e.line))) not in told:
                told.add(lines)
                yield Finding(
                    "twice", "warning", (other.line, e.line), f"“{other.line}” and “{e.line}” both say that {a} is {b} too."
                )
            elif back is not None and back is not e and other is None and back.meant and e.meant:
                text = f"“{back.line}” and “{e.line}” go both ways together: write {a}, {b}."
                yield Finding("circle", "warning", (back.line, e.line), text)
            seen.setdefault((stems(a), stems(b)), e)


def _quoted(phrases: list[str]) -> str:
    return " or ".join(f"“{p}”" for p in phrases[:3])
