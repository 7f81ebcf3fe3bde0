"""The lines that may be suggested: past queries, the catalogue's phrases, categories, brands and titles, without what policy forbids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.records import split_path
from rialto.find.suggest.phrases import phrases
from rialto.find.suggest.records import KINDS, LONGEST, Policy, keyed
from rialto.find.suggest.stock import Stock
from rialto.find.terms import stem

__all__ = ["Lines", "lines_of", "offered_rows"]

_HITS = 64  # products counted for how well a text agrees with the catalogue


@dataclass(frozen=True)
class Lines:
    """What may be suggested, by kind, then the most popular first: the lower the number, the better within a kind.

    Args:
        text: As shown.
        key: As compared, `keyed`.
        kind: Number in `KINDS`, shape (lines,), int8, rising.
        prior: Popularity within the kind, log scale, shape (lines,), float32 in 0..1.
        recent: How far a query is on the rise, shape (lines,), float32 in 0..1; 0 where not given.
        agrees: How many products hold its words, log scale, shape (lines,), float32 in 0..1.
        row: Catalogue row of a title, shape (lines,), int64; -1 for others.
    """

    text: list[str]
    key: list[str]
    kind: NDArray[np.int8]
    prior: NDArray[np.float32]
    recent: NDArray[np.float32]
    agrees: NDArray[np.float32]
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.text)


Entry = tuple[str, str, float, float, int]  # key, text, weight, products that hold its words (-1: to be counted), row


def lines_of(
    catalogue: Catalogue,
    stock: Stock,
    kept: NDArray[np.bool_],
    queries: Mapping[str, float],
    recent: Mapping[str, float],
    policy: Policy,
) -> Lines:
    """Collect the lines; a text that several kinds hold stays with the first of them, titles excepted.

    Cost:
        About 60 µs a product, 20 µs a query.
    """
    barrier = policy.barrier()
    categories, brands = _names(catalogue, kept)
    named = {_stems(e[0]) for e in (*categories, *brands)}  # "lamp" alone is the category "Lamps", not a phrase
    made: list[Entry] = [(keyed(t), t, n, n, -1) for t, n, _ in phrases(catalogue, kept) if _stems(t) not in named]
    found = [list(_queries(stock, queries, policy)), made, categories, brands, list(_titles(catalogue, stock, kept))]
    seen: set[str] = set()
    kind, entries = list[int](), list[Entry]()
    for number, rows in enumerate(found):
        own = sorted((e for e in _single(rows) if barrier is None or not barrier.search(e[0])), key=lambda e: (-e[2], e[0]))
        own = own if KINDS[number] == "product" else [e for e in own if e[0] not in seen]
        seen.update(e[0] for e in own)
        entries += own
        kind += [number] * len(own)
    kinds = np.array(kind, dtype=np.int8)
    hits = [e[3] if e[3] >= 0 else len(stock.best(e[1], _HITS)) for e in entries]
    return Lines(
        [e[1] for e in entries], [e[0] for e in entries], kinds, _prior(np.array([e[2] for e in entries]), kinds),
        np.array([min(max(recent.get(e[1], 0.0), 0.0), 1.0) if recent else 0.0 for e in entries], dtype=np.float32),
        (np.log1p(np.minimum(np.array(hits, dtype=np.float64), _HITS)) / np.log1p(_HITS)).astype(np.float32),
        np.array([e[4] for e in entries], dtype=np.int64),
    )  # fmt: skip


def _stems(text: str) -> str:
    return " ".join(map(stem, text.split()))


def offered_rows(catalogue: Catalogue, policy: Policy) -> NDArray[np.bool_]:
    """Which products may be offered, shape (products,): not hidden, not known to be out of stock."""
    hidden = np.isin(catalogue.numbers, np.array(sorted(policy.hidden), dtype=np.int64))
    return ~(np.nan_to_num(catalogue.value("stock"), nan=1.0) <= 0) & ~hidden


def _prior(weight: NDArray[np.float64], kind: NDArray[np.int8]) -> NDArray[np.float32]:
    """log(1 + weight in units of the kind's median) over its greatest: the same for counts and for shares of all searches."""
    out = np.zeros(len(weight), dtype=np.float32)
    for number in range(len(KINDS)):
        own = kind == number
        w = np.maximum(weight[own], 0.0)
        if w.size and w.max() > 0:
            unit = np.median(w[w > 0])
            out[own] = np.log1p(w / unit) / np.log1p(w.max() / unit)
    return out


def _single(rows: Iterable[Entry]) -> Iterable[Entry]:
    """One entry a key: spellings that fold to the same are added up, and read as the most frequent."""
    best: dict[str, Entry] = {}
    for e in rows:
        old = best.get(e[0])
        if not e[0]:
            continue
        if old is None or e[4] >= 0:
            best[e[0]] = e if old is None or e[2] > old[2] else old
        else:
            first = max(old, e, key=lambda x: (x[2], x[1]))
            best[e[0]] = (first[0], first[1], old[2] + e[2], first[3], first[4])
    return best.values()


def _queries(stock: Stock, queries: Mapping[str, float], policy: Policy) -> Iterable[Entry]:
    for text, n in queries.items():
        count = policy.results.get(text)
        answered = stock.known(text)[0] > 0 if count is None else count > 0
        if answered and np.isfinite(n):
            yield keyed(text[:LONGEST]), text[:LONGEST].strip(), max(float(n), 0.0), -1.0, -1


def _names(catalogue: Catalogue, kept: NDArray[np.bool_]) -> tuple[list[Entry], list[Entry]]:
    brands = Counter(b for b in catalogue.text("brand")[kept].tolist() if b)
    paths = Counter(catalogue.text("category")[kept].tolist())
    levels: Counter[str] = Counter()
    for path, n in paths.items():
        levels.update(dict.fromkeys(split_path(path), n))
    categories = [(keyed(n), n, float(c), float(c), -1) for n, c in levels.items()]
    return categories, [(keyed(n), n, float(c), float(c), -1) for n, c in brands.items()]


def _titles(catalogue: Catalogue, stock: Stock, kept: NDArray[np.bool_]) -> Iterable[Entry]:
    rows = np.flatnonzero(kept)
    for row, title, n in zip(rows.tolist(), catalogue.text("title")[rows].tolist(), stock.popularity[rows].tolist()):
        yield keyed(title), title, n, 1.0, row
