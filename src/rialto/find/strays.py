"""Products whose titles read like another category's: a classifier by words that has not seen the product it judges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.spots import Spots, kinds
from rialto.find.terms import analyse

__all__ = ["strays"]

_FEW = 8  # products from which on a category can be told by its words
_MARGIN = 6.0  # log-odds by which another category must be likelier
_ALPHA = 0.1  # smoothing of word counts
_WORDS = 24  # of one title
_CHUNK = 4096


def strays(c: Catalogue) -> list[Spots]:
    """Products that another category's words describe far better than their own's.

    Each product is judged by the words of all the others: its own are taken out of its category's counts first.

    Source:
        Rennie, Shih, Teevan, Karger (2003), "Tackling the poor assumptions of naive Bayes text classifiers": normalised log counts.
    """
    groups = [(name, rows) for name, rows in kinds(c, _FEW) if name and len(rows) >= _FEW]
    if len(groups) < 2:
        return []
    label = np.full(len(c), -1, dtype=np.int64)
    for at, (_, rows) in enumerate(groups):
        label[rows] = at
    owner, word, vocabulary = _words(c)
    mine = label[owner] >= 0
    owner, word = owner[mine], word[mine]
    count = np.zeros((vocabulary, len(groups)))
    np.add.at(count, (word, label[owner]), 1.0)
    total = count.sum(axis=0)
    best, margin = _judged(owner, word, label, count, total, len(c))
    rows = np.flatnonzero(margin > _MARGIN)
    if not len(rows):
        return []
    rows = rows[np.argsort(-margin[rows], kind="stable")]
    hints = [f"{groups[int(label[r])][0]}; reads like {groups[int(best[r])][0]}" for r in rows.tolist()]
    says = f"{len(rows):,} products have titles that read like another category's. See whether they stand in the right one."
    return [Spots("wrong_category", "", "medium", rows, int((label >= 0).sum()), says, hints)]


def _words(c: Catalogue) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Entries (row, word) of the titles, a word once a title, and how many words there are; words of one product alone are left out."""
    vocabulary: dict[str, int] = {}
    counts, flat = list[int](), list[int]()
    for title in c.text("title").tolist():
        words = {vocabulary.setdefault(w, len(vocabulary)) for w in analyse(title)[:_WORDS] if not w.isdigit()}
        counts.append(len(words))
        flat += words
    owner, word = np.repeat(np.arange(len(counts)), counts), np.array(flat, dtype=np.int64)
    held = np.bincount(word, minlength=len(vocabulary))
    often = held > 1
    place = np.cumsum(often) - 1
    keep = often[word] if len(word) else np.zeros(0, dtype=np.bool_)
    return owner[keep], place[word[keep]], int(often.sum())


def _judged(
    owner: NDArray[np.int64], word: NDArray[np.int64], label: NDArray[np.int64], count: NDArray[np.float64],
    total: NDArray[np.float64], products: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """The likeliest other category of each product, and by how much it is likelier than its own; -inf where nothing can be said."""
    size = _ALPHA * len(count)
    weight = np.log(count + _ALPHA) - np.log(total + size)
    start = np.searchsorted(owner, np.arange(products + 1))
    best, margin = np.zeros(products, dtype=np.int64), np.full(products, -np.inf)
    sizes = np.diff(start)
    for first in range(0, products, _CHUNK):
        rows = np.arange(first, min(first + _CHUNK, products))
        rows = rows[(label[rows] >= 0) & (sizes[rows] > 1)]
        if not len(rows):
            continue
        lengths = sizes[rows]
        ends = np.cumsum(lengths) - lengths
        at = np.arange(int(lengths.sum())) + np.repeat(start[rows] - ends, lengths)
        score = np.add.reduceat(weight[word[at]], ends, axis=0)
        own = label[rows]
        without = np.log(count[word[at], np.repeat(own, lengths)] - 1.0 + _ALPHA) - np.log(
            np.repeat(total[own] - lengths, lengths) + size
        )
        mine = np.add.reduceat(without, ends)
        score[np.arange(len(rows)), own] = -np.inf
        other = score.argmax(axis=1)
        best[rows] = other
        margin[rows] = score[np.arange(len(rows)), other] - mine
    return best, margin
