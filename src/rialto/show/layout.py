"""Boxes under constraints: a template's lines of text become a linear system, solved with the Cassowary algorithm."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import kiwisolver as kiwi

from rialto.errors import BadInput, known

__all__ = ["Rect", "Unsolvable", "solve", "wrap"]

CONSTRAINT = re.compile(r"(?:(weak|medium|strong):\s*)?(.+?)\s*(==|>=|<=)\s*(.+)")
TERM = re.compile(r"\s*([+-])?\s*(\d+(?:\.\d+)?)?\s*([a-zA-Z_]+(?:\.[a-z]+)?)?")
EDGES: Mapping[str, tuple[tuple[str, float], ...]] = {
    "left": (("left", 1.0),),
    "top": (("top", 1.0),),
    "width": (("width", 1.0),),
    "height": (("height", 1.0),),
    "right": (("left", 1.0), ("width", 1.0)),
    "bottom": (("top", 1.0), ("height", 1.0)),
    "middle": (("top", 1.0), ("height", 0.5)),
    "centre": (("left", 1.0), ("width", 0.5)),
}

Terms = tuple[tuple[float, str], ...]


class Unsolvable(BadInput):
    """A template cannot hold this content; a smaller scale or another template may."""


@dataclass(frozen=True, slots=True)
class Rect:
    """Where a box stands, in whole pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """One past the last column."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """One past the last row."""
        return self.top + self.height


def solve(
    constraints: Sequence[str],
    constants: Mapping[str, float],
    sizes: Mapping[str, tuple[float | None, float | None]],
) -> dict[str, Rect]:
    """Place every box that the constraints or `sizes` name.

    Args:
        constraints: `a.left == b.right + 2 u`; edges are left, top, right, bottom, middle, centre, width, height; a leading
            `weak:`, `medium:` or `strong:` makes it a wish.
        constants: Names that stand for pixels: `W`, `H`, `u`, `safe.left`, ...
        sizes: Box -> width and height in pixels that it has, None where the constraints decide.

    Raises:
        Unsolvable: the required constraints contradict one another.
        BadInput: a constraint cannot be read.

    Cost:
        About 0.5 ms for 40 constraints.

    Source:
        Badros, Borning, Stuckey (2001), "The Cassowary linear arithmetic constraint solving algorithm", ACM TOCHI 8(4).

    Example:
        >>> solve(["a.left == 10", "a.right == W - 10", "a.top == 0.5 H"], {"W": 100, "H": 50}, {"a": (None, 7.0)})
        {'a': Rect(left=10, top=25, width=80, height=7)}
    """
    variables: dict[str, kiwi.Variable] = {}
    solver = kiwi.Solver()
    try:
        for line in constraints:
            solver.addConstraint(_constraint(line, constants, variables))
        for box, (width, height) in sizes.items():
            for edge, value in (("width", width), ("height", height)):
                if value is not None:
                    solver.addConstraint(_variable(f"{box}.{edge}", variables) == value)
        for name, variable in list(variables.items()):
            if name.endswith((".width", ".height")):
                solver.addConstraint(variable >= 0)
    except kiwi.UnsatisfiableConstraint as e:
        raise Unsolvable(f"the layout has no room: {str(e)[:120]}") from None
    solver.updateVariables()
    return {box: _rect(box, variables) for box in dict.fromkeys(name.split(".")[0] for name in variables)}


def wrap(text: str, width: float, measure: Callable[[str], float]) -> tuple[str, ...] | None:
    """Break `text` into as few lines as fit `width` pixels, evenly filled; None where a word alone is too wide.

    Example:
        >>> wrap("aaaa bbbb cccc dd", 14, lambda t: float(len(t)))
        ('aaaa bbbb', 'cccc dd')
    """
    words = text.split()
    fewest = _greedy(words, width, measure)
    if fewest is None or len(fewest) < 2:
        return fewest
    narrow, wide = width / len(fewest), width
    best = fewest
    while wide - narrow > 1.0:
        middle = (narrow + wide) / 2
        tried = _greedy(words, middle, measure)
        if tried is not None and len(tried) == len(fewest):
            best, wide = tried, middle
        else:
            narrow = middle
    return best


def _greedy(words: Sequence[str], width: float, measure: Callable[[str], float]) -> tuple[str, ...] | None:
    lines: list[str] = []
    for word in words:
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and measure(joined) <= width:
            lines[-1] = joined
        elif measure(word) <= width:
            lines.append(word)
        else:
            return None
    return tuple(lines)


def _constraint(line: str, constants: Mapping[str, float], variables: dict[str, kiwi.Variable]) -> kiwi.Constraint:
    strength, sign, left, right = _parsed(line)
    difference: kiwi.Expression = kiwi.Variable() * 0.0 + 0.0
    for factor, name in (*left, *((-f, n) for f, n in right)):
        if not name:
            difference = difference + factor
        elif name in constants:
            difference = difference + factor * constants[name]
        else:
            box, _, edge = name.partition(".")
            if edge not in EDGES:
                raise BadInput(f"layout constraint {line!r}: {name!r} is unknown; known: {known(name, [*constants, *EDGES])}.")
            for part, share in EDGES[edge]:
                difference = difference + _variable(f"{box}.{part}", variables) * (factor * share)
    return kiwi.Constraint(difference, sign, strength or "required")  # pyright: ignore[reportArgumentType]


@cache
def _parsed(line: str) -> tuple[str, str, Terms, Terms]:
    found = CONSTRAINT.fullmatch(line.strip())
    if not found:
        raise BadInput(f"layout constraint {line!r} cannot be read; wanted `a.left == b.right + 2 u`.")
    return found[1] or "", found[3], _terms(found[2], line), _terms(found[4], line)


def _terms(side: str, line: str) -> Terms:
    terms: list[tuple[float, str]] = []
    at = 0
    while side[at:].strip():
        found = TERM.match(side, at)
        if not found or not (found[2] or found[3]) or (terms and not found[1]):
            raise BadInput(f"layout constraint {line!r}: {side[at:]!r} cannot be read; wanted terms like `2 u` or `a.left`.")
        sign = -1.0 if found[1] == "-" else 1.0
        terms.append((sign * float(found[2] or 1.0), found[3] or ""))
        at = found.end()
    return tuple(terms)


def _variable(name: str, variables: dict[str, kiwi.Variable]) -> kiwi.Variable:
    if name not in variables:
        variables[name] = kiwi.Variable(name)
    return variables[name]


def _rect(box: str, variables: Mapping[str, kiwi.Variable]) -> Rect:
    left, top, width, height = (
        variables[n].value() if (n := f"{box}.{e}") in variables else 0.0 for e in ("left", "top", "width", "height")
    )
    return Rect(round(left), round(top), round(left + width) - round(left), round(top + height) - round(top))
