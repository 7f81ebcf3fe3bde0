"""How well tags, types, intents and negations are read: on queries whose truth is known, with intervals over queries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import TEXTS, Catalogue, Labels, Measures
from rialto.find.query.classes import Classes
from rialto.find.query.measure import Measured
from rialto.find.query.quantities import Quantities
from rialto.find.query.roles import KINDS
from rialto.find.query.training import Trained, queries_for, train_parts
from rialto.find.query.understood import Tag, Understood
from rialto.find.query.weak import Maker

__all__ = [
    "Truth",
    "calibration",
    "intent_accuracy",
    "measure_parts",
    "measure_synthesised",
    "negation_exact",
    "rows_of",
    "tagging_f1",
    "type_accuracy",
]

_DRAWS = 1000
_PARTS = 5  # one in so many groups of variants is kept for testing
_NEGATED = 500
_MOST = 60_000


@dataclass(frozen=True, slots=True)
class Truth:
    """A query and what is true of it.

    Args:
        text: Without its price bound and its negation.
        spans: (start, stop, kind) of all words that are something; None = not known.
        types: Types that were meant; empty = not known or any.
        intent: "" = not known.
        asked: With its negation; "" = nothing is negated. `without`: what is not wanted.
    """

    text: str
    spans: tuple[tuple[int, int, str], ...] | None = None
    types: frozenset[str] = frozenset()
    intent: str = ""
    asked: str = ""
    without: tuple[str, ...] = ()


def tagging_f1(
    tag: Callable[[Sequence[str]], tuple[Tag, ...]], truth: Sequence[Truth], *, seed: int = 0
) -> Mapping[str, Measured]:
    """F1 of whole spans with their kind: `tagging_f1` over all kinds, and `tagging_f1_KIND`; `other` does not count.

    A span is right where both its ends and its kind are. `each` of the result is the F1 of every query that has such a span in truth or tags.

    Raises:
        BadInput: no query has spans.
    """
    said = [t for t in truth if t.spans is not None]
    if not said:
        raise BadInput(f"none of {len(truth)} queries has spans to measure tagging on.")
    counts = np.zeros((len(said), len(KINDS), 3))  # right, tagged, true
    for row, t in enumerate(said):
        found = {(x.start, x.stop, x.kind) for x in tag(t.text.split()) if x.kind != "other"}
        for kind, spans, at in [(s[2], s, 2) for s in t.spans or ()] + [(s[2], s, 1) for s in found]:
            counts[row, KINDS.index(kind), at] += 1
            counts[row, KINDS.index(kind), 0] += at == 1 and spans in (t.spans or ())
    out = {"tagging_f1": _f1(counts.sum(axis=1), seed)}
    for number, kind in enumerate(KINDS[:-1]):
        if counts[:, number, 2].sum():
            out[f"tagging_f1_{kind}"] = _f1(counts[:, number], seed)
    return out


def _f1(counts: NDArray[np.float64], seed: int) -> Measured:
    counts = counts[counts.sum(axis=1) > 0]
    drawn = np.random.default_rng(seed).integers(len(counts), size=(_DRAWS, len(counts)))

    def f1(c: NDArray[np.float64]) -> NDArray[np.float64]:
        return 2.0 * c[..., 0] / np.maximum(c[..., 1] + c[..., 2], 1e-9)

    low, high = np.quantile(f1(counts[drawn].sum(axis=1)), [0.025, 0.975])
    return Measured(float(f1(counts.sum(axis=0))), float(low), float(high), f1(counts))


def type_accuracy(
    predict: Callable[[str], tuple[tuple[str, float], ...]], truth: Sequence[Truth], *, seed: int = 0
) -> Mapping[str, Measured]:
    """Share of queries whose likeliest type, or one of the three likeliest, was meant: `type_accuracy`, `type_accuracy_3`.

    Raises:
        BadInput: no query has types.
    """
    found = [([n for n, _ in predict(t.text)[:3]], t.types) for t in truth if t.types]
    return {
        "type_accuracy": _mean([bool(names) and names[0] in right for names, right in found], seed, "types"),
        "type_accuracy_3": _mean([bool(right & set(names)) for names, right in found], seed, "types"),
    }


def calibration(predict: Callable[[str], tuple[tuple[str, float], ...]], truth: Sequence[Truth], *, bins: int = 10) -> float:
    """Expected calibration error of the likeliest type: mean gap of probability and accuracy over equal bins; 0 = calibrated.

    Source:
        Guo et al. (2017), "On calibration of modern neural networks", ICML.
    """
    best = [(p[0][1], p[0][0] in t.types) for t in truth if t.types and (p := predict(t.text))]
    if not best:
        raise BadInput(f"none of {len(truth)} queries has a type and a prediction to compare.")
    sure, right = np.array([b[0] for b in best]), np.array([b[1] for b in best], dtype=np.float64)
    where = np.minimum((sure * bins).astype(np.int64), bins - 1)
    return float(sum(abs(sure[where == b].mean() - right[where == b].mean()) * (where == b).mean() for b in np.unique(where)))


def intent_accuracy(read: Callable[[str], Understood], truth: Sequence[Truth], *, seed: int = 0) -> Measured:
    """Share of queries whose likeliest intent is right; `read` gets what was asked."""
    return _mean([read(t.asked or t.text).intent == t.intent for t in truth if t.intent], seed, "intents")


def negation_exact(
    cut: Callable[[str], tuple[str, tuple[str, ...], tuple[object, ...]]], truth: Sequence[Truth], *, seed: int = 0
) -> Mapping[str, Measured]:
    """`negation_exact`: share of negated queries read exactly; `negation_harm`: share of the others of which something is taken.

    Only those measures for which there are queries are returned.
    """
    negated, plain = [t for t in truth if t.without], [t for t in truth if not t.without]
    out: dict[str, Measured] = {}
    if negated:
        out["negation_exact"] = _mean([cut(t.asked)[:2] == (t.text, t.without) for t in negated], seed, "negations")
    if plain:
        out["negation_harm"] = _mean([bool(cut(t.text)[1]) for t in plain], seed, "queries")
    return out


def measure_parts(trained: Trained, truth: Sequence[Truth], *, seed: int = 0) -> Mapping[str, Measured]:
    """All measures that the truth allows."""
    parts = trained.parts()

    def read(asked: str) -> Understood:
        return parts.fill(parts.cut(Understood(asked, asked), frozenset()))

    out: dict[str, Measured] = {}
    if any(t.spans is not None for t in truth):
        out.update(tagging_f1(trained.tagger.tag, truth, seed=seed))
    if any(t.types for t in truth):
        out.update(type_accuracy(trained.types.predict, truth, seed=seed))
    if any(t.intent for t in truth):
        out["intent_accuracy"] = intent_accuracy(read, truth, seed=seed)
    return {**out, **negation_exact(trained.negation, truth, seed=seed)}


def measure_synthesised(
    catalogue: Catalogue, *, count: int = 3000, seed: int = 0, parts: int = _PARTS, most: int = _MOST
) -> Mapping[str, Measured]:
    """All measures on queries made up from products of one in `parts` groups of variants, trained on the products of the other groups.

    No test query stands among the training queries. The queries are made by the same maker that training uses, so these numbers say how well
    it is learned and how far it carries to other products, not how well shoppers are understood: for that, measure with clicks or judges.

    Raises:
        BadInput: the catalogue is too small to be divided.
    """
    group = catalogue.group_code
    apart = np.array(
        [blake2b(f"{seed}:{g}".encode(), digest_size=4).digest()[0] % parts == 0 for g in range(int(group.max(initial=-1)) + 1)]
    )
    tested = apart[group] if len(group) else np.zeros(0, dtype=bool)
    if not tested.any() or tested.all():
        raise BadInput(f"a catalogue of {len(catalogue)} products cannot be divided into {parts} parts; measure on a larger one.")
    told = rows_of(catalogue, np.flatnonzero(~tested))
    trained = train_parts(told, seed=seed, most=most)
    classes = trained.types.classes
    known = {" ".join(e.words) for e in Maker.of(told, classes, trained.quantities).make(queries_for(told, most), seed=seed)}
    truth = _made(rows_of(catalogue, np.flatnonzero(tested)), classes, trained.quantities, known, count, seed)
    return measure_parts(trained, [*truth, *_denied(truth)], seed=seed)


def _made(
    catalogue: Catalogue, classes: Classes, quantities: Quantities, known: Collection[str], count: int, seed: int
) -> list[Truth]:
    made = {" ".join(e.words): e for e in Maker.of(catalogue, classes, quantities).make(count * 2, seed=seed + 100)}
    return [
        Truth(
            text, tuple((a, b, KINDS[k]) for a, b, k in e.spans), frozenset({classes.names[e.type]} if e.type >= 0 else ()), e.intent
        )
        for text, e in made.items() if text not in known
    ][:count]  # fmt: skip


def _denied(truth: Sequence[Truth]) -> list[Truth]:
    """Queries with something not wanted behind them: a value that another query names."""
    values = sorted(
        {
            " ".join(t.text.split()[a:b]).strip(",;()–- ")
            for t in truth
            for a, b, k in t.spans or ()
            if k in ("colour", "material", "attribute")
        }
    )
    things = [t for t in truth if t.intent == "type"][:_NEGATED]
    out: list[Truth] = []
    for n, t in enumerate(things if values else ()):
        value = values[(n * 7919) % len(values)]
        if value[:1].isalpha() and len(value.split()) <= 3 and value not in t.text:
            out.append(Truth(t.text, asked=f"{t.text} {('without', 'no', 'not')[n % 3]} {value}", without=(value,)))
    return out


def rows_of(catalogue: Catalogue, rows: NDArray[np.int64]) -> Catalogue:
    """A catalogue of some rows, in their order, with the values that those have; linear in them."""
    a, m = catalogue.labels, catalogue.measures
    label_rows, label_offsets = _taken(a.offsets, rows)
    measure_rows, measure_offsets = _taken(m.offsets, rows)
    kept, pair = np.unique(a.pair[label_rows], return_inverse=True)
    labels = Labels(label_offsets, pair.astype(np.int32), a.pair_name[kept], a.pair_text[kept], a.names)
    measures = Measures(measure_offsets, m.name[measure_rows], m.value[measure_rows], m.names)
    texts = {k: catalogue.text(k)[rows] for k in TEXTS}
    return Catalogue(
        catalogue.ids[rows], catalogue.numbers[rows], texts, {k: v[rows] for k, v in catalogue.values.items()}, labels, measures
    )


def _taken(offsets: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    counts = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(counts)
    flat = np.arange(int(counts.sum())) + np.repeat(offsets[rows] - (ends - counts), counts)
    return flat, np.concatenate([[0], ends]).astype(np.int64)


def _mean(each: Sequence[bool], seed: int, what: str) -> Measured:
    if not each:
        raise BadInput(f"there are no queries with {what} to measure on.")
    x = np.asarray(each, dtype=np.float64)
    drawn = np.random.default_rng(seed).integers(len(x), size=(_DRAWS, len(x)))
    low, high = np.quantile(x[drawn].mean(axis=1), [0.025, 0.975])
    return Measured(float(x.mean()), float(low), float(high), x)
