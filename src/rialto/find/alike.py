"""Products that are there more than once: under one article number, under one title, or with nearly the same words."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.spots import Spots
from rialto.find.terms import analyse, fold
from rialto.records import hash64

__all__ = ["repeated"]

_CODE = re.compile(r"(?i)^(?:ean|gtin|upc|isbn|barcode|mpn)(?:_?\d+)?$")
_HASHES = 12  # of a product's words; two that share all of a band are looked at
_BAND = 3
_ALIKE = 0.9  # shared words over all words of two titles and descriptions
_CROWD = 50  # products of one band, from which on it tells nothing


def repeated(c: Catalogue) -> list[Spots]:
    """Products of different groups that are likely one product.

    Source:
        Broder (1997), "On the resemblance and containment of documents": the least hashes of two sets agree as often as they overlap.
    """
    out: list[Spots] = []
    codes = _by_code(c)
    if len(codes[0]):
        says = f"{len(codes[0]):,} products share their article number (EAN, GTIN, MPN) with another one. Merge them, or make them variants."
        out.append(Spots("duplicate", "article number", "high", codes[0], len(c), says, codes[1]))
    titles = _paired(c, [" ".join(analyse(t)) for t in c.text("title").tolist()])
    if len(titles[0]):
        says = (
            f"{len(titles[0]):,} products have the same title as another one that is no variant of theirs. "
            "Merge them, make them variants, or say in the title what tells them apart."
        )
        out.append(Spots("duplicate", "title", "medium", titles[0], len(c), says, titles[1]))
    near = _near(c, set(titles[0].tolist()) | set(codes[0].tolist()))
    if len(near[0]):
        says = f"{len(near[0]):,} products have nearly the same title and description as another one. See whether they are one."
        out.append(Spots("duplicate", "nearly", "low", near[0], len(c), says, near[1]))
    return out


def _by_code(c: Catalogue) -> tuple[NDArray[np.int64], list[str]]:
    """Products with an attribute that is called like an article number and has another product's value."""
    labels = c.labels
    wanted = [n for n, name in enumerate(labels.names) if _CODE.match(name)]
    keys = [""] * len(c)
    if wanted:
        entries = np.flatnonzero(np.isin(labels.pair_name[labels.pair], wanted))
        rows = np.searchsorted(labels.offsets, entries, side="right") - 1
        for row, pair in zip(rows.tolist(), labels.pair[entries].tolist()):
            keys[row] = keys[row] or str(labels.pair_text[pair])
    measures = [n for n, name in enumerate(c.measures.names) if _CODE.match(name)]
    if measures:
        entries = np.flatnonzero(np.isin(c.measures.name, measures))
        rows = np.searchsorted(c.measures.offsets, entries, side="right") - 1
        for row, value in zip(rows.tolist(), c.measures.value[entries].tolist()):
            keys[row] = keys[row] or f"{value:.0f}"
    return _paired(c, keys)


def _paired(c: Catalogue, keys: Iterable[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Rows whose key another group's product has too, and the first such product's id."""
    holders: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        if key:
            holders.setdefault(key, []).append(row)
    rows, hints = list[int](), list[str]()
    for held in holders.values():
        if len(held) > 1 and len({int(c.group_code[r]) for r in held}) > 1:
            for row in held:
                other = next(r for r in held if r != row)
                rows.append(row)
                hints.append(f"as {c.ids[other]}: {str(c.text('title')[other])[:60]}")
    return np.array(rows, dtype=np.int64), hints


def _near(c: Catalogue, known: set[int]) -> tuple[NDArray[np.int64], list[str]]:
    """Rows with a near copy in another group, apart from those `known` to have a whole one."""
    words = _words(c)
    signs = _signs(words, len(c))
    partner: dict[int, int] = {}
    for band in range(0, _HASHES, _BAND):
        buckets: dict[bytes, list[int]] = {}
        for row, key in enumerate(np.ascontiguousarray(signs[:, band : band + _BAND]).view(f"V{_BAND * 8}").ravel().tolist()):
            buckets.setdefault(key, []).append(row)
        for held in buckets.values():
            if 1 < len(held) <= _CROWD:
                _compare(c, held, words, partner)
    rows = [r for r in sorted(partner) if r not in known]
    return np.array(rows, dtype=np.int64), [f"as {c.ids[partner[r]]}: {str(c.text('title')[partner[r]])[:60]}" for r in rows]


def _compare(c: Catalogue, held: list[int], words: list[NDArray[np.int64]], partner: dict[int, int]) -> None:
    first = held[0]
    for row in held[1:]:
        if c.group_code[row] == c.group_code[first] or (row in partner and first in partner) or not len(words[row]):
            continue
        shared = len(np.intersect1d(words[row], words[first], assume_unique=True))
        if shared >= _ALIKE * (len(words[row]) + len(words[first]) - shared) and _numbers(c, row) == _numbers(c, first):
            partner.setdefault(row, first)
            partner.setdefault(first, row)


def _numbers(c: Catalogue, row: int) -> set[str]:
    """Words with a digit in a title: where they differ (64 GB, 128 GB) two products are two."""
    return {w for w in re.findall(r"[\w.]+", fold(str(c.text("title")[row]))) if any(x.isdigit() for x in w)}


def _words(c: Catalogue) -> list[NDArray[np.int64]]:
    """Hashes of the words of each product's title and description, rising, each once."""
    seen: dict[str, int] = {}
    out: list[NDArray[np.int64]] = []
    for title, text in zip(c.text("title").tolist(), c.text("description").tolist()):
        words = {w for part in (title, text[:2000]) for w in part.lower().split()}
        out.append(np.array(sorted(seen[w] if w in seen else seen.setdefault(w, hash64(w) >> 1) for w in words), dtype=np.int64))
    return out


def _signs(words: list[NDArray[np.int64]], products: int) -> NDArray[np.uint64]:
    """The least of each of several hashes of each product's words, shape (products, hashes)."""
    counts = np.array([len(w) for w in words], dtype=np.int64)
    flat = np.concatenate([np.zeros(0, np.int64), *words]).astype(np.uint64)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if products else np.zeros(0, np.int64)
    out = np.zeros((products, _HASHES), dtype=np.uint64)
    filled = np.flatnonzero(counts)
    for h in range(_HASHES):
        factor, shift = np.uint64(hash64(f"factor {h}") | 1), np.uint64(hash64(f"shift {h}"))
        mixed = (flat ^ shift) * factor
        mixed ^= mixed >> np.uint64(29)
        if len(filled):
            out[filled, h] = np.minimum.reduceat(mixed, starts[filled])
    out[counts == 0] = np.arange(int((counts == 0).sum()), dtype=np.uint64)[:, np.newaxis]  # nothing is alike to nothing
    return out
