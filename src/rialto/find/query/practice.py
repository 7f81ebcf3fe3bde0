"""Made-up queries of a made-up shop, with and without mistypings, that the shipped models of spelling are trained from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.find.query.accept import FEATURES, Acceptor
from rialto.find.query.background import Background
from rialto.find.query.channel import SpellingModel
from rialto.find.query.lexicon import Lexicon, Text
from rialto.find.query.speller import Speller
from rialto.find.query.typos import make_typos, mistype

__all__ = ["examples", "train_acceptor", "train_speller", "train_spelling", "write_defaults"]

_PHRASES = 40_000
_UNKNOWN = 0.15  # share of the rarer words that the lexicon is not told of
_ENOUGH = 200  # pairs from which a shop's own acceptor is learned
_BELIEVED = 1.0  # least log-odds for a change to be made where too few good queries tell
_MISTYPED = 1 / 3  # share of the made-up queries
_COMMON = 5_000  # words that every lexicon knows


def write_defaults(folder: Path, *, seed: int = 0) -> None:
    """Train both shipped models anew and write `spelling.json` and `accept.json` into `folder`; about a minute.

    The words are those of symspellpy, which must be installed; the same seed and words give the same files.
    """
    words = Background.english()
    model = train_spelling(words, seed=seed)
    (folder / "spelling.json").write_text(model.to_json() + "\n", encoding="utf-8")
    (folder / "accept.json").write_text(train_acceptor(words, model, seed=seed).to_json() + "\n", encoding="utf-8")


def train_spelling(background: Background, *, seed: int) -> SpellingModel:
    """The error model that ships: trained from 20,000 made-up mistypings; its known mistypings are left out."""
    words = sorted(background.words)
    pairs = make_typos(words, np.sqrt([background.words[w] for w in words]), count=20_000, seed=seed)
    model = SpellingModel.untrained().train(pairs, rounds=2)
    return SpellingModel(model.change, model.leave, model.put, model.swap, model.rules)


def train_acceptor(background: Background, model: SpellingModel, *, seed: int) -> Acceptor:
    """The acceptor that ships: a shop that knows some of the language's words, shoppers who also use others, a third of them mistyping."""
    rng = np.random.default_rng(seed)
    ranked = sorted(background.words, key=lambda w: (-background.words[w], w))
    hidden = {w for w in ranked[_COMMON:] if rng.random() < _UNKNOWN}
    phrases = _phrases(background, rng)
    told = [p for p in phrases[: _PHRASES // 2] if not hidden & set(p.split())]
    known = Background(
        {w: n for w, n in background.words.items() if w not in hidden},
        {p: n for p, n in background.pairs.items() if not hidden & set(p)},
    )
    lexicon = Lexicon.of(queries=Text.of(()), catalogue=Text.of((p, 1.0) for p in told), background=known)
    speller = Speller(lexicon, model, acceptor=_blank())
    typed = [(mistype(p, rng) if rng.random() < _MISTYPED else p, p) for p in phrases[_PHRASES // 2 :]]
    halves = [examples(speller, typed[h::2]) for h in (0, 1)]
    good = [np.array([a == b for a, b in typed[h::2]]) for h in (0, 1)]
    made = _careful(halves, good)
    return replace(made, believed=max(made.believed, _BELIEVED))  # shoppers use more unknown words than a made-up shop's


def train_speller(
    queries: Text, catalogue: Text, background: Background, pairs: Sequence[tuple[str, str]], *, good: Sequence[str] = (),
    never: Collection[str] = (),
) -> Speller:  # fmt: skip
    """A speller of a shop's words; `pairs` (as typed, as meant) teach it how its shoppers mistype, what they mean, and what to believe.

    What to believe is learned on halves of the pairs that the lexicon and the error model were not told of, and of `good`, queries that are
    right: so much that of these, or of what was meant, at most 1.8 % would be changed.
    """

    def made(told: Sequence[tuple[str, str]], acceptor: Acceptor) -> Speller:
        asked = queries.and_also((meant, 1.0) for _, meant in told)
        lexicon = Lexicon.of(queries=asked, catalogue=catalogue, background=background)
        return Speller(lexicon, SpellingModel.default().train(told), never=never, acceptor=acceptor)

    if len(pairs) < _ENOUGH:
        return made(pairs, Acceptor.default())
    told = [[p for p in pairs if _half(p[1]) == h] for h in (0, 1)]
    right = [[(q, q) for q in good if _half(q) == h] for h in (0, 1)]
    seen, held = list[Examples](), list[NDArray[np.bool_]]()
    for h in (0, 1):
        shown = [*told[h], *((m, m) for _, m in told[h]), *right[h]]
        seen.append(examples(made(told[1 - h], _blank()), shown))
        first = 2 * len(told[h]) if right[h] else len(told[h])
        held.append(np.arange(len(shown)) >= first)
    return made(pairs, _careful(seen, held))


Examples = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]
"""Features of changes, whether each is right, and which of the texts it is of."""


def examples(speller: Speller, pairs: Sequence[tuple[str, str]]) -> Examples:
    """What the speller may change in each typed text, and whether that is right, for the acceptor to learn from."""
    rows, right, of = [np.zeros((0, len(FEATURES)))], list[bool](), list[int]()
    for at, (typed, meant) in enumerate(pairs):
        ways, x = speller.ways(typed)
        rows.append(x.reshape(-1, len(FEATURES)))
        right += [f" {after} " in f" {meant} " and f" {before} " not in f" {meant} " for before, after in ways]
        of += [at] * len(ways)
    return np.concatenate(rows), np.array(right, dtype=bool), np.array(of, dtype=np.int64)


def _careful(halves: Sequence[Examples], good: Sequence[NDArray[np.bool_]]) -> Acceptor:
    """Learned from both halves; how much to believe from the `good` texts of each, by what the other half teaches."""
    best = list[NDArray[np.float64]]()
    for h in (0, 1):
        x, _, of = halves[h]
        other = Acceptor.fitted(halves[1 - h][0], halves[1 - h][1], believed=_BELIEVED)
        top = np.full(len(good[h]), -np.inf)
        np.maximum.at(top, of, other.log_odds(x))
        best.append(top[good[h]])
    x, right = np.concatenate([h[0] for h in halves]), np.concatenate([h[1] for h in halves])
    return Acceptor.fitted(x, right, believed=_BELIEVED).careful(np.concatenate(best))


def _blank() -> Acceptor:
    """Of no weight: for spellers whose changes are only looked at."""
    return Acceptor(((),) * len(FEATURES), np.zeros(1 + len(FEATURES)), 0.0)


def _half(text: str) -> int:
    return blake2b(text.encode(), digest_size=1).digest()[0] % 2


def _phrases(background: Background, rng: np.random.Generator) -> list[str]:
    """Two to four words, each a follower of the one before it."""
    pairs = sorted(background.pairs)
    weight = np.sqrt([background.pairs[p] for p in pairs])
    after: dict[str, list[str]] = {}
    for a, b in pairs:
        after.setdefault(a, []).append(b)
    rare = sorted(background.words, key=lambda w: (-background.words[w], w))[_COMMON:60_000]
    out: list[str] = []
    for k in rng.choice(len(pairs), size=_PHRASES, p=weight / weight.sum()).tolist():
        words = list(pairs[k])
        while len(words) < 4 and words[-1] in after and rng.random() < 0.5:
            words.append(str(rng.choice(after[words[-1]])))
        if rng.random() < 0.5:  # what shoppers ask for seldom stands in a list of common pairs
            words[int(rng.integers(len(words)))] = rare[int(rng.integers(len(rare)))]
        out.append(" ".join(words))
    return out
