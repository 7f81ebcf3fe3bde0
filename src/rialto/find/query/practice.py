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
_PARTS = 4  # of a shop's pairs
_MISTYPED_ODDS = 1.0  # log-odds from which a query said to be right is taken for a mistyped one
_REAL = FEATURES.index(
    "taught"
)  # features from here on are learned from real mistypings alone: made-up ones are not like them there
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
    halves = [_made_up(examples(speller, typed[h::2])) for h in (0, 1)]
    good = [np.array([a == b for a, b in typed[h::2]]) for h in (0, 1)]
    made = _careful(halves, good, halves)
    return replace(made, believed=max(made.believed, _BELIEVED))  # shoppers use more unknown words than a made-up shop's


def train_speller(
    queries: Text, catalogue: Text, background: Background, pairs: Sequence[tuple[str, str]], *, good: Sequence[str] = (),
    never: Collection[str] = (),
) -> Speller:  # fmt: skip
    """A speller of a shop's words; `pairs` (as typed, as meant) teach it how its shoppers mistype, what they mean, and what to believe.

    What to believe is learned on parts of the pairs that the lexicon and the error model were not told of, and of `good`, queries that are
    right: so much that of these, or of what was meant, at most 1.8 % would be changed. A few queries of every log are mistyped all the same:
    those that the other parts would mend with confidence teach nothing, though they still count among the 1.8 %.
    """

    def made(told: Sequence[tuple[str, str]], acceptor: Acceptor) -> Speller:
        asked = queries.and_also((meant, 1.0) for _, meant in told)
        lexicon = Lexicon.of(queries=asked, catalogue=catalogue, background=background)
        return Speller(lexicon, SpellingModel.default().train(told), never=never, acceptor=acceptor)

    if len(pairs) < _ENOUGH:
        return made(pairs, Acceptor.default())
    seen, held, doubted = list[Examples](), list[NDArray[np.bool_]](), list[NDArray[np.bool_]]()
    for part in range(_PARTS):
        mine = [p for p in pairs if _part(p[1]) == part]
        right = [(q, q) for q in good if _part(q) == part]
        shown = [*mine, *((m, m) for _, m in mine), *right]
        seen.append(examples(made([p for p in pairs if _part(p[1]) != part], _blank()), shown))
        held.append(np.arange(len(shown)) >= (2 * len(mine) if good else len(mine)))
        doubted.append(np.arange(len(shown)) >= 2 * len(mine))
    return made(pairs, _careful([_undoubted(seen, doubted, part) for part in range(_PARTS)], held, seen))


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


def _made_up(seen: Examples) -> Examples:
    """Without the features that made-up mistypings teach wrongly."""
    x = seen[0].copy()
    x[:, _REAL:] = 0.0
    return x, seen[1], seen[2]


def _careful(teaching: Sequence[Examples], good: Sequence[NDArray[np.bool_]], seen: Sequence[Examples]) -> Acceptor:
    """Learned from all parts; how much to believe from the `good` texts of each as they were `seen`, by what the other parts teach."""
    best = [_most(_taught(teaching, part), seen[part], len(good[part]))[good[part]] for part in range(len(seen))]
    return _taught(teaching).careful(np.concatenate(best))


def _taught(parts: Sequence[Examples], but: int = -1) -> Acceptor:
    """Learned from all parts but one."""
    x = np.concatenate([p[0] for at, p in enumerate(parts) if at != but])
    return Acceptor.fitted(x, np.concatenate([p[1] for at, p in enumerate(parts) if at != but]), believed=_BELIEVED)


def _most(acceptor: Acceptor, seen: Examples, texts: int) -> NDArray[np.float64]:
    """Greatest log-odds of a change of each text, shape (texts,); -inf where there is none."""
    top = np.full(texts, -np.inf)
    np.maximum.at(top, seen[2], acceptor.log_odds(seen[0]))
    return top


def _undoubted(seen: Sequence[Examples], doubted: Sequence[NDArray[np.bool_]], part: int) -> Examples:
    """A part without those of its `doubted` texts that the other parts would mend with confidence."""
    x, right, of = seen[part]
    if not doubted[part].any():
        return seen[part]
    mistyped = doubted[part] & (_most(_taught(seen, part), seen[part], len(doubted[part])) > _MISTYPED_ODDS)
    kept = ~mistyped[of]
    return x[kept], right[kept], of[kept]


def _blank() -> Acceptor:
    """Of no weight: for spellers whose changes are only looked at."""
    return Acceptor(((),) * len(FEATURES), np.zeros(1 + len(FEATURES)), 0.0)


def _part(text: str) -> int:
    return blake2b(text.encode(), digest_size=1).digest()[0] % _PARTS


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
