"""Numbers with units: found in a query, bound to the attribute that holds such numbers, and compared with products."""

from __future__ import annotations

import json
import re
import weakref
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query.nouns import sampled
from rialto.find.query.plain import Unit, units
from rialto.find.query.roles import name_words
from rialto.find.query.understood import Quantity
from rialto.find.terms import fold

__all__ = ["Bound", "Found", "Quantities", "find_quantities", "unit_of"]

_MOST = 20_000  # titles that units are learned from
_SEEN = 5  # titles that must agree with an attribute
_AGREE = 0.3  # share of the titles with such a unit that must
_EQUAL = 0.005  # numbers this near are equal, whatever their digits
_COMMON = 200  # values of an attribute that are kept
_LONGEST = 300  # characters of a title that are read
_SIZE = "size"  # the unit of "size 10"


@dataclass(frozen=True, slots=True)
class Found:
    """A number with a unit in a text: its words, its ends (low = high but for a range), the unit, and half its last digit."""

    start: int
    stop: int
    low: float
    high: float
    unit: str
    slack: float


@dataclass(frozen=True, slots=True)
class Bound:
    """An attribute of numbers that a unit speaks of.

    Args:
        factor: What one of its numbers is in the base unit.
        seen: Titles that say its number with such a unit.
        common: Its commonest values, and how many products have each.
    """

    name: str
    factor: float
    seen: int
    common: tuple[tuple[float, int], ...] = ()

    def fits(self, found: Found, factor: float) -> tuple[int, int]:
        """How well a number with a unit fits: products that have it, counted thrice where the attribute is in that unit; then `seen`."""
        low, high = found.low * factor * (1 - _EQUAL), found.high * factor * (1 + _EQUAL)
        same = 3 if self.factor == factor else 1
        return sum(n for v, n in self.common if low <= v * self.factor <= high) * same, self.seen * same


@cache
def unit_of() -> Mapping[str, Unit]:
    """Writing -> unit, of those that stand behind a number.

    Example:
        >>> unit_of()["inches"].name
        'in'
    """
    return {w.lstrip("-"): u for u in units() for w in (*u.writings, *u.joined)} | {u.name: u for u in units()}


@cache
def _pattern() -> re.Pattern[str]:
    ways = sorted({w for u in units() for w in u.writings} | {u.name for u in units()}, key=len, reverse=True)
    tight = sorted({w for u in units() for w in u.joined}, key=len, reverse=True)
    number = r"\d+(?:[.,]\d+)?"
    behind = rf"\s?-?\s?({'|'.join(map(re.escape, ways))})|({'|'.join(map(re.escape, tight))})"
    return re.compile(
        rf"(?<![\w.,/-])(?:(size)\s+({number})|(pack|set|box)\s+of\s+(\d+)|({number})(?:\s?(?:-|to|–)\s?({number}))?(?:{behind}))(?![\w])"
    )


def find_quantities(text: str) -> list[Found]:
    """The numbers with units of a text in lower case, left to right; words are those of `text.split()`.

    Example:
        >>> [(f.low, f.unit, f.start, f.stop) for f in find_quantities("laptop 15.6 inch 2tb size 10 pack of 2")]
        [(15.6, 'in', 1, 3), (2.0, 'tb', 3, 4), (10.0, 'size', 4, 6), (2.0, 'pack', 6, 9)]
    """
    if not any(c.isdigit() for c in text):
        return []
    out: list[Found] = []
    for m in _pattern().finditer(text):
        within = m.start() > 0 and not text[m.start() - 1].isspace()  # behind a quote, say: the word began before
        start, stop = len(text[: m.start()].split()) - within, len(text[: m.end()].split())
        if m[1] or m[3]:
            number, unit = (m[2], _SIZE) if m[1] else (m[4], "pack")
            out.append(Found(start, stop, _number(number), _number(number), unit, _slack(number)))
            continue
        low, high = _number(m[5]), _number(m[6] or m[5])
        out.append(Found(start, stop, min(low, high), max(low, high), unit_of()[m[7] or m[8]].name, _slack(m[5])))
    return out


def _number(text: str) -> float:
    grouped = re.fullmatch(r"\d{1,3},\d{3}", text)
    return float(text.replace(",", "" if grouped else "."))


def _slack(text: str) -> float:
    digits = re.split(r"[.,]", text)
    return 0.5 * 10.0 ** -len(digits[1]) if len(digits) == 2 and not re.fullmatch(r"\d{1,3},\d{3}", text) else 0.0


