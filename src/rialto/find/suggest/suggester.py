"""Autocomplete: from what was typed so far to the lines below the search box."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.records import split_path
from rialto.find.suggest.index import Index, Matches
from rialto.find.suggest.ranking import Ranking, features
from rialto.find.suggest.records import KINDS, LONGEST, ROOM, Policy, Suggestion, keyed
from rialto.find.suggest.slips import readings
from rialto.find.suggest.sources import Lines, lines_of, offered_rows
from rialto.find.suggest.stock import Stock
from rialto.records import Requests

__all__ = ["Suggester"]

Products = Callable[[str, int], NDArray[np.int64]]
"""Text and how many -> numbers of the best products for it."""

_BAND = 6  # lines of each kind, by first word and by another, that are ranked
_ENOUGH = 4  # exact lines other than titles from which on no slip is looked for
_GOOD = 0.3  # popularity of an exact line that no line with a slip stands before
_SAMPLE = 64  # products that tell which categories a text is spread over
_SPREAD = 0.15  # share of them that makes a category worth a line of its own
_SCOPED_WORDS = 2  # of a longer query no scope is offered: its words say where
_POOL = 3  # times the lines wanted that are chosen from


@dataclass(frozen=True)
class _Found:
    """Ranked candidates of one prefix: lines (int32), scores (float64) and the cost of slips (float32), best first."""

    line: NDArray[np.int32]
    score: NDArray[np.float64]
    cost: NDArray[np.float32]


class Suggester:
    """Completions of a prefix from past queries and the catalogue.

    Lines that begin with what was typed, at their first or another word, come from sorted word starts; where they are few, lines that hold
    the words in another order, then lines near it by a slip of the fingers. A learned model ranks them. It is made anew when the
    catalogue changes, which takes less time than reading the catalogue, so only what was learned (`Model.to_json`) is kept in files.

    Args:
        catalogue: Its phrases (type, attribute, brand), categories, brands and titles are completed.
        queries: Past queries and how often each was asked; counts or shares.
        recent: Past query -> how far it is on the rise, 0..1.
        policy: What is never offered.
        ranking: What ranks.
        products: Finds products for a text; by own words where None.

    Cost:
        Building is linear, about 150 µs a product and 20 µs a query, and 1.5 kB a product. A look-up takes tens of microseconds and grows
        with the logarithm of the lines; one with slips a few hundred.

    Example:
        >>> from rialto.find.builder import Builder
        >>> b = Builder()
        >>> nothing = dict.fromkeys(("price_cents", "stock", "released_day", "rating", "rating_count"), float("nan"))
        >>> texts = dict.fromkeys(("description", "group", "image", "names"), "")
        >>> b.add("1", {**texts, "title": "Red lamp", "brand": "Lumo", "category": "Home/Lamps"}, nothing, [])
        >>> s = Suggester(b.finish(), {"lamp shade lumo": 3.0})
        >>> sorted({(x.text, x.kind) for x in s.complete("lam")})
        [('Lamps', 'category'), ('Red lamp', 'product'), ('lamp shade lumo', 'query'), ('lumo lamps', 'query')]
        >>> [x.text for x in s.complete("lapm")][:1]
        ['lamp shade lumo']
    """

    def __init__(
        self,
        catalogue: Catalogue,
        queries: Mapping[str, float] | None = None,
        *,
        recent: Mapping[str, float] | None = None,
        policy: Policy | None = None,
        ranking: Ranking | None = None,
        products: Products | None = None,
    ) -> None:
        policy = policy or Policy()
        self._catalogue, self._products = catalogue, products
        self.ranking = ranking or Ranking()
        self._barrier = policy.barrier()
        kept = offered_rows(catalogue, policy)
        self._stock = Stock.of(catalogue, kept)
        self.lines: Lines = lines_of(catalogue, self._stock, kept, queries or {}, recent or {}, policy)
        self._lengths = np.array([len(k) for k in self.lines.key], dtype=np.int32)
        self._index = Index.of(self.lines)
        self._offered = np.ones(len(self.lines), dtype=bool)
        self._shown = np.append(kept, False)  # row -1 is no product
        one = Requests.of({"text": np.array([""], dtype=object)})
        self._room = {name: float(param.one(one)) for name, param in ROOM.items()}

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, without the texts of the lines."""
        s = self._stock
        return self._index.nbytes + s.place.nbytes + s.offsets.nbytes + s.row.nbytes + s.popularity.nbytes

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Numbers of the products that it was made of, shape (products,)."""
        return self._catalogue.numbers

    def without(self, numbers: NDArray[np.int64]) -> Suggester:
        """The same lines without these products (sold out a moment ago, hidden, gone); numbers that it does not know change nothing.

        Cost:
            A few bytes a product; nothing is indexed again.
        """
        rows = self._catalogue.rows(np.asarray(numbers, dtype=np.int64))
        gone = np.zeros(len(self._catalogue) + 1, dtype=bool)
        gone[rows] = True
        gone[-1] = False  # row -1: no such product, and lines that are none
        other = copy(self)
        other._offered = self._offered & ~gone[self.lines.row]
        other._shown = self._shown & ~gone
        other._stock = replace(self._stock, offered=other._shown[self._stock.row])
        return other

    def ranked_by(self, ranking: Ranking) -> Suggester:
        """The same lines under another ranking; O(1)."""
        other = copy(self)
        other.ranking = ranking
        return other

    def complete(self, prefix: str, *, limit: int = 8) -> list[Suggestion]:
        """The best `limit` completions of `prefix`, no line twice; queries, categories and brands by score, products behind them.

        Args:
            prefix: What was typed; of more than 100 characters, the first 100.
            limit: Most lines; below 1 there are none.
        """
        asked = _asked(prefix)
        if not asked or limit < 1 or (self._barrier is not None and self._barrier.search(asked)):
            return []
        said, titles = self._said(self._found(asked), limit)
        scoped = self._scoped(said, max(round(self._room["scope"] * limit), 1)) if limit > 2 else []
        return self._chosen([*said, *scoped, *self._products_of(titles, said, asked, limit)], limit)

    def candidates(self, prefix: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Lines that are ranked for a prefix, shape (candidates,), and their features, shape (candidates, FEATURES): to learn from."""
        asked = _asked(prefix)
        if not asked:
            return np.zeros(0, dtype=np.int32), np.zeros((0, 0), dtype=np.float32)
        matches = self._matches(asked)
        return matches.line, features(self.lines, self._lengths, matches, asked, self.ranking.choices)

    def _found(self, asked: str) -> _Found:
        matches = self._matches(asked)
        if not len(matches):
            return _Found(matches.line, np.zeros(0), matches.cost)
        score = self.ranking.scorer(features(self.lines, self._lengths, matches, asked, self.ranking.choices))
        score = np.nan_to_num(np.asarray(score, dtype=np.float64), nan=-1e9)
        good = (matches.cost == 0) & ~matches.moved & (self.lines.prior[matches.line] >= _GOOD)
        if good.any():
            score = np.where(matches.cost > 0, np.minimum(score, score[good].min() - 1e-6), score)
        order = np.lexsort((matches.line, -score))
        return _Found(matches.line[order], score[order], matches.cost[order])

    def _matches(self, asked: str) -> Matches:
        """Candidates, each line once, at its cheapest match."""
        index = self._index
        parts = [self._exact(asked)]
        words = asked.split()
        if self._few(parts) and 1 < len(words) <= 8:
            parts.append(index.anyhow([index.coded(w) for w in words], self._offered, _BAND))
        if self._few(parts):
            near = readings(index, asked)
            if near:
                blank = index.coded(" ")
                texts = [
                    np.concatenate([*chain.from_iterable((p, blank) for p in parts_[:-1]), parts_[-1]]) for parts_, _ in near
                ]
                cost = np.array([c for _, c in near], dtype=np.float32)
                parts.append(index.exact(texts, self._offered, max(_BAND // 2, 1), cost))
        return _single(parts)

    def _exact(self, asked: str) -> Matches:
        """Lines that hold what was typed; behind a blank, lines that end there too, and where there are none, that go on without one."""
        index, text = self._index, asked.rstrip()
        if text == asked:
            return index.exact([index.coded(asked)], self._offered, _BAND, np.zeros(1, dtype=np.float32))
        found = index.exact([index.coded(asked), index.coded(text)], self._offered, _BAND, np.zeros(2, dtype=np.float32))
        whole = index.blob[index.start[found.line] + found.skipped + len(text)]
        keep = (whole == 0) | (whole == index.blank)
        return found.at(keep) if keep.any() else found

    def _few(self, parts: list[Matches]) -> bool:
        told = set[int]()
        for p in parts:
            told.update(p.line[self.lines.kind[p.line] != KINDS.index("product")].tolist())
        return len(told) < _ENOUGH

    def _said(self, found: _Found, limit: int) -> tuple[list[Suggestion], list[Suggestion]]:
        """The best `limit` lines to search for, and of those the titles, best first."""
        lines, numbers = self.lines, self._catalogue.numbers
        said, titles = list[Suggestion](), list[Suggestion]()
        for at, score, cost in zip(found.line.tolist(), found.score.tolist(), found.cost.tolist()):
            source, row = KINDS[lines.kind[at]], int(lines.row[at])
            kind, number = "query" if source == "phrase" else source, int(numbers[row]) if row >= 0 else -1
            if len(own := titles if row >= 0 else said) < _POOL * limit:
                own.append(Suggestion(lines.text[at], kind, score, number, "", source, cost > 0))
        return said, titles

    def _scoped(self, said: list[Suggestion], most: int) -> list[Suggestion]:
        """The best query, where it is of few words, once more within each category that holds a good part of what it finds."""
        first = next((s for s in said if s.kind == "query"), None)
        if first is None or first.corrected or len(first.text.split()) > _SCOPED_WORDS:
            return []
        path = self._stock.path[self._stock.best(first.text, _SAMPLE)]
        codes, counts = np.unique(path[path >= 0], return_counts=True)
        paths = [split_path(self._stock.paths[c]) for c in codes.tolist()]
        level = next((n for n in range(1, 4) if len({p[:n] for p in paths}) > 1), 0)
        share: dict[tuple[str, ...], int] = {}
        for p, n in zip(paths, counts.tolist()):
            share[p[:level]] = share.get(p[:level], 0) + n
        best = sorted(((n, p) for p, n in share.items() if n >= max(_SPREAD * len(path), 2)), key=lambda x: (-x[0], x[1]))
        if level == 0 or len(best) < 2:
            return []
        return [
            replace(first, weight=first.weight - 1e-9 * n, scope="/".join(p)) for n, (_, p) in enumerate(best[:most], start=1)
        ]

    def _products_of(self, titles: list[Suggestion], said: list[Suggestion], asked: str, limit: int) -> list[Suggestion]:
        """Titles that match, then the best products for the best completion; of variants one."""
        groups = self._catalogue.group_code
        at = self._catalogue.rows(np.array([s.product for s in titles], dtype=np.int64))
        held = dict(zip(groups[at][::-1].tolist(), reversed(titles)))
        titles = [s for s in titles if any(s is h for h in held.values())][:limit]
        if len(asked) < 2 or len(titles) >= max(round(self._room["product"] * limit), 1) or not said:
            return titles
        numbers = self._hits(said[0].text, limit)
        rows = self._catalogue.rows(numbers)
        low = min((s.weight for s in titles), default=said[0].weight) - 1.0
        for n, (row, number) in enumerate(zip(rows.tolist(), numbers.tolist())):
            text, group = str(self._catalogue.text("title")[row]), int(groups[row])
            if row >= 0 and group not in held and (self._barrier is None or not self._barrier.search(keyed(text))):
                held[group] = Suggestion(text, "product", low - n, number, "", "product", said[0].corrected)
                titles.append(held[group])
        return titles

    def _hits(self, text: str, most: int) -> NDArray[np.int64]:
        if self._products is None:
            return self._catalogue.numbers[self._stock.best(text, most)]
        numbers = np.asarray(self._products(text, most), dtype=np.int64)[:most]
        return numbers[self._shown[self._catalogue.rows(numbers)]]

    def _chosen(self, lines: list[Suggestion], limit: int) -> list[Suggestion]:
        """At most its room of each kind while others have lines, no product's title twice, products last."""
        room = {k: max(round(share * limit), 1) for k, share in self._room.items()}
        seen: set[tuple[str, str]] = set()
        first, more = list[Suggestion](), list[Suggestion]()
        taken = dict.fromkeys(room, 0)
        for s in lines:
            key, kind = (s.text.casefold(), s.scope), "scope" if s.scope else s.kind
            if key in seen:
                continue
            seen.add(key)
            within = taken[kind] < room[kind]
            taken[kind] += within
            (first if within else more).append(s)
        kept = _shared(first, limit)
        return sorted(kept + more[: limit - len(kept)], key=lambda s: (s.kind == "product", -s.weight))


def _shared(lines: list[Suggestion], limit: int) -> list[Suggestion]:
    """The first `limit` lines: products keep their room, as they stand behind the others, but one other line."""
    products = [s for s in lines if s.kind == "product"]
    others = sorted((s for s in lines if s.kind != "product"), key=lambda s: -s.weight)
    return [*others[: limit - min(len(products), limit - 1)], *products][:limit]


def _single(parts: list[Matches]) -> Matches:
    line = np.concatenate([p.line for p in parts])
    cost, moved = np.concatenate([p.cost for p in parts]), np.concatenate([p.moved for p in parts])
    skipped, typed = np.concatenate([p.skipped for p in parts]), np.concatenate([p.typed for p in parts])
    order = np.lexsort((skipped, moved, cost, line))
    keep = order[np.concatenate([[True], np.diff(line[order]) > 0])] if len(order) else order
    return Matches(line, skipped, typed, cost, moved).at(keep)


def _asked(prefix: str) -> str:
    """What was typed, keyed; a blank at its end says that the last word is whole."""
    asked = keyed(prefix[:LONGEST])[:LONGEST]
    return f"{asked} "[:LONGEST] if asked and prefix[:LONGEST][-1:].isspace() and len(asked) < LONGEST - 1 else asked
