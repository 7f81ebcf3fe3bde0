"""What is known of a change that may be made to a text: its features, beside what was typed and among the other ways."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rialto.find.query.accept import FEATURES
from rialto.find.query.edits import edits, points
from rialto.find.query.lattice import Edge
from rialto.find.query.lexicon import Lexicon, follow_rows, shape
from rialto.find.terms import stem

__all__ = ["changes"]

_MOST = 4  # ways to change a piece that are looked at closely, the likeliest
_UNKNOWN = -22.0  # log P of a word that nothing knows
_ALONE = 20.0  # lead of the only way
_DOUBLE = re.compile(r"(.)\1+")
_SAME_SOUND = (("ph", "f"), ("ck", "k"), ("gh", "g"), ("kn", "n"), ("wr", "r"))
_SOUNDS = str.maketrans("bcdfgjklmnpqrstvxz", "bkdfgjklnnpkrstfss")
_SILENT = "aeiouyhw"


def changes(
    edges: Sequence[Edge], typed: Sequence[tuple[str, int, int, bool]], path: Sequence[Edge], x: Lexicon
) -> tuple[list[Edge], NDArray[np.float64]]:
    """The likeliest changes of each piece, and their features, shape (changes, features).

    Args:
        edges: Ways to read pieces that change them, with their channel costs.
        typed: Of each piece its word, its number in the lexicon (-1 = unknown), the number of exactly this word, and whether digits stand beside it.
        path: The reading that stands around the changes.
    """
    if not edges:
        return [], np.zeros((0, len(FEATURES)))
    cover: list[Edge] = [e for e in path for _ in range(e.start, e.stop)]
    around = [_around(e, cover) for e in edges]
    along = _along(x, [(before, e.words, after) for e, (before, after) in zip(edges, around)])
    total = [e.cost + a for e, a in zip(edges, along)]
    beside: list[list[float]] = [[] for _ in typed]
    for e, t in zip(edges, total):
        for k in range(e.start, e.stop):
            beside[k].append(t)
    kept, rows = list[Edge](), list[list[float]]()
    for e, t, meant, beyond in zip(edges, total, along, around):
        others = sorted({*beside[e.start], *beside[e.stop - 1]})
        rank = others.index(t)
        if rank < _MOST:
            kept.append(e)
            lead = 0.0 if rank else min(others[1] - t, _ALONE) if len(others) > 1 else _ALONE
            share = 1.0 / float(np.exp(np.minimum(np.maximum(t - np.array(others), -50.0), 50.0)).sum())
            rows.append([*_itself(e, typed, beyond, meant, x), t - others[0], rank, lead, share, *_last(e, typed, x)])
    return kept, np.array(rows, dtype=np.float64).reshape(-1, len(FEATURES))


def _around(edge: Edge, cover: Sequence[Edge]) -> tuple[int, int | None]:
    before = cover[edge.start - 1].words[-1] if edge.start else -1
    return before, cover[edge.stop].words[0] if edge.stop < len(cover) else None


def _along(x: Lexicon, rows: Sequence[tuple[int, Sequence[int], int | None]]) -> list[float]:
    """Costs of the bigrams of rows of words, each between its neighbours: the word before it, and the one after it where there is one."""
    flat, ends = list[int](), [0]
    for before, words, after in rows:
        flat += (before, *words) if after is None else (before, *words, after)
        ends.append(len(flat))
    found = follow_rows(np.array(flat), np.array(ends), x.log_p, x.back, x.pair, x.pair_log_p, len(x.words))
    return (-found).tolist()


def _itself(
    e: Edge, typed: Sequence[tuple[str, int, int, bool]], around: tuple[int, int | None], meant: float, x: Lexicon
) -> list[float]:
    """The change, which costs `meant` between its neighbours, beside what was typed, without the other ways to change it."""
    numbers, (before, after) = [n for _, n, _, _ in typed[e.start : e.stop]], around
    known = min(numbers) >= 0
    apart = _apart("".join(w for w, _, _, _ in typed[e.start : e.stop]), "".join(x.words[w] for w in e.words))
    others = [n >= 0 and bool(x.shop[n]) for k, (_, n, _, _) in enumerate(typed) if not e.start <= k < e.stop]
    return [
        e.cost, _along(x, [(before, numbers, after)])[0] - meant if known else 0.0, 0.0 if known else meant,
        min(float(x.log_p[w]) for w in e.words),
        max(float(x.log_p[n]) for n in numbers) if known else _UNKNOWN, sum(n < 0 for n in numbers) / len(numbers),
        all(n >= 0 and x.checked[n] for n in numbers), all(n >= 0 and x.shop[n] for n in numbers),
        all(x.shop[w] for w in e.words), all(x.checked[w] for w in e.words), _follows(x, before, e.words[0]), _follows(x, e.words[-1], after),
        _follows(x, before, numbers[0]), _follows(x, numbers[-1], after), *apart, len(e.words), len(numbers), len(others),
        sum(others) / len(others) if others else 0.5,
    ]  # fmt: skip


def _last(e: Edge, typed: Sequence[tuple[str, int, int, bool]], x: Lexicon) -> list[float]:
    span = typed[e.start : e.stop]
    word, meant = "".join(w for w, _, _, _ in span), "".join(x.words[w] for w in e.words)
    likely, numbers = min(float(x.log_p[w]) for w in e.words), [n for _, n, _, _ in span]
    before = max(float(x.log_p[n]) for n in numbers) if min(numbers) >= 0 else _UNKNOWN
    vouched, here = sum(_vouched(n, x) for _, n, _, _ in typed), sum(_vouched(n, x) for n in numbers)
    return [
        span[0][3], any(n >= 0 and exact < 0 for _, n, exact, _ in span), len(word) / len(e.words), e.taught, likely - before,
        len(meant) - len(word), e.cost / max(len(word), 1), *shape(word, x.letters), *shape(meant, x.letters), len(typed),
        (vouched - here) / max(len(typed) - len(span), 1), 1.0 - vouched / len(typed),
    ]  # fmt: skip


def _vouched(n: int, x: Lexicon) -> bool:
    """Whether a dictionary or the shop holds a word: more than having heard it."""
    return n >= 0 and bool(x.checked[n] or x.shop[n])


def _follows(x: Lexicon, first: int, second: int | None) -> bool:
    return first >= 0 and second is not None and second >= 0 and x.behind(first, second)


@lru_cache(maxsize=20_000)
def _apart(typed: str, meant: str) -> tuple[float, ...]:
    """How two words differ: letters typed, edits, first and last letter, length, letters, doubles, sound, ending."""
    return (
        len(typed), float(edits(points(typed), points(meant))), typed[0] == meant[0], typed[-1] == meant[-1], len(typed) == len(meant),
        sorted(typed) == sorted(meant), _DOUBLE.sub(r"\1", typed) == _DOUBLE.sub(r"\1", meant), _sound(typed) == _sound(meant),
        typed.rstrip("s") == meant.rstrip("s") or stem(typed) == stem(meant),
    )  # fmt: skip


def _sound(word: str) -> str:
    for a, b in _SAME_SOUND:
        word = word.replace(a, b)
    heard = "".join(("a" if i == 0 else "") if c in _SILENT else c.translate(_SOUNDS) for i, c in enumerate(word))
    return _DOUBLE.sub(r"\1", heard)
