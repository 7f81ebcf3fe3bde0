"""Products put into a living search, replaced and removed: another Search over the same engines, in the time that the change takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow
from rialto.find.catalogue import Catalogue, held_pairs
from rialto.find.change import Change, changed_catalogue, settled
from rialto.find.features import Knowledge, shelf_of
from rialto.find.ingest import Parsed, parsed
from rialto.find.mapping import FieldMap
from rialto.find.phrases import Phrases, brand_words
from rialto.find.pipeline import Search
from rialto.find.splice import entries_at, joined, spliced
from rialto.find.terms import FIELDS, Terms

__all__ = ["Checked", "apply", "changed", "changed_knowledge", "changed_phrases", "changed_terms", "checked"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows that may go in, and those that may not, each with why."""

    rows: tuple[Parsed, ...]
    rejects: tuple[BadRow, ...]


def checked(catalogue: Catalogue, rows: Sequence[object], mapping: FieldMap) -> Checked:
    """Read rows as the catalogue's file is read; the wrong ones are told, the rest may go in.

    Raises:
        BadInput: the mapping has no column for ids, so that nobody could say which product a row is.
    """
    if not mapping.id:
        raise BadInput("the mapping names no column for ids, so a row cannot say which product it is; name one and index again.")
    good, bad = list[Parsed](), list[BadRow]()
    for number, row in enumerate(rows, start=1):
        try:
            if isinstance(row, BadRow):  # a line that was no row
                raise row
            if not isinstance(row, Mapping):
                raise BadRow(number, "(row)", row, "an object with the columns of the catalogue's file")
            good.append(settled(parsed(number, row, mapping), catalogue, row=number))
        except BadRow as e:
            bad.append(e)
    return Checked(tuple(good), tuple(bad))


def changed(search: Search, rows: Sequence[Mapping[str, Any]], removed: Collection[str], mapping: FieldMap) -> Search:
    """Put products in, replace and remove them.

    Args:
        search: A search whose engines hold its catalogue; it goes on answering, and its engines hold the change from here on.
        rows: Products with the columns of the catalogue's file.
        removed: Ids that leave; unknown ones are no error.
        mapping: Which column is what.

    Returns:
        The search with the change. What was learned from the whole (spelling, rankers, suggestions) is as before.

    Raises:
        BadRow: a row is wrong; nothing was changed.

    Cost:
        A copy of the catalogue's columns, and what the new products take; see `benchmarks/bench_find_changes.py`.
    """
    found = checked(search.catalogue, rows, mapping)
    if found.rejects:
        raise found.rejects[0]
    return apply(search, changed_catalogue(search.catalogue, found.rows, removed))


def apply(search: Search, change: Change) -> Search:
    """The search after a change of its catalogue, whose engines are told of it."""
    fresh = change.fresh
    units = search.take_in(fresh, change.gone)
    made = changed_knowledge(search.knowledge, change, units)
    return search.moved(change.after, made, search.fittings.moved(change.after, change.kept))


def changed_knowledge(k: Knowledge, change: Change, units: NDArray[np.float32] | None) -> Knowledge:
    """What the features read, after a change.

    Args:
        k: What they read before.
        change: The change.
        units: Unit vectors of the fresh products, shape (fresh, dimensions); None where there is no encoder.
    """
    held = None if k.units is None or units is None else joined(k.units, change.kept, units)
    if {f.name for f in fields(k)} != _KNOWN:  # a column that this file does not know: read everything, slow and right
        return Knowledge.of(change.after, vectors=k.vectors, units=held, weights=k.weights)
    offsets, names = _facts(k, change)
    count = max(len(_fact_names(change.after)), 1)
    holders = np.bincount(names, minlength=count)
    return replace(
        k, catalogue=change.after, terms=changed_terms(k.terms, change), phrases=changed_phrases(k.phrases, change), units=held,
        fact_offsets=offsets, fact_name=names, type_code=_types(k, change), shelf=shelf_of(change.after),
        fact_weight=np.log1p((len(change.after) - holders + 0.5) / (holders + 0.5)),
    )  # fmt: skip


_KNOWN = {"catalogue", "terms", "phrases", "units", "vectors", "fact_offsets", "fact_name", "fact_weight", "type_code",
          "weights", "shelf"}  # fmt: skip


