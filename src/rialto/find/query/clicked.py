"""Past queries labelled by what was clicked for them: the words are aligned with what the clicked products have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log1p

import numpy as np
from numpy.typing import NDArray

from rialto.find.query.first import understand
from rialto.find.query.gazetteer import Entry, Gazetteer
from rialto.find.query.quantities import find_quantities
from rialto.find.query.roles import KINDS, key, role_names, value_words
from rialto.find.query.weak import OTHER, Example, Maker, is_model

__all__ = ["Clicked"]

_HAVE = 0.5  # share of the clicks whose product has a value, for its words to mean it
_NEW = 0.65  # the same, for words that the catalogue does not know
_LIFT = 2.0  # how much commoner a value must be among the clicked than among all of the type
_LEAST = 2.0  # weight of clicks from which a query teaches
_TYPE = 0.1  # share of the clicks from which a type is learned for a query
_MOST = 3.0
_NEWS = 2  # unknown words that may be one new phrase

_Value = tuple[int, str, str]
"""Kind, value, attribute."""


@dataclass(frozen=True)
class Clicked:
    """What clicks teach.

    Args:
        tagged: Queries with their words' kinds, for the tagger.
        typed: Queries with types, one for each that was clicked, weighed by its share.
        learned: Words that the catalogue does not know, with what they mean: "ebony" is black.
    """

    tagged: tuple[Example, ...]
    typed: tuple[Example, ...]
    learned: tuple[tuple[str, Entry], ...]

    @classmethod
    def of(cls, maker: Maker, gazetteer: Gazetteer, clicks: Mapping[str, Mapping[int, float]]) -> Clicked:
        """Align queries with their clicks (query -> product number -> weight); linear in the clicks."""
        votes: dict[str, Counter[_Value]] = {}
        tagged, typed = list[tuple[Example, list[tuple[str, _Value]]]](), list[Example]()
        base = _shares(maker)
        for query in sorted(clicks):
            words = tuple(understand(query).text.split())
            numbers = np.array(list(clicks[query]), dtype=np.int64)
            rows, weight = maker.catalogue.rows(numbers), np.array(list(clicks[query].values()), dtype=np.float64)
            known = (rows >= 0) & (weight > 0)
            rows, weight = rows[known], weight[known]
            if not words or weight.sum() < _LEAST:
                continue
            types, values = _clicked(maker, rows, weight / weight.sum())
            size = min(_MOST, log1p(float(weight.sum())))
            plain = (OTHER,) * len(words), (False,) * len(words)
            typed += [Example(words, *plain, t, "", weight=size * share) for t, share in types.items() if share >= _TYPE]
            spans, new = _aligned(words, gazetteer, maker, types, values, base)
            for text, value in new:
                votes.setdefault(text, Counter())[value] += 1
            if spans is not None:
                kinds, begins = _columns(len(words), spans)
                tagged.append((Example(words, kinds, begins, max(types, key=lambda t: types[t]), "", weight=size), new))
        learned = dict(_learned(votes, gazetteer))
        sure = [e for e, new in tagged if all(text in learned and learned[text].kind == value[0] for text, value in new)]
        return cls(tuple(sure), tuple(typed), tuple(learned.items()))


def _learned(votes: Mapping[str, Counter[_Value]], gazetteer: Gazetteer) -> Iterator[tuple[str, Entry]]:
    """Meanings on which most queries with the words agree; of what is no type, two queries must, and the catalogue must not know the words."""
    for text, found in sorted(votes.items()):
        (kind, value, name), n = min(found.items(), key=lambda f: (-f[1], f[0]))
        is_type = kind == KINDS.index("type")
        known = any(m.stop - m.start == len(text.split()) for m in gazetteer.matches(text.split()))
        if n > found.total() / 2 and not known and (is_type or n >= 2) and not any(c.isdigit() for c in text):
            yield text, Entry(kind, value, float(n), name)


def _shares(maker: Maker) -> Mapping[tuple[int, int], float]:
    """(Type, pair of the labels) -> share of the type's products that have it."""
    labels = maker.catalogue.labels
    owner = np.repeat(maker.codes, np.diff(labels.offsets)).astype(np.int64)
    found, counts = np.unique(owner * max(1, len(labels.pair_name)) + labels.pair, return_counts=True)
    size = Counter(maker.codes.tolist())
    width = max(1, len(labels.pair_name))
    return {(int(f // width), int(f % width)): n / size[int(f // width)] for f, n in zip(found.tolist(), counts.tolist())}


def _clicked(maker: Maker, rows: NDArray[np.int64], share: NDArray[np.float64]) -> tuple[dict[int, float], dict[int, float]]:
    """Types and pairs of the labels of the clicked products, with their shares; brands are pairs -1 - row of one that has it."""
    labels = maker.catalogue.labels
    types: dict[int, float] = {}
    values: dict[int, float] = {}
    for row, s in zip(rows.tolist(), share.tolist()):
        code = int(maker.codes[row])
        types[code] = types.get(code, 0.0) + s
        for pair in labels.pair[labels.offsets[row] : labels.offsets[row + 1]].tolist():
            values[pair] = values.get(pair, 0.0) + s
    brands = Counter[str]()
    for row, s in zip(rows.tolist(), share.tolist()):
        brands[str(maker.catalogue.text("brand")[row])] += s  # pyright: ignore[reportArgumentType]
    for brand, s in brands.items():
        where = next(r for r in rows.tolist() if str(maker.catalogue.text("brand")[r]) == brand)
        values[-1 - where] = float(s)
    return types, values


def _aligned(
    words: Sequence[str], gazetteer: Gazetteer, maker: Maker, types: Mapping[int, float], values: Mapping[int, float],
    base: Mapping[tuple[int, int], float],
) -> tuple[dict[tuple[int, int], int] | None, list[tuple[str, _Value]]]:  # fmt: skip
    """Spans (start, stop) -> kind, and new words with their meaning; None where too many words stay unexplained."""
    spans: dict[tuple[int, int], int] = {}
    free = [bool(key(w)) for w in words]
    have = _meanings(maker, values)
    top = max(types, key=lambda t: types[t])
    path = maker.classes.names[top] if top >= 0 else ""
    for m in sorted(gazetteer.matches(words), key=lambda m: (m.start - m.stop, m.start)):
        if not all(free[m.start : m.stop]):
            continue
        for e in m.entries:
            is_type = e.kind == KINDS.index("type") and path != "" and (path == e.value or path.startswith(f"{e.value}/"))
            if have.get((e.kind, e.value), 0.0) >= _HAVE or (is_type and types[top] >= _HAVE):
                spans[m.start, m.stop] = e.kind
                free[m.start : m.stop] = [False] * (m.stop - m.start)
                break
    for q in find_quantities(" ".join(words)):
        for i in range(q.start, min(q.stop, len(words))):
            if free[i]:
                spans[i, i + 1], free[i] = KINDS.index("number" if any(c.isdigit() for c in words[i]) else "unit"), False
    for i, word in enumerate(words):
        general = next((kind for kind in ("colour", "material") if key(word) in value_words(kind)), "")
        if free[i] and general:  # the shop has another word for it: "ebony"
            spans[i, i + 1], free[i] = KINDS.index(general), False
        if free[i] and (is_model(word) or word in role_names("joining")):
            if is_model(word):
                spans[i, i + 1] = KINDS.index("model")
            free[i] = False
    return _unexplained(words, spans, free, maker, top, types, values, base)


def _unexplained(
    words: Sequence[str], spans: dict[tuple[int, int], int], free: Sequence[bool], maker: Maker, top: int, types: Mapping[int, float],
    values: Mapping[int, float], base: Mapping[tuple[int, int], float],
) -> tuple[dict[tuple[int, int], int] | None, list[tuple[str, _Value]]]:  # fmt: skip
    """Give runs of unknown words the meaning that the clicks leave open: the type where none was said, else the value that stands out."""
    runs = _runs(free)
    new: list[tuple[str, _Value]] = []
    kind_type = KINDS.index("type")
    whole = not any(key(w) in role_names("joining") for w in words) and KINDS.index("model") not in spans.values()
    sure = whole and top >= 0 and types[top] >= _NEW and not any(c.isdigit() for s, e in runs for w in words[s:e] for c in w)
    if runs and kind_type not in spans.values() and sure and runs[-1][1] - runs[-1][0] <= _NEWS and len(runs) <= 2:
        start, stop = runs.pop()
        spans[start, stop] = kind_type
        new.append((" ".join(words[start:stop]), (kind_type, maker.classes.names[top], "category")))
    for start, stop in runs[:1] if whole else ():
        meaning = _standing_out(maker, top, values, base, spans) if stop - start <= 2 else None
        if meaning is not None:
            spans[start, stop] = meaning[0]
            new.append((" ".join(words[start:stop]), meaning))
            runs = runs[1:]
    several = (
        sum(kind == kind_type for kind in spans.values()) > 1
    )  # "coated frying pan": the catalogue takes both for kinds of thing
    return (None if runs or several else spans), new


def _standing_out(
    maker: Maker,
    top: int,
    values: Mapping[int, float],
    base: Mapping[tuple[int, int], float],
    spans: Mapping[tuple[int, int], int],
) -> _Value | None:
    """The colour, material, size or attribute that most clicked products have and few others of their type; None = there is none."""
    labels, best = maker.catalogue.labels, (0.0, -1)
    for pair, share in values.items():
        if (
            pair < 0
            or str(labels.pair_text[pair]) == "no"
            or KINDS.index(maker.roles[int(labels.pair_name[pair])]) in spans.values()
        ):
            continue
        lift = share / max(base.get((top, pair), 0.0), 1e-3)
        role = maker.roles[int(labels.pair_name[pair])]
        if share >= _NEW and lift >= _LIFT and role != "model":
            best = max(best, (lift * share * (1.5 if role != "attribute" else 1.0), pair))
    if best[1] < 0:
        return None
    name, text = labels.names[int(labels.pair_name[best[1]])], str(labels.pair_text[best[1]])
    return KINDS.index(maker.roles[int(labels.pair_name[best[1]])]), name.replace("_", " ") if text == "yes" else text, name


def _meanings(maker: Maker, values: Mapping[int, float]) -> dict[tuple[int, str], float]:
    """(Kind, value) -> share of the clicks."""
    labels, out = maker.catalogue.labels, dict[tuple[int, str], float]()
    for pair, share in values.items():
        if pair < 0:
            meant = KINDS.index("brand"), str(maker.catalogue.text("brand")[-1 - pair])
        else:
            name, text = int(labels.pair_name[pair]), str(labels.pair_text[pair])
            meant = KINDS.index(maker.roles[name]), labels.names[name].replace("_", " ") if text == "yes" else text
        out[meant] = max(out.get(meant, 0.0), share)
    return out


def _runs(free: Sequence[bool]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for i, yes in enumerate(free):
        if yes and out and out[-1][1] == i:
            out[-1] = (out[-1][0], i + 1)
        elif yes:
            out.append((i, i + 1))
    return out


def _columns(n: int, spans: Mapping[tuple[int, int], int]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    kinds, begins = [OTHER] * n, [False] * n
    for (start, stop), kind in spans.items():
        kinds[start:stop] = [kind] * (stop - start)
        begins[start] = True
    return tuple(kinds), tuple(begins)
