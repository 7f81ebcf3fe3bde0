"""One writing for numbers with units and for model numbers: the one that the catalogue uses."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files

from rialto.find.query.first import one_writing
from rialto.find.records import Rewrite

__all__ = ["Unit", "Writings", "units"]

_NUMBER = r"\d+(?:[.,]\d+)*(?:[ -]\d+/\d+|/\d+)?"
_TIMES = re.compile(r"(?<=\d)\s?[x×]\s?(?=\d)")
_AMONG = re.compile(r"\s\d+(?:\s|$)")  # "3 in 1": no unit
_ENOUGH = 3  # times that the catalogue must write it so
_LONGEST_KEY = 30
_MOST_MODELS = 300_000
_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: one of it is `factor` of the unit `to`; `writings` are the ways people write it."""

    name: str
    to: str
    factor: float
    writings: tuple[str, ...]
    joined: tuple[str, ...]


@lru_cache(maxsize=1)
def units() -> tuple[Unit, ...]:
    """The units that queries are read with.

    Example:
        >>> [u.to for u in units() if u.name == "gb"]
        ['b']
    """
    data = tomllib.loads(files("rialto.find").joinpath("data/units.toml").read_text(encoding="utf-8"))
    return tuple(
        Unit(u["name"], u["to"], float(u["factor"]), tuple(u["writings"]), tuple(u.get("joined", ()))) for u in data["unit"]
    )


@lru_cache(maxsize=1)
def _reading() -> tuple[re.Pattern[str], Mapping[str, str]]:
    """The pattern of a number with a unit, and writing -> unit."""
    of = {w: u.name for u in units() for w in (*u.writings, *u.joined)}
    spaced = sorted((w for u in units() for w in u.writings), key=len, reverse=True)
    joined = sorted((w for u in units() for w in u.joined), key=len, reverse=True)
    ways = rf"\s?({'|'.join(map(re.escape, spaced))})|({'|'.join(map(re.escape, joined))})"
    # a letter or digit behind makes it another word
    return re.compile(rf"(?<![\w.,/-])({_NUMBER})(?:{ways})(?![^\W_]|[.'\"-]\w)"), of


@dataclass(frozen=True)
class Writings:
    """How a catalogue writes units and model numbers.

    Args:
        unit: Unit -> how it stands behind a number: `" gb"`, `"gb"`, `'"'`.
        times: How two measures are joined: `x` or ` x `.
        model: Letters and digits of a model number -> its writing.
        tokens: Words with digits that the catalogue holds as they are.
    """

    unit: Mapping[str, str] = field(default_factory=dict)
    times: str = "x"
    model: Mapping[str, str] = field(default_factory=dict)
    tokens: frozenset[str] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str], names: Iterable[str] = ()) -> Writings:
        """Read a catalogue's writings off its texts; `names` are those that hold model numbers: titles."""
        pattern, of = _reading()
        ways: dict[str, Counter[str]] = {}
        times: Counter[str] = Counter()
        for text in texts:
            plain = one_writing(text)
            for found in pattern.finditer(plain):
                writing = found[2] or found[3]
                gap = plain[found.end(1) : found.start(2)] if found[2] else ""
                ways.setdefault(of[writing], Counter())[gap + writing] += 1
            times.update(" x " if " " in t else "x" for t in _TIMES.findall(plain))
        unit = {u: w.most_common(1)[0][0] for u, w in ways.items() if w.most_common(1)[0][1] >= _ENOUGH}
        model, tokens = _models(names)
        return cls(unit, times.most_common(1)[0][0] if times else "x", model, tokens)

    def write(self, text: str, *, undo: Collection[str] = ()) -> tuple[str, tuple[Rewrite, ...]]:
        """The text with units and model numbers in the catalogue's writing, and what was rewritten.

        Example:
            >>> Writings().write("tv 55inch 1tb")[0], Writings(unit={"in": '"'}).write("laptop 15.6 in")[0]
            ('tv 55 in 1 tb', 'laptop 15.6"')
        """
        made: list[Rewrite] = []
        pattern, of = _reading()

        def unit(found: re.Match[str]) -> str:
            if found[2] == "in" and _AMONG.match(found.string, found.end()):
                return found[0]
            after = found[1] + self.unit.get(of[found[2] or found[3]], " " + of[found[2] or found[3]])
            return _put(Rewrite("unit", found[0], after, f"unit:{found[0]}"), undo, made)

        text = pattern.sub(unit, text)
        if "times:x" not in undo:
            joined = _TIMES.sub(self.times, text)
            if joined != text:
                made.append(Rewrite("unit", text, joined, "times:x"))
            text = joined
        return self._models(text, undo, made), tuple(made)

    def _models(self, text: str, undo: Collection[str], made: list[Rewrite]) -> str:
        words = text.split()
        out, at = list[str](), 0
        while at < len(words):
            for n in (3, 2, 1):
                run = words[at : at + n]
                after = self._model(run) if len(run) == n else ""
                if after:
                    before = " ".join(run)
                    out.append(_put(Rewrite("model", before, after, f"model:{before}"), undo, made))
                    at += n
                    break
            else:
                out.append(words[at])
                at += 1
        return " ".join(out)

    def _model(self, run: list[str]) -> str:
        """The catalogue's writing of a run of words; "" where it is none, or stands there already."""
        key = _key("".join(run))
        if not _is_model(key) or (len(run) == 1 and run[0] in self.tokens):
            return ""
        after = self.model.get(key, "")
        held = all(w in self.tokens or w.isalpha() for w in run)
        return "" if held or after == " ".join(run) else after


def _put(rewrite: Rewrite, undo: Collection[str], made: list[Rewrite]) -> str:
    if rewrite.before == rewrite.after or rewrite.id in undo:
        return rewrite.before
    made.append(rewrite)
    return rewrite.after


def _models(names: Iterable[str]) -> tuple[dict[str, str], frozenset[str]]:
    ways: dict[str, Counter[str]] = {}
    tokens: set[str] = set()
    for name in names:
        words = one_writing(name).split()
        tokens.update(w for w in words if any(c.isdigit() for c in w))
        for a, b in zip(words, [*words[1:], ""]):
            for run in ((a,), (a, b)):
                key = _key("".join(run))
                if len(run) == 2 and not (b[:1].isdigit() or (_is_model(_key(a)) and any(c.isdigit() for c in b))):
                    continue
                if _is_model(key) and len(ways) < _MOST_MODELS:
                    ways.setdefault(key, Counter())[" ".join(run)] += 1
    return {k: min(w, key=lambda x: (-w[x], len(x), x)) for k, w in ways.items()}, frozenset(tokens)


def _key(text: str) -> str:
    return _SEPARATORS.sub("", text)


def _is_model(key: str) -> bool:
    """Letters and digits, of a model number's length, and no number with a unit."""
    mixed = any(c.isdigit() for c in key) and any(c.isalpha() for c in key)
    return mixed and 4 <= len(key) <= _LONGEST_KEY and _reading()[0].fullmatch(key) is None
