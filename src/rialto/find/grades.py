"""Grades as judges write them, to numbers of 0 (not relevant) or more that keep their order: counts, scores, letters, words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from rialto.errors import BadInput
from rialto.find.columns import scales
from rialto.find.tables import Remarks

__all__ = ["graded_words", "grades_of"]

_TOP, _MOST = 3.0, 10.0  # gains are powers of two, so a grade above the one is brought down to the other
_LISTED = 8
_UNSAID = ("", "nan", "null", "n/a", "-", "?")


def graded_words(text: str) -> bool:
    """True for what may be a grade: a number, or a word of a known scale."""
    return _number(text) is not None or any(_word(text) in level for scale in scales() for level in scale)


def grades_of(written: Sequence[str], remarks: Remarks) -> list[float | None]:
    """The grade of each judgment; None where it cannot be read.

    Numbers stay as they are, with these exceptions, each told: below 0 counts as 0; ratings with fractions that begin at 1 (1 to 3 by
    thirds) begin at 0; where a grade is above 10 all are brought down in proportion, the highest to 3. Words are graded by the first
    scale of `data/columns.toml` that knows them all: `Exact` 2, `Partial` 1, `Irrelevant` 0; of ESCI's `E` 3, `S` 2, `C` 1, `I` 0.

    Raises:
        BadInput: most of the grades are words that no scale knows.

    Example:
        >>> r = Remarks()
        >>> grades_of(["E", "I", "S"], r), grades_of(["Partial", "Exact"], r), grades_of(["2.33", "1", "-"], r)
        ([3.0, 0.0, 2.0], [1.0, 2.0], [1.33, 0.0, None])
    """
    counts = Counter(w for w in written if w.strip().lower() not in _UNSAID)
    numbers = {w: _number(w) for w in counts}
    if 2 * sum(counts[w] for w, n in numbers.items() if n is not None) >= counts.total():
        table = _numeric(numbers, counts, remarks)
    else:
        table = _worded(counts, remarks)
    return [table.get(w) for w in written]


def _number(text: str) -> float | None:
    text = text.strip()
    text = text.replace(",", ".") if re.fullmatch(r"-?\d+,\d+", text) else text
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _numeric(numbers: dict[str, float | None], counts: Counter[str], remarks: Remarks) -> dict[str, float | None]:
    below = sum(counts[w] for w, n in numbers.items() if n is not None and n < 0)
    if below:
        remarks.note(f"{below:,} grades below 0 count as 0")
    known = {w: max(n, 0.0) for w, n in numbers.items() if n is not None}
    least, top = min(known.values(), default=0.0), max(known.values(), default=0.0)
    if least >= 1 and top <= _MOST and any(n % 1 for n in known.values()):
        remarks.note(f"ratings go from {least:g} to {top:g} by fractions; 1 less each, so that the lowest is 0, not relevant")
        known = {w: round(n - 1.0, 9) for w, n in known.items()}
    elif top > _MOST:
        remarks.note(f"grades go up to {top:g}; they are brought down in proportion, the highest to {_TOP:g}")
        known = {w: n * (_TOP / top) for w, n in known.items()}
    return {w: known.get(w) for w in numbers}


def _word(text: str) -> str:
    return " ".join(re.sub(r"[_\-\s]+", " ", text.strip().casefold()).split())


def _worded(counts: Counter[str], remarks: Remarks) -> dict[str, float | None]:
    """Each word's place on the scale that knows the most of the judgments."""
    words = {w: _word(w) for w in counts}
    tables = [
        {w: next((float(g) for g, level in enumerate(s) if word in level), None) for w, word in words.items()} for s in scales()
    ]
    best = max(tables, key=lambda t: sum(counts[w] for w, g in t.items() if g is not None))
    unknown = [w for w, g in best.items() if g is None]
    if 2 * sum(counts[w] for w in unknown) > counts.total():
        shown = ", ".join(repr(w) for w in unknown[:_LISTED])
        raise BadInput(
            f"grades are {shown}, which no known scale has; wanted numbers from 0 (not relevant) up, or words such as Exact, Partial, "
            "Irrelevant, or E, S, C, I."
        )
    read = sorted({(-g, w) for w, g in best.items() if g is not None})
    remarks.note("grades in words were read as " + ", ".join(f"{w} {-g:g}" for g, w in read[:_LISTED]))
    return best
