"""Lexical search in process: time of a query and of indexing, beside SQLite's FTS5 with bm25() on the same texts and queries."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from time import perf_counter

import numpy as np

from rialto.cli.bench import Metric
from rialto.local.text import TantivyText
from rialto.ports import TextField, TextQuery

FIELDS = (TextField("title", boost=3.0), TextField("text"))
PEER = "sqlite fts5 bm25"


def catalogue(documents: int, seed: int = 0) -> tuple[list[str], list[str], list[str]]:
    """Titles, descriptions and queries of made-up words whose frequency falls as 1/rank, as words' does."""
    rng = np.random.default_rng(seed)
    letters = np.array(list("abdegiklmnoprstu"))
    words = np.unique(["".join(rng.choice(letters, rng.integers(3, 9))) for _ in range(20_000)])
    words = rng.permutation(words)
    chance = 1.0 / np.arange(10, len(words) + 10)
    chance /= chance.sum()

    def texts(count: int, low: int, high: int) -> list[str]:
        sizes = rng.integers(low, high, count)
        drawn = np.split(rng.choice(words, sizes.sum(), p=chance), np.cumsum(sizes)[:-1])
        return [" ".join(part) for part in drawn]

    return texts(documents, 4, 12), texts(documents, 20, 80), texts(300, 1, 5)


def index_tantivy(titles: list[str], bodies: list[str]) -> TantivyText:
    index = TantivyText(FIELDS)
    index.add(np.arange(len(titles)), {"title": titles, "text": bodies}, {})
    index.search([TextQuery("commit")], limit=1)
    return index


def index_sqlite(titles: list[str], bodies: list[str]) -> sqlite3.Connection:
    base = sqlite3.connect(":memory:")
    base.execute("create virtual table t using fts5(title, text, tokenize='porter unicode61')")
    base.executemany("insert into t(rowid, title, text) values (?, ?, ?)", zip(range(len(titles)), titles, bodies))
    base.commit()
    return base


def ask_sqlite(base: sqlite3.Connection, query: str) -> list[tuple[int]]:
    words = " OR ".join(f'"{word}"' for word in query.split())
    return base.execute("select rowid from t where t match ? order by bm25(t, 3.0, 1.0) limit 10", (words,)).fetchall()


def times_ms(ask: Callable[[str], object], queries: list[str]) -> np.ndarray:
    taken = []
    for query in queries:
        start = perf_counter()
        ask(query)
        taken.append(1e3 * (perf_counter() - start))
    return np.array(taken)


def metric(name: str, unit: str, mine: list[float], theirs: list[float], *, more_is_better: bool) -> Metric:
    value, peer = float(np.median(mine)), float(np.median(theirs))
    ratio = value / peer if more_is_better else peer / value
    return Metric(name, value, unit, (max(mine) - min(mine)) / value, PEER, peer, ratio)


def run(*, quick: bool = False) -> list[Metric]:
    """Medians of five alternating runs; `ratio` above 1 is ahead of the peer."""
    documents = 1_000 if quick else 20_000
    titles, bodies, queries = catalogue(documents)
    queries = queries[:30] if quick else queries
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(5):
        for rate, make in zip(rates, (index_tantivy, index_sqlite)):
            start = perf_counter()
            made = make(titles, bodies)
            rate.append(documents / (perf_counter() - start))
            made.close()
    index, base = index_tantivy(titles, bodies), index_sqlite(titles, bodies)
    mine, theirs = [], []
    for _ in range(5):
        mine.append(times_ms(lambda query: index.search([TextQuery(query)], limit=10), queries))
        theirs.append(times_ms(lambda query: ask_sqlite(base, query), queries))
    index.close()
    base.close()
    return [
        metric("text_index_documents_per_s", "documents/s", *rates, more_is_better=True),
        *(
            metric(f"text_query_p{p}_ms", "ms", *([float(np.percentile(t, p)) for t in ts] for ts in (mine, theirs)),
                   more_is_better=False)
            for p in (50, 99)
        ),
    ]  # fmt: skip
