"""What kinds of product a catalogue has: its category paths, or, where it has none, nouns of its titles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.query.nouns import Nouns
from rialto.find.query.profiles import profiles
from rialto.find.query.roles import roles
from rialto.find.records import join_path
from rialto.find.splice import entries_at

__all__ = ["Classes"]

_COVERED = 0.6  # share of products with a category, or an attribute of types, from which that gives the types
_MEMBERS = 8  # products that a noun must name to be a type
_SHARE = 4000  # or one in this many
_MOST = 2000  # types


@dataclass(frozen=True)
class Classes:
    """Product types.

    Args:
        names: Category paths, values of an attribute of types, or nouns.
        source: `category`, `attribute` or `title`.
        attribute: Name of the attribute, where that is the source.
        of_noun: Noun phrase as titles write it -> type.
        nouns: The noun phrases.
    """

    names: tuple[str, ...]
    source: str
    attribute: str
    of_noun: Mapping[str, str]
    nouns: Nouns

    @classmethod
    def of(cls, catalogue: Catalogue, *, seed: int = 0) -> Classes:
        """Find the types of a catalogue; linear in its products."""
        held, source, attribute = _stated(catalogue)
        if source:
            counts = Counter(t for t in held if t)
            names = tuple(sorted(n for n, _ in counts.most_common(_MOST)))
            number = {n: at for at, n in enumerate(names)}
            nouns = Nouns.of(catalogue, np.array([number.get(t, -1) for t in held], dtype=np.int64), guessed=False)
            of_noun = {nouns.spelled[p]: names[c] for p, (c, _) in nouns.of_class.items()}
            return cls(names, source, attribute, of_noun, nouns)
        nouns = Nouns.of(catalogue, profiles(catalogue, seed=seed), guessed=True)
        counts = Counter(nouns.best(t) for t in catalogue.text("title").tolist())
        least = max(_MEMBERS, len(catalogue) // _SHARE)
        names = tuple(sorted(n for n, c in counts.most_common(_MOST) if n and c >= least))
        nouns = nouns.only(set(names))
        return cls(names, "title", "", {n: n for n in names}, nouns)

    def codes(self, catalogue: Catalogue, rows: NDArray[np.int64] | None = None) -> NDArray[np.int32]:
        """Type of each product, or of those in `rows`, a place in `names`; -1 = not known. Shape (products,) or (rows,); linear."""
        number = {n: at for at, n in enumerate(self.names)}
        asked = np.arange(len(catalogue)) if rows is None else rows
        if self.source == "category":
            of_path, paths = catalogue.paths
            code = np.array([number.get(join_path(p), -1) for p in paths] or [-1], dtype=np.int32)
            return code[of_path[asked]] if len(catalogue) else np.zeros(0, dtype=np.int32)
        if self.source == "attribute":
            return np.array([number.get(t, -1) for t in _attribute(catalogue, self.attribute, asked)], dtype=np.int32)
        return np.array([number.get(self.nouns.best(t), -1) for t in catalogue.text("title")[asked].tolist()], dtype=np.int32)


def _stated(catalogue: Catalogue) -> tuple[list[str], str, str]:
    """What each product says it is, where enough of them do: texts, source and attribute."""
    of_path, paths = catalogue.paths
    joined = [join_path(p) for p in paths]
    texts = [joined[c] for c in of_path.tolist()]
    if sum(map(bool, texts)) >= _COVERED * max(1, len(texts)) and len(set(texts) - {""}) > 1:
        return texts, "category", ""
    for name, role in zip(catalogue.labels.names, roles(catalogue)):
        values = _attribute(catalogue, name) if role == "type" else []
        if values and sum(map(bool, values)) >= _COVERED * len(values) and 1 < len(set(values) - {""}) <= len(values) / 3:
            return values, "attribute", name
    return [], "", ""


def _attribute(catalogue: Catalogue, name: str, rows: NDArray[np.int64] | None = None) -> list[str]:
    """The first value of one attribute by product, or of those in `rows`; "" where it has none."""
    labels = catalogue.labels
    asked = np.arange(len(catalogue)) if rows is None else rows
    if name not in labels.names:
        return [""] * len(asked)
    at, counts = entries_at(labels.offsets, asked)
    pairs, owner = labels.pair[at], np.repeat(np.arange(len(asked)), counts)
    wanted = labels.pair_name[pairs] == labels.names.index(name)
    out = [""] * len(asked)
    for row, pair in zip(owner[wanted].tolist(), pairs[wanted].tolist()):
        out[row] = out[row] or str(labels.pair_text[pair])
    return out
