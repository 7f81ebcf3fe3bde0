"""Queries that nobody asked yet and the catalogue can answer: attributes and brands before the noun of a product's type."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.records import split_path
from rialto.find.suggest.records import keyed
from rialto.find.terms import stem

__all__ = ["phrases", "types", "word_data"]

_VALUES = 400  # an attribute of more different values names things rather than describing them
_EACH = 5  # attribute values of one product that make phrases
_COVER, _OWN = 0.3, 0.3  # shares of a type's titles that hold its noun, and of the noun's titles that are of the type
_SAYS = re.compile(r"[^\W\d_]+(?:[ -][^\W\d_]+)?")


@lru_cache(maxsize=1)
def word_data() -> dict[str, list[str]]:
    """The lists of data/suggest.toml."""
    return cast(
        "dict[str, list[str]]", tomllib.loads(files("rialto.find").joinpath("data/suggest.toml").read_text(encoding="utf-8"))
    )


def phrases(catalogue: Catalogue, kept: NDArray[np.bool_]) -> list[tuple[str, float, str]]:
    """Phrases (text, products that answer it, category path) of the products `kept`, shape (products,): type, attribute + type, two
    attributes + type, brand + type, brand + attribute + type.

    A phrase has two products at least where the catalogue has 50 or more; at most 2 a product and 1,000 are kept, the best filled.

    Cost:
        Linear in products; about 40 µs each.
    """
    noun_of, nouns, paths = types(catalogue, kept)
    if not nouns:
        return []
    words, attributes, last = _attributes(catalogue, kept, {n: set(noun.split()) for n, noun in enumerate(nouns)}, noun_of)
    brands = np.unique(catalogue.text("brand").astype(str), return_inverse=True)
    brand_of = np.where(np.char.str_len(brands[0])[brands[1]] > 0, brands[1], -1) if len(catalogue) else brands[1]
    least = 2 if len(catalogue) >= 50 else 1
    counts: Counter[tuple[int, int, int, int]] = Counter()
    for row in np.flatnonzero(kept & (noun_of >= 0)).tolist():
        noun, brand = int(noun_of[row]), int(brand_of[row])
        own = attributes[last[row] : last[row + 1]].tolist()
        counts.update((noun, -1, a, b) for a, b in [(-1, -1), *((a, -1) for a in own), *_pairs(own)])
        if brand >= 0:
            counts.update((noun, brand, a, -1) for a in (-1, *own))
    most = 2 * len(catalogue) + 1000
    best = sorted(((n, k) for k, n in counts.items() if n >= least), key=lambda x: (-x[0], x[1]))[:most]
    names = [keyed(b) for b in brands[0].tolist()]
    out: dict[str, tuple[str, float, str]] = {}
    for n, (noun, brand, a, b) in best:
        parts = (names[brand] if brand >= 0 else "", words[a] if a >= 0 else "", words[b] if b >= 0 else "", nouns[noun])
        text = " ".join(p for p in parts if p)
        if len(set(text.split())) == len(text.split()):
            out.setdefault(text, (text, float(n), paths[noun]))
    return list(out.values())


def _pairs(own: list[int]) -> Iterator[tuple[int, int]]:
    return ((a, b) for i, a in enumerate(own) for b in own[i + 1 :])


def _attributes(
    catalogue: Catalogue, kept: NDArray[np.bool_], nouns: dict[int, set[str]], noun_of: NDArray[np.int64]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Words of each pair, and the pairs of each product that describe it (CSR), in the order in which they are spoken."""
    labels = catalogue.labels
    values = np.bincount(labels.pair_name, minlength=len(labels.names)) if len(labels.names) else np.zeros(0)
    order = {name: at for at, name in enumerate(word_data()["order"])}
    place = [order.get(keyed(n.replace("_", " ")).split(" ")[-1], len(order)) if n else len(order) for n in labels.names]
    words = [
        _said(labels.names[n], str(t)) if values[n] <= _VALUES else ""
        for n, t in zip(labels.pair_name.tolist(), labels.pair_text)
    ]
    use = np.array([bool(w) for w in words], dtype=bool)
    used = np.bincount(labels.pair, minlength=len(words)) if len(words) else np.zeros(0, dtype=np.int64)
    rank = np.array([(place[n], n) for n in labels.pair_name.tolist()], dtype=np.int64).reshape(-1, 2)
    entries: list[int] = []
    last = np.zeros(len(catalogue) + 1, dtype=np.int64)
    offsets = labels.offsets.tolist()
    for row in range(len(catalogue)):
        if kept[row] and noun_of[row] >= 0:
            noun = nouns[int(noun_of[row])]
            own = [
                p for p in labels.pair[offsets[row] : offsets[row + 1]].tolist() if use[p] and not noun & set(words[p].split())
            ]
            own = sorted(sorted(own, key=lambda p: (rank[p, 0], -used[p]))[:_EACH], key=lambda p: (*rank[p].tolist(), p))
            entries += own
        last[row + 1] = len(entries)
    return words, np.array(entries, dtype=np.int64), last


