"""What to search for when little is found: the query without its least telling conditions, one more dropped each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from rialto.find.query.understood import Understood
from rialto.find.records import Rewrite

__all__ = ["relaxations"]

_MOST = 6
_LOOSE = ("size", "unit", "number", "colour", "material", "attribute", "other")  # kinds of words, the least telling first
_NAN = float("nan")


def relaxations(understood: Understood, *, telling: Callable[[str], float] | None = None) -> tuple[Understood, ...]:
    """Looser and looser readings, at most 6; each drops one condition more than the one before it and says so.

    Order: quantities, price bounds, phrases that must be absent, then words by what they were tagged as (sizes before colours before
    attributes), then the least telling untagged words; one word always stays.

    Args:
        understood: What was read.
        telling: How much a word tells of what is wanted; None = longer words tell more.

    Example:
        >>> from rialto.find.query import understand
        >>> [(r.text, r.high_cents, r.rewrites[-1].before) for r in relaxations(understand("red shoes under $50"))]
        [('red shoes', nan, 'price up to 50.00'), ('shoes', nan, 'red')]
    """
    return tuple(_steps(understood, telling or (lambda word: float(len(word)))))[:_MOST]


def _steps(now: Understood, telling: Callable[[str], float]) -> Iterator[Understood]:
    if now.quantities:
        said = ", ".join(f"{q.low:g}..{q.high:g} {q.unit}".strip() for q in now.quantities)
        now = _dropped(replace(now, quantities=()), said)
        yield now
    if now.low_cents == now.low_cents or now.high_cents == now.high_cents:
        said = next((r.after for r in now.rewrites if r.kind == "price"), "price")
        now = _dropped(replace(now, low_cents=_NAN, high_cents=_NAN), said)
        yield now
    if now.without:
        now = _dropped(replace(now, without=()), "without " + ", ".join(now.without))
        yield now
    words = now.text.split()
    kinds = {at: t.kind for t in now.tags for at in range(t.start, t.stop)}
    keep = {"brand": 2.0, "model": 2.0, "type": 3.0}

    def rank(at: int) -> tuple[float, float, int]:
        kind = kinds.get(at, "")
        loose = _LOOSE.index(kind) / len(_LOOSE) if kind in _LOOSE else keep.get(kind, 1.0)
        return loose, telling(words[at]), -at

    order = sorted(range(len(words)), key=rank)
    gone: set[int] = set()
    for at in order[:-1]:
        gone.add(at)
        text = " ".join(w for i, w in enumerate(words) if i not in gone)
        now = _dropped(replace(now, text=text, alternatives=(), tags=()), words[at])
        yield now


def _dropped(now: Understood, before: str) -> Understood:
    return replace(now, rewrites=(*now.rewrites, Rewrite("relax", before, "", f"relax:{before}")))
