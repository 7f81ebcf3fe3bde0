"""The chain through the runner against the same functions called by hand: what the runner itself costs.

Both sides call the same six functions on the same arrays (retrieve, filter, features, a cheap and a dear phase, decide) and cut with
the same kernel; the side by hand keeps no trace, checks nothing and makes no record beyond what the functions take.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from rialto.cli.bench import Metric
from rialto.records import Candidates, Columns, Context, Decisions, Requests
from rialto.spine.decide.slate import slate
from rialto.spine.features import Features
from rialto.spine.params import Param
from rialto.spine.pipeline import Pipeline
from rialto.spine.rank import Phase, best
from rialto.spine.retrieve import Filter, Source

SIZE = Param("bench.spine.size", 1, low=1, high=100, unit="choices", doc="Choices of each request.")
SWAP = Param("bench.spine.swap", 0.0, low=0.0, high=0.5, unit="share", doc="Swapped lists.")
KEEP = Param("bench.spine.keep", 4, low=1, high=1000, unit="candidates", doc="Candidates that pass the cheap phase.")
WEIGHTS = np.array([0.5, -1.0, 0.25, 2.0], dtype=np.float32)
FEATURES = ("near", "late", "worth", "mood")


class Chain:
    """Six functions over `requests` requests with `each` candidates."""

    def __init__(self, requests: int, each: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.requests = Requests.of({"x": rng.random(requests)})
        self.offsets = np.arange(requests + 1) * each
        rows = requests * each
        self.ids, self.km = rng.permutation(rows), rng.random(rows)
        self.context = Context()
        decider = slate(SIZE, SWAP)
        self.pipeline = Pipeline(
            "bench",
            [Source("near", self.fetch)],
            [Filter("too_far", self.keep)],
            [Features("pair", FEATURES, self.features)],
            [Phase("cheap", self.cheap, KEEP), Phase("dear", self.dear)],
            decider,
        )
        self.decide = decider.decide

    def fetch(self, requests: Requests, context: Context) -> Candidates:
        return Candidates(self.offsets, self.ids, {"km": self.km * 1.25})

    def keep(self, requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        return candidates.column("km") < 1.0

    def features(self, requests: Requests, candidates: Candidates, context: Context) -> Columns:
        km = candidates.column("km").astype(np.float32)
        x = requests.column("x")[candidates.owner].astype(np.float32)
        return {"near": 1 / (1 + km), "late": km * x, "worth": np.sqrt(x), "mood": np.sin(km + x)}

    def cheap(self, requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
        return -candidates.column("km")

    def dear(self, requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
        return sum((candidates.column(n).astype(np.float64) * w for n, w in zip(FEATURES, WEIGHTS)), np.zeros(len(candidates)))

    def by_runner(self) -> Decisions:
        return self.pipeline.run(self.requests).decisions

    def by_hand(self) -> Decisions:
        r, x = self.requests, self.context
        c = self.fetch(r, x)
        c = c.keep(self.keep(r, c, x))
        c = c.with_columns(self.features(r, c, x))
        scored = c.with_columns({"score": self.cheap(r, c, x)})
        c = scored.at(*best(scored.offsets, scored.ids, scored.column("score"), KEEP.of(r).astype(np.int64)))
        return self.decide(r, c.with_columns({"score": self.dear(r, c, x)}), x)


def pairs(first: Callable[[], object], second: Callable[[], object], repeats: int) -> NDArray[np.float64]:
    """Seconds of both, in turn, shape (repeats, 2); one uncounted call each comes first, and who begins alternates."""
    first(), second()
    out = np.empty((repeats, 2))
    for i in range(repeats):
        for side in (0, 1) if i % 2 else (1, 0):
            start = perf_counter()
            (first, second)[side]()
            out[i, side] = perf_counter() - start
    return out


def spread(values: NDArray[np.float64]) -> float:
    return float((values.max() - values.min()) / np.median(values))


def run(*, quick: bool = False) -> list[Metric]:
    repeats = 5 if quick else 31
    window = Chain(10_000 if quick else 100_000, 8)
    assert window.by_runner().same(window.by_hand()), "runner and hand must decide alike"
    t = pairs(window.by_runner, window.by_hand, repeats)
    ratios = t[:, 0] / t[:, 1]
    hand = float(np.median(t[:, 1]))
    found = [
        Metric("window_ratio", float(np.median(ratios)), "runner time / hand time", spread(ratios), "by hand", 1.0,
               1 / float(np.median(ratios))),
        Metric("window_runner_ms", float(np.median(t[:, 0])) * 1e3, "ms", spread(t[:, 0]), "by hand", hand * 1e3,
               hand / float(np.median(t[:, 0]))),
    ]  # fmt: skip
    single = Chain(1, 1000)
    t = pairs(single.by_runner, single.by_hand, 200 if quick else 2000) * 1e6
    over = t[:, 0] - t[:, 1]
    low, high = np.quantile(over, [0.25, 0.75])
    found.append(
        Metric("single_overhead_us", float(np.median(over)), "us", float((high - low) / np.median(over)), "by hand, whole",
               float(np.median(t[:, 1])), None)
    )  # fmt: skip
    return [*found, *growth(quick=quick)]


def growth(*, quick: bool) -> list[Metric]:
    """The exponent of time against requests: 1 is linear. Small batches pay a fixed cost, so the upper decades are told apart too."""
    sizes = [1, 10, 100, 1_000, 10_000] if quick else [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]
    large = slice(-2 if quick else -3, None)
    whole: list[float] = []
    upper: list[float] = []
    for _ in range(1 if quick else 5):
        seconds = []
        for size in sizes:
            chain = Chain(size, 8)
            chain.by_runner()
            start = perf_counter()
            chain.by_runner()
            seconds.append(perf_counter() - start)
        whole.append(float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0]))
        upper.append(float(np.polyfit(np.log(sizes[large]), np.log(seconds[large]), 1)[0]))
    return [
        Metric(
            "growth_exponent", float(np.median(whole)), f"log time / log requests, 1 to {sizes[-1]:,}", spread(np.array(whole))
        ),
        Metric(
            "growth_exponent_large",
            float(np.median(upper)),
            f"log time / log requests, {sizes[large][0]:,} to {sizes[-1]:,}",
            spread(np.array(upper)),
        ),
    ]