def _said(name: str, value: str) -> str:
    text = keyed(name.replace("_", " ") if value == "yes" else "" if value == "no" else value)
    return text if len(text) <= 24 and _SAYS.fullmatch(text) else ""


def types(catalogue: Catalogue, kept: NDArray[np.bool_]) -> tuple[NDArray[np.int64], list[str], list[str]]:
    """The noun of each product's type, shape (products,), -1 = none; the nouns; the category path of each.

    A category's noun is the longest run of one to three words that stands in three tenths of its titles and seldom elsewhere: "scarf" of
    "Scarves"; else its own name. A catalogue without categories has none.
    """
    codes: dict[str, int] = {}
    path_of = np.array(
        [codes.setdefault(p, len(codes)) if p else -1 for p in catalogue.text("category").tolist()], dtype=np.int64
    )
    path_of = np.where(kept, path_of, -1)
    own: list[Counter[str]] = [Counter() for _ in codes]
    every: Counter[str] = Counter()
    barred = {keyed(b) for b in set(catalogue.text("brand").tolist())} | {
        w
        for n, t in zip(catalogue.labels.pair_name.tolist(), catalogue.labels.pair_text)
        if (w := _said(catalogue.labels.names[n], str(t)))
    }
    barred |= {w for value in barred if " " in value for w in value.split()}  # "neck" of "crew neck" names no type
    leaves = [{stem(w) for w in keyed((split_path(p) or ("",))[-1]).split()} for p in codes]
    for path, title in zip(path_of.tolist(), catalogue.text("title").tolist()):
        if path >= 0:
            runs = set(_runs(title, barred, leaves[path]))
            own[path].update(runs)
            every.update(runs)
    sizes = np.bincount(path_of[path_of >= 0], minlength=len(codes))
    nouns = [_noun(path, own[n], every, int(sizes[n])) for path, n in codes.items()]
    return path_of, nouns, list(codes)


def _noun(path: str, own: Counter[str], every: Counter[str], size: int) -> str:
    leaf = keyed((split_path(path) or ("",))[-1])
    told = {stem(w) for w in leaf.split()}
    fit = [r for r, n in own.items() if n >= max(_COVER * size, 2) and n >= _OWN * every[r]]
    score = {
        r: (len(told & {stem(w) for w in r.split()}), own[r] / max(size, 1) > 2 * _COVER, len(r.split()), own[r], r) for r in fit
    }
    return max(fit, key=lambda r: score[r]) if fit else leaf


def _runs(title: str, barred: set[str], leaf: set[str]) -> Iterator[str]:
    """Runs of one to three words of letters in a title that hold neither a brand nor an attribute's value, the category's own words excepted."""
    stop = set(word_data()["stop"])
    for part in re.split(r"[,;()–|]", title):
        said = keyed(part).split()
        words = [
            "" if not w.replace("-", "").isalpha() or w in stop or (w in barred and stem(w) not in leaf) else w for w in said
        ]
        words = ["" if before.replace(".", "").isdigit() else w for before, w in zip(["", *said], words)]  # a unit
        yield from (w for w in words if len(w) > 1)
        yield from (f"{a} {b}" for a, b in pairwise(words) if a and b)
        yield from (f"{a} {b} {c}" for a, b, c in zip(words, words[1:], words[2:]) if a and b and c)