def _facts(k: Knowledge, change: Change) -> tuple[Ints, NDArray[np.int32]]:
    """Attribute names of each product, numbered as `Knowledge.of` does."""
    before, after = _fact_names(change.before), _fact_names(change.after)
    of_fresh = Knowledge.of(change.fresh)
    fresh = _renamed(of_fresh.fact_name, _fact_names(change.fresh), after)
    fact_name = k.fact_name if list(after)[: len(before)] == list(before) else _renamed(k.fact_name, before, after)
    return spliced(k.fact_offsets, fact_name, change.kept, of_fresh.fact_offsets, fresh)


def _fact_names(catalogue: Catalogue) -> Mapping[str, int]:
    return {n: at for at, n in enumerate(dict.fromkeys((*catalogue.labels.names, *catalogue.measures.names)))}


def _renamed(numbers: NDArray[np.int32], before: Mapping[str, int], after: Mapping[str, int]) -> NDArray[np.int32]:
    return np.array([after[n] for n in before], dtype=np.int32)[numbers] if before else numbers


def _types(k: Knowledge, change: Change) -> Ints:
    """A code for each category, -1 = none; a category keeps its code while a product has it."""
    texts = change.fresh.text("category").tolist()
    wanted = set(texts) - {""}
    held = {t: c for t, c in zip(change.before.text("category").tolist(), k.type_code.tolist()) if t in wanted} if wanted else {}
    following = int(k.type_code.max(initial=-1)) + 1
    for text in dict.fromkeys(texts):
        if text and text not in held:
            held[text], following = following, following + 1
    return joined(k.type_code, change.kept, np.array([held.get(t, -1) for t in texts], dtype=np.int64))


def changed_terms(terms: Terms, change: Change) -> Terms:
    """The forward index after a change; a word that no product holds any more counts like one that none ever held."""
    width, fresh = len(FIELDS), Terms.of(change.fresh)
    new = [w for w in fresh.vocabulary if w not in terms.vocabulary]
    vocabulary = {**terms.vocabulary, **{w: len(terms.vocabulary) + at for at, w in enumerate(new)}} if new else terms.vocabulary
    number = np.array([vocabulary[w] for w in fresh.vocabulary], dtype=np.int32)
    offsets, values = spliced(
        terms.offsets, terms.terms, change.kept, fresh.offsets, number[fresh.terms] if len(number) else fresh.terms, width=width
    )
    frequency = np.concatenate([terms.frequency, np.zeros(len(new), dtype=np.int32)])
    frequency[number] += fresh.frequency
    at, counts = entries_at(terms.offsets, change.left, width=width)
    owner = np.repeat(np.arange(len(counts)), counts)
    distinct = np.unique(owner * max(len(vocabulary), 1) + terms.terms[at]) % max(len(vocabulary), 1)
    frequency -= np.bincount(distinct, minlength=len(vocabulary)).astype(np.int32)
    mean = np.diff(offsets).reshape(-1, width).sum(axis=0) / max(len(change.after), 1)
    made = Terms(vocabulary, offsets, values, frequency, np.maximum(mean, 1.0))
    return made.held_as(terms, change.kept, len(change.fresh))


def changed_phrases(phrases: Phrases, change: Change) -> Phrases:
    """Brands and values by their words after a change: those that came are named, those that nobody holds are not."""
    after, before = change.after.labels, change.before.labels
    at, _ = entries_at(before.offsets, change.left)
    touched = np.unique(np.concatenate([before.pair[at], change.pair_of])) if len(at) or len(change.pair_of) else at
    held = held_pairs(after)
    values = dict(phrases.values)
    for pair in touched.tolist():
        if words := Phrases.words(after, pair):
            others = {p for p in values.get(words, ()) if p != pair}
            if held[pair]:
                values[words] = tuple(sorted({*others, pair}))
            elif others:
                values[words] = tuple(sorted(others))
            else:
                values.pop(words, None)
    brands, code = _brands(phrases, change)
    return Phrases(values, after.pair_name, brands, code)


def _brands(phrases: Phrases, change: Change) -> tuple[Mapping[tuple[str, ...], int], Ints]:
    brands = dict(phrases.brands)
    following = 1 + max(brands.values(), default=-1)
    fresh = np.full(len(change.fresh), -1, dtype=np.int64)
    for row, name in enumerate(change.fresh.text("brand").tolist()):
        if words := brand_words(name):
            if words not in brands:
                brands[words], following = following, following + 1
            fresh[row] = brands[words]
    code = joined(phrases.brand_code, change.kept, fresh)
    held = np.bincount(code + 1, minlength=following + 1)[1:]
    return {w: c for w, c in brands.items() if held[c]}, code
