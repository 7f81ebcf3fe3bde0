"""Made-up queries of a made-up shop, with and without mistypings, that the shipped models of spelling are trained from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
_ENOUGH = 100  # pairs from which a shop's own acceptor is learned
_TRUST = 0.02  # how much of the shipped acceptor's sureness stays: it comes from made-up mistypings
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
    speller = Speller(lexicon, model, acceptor=Acceptor.untrained())
    pairs = [(mistype(p, rng) if rng.random() < _MISTYPED else p, p) for p in phrases[_PHRASES // 2 :]]
    x, right = examples(speller, pairs)
    made = Acceptor.untrained().train(x, right, fresh=True)
    even = np.eye(len(FEATURES))[-1] * np.log(
        (1.0 - _MISTYPED) / _MISTYPED
    )  # as if half the queries were mistyped, as among a shop's pairs
    return Acceptor(made.weights + even, made.precision)


def train_speller(
    queries: Text, catalogue: Text, background: Background, pairs: Sequence[tuple[str, str]], *, never: Collection[str] = ()
) -> Speller:
    """A speller of a shop's words; `pairs` (as typed, as meant) teach it how its shoppers mistype, what they mean, and what to believe.

    What to believe is learned on halves of the pairs that the lexicon and the error model were not told of.
    """

    def made(told: Sequence[tuple[str, str]], acceptor: Acceptor) -> Speller:
        asked = queries.and_also((meant, 1.0) for _, meant in told)
        lexicon = Lexicon.of(queries=asked, catalogue=catalogue, background=background)
        return Speller(lexicon, SpellingModel.default().train(told), never=never, acceptor=acceptor)

    acceptor = Acceptor.default()
    if len(pairs) >= _ENOUGH:
        halves = [[p for p in pairs if blake2b(p[1].encode(), digest_size=1).digest()[0] % 2 == h] for h in (0, 1)]
        found = [examples(made(halves[1 - h], acceptor), [*halves[h], *((m, m) for _, m in halves[h])]) for h in (0, 1)]
        loose = Acceptor(acceptor.weights, acceptor.precision * _TRUST)
        acceptor = loose.train(np.concatenate([x for x, _ in found]), np.concatenate([y for _, y in found]))
    return made(pairs, acceptor)


def examples(speller: Speller, pairs: Sequence[tuple[str, str]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What the speller would change in each typed text, as features, and whether that is right, for the acceptor to learn from."""
    rows, right = list[NDArray[np.float64]](), list[bool]()
    for typed, meant in pairs:
        for mending, before, after in speller.mendings(typed):
            rows.append(mending.features())
            right.append(f" {after} " in f" {meant} " and f" {before} " not in f" {meant} ")
    return np.array(rows).reshape(-1, len(FEATURES)), np.array(right, dtype=bool)


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
