"""How people mistype: a trained error model of single edits in context and of short runs of letters typed for others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.query.edits import BLANK, CLASSES, align, points

__all__ = ["SpellingModel", "Tables"]

Tables = tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64],
    NDArray[np.int64], NDArray[np.float64], NDArray[np.int64],
]  # fmt: skip
"""change, leave, put, swap; rules as rows of their two lengths and letters, their costs, and where those of two last letters start."""

_MOST_RULES = 500
_PRIOR = 500.0  # pseudo-occurrences of each letter that hold to the model trained from
_RULE_SEEN = 3  # times that a run of letters must have been typed for another
_RULE_BACK = 4.0  # pseudo-occurrences without the error
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_ALIKE = ("aeiouy", "ckq", "sz", "csx", "bp", "dt", "mn", "gj", "fv", "vw", "lr")


@dataclass(frozen=True)
class SpellingModel:
    """-log probabilities of what happens to a letter of a word that is mistyped.

    Args:
        change: Letter typed for another, shape (classes meant, classes typed).
        leave: Letter left out behind another, shape (classes, classes + 1); the last column is the start of the text.
        put: Letter put in behind another, shape (classes typed, classes meant before + 1).
        swap: Two letters swapped, shape (classes, classes).
        rules: (meant, typed) runs of up to three letters -> cost.
        known: (typed word -> meant word -> share): mistypings seen in training.
    """

    change: NDArray[np.float64]
    leave: NDArray[np.float64]
    put: NDArray[np.float64]
    swap: NDArray[np.float64]
    rules: Mapping[tuple[str, str], float] = field(default_factory=dict)
    known: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def untrained(cls) -> SpellingModel:
        """Before any training: neighbours on the keyboard, letters that sound alike and doubled letters are likelier than others."""
        near = _nearness()
        change = np.full((CLASSES, CLASSES), 1e-5)
        change[:26, :26] = near
        change = 0.03 * change / change.sum(axis=1, keepdims=True) + 1e-7
        leave = np.full((CLASSES, CLASSES + 1), 0.02)
        put = np.full((CLASSES, CLASSES + 1), 0.0008)
        put[:26, :26] += 0.002 * near.T / near.max()
        vowels = [ord(c) - 97 for c in "aeiou"]
        leave[vowels] = 0.04
        for c in range(26):
            leave[c, c], put[c, c] = 0.12, 0.02
        leave[26], put[26] = 1e-5, 1e-5
        leave[BLANK], put[BLANK] = 0.03, 0.004
        return cls(-np.log(change), -np.log(leave), -np.log(put), np.full((CLASSES, CLASSES), -np.log(0.012)))

    @classmethod
    def default(cls) -> SpellingModel:
        """The model that ships: trained from made-up mistypings of English words."""
        return cls.of_json(files("rialto.find").joinpath("data/spelling.json").read_text(encoding="utf-8"))

    @cached_property
    def tables(self) -> Tables:
        """What the kernels take, in their order."""
        order = sorted(self.rules, key=lambda r: (_place(r), r))
        rule = np.zeros((len(order), 8), dtype=np.int64)
        for k, (meant, typed) in enumerate(order):
            rule[k, 0], rule[k, 1] = len(meant), len(typed)
            rule[k, 2 : 2 + len(meant)] = [_class(c) for c in meant]
            rule[k, 5 : 5 + len(typed)] = [_class(c) for c in typed]
        start = np.searchsorted([_place(r) for r in order], np.arange(CLASSES * CLASSES + 1)).astype(np.int64)
        return (self.change, self.leave, self.put, self.swap, rule, np.array([self.rules[r] for r in order]), start)

    def train(self, pairs: Iterable[tuple[str, str]], *, rounds: int = 3) -> SpellingModel:
        """A model of the mistypings in `pairs`, this one as what holds where they say little.

        Args:
            pairs: (as typed, as meant), lower case; words or whole queries. Equal ones are left out.
            rounds: Times that the pairs are lined up anew with the model just trained.

        Raises:
            BadInput: `rounds` is below 1.

        Cost:
            About 20,000 pairs of words a second and round.

        Source:
            Brill & Moore (2000), "An improved error model for noisy channel spelling correction", ACL; here runs of <= 3 letters.
        """
        if rounds < 1:
            raise BadInput(f"rounds is {rounds}; wanted 1 or more.")
        wrong = [(typed, meant) for typed, meant in pairs if typed != meant and typed and meant]
        model = self
        for _ in range(rounds):
            model = self._fitted(model, wrong)
        return model

    def _fitted(self, model: SpellingModel, wrong: list[tuple[str, str]]) -> SpellingModel:
        """One step of hard expectation maximisation: counts over the likeliest alignments, with `self` as Dirichlet prior."""
        counts = _Counts()
        for typed, meant in wrong:
            counts.add(meant, typed, align(points(meant), points(typed), *model.tables))
        pairs = counts.pairs[:, :CLASSES].T
        return SpellingModel(
            _blended(counts.change, np.broadcast_to(counts.met[:, None], counts.change.shape), self.change),
            _blended(counts.leave, counts.pairs, self.leave),
            _blended(counts.put, np.broadcast_to(counts.behind[None, :], counts.put.shape), self.put),
            _blended(counts.swap, pairs, self.swap),
            dict(self.rules) | counts.rules(), _known(self.known, wrong),
        )  # fmt: skip

    def to_json(self) -> str:
        """One JSON object; costs to two decimals."""
        tables = {k: np.round(getattr(self, k), 2).tolist() for k in ("change", "leave", "put", "swap")}
        rules = [[a, b, round(c, 2)] for (a, b), c in sorted(self.rules.items())]
        known = {t: {m: round(s, 4) for m, s in sorted(ms.items())} for t, ms in sorted(self.known.items())}
        return json.dumps({**tables, "rules": rules, "known": known}, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def of_json(cls, text: str) -> SpellingModel:
        """What `to_json` wrote; `BadInput` says what is wrong with it."""
        try:
            data = json.loads(text)
            tables = [np.array(data[k], dtype=np.float64) for k in ("change", "leave", "put", "swap")]
            wanted = [(CLASSES, CLASSES), (CLASSES, CLASSES + 1), (CLASSES, CLASSES + 1), (CLASSES, CLASSES)]
            if [t.shape for t in tables] != wanted:
                raise ValueError(f"tables of shapes {[t.shape for t in tables]}; wanted {wanted}")
            return cls(tables[0], tables[1], tables[2], tables[3], {(a, b): float(c) for a, b, c in data["rules"]}, data["known"])
        except (ValueError, TypeError, KeyError) as e:
            raise BadInput(f"this is no spelling model: {e}; wanted what SpellingModel.to_json wrote.") from None


def _blended(seen: NDArray[np.float64], met: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """-log of rates: counts, with `prior` as pseudo-counts once it is scaled to as many errors in all as were seen."""
    expected = np.exp(-prior)
    scale = float(np.clip((seen.sum() + 1.0) / ((met * expected).sum() + 1.0), 0.05, 20.0))
    return -np.log(np.minimum((seen + _PRIOR * scale * expected) / (met + _PRIOR), 0.9))


class _Counts:
    """What happened to the letters of the pairs seen."""

    def __init__(self) -> None:
        self.change = np.zeros((CLASSES, CLASSES))
        self.leave = np.zeros((CLASSES, CLASSES + 1))
        self.put = np.zeros((CLASSES, CLASSES + 1))
        self.swap = np.zeros((CLASSES, CLASSES))
        self.pairs = np.zeros((CLASSES, CLASSES + 1))
        self.met = np.zeros(CLASSES)
        self.behind = np.zeros(CLASSES + 1)
        self.runs: Counter[tuple[str, str]] = Counter()
        self.texts: Counter[str] = Counter()

    def add(self, meant: str, typed: str, way: NDArray[np.int64]) -> None:
        x, y = [_class(c) for c in meant], [_class(c) for c in typed]
        before = [CLASSES, *x]
        np.add.at(self.met, x, 1.0)
        np.add.at(self.behind, before, 1.0)
        np.add.at(self.pairs, (x, before[:-1]), 1.0)
        for n in (1, 2, 3):
            self.texts.update(meant[i : i + n] for i in range(len(meant) - n + 1))
        for kind, i, j, _ in way[::-1].tolist():
            if kind == 1:
                self.change[x[i], y[j]] += 1
            elif kind == 2:
                self.leave[x[i], before[i]] += 1
            elif kind == 3:
                self.put[y[j], before[i]] += 1
            elif kind == 4:
                self.swap[x[i], x[i + 1]] += 1
        self.runs.update(_runs(meant, typed, way[::-1].tolist()))

    def rules(self) -> dict[tuple[str, str], float]:
        """Runs typed for others often enough, the commonest first."""
        often = [(r, n) for r, n in self.runs.most_common() if n >= _RULE_SEEN and len(r[0]) + len(r[1]) > 2][:_MOST_RULES]
        return {r: float(-np.log(n / (self.texts[r[0]] + _RULE_BACK))) for r, n in often}


def _runs(meant: str, typed: str, way: list[list[int]]) -> set[tuple[str, str]]:
    """Runs of at most three letters around what was mistyped, without and with a neighbour on either side."""
    ends = [(i, j) for _, i, j, _ in way] + [(len(meant), len(typed))]
    right = [kind == 0 for kind, *_ in way]
    out: set[tuple[str, str]] = set()
    at = 0
    while at < len(way):
        if right[at]:
            at += 1
            continue
        stop = at
        while stop < len(way) and not right[stop]:
            stop += 1
        for a in (at, at - 1):
            for b in (stop, stop + 1):
                if a >= 0 and b <= len(way):
                    run = (meant[ends[a][0] : ends[b][0]], typed[ends[a][1] : ends[b][1]])
                    if (
                        1 <= len(run[0]) <= 3
                        and 1 <= len(run[1]) <= 3
                        and (run[0] + run[1]).isalpha()
                        and (run[0] + run[1]).isascii()
                    ):
                        out.add(run)
        at = stop
    return out


def _known(before: Mapping[str, Mapping[str, float]], pairs: list[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Words mistyped in training -> what was meant, as shares; only pairs of as many words tell which word is which."""
    seen: dict[str, Counter[str]] = {}
    for typed, meant in pairs:
        t, m = typed.split(), meant.split()
        for a, b in zip(t, m) if len(t) == len(m) else ():
            if a != b and a.isalpha() and b.isalpha():
                seen.setdefault(a, Counter())[b] += 1
    new = {t: {m: n / (c.total() + 0.5) for m, n in c.items()} for t, c in seen.items()}
    return {t: dict(ms) for t, ms in before.items()} | new


def _nearness() -> NDArray[np.float64]:
    """How much likelier one letter is typed for another than for any other, shape (26, 26)."""
    place = {c: (r, x + 0.4 * r) for r, row in enumerate(_KEYS) for x, c in enumerate(row)}
    near = np.full((26, 26), 1.0)
    for a in place:
        for b in place:
            beside = abs(place[a][0] - place[b][0]) <= 1 and abs(place[a][1] - place[b][1]) <= 1.1
            alike = any(a in g and b in g for g in _ALIKE)
            near[ord(a) - 97, ord(b) - 97] = 0.0 if a == b else 1.0 + 6.0 * beside + 8.0 * alike
    return near


def _class(c: str) -> int:
    return ord(c) - 97 if "a" <= c <= "z" else 26 if "0" <= c <= "9" else BLANK if c == " " else 28


def _place(rule: tuple[str, str]) -> int:
    return _class(rule[0][-1]) * CLASSES + _class(rule[1][-1])
