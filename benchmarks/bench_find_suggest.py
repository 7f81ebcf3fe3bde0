"""Autocomplete at 20,000 products and 20,000 past queries, beside plain bisection in sorted strings, on the same prefixes in one run.

The peer knows no slips, no other order of words, no phrases, no scopes and no model: it is what a completion costs at least in Python.
Quality stands beside most popular completion: queries of shops that the shipped model has not seen, typed letter by letter. `teach`
makes the shipped model again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from rialto.cli.bench import Metric
from rialto.find.catalogue import Catalogue
from rialto.find.ingest import read_catalogue
from rialto.find.suggest import Model, Ranking, Suggester
from rialto.find.suggest.learn import Pairs, fit, parted, simulated
from rialto.find.suggest.measure import Measured, measured
from rialto.find.suggest.phrases import phrases
from rialto.find.terms import fold
from rialto.worlds.shop import make_shop

TAUGHT = ((11, 3000, 1.0), (12, 3000, 0.3), (13, 1500, 0.0), (14, 1500, 1.0), (15, 4000, 0.7), (16, 2500, 0.6))
"""Shops that the shipped model learned from: seed, products, share of the past log that it keeps."""
HELD_OUT = (21, 22, 23)


def run(*, quick: bool = False) -> list[Metric]:
    """Time of a completion, of building, memory, and quality on held-out queries."""
    products, lines, looks, rounds = (300, 300, 60, 3) if quick else (20_000, 20_000, 2000, 7)
    catalogue, asked = shop(1, products)
    queries = log(catalogue, asked, lines)
    built, mine = timed(lambda: Suggester(catalogue, queries), 2 if quick else 5)
    peer_built, peer = timed(lambda: Sorted(catalogue, queries), 2 if quick else 5)
    typed = prefixes(list(queries), looks)
    ours, theirs = looked_up([mine.complete, peer.complete], typed, rounds)
    out = [_times(f"suggest_p{q}_ms", ours, theirs, q) for q in (50, 99)]
    out.append(
        Metric(
            "suggest_build_s", median(built), "s", spread(built), "bisect", median(peer_built), median(peer_built) / median(built)
        )
    )
    out.append(Metric("suggest_arrays_mib", mine.nbytes / 2**20, "MiB", 0.0))
    return [*out, *quality(HELD_OUT[:1] if quick else HELD_OUT, 300 if quick else 3000)]


def _times(name: str, ours: list[np.ndarray], theirs: list[np.ndarray], q: int) -> Metric:
    mine, other = ([float(np.percentile(r, q)) * 1000.0 for r in rounds] for rounds in (ours, theirs))
    return Metric(name, median(mine), "ms", spread(mine), "bisect", median(other), median(other) / median(mine))


def spread(values: list[float]) -> float:
    return (max(values) - min(values)) / median(values)


def timed(work: Callable[[], Any], rounds: int) -> tuple[list[float], Any]:
    """Seconds of each round, one before the clock counts, and what came of the last."""
    made, times = work(), list[float]()
    for _ in range(rounds):
        start = perf_counter()
        made = work()
        times.append(perf_counter() - start)
    return times, made


def looked_up(ways: list[Callable[[str], object]], typed: list[str], rounds: int) -> list[list[np.ndarray]]:
    """Seconds of every look-up, by way and round, in turns; one round before the clock counts."""
    out: list[list[np.ndarray]] = [[] for _ in ways]
    for turn in range(rounds + 1):
        for own, way in zip(out, ways):
            times = np.empty(len(typed))
            for n, prefix in enumerate(typed):
                start = perf_counter()
                way(prefix)
                times[n] = perf_counter() - start
            if turn:
                own.append(times)
    return out


def quality(seeds: tuple[int, ...], products: int) -> list[Metric]:
    """Measures beside popularity alone and beside most popular completion; the spread is half the width of the gain's 95 % interval."""
    rankings = {
        "": Ranking(),
        "popularity alone": Ranking(Model.popularity(begins=False)),
        "most popular completion": Ranking(Model.popularity()),
    }
    found: dict[str, list[Measured]] = {name: [] for name in rankings}
    for seed in seeds:
        catalogue, asked = shop(seed, products)
        past, future = parted(asked, seed=seed)
        suggester, some = Suggester(catalogue, past), dict(list(future.items())[:: 1 if products > 1000 else 9])
        for name, ranking in rankings.items():
            found[name].append(measured(suggester.ranked_by(ranking), some, slips=0.1, seed=seed))
    ours, *others = [(name, pooled(parts)) for name, parts in found.items()]
    return [_gain(measure, ours[1], name, peer) for name, peer in others for measure in ("mrr", "success_1", "success", "saved")]