def _factor(unit: str) -> tuple[str, float]:
    found = unit_of().get(unit)
    return (found.to, found.factor) if found else (unit, 1.0)


@dataclass(frozen=True)
class _Columns:
    """Of one catalogue: numbers of titles in base units, products in rows `offsets[i]:offsets[i+1]`."""

    offsets: NDArray[np.int64]
    dimension: NDArray[np.int32]
    value: NDArray[np.float64]
    names: Mapping[str, int]


@dataclass(frozen=True)
class Quantities:
    """Which attribute each kind of unit speaks of.

    Args:
        bound: Base unit -> the attributes that hold numbers of it, the surest first.
    """

    bound: Mapping[str, tuple[Bound, ...]] = field(default_factory=dict)
    _held: list[tuple[weakref.ref[Catalogue], _Columns]] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def of(cls, catalogue: Catalogue) -> Quantities:
        """Bind units to attributes: by the unit in an attribute's name, and where numbers of titles equal an attribute's.

        Cost:
            About 50 us a title, for 20,000 titles at most.
        """
        hits: Counter[tuple[str, str, float]] = Counter()
        tries: Counter[tuple[str, str]] = Counter()
        named = {n: _named_unit(n) for n in catalogue.measures.names}
        titles, m = catalogue.text("title"), catalogue.measures
        for row in sampled(catalogue, _MOST).tolist():
            said = find_quantities(fold(str(titles[row])[:_LONGEST]))
            for at in range(int(m.offsets[row]), int(m.offsets[row + 1])) if said else ():
                _agreeing(m.names[m.name[at]], float(m.value[at]), said, named, hits, tries)
        best: dict[tuple[str, str], Bound] = {}
        for (name, to, factor), n in sorted(hits.items(), key=lambda h: h[1]):
            if n >= _SEEN and n >= _AGREE * tries[name, to]:
                best[name, to] = Bound(name, factor, n)
        for name, unit in named.items():
            if unit is not None:
                best[name, unit.to] = Bound(name, unit.factor, best[name, unit.to].seen if (name, unit.to) in best else 1)
        out: dict[str, list[Bound]] = {}
        common = _common(catalogue, {b.name for b in best.values()})
        for (_, to), bound in best.items():
            out.setdefault(to, []).append(replace(bound, common=common[bound.name]))
        return cls({to: tuple(sorted(b, key=lambda x: (-x.seen, x.name))) for to, b in sorted(out.items())})

    def __call__(self, text: str) -> tuple[Quantity, ...]:
        """The quantities of a query, each bound to the likeliest attribute; "" = none known."""
        out: list[Quantity] = []
        for f in find_quantities(text):
            to, factor = _factor(f.unit)
            bound = self.bound.get(to, ())
            best = max(bound, key=lambda b: b.fits(f, factor)) if bound else None
            out.append(Quantity(best.name if best else "", f.low, f.high, f.unit))
        return tuple(out)

    def agreement(self, catalogue: Catalogue, rows: NDArray[np.int64], quantities: Sequence[Quantity]) -> NDArray[np.float32]:
        """How far products hold the numbers asked for.

        A product is asked for its attributes that hold such numbers, and for the numbers of its title.

        Args:
            rows: Rows of the catalogue, shape (rows,).

        Returns:
            Share of the quantities that the product holds, of those that it tells of, within rounding; NaN = it tells of none. Shape (rows,).

        Cost:
            O(rows x numbers of a product); the first call of a catalogue reads its titles once.
        """
        total, known = np.zeros(len(rows)), np.zeros(len(rows))
        columns = self._columns(catalogue) if quantities and len(rows) else None
        for q in quantities if columns is not None else ():
            to, factor = _factor(q.unit)
            told, holds = self._one(catalogue, columns, rows, to, (q.low * factor, q.high * factor))  # pyright: ignore[reportArgumentType]
            total += holds
            known += told
        with np.errstate(invalid="ignore"):
            return np.where(known > 0, total / np.maximum(known, 1.0), np.nan).astype(np.float32)

    def _one(
        self, catalogue: Catalogue, columns: _Columns, rows: NDArray[np.int64], to: str, ends: tuple[float, float]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which rows tell of a base unit at all, and which hold a number between `ends`."""
        m = catalogue.measures
        factor = np.full(len(m.names) + 1, np.nan)
        for b in self.bound.get(to, ()):
            if b.name in m.names:
                factor[m.names.index(b.name)] = b.factor
        told, holds = _held(m.offsets, factor[m.name] * m.value, rows, ends)
        dimension = columns.names.get(to, -1)
        more, also = _held(columns.offsets, np.where(columns.dimension == dimension, columns.value, np.nan), rows, ends)
        return told | more, holds | also

    def _columns(self, catalogue: Catalogue) -> _Columns:
        for ref, columns in self._held:
            if ref() is catalogue:
                return columns
        self._held[:] = [(weakref.ref(catalogue), _read(catalogue))]
        return self._held[0][1]

    def save(self) -> bytes:
        """JSON."""
        return json.dumps({to: [[b.name, b.factor, b.seen, b.common] for b in v] for to, v in self.bound.items()}).encode()

    @classmethod
    def load(cls, body: bytes) -> Quantities:
        """What `save` wrote; `BadInput` where it is something else."""
        try:
            return cls({to: tuple(_bound(*b) for b in v) for to, v in json.loads(body).items()})
        except (ValueError, TypeError, AttributeError) as e:
            raise BadInput(f"these are no bindings of units: {e}; wanted what Quantities.save wrote.") from None


def _bound(name: str, factor: float, seen: int, common: Sequence[tuple[float, int]]) -> Bound:
    return Bound(str(name), float(factor), int(seen), tuple((float(v), int(n)) for v, n in common))


def _held(
    offsets: NDArray[np.int64], value: NDArray[np.float64], rows: NDArray[np.int64], ends: tuple[float, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows with any number that is no NaN, and with one between `ends`, within rounding."""
    counts = offsets[rows + 1] - offsets[rows]
    owner = np.repeat(np.arange(len(rows)), counts)
    at = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(offsets[rows], counts)
    mine = value[at]
    near = (mine >= ends[0] - _EQUAL * abs(ends[0])) & (mine <= ends[1] + _EQUAL * abs(ends[1]))
    return np.bincount(owner, ~np.isnan(mine), len(rows)) > 0, np.bincount(owner, near, len(rows)) > 0


def _read(catalogue: Catalogue) -> _Columns:
    names: dict[str, int] = {}
    counts, dimension, value = list[int](), list[int](), list[float]()
    for title in catalogue.text("title").tolist():
        found = find_quantities(fold(title[:_LONGEST]))
        counts.append(len(found))
        for f in found:
            to, factor = _factor(f.unit)
            dimension.append(names.setdefault(to, len(names)))
            value.append(f.low * factor)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return _Columns(offsets, np.array(dimension, dtype=np.int32), np.array(value, dtype=np.float64), names)


def _agreeing(
    name: str, value: float, said: Sequence[Found], named: Mapping[str, Unit | None],
    hits: Counter[tuple[str, str, float]], tries: Counter[tuple[str, str]],
) -> None:  # fmt: skip
    """Count in which units a title says an attribute's number."""
    known = named[name]
    for to in {_factor(f.unit)[0] for f in said}:
        tries[name, to] += 1
        if known is not None and known.to != to:
            continue
        for factor in {x for f in said if _factor(f.unit)[0] == to for x in _scales(f, value)}:
            hits[name, to, factor] += 1


def _scales(found: Found, value: float) -> Iterator[float]:
    """The units of the same base in which an attribute's number is what the title says."""
    to, factor = _factor(found.unit)
    for unit in [u for u in units() if u.to == to] or [Unit(found.unit, to, factor, (), ())]:
        if value and abs(value * unit.factor - found.low * factor) <= max(
            _EQUAL * abs(value) * unit.factor, found.slack * factor * 0.99
        ):
            yield unit.factor


def _common(catalogue: Catalogue, names: Collection[str]) -> dict[str, tuple[tuple[float, int], ...]]:
    m = catalogue.measures
    out: dict[str, tuple[tuple[float, int], ...]] = {}
    for at, name in enumerate(m.names):
        if name in names:
            values, counts = np.unique(m.value[m.name == at], return_counts=True)
            most = np.argsort(-counts, kind="stable")[:_COMMON]
            out[name] = tuple(zip(values[most].tolist(), counts[most].tolist()))
    return out


def _named_unit(name: str) -> Unit | None:
    """The unit that an attribute's name ends in: `weight_g`, `capacity (ml)`; one letter counts only behind another word."""
    words = name_words(name)
    return unit_of().get(words[-1]) if len(words) > 1 else None
