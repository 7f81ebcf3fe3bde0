"""Which kind of product a query asks for: a linear softmax classifier trained on titles, made-up queries and clicks."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query.classes import Classes
from rialto.find.query.first import one_writing
from rialto.find.query.nouns import Nouns, sampled
from rialto.find.query.roles import key
from rialto.find.query.softmax import train_softmax
from rialto.find.query.weak import Example
from rialto.find.terms import analyse

__all__ = ["Types"]

_WEIGHTS = 12_000_000  # features x types at most
_WORK = 4e9  # features x types x examples x rounds at most
_TITLES = 60_000  # titles that are learned from
_TITLE = 0.5  # how much a title counts beside a query
_DESCRIPTION, _DESCRIBED = 0.15, 25  # the same for a description's first words, and how many
_ROUNDS = 4
_RATE, _RIDGE = 0.15, 1e-5
_SEEN = 2
_BEST = 5
_WORDS = 40


def _features(text: str, most: int = _WORDS) -> list[str]:
    """Words and pairs of neighbours."""
    words = [w for w in analyse(text)[:most] if w]
    return [*dict.fromkeys([*words, *(f"{a} {b}" for a, b in zip(words, words[1:]))])]


@dataclass(frozen=True)
class Types:
    """A trained classifier of product types.

    Args:
        classes: The types and how products get theirs.
        vocabulary: Feature -> row of `table`.
        table: Score of each type by feature, shape (features + 1, types); the last row is the bias.
        sharpness: Scores are multiplied by this for probabilities: fitted on queries held out.
    """

    classes: Classes
    vocabulary: Mapping[str, int]
    table: NDArray[np.float32]
    sharpness: float = 1.0
    _shelf: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Category paths or product types, in the order of `probabilities`."""
        return self.classes.names

    @classmethod
    def train(cls, catalogue: Catalogue, classes: Classes, examples: Sequence[Example], *, seed: int = 0) -> Types:
        """Train; `examples` are made-up and real queries, those without a type are left out. Every tenth is held out for `sharpness`.

        Cost:
            Seconds at 20,000 products; bounded by a budget of work above 60,000.
        """
        if not classes.names:
            return cls(classes, {}, np.zeros((1, 0), dtype=np.float32))
        queries = [(_features(" ".join(e.words)), e.type, e.weight) for e in examples if e.type >= 0]
        told, held = [q for i, q in enumerate(queries) if i % 10], [q for i, q in enumerate(queries) if i % 10 == 0]
        told += _of_catalogue(catalogue, classes)
        counts = Counter(f for features, _, _ in told for f in features)
        room = max(1000, _WEIGHTS // len(classes.names))
        kept = [f for f, n in sorted(counts.items(), key=lambda x: (-x[1], x[0]))[:room] if n >= _SEEN]
        vocabulary = {f: at for at, f in enumerate(kept)}
        rows = [[vocabulary[f] for f in features if f in vocabulary] for features, _, _ in told]
        start = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
        flat = np.array([x for r in rows for x in r], dtype=np.int32)
        rng = np.random.default_rng((seed, 9))
        rounds = _ROUNDS * min(1.0, _WORK / (max(1, len(flat)) * len(classes.names) * _ROUNDS))
        order = np.concatenate([rng.permutation(len(rows)) for _ in range(_ROUNDS)])[: max(1, int(len(rows) * rounds))]
        table = np.zeros((len(vocabulary) + 1, len(classes.names)), dtype=np.float32)
        target = np.array([t for _, t, _ in told], dtype=np.int32)
        weight = np.array([w for _, _, w in told], dtype=np.float32)
        if len(rows):
            train_softmax(flat, start, target, weight, order.astype(np.int64), table, _RATE, _RIDGE)
        made = cls(classes, vocabulary, table.astype(np.float16).astype(np.float32))
        return cls(classes, vocabulary, made.table, made._fitted(held[:1500])) if held else made

    def _fitted(self, held: Sequence[tuple[Sequence[str], int, float]]) -> float:
        scores = np.array([self._scores(features) for features, _, _ in held], dtype=np.float32)
        right = np.array([t for _, t, _ in held])
        losses = {
            s: float(-np.log(_softmax(scores * np.float32(s))[np.arange(len(right)), right] + 1e-6).mean())
            for s in np.arange(0.3, 3.01, 0.1)
        }
        return round(float(min(losses, key=lambda s: losses[s])), 2)

    def _scores(self, features: Sequence[str]) -> NDArray[np.float32]:
        rows = [r for f in features if (r := self.vocabulary.get(f, -1)) >= 0]
        return (
            self.table[-1] + self.table[rows].sum(axis=0) / np.float32(max(len(rows), 1) ** 0.5)
            if rows
            else self.table[-1].copy()
        )

    def probabilities(self, text: str) -> NDArray[np.float32]:
        """P(type | query), shape (types,), sums to 1; of a text without a known word the shares of the catalogue."""
        return self._softened(_features(one_writing(text)))

    def told(self, text: str) -> NDArray[np.float32] | None:
        """As `probabilities`; None for a text of which no word was seen in training."""
        features = _features(one_writing(text))
        return self._softened(features) if any(f in self.vocabulary for f in features) else None

    def _softened(self, features: Sequence[str]) -> NDArray[np.float32]:
        return _softmax(self._scores(features)[np.newaxis] * self.sharpness)[0].astype(np.float32)

    def predict(self, text: str, /) -> tuple[tuple[str, float], ...]:
        """The likeliest types and their probabilities, best first, at most 5; none for a text without a known word."""
        p = self.told(text) if self.names else None
        if p is None:
            return ()
        best = np.argsort(-p, kind="stable")[:_BEST]
        return tuple((self.names[i], float(p[i])) for i in best.tolist())

    def codes(self, catalogue: Catalogue, rows: NDArray[np.int64] | None = None) -> NDArray[np.int32]:
        """Type of each product, or of those in `rows`, a place in `names`; -1 = not known. Keep it: linear in the products."""
        return self.classes.codes(catalogue, rows)

    def type_of_product(self, catalogue: Catalogue, row: int) -> int:
        """Type of one product, a place in `names`; -1 = not known. For many ask `codes`."""
        return int(self.codes(catalogue, np.array([row]))[0])

    def save(self) -> bytes:
        """As an npz file without pickle."""
        c = self.classes
        nouns = [[list(p), c.nouns.spelled[p], *w, c.nouns.tells[p]] for p, w in c.nouns.of_class.items()]
        head = {
            "names": c.names, "source": c.source, "attribute": c.attribute, "of_noun": dict(c.of_noun), "nouns": nouns,
            "words": list(self.vocabulary), "sharpness": self.sharpness,
        }  # fmt: skip
        body, out = np.frombuffer(json.dumps(head, ensure_ascii=False).encode(), dtype=np.uint8), io.BytesIO()
        np.savez_compressed(out, head=body, table=self.table.astype(np.float16), allow_pickle=False)
        return out.getvalue()

    @classmethod
    def load(cls, body: bytes) -> Types:
        """What `save` wrote; `BadInput` where it is something else."""
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as z:
                head, table = json.loads(z["head"].tobytes()), z["table"].astype(np.float32)
            rows = [(tuple(map(str, p)), str(s), int(k), int(n), float(t)) for p, s, k, n, t in head["nouns"]]
            nouns = Nouns({p: (k, n) for p, _, k, n, _ in rows}, {p: s for p, s, *_ in rows}, {p: t for p, *_, t in rows})
            classes = Classes(tuple(head["names"]), head["source"], head["attribute"], head["of_noun"], nouns)
            vocabulary = {str(w): at for at, w in enumerate(head["words"])}
            if table.shape != (len(vocabulary) + 1, len(classes.names)):
                raise ValueError(f"weights of shape {table.shape} for {len(vocabulary)} words and {len(classes.names)} types")
        except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as e:
            raise BadInput(f"these are no types: {e}; wanted what Types.save wrote.") from None
        return cls(classes, vocabulary, table, float(head["sharpness"]))


def _softmax(x: NDArray[np.float32]) -> NDArray[np.float32]:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _of_catalogue(catalogue: Catalogue, classes: Classes) -> list[tuple[list[str], int, float]]:
    """What titles, descriptions, nouns and category names say of each type."""
    codes, titles, described = classes.codes(catalogue), catalogue.text("title"), catalogue.text("description")
    number = {n: at for at, n in enumerate(classes.names)}
    out: list[tuple[list[str], int, float]] = []
    for row in sampled(catalogue, _TITLES).tolist():
        code = int(codes[row])
        if code >= 0:
            out.append((_features(str(titles[row])), code, _TITLE))
            out.append((_features(str(described[row])[:400], _DESCRIBED), code, _DESCRIPTION))
    out += [(_features(noun), number[t], 1.0) for noun, t in classes.of_noun.items() if t in number]
    for name, code in number.items():
        levels = [part for part in name.split("/") if key(part.split()[0] if part.split() else "")]
        out += [(_features(level), code, 1.0 if level == levels[-1] else 0.2) for level in levels]
    return out
