"""Facets of what was found: values, ranges and category paths with disjunctive counts, in products (variants counted once)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.ranges import ranges, spoken
from rialto.find.records import Facet, FacetValue, Selections, join_path, split_path
from rialto.find.select import entries_of, facet_mask

__all__ = ["FacetTable", "count_distinct", "count_distinct_plain", "facets"]

_COVERAGE = 0.15  # share of the products found that must know an attribute for it to become a facet


@nb.njit(cache=True, nogil=True)
def count_distinct(
    rows: NDArray[np.int64], group: NDArray[np.int64], offsets: NDArray[np.int64], code: NDArray[np.int32], codes: int
) -> NDArray[np.int64]:
    """Count, for each code, the groups of which at least one row holds it.

    Args:
        rows: Rows to count over, shape (rows,), in order of their group.
        group: Group of every row of the table, shape (table rows,), >= 0.
        offsets: Shape (table rows + 1,): row i holds `code[offsets[i]:offsets[i+1]]`.
        code: Shape (entries,), 0 to below `codes`; a negative one is skipped.
        codes: How many codes there are.

    Returns:
        Shape (codes,).

    Cost:
        One pass over the rows' entries.
    """
    counts = np.zeros(codes, dtype=np.int64)
    last = np.full(codes, -1, dtype=np.int64)
    for i in range(len(rows)):
        g = group[rows[i]]
        for at in range(offsets[rows[i]], offsets[rows[i] + 1]):
            c = code[at]
            if c >= 0 and last[c] != g:
                last[c] = g
                counts[c] += 1
    return counts


def count_distinct_plain(
    rows: NDArray[np.int64], group: NDArray[np.int64], offsets: NDArray[np.int64], code: NDArray[np.int32], codes: int
) -> NDArray[np.int64]:
    """`count_distinct` in plain numpy, for its test."""
    entries, counts = entries_of(offsets, rows)
    pairs = np.stack([np.repeat(group[rows], counts), code[entries].astype(np.int64)], axis=1)
    distinct = np.unique(pairs[pairs[:, 1] >= 0], axis=0)
    return np.bincount(distinct[:, 1], minlength=codes).astype(np.int64)


@dataclass(frozen=True)
class FacetTable:
    """Brand, category levels and labels of every product as codes, in one table that one pass counts.

    Args:
        offsets: Shape (products + 1,); `code` shape (entries,), int32.
        facet: Facet of each code, shape (codes,), int32: rows of `names`; 0 = brand, 1 = category, then the labels' names.
        value: Value of each code, shape (codes,), as selections write it.
        names: Facet names.
    """

    offsets: NDArray[np.int64]
    code: NDArray[np.int32]
    facet: NDArray[np.int32]
    value: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, catalogue: Catalogue) -> FacetTable:
        """Make the table; about 200,000 products a second. An attribute called brand or category is left to the built-in facet."""
        labels = catalogue.labels
        codes: dict[tuple[int, str], int] = {}
        own: list[list[int]] = []
        for brand, path in zip(catalogue.text("brand").tolist(), catalogue.text("category").tolist()):
            levels = split_path(path)
            held = [(0, brand)] * bool(brand) + [(1, join_path(levels[: n + 1])) for n in range(len(levels))]
            own.append([codes.setdefault(h, len(codes)) for h in held])
        built_in = len(codes)
        parts = [[*o, *(labels.pair[a:b] + built_in)] for o, a, b in zip(own, labels.offsets[:-1], labels.offsets[1:])]
        taken = np.array([n in ("brand", "category") for n in labels.names], dtype=np.bool_)
        code = np.array([c for p in parts for c in p], dtype=np.int32)
        facet = np.concatenate([np.array([f for f, _ in codes], dtype=np.int32), labels.pair_name + 2]).astype(np.int32)
        if taken.any():
            code[np.isin(facet[code], np.flatnonzero(taken) + 2)] = -1
        offsets = np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)
        values = (*(v for _, v in codes), *labels.pair_text.tolist())
        return cls(offsets, code, facet, values, ("brand", "category", *labels.names))


def facets(
    table: FacetTable, catalogue: Catalogue, rows: NDArray[np.int64], selections: Selections, *, most: int = 8, values: int = 12
) -> tuple[Facet, ...]:
    """Choose and count the facets of what was found.

    A facet's counts hold every other facet's selection but not its own, so that each count is what ticking the value would show.

    Args:
        rows: Catalogue rows found, before selections, each once, shape (rows,).
        selections: What is ticked; facets with a selection always come back.
        most: Facets at most, apart from those.
        values: Values a facet at most, apart from those selected.

    Returns:
        Price, category and brand first, then attributes by how many of the products know them and how evenly they divide them.

    Cost:
        One pass over the rows' entries, and one more for each facet that has a selection.
    """
    rows = rows[np.argsort(catalogue.group_code[rows], kind="stable")]
    masks = {f: facet_mask(catalogue, rows, f, selections) for f in selections.facets}
    base = rows[_all_but(masks, "", len(rows))]
    counts = _counts(table, catalogue, base)
    own = {f: rows[_all_but(masks, f, len(rows))] for f in masks}
    made = [
        *_valued(table, catalogue, counts, own, selections, values),
        *ranges(catalogue, base, own, selections),
    ]
    found = len(np.unique(catalogue.group_code[base]))
    ranked = sorted(made, key=lambda f: -_worth(f, max(found, 1)))
    kept = ranked[:most] + [f for f in ranked[most:] if f.name in masks]
    first = {"category": 0, "price_cents": 1, "brand": 2}
    return tuple(sorted(kept, key=lambda f: first.get(f.name, 3)))


def _all_but(masks: Mapping[str, NDArray[np.bool_]], facet: str, rows: int) -> NDArray[np.bool_]:
    others = [m for f, m in masks.items() if f != facet]
    return np.logical_and.reduce(others) if others else np.ones(rows, dtype=np.bool_)


def _counts(table: FacetTable, catalogue: Catalogue, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return count_distinct(rows, catalogue.group_code, table.offsets, table.code, len(table.value))


def _worth(facet: Facet, found: int) -> float:
    """How useful a facet is: share of products that know it, times how evenly its values divide them (normalised entropy)."""
    if facet.name in ("category", "price_cents", "brand") or any(v.selected for v in facet.values):
        return 2.0
    counts = np.array([v.count for v in facet.values], dtype=np.float64)
    shares = counts[counts > 0] / counts.sum() if counts.sum() else np.ones(1)
    entropy = float(-(shares * np.log(shares)).sum()) / np.log(max(len(shares), 2))
    return min(counts.sum() / found, 1.0) * (0.2 + entropy)


def _valued(
    table: FacetTable, catalogue: Catalogue, counts: NDArray[np.int64], own: Mapping[str, NDArray[np.int64]],
    selections: Selections, most: int,
) -> Iterator[Facet]:  # fmt: skip
    held = np.flatnonzero(counts)
    total = np.bincount(table.facet[held], weights=counts[held], minlength=len(table.names))
    different = np.bincount(table.facet[held], minlength=len(table.names))
    top = max(float(total[:2].max(initial=0.0)), float(total.max(initial=0.0)) * 0.5, 1.0)
    for name in np.flatnonzero(
        (different >= 2) & (total >= _COVERAGE * top) | np.isin(np.array(table.names), list(own))
    ).tolist():
        label = table.names[name]
        if name >= 2 and label in ("brand", "category"):
            continue
        mine = _counts(table, catalogue, own[label]) if label in own else counts
        seen = np.flatnonzero(mine) if label in own else held
        codes = seen[table.facet[seen] == name]
        chosen = selections.values.get(label, ())
        if label == "category":
            yield _path_facet({table.value[c]: int(mine[c]) for c in codes}, chosen)
            continue
        order = codes[np.lexsort((codes, -mine[codes]))].tolist()
        shown = [c for n, c in enumerate(order) if n < most or table.value[c] in chosen]
        lines = tuple(FacetValue(table.value[c], table.value[c], int(mine[c]), table.value[c] in chosen) for c in shown)
        gone = tuple(FacetValue(v, v, 0, True) for v in chosen if v not in {x.value for x in lines})
        yield Facet(label, spoken(label), "values", lines + gone)


def _path_facet(counts: Mapping[str, int], chosen: tuple[str, ...]) -> Facet:
    """The widest level, and what is below each selected path; a lone path opens by itself."""
    paths = {split_path(p): n for p, n in counts.items()}
    ticked = {split_path(c) for c in chosen}
    opened = {t[:n] for t in ticked for n in range(len(t) + 1)} | {()}
    while True:
        lone = {c[0] for p in opened if len(c := [q for q in paths if q[:-1] == p]) == 1} - opened
        if not lone:
            break
        opened |= lone
    shown = sorted((p for p in paths if p[:-1] in opened), key=lambda p: (*_by_count(p, paths),))
    lines = [FacetValue(join_path(p), p[-1], paths[p], p in ticked) for p in shown]
    lines += [FacetValue(join_path(t), t[-1], 0, selected=True) for t in sorted(ticked) if t and t not in paths]
    return Facet("category", "Category", "path", tuple(lines))


def _by_count(path: tuple[str, ...], counts: Mapping[tuple[str, ...], int]) -> Iterator[tuple[int, str]]:
    for n in range(len(path)):
        yield -counts.get(path[: n + 1], 0), path[n]
