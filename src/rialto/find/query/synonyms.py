"""Other words for what was asked, from a file of general ones, the shop's own file, or both."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from rialto.errors import BadInput
from rialto.find.terms import fold, stem

__all__ = ["LONGEST", "Synonyms"]

LONGEST = 4
"""Words of the longest phrase that is looked up."""

_SURE = 0.7  # probability of the best type, from which on a phrase is one thing in this shop
_KNOWN = 0.2  # the same, from which on a phrase is known for something at all
_SAME = 0.25  # share of a phrase that must mean the first one's department


@dataclass(frozen=True)
class Synonyms:
    """Phrase, as its words' stems -> phrases that may stand for it, best first."""

    of_phrase: Mapping[tuple[str, ...], tuple[str, ...]]

    @classmethod
    def general(cls) -> Synonyms:
        """The general English ones that ship.

        Example:
            >>> Synonyms.general().others("red flip flops")
            [('flip flops', 'thongs')]
        """
        return cls.of_toml(files("rialto.find").joinpath("data/synonyms.toml").read_text(encoding="utf-8"))

    @classmethod
    def of_toml(cls, text: str) -> Synonyms:
        """Read a file: `both = [["tv", "television"]]` and `one_way = [["xmas", ["christmas"]]]`.

        Raises:
            BadInput: it is no TOML, or an entry is of another form; the entry is named.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as e:
            raise BadInput(f'the synonyms are no TOML: {e}; wanted both = [["tv", "television"]].') from None
        return cls.of_pairs(_entries(data))

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[str, str]]) -> Synonyms:
        """From (phrase that is asked for, phrase that may stand for it); a longer phrase than is looked up is left out."""
        found: dict[tuple[str, ...], list[str]] = {}
        for phrase, other in pairs:
            key = _key(phrase)
            if key and len(key) <= LONGEST and other not in found.setdefault(key, []):
                found[key].append(other)
        return cls({k: tuple(v) for k, v in found.items()})

    def with_first(self, own: Synonyms) -> Synonyms:
        """These with `own` before them."""
        both = {k: tuple(dict.fromkeys((*own.of_phrase.get(k, ()), *v))) for k, v in self.of_phrase.items()}
        return Synonyms({**own.of_phrase, **both})

    def in_sense(self, types: Callable[[str], Sequence[tuple[str, float]]]) -> Synonyms:
        """Those whose phrases mean the same in one shop: where no light is a lamp and many things are light green, "lamp" is no "light".

        A pair goes only where the first is one word and surely one type, and the other is known for types of other departments: what
        is told of "tennis shoes" where only rackets and shoes are sold is no reason to forget sneakers.

        Args:
            types: Types of a phrase with their probabilities, best first: paths of categories, "/" behind the department. A pair is
                kept whose first phrase is of a type without a path: next to it all others are elsewhere, and mostly mean the same.

        Example:
            >>> shop = {"lamp": [("Home/Lamps", 0.9)], "light": [("Clothing/Hats", 0.4), ("Home/Lamps", 0.1)], "lantern": []}
            >>> Synonyms.of_pairs([("lamp", "light"), ("lamp", "lantern")]).in_sense(lambda phrase: shop[phrase]).of_phrase
            {('lamp',): ('lantern',)}
        """
        kept = dict(self.of_phrase)
        for key in [key for key in kept if len(key) == 1]:
            asked = types(key[0])
            kept[key] = tuple(o for o in kept[key] if not _elsewhere(asked, types(o)))
        return Synonyms({key: others for key, others in kept.items() if others})

    def others(self, text: str, fits: Callable[[str], bool] = lambda phrase: True) -> list[tuple[str, str]]:
        """(Words of the text, what may stand for them), longest phrases first; only those that `fits` holds for."""
        words = text.split()
        out: list[tuple[str, str]] = []
        taken: set[int] = set()
        for n in range(min(LONGEST, len(words)), 0, -1):
            for at in range(len(words) - n + 1):
                span = set(range(at, at + n))
                others = self.of_phrase.get(_key(" ".join(words[at : at + n])), ())
                if others and not span & taken:
                    taken |= span
                    out += [
                        (" ".join(words[at : at + n]), o)
                        for o in others
                        if fits(o) and _key(o) != _key(" ".join(words[at : at + n]))
                    ]
        return out

    @property
    def words(self) -> frozenset[str]:
        """Every word of every phrase that fires or may stand for one."""
        return frozenset(w for k, v in self.of_phrase.items() for o in (*v, " ".join(k)) for w in fold(o).split() if w.isalpha())


def _elsewhere(first: Sequence[tuple[str, float]], other: Sequence[tuple[str, float]]) -> bool:
    if not first or not other or first[0][1] < _SURE or other[0][1] < _KNOWN:
        return False
    department, _, below = first[0][0].partition("/")
    return bool(below) and sum(p for path, p in other if path.split("/")[0] == department) < _SAME


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for at, line in enumerate(_list(data, "both")):
        if not (isinstance(line, list) and len(line) > 1 and all(isinstance(p, str) and p.strip() for p in line)):
            raise BadInput(f'synonyms, both, entry {at + 1} is {line!r}; wanted two phrases or more, ["tv", "television"].')
        yield from ((a, b) for a in line for b in line if a != b)
    for at, line in enumerate(_list(data, "one_way")):
        fits = isinstance(line, list) and len(line) == 2 and isinstance(line[0], str) and isinstance(line[1], list)
        if not (fits and line[0].strip() and all(isinstance(p, str) and p.strip() for p in line[1])):
            raise BadInput(f'synonyms, one_way, entry {at + 1} is {line!r}; wanted ["xmas", ["christmas"]].')
        yield from ((line[0], b) for b in line[1])


def _list(data: Mapping[str, Any], name: str) -> Iterable[Any]:
    found = data.get(name, [])
    if not isinstance(found, list):
        raise BadInput(f"synonyms, {name} is {found!r}; wanted a list.")
    return found


def _key(phrase: str) -> tuple[str, ...]:
    return tuple(stem(w) for w in fold(phrase).replace("-", " ").split())