def _gain(measure: str, ours: Measured, name: str, peer: Measured) -> Metric:
    gain, value, other = ours.gain(peer, measure), ours.mean(measure).value, peer.mean(measure).value
    return Metric(f"suggest_{measure}", value, "share", (gain.high - gain.low) / 2, name, other, value / max(other, 1e-9))


def pooled(parts: list[Measured]) -> Measured:
    return Measured(np.concatenate([p.values for p in parts]), np.concatenate([p.weight for p in parts]))


def teach() -> Model:
    """The shipped model, `find/data/suggest.json`: from simulated typing in the shops of `TAUGHT`."""
    parts = list[Pairs]()
    for seed, products, share in TAUGHT:
        catalogue, asked = shop(seed, products)
        past, future = parted(asked, seed=seed)
        rng = np.random.default_rng(seed)
        suggester = Suggester(
            catalogue, {q: n for q, n in past.items() if rng.random() < share}, ranking=Ranking(Model.popularity())
        )
        parts.append(simulated(suggester, future, seed=seed, queries=400))
    return fit(Pairs.joined(parts), start=START)


START = Model.of_json(
    '{"popular": 1, "phrase": -0.5, "category": 0, "brand": 0, "product": -2, "recent": 0.5, "inside": -0.5, "moved": -1, "left": -0.5, '
    '"done": 0, "slips": -2, "agrees": 0.3, "chosen": 3, "popular_early": 0.5, "product_late": 0.5, "popular_product": 0, "popular_phrase": 0}'
)
"""Where the shipped model began: by hand, from what each feature means."""


def shop(seed: int, products: int) -> tuple[Catalogue, dict[str, float]]:
    """A made-up shop's catalogue, and its queries that hold no slip."""
    made = make_shop(seed=seed, products=products)
    with TemporaryDirectory() as folder:
        made.write(folder)
        catalogue = read_catalogue(str(Path(folder) / "catalogue.jsonl")).catalogue
    q = made.queries
    return catalogue, {t: float(f) for t, f, k in zip(q.text.tolist(), q.frequency.tolist(), q.kind.tolist()) if k != "typo"}


def log(catalogue: Catalogue, asked: Mapping[str, float], lines: int) -> dict[str, float]:
    """So many past queries: those of the shop, then phrases of its catalogue, frequencies by Zipf's law."""
    more = (text for text, _, _ in phrases(catalogue, np.ones(len(catalogue), dtype=bool)))
    texts = list(dict.fromkeys([*sorted(asked, key=lambda t: -asked[t]), *more]))[:lines]
    return {t: 1e6 / rank for rank, t in enumerate(texts, start=1)}


def prefixes(queries: list[str], count: int) -> list[str]:
    """What is typed: beginnings of queries by frequency, of every length, every tenth with two letters exchanged."""
    rng = np.random.default_rng(0)
    weight = 1.0 / np.arange(1, len(queries) + 1)
    out = list[str]()
    for n in rng.choice(len(queries), count, p=weight / weight.sum()).tolist():
        text = queries[n][: int(rng.integers(1, len(queries[n]) + 1))]
        at = int(rng.integers(0, max(len(text) - 1, 1)))
        slip = rng.random() < 0.1 and len(text) > 3
        out.append(text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :] if slip else text)
    return out


class Sorted:
    """The peer: folded word starts in a sorted list; a prefix is a range found by bisection, its best lines by weight."""

    def __init__(self, catalogue: Catalogue, queries: Mapping[str, float]) -> None:
        popular = np.nan_to_num(catalogue.value("rating_count"))
        self._lines = [*((t, 3.0 + n / (1.0 + n)) for t, n in queries.items())]
        self._lines += [(t, n / (1.0 + n)) for t, n in zip(catalogue.text("title").tolist(), popular.tolist())]
        self._weights = np.array([w for _, w in self._lines])
        keys = sorted((s, at) for at, (text, _) in enumerate(self._lines) for s in self._starts(fold(text)))
        self._keys, self._line = [k for k, _ in keys], np.array([at for _, at in keys])

    @staticmethod
    def _starts(folded: str) -> list[str]:
        words = folded.split()
        return [" ".join(words[i:])[:100] for i in range(min(4, len(words)))]

    def complete(self, prefix: str, *, limit: int = 8) -> list[str]:
        folded = " ".join(fold(prefix[:100]).split())
        low, high = bisect_left(self._keys, folded), bisect_left(self._keys, folded + "\U0010ffff")
        lines = np.unique(self._line[low:high])
        order = lines[np.lexsort((lines, -self._weights[lines]))[: 4 * limit]]
        return list(dict.fromkeys(fold(self._lines[at][0]) for at in order.tolist()))[:limit]
