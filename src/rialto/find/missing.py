"""What products do not say: fields and attributes that their like have, and titles that are no titles."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.spots import Spots, kinds

__all__ = ["attributes_missing", "fields_missing", "titles_wrong"]

_MOST_HAVE = 0.8  # share of a category that knows an attribute, from which on its absence is a finding
_FEW = 20  # products from which on a category's habits are worth calling so
_SHORT, _LONG = 8, 180  # characters of a title
_TAG = re.compile(r"<[a-zA-Z/][^<>]*>|&(?:[a-z]{2,8}|#\d{1,6});")
_FIELDS = {
    "price_cents": ("high", "have no price: shoppers cannot buy them, and price filters and sorting leave them out. Add the price."),
    "category": ("medium", "have no category: they are on no category page. Give them one."),
    "image": ("medium", "have no picture. Add its file or address."),
    "brand": ("low", "have no brand: the brand filter leaves them out. Add it, or the shop's own name."),
    "description": ("low", "have no description: they are found by less words. Add one."),
    "stock": ("low", "do not say whether they are in stock; they count as there."),
}  # fmt: skip


def fields_missing(c: Catalogue) -> list[Spots]:
    """Fields that the catalogue knows of some products and not of others; one that it knows of none is one finding of severity `low`."""
    out: list[Spots] = []
    for name, (severity, says) in _FIELDS.items():
        absent = np.isnan(c.value(name)) if name in c.values else c.text(name) == ""
        rows = np.flatnonzero(absent)
        if len(rows) == len(c):
            nobody = f"No product has the field {name}: the file has none, or the mapping names no column for it."
            out.append(Spots("missing_field", name, "low", rows, len(c), nobody))
        elif len(rows):
            out.append(Spots("missing_field", name, severity, rows, len(c), f"{len(rows):,} of {len(c):,} products {says}"))
    return out


def attributes_missing(c: Catalogue) -> list[Spots]:
    """Attributes that at least four of five products of a category know, and the products of it that do not."""
    names = list(dict.fromkeys((*c.labels.names, *c.measures.names)))
    place = {n: at for at, n in enumerate(names)}
    owner, name = _facts(c, place)
    out: list[Spots] = []
    order = np.argsort(owner, kind="stable")
    owner, name = owner[order], name[order]
    start = np.searchsorted(owner, np.arange(len(c) + 1))
    for kind, rows in kinds(c, _FEW):
        if len(rows) < _FEW:
            continue
        counts = start[rows + 1] - start[rows]
        ends = np.cumsum(counts)
        entries = np.arange(ends[-1] if len(ends) else 0) + np.repeat(start[rows] - (ends - counts), counts)
        held = np.bincount(name[entries], minlength=len(names))
        for n in np.flatnonzero((held >= _MOST_HAVE * len(rows)) & (held < len(rows))).tolist():
            lacks = np.ones(len(rows), dtype=np.bool_)
            lacks[np.repeat(np.arange(len(rows)), counts)[name[entries] == n]] = False
            where = f"“{kind}”" if kind else "products without a category of their own"
            says = (
                f"{int(lacks.sum()):,} of {len(rows):,} products in {where} do not say {names[n]}, the others do: "
                "its filter leaves them out. Fill it in."
            )
            out.append(
                Spots("missing_attribute", f"{kind}: {names[n]}" if kind else names[n], "medium", rows[lacks], len(rows), says)
            )
    return out


def _facts(c: Catalogue, place: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Entries (row, attribute), each once."""
    a, m = c.labels, c.measures
    of_label = np.array([place[n] for n in a.names] + [0], dtype=np.int64)[a.pair_name[a.pair]]
    of_measure = np.array([place[n] for n in m.names] + [0], dtype=np.int64)[m.name]
    owner = np.concatenate([np.repeat(np.arange(len(c)), np.diff(x.offsets)) for x in (a, m)])
    width = max(len(place), 1)
    facts = np.unique(owner * width + np.concatenate([of_label, of_measure]))
    return facts // width, facts % width


def titles_wrong(c: Catalogue) -> list[Spots]:
    """Titles too short or too long to be read in a list, with markup in them, or shouted."""
    titles = c.text("title").tolist()
    size = np.array([len(t) for t in titles])
    marked = np.array([bool("<" in t or "&" in t) and bool(_TAG.search(t)) for t in titles])
    loud = np.array([n >= 20 and t.isupper() for t, n in zip(titles, size.tolist())])
    looks = (
        ("markup", "high", marked, "have markup in their titles, which shoppers read as it stands. Write plain text."),
        ("too short", "medium", size < _SHORT, f"have titles under {_SHORT} characters. Say what the product is: brand, type, what tells it apart."),
        ("too long", "low", size > _LONG, f"have titles over {_LONG} characters, which lists cut off. Move the rest to the description."),
        ("capitals", "low", loud, "have titles all in capitals. Write them as a sentence is written."),
    )  # fmt: skip
    return [
        Spots("title", about, severity, rows, len(c), f"{len(rows):,} products {says}", [titles[r][:80] for r in rows[:100].tolist()])
        for about, severity, mask, says in looks
        if len(rows := np.flatnonzero(mask))
    ]  # fmt: skip
