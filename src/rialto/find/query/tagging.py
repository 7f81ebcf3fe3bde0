"""What each word of a query is: brand, type, colour, size, material, model, number, unit or attribute; trained, with probabilities."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.query.chain import best_path, marginals, train_chain
from rialto.find.query.gazetteer import Entry, Gazetteer, Match
from rialto.find.query.quantities import find_quantities, unit_of
from rialto.find.query.roles import KINDS, key, role_names, value_words
from rialto.find.query.understood import Tag
from rialto.find.query.weak import OTHER, Example, is_model

__all__ = ["Tagger", "features_of"]

_BUCKETS = 1 << 15
_LABELS = 2 * len(KINDS) - 1  # begins and goes on, for every kind but other, which comes last
_HIDDEN = 0.12  # share of known phrases that are hidden in training, so that context is learned too
_UNSEEN = 0.3  # share of queries of which the words themselves are hidden
_ROUNDS = 3
_RATE, _RIDGE = 0.15, 1e-4
_MOST = 24  # words of a query that are tagged
_GENERAL = ("colour", "size", "material")


def features_of(words: Sequence[str], matches: Sequence[Match], *, spoken: bool = True) -> list[list[str]]:
    """The features of each word: what it is, what it looks like, what the catalogue knows of it and of its neighbours.

    Args:
        matches: Known phrases among the words.
        spoken: False leaves out the words themselves, as if they had never been seen.
    """
    n = len(words)
    bare = [key(w) for w in words]
    top, long = ["-"] * n, [0] * n
    out: list[list[str]] = [["*", "F" if i == 0 else "", "L" if i == n - 1 else "", "1" if n == 1 else ""] for i in range(n)]
    for m in matches:
        size, best = m.stop - m.start, m.entries[0]
        for i in range(m.start, m.stop):
            place = "B" if i == m.start else "I"
            for e in m.entries:
                sure = e.count >= 0.5 * best.count
                out[i].append(f"g{e.kind}{place}{size}{sure:d}")
                out[i].append(f"c{e.kind}{place}{min(int(e.count).bit_length(), 10)}")
            if size > long[i]:
                long[i], top[i] = size, f"{best.kind}{place}"
    for i, word in enumerate(words):
        out[i] += [f"t{top[i]}{long[i]}", f"p{top[i - 1] if i else '^'}", f"n{top[i + 1] if i + 1 < n else '$'}"]
        out[i].append(f"pn{top[i - 1] if i else '^'}{top[i]}{top[i + 1] if i + 1 < n else '$'}")
        out[i] += _looks(word, bare[i])
        if spoken:
            out[i] += [f"w{bare[i]}", f"a{bare[i - 1] if i else '^'}", f"b{bare[i + 1] if i + 1 < n else '$'}"]
            out[i] += [f"s{bare[i][-3:]}", f"e{bare[i][:3]}"]
        elif bare[i] in role_names("joining"):
            out[i].append(f"w{bare[i]}")
        if i and bare[i - 1] in role_names("joining"):
            out[i].append(f"j{bare[i - 1]}")
    for q in find_quantities(" ".join(words)):
        for i in range(q.start, min(q.stop, n)):
            out[i].append(f"q{i - q.start}{q.stop - q.start}{any(c.isdigit() for c in words[i]):d}")
    return out


def _looks(word: str, bare: str) -> list[str]:
    digits, letters = any(c.isdigit() for c in bare), any(c.isalpha() for c in bare)
    shape = ("m" if is_model(word) else "x") if digits and letters else "d" if digits else "l" if letters else "o"
    out = [f"h{shape}", f"z{shape}{min(len(bare), 8)}"]
    out += [f"v{kind}" for kind in _GENERAL if bare in value_words(kind)]
    if bare in role_names("joining"):
        out.append("J")
    if word in unit_of():
        out.append("U")
    return out


def _rows(features: Sequence[Sequence[str]]) -> list[list[int]]:
    return [[crc32(f.encode()) % _BUCKETS for f in dict.fromkeys(fs) if f] for fs in features]


def _label(kind: int, begins: bool) -> int:
    return _LABELS - 1 if kind == OTHER else 2 * kind + (0 if begins else 1)


def _allowed() -> NDArray[np.float64]:
    """Scores of moves before training: a span goes on only behind a word of its own kind."""
    moves = np.zeros((_LABELS + 1, _LABELS))
    for kind in range(OTHER):
        moves[:, 2 * kind + 1] = -1e9
        moves[2 * kind, 2 * kind + 1] = moves[2 * kind + 1, 2 * kind + 1] = 0.0
    return moves


@dataclass(frozen=True)
class Tagger:
    """A trained tagger.

    Args:
        gazetteer: What the catalogue knows.
        table: Score of each label by feature, shape (buckets, labels). `moves`: of a label behind another, shape (labels + 1, labels).
        sharpness: Scores are multiplied by this for probabilities: fitted on queries held out.
    """

    gazetteer: Gazetteer
    table: NDArray[np.float32]
    moves: NDArray[np.float64]
    sharpness: float = 1.0

    @classmethod
    def train(cls, gazetteer: Gazetteer, examples: Sequence[Example], *, seed: int = 0) -> Tagger:
        """Train on made-up and real queries.

        Every tenth query is held out to fit `sharpness`.

        Cost:
            About 0.3 ms a query, and the compiling at the first time.
        """
        table = np.zeros((_BUCKETS, _LABELS), dtype=np.float32)
        moves = _allowed()
        told, held = [e for i, e in enumerate(examples) if i % 10], [e for i, e in enumerate(examples) if i % 10 == 0]
        if told:
            rng = np.random.default_rng((seed, 8))
            packed = _packed(gazetteer, told, rng)
            order = np.concatenate([rng.permutation(len(told)) for _ in range(_ROUNDS)]).astype(np.int64)
            train_chain(*packed, order, table, moves, _RATE, _RIDGE)
        made = cls(gazetteer, table, moves)
        return cls(gazetteer, table, moves, made._fitted(held[:1000])) if held else made

    def _fitted(self, held: Sequence[Example]) -> float:
        """The sharpness under which the right labels of held-out queries are likeliest."""
        scored = [(self._scores(e.words[:_MOST]), np.array(_labels(e)[:_MOST], dtype=np.int64)) for e in held if e.words]
        losses: dict[float, float] = {}
        for sharp in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.15, 1.3):
            moves = np.where(self.moves < -1e8, -1e9, self.moves * sharp)
            losses[sharp] = sum(
                -float(np.log(np.maximum(marginals(s * sharp, moves)[np.arange(len(y)), y], 1e-9)).sum()) for s, y in scored
            )
        return min(losses, key=lambda s: (losses[s], s))

    def _scores(self, words: Sequence[str]) -> NDArray[np.float64]:
        rows = _rows(features_of(words, self.gazetteer.matches(words)))
        return np.array([self.table[r].sum(axis=0) for r in rows], dtype=np.float64)

    def tag(self, words: Sequence[str], /) -> tuple[Tag, ...]:
        """What the words are, left to right; spans do not overlap, and cover every word, `other` included.

        Args:
            words: `Understood.text.split()`; of more than 24 the rest is `other`.

        Cost:
            About 0.15 ms for a usual query.
        """
        said = list(words[:_MOST])
        if not said:
            return ()
        scores = self._scores(said)
        path = best_path(scores, self.moves)
        moves = np.where(self.moves < -1e8, -1e9, self.moves * self.sharpness)
        p = marginals(scores * self.sharpness, moves)
        by_kind = np.concatenate([p[:, 0 : _LABELS - 1 : 2] + p[:, 1:_LABELS:2], p[:, -1:]], axis=1)
        out: list[Tag] = []
        for start, stop, kind in _spans(path):
            name = KINDS[kind]
            text = said[start:stop]
            value = self.gazetteer.value(text, name) if kind != OTHER else " ".join(text)
            out.append(Tag(start, stop, name, value, float(min(1.0, by_kind[start:stop, kind].min()))))
        if len(words) > _MOST:
            out.append(Tag(_MOST, len(words), "other", " ".join(words[_MOST:]), 0.0))
        return tuple(out)

    def save(self) -> bytes:
        """As an npz file without pickle; weights of features never seen are left out."""
        used = np.flatnonzero(np.any(self.table != 0.0, axis=1)).astype(np.int32)
        entries = [[list(w), [[e.kind, e.value, e.count, e.name] for e in found]] for w, found in self.gazetteer.entries.items()]
        head = {"kinds": KINDS, "products": self.gazetteer.products, "sharpness": self.sharpness, "entries": entries}
        body = np.frombuffer(json.dumps(head, ensure_ascii=False).encode(), dtype=np.uint8)
        out = io.BytesIO()
        np.savez_compressed(out, head=body, used=used, table=self.table[used], moves=self.moves, allow_pickle=False)
        return out.getvalue()

    @classmethod
    def load(cls, body: bytes) -> Tagger:
        """What `save` wrote; `BadInput` where it is something else."""
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as z:
                head = json.loads(z["head"].tobytes())
                if tuple(head["kinds"]) != KINDS:
                    raise BadInput(f"the tagger knows {head['kinds']}; wanted {KINDS}. Train it again.")
                table = np.zeros((_BUCKETS, _LABELS), dtype=np.float32)
                table[z["used"]] = z["table"]
                moves = z["moves"]
            entries = {
                tuple(w): tuple(Entry(int(k), str(v), float(c), str(n)) for k, v, c, n in found) for w, found in head["entries"]
            }
        except (ValueError, KeyError, TypeError, OSError, EOFError, IndexError, zipfile.BadZipFile) as e:
            raise BadInput(f"this is no tagger: {e}; wanted what Tagger.save wrote.") from None
        return cls(Gazetteer(entries, int(head["products"])), table, moves, float(head["sharpness"]))


def _spans(path: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    out: list[tuple[int, int, int]] = []
    for i, label in enumerate(path.tolist()):
        kind = OTHER if label == _LABELS - 1 else label // 2
        goes_on = kind == OTHER or label % 2 == 1
        if out and goes_on and out[-1][2] == kind:
            out[-1] = (out[-1][0], i + 1, kind)
        else:
            out.append((i, i + 1, kind))
    return out


def _labels(example: Example) -> list[int]:
    return [_label(k, b) for k, b in zip(example.kinds, example.begins)]


def _packed(
    gazetteer: Gazetteer, examples: Sequence[Example], rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Examples as the columns that `train_chain` takes, with some of what is known hidden."""
    flat, word_start, query_start, label = list[int](), [0], [0], list[int]()
    for e in examples:
        words = e.words[:_MOST]
        matches = [m for m in gazetteer.matches(words) if rng.random() >= _HIDDEN]
        for row in _rows(features_of(words, matches, spoken=bool(rng.random() >= _UNSEEN))):
            flat += row
            word_start.append(len(flat))
        label += _labels(e)[:_MOST]
        query_start.append(len(label))
    return (
        np.array(flat, dtype=np.int32), np.array(word_start, dtype=np.int64), np.array(query_start, dtype=np.int64),
        np.array(label, dtype=np.int64), np.array([e.weight for e in examples], dtype=np.float64),
    )  # fmt: skip
